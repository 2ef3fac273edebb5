//! Who sends this, and is it true? Verification of mail that comes from other servers.
//!
//! - [`iprev`]: the peer's name. [`dns_list`]: what others say of its address.
//! - [`spf`]: may it send in the names it gives (RFC 7208)?
//! - [`message`]: signatures over the message, DKIM (RFC 6376, 8301, 8463) and ARC (RFC 8617), its body streamed past.
//! - [`dmarc`]: does what passed belong to the author's domain, and what does that domain want otherwise (RFC 9989)?
//! - [`results`]: all of it in one field, Authentication-Results (RFC 8601).
//!
//! Everything asks the house's [`Resolver`], with its bounds and its memory; the library of mail authentication parses records and does the
//! cryptography, and has nobody to ask ([RFD 0007](../../../../docs/rfd/0007-mail-is-verified-on-our-own-resolver.md)).
//! Whatever nobody could answer is `temperror`. What follows from a result is for `policy` to say.

pub mod dmarc;
pub mod dns_list;
pub mod iprev;
mod keys;
pub mod message;
pub mod results;
pub mod spf;

use mail_auth::MessageAuthenticator;

use crate::resolver::{ConfigError, Resolver, mute_resolver};

pub use dmarc::{AskedReport, DmarcCheck, DmarcQuestion};
pub use dns_list::{DnsList, Listing, Listings};
pub use iprev::Iprev;
pub use message::{ArcCheck, ArcSet, DkimCheck, MessageCheck, MessageChecks};
pub use results::{AuthenticationResults, is_results_of};
pub use spf::{SpfCheck, SpfChecks, SpfQuestion};

/// Verifies mail. A clone shares connections and memory with its original; needs a tokio runtime.
#[derive(Clone)]
pub struct Verifier {
    resolver: Resolver,
    library: MessageAuthenticator,
}

impl Verifier {
    /// A verifier that asks this resolver.
    ///
    /// # Errors
    /// [`ConfigError::Tls`].
    pub fn new(resolver: Resolver) -> Result<Verifier, ConfigError> {
        Ok(Verifier { resolver, library: MessageAuthenticator(mute_resolver()?) })
    }

    /// Whom it asks.
    #[must_use]
    pub const fn resolver(&self) -> &Resolver {
        &self.resolver
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}
