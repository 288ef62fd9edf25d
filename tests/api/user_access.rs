//! Who may do what to which user: scopes, bearers, permissions of the routes, protected accounts (04 §1, §6.1, §6.5, §6.6, §8;
//! 03 §9, §14).

use crate::authentication::*;
use crate::authorization::{NO_REASON, reason};
use crate::support::*;
use crate::users::*;
use serde_json::{Value, json};

const RECORD: &str = "record environment is not compatible with the current environment";

/// People of every kind, and everybody who may ask for them.
struct Crowd {
    server: Server,
    /// Global: an administrator, staff, the owner and an attached user of a license, a stranger; last: a user of the shared
    /// environment.
    people: Vec<(&'static str, Value)>,
    clients: Vec<(&'static str, Client)>,
    license: Value,
    product: Value,
}

const ROLES: [(&str, &str); 5] =
    [("A", "admin"), ("D", "developer"), ("S", "sales-agent"), ("Su", "support-agent"), ("R", "read-only")];

impl Crowd {
    fn new() -> Crowd {
        let server = Server::start();
        let admin = server.admin();
        let shared = environment(&server, "shared", "SHARED");
        let product = admin.product();
        let license = admin.license(&admin.policy(&product, json!({})), json!({}));
        let mut people: Vec<(&'static str, Value)> =
            ROLES.iter().map(|(name, role)| (*name, person(&admin, role, &format!("{role}@staff.io")))).collect();
        for name in ["uo", "ua", "u"] {
            people.push((name, person(&admin, "user", &format!("{name}@example.com"))));
        }
        people.push(("e", person(&admin.environment("shared"), "user", "e@example.com")));
        own(&server, &license, &people[5].1);
        attach(&server, &license, &people[6].1);
        let mut clients = vec![("root", admin.clone())];
        for (name, user) in &people[..8] {
            clients.push((name, as_bearer(&server, user)));
        }
        clients.push(("E", server.token(&token_in(&server, &shared, Some(id(&shared)))).environment("shared")));
        clients.push(("P", as_bearer(&server, &product)));
        clients.push(("L", as_bearer(&server, &license)));
        clients.push(("X", server.anonymous()));
        Crowd { server, people, clients, license, product }
    }

    fn user(&self, name: &str) -> &Value {
        &self.people.iter().find(|(n, _)| *n == name).unwrap().1
    }

    fn client(&self, name: &str) -> &Client {
        &self.clients.iter().find(|(n, _)| *n == name).unwrap().1
    }

    /// Who gets which status for each of the people: `200: A D; 403: S`, in the order of the statuses.
    fn outcome(&self, client: &str, call: impl Fn(&Client, &Value) -> Answer) -> String {
        let mut groups: Vec<(u16, Vec<&str>)> = Vec::new();
        for (name, user) in &self.people {
            let status = call(self.client(client), user).status;
            match groups.iter_mut().find(|(s, _)| *s == status) {
                Some((_, names)) => names.push(name),
                None => groups.push((status, vec![name])),
            }
        }
        groups.sort();
        groups.iter().map(|(status, names)| format!("{status}: {}", names.join(" "))).collect::<Vec<_>>().join("; ")
    }
}

// 04 §1 (show, scope), §8
#[test]
fn who_sees_whom() {
    let crowd = Crowd::new();
    let staff = "200: A D S Su R uo ua u; 404: e";
    for (client, expected) in [
        ("root", staff),
        ("A", staff),
        ("D", staff),
        ("S", staff),
        ("Su", staff),
        ("R", staff),
        ("E", "200: uo ua u e; 403: A D S Su R"),
        ("P", "200: uo ua u; 404: A D S Su R e"),
        ("L", "403: uo ua; 404: A D S Su R u e"),
        ("uo", "200: uo ua; 404: A D S Su R u e"),
        ("ua", "200: uo ua; 404: A D S Su R u e"),
        ("u", "200: u; 404: A D S Su R uo ua e"),
        ("X", "401: A D S Su R uo ua u e"),
    ] {
        assert_eq!(crowd.outcome(client, |client, user| client.get(&path(user))), expected, "{client}");
    }
    assert_eq!(reason(&crowd.client("L").get(&path(crowd.user("uo")))), "license lacks permission to perform action");
    let environment = crowd.client("E");
    assert_eq!(reason(&environment.get(&path(crowd.user("A")))), "environment lacks permission to perform action");
    assert_eq!(reason(&environment.get(&path(crowd.user("D")))), NO_REASON);
    // licenses with the permission see those who hold them, as far as their owner may
    crowd.server.sql("UPDATE licenses SET permissions = '[\"user.read\"]'");
    let license = |user: &str| crowd.client("L").get(&path(crowd.user(user))).status;
    assert_eq!(["uo", "ua", "u"].map(license), [200, 200, 404]);
    // a teammate of the staff: whoever may not read administrators does not
    attach(&crowd.server, &crowd.license, crowd.user("A"));
    attach(&crowd.server, &crowd.license, crowd.user("D"));
    assert_eq!(reason(&crowd.client("ua").get(&path(crowd.user("A")))), "user lacks permission to perform action");
    crowd.client("ua").get(&path(crowd.user("D"))).ok(200);
    // the same group shows nothing, owning it neither
    let group = group(&crowd.server, None, None);
    crowd.server.sql(&format!("UPDATE users SET group_id = '{}'", id(&group)));
    crowd.server.sql(&format!(
        "INSERT INTO group_owners (id, account_id, created_at, updated_at, group_id, user_id)
         SELECT '{}', id, 0, 0, '{}', '{}' FROM accounts",
        new_id(),
        id(&group),
        id(crowd.user("u"))
    ));
    assert_eq!(crowd.client("u").get(&path(crowd.user("ua"))).status, 404);
    let listed = crowd.client("u").get("users").ok(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

// 04 §1 (list), §4 (last lines)
#[test]
fn who_lists_whom() {
    let crowd = Crowd::new();
    let mail = |record: &Value| text(&record["attributes"]["email"]).split('@').next().unwrap().to_owned();
    let list = |client: &str, query: &str| {
        let answer = crowd.client(client).get(&format!("users{query}"));
        if answer.status != 200 {
            return answer.status.to_string();
        }
        let mut names: Vec<String> = answer.body["data"].as_array().unwrap().iter().map(mail).collect();
        names.reverse();
        names.join(" ")
    };
    let everybody = "?roles=any&limit=100";
    let admins = "?roles[]=admin";
    let staff = "uo ua u";
    let all = "admin admin developer sales-agent support-agent read-only uo ua u";
    for (client, users, any, administrators) in [
        ("A", staff, all, "admin admin"),
        ("D", staff, all, "admin admin"),
        ("S", staff, all, "admin admin"),
        ("Su", staff, all, "admin admin"),
        ("R", staff, all, "admin admin"),
        ("E", "uo ua u e", "403", "403"),
        ("P", staff, staff, ""),
        ("L", "403", "403", "403"),
        ("uo", "uo ua", "uo ua", ""),
        ("ua", "uo ua", "uo ua", ""),
        ("u", "u", "u", ""),
        ("X", "401", "401", "401"),
    ] {
        assert_eq!(list(client, ""), users, "{client}");
        assert_eq!(list(client, everybody), any, "{client}");
        assert_eq!(list(client, admins), administrators, "{client}");
    }
    let environment = |query: &str| reason(&crowd.client("E").get(&format!("users{query}")));
    assert_eq!(environment(admins), "environment lacks permission to perform action");
    assert_eq!(environment("?roles[]=developer"), NO_REASON);
    // only the page matters
    assert_eq!(list("E", "?roles=any&limit=1"), "e");
    // an administrator on the page asks for one more permission, of bearer and token alike
    crowd.server.sql("UPDATE users SET permissions = '[\"user.read\"]' WHERE role = 'support-agent'");
    assert_eq!(list("Su", ""), staff);
    assert_eq!(
        reason(&crowd.client("Su").get("users?roles[]=admin")),
        "support agent lacks permission to perform action"
    );
    crowd.server.sql("UPDATE tokens SET permissions = '[\"user.read\"]'");
    assert_eq!(reason(&crowd.client("D").get("users?roles[]=admin")), "token lacks permission to perform action");
    assert_eq!(list("D", "?roles[]=developer"), "developer");
    // a license's list
    crowd.server.sql("UPDATE licenses SET permissions = '[\"*\"]'; UPDATE tokens SET permissions = '[\"*\"]'");
    assert_eq!(list("L", ""), "uo ua");
    // an attached administrator: seen by its teammates only when asked for, and then refused
    attach(&crowd.server, &crowd.license, crowd.user("A"));
    assert_eq!((list("uo", ""), list("uo", admins)), ("uo ua".into(), "403".into()));
}

// 04 §1 (update), §6.3, §8
#[test]
fn who_changes_whom() {
    let crowd = Crowd::new();
    for (client, expected) in [
        ("root", "200: A D S Su R uo ua u; 404: e"),
        ("A", "200: A D S Su R uo ua u; 404: e"),
        ("D", "200: D S Su R uo ua u; 403: A; 404: e"),
        ("S", "200: uo ua u; 403: A D S Su R; 404: e"),
        ("Su", "403: A D S Su R uo ua u; 404: e"),
        ("R", "403: A D S Su R uo ua u; 404: e"),
        ("E", "200: e; 403: A D S Su R uo ua u"),
        ("P", "200: uo ua u; 404: A D S Su R e"),
        ("L", "403: uo ua; 404: A D S Su R u e"),
        ("uo", "200: uo; 403: ua; 404: A D S Su R u e"),
        ("u", "200: u; 404: A D S Su R uo ua e"),
        ("X", "401: A D S Su R uo ua u e"),
    ] {
        let got = crowd.outcome(client, |client, user| client.patch(&path(user), body(json!({ "firstName": "x" }))));
        assert_eq!(got, expected, "{client}");
    }
    let why = |client: &str, user: &str| reason(&crowd.client(client).patch(&path(crowd.user(user)), body(json!({}))));
    for (client, user, expected) in [
        ("D", "A", "developer lacks privileges to perform action on user"),
        ("S", "A", "sales agent lacks privileges to perform action on user"),
        ("S", "Su", NO_REASON),
        ("S", "S", NO_REASON),
        ("Su", "u", NO_REASON),
        ("R", "R", "read only lacks permission to perform action"),
        ("L", "uo", "license lacks permission to perform action"),
        ("uo", "ua", NO_REASON),
        ("E", "u", RECORD),
    ] {
        assert_eq!(why(client, user), expected, "{client} {user}");
    }
    // 04 §8: in the shared environment, for everyone
    let shared = |client: &str| crowd.client(client).environment("shared");
    for client in ["root", "D", "S", "P"] {
        shared(client).patch(&path(crowd.user("e")), body(json!({}))).ok(200);
        assert_eq!(reason(&shared(client).patch(&path(crowd.user("u")), body(json!({})))), RECORD, "{client}");
        assert_eq!(reason(&shared(client).delete(&path(crowd.user("u")))), RECORD, "{client}");
        let ban = format!("{}/actions/ban", path(crowd.user("u")));
        assert_eq!(reason(&shared(client).post(&ban, Value::Null)).as_str(), RECORD, "{client}");
        shared(client).get(&path(crowd.user("u"))).ok(200);
    }
}

// 04 §1 (create), §6.1; 05 §1.2, 03 §14
#[test]
fn who_creates() {
    let crowd = Crowd::new();
    let mut number = 0;
    let mut new = |client: &Client| {
        number += 1;
        client.post("users", body(json!({ "email": format!("new{number}@example.com"), "password": "secret" })))
    };
    for (client, expected) in [
        ("A", "201"),
        ("D", "201"),
        ("S", "201"),
        ("Su", NO_REASON),
        ("R", "read only lacks permission to perform action"),
        ("E", "201"),
        ("P", "201"),
        ("L", "license lacks permission to perform action"),
        ("u", "user lacks permission to perform action"),
        ("X", "201"),
    ] {
        let answer = new(crowd.client(client));
        let got = if answer.status == 201 { "201".to_owned() } else { reason(&answer) };
        assert_eq!(got, expected, "{client}");
        if answer.status == 201 {
            assert_eq!(answer.body["data"]["attributes"]["role"], "user");
            let environment = &answer.body["data"]["relationships"]["environment"]["data"];
            assert_eq!(environment.is_null(), client != "E");
        }
    }
    // nobody makes users where one may, in the environment that is named
    let here = new(&crowd.server.anonymous().environment("shared")).ok(201);
    assert!(!here["data"]["relationships"]["environment"]["data"].is_null());
    assert_eq!(new(&crowd.server.token("nope")).code(), "TOKEN_INVALID");
    // the account's protection keeps nobody out, and nobody else
    let account = json!({ "data": { "type": "accounts", "attributes": { "protected": true } } });
    crowd.server.admin().patch("/v1/accounts/acme", account).ok(200);
    for client in [crowd.server.anonymous(), crowd.server.anonymous().environment("shared")] {
        assert_eq!(reason(&new(&client)), "ensure a token or license is present and valid");
    }
    let bad = crowd.server.anonymous().post("users", body(json!({ "email": 1 })));
    assert_eq!(bad.status, 400, "the body comes first");
    for client in ["A", "S", "P", "E"] {
        new(crowd.client(client)).ok(201);
    }
    assert_eq!(new(crowd.client("u")).status, 403);
}

// 04 §1 (delete), §6.5
#[test]
fn who_deletes() {
    let crowd = Crowd::new();
    let admin = crowd.server.admin();
    let mut number = 0;
    let mut fresh = |role: &str| {
        number += 1;
        person(&admin, role, &format!("fresh{number}@example.com"))
    };
    let mut delete = |client: &str, role: &str| {
        let user = fresh(role);
        crowd.client(client).delete(&path(&user)).status
    };
    let kinds = ["admin", "developer", "sales-agent", "support-agent", "read-only", "user"];
    for (client, expected) in [
        ("A", [204, 204, 204, 204, 204, 204]),
        ("D", [403, 204, 204, 204, 204, 204]),
        ("S", [403; 6]),
        ("Su", [403; 6]),
        ("R", [403; 6]),
        ("P", [404, 404, 404, 404, 404, 204]),
        ("L", [404; 6]),
        ("u", [404; 6]),
        ("X", [401; 6]),
    ] {
        assert_eq!(kinds.map(|role| delete(client, role)), expected, "{client}");
    }
    let environment = crowd.client("E");
    let shared = admin.environment("shared");
    for (role, expected) in [("admin", 403), ("developer", 403), ("user", 204)] {
        let user = person(&shared, role, &format!("{role}@shared.io"));
        assert_eq!(environment.delete(&path(&user)).status, expected, "E {role}");
    }
    assert_eq!(reason(&environment.delete(&path(crowd.user("u")))), RECORD);
    for client in ["uo", "ua", "u"] {
        let answer = crowd.client(client).delete(&path(crowd.user(client)));
        assert_eq!(reason(&answer), "user lacks permission to perform action", "itself");
    }
    assert_eq!(
        reason(&crowd.client("L").delete(&path(crowd.user("uo")))),
        "license lacks permission to perform action"
    );
    // products: users without licenses, or with its own alone
    let product = crowd.client("P");
    let others = admin.product();
    let policies = [&crowd.product, &others].map(|product| admin.policy(product, json!({})));
    let elsewhere = "user cannot belong to another product";
    for (owned, attached, expected) in [
        (&[][..], &[][..], None),
        (&[0], &[], None),
        (&[], &[0], None),
        (&[0, 0], &[0], None),
        (&[1], &[], Some(elsewhere)),
        (&[], &[1], Some(elsewhere)),
        (&[0], &[1], Some(elsewhere)),
    ] {
        let user = fresh("user");
        owned.iter().for_each(|at: &usize| own(&crowd.server, &admin.license(&policies[*at], json!({})), &user));
        attached.iter().for_each(|at: &usize| attach(&crowd.server, &admin.license(&policies[*at], json!({})), &user));
        let answer = product.delete(&path(&user));
        match expected {
            None => drop(answer.ok(204)),
            Some(why) => assert_eq!(reason(&answer), why),
        }
    }
    assert_eq!(admin.delete(&path(crowd.user("uo"))).status, 204);
}

// 04 §1, §6.6
#[test]
fn who_bans() {
    let crowd = Crowd::new();
    for action in ["ban", "unban"] {
        let act = |client: &Client, user: &Value| client.post(&format!("{}/actions/{action}", path(user)), Value::Null);
        let staff = "200: uo ua u; 403: A D S Su R; 404: e";
        for (client, expected) in [
            ("root", staff),
            ("D", staff),
            ("S", staff),
            ("Su", staff),
            ("R", "403: A D S Su R uo ua u; 404: e"),
            ("E", "200: e; 403: A D S Su R uo ua u"),
            ("P", "200: uo ua u; 404: A D S Su R e"),
            ("X", "401: A D S Su R uo ua u e"),
        ] {
            assert_eq!(crowd.outcome(client, act), expected, "{client} {action}");
        }
        let why = |client: &str, user: &str| reason(&act(crowd.client(client), crowd.user(user)));
        for client in ["root", "A", "D", "Su"] {
            for user in ["A", "D", "R"] {
                assert_eq!(why(client, user), "must have a user role", "{client} {user}");
            }
        }
        assert_eq!(why("R", "A"), "read only lacks permission to perform action", "permissions come first");
        assert_eq!(why("E", "u"), RECORD);
        assert_eq!(why("E", "D"), RECORD, "and so do environments");
    }
    // the banned themselves, and those around them
    for (client, user, status) in
        [("uo", "uo", 403), ("uo", "ua", 403), ("u", "uo", 404), ("L", "uo", 403), ("L", "u", 404)]
    {
        let answer = crowd.client(client).post(&format!("{}/actions/ban", path(crowd.user(user))), Value::Null);
        assert_eq!(answer.status, status, "{client} {user}");
    }
    let shared = person(&crowd.server.admin().environment("shared"), "developer", "dev@shared.io");
    let answer = crowd.client("E").post(&format!("{}/actions/ban", path(&shared)), Value::Null);
    assert_eq!(reason(&answer), "must have a user role");
}

// 04 §1: the column of permissions
#[test]
fn every_route_asks_for_its_permission() {
    let crowd = Crowd::new();
    let server = &crowd.server;
    let (admin, developer) = (path(crowd.user("A")), path(crowd.user("D")));
    let user = path(crowd.user("uo"));
    let mut number = 0;
    let mut new = |role: &str| {
        number += 1;
        body(json!({ "email": format!("n{number}@example.com"), "role": role, "permissions": [] }))
    };
    let calls: Vec<(&str, String, Value, &[&str])> = vec![
        ("GET", "users".into(), Value::Null, &["user.read"]),
        ("GET", "users?roles[]=admin".into(), Value::Null, &["user.read", "admin.read"]),
        ("POST", "users".into(), new("user"), &["user.create"]),
        ("POST", "users".into(), new("developer"), &["user.create"]),
        ("POST", "users".into(), new("admin"), &["user.create", "admin.create"]),
        ("GET", user.clone(), Value::Null, &["user.read"]),
        ("GET", admin.clone(), Value::Null, &["user.read", "admin.read"]),
        ("PATCH", user.clone(), body(json!({})), &["user.update"]),
        ("PATCH", admin.clone(), body(json!({ "firstName": "x" })), &["user.update", "admin.update"]),
        // an administrator before, none after
        (
            "PATCH",
            developer.clone(),
            body(json!({ "role": "admin", "permissions": [] })),
            &["user.update", "admin.update"],
        ),
        ("PATCH", developer.clone(), body(json!({ "role": "developer" })), &["user.update"]),
        ("POST", format!("{user}/actions/ban"), Value::Null, &["user.ban"]),
        ("POST", format!("{user}/actions/unban"), Value::Null, &["user.unban"]),
        ("GET", format!("{user}/products"), Value::Null, &["product.read"]),
        ("GET", format!("{user}/products/{}", id(&crowd.product)), Value::Null, &["product.read"]),
        ("GET", format!("{user}/licenses"), Value::Null, &["license.read"]),
        ("GET", format!("{user}/licenses/{}", id(&crowd.license)), Value::Null, &["license.read"]),
        ("GET", format!("{user}/machines"), Value::Null, &["machine.read"]),
        ("GET", format!("{user}/group"), Value::Null, &["group.read"]),
        ("DELETE", developer, Value::Null, &["user.delete"]),
        ("DELETE", admin, Value::Null, &["user.delete", "admin.delete"]),
    ];
    let boss = person(&server.admin(), "admin", "boss@example.com");
    let caller = as_bearer(server, &boss);
    let all = catalogue("admin", "default");
    let narrow = |table: &str, column: &str, keep: &dyn Fn(&str) -> bool| {
        let names: Vec<&str> = all.as_array().unwrap().iter().map(text).filter(|name| keep(name)).collect();
        server.sql(&format!("UPDATE {table} SET permissions = '{}' WHERE {column} = '{}'", json!(names), id(&boss)));
    };
    // made by SQL: the full administrator keeps every last-admin rule satisfied
    for (method, path, sent, permissions) in &calls {
        let call = || {
            let sent = (!sent.is_null()).then(|| sent.to_string());
            caller.call(method, path, sent.as_ref().map(String::as_bytes))
        };
        for missing in *permissions {
            narrow("users", "id", &|name| name != *missing);
            assert_eq!(reason(&call()), "admin lacks permission to perform action", "{method} {path} {missing}");
            narrow("users", "id", &|_| true);
            narrow("tokens", "bearer_id", &|name| name != *missing);
            assert_eq!(reason(&call()), "token lacks permission to perform action", "{method} {path} {missing}");
            narrow("tokens", "bearer_id", &|_| true);
        }
        // nothing else is asked for
        narrow("tokens", "bearer_id", &|name| permissions.contains(&name));
        let answer = call();
        assert!(answer.status < 300, "{method} {path} {}", answer.detail());
        narrow("tokens", "bearer_id", &|_| true);
    }
}
