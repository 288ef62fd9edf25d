//! Rate limits (01 §18, D13), by what callers see of them. The arithmetic of windows has unit tests.

use crate::support::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A server that believes `X-Forwarded-For`, so that callers can have any address.
fn server(settings: &[(&str, &str)]) -> Server {
    let names: Vec<String> = settings.iter().map(|(name, _)| format!("KEYGEN_LITE_RATE_LIMITS_{name}")).collect();
    let mut variables = vec![("KEYGEN_LITE_SERVER_TRUSTED_PROXIES", "127.0.0.1")];
    variables.extend(names.iter().map(String::as_str).zip(settings.iter().map(|(_, value)| *value)));
    Server::start_with(&variables)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Runs a scenario that must lie within one window: again, with other callers (their number is passed), when it did not.
fn within<T>(period: u64, scenario: impl Fn(u8) -> T) -> T {
    for number in 1..=20 {
        let window = now() / period;
        let result = scenario(number);
        if now() / period == window {
            return result;
        }
    }
    panic!("twenty times across the end of a window");
}

trait From {
    fn from(&self, address: &str) -> Client;
}

impl From for Client {
    fn from(&self, address: &str) -> Client {
        self.header("X-Forwarded-For", address)
    }
}

fn basic(text: &str) -> String {
    // Base64 without a crate: the text's bits in groups of six.
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = text.bytes().flat_map(|b| (0..8).rev().map(move |n| b >> n & 1)).collect();
    let digit = |six: &[u8]| (0..6).fold(0, |value, n| value << 1 | usize::from(*six.get(n).unwrap_or(&0)));
    format!("Basic {}", bits.chunks(6).map(|six| DIGITS[digit(six)] as char).collect::<String>())
}

fn login(server: &Server, email: &str, password: &str, address: &str) -> Answer {
    server.with(&basic(&format!("{email}:{password}"))).from(address).post("tokens", Value::Null)
}

/// Window, count, limit and remaining of an answer.
fn rate(answer: &Answer) -> String {
    ["window", "count", "limit", "remaining"].map(|name| answer.header(&format!("x-ratelimit-{name}"))).join(" ")
}

const NOT_LIMITED: &str = "   ";

/// The whole of a 429.
#[track_caller]
fn assert_refused(answer: &Answer, expected: &str, period: u64) {
    assert_eq!((answer.status, rate(answer).as_str()), (429, expected));
    let body = r#"{"errors":[{"title":"Too many requests","detail":"Throttle limit has been reached for your IP address. Please slow down. See https://keygen.sh/docs/api/rate-limiting/ for more info.","code":"TOO_MANY_REQUESTS"}]}"#;
    assert_eq!(String::from_utf8_lossy(&answer.bytes), body);
    assert_eq!(answer.header("content-type"), "application/vnd.api+json; charset=utf-8");
    let number = |name: &str| answer.header(name).parse::<u64>().unwrap();
    let (reset, wait) = (number("x-ratelimit-reset"), number("retry-after"));
    assert!(reset % period == 0 && (1..=period).contains(&wait), "{reset} {wait}");
    assert!((now() - 600..=now()).contains(&(reset - wait)), "{reset} {wait}");
    for absent in [
        "keygen-signature",
        "keygen-date",
        "digest",
        "keygen-digest",
        "keygen-account",
        "keygen-version",
        "keygen-bearer",
    ] {
        assert_eq!(answer.header(absent), "", "{absent}");
    }
    for present in ["x-request-id", "keygen-mode", "server", "cache-control"] {
        assert_ne!(answer.header(present), "", "{present}");
    }
}

// 01 §18: `auth`
#[test]
fn logins() {
    let server = server(&[]);
    let (answers, refused) = within(60, |n| {
        let address = format!("203.0.113.{n}");
        let mut answers: Vec<Answer> =
            (0..5).map(|_| login(&server, ADMIN_EMAIL, "wrong password", &address)).collect();
        answers.push(login(&server, "nobody@example.com", ADMIN_PASSWORD, &address));
        answers.push(login(&server, ADMIN_EMAIL, ADMIN_PASSWORD, &format!("198.51.100.{n}")));
        answers.push(server.admin().from(&address).get("me"));
        let right = format!("{ADMIN_EMAIL}:{ADMIN_PASSWORD}");
        let caller = server.with(&basic(&right)).from(&address);
        let refused = vec![
            caller.post("tokens", Value::Null),
            // the same account, the same e-mail, the same client
            caller.post("/v1/tokens", Value::Null),
            login(&server, &ADMIN_EMAIL.to_uppercase(), ADMIN_PASSWORD, &address),
            login(&server, ADMIN_EMAIL, ADMIN_PASSWORD, &format!("::ffff:{address}")),
            caller.header("Origin", "https://example.com").header("Keygen-Version", "1.0").post("tokens", Value::Null),
        ];
        (answers, refused)
    });
    for answer in &answers[..5] {
        assert_eq!(answer.error(), "401 password must be valid|PASSWORD_INVALID|Authorization");
    }
    assert_eq!(answers[5].error(), "401 email must be valid|EMAIL_INVALID|Authorization");
    assert_eq!((answers[6].status, answers[7].status), (201, 200));
    for answer in &answers {
        assert_eq!((rate(answer).as_str(), answer.header("retry-after")), (NOT_LIMITED, ""));
        assert_ne!(answer.header("keygen-signature"), "");
    }
    for (answer, count) in refused.iter().zip(6..) {
        assert_refused(answer, &format!("auth {count} 5 0"), 60);
    }
    // 01 §12.1
    assert_eq!(refused[4].header("access-control-allow-origin"), "*");
    assert!(refused[4].header("access-control-expose-headers").contains("retry-after"));
}

// D13
#[test]
fn this_machine_is_exempt_unless_configured() {
    let wrong = |server: &Server, address: &str| {
        within(60, |n| {
            let name = format!("user{n}@example.com");
            let answers: Vec<Answer> = (0..6).map(|_| login(server, &name, "wrong", address)).collect();
            answers.iter().filter(|answer| answer.status == 429).count()
        })
    };
    let exempt = Server::start_with(&[("KEYGEN_LITE_RATE_LIMITS_CLIENT_30S", "1")]);
    assert_eq!(wrong(&exempt, "203.0.113.1"), 0, "nobody told it to believe that address");
    let limited = server(&[("EXEMPT_LOOPBACK", "false")]);
    assert_eq!(wrong(&limited, "127.0.0.1"), 1);
    assert_eq!(wrong(&limited, "::1"), 1);
    let off = server(&[("EXEMPT_LOOPBACK", "false"), ("AUTH", "0")]);
    assert_eq!(wrong(&off, "203.0.113.1"), 0);
}

// 01 §18: `30s`, `5m`
#[test]
fn general_limits() {
    let server = server(&[("CLIENT_30S", "5"), ("CLIENT_5M", "1000"), ("SERVER_5M", "2")]);
    let admin = server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "LICENSE" }));
    let validation = || json!({ "meta": { "key": key(&license) } });
    // Windows of 5 minutes end with one of 30 seconds.
    let (answers, others) = within(30, |n| {
        let caller = server.anonymous().from(&format!("203.0.113.{n}"));
        // Every answer counts and says so, whatever becomes of the request.
        let answers = vec![
            caller.post("licenses/actions/validate-key", validation()),
            caller.get("/v1/nothing"),
            caller.call("POST", "licenses/actions/validate-key", Some(b"{")),
            caller.get("/v1/accounts/nobody/me"),
            caller.get("/v1/me?%zz"),
            caller.post("licenses/actions/validate-key", validation()),
            caller.header("Authorization", "Digest x").get("/v1/nothing"),
        ];
        let preflight = caller.header("Origin", "https://a.b").header("Access-Control-Request-Method", "GET");
        (answers, vec![caller.get("/v1/health"), caller.get("ping"), preflight.call("OPTIONS", "me", None)])
    });
    for (n, (answer, status)) in answers.iter().zip([200, 404, 400, 404, 400]).enumerate() {
        assert_eq!((answer.status, rate(answer)), (status, format!("30s {} 5 {}", n + 1, 4 - n)), "{n}");
        assert!(answer.header("x-ratelimit-reset").parse::<u64>().unwrap() % 30 == 0);
        assert_ne!(answer.header("keygen-signature"), "", "{n}");
        assert_eq!(answer.header("retry-after"), "");
    }
    assert_refused(&answers[5], "30s 6 5 0", 30);
    assert_refused(&answers[6], "30s 7 5 0", 30);
    for (answer, status) in others.iter().zip([204, 200, 200]) {
        assert_eq!((answer.status, rate(answer).as_str()), (status, NOT_LIMITED));
    }

    let bearers = within(30, |n| {
        let address = format!("198.51.100.{n}");
        [
            server.license_key(key(&license)).from(&address).get("me"),
            server.anonymous().from(&address).post("licenses/actions/validate-key", validation()),
            admin.from(&address).get("me"),
            // the same credential, in other words
            server.with(&format!("Token token=\"{}\", x", server.admin_token)).from(&address).get("/v1/me"),
            server.anonymous().from(&address).get(&format!("me?token={}", server.admin_token)),
            admin.from(&format!("192.0.2.{n}")).get("me"),
        ]
    });
    for (answer, expected) in bearers[..4].iter().zip(["30s 1 5 4", "30s 1 5 4", "5m 1 2 1", "5m 2 2 0"]) {
        assert_eq!((answer.status, rate(answer).as_str()), (200, expected));
    }
    assert_refused(&bearers[4], "5m 3 2 0", 300);
    assert_eq!((bearers[5].status, rate(&bearers[5]).as_str()), (200, "5m 1 2 1"), "another address");
    assert_eq!(rate(&admin.get("me")), NOT_LIMITED, "this machine");
}

