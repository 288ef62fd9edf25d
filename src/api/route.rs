//! What a line of the route table says.

use super::app::App;
use super::context::Ctx;
use crate::auth::{Access, Letters, letters};
use crate::http::error::{ApiError, Result};
use crate::http::negotiate::Accepts;
use crate::json::Json;
use crate::store::Db;
use hyper::body::Bytes;

/// A handler reads with the [`Db`] of the request's snapshot and says what to answer or what to do next.
pub type Handler = fn(&Ctx, &Db<'_>) -> Result<Outcome>;

/// What a handler wants.
pub enum Outcome {
    /// Answer this.
    Reply(Reply),
    /// Run this in the writer and answer what it gives, once it is durable.
    Write(WriteStep),
    /// Run this on the blocking pool (slow cryptography), then go on with what it gives.
    Blocking(BlockingStep),
}

/// A step for the blocking pool.
pub type BlockingStep = Box<dyn FnOnce(&Ctx) -> Result<Outcome> + Send>;

/// A step for the writer.
pub type WriteStep = Box<dyn FnOnce(&Ctx, &Db<'_>) -> Result<Reply> + Send>;

impl Outcome {
    /// Boxes a step for the writer.
    pub fn write(step: impl FnOnce(&Ctx, &Db<'_>) -> Result<Reply> + Send + 'static) -> Result<Outcome> {
        Ok(Outcome::Write(Box::new(step)))
    }

    /// Boxes a step for the blocking pool.
    pub fn blocking(step: impl FnOnce(&Ctx) -> Result<Outcome> + Send + 'static) -> Result<Outcome> {
        Ok(Outcome::Blocking(Box::new(step)))
    }
}

/// A successful answer.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// What is sent.
    pub content: Content,
    /// Path of the created resource, for `Location` (01 §7.3).
    pub location: Option<String>,
}

/// The body of an answer.
pub enum Content {
    /// No body.
    Empty,
    /// A JSON document, in the newest version; older versions are made from it.
    Document(Json),
    /// A file download.
    File {
        /// Its bytes.
        bytes: Bytes,
        /// Its name.
        name: String,
    },
    /// No success after all: what the write step did until then stays done (06 §3.4), where an `Err` takes it back.
    Failure(Box<ApiError>),
}

impl Reply {
    /// 200 with a document.
    pub fn ok(document: Json) -> Reply {
        Reply { status: 200, content: Content::Document(document), location: None }
    }

    /// 200 with `{"data": …}`.
    pub fn data(data: Json) -> Reply {
        Reply::ok(Json::obj([("data", data)]))
    }

    /// 201 with `{"data": …}`; `Location` is the resource's own link.
    pub fn created(data: Json) -> Reply {
        let location = data.at(&["links", "self"]).and_then(Json::as_str).map(str::to_owned);
        Reply { status: 201, content: Content::Document(Json::obj([("data", data)])), location }
    }

    /// An error that keeps what the write step has done so far.
    pub fn failure(error: ApiError) -> Reply {
        let status = error.status;
        Reply { content: Content::Failure(Box::new(error)), ..Reply::empty(status) }
    }

    /// No content.
    pub fn empty(status: u16) -> Reply {
        Reply { status, content: Content::Empty, location: None }
    }
}

/// How a route treats credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// 401 without a credential.
    Required,
    /// A given credential must be good; none is fine.
    Optional,
    /// Credentials are not read.
    None,
    /// As `Required`, and e-mail with password is a credential (03 §2.1).
    Login,
}

/// Under which prefixes a route exists (01 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `/v1/accounts/{account}/…` and `/v1/…`.
    Both,
    /// Only the long one.
    Long,
    /// Only `/v1/…`, and no account is looked up.
    Bare,
}

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    /// HTTP method; `PUT` beside `PATCH` and `HEAD` beside `GET` are implied.
    pub method: &'static str,
    /// Path pattern after the prefix.
    pub path: &'static str,
    /// What answers.
    pub handler: Handler,
    /// Permissions that bearer and token need.
    pub permissions: &'static [&'static str],
    /// Who may, in the letters of the resource's document.
    pub allow: Letters,
    /// Environment rule of the record.
    pub access: Access,
    /// How credentials are treated.
    pub auth: Auth,
    /// Which `Accept` values are taken.
    pub accepts: Accepts,
    /// Under which prefixes it exists.
    pub prefix: Prefix,
    /// `PUT` does the same (01 §2.4).
    pub put: bool,
    /// Answers without account and bearer (`ping`, `health`); `handler` is not used then.
    pub open: Option<fn(&App, &Db<'_>) -> Result<Reply>>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

const fn route(method: &'static str, path: &'static str, handler: Handler) -> Route {
    Route {
        method,
        path,
        handler,
        permissions: &[],
        allow: letters::NONE,
        access: Access::Write,
        auth: Auth::Required,
        accepts: Accepts::JsonOrBinary,
        prefix: Prefix::Both,
        put: false,
        open: None,
    }
}

/// `GET` that answers without account and bearer, whatever `Accept` says (01 §20).
pub const fn open(path: &'static str, answer: fn(&App, &Db<'_>) -> Result<Reply>) -> Route {
    let mut r = route("GET", path, |_, _| Ok(Outcome::Reply(Reply::empty(204))));
    r.access = Access::Read;
    r.accepts = Accepts::Anything;
    r.open = Some(answer);
    r
}

/// `GET` (and `HEAD`); a read.
pub const fn get(path: &'static str, handler: Handler) -> Route {
    let mut r = route("GET", path, handler);
    r.access = Access::Read;
    r
}

/// `POST`; a write.
pub const fn post(path: &'static str, handler: Handler) -> Route {
    route("POST", path, handler)
}

/// `PATCH` and `PUT`; a write.
pub const fn patch(path: &'static str, handler: Handler) -> Route {
    let mut r = route("PATCH", path, handler);
    r.put = true;
    r
}

/// `DELETE`; a write.
pub const fn delete(path: &'static str, handler: Handler) -> Route {
    route("DELETE", path, handler)
}

impl Route {
    /// The permissions that bearer and token need.
    pub const fn can(mut self, permissions: &'static [&'static str]) -> Route {
        self.permissions = permissions;
        self
    }

    /// Who may.
    pub const fn allow(mut self, allow: Letters) -> Route {
        self.allow = allow;
        self
    }

    /// The lax environment rule (05 §5.5), for actions that are not writes.
    pub const fn lax(mut self) -> Route {
        self.access = Access::Read;
        self
    }

    /// The strict environment rule, for reads that count as writes (check-out).
    pub const fn strict(mut self) -> Route {
        self.access = Access::Write;
        self
    }

    /// How credentials are treated.
    pub const fn auth(mut self, auth: Auth) -> Route {
        self.auth = auth;
        self
    }

    /// Which `Accept` values are taken.
    pub const fn accepts(mut self, accepts: Accepts) -> Route {
        self.accepts = accepts;
        self
    }

    /// Under which prefixes it exists.
    pub const fn prefix(mut self, prefix: Prefix) -> Route {
        self.prefix = prefix;
        self
    }
}
