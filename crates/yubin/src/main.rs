//! yubin
fn main() {}
