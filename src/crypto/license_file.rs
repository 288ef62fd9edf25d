//! License and machine files: signed, optionally encrypted snapshots for offline use (02 §8).

use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::encoding::{b64, b64_decode, b64w};
use super::keys::{AccountKeys, PublicKeys, SignatureAlgorithm};
use super::license_key::{Scheme, file_signature_algorithm};
use super::token::random_bytes;

/// Bytes of the initialization vector (02 §8.1).
const IV_BYTES: usize = 12;
/// Bytes of the authentication tag (02 §8.1).
const TAG_BYTES: usize = 16;

/// What a file is about (02 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A license file.
    License,
    /// A machine file.
    Machine,
}

impl FileKind {
    /// What is put before `enc` when it is signed (02 §8.1).
    fn signing_prefix(self) -> &'static str {
        match self {
            FileKind::License => "license/",
            FileKind::Machine => "machine/",
        }
    }

    /// The word in the first and last line (02 §8).
    fn label(self) -> &'static str {
        match self {
            FileKind::License => "LICENSE",
            FileKind::Machine => "MACHINE",
        }
    }
}

/// How the payload is put into the file: the left part of `alg` (02 §8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `base64`: readable by everyone.
    Base64,
    /// `aes-256-gcm`: readable with the license key.
    Aes256Gcm,
}

impl Encoding {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Base64 => "base64",
            Encoding::Aes256Gcm => "aes-256-gcm",
        }
    }
}

/// A file's `alg` (02 §8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileAlgorithm {
    /// The left part.
    pub encoding: Encoding,
    /// The right part.
    pub signing: SignatureAlgorithm,
}

/// Why an `algorithm` parameter is refused: 400, `CHECKOUT_ALGORITHM_INVALID` (02 §8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileAlgorithmError {
    /// The left part is unknown.
    #[error("invalid encoding algorithm")]
    InvalidEncoding,
    /// The right part is unknown or missing.
    #[error("invalid signing algorithm")]
    InvalidSigning,
}

impl FileAlgorithmError {
    /// The error's `detail`.
    pub fn detail(&self) -> String {
        self.to_string()
    }
}

impl FileAlgorithm {
    /// Reads an `algorithm` parameter that is not blank (02 §8.2). Names are case-sensitive.
    pub fn parse(text: &str) -> Result<FileAlgorithm, FileAlgorithmError> {
        let (encoding, signing) = text.split_once('+').unwrap_or((text, ""));
        let encoding = [Encoding::Base64, Encoding::Aes256Gcm]
            .into_iter()
            .find(|known| known.name() == encoding)
            .ok_or(FileAlgorithmError::InvalidEncoding)?;
        let signing = SignatureAlgorithm::parse(signing).ok_or(FileAlgorithmError::InvalidSigning)?;
        Ok(FileAlgorithm { encoding, signing })
    }

    /// The algorithm when none was asked for (02 §8.2).
    pub fn default_for(encrypt: bool, scheme: Option<Scheme>) -> FileAlgorithm {
        FileAlgorithm {
            encoding: if encrypt { Encoding::Aes256Gcm } else { Encoding::Base64 },
            signing: file_signature_algorithm(scheme),
        }
    }

    /// The text of `alg`.
    pub fn name(&self) -> String {
        format!("{}+{}", self.encoding.name(), self.signing.name())
    }
}

/// The text of a file (02 §8, §8.1).
///
/// `secret_parts` are joined and make the AES key: the license key, and for machine files the fingerprint.
/// They are not used by `base64`.
pub fn certificate(
    keys: &AccountKeys,
    kind: FileKind,
    algorithm: FileAlgorithm,
    payload: &str,
    secret_parts: &[&str],
) -> String {
    certificate_with_iv(keys, kind, algorithm, payload, secret_parts, random_bytes())
}

/// [`certificate`] with a given IV.
fn certificate_with_iv(
    keys: &AccountKeys,
    kind: FileKind,
    algorithm: FileAlgorithm,
    payload: &str,
    secret_parts: &[&str],
    iv: [u8; IV_BYTES],
) -> String {
    let enc = match algorithm.encoding {
        Encoding::Base64 => b64(payload.as_bytes()),
        Encoding::Aes256Gcm => encrypted(payload, secret_parts, iv),
    };
    let signed = format!("{}{enc}", kind.signing_prefix());
    let sig = b64(&keys.sign(algorithm.signing, signed.as_bytes()));
    // Nothing in these three texts needs escaping.
    let document = format!(r#"{{"enc":"{enc}","sig":"{sig}","alg":"{}"}}"#, algorithm.name());
    let label = kind.label();
    format!("-----BEGIN {label} FILE-----\n{}\n-----END {label} FILE-----\n", b64w(document.as_bytes()))
}

/// The cipher of a secret (02 §8.1).
fn cipher(secret_parts: &[&str]) -> Aes256Gcm {
    let mut digest = Sha256::new();
    for part in secret_parts {
        digest.update(part);
    }
    Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(&digest.finalize()))
}

