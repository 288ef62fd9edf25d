//! An account's key pairs and the four signature primitives (02 §1, §2).

use ed25519_dalek::{Signer as _, Verifier as _};
use p256::pkcs8::LineEnding;
use rand_core::OsRng;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::encoding::b64;
use super::token::random_bytes;

/// Size of RSA keys and of everything made with them, in bytes (02 §1).
pub const RSA_BYTES: usize = 256;
/// Longest message of [`AccountKeys::rsa_private_encrypt`], in bytes (02 §5.3).
pub const RSA_ENCRYPT_MAX: usize = RSA_BYTES - 11;
/// PSS salt length in bytes: the largest possible, not the digest's (02 §15.1).
const PSS_SALT_LEN: usize = RSA_BYTES - 32 - 2;

/// The four signature algorithms (02 §1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// Pure Ed25519: 64 bytes, deterministic.
    #[default]
    Ed25519,
    /// RSA 2048 PSS, SHA-256, salt of 222 bytes: 256 bytes, randomized.
    RsaPssSha256,
    /// RSA 2048 PKCS#1 v1.5, SHA-256: 256 bytes, deterministic.
    RsaSha256,
    /// ECDSA P-256, SHA-256, ASN.1 DER: 70–72 bytes.
    EcdsaP256,
}

impl SignatureAlgorithm {
    /// All four, in the order in which 02 §3.3 lists them.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::RsaPssSha256, Self::RsaSha256, Self::EcdsaP256];

    /// The name on the wire (02 §1), for example `rsa-pss-sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::RsaPssSha256 => "rsa-pss-sha256",
            Self::RsaSha256 => "rsa-sha256",
            Self::EcdsaP256 => "ecdsa-p256",
        }
    }

    /// The algorithm with exactly this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// The algorithm with this name in any ASCII case (02 §3.3).
    pub fn parse_ignore_case(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.name().eq_ignore_ascii_case(name))
    }
}

/// Why stored private keys could not be used. Never carries key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 64 hexadecimal digits.
    #[error("the Ed25519 key is not a seed of 64 hexadecimal digits")]
    Ed25519,
    /// Neither PKCS#8 nor PKCS#1 PEM, an inconsistent key, or not 2048 bits.
    #[error("the RSA key is not a valid 2048-bit private key in PKCS#8 or PKCS#1 PEM")]
    Rsa,
    /// Neither PKCS#8 nor SEC1 PEM, or another curve.
    #[error("the ECDSA key is not a valid P-256 private key in PKCS#8 or SEC1 PEM")]
    Ecdsa,
}

/// The private keys of an account, parsed and ready to sign (02 §2). Wiped from memory when dropped.
pub struct AccountKeys {
    ed25519: ed25519_dalek::SigningKey,
    /// Always 2048 bits, validated, CRT values computed.
    rsa: RsaPrivateKey,
    ecdsa: p256::ecdsa::SigningKey,
}

/// The private keys as text, for the store. Seal them (`master_key`) before they reach a disk.
pub struct StoredKeys {
    /// The seed: 64 lower-case hexadecimal digits.
    pub ed25519_private: Zeroizing<String>,
    /// PKCS#8 PEM.
    pub rsa_private_pem: Zeroizing<String>,
    /// PKCS#8 PEM.
    pub ecdsa_private_pem: Zeroizing<String>,
}

/// The public keys of an account in the forms that clients see (02 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// 64 hexadecimal digits.
    pub ed25519_hex: String,
    /// SPKI PEM, 64-column lines, trailing newline.
    pub rsa_pem: String,
    /// SPKI PEM with a named curve, trailing newline.
    pub ecdsa_pem: String,
}

impl AccountKeys {
    /// Makes new random keys (02 §2). The RSA key takes some hundred milliseconds.
    pub fn generate() -> AccountKeys {
        // Fails only for impossible sizes and exponents; a failing system RNG panics in OsRng.
        let rsa = RsaPrivateKey::new(&mut OsRng, RSA_BYTES * 8).expect("2048 is a valid RSA size");
        AccountKeys {
            ed25519: ed25519_dalek::SigningKey::generate(&mut OsRng),
            rsa: Self::checked_rsa(rsa).expect("a generated key is valid and of the size asked for"),
            ecdsa: p256::ecdsa::SigningKey::random(&mut OsRng),
        }
    }

