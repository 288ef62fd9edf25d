//! The way of a request, in the order of checks of 01 §5: from a received request to a signed response.

use super::app::{App, Entry, Keys, find_account};
use super::context::Ctx;
use super::rate_limits::Attempt;
use super::respond::Head;
use super::route::{Auth, Bare, Content, OpenWork, Opened, Outcome, Reply};
use crate::auth::{
    Authenticated, Bearer, Credential, Login, Subject, authenticate, environment_invalid, parse_credential,
    still_stands,
};
use crate::config::Mode;
use crate::crypto::http_signature as signatures;
use crate::http::error::{ApiError, Result};
use crate::http::listener::Service;
use crate::http::negotiate::{self, Accepts, BodyKind, ResponseType};
use crate::http::query::{Query, QueryValue};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::router::NoMatch;
use crate::json::{self, Json};
use crate::model::{Account, Column as _, Environment, SecondFactor, Time, Token, User};
use crate::store::Db;
use crate::versions::Version;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// A request after stages 1–3: syntax is fine and the route is known.
struct Routed {
    entry: Arc<Entry>,
    params: Vec<(&'static str, String)>,
    query: Query,
    body: Option<Json>,
    response_type: ResponseType,
}

/// How far the synchronous part came.
enum Progress {
    Done(Reply),
    Continue(Box<Ctx>, Outcome),
    Password(Box<Pending>),
    /// Slow work of a route without account.
    Open(OpenWork),
}

/// A request that waits for its password to be checked.
struct Pending {
    login: Login,
    routed: Routed,
    account: Account,
    keys: Arc<Keys>,
    environment: Option<Environment>,
    version: Version,
    now: Time,
}

impl Service for App {
    async fn call(self: Arc<Self>, request: Request) -> Response {
        if let Some(response) = Response::preflight(&request, self.mode()) {
            return response;
        }
        let request = Arc::new(request);
        let mut head = Head::default();
        let begun = guarded(|| self.store.read(|db| self.begin(db, &request, &mut head)));
        let result = match begun {
            Ok(Progress::Done(reply)) if reply.then.is_none() => Ok(reply),
            Err(error) => Err(error),
            Ok(progress) => {
                // In a task of its own: a caller that goes away must not cut short what it has set going, or give back its
                // turn at slow work while the work goes on.
                let (app, asked) = (self.clone(), request.clone());
                let task = tokio::spawn(async move {
                    let result = app.go_on(&asked, &mut head, progress).await;
                    app.learn(&head, &result);
                    (head, result)
                });
                let (head, result) =
                    task.await.unwrap_or_else(|error| (Head::default(), Err(ApiError::internal(error))));
                return self.finish(&request, head, result);
            }
        };
        self.learn(&head, &result);
        self.finish(&request, head, result)
    }

    async fn refuse(self: Arc<Self>, request: Request, error: ApiError) -> Response {
        let request = Arc::new(request);
        let mut head = Head::default();
        let _ = self.store.read(|db| self.choose_signer(db, &request, &mut head));
        self.finish(&request, head, Err(error))
    }

    fn trusts(&self, peer: std::net::IpAddr) -> bool {
        self.config.server.trusts_proxy(peer)
    }
}

/// Runs synchronous work; a panic becomes a 500 and the server goes on.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ApiError::internal("a handler panicked")))
}

/// How long a request waits for its turn at slow cryptography before it is told that the server is busy.
const PATIENCE: Duration = Duration::from_secs(10);

async fn turn(turns: &Semaphore) -> Result<SemaphorePermit<'_>> {
    match tokio::time::timeout(PATIENCE, turns.acquire()).await {
        Ok(permit) => permit.map_err(ApiError::internal),
        Err(_) => Err(ApiError::unavailable()),
    }
}

impl App {
    fn learn(&self, head: &Head, result: &Result<Reply>) {
        if let Some(guess) = &head.guess {
            self.limits.learn(guess, result, Time::now().seconds());
        }
    }

