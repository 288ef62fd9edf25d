//! Metadata: how deep and large it may be (01 §8.4), and how lists filter by it (01 §15.3, 08 §3.3).

use crate::json::{Json, normalize_key};

/// One step of a path into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPart {
    /// A member of an object.
    Key(String),
    /// An item of an array, counted from 0.
    Index(usize),
}

/// Containers that may stand inside of each other below the metadata object.
const MAX_DEPTH: usize = 2;
/// Levels counting the outermost object.
const MAX_LEVELS: usize = 4;
const MAX_BYTES: usize = 16_384;
const MAX_KEYS: usize = 64;

/// Finds the first container, in document order, that is nested deeper than two levels below the metadata (01 §8.4), empty
/// ones included; the path leads to it from the metadata (`ports`, 1, 0). `None`: the depth is fine.
pub fn check_depth(metadata: &Json) -> Option<Vec<PathPart>> {
    fn walk(value: &Json, depth: usize, path: &mut Vec<PathPart>) -> bool {
        if depth > MAX_DEPTH {
            return true;
        }
        let mut enter = |part: PathPart, child: &Json| {
            if !child.is_container() {
                return false;
            }
            path.push(part);
            let found = walk(child, depth + 1, path);
            if !found {
                path.pop();
            }
            found
        };
        match value {
            Json::Obj(members) => members.iter().any(|(key, child)| enter(PathPart::Key(key.to_string()), child)),
            Json::Arr(items) => items.iter().enumerate().any(|(at, child)| enter(PathPart::Index(at), child)),
            _ => false,
        }
    }
    let mut path = Vec::new();
    walk(metadata, 0, &mut path).then_some(path)
}

/// The model checks (01 §8.4); `compact_text` is the JSON text that will be stored. `Err` is the detail of the first rule that
/// fails; the code is `METADATA_TOO_LONG`.
pub fn check_size(compact_text: &str, metadata: &Json) -> Result<(), String> {
    if compact_text.len() > MAX_BYTES {
        return Err(format!("too large (exceeded limit of {MAX_BYTES} bytes)"));
    }
    if levels(metadata) > MAX_LEVELS {
        return Err(format!("too many items (exceeded limit of {MAX_LEVELS} items)"));
    }
    if keys(metadata) > MAX_KEYS {
        return Err(format!("too many keys (exceeded limit of {MAX_KEYS} keys)"));
    }
    Ok(())
}

