//! A response before it goes out: status, type, headers, body; and the headers that every response carries (01 §11, §12).

use super::request::Request;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::LazyLock;

/// A response under construction.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers; `Content-Type` included.
    pub headers: HeaderMap,
    /// The body that `GET` would get; `HEAD` sends none (01 §12.2).
    pub body: Bytes,
}

/// What every response carries, whatever it is (01 §11); copied, because building it costs more.
static CONSTANT: LazyLock<HeaderMap> = LazyLock::new(|| {
    // Room for the rest of an ordinary response.
    let mut headers = HeaderMap::with_capacity(32);
    for (name, value) in [
        ("keygen-edition", "EE"),
        ("server", concat!("keygen-lite/", env!("CARGO_PKG_VERSION"))),
        ("content-security-policy", "default-src 'none'"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-content-type-options", "nosniff"),
        ("x-xss-protection", "0"),
        ("x-permitted-cross-domain-policies", "none"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("vary", "Origin"),
    ] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
});

impl Response {
    /// An empty response.
    pub fn new(status: u16) -> Response {
        Response { status, headers: CONSTANT.clone(), body: Bytes::new() }
    }

    /// Adds a header; values that no header can hold are left out, as empty ones are (01 §11).
    pub fn header(&mut self, name: &'static str, value: &str) {
        if !value.is_empty()
            && let Ok(value) = HeaderValue::from_str(value)
        {
            self.headers.append(HeaderName::from_static(name), value);
        }
    }

    /// Adds two headers with the same value.
    pub fn header_twice(&mut self, names: [&'static str; 2], value: String) {
        // The copies share their bytes.
        if let Ok(value) = HeaderValue::try_from(value) {
            for name in names {
                self.headers.append(HeaderName::from_static(name), value.clone());
            }
        }
    }

    /// Adds a header with a static value.
    pub fn fixed(&mut self, name: &'static str, value: &'static str) {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }

    /// Sets the body and its type.
    pub fn with_body(mut self, content_type: &str, body: impl Into<Bytes>) -> Response {
        self.header("content-type", content_type);
        self.body = body.into();
        self
    }

    /// Adds the headers of every response (01 §11) but those of signatures, account, bearer, environment and version.
    pub fn standard(&mut self, request: &Request, mode: &'static str) {
        self.fixed("keygen-mode", mode);
        self.header("x-request-id", uuid_text(&request.id, &mut uuid::Uuid::encode_buffer()));
        if !self.headers.contains_key("cache-control") {
            self.fixed("cache-control", "no-transform, no-store, max-age=0");
        }
        if request.scheme == "https" {
            self.fixed("strict-transport-security", "max-age=31536000; includeSubDomains");
        }
        if request.headers.contains_key("origin") || request.headers.contains_key("x-origin") {
            self.cors();
        }
    }

    /// CORS headers (01 §12.1, D21).
    fn cors(&mut self) {
        self.fixed("access-control-allow-origin", "*");
        self.fixed("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        self.fixed("access-control-max-age", "86400");
        self.fixed(
            "access-control-expose-headers",
            "keygen-accept-signature, keygen-signature, keygen-date, keygen-digest, keygen-account-id, keygen-bearer-id, \
             keygen-token-id, keygen-account, keygen-bearer, keygen-token, keygen-environment, keygen-license, keygen-edition, \
             keygen-mode, keygen-revision, keygen-version, x-ratelimit-window, x-ratelimit-count, x-ratelimit-limit, \
             x-ratelimit-remaining, x-ratelimit-reset, x-request-id, x-signature, date, digest, location, retry-after",
        );
    }

    /// The answer to a CORS preflight, if the request is one (01 §12.1).
    pub fn preflight(request: &Request, mode: &'static str) -> Option<Response> {
        let asks = request.method == "OPTIONS"
            && request.headers.contains_key("origin")
            && request.headers.contains_key("access-control-request-method");
        if !asks {
            return None;
        }
        let mut response = Response::new(200);
        response.standard(request, mode);
        if let Some(names) = request.header("access-control-request-headers") {
            response.header("access-control-allow-headers", names);
        }
        Some(response)
    }
}

/// The dashed text of an id, without allocating.
pub fn uuid_text<'b>(id: &uuid::Uuid, buffer: &'b mut [u8; 45]) -> &'b str {
    id.hyphenated().encode_lower(buffer)
}
