//! Content negotiation (01 §3).

/// Types that a response of the API can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// `application/vnd.api+json`
    JsonApi,
    /// `application/json`
    Json,
}

impl ResponseType {
    /// The header value (01 §3.3).
    pub const fn header(self) -> &'static str {
        match self {
            ResponseType::JsonApi => "application/vnd.api+json; charset=utf-8",
            ResponseType::Json => "application/json; charset=utf-8",
        }
    }
}

/// Which `Accept` values a route takes (01 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// JSON:API and JSON.
    Json,
    /// JSON:API, JSON and octet streams: most routes.
    JsonOrBinary,
    /// Anything.
    Anything,
}

/// What a request's body is, by its `Content-Type` (01 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Parsed as JSON.
    Json,
    /// As if it were empty.
    Ignored,
}

/// The type is not acceptable: 400 `MIME_TYPE_INVALID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAcceptable;

/// Media types that mean the same (01 §3.1).
fn canonical(media_type: &str) -> String {
    let lower = media_type.trim().to_ascii_lowercase();
    match lower.as_str() {
        "application/vnd.keygen+json" => "application/vnd.api+json".to_owned(),
        "text/x-json" | "application/jsonrequest" => "application/json".to_owned(),
        "*" => "*/*".to_owned(),
        _ => lower,
    }
}

fn is_media_type(text: &str) -> bool {
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&b));
    text.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// Reads `Content-Type` (01 §3.2).
pub fn body_kind(method: &str, content_type: Option<&str>) -> Result<BodyKind, NotAcceptable> {
    let writes = !matches!(method, "GET" | "HEAD");
    let fallback = if writes { BodyKind::Json } else { BodyKind::Ignored };
    let Some(text) = content_type.map(|t| t.split(';').next().unwrap_or("").trim()).filter(|t| !t.is_empty()) else {
        return Ok(fallback);
    };
    let media_type = canonical(text);
    if !is_media_type(&media_type) {
        return Err(NotAcceptable);
    }
    Ok(match media_type.as_str() {
        "application/vnd.api+json" | "application/json" => BodyKind::Json,
        "text/plain" | "application/x-www-form-urlencoded" | "multipart/form-data" => fallback,
        _ => BodyKind::Ignored,
    })
}

/// Reads `Accept` (or, without it, `Content-Type`) and chooses the response's type (01 §3.1, §3.3).
/// `json_suffix`: the path ended in `.json`.
pub fn response_type(
    accepts: Accepts,
    method: &str,
    accept: Option<&str>,
    content_type: Option<&str>,
    json_suffix: bool,
) -> Result<ResponseType, NotAcceptable> {
    let suffix = if json_suffix { ResponseType::Json } else { ResponseType::JsonApi };
    let Some(accept) = accept.filter(|a| !a.trim().is_empty()) else {
        let media_type = content_type.map(|t| canonical(t.split(';').next().unwrap_or(""))).filter(|t| !t.is_empty());
        let Some(media_type) = media_type else {
            // 01 §22.12: a POST with neither header answers plain JSON.
            let bare_write = !matches!(method, "GET" | "HEAD") && !json_suffix;
            return Ok(if bare_write { ResponseType::Json } else { suffix });
        };
        // For the methods whose body is read as JSON, form and plain-text types stand for JSON (01 §3.2).
        if body_kind(method, Some(&media_type)) == Ok(BodyKind::Json) && media_type != "application/vnd.api+json" {
            return Ok(ResponseType::Json);
        }
        return choose(accepts, &media_type, suffix);
    };
    choose(accepts, accept, suffix)
}