    /// Reads private keys: the Ed25519 seed as 64 hex digits, RSA in PKCS#8 or PKCS#1 PEM,
    /// ECDSA in PKCS#8 or SEC1 PEM.
    pub fn from_stored(
        ed25519_seed_hex: &str,
        rsa_private_pem: &str,
        ecdsa_private_pem: &str,
    ) -> Result<AccountKeys, KeyError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(ed25519_seed_hex.trim(), &mut *seed).map_err(|_| KeyError::Ed25519)?;
        let rsa_pem = rsa_private_pem.trim();
        let rsa = RsaPrivateKey::from_pkcs8_pem(rsa_pem)
            .or_else(|_| RsaPrivateKey::from_pkcs1_pem(rsa_pem))
            .map_err(|_| KeyError::Rsa)?;
        Ok(AccountKeys {
            ed25519: ed25519_dalek::SigningKey::from_bytes(&seed),
            rsa: Self::checked_rsa(rsa)?,
            ecdsa: parse_ecdsa(ecdsa_private_pem.trim()).ok_or(KeyError::Ecdsa)?.into(),
        })
    }

    /// Establishes what `sign` relies on: size, consistency, CRT values.
    fn checked_rsa(mut rsa: RsaPrivateKey) -> Result<RsaPrivateKey, KeyError> {
        if rsa.n().bits() != RSA_BYTES * 8 {
            return Err(KeyError::Rsa);
        }
        rsa.validate().map_err(|_| KeyError::Rsa)?;
        rsa.precompute().map_err(|_| KeyError::Rsa)?;
        Ok(rsa)
    }

    /// The private keys as text; [`AccountKeys::from_stored`] reads them.
    pub fn to_stored(&self) -> StoredKeys {
        let seed = Zeroizing::new(self.ed25519.to_bytes());
        StoredKeys {
            ed25519_private: Zeroizing::new(hex::encode(*seed)),
            // DER encoding fails only for lengths that do not fit its length fields.
            rsa_private_pem: self.rsa.to_pkcs8_pem(LineEnding::LF).expect("a 2048-bit key fits DER"),
            ecdsa_private_pem: self.ecdsa.to_pkcs8_pem(LineEnding::LF).expect("a P-256 key fits DER"),
        }
    }

    /// The public halves.
    pub fn public(&self) -> PublicKeys {
        PublicKeys {
            ed25519_hex: hex::encode(self.ed25519.verifying_key().as_bytes()),
            // As in `to_stored`: lengths that always fit.
            rsa_pem: self.rsa.to_public_key().to_public_key_pem(LineEnding::LF).expect("a 2048-bit key fits DER"),
            ecdsa_pem: self.ecdsa.verifying_key().to_public_key_pem(LineEnding::LF).expect("a P-256 key fits DER"),
        }
    }

    /// Signs `data` (02 §1). RSA operations are blinded, because the data is often a client's.
    pub fn sign(&self, algorithm: SignatureAlgorithm, data: &[u8]) -> Vec<u8> {
        match algorithm {
            SignatureAlgorithm::Ed25519 => self.ed25519.sign(data).to_bytes().to_vec(),
            // A digest always fits into 256 bytes of padding and `checked_rsa` accepted the key, so
            // that an error means that the processor computed wrongly: then nothing may go out.
            SignatureAlgorithm::RsaPssSha256 => self
                .rsa
                .sign_with_rng(&mut OsRng, Pss::new_blinded_with_salt::<Sha256>(PSS_SALT_LEN), &Sha256::digest(data))
                .expect("a valid RSA key signs"),
            SignatureAlgorithm::RsaSha256 => self
                .rsa
                .sign_with_rng(&mut OsRng, Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(data))
                .expect("a valid RSA key signs"),
            SignatureAlgorithm::EcdsaP256 => {
                let signature: p256::ecdsa::DerSignature = self.ecdsa.sign(data);
                signature.as_bytes().to_vec()
            }
        }
    }

    /// The RSA private-key operation on `00 01 FF…FF 00 ‖ message` (02 §5.1 `RSA_2048_PKCS1_ENCRYPT`):
    /// 256 bytes, deterministic. `None` if the message is longer than 245 bytes.
    pub fn rsa_private_encrypt(&self, message: &[u8]) -> Option<Vec<u8>> {
        if message.len() > RSA_ENCRYPT_MAX {
            return None;
        }
        self.rsa.sign_with_rng(&mut OsRng, Pkcs1v15Sign::new_unprefixed(), message).ok()
    }
}

