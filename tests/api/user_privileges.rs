//! What users may give to users: permission sets, privileges over others, changes of role, the last administrators
//! (04 §2, §6.2–§6.4; 03 §8.1, §10.9).

use crate::authentication::*;
use crate::authorization::reason;
use crate::support::*;
use crate::users::*;
use serde_json::{Value, json};

// 04 §2 (permissions), §6.1, §6.3; 03 §8.1
#[test]
fn permissions_of_users() {
    let server = Server::start();
    let admin = server.admin();
    let ada = person(&admin, "user", "ada@example.com");
    let unsupported = "422 unsupported permissions|PERMISSIONS_NOT_ALLOWED|/data/attributes/permissions";
    let mut number = 0;
    let mut new = |role: &str, permissions: &Value| {
        number += 1;
        let email = format!("p{number}@example.com");
        admin.post("users", body(json!({ "email": email, "role": role, "permissions": permissions })))
    };
    for (role, permissions, expected) in [
        ("user", json!(["user.read", "arch.read"]), Some(json!(["arch.read", "user.read"]))),
        ("user", json!([]), Some(json!([]))),
        ("user", json!(null), Some(catalogue("user", "default"))),
        ("user", json!(["*"]), Some(json!(["*"]))),
        ("user", json!(["user.read", "*"]), Some(json!(["*", "user.read"]))),
        ("user", json!(["account.read", "policy.read"]), Some(json!(["account.read", "policy.read"]))),
        ("user", json!(["account.update"]), None),
        ("user", json!(["product.create"]), None),
        ("user", json!(["user.nope"]), None),
        ("user", json!(["user.read", "user.read"]), None),
        ("read-only", json!(["admin.read", "user.read"]), Some(json!(["admin.read", "user.read"]))),
        ("read-only", json!(["user.create"]), None),
        ("developer", json!(["admin.create"]), Some(json!(["admin.create"]))),
        ("admin", json!(["account.billing.update"]), Some(json!(["account.billing.update"]))),
    ] {
        let answer = new(role, &permissions);
        match &expected {
            Some(set) => assert_eq!(&answer.ok(201)["data"]["attributes"]["permissions"], set, "{role} {permissions}"),
            None => assert_eq!(answer.error(), unsupported, "{role} {permissions}"),
        }
        if role == "user" && !permissions.is_null() {
            let answer = admin.patch(&path(&ada), body(json!({ "permissions": permissions })));
            match &expected {
                Some(set) => assert_eq!(&answer.ok(200)["data"]["attributes"]["permissions"], set, "{permissions}"),
                None => assert_eq!(answer.error(), unsupported, "{permissions}"),
            }
        }
    }
    let error = &new("user", &json!(["nope"])).body["errors"][0];
    assert_eq!(error["title"], "Unprocessable resource");
    assert_eq!(error["links"]["about"], "https://keygen.sh/docs/api/users/#users-object-attrs-permissions");
    // unknown and repeated names come before 403, names outside of the set after it
    let developer = as_bearer(&server, &person(&admin, "developer", "dev@example.com"));
    let other = person(&admin, "admin", "other@example.com");
    for (permissions, status) in [(json!(["nope"]), 422), (json!(["user.read", "user.read"]), 422), (json!([]), 403)] {
        let attributes = json!({ "permissions": permissions });
        assert_eq!(developer.patch(&path(&other), body(attributes)).status, status, "{permissions}");
    }
    environment(&server, "shared", "SHARED");
    let elsewhere = |permissions: Value, email: &str| {
        let mut sent = body(json!({ "email": email, "permissions": permissions }));
        sent["data"]["relationships"] = json!({ "environment": { "data": null } });
        admin.environment("shared").post("users", sent).status
    };
    assert_eq!(elsewhere(json!(["nope"]), "x"), 422);
    assert_eq!(elsewhere(json!(["account.update"]), "x"), 403);
    let reader = person(&admin, "read-only", "reader@example.com");
    let outside = json!({ "permissions": ["user.create"] });
    assert_eq!(developer.patch(&path(&reader), body(outside)).error(), unsupported);
}

