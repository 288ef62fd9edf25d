//! Errors as values with a wire shape (01 §9). Internal causes are kept apart from what the caller is told.

use crate::json::{Json, Text};
use std::borrow::Cow;

/// Where in the request an error lies (01 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// JSON pointer into the body.
    Pointer(String),
    /// Name of a query parameter.
    Parameter(Text),
    /// Name of a header.
    Header(&'static str),
}

/// One element of `errors` (01 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    /// The kind of error.
    pub title: &'static str,
    /// What is wrong.
    pub detail: Text,
    /// Machine-readable code.
    pub code: Option<Text>,
    /// Where it is wrong.
    pub source: Option<Source>,
    /// Link to documentation.
    pub about: Option<Text>,
}

impl ErrorObject {
    fn new(title: &'static str, detail: impl Into<Text>) -> ErrorObject {
        ErrorObject { title, detail: detail.into(), code: None, source: None, about: None }
    }

    fn to_json(&self) -> Json {
        let mut object = Json::obj([("title", self.title.into()), ("detail", Json::Str(self.detail.clone()))]);
        if let Some(code) = &self.code {
            object.set("code", Json::Str(code.clone()));
        }
        if let Some(source) = &self.source {
            let member = match source {
                Source::Pointer(pointer) => ("pointer", Json::str(pointer.clone())),
                Source::Parameter(name) => ("parameter", Json::Str(name.clone())),
                Source::Header(name) => ("header", (*name).into()),
            };
            object.set("source", Json::obj([member]));
        }
        if let Some(about) = &self.about {
            object.set("links", Json::obj([("about", Json::Str(about.clone()))]));
        }
        object
    }
}

/// A failed request: status and error objects. `internal` is for the log only.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// What the caller is told; at least one.
    pub errors: Vec<ErrorObject>,
    /// The response has `meta.id` (errors of stages 0–3 have not, 01 §9.1).
    pub with_meta: bool,
    /// What really happened, for the log.
    pub internal: Option<String>,
}

/// The result of anything that answers a request.
pub type Result<T> = std::result::Result<T, ApiError>;

/// Base of the links in errors.
const DOCS: &str = "https://keygen.sh/docs/api";

impl ApiError {
    fn one(status: u16, error: ErrorObject) -> ApiError {
        ApiError { status, errors: vec![error], with_meta: true, internal: None }
    }

    /// Adds a code to the (only) error.
    pub fn code(mut self, code: impl Into<Text>) -> ApiError {
        self.errors[0].code = Some(code.into());
        self
    }

    /// Adds a source pointer to the (only) error.
    pub fn pointer(mut self, pointer: impl Into<String>) -> ApiError {
        self.errors[0].source = Some(Source::Pointer(pointer.into()));
        self
    }

    /// Adds a source parameter to the (only) error.
    pub fn parameter(mut self, name: impl Into<Text>) -> ApiError {
        self.errors[0].source = Some(Source::Parameter(name.into()));
        self
    }

    /// Adds a source header to the (only) error.
    pub fn header(mut self, name: &'static str) -> ApiError {
        self.errors[0].source = Some(Source::Header(name));
        self
    }

    /// Adds a documentation link to the (only) error.
    pub fn about(mut self, path: &str) -> ApiError {
        self.errors[0].about = Some(Cow::Owned(format!("{DOCS}{path}")));
        self
    }

    fn without_meta(mut self) -> ApiError {
        self.with_meta = false;
        self
    }

    /// 400 with that detail.
    pub fn bad_request(detail: impl Into<Text>) -> ApiError {
        Self::one(400, ErrorObject::new("Bad request", detail))
    }

    /// 401; the default detail when `detail` is empty (01 §9.2).
    pub fn unauthorized(code: &'static str, detail: &'static str) -> ApiError {
        let detail = if detail.is_empty() { "You must be authenticated to complete the request" } else { detail };
        Self::one(401, ErrorObject::new("Unauthorized", detail)).code(code)
    }

    /// 401 with that detail and no code, for a secret inside the body (03 §12).
    pub fn refused(detail: &'static str) -> ApiError {
        Self::one(401, ErrorObject::new("Unauthorized", detail))
    }

    /// 403 with that detail (01 §9.3).
    pub fn forbidden(detail: impl Into<Text>) -> ApiError {
        Self::one(403, ErrorObject::new("Access denied", detail))
    }

    /// 403 with a reason in parentheses (01 §9.3).
    pub fn denied(reason: &str) -> ApiError {
        Self::forbidden(format!("You do not have permission to complete the request ({reason})"))
    }

    /// 404 with that detail (01 §9.4).
    pub fn not_found(detail: impl Into<Text>) -> ApiError {
        Self::one(404, ErrorObject::new("Not found", detail)).code("NOT_FOUND")
    }

    /// 404 for a record that was looked up by id or alias (01 §9.4).
    pub fn no_such(name: &str, id: &str) -> ApiError {
        Self::not_found(format!("The requested {name} '{id}' was not found"))
    }

