//! What hangs on a user: products, licenses, machines, its group (04 §1, §6.7, §7, §8).

use crate::authentication::*;
use crate::authorization::{NO_REASON, reason};
use crate::support::*;
use crate::users::*;
use serde_json::{Value, json};

/// Ada owns two licenses of the first product and is attached to one of the second; Bob, her teammate, owns that one. Cid
/// holds nothing of theirs. A machine on each of the four licenses.
struct Holdings {
    server: Server,
    products: [Value; 2],
    licenses: [Value; 4],
    machines: [Value; 4],
    ada: Value,
    bob: Value,
    cid: Value,
}

impl Holdings {
    fn new() -> Holdings {
        let server = Server::start();
        let admin = server.admin();
        let products =
            ["one", "two"].map(|code| admin.create("products", json!({ "name": code, "code": code }), Value::Null));
        let policies =
            products.each_ref().map(|product| admin.policy(product, json!({ "authenticationStrategy": "MIXED" })));
        let licenses =
            [0, 0, 1, 0].map(|at: usize| admin.license(&policies[at], json!({ "key": format!("KEY-{}", new_id()) })));
        let [ada, bob, cid] = ["ada", "bob", "cid"].map(|name| person(&admin, "user", &format!("{name}@x.io")));
        own(&server, &licenses[0], &ada);
        own(&server, &licenses[1], &ada);
        own(&server, &licenses[2], &bob);
        own(&server, &licenses[3], &cid);
        attach(&server, &licenses[2], &ada);
        let at = [0, 1, 2, 3];
        let machines = at.map(|at: usize| admin.machine(&licenses[at], &format!("print-{at}")));
        // machines of one's licenses, whoever owns them
        server.sql(&format!("UPDATE machines SET owner_id = '{}' WHERE id = '{}'", id(&bob), id(&machines[2])));
        Holdings { server, products, licenses, machines, ada, bob, cid }
    }

    /// What a list gives, by place in `known`, oldest first; or the reason of its refusal, or the status.
    fn list(&self, client: &Client, path: &str, known: &[Value]) -> String {
        let answer = client.get(path);
        match answer.status {
            200 => {}
            403 => return reason(&answer),
            status => return status.to_string(),
        }
        let place = |record: &Value| known.iter().position(|known| known["id"] == record["id"]).unwrap().to_string();
        let mut places: Vec<String> = answer.body["data"].as_array().unwrap().iter().map(place).collect();
        places.reverse();
        places.join(" ")
    }
}

// 04 §1, §7
#[test]
fn what_users_hold() {
    let all = Holdings::new();
    let admin = all.server.admin();
    let below = |user: &Value, what: &str| format!("{}/{what}", path(user));
    for (user, products, licenses, machines) in
        [(&all.ada, "0 1", "0 1 2", "0 1 2"), (&all.bob, "1", "2", "2"), (&all.cid, "0", "3", "3")]
    {
        assert_eq!(all.list(&admin, &below(user, "products"), &all.products), products);
        assert_eq!(all.list(&admin, &below(user, "licenses"), &all.licenses), licenses);
        assert_eq!(all.list(&admin, &below(user, "machines"), &all.machines), machines);
    }
    // members: as on their own routes, by what names them
    for (what, names, echo) in [
        ("products", vec![id(&all.products[1]).to_owned()], "product"),
        ("licenses", vec![id(&all.licenses[2]).to_owned(), key(&all.licenses[2]).to_owned()], "license"),
        ("machines", vec![id(&all.machines[2]).to_owned(), "print-2".to_owned()], "machine"),
    ] {
        let own = admin.get(&format!("{what}/{}", names[0])).ok(200);
        for name in &names {
            let member = admin.get(&below(&all.ada, &format!("{what}/{name}"))).ok(200);
            assert_eq!(member["data"].to_string(), own["data"].to_string());
            let missing = format!("404 The requested {echo} '{name}' was not found|NOT_FOUND|-");
            assert_eq!(admin.get(&below(&all.cid, &format!("{what}/{name}"))).error(), missing);
        }
    }
    let by_code = admin.get(&below(&all.ada, "products/two"));
    assert_eq!(by_code.error(), "404 The requested product 'two' was not found|NOT_FOUND|-", "by UUID only");
    // pages and the filters that these lists have
    let policy = text(&all.licenses[0]["relationships"]["policy"]["data"]["id"]);
    admin.post(&format!("licenses/{}/actions/suspend", id(&all.licenses[1])), Value::Null).ok(200);
    let (first, second) = (id(&all.products[0]), id(&all.products[1]));
    for (query, expected) in [
        (format!("product={second}"), "2"),
        (format!("policy={policy}"), "0 1"),
        ("suspended=true".into(), "1"),
        (format!("suspended=false&product={first}"), "0"),
        ("product=x".into(), ""),
        (format!("machine={}", id(&all.machines[0])), "0 1 2"),
        ("limit=1".into(), "2"),
        ("limit=1&order=asc".into(), "0"),
        ("page[number]=2&page[size]=2".into(), "0"),
    ] {
        assert_eq!(
            all.list(&admin, &below(&all.ada, &format!("licenses?{query}")), &all.licenses),
            expected,
            "{query}"
        );
    }
    for (query, expected) in [
        ("fingerprint=print-1".to_owned(), "1"),
        ("fingerprint=print-3".into(), ""),
        (format!("product={first}"), "0 1"),
        (format!("license={}", id(&all.licenses[2])), "2"),
        (format!("license={}", id(&all.licenses[3])), ""),
        (format!("policy={policy}"), "0 1 2"),
        ("metadata[a]=b".into(), "0 1 2"),
    ] {
        assert_eq!(
            all.list(&admin, &below(&all.ada, &format!("machines?{query}")), &all.machines),
            expected,
            "{query}"
        );
    }
    let filtered = below(&all.ada, "products?code=one&limit=100");
    assert_eq!(all.list(&admin, &filtered, &all.products), "0 1");
}

