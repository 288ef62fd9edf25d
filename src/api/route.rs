//! What a line of the route table says.

use super::app::App;
use super::context::Ctx;
use super::rate_limits::Limiter;
use crate::auth::{Access, Letters, letters};
use crate::http::error::{ApiError, Result};
use crate::http::negotiate::Accepts;
use crate::json::Json;
use crate::store::Db;
use crate::versions::Version;
use hyper::body::Bytes;

/// A handler reads with the [`Db`] of the request's snapshot and says what to answer or what to do next.
pub type Handler = fn(&Ctx, &Db<'_>) -> Result<Outcome>;

/// A handler of a route without account and bearer.
pub type Open = fn(&App, &Db<'_>, Bare) -> Result<Opened>;

/// What is known of a request that no account is looked up for.
pub struct Bare {
    /// The JSON body with normalized keys; `None` without one.
    pub body: Option<Json>,
    /// The API version of request and response.
    pub version: Version,
}

/// What such a handler wants.
pub enum Opened {
    /// Answer this.
    Reply(Reply),
    /// Run this on the blocking pool; it may write.
    Blocking(OpenWork),
}

/// Slow work of a route without account.
pub type OpenWork = Box<dyn FnOnce(&App) -> Result<Reply> + Send>;

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
    /// Runs once everything is stored: mails are sent here.
    pub then: Option<Then>,
}

/// What follows a successful request; it must not block.
pub type Then = Box<dyn FnOnce(&App) + Send>;

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
        Reply { status: 200, content: Content::Document(document), location: None, then: None }
    }

    /// 200 with `{"data": …}`.
    pub fn data(data: Json) -> Reply {
        Reply::ok(Json::obj([("data", data)]))
    }

    /// 201 with `{"data": …}`; `Location` is the resource's own link.
    pub fn created(data: Json) -> Reply {
        let location = data.at(&["links", "self"]).and_then(Json::as_str).map(str::to_owned);
        Reply { status: 201, content: Content::Document(Json::obj([("data", data)])), location, then: None }
    }

    /// An error that keeps what the write step has done so far.
    pub fn failure(error: ApiError) -> Reply {
        let status = error.status;
        Reply { content: Content::Failure(Box::new(error)), ..Reply::empty(status) }
    }

    /// No content.
    pub fn empty(status: u16) -> Reply {
        Reply { status, content: Content::Empty, location: None, then: None }
    }

    /// Has this run once everything is stored.
    pub fn then(mut self, then: impl FnOnce(&App) + Send + 'static) -> Reply {
        self.then = Some(Box::new(then));
        self
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
    /// What it is limited by (01 §18).
    pub limit: Option<Limiter>,
    /// Which `Accept` values are taken.
    pub accepts: Accepts,
    /// Under which prefixes it exists.
    pub prefix: Prefix,
    /// `PUT` does the same (01 §2.4).
    pub put: bool,
    /// Exists in multi mode with open registration only (D3).
    pub multi: bool,
    /// Answers without account and bearer (`ping`, `POST /v1/accounts`); `handler` is not used then.
    pub open: Option<Open>,
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
        limit: None,
        accepts: Accepts::JsonOrBinary,
        prefix: Prefix::Both,
        put: false,
        multi: false,
        open: None,
    }
}

/// `GET` that answers without account and bearer, whatever `Accept` says (01 §20).
pub const fn open(path: &'static str, answer: Open) -> Route {
    let mut r = bare("GET", path, answer);
    r.access = Access::Read;
    r.accepts = Accepts::Anything;
    r
}

/// A route without account and bearer.
pub const fn bare(method: &'static str, path: &'static str, answer: Open) -> Route {
    let mut r = route(method, path, |_, _| Ok(Outcome::Reply(Reply::empty(204))));
    r.prefix = Prefix::Bare;
    r.auth = Auth::None;
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

/// `PUT`; a write.
pub const fn put(path: &'static str, handler: Handler) -> Route {
    route("PUT", path, handler)
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

    /// Exists in multi mode with open registration only (D3).
    pub const fn multi(mut self) -> Route {
        self.multi = true;
        self
    }

    /// Under which prefixes it exists.
    pub const fn prefix(mut self, prefix: Prefix) -> Route {
        self.prefix = prefix;
        self
    }
}