    /// What `begin` has left to do.
    async fn go_on(self: &Arc<Self>, request: &Arc<Request>, head: &mut Head, mut progress: Progress) -> Result<Reply> {
        if let Progress::Password(pending) = progress {
            let Pending { login, routed, account, keys, environment, version, now } = *pending;
            let _permit = turn(&self.logins).await?;
            self.limits.still_admits(head.guess.as_ref(), Time::now().seconds(), &mut head.rate)?;
            let app = self.clone();
            let otp = routed.body.as_ref().and_then(|body| body.at(&["meta", "otp"])).and_then(code_text);
            let verified = tokio::task::spawn_blocking(move || app.verify(login, otp.as_deref(), now))
                .await
                .map_err(ApiError::internal)?;
            let subject = Subject { bearer: verified?, token: None, environment };
            let cx = self.context(request, routed, account, keys, subject, version, now);
            progress = guarded(|| self.store.read(|db| handle(db, head, cx)))?;
        }
        loop {
            match progress {
                Progress::Done(mut reply) => {
                    if let Some(then) = reply.then.take() {
                        then(self);
                    }
                    return Ok(reply);
                }
                Progress::Open(work) => {
                    let _permit = turn(&self.guests).await?;
                    let app = self.clone();
                    let reply = tokio::task::spawn_blocking(move || work(&app)).await.map_err(ApiError::internal)??;
                    progress = Progress::Done(reply);
                }
                Progress::Continue(cx, outcome) => progress = self.step(cx, outcome).await?,
                // Only `begin` gives this.
                Progress::Password(_) => return Err(ApiError::internal("a password check in the wrong place")),
            }
        }
    }

    /// Checks a login, on the blocking pool. A code is marked as used by a write of its own: what follows may still fail.
    fn verify(self: Arc<Self>, login: Login, otp: Option<&str>, now: Time) -> Result<Bearer> {
        let app = self.clone();
        let accept = move |factor: SecondFactor, code: String| {
            let store = app.store.clone();
            store.write_blocking(move |db| super::second_factors::accept(&app, db, &factor, &code, now))
        };
        let rehash = |user: &User, digest: String| {
            let args = [digest.to_val(), user.id.to_val(), user.password_digest.to_val()];
            self.store.defer(move |db| {
                db.execute("UPDATE users SET password_digest = ? WHERE id = ? AND password_digest = ?", &args).map(drop)
            });
        };
        login.verify(otp, accept, rehash)
    }