// 04 §1, §7
#[test]
fn who_reads_what_users_hold() {
    let all = Holdings::new();
    let server = &all.server;
    let admin = server.admin();
    let shared = environment(server, "shared", "SHARED");
    let bearer = |role: &str| as_bearer(server, &person(&admin, role, &format!("{role}@staff.io")));
    let environment = server.token(&token_in(server, &shared, Some(id(&shared)))).environment("shared");
    let product = as_bearer(server, &all.products[0]);
    let stranger = as_bearer(server, &admin.product());
    let license = as_bearer(server, &all.licenses[0]);
    let other_license = as_bearer(server, &all.licenses[3]);
    let people = [&all.ada, &all.bob, &all.cid].map(|user| as_bearer(server, user));
    let [ada, bob, cid] = &people;
    let below = |what: &str| format!("{}/{what}", path(&all.ada));
    for client in [
        &admin,
        &bearer("developer"),
        &bearer("sales-agent"),
        &bearer("support-agent"),
        &bearer("read-only"),
        &environment,
    ] {
        assert_eq!(all.list(client, &below("products"), &all.products), "0 1");
        assert_eq!(all.list(client, &below("licenses"), &all.licenses), "0 1 2");
        assert_eq!(all.list(client, &below("machines"), &all.machines), "0 1 2");
        for (what, record) in
            [("products", &all.products[1]), ("licenses", &all.licenses[2]), ("machines", &all.machines[2])]
        {
            client.get(&below(&format!("{what}/{}", id(record)))).ok(200);
        }
        assert_eq!(client.get(&below("group")).ok(200), json!({ "data": null }));
    }
    let user_lacks = "user lacks permission to perform action";
    let license_lacks = "license lacks permission to perform action";
    for (name, client, products, licenses, machines, group) in [
        ("product", &product, "0", "0 1", "0 1", "200"),
        ("stranger", &stranger, "", "", "", "200"),
        ("ada", ada, user_lacks, "0 1 2", "0 1 2", "200"),
        ("bob", bob, user_lacks, NO_REASON, NO_REASON, NO_REASON),
        ("cid", cid, "404", "404", "404", "404"),
        ("license", &license, license_lacks, NO_REASON, NO_REASON, NO_REASON),
        ("other license", &other_license, "404", "404", "404", "404"),
        ("anonymous", &server.anonymous(), "401", "401", "401", "401"),
    ] {
        assert_eq!(all.list(client, &below("products"), &all.products), products, "{name}");
        assert_eq!(all.list(client, &below("licenses"), &all.licenses), licenses, "{name}");
        assert_eq!(all.list(client, &below("machines"), &all.machines), machines, "{name}");
        let answer = client.get(&below("group"));
        let got = if answer.status == 403 { reason(&answer) } else { answer.status.to_string() };
        assert_eq!(got, group, "{name}");
    }
    // one by name: of another product 403, of another user 404
    let outcome = |client: &Client, what: &str, record: &Value| {
        let answer = client.get(&below(&format!("{what}/{}", id(record))));
        if answer.status == 403 { reason(&answer) } else { answer.status.to_string() }
    };
    for (what, records, expected) in [
        ("products", [&all.products[0], &all.products[1], &admin.product()], ["200", NO_REASON, "404"]),
        ("licenses", [&all.licenses[1], &all.licenses[2], &all.licenses[3]], ["200", NO_REASON, "404"]),
        ("machines", [&all.machines[1], &all.machines[2], &all.machines[3]], ["200", NO_REASON, "404"]),
    ] {
        assert_eq!(records.map(|record| outcome(&product, what, record)), expected, "{what}");
        let own = if what == "products" { user_lacks } else { "200" };
        assert_eq!(records.map(|record| outcome(ada, what, record)), [own, own, "404"], "{what}");
        assert_eq!(outcome(bob, what, records[1]), if what == "products" { user_lacks } else { NO_REASON }, "{what}");
        assert_eq!(outcome(&license, what, records[0]), if what == "products" { license_lacks } else { NO_REASON });
    }
    server.sql(
        "UPDATE users SET permissions = '[\"*\"]' WHERE role = 'user'; UPDATE licenses SET permissions = '[\"*\"]'",
    );
    assert_eq!(all.list(ada, &below("products"), &all.products), "0 1");
    assert_eq!(outcome(ada, "products", &all.products[1]), "200");
    assert_eq!(all.list(bob, &below("products"), &all.products), NO_REASON);
    assert_eq!(all.list(&license, &below("products"), &all.products), NO_REASON);
    // users of the staff: their licenses are in the sight of environments, and out of that of products
    let boss = person(&admin, "admin", "boss@x.io");
    attach(server, &all.licenses[0], &boss);
    for (what, known) in [("products", &all.products[..]), ("licenses", &all.licenses), ("machines", &all.machines)] {
        let below = format!("{}/{what}", path(&boss));
        assert_eq!(all.list(&environment, &below, known), "0", "{what}");
        environment.get(&format!("{below}/{}", id(&known[0]))).ok(200);
        assert_eq!(all.list(&product, &below, known), "404", "{what}");
        assert_eq!(all.list(&admin, &below, known), "0", "{what}");
    }
    environment.get(&format!("{}/group", path(&boss))).ok(200);
    assert_eq!(environment.get(&format!("{}/tokens", path(&boss))).status, 403, "03 §10.1");
}

