//! Rate limits (01 §18, D13): whom a request counts for, against which limiter, and when it is refused.
//!
//! - The general limiters count everything, before anything else is looked at.
//! - The credential limiters count what could be a guess at a password, a code or a reset token; they stand in the way once
//!   account and route are known, and before a credential is looked at.
//! - `registrations` counts what strangers make: users of an account, and accounts.
//! - `failures` counts what was a wrong guess at a token, a key, a password or a code. An address with too many of them may
//!   not guess on until the minute is over.
//!
//! Counters live in memory: a restart forgets them.

use super::route::{Content, Reply, Route};
use crate::auth::Credential;
use crate::config::RateLimitsConfig;
use crate::crypto::token::TokenKind;
use crate::http::error::{ApiError, Result};
use crate::http::throttle::{Standing, Window, network};
use crate::json::Json;
use crate::model::{coerce, email};
use std::hash::Hash;
use std::net::IpAddr;
use uuid::Uuid;

/// What a route is limited by, beside the general limiters (01 §18). Password logins are known by their credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// `rstpwd`: by address and the body's `meta.email`.
    ResetPassword,
    /// `mutpwd`: by address and the path's user.
    MutatePassword,
    /// `mutmfa`: by address and the path's user.
    SecondFactor,
    /// `registrations`: by address, of requests without a credential.
    Registration,
    /// The body has a license key: `NOT_FOUND` counts as a wrong credential.
    LicenseKey,
}

/// All limiters and their counters.
pub struct RateLimits {
    exempt_loopback: bool,
    /// Anonymous, users, licenses: `30s` and `5m`.
    client: [Window; 2],
    /// Staff, products, environments.
    server: [Window; 2],
    auth: Window,
    reset_password: Window,
    mutate_password: Window,
    second_factor: Window,
    registrations: Window,
    failures: Window,
}

/// A request before its credential is looked at.
pub struct Attempt<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The account.
    pub account: Uuid,
    /// The route's limiter.
    pub limiter: Option<Limiter>,
    /// What is offered as a credential.
    pub credential: &'a Credential,
    /// Path parameters.
    pub params: &'a [(&'static str, String)],
    /// The body.
    pub body: Option<&'a Json>,
}

/// For whom a wrong guess of this request counts.
#[derive(Clone, Copy)]
pub struct Guess {
    client: IpAddr,
    account: Uuid,
    /// A key that does not exist is one. Not so of callers that may list all keys: a shop asks about what its customers type.
    by_key: bool,
}

impl RateLimits {
    /// All counters at zero.
    pub fn new(settings: &RateLimitsConfig) -> RateLimits {
        let general = |short, long| [Window::new("30s", 30, short), Window::new("5m", 300, long)];
        RateLimits {
            exempt_loopback: settings.exempt_loopback,
            client: general(settings.client_30s, settings.client_5m),
            server: general(settings.server_30s, settings.server_5m),
            auth: Window::new("auth", 60, settings.auth),
            reset_password: Window::new("rstpwd", 3600, settings.reset_password),
            mutate_password: Window::new("mutpwd", 600, settings.mutate_password),
            second_factor: Window::new("mutmfa", 600, settings.second_factor),
            registrations: Window::new("registrations", 60, settings.registrations),
            failures: Window::new("failures", 60, settings.failures),
        }
    }

    fn exempts(&self, client: IpAddr) -> bool {
        self.exempt_loopback && client.to_canonical().is_loopback()
    }

    /// A general limiter may apply to this client.
    pub fn has_general(&self, client: IpAddr) -> bool {
        self.client.iter().chain(&self.server).any(Window::is_on) && !self.exempts(client)
    }

    /// Counts a request against the general limiters. `rate` gets what the response's headers say; the error is 429.
    pub fn general(
        &self,
        client: IpAddr,
        account: Option<Uuid>,
        credential: &Credential,
        now: i64,
        rate: &mut Option<Standing>,
    ) -> Result<()> {
        let windows = if is_server_side(credential) { &self.server } else { &self.client };
        let (kind, text) = match credential {
            Credential::Token(token) => (1, token.as_str()),
            Credential::LicenseKey(key) => (2, key.as_str()),
            Credential::Password { email, .. } => (3, email.as_str()),
            Credential::None | Credential::Blank | Credential::BadEncoding => (0, ""),
        };
        let key = (network(client), account, kind, text);
        let standings = windows.iter().filter_map(|window| counted(window, key, client, now));
        *rate = standings.reduce(Standing::fuller);
        refused(rate.is_some_and(|standing| standing.over()))
    }

