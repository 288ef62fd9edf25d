//! License keys: schemes, datasets, templates and generated keys (02 §5–§7).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::encoding::{b64u, b64u_decode, b64un};
use super::keys::{AccountKeys, PublicKeys, SignatureAlgorithm};
use super::token::random_bytes;

/// The most bytes that fit into one PKCS#1 v1.5 block of a 2048-bit key (02 §5.3).
const MAX_ENCRYPTED_BYTES: usize = 245;
/// The prefix of all signed keys but the two oldest schemes (02 §5.1).
const KEY_PREFIX: &str = "key/";
/// The whole header of a JWT key (02 §5.1).
const JWT_HEADER: &str = r#"{"alg":"RS256"}"#;
/// The bcrypt cost of legacy encrypted keys (02 §6.2).
const LEGACY_COST: u32 = 12;

/// How a policy makes the keys of its licenses (02 §5.1, 07 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `LEGACY_ENCRYPT`: a random key of which only a digest is stored (02 §6.2).
    LegacyEncrypt,
    /// `RSA_2048_PKCS1_ENCRYPT`.
    Rsa2048Pkcs1Encrypt,
    /// `RSA_2048_PKCS1_SIGN`.
    Rsa2048Pkcs1Sign,
    /// `RSA_2048_PKCS1_PSS_SIGN`.
    Rsa2048Pkcs1PssSign,
    /// `RSA_2048_JWT_RS256`.
    Rsa2048JwtRs256,
    /// `RSA_2048_PKCS1_SIGN_V2`.
    Rsa2048Pkcs1SignV2,
    /// `RSA_2048_PKCS1_PSS_SIGN_V2`.
    Rsa2048Pkcs1PssSignV2,
    /// `ED25519_SIGN`.
    Ed25519Sign,
    /// `ECDSA_P256_SIGN`.
    EcdsaP256Sign,
}

impl Scheme {
    /// Every scheme, in the order of 07 §2.2.
    pub const ALL: [Scheme; 9] = [
        Scheme::LegacyEncrypt,
        Scheme::Rsa2048Pkcs1Encrypt,
        Scheme::Rsa2048Pkcs1Sign,
        Scheme::Rsa2048Pkcs1PssSign,
        Scheme::Rsa2048JwtRs256,
        Scheme::Rsa2048Pkcs1SignV2,
        Scheme::Rsa2048Pkcs1PssSignV2,
        Scheme::Ed25519Sign,
        Scheme::EcdsaP256Sign,
    ];

    /// The name on the wire (07 §2.2).
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::LegacyEncrypt => "LEGACY_ENCRYPT",
            Scheme::Rsa2048Pkcs1Encrypt => "RSA_2048_PKCS1_ENCRYPT",
            Scheme::Rsa2048Pkcs1Sign => "RSA_2048_PKCS1_SIGN",
            Scheme::Rsa2048Pkcs1PssSign => "RSA_2048_PKCS1_PSS_SIGN",
            Scheme::Rsa2048JwtRs256 => "RSA_2048_JWT_RS256",
            Scheme::Rsa2048Pkcs1SignV2 => "RSA_2048_PKCS1_SIGN_V2",
            Scheme::Rsa2048Pkcs1PssSignV2 => "RSA_2048_PKCS1_PSS_SIGN_V2",
            Scheme::Ed25519Sign => "ED25519_SIGN",
            Scheme::EcdsaP256Sign => "ECDSA_P256_SIGN",
        }
    }

    /// The scheme of that exact name (names are case-sensitive, 01 §4.2).
    pub fn parse(name: &str) -> Option<Scheme> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name)
    }
}

