//! Who may: roles, permissions and the texts of refusals (03 §7–§9), `/me` and `/profile` (03 §11). Also the cast of bearers
//! that the machine tests share.

use crate::authentication::*;
use crate::support::*;
use serde_json::{Value, json};

/// A license with a machine, and everybody who may meet them.
pub struct Cast {
    pub server: Server,
    pub product: Value,
    pub policy: Value,
    pub license: Value,
    /// Owned by `um`, who is attached to the license.
    pub machine: Value,
    pub um: Value,
    pub clients: Vec<(&'static str, Client)>,
}

impl Cast {
    /// Staff by letter; `P`, `L` of the license and `P2`, `L2` of another product; `Uo`, `Um`, `Ua` and a stranger `U`; `X`.
    pub fn new(attributes: Value) -> Cast {
        let server = Server::start();
        let admin = server.admin();
        let product = admin.product();
        let policy = admin.policy(&product, attributes);
        let license = admin.license(&policy, json!({}));
        let people = ["uo", "um", "ua", "u"].map(|name| user(&server, "user", &format!("{name}@example.com")));
        let [uo, um, ua, u] = &people;
        own(&server, &license, uo);
        attach(&server, &license, um);
        attach(&server, &license, ua);
        let machine = admin.machine(&license, "cast");
        server.sql(&format!("UPDATE machines SET owner_id = '{}'", id(um)));
        let other_product = admin.product();
        let other = admin.license(&admin.policy(&other_product, json!({})), json!({}));
        let mut clients = vec![("A", admin.clone())];
        for (name, role) in [("D", "developer"), ("S", "sales-agent"), ("Su", "support-agent"), ("R", "read-only")] {
            clients.push((name, as_bearer(&server, &user(&server, role, &format!("{role}@example.com")))));
        }
        let bearers = [("P", &product), ("L", &license), ("Uo", uo), ("Um", um), ("Ua", ua)];
        let outsiders = [("P2", &other_product), ("L2", &other), ("U", u)];
        clients.extend(bearers.into_iter().chain(outsiders).map(|(name, bearer)| (name, as_bearer(&server, bearer))));
        clients.push(("X", server.anonymous()));
        let um = um.clone();
        Cast { server, product, policy, license, machine, um, clients }
    }

    pub fn client(&self, name: &str) -> &Client {
        &self.clients.iter().find(|(n, _)| *n == name).unwrap().1
    }

    /// Turns protection of the license on or off.
    pub fn protect(&self, protected: bool) {
        self.server.sql(&format!("UPDATE licenses SET protected = {}", i32::from(protected)));
    }

    /// A new machine of the license, owned by `um`.
    pub fn fresh_machine(&self) -> Value {
        let fingerprint = new_id();
        let owner = json!({ "license": link(&self.license), "owner": link(&self.um) });
        self.server.admin().create("machines", json!({ "fingerprint": fingerprint }), owner)
    }

    /// The permissions that are no default, too.
    pub fn grant_everything(&self) {
        self.server.sql("UPDATE users SET permissions = '[\"*\"]'; UPDATE licenses SET permissions = '[\"*\"]'");
    }

    /// Who gets what: `ok: A D; 403: R; 404: P2`, in the order of the statuses.
    #[track_caller]
    pub fn outcome(&self, call: impl Fn(&Client) -> Answer) -> String {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, client) in &self.clients {
            let status = match call(client).status {
                200..=299 => "ok".to_owned(),
                status => status.to_string(),
            };
            match groups.iter_mut().find(|(s, _)| *s == status) {
                Some((_, names)) => names.push(name),
                None => groups.push((status, vec![name])),
            }
        }
        groups.sort_by_key(|(status, _)| (status != "ok", status.clone()));
        groups.iter().map(|(status, names)| format!("{status}: {}", names.join(" "))).collect::<Vec<_>>().join("; ")
    }
}

/// The reason in the detail of a 403; the rest must be as 03 §9.1 says.
#[track_caller]
pub fn reason(answer: &Answer) -> String {
    assert_eq!(answer.status, 403, "{}", String::from_utf8_lossy(&answer.bytes));
    let error = answer.body["errors"][0].as_object().unwrap();
    assert_eq!(error.keys().collect::<Vec<_>>(), ["title", "detail"]);
    assert_eq!(error["title"], "Access denied");
    let detail = answer.detail().strip_prefix("You do not have permission to complete the request (");
    detail.and_then(|detail| detail.strip_suffix(')')).unwrap_or_else(|| panic!("{}", answer.detail())).to_owned()
}

