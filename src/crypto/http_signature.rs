//! Signatures of responses and webhook deliveries (02 §3, §4).

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::encoding::b64_into;
use super::keys::SignatureAlgorithm;

/// The last second that has a year of four digits, 9999-12-31T23:59:59Z.
const MAX_UNIX_SECONDS: i64 = 253_402_300_799;

/// What is wrong with a `Keygen-Accept-Signature` header (02 §3.3). All are 400 `Bad request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.detail())]
pub enum AcceptSignatureError {
    /// It does not fit the grammar.
    Malformed,
    /// The algorithm is none of the four.
    UnsupportedAlgorithm,
    /// `keyid` is not the account's UUID.
    KeyIdNotFound,
}

impl AcceptSignatureError {
    /// The `detail` of the error response.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Malformed => "invalid accept-signature header (malformed)",
            Self::UnsupportedAlgorithm => "invalid accept-signature header (unsupported algorithm)",
            Self::KeyIdNotFound => "invalid accept-signature header (keyid not found)",
        }
    }
}

/// The algorithm that a response is signed with. The default is `ed25519`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedSignature {
    /// The algorithm.
    pub algorithm: SignatureAlgorithm,
    /// Its name as the client wrote it, which the response repeats (02 §3.1).
    pub name: String,
}

impl Default for AcceptedSignature {
    fn default() -> Self {
        let algorithm = SignatureAlgorithm::default();
        AcceptedSignature { algorithm, name: algorithm.name().to_owned() }
    }
}

/// Reads a `Keygen-Accept-Signature` header (02 §3.3): `[keyid="…"][,]algorithm="…"[;]`, spaces around
/// the comma. Absent or blank means `ed25519`. Errors in the order of [`AcceptSignatureError`].
pub fn parse_accept_signature(
    header: Option<&str>,
    account_id: &Uuid,
) -> Result<AcceptedSignature, AcceptSignatureError> {
    let header = header.unwrap_or_default();
    if header.trim().is_empty() {
        return Ok(AcceptedSignature::default());
    }
    let (key_id, name) = split_header(header).ok_or(AcceptSignatureError::Malformed)?;
    let algorithm = SignatureAlgorithm::parse_ignore_case(name).ok_or(AcceptSignatureError::UnsupportedAlgorithm)?;
    if let Some(key_id) = key_id {
        let mut buffer = Uuid::encode_buffer();
        if !key_id.eq_ignore_ascii_case(account_id.hyphenated().encode_lower(&mut buffer)) {
            return Err(AcceptSignatureError::KeyIdNotFound);
        }
    }
    Ok(AcceptedSignature { algorithm, name: name.to_owned() })
}

/// The grammar: the texts of `keyid` and `algorithm`.
fn split_header(header: &str) -> Option<(Option<&str>, &str)> {
    let (key_id, rest) = match quoted(header, "keyid=\"") {
        Some((key_id, rest)) => (Some(key_id), rest),
        None => (None, header),
    };
    let blank = [' ', '\t'];
    let rest = match rest.trim_start_matches(blank).strip_prefix(',') {
        Some(rest) => rest.trim_start_matches(blank),
        None => rest,
    };
    let (algorithm, rest) = quoted(rest, "algorithm=\"")?;
    matches!(rest, "" | ";").then_some((key_id, algorithm))
}

/// Takes `<name>"…"` from the start; `name` includes the opening quote and is matched in any case.
fn quoted<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (start, rest) = text.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    let (value, rest) = rest.split_once('"')?;
    (!value.is_empty()).then_some((value, rest))
}

/// The `Digest` header of a body: `sha-256=<b64>` (02 §3.2).
pub fn digest_header(body: &[u8]) -> String {
    let mut header = String::with_capacity(8 + 44);
    header.push_str("sha-256=");
    b64_into(&Sha256::digest(body), &mut header);
    header
}

/// The signed form of a request target, which is path and query as received (02 §3.2): without a
/// fragment; `/` if nothing is left.
pub fn signed_target(target: &str) -> &str {
    let target = target.split_once('#').map_or(target, |(start, _)| start);
    if target.is_empty() { "/" } else { target }
}