fn levels(value: &Json) -> usize {
    match value {
        Json::Obj(members) => 1 + members.iter().map(|(_, v)| levels(v)).max().unwrap_or(0),
        Json::Arr(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

fn keys(value: &Json) -> usize {
    match value {
        Json::Obj(members) => members.len() + members.iter().map(|(_, v)| keys(v)).sum::<usize>(),
        Json::Arr(items) => items.iter().map(keys).sum(),
        _ => 0,
    }
}

/// What stands behind one key of a metadata filter: `metadata[a]=v`, `metadata[a][]=v`, `metadata[a][b]=v`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataQuery {
    /// A text.
    Scalar(String),
    /// Items that the stored array must have.
    Array(Vec<MetadataQuery>),
    /// Members that the stored object must have; their keys are not normalized.
    Object(Vec<(String, MetadataQuery)>),
}

/// The query that a JSON object of strings, arrays and objects stands for.
pub fn query_of(pairs: &Json) -> Vec<(String, MetadataQuery)> {
    fn one(value: &Json) -> MetadataQuery {
        match value {
            Json::Arr(items) => MetadataQuery::Array(items.iter().map(one).collect()),
            Json::Obj(_) => MetadataQuery::Object(query_of(value)),
            other => MetadataQuery::Scalar(other.as_str().unwrap_or_default().to_owned()),
        }
    }
    pairs.as_obj().unwrap_or_default().iter().map(|(key, value)| (key.to_string(), one(value))).collect()
}

/// `stored` contains every pair of `query` (01 §15.3). Keys of the first level are normalized here. A text of the first level
/// also matches what it reads as (`true`, `null`, `12`, `1.5`); deeper ones match strings only.
pub fn matches(stored: &Json, query: &[(String, MetadataQuery)]) -> bool {
    query.iter().all(|(key, query)| {
        let Some(value) = stored.get(&normalize_key(key)) else {
            return false;
        };
        match query {
            MetadataQuery::Scalar(text) => value.as_str() == Some(text) || reads_as(text, value),
            nested => contains(value, nested),
        }
    })
}

/// Containment as in `stored ⊇ query`: each item of a queried array is contained in some stored item.
fn contains(stored: &Json, query: &MetadataQuery) -> bool {
    match (stored, query) {
        (Json::Str(stored), MetadataQuery::Scalar(text)) => stored == text,
        (Json::Arr(items), MetadataQuery::Array(queries)) => {
            queries.iter().all(|query| items.iter().any(|item| contains(item, query)))
        }
        (Json::Obj(_), MetadataQuery::Object(queries)) => {
            queries.iter().all(|(key, query)| stored.get(key).is_some_and(|v| contains(v, query)))
        }
        _ => false,
    }
}

/// The text, read as a literal or an unsigned number, equals the stored value.
fn reads_as(text: &str, stored: &Json) -> bool {
    match stored {
        Json::Null => text == "null",
        Json::Bool(value) => text == if *value { "true" } else { "false" },
        Json::Int(value) => is_number(text) && Decimal::of(text) == Decimal::of(&value.to_string()),
        Json::Number(value) => is_number(text) && Decimal::of(text) == Decimal::of(value),
        _ => false,
    }
}

/// `^\d+$` or `^\d+\.\d+$`.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').map_or(digits(text), |(integer, fraction)| digits(integer) && digits(fraction))
}

/// A decimal number in one form for each value: `±0.digits × 10^exponent`, without zeros at either end of the digits.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// From the text of a JSON number (or one with leading zeros).
    fn of(text: &str) -> Decimal {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            // An exponent beyond 64 bits: no value that a query can express; the sign alone keeps it apart.
            Some((mantissa, exponent)) => {
                let far = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
                (mantissa, exponent.parse().unwrap_or(far))
            }
            None => (text, 0),
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{integer}{fraction}");
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Decimal { negative: false, digits: String::new(), exponent: 0 };
        }
        // Texts are bounded by the size of a request, so lengths fit.
        let point = integer.len() as i64 - (digits.len() - significant.len()) as i64;
        Decimal {
            negative,
            digits: significant.trim_end_matches('0').to_owned(),
            exponent: exponent.saturating_add(point),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_verbatim;

    fn json(text: &str) -> Json {
        parse_verbatim(text).unwrap()
    }

    fn pointer(path: &[PathPart]) -> String {
        path.iter()
            .map(|part| match part {
                PathPart::Key(key) => format!("/{key}"),
                PathPart::Index(at) => format!("/#{at}"),
            })
            .collect()
    }

    // 01 §8.4, 04 §2.2, 06 §0, 10 §1.3
    #[test]
    fn containers_nest_twice() {
        for (text, expected) in [
            ("{}", None),
            (r#"{"a":1,"b":"x","c":null}"#, None),
            (r#"{"rack":{"unit":{"u":"4"}},"ports":[{"no":1}]}"#, None),
            (r#"{"a":[[0],[1]]}"#, None),
            (r#"{"ports":[[0],[{"no":1}]]}"#, Some("/ports/#1/#0")),
            (r#"{"a":{"b":{"c":{"d":1}}}}"#, Some("/a/b/c")),
            (r#"{"a":{"b":{"c":{}}}}"#, Some("/a/b/c")),
            (r#"{"a":{"b":{"c":[]}}}"#, Some("/a/b/c")),
            (r#"{"desk":{"drawers":["x",[]]}}"#, Some("/desk/drawers/#1")),
            (r#"{"desk":{"drawers":[{"x":[]}]}}"#, Some("/desk/drawers/#0")),
            (r#"{"z":{"y":[1,{},[]]},"a":{"b":{"c":[]}}}"#, Some("/z/y/#1")),
        ] {
            let found = check_depth(&json(text)).map(|path| pointer(&path));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    // 01 §8.4, model checks, first failing only
    #[test]
    fn size_levels_and_keys_are_limited() {
        let object = |keys: usize| {
            let members: Vec<String> = (0..keys).map(|i| format!("\"k{i}\":{i}")).collect();
            format!("{{{}}}", members.join(","))
        };
        let padded = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert_eq!(padded(16_384).len(), 16_384);
        let too_large = Err("too large (exceeded limit of 16384 bytes)".to_owned());
        let too_many = Err("too many keys (exceeded limit of 64 keys)".to_owned());
        for (text, expected) in [
            ("{}".to_owned(), Ok(())),
            (padded(16_384), Ok(())),
            (padded(16_385), too_large),
            (object(64), Ok(())),
            (object(65), too_many.clone()),
            (r#"{"a":[[[[]]]]}"#.to_owned(), Err("too many items (exceeded limit of 4 items)".to_owned())),
            // counted over all nested objects, those in arrays too
            (format!("{{\"a\":{}}}", object(63)), Ok(())),
            (format!("{{\"a\":{}}}", object(64)), too_many.clone()),
            (format!("{{\"a\":[{}]}}", object(64)), too_many),
            (r#"{"a":{"b":{"c":{}}}}"#.to_owned(), Ok(())),
            (r#"{"a":{"b":{"c":{"d":{}}}}}"#.to_owned(), Err("too many items (exceeded limit of 4 items)".to_owned())),
        ] {
            assert_eq!(check_size(&text, &json(&text)), expected, "{text:.60}");
        }
        // bytes, not characters
        let wide = format!("{{\"a\":\"{}\"}}", "é".repeat(8_189));
        assert!(check_size(&wide, &json(&wide)).is_err());
    }

    fn scalar(key: &str, text: &str) -> (String, MetadataQuery) {
        (key.to_owned(), MetadataQuery::Scalar(text.to_owned()))
    }

    // 01 §15.3, 08 §3.3
    #[test]
    fn first_level_values_match_as_text_or_as_what_they_read() {
        for (stored, key, text, expected) in [
            (r#"{"tier":"gold"}"#, "tier", "gold", true),
            (r#"{"tier":"gold"}"#, "tier", "gol", false),
            (r#"{"tier":"gold"}"#, "tier", "Gold", false),
            (r#"{"rack_no":"1"}"#, "rackNo", "1", true),
            (r#"{"rack_no":"1"}"#, "rack_no", "1", true),
            (r#"{"tier":"gold"}"#, "other", "gold", false),
            (r#"{"n":4}"#, "n", "4", true),
            (r#"{"n":"4"}"#, "n", "4", true),
            (r#"{"n":4}"#, "n", "04", true),
            (r#"{"n":4}"#, "n", "4.0", true),
            (r#"{"n":4.0}"#, "n", "4", true),
            (r#"{"n":1e2}"#, "n", "100", true),
            (r#"{"n":0.5}"#, "n", "0.50", true),
            (r#"{"n":5e-1}"#, "n", "0.5", true),
            (r#"{"n":0.0}"#, "n", "0", true),
            (r#"{"n":1.25}"#, "n", "1.2", false),
            (r#"{"n":10}"#, "n", "1", false),
            (r#"{"n":1e99999999999999999999}"#, "n", "1", false),
            (r#"{"n":123456789012345678901234567890}"#, "n", "123456789012345678901234567890", true),
            (r#"{"n":123456789012345678901234567891}"#, "n", "123456789012345678901234567890", false),
            // only unsigned plain decimals are read as numbers
            (r#"{"n":-4}"#, "n", "-4", false),
            (r#"{"n":-4}"#, "n", "4", false),
            (r#"{"n":4}"#, "n", "4.", false),
            (r#"{"n":100}"#, "n", "1e2", false),
            (r#"{"b":true}"#, "b", "true", true),
            (r#"{"b":false}"#, "b", "false", true),
            (r#"{"b":true}"#, "b", "false", false),
            (r#"{"b":true}"#, "b", "1", false),
            (r#"{"b":"true"}"#, "b", "true", true),
            (r#"{"x":null}"#, "x", "null", true),
            (r#"{"x":null}"#, "x", "", false),
            (r#"{"x":"null"}"#, "x", "null", true),
            (r#"{"x":["a"]}"#, "x", "a", false),
            (r#"{"x":{"a":"b"}}"#, "x", "b", false),
        ] {
            assert_eq!(matches(&json(stored), &[scalar(key, text)]), expected, "{stored} {key}={text}");
        }
    }

    // 01 §15.3, 08 §3.3: containment, strings only; keys as stored
    #[test]
    fn nested_values_match_by_containment() {
        use MetadataQuery::{Array, Object, Scalar};
        let s = |text: &str| Scalar(text.to_owned());
        let o = |key: &str, query| Object(vec![(key.to_owned(), query)]);
        for (stored, query, expected) in [
            (r#"{"board":{"slots":"4","cpu":"x"}}"#, o("slots", s("4")), true),
            (r#"{"board":{"slots":4}}"#, o("slots", s("4")), false),
            (r#"{"board":{"slots":true}}"#, o("slots", s("true")), false),
            (r#"{"board":{"slot_no":"4"}}"#, o("slot_no", s("4")), true),
            (r#"{"board":{"slot_no":"4"}}"#, o("slotNo", s("4")), false),
            (r#"{"board":{"a":{"b":"c"}}}"#, o("a", o("b", s("c"))), true),
            (r#"{"board":{"a":{"b":"c"}}}"#, o("a", o("b", s("d"))), false),
            (r#"{"board":{"a":"1","b":"2"}}"#, Object(vec![("a".to_owned(), s("1")), ("b".to_owned(), s("3"))]), false),
            (r#"{"board":["1","2"]}"#, Array(vec![s("2")]), true),
            (r#"{"board":["1","2"]}"#, Array(vec![s("2"), s("1"), s("2")]), true),
            (r#"{"board":["1","2"]}"#, Array(vec![s("2"), s("3")]), false),
            (r#"{"board":[1,2]}"#, Array(vec![s("1")]), false),
            (r#"{"board":[{"a":"1","b":"2"}]}"#, Array(vec![o("a", s("1"))]), true),
            (r#"{"board":"1"}"#, Array(vec![s("1")]), false),
            (r#"{"board":["1"]}"#, o("a", s("1")), false),
        ] {
            let found = matches(&json(stored), &[("board".to_owned(), query)]);
            assert_eq!(found, expected, "{stored}");
        }
    }

    // 01 §15.3: several keys, all must match
    #[test]
    fn all_pairs_must_match() {
        let stored = json(r#"{"a":"1","b":2}"#);
        assert!(matches(&stored, &[scalar("a", "1"), scalar("b", "2")]));
        assert!(!matches(&stored, &[scalar("a", "1"), scalar("b", "3")]));
        assert!(matches(&stored, &[]));
    }
}