fn choose(accepts: Accepts, accept: &str, fallback: ResponseType) -> Result<ResponseType, NotAcceptable> {
    let mut entries: Vec<(String, f32)> = Vec::new();
    for entry in accept.split(',') {
        let mut parts = entry.split(';');
        let text = parts.next().unwrap_or("").trim();
        if text.is_empty() {
            continue;
        }
        let media_type = canonical(text);
        if accepts != Accepts::Anything && !is_media_type(&media_type) {
            return Err(NotAcceptable);
        }
        let q = parts.filter_map(|p| p.trim().strip_prefix("q=")).find_map(|q| q.trim().parse::<f32>().ok());
        entries.push((media_type, q.unwrap_or(1.0)));
    }
    entries.sort_by(|a, b| b.1.total_cmp(&a.1));
    let acceptable = |media_type: &str| match media_type {
        "application/vnd.api+json" | "application/json" | "*/*" | "application/*" | "text/*" => true,
        "application/octet-stream" => accepts == Accepts::JsonOrBinary,
        _ => accepts == Accepts::Anything,
    };
    if !entries.iter().any(|(media_type, _)| acceptable(media_type)) && accepts != Accepts::Anything {
        return Err(NotAcceptable);
    }
    Ok(entries
        .iter()
        .find_map(|(media_type, _)| match media_type.as_str() {
            "application/vnd.api+json" => Some(ResponseType::JsonApi),
            "application/json" => Some(ResponseType::Json),
            _ => None,
        })
        .unwrap_or(fallback))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResponseType::{Json, JsonApi};

    // 01 §3.1, §3.3
    #[test]
    fn accept_selects_or_refuses() {
        let most = Accepts::JsonOrBinary;
        for (accept, expected) in [
            ("application/vnd.api+json", Ok(JsonApi)),
            ("application/json", Ok(Json)),
            ("application/vnd.keygen+json", Ok(JsonApi)),
            ("text/x-json", Ok(Json)),
            ("application/jsonrequest", Ok(Json)),
            ("*/*", Ok(JsonApi)),
            ("*", Ok(JsonApi)),
            ("application/*", Ok(JsonApi)),
            ("text/*", Ok(JsonApi)),
            ("application/octet-stream", Ok(JsonApi)),
            ("application/vnd.api+json, application/json", Ok(JsonApi)),
            ("application/json, application/vnd.api+json", Ok(Json)),
            ("application/json;q=0.5, application/vnd.api+json", Ok(JsonApi)),
            ("*/*; q=0.5, application/xml", Ok(JsonApi)),
            ("APPLICATION/JSON; charset=utf-8", Ok(Json)),
            ("text/html", Err(NotAcceptable)),
            ("text/plain", Err(NotAcceptable)),
            ("application/xml", Err(NotAcceptable)),
            ("json", Err(NotAcceptable)),
            ("foo, */*", Err(NotAcceptable)),
        ] {
            assert_eq!(response_type(most, "GET", Some(accept), None, false), expected, "{accept}");
        }
        assert_eq!(
            response_type(Accepts::Json, "GET", Some("application/octet-stream"), None, false),
            Err(NotAcceptable)
        );
        assert_eq!(response_type(Accepts::Anything, "GET", Some("image/png"), None, false), Ok(JsonApi));
        assert_eq!(response_type(most, "GET", Some("*/*"), None, true), Ok(Json));
        // Without Accept the Content-Type stands in.
        assert_eq!(response_type(most, "GET", None, Some("text/plain"), false), Err(NotAcceptable));
        assert_eq!(response_type(most, "GET", None, None, false), Ok(JsonApi));
        assert_eq!(response_type(most, "POST", None, None, false), Ok(Json));
        assert_eq!(response_type(most, "POST", None, Some("application/vnd.api+json"), false), Ok(JsonApi));
        assert_eq!(response_type(most, "POST", None, Some("application/x-www-form-urlencoded"), false), Ok(Json));
        assert_eq!(response_type(most, "POST", None, Some("application/xml"), false), Err(NotAcceptable));
    }

    // 01 §3.2
    #[test]
    fn content_type_says_how_to_read_the_body() {
        for (method, content_type, expected) in [
            ("POST", None, Ok(BodyKind::Json)),
            ("GET", None, Ok(BodyKind::Ignored)),
            ("POST", Some(""), Ok(BodyKind::Json)),
            ("GET", Some("application/json"), Ok(BodyKind::Json)),
            ("DELETE", Some("application/vnd.api+json; charset=utf-8"), Ok(BodyKind::Json)),
            ("POST", Some("text/plain"), Ok(BodyKind::Json)),
            ("GET", Some("text/plain"), Ok(BodyKind::Ignored)),
            ("PUT", Some("multipart/form-data; boundary=x"), Ok(BodyKind::Json)),
            ("POST", Some("application/xml"), Ok(BodyKind::Ignored)),
            ("POST", Some("application/octet-stream"), Ok(BodyKind::Ignored)),
            ("POST", Some("vnd.api+xml"), Err(NotAcceptable)),
            ("GET", Some("vnd.api+xml"), Err(NotAcceptable)),
        ] {
            assert_eq!(body_kind(method, content_type), expected, "{method} {content_type:?}");
        }
    }
}