/// The four lines that are signed (02 §3.2). `method` in any case; `target` goes through
/// [`signed_target`]; `host`, `date` and `digest` are the values of these headers, unchanged.
pub fn signing_data(method: &str, target: &str, host: &str, date: &str, digest: &str) -> String {
    const NAMES: usize = "(request-target):  \nhost: \ndate: \ndigest: ".len();
    let target = signed_target(target);
    let mut data = String::with_capacity(NAMES + method.len() + target.len() + host.len() + date.len() + digest.len());
    data.push_str("(request-target): ");
    data.extend(method.chars().map(|c| c.to_ascii_lowercase()));
    for part in [" ", target, "\nhost: ", host, "\ndate: ", date, "\ndigest: ", digest] {
        data.push_str(part);
    }
    data
}

/// The `Keygen-Signature` header (02 §3.1). `key_id` is the account's UUID in its output form,
/// `algorithm_name` [`AcceptedSignature::name`].
pub fn signature_header(key_id: &str, algorithm_name: &str, signature: &[u8]) -> String {
    const FIXED: usize = r#"keyid="", algorithm="", signature="", headers="(request-target) host date digest""#.len();
    let base64_len = signature.len().div_ceil(3) * 4;
    let mut header = String::with_capacity(FIXED + key_id.len() + algorithm_name.len() + base64_len);
    for part in ["keyid=\"", key_id, "\", algorithm=\"", algorithm_name, "\", signature=\""] {
        header.push_str(part);
    }
    b64_into(signature, &mut header);
    header.push_str("\", headers=\"(request-target) host date digest\"");
    header
}

/// The `Date` header for a time in Unix seconds (IMF-fixdate): `Fri, 15 Mar 2024 09:26:53 GMT`.
/// Always 29 characters; times outside the years 1970 to 9999 give the nearest of these.
pub fn http_date(unix_seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // In range after the clamp, so that all the casts below keep their values.
    let seconds = unix_seconds.clamp(0, MAX_UNIX_SECONDS) as u64;
    let days = seconds / 86_400;
    let time = seconds % 86_400;
    let (year, month, day) = civil_from_days(days);

    let mut text = String::with_capacity(29);
    text.push_str(DAYS[(days % 7) as usize]);
    text.push_str(", ");
    push_two(&mut text, day);
    text.push(' ');
    text.push_str(MONTHS[month as usize - 1]);
    text.push(' ');
    push_two(&mut text, year / 100);
    push_two(&mut text, year % 100);
    text.push(' ');
    push_two(&mut text, time / 3600);
    text.push(':');
    push_two(&mut text, time / 60 % 60);
    text.push(':');
    push_two(&mut text, time % 60);
    text.push_str(" GMT");
    text
}

