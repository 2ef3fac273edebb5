//! Issuers of tokens: which are believed, about whom, and their keys, from a file or by HTTPS.
//!
//! A token is judged by the keys of the issuer that it names ([`keys`] keeps them). An issuer may be held to some hosted domains: it can
//! name nobody elsewhere. Why a token is refused goes to the log; who shows it learns only that it is no good.

mod keys;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use yubin_dns_auth::Resolver;
use yubin_dns_auth::https::{HttpsClient, Page};
use yubin_password::{KeySet, TokenError, TokenRule, UnverifiedToken};
use yubin_policy::LoginDenial;
use yubin_types::{Address, DomainName, Secret, limits};

use crate::driver::now;
use keys::Keys;

/// What a key set is served as (RFC 7517 §8.5.2), and what most servers say.
const KEY_SET_TYPES: [&str; 2] = ["application/jwk-set+json", "application/json"];

/// An issuer as it is configured.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    /// What its tokens must say.
    pub rule: TokenRule,
    /// Where its keys are.
    pub keys: KeySource,
    /// The hosted domains whose users it may name; none: all.
    pub domains: Vec<DomainName>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file with a key set.
    File(PathBuf),
    /// A page with a key set.
    Https {
        /// At this host.
        host: DomainName,
        /// And port.
        port: u16,
        /// Begins with `/`.
        path: String,
    },
}

/// How issuers are reached, and which there are.
#[derive(Clone)]
pub struct IssuersConfig {
    /// Never empty.
    pub issuers: Vec<IssuerConfig>,
    /// Finds their hosts.
    pub resolver: Resolver,
    /// Fetches their keys.
    pub client: Arc<HttpsClient>,
}

impl std::fmt::Debug for IssuersConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuersConfig").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// Judges tokens.
#[derive(Debug)]
pub(super) struct Issuers {
    config: IssuersConfig,
    /// By issuer, in order.
    keys: Vec<Keys>,
}

impl Issuers {
    pub(super) fn new(config: IssuersConfig) -> Self {
        let keys = config.issuers.iter().map(|_| Keys::default()).collect();
        Issuers { config, keys }
    }

    /// Whom a token names, if its issuer may name them.
    ///
    /// # Errors
    /// [`LoginDenial::InvalidToken`]; [`LoginDenial::Unavailable`] where the keys can't be had.
    pub(super) async fn judge(&self, token: &Secret) -> Result<Address, LoginDenial> {
        let token = UnverifiedToken::parse(token.expose()).map_err(refused)?;
        let named = token.issuer().ok_or_else(|| refused(TokenError::Issuer))?;
        let mut known = self.config.issuers.iter().zip(&self.keys);
        let (issuer, keys) =
            known.find(|(known, _)| known.rule.issuer == named).ok_or_else(|| refused(TokenError::Issuer))?;
        let set = keys.current(|| self.fetch(issuer)).await.ok_or(LoginDenial::Unavailable)?;
        let name = match token.verify(&issuer.rule, &set, now()) {
            // They may have been exchanged just now.
            Err(TokenError::UnknownKey) => match keys.instead_of(&set, || self.fetch(issuer)).await {
                Some(newer) => token.verify(&issuer.rule, &newer, now()),
                None => Err(TokenError::UnknownKey),
            },
            outcome => outcome,
        };
        let address = Address::parse(&name.map_err(refused)?).map_err(|_| refused(TokenError::Address))?;
        if !issuer.domains.is_empty() && !issuer.domains.contains(&address.domain) {
            tracing::info!(issuer = issuer.rule.issuer, domain = %address.domain, "an issuer named a user of a foreign domain");
            return Err(LoginDenial::InvalidToken);
        }
        Ok(address)
    }