impl std::fmt::Debug for AccountKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountKeys(redacted)")
    }
}

impl std::fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredKeys(redacted)")
    }
}

/// PKCS#8, or SEC1 possibly after the `EC PARAMETERS` block that `openssl ecparam -genkey` writes.
fn parse_ecdsa(pem: &str) -> Option<p256::SecretKey> {
    if let Ok(key) = p256::SecretKey::from_pkcs8_pem(pem) {
        return Some(key);
    }
    let start = pem.find("-----BEGIN EC PRIVATE KEY-----")?;
    p256::SecretKey::from_sec1_pem(&pem[start..]).ok()
}

impl PublicKeys {
    /// `meta.keys.ed25519`: base64 of the hex **text** (02 §2).
    pub fn ed25519_b64(&self) -> String {
        b64(self.ed25519_hex.as_bytes())
    }

    /// `meta.publicKey` and `meta.keys.rsa2048`: base64 of the PEM (02 §2).
    pub fn rsa_b64(&self) -> String {
        b64(self.rsa_pem.as_bytes())
    }

    /// `meta.keys.ecdsa`: base64 of the PEM (02 §2).
    pub fn ecdsa_b64(&self) -> String {
        b64(self.ecdsa_pem.as_bytes())
    }

    /// Whether `signature` is a valid signature of `data` (02 §1). False, too, if the key or the
    /// signature is not even well-formed. Parses the key on each call.
    pub fn verify(&self, algorithm: SignatureAlgorithm, data: &[u8], signature: &[u8]) -> bool {
        self.try_verify(algorithm, data, signature).is_some()
    }

    fn try_verify(&self, algorithm: SignatureAlgorithm, data: &[u8], sig: &[u8]) -> Option<()> {
        match algorithm {
            SignatureAlgorithm::Ed25519 => {
                let mut key = [0u8; 32];
                hex::decode_to_slice(&self.ed25519_hex, &mut key).ok()?;
                ed25519_dalek::VerifyingKey::from_bytes(&key)
                    .ok()?
                    .verify(data, &ed25519_dalek::Signature::from_slice(sig).ok()?)
                    .ok()
            }
            SignatureAlgorithm::RsaPssSha256 => {
                let scheme = Pss::new_with_salt::<Sha256>(PSS_SALT_LEN);
                self.rsa()?.verify(scheme, &Sha256::digest(data), sig).ok()
            }
            SignatureAlgorithm::RsaSha256 => {
                let scheme = Pkcs1v15Sign::new::<Sha256>();
                self.rsa()?.verify(scheme, &Sha256::digest(data), sig).ok()
            }
            SignatureAlgorithm::EcdsaP256 => p256::ecdsa::VerifyingKey::from_public_key_pem(&self.ecdsa_pem)
                .ok()?
                .verify(data, &p256::ecdsa::DerSignature::from_bytes(sig).ok()?)
                .ok(),
        }
    }

    /// Undoes [`AccountKeys::rsa_private_encrypt`], as a client does with the public key.
    /// `None` if the input is not 256 bytes or the padding is wrong.
    pub fn rsa_public_decrypt(&self, data: &[u8]) -> Option<Vec<u8>> {
        let key = self.rsa()?;
        let number = BigUint::from_bytes_be(data);
        if data.len() != RSA_BYTES || number >= *key.n() {
            return None;
        }
        // `to_bytes_be` drops the leading zero byte: 01 FF…FF 00 ‖ message.
        let padded = number.modpow(key.e(), key.n()).to_bytes_be();
        if padded.len() != RSA_BYTES - 1 || padded[0] != 1 {
            return None;
        }
        let ones = padded[1..].iter().take_while(|&&b| b == 0xff).count();
        let (separator, message) = padded[1 + ones..].split_first()?;
        (ones >= 8 && *separator == 0).then(|| message.to_vec())
    }

    fn rsa(&self) -> Option<RsaPublicKey> {
        let key = RsaPublicKey::from_public_key_pem(&self.rsa_pem).ok()?;
        (key.size() == RSA_BYTES).then_some(key)
    }
}