/// A user with that set, and a caller as it.
fn with_set(server: &Server, role: &str, set: &Value) -> (Value, Client) {
    let email = format!("{}@example.com", new_id());
    let user = server.admin().create("users", json!({ "email": email, "role": role }), Value::Null);
    server.sql(&format!("UPDATE users SET permissions = '{set}' WHERE id = '{}'", id(&user)));
    let client = as_bearer(server, &user);
    (user, client)
}

// 04 §6.2
#[test]
fn privileges_over_users() {
    let server = Server::start();
    let admin = server.admin();
    let limited_set =
        json!(["admin.create", "admin.delete", "admin.update", "user.create", "user.delete", "user.update"]);
    let (limited, limited_client) = with_set(&server, "admin", &limited_set);
    let (_, starred_client) = with_set(&server, "admin", &json!(["*"]));
    let full_set = catalogue("admin", "default");
    let admin_lacks = "admin lacks privileges to perform action on user";
    let mut number = 0;
    let mut create = |client: &Client, role: &str, permissions: Value| {
        number += 1;
        let mut attributes = json!({ "email": format!("n{number}@example.com"), "permissions": permissions });
        if role != "user" {
            attributes["role"] = json!(role);
        }
        client.post("users", body(attributes))
    };
    // a limited administrator makes administrators with what it has itself; anybody else as it likes
    for (role, permissions, may) in [
        ("admin", limited_set.clone(), true),
        ("admin", json!(["user.update"]), true),
        ("admin", json!([]), true),
        ("admin", json!(["user.update", "user.read"]), false),
        ("admin", json!(["*"]), false),
        ("admin", Value::Null, false),
        ("developer", Value::Null, true),
        ("developer", json!(["*"]), true),
        ("user", json!(["account.read", "license.read"]), true),
    ] {
        for client in [&admin, &starred_client] {
            create(client, role, permissions.clone()).ok(201);
        }
        let answer = create(&limited_client, role, permissions.clone());
        match may {
            true => drop(answer.ok(201)),
            false => assert_eq!(reason(&answer), admin_lacks, "{role} {permissions}"),
        }
    }
    // and changes only those, itself included; the set after the change counts
    let (full, _) = with_set(&server, "admin", &full_set);
    let (less, _) = with_set(&server, "admin", &json!(["user.update"]));
    let change = |client: &Client, user: &Value, attributes: Value| client.patch(&path(user), body(attributes));
    for (user, attributes, may) in [
        (&full, json!({ "firstName": "x" }), false),
        (&less, json!({ "firstName": "x" }), true),
        (&less, json!({ "permissions": ["user.read"] }), false),
        (&less, json!({ "permissions": ["user.delete"] }), true),
        (&limited, json!({ "firstName": "x" }), true),
        (&limited, json!({ "permissions": full_set }), false),
        (&limited, json!({ "permissions": ["*"] }), false),
        (&full, json!({ "permissions": ["user.update"] }), true),
    ] {
        let answer = change(&limited_client, user, attributes.clone());
        match may {
            true => drop(answer.ok(200)),
            false => assert_eq!(reason(&answer), admin_lacks, "{attributes}"),
        }
    }
    let (other, _) = with_set(&server, "admin", &full_set);
    assert_eq!(reason(&limited_client.delete(&path(&other))), admin_lacks);
    limited_client.delete(&path(&less)).ok(204);
    // what an administrator becomes by the change: no administrator any more
    change(&limited_client, &other, json!({ "role": "developer" })).ok(200);
    // the bearer's own set counts, not its token's
    let narrow =
        json!({ "data": { "type": "tokens", "attributes": { "permissions": ["user.create", "admin.create"] } } });
    let token = text(&admin.post("tokens", narrow).ok(201)["data"]["attributes"]["token"]).to_owned();
    create(&server.token(&token), "admin", json!(["*"])).ok(201);

    // developers among themselves; `*` is a name that only `*` has
    let all = catalogue("developer", "default");
    let developers = [json!(["*"]), all.clone(), json!(["user.update", "user.delete"])]
        .map(|set| with_set(&server, "developer", &set));
    let may = |(_, client): &(Value, Client)| {
        let results = developers.each_ref().map(|(user, _)| change(client, user, json!({})));
        results.map(|answer| match answer.status {
            200 => true,
            _ => reason(&answer) != "developer lacks privileges to perform action on user",
        })
    };
    assert_eq!(developers.each_ref().map(may), [[true, true, true], [false, true, true], [false, false, true]]);
    // higher roles give what they lack
    let (user, _) = with_set(&server, "user", &json!([]));
    let set = json!(["account.read", "license.read", "user.password.update"]);
    let product = admin.product();
    server.sql("UPDATE products SET permissions = '[\"user.create\",\"user.update\"]'");
    let product = as_bearer(&server, &product);
    for client in [&developers[2].1, &product] {
        change(client, &user, json!({ "permissions": [] })).ok(200);
        let got = change(client, &user, json!({ "permissions": set })).ok(200);
        assert_eq!(got["data"]["attributes"]["permissions"], set);
    }
    create(&product, "user", json!(["*"])).ok(201);
}