/// An encrypted `enc`: ciphertext, IV and tag (02 §8.1).
fn encrypted(payload: &str, secret_parts: &[&str], iv: [u8; IV_BYTES]) -> String {
    let mut buffer = payload.as_bytes().to_vec();
    // Fails only for payloads of 64 GiB and more.
    let tag = cipher(secret_parts)
        .encrypt_in_place_detached(Nonce::from_slice(&iv), b"", &mut buffer)
        .expect("the payload is shorter than 64 GiB");
    format!("{}.{}.{}", b64(&buffer), b64(&iv), b64(&tag))
}

/// Why a file cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is not a file of 02 §8.
    #[error("the file is malformed")]
    Malformed,
    /// Its `alg` is none of 02 §8.2.
    #[error("the file's algorithm is not supported")]
    UnsupportedAlgorithm,
    /// Its signature is not by these keys.
    #[error("the file's signature is invalid")]
    InvalidSignature,
    /// The secret is another one than the file was encrypted with.
    #[error("the file cannot be decrypted with this secret")]
    WrongSecret,
}

/// Verifies a file of either kind as a client would, and returns its payload (02 §8.1).
pub fn open_certificate(keys: &PublicKeys, text: &str, secret_parts: &[&str]) -> Result<String, FileError> {
    let (kind, document) = unwrap_document(text).ok_or(FileError::Malformed)?;
    let document: Value = serde_json::from_slice(&document).map_err(|_| FileError::Malformed)?;
    let member = |name: &str| document.get(name).and_then(Value::as_str).ok_or(FileError::Malformed);
    let (enc, sig) = (member("enc")?, member("sig")?);
    let algorithm = FileAlgorithm::parse(member("alg")?).map_err(|_| FileError::UnsupportedAlgorithm)?;

    let signed = format!("{}{enc}", kind.signing_prefix());
    let sig = b64_decode(sig).ok_or(FileError::Malformed)?;
    if !keys.verify(algorithm.signing, signed.as_bytes(), &sig) {
        return Err(FileError::InvalidSignature);
    }
    let payload = match algorithm.encoding {
        Encoding::Base64 => b64_decode(enc).ok_or(FileError::Malformed)?,
        Encoding::Aes256Gcm => decrypted(enc, secret_parts)?,
    };
    String::from_utf8(payload).map_err(|_| FileError::Malformed)
}

/// The kind and the document between the first and the last line; line breaks may be of any sort.
fn unwrap_document(text: &str) -> Option<(FileKind, Vec<u8>)> {
    let text = text.trim();
    for kind in [FileKind::License, FileKind::Machine] {
        let label = kind.label();
        let body = text
            .strip_prefix(&format!("-----BEGIN {label} FILE-----"))
            .and_then(|text| text.strip_suffix(&format!("-----END {label} FILE-----")));
        if let Some(body) = body {
            let body: String = body.split_ascii_whitespace().collect();
            return Some((kind, b64_decode(&body)?));
        }
    }
    None
}

