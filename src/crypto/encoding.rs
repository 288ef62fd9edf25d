//! Base64 in the variants of 02 §1.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Columns of [`b64w`] (02 §8: license and machine files).
const WRAP_COLUMNS: usize = 60;

/// Decodes the URL-safe alphabet with or without padding.
const URL_SAFE_ANY_PAD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Standard base64 with padding, no line breaks (02 §1 `b64`).
pub fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends [`b64`] of `bytes` to `out`.
pub fn b64_into(bytes: &[u8], out: &mut String) {
    STANDARD.encode_string(bytes, out);
}

/// Standard base64 with padding, a `\n` after every 60 characters, none at the end (02 §1 `b64w`).
pub fn b64w(bytes: &[u8]) -> String {
    let flat = STANDARD.encode(bytes);
    let mut out = String::with_capacity(flat.len() + flat.len() / WRAP_COLUMNS);
    let mut rest = flat.as_str();
    while rest.len() > WRAP_COLUMNS {
        let (line, tail) = rest.split_at(WRAP_COLUMNS);
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// URL-safe base64 with padding (02 §1 `b64u`).
pub fn b64u(bytes: &[u8]) -> String {
    URL_SAFE.encode(bytes)
}

/// URL-safe base64 without padding, for JWTs only (02 §1 `b64un`).
pub fn b64un(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes [`b64`]; `None` unless the text is exactly that form (padded, canonical, no line breaks).
pub fn b64_decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Decodes [`b64u`] and [`b64un`]: URL-safe alphabet, padding optional; `None` for anything else.
pub fn b64u_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_ANY_PAD.decode(text).ok()
}

/// Decodes standard base64 the way MIME readers do: characters outside the alphabet are skipped,
/// padding may be missing, and a `=` in third or fourth place of a group ends the data. A last group
/// of one character yields nothing. Never fails.
pub fn b64_decode_lenient(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let mut group: u32 = 0;
    let mut digits = 0;
    for &byte in text.as_bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if digits >= 2 => break,
            _ => continue,
        };
        group = group << 6 | u32::from(value);
        digits += 1;
        if digits == 4 {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            group = 0;
            digits = 0;
        }
    }
    match digits {
        2 => out.push((group >> 4) as u8),
        3 => out.extend_from_slice(&((group >> 2) as u16).to_be_bytes()),
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_02_1() {
        assert_eq!(b64(&[0xfb, 0xff]), "+/8=");
        assert_eq!(b64u(&[0xfb, 0xff]), "-_8=");
        assert_eq!(b64un(&[0xfb, 0xff]), "-_8");
        let mut out = String::from("x=");
        b64_into(b"short", &mut out);
        assert_eq!(out, "x=c2hvcnQ=");
    }

    #[test]
    fn wrapping_02_1() {
        assert_eq!(b64w(b""), "");
        // 45 bytes are exactly 60 characters: no trailing newline.
        assert_eq!(b64w(&[0; 45]), "A".repeat(60));
        assert_eq!(b64w(&[0; 46]), format!("{}\nAA==", "A".repeat(60)));
        assert_eq!(b64w(&[0; 90]), format!("{0}\n{0}", "A".repeat(60)));
    }

    #[test]
    fn wrapping_matches_the_certificates_02_8() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap();
        for (member, word) in [("licenseFiles", "LICENSE"), ("machineFiles", "MACHINE")] {
            for file in vectors[member].as_array().unwrap() {
                let text = |name: &str| file[name].as_str().unwrap();
                let document =
                    format!(r#"{{"enc":"{}","sig":"{}","alg":"{}"}}"#, text("enc"), text("sig"), text("algorithm"));
                let wrapped = b64w(document.as_bytes());
                assert_eq!(
                    text("certificate"),
                    format!("-----BEGIN {word} FILE-----\n{wrapped}\n-----END {word} FILE-----\n")
                );
                assert_eq!(b64_decode_lenient(&wrapped), document.as_bytes());
            }
        }
    }

    #[test]
    fn decoding_is_strict() {
        assert_eq!(b64_decode("+/8="), Some(vec![0xfb, 0xff]));
        for bad in ["+/8", "-_8=", "+/8=\n", "+/9=", "A"] {
            assert_eq!(b64_decode(bad), None, "{bad:?}");
        }
        assert_eq!(b64u_decode("-_8="), Some(vec![0xfb, 0xff]));
        assert_eq!(b64u_decode("-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(b64u_decode("+/8="), None);
    }

    #[test]
    fn lenient_decoding() {
        assert_eq!(b64_decode_lenient("bGlj\r\nZW5z ZTo="), b"license:");
        assert_eq!(b64_decode_lenient("bGljZW5zZTo"), b"license:");
        assert_eq!(b64_decode_lenient("YQ"), b"a");
        assert_eq!(b64_decode_lenient("YWI=YWI="), b"ab");
        assert_eq!(b64_decode_lenient("=é-Y_W*I"), b"ab");
        assert_eq!(b64_decode_lenient("A"), b"");
        assert_eq!(b64_decode_lenient(""), b"");
    }
}