// 04 §6.3, 03 §8.1, §10.3, §10.9
#[test]
fn changes_of_role() {
    let server = Server::start();
    let admin = server.admin();
    let (ada, _) = with_set(&server, "user", &json!([]));
    let set_of = |answer: &Value| answer["data"]["attributes"]["permissions"].clone();
    let default = |role: &str| catalogue(role, "default");
    let full = default("admin");
    // (role, set) before, what is sent, the set after
    for (role, before, sent, after) in [
        ("user", json!(["license.read"]), json!({ "role": "admin" }), json!(["license.read"])),
        ("admin", full.clone(), json!({ "role": "developer" }), full.clone()),
        ("admin", full.clone(), json!({ "role": "read-only" }), default("read-only")),
        ("admin", full.clone(), json!({ "role": "user" }), default("user")),
        ("admin", json!(["*"]), json!({ "role": "user" }), json!(["*"])),
        ("user", json!(["*", "account.read"]), json!({ "role": "admin" }), json!(["*", "account.read"])),
        // the same role cuts, too; a set without a role does not
        ("user", json!(["account.read", "license.read"]), json!({ "role": "user" }), json!(["license.read"])),
        ("user", json!([]), json!({ "permissions": ["account.read"] }), json!(["account.read"])),
        // both: the given set is cut
        (
            "user",
            json!([]),
            json!({ "role": "user", "permissions": ["account.read", "license.read"] }),
            json!(["license.read"]),
        ),
        ("user", json!([]), json!({ "role": "admin", "permissions": full }), full.clone()),
        (
            "user",
            json!([]),
            json!({ "role": "read-only", "permissions": ["user.create", "user.read"] }),
            json!(["user.read"]),
        ),
        ("developer", default("user"), json!({ "role": "support-agent", "permissions": ["*"] }), json!(["*"])),
        ("user", default("user"), json!({ "role": null }), default("user")),
    ] {
        server.sql(&format!("UPDATE users SET role = '{role}', permissions = '{before}' WHERE id = '{}'", id(&ada)));
        let answer = admin.patch(&path(&ada), body(sent.clone())).ok(200);
        assert_eq!(set_of(&answer), after, "{role} {sent}");
        if let Some(role) = sent["role"].as_str() {
            assert_eq!(answer["data"]["attributes"]["role"], role);
        }
    }
    // a change of the role ends its tokens; a role that stays does not
    let tokens = [(); 2].map(|()| token_in(&server, &ada, None));
    let alive = || tokens.each_ref().map(|token| server.token(token).get("me").status);
    for sent in [json!({ "role": "user" }), json!({ "permissions": ["user.read"] }), json!({ "email": "ada@x.io" })] {
        admin.patch(&path(&ada), body(sent)).ok(200);
        assert_eq!(alive(), [200, 200]);
    }
    let developer = person(&admin, "developer", "dev@example.com");
    let refused = as_bearer(&server, &developer).patch(&path(&ada), body(json!({ "role": "developer" })));
    assert_eq!(refused.error(), "400 unpermitted parameter|-|/data/attributes/role");
    admin.patch(&path(&ada), body(json!({ "role": "developer" }))).ok(200);
    assert_eq!(alive(), [401, 401]);
    assert_eq!(events(&server, "token.revoked"), "0", "03 §10.9");
    // the token in use survives, as one of the new role
    let (boss, client) = with_set(&server, "admin", &full);
    let other = server.token(&token_in(&server, &boss, None));
    client.patch(&path(&boss), body(json!({ "role": "sales-agent" }))).ok(200);
    assert_eq!(other.get("me").code(), "TOKEN_INVALID");
    let me = client.get("me").ok(200);
    assert_eq!(me["included"][0]["attributes"]["kind"], "sales-token");
    assert_eq!(me["data"]["attributes"]["role"], "sales-agent");
}