/// The reason when no rule names one.
pub const NO_REASON: &str = "ensure the token or license is allowed to access all resources";

// 03 §7, §8.2, §9.1 rows 3 and 4
#[test]
fn permissions_are_asked_of_bearer_then_token() {
    let cast = Cast::new(json!({ "authenticationStrategy": "MIXED" }));
    let server = &cast.server;
    let set = |table: &str, set: &str| server.sql(&format!("UPDATE {table} SET permissions = '{set}'"));
    let bearers =
        |permissions: &str| ["users", "products", "licenses"].iter().for_each(|table| set(table, permissions));
    let everybody = |path: &str| {
        let mut reasons = Vec::new();
        for (name, client) in cast.clients.iter().filter(|(name, _)| !["P2", "L2", "U", "X"].contains(name)) {
            let answer = client.get(path);
            let reason = if answer.status == 403 { reason(&answer) } else { answer.status.to_string() };
            reasons.push(format!("{name} {reason}"));
        }
        reasons
    };
    bearers("[]");
    let lacks = |role: &str| format!("{role} lacks permission to perform action");
    let roles = ["admin", "developer", "sales agent", "support agent", "read only"].into_iter();
    let roles = roles.chain(["product", "license", "user", "user", "user"]);
    let expected: Vec<String> =
        cast.clients.iter().zip(roles).map(|((name, _), role)| format!("{name} {}", lacks(role))).collect();
    assert_eq!(everybody("machines"), expected);
    // §8.2: `*` is everything that the role may have, and no more
    bearers("[\"*\"]");
    assert!(everybody("machines").iter().all(|line| line.ends_with(" 200")));
    let answer =
        cast.client("R").post("products", json!({ "data": { "type": "products", "attributes": { "name": "x" } } }));
    assert_eq!(reason(&answer), "read only lacks permission to perform action");
    // the token narrows; the bearer is asked first
    set("tokens", "[\"license.read\"]");
    assert!(everybody("machines").iter().all(|line| line.ends_with("token lacks permission to perform action")));
    assert_eq!(server.license_key(key(&cast.license)).get("machines").status, 200, "a key has no token");
    set("users", "[\"product.read\"]");
    assert_eq!(reason(&cast.client("D").get("machines")), "developer lacks permission to perform action");
    assert_eq!(reason(&cast.client("D").get("products")), "token lacks permission to perform action");
    // what the token has and the bearer lacks stays closed
    assert_eq!(reason(&cast.client("D").get("licenses")), "developer lacks permission to perform action");
    set("tokens", "[]");
    assert_eq!(reason(&cast.client("D").get("products")), "token lacks permission to perform action");
}

// 03 §9.1: permission before environment before rule; §9.2: what is out of sight is 404
#[test]
fn the_first_failing_check_gives_the_reason() {
    let cast = Cast::new(json!({}));
    let server = &cast.server;
    environment(server, "shared", "SHARED");
    let machine = format!("machines/{}", id(&cast.machine));
    let update = json!({ "data": { "type": "machines", "attributes": {} } });
    let admin = server.admin().environment("shared");
    let environment = "record environment is not compatible with the current environment";
    assert_eq!(reason(&admin.patch(&machine, update.clone())), environment);
    let read_only = cast.client("R").environment("shared");
    assert_eq!(reason(&read_only.patch(&machine, update.clone())), "read only lacks permission to perform action");
    // the rule comes last: a licensee may not update, but hears of the environment first
    assert_eq!(reason(&cast.client("Ua").environment("shared").patch(&machine, update.clone())), environment);
    assert_eq!(reason(&cast.client("Ua").patch(&machine, update.clone())), NO_REASON);
    for (name, status) in [("P2", 404), ("L2", 404), ("U", 404), ("X", 401)] {
        assert_eq!(cast.client(name).patch(&machine, update.clone()).status, status, "{name}");
    }
    // a child of another parent is 404, also for those who see it elsewhere
    let other = server.admin().license(&cast.policy, json!({}));
    let answer = server.admin().get(&format!("licenses/{}/machines/{}", id(&other), id(&cast.machine)));
    assert_eq!(answer.error(), format!("404 The requested machine '{}' was not found|NOT_FOUND|-", id(&cast.machine)));
    let body = json!({ "data": { "type": "machines", "attributes": { "cores": 1 } } });
    let answer = cast.client("Uo").patch(&machine, body);
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/attributes/cores", "03 §14");
}