/// The payload of an encrypted `enc` (02 §8.1).
fn decrypted(enc: &str, secret_parts: &[&str]) -> Result<Vec<u8>, FileError> {
    let parts =
        enc.split('.').map(|part| b64_decode(part).ok_or(FileError::Malformed)).collect::<Result<Vec<_>, _>>()?;
    let Ok([mut buffer, iv, tag]) = <[Vec<u8>; 3]>::try_from(parts) else {
        return Err(FileError::Malformed);
    };
    if iv.len() != IV_BYTES || tag.len() != TAG_BYTES {
        return Err(FileError::Malformed);
    }
    cipher(secret_parts)
        .decrypt_in_place_detached(Nonce::from_slice(&iv), b"", &mut buffer, Tag::from_slice(&tag))
        .map_err(|_| FileError::WrongSecret)?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::super::license_key::fixtures::*;
    use super::*;

    const KEY: &str = "0F1E2D-3C4B5A-697887-96A5B4-C3D2E1-V3";
    const ENCRYPTED: FileAlgorithm =
        FileAlgorithm { encoding: Encoding::Aes256Gcm, signing: SignatureAlgorithm::Ed25519 };

    /// 02 §8, §8.1 with `licenseFiles` and `machineFiles`.
    #[test]
    fn file_vectors() {
        let vectors = vectors();
        let keys = account_keys();
        let public = keys.public();
        let license_key = text(&vectors, "/fileContext/licenseKey");
        let fingerprint = text(&vectors, "/fileContext/fingerprint");
        let mut seen = 0;
        for (list, kind, secret) in [
            ("licenseFiles", FileKind::License, vec![license_key]),
            ("machineFiles", FileKind::Machine, vec![license_key, fingerprint]),
        ] {
            for entry in vectors[list].as_array().unwrap() {
                let name = text(entry, "/algorithm");
                let algorithm = FileAlgorithm::parse(name).unwrap();
                assert_eq!(algorithm.name(), name);
                let payload = text(entry, "/payload");
                let iv = match algorithm.encoding {
                    Encoding::Base64 => [0; IV_BYTES],
                    Encoding::Aes256Gcm => {
                        assert_eq!(secret.concat(), text(entry, "/secret"));
                        hex::decode(text(entry, "/ivHex")).unwrap().try_into().unwrap()
                    }
                };
                let own = certificate_with_iv(&keys, kind, algorithm, payload, &secret, iv);
                let given = text(entry, "/certificate");
                if entry["deterministic"].as_bool().unwrap() {
                    assert_eq!(own, given, "{list} {name}");
                }
                // `enc` is the same whatever the signature.
                let (_, document) = unwrap_document(&own).unwrap();
                let document: Value = serde_json::from_slice(&document).unwrap();
                assert_eq!(document["enc"], entry["enc"], "{list} {name}");
                for file in [own.as_str(), given] {
                    assert_eq!(open_certificate(&public, file, &secret).as_deref(), Ok(payload));
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 9);
    }

    /// 02 §8: the form of the text.
    #[test]
    fn lines_are_sixty_characters_long() {
        let keys = account_keys();
        let file = certificate(&keys, FileKind::Machine, ENCRYPTED, &"é".repeat(500), &[KEY]);
        assert!(file.ends_with("\n-----END MACHINE FILE-----\n"));
        let lines: Vec<&str> = file.lines().collect();
        let body = &lines[1..lines.len() - 1];
        assert!(body[..body.len() - 1].iter().all(|line| line.len() == 60));
        assert!((1..=60).contains(&body[body.len() - 1].len()));
        assert_eq!(open_certificate(&keys.public(), &file.replace('\n', "\r\n"), &[KEY]), Ok("é".repeat(500)));
    }

    /// 02 §8.1: the IV is random.
    #[test]
    fn encryption_never_repeats() {
        let keys = account_keys();
        let file = || certificate(&keys, FileKind::License, ENCRYPTED, "{}", &[KEY]);
        assert_ne!(file(), file());
    }

    /// 02 §8.1: secret, kind, account and content are all bound.
    #[test]
    fn wrong_files_are_refused() {
        let keys = account_keys();
        let public = keys.public();
        let file = certificate(&keys, FileKind::License, ENCRYPTED, "{}", &[KEY]);
        let open = |text: &str, secret: &[&str]| open_certificate(&public, text, secret);
        assert_eq!(open(&file, &[KEY]), Ok("{}".to_owned()));
        assert_eq!(open(&file, &[KEY, "x"]), Err(FileError::WrongSecret));
        assert_eq!(open(&file.replace(" LICENSE ", " MACHINE "), &[KEY]), Err(FileError::InvalidSignature));
        assert_eq!(
            open_certificate(&AccountKeys::generate().public(), &file, &[KEY]),
            Err(FileError::InvalidSignature)
        );
        assert_eq!(open("", &[KEY]), Err(FileError::Malformed));
        assert_eq!(open(&file.replace("BEGIN", "START"), &[KEY]), Err(FileError::Malformed));

        let rebuilt = |enc: &str, alg: &str| {
            let sig = b64(&keys.sign(SignatureAlgorithm::Ed25519, format!("license/{enc}").as_bytes()));
            let document = format!(r#"{{"enc":"{enc}","sig":"{sig}","alg":"{alg}"}}"#);
            format!("-----BEGIN LICENSE FILE-----\n{}\n-----END LICENSE FILE-----\n", b64w(document.as_bytes()))
        };
        assert_eq!(open(&rebuilt("e30=", "base64+ed25519"), &[]), Ok("{}".to_owned()));
        assert_eq!(open(&rebuilt("e30=", "base64+none"), &[]), Err(FileError::UnsupportedAlgorithm));
        assert_eq!(open(&rebuilt("e30=", "base64+ecdsa-p256"), &[]), Err(FileError::InvalidSignature));
        for enc in ["e30=", "e30=.AAEC.AAEC", "e30=.AAECAwQFBgcICQoL", "....", "!"] {
            assert_eq!(open(&rebuilt(enc, "aes-256-gcm+ed25519"), &[KEY]), Err(FileError::Malformed), "{enc}");
        }
    }

    /// 02 §8.2.
    #[test]
    fn algorithms() {
        use FileAlgorithmError::{InvalidEncoding, InvalidSigning};
        for (text, error) in [
            ("", InvalidEncoding),
            ("ed25519", InvalidEncoding),
            ("base64 ed25519", InvalidEncoding),
            ("BASE64+ed25519", InvalidEncoding),
            ("foo+bar", InvalidEncoding),
            ("base64", InvalidSigning),
            ("base64+", InvalidSigning),
            ("base64+rsa", InvalidSigning),
            ("base64+ED25519", InvalidSigning),
            ("aes-256-gcm+ed25519+x", InvalidSigning),
        ] {
            assert_eq!(FileAlgorithm::parse(text), Err(error), "{text}");
        }
        assert_eq!(InvalidEncoding.detail(), "invalid encoding algorithm");
        assert_eq!(InvalidSigning.detail(), "invalid signing algorithm");

        assert_eq!(FileAlgorithm::default_for(true, None).name(), "aes-256-gcm+ed25519");
        assert_eq!(FileAlgorithm::default_for(false, Some(Scheme::Rsa2048JwtRs256)).name(), "base64+rsa-sha256");
    }
}