// The product's own: wrong credentials of an address at an account
#[test]
fn wrong_credentials() {
    let mut server = server(&[("FAILURES", "4")]);
    let admin = server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "LICENSE" }));
    let licensee = server.license_key(key(&license));
    let validation = |key: &str| json!({ "meta": { "key": key } });
    let validate = |client: &Client, key: &str| client.post("licenses/actions/validate-key", validation(key));
    let secret = "prod-4f3c2b1a0918273645546372819faebdccbbaa99887766554433221100ffeeddv3";
    let (wrong, refused, fine) = within(60, |n| {
        let (address, other) = (format!("203.0.113.{n}"), format!("198.51.100.{n}"));
        let anonymous = server.anonymous().from(&address);
        // Whoever may list keys does not guess them.
        let shop: Vec<Answer> = (0..6).map(|_| validate(&admin.from(&address), "nope")).collect();
        let wrong = vec![
            server.token(secret).from(&address).get("me"),
            server.license_key("nope").from(&address).get("me"),
            validate(&anonymous, "nope"),
            validate(&licensee.from(&address), "nope"),
        ];
        let refused = vec![
            admin.from(&address).get("me"),
            server.token(secret).from(&address).get("me"),
            validate(&anonymous, key(&license)),
            validate(&licensee.from(&address), key(&license)),
            licensee.from(&address).get("/v1/me"),
            login(&server, ADMIN_EMAIL, ADMIN_PASSWORD, &address),
            anonymous.get(&format!("me?token={}", server.admin_token)),
        ];
        let mut fine = vec![
            anonymous.get("me"),
            anonymous.get("ping"),
            anonymous.get("/v1/accounts/nobody/me"),
            admin.from(&other).get("me"),
            validate(&server.anonymous().from(&other), key(&license)),
            admin.get("me"),
        ];
        fine.extend(shop);
        (wrong, refused, fine)
    });
    let statuses = |answers: &[Answer]| answers.iter().map(|answer| answer.status).collect::<Vec<_>>();
    assert_eq!(statuses(&wrong), [401, 401, 200, 200]);
    assert_eq!(wrong[2].body["meta"]["code"], "NOT_FOUND");
    for answer in &refused {
        assert_refused(answer, "failures 4 4 0", 60);
    }
    assert_eq!(statuses(&fine), [401, 200, 404, 200, 200, 200, 200, 200, 200, 200, 200, 200]);
    assert!(wrong.iter().chain(&fine).all(|answer| rate(answer) == NOT_LIMITED));

    // The operator reads of it once, and nothing secret.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !server.log().contains("a rate limit was reached") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let log = server.log();
    assert!(log.contains("\"limiter\":\"failures\"") && log.contains("203.0.113."), "{log}");
    assert!(!log.contains(secret) && !log.contains("nope") && !log.contains(key(&license)));

    // Counters end with the process.
    server.restart();
    for n in 1..=20 {
        assert_eq!(server.admin().from(&format!("203.0.113.{n}")).get("me").status, 200);
    }
}

