//! The certificate that a process signs itself, so that TLS is on from the first start.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{CertificateFiles, TlsError};

/// Makes certificate and key in `directory` unless they are there. The key is readable by its owner only; it is complete or absent,
/// also after a crash.
pub(super) fn prepare(directory: &Path, names: &[String]) -> Result<CertificateFiles, TlsError> {
    let files = CertificateFiles {
        certificate: directory.join("self-signed.crt.pem"),
        key: directory.join("self-signed.key.pem"),
    };
    if files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    fs::create_dir_all(directory).map_err(|error| TlsError::File { path: directory.to_owned(), error })?;
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| TlsError::Content { path: files.certificate.clone(), reason: error.to_string() })?;
    write(&files.key, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
    write(&files.certificate, made.cert.pem().as_bytes(), 0o644)?;
    Ok(files)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), TlsError> {
    let temporary = path.with_extension("new");
    let written = (|| {
        let _ = fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|error| TlsError::File { path: path.to_owned(), error })
}
