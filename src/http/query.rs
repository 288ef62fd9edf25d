//! Query strings (01 §4.3): nested keys, arrays, and what is refused.

/// One query parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// `a=1`, `a` (blank).
    Scalar(String),
    /// `a[]=1&a[]=2`
    Array(Vec<QueryValue>),
    /// `a[b]=1`
    Object(Vec<(String, QueryValue)>),
}

impl QueryValue {
    /// The text of a scalar.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            QueryValue::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&QueryValue> {
        match self {
            QueryValue::Object(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }
}

/// A parsed query string.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    members: Vec<(String, QueryValue)>,
}

/// The query string is malformed: broken escapes, invalid UTF-8, or a key that is both scalar and nested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryError;

/// Nested keys may be this deep; deeper ones are refused as Rack-like servers do.
const MAX_DEPTH: usize = 32;

/// A query may have this many pairs; more are refused as Rack-like servers do (and would cost time by their square here).
const MAX_PAIRS: usize = 4096;

impl Query {
    /// Parses the text after `?`.
    pub fn parse(text: &str) -> Result<Query, QueryError> {
        let mut root = Vec::new();
        for (at, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if at == MAX_PAIRS {
                return Err(QueryError);
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key)?, decode(value)?);
            if key.is_empty() {
                continue;
            }
            let (name, steps) = split_key(&key);
            if steps.len() > MAX_DEPTH {
                return Err(QueryError);
            }
            insert(&mut root, name, &steps, value)?;
        }
        Ok(Query { members: root })
    }

    /// The parameter of that name.
    pub fn get(&self, name: &str) -> Option<&QueryValue> {
        self.members.iter().find(|(k, _)| k == name).map(|(_, v)| v)
    }

    /// The text of a scalar parameter.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(QueryValue::as_str)
    }

    /// All parameters in order of first appearance.
    pub fn members(&self) -> &[(String, QueryValue)] {
        &self.members
    }

    /// The flat form-encoded text of all parameters but those named, plus `extra`; sorted by encoded key (01 §15.4).
    pub fn encode_without(&self, leave_out: &[&str], extra: &[(&str, &str)]) -> String {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.members {
            if !leave_out.contains(&name.as_str()) {
                flatten(name.clone(), value, &mut pairs);
            }
        }
        let mut pairs: Vec<(String, String)> = pairs.into_iter().map(|(k, v)| (encode(&k), encode(&v))).collect();
        pairs.extend(extra.iter().map(|(k, v)| (encode(k), encode(v))));
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
    }
}

/// `a[b][]` → (`a`, [`b`, ``]). A key without well-formed brackets is a plain name.
fn split_key(key: &str) -> (&str, Vec<&str>) {
    let Some(open) = key.find('[').filter(|&at| at > 0) else { return (key, Vec::new()) };
    let mut steps = Vec::new();
    let mut rest = &key[open..];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some(close) = inner.find(']') else { return (key, Vec::new()) };
        steps.push(&inner[..close]);
        rest = &inner[close + 1..];
    }
    if rest.is_empty() { (&key[..open], steps) } else { (key, Vec::new()) }
}

fn insert(
    members: &mut Vec<(String, QueryValue)>,
    name: &str,
    steps: &[&str],
    value: String,
) -> Result<(), QueryError> {
    let at = match members.iter().position(|(k, _)| k == name) {
        Some(at) => at,
        None => {
            let fresh = match steps {
                [] => QueryValue::Scalar(String::new()),
                ["", ..] => QueryValue::Array(Vec::new()),
                _ => QueryValue::Object(Vec::new()),
            };
            members.push((name.to_owned(), fresh));
            members.len() - 1
        }
    };
    match (&mut members[at].1, steps) {
        (QueryValue::Scalar(slot), []) => {
            *slot = value;
            Ok(())
        }
        (QueryValue::Array(items), [""]) => {
            items.push(QueryValue::Scalar(value));
            Ok(())
        }
        (QueryValue::Array(items), ["", next, rest @ ..]) => {
            // `a[][b]=1&a[][c]=2` is one object until a key repeats.
            if let Some(QueryValue::Object(last)) = items.last_mut()
                && !last.iter().any(|(k, _)| k == next)
            {
                return insert(last, next, rest, value);
            }
            let mut object = Vec::new();
            insert(&mut object, next, rest, value)?;
            items.push(QueryValue::Object(object));
            Ok(())
        }
        (QueryValue::Object(inner), [next, rest @ ..]) if !next.is_empty() => insert(inner, next, rest, value),
        _ => Err(QueryError),
    }
}

fn flatten(prefix: String, value: &QueryValue, out: &mut Vec<(String, String)>) {
    match value {
        QueryValue::Scalar(text) => out.push((prefix, text.clone())),
        QueryValue::Array(items) => items.iter().for_each(|item| flatten(format!("{prefix}[]"), item, out)),
        QueryValue::Object(members) => {
            for (key, item) in members {
                flatten(format!("{prefix}[{key}]"), item, out);
            }
        }
    }
}

/// Form decoding: `+` is a space, `%XX` a byte; the result must be UTF-8.
fn decode(text: &str) -> Result<String, QueryError> {
    percent_decode(text, true).ok_or(QueryError)
}

/// Decodes `%XX` (and `+` when `plus`); `None` for a broken escape or invalid UTF-8.
pub fn percent_decode(text: &str, plus: bool) -> Option<String> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let digit = |i: usize| bytes.get(i).and_then(|&b| (b as char).to_digit(16));
                out.push((digit(at + 1)? * 16 + digit(at + 2)?) as u8);
                at += 3;
            }
            b'+' if plus => {
                out.push(b' ');
                at += 1;
            }
            b => {
                out.push(b);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// Form encoding (01 §15.4): unreserved characters stay, a space is `+`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(b as char),
            b' ' => out.push('+'),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // 01 §4.3
    #[test]
    fn parses_nested_keys() {
        let query = Query::parse("a=1&a=2&b[c]=3&d[]=4&d[]=5&e[f][]=6&g&h=x+y%20z").unwrap();
        assert_eq!(query.str("a"), Some("2"));
        assert_eq!(query.get("b").and_then(|b| b.get("c")).and_then(QueryValue::as_str), Some("3"));
        let list = |items: &[&str]| QueryValue::Array(items.iter().map(|i| QueryValue::Scalar((*i).into())).collect());
        assert_eq!(query.get("d"), Some(&list(&["4", "5"])));
        assert_eq!(query.get("e").and_then(|e| e.get("f")), Some(&list(&["6"])));
        assert_eq!(query.str("g"), Some(""));
        assert_eq!(query.str("h"), Some("x y z"));
    }

    // 01 §4.3: refused forms
    #[test]
    fn refuses_contradictions_and_broken_escapes() {
        for text in ["a=1&a[b]=2", "a[b]=2&a=1", "a[]=1&a[b]=2", "a=%4", "a=%zz", "%ff=1", "a=%c3%28", "a[b]=1&a[]=2"] {
            assert_eq!(Query::parse(text), Err(QueryError), "{text}");
        }
        let deep = format!("a{}=1", "[x]".repeat(100));
        assert_eq!(Query::parse(&deep), Err(QueryError));
    }

    // 01 §15.4
    #[test]
    fn encodes_for_links_sorted_by_key() {
        let query = Query::parse("page[number]=2&environment=sand box&token=x&page[size]=5&auth=y").unwrap();
        let text = query.encode_without(&["token", "auth", "page"], &[("page[size]", "5"), ("page[number]", "3")]);
        assert_eq!(text, "environment=sand+box&page%5Bnumber%5D=3&page%5Bsize%5D=5");
    }
}
