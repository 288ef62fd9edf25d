//! Pools under load (07 §7, 01 §19): every key of a pool goes to one taker, whoever else reaches for it, also when the server is
//! killed in the middle.

#[path = "support/mod.rs"]
mod support;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Answer, Client, Server, id, key, link};

const CLIENTS: usize = 64;

/// A server with a policy whose pool has that many keys, and the keys.
fn stocked(count: usize) -> (Server, Value, BTreeSet<String>) {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(&admin.product(), json!({ "usePool": true }));
    let keys: BTreeSet<String> = (0..count).map(|n| format!("POOL-KEY-{n:04}")).collect();
    let directory = server.directory.path();
    std::fs::write(directory.join("keys.txt"), keys.iter().map(|key| format!("{key}\n")).collect::<String>()).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_keygen-lite"))
        .args(["keys", "import", "--database", "keygen-lite.db", "--policy", id(&policy), "keys.txt"])
        .current_dir(directory)
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success());
    (server, policy, keys)
}

/// The administrator, whose requests fail and do not panic when the server is gone.
struct Caller {
    client: Client,
    token: String,
}

impl Caller {
    fn new(server: &Server) -> Caller {
        Caller { client: server.anonymous(), token: server.admin_token.clone() }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.client.try_raw(request.as_bytes())
    }
}

/// The body that creates a license of a policy.
fn license(policy: &Value) -> Value {
    json!({ "data": { "type": "licenses", "relationships": { "policy": link(policy) } } })
}

/// The rows of a query of two texts, from the file as it lies beside the server.
fn pairs(server: &Server, sql: &str) -> Vec<(String, String)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(server.database(), flags).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Pool and licenses together hold all keys, each once. Gives the number of keys in the pool, and the licenses by id and key.
#[track_caller]
fn assert_whole(server: &Server, keys: &BTreeSet<String>) -> (usize, BTreeSet<(String, String)>) {
    assert_eq!(pairs(server, "SELECT integrity_check, '' FROM pragma_integrity_check"), [("ok".into(), "".into())]);
    let (pool, licenses) = (pairs(server, "SELECT id, key FROM keys"), pairs(server, "SELECT id, key FROM licenses"));
    let together: BTreeSet<String> = pool.iter().chain(&licenses).map(|(_, key)| key.clone()).collect();
    assert_eq!(pool.len() + licenses.len(), together.len(), "a key is in two places");
    assert!(together == *keys, "keys are lost: {:?}", keys.difference(&together).collect::<Vec<_>>());
    (pool.len(), licenses.into_iter().collect())
}

/// The answers that gave a key, and the others, of what every client does until it is refused.
fn exhaust(server: &Server, call: impl Fn(usize) -> std::io::Result<Answer> + Sync) -> (Vec<String>, Vec<String>) {
    let (taken, refused) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (call, taken, refused) = (&call, &taken, &refused);
            scope.spawn(move || {
                loop {
                    let answer = call(client).unwrap();
                    if answer.status >= 300 {
                        refused.lock().unwrap().push(answer.error());
                        return;
                    }
                    taken.lock().unwrap().push(key(&answer.body["data"]).to_owned());
                }
            });
        }
    });
    assert!(!server.log().contains("\"ERROR\""), "{}", server.log());
    (taken.into_inner().unwrap(), refused.into_inner().unwrap())
}

#[track_caller]
fn assert_each_once(taken: &[String], keys: &BTreeSet<String>) {
    assert_eq!(taken.len(), keys.len());
    assert!(taken.iter().cloned().collect::<BTreeSet<_>>() == *keys, "some key was given twice");
}