    /// 404 for an unknown route (01 §2.4).
    pub fn unknown_route() -> ApiError {
        Self::not_found("The requested endpoint was not found (check your HTTP method, Accept header, and URL path)")
            .without_meta()
    }

    /// 409 (01 §9.5).
    pub fn conflict() -> ApiError {
        Self::one(409, ErrorObject::new("Conflict", "The request could not be completed because of a conflict"))
    }

    /// 422 of an action (01 §9.5).
    pub fn unprocessable(detail: impl Into<Text>) -> ApiError {
        Self::one(422, ErrorObject::new("Unprocessable entity", detail))
    }

    /// 422 of model validation (01 §10). `about` is the path below the documentation's base.
    pub fn invalid(errors: Vec<ErrorObject>) -> ApiError {
        ApiError { status: 422, errors, with_meta: true, internal: None }
    }

    /// One error object of model validation (01 §10.1).
    pub fn invalid_object(pointer: String, code: String, detail: String, about: String) -> ErrorObject {
        ErrorObject {
            title: "Unprocessable resource",
            detail: detail.into(),
            code: Some(code.into()),
            source: Some(Source::Pointer(pointer)),
            about: Some(Cow::Owned(format!("{DOCS}{about}"))),
        }
    }

    /// 413 (D18).
    pub fn payload_too_large(limit: usize) -> ApiError {
        let detail = format!("The request body is too large (limit is {limit} bytes)");
        Self::one(413, ErrorObject::new("Payload too large", detail)).without_meta()
    }

    /// 400 `JSON_INVALID` (01 §9.6).
    pub fn json_invalid() -> ApiError {
        Self::bad_request(
            "The request could not be completed because it contains invalid JSON (check formatting/encoding)",
        )
        .code("JSON_INVALID")
        .without_meta()
    }

    /// 400 `PARAMETERS_INVALID` (01 §9.6).
    pub fn parameters_invalid() -> ApiError {
        Self::bad_request(
            "The request could not be completed because it contains invalid query parameters (check encoding)",
        )
        .code("PARAMETERS_INVALID")
        .without_meta()
    }

    /// 400 `URI_INVALID` (01 §9.6).
    pub fn uri_invalid() -> ApiError {
        Self::bad_request(
            "The request could not be completed because the URI was invalid (please ensure non-URL safe chars are properly encoded)",
        )
        .code("URI_INVALID")
        .without_meta()
    }

    /// 400 `MIME_TYPE_INVALID` (01 §9.6).
    pub fn mime_type_invalid() -> ApiError {
        Self::bad_request("The mime type of the request is not acceptable (check content-type and accept headers)")
            .code("MIME_TYPE_INVALID")
            .without_meta()
    }

    /// 400 `HTTP_METHOD_INVALID` (01 §9.6).
    pub fn method_invalid() -> ApiError {
        Self::bad_request("The HTTP method for the request is not valid").code("HTTP_METHOD_INVALID").without_meta()
    }

    /// 400 `ENCODING_INVALID`, byte sequence wording (01 §9.6).
    pub fn encoding_invalid() -> ApiError {
        Self::bad_request(
            "The request could not be completed because it contains an invalid byte sequence (check encoding)",
        )
        .code("ENCODING_INVALID")
    }

    /// 400 `ENCODING_INVALID`, null byte wording (01 §9.6).
    pub fn null_byte() -> ApiError {
        Self::bad_request(
            "The request could not be completed because it contains an unexpected null byte (check encoding)",
        )
        .code("ENCODING_INVALID")
    }

    /// 429 (01 §18).
    pub fn too_many_requests() -> ApiError {
        let detail = "Throttle limit has been reached for your IP address. Please slow down. See https://keygen.sh/docs/api/rate-limiting/ for more info.";
        Self::one(429, ErrorObject::new("Too many requests", detail)).code("TOO_MANY_REQUESTS").without_meta()
    }

    /// 500 that says nothing of its cause (D19); the cause goes to the log.
    pub fn internal(cause: impl std::fmt::Display) -> ApiError {
        let detail = "The server could not complete the request because of an internal error (see its log)";
        let mut error = Self::one(500, ErrorObject::new("Internal server error", detail));
        error.internal = Some(cause.to_string());
        error
    }

    /// 503, request timeout wording (01 §9.7).
    pub fn timeout() -> ApiError {
        let detail = "The request timed out because the server took too long to respond";
        Self::one(503, ErrorObject::new("Request timeout", detail)).without_meta()
    }

    /// 503, unavailable wording (D19).
    pub fn unavailable() -> ApiError {
        Self::one(503, ErrorObject::new("Service unavailable", "The server is currently unavailable"))
    }

    /// The response document (01 §9.1).
    pub fn document(&self, request_id: &str) -> Json {
        let errors = Json::Arr(self.errors.iter().map(ErrorObject::to_json).collect());
        if self.with_meta {
            Json::obj([("meta", Json::obj([("id", Json::str(request_id.to_owned()))])), ("errors", errors)])
        } else {
            Json::obj([("errors", errors)])
        }
    }
}
