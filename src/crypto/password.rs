//! Password digests (02 §11, D22): argon2id, and bcrypt for imported ones.

use std::hint::black_box;

use argon2::password_hash::{self, Output, ParamsString, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::encoding::b64un;
use super::token::random_bytes;
use super::work_memory::WorkMemory;

/// Memory in KiB, passes and lanes: OWASP's first choice for argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Bytes of a digest's salt and of its result.
const SALT: usize = 16;
const RESULT: usize = 32;

/// With one lane, [`MEMORY_KIB`] is a number of whole blocks.
static MEMORY: WorkMemory = WorkMemory::new(MEMORY_KIB as usize);

fn params() -> Params {
    // Constants within the limits of argon2.
    Params::new(MEMORY_KIB, PASSES, LANES, None).expect("valid argon2 parameters")
}

fn hasher(params: Params) -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Fills `out`. Fails for parameters beyond argon2's limits, which ours and any request's password are within.
fn run(hasher: &Argon2<'_>, password: &str, salt: &[u8], out: &mut [u8]) -> argon2::Result<()> {
    MEMORY.with(hasher.params().block_count(), |blocks| {
        hasher.hash_password_into_with_memory(password.as_bytes(), salt, out, blocks)
    })
}

/// The digest to store: a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$…`) with a random salt.
/// Takes some ten milliseconds of a core and 19 MiB: call it outside of async workers.
pub fn hash_password(password: &str) -> String {
    let (params, bytes) = (params(), random_bytes::<SALT>());
    // An allowed length of salts, parameters that a PHC string can carry, and a password of less than 4 GiB.
    let salt = SaltString::encode_b64(&bytes).expect("a valid salt length");
    let shown = ParamsString::try_from(&params).expect("parameters of a PHC string");
    let result = Output::init_with(RESULT, |out| Ok(run(&hasher(params), password, &bytes, out)?));
    PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: shown,
        salt: Some(salt.as_salt()),
        hash: Some(result.expect("a password within argon2's limits")),
    }
    .to_string()
}

/// Gives back to the system the memory of passwords that were looked at, unless there were some since the last call.
pub fn release_memory() {
    MEMORY.release();
}

/// Whether the password is the one of the stored digest: argon2 PHC strings (with their own
/// parameters) or bcrypt `$2a$`, `$2b$`, `$2y$` (72 bytes count). False for any other stored text.
pub fn verify_password(password: &str, stored: &str) -> bool {
    if is_bcrypt(stored) {
        return bcrypt::verify(password, stored).unwrap_or(false);
    }
    PasswordHash::new(stored).and_then(|parsed| matches(password, &parsed)).unwrap_or(false)
}

/// By the digest's own algorithm, version, parameters and length.
fn matches(password: &str, stored: &PasswordHash<'_>) -> password_hash::Result<bool> {
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else { return Ok(false) };
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from)?;
    let hasher = Argon2::new(Algorithm::try_from(stored.algorithm)?, version, Params::try_from(stored)?);
    let mut bytes = [0u8; 64];
    let salt = salt.decode_b64(&mut bytes)?;
    let found = Output::init_with(expected.len(), |out| Ok(run(&hasher, password, salt, out)?))?;
    Ok(found.as_bytes().ct_eq(expected.as_bytes()).into())
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
    let mut output = [0u8; RESULT];
    // Cannot fail, and if it did, there would be nothing to do.
    let _ = run(&hasher(params()), "password", &[0; SALT], &mut output);
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
        assert!(run(&hasher(params()), "password", &[0; SALT], &mut [0u8; RESULT]).is_ok());
    }

    /// What another implementation made, with its own algorithm, version, parameters and length; and not in what others left
    /// behind in memory.
    #[test]
    fn imported_argon2_02_11() {
        use argon2::PasswordHasher as _;
        let salt = SaltString::encode_b64(b"sixteen bytes ok").unwrap();
        let made = |algorithm, version, (memory, passes, lanes, length)| {
            let params = Params::new(memory, passes, lanes, length).unwrap();
            let hasher = Argon2::new(algorithm, version, params);
            hasher.hash_password(b"password", &salt).unwrap().to_string()
        };
        let digests = [
            made(Algorithm::Argon2id, Version::V0x13, (MEMORY_KIB, PASSES, LANES, None)),
            made(Algorithm::Argon2id, Version::V0x13, (64, 1, 1, Some(16))),
            made(Algorithm::Argon2id, Version::V0x13, (24_000, 1, 4, Some(64))),
            made(Algorithm::Argon2id, Version::V0x10, (1000, 3, 3, None)),
            made(Algorithm::Argon2i, Version::V0x13, (512, 2, 1, None)),
            made(Algorithm::Argon2d, Version::V0x10, (512, 2, 1, None)),
        ];
        std::thread::scope(|scope| {
            for n in 0..12 {
                let digests = &digests;
                scope.spawn(move || {
                    for m in 0..digests.len() {
                        let stored = &digests[(n + m) % digests.len()];
                        assert!(verify_password("password", stored), "{stored}");
                        assert!(!verify_password("passwort", stored), "{stored}");
                    }
                    let own = format!("own {n}");
                    assert!(verify_password(&own, &hash_password(&own)));
                });
            }
        });
        for (part, other) in [("m=64", "m=65"), ("t=1", "t=2"), ("p=1", "p=2"), ("v=19", "v=16"), ("2id", "2i")] {
            let changed = digests[1].replacen(part, other, 1);
            assert_ne!(changed, digests[1]);
            assert!(!verify_password("password", &changed), "{changed}");
        }
        for cut in
            [digests[1].rsplit_once('$').unwrap().0, "$argon2id$v=19$m=64,t=1,p=1", "$scrypt$ln=1$c2FsdHNhbHQ$AAAA"]
        {
            assert!(!verify_password("password", cut), "{cut}");
        }
    }

    #[test]
    fn generated_passwords() {
        let password = generate_password();
        assert_eq!(password.len(), 20);
        assert!(password.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(password, generate_password());
    }
}
