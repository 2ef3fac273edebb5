//! A token in place of a password: OAUTHBEARER (RFC 7628) and XOAUTH2, which Google and Microsoft had before it.
//!
//! The token is the rim's to judge; the name beside it is a claim, too, and must fit. A refused token is told in a message of the
//! mechanism first (RFC 7628 §3.2.3); whatever the client answers to that, the login fails then. Host and port of OAUTHBEARER are the
//! client's own idea of us and nothing depends on them.

use yubin_types::{Secret, limits};

use super::contract::{BearerToken, SaslError};

/// Separates key and value pairs.
const SEPARATOR: u8 = 1;

/// `gs2-header ^A *(key=value ^A) ^A` (RFC 7628 §3.1).
pub(super) fn oauthbearer(message: &[u8]) -> Result<BearerToken, SaslError> {
    let (header, pairs) = split(message, SEPARATOR).ok_or(SaslError::Malformed)?;
    let header = std::str::from_utf8(header).map_err(|_| SaslError::Malformed)?;
    let (flag, authorization) = header.split_once(',').ok_or(SaslError::Malformed)?;
    let user = match authorization.strip_suffix(',') {
        Some("") => None,
        Some(name) => Some(super::scram::saslname(name.strip_prefix("a=").ok_or(SaslError::Malformed)?)?),
        None => return Err(SaslError::Malformed),
    };
    match flag {
        "n" | "y" => token(user, pairs),
        flag if flag.starts_with("p=") => Err(SaslError::BindingType),
        _ => Err(SaslError::Malformed),
    }
}

/// `user=name ^A auth=Bearer token ^A ^A`.
pub(super) fn xoauth2(message: &[u8]) -> Result<BearerToken, SaslError> {
    let (user, pairs) = split(message, SEPARATOR).ok_or(SaslError::Malformed)?;
    let user = user.strip_prefix(b"user=").and_then(|user| std::str::from_utf8(user).ok());
    let user = user.filter(|user| !user.is_empty() && !user.contains(char::is_control)).ok_or(SaslError::Malformed)?;
    if user.len() > limits::PATH_BYTES_MAX {
        return Err(SaslError::TooLong);
    }
    token(Some(user.to_owned()), pairs)
}

fn token(user: Option<String>, pairs: &[u8]) -> Result<BearerToken, SaslError> {
    let pairs = pairs.strip_suffix(&[SEPARATOR]).ok_or(SaslError::Malformed)?;
    let auth = pairs.split(|&byte| byte == SEPARATOR).find_map(|pair| pair.strip_prefix(b"auth="));
    let (scheme, token) = split(auth.ok_or(SaslError::Malformed)?, b' ').ok_or(SaslError::Malformed)?;
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(SaslError::Malformed);
    }
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Err(SaslError::TooLong);
    }
    Ok(BearerToken { user, token: Secret::new(token) })
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|&byte| byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yubin_types::Secret;

    use super::{BearerToken, SaslError, oauthbearer, xoauth2};

    fn bearer(user: Option<&str>, token: &str) -> Result<BearerToken, SaslError> {
        Ok(BearerToken { user: user.map(str::to_owned), token: Secret::new(token) })
    }

    /// RFC 7628 §4.1, and without a name.
    #[test]
    fn oauthbearer_takes_name_and_token() {
        let message =
            b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2\x01\x01";
        assert_eq!(oauthbearer(message), bearer(Some("user@example.com"), "vF9dft4qmTc2"));
        assert_eq!(oauthbearer(b"n,,\x01auth=bearer  a.b.c\x01\x01"), bearer(None, "a.b.c"));
        assert_eq!(oauthbearer(b"p=tls-exporter,,\x01auth=Bearer a\x01\x01"), Err(SaslError::BindingType));
        for malformed in [
            &b""[..],
            b"n,,",
            b"n,,\x01",
            b"n,,\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,,\x01auth=Basic a\x01\x01",
            b"n,,\x01auth=Bearer a",
            b"n,\x01auth=Bearer a\x01\x01",
            b"n,b=x,\x01auth=Bearer a\x01\x01",
            b"x,,\x01auth=Bearer a\x01\x01",
            b"n,a=,\x01auth=Bearer a\x01\x01",
            b"n,,\x01auth=Bearer a b\x01\x01",
        ] {
            assert_eq!(oauthbearer(malformed), Err(SaslError::Malformed), "{}", malformed.escape_ascii());
        }
        let long = [b"n,,\x01auth=Bearer ".as_slice(), &[b'a'; 6_000], b"\x01\x01"].concat();
        assert_eq!(oauthbearer(&long), Err(SaslError::TooLong));
    }

    #[test]
    fn xoauth2_takes_name_and_token() {
        let message = b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01";
        let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
        assert_eq!(xoauth2(message), bearer(Some("someuser@example.com"), token));
        for malformed in [&b""[..], b"user=\x01auth=Bearer a\x01\x01", b"auth=Bearer a\x01\x01", b"user=x\x01\x01"] {
            assert_eq!(xoauth2(malformed), Err(SaslError::Malformed), "{}", malformed.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_message_panics(message in prop::collection::vec(prop::sample::select(b"n,a=uth \x01Bearer".to_vec()), 0..60)) {
            let _ = oauthbearer(&message);
            let _ = xoauth2(&message);
        }
    }
}
