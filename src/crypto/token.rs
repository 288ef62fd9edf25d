//! Tokens, their digests and identifiers (02 §10, §11, §13; 01 §8.1).

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The version suffix of everything generated here (02 §10, §11, §13).
const VERSION: &str = "v3";

/// The kinds of token, one for each kind of bearer (02 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Of a user with role admin.
    Admin,
    /// Of a user with role developer.
    Developer,
    /// Of a user with role sales agent.
    Sales,
    /// Of a user with role support agent.
    Support,
    /// Of a user with role read only.
    ReadOnly,
    /// Of a user with role user.
    User,
    /// Of a product.
    Product,
    /// Of an environment.
    Environment,
    /// Of a license.
    Activation,
}

impl TokenKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Admin,
        Self::Developer,
        Self::Sales,
        Self::Support,
        Self::ReadOnly,
        Self::User,
        Self::Product,
        Self::Environment,
        Self::Activation,
    ];

    /// The attribute `kind`, for example `admin-token`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin-token",
            Self::Developer => "developer-token",
            Self::Sales => "sales-token",
            Self::Support => "support-token",
            Self::ReadOnly => "read-only-token",
            Self::User => "user-token",
            Self::Product => "product-token",
            Self::Environment => "environment-token",
            Self::Activation => "activation-token",
        }
    }

    /// The start of the raw token, without its dash, for example `spprt`.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "dev",
            Self::Sales => "sales",
            Self::Support => "spprt",
            Self::ReadOnly => "read",
            Self::User => "user",
            Self::Product => "prod",
            Self::Environment => "env",
            Self::Activation => "activ",
        }
    }
}

/// `N` bytes of the operating system's randomness. Panics if there is none: nothing safe can follow.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system must provide random numbers");
    bytes
}

/// A new raw token, `<prefix>-<hex>v3`: 64 hex digits, 32 for licenses (02 §10).
pub fn generate_token(kind: TokenKind) -> String {
    let bytes = Zeroizing::new(random_bytes::<32>());
    let used = match kind {
        TokenKind::Activation => &bytes[..16],
        _ => &bytes[..],
    };
    let digits = Zeroizing::new(hex::encode(used));
    [kind.prefix(), "-", &digits, VERSION].concat()
}

/// A new password reset token: 48 hex digits and `v3` (02 §11).
pub fn generate_reset_token() -> String {
    let digits = Zeroizing::new(hex::encode(*Zeroizing::new(random_bytes::<24>())));
    [&digits, VERSION].concat()
}

/// A new webhook event's idempotency token: 62 hex digits and `v3` (02 §13).
pub fn generate_idempotency_token() -> String {
    [&hex::encode(random_bytes::<31>()), VERSION].concat()
}

/// What is stored of a token: hex HMAC-SHA-256 of the whole raw token, keyed with the account's
/// secret key **as text** (02 §10). 64 hex digits.
pub fn digest(secret_key: &str, raw: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes())
        // HMAC pads or hashes its key, whatever its length.
        .expect("HMAC takes keys of any length");
    mac.update(raw.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Whether the text ends like a token that this server could have made (02 §10). Anything else is an
/// unknown token without a lookup.
pub fn has_known_version(raw: &str) -> bool {
    raw.ends_with(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap()
    }

    fn is_hex(text: &str) -> bool {
        text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }

    #[test]
    fn token_vectors_02_10() {
        let vectors = vectors();
        let secret = vectors["account"]["secretKey"].as_str().unwrap();
        let tokens = vectors["tokens"].as_array().unwrap();
        assert_eq!(tokens.len(), TokenKind::ALL.len());
        for token in tokens {
            let raw = token["raw"].as_str().unwrap();
            assert_eq!(digest(secret, raw), token["digest"]);
            assert!(has_known_version(raw));
            let kind = TokenKind::ALL.into_iter().find(|kind| kind.name() == token["kind"]).unwrap();
            assert_eq!(kind.prefix(), token["prefix"]);
            let own = generate_token(kind);
            assert_eq!(own.len() as u64, token["length"].as_u64().unwrap());
            let body = own.strip_prefix(kind.prefix()).unwrap();
            let body = body.strip_prefix('-').unwrap().strip_suffix("v3").unwrap();
            assert_eq!(body.len() as u64, 2 * token["randomBytes"].as_u64().unwrap());
            assert!(is_hex(body));
            assert_ne!(own, generate_token(kind));
        }
    }

    #[test]
    fn reset_token_02_11() {
        let vectors = vectors();
        let secret = vectors["account"]["secretKey"].as_str().unwrap();
        let vector = &vectors["passwordResetToken"];
        assert_eq!(digest(secret, vector["raw"].as_str().unwrap()), vector["digest"]);
        let own = generate_reset_token();
        assert_eq!(own.len() as u64, vector["length"].as_u64().unwrap());
        assert!(is_hex(own.strip_suffix("v3").unwrap()));
    }

    #[test]
    fn idempotency_token_02_13() {
        let own = generate_idempotency_token();
        assert_eq!(own.len(), 64);
        assert!(is_hex(own.strip_suffix("v3").unwrap()));
    }

    #[test]
    fn versions_02_10() {
        for unknown in ["", "v3x", "admin-00v2", "admin-00v1", "admin-00", "00v13"] {
            assert!(!has_known_version(unknown), "{unknown}");
        }
    }
}
