//! What the table demands of a value beyond its type. The error says what is expected.

use std::net::IpAddr;

use super::address::is_host_name;
use super::mail::RESET_URL_PLACEHOLDERS;
use super::value::{Raw, parse_uuid};
use crate::api::passwords;
use crate::model::{email, slug};

/// A `check` of the table.
pub(super) type Check = dyn Fn(&Raw) -> Result<(), String>;

/// A number from `low` to `high`.
pub(super) fn between(low: i64, high: i64) -> impl Fn(&Raw) -> Result<(), String> {
    move |raw| match raw {
        Raw::Integer(number) if !(low..=high).contains(number) => Err(format!("must be {low} to {high}")),
        _ => Ok(()),
    }
}

/// A check of a text, as a check of whatever is written as one.
pub(super) fn text(check: fn(&str) -> Result<(), String>) -> impl Fn(&Raw) -> Result<(), String> {
    move |raw| match raw {
        Raw::Text(text) => check(text),
        _ => Ok(()),
    }
}

fn ensure(holds: bool, expected: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(expected.to_owned()) }
}

/// A key, or none.
pub(super) fn key(text: &str) -> Result<(), String> {
    ensure(text.is_empty() || !text.trim().is_empty(), "must not be blank; set it to the key, or unset it")
}

/// A text that is not blank.
pub(super) fn filled(text: &str) -> Result<(), String> {
    ensure(!text.trim().is_empty(), "must not be empty")
}

/// Whether it may be an account's slug (05 §1.3).
fn is_slug(text: &str) -> bool {
    slug::problems(text, false).is_empty()
}

/// The slug of an account.
pub(super) fn slug(text: &str) -> Result<(), String> {
    let expected =
        "must be 2 to 255 lower-case letters, digits and dashes, not begin with a dash, and not resemble a UUID";
    ensure(is_slug(text), expected)
}

/// The UUID or slug of an account, or none.
pub(super) fn account(text: &str) -> Result<(), String> {
    let known_form = text.is_empty() || is_slug(text) || parse_uuid(text).is_some();
    ensure(known_form, "must be the UUID or the slug of an account, or empty")
}

/// The name of an account.
pub(super) fn name(text: &str) -> Result<(), String> {
    let holds = !text.trim().is_empty() && text.chars().count() <= 255 && !text.contains(char::is_control);
    ensure(holds, "must be 1 to 255 characters on one line")
}

/// An e-mail address (04 §2.1).
pub(super) fn email(text: &str) -> Result<(), String> {
    let holds = text.chars().count() <= 255 && email::is_valid(text);
    ensure(holds, "must be an e-mail address with a dotted domain, such as admin@example.com")
}

/// A password (04 §2.1), or none.
pub(super) fn password(text: &str) -> Result<(), String> {
    let holds = text.is_empty() || (passwords::fits(text) && !text.trim().is_empty());
    ensure(holds, "must be 6 to 72 characters, not all blank, or empty for a generated one")
}

/// A host name or an IP address, or none.
pub(super) fn mail_host(text: &str) -> Result<(), String> {
    let holds = text.is_empty() || is_host_name(text) || text.parse::<IpAddr>().is_ok();
    ensure(holds, "must be a host name or an IP address, without scheme and port, or empty")
}

/// An absolute URL with a place for the reset token, or none. Any scheme: an app may have registered its own.
pub(super) fn reset_url(text: &str) -> Result<(), String> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let absolute = text.split_once("://").is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
    if text.is_empty() {
        return Ok(());
    }
    ensure(
        absolute && text.chars().all(|c| c.is_ascii_graphic()),
        "must be a URL of printable ASCII characters, such as https://example.com/reset?token={token}, or empty",
    )?;
    let rest = RESET_URL_PLACEHOLDERS.iter().fold(text.to_owned(), |rest, known| rest.replace(known, ""));
    let known = RESET_URL_PLACEHOLDERS.join(", ");
    ensure(!rest.contains(['{', '}']), &format!("has a placeholder that is none of {known}"))?;
    ensure(text.contains("{token}"), "must have the placeholder {token}")
}

/// A log filter. What its syntax would take for the name of a module, to log everything of, is mostly a mistyped level.
pub(super) fn log_filter(text: &str) -> Result<(), String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |part: &str| part.contains('=') || levels.contains(&part.to_lowercase().as_str());
    let holds = text.contains('[') || text.split(',').all(|part| is_level(part.trim()));
    ensure(holds, "must be off, error, warn, info, debug or trace, or such as info,hyper=warn for single modules")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        type Case<'a> = (fn(&str) -> Result<(), String>, &'a [&'a str], &'a [&'a str]);
        let uuid = "0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42";
        let long = "x".repeat(256);
        let cases: &[Case] = &[
            (key, &["", "k"], &[" ", "\n"]),
            (filled, &["k.db"], &["", " "]),
            // 05 §1.3
            (slug, &["ab", "a-1", "0-", &long[..255]], &["", "a", "-ab", "Ab", "a_b", "ä-b", "actions", uuid, &long]),
            (account, &["", "ab", uuid], &["a", "A b", "{0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42}"]),
            (name, &["A", "Ä B", &long[..255]], &["", " ", "a\nb", &long]),
            // 04 §2.1
            (email, &["a@b.c"], &["", "a", "a@b", "@b.c", "a@b..c", "a@b@c.d", "a b@c.d", "<a@b.c>"]),
            (password, &["", "secret", &long[..72]], &["short", "      ", &long[..73]]),
            (
                mail_host,
                &["", "localhost", "smtp.example.com", "10.0.0.1", "::1"],
                &[" ", "a:25", "smtp://a", "[::1]", "a b"],
            ),
            (
                reset_url,
                &[
                    "",
                    "https://a.b/r?t={token}",
                    "my-app://reset/{account}/{email}/{token}?e={environment}#{token}",
                    "http://localhost:3000/{token}",
                ],
                &[
                    " ",
                    "https://a.b/r",
                    "https://a.b/{token",
                    "https://a.b/{token}/{user}",
                    "https://a.b/{{token}}",
                    "https://{token}/\u{e4}",
                    "https://a.b/{token} x",
                    "https://a.b/{token}\n",
                    "a.b/{token}",
                    "://{token}",
                    "1s://{token}",
                ],
            ),
            (log_filter, &["info", "WARN", "info,hyper=warn", "[span]=debug"], &["", "inof", "hyper", "info,x"]),
        ];
        for (check, good, bad) in cases {
            for text in *good {
                assert_eq!(check(text), Ok(()), "{text:?}");
            }
            for text in *bad {
                assert!(check(text).is_err(), "{text:?}");
            }
        }
    }
}