    /// Counts an attempt against the limiters of credentials. `rate` gets what the headers of a refusal say; the error is 429.
    pub fn admit(&self, attempt: &Attempt<'_>, now: i64, rate: &mut Option<Standing>) -> Result<Option<Guess>> {
        if self.exempts(attempt.client) {
            return Ok(None);
        }
        let key = attempt.limiter == Some(Limiter::LicenseKey);
        let guess = (key || *attempt.credential != Credential::None).then(|| Guess {
            client: attempt.client,
            account: attempt.account,
            by_key: key && !is_server_side(attempt.credential),
        });
        self.still_admits(guess.as_ref(), now, rate)?;
        let (window, about) = match (attempt.credential, attempt.limiter) {
            (Credential::Password { email, .. }, _) => (&self.auth, Some(email::normalize(email))),
            (_, Some(Limiter::ResetPassword)) => (&self.reset_password, attempt.email()),
            (_, Some(Limiter::MutatePassword)) => (&self.mutate_password, Some(attempt.user())),
            (_, Some(Limiter::SecondFactor)) => (&self.second_factor, Some(attempt.user())),
            (Credential::None | Credential::Blank, Some(Limiter::Registration)) => {
                (&self.registrations, Some(String::new()))
            }
            (_, Some(Limiter::LicenseKey | Limiter::Registration) | None) => return Ok(guess),
        };
        let Some(about) = about else { return Ok(guess) };
        let key = (network(attempt.client), attempt.account, about);
        if let Some(standing) = counted(window, key, attempt.client, now).filter(Standing::over) {
            *rate = Some(standing);
            return refused(true).map(|()| None);
        }
        Ok(guess)
    }

    /// 429 while too many guesses of this address at this account were wrong. Asked again where a guess had to wait: others
    /// may have been wrong meanwhile.
    pub fn still_admits(&self, guess: Option<&Guess>, now: i64, rate: &mut Option<Standing>) -> Result<()> {
        let standing = guess.and_then(|guess| self.failures.look(guess.key(), now)).filter(Standing::spent);
        if standing.is_some() {
            *rate = standing;
        }
        refused(standing.is_some())
    }

    /// Counts the guess if its answer says that it was wrong.
    pub fn learn(&self, guess: &Guess, answer: &Result<Reply>, now: i64) {
        if is_wrong(answer, guess.by_key)
            && let Some(standing) = self.failures.hit(guess.key(), now)
            && standing.count == standing.limit
        {
            report(&standing, guess.client);
        }
    }
}

impl Attempt<'_> {
    /// The e-mail that a reset is asked for; without one nothing happens but a 400.
    fn email(&self) -> Option<String> {
        self.body?.at(&["meta", "email"])?.as_str().map(email::normalize)
    }

    /// The user as the path names it. Ids can be written in thousands of ways (D6), each of which would have its own counter.
    fn user(&self) -> String {
        let id = self.params.iter().find(|(name, _)| *name == "id").map_or("", |(_, id)| id.as_str());
        coerce::uuid_from_text(id).map_or_else(|| email::normalize(id), |id| id.to_string())
    }
}

impl Guess {
    fn key(&self) -> impl Hash {
        (network(self.client), self.account)
    }
}

impl Route {
    /// What the route is limited by (01 §18).
    pub const fn limit(mut self, limiter: Limiter) -> Route {
        self.limit = Some(limiter);
        self
    }
}

/// A token of staff, a product or an environment. Its prefix tells, without a lookup (02 §10); a made-up one is a wrong
/// credential, and `failures` sees to that.
fn is_server_side(credential: &Credential) -> bool {
    let Credential::Token(token) = credential else { return false };
    let prefix = token.split_once('-').map(|(prefix, _)| prefix);
    let kind = TokenKind::ALL.iter().find(|kind| Some(kind.prefix()) == prefix);
    !matches!(kind, None | Some(TokenKind::User | TokenKind::Activation))
}

fn counted(window: &Window, key: impl Hash, client: IpAddr, now: i64) -> Option<Standing> {
    let standing = window.hit(key, now)?;
    // The first refusal of a window is worth a line, the others are not.
    if standing.over() && standing.count - 1 == standing.limit {
        report(&standing, client);
    }
    Some(standing)
}