/// The algorithm that signs the files of a license with this scheme (02 §8.2, 08 §8.2).
pub fn file_signature_algorithm(scheme: Option<Scheme>) -> SignatureAlgorithm {
    match scheme {
        Some(Scheme::Rsa2048Pkcs1PssSign | Scheme::Rsa2048Pkcs1PssSignV2) => SignatureAlgorithm::RsaPssSha256,
        Some(
            Scheme::Rsa2048Pkcs1Sign
            | Scheme::Rsa2048Pkcs1SignV2
            | Scheme::Rsa2048Pkcs1Encrypt
            | Scheme::Rsa2048JwtRs256,
        ) => SignatureAlgorithm::RsaSha256,
        Some(Scheme::EcdsaP256Sign) => SignatureAlgorithm::EcdsaP256,
        Some(Scheme::Ed25519Sign | Scheme::LegacyEncrypt) | None => SignatureAlgorithm::Ed25519,
    }
}

/// What default datasets and templates know of a license at its creation (02 §5.2, §7).
///
/// Times are in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct KeyContext<'a> {
    /// The account's id.
    pub account_id: &'a str,
    /// The product's id.
    pub product_id: &'a str,
    /// The policy's id.
    pub policy_id: &'a str,
    /// The policy's duration in seconds.
    pub duration: Option<i64>,
    /// The owner's id and email.
    pub user: Option<(&'a str, &'a str)>,
    /// The license's id.
    pub license_id: &'a str,
    /// When the license is created.
    pub created: i64,
    /// The license's expiry as of its creation.
    pub expiry: Option<i64>,
}

/// The dataset of a key that the client did not supply (02 §5.2).
///
/// `jti` is used by `RSA_2048_JWT_RS256` only. `LEGACY_ENCRYPT` has no dataset; what is returned for it is of no use.
pub fn default_dataset(scheme: Scheme, context: &KeyContext<'_>, jti: &str) -> String {
    let created = iso8601(context.created);
    let expiry = context.expiry.map(iso8601);
    // The order of members holds because of serde_json's `preserve_order`.
    match scheme {
        Scheme::Rsa2048Pkcs1Encrypt => json!({
            "id": context.license_id,
            "created": created,
            "duration": context.duration,
            "expiry": expiry,
        }),
        Scheme::Rsa2048JwtRs256 => {
            let created = context.created.div_euclid(1000);
            let mut claims = json!({
                "jti": jti,
                "iss": "https://keygen.sh",
                "aud": context.account_id,
                "sub": context.license_id,
                "iat": created,
                "nbf": created,
            });
            if let Some(expiry) = context.expiry {
                claims["exp"] = expiry.div_euclid(1000).into();
            }
            claims
        }
        _ => json!({
            "account": { "id": context.account_id },
            "product": { "id": context.product_id },
            "policy": { "id": context.policy_id, "duration": context.duration },
            "user": context.user.map(|(id, email)| json!({ "id": id, "email": email })),
            "license": { "id": context.license_id, "created": created, "expiry": expiry },
        }),
    }
    .to_string()
}

