//! `cargo run -p yubin-proto-gen`: regenerates `proto/src/gen`.

use std::path::Path;

fn main() -> Result<(), yubin_proto_gen::Error> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    yubin_proto_gen::generate(&proto.join("proto"), &proto.join("src/gen"))
}