// 03 §11
#[test]
fn bearers_see_themselves() {
    let cast = Cast::new(json!({ "authenticationStrategy": "MIXED" }));
    let server = &cast.server;
    for (name, type_, permission) in [
        ("R", "users", "user.read"),
        ("Ua", "users", "user.read"),
        ("P", "products", "product.read"),
        ("L", "licenses", "license.read"),
        ("A", "users", "user.read"),
    ] {
        let client = cast.client(name);
        let answer = client.get("me");
        let me = answer.ok(200);
        assert_eq!(me["data"]["type"], type_, "{name}");
        assert_eq!(me.as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "included"], "{name}");
        let included = me["included"].as_array().unwrap();
        assert_eq!((included.len(), id(&included[0])), (1, answer.header("keygen-token")), "{name}");
        assert_eq!(included[0]["relationships"]["bearer"]["data"]["id"], me["data"]["id"], "{name}");
        assert!(included[0]["attributes"].get("token").is_none(), "{name}");
        let profile = client.get("profile").ok(200);
        assert_eq!(profile["data"].to_string(), me["data"].to_string(), "{name}");
        assert_eq!(profile["meta"], json!({ "tokenId": answer.header("keygen-token") }), "{name}");
        if type_ != "users" {
            let shown = server.admin().get(&format!("{type_}/{}", id(&me["data"]))).ok(200);
            assert_eq!(shown["data"].to_string(), me["data"].to_string(), "{name}");
        }
        server.sql(&format!("UPDATE {type_} SET permissions = '[\"token.read\"]' WHERE id = '{}'", id(&me["data"])));
        for path in ["me", "profile"] {
            assert!(reason(&client.get(path)).ends_with("lacks permission to perform action"), "{name} {path}");
        }
        let set = format!("[\"{permission}\"]");
        server.sql(&format!("UPDATE {type_} SET permissions = '{set}' WHERE id = '{}'", id(&me["data"])));
        client.get("me").ok(200);
        // admins need `admin.read` too to be shown
        assert_eq!(client.get("profile").status, if name == "A" { 403 } else { 200 }, "{name}");
    }
    let by_key = server.license_key(key(&cast.license));
    assert_eq!(by_key.get("me").ok(200).as_object().unwrap().keys().collect::<Vec<_>>(), ["data"]);
    assert_eq!(by_key.get("profile").ok(200)["meta"], json!({ "tokenId": null }));
    for path in ["me", "profile"] {
        assert_eq!(server.anonymous().get(path).code(), "TOKEN_MISSING");
    }
}

// 03 §11 in environments; 05 §3.2, §5.3
#[test]
fn environments_see_themselves() {
    let server = Server::start();
    let isolated = environment(&server, "isolated", "ISOLATED");
    let account = select(&server, "SELECT id FROM accounts");
    let client = server.token(&token_in(&server, &isolated, Some(id(&isolated)))).environment("isolated");
    let mut me = client.get("me").ok(200)["data"].clone();
    me["attributes"]["created"] = json!("T");
    me["attributes"]["updated"] = json!("T");
    let expected = json!({
        "id": isolated["id"],
        "type": "environments",
        "attributes": {
            "name": "isolated", "code": "isolated", "isolationStrategy": "ISOLATED", "created": "T", "updated": "T"
        },
        "relationships": {
            "account": {
                "links": { "related": format!("/v1/accounts/{account}") },
                "data": { "type": "accounts", "id": account }
            }
        },
        "links": { "self": format!("/v1/accounts/{account}/environments/{}", id(&isolated)) }
    });
    assert_eq!(me.to_string(), expected.to_string());
    client.get("profile").ok(200);
    // a global admin inside an isolated environment: no environment rule for `/me`, that of a read for `/profile`
    let admin = json!({ "type": "users", "id": select(&server, "SELECT id FROM users") });
    let inside = server.token(&token_in(&server, &admin, Some(id(&isolated)))).environment("isolated");
    assert_eq!(inside.get("me").ok(200)["data"]["id"], admin["id"]);
    let expected = "record environment is not compatible with the current environment";
    assert_eq!(reason(&inside.get("profile")), expected);
}