#[test]
fn licenses_draw_every_key_once() {
    let (server, policy, keys) = stocked(1000);
    let (caller, body) = (Caller::new(&server), license(&policy));
    let (taken, refused) = exhaust(&server, |_| caller.send("POST", "licenses", &body));
    assert_each_once(&taken, &keys);
    assert_eq!(refused, vec!["422 pool is empty|POLICY_POOL_EMPTY|/data/relationships/policy"; CLIENTS]);
    assert_eq!(assert_whole(&server, &keys).0, 0);
    assert_eq!(server.admin().get(&format!("policies/{}/pool", id(&policy))).ok(200)["data"], json!([]));
    let answer = server.admin().delete(&format!("policies/{}/pool", id(&policy)));
    assert_eq!(answer.error(), "422 pool is empty|-|/data/relationships/pool");
}

#[test]
fn pops_and_draws_never_share_a_key() {
    let (server, policy, keys) = stocked(600);
    let (caller, body) = (Caller::new(&server), license(&policy));
    let pool = format!("policies/{}/pool", id(&policy));
    // pops alone
    let (popped, refused) = exhaust(&server, |_| caller.send("DELETE", &pool, &Value::Null));
    assert_each_once(&popped, &keys);
    assert_eq!(refused, vec!["422 pool is empty|-|/data/relationships/pool"; CLIENTS]);
    // creating what was popped, each key by four at once: one makes it
    let keys_in_order: Vec<&String> = keys.iter().collect();
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some(key) = keys_in_order.get(next.fetch_add(1, Ordering::Relaxed) / 4) {
                    let body = json!({ "data": { "type": "keys", "attributes": { "key": key },
                        "relationships": { "policy": link(&policy) } } });
                    let answer = caller.send("POST", "keys", &body).unwrap();
                    outcomes.lock().unwrap().push(if answer.status == 201 { 201.to_string() } else { answer.error() });
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let made = outcomes.iter().filter(|outcome| *outcome == "201").count();
    let taken = outcomes.iter().filter(|o| *o == "422 has already been taken|KEY_TAKEN|/data/attributes/key").count();
    assert_eq!((made, taken), (keys.len(), 3 * keys.len()));
    assert_eq!(assert_whole(&server, &keys).0, keys.len());
    // half of them pop, half of them draw
    let (taken, _) = exhaust(&server, |n| match n % 2 {
        0 => caller.send("DELETE", &pool, &Value::Null),
        _ => caller.send("POST", "licenses", &body),
    });
    assert_each_once(&taken, &keys);
    let drawn = pairs(&server, "SELECT id, key FROM licenses").len();
    assert!(drawn > 0 && drawn < keys.len(), "both took part: {drawn}");
    assert_eq!(pairs(&server, "SELECT id, key FROM keys"), []);
}

#[test]
fn no_key_is_lost_or_used_twice_under_kill_9() {
    /// So many licenses are acknowledged in each life of the server.
    const LIFE: usize = 130;
    let (mut server, policy, keys) = stocked(1000);
    let mut acknowledged: BTreeSet<(String, String)> = BTreeSet::new();
    for life in 1.. {
        let (caller, body) = (Caller::new(&server), license(&policy));
        let (told, refused) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        let server_to_kill = Mutex::new(&mut server);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    // Until the server is gone or the pool is empty.
                    while let Ok(answer) = caller.send("POST", "licenses", &body) {
                        if answer.status != 201 {
                            assert_eq!(answer.code(), "POLICY_POOL_EMPTY", "{answer:?}");
                            refused.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                        let license = &answer.body["data"];
                        let mut told = told.lock().unwrap();
                        told.push((id(license).to_owned(), key(license).to_owned()));
                        if told.len() == LIFE {
                            server_to_kill.lock().unwrap().kill();
                        }
                    }
                });
            }
        });
        server.restart();
        acknowledged.extend(told.into_inner().unwrap());
        // What was not acknowledged may be there, but never half.
        let (left, licenses) = assert_whole(&server, &keys);
        let lost: Vec<_> = acknowledged.difference(&licenses).collect();
        assert!(lost.is_empty(), "life {life}: acknowledged licenses are lost: {lost:?}");
        if refused.into_inner() == CLIENTS {
            assert_eq!(left, 0);
            assert!(life > 2, "it was killed in the middle");
            return;
        }
    }
}
