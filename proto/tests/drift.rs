//! The committed generated code is what the `.proto` files generate.

use std::path::Path;

#[test]
fn generated_code_is_in_step() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = tempfile::tempdir().unwrap();
    yubin_proto_gen::generate(&root.join("proto"), fresh.path()).unwrap();
    for entry in std::fs::read_dir(fresh.path()).unwrap() {
        let path = entry.unwrap().path();
        let committed = root.join("src/gen").join(path.file_name().unwrap());
        let same = std::fs::read(&committed).ok() == Some(std::fs::read(&path).unwrap());
        assert!(same, "{} is stale: run `cargo xtask gen`", committed.display());
    }
}
