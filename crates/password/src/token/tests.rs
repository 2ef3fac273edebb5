use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use yubin_types::Timestamp;

use super::{KeySet, TokenError, TokenRule, UnverifiedToken};

const NOW: u64 = 1_800_000_000;

/// RFC 7515 appendix A.2: an RSA key and a token signed with it.
const RFC_KEY: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RFC_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

struct Issuer {
    es256: EcdsaKeyPair,
    eddsa: Ed25519KeyPair,
    random: SystemRandom,
}

impl Issuer {
    fn new() -> Issuer {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let es256 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let eddsa = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Issuer {
            es256: EcdsaKeyPair::from_pkcs8(algorithm, es256.as_ref(), &random).unwrap(),
            eddsa: Ed25519KeyPair::from_pkcs8(eddsa.as_ref()).unwrap(),
            random,
        }
    }

    fn keys(&self) -> KeySet {
        let point = self.es256.public_key().as_ref();
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let set = json!({ "keys": [
            { "kty": "oct", "k": "c2VjcmV0", "kid": "mac" },
            { "kty": "EC", "crv": "P-256", "kid": "e", "use": "enc", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "EC", "crv": "P-256", "kid": "1", "alg": "ES256", "use": "sig", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "2", "x": encode(self.eddsa.public_key().as_ref()) },
        ] });
        KeySet::parse(set.to_string().as_bytes()).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = match header["alg"].as_str() {
            Some("EdDSA") => self.eddsa.sign(signed.as_bytes()).as_ref().to_vec(),
            _ => self.es256.sign(&self.random, signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn verify(&self, header: &Value, claims: &Value) -> Result<String, TokenError> {
        verify(&self.sign(header, claims), &self.keys())
    }
}

fn rule() -> TokenRule {
    TokenRule { issuer: "https://login.example".into(), audience: "mail".into(), address_claim: "email".into() }
}

fn verify(token: &str, keys: &KeySet) -> Result<String, TokenError> {
    UnverifiedToken::parse(token.as_bytes())?.verify(&rule(), keys, Timestamp::from_seconds(NOW))
}

fn es256() -> Value {
    json!({ "alg": "ES256", "kid": "1", "typ": "JWT" })
}

/// Good claims, but for these.
fn claims(other: Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example", "aud": ["other", "mail"], "exp": NOW + 60, "nbf": NOW - 60, "email": "tim@example.jp",
    });
    for (name, value) in other.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn a_signed_token_names_an_address() {
    let issuer = Issuer::new();
    let tim = Ok("tim@example.jp".to_owned());
    assert_eq!(issuer.verify(&es256(), &claims(json!({}))), tim);
    assert_eq!(issuer.verify(&json!({ "alg": "EdDSA", "kid": "2" }), &claims(json!({}))), tim);
    assert_eq!(issuer.verify(&json!({ "alg": "ES256" }), &claims(json!({ "aud": "mail" }))), tim, "without a key id");
    assert_eq!(issuer.verify(&es256(), &claims(json!({ "email_verified": true, "exp": 1.8e9 }))), tim);
}

/// The signature of RFC 7515 A.2 is right; what it signs is somebody else's.
#[test]
fn rsa_signatures_are_verified() {
    let keys = |modulus: &str| {
        let set = json!({ "keys": [{ "kty": "RSA", "n": modulus, "e": "AQAB" }] });
        KeySet::parse(set.to_string().as_bytes()).unwrap()
    };
    assert_eq!(verify(RFC_TOKEN, &keys(RFC_KEY)), Err(TokenError::Issuer));
    assert_eq!(verify(&RFC_TOKEN.replace("cC4hi", "cC4hj"), &keys(RFC_KEY)), Err(TokenError::Signature));
    assert_eq!(verify(RFC_TOKEN, &keys(&RFC_KEY.replace("ofgW", "ofgX"))), Err(TokenError::Signature));
}

#[test]
fn what_a_token_lacks_is_told() {
    let issuer = Issuer::new();
    for (other, error) in [
        (json!({ "iss": "https://evil.example" }), TokenError::Issuer),
        (json!({ "iss": null }), TokenError::Issuer),
        (json!({ "aud": "other" }), TokenError::Audience),
        (json!({ "aud": null }), TokenError::Audience),
        (json!({ "aud": [] }), TokenError::Audience),
        (json!({ "exp": NOW - 60 }), TokenError::Expired),
        (json!({ "exp": (NOW + 60).to_string() }), TokenError::Malformed),
        (json!({ "exp": null }), TokenError::Malformed),
        (json!({ "nbf": NOW + 61 }), TokenError::TooEarly),
        (json!({ "nbf": "soon" }), TokenError::Malformed),
        (json!({ "email": null }), TokenError::Address),
        (json!({ "email": "" }), TokenError::Address),
        (json!({ "email": ["tim@example.jp"] }), TokenError::Address),
        (json!({ "email_verified": false }), TokenError::Address),
        (json!({ "email_verified": "no" }), TokenError::Address),
    ] {
        assert_eq!(issuer.verify(&es256(), &claims(other.clone())), Err(error), "{other}");
    }
    let mut endless = claims(json!({}));
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(issuer.verify(&es256(), &endless), Err(TokenError::Expired));
}

/// No token chooses how it is verified.
#[test]
fn forged_tokens_are_refused() {
    let issuer = Issuer::new();
    let good = claims(json!({}));
    for (header, error) in [
        (json!({ "alg": "none" }), TokenError::Signature),
        (json!({ "alg": "HS256", "kid": "1" }), TokenError::Signature),
        (json!({ "alg": "HS256", "kid": "mac" }), TokenError::UnknownKey),
        (json!({ "alg": "RS256", "kid": "1" }), TokenError::Signature),
        (json!({ "alg": "ES256", "kid": "2" }), TokenError::Signature),
        (json!({ "alg": "ES256", "kid": "e" }), TokenError::UnknownKey),
        (json!({ "alg": "ES256", "kid": "3" }), TokenError::UnknownKey),
        (json!({ "alg": "ES256", "kid": 1 }), TokenError::Malformed),
        (json!({ "alg": "ES256", "kid": "1", "crit": ["exp"] }), TokenError::Malformed),
        (json!({ "kid": "1" }), TokenError::Malformed),
    ] {
        assert_eq!(issuer.verify(&header, &good), Err(error), "{header}");
    }
    assert_eq!(verify(&Issuer::new().sign(&es256(), &good), &issuer.keys()), Err(TokenError::Signature));
    let token = issuer.sign(&es256(), &good);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other = issuer.sign(&es256(), &claims(json!({ "email": "ann@example.jp" })));
    assert_eq!(
        verify(&format!("{}.{signature}", other.rsplit_once('.').unwrap().0), &issuer.keys()),
        Err(TokenError::Signature)
    );
    for malformed in
        ["", "a.b", &format!("{head}."), &format!("{token}.x"), &token.replace('.', "!"), &format!("{head}.=")]
    {
        let outcome = verify(malformed, &issuer.keys());
        assert!(matches!(outcome, Err(TokenError::Malformed | TokenError::Signature)), "{malformed}: {outcome:?}");
    }
    assert_eq!(verify(&format!("{head}.{}", "a".repeat(9_000)), &issuer.keys()), Err(TokenError::Malformed));
}

#[test]
fn a_key_set_that_is_none_is_refused() {
    for json in ["", "[]", "{}", "{\"keys\": 1}"] {
        assert_eq!(KeySet::parse(json.as_bytes()), Err(TokenError::Malformed), "{json}");
    }
    assert!(KeySet::parse(b"{\"keys\": [{\"kty\": \"RSA\"}, 1, {}]}").unwrap().is_empty());
}