// 04 §6.4
#[test]
fn the_last_administrators() {
    let server = Server::start();
    let account = select(&server, "SELECT id FROM accounts");
    let shared = environment(&server, "shared", "SHARED");
    let full = || catalogue("admin", "default");
    let star = || json!(["*"]);
    let little = || json!(["admin.delete", "admin.read", "admin.update", "user.delete", "user.read", "user.update"]);
    let less = || json!(["admin.update", "user.update"]);
    let some = "422 account must have at least 1 admin user|ACCOUNT_ADMINS_REQUIRED|/data/relationships/account";
    let powerful = "422 account must have at least 1 admin user with a full permission set|ACCOUNT_ADMINS_REQUIRED|/data/relationships/account";
    let delete = || Value::Null;
    let role = |role: &str| json!({ "role": role });
    let set = |set: Value| json!({ "permissions": set });
    let name = || json!({ "firstName": "x" });
    // the administrators' sets; the first one is deleted or changed, by the last one
    let cases = [
        (vec![full()], delete(), some),
        (vec![full()], role("developer"), some),
        (vec![star()], role("user"), some),
        (vec![full()], set(little()), powerful),
        (vec![star()], set(json!([])), powerful),
        (vec![full()], set(star()), "ok"),
        (vec![star()], set(full()), "ok"),
        (vec![full()], role("admin"), "ok"),
        (vec![little()], name(), "ok"),
        (vec![little()], set(less()), powerful),
        (vec![little()], delete(), some),
        (vec![little()], role("admin"), powerful),
        // two
        (vec![little(), full()], delete(), powerful),
        (vec![little(), star()], delete(), powerful),
        (vec![little(), full()], role("developer"), "ok"),
        (vec![little(), full()], set(less()), "ok"),
        (vec![full(), full()], delete(), "ok"),
        (vec![full(), full()], set(little()), "ok"),
        (vec![full(), star()], set(little()), "ok"),
        (vec![full(), full()], role("user"), "ok"),
        (vec![little(), little()], set(less()), powerful),
        (vec![little(), little()], delete(), powerful),
        (vec![little(), little()], role("user"), "ok"),
        // three
        (vec![little(), little(), full()], delete(), "ok"),
        (vec![little(), little(), little()], delete(), powerful),
        (vec![little(), little(), little()], set(less()), powerful),
    ];
    for (sets, deed, expected) in cases {
        server.sql("PRAGMA foreign_keys = ON; DELETE FROM users; DELETE FROM event_logs");
        let insert = |set: &Value| {
            let id = new_id();
            server.sql(&format!(
                "INSERT INTO users (id, account_id, created_at, updated_at, email, role, permissions)
                 VALUES ('{id}', '{account}', 1, 1, '{id}@example.com', 'admin', '{set}')"
            ));
            json!({ "type": "users", "id": id })
        };
        let admins: Vec<Value> = sets.iter().map(insert).collect();
        let (target, actor) = (&admins[0], as_bearer(&server, admins.last().unwrap()));
        let of_target = server.token(&token_in(&server, target, None));
        let answer = match &deed {
            Value::Null => actor.delete(&path(target)),
            attributes => actor.patch(&path(target), body(attributes.clone())),
        };
        if expected == "ok" {
            assert!(answer.status < 300, "{sets:?} {deed} {}", answer.detail());
            continue;
        }
        assert_eq!(answer.error(), expected, "{sets:?} {deed}");
        assert_eq!(answer.body["errors"][0]["title"], "Unprocessable resource");
        // nothing has changed, nothing was told
        let left = select(&server, &format!("SELECT role || permissions FROM users WHERE id = '{}'", id(target)));
        assert_eq!(left, format!("admin{}", sets[0]));
        assert_ne!(of_target.get("tokens").status, 401, "a token was revoked");
        assert_eq!(select(&server, "SELECT count(*) FROM event_logs"), "0");
    }
    // promotions always may; administrators of environments count
    server.sql("PRAGMA foreign_keys = ON; DELETE FROM users");
    let root = json!({ "type": "users", "id": new_id() });
    server.sql(&format!(
        "INSERT INTO users (id, account_id, created_at, updated_at, email, role, permissions)
         VALUES ('{}', '{account}', 1, 1, 'root@example.com', 'admin', '[\"*\"]')",
        id(&root)
    ));
    let client = as_bearer(&server, &root);
    let ada = person(&client, "user", "ada@example.com");
    client.patch(&path(&ada), body(json!({ "role": "admin", "permissions": [] }))).ok(200);
    client.patch(&path(&ada), body(json!({ "role": "user" }))).ok(200);
    let here = client.environment("shared");
    let local = person(&here, "admin", "local@example.com");
    here.delete(&path(&local)).ok(204);
    let local = person(&here, "admin", "local@example.com");
    client.delete(&path(&root)).ok(204);
    let last = server.token(&token_in(&server, &local, Some(id(&shared)))).environment("shared");
    assert_eq!(last.delete(&path(&local)).error(), some);
}