// The product's own: what strangers make
#[test]
fn registrations() {
    let server = Server::start_with(&[
        ("KEYGEN_LITE_SERVER_TRUSTED_PROXIES", "127.0.0.1"),
        ("KEYGEN_LITE_RATE_LIMITS_REGISTRATIONS", "2"),
        ("KEYGEN_LITE_ACCOUNTS_MODE", "multi"),
        ("KEYGEN_LITE_ACCOUNTS_DEFAULT_ACCOUNT", "acme"),
    ]);
    let (answers, refused) = within(60, |n| {
        let address = format!("203.0.113.{n}");
        let user = |client: &Client, name: &str| {
            let attributes = json!({ "email": format!("{name}{n}@example.com") });
            client.post("users", json!({ "data": { "type": "users", "attributes": attributes } }))
        };
        let account = |address: &str| server.anonymous().from(address).post("/v1/accounts", json!({ "data": {} }));
        let (anonymous, admin) = (server.anonymous().from(&address), server.admin().from(&address));
        let blank = server.with("Bearer ").from(&address);
        let answers = vec![
            user(&admin, "a"),
            user(&anonymous, "b"),
            user(&admin, "c"),
            user(&blank, "d"),
            account(&address),
            account(&address),
        ];
        let refused = vec![user(&anonymous, "e"), user(&blank, "f"), account(&address), user(&anonymous, "g")];
        let mut fine = vec![
            user(&admin, "h"),
            user(&server.anonymous().from(&format!("198.51.100.{n}")), "i"),
            user(&server.anonymous(), "j"),
            user(&server.anonymous(), "k"),
            user(&server.anonymous(), "l"),
            account(&format!("198.51.100.{n}")),
        ];
        fine.extend(answers);
        (fine, refused)
    });
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 201, 201, 201, 201, 400, 201, 201, 201, 201, 400, 400]);
    assert!(answers.iter().all(|answer| rate(answer) == NOT_LIMITED));
    for (answer, count) in refused.iter().zip([3, 4, 3, 5]) {
        assert_refused(answer, &format!("registrations {count} 2 0"), 60);
    }
}

// Passwords are checked slowly and in turns: those that wait are stopped too
#[test]
fn wrong_logins_at_once() {
    let server = server(&[("FAILURES", "3")]);
    let (wrong, refused) = within(60, |n| {
        let address = format!("203.0.113.{n}");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let attempts: Vec<_> = (0..48)
                .map(|user| {
                    let (server, address) = (&server, &address);
                    scope.spawn(move || login(server, &format!("user{user}@example.com"), "wrong", address).status)
                })
                .collect();
            attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
        });
        let count = |status| statuses.iter().filter(|s| **s == status).count();
        (count(401), count(429))
    });
    assert_eq!(wrong + refused, 48);
    assert!((3..=24).contains(&wrong), "{wrong} passwords were looked at");
}
