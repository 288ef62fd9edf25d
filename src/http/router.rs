//! The router: a trie over path segments, built once. Assumptions:
//! - Paths are split on `/` before they are decoded, each segment is decoded once (01 §2.3).
//! - A literal segment is tried before a parameter, and matching backtracks: `licenses/actions/validate-key` lives beside
//!   `licenses/{id}`.
//! - A known path with a method that it does not have is an unknown route (01 §2.4): 404, never 405.

use super::query::percent_decode;
use std::collections::HashMap;

/// How a parameter segment matches (01 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ParamKind {
    /// `{id}`: an unescaped `.` starts a format suffix in the last segment and is no match elsewhere.
    Plain,
    /// `{id-}`: as `{id}`, but a `.` is no match in the last segment either.
    Closed,
    /// `{id+}`: anything but `/`.
    Open,
    /// `{id*}`: anything, `/` included (one or more segments).
    Rest,
}

/// A match: the value that was registered, and the decoded parameters in path order.
pub struct Match<'r, T> {
    /// What was registered.
    pub value: &'r T,
    /// Parameter names and decoded values.
    pub params: Vec<(&'static str, String)>,
    /// The path ended in `.json`.
    pub json_suffix: bool,
}

/// Why nothing matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMatch {
    /// No such path and method.
    Unknown,
    /// A format suffix other than `.json` and `.jsonapi` (400 `MIME_TYPE_INVALID`).
    BadSuffix,
    /// A broken percent escape (400 `URI_INVALID`).
    BadEscape,
    /// Not UTF-8 once decoded (400 `ENCODING_INVALID`, 01 §4.4).
    BadEncoding,
}

/// Values by method and path pattern.
pub struct Router<T> {
    root: Node<T>,
}

struct Node<T> {
    literals: HashMap<&'static str, Node<T>>,
    params: Vec<(ParamKind, &'static str, Node<T>)>,
    values: Vec<(&'static str, T)>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Node { literals: HashMap::new(), params: Vec::new(), values: Vec::new() }
    }
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Router { root: Node::default() }
    }
}

impl<T> Router<T> {
    /// Registers `value` under a method and a pattern such as `licenses/{id+}/actions/validate`.
    ///
    /// # Panics
    /// When the same method and pattern was registered before: a mistake in a route table, found when the server starts.
    pub fn insert(&mut self, method: &'static str, pattern: &'static str, value: T) {
        let mut node = &mut self.root;
        for segment in pattern.split('/').filter(|s| !s.is_empty()) {
            node = match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                None => node.literals.entry(segment).or_default(),
                Some(param) => {
                    let (kind, name) = match param.strip_suffix('+') {
                        Some(name) => (ParamKind::Open, name),
                        None => match (param.strip_suffix('*'), param.strip_suffix('-')) {
                            (Some(name), _) => (ParamKind::Rest, name),
                            (_, Some(name)) => (ParamKind::Closed, name),
                            _ => (ParamKind::Plain, param),
                        },
                    };
                    let at = match node.params.iter().position(|(k, n, _)| (*k, *n) == (kind, name)) {
                        Some(at) => at,
                        None => {
                            node.params.push((kind, name, Node::default()));
                            node.params.len() - 1
                        }
                    };
                    &mut node.params[at].2
                }
            };
        }
        assert!(node.values.iter().all(|(m, _)| *m != method), "route {method} {pattern} is declared twice");
        node.values.push((method, value));
    }

    /// Finds the value for a method and a raw (undecoded) path.
    pub fn find(&self, method: &str, path: &str) -> Result<Match<'_, T>, NoMatch> {
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let mut search =
            Search { method, failure: NoMatch::Unknown, params: Vec::with_capacity(3), json_suffix: false };
        match search.walk(&self.root, &segments) {
            Some(value) => Ok(Match { value, params: search.params, json_suffix: search.json_suffix }),
            None => Err(search.failure),
        }
    }
}

struct Search<'m> {
    method: &'m str,
    failure: NoMatch,
    params: Vec<(&'static str, String)>,
    json_suffix: bool,
}