// 04 §6.7
#[test]
fn groups_of_users() {
    let all = Holdings::new();
    let server = &all.server;
    let group = group(server, None, None);
    server.sql(&format!("UPDATE users SET group_id = '{}' WHERE email = 'ada@x.io'", id(&group)));
    let below = format!("{}/group", path(&all.ada));
    for client in [server.admin(), as_bearer(server, &all.products[0]), as_bearer(server, &all.ada)] {
        let shown = client.get(&below).ok(200);
        assert_eq!((&shown["data"]["type"], &shown["data"]["id"]), (&json!("groups"), &group["id"]));
    }
    for client in [as_bearer(server, &all.bob), as_bearer(server, &all.licenses[0])] {
        assert_eq!(reason(&client.get(&below)), NO_REASON);
    }
}

// 04 §8, 05 §5.4
#[test]
fn environments_of_what_users_hold() {
    let all = Holdings::new();
    let server = &all.server;
    let admin = server.admin();
    let shared = environment(server, "shared", "SHARED");
    let isolated = environment(server, "isolated", "ISOLATED");
    let here = admin.environment("shared");
    // a license of the shared environment for a global user
    let policy =
        json!({ "policy": { "data": all.licenses[0]["relationships"]["policy"]["data"] }, "owner": link(&all.ada) });
    let license = here.create("licenses", json!({}), policy);
    let machine = here.machine(&license, "inside");
    for (what, known, record) in [("licenses", &all.licenses, &license), ("machines", &all.machines, &machine)] {
        let below = format!("{}/{what}", path(&all.ada));
        assert_eq!(all.list(&admin, &below, known), "0 1 2", "{what}");
        assert_eq!(here.get(&below).ok(200)["data"].as_array().unwrap().len(), 4);
        // a member is looked up in every environment
        for client in [&admin, &here] {
            client.get(&format!("{below}/{}", id(record))).ok(200);
        }
        // the parent is not
        let boss = json!({ "type": "users", "id": select(server, "SELECT id FROM users WHERE role = 'admin'") });
        let inside = server.token(&token_in(server, &boss, Some(id(&isolated)))).environment("isolated");
        assert_eq!(inside.get(&below).status, 404);
    }
    let local = person(&here, "user", "local@x.io");
    for what in ["licenses", "machines", "products", "group"] {
        assert_eq!(admin.get(&format!("{}/{what}", path(&local))).status, 404, "{what}");
        here.get(&format!("{}/{what}", path(&local))).ok(200);
    }
    let token = server.token(&token_in(server, &shared, Some(id(&shared)))).environment("shared");
    assert_eq!(token.get(&format!("{}/licenses", path(&all.ada))).ok(200)["data"].as_array().unwrap().len(), 4);
}