// 04 §2.1, §6.4: the rules hold for what is asked for at once
#[test]
fn rules_hold_at_once() {
    let server = Server::start();
    let admin = server.admin();
    let at_once = |calls: Vec<Box<dyn Fn() -> u16 + Send>>| {
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(calls.len()));
        let threads: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let barrier = barrier.clone();
                std::thread::spawn(move || {
                    barrier.wait();
                    call()
                })
            })
            .collect();
        let mut statuses: Vec<u16> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        statuses.sort();
        statuses
    };
    for round in 0..5 {
        let new = |_| -> Box<dyn Fn() -> u16 + Send> {
            let client = admin.clone();
            let sent = body(json!({ "email": format!("round{round}@example.com") }));
            Box::new(move || client.post("users", sent.clone()).status)
        };
        assert_eq!(at_once((0..4).map(new).collect()), [201, 422, 422, 422]);
    }
    // every administrator steps down: one must stay
    let others: Vec<(Value, Client)> = (0..3).map(|_| with_set(&server, "admin", &json!(["*"]))).collect();
    let root = admin.get("me").ok(200)["data"].clone();
    let mut all = others;
    all.push((root, admin.clone()));
    let calls = all.into_iter().enumerate().map(|(at, (user, client))| -> Box<dyn Fn() -> u16 + Send> {
        match at % 2 {
            0 => Box::new(move || client.delete(&path(&user)).status),
            _ => Box::new(move || client.patch(&path(&user), body(json!({ "role": "user" }))).status),
        }
    });
    assert_eq!(at_once(calls.collect()).into_iter().filter(|status| *status == 422).count(), 1);
    assert_eq!(select(&server, "SELECT count(*) FROM users WHERE role = 'admin'"), "1");
}
