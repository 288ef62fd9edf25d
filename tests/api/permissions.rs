//! Permission sets: defaults, who may send them, what they may hold, what a role change leaves of them, the extra permissions
//! about administrators, and protected attributes (03 §7, §8, §14, 05 §2.3).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use crate::token_generation::cast_with_environment;
use crate::tokens::user_record;
use serde_json::{Value, json};

const UNPERMITTED: &str = "400 unpermitted parameter|-|/data/attributes/permissions";
const REFUSED: &str = "422 unsupported permissions|PERMISSIONS_NOT_ALLOWED|/data/attributes/permissions";

fn data(type_: &str, attributes: Value) -> Value {
    json!({ "data": { "type": type_, "attributes": attributes } })
}

fn names(record: &Value) -> Vec<&str> {
    record["attributes"]["permissions"].as_array().unwrap().iter().map(text).collect()
}

/// The sets of a role in the catalogue.
fn catalogue(role: &str, set: &str) -> Vec<String> {
    let catalogue: Value = serde_json::from_str(include_str!("../../docs/spec/data/permissions.json")).unwrap();
    let mut names: Vec<String> = serde_json::from_value(catalogue["roles"][role][set].clone()).unwrap();
    names.sort();
    names
}

fn new_email() -> String {
    format!("{}@example.com", new_id())
}

// 03 §8.1, §8.3: the default of each role, written at creation; 05 §2.3: the account's own defaults
#[test]
fn defaults() {
    let server = Server::start();
    let admin = server.admin();
    let made = |role: Option<&str>| {
        let mut attributes = json!({ "email": new_email() });
        if let Some(role) = role {
            attributes["role"] = json!(role);
        }
        admin.post("users", data("users", attributes)).ok(201)["data"].clone()
    };
    for (role, count) in [
        ("admin", 144),
        ("developer", 144),
        ("sales-agent", 144),
        ("support-agent", 144),
        ("read-only", 41),
        ("user", 54),
    ] {
        let user = made(Some(role));
        assert_eq!(names(&user), catalogue(role, "default"), "{role}: sorted by byte value");
        assert_eq!(names(&user).len(), count, "{role}");
        assert_eq!(user["attributes"]["role"], role);
    }
    assert_eq!(made(None)["attributes"]["role"], "user");
    let license = admin.quick_license(json!({}));
    let product = admin.product();
    assert_eq!((names(&license).len(), names(&product).len()), (37, 109));
    assert_eq!(names(&license), catalogue("license", "default"));
    assert_eq!(names(&product), catalogue("product", "default"));
    // settings replace those of users of role `user` and of licenses, for new ones
    let policy = json!({ "type": "policies", "id": license["relationships"]["policy"]["data"]["id"] });
    let (before_user, before_license) = (made(None), admin.license(&policy, json!({})));
    let mut settings = Vec::new();
    for (key, value) in [
        ("defaultUserPermissions", json!(["user.read", "license.read"])),
        ("default_license_permissions", json!(["*"])),
    ] {
        let body = data("settings", json!({ "key": key, "value": value }));
        settings.push(admin.post("settings", body).ok(201)["data"].clone());
    }
    assert_eq!(names(&made(None)), ["license.read", "user.read"]);
    assert_eq!(names(&made(Some("read-only"))).len(), 41, "other roles keep theirs");
    assert_eq!(names(&admin.license(&policy, json!({}))), ["*"]);
    let anonymous = server.anonymous().post("users", data("users", json!({ "email": new_email() }))).ok(201);
    assert_eq!(names(&anonymous["data"]), ["license.read", "user.read"]);
    for (before, count) in [(&before_user, 54), (&before_license, 37)] {
        let path = format!("{}/{}", text(&before["type"]), id(before));
        assert_eq!(names(&admin.get(&path).ok(200)["data"]).len(), count, "existing ones keep theirs");
    }
    // explicit ones win; a change back to `user` cuts down to the setting's
    let given = data("users", json!({ "email": new_email(), "permissions": ["token.read", "license.read"] }));
    assert_eq!(names(&admin.post("users", given).ok(201)["data"]), ["license.read", "token.read"]);
    let staff = made(Some("support-agent"));
    let demoted = admin.patch(&format!("users/{}", id(&staff)), data("users", json!({ "role": "user" }))).ok(200);
    assert_eq!(names(&demoted["data"]), ["license.read", "user.read"]);
    for setting in settings {
        admin.delete(&format!("settings/{}", id(&setting))).ok(204);
    }
    assert_eq!((names(&made(None)).len(), names(&admin.license(&policy, json!({}))).len()), (54, 37));
}

