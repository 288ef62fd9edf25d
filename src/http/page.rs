//! Lists: limits, pages, order and links (01 §15).

use super::error::{ApiError, Result};
use super::query::{Query, QueryValue};
use crate::json::Json;
use uuid::Uuid;

/// How a list is cut (01 §15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The first `limit` records.
    Limit,
    /// Records after a cursor; `None` from the start.
    Keyset(Option<Uuid>),
    /// Page by number, counted from 1.
    Offset(i64),
}

/// A checked request for a part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How the list is cut.
    pub mode: Mode,
    /// Records at the most.
    pub size: i64,
    /// Oldest first.
    pub ascending: bool,
}

impl Page {
    /// Reads `page`, `limit` and `order` (01 §15.1, §15.2).
    pub fn from_query(query: &Query) -> Result<Page> {
        let ascending = match query.get("order") {
            None => false,
            Some(QueryValue::Scalar(text)) if text.is_empty() || text.eq_ignore_ascii_case("desc") => false,
            Some(QueryValue::Scalar(text)) if text.eq_ignore_ascii_case("asc") => true,
            Some(_) => return Err(ApiError::bad_request("order is invalid").parameter("order")),
        };
        let limit = query.str("limit").filter(|text| !text.trim().is_empty()).map(number);
        let Some(page) = query.get("page") else {
            let size = limit.unwrap_or(10);
            if !(1..=100).contains(&size) {
                let detail = format!("limit must be a number between 1 and 100 (got {size})");
                return Err(ApiError::bad_request(detail).parameter("limit"));
            }
            return Ok(Page { mode: Mode::Limit, size, ascending });
        };
        let shape = || {
            ApiError::bad_request("page must be an object containing a cursor or number and optional size")
                .parameter("page")
        };
        let QueryValue::Object(members) = page else { return Err(shape()) };
        let member = |name: &str| match members.iter().find(|(k, _)| k == name).map(|(_, v)| v) {
            None => Ok(None),
            Some(QueryValue::Scalar(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(shape()),
        };
        let (cursor, at, size) = (member("cursor")?, member("number")?, member("size")?);
        let size = size.filter(|text| !text.trim().is_empty()).map_or(limit.unwrap_or(10), number);
        let mode = match (cursor, at) {
            (Some(cursor), _) => Mode::Keyset(match cursor.trim() {
                "" => None,
                text => Some(crate::model::coerce::uuid_from_text(text).ok_or_else(|| {
                    let detail = format!("page cursor must be a valid UUID (got {})", Json::str(text.to_owned()));
                    ApiError::bad_request(detail).parameter("page[cursor]")
                })?),
            }),
            (None, Some(text)) => Mode::Offset(number(text)),
            (None, None) => return Err(shape()),
        };
        if let Mode::Offset(at) = mode
            && !(1..=100).contains(&at)
        {
            let hint = if at > 100 { ", please use cursor-based pagination instead" } else { "" };
            let detail = format!("page number must be a number between 1 and 100 (got {at}{hint})");
            return Err(ApiError::bad_request(detail).parameter("page[number]"));
        }
        if !(1..=100).contains(&size) {
            let detail = format!("page size must be a number between 1 and 100 (got {size})");
            return Err(ApiError::bad_request(detail).parameter("page[size]"));
        }
        Ok(Page { mode, size, ascending })
    }

    /// `links` of the list (01 §15.4). `count`: all matching records (offset mode); `last`: id of the last record on the
    /// page when another follows (keyset mode).
    pub fn links(&self, path: &str, query: &Query, count: Option<i64>, last: Option<Uuid>) -> Option<Json> {
        let size = self.size.to_string();
        let link = |key: &str, value: &str| {
            let text = query.encode_without(&["token", "auth", "page"], &[(key, value), ("page[size]", &size)]);
            Json::str(format!("{path}?{text}"))
        };
        match self.mode {
            Mode::Limit => None,
            Mode::Keyset(cursor) => {
                let own = cursor.map(|id| id.to_string()).unwrap_or_default();
                let next = last.map(|id| link("page[cursor]", &id.to_string()));
                Some(Json::obj([("self", link("page[cursor]", &own)), ("next", next.unwrap_or(Json::Null))]))
            }
            Mode::Offset(at) => {
                let count = count.unwrap_or(0);
                let pages = (count + self.size - 1) / self.size;
                let number = |n: i64| link("page[number]", &n.to_string());
                let when = |condition: bool, n: i64| if condition { number(n) } else { Json::Null };
                Some(Json::obj([
                    ("self", number(at)),
                    ("prev", when(at > 1 && at <= pages, at - 1)),
                    ("next", when(at < pages, at + 1)),
                    ("first", number(1)),
                    ("last", number(pages)),
                    ("meta", Json::obj([("pages", Json::Int(pages)), ("count", Json::Int(count))])),
                ]))
            }
        }
    }
}

/// Leading digits of a text; no digits are 0 (01 §15.1).
fn number(text: &str) -> i64 {
    crate::model::coerce::integer_from_query(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> std::result::Result<Page, String> {
        Page::from_query(&Query::parse(query).unwrap()).map_err(|e| e.errors[0].detail.to_string())
    }

    // 01 §15.1
    #[test]
    fn selects_the_mode() {
        let desc = |mode, size| Ok(Page { mode, size, ascending: false });
        assert_eq!(page(""), desc(Mode::Limit, 10));
        assert_eq!(page("limit=100"), desc(Mode::Limit, 100));
        assert_eq!(page("limit="), desc(Mode::Limit, 10));
        assert_eq!(page("page[cursor]="), desc(Mode::Keyset(None), 10));
        assert_eq!(page("page[number]=2&page[size]=5"), desc(Mode::Offset(2), 5));
        assert_eq!(page("page[number]=2&limit=7"), desc(Mode::Offset(2), 7));
        let id = Uuid::from_u128(1);
        assert_eq!(page(&format!("page[number]=0&page[cursor]={id}")), desc(Mode::Keyset(Some(id)), 10));
        assert_eq!(page("order=ASC"), Ok(Page { mode: Mode::Limit, size: 10, ascending: true }));
    }

    // 01 §15.2
    #[test]
    fn refuses_what_is_out_of_bounds() {
        let shape = "page must be an object containing a cursor or number and optional size";
        for (query, detail) in [
            ("limit=0", "limit must be a number between 1 and 100 (got 0)"),
            ("limit=101", "limit must be a number between 1 and 100 (got 101)"),
            ("limit=x", "limit must be a number between 1 and 100 (got 0)"),
            ("limit=99999999999999999999", "limit must be a number between 1 and 100 (got 9223372036854775807)"),
            ("page[number]=1&page[size]=0", "page size must be a number between 1 and 100 (got 0)"),
            ("page[number]=0&page[size]=0", "page number must be a number between 1 and 100 (got 0)"),
            (
                "page[number]=101",
                "page number must be a number between 1 and 100 (got 101, please use cursor-based pagination instead)",
            ),
            ("page[cursor]=foo", "page cursor must be a valid UUID (got \"foo\")"),
            ("order=up", "order is invalid"),
            ("page=2", shape),
            ("page[size]=5", shape),
            ("page[number][x]=1", shape),
            ("page[]=1", shape),
        ] {
            assert_eq!(page(query), Err(detail.to_owned()), "{query}");
        }
    }

    // 01 §15.4, §21
    #[test]
    fn writes_links() {
        let links = |text: &str, count, last| {
            let query = Query::parse(text).unwrap();
            Page::from_query(&query)
                .unwrap()
                .links("/v1/accounts/acme/users", &query, count, last)
                .map(|l| l.to_string())
        };
        assert_eq!(links("limit=5", None, None), None);
        let base = "/v1/accounts/acme/users?environment=sandbox&page%5B";
        let expected = format!(
            r#"{{"self":"{base}number%5D=2&page%5Bsize%5D=5","prev":"{base}number%5D=1&page%5Bsize%5D=5","next":"{base}number%5D=3&page%5Bsize%5D=5","first":"{base}number%5D=1&page%5Bsize%5D=5","last":"{base}number%5D=5&page%5Bsize%5D=5","meta":{{"pages":5,"count":21}}}}"#
        );
        let query = "page[number]=2&page[size]=5&environment=sandbox&token=secret";
        assert_eq!(links(query, Some(21), None), Some(expected));
        let beyond = links("page[number]=9", Some(21), None).unwrap();
        assert!(beyond.contains(r#""prev":null,"next":null"#), "{beyond}");
        let empty = links("page[number]=1", Some(0), None).unwrap();
        assert!(empty.contains("page%5Bnumber%5D=0") && empty.contains(r#""pages":0"#), "{empty}");
        let id = Uuid::from_u128(3);
        let keyset = links("page[cursor]=", None, Some(id)).unwrap();
        assert!(keyset.contains("page%5Bcursor%5D=&page%5Bsize%5D=10") && keyset.contains(&id.to_string()));
    }
}