    async fn step(&self, cx: Box<Ctx>, outcome: Outcome) -> Result<Progress> {
        match outcome {
            Outcome::Reply(reply) => Ok(Progress::Done(reply)),
            Outcome::Write(work) => {
                let write = move |db: &Db<'_>| {
                    // The bearer was read before the request's turn came.
                    still_stands(db, &cx.subject)?;
                    work(&cx, db)
                };
                match self.store.write(write).await? {
                    Reply { content: Content::Failure(error), .. } => Err(*error),
                    reply => Ok(Progress::Done(reply)),
                }
            }
            Outcome::Blocking(work) => {
                let anonymous = matches!(cx.subject.bearer, Bearer::Anonymous);
                let _permit = turn(if anonymous { &self.guests } else { &self.slow }).await?;
                tokio::task::spawn_blocking(move || {
                    let outcome = work(&cx)?;
                    Ok(Progress::Continue(cx, outcome))
                })
                .await
                .map_err(ApiError::internal)?
            }
        }
    }

    /// Stages 0 to 8, and the handler.
    fn begin(self: &Arc<Self>, db: &Db<'_>, request: &Arc<Request>, head: &mut Head) -> Result<Progress> {
        self.limit(db, request, head)?;
        let routed = match self.route(request) {
            Ok(routed) => routed,
            Err(error) => {
                self.choose_signer(db, request, head)?;
                return Err(error);
            }
        };
        let route = routed.entry.route;
        head.route = Some((route.method, route.path));
        head.response_type = Some(routed.response_type);
        if let Some(open) = route.open {
            self.choose_signer(db, request, head)?;
            let version = match version_named(request) {
                Ok(named) => named.unwrap_or(Version::CURRENT),
                // Probes answer whatever is asked of them (01 §20).
                Err(_) if route.method == "GET" => Version::CURRENT,
                Err(error) => return Err(error),
            };
            head.version = Some(version);
            if routed.body.as_ref().is_some_and(Json::has_null_character) {
                return Err(ApiError::null_byte());
            }
            let attempt = Attempt {
                client: request.client,
                account: Uuid::nil(),
                limiter: route.limit,
                credential: &Credential::None,
                params: &routed.params,
                body: routed.body.as_ref(),
            };
            self.limits.admit(&attempt, Time::now().seconds(), &mut head.rate)?;
            return Ok(match open(self, db, Bare { body: routed.body, version })? {
                Opened::Reply(reply) => Progress::Done(reply),
                Opened::Blocking(work) => Progress::Open(work),
            });
        }
        // 4: the version, as far as the request names one
        let named = match version_named(request) {
            Ok(named) => named,
            Err(error) => {
                self.choose_signer(db, request, head)?;
                return Err(error);
            }
        };
        head.version = Some(named.unwrap_or(Version::CURRENT));
        // 5: the account
        let in_path = routed.params.iter().find(|(name, _)| *name == "account").map(|(_, value)| value.as_str());
        let account = self.resolve_account(db, in_path, request, head)?;
        let keys = self.keys(db, account.id).map_err(ApiError::internal)?;
        head.account = Some(account.id);
        head.signer = Some((account.id, keys.clone()));
        // 0, as far as it needs the account
        let now = Time::now();
        let credential = credential(request, Some(&routed.query), route.auth);
        let attempt = Attempt {
            client: request.client,
            account: account.id,
            limiter: route.limit,
            credential: &credential,
            params: &routed.params,
            body: routed.body.as_ref(),
        };
        head.guess = self.limits.admit(&attempt, now.seconds(), &mut head.rate)?;
        let version = named.or_else(|| Version::parse(&account.api_version)).unwrap_or(Version::CURRENT);
        head.version = Some(version);
        let wanted = request.headers.get("keygen-accept-signature");
        let wanted = wanted.map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or("no text").trim());
        let wanted = signatures::parse_accept_signature(wanted, &account.id);
        if let Ok(signature) = &wanted {
            head.signature = signature.clone();
        }
        // 6: the environment
        let environment = resolve_environment(db, &account, request, &routed.query)?;
        head.environment = environment.as_ref().map(|e| e.code.clone());
        // 7: the signature that is asked for; its refusal is signed with ed25519 (D24)
        if let Err(error) = wanted {
            return Err(ApiError::bad_request(error.detail()));
        }
        // 8: authentication
        let required = matches!(route.auth, Auth::Required | Auth::Login);
        let known = authenticate(db, &account, environment.as_ref(), &keys.secret_key, now, credential, required)?;
        let (bearer, token): (Bearer, Option<Token>) = match known {
            Authenticated::Bearer(bearer, token) => (bearer, token.map(|token| *token)),
            Authenticated::Login(login) => {
                let pending = Pending { login, routed, account, keys, environment, version, now };
                return Ok(Progress::Password(Box::new(pending)));
            }
        };
        let subject = Subject { bearer, token, environment };
        handle(db, head, self.context(request, routed, account, keys, subject, version, now))
    }

    /// Stage 0: the general rate limiters (01 §18). They count what has no route or no account too, but no probes (01 §20).
    fn limit(&self, db: &Db<'_>, request: &Request, head: &mut Head) -> Result<()> {
        if !self.limits.has_general(request.client) {
            return Ok(());
        }
        let credential = match self.router.find(&request.method, request.path()) {
            Ok(found) => {
                let route = found.value.route;
                if route.open.is_some() && route.method == "GET" {
                    return Ok(());
                }
                credential(request, Query::parse(request.query()).ok().as_ref(), route.auth)
            }
            Err(_) => Credential::None,
        };
        let account = self.account_named(db, request)?.map(|account| account.id);
        self.limits.general(request.client, account, &credential, Time::now().seconds(), &mut head.rate)
    }

    #[allow(clippy::too_many_arguments)]
    fn context(
        self: &Arc<Self>,
        request: &Arc<Request>,
        routed: Routed,
        account: Account,
        keys: Arc<Keys>,
        subject: Subject,
        version: Version,
        now: Time,
    ) -> Box<Ctx> {
        Box::new(Ctx {
            app: self.clone(),
            request: request.clone(),
            entry: routed.entry,
            params: routed.params,
            query: routed.query,
            body: routed.body,
            response_type: routed.response_type,
            version,
            account,
            keys,
            subject,
            now,
        })
    }

    /// Stages 1 to 3: query, route, negotiation, body.
    fn route(&self, request: &Request) -> Result<Routed> {
        let query = Query::parse(request.query()).map_err(|_| ApiError::parameters_invalid())?;
        if !is_method(&request.method) {
            return Err(ApiError::method_invalid());
        }
        let found = self.router.find(&request.method, request.path()).map_err(|no| match no {
            NoMatch::Unknown => ApiError::unknown_route(),
            NoMatch::BadSuffix => ApiError::mime_type_invalid(),
            NoMatch::BadEscape => ApiError::uri_invalid(),
            NoMatch::BadEncoding => ApiError { with_meta: false, ..ApiError::encoding_invalid() },
        })?;
        let route = found.value.route;
        let content_type = header_text(request, "content-type")?;
        let accept = accept_text(request)?;
        let body_kind = match negotiate::body_kind(&request.method, content_type) {
            Ok(kind) => kind,
            Err(_) if route.accepts == Accepts::Anything => BodyKind::Ignored,
            Err(_) => return Err(ApiError::mime_type_invalid()),
        };
        let response_type = negotiate::response_type(
            route.accepts,
            &request.method,
            accept.as_deref(),
            content_type,
            found.json_suffix,
        )
        .map_err(|_| ApiError::mime_type_invalid())?;
        let body = match body_kind {
            BodyKind::Json if !request.body.is_empty() => {
                let value = json::parse(&request.body).map_err(|_| ApiError::json_invalid())?;
                let value = match value {
                    Json::Obj(_) => value,
                    other => Json::obj([("data", other)]),
                };
                Some(value)
            }
            _ => None,
        };
        Ok(Routed { entry: found.value.clone(), params: found.params, query, body, response_type })
    }

    /// 01 §2.2
    fn resolve_account(
        &self,
        db: &Db<'_>,
        in_path: Option<&str>,
        request: &Request,
        head: &mut Head,
    ) -> Result<Account> {
        let default = self.default_account(db)?;
        let single = self.config.accounts.mode == Mode::Single;
        let refuse = |head: &mut Head, error: ApiError| {
            self.choose_signer(db, request, head)?;
            Err(error)
        };
        let Some(name) = in_path else {
            return match default {
                Some(account) => Ok(account),
                None => refuse(head, ApiError::not_found("account is required")),
            };
        };
        if let Some(account) = &default
            && (account.slug == name || crate::model::coerce::uuid_from_text(name) == Some(account.id))
        {
            return Ok(account.clone());
        }
        match (find_account(db, name)?, default) {
            (None, _) => refuse(head, ApiError::no_such("account", name)),
            (Some(_), Some(expected)) if single => {
                let detail = format!("account is invalid (expected {})", expected.id);
                refuse(head, ApiError::not_found(detail))
            }
            (Some(account), _) => Ok(account),
        }
    }

    /// The account of a request before its path is understood.
    fn account_named(&self, db: &Db<'_>, request: &Request) -> Result<Option<Account>> {
        Ok(match self.config.accounts.mode {
            Mode::Single => self.default_account(db)?,
            Mode::Multi => {
                let mut segments = request.path().split('/').filter(|s| !s.is_empty());
                match (segments.next(), segments.next(), segments.next()) {
                    (Some("v1"), Some("accounts"), Some(name)) => {
                        let name = crate::http::query::percent_decode(name, false).unwrap_or_default();
                        find_account(db, &name)?
                    }
                    _ => self.default_account(db)?,
                }
            }
        })
    }

    /// Who signs a response that is made before the account is resolved (D2, 02 §3.4).
    fn choose_signer(&self, db: &Db<'_>, request: &Request, head: &mut Head) -> Result<()> {
        if let Some(account) = self.account_named(db, request)? {
            let keys = self.keys(db, account.id).map_err(ApiError::internal)?;
            head.signer = Some((account.id, keys));
            if let Ok(signature) =
                signatures::parse_accept_signature(request.header("keygen-accept-signature"), &account.id)
            {
                head.signature = signature;
            }
        }
        Ok(())
    }
}