/// A new account secret: 64 random bytes as 128 hex digits; the HMAC key of tokens (02 §2, §10).
pub fn generate_secret_key() -> String {
    hex::encode(*Zeroizing::new(random_bytes::<64>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::encoding::{b64_decode, b64u_decode};
    use serde_json::Value;
    use std::sync::LazyLock;

    static VECTORS: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap());

    fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
        value.pointer(pointer).and_then(Value::as_str).unwrap()
    }

    fn vector_keys() -> AccountKeys {
        let account = &VECTORS["account"];
        AccountKeys::from_stored(
            text(account, "/ed25519/privateSeedHex"),
            text(account, "/rsa2048/privatePem"),
            text(account, "/ecdsaP256/privatePem"),
        )
        .unwrap()
    }

    #[test]
    fn names_02_1() {
        for alg in SignatureAlgorithm::ALL {
            assert_eq!(SignatureAlgorithm::parse(alg.name()), Some(alg));
        }
        assert_eq!(SignatureAlgorithm::parse("ED25519"), None);
        assert_eq!(SignatureAlgorithm::parse_ignore_case("RSA-PSS-sha256"), Some(SignatureAlgorithm::RsaPssSha256));
        assert_eq!(SignatureAlgorithm::parse_ignore_case("rsa-sha512"), None);
    }

    #[test]
    fn public_keys_and_resource_meta_02_2() {
        let account = &VECTORS["account"];
        let public = vector_keys().public();
        assert_eq!(public.ed25519_hex, text(account, "/ed25519/publicHex"));
        assert_eq!(public.rsa_pem, text(account, "/rsa2048/publicPem"));
        assert_eq!(public.ecdsa_pem, text(account, "/ecdsaP256/publicPem"));
        let meta = &account["resourceMeta"];
        assert_eq!(public.rsa_b64(), text(meta, "/publicKey"));
        assert_eq!(public.ed25519_b64(), text(meta, "/keys/ed25519"));
        assert_eq!(public.rsa_b64(), text(meta, "/keys/rsa2048"));
        assert_eq!(public.ecdsa_b64(), text(meta, "/keys/ecdsa"));
    }

    /// Checks one signature of the vectors, and our own over the same data.
    fn check(keys: &AccountKeys, alg: SignatureAlgorithm, data: &[u8], given: &[u8]) {
        let public = keys.public();
        assert!(public.verify(alg, data, given), "{}", alg.name());
        let own = keys.sign(alg, data);
        assert!(public.verify(alg, data, &own), "{}", alg.name());
        match alg {
            SignatureAlgorithm::Ed25519 | SignatureAlgorithm::RsaSha256 => assert_eq!(own, given),
            SignatureAlgorithm::RsaPssSha256 => {
                let key = public.rsa().unwrap();
                for (salt, accepted) in [(222, true), (32, false), (221, false)] {
                    let scheme = Pss::new_with_salt::<Sha256>(salt);
                    let verified = key.verify(scheme, &Sha256::digest(data), &own).is_ok();
                    assert_eq!(verified, accepted, "salt {salt}");
                }
            }
            SignatureAlgorithm::EcdsaP256 => {
                assert_eq!(own[0], 0x30, "DER");
                assert_eq!(usize::from(own[1]), own.len() - 2);
            }
        }
        let mut wrong = data.to_vec();
        wrong.push(b' ');
        assert!(!public.verify(alg, &wrong, &own));
        assert!(!public.verify(alg, data, &own[1..]));
        assert!(!public.verify(alg, data, b""));
    }

    #[test]
    fn signature_vectors_02_3_4_and_8() {
        let keys = vector_keys();
        let responses = VECTORS["responseSignatures"].as_array().unwrap();
        for entry in responses.iter().chain([&VECTORS["webhookSignature"]]) {
            let alg = entry["algorithm"].as_str().unwrap_or("ed25519");
            check(
                &keys,
                SignatureAlgorithm::parse(alg).unwrap(),
                text(entry, "/signingData").as_bytes(),
                &b64_decode(text(entry, "/signature")).unwrap(),
            );
        }
        for member in ["licenseFiles", "machineFiles"] {
            for file in VECTORS[member].as_array().unwrap() {
                let (_, alg) = text(file, "/algorithm").split_once('+').unwrap();
                let data = [text(file, "/signingPrefix"), text(file, "/enc")].concat();
                check(
                    &keys,
                    SignatureAlgorithm::parse(alg).unwrap(),
                    data.as_bytes(),
                    &b64_decode(text(file, "/sig")).unwrap(),
                );
            }
        }
    }

    #[test]
    fn legacy_signature_is_plain_rsa_sha256_02_3_6() {
        let entry = &VECTORS["legacySignature"];
        check(
            &vector_keys(),
            SignatureAlgorithm::RsaSha256,
            text(entry, "/body").as_bytes(),
            &b64_decode(text(entry, "/signature")).unwrap(),
        );
    }

    #[test]
    fn private_encryption_02_5_1() {
        let keys = vector_keys();
        let public = keys.public();
        let mut seen = 0;
        for entry in VECTORS["licenseKeys"].as_array().unwrap() {
            if entry["scheme"] == "RSA_2048_PKCS1_ENCRYPT" {
                let key = b64u_decode(text(entry, "/key")).unwrap();
                let dataset = text(entry, "/dataset").as_bytes();
                assert_eq!(keys.rsa_private_encrypt(dataset), Some(key.clone()));
                assert_eq!(public.rsa_public_decrypt(&key).as_deref(), Some(dataset));
                seen += 1;
            }
        }
        assert!(seen > 0);
        let longest = [7; RSA_ENCRYPT_MAX];
        let encrypted = keys.rsa_private_encrypt(&longest).unwrap();
        assert_eq!(encrypted.len(), RSA_BYTES);
        assert_eq!(public.rsa_public_decrypt(&encrypted).as_deref(), Some(&longest[..]));
        let empty = keys.rsa_private_encrypt(b"").unwrap();
        assert_eq!(public.rsa_public_decrypt(&empty), Some(Vec::new()));
        assert_eq!(keys.rsa_private_encrypt(&[7; RSA_ENCRYPT_MAX + 1]), None);
        assert_eq!(public.rsa_public_decrypt(&encrypted[1..]), None);
        assert_eq!(public.rsa_public_decrypt(&[0xff; RSA_BYTES]), None);
        assert_eq!(public.rsa_public_decrypt(&[3; RSA_BYTES]), None);
    }

    #[test]
    fn generated_keys_survive_storage_02_2() {
        let keys = AccountKeys::generate();
        let stored = keys.to_stored();
        let again =
            AccountKeys::from_stored(&stored.ed25519_private, &stored.rsa_private_pem, &stored.ecdsa_private_pem)
                .unwrap();
        assert_eq!(again.public(), keys.public());
        for alg in SignatureAlgorithm::ALL {
            assert!(keys.public().verify(alg, b"x", &again.sign(alg, b"x")));
        }
        assert_ne!(keys.public(), vector_keys().public());
        let debug = format!("{keys:?}{stored:?}");
        assert_eq!(debug, "AccountKeys(redacted)StoredKeys(redacted)");
    }

    #[test]
    fn sec1_keys_are_read() {
        let account = &VECTORS["account"];
        let pkcs8 = text(account, "/ecdsaP256/privatePem");
        let sec1 = p256::SecretKey::from_pkcs8_pem(pkcs8).unwrap().to_sec1_pem(LineEnding::LF).unwrap();
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        for pem in [sec1.to_string(), format!("{parameters}{}", *sec1)] {
            let keys = AccountKeys::from_stored(
                text(account, "/ed25519/privateSeedHex"),
                text(account, "/rsa2048/privatePem"),
                &pem,
            )
            .unwrap();
            assert_eq!(keys.public(), vector_keys().public());
        }
    }

    #[test]
    fn broken_keys_are_named() {
        let stored = vector_keys().to_stored();
        let (seed, rsa, ecdsa) =
            (stored.ed25519_private.as_str(), stored.rsa_private_pem.as_str(), stored.ecdsa_private_pem.as_str());
        let error = |a, b, c| AccountKeys::from_stored(a, b, c).unwrap_err();
        assert_eq!(error("12", rsa, ecdsa), KeyError::Ed25519);
        assert_eq!(error(seed, ecdsa, ecdsa), KeyError::Rsa);
        assert_eq!(error(seed, rsa, rsa), KeyError::Ecdsa);
        let small = RsaPrivateKey::new(&mut OsRng, 1024).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
        assert_eq!(error(seed, &small, ecdsa), KeyError::Rsa);
    }

    #[test]
    fn secret_keys_02_2() {
        let key = generate_secret_key();
        assert_eq!(key.len(), 128);
        assert!(key.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        assert_ne!(key, generate_secret_key());
    }
}
