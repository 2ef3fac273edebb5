//! Secrets in files, readable by the owner only: made at the first start where nobody named one.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use yubin_admin::auth::Standing;
use yubin_proto::StoreClient;
use yubin_store::StoreSettings;
use yubin_types::Secret;

use crate::config::Config;

/// Random bytes in a secret.
const SECRET_BYTES: usize = 32;

/// The secret that keys the fast password verifiers, seals DKIM keys and rewrites senders of forwarded mail.
pub(crate) fn cluster_secret(config: &Config) -> anyhow::Result<Secret> {
    match &config.secrets.cluster_secret {
        // A name that was mistyped must not give this process a secret of its own.
        Some(path) => load(path).context("secrets.cluster_secret"),
        None => load_or_make(&config.data_dir.join("cluster-secret")),
    }
}

/// Where the admin token of a data folder is.
pub(crate) fn admin_token_path(config: &Config) -> PathBuf {
    config.data_dir.join("admin-token")
}

/// Makes sure that the token in `admin-token` is good, unless it was revoked; a missing one is made.
pub(crate) async fn admin_token(config: &Config, client: &StoreClient) -> anyhow::Result<()> {
    let path = admin_token_path(config);
    let token = match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let token = yubin_admin::auth::mint();
            write_private(&path, format!("{token}\n").as_bytes())?;
            token
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let now = (StoreSettings::system_clock())();
    let standing = yubin_admin::auth::register(client, &token, now).await;
    if standing.with_context(|| format!("registering {}", path.display()))? == Standing::Revoked {
        tracing::warn!(path = %path.display(), "the token in the file was revoked; without the file, the next start makes another one");
    }
    Ok(())
}

/// The secret in a file of hex digits; a missing file is made.
fn load_or_make(path: &Path) -> anyhow::Result<Secret> {
    if path.try_exists().with_context(|| format!("looking for {}", path.display()))? { load(path) } else { make(path) }
}

/// The secret in a file of hex digits.
fn load(path: &Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(text.trim()).with_context(|| format!("{}: 64 hex digits expected", path.display()))
}

fn make(path: &Path) -> anyhow::Result<Secret> {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    write_private(path, text.as_bytes())?;
    Ok(Secret::new(bytes))
}

/// Writes a file that only its owner reads; it must not exist yet.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let written =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
    written.with_context(|| format!("writing {}", path.display()))
}

fn parse(text: &str) -> Option<Secret> {
    let digits = text.as_bytes();
    if digits.len() != 2 * SECRET_BYTES || !text.is_ascii() {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{cluster_secret, load_or_make};
    use crate::config::Config;

    #[test]
    fn a_secret_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let made = load_or_make(&path).unwrap();
        assert_eq!(load_or_make(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "abc").unwrap();
        assert!(load_or_make(&path).is_err());
    }

    #[test]
    fn a_secret_that_was_named_is_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
        cluster_secret(&config).unwrap();
        let named = folder.path().join("cluster-secrt");
        config.secrets.cluster_secret = Some(named.clone());
        let error = format!("{:#}", cluster_secret(&config).unwrap_err());
        assert!(error.starts_with("secrets.cluster_secret: reading "), "{error}");
        assert!(!named.exists());
        config.secrets.cluster_secret = Some(folder.path().join("cluster-secret"));
        cluster_secret(&config).unwrap();
    }
}