fn handle(db: &Db<'_>, head: &mut Head, cx: Box<Ctx>) -> Result<Progress> {
    head.of(&cx);
    if cx.body.as_ref().is_some_and(Json::has_null_character) {
        return Err(ApiError::null_byte());
    }
    if cx.params.iter().any(|(_, value)| value.contains('\0')) {
        return Err(ApiError::null_byte());
    }
    match (cx.entry.route.handler)(&cx, db)? {
        Outcome::Reply(reply) => Ok(Progress::Done(reply)),
        outcome => Ok(Progress::Continue(cx, outcome)),
    }
}

/// A one-time code before the body is checked: a number counts by its digits, any other type is a wrong code (02 §12).
fn code_text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::Str(text) => Some(text.to_string()),
        Json::Int(number) => Some(number.to_string()),
        _ => Some(String::new()),
    }
}

/// What the request offers as proof of who it is; nothing where credentials are not read.
fn credential(request: &Request, query: Option<&Query>, auth: Auth) -> Credential {
    let query = |name| query.and_then(|query| query.str(name));
    match auth {
        Auth::None => Credential::None,
        auth => parse_credential(
            request.headers.get("authorization").map(|value| value.as_bytes()),
            query("token"),
            query("auth"),
            auth == Auth::Login,
        ),
    }
}

