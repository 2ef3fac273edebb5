//! The fast verifier: HMAC-SHA-256 of a password under a secret that all front ends of a cluster share and the store never sees.
//!
//! It is bound to the account and to its generation, so that equal passwords have different verifiers and one that was written late
//! verifies nothing after a change.

use ring::hmac;
use yubin_state::command::Login;
use yubin_types::{DomainId, Secret};

/// Makes and checks fast verifiers.
pub struct FastVerifier {
    key: hmac::Key,
}

impl std::fmt::Debug for FastVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FastVerifier(..)")
    }
}

impl FastVerifier {
    /// Under the cluster's secret.
    #[must_use]
    pub fn new(cluster_secret: &Secret) -> Self {
        FastVerifier { key: hmac::Key::new(hmac::HMAC_SHA256, cluster_secret.expose()) }
    }

    /// The verifier of a password that was checked.
    #[must_use]
    pub fn mac(&self, domain: DomainId, login: Login, password: &Secret) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"yubin fast verifier 1\0");
        context.update(&domain.0.to_be_bytes());
        context.update(&login.account.0.to_be_bytes());
        context.update(&login.generation.to_be_bytes());
        context.update(password.expose());
        let mut mac = [0; 32];
        mac.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        mac
    }

    /// Is this the password that the verifier was made of? Takes the same time wherever the difference lies.
    #[must_use]
    pub fn verify(&self, domain: DomainId, login: Login, password: &Secret, mac: &[u8; 32]) -> bool {
        Secret::new(self.mac(domain, login, password)) == Secret::new(*mac)
    }
}

#[cfg(test)]
mod tests {
    use yubin_state::command::Login;
    use yubin_types::{AccountId, DomainId, Secret};

    use super::FastVerifier;

    #[test]
    fn a_fast_verifier_fits_one_password_of_one_account_in_one_generation() {
        let verifier = FastVerifier::new(&Secret::new([1; 32]));
        let login = Login { account: AccountId(3), generation: 5 };
        let password = Secret::new("correct horse");
        let mac = verifier.mac(DomainId(2), login, &password);
        assert!(verifier.verify(DomainId(2), login, &password, &mac));
        assert!(!verifier.verify(DomainId(2), login, &Secret::new("correct horsf"), &mac));
        assert!(!verifier.verify(DomainId(1), login, &password, &mac));
        assert!(!verifier.verify(DomainId(2), Login { account: AccountId(4), ..login }, &password, &mac));
        assert!(!verifier.verify(DomainId(2), Login { generation: 6, ..login }, &password, &mac));
        assert!(!FastVerifier::new(&Secret::new([2; 32])).verify(DomainId(2), login, &password, &mac));
    }
}