/// Replaces the `{{word}}` placeholders of a supplied key, in one pass (02 §7).
pub fn expand_template(template: &str, context: &KeyContext<'_>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let (before, from_braces) = rest.split_at(start);
        out.push_str(before);
        let inside = &from_braces[2..];
        let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inside.len());
        let (word, after) = inside.split_at(end);
        match after.strip_prefix("}}") {
            Some(after) if !word.is_empty() => {
                out.push_str(&template_value(&normalized_word(word), context));
                rest = after;
            }
            // No placeholder begins here, but one may begin at the second brace.
            _ => {
                out.push('{');
                rest = &from_braces[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The value of a template word; empty for unknown words and absent values (02 §7).
fn template_value(word: &str, context: &KeyContext<'_>) -> String {
    match word {
        "account" => context.account_id.to_owned(),
        "product" => context.product_id.to_owned(),
        "policy" => context.policy_id.to_owned(),
        "id" => context.license_id.to_owned(),
        "user" => context.user.map_or("", |(id, _)| id).to_owned(),
        "email" => context.user.map_or("", |(_, email)| email).to_owned(),
        "created" => iso8601(context.created),
        "expiry" => context.expiry.map(iso8601).unwrap_or_default(),
        "duration" => context.duration.map(|seconds| seconds.to_string()).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The key normalization of 01 §4.2, for words of `[A-Za-z0-9_]`.
fn normalized_word(word: &str) -> String {
    let bytes = word.as_bytes();
    let mut out = String::with_capacity(word.len() + 4);
    for (i, &byte) in bytes.iter().enumerate() {
        let previous = i.checked_sub(1).map(|i| bytes[i]);
        let boundary = byte.is_ascii_uppercase()
            && previous.is_some_and(|previous| {
                previous.is_ascii_lowercase()
                    || previous.is_ascii_digit()
                    || (previous.is_ascii_uppercase() && bytes.get(i + 1).is_some_and(u8::is_ascii_lowercase))
            });
        if (boundary || byte == b'_') && !out.ends_with('_') {
            out.push('_');
        }
        if byte != b'_' {
            out.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    out.trim_matches('_').to_owned()
}

/// Why a dataset cannot be made into a key (02 §5.3); 422 with pointer `/data/attributes/key`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyDataError {
    /// Too long for `RSA_2048_PKCS1_ENCRYPT`.
    #[error("key exceeds maximum byte length (max size of 245 bytes)")]
    ByteSizeExceeded,
    /// Not a payload for `RSA_2048_JWT_RS256`; the text is the reason in parentheses.
    #[error("key is not a valid JWT claims payload ({0})")]
    InvalidClaims(String),
    /// `LEGACY_ENCRYPT` has no dataset.
    #[error("cannot be specified for a legacy encrypted license")]
    NotSupported,
}

impl KeyDataError {
    /// The error's `detail`.
    pub fn detail(&self) -> String {
        self.to_string()
    }

    /// The error's `code` without its `KEY_` prefix.
    pub fn code_suffix(&self) -> &'static str {
        match self {
            KeyDataError::ByteSizeExceeded => "BYTE_SIZE_EXCEEDED",
            KeyDataError::InvalidClaims(_) => "JWT_CLAIMS_INVALID",
            KeyDataError::NotSupported => "NOT_SUPPORTED",
        }
    }
}

/// Where a scheme puts its dataset and signature (02 §5.1).
enum Form {
    /// `key/<dataset>.<sig>`, signed as text up to the dot.
    Prefixed(SignatureAlgorithm),
    /// `<dataset>.<sig>`, the raw dataset signed.
    Raw(SignatureAlgorithm),
    Jwt,
    Encrypted,
    Unsigned,
}

fn form(scheme: Scheme) -> Form {
    match scheme {
        Scheme::Ed25519Sign => Form::Prefixed(SignatureAlgorithm::Ed25519),
        Scheme::EcdsaP256Sign => Form::Prefixed(SignatureAlgorithm::EcdsaP256),
        Scheme::Rsa2048Pkcs1SignV2 => Form::Prefixed(SignatureAlgorithm::RsaSha256),
        Scheme::Rsa2048Pkcs1PssSignV2 => Form::Prefixed(SignatureAlgorithm::RsaPssSha256),
        Scheme::Rsa2048Pkcs1Sign => Form::Raw(SignatureAlgorithm::RsaSha256),
        Scheme::Rsa2048Pkcs1PssSign => Form::Raw(SignatureAlgorithm::RsaPssSha256),
        Scheme::Rsa2048JwtRs256 => Form::Jwt,
        Scheme::Rsa2048Pkcs1Encrypt => Form::Encrypted,
        Scheme::LegacyEncrypt => Form::Unsigned,
    }
}

/// The key string of a dataset (02 §5.1).
pub fn signed_key(keys: &AccountKeys, scheme: Scheme, dataset: &str) -> Result<String, KeyDataError> {
    match form(scheme) {
        Form::Prefixed(algorithm) => {
            let signed = format!("{KEY_PREFIX}{}", b64u(dataset.as_bytes()));
            let signature = keys.sign(algorithm, signed.as_bytes());
            Ok(format!("{signed}.{}", b64u(&signature)))
        }
        Form::Raw(algorithm) => {
            let signature = keys.sign(algorithm, dataset.as_bytes());
            Ok(format!("{}.{}", b64u(dataset.as_bytes()), b64u(&signature)))
        }
        Form::Jwt => {
            let payload = jwt_payload(dataset)?;
            let signed = format!("{}.{}", b64un(JWT_HEADER.as_bytes()), b64un(payload.as_bytes()));
            let signature = keys.sign(SignatureAlgorithm::RsaSha256, signed.as_bytes());
            Ok(format!("{signed}.{}", b64un(&signature)))
        }
        Form::Encrypted if dataset.len() > MAX_ENCRYPTED_BYTES => Err(KeyDataError::ByteSizeExceeded),
        Form::Encrypted => {
            keys.rsa_private_encrypt(dataset.as_bytes()).map(|block| b64u(&block)).ok_or(KeyDataError::ByteSizeExceeded)
        }
        Form::Unsigned => Err(KeyDataError::NotSupported),
    }
}

/// The dataset as compact JSON, its time claims checked (02 §5.1, §5.3).
fn jwt_payload(dataset: &str) -> Result<String, KeyDataError> {
    let payload: Value = serde_json::from_str(dataset)
        .map_err(|_| KeyDataError::InvalidClaims("must be a valid JSON encoded string".to_owned()))?;
    for claim in ["exp", "iat", "nbf"] {
        let kind = match payload.get(claim) {
            None | Some(Value::Number(_)) => continue,
            Some(Value::String(_)) => "string",
            Some(Value::Array(_)) => "array",
            Some(Value::Object(_)) => "hash",
            Some(Value::Null) => "nilclass",
            Some(Value::Bool(true)) => "trueclass",
            Some(Value::Bool(false)) => "falseclass",
        };
        return Err(KeyDataError::InvalidClaims(format!("{claim} claim must be a numeric value but it is a {kind}")));
    }
    Ok(payload.to_string())
}

/// Checks a key as a client would, and returns its dataset (02 §5.1).
pub fn verify_signed_key(keys: &PublicKeys, scheme: Scheme, key: &str) -> Option<Vec<u8>> {
    match form(scheme) {
        Form::Prefixed(algorithm) => {
            let (signed, signature) = key.split_once('.')?;
            let dataset = b64u_decode(signed.strip_prefix(KEY_PREFIX)?)?;
            keys.verify(algorithm, signed.as_bytes(), &b64u_decode(signature)?).then_some(dataset)
        }
        Form::Raw(algorithm) => {
            let (dataset, signature) = key.split_once('.')?;
            let dataset = b64u_decode(dataset)?;
            keys.verify(algorithm, &dataset, &b64u_decode(signature)?).then_some(dataset)
        }
        Form::Jwt => {
            let (signed, signature) = key.rsplit_once('.')?;
            let (header, payload) = signed.split_once('.')?;
            if b64un_decode(header)? != JWT_HEADER.as_bytes() {
                return None;
            }
            let payload = b64un_decode(payload)?;
            keys.verify(SignatureAlgorithm::RsaSha256, signed.as_bytes(), &b64un_decode(signature)?).then_some(payload)
        }
        Form::Encrypted => keys.rsa_public_decrypt(&b64u_decode(key)?),
        Form::Unsigned => None,
    }
}

/// Decodes URL-safe base64 that must not be padded (JWT parts, 02 §1).
fn b64un_decode(text: &str) -> Option<Vec<u8>> {
    if text.ends_with('=') {
        return None;
    }
    b64u_decode(text)
}

/// The key of a license without a scheme, from 16 random bytes (02 §6.1).
pub fn plain_key(random: [u8; 16]) -> String {
    let digits = hex::encode_upper(random);
    let groups: Vec<&str> = (0..5).map(|i| &digits[i * 6..i * 6 + 6]).collect();
    format!("{}-V3", groups.join("-"))
}

/// A new random [`plain_key`]; retry when it is taken (02 §6.1).
pub fn generate_plain_key() -> String {
    plain_key(random_bytes())
}

/// The raw key of a `LEGACY_ENCRYPT` license, from 64 random bytes (02 §6.2).
pub fn legacy_key(license_id: &Uuid, random: [u8; 64]) -> String {
    let digits = hex::encode(random);
    format!("{}-{}-{}-{}v1", license_id.simple(), &digits[32..64], &digits[64..96], &digits[96..126],)
}

/// A new random [`legacy_key`] (02 §6.2).
pub fn generate_legacy_key(license_id: &Uuid) -> String {
    legacy_key(license_id, random_bytes())
}

/// What is stored of a legacy key: bcrypt of the hex of its SHA-256 (02 §6.2). Takes a large fraction of a second.
pub fn legacy_digest(raw: &str) -> String {
    // Fails only for a cost outside 4–31 (it is a constant) and for a password with a null byte (it is hex digits).
    bcrypt::hash_with_salt(hex::encode(Sha256::digest(raw)), LEGACY_COST, random_bytes())
        .expect("cost and password are valid")
        .format_for_version(bcrypt::Version::TwoA)
}

/// Whether a raw legacy key is the one of a stored digest (02 §6.2). Takes a large fraction of a second.
pub fn legacy_verify(raw: &str, digest: &str) -> bool {
    bcrypt::verify(hex::encode(Sha256::digest(raw)), digest).unwrap_or(false)
}

/// The license that a raw legacy key names in its first 32 characters (02 §6.2).
pub fn legacy_license_id(raw: &str) -> Option<Uuid> {
    Uuid::try_parse(raw.get(..32)?).ok()
}

/// `YYYY-MM-DDTHH:MM:SS.sssZ` of a time in milliseconds (01 §8.2).
pub(super) fn iso8601(milliseconds: i64) -> String {
    DateTime::from_timestamp_millis(milliseconds)
        .unwrap_or(if milliseconds < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC })
        .format("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

/// The vectors and their keys, for the tests of this directory.
#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    pub fn vectors() -> Value {
        serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap()
    }

    pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is missing"))
    }

    pub fn account_keys() -> AccountKeys {
        let vectors = vectors();
        AccountKeys::from_stored(
            text(&vectors, "/account/ed25519/privateSeedHex"),
            text(&vectors, "/account/rsa2048/privatePem"),
            text(&vectors, "/account/ecdsaP256/privatePem"),
        )
        .unwrap()
    }

    pub const NOW: i64 = 1_710_494_813_589;
    pub const EXPIRY: i64 = 1_742_030_813_589;
}

#[cfg(test)]
mod tests {
    use super::fixtures::*;
    use super::*;

    const CONTEXT: KeyContext<'static> = KeyContext {
        account_id: "b18bd2d6-7b25-4a7e-9d0e-51f0a3bd0a11",
        product_id: "5ac5e6f1-5a41-4d52-8c1b-5ff1ab4d2c01",
        policy_id: "0e1d5a8b-33d7-4a5e-b9b4-6d6c6f6b7a02",
        duration: Some(31_556_952),
        user: Some(("3f2e1d0c-bbaa-4998-8776-655443322105", "jane+tag@example.com")),
        license_id: "c0ffee00-1f2e-4d3c-8b4a-596877869503",
        created: NOW,
        expiry: Some(EXPIRY),
    };
    const JTI: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    const BARE: KeyContext<'static> = KeyContext { duration: None, user: None, expiry: None, ..CONTEXT };

    #[test]
    fn context_is_that_of_the_vectors() {
        let vectors = vectors();
        let of = |name: &str| text(&vectors, &format!("/licenseContext/{name}")).to_owned();
        for (name, value) in [
            ("account", CONTEXT.account_id),
            ("product", CONTEXT.product_id),
            ("policy", CONTEXT.policy_id),
            ("user", CONTEXT.user.unwrap().0),
            ("email", CONTEXT.user.unwrap().1),
            ("id", CONTEXT.license_id),
            ("created", &iso8601(CONTEXT.created)),
            ("expiry", &iso8601(CONTEXT.expiry.unwrap())),
        ] {
            assert_eq!(of(name), value);
        }
        assert_eq!(vectors["licenseContext"]["duration"], CONTEXT.duration.unwrap());
    }

    /// 02 §5.1, §5.2, §7 with `licenseKeys`.
    #[test]
    fn license_key_vectors() {
        let vectors = vectors();
        let keys = account_keys();
        let public = keys.public();
        let entries = vectors["licenseKeys"].as_array().unwrap();
        assert_eq!(entries.len(), 13);
        for entry in entries {
            let scheme = Scheme::parse(text(entry, "/scheme")).unwrap();
            let expected = text(entry, "/dataset");
            let note = text(entry, "/note");
            let dataset = match entry["requestedKey"].as_str() {
                Some(template) => expand_template(template, &CONTEXT),
                None if note.contains("no owner") => default_dataset(scheme, &BARE, JTI),
                None => default_dataset(scheme, &CONTEXT, JTI),
            };
            assert_eq!(dataset, expected, "{note}");

            let key = signed_key(&keys, scheme, &dataset).unwrap();
            let deterministic = entry["deterministic"].as_bool().unwrap();
            assert!(!deterministic || key == text(entry, "/key"), "{note}");
            let signed = match scheme {
                Scheme::Rsa2048JwtRs256 => jwt_payload(&dataset).unwrap(),
                _ => dataset,
            };
            for key in [key.as_str(), text(entry, "/key")] {
                let verified = verify_signed_key(&public, scheme, key);
                assert_eq!(verified.as_deref(), Some(signed.as_bytes()), "{note}");
            }
        }
    }

    /// 02 §5.1: shapes, and refusal of anything altered.
    #[test]
    fn altered_keys_do_not_verify() {
        let keys = account_keys();
        let public = keys.public();
        for scheme in Scheme::ALL {
            let Ok(key) = signed_key(&keys, scheme, r#"{"seat":"Ünï"}"#) else {
                assert_eq!(scheme, Scheme::LegacyEncrypt);
                continue;
            };
            assert!(verify_signed_key(&public, scheme, &key).is_some());
            for i in (0..key.len()).step_by(7) {
                let mut altered = key.clone().into_bytes();
                altered[i] = if altered[i] == b'A' { b'B' } else { b'A' };
                let altered = String::from_utf8(altered).unwrap();
                // The ENCRYPT scheme has no signature; its padding rejects nearly everything.
                assert_eq!(verify_signed_key(&public, scheme, &altered), None, "{scheme:?} {i}");
            }
            for other in Scheme::ALL.into_iter().filter(|other| *other != scheme) {
                assert_eq!(verify_signed_key(&public, other, &key), None, "{scheme:?} as {other:?}");
            }
            assert_eq!(verify_signed_key(&public, scheme, ""), None);
            assert_eq!(verify_signed_key(&public, scheme, &format!("{key}.")), None);
        }
    }

    /// 02 §1: DER for ECDSA, and padded base64 everywhere but in the JWT.
    #[test]
    fn forms_of_keys() {
        let keys = account_keys();
        let ecdsa = signed_key(&keys, Scheme::EcdsaP256Sign, "short").unwrap();
        let (signed, signature) = ecdsa.split_once('.').unwrap();
        assert_eq!(signed, "key/c2hvcnQ=");
        assert_eq!(b64u_decode(signature).unwrap()[0], 0x30);
        let raw = signed_key(&keys, Scheme::Rsa2048Pkcs1PssSign, "short").unwrap();
        assert!(raw.starts_with("c2hvcnQ=.") && raw.ends_with("=="));
        let encrypted = signed_key(&keys, Scheme::Rsa2048Pkcs1Encrypt, "short").unwrap();
        assert_eq!(encrypted.len(), 344);
        let jwt = signed_key(&keys, Scheme::Rsa2048JwtRs256, "{}").unwrap();
        assert!(jwt.starts_with("eyJhbGciOiJSUzI1NiJ9.e30.") && !jwt.contains('='));
    }

    /// 02 §5.3.
    #[test]
    fn limits_of_the_encrypt_scheme() {
        let keys = account_keys();
        let key = |dataset: &str| signed_key(&keys, Scheme::Rsa2048Pkcs1Encrypt, dataset);
        assert!(key(&"x".repeat(245)).is_ok());
        assert!(key(&"x".repeat(246)).is_err());
        // Bytes, not characters.
        let error = key(&"é".repeat(123)).unwrap_err();
        assert_eq!(error.detail(), "key exceeds maximum byte length (max size of 245 bytes)");
        assert_eq!(error.code_suffix(), "BYTE_SIZE_EXCEEDED");
    }

    /// 02 §5.3.
    #[test]
    fn jwt_claims_are_checked() {
        let keys = account_keys();
        for (dataset, reason) in [
            ("not json", "must be a valid JSON encoded string"),
            (r#"{"nbf":[],"exp":"1","iat":null}"#, "exp claim must be a numeric value but it is a string"),
            (r#"{"nbf":[],"exp":1,"iat":null}"#, "iat claim must be a numeric value but it is a nilclass"),
            (r#"{"nbf":[],"exp":1.5}"#, "nbf claim must be a numeric value but it is a array"),
            (r#"{"exp":{}}"#, "exp claim must be a numeric value but it is a hash"),
            (r#"{"exp":true}"#, "exp claim must be a numeric value but it is a trueclass"),
            (r#"{"exp":false}"#, "exp claim must be a numeric value but it is a falseclass"),
        ] {
            let error = signed_key(&keys, Scheme::Rsa2048JwtRs256, dataset).unwrap_err();
            assert_eq!(error.detail(), format!("key is not a valid JWT claims payload ({reason})"));
            assert_eq!(error.code_suffix(), "JWT_CLAIMS_INVALID");
        }
        assert_eq!(jwt_payload("{ \"z\" : \"é\",\n\"a\": [1, 2.5] }").unwrap(), r#"{"z":"é","a":[1,2.5]}"#);
    }

    /// 02 §5.3: a legacy license takes no dataset.
    #[test]
    fn legacy_encrypt_signs_nothing() {
        let error = signed_key(&account_keys(), Scheme::LegacyEncrypt, "x").unwrap_err();
        assert_eq!(error.detail(), "cannot be specified for a legacy encrypted license");
        assert_eq!(error.code_suffix(), "NOT_SUPPORTED");
    }

    /// 02 §5.2.
    #[test]
    fn default_datasets_without_values() {
        assert_eq!(
            default_dataset(Scheme::Rsa2048Pkcs1Encrypt, &BARE, JTI),
            r#"{"id":"c0ffee00-1f2e-4d3c-8b4a-596877869503","created":"2024-03-15T09:26:53.589Z","duration":null,"expiry":null}"#
        );
        assert!(default_dataset(Scheme::Rsa2048JwtRs256, &BARE, JTI).ends_with(r#""nbf":1710494813}"#));
        let non_ascii = KeyContext { user: Some(("1", "zoë@example.com")), ..CONTEXT };
        assert!(
            default_dataset(Scheme::Ed25519Sign, &non_ascii, JTI)
                .contains(r#""user":{"id":"1","email":"zoë@example.com"}"#)
        );
    }

    /// 02 §7.
    #[test]
    fn templates() {
        let id = CONTEXT.license_id;
        for (template, expected) in [
            ("{{{{secret}}}}", "{{}}".to_owned()),
            ("{{{id}}}", format!("{{{id}}}")),
            ("{{ID}}-{{_id_}}-{{__id}}", format!("{id}-{id}-{id}")),
            ("{{iD}}{{ACCOUNTId}}{{_}}", String::new()),
            ("{{EXPIRY}}", "2025-03-15T09:26:53.589Z".to_owned()),
            ("{{Duration}}é{{Email}}", "31556952éjane+tag@example.com".to_owned()),
            ("{{}}{{é}}{{ id}}{{id}", "{{}}{{é}}{{ id}}{{id}".to_owned()),
            ("{{", "{{".to_owned()),
            ("", String::new()),
        ] {
            assert_eq!(expand_template(template, &CONTEXT), expected, "{template}");
        }
        assert_eq!(expand_template("<{{user}}{{email}}{{expiry}}{{duration}}>", &BARE), "<>");
        let nested = KeyContext { user: Some(("1", "{{id}}")), ..CONTEXT };
        assert_eq!(expand_template("{{email}}", &nested), "{{id}}");
    }

    /// 01 §4.2.
    #[test]
    fn words_are_normalized_like_keys() {
        for (word, expected) in [
            ("maxUses", "max_uses"),
            ("seat_no_1", "seat_no_1"),
            ("SeatNo2", "seat_no2"),
            ("HTTPProxy", "http_proxy"),
            ("orderID", "order_id"),
            ("iOSBuild", "i_os_build"),
            ("rack__unit", "rack_unit"),
            ("_row", "row"),
            ("ROW", "row"),
            ("a1B", "a1_b"),
        ] {
            assert_eq!(normalized_word(word), expected);
        }
    }

    /// 02 §6.1 with `generatedLicenseKey`.
    #[test]
    fn plain_keys() {
        let vectors = vectors();
        let random = hex::decode(text(&vectors, "/generatedLicenseKey/randomHex")).unwrap();
        assert_eq!(plain_key(random.try_into().unwrap()), text(&vectors, "/generatedLicenseKey/key"));
        let key = generate_plain_key();
        assert_eq!(key.len(), 37);
        assert_ne!(key, generate_plain_key());
    }

    /// 02 §6.2 with `legacyEncryptedLicenseKey`.
    #[test]
    fn legacy_keys() {
        let vectors = vectors();
        let vector = &vectors["legacyEncryptedLicenseKey"];
        let id = Uuid::try_parse(text(vector, "/licenseId")).unwrap();
        let random = hex::decode(text(vector, "/randomHex")).unwrap();
        let key = legacy_key(&id, random.try_into().unwrap());
        assert_eq!(key, text(vector, "/key"));
        assert_eq!(key.len(), 131);
        assert_eq!(hex::encode(Sha256::digest(&key)), text(vector, "/sha256Hex"));
        assert!(legacy_verify(&key, text(vector, "/bcrypt")));
        assert!(!legacy_verify(&key[1..], text(vector, "/bcrypt")));
        assert!(!legacy_verify(&key, "no digest"));
        assert_eq!(legacy_license_id(&key), Some(id));
        assert_eq!(legacy_license_id("short"), None);
        assert_eq!(legacy_license_id(&"é".repeat(40)), None);
        assert_eq!(legacy_license_id(&"z".repeat(131)), None);

        let own = generate_legacy_key(&id);
        assert_eq!(legacy_license_id(&own), Some(id));
        let digest = legacy_digest(&own);
        assert!(digest.starts_with("$2a$12$"));
        assert!(legacy_verify(&own, &digest));
        assert!(!legacy_verify(&key, &digest));
    }

    /// 07 §2.2 and 02 §8.2.
    #[test]
    fn schemes() {
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::parse(scheme.as_str()), Some(scheme));
        }
        assert_eq!(Scheme::parse("ed25519_sign"), None);
        for (scheme, name) in [
            (None, "ed25519"),
            (Some("LEGACY_ENCRYPT"), "ed25519"),
            (Some("ED25519_SIGN"), "ed25519"),
            (Some("ECDSA_P256_SIGN"), "ecdsa-p256"),
            (Some("RSA_2048_PKCS1_PSS_SIGN"), "rsa-pss-sha256"),
            (Some("RSA_2048_PKCS1_PSS_SIGN_V2"), "rsa-pss-sha256"),
            (Some("RSA_2048_PKCS1_SIGN"), "rsa-sha256"),
            (Some("RSA_2048_PKCS1_SIGN_V2"), "rsa-sha256"),
            (Some("RSA_2048_PKCS1_ENCRYPT"), "rsa-sha256"),
            (Some("RSA_2048_JWT_RS256"), "rsa-sha256"),
        ] {
            let scheme = scheme.map(|scheme| Scheme::parse(scheme).unwrap());
            assert_eq!(file_signature_algorithm(scheme).name(), name);
        }
    }

    /// 01 §8.2.
    #[test]
    fn times() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(-1), "1969-12-31T23:59:59.999Z");
        assert!(iso8601(i64::MAX).ends_with('Z'));
    }
}
