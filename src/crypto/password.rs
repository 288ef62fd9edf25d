//! Password digests (02 §11, D22): argon2id, and bcrypt for imported ones.

use std::hint::black_box;

use argon2::password_hash::SaltString;
use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version};
use zeroize::Zeroizing;

use super::encoding::b64un;
use super::token::random_bytes;

/// Memory in KiB, passes and lanes: OWASP's first choice for argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

fn hasher() -> Argon2<'static> {
    // Constants within the limits of argon2.
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("valid argon2 parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The digest to store: a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`) with a random salt.
/// Takes some ten milliseconds of a core and 19 MiB: call it outside of async workers.
pub fn hash_password(password: &str) -> String {
    // 16 bytes are an allowed length of salts.
    let salt = SaltString::encode_b64(&random_bytes::<16>()).expect("a valid salt length");
    hasher()
        .hash_password(password.as_bytes(), &salt)
        // Fails only for passwords of 4 GiB and more, which no request can carry.
        .expect("a password within argon2's limits")
        .to_string()
}

/// Whether the password is the one of the stored digest: argon2 PHC strings (with their own
/// parameters) or bcrypt `$2a$`, `$2b$`, `$2y$` (72 bytes count). False for any other stored text.
pub fn verify_password(password: &str, stored: &str) -> bool {
    if is_bcrypt(stored) {
        return bcrypt::verify(password, stored).unwrap_or(false);
    }
    PasswordHash::new(stored).and_then(|parsed| hasher().verify_password(password.as_bytes(), &parsed)).is_ok()
}

fn is_bcrypt(stored: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|version| stored.starts_with(version))
}

/// Whether a digest is not what [`hash_password`] makes today, so that it should be replaced after the
/// next successful login.
pub fn needs_rehash(stored: &str) -> bool {
    let current = format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$");
    !stored.starts_with(&current)
}

/// Costs what [`verify_password`] costs with one of our digests: for unknown users, so that the time of
/// the answer does not tell whether they exist.
pub fn dummy_verify() {
    let mut output = [0u8; 32];
    // Cannot fail, and if it did, there would be nothing to do.
    let _ = hasher().hash_password_into(b"password", b"sixteen bytes ok", &mut output);
    black_box(output);
}

/// A random password of 20 URL-safe characters (120 bits).
pub fn generate_password() -> String {
    b64un(&*Zeroizing::new(random_bytes::<15>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argon2id_02_11() {
        let stored = hash_password("correct horse");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify_password("correct horse", &stored));
        assert!(!verify_password("correct horsf", &stored));
        assert!(!needs_rehash(&stored));
        assert_ne!(stored, hash_password("correct horse"));
        // All of a long password counts, unlike bcrypt's.
        let long = "x".repeat(73);
        assert!(!verify_password(&long[1..], &hash_password(&long)));
    }

    #[test]
    fn bcrypt_vectors_02_11() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap();
        for entry in vectors["passwords"].as_array().unwrap() {
            let password = entry["password"].as_str().unwrap();
            let stored = entry["bcrypt"].as_str().unwrap();
            assert_eq!(verify_password(password, stored), entry["match"].as_bool().unwrap());
            assert!(!verify_password(&password[1..], stored));
            assert!(needs_rehash(stored));
            for version in ["$2b$", "$2y$"] {
                let other = stored.replacen("$2a$", version, 1);
                assert!(verify_password(password, &other), "{version}");
            }
        }
    }

    #[test]
    fn bcrypt_counts_72_bytes_02_11() {
        let stored = bcrypt::hash("é".repeat(36), 4).unwrap();
        assert!(verify_password(&"é".repeat(40), &stored));
        assert!(!verify_password(&"é".repeat(35), &stored));
    }

    #[test]
    fn other_digests_never_match() {
        for stored in ["", "password", "$2a$", "$2x$05$abc", "$argon2id$", "$1$a$b"] {
            assert!(!verify_password("password", stored), "{stored}");
            assert!(needs_rehash(stored), "{stored}");
        }
        let weaker = "$argon2id$v=19$m=64,t=1,p=1$c2l4dGVlbiBieXRlcyE$AAAAAAAAAAAAAAAAAAAAAA";
        assert!(!verify_password("password", weaker));
        assert!(needs_rehash(weaker));
    }

    #[test]
    fn dummy_runs() {
        dummy_verify();
        let mut output = [0u8; 32];
        let result = hasher().hash_password_into(b"password", b"sixteen bytes ok", &mut output);
        assert!(result.is_ok());
    }

    #[test]
    fn generated_passwords() {
        let password = generate_password();
        assert_eq!(password.len(), 20);
        assert!(password.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(password, generate_password());
    }
}