// 03 §8.3: the matrix of the document is the catalogue that the server has
#[test]
fn matrix() {
    let document = include_str!("../../docs/spec/03-auth-and-tokens.md");
    let matrix = &document[document.find("### 8.3 Matrix").unwrap()..document.find("## 9. Authorization").unwrap()];
    let rows: Vec<Vec<&str>> = matrix
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    assert_eq!(rows.len(), 144);
    let column = |at: Option<usize>, marks: &[&str]| -> Vec<String> {
        let wanted = |row: &&Vec<&str>| at.is_none_or(|at| marks.contains(&row[at]));
        rows.iter().filter(wanted).map(|row| row[0].to_owned()).collect()
    };
    for (role, at) in [
        ("admin", None),
        ("developer", None),
        ("sales-agent", None),
        ("support-agent", None),
        ("read-only", Some(1)),
        ("environment", Some(2)),
        ("product", Some(3)),
        ("user", Some(4)),
        ("license", Some(5)),
    ] {
        assert_eq!(column(at, &["●", "○"]), catalogue(role, "allowed"), "{role}");
        assert_eq!(column(at, &["●"]), catalogue(role, "default"), "{role}");
    }
    // what is allowed may be stored, all of it
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
    let person = |role: &str| {
        let body = data("users", json!({ "email": new_email(), "role": role }));
        admin.post("users", body).ok(201)["data"].clone()
    };
    let everything = catalogue("admin", "allowed");
    for (role, record) in [
        ("developer", person("developer")),
        ("read-only", person("read-only")),
        ("user", person("user")),
        ("product", product),
        ("license", license),
    ] {
        let allowed = catalogue(role, "allowed");
        let type_ = text(&record["type"]);
        let send = |set: &[String]| {
            admin.patch(&format!("{type_}/{}", id(&record)), data(type_, json!({ "permissions": set })))
        };
        assert_eq!(names(&send(&allowed).ok(200)["data"]), allowed, "{role}");
        // and nothing else
        for name in everything.iter().filter(|name| !allowed.contains(name)) {
            assert_eq!(send(std::slice::from_ref(name)).error(), REFUSED, "{role} {name}");
        }
    }
}

