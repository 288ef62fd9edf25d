//! Second factors: TOTP (RFC 6238) with HMAC-SHA-1, 6 digits and steps of 30 seconds (02 §12).

use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::token::random_bytes;

/// Length of a step in seconds.
const STEP_SECONDS: i64 = 30;
/// How long the previous step's code is still good, in seconds.
const GRACE_SECONDS: i64 = 10;
/// The alphabet of base32.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret: 20 random bytes in base32, 32 characters `A-Z2-7`.
pub fn generate_secret() -> String {
    base32_encode(&*Zeroizing::new(random_bytes::<20>()))
}

/// The six digits of a step (Unix seconds divided by 30). `None` if the secret is not base32 or the
/// step is negative.
pub fn code_at(secret: &str, step: i64) -> Option<String> {
    let key = Zeroizing::new(base32_decode(secret)?);
    let counter = u64::try_from(step).ok()?;
    let mac = hmac_sha1(&key, &counter.to_be_bytes());
    let offset = usize::from(mac[19] & 0xf);
    let word = [mac[offset] & 0x7f, mac[offset + 1], mac[offset + 2], mac[offset + 3]];
    Some(format!("{:06}", u32::from_be_bytes(word) % 1_000_000))
}

/// Checks a code at the time `now_s` (Unix seconds). Good are the current step's and, during a step's
/// first ten seconds, the previous one's; never a step up to the one that was last accepted, whose
/// start time (Unix seconds) is given. Returns the accepted step's start time, which the caller stores.
pub fn verify(secret: &str, code: &str, now_s: i64, last_accepted_step_start: Option<i64>) -> Option<i64> {
    let current = now_s.div_euclid(STEP_SECONDS);
    let earliest = now_s.saturating_sub(GRACE_SECONDS).div_euclid(STEP_SECONDS);
    let last = last_accepted_step_start.map(|start| start.div_euclid(STEP_SECONDS));
    (earliest..=current)
        .filter(|&step| last.is_none_or(|last| step > last))
        .find(|&step| code_at(secret, step).is_some_and(|expected| expected.as_bytes().ct_eq(code.as_bytes()).into()))
        .map(|step| step * STEP_SECONDS)
}

/// The URI for authenticator apps (attribute `uri`). A `:` in the email becomes `_`.
pub fn provisioning_uri(email: &str, secret: &str) -> String {
    let mut uri = String::from("otpauth://totp/Keygen:");
    for byte in email.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            b':' => uri.push('_'),
            _ => {
                uri.push('%');
                uri.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    uri.push_str("?secret=");
    uri.push_str(secret);
    uri.push_str("&image=https%3A%2F%2Fkeygen.sh%2Fimages%2Flogomark.png&issuer=Keygen");
    uri
}

/// Base32 without padding.
fn base32_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0u8; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let group = u64::from_be_bytes(group);
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = group >> (35 - 5 * at) & 31;
            text.push(char::from(BASE32[digit as usize]));
        }
    }
    text
}

/// Base32 in any case; padding at the end is ignored. `None` for other characters.
fn base32_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let mut buffer: u32 = 0;
    let mut bits = 0;
    for byte in text.trim_end_matches('=').bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        // Never more than 7 + 5 bits are pending; what was used up is shifted out.
        buffer = buffer << 5 | u32::from(digit);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    Some(bytes)
}

/// HMAC-SHA-1 (RFC 2104), which RFC 6238 prescribes.
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn vectors() -> Value {
        let mut all: Value = serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap();
        all["totp"].take()
    }

    #[test]
    fn codes_02_12() {
        let vectors = vectors();
        let secret = vectors["secret"].as_str().unwrap();
        for entry in vectors["codes"].as_array().unwrap() {
            let unix = entry["unix"].as_i64().unwrap();
            let code = entry["code"].as_str().unwrap();
            assert_eq!(code_at(secret, unix / 30).as_deref(), Some(code));
            assert_eq!(verify(secret, code, unix, None), Some(unix / 30 * 30));
        }
    }

    #[test]
    fn acceptance_02_12() {
        let vectors = vectors();
        let secret = vectors["secret"].as_str().unwrap();
        for entry in vectors["acceptance"].as_array().unwrap() {
            let number = |name: &str| entry[name].as_i64().unwrap();
            let step = number("otpFrom") / 30;
            let code = code_at(secret, step).unwrap();
            let accepted = verify(secret, &code, number("now"), Some(number("lastVerifiedAt")));
            let expected = entry["accepted"].as_bool().unwrap().then_some(step * 30);
            assert_eq!(accepted, expected, "{}", entry["note"]);
        }
    }

    #[test]
    fn edges_02_12() {
        let secret = generate_secret();
        let start = 1_710_494_820;
        let previous = code_at(&secret, start / 30 - 1).unwrap();
        assert_eq!(verify(&secret, &previous, start + 9, None), Some(start - 30));
        assert_eq!(verify(&secret, &previous, start + 10, None), None);
        // No going back once the current step was accepted.
        assert_eq!(verify(&secret, &previous, start + 9, Some(start)), None);
        let code = code_at(&secret, start / 30).unwrap();
        assert_eq!(verify(&secret, &code, start, Some(start - 30)), Some(start));
        assert_eq!(verify(&secret, &code, start + 29, None), Some(start));
        for wrong in ["", &code[1..], &format!("{code} "), &format!("0{code}")] {
            assert_eq!(verify(&secret, wrong, start, None), None);
        }
        // A JSON number without its leading zero (02 §12).
        let fixed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
        assert_eq!(verify(fixed, "88309", 1_111_111_109, None), None);
        assert_eq!(verify("not base32!", "000000", start, None), None);
        assert_eq!(verify(&secret, &code, i64::MIN, None), None);
    }

    #[test]
    fn uri_02_12() {
        let vectors = vectors();
        let text = |name: &str| vectors[name].as_str().unwrap();
        assert_eq!(provisioning_uri(text("email"), text("secret")), text("uri"));
        let uri = provisioning_uri("a:é ~@x", "S");
        assert!(uri.starts_with("otpauth://totp/Keygen:a_%C3%A9%20~%40x?secret=S&"));
    }

    #[test]
    fn secrets_02_12() {
        let secret = generate_secret();
        assert_eq!(secret.len(), 32);
        assert!(secret.bytes().all(|byte| BASE32.contains(&byte)));
        assert_ne!(secret, generate_secret());
    }

    #[test]
    fn base32_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32_encode(bytes.as_bytes()), text);
            assert_eq!(base32_decode(text).as_deref(), Some(bytes.as_bytes()));
            let padded = format!("{}=", text.to_lowercase());
            assert_eq!(base32_decode(&padded).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(base32_decode("M1"), None);
    }

    #[test]
    fn hmac_rfc_2202_and_codes_rfc_6238() {
        assert_eq!(
            hex::encode(hmac_sha1(b"Jefe", b"what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hex::encode(hmac_sha1(&[0xaa; 80], message)), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        // Appendix B has eight digits; ours are the last six.
        let secret = base32_encode(b"12345678901234567890");
        for (unix, code) in [(59, "287082"), (1_234_567_890, "005924"), (20_000_000_000, "353130")] {
            assert_eq!(code_at(&secret, unix / 30).as_deref(), Some(code));
        }
    }
}