    async fn fetch(&self, issuer: &IssuerConfig) -> Result<KeySet, String> {
        let json = match &issuer.keys {
            KeySource::File(path) => tokio::fs::read(path)
                .await
                .map(Bytes::from)
                .map_err(|error| format!("{}: {error}", issuer.rule.issuer))?,
            KeySource::Https { host, port, path } => {
                let page =
                    Page { host, port: *port, path, types: &KEY_SET_TYPES, bytes_max: limits::KEY_SET_BYTES_MAX };
                self.config
                    .client
                    .get(&self.config.resolver, page)
                    .await
                    .map_err(|error| format!("{}: {error}", issuer.rule.issuer))?
            }
        };
        let set = KeySet::parse(&json).map_err(|error| format!("{}: {error}", issuer.rule.issuer))?;
        if set.is_empty() { Err(format!("{}: there is no usable key", issuer.rule.issuer)) } else { Ok(set) }
    }
}

/// Why goes to the log: a client that shows a bad token learns only that it is one.
fn refused(error: TokenError) -> LoginDenial {
    tracing::info!(%error, "a token was refused");
    LoginDenial::InvalidToken
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::json;
    use yubin_dns_auth::https::HttpsClient;
    use yubin_dns_auth::{AddressScope, NameServers, Resolver, ResolverConfig};
    use yubin_password::TokenRule;
    use yubin_policy::LoginDenial;
    use yubin_types::{Secret, limits};

    use super::{IssuerConfig, Issuers, IssuersConfig, KeySource};

    fn key() -> Ed25519KeyPair {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap()
    }

    fn publish(path: &std::path::Path, id: &str, key: &Ed25519KeyPair) {
        let x = URL_SAFE_NO_PAD.encode(key.public_key());
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x }] });
        std::fs::write(path, keys.to_string()).unwrap();
    }

    /// A token that is good for days.
    fn token(id: &str, key: &Ed25519KeyPair) -> Secret {
        let expiry = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 500_000;
        let claims = json!({ "iss": "i", "aud": "a", "exp": expiry, "email": "tim@example.jp" });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(json!({ "alg": "EdDSA", "kid": id })), part(claims));
        Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()))))
    }

    #[tokio::test(start_paused = true)]
    async fn exchanged_keys_are_followed_and_strangers_do_not_make_us_ask_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (old, new, stranger) = (key(), key(), key());
        publish(&path, "old", &old);
        let rule = TokenRule { issuer: "i".into(), audience: "a".into(), address_claim: "email".into() };
        let nameservers = NameServers::Addresses(vec!["127.0.0.1:9".parse().unwrap()]);
        let client = HttpsClient::new(Arc::new(rustls::RootCertStore::empty()), AddressScope::Any).unwrap();
        let issuers = Issuers::new(IssuersConfig {
            issuers: vec![IssuerConfig { rule, keys: KeySource::File(path.clone()), domains: Vec::new() }],
            resolver: Resolver::new(&ResolverConfig { nameservers, ..ResolverConfig::default() }).unwrap(),
            client: Arc::new(client),
        });
        let (by_old, by_new) = (token("old", &old), token("new", &new));
        assert_eq!(issuers.judge(&by_old).await.unwrap().to_string(), "tim@example.jp");

        // Asked a moment ago: not again, whatever keys tokens name.
        publish(&path, "new", &new);
        assert_eq!(issuers.judge(&by_new).await, Err(LoginDenial::InvalidToken));
        issuers.judge(&by_old).await.unwrap();
        tokio::time::advance(Duration::from_secs(limits::KEYS_RETRY_SECONDS)).await;
        issuers.judge(&by_new).await.unwrap();
        assert_eq!(issuers.judge(&by_old).await, Err(LoginDenial::InvalidToken));
        assert_eq!(issuers.judge(&token("new", &stranger)).await, Err(LoginDenial::InvalidToken));

        // Without a source, keys hold for a day; then nobody can say.
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(Duration::from_secs(limits::KEYS_FRESH_SECONDS + 1)).await;
        issuers.judge(&by_new).await.unwrap();
        tokio::time::advance(Duration::from_secs(limits::KEYS_STALE_SECONDS)).await;
        assert_eq!(issuers.judge(&by_new).await, Err(LoginDenial::Unavailable));
        // Keys that were taken back are no longer good after an hour.
        publish(&path, "old", &old);
        tokio::time::advance(Duration::from_secs(limits::KEYS_RETRY_SECONDS)).await;
        assert_eq!(issuers.judge(&by_new).await, Err(LoginDenial::InvalidToken));
        issuers.judge(&by_old).await.unwrap();
    }
}