// 03 §8.1: who may send a set, on create and update; `null` counts for the others, too
#[test]
fn who_may_send_them() {
    let (cast, _) = cast_with_environment();
    let ua = user_record(&cast.server, "ua@example.com");
    let policy = link(&cast.policy);
    // who is refused for sending it, among those that get so far
    let refused = |method: &str, path: &str, body: &dyn Fn(Value) -> Value| {
        let mut who = Vec::new();
        for (name, client) in &cast.clients {
            let mut outcomes = Vec::new();
            // none of which is stored where it may be sent
            for value in [Value::Null, json!(["nope"]), json!("x"), json!([null])] {
                let answer = match method {
                    "POST" => client.post(path, body(value)),
                    _ => client.patch(path, body(value)),
                };
                outcomes.push(answer.body.get("errors").is_some() && answer.error() == UNPERMITTED);
            }
            assert!(outcomes.iter().all(|o| *o == outcomes[0]), "{name} {path}: the value does not matter");
            if outcomes[0] {
                who.push(*name);
            }
        }
        who.join(" ")
    };
    let user = |value: Value| data("users", json!({ "email": new_email(), "permissions": value }));
    // create: the body comes first
    assert_eq!(refused("POST", "users", &user), "S Su R L Uo Um Ua L2 U X");
    let product = |value: Value| data("products", json!({ "name": "x", "permissions": value }));
    assert_eq!(refused("POST", "products", &product), "S Su R P L Uo Um Ua P2 L2 U");
    let license = |value: Value| {
        let mut body = data("licenses", json!({ "permissions": value }));
        body["data"]["relationships"] = json!({ "policy": policy });
        body
    };
    assert_eq!(refused("POST", "licenses", &license), "S Su R L Uo Um Ua L2 U");
    // update: of users the body comes first, of others authorization (01 §5)
    let set = |type_: &'static str| move |value: Value| data(type_, json!({ "permissions": value }));
    assert_eq!(refused("PATCH", &format!("users/{}", id(&ua)), &set("users")), "S Su R L Uo Um Ua");
    assert_eq!(refused("PATCH", &format!("products/{}", id(&cast.product)), &set("products")), "P");
    assert_eq!(refused("PATCH", &format!("licenses/{}", id(&cast.license)), &set("licenses")), "S Su");
    // environments have no such member
    let body = data("environments", json!({ "name": "x", "code": "x", "permissions": ["*"] }));
    assert_eq!(cast.client("A").post("environments", body).error(), UNPERMITTED);
}

// 03 §8.1: what a set may hold, by resource and role
#[test]
fn what_they_may_hold() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
    let person = |role: &str| {
        let body = data("users", json!({ "email": new_email(), "role": role }));
        admin.post("users", body).ok(201)["data"].clone()
    };
    let spare = user(&server, "admin", "spare@example.com");
    // one that the role has by default, one that it may have, one that it may not
    for (record, default, allowed, forbidden) in [
        (person("user"), "license.read", "product.read", "product.create"),
        (person("user"), "user.read", "license.users.attach", "license.suspend"),
        (person("read-only"), "admin.read", "request-log.read", "user.create"),
        (person("sales-agent"), "license.read", "account.update", ""),
        (person("support-agent"), "license.read", "admin.create", ""),
        (person("developer"), "license.read", "account.billing.update", ""),
        (spare, "license.read", "admin.invite", ""),
        (product, "user.ban", "license.users.attach", "product.create"),
        (license, "license.read", "user.read", "license.suspend"),
    ] {
        let type_ = text(&record["type"]);
        let path = format!("{type_}/{}", id(&record));
        let outcome = |sent: Value| {
            let answer = admin.patch(&path, data(type_, json!({ "permissions": sent })));
            match answer.status {
                200 => answer.body["data"]["attributes"]["permissions"].to_string(),
                _ => {
                    let error = &answer.body["errors"][0];
                    let about = format!("https://keygen.sh/docs/api/{type_}/#{type_}-object-attrs-permissions");
                    assert_eq!(
                        (&error["title"], &error["links"]["about"]),
                        (&json!("Unprocessable resource"), &json!(about))
                    );
                    answer.error()
                }
            }
        };
        let (one, two) = (format!("[\"{default}\"]"), {
            let mut both = [default, allowed];
            both.sort();
            format!("[\"{}\",\"{}\"]", both[0], both[1])
        });
        for (sent, expected) in [
            (json!([allowed, default]), two.as_str()),
            (Value::Null, &two),
            (json!([default]), &one),
            (json!(["*"]), "[\"*\"]"),
            (json!(["*", default]), &format!("[\"*\",\"{default}\"]")),
            (json!([]), "[]"),
            (json!([default, default]), REFUSED),
            (json!(["*", "*"]), REFUSED),
            (json!(["license.fly"]), REFUSED),
            (json!([" license.read"]), REFUSED),
            (json!([forbidden]), REFUSED),
            (json!([default, forbidden]), REFUSED),
        ] {
            if !forbidden.is_empty() || !sent.to_string().contains("\"\"") {
                assert_eq!(outcome(sent.clone()), expected, "{path} {sent}");
            }
        }
    }
    // unknown and repeated names come before authorization, names outside of the set after it (03 §1 step 4)
    let support = as_bearer(&server, &user(&server, "developer", "d@example.com"));
    let body = |set: Value| data("users", json!({ "email": new_email(), "permissions": set }));
    server.sql("UPDATE users SET permissions = '[\"user.read\"]' WHERE email = 'd@example.com'");
    assert_eq!(support.post("users", body(json!(["license.fly"]))).error(), REFUSED);
    assert_eq!(support.post("users", body(json!(["product.create"]))).status, 403);
    assert_eq!(admin.post("users", body(json!(["product.create"]))).error(), REFUSED);
}