/// 01 §14.1
fn resolve_environment(
    db: &Db<'_>,
    account: &Account,
    request: &Request,
    query: &Query,
) -> Result<Option<Environment>> {
    let name = match request.headers.get("keygen-environment") {
        Some(value) => std::str::from_utf8(value.as_bytes()).unwrap_or("").to_owned(),
        None => match query.get("environment") {
            None => return Ok(None),
            Some(QueryValue::Scalar(text)) => text.clone(),
            Some(_) => String::new(),
        },
    };
    let found = if name.trim().is_empty() { None } else { super::environments::find(db, account.id, &name)? };
    match found {
        Some(environment) => Ok(Some(environment)),
        None => Err(environment_invalid()),
    }
}

/// The version that the request names (01 §13).
fn version_named(request: &Request) -> Result<Option<Version>> {
    let Some(value) = request.headers.get("keygen-version") else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).unwrap_or("");
    let unsupported = || ApiError::bad_request("unsupported API version requested").code("INVALID_API_VERSION");
    Version::named(text).map(Some).ok_or_else(|| unsupported().about("/versioning/"))
}

/// A header as text; a value that is not UTF-8 is no media type.
fn header_text<'r>(request: &'r Request, name: &str) -> Result<Option<&'r str>> {
    match request.headers.get(name) {
        None => Ok(None),
        Some(value) => std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| ApiError::mime_type_invalid()),
    }
}

/// `Accept`; several lines are one list (RFC 9110 §5.3).
fn accept_text(request: &Request) -> Result<Option<Cow<'_, str>>> {
    if request.headers.get_all("accept").iter().count() < 2 {
        return Ok(header_text(request, "accept")?.map(Cow::Borrowed));
    }
    let lines: std::result::Result<Vec<&str>, _> =
        request.headers.get_all("accept").iter().map(|value| std::str::from_utf8(value.as_bytes())).collect();
    lines.map(|lines| Some(Cow::Owned(lines.join(", ")))).map_err(|_| ApiError::mime_type_invalid())
}

/// HTTP verbs (RFC 9110 and its extensions); other names are 400 (01 §2.4).
fn is_method(name: &str) -> bool {
    const VERBS: &[&str] = &[
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "VERSION-CONTROL",
        "REPORT",
        "CHECKOUT",
        "CHECKIN",
        "UNCHECKOUT",
        "MKWORKSPACE",
        "UPDATE",
        "LABEL",
        "MERGE",
        "BASELINE-CONTROL",
        "MKACTIVITY",
        "ORDERPATCH",
        "ACL",
        "SEARCH",
        "MKCALENDAR",
    ];
    VERBS.contains(&name)
}