fn report(standing: &Standing, client: IpAddr) {
    tracing::warn!(limiter = standing.window, %client, seconds = standing.wait, "a rate limit was reached");
}

fn refused(refused: bool) -> Result<()> {
    if refused { Err(ApiError::too_many_requests()) } else { Ok(()) }
}

/// The answer says that a credential does not exist or does not match. One that is expired, suspended or not allowed exists;
/// one that is missing was no guess.
fn is_wrong(answer: &Result<Reply>, by_key: bool) -> bool {
    const CODES: &[&str] =
        &["TOKEN_INVALID", "LICENSE_INVALID", "SESSION_INVALID", "EMAIL_INVALID", "PASSWORD_INVALID", "OTP_INVALID"];
    match answer {
        Err(error) => {
            let code = error.errors.first().and_then(|error| error.code.as_deref());
            error.status == 401 && code.is_some_and(|code| CODES.contains(&code))
        }
        Ok(Reply { content: Content::Document(document), .. }) if by_key => {
            document.at(&["meta", "code"]).and_then(Json::as_str) == Some("NOT_FOUND")
        }
        Ok(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// 2026-01-01T00:00:00Z, where every window starts anew.
    const START: i64 = 1_767_225_600;
    const ACCOUNT: Uuid = Uuid::from_u128(1);
    const USER: &str = "0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42";

    fn limits(set: fn(&mut RateLimitsConfig)) -> RateLimits {
        let mut settings = Config::default().rate_limits;
        set(&mut settings);
        RateLimits::new(&settings)
    }

    fn login(email: &str) -> Credential {
        Credential::Password { email: email.to_owned(), password: "p".to_owned() }
    }

    fn token(text: &str) -> Credential {
        Credential::Token(text.to_owned())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// `window count/limit wait` of a refusal, or `-`.
    fn verdict(result: Result<impl Sized>, rate: Option<Standing>) -> String {
        match (result, rate) {
            (Ok(_), None) => "-".to_owned(),
            (Err(error), Some(rate)) if error.status == 429 => {
                format!("{} {}/{} {}", rate.window, rate.count, rate.limit, rate.wait)
            }
            (result, rate) => panic!("{:?} with {rate:?}", result.map(|_| ()).err()),
        }
    }

    /// A request that has a credential, a path with a user, or a body with an e-mail, going by its limiter.
    fn attempt(limits: &RateLimits, client: &str, limiter: Option<Limiter>, about: &str, now: i64) -> String {
        let credential = if limiter.is_none() { login(about) } else { Credential::None };
        let body = Json::obj([("meta", Json::obj([("email", Json::str(about.to_owned()))]))]);
        let attempt = Attempt {
            client: ip(client),
            account: ACCOUNT,
            limiter,
            credential: &credential,
            params: &[("account", "acme".to_owned()), ("id", about.to_owned())],
            body: Some(&body),
        };
        let mut rate = None;
        verdict(limits.admit(&attempt, START + now, &mut rate), rate)
    }

    // 01 §18
    #[test]
    fn credential_limiters() {
        use Limiter::*;
        let upper = USER.to_uppercase();
        let bare = USER.replace('-', "");
        // limiter, the same subject in several spellings, another subject; window, period
        type Case<'a> = (Option<Limiter>, [&'a str; 5], &'a str, &'a str, i64);
        let emails = ["a@b.cd", "A@b.cd", "a@B.CD", " a@b.cd", "a@b.cd "];
        let ids = [USER, &upper, &bare, USER, USER];
        let cases: &[Case<'_>] = &[
            (None, emails, "b@b.cd", "auth", 60),
            (Some(ResetPassword), emails, "b@b.cd", "rstpwd", 3600),
            (Some(MutatePassword), emails, USER, "mutpwd", 600),
            (Some(MutatePassword), ids, "a@b.cd", "mutpwd", 600),
            (Some(SecondFactor), ids, "a@b.cd", "mutmfa", 600),
        ];
        for (limiter, same, other, window, period) in cases {
            let limits = limits(|_| ());
            let ask = |client, about, now| attempt(&limits, client, *limiter, about, now);
            for about in same {
                assert_eq!(ask("192.0.2.1", about, 1), "-", "{window} {about}");
            }
            assert_eq!(ask("192.0.2.1", same[0], 2), format!("{window} 6/5 {}", period - 2));
            assert_eq!(ask("192.0.2.1", same[1], period - 1), format!("{window} 7/5 1"), "refusals count too");
            assert_eq!(ask("192.0.2.1", other, 2), "-", "another subject");
            assert_eq!(ask("192.0.2.2", same[0], 2), "-", "another address");
            assert_eq!(ask("127.0.0.1", same[0], 2), "-", "this machine");
            assert_eq!(ask("192.0.2.1", same[0], *period), "-", "the next window");
        }
    }

    // 01 §18, D13
    #[test]
    fn limiters_that_are_off_or_do_not_apply() {
        let limited = |set: fn(&mut RateLimitsConfig), client, limiter| {
            let limits = limits(set);
            (0..100).map(|_| attempt(&limits, client, limiter, "a@b.cd", 0)).any(|verdict| verdict != "-")
        };
        for (set, client, limiter, expected) in [
            ((|_| ()) as fn(&mut RateLimitsConfig), "192.0.2.1", None, true),
            (|s| s.auth = 0, "192.0.2.1", None, false),
            (|s| s.reset_password = 0, "192.0.2.1", Some(Limiter::ResetPassword), false),
            (|s| s.mutate_password = 0, "192.0.2.1", Some(Limiter::MutatePassword), false),
            (|s| s.second_factor = 0, "192.0.2.1", Some(Limiter::SecondFactor), false),
            (|_| (), "192.0.2.1", Some(Limiter::Registration), true),
            (|s| s.registrations = 0, "192.0.2.1", Some(Limiter::Registration), false),
            (|_| (), "127.0.0.1", Some(Limiter::Registration), false),
            (|_| (), "192.0.2.1", Some(Limiter::LicenseKey), false),
            (|_| (), "127.8.9.1", None, false),
            (|_| (), "::1", None, false),
            (|_| (), "::ffff:127.0.0.1", None, false),
            (|s| s.exempt_loopback = false, "::1", None, true),
        ] {
            assert_eq!(limited(set, client, limiter), expected, "{client} {limiter:?}");
        }
        let limits = limits(|_| ());
        let nothing = Attempt {
            client: ip("192.0.2.1"),
            account: ACCOUNT,
            limiter: Some(Limiter::ResetPassword),
            credential: &Credential::None,
            params: &[],
            body: None,
        };
        assert!((0..9).all(|_| limits.admit(&nothing, START, &mut None).is_ok()), "without an e-mail");
    }

    /// Strangers' users and accounts are counted, whatever they are called; not those of somebody who says who he is.
    #[test]
    fn registrations() {
        let limits = limits(|s| s.registrations = 2);
        let other = Uuid::nil();
        let refused = |count, wait| format!("registrations {count}/2 {wait}");
        for (n, (client, account, credential, now, expected)) in [
            ("192.0.2.1", ACCOUNT, Credential::None, 0, "-".to_owned()),
            ("192.0.2.1", ACCOUNT, token("prod-1v3"), 1, "-".to_owned()),
            ("192.0.2.1", ACCOUNT, Credential::LicenseKey("K".into()), 1, "-".to_owned()),
            ("192.0.2.1", ACCOUNT, login("a@b.cd"), 1, "-".to_owned()),
            ("192.0.2.1", ACCOUNT, Credential::Blank, 2, "-".to_owned()),
            ("192.0.2.1", ACCOUNT, Credential::None, 3, refused(3, 57)),
            ("192.0.2.1", ACCOUNT, token("prod-1v3"), 3, "-".to_owned()),
            ("192.0.2.1", other, Credential::None, 3, "-".to_owned()),
            ("192.0.2.2", ACCOUNT, Credential::None, 3, "-".to_owned()),
            ("127.0.0.1", ACCOUNT, Credential::None, 3, "-".to_owned()),
            ("192.0.2.1", ACCOUNT, Credential::None, 59, refused(4, 1)),
            ("192.0.2.1", ACCOUNT, Credential::None, 60, "-".to_owned()),
        ]
        .into_iter()
        .enumerate()
        {
            let limiter = Some(Limiter::Registration);
            let attempt =
                Attempt { client: ip(client), account, limiter, credential: &credential, params: &[], body: None };
            let mut rate = None;
            assert_eq!(verdict(limits.admit(&attempt, START + now, &mut rate), rate), expected, "step {n}");
        }
    }

    // 01 §18
    #[test]
    fn general_limiters() {
        let limits = limits(|s| {
            (s.client_30s, s.client_5m, s.server_30s) = (2, 3, 4);
        });
        let (anonymous, key) = (Credential::None, Credential::LicenseKey("K".into()));
        let client = "192.0.2.1";
        let steps: &[(&str, Credential, Option<Uuid>, i64, &str)] = &[
            (client, anonymous.clone(), Some(ACCOUNT), 0, "30s 1/2"),
            (client, anonymous.clone(), Some(ACCOUNT), 1, "30s 2/2"),
            (client, anonymous.clone(), Some(ACCOUNT), 2, "30s 3/2 refused 28"),
            (client, Credential::Blank, Some(ACCOUNT), 29, "5m 4/3 refused 271"),
            (client, anonymous.clone(), Some(ACCOUNT), 30, "5m 5/3 refused 270"),
            (client, anonymous.clone(), Some(ACCOUNT), 300, "30s 1/2"),
            (client, anonymous.clone(), None, 300, "30s 1/2"),
            ("192.0.2.2", anonymous.clone(), Some(ACCOUNT), 300, "30s 1/2"),
            (client, key.clone(), Some(ACCOUNT), 300, "30s 1/2"),
            (client, token("K"), Some(ACCOUNT), 300, "30s 1/2"),
            (client, token("user-1v3"), Some(ACCOUNT), 300, "30s 1/2"),
            (client, token("activ-1v3"), Some(ACCOUNT), 300, "30s 1/2"),
            (client, token("user-1v3"), Some(ACCOUNT), 300, "30s 2/2"),
            (client, token("prod-1v3"), Some(ACCOUNT), 300, "30s 1/4"),
            (client, token("env-1v3"), Some(ACCOUNT), 300, "30s 1/4"),
            (client, token("read-1v3"), Some(ACCOUNT), 300, "30s 1/4"),
            (client, token("admin-1v3"), Some(ACCOUNT), 300, "30s 1/4"),
            (client, token("admin-1v3"), Some(ACCOUNT), 301, "30s 2/4"),
            (client, login("a@b.cd"), Some(ACCOUNT), 300, "30s 1/2"),
        ];
        for (n, (client, credential, account, now, expected)) in steps.iter().enumerate() {
            let mut rate = None;
            let refused = limits.general(ip(client), *account, credential, START + now, &mut rate).is_err();
            let rate = rate.unwrap();
            let refusal = if refused { format!(" refused {}", rate.wait) } else { String::new() };
            assert_eq!(format!("{} {}/{}{refusal}", rate.window, rate.count, rate.limit), *expected, "step {n}");
        }
        for (set, client, expected) in [
            ((|_| ()) as fn(&mut RateLimitsConfig), "192.0.2.1", false),
            (|s| s.server_5m = 1, "192.0.2.1", true),
            (|s| s.client_30s = 1, "192.0.2.1", true),
            (|s| s.client_30s = 1, "127.0.0.1", false),
        ] {
            assert_eq!(self::limits(set).has_general(ip(client)), expected);
        }
    }

    fn answers() -> [Result<Reply>; 4] {
        let verdict = |code: &'static str| Ok(Reply::ok(Json::obj([("meta", Json::obj([("code", code.into())]))])));
        let denied = |code| Err(ApiError::unauthorized(code, ""));
        [verdict("VALID"), verdict("NOT_FOUND"), denied("TOKEN_INVALID"), denied("TOKEN_EXPIRED")]
    }

    #[test]
    fn wrong_guesses() {
        let [valid, not_found, token_invalid, token_expired] = answers();
        for (answer, by_key, wrong) in [
            (&valid, true, false),
            (&not_found, true, true),
            (&not_found, false, false),
            (&token_invalid, false, true),
            (&token_expired, false, false),
            (&Ok(Reply::empty(204)), true, false),
            (&Err(ApiError::unauthorized("TOKEN_MISSING", "")), false, false),
            (&Err(ApiError::unauthorized("LICENSE_INVALID", "")), false, true),
            (&Err(ApiError::unauthorized("EMAIL_INVALID", "")), false, true),
            (&Err(ApiError::unauthorized("PASSWORD_INVALID", "")), false, true),
            (&Err(ApiError::unauthorized("OTP_INVALID", "")), false, true),
            (&Err(ApiError::unauthorized("OTP_REQUIRED", "")), false, false),
            (&Err(ApiError::forbidden("User is banned").code("USER_BANNED")), false, false),
            (&Err(ApiError::no_such("license", "K")), true, false),
            (&Err(ApiError::too_many_requests()), true, false),
        ] {
            assert_eq!(is_wrong(answer, by_key), wrong, "{by_key} {:?}", answer.as_ref().err());
        }
    }

    #[test]
    fn too_many_wrong_guesses() {
        let limits = limits(|s| s.failures = 3);
        let ask = |client: &str, account, limiter, credential: &Credential, now| {
            let client = ip(client);
            let attempt = Attempt { client, account, limiter, credential, params: &[], body: None };
            let mut rate = None;
            let admitted = limits.admit(&attempt, START + now, &mut rate);
            (admitted.as_ref().ok().copied().flatten(), verdict(admitted, rate))
        };
        let key = Some(Limiter::LicenseKey);
        let [valid, not_found, token_invalid, _] = answers();
        let client = "192.0.2.1";
        for (limiter, credential, answer) in [
            (key, Credential::None, &valid),
            (key, Credential::None, &not_found),
            (key, token("user-1v3"), &not_found),
            (key, token("prod-1v3"), &not_found), // a shop asks for a customer
            (None, token("prod-1v3"), &valid),
            (None, token("prod-2v3"), &token_invalid),
        ] {
            let (guess, verdict) = ask(client, ACCOUNT, limiter, &credential, 10);
            assert_eq!(verdict, "-");
            limits.learn(&guess.unwrap(), answer, START + 10);
        }
        let refused = "failures 3/3 50";
        let elsewhere = Uuid::from_u128(2);
        for (client, account, limiter, credential, now, expected) in [
            (client, ACCOUNT, key, Credential::None, 10, refused),
            (client, ACCOUNT, None, token("prod-1v3"), 10, refused),
            (client, ACCOUNT, None, Credential::LicenseKey("K".into()), 10, refused),
            (client, ACCOUNT, None, login("a@b.cd"), 10, refused),
            (client, ACCOUNT, None, Credential::Blank, 59, "failures 3/3 1"),
            // no guess
            (client, ACCOUNT, None, Credential::None, 10, "-"),
            ("192.0.2.2", ACCOUNT, None, token("prod-1v3"), 10, "-"),
            (client, elsewhere, None, token("prod-1v3"), 10, "-"),
            (client, ACCOUNT, None, token("prod-1v3"), 60, "-"),
        ] {
            assert_eq!(ask(client, account, limiter, &credential, now).1, expected, "{client} {credential:?} {now}");
        }
        // A login that waited for its turn is asked again.
        let (guess, _) = ask("192.0.2.3", ACCOUNT, None, &login("a@b.cd"), 10);
        for _ in 0..3 {
            assert!(limits.still_admits(guess.as_ref(), START + 10, &mut None).is_ok());
            limits.learn(&guess.unwrap(), &token_invalid, START + 10);
        }
        let mut rate = None;
        assert_eq!(verdict(limits.still_admits(guess.as_ref(), START + 11, &mut rate), rate), "failures 3/3 49");
    }

    // 01 §18: the routes that the table names have their limiters, now and when they are added
    #[test]
    fn routes_have_their_limiters() {
        for route in crate::api::routes() {
            let expected = match (route.method, route.path) {
                ("POST", "passwords" | "recover") => Some(Limiter::ResetPassword),
                ("POST", "users" | "accounts") => Some(Limiter::Registration),
                ("POST", path) if path.ends_with("/actions/update-password") => Some(Limiter::MutatePassword),
                ("POST", path) if path.ends_with("/actions/reset-password") => Some(Limiter::MutatePassword),
                ("POST" | "PATCH" | "PUT" | "DELETE", path) if path.contains("second-factors") => {
                    Some(Limiter::SecondFactor)
                }
                ("POST", "licenses/actions/validate-key") => Some(Limiter::LicenseKey),
                _ => None,
            };
            assert_eq!(route.limit, expected, "{route:?}");
            if matches!(expected, Some(Limiter::MutatePassword | Limiter::SecondFactor)) {
                assert!(route.path.contains("{id"), "{route:?} names its user");
            }
        }
    }
}