/// Year, month (1–12) and day (1–31) of a day counted from 1970-01-01. Years begin in March here, so
/// that the leap day is the last one; 400 years (an era) are 146097 days.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // counted from 0000-03-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // 0 is March
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// Appends two decimal digits; `number` is below 100.
fn push_two(text: &mut String, number: u64) {
    text.push(char::from(b'0' + (number / 10) as u8));
    text.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::encoding::{b64, b64_decode};
    use chrono::{DateTime, Utc};
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../docs/spec/vectors/crypto.json")).unwrap()
    }

    /// Checks digest, signing data and header of an entry whose request line is given.
    fn check(entry: &Value, account: &str, method: &str, host: &str, target: &str) {
        let text = |name: &str| entry[name].as_str().unwrap();
        let digest = digest_header(text("body").as_bytes());
        assert_eq!(digest, text("digest"));
        let data = signing_data(method, target, host, text("date"), &digest);
        assert_eq!(data, text("signingData"));
        assert_eq!(data.capacity(), data.len(), "one allocation of the right size");
        let algorithm = entry["algorithm"].as_str().unwrap_or("ed25519");
        let signature = b64_decode(text("signature")).unwrap();
        let header = signature_header(account, algorithm, &signature);
        assert_eq!(header, text("header"));
        assert_eq!(header.capacity(), header.len());
        assert!(header.contains(&b64(&signature)));
    }

    #[test]
    fn response_vectors_02_3() {
        let vectors = vectors();
        let account = vectors["account"]["id"].as_str().unwrap();
        for entry in vectors["responseSignatures"].as_array().unwrap() {
            let request = |name: &str| entry["request"][name].as_str().unwrap();
            check(entry, account, request("method"), request("hostHeader"), request("target"));
        }
    }

    #[test]
    fn webhook_vector_02_4() {
        let vectors = vectors();
        let account = vectors["account"]["id"].as_str().unwrap();
        let entry = &vectors["webhookSignature"];
        let url = entry["url"].as_str().unwrap();
        let rest = url.strip_prefix("https://").unwrap();
        let (host, target) = rest.split_at(rest.find('/').unwrap());
        check(entry, account, "POST", host, target);
    }

    #[test]
    fn empty_body_02_3_2() {
        assert_eq!(digest_header(b""), "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn targets_02_3_2() {
        for (received, signed) in [
            ("", "/"),
            ("/", "/"),
            ("/v1/me?", "/v1/me?"),
            ("/v1/me??", "/v1/me??"),
            ("/v1/me?a=b?", "/v1/me?a=b?"),
            ("/v1/me?b=%5B&a=", "/v1/me?b=%5B&a="),
            ("/v1/me?a=b#c", "/v1/me?a=b"),
            ("/v1/me?#c", "/v1/me?"),
        ] {
            assert_eq!(signed_target(received), signed);
            assert_eq!(signed_target(signed), signed, "idempotent");
        }
        assert_eq!(
            signing_data("HEAD", "", "H:1", "d", "x"),
            "(request-target): head /\nhost: H:1\ndate: d\ndigest: x"
        );
    }

    #[test]
    fn accept_signature_02_3_3() {
        use AcceptSignatureError::*;
        let id = Uuid::from_u128(0xb18bd2d6_7b25_4a7e_9d0e_51f0a3bd0a11);
        let parse = |header: &str| parse_accept_signature(Some(&header.replace("<id>", &id.to_string())), &id);
        for header in ["", "  "] {
            assert_eq!(parse(header), Ok(AcceptedSignature::default()));
        }
        assert_eq!(
            parse_accept_signature(None, &id),
            Ok(AcceptedSignature { algorithm: SignatureAlgorithm::Ed25519, name: "ed25519".to_owned() })
        );
        for header in [
            r#"algorithm="RSA-sha256""#,
            r#"Algorithm="RSA-sha256";"#,
            r#"keyid="<id>",algorithm="RSA-sha256""#,
            r#"KeyID="<id>" , algorithm="RSA-sha256";"#,
            r#"keyid="<id>"algorithm="RSA-sha256""#,
        ] {
            assert_eq!(
                parse(header),
                Ok(AcceptedSignature { algorithm: SignatureAlgorithm::RsaSha256, name: "RSA-sha256".to_owned() }),
                "{header}"
            );
        }
        let upper = format!(r#"keyid="{}", algorithm="ed25519""#, id.to_string().to_uppercase());
        assert!(parse(&upper).is_ok());
        for (header, error) in [
            ("<ed25519>", Malformed),
            ("ed25519", Malformed),
            ("é", Malformed),
            (r#"keyid="1" algorithm="ed25519""#, Malformed),
            (r#"keyid="<id>""#, Malformed),
            (r#"algorithm="""#, Malformed),
            (r#"algorithm="ed25519"#, Malformed),
            (r#"x algorithm="ed25519""#, Malformed),
            (r#"algorithm="ed25519";;"#, Malformed),
            (r#"algorithm="ed25519" x"#, Malformed),
            (r#"algorithm="ed25519", keyid="<id>""#, Malformed),
            (r#"algorithm="rsa-sha512""#, UnsupportedAlgorithm),
            (r#"keyid="1", algorithm="rsa-sha512""#, UnsupportedAlgorithm),
            (r#"keyid="acme", algorithm="ed25519""#, KeyIdNotFound),
            (r#"keyid="1",algorithm="ed25519""#, KeyIdNotFound),
        ] {
            assert_eq!(parse(header), Err(error), "{header}");
        }
        assert_eq!(KeyIdNotFound.to_string(), "invalid accept-signature header (keyid not found)");
    }

    #[test]
    fn dates_02_3_1() {
        assert_eq!(http_date(1_710_494_813), "Fri, 15 Mar 2024 09:26:53 GMT");
        assert_eq!(http_date(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        // Every day until 2200 and every 13th until 9999, at changing times of day.
        let days = (0..84_000).chain((84_000..2_932_000).step_by(13));
        for seconds in days.map(|day| day * 86_400 + day * 7919 % 86_400) {
            let expected = DateTime::<Utc>::from_timestamp(seconds, 0).unwrap();
            assert_eq!(http_date(seconds), expected.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
    }
}
