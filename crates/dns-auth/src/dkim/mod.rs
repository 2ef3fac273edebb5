//! DKIM keys and signatures of our own mail (RFC 6376, RFC 8301, RFC 8463).
//!
//! [`PrivateKey`] is made, stored and read back here, and says what the domain must publish. [`Signer`] signs a message with all keys of
//! its domain, usually one RSA key, which everybody can verify, and one Ed25519 key, which is small. [`RsaPool`] makes keys ahead of
//! need, [`KeySealer`] encrypts them for the store, [`Keyring`] opens and remembers them. Forwarded mail
//! can be sealed with the same keys (ARC, RFC 8617). Where keys are kept, when they
//! are rotated and which domain signs what is for others to say. Verification of mail from outside is not here.

mod arc;
mod key;
mod keyring;
mod message;
mod pool;
mod sealed;
mod sign;

pub use key::{KeyAlgorithm, KeyError, PrivateKey};
pub use keyring::{Keyring, KeyringError};
pub use message::{MessageError, sign_and_seal_message, sign_message};
pub use pool::RsaPool;
pub use sealed::{KeyName, KeySealer, OpenError};
pub use sign::{SelectedKey, SignError, Signer, Signing};