// 03 §8.2: `*` is what the role is allowed; `[]` is nothing; a set is what it says
#[test]
fn what_they_open() {
    let (cast, _) = cast_with_environment();
    let server = &cast.server;
    let set = |table: &str, set: &str| server.sql(&format!("UPDATE {table} SET permissions = '{set}'"));
    let lacks =
        |answer: Answer| answer.status == 403 && reason(&answer).ends_with("lacks permission to perform action");
    // allowed but not default, and not allowed
    let product = format!("products/{}", id(&cast.product));
    let create = data("products", json!({ "name": "x" }));
    for (name, table) in [("Ua", "users"), ("L", "licenses")] {
        let client = cast.client(name);
        assert!(lacks(client.get(&product)), "{name}");
        set(table, "[\"*\"]");
        assert_eq!(client.get(&product).status, 200, "{name}");
        assert!(lacks(client.post("products", create.clone())), "{name}");
        set(table, "[\"product.read\"]");
        assert_eq!(client.get(&product).status, 200, "{name}");
        assert!(lacks(client.get("me")), "{name}");
    }
    let environment = cast.client("E");
    assert_eq!(environment.post("products", create.clone()).status, 201);
    let answer = environment.post("environments", data("environments", json!({ "name": "x", "code": "x" })));
    assert_eq!(reason(&answer), "environment lacks permission to perform action");
    // a token narrows an environment, too
    server.sql("UPDATE tokens SET permissions = '[\"product.read\"]' WHERE bearer_type = 'environments'");
    assert_eq!(reason(&environment.post("products", create)), "token lacks permission to perform action");
    environment.get(&product).ok(200);
}

