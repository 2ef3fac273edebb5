//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS as a server speaks them (RFC 5802 §5 to §7, RFC 7677): the messages, not the arithmetic.
//!
//! The client names itself and its nonce ([`Start::first`]), gets salt, iterations and the whole nonce ([`First::challenged`]), and
//! answers with a proof over all of it ([`Challenged::proof`]), which the rim verifies. The channel binding is `tls-exporter`
//! (RFC 9266) and no other: `tls-unique` is not safe, and does not exist in TLS 1.3. A client that could be bound but was not told
//! that it may (flag `y`) is refused where binding is offered: somebody took the offer out.
//!
//! Mandatory extensions (`m=`) are none that we know, so they are refused; optional ones are part of what is proven, and ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use yubin_types::{Secret, limits};

use super::contract::{SaslError, ScramParameters, ScramProof};
use crate::step::ChannelBinding;

/// Octets of a proof: those of SHA-256.
const PROOF_BYTES: usize = 32;
/// The only channel binding (RFC 9266).
const BINDING_TYPE: &str = "tls-exporter";

/// Waits for the client's first message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start {
    mechanism: Mechanism,
    /// What the connection has, if it has.
    binding: Option<ChannelBinding>,
}

/// Which of the two mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Bound,
    Unbound,
}

/// The client's first message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct First {
    user: String,
    /// What `c=` of the last message must be, before base64: GS2 header and channel binding.
    binding_input: Vec<u8>,
    /// client-first-message-bare.
    bare: String,
    /// The client's part.
    nonce: String,
}

/// Our first message, and what it answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenged {
    first: First,
    /// server-first-message.
    message: String,
    /// Both parts.
    nonce: String,
}

impl Start {
    /// SCRAM-SHA-256-PLUS.
    pub(super) const fn bound(binding: Option<ChannelBinding>) -> Start {
        Start { mechanism: Mechanism::Bound, binding }
    }

    /// SCRAM-SHA-256, on a connection that offers this binding.
    pub(super) const fn unbound(binding: Option<ChannelBinding>) -> Start {
        Start { mechanism: Mechanism::Unbound, binding }
    }

    /// `gs2-header [m=.. ,] n=user , r=nonce [, extensions]`.
    pub(super) fn first(self, message: &[u8]) -> Result<First, SaslError> {
        let text = std::str::from_utf8(message).map_err(|_| SaslError::Malformed)?;
        let (flag, rest) = text.split_once(',').ok_or(SaslError::Malformed)?;
        let (authorization, bare) = rest.split_once(',').ok_or(SaslError::Malformed)?;
        let binding = self.binding(flag)?;
        let mut attributes = bare.split(',');
        let user = attributes.next().and_then(|name| name.strip_prefix("n=")).ok_or(SaslError::Malformed)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(SaslError::Malformed)?;
        let user = saslname(user)?;
        if nonce.len() > limits::SCRAM_NONCE_BYTES_MAX {
            return Err(SaslError::TooLong);
        }
        if nonce.is_empty() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SaslError::Malformed);
        }
        match authorization.strip_prefix("a=") {
            Some(name) if saslname(name)? != user => return Err(SaslError::Authorization),
            None if !authorization.is_empty() => return Err(SaslError::Malformed),
            _ => {}
        }
        let header = text.len() - bare.len();
        let mut binding_input = message.get(..header).unwrap_or_default().to_vec();
        binding_input.extend_from_slice(binding.as_ref().map_or(&[], |binding| binding.octets()));
        Ok(First { user, binding_input, bare: bare.to_owned(), nonce: nonce.to_owned() })
    }

    /// What gs2-cbind-flag asks for (RFC 5802 §6).
    fn binding(self, flag: &str) -> Result<Option<ChannelBinding>, SaslError> {
        match (self.mechanism, flag) {
            (Mechanism::Unbound, "n") => Ok(None),
            (Mechanism::Unbound, "y") if self.binding.is_some() => Err(SaslError::Downgrade),
            (Mechanism::Unbound, "y") => Ok(None),
            (Mechanism::Bound, flag) if flag.strip_prefix("p=") == Some(BINDING_TYPE) => Ok(self.binding),
            (_, flag) if flag.starts_with("p=") => Err(SaslError::BindingType),
            _ => Err(SaslError::Malformed),
        }
    }
}

