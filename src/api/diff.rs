//! What an update changed, for the event log (13 §6: `metadata.diff`), with sensitive values masked (13 §5).

use super::resource::Resource;
use crate::json::{self, Json, lower_camel};

/// The tables whose updates are logged with their differences.
const LOGGED: &[&str] =
    &["entitlements", "environments", "keys", "licenses", "machines", "policies", "products", "users"];

/// Never logged, not even masked: they tell of a reset that is under way.
const INTERNAL: &[&str] = &["password_reset_digest", "password_reset_at"];

/// A member whose name contains one of these is masked with everything below it.
const SENSITIVE: &[&str] = &[
    "passw",
    "digest",
    "priv",
    "key",
    "token",
    "secret",
    "crypt",
    "salt",
    "certificate",
    "otp",
    "redirect",
    "cvv",
    "cvc",
    "ssn",
    "auth",
];

/// `{"diff": {attribute: [old, new], …}}`; `None` for resources whose updates are logged without.
pub(super) fn between<T: Resource>(before: &T, after: &T) -> Option<Json> {
    if !LOGGED.contains(&T::TABLE) {
        return None;
    }
    let changed = T::COLUMNS
        .iter()
        .filter(|column| !INTERNAL.contains(*column) && before.value_of(column) != after.value_of(column));
    let members = changed.map(|column| {
        let name = name_of::<T>(column);
        let value = |record: &T| masked(&name, plain(record.json_of(column).unwrap_or(Json::Null)));
        let pair = Json::Arr(vec![value(before), value(after)]);
        (name.clone().into(), pair)
    });
    Some(Json::obj([("diff", Json::Obj(members.collect()))]))
}

/// The attribute's name, else the column's without the suffixes of times and digests.
fn name_of<T: Resource>(column: &str) -> String {
    if let Some(attr) = T::def().attributes.iter().find(|attr| attr.column == column) {
        return attr.json.to_owned();
    }
    match (T::TABLE, column) {
        // A license's owner is logged under its older name.
        ("licenses", "owner_id") => "userId".to_owned(),
        _ => lower_camel(column.strip_suffix("_at").or(column.strip_suffix("_digest")).unwrap_or(column)),
    }
}

/// Ready-made JSON text as values that can be looked into.
fn plain(value: Json) -> Json {
    match value {
        Json::Raw(text) => json::parse_verbatim(&text).unwrap_or(Json::Null),
        other => other,
    }
}

fn masked(name: &str, value: Json) -> Json {
    let name = name.to_ascii_lowercase();
    let sensitive = SENSITIVE.iter().any(|word| name.contains(word));
    match value {
        value if sensitive => hidden(value),
        Json::Obj(members) => Json::Obj(
            members
                .into_iter()
                .map(|(key, value)| {
                    let value = masked(&key, value);
                    (key, value)
                })
                .collect(),
        ),
        Json::Arr(items) => Json::Arr(items.into_iter().map(|item| masked("", item)).collect()),
        other => other,
    }
}

/// The value with every scalar masked.
fn hidden(value: Json) -> Json {
    match value {
        Json::Null | Json::Bool(_) => value,
        Json::Obj(members) => Json::Obj(members.into_iter().map(|(key, value)| (key, hidden(value))).collect()),
        Json::Arr(items) => Json::Arr(items.into_iter().map(hidden).collect()),
        Json::Str(text) => Json::str(mask(&text)),
        other => Json::str(mask(&other.to_string())),
    }
}

fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let ends =
        |n: usize| -> String { chars[..n].iter().chain(&['.', '.', '.']).chain(&chars[chars.len() - n..]).collect() };
    match chars.len() {
        0 | 1 => "...".to_owned(),
        2..=19 => ends(1),
        _ => ends(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 13 §5, the table of masks
    #[test]
    fn sensitive_values_show_their_ends_only() {
        for (name, value, expected) in [
            ("apiKey", r#""x""#, r#""...""#),
            ("apiKey", r#""secret""#, r#""s...t""#),
            ("password", r#""12345678901234567890""#, r#""1234...7890""#),
            ("token", "null", "null"),
            ("authenticationStrategy", "true", "true"),
            ("pin", "1234", "1234"),
            ("otp", "123456", r#""1...6""#),
            (
                "metadata",
                r#"{"a":{"secretWord":{"b":["abc"]}},"c":"d"}"#,
                r#"{"a":{"secretWord":{"b":["a...c"]}},"c":"d"}"#,
            ),
        ] {
            let value = json::parse_verbatim(value).unwrap();
            assert_eq!(masked(name, value).to_string(), expected, "{name}");
        }
    }
}
