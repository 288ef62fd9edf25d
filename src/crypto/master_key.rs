//! Secrets at rest: AES-256-GCM under the server's master key.
//!
//! A sealed text is `kl1:` and the base64 of nonce (12 bytes), ciphertext and tag (16 bytes). The
//! context (for example `accounts/<id>/rsa`) is authenticated but not contained: a value that is moved
//! to another row or column does not open.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use sha2::{Digest as _, Sha256};

use super::encoding::{b64_decode, b64_into};
use super::token::random_bytes;

/// Marks a sealed text and the version of its format.
const PREFIX: &str = "kl1:";
const NONCE_LEN: usize = 12;

/// Seals a text. The nonce is random, so that the same text never gives the same result.
pub fn seal(master: &[u8; 32], plaintext: &str, context: &str) -> String {
    let nonce = random_bytes::<NONCE_LEN>();
    let payload = Payload { msg: plaintext.as_bytes(), aad: context.as_bytes() };
    let ciphertext = Aes256Gcm::new(master.into())
        .encrypt(Nonce::from_slice(&nonce), payload)
        // Fails only for texts of 64 GiB and more.
        .expect("a text within the limits of AES-GCM");
    let mut sealed = String::from(PREFIX);
    b64_into(&[&nonce, ciphertext.as_slice()].concat(), &mut sealed);
    sealed
}

/// Opens what [`seal`] made. `None` if the text is not sealed, was changed, or was sealed with another
/// key or context.
pub fn open(master: &[u8; 32], sealed: &str, context: &str) -> Option<String> {
    let bytes = b64_decode(sealed.strip_prefix(PREFIX)?)?;
    let (nonce, ciphertext) = bytes.split_at_checked(NONCE_LEN)?;
    let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
    let plaintext = Aes256Gcm::new(master.into()).decrypt(Nonce::from_slice(nonce), payload).ok()?;
    String::from_utf8(plaintext).ok()
}

/// Whether a stored text is sealed, judging by its prefix.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The master key of a configured text: 64 hex digits are the key itself, anything else is hashed with
/// SHA-256, every byte of it (callers trim the line end of a key file).
pub fn derive_master_key(text: &str) -> [u8; 32] {
    let mut key = [0u8; 32];
    match hex::decode_to_slice(text, &mut key) {
        Ok(()) => key,
        Err(_) => Sha256::digest(text.as_bytes()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn round_trip() {
        for text in ["", "secret", "Démo\n"] {
            let sealed = seal(&KEY, text, "accounts/1");
            assert!(is_sealed(&sealed));
            assert_eq!(open(&KEY, &sealed, "accounts/1").as_deref(), Some(text));
            assert_ne!(sealed, seal(&KEY, text, "accounts/1"));
            assert_eq!(b64_decode(&sealed[PREFIX.len()..]).unwrap().len(), 12 + text.len() + 16);
        }
        assert!(!is_sealed("secret"));
    }

    #[test]
    fn anything_else_stays_closed() {
        let sealed = seal(&KEY, "secret", "accounts/1");
        assert_eq!(open(&[8; 32], &sealed, "accounts/1"), None);
        assert_eq!(open(&KEY, &sealed, "accounts/2"), None);
        assert_eq!(open(&KEY, &sealed[4..], "accounts/1"), None);
        assert_eq!(open(&KEY, "kl1:", "accounts/1"), None);
        assert_eq!(open(&KEY, "kl1:AAAA", "accounts/1"), None);
        assert_eq!(open(&KEY, "kl1:?", "accounts/1"), None);
        let mut bytes = b64_decode(&sealed[4..]).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            let mut changed = String::from(PREFIX);
            b64_into(&bytes, &mut changed);
            assert_eq!(open(&KEY, &changed, "accounts/1"), None);
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn master_keys() {
        assert_eq!(derive_master_key(&"07".repeat(32)), KEY);
        assert_eq!(derive_master_key(&"aF".repeat(32)), [0xaf; 32]);
        assert_eq!(
            hex::encode(derive_master_key("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let almost = "0".repeat(63);
        assert_eq!(derive_master_key(&almost)[..], Sha256::digest(almost.as_bytes())[..]);
    }
}