// 03 §8.1: old set ∩ (default set of the new role ∪ `*`)
#[test]
fn role_changes() {
    let server = Server::start();
    let admin = server.admin();
    let change = |from: &str, set: Value, sent: Value| {
        let body = data("users", json!({ "email": new_email(), "role": from, "permissions": set }));
        let user = admin.post("users", body).ok(201)["data"].clone();
        let answer = admin.patch(&format!("users/{}", id(&user)), data("users", sent));
        match answer.status {
            200 => answer.body["data"]["attributes"]["permissions"].to_string(),
            _ => answer.error(),
        }
    };
    for (from, set, sent, expected) in [
        // promotion grants nothing
        ("user", json!(["license.read"]), json!({ "role": "developer" }), r#"["license.read"]"#),
        ("user", json!([]), json!({ "role": "admin" }), "[]"),
        // what the new role has not by default goes
        ("developer", json!(["license.read", "product.create"]), json!({ "role": "user" }), r#"["license.read"]"#),
        ("developer", json!(["product.read", "user.read"]), json!({ "role": "user" }), r#"["user.read"]"#),
        ("developer", json!(["token.revoke", "token.read"]), json!({ "role": "read-only" }), r#"["token.read"]"#),
        // the wildcard stays
        ("user", json!(["*"]), json!({ "role": "admin" }), r#"["*"]"#),
        ("admin", json!(["*", "product.create"]), json!({ "role": "user" }), r#"["*"]"#),
        // the unchanged role cuts, too: `product.read` is allowed, but no default
        ("user", json!(["product.read", "user.read"]), json!({ "role": "user" }), r#"["user.read"]"#),
        ("user", json!(["product.read", "user.read"]), json!({ "firstName": "x" }), r#"["product.read","user.read"]"#),
        ("user", json!(["product.read", "user.read"]), json!({ "role": null }), r#"["product.read","user.read"]"#),
        // given ones are cut in the same way
        (
            "user",
            json!(["license.read"]),
            json!({ "role": "developer", "permissions": ["product.create", "license.read"] }),
            r#"["license.read","product.create"]"#,
        ),
        (
            "developer",
            json!(["license.read"]),
            json!({ "role": "user", "permissions": ["product.create", "license.read"] }),
            r#"["license.read"]"#,
        ),
        ("developer", json!([]), json!({ "role": "user", "permissions": ["*"] }), r#"["*"]"#),
        ("developer", json!([]), json!({ "role": "user", "permissions": ["nope"] }), REFUSED),
        ("user", json!([]), json!({ "role": "owner" }), "400 is invalid|-|/data/attributes/role"),
        ("user", json!([]), json!({ "role": "product" }), "400 is invalid|-|/data/attributes/role"),
    ] {
        assert_eq!(change(from, set.clone(), sent.clone()), expected, "{from} {set} {sent}");
    }
    // 03 §7: only users have a role to choose
    for type_ in ["products", "licenses", "environments"] {
        let body = data(type_, json!({ "name": "x", "role": "admin" }));
        assert_eq!(admin.post(type_, body).error(), "400 unpermitted parameter|-|/data/attributes/role");
    }
}

// 03 §8.3, 04 §1: `admin.…` beside `user.…` when an administrator is involved
#[test]
fn administrators_need_more() {
    let server = Server::start();
    user(&server, "admin", "boss@example.com");
    let boss = as_bearer(&server, &user_record(&server, "boss@example.com"));
    user(&server, "user", "ada@example.com");
    let target = id(&user(&server, "admin", "target@example.com")).to_owned();
    let missing = |name: &str| {
        let set: Vec<String> = catalogue("admin", "default").into_iter().filter(|n| n != name).collect();
        json!(set).to_string()
    };
    type Call<'a> = &'a dyn Fn() -> Answer;
    let calls: [(&str, Call<'_>, Call<'_>); 5] = [
        ("read", &|| boss.get(&format!("users/{target}")), &|| boss.get("users/ada@example.com")),
        ("read", &|| boss.get("users?roles[]=admin&roles[]=user"), &|| boss.get("users?roles[]=user")),
        (
            "create",
            &|| {
                let set = json!({ "email": new_email(), "role": "admin", "permissions": ["user.read"] });
                boss.post("users", data("users", set))
            },
            &|| boss.post("users", data("users", json!({ "email": new_email() }))),
        ),
        ("update", &|| boss.patch("users/target@example.com", data("users", json!({ "firstName": "x" }))), &|| {
            boss.patch("users/ada@example.com", data("users", json!({ "firstName": "x" })))
        }),
        // an administrator after the change
        (
            "update",
            &|| {
                let answer = boss.patch("users/ada@example.com", data("users", json!({ "role": "admin" })));
                server.sql("UPDATE users SET role = 'user' WHERE email = 'ada@example.com'");
                answer
            },
            &|| boss.patch("users/ada@example.com", data("users", json!({ "role": "user" }))),
        ),
    ];
    let lacks = "lacks permission to perform action";
    for (name, about_admin, about_user) in calls {
        server.sql(&format!("UPDATE users SET permissions = '[\"user.read\"]' WHERE id = '{target}'"));
        let permission = format!("admin.{name}");
        let set = |table: &str, text: &str| {
            let of = if table == "users" { "email = 'boss@example.com'" } else { "1" };
            server.sql(&format!("UPDATE {table} SET permissions = '{text}' WHERE {of}"));
        };
        set("users", &missing(&permission));
        assert_eq!(reason(&about_admin()), format!("admin {lacks}"), "{name}");
        assert!(about_user().status < 300, "{name}");
        set("users", &missing("account.billing.read"));
        set("tokens", &missing(&permission));
        assert_eq!(reason(&about_admin()), format!("token {lacks}"), "{name}");
        assert!(about_user().status < 300, "{name}");
        set("tokens", "[\"*\"]");
        let answer = about_admin();
        assert!(answer.status < 300, "{name} {}", answer.detail());
        set("users", "[\"*\"]");
        assert!(about_admin().status < 300, "{name}");
    }
    // deletion, which can be done once
    for (set, expected) in [(missing("admin.delete"), Some(lacks)), (missing("account.billing.read"), None)] {
        server.sql(&format!("UPDATE users SET permissions = '{set}' WHERE email = 'boss@example.com'"));
        let answer = boss.delete(&format!("users/{target}"));
        match expected {
            Some(expected) => assert_eq!(reason(&answer), format!("admin {expected}")),
            None => assert_eq!(answer.status, 204),
        }
    }
    // read-only staff have `admin.read`; nobody needs it for itself but in `/users/{id}` and `/profile` (03 §11)
    let reader = as_bearer(&server, &user(&server, "read-only", "ro@example.com"));
    reader.get(&format!("users/{ADMIN_EMAIL}")).ok(200);
    server
        .sql("UPDATE users SET permissions = '[\"user.read\"]' WHERE email IN ('ro@example.com', 'boss@example.com')");
    assert_eq!(reason(&reader.get(&format!("users/{ADMIN_EMAIL}"))), format!("read only {lacks}"));
    assert_eq!(reason(&boss.get("users/boss@example.com")), format!("admin {lacks}"));
    boss.get("me").ok(200);
}

// 03 §14, 04 §2: 400 for those who may not send a member, before any authorization, whatever the value
#[test]
fn protected_attributes() {
    let (cast, _) = cast_with_environment();
    let ua = user_record(&cast.server, "ua@example.com");
    let path = format!("users/{}", id(&ua));
    let group = json!({ "group": { "data": null } });
    let refused = |create: bool, member: &str, pointer: &str| {
        let mut who = Vec::new();
        for (name, client) in &cast.clients {
            let mut body = json!({ "data": { "type": "users" } });
            body["data"]["attributes"] = if create { json!({ "email": new_email() }) } else { json!({}) };
            match member {
                "group" => body["data"]["relationships"] = group.clone(),
                _ => body["data"]["attributes"][member] = Value::Null,
            }
            let answer = if create { client.post("users", body) } else { client.patch(&path, body) };
            let unpermitted = format!("400 unpermitted parameter|-|{pointer}");
            if answer.body.get("errors").is_some() && answer.error() == unpermitted {
                who.push(*name);
            } else {
                assert_ne!(answer.status, 400, "{name} {member}");
            }
        }
        who.join(" ")
    };
    for (member, on_create, on_update) in [
        ("role", "D S Su R P L Uo Um Ua P2 L2 U X E", "D S Su R P L Uo Um Ua P2 E"),
        ("permissions", "S Su R L Uo Um Ua L2 U X", "S Su R L Uo Um Ua"),
        ("password", "", "S Su R L Uo Um Ua"),
        ("metadata", "", "Su R L Uo Um Ua"),
        ("firstName", "", ""),
    ] {
        let pointer = format!("/data/attributes/{member}");
        assert_eq!(refused(true, member, &pointer), on_create, "creating with {member}");
        assert_eq!(refused(false, member, &pointer), on_update, "updating {member}");
    }
    assert_eq!(refused(true, "group", "/data/relationships/group"), "R L Uo Um Ua L2 U X");
    // relationships are nobody's to send on update; the outsiders do not find the user
    assert_eq!(refused(false, "group", "/data/relationships"), "A D S Su R P L Uo Um Ua P2 E");
    // the permission would have been lacking, too: the member is refused first
    let body = data("users", json!({ "email": "x@example.com", "role": "user" }));
    assert_eq!(cast.client("R").post("users", body).error(), "400 unpermitted parameter|-|/data/attributes/role");
}

// 03 §14, 05 §1.2: what a protected account keeps users from
#[test]
fn protected_accounts() {
    let server = Server::start();
    let admin = server.admin();
    let sign_up = |client: &Client| client.post("users", data("users", json!({ "email": new_email() })));
    let product = admin.product();
    for (protected, status) in [(false, 201), (true, 403), (false, 201)] {
        admin.patch("/v1/accounts/acme", data("accounts", json!({ "protected": protected }))).ok(200);
        let answer = sign_up(&server.anonymous());
        assert_eq!(answer.status, status);
        if status == 403 {
            assert_eq!(reason(&answer), "ensure a token or license is present and valid");
        }
        assert_eq!(sign_up(&admin).status, 201, "others are not kept");
        let policy = admin.policy(&product, json!({}));
        assert_eq!(policy["attributes"]["protected"], protected);
        let policy = admin.policy(&product, json!({ "protected": !protected }));
        assert_eq!(policy["attributes"]["protected"], !protected, "a default only");
    }
    assert_eq!(sign_up(&server.token("nope")).code(), "TOKEN_INVALID", "03 §1: a bad credential still fails");
}

// 03 §7, §9.1 step 9, 04 §6.2: ranks come before the rule of the route
#[test]
fn ranks() {
    let (cast, shared) = cast_with_environment();
    let server = &cast.server;
    for (role, email) in
        [("admin", "a2"), ("developer", "d2"), ("sales-agent", "s2"), ("support-agent", "su2"), ("user", "u2")]
    {
        user(server, role, &format!("{email}@example.com"));
        user_in(server, role, &format!("{email}-shared@example.com"), Some(id(&shared)));
    }
    let why = |name: &str, email: &str, delete: bool| {
        let client = cast.client(name);
        let path = format!("users/{email}@example.com");
        let answer = match delete {
            true => client.delete(&path),
            false => client.patch(&path, data("users", json!({ "firstName": "x" }))),
        };
        match answer.status {
            403 => reason(&answer),
            status => status.to_string(),
        }
    };
    let below = |role: &str| format!("{role} lacks privileges to perform action on user");
    let (developer, sales, support) = (below("developer"), below("sales agent"), below("support agent"));
    let permission = |role: &str| format!("{role} lacks permission to perform action");
    let environment = permission("environment"); // `admin.update`, `admin.delete`
    let (reader, user, license) = (permission("read only"), permission("user"), permission("license"));
    for (name, email, update, delete) in [
        ("D", "a2", developer.as_str(), developer.as_str()),
        ("S", "a2", &sales, &sales),
        ("S", "d2", &sales, &sales),
        ("S", "su2", NO_REASON, NO_REASON),
        ("S", "s2", NO_REASON, NO_REASON),
        ("S", "u2", "200", NO_REASON),
        ("Su", "s2", &support, &support),
        ("Su", "u2", NO_REASON, NO_REASON),
        ("Su", "support-agent", NO_REASON, NO_REASON),
        ("R", "u2", &reader, &reader),
        ("E", "a2-shared", &environment, &environment),
        ("E", "d2-shared", NO_REASON, NO_REASON),
        ("P", "d2", "404", "404"),
        ("L", "ua", &license, &license),
        ("Ua", "uo", NO_REASON, &user),
        ("Ua", "ua", "200", &user),
        // last, as these are gone afterwards
        ("E", "u2-shared", "200", "204"),
        ("P", "u2", "200", "204"),
        ("D", "d2", "200", "204"),
        ("D", "s2", "200", "204"),
        ("A", "a2", "200", "204"),
    ] {
        assert_eq!(why(name, email, false), update, "{name} updates {email}");
        assert_eq!(why(name, email, true), delete, "{name} deletes {email}");
    }
}
