//! Turns the `.proto` files of the contract into Rust, without protoc.
//!
//! Kept apart from `yubin-proto` so that it runs while the generated code is missing or broken. `cargo xtask gen` runs the binary;
//! `proto/tests/drift.rs` generates into a temporary folder and compares.

use std::path::{Path, PathBuf};

/// Anything that goes wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Writes the code of every `.proto` file below `include` to `out`, and `descriptors.bin` for gRPC reflection.
///
/// # Errors
/// A file can't be read or written, or isn't valid.
pub fn generate(include: &Path, out: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(out)?;
    let mut files = proto_files(include)?;
    files.sort();
    let descriptors = protox::compile(&files, [include])?;
    std::fs::write(out.join("descriptors.bin"), {
        use prost::Message as _;
        descriptors.encode_to_vec()
    })?;
    tonic_prost_build::configure().out_dir(out).bytes(".").compile_fds(descriptors)?;
    Ok(())
}

fn proto_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|e| e == "proto") {
            found.push(path);
        }
    }
    Ok(found)
}