impl First {
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// `r=nonce,s=salt,i=iterations`.
    pub(super) fn challenged(self, parameters: &ScramParameters) -> Challenged {
        let nonce = format!("{}{}", self.nonce, parameters.nonce);
        let message = format!("r={nonce},s={},i={}", STANDARD.encode(&parameters.salt), parameters.iterations);
        Challenged { first: self, message, nonce }
    }
}

impl Challenged {
    /// What goes to the client.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// `c=binding,r=nonce[,extensions],p=proof`.
    pub(super) fn proof(self, message: &[u8]) -> Result<ScramProof, SaslError> {
        let text = std::str::from_utf8(message).map_err(|_| SaslError::Malformed)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(SaslError::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|binding| binding.strip_prefix("c=")).ok_or(SaslError::Malformed)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(SaslError::Malformed)?;
        let proof = Secret::new(STANDARD.decode(proof).map_err(|_| SaslError::Malformed)?);
        if proof.expose().len() != PROOF_BYTES || nonce != self.nonce {
            return Err(SaslError::Malformed);
        }
        let shown = Secret::new(STANDARD.decode(binding).map_err(|_| SaslError::Malformed)?);
        if shown != Secret::new(&*self.first.binding_input) {
            return Err(SaslError::Binding);
        }
        let auth_message = format!("{},{},{without_proof}", self.first.bare, self.message);
        Ok(ScramProof { user: self.first.user, auth_message, proof })
    }
}

