//! How long answers about credentials take (03 §6, §12): a report, which asserts no time.
//! `cargo test --release --test api timing -- --ignored --nocapture`

use crate::authentication::*;
use crate::support::*;
use serde_json::{Value, json};
use std::time::Instant;

const TRIES: usize = 100;

/// What is measured, its status, and the call.
type Case<'a> = (&'a str, u16, &'a dyn Fn(usize) -> Answer);

/// Takes turns, so that a busy moment hits all alike; prints milliseconds.
fn report(cases: &[Case<'_>]) {
    let mut times = vec![Vec::with_capacity(TRIES); cases.len()];
    for n in 0..TRIES + 5 {
        for ((name, status, call), times) in cases.iter().zip(&mut times) {
            let started = Instant::now();
            let answer = call(n);
            let took = started.elapsed().as_secs_f64() * 1000.0;
            assert_eq!(answer.status, *status, "{name} {}", answer.detail());
            // the first ones warm up
            if n >= 5 {
                times.push(took);
            }
        }
    }
    println!("{:<44}{:>9}{:>9}{:>9}{:>9}", "milliseconds", "p10", "median", "p90", "mean");
    for ((name, ..), times) in cases.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let mean = times.iter().sum::<f64>() / TRIES as f64;
        let [low, middle, high] = [TRIES / 10, TRIES / 2, TRIES * 9 / 10].map(|at| times[at]);
        println!("{name:<44}{low:>9.3}{middle:>9.3}{high:>9.3}{mean:>9.3}");
    }
}

// 03 §6, §12.1: whether an e-mail is known should not show in the time of an answer
#[test]
#[ignore = "a report of times, for a quiet machine"]
fn credentials() {
    let server = Server::start();
    for name in ["known", "none", "second", "imported"] {
        user(&server, "user", &format!("{name}@example.com"));
    }
    server.sql("UPDATE users SET password_digest = NULL WHERE email = 'none@example.com'");
    let digest = bcrypt::hash("secret", 12).unwrap();
    server.sql(&format!("UPDATE users SET password_digest = '{digest}' WHERE email = 'imported@example.com'"));
    let admin = server.admin();
    let factors = "users/second@example.com/second-factors";
    admin.post(factors, json!({ "meta": { "password": "secret" } })).ok(201);
    server.sql("UPDATE second_factors SET enabled = 1");
    let login = |credentials: &str, body: Value| server.with(&basic(credentials)).post("tokens", body);
    let code = || json!({ "meta": { "otp": "no code" } });
    report(&[
        ("login, unknown e-mail", 401, &|n| login(&format!("u{n}@example.com:wrong one"), Value::Null)),
        ("login, wrong password", 401, &|_| login("known@example.com:wrong one", Value::Null)),
        ("login, user without password", 401, &|_| login("none@example.com:wrong one", Value::Null)),
        ("login, right password (stores a token)", 201, &|_| login("known@example.com:secret", Value::Null)),
        ("login, wrong password of a bcrypt digest", 401, &|_| login("imported@example.com:wrong one", Value::Null)),
        ("login, second factor missing", 401, &|_| login("second@example.com:wrong one", Value::Null)),
        ("login, second factor wrong", 401, &|_| login("second@example.com:wrong one", code())),
        ("token, unknown", 401, &|n| server.token(&format!("admin-{n:064x}v3")).get("me")),
        ("token, known", 200, &|_| server.admin().get("me")),
    ]);
    let nobody = server.anonymous();
    let ask = |email: &str| nobody.post("passwords", json!({ "meta": { "email": email } }));
    let reset = |user: &str| {
        let body = json!({ "meta": { "passwordResetToken": "x", "newPassword": "another one" } });
        nobody.post(&format!("users/{user}/actions/reset-password"), body)
    };
    report(&[
        ("reset asked for, unknown e-mail", 204, &|n| ask(&format!("u{n}@example.com"))),
        ("reset asked for, known e-mail", 204, &|_| ask("known@example.com")),
        ("reset, unknown e-mail", 404, &|n| reset(&format!("u{n}@example.com"))),
        ("reset, wrong token", 404, &|_| reset("known@example.com")),
    ]);
}
