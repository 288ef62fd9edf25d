//! Where credentials stand and how they are read (03 §2).

use crate::crypto::encoding::b64_decode_lenient;

/// What a request offers as proof of who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing usable.
    None,
    /// A token.
    Token(String),
    /// A license key.
    LicenseKey(String),
    /// E-mail and password (`POST /tokens` only).
    Password {
        /// The user name.
        email: String,
        /// The password.
        password: String,
    },
    /// Present, but blank in a way that counts as an invalid token where authentication is required (03 §2.3).
    Blank,
    /// Not UTF-8 (400 `ENCODING_INVALID`, 01 §4.4).
    BadEncoding,
}

/// Credentials never show in logs.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::None => "None",
            Credential::Token(_) => "Token(…)",
            Credential::LicenseKey(_) => "LicenseKey(…)",
            Credential::Password { .. } => "Password(…)",
            Credential::Blank => "Blank",
            Credential::BadEncoding => "BadEncoding",
        })
    }
}

/// Reads the first place that applies (03 §2.1). `login`: the route takes e-mail and password.
pub fn parse_credential(
    authorization: Option<&[u8]>,
    token: Option<&str>,
    auth: Option<&str>,
    login: bool,
) -> Credential {
    if let Some(bytes) = authorization {
        let Ok(header) = std::str::from_utf8(bytes) else { return Credential::BadEncoding };
        let header = header.trim_start();
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" | "token" => return bearer(scheme, rest),
            "basic" => return basic(rest, login),
            "license" => {
                let key = rest.trim_start_matches(' ');
                return if key.trim().is_empty() { Credential::None } else { Credential::LicenseKey(key.to_owned()) };
            }
            _ => {}
        }
    }
    match token.or(auth) {
        Some(value) => query(value),
        None => Credential::None,
    }
}

/// 03 §2.2
fn bearer(scheme: &str, rest: &str) -> Credential {
    if scheme != "Bearer" && scheme != "Token" {
        return Credential::None;
    }
    let first = rest.split([',', ';', '\t']).map(str::trim).find(|piece| !piece.is_empty()).unwrap_or("");
    let value = first.strip_prefix("token=").unwrap_or(first).trim();
    let value = value.strip_prefix('"').unwrap_or(value);
    let value = value.strip_suffix('"').unwrap_or(value);
    if value.is_empty() { Credential::None } else { Credential::Token(value.to_owned()) }
}

/// 03 §2.3
fn basic(rest: &str, login: bool) -> Credential {
    let Ok(text) = String::from_utf8(b64_decode_lenient(rest)) else { return Credential::BadEncoding };
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (text.as_str(), None),
    };
    match (name, password) {
        ("license" | "token", Some(value)) if value.trim().is_empty() => Credential::Blank,
        ("license", Some(key)) => Credential::LicenseKey(key.to_owned()),
        ("token", Some(token)) => Credential::Token(token.to_owned()),
        (name, Some(password)) if login && name.contains('@') => {
            Credential::Password { email: name.to_owned(), password: password.to_owned() }
        }
        (name, _) if name.trim().is_empty() => Credential::Blank,
        (name, _) => Credential::Token(name.to_owned()),
    }
}

/// 03 §2.4
fn query(value: &str) -> Credential {
    let (name, rest) = value.split_once(':').map_or((value, None), |(name, rest)| (name, Some(rest)));
    match (name, rest) {
        ("license", Some(key)) if !key.trim().is_empty() => Credential::LicenseKey(key.to_owned()),
        ("token", Some(token)) if !token.trim().is_empty() => Credential::Token(token.to_owned()),
        ("license" | "token", Some(_)) => Credential::None,
        (name, _) if name.trim().is_empty() => Credential::None,
        (name, _) => Credential::Token(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    fn token(text: &str) -> Credential {
        Credential::Token(text.to_owned())
    }

    // 03 §2.1, §2.2, §2.5
    #[test]
    fn reads_the_authorization_header() {
        for (header, expected) in [
            ("Bearer T", token("T")),
            ("Token T", token("T")),
            ("Token token=\"T\", foo=\"x\"", token("T")),
            ("Bearer \"T\"", token("T")),
            ("Bearer token=T", token("T")),
            ("Bearer  ; T", token("T")),
            ("bearer T", Credential::None),
            ("TOKEN T", Credential::None),
            ("Bearer ", Credential::None),
            ("Bearer", Credential::None),
            ("License   A KEY with spaces", Credential::LicenseKey("A KEY with spaces".into())),
            ("license K", Credential::LicenseKey("K".into())),
            ("License  ", Credential::None),
        ] {
            assert!(parse_credential(Some(header.as_bytes()), Some("Q"), None, false) == expected, "{header}");
        }
        assert!(parse_credential(Some(b"Digest x"), Some("Q"), None, false) == token("Q"));
        assert!(parse_credential(Some(b"Bearer \xff"), None, None, false) == Credential::BadEncoding);
    }

    // 03 §2.3
    #[test]
    fn reads_basic_credentials() {
        let login = Credential::Password { email: "a@b.cd".into(), password: "p:w".into() };
        for (text, login_route, expected) in [
            ("license:K:1", false, Credential::LicenseKey("K:1".into())),
            ("token:T", false, token("T")),
            ("T:", false, token("T")),
            ("T", false, token("T")),
            ("a@b.cd:p:w", true, login),
            ("a@b.cd:p:w", false, token("a@b.cd")),
            ("a@b.cd", true, token("a@b.cd")),
            (":", false, Credential::Blank),
            ("", false, Credential::Blank),
            ("license:", false, Credential::Blank),
            ("token: ", false, Credential::Blank),
        ] {
            let encoded = base64::engine::general_purpose::STANDARD.encode(text);
            let header = format!(
                "Basic \"{}\n{}\"",
                &encoded[..encoded.len() / 2],
                encoded[encoded.len() / 2..].trim_end_matches('=')
            );
            assert!(parse_credential(Some(header.as_bytes()), None, None, login_route) == expected, "{text}");
        }
        assert!(parse_credential(Some(b"Basic /w=="), None, None, false) == Credential::BadEncoding);
    }

    // 03 §2.4
    #[test]
    fn reads_the_query() {
        for (value, expected) in [
            ("T", token("T")),
            ("license:K:2", Credential::LicenseKey("K:2".into())),
            ("token:T", token("T")),
            ("T:x", token("T")),
            ("", Credential::None),
            ("license:", Credential::None),
        ] {
            assert!(parse_credential(None, Some(value), Some("other"), false) == expected, "{value}");
        }
        assert!(parse_credential(None, None, Some("T"), false) == token("T"));
    }
}