impl Search<'_> {
    fn walk<'r, T>(&mut self, node: &'r Node<T>, segments: &[&str]) -> Option<&'r T> {
        let Some((segment, rest)) = segments.split_first() else {
            return node.values.iter().find(|(m, _)| *m == self.method).map(|(_, v)| v);
        };
        if let Some(next) = node.literals.get(*segment)
            && let Some(value) = self.walk(next, rest)
        {
            return Some(value);
        }
        for (kind, name, next) in &node.params {
            let depth = self.params.len();
            if let Some(value) = self.param(*kind, name, next, segment, rest) {
                return Some(value);
            }
            self.params.truncate(depth);
            self.json_suffix = false;
        }
        None
    }

    fn param<'r, T>(
        &mut self,
        kind: ParamKind,
        name: &'static str,
        next: &'r Node<T>,
        segment: &str,
        rest: &[&str],
    ) -> Option<&'r T> {
        let (text, rest) = match kind {
            ParamKind::Open => (segment.to_owned(), rest),
            ParamKind::Rest => {
                let all: Vec<&str> = std::iter::once(segment).chain(rest.iter().copied()).collect();
                (all.join("/"), &[][..])
            }
            ParamKind::Closed if segment.contains('.') => return None,
            ParamKind::Closed => (segment.to_owned(), rest),
            ParamKind::Plain => match segment.split_once('.') {
                None => (segment.to_owned(), rest),
                Some((id, suffix)) if rest.is_empty() && !id.is_empty() => {
                    // Only a route that exists can have a wrong suffix.
                    let known = next.values.iter().any(|(m, _)| *m == self.method);
                    match suffix {
                        "json" => self.json_suffix = true,
                        "jsonapi" => {}
                        _ => {
                            if known {
                                self.failure = NoMatch::BadSuffix;
                            }
                            return None;
                        }
                    }
                    (id.to_owned(), rest)
                }
                Some(_) => return None,
            },
        };
        let Some(decoded) = percent_decode(&text, false) else {
            self.failure = if escapes_are_whole(&text) { NoMatch::BadEncoding } else { NoMatch::BadEscape };
            return None;
        };
        self.params.push((name, decoded));
        self.walk(next, rest)
    }
}

/// Every `%` is followed by two hexadecimal digits.
fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router<&'static str> {
        let mut router = Router::default();
        for (method, pattern) in [
            ("GET", "licenses"),
            ("GET", "licenses/{id+}"),
            ("POST", "licenses/actions/validate-key"),
            ("POST", "licenses/{id+}/actions/validate"),
            ("GET", "policies/{id}"),
            ("GET", "policies/{id}/product"),
            ("GET", "artifacts/{id*}"),
            ("GET", "accounts/{account-}"),
            ("GET", "accounts/{account-}/me"),
        ] {
            router.insert(method, pattern, pattern);
        }
        router
    }

    fn found(method: &str, path: &str) -> Option<(&'static str, Vec<String>, bool)> {
        let router = router();
        let m = router.find(method, path).ok()?;
        Some((m.value, m.params.into_iter().map(|(_, v)| v).collect(), m.json_suffix))
    }

    // 01 §2.3
    #[test]
    fn matches_and_decodes() {
        for (method, path, pattern, params) in [
            ("GET", "/licenses", "licenses", &[][..]),
            ("GET", "//licenses//a/", "licenses/{id+}", &["a"]),
            ("GET", "/licenses/a.b.json", "licenses/{id+}", &["a.b.json"]),
            ("GET", "/licenses/key%2Fwith%20slash+plus", "licenses/{id+}", &["key/with slash+plus"]),
            ("POST", "/licenses/actions/validate-key", "licenses/actions/validate-key", &[]),
            ("POST", "/licenses/actions/actions/validate", "licenses/{id+}/actions/validate", &["actions"]),
            ("GET", "/policies/a%2Eb", "policies/{id}", &["a.b"]),
            ("GET", "/artifacts/a/b/c.zip", "artifacts/{id*}", &["a/b/c.zip"]),
            ("GET", "/licenses/%0A", "licenses/{id+}", &["\n"]),
        ] {
            let (value, got, suffix) = found(method, path).unwrap_or_else(|| panic!("no match for {path}"));
            assert_eq!(
                (value, got.iter().map(String::as_str).collect::<Vec<_>>()),
                (pattern, params.to_vec()),
                "{path}"
            );
            assert!(!suffix);
        }
        assert_eq!(found("GET", "/policies/a.json").unwrap(), ("policies/{id}", vec!["a".to_owned()], true));
        assert_eq!(found("GET", "/policies/a.jsonapi").unwrap(), ("policies/{id}", vec!["a".to_owned()], false));
    }

    // 01 §2.3, §2.4
    #[test]
    fn refuses() {
        let router = router();
        for (method, path, failure) in [
            ("POST", "/policies/a", NoMatch::Unknown),
            ("GET", "/nope", NoMatch::Unknown),
            ("GET", "/policies/a.xml", NoMatch::BadSuffix),
            ("GET", "/policies/a.b/product", NoMatch::Unknown),
            ("GET", "/accounts/a.b/me", NoMatch::Unknown),
            ("GET", "/accounts/a.json", NoMatch::Unknown),
            ("GET", "/licenses/%4", NoMatch::BadEscape),
            ("GET", "/licenses/%ff", NoMatch::BadEncoding),
            ("GET", "/licenses/%ff%", NoMatch::BadEscape),
            ("GET", "/licenses/a/b/c", NoMatch::Unknown),
        ] {
            assert_eq!(router.find(method, path).err(), Some(failure), "{method} {path}");
        }
    }

    #[test]
    #[should_panic(expected = "declared twice")]
    fn a_route_stands_once() {
        router().insert("GET", "licenses", "again");
    }
}
