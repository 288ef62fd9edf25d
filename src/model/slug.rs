//! Slugs of accounts (05 §1.3, §1.5).

/// Hosts whose addresses say nothing about the account: slug and name come from the user part (D28).
const PUBLIC_PROVIDERS: &[&str] = &[
    "aol.com",
    "fastmail.com",
    "gmail.com",
    "googlemail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mac.com",
    "mail.com",
    "mailinator.com",
    "me.com",
    "msn.com",
    "outlook.com",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "web.de",
    "yahoo.com",
    "yandex.com",
    "zoho.com",
    "163.com",
];

/// The longest slug and name, in characters.
pub const LONGEST: usize = 255;

/// What is wrong with a slug in itself, as code suffix and detail, in the order of 05 §1.3. `taken`: another account has it.
pub fn problems(slug: &str, taken: bool) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if slug.len() < 2 || slug.starts_with('-') || !slug.chars().all(allowed) {
        let detail = "can only contain lowercase letters, numbers and dashes (but cannot start with dash)";
        found.push(("INVALID", detail));
    }
    if ["action", "actions"].contains(&slug) {
        found.push(("NOT_ALLOWED", "is reserved"));
    }
    if taken {
        found.push(("TAKEN", "has already been taken"));
    }
    if slug.chars().count() > LONGEST {
        found.push(("TOO_LONG", "is too long (maximum is 255 characters)"));
    }
    if resembles_uuid(slug) {
        found.push(("NOT_ALLOWED", "cannot resemble a UUID"));
    }
    found
}

/// 32 hexadecimal digits, wherever the dashes are.
pub fn resembles_uuid(slug: &str) -> bool {
    let digits: Vec<char> = slug.chars().filter(|c| *c != '-').collect();
    digits.len() == 32 && digits.iter().all(char::is_ascii_hexdigit)
}

/// What is derived from an administrator's address (05 §1.5).
#[derive(Debug, PartialEq, Eq)]
pub struct Derived {
    /// The slug.
    pub slug: String,
    /// The name.
    pub name: String,
    /// Somebody else with the same provider may have it: a suffix settles that.
    pub public: bool,
}

/// Slug and name from an address.
pub fn derive(email: &str) -> Derived {
    let (local, host) = email.rsplit_once('@').unwrap_or((email, ""));
    let host = host.to_lowercase();
    let public = PUBLIC_PROVIDERS.contains(&host.as_str()) || host.ends_with(".edu");
    let name = if public { local.to_owned() } else { host };
    Derived { slug: parameterize(&name), name, public }
}

/// Lower case; every run of other characters than letters and digits becomes one dash, none at the ends.
fn parameterize(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    // 05 §1.3
    #[test]
    fn slugs_are_short_plain_words() {
        for (slug, taken, codes) in [
            ("acme", false, &[][..]),
            ("a1", false, &[]),
            ("a-", false, &[]),
            ("a", false, &["INVALID"]),
            ("-a", false, &["INVALID"]),
            ("", false, &["INVALID"]),
            ("ACME", true, &["INVALID", "TAKEN"]),
            ("ac me", false, &["INVALID"]),
            ("actions", false, &["NOT_ALLOWED"]),
            ("0123456789abcdef0123456789abcdef", false, &["NOT_ALLOWED"]),
            ("0-123456789abcdef0123456789abcde-f", false, &["NOT_ALLOWED"]),
            ("0123456789abcdef0123456789abcdeg", false, &[]),
        ] {
            let got: Vec<_> = problems(slug, taken).into_iter().map(|(suffix, _)| suffix).collect();
            assert_eq!(got, codes, "{slug}");
        }
        assert_eq!(problems(&"a".repeat(256), false)[0].0, "TOO_LONG");
    }

    // 05 §1.5, D28
    #[test]
    fn a_missing_slug_comes_from_the_address() {
        for (email, slug, name, public) in [
            ("ada@acme.example", "acme-example", "acme.example", false),
            ("ada@Sub.ACME-Corp.io", "sub-acme-corp-io", "sub.acme-corp.io", false),
            ("ada_b@gmail.com", "ada-b", "ada_b", true),
            ("ada@cs.mit.edu", "ada", "ada", true),
            ("a@me.com", "a", "a", true),
        ] {
            assert_eq!(derive(email), Derived { slug: slug.into(), name: name.into(), public }, "{email}");
        }
    }
}