/// RFC 5802 §5.1: `=2C` is a comma, `=3D` an equals sign, and no other `=` may be there.
pub(super) fn saslname(text: &str) -> Result<String, SaslError> {
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return Err(SaslError::Malformed),
        };
        name.push(sign);
        name.push_str(rest);
    }
    if name.len() > limits::PATH_BYTES_MAX {
        return Err(SaslError::TooLong);
    }
    if name.is_empty() || name.contains(char::is_control) {
        return Err(SaslError::Malformed);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use yubin_types::Secret;

    use super::{Challenged, First, ScramParameters, Start};
    use crate::sasl::SaslError;
    use crate::step::ChannelBinding;

    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    fn parameters() -> ScramParameters {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        ScramParameters { salt, iterations: 4_096, nonce: SERVER_NONCE.to_owned() }
    }

    fn binding() -> ChannelBinding {
        ChannelBinding::new([9; 32])
    }

    fn unbound(message: &str) -> Result<First, SaslError> {
        Start::unbound(None).first(message.as_bytes())
    }

    fn challenged(message: &str) -> Challenged {
        unbound(message).unwrap().challenged(&parameters())
    }

    /// The exchange of RFC 7677 §3.
    #[test]
    fn the_rfc_s_exchange() {
        let challenged = challenged("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(challenged.message(), format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let proof = challenged.proof(last.as_bytes()).unwrap();
        assert_eq!(proof.user, "user");
        let expected =
            format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
        assert_eq!(proof.auth_message, expected);
        let octets = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        assert_eq!(proof.proof, Secret::new(octets));
    }

    #[test]
    fn names_are_unescaped_and_nobody_acts_for_others() {
        assert_eq!(unbound("n,,n=a=2Cb=3Dc@example.jp,r=x").unwrap().user(), "a,b=c@example.jp");
        assert_eq!(unbound("n,a=tim,n=tim,r=x,ext=1").unwrap().user(), "tim");
        assert_eq!(unbound("n,a=ann,n=tim,r=x"), Err(SaslError::Authorization));
        assert_eq!(unbound(&format!("n,,n={},r=x", "a".repeat(321))), Err(SaslError::TooLong));
        assert_eq!(unbound(&format!("n,,n=tim,r={}", "a".repeat(257))), Err(SaslError::TooLong));
        for malformed in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=tim",
            "n,,n=,r=x",
            "n,,n=t=2cm,r=x",
            "n,,n=tim,r=",
            "n,,n=tim,r=a b",
            "x,,n=tim,r=x",
            "n,b=tim,n=tim,r=x",
            "n,,m=ext,n=tim,r=x",
            "n,,r=x,n=tim",
            "p,,n=tim,r=x",
        ] {
            assert_eq!(unbound(malformed), Err(SaslError::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn a_proof_answers_its_challenge_only() {
        let nonce = format!("abc{SERVER_NONCE}");
        let proof = STANDARD.encode([1; 32]);
        let answer = |text: String| challenged("n,,n=tim,r=abc").proof(text.as_bytes());
        assert!(answer(format!("c=biws,r={nonce},ext=1,p={proof}")).is_ok());
        for malformed in [
            String::new(),
            format!("c=biws,r={nonce}"),
            format!("c=biws,r=abc,p={proof}"),
            format!("c=biws,r={nonce}x,p={proof}"),
            format!("r={nonce},c=biws,p={proof}"),
            format!("c=biws,r={nonce},p={}", STANDARD.encode([1; 31])),
            format!("c=biws,r={nonce},p={proof}!"),
            format!("c=!,r={nonce},p={proof}"),
        ] {
            assert_eq!(answer(malformed.clone()), Err(SaslError::Malformed), "{malformed:?}");
        }
        // `y,,` where `n,,` was said.
        assert_eq!(answer(format!("c=eSws,r={nonce},p={proof}")), Err(SaslError::Binding));
    }

    #[test]
    fn a_bound_client_must_be_on_the_same_connection() {
        let bound = |octets: [u8; 32]| {
            let first = Start::bound(Some(binding())).first(b"p=tls-exporter,,n=tim,r=abc").unwrap();
            let shown = STANDARD.encode([b"p=tls-exporter,,".as_slice(), &octets].concat());
            let last = format!("c={shown},r=abc{SERVER_NONCE},p={}", STANDARD.encode([1; 32]));
            first.challenged(&parameters()).proof(last.as_bytes())
        };
        assert!(bound([9; 32]).is_ok());
        assert_eq!(bound([8; 32]), Err(SaslError::Binding));
    }

    #[test]
    fn other_bindings_and_downgrades_are_refused() {
        let first = |start: Start, flag: &str| start.first(format!("{flag},,n=tim,r=abc").as_bytes()).map(|_| ());
        let bound = || Start::bound(Some(binding()));
        let unbound = || Start::unbound(Some(binding()));
        for other in ["p=tls-unique", "p=tls-server-end-point", "p="] {
            assert_eq!(first(bound(), other), Err(SaslError::BindingType), "{other}");
        }
        assert_eq!(first(unbound(), "p=tls-exporter"), Err(SaslError::BindingType));
        assert_eq!(first(bound(), "n"), Err(SaslError::Malformed));
        assert_eq!(first(bound(), "y"), Err(SaslError::Malformed));
        assert_eq!(first(unbound(), "n"), Ok(()));
        assert_eq!(first(unbound(), "y"), Err(SaslError::Downgrade));
        assert_eq!(first(Start::unbound(None), "y"), Ok(()));
    }

    proptest! {
        #[test]
        fn no_message_panics(first in "[nyp=,a-z]{0,40}", last in "[crp=,a-z+/]{0,80}") {
            if let Ok(first) = Start::unbound(None).first(first.as_bytes()) {
                let _ = first.challenged(&parameters()).proof(last.as_bytes());
            }
        }
    }
}
