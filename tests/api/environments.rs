//! Environments: choosing one, what is seen there, what may be written, where new records end up (05 §5, 10 §6).

use crate::authentication::*;
use crate::authorization::{NO_REASON, reason};
use crate::support::*;
use serde_json::{Value, json};

const RECORD: &str = "record environment is not compatible with the current environment";
const RECORDS: &str = "a record's environment is not compatible with the current environment";

/// The administrator in the global environment and in two others.
struct Ground {
    server: Server,
    isolated: Value,
    shared: Value,
    clients: [(&'static str, Client); 3],
}

impl Ground {
    fn new() -> Ground {
        let server = Server::start();
        let isolated = environment(&server, "isolated", "ISOLATED");
        let shared = environment(&server, "shared", "SHARED");
        let entry = json!({ "data": { "type": "tokens", "relationships": { "environment": link(&isolated) } } });
        let entry = server.admin().post("tokens", entry).ok(201);
        let inside = server.token(text(&entry["data"]["attributes"]["token"])).environment("isolated");
        let clients =
            [("global", server.admin()), ("isolated", inside), ("shared", server.admin().environment("shared"))];
        Ground { server, isolated, shared, clients }
    }

    fn client(&self, name: &str) -> &Client {
        &self.clients.iter().find(|(n, _)| *n == name).unwrap().1
    }

    /// Where a record is, or why there is none.
    fn place(&self, answer: &Answer) -> String {
        match answer.status {
            200 | 201 => self.name(&answer.body["data"]["relationships"]["environment"]["data"]["id"]),
            403 => reason(answer),
            _ => answer.error(),
        }
    }

    fn name(&self, environment: &Value) -> String {
        let known = [(&self.isolated, "isolated"), (&self.shared, "shared")];
        known.iter().find(|(e, _)| e["id"] == *environment).map_or("global", |(_, name)| name).to_owned()
    }

    /// A chain of one record of each kind, all of that environment: product, policy, license, machine, component, process.
    fn chain(&self, name: &str) -> Vec<Value> {
        let client = self.client(name);
        let mut chain: Vec<Value> = Vec::new();
        for kind in KINDS {
            let parent = kind.parent.map(|at| chain[at].clone());
            chain.push(client.post(kind.type_, kind.body(parent.as_ref(), None)).ok(201)["data"].clone());
        }
        chain
    }
}

/// A kind of record, what it hangs on, and what may be sent.
struct Kind {
    type_: &'static str,
    parent: Option<usize>,
    relation: &'static str,
    attribute: &'static str,
}

const KINDS: [Kind; 6] = [
    Kind { type_: "products", parent: None, relation: "", attribute: "name" },
    Kind { type_: "policies", parent: Some(0), relation: "product", attribute: "name" },
    Kind { type_: "licenses", parent: Some(1), relation: "policy", attribute: "name" },
    Kind { type_: "machines", parent: Some(2), relation: "license", attribute: "fingerprint" },
    Kind { type_: "components", parent: Some(3), relation: "machine", attribute: "fingerprint" },
    Kind { type_: "processes", parent: Some(3), relation: "machine", attribute: "pid" },
];

impl Kind {
    fn body(&self, parent: Option<&Value>, environment: Option<&Value>) -> Value {
        let mut attributes = json!({ self.attribute: new_id() });
        if self.type_ == "components" {
            attributes["name"] = json!("part");
        }
        if self.type_ == "policies" {
            attributes["floating"] = json!(true);
        }
        let mut data = json!({ "type": self.type_, "attributes": attributes, "relationships": {} });
        if let Some(parent) = parent {
            data["relationships"][self.relation] = link(parent);
        }
        if let Some(environment) = environment {
            let linked = if environment.is_null() { json!({ "data": null }) } else { link(environment) };
            data["relationships"]["environment"] = linked;
        }
        json!({ "data": data })
    }
}

// 05 §5.1, §6, 01 §14.1
#[test]
fn choosing_the_environment() {
    let ground = Ground::new();
    let admin = ground.client("global");
    let uuid = id(&ground.shared);
    for (header, query, expected) in [
        (None, "", ""),
        (Some("shared"), "", "shared"),
        (Some(uuid), "", "shared"),
        (Some(&uuid.replace('-', "").to_uppercase() as &str), "", "shared"),
        (None, "?environment=shared", "shared"),
        (None, &format!("?environment={uuid}"), "shared"),
        (Some("shared"), "?environment=nope", "shared"),
        (Some("Shared"), "", "400"),
        (Some("nope"), "?environment=shared", "400"),
        (Some(""), "", "400"),
        (Some(" "), "?environment=shared", "400"),
        (None, "?environment=", "400"),
        (None, "?environment[]=shared", "400"),
        (None, "?environment=SHARED", "400"),
    ] {
        let client = header.map_or(admin.clone(), |header| admin.environment(header));
        let answer = client.get(&format!("products{query}"));
        if expected == "400" {
            assert_eq!(
                answer.error(),
                "400 environment is invalid|ENVIRONMENT_INVALID|Keygen-Environment",
                "{header:?} {query}"
            );
            assert_eq!(answer.header("keygen-environment"), "");
        } else {
            answer.ok(200);
            assert_eq!(answer.header("keygen-environment"), expected, "{header:?} {query}");
        }
    }
    // the code is sent on every answer once it is known
    let shared = ground.client("shared");
    for (answer, status) in [
        (ground.server.anonymous().environment(uuid).get("me"), 401),
        (shared.get("products/nope"), 404),
        (shared.post("products", json!({})), 400),
        (shared.patch(&format!("products/{}", id(&admin.product())), json!({})), 403),
    ] {
        assert_eq!((answer.status, answer.header("keygen-environment")), (status, "shared"));
    }
    assert_eq!(shared.get("nowhere").header("keygen-environment"), "", "an unknown route comes before");
    // accounts are of no environment: readable in any (05 §5.4)
    for (name, client) in &ground.clients {
        assert_eq!(client.get("/v1/accounts/acme").status, 200, "{name}");
    }
}

// 05 §5.2, §5.4, §5.8
#[test]
fn what_is_seen() {
    let ground = Ground::new();
    let account = select(&ground.server, "SELECT id FROM accounts");
    let chains = ["global", "isolated", "shared"].map(|name| (name, ground.chain(name)));
    for (at, kind) in KINDS.iter().enumerate() {
        for (viewer, expected) in
            [("global", &["global"][..]), ("isolated", &["isolated"]), ("shared", &["shared", "global"])]
        {
            let client = ground.client(viewer);
            let list = client.get(kind.type_).ok(200);
            let places = list["data"].as_array().unwrap().iter();
            let places: Vec<_> =
                places.map(|record| ground.name(&record["relationships"]["environment"]["data"]["id"])).collect();
            assert_eq!(places, expected, "{viewer} {}", kind.type_);
            for (owner, chain) in &chains {
                let record = &chain[at];
                let answer = client.get(&format!("{}/{}", kind.type_, id(record)));
                let status = if expected.contains(owner) { 200 } else { 404 };
                assert_eq!(answer.status, status, "{viewer} sees {} of {owner}", kind.type_);
                if status == 200 {
                    assert_eq!(
                        answer.body["data"]["relationships"]["environment"],
                        record["relationships"]["environment"]
                    );
                }
            }
        }
        let related = |name: &str, environment: Option<&Value>| {
            let chain = &chains.iter().find(|(n, _)| *n == name).unwrap().1;
            let expected = match environment {
                None => json!({ "links": { "related": null }, "data": null }),
                Some(e) => json!({
                    "links": { "related": format!("/v1/accounts/{account}/environments/{}", id(e)) },
                    "data": { "type": "environments", "id": e["id"] }
                }),
            };
            assert_eq!(chain[at]["relationships"]["environment"].to_string(), expected.to_string(), "{name}");
        };
        related("global", None);
        related("isolated", Some(&ground.isolated));
        related("shared", Some(&ground.shared));
    }
    // machines are found by fingerprint within the environment only
    let fingerprint = |at: usize| text(&chains[at].1[3]["attributes"]["fingerprint"]).to_owned();
    assert_eq!(ground.client("global").get(&format!("machines/{}", fingerprint(2))).status, 404);
    assert_eq!(ground.client("shared").get(&format!("machines/{}", fingerprint(0))).status, 200);
    assert_eq!(ground.client("isolated").get(&format!("machines/{}", fingerprint(0))).status, 404);
    // a member of a nested route is looked up in every environment, then refused inside one (05 §5.4)
    let (license, machine) = (id(&chains[0].1[2]), id(&chains[0].1[3]));
    ground
        .server
        .sql(&format!("UPDATE machines SET environment_id = '{}' WHERE id = '{machine}'", id(&ground.isolated)));
    let nested = format!("licenses/{license}/machines/{machine}");
    assert_eq!(ground.client("global").get(&nested).status, 200);
    assert_eq!(reason(&ground.client("shared").get(&nested)), RECORD);
    assert_eq!(ground.client("isolated").get(&nested).status, 404, "the parent is out of sight");
    let list = ground.client("global").get(&format!("licenses/{license}/machines")).ok(200);
    assert_eq!(list["data"], json!([]));
}

// 05 §5.6, §5.7, 10 §6
#[test]
fn where_new_records_end_up() {
    let ground = Ground::new();
    let unknown = json!({ "type": "environments", "id": new_id() });
    let null = Value::Null;
    // without a parent
    for (client, environment, expected) in [
        ("global", None, "global"),
        ("global", Some(&null), "global"),
        ("global", Some(&ground.shared), RECORD),
        ("global", Some(&unknown), RECORD),
        ("shared", None, "shared"),
        ("shared", Some(&ground.shared), "shared"),
        ("shared", Some(&null), RECORD),
        ("shared", Some(&ground.isolated), RECORD),
        ("isolated", None, "isolated"),
        ("isolated", Some(&ground.isolated), "isolated"),
        ("isolated", Some(&null), RECORD),
        ("isolated", Some(&unknown), RECORD),
    ] {
        let body = KINDS[0].body(None, environment);
        assert_eq!(ground.place(&ground.client(client).post("products", body.clone())), expected, "{client} {body}");
        let mut body = body;
        for (type_, attributes) in [
            ("entitlements", json!({ "name": "e", "code": format!("code-{}", new_id()) })),
            ("users", json!({ "email": format!("{}@example.com", new_id()) })),
        ] {
            body["data"]["type"] = json!(type_);
            body["data"]["attributes"] = attributes;
            let answer = ground.client(client).post(type_, body.clone());
            assert_eq!(ground.place(&answer), expected, "{client}, {type_}");
        }
    }
    // with a parent of each environment
    let chains = ["global", "isolated", "shared"].map(|name| (name, ground.chain(name)));
    for kind in &KINDS[1..] {
        let clash = format!(
            "422 must be compatible with {} environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment",
            kind.relation
        );
        let clash = clash.as_str();
        for (client, environment, expected) in [
            ("global", None, ["global", RECORD, RECORD]),
            ("global", Some(&null), ["global", clash, clash]),
            ("global", Some(&ground.shared), [RECORD, RECORD, RECORD]),
            ("isolated", None, [clash, "isolated", clash]),
            ("isolated", Some(&null), [RECORD, RECORD, RECORD]),
            ("shared", None, ["shared", clash, "shared"]),
            ("shared", Some(&ground.shared), ["shared", clash, "shared"]),
            ("shared", Some(&null), [RECORD, RECORD, RECORD]),
        ] {
            let got = chains.each_ref().map(|(_, chain)| {
                let body = kind.body(Some(&chain[kind.parent.unwrap()]), environment);
                ground.place(&ground.client(client).post(kind.type_, body))
            });
            assert_eq!(got, expected, "{client} {} {environment:?}", kind.type_);
        }
    }
    let answer = ground
        .client("shared")
        .post("products", KINDS[0].body(None, Some(&json!({ "type": "environments", "id": "x" }))));
    let pointer = "/data/relationships/environment/data/id";
    assert_eq!(answer.error(), format!("400 type mismatch (received string expected UUID string)|-|{pointer}"));
    // owners and groups of a wrong environment; a global administrator is tolerated in an isolated one
    let owner_in = |name: &str| {
        let e = [("isolated", &ground.isolated), ("shared", &ground.shared)].into_iter().find(|(n, _)| *n == name);
        user_in(&ground.server, "user", &format!("{name}@example.com"), e.map(|(_, e)| id(e)))
    };
    let owners = ["global", "isolated", "shared"].map(owner_in);
    let administrator =
        json!({ "type": "users", "id": select(&ground.server, "SELECT id FROM users WHERE role = 'admin'") });
    let clash = "422 must be compatible with owner environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment";
    for (at, (name, chain)) in chains.iter().enumerate() {
        let own = |owner: &Value| {
            let mut body = KINDS[2].body(Some(&chain[1]), None);
            body["data"]["relationships"]["owner"] = link(owner);
            ground.place(&ground.client(name).post("licenses", body))
        };
        let expected = [["global", clash, clash], [clash, "isolated", clash], ["shared", clash, "shared"]];
        assert_eq!(owners.each_ref().map(own), expected[at], "{name}");
        assert_eq!(own(&administrator), *name, "an administrator as owner in {name}");
    }
    // several that do not fit: one error, for the first (05 §5.7)
    let mut body = KINDS[2].body(Some(&chains[0].1[1]), None);
    body["data"]["relationships"]["owner"] = link(&owners[2]);
    let answer = ground.client("isolated").post("licenses", body);
    assert_eq!(answer.detail(), "must be compatible with policy environment");
    assert_eq!(answer.errors().len(), 1);
}

// 05 §5.5, 10 §6
#[test]
fn global_records_are_read_only_in_a_shared_environment() {
    let ground = Ground::new();
    let shared = ground.client("shared");
    let (global, own) = (ground.chain("global"), ground.chain("shared"));
    for (kind, record) in KINDS.iter().zip(&global) {
        let path = format!("{}/{}", kind.type_, id(record));
        let body = json!({ "data": { "type": kind.type_, "attributes": {} } });
        assert_eq!(reason(&shared.patch(&path, body)), RECORD, "{path}");
        assert_eq!(reason(&shared.delete(&path)), RECORD, "{path}");
        shared.get(&path).ok(200);
    }
    let (license, machine) = (format!("licenses/{}", id(&global[2])), format!("machines/{}", id(&global[3])));
    for path in [format!("{license}/actions/check-out"), format!("{machine}/actions/check-out")] {
        assert_eq!(reason(&shared.post(&path, Value::Null)), RECORD, "{path}");
        assert_eq!(reason(&shared.get(&path)), RECORD, "{path}");
    }
    for action in ["suspend", "reinstate", "renew"] {
        assert_eq!(reason(&shared.post(&format!("{license}/actions/{action}"), Value::Null)), RECORD, "{action}");
    }
    // lax: reads, relationship reads, ping, reset, process ping, validation
    for path in ["product", "license", "components", "processes"] {
        shared.get(&format!("{machine}/{path}")).ok(200);
    }
    for action in ["ping", "reset"] {
        shared.post(&format!("{machine}/actions/{action}"), Value::Null).ok(200);
    }
    shared.post(&format!("processes/{}/actions/ping", id(&global[5])), Value::Null).ok(200);
    shared.post(&format!("{license}/actions/validate"), Value::Null).ok(200);
    // what is its own, it may write; bottom up
    for (kind, record) in KINDS.iter().zip(&own).rev() {
        let path = format!("{}/{}", kind.type_, id(record));
        shared.patch(&path, json!({ "data": { "type": kind.type_, "attributes": {} } })).ok(200);
        if kind.type_ == "machines" || kind.type_ == "licenses" {
            let file = shared.post(&format!("{path}/actions/check-out"), Value::Null).ok(200);
            let environment = &file["data"]["relationships"]["environment"];
            assert_eq!(environment["data"]["id"], ground.shared["id"]);
        }
        shared.delete(&path).ok(204);
    }
    // an environment cannot be changed later
    let body = json!({ "data": { "type": "products", "attributes": {}, "relationships": { "environment": { "data": null } } } });
    let answer = ground.client("global").patch(&format!("products/{}", id(&global[0])), body);
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/relationships");
}

// 05 §5.5: attaching
#[test]
fn attaching_across_environments() {
    let ground = Ground::new();
    let chains = ["global", "isolated", "shared"].map(|name| (name, ground.chain(name)));
    let mut entitlements: Vec<(&str, Value)> = Vec::new();
    for (name, client) in &ground.clients {
        entitlements.push((name, client.entitlement(name)));
    }
    for (at, parents) in [(1, "policies"), (2, "licenses")] {
        for (parent, current, expected) in [
            ("global", "global", "global"),
            ("global", "shared", "shared"),
            ("shared", "shared", "global shared"),
            ("isolated", "isolated", "isolated"),
        ] {
            let record = &chains.iter().find(|(name, _)| *name == parent).unwrap().1[at];
            let path = format!("{parents}/{}/entitlements", id(record));
            let mut attached = Vec::new();
            for (name, entitlement) in &entitlements {
                let body = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
                let answer = ground.client(current).post(&path, body.clone());
                if answer.status == 200 {
                    // the row is of the current environment
                    let row = &answer.body["data"][0]["relationships"]["environment"]["data"]["id"];
                    assert_eq!(ground.name(row), current, "{path}");
                    attached.push(*name);
                    ground.client(current).delete_with(&path, body).ok(204);
                } else {
                    assert_eq!(reason(&answer), RECORDS, "{path} {name}");
                    assert_eq!(reason(&ground.client(current).delete_with(&path, body)), RECORDS, "{path} {name}");
                }
            }
            attached.sort();
            assert_eq!(attached.join(" "), expected, "{parents} of {parent} in {current}");
        }
    }
}

// 03 §5, 05 §5.3, 10 §0 (letter E)
#[test]
fn environments_as_bearers() {
    let ground = Ground::new();
    for (name, environment) in [("isolated", &ground.isolated), ("shared", &ground.shared)] {
        let token = token_in(&ground.server, environment, Some(id(environment)));
        let outside = ground.server.token(&token);
        let other = if name == "shared" { "isolated" } else { "shared" };
        for client in [outside.clone(), outside.environment(other)] {
            assert_eq!(client.get("machines").code(), "TOKEN_INVALID", "{name}");
        }
        let client = outside.environment(name);
        // everything that the vendor's side may do with what it has
        let mut chain: Vec<Value> = Vec::new();
        for kind in KINDS {
            let parent = kind.parent.map(|at| chain[at].clone());
            let answer = client.post(kind.type_, kind.body(parent.as_ref(), None));
            chain.push(answer.ok(201)["data"].clone());
            assert_eq!(ground.place(&answer), name);
            let path = format!("{}/{}", kind.type_, id(&answer.body["data"]));
            client.get(&path).ok(200);
            client
                .patch(&path, json!({ "data": { "type": kind.type_, "attributes": { "metadata": { "a": 1 } } } }))
                .ok(200);
        }
        let machine = format!("machines/{}", id(&chain[3]));
        for action in ["ping", "reset", "check-out"] {
            client.post(&format!("{machine}/actions/{action}"), Value::Null).ok(200);
        }
        client.get(&format!("{machine}/actions/check-out?include=environment,license.product")).ok(200);
        client.post(&format!("processes/{}/actions/ping", id(&chain[5])), Value::Null).ok(200);
        client.patch(&machine, json!({ "data": { "type": "machines", "attributes": { "cores": 1 } } })).ok(200);
        for (kind, record) in KINDS.iter().zip(&chain).rev() {
            client.delete(&format!("{}/{}", kind.type_, id(record))).ok(204);
        }
        // parents that are out of sight: 422 here, for it may name any
        let unknown = json!({ "type": "licenses", "id": new_id() });
        assert_eq!(client.activate(&unknown, "x").code(), "LICENSE_NOT_FOUND", "{name}");
    }
    // a shared one reads what is global, and changes nothing of it
    let global = ground.chain("global");
    let token = token_in(&ground.server, &ground.shared, Some(id(&ground.shared)));
    let client = ground.server.token(&token).environment("shared");
    let machine = format!("machines/{}", id(&global[3]));
    client.get(&machine).ok(200);
    assert_eq!(reason(&client.delete(&machine)), RECORD);
    client.post(&format!("{machine}/actions/ping"), Value::Null).ok(200);
    let on_global = client.activate(&global[2], "new").ok(201);
    assert_eq!(ground.name(&on_global["data"]["relationships"]["environment"]["data"]["id"]), "shared");
    // and it is no administrator of accounts
    let answer =
        client.post("tokens", json!({ "data": { "type": "tokens", "relationships": { "bearer": link(&global[0]) } } }));
    assert_eq!(reason(&answer), NO_REASON);
}

// 04 §8, 05 §5.2, §5.3, §5.5
#[test]
fn users_of_environments() {
    let ground = Ground::new();
    let names = ["global", "isolated", "shared"];
    let users = names.map(|name| {
        let attributes = json!({ "email": format!("{name}@example.com") });
        ground.client(name).create("users", attributes, Value::Null)
    });
    for (viewer, read, write) in [
        ("global", [200, 404, 404], [200, 404, 404]),
        ("isolated", [404, 200, 404], [404, 200, 404]),
        ("shared", [200, 404, 200], [403, 404, 200]),
    ] {
        let client = ground.client(viewer);
        let call = |call: &dyn Fn(&str) -> Answer| {
            users.each_ref().map(|user| {
                let answer = call(&format!("users/{}", id(user)));
                if answer.status == 403 {
                    assert_eq!(reason(&answer), RECORD, "{viewer}");
                }
                answer.status
            })
        };
        assert_eq!(call(&|path| client.get(path)), read, "{viewer}");
        assert_eq!(call(&|path| client.get(&format!("{path}/licenses"))), read, "{viewer}");
        let update = json!({ "data": { "type": "users", "attributes": { "lastName": viewer } } });
        assert_eq!(call(&|path| client.patch(path, update.clone())), write, "{viewer}");
        for action in ["ban", "unban"] {
            assert_eq!(call(&|path| client.post(&format!("{path}/actions/{action}"), Value::Null)), write, "{viewer}");
        }
        let seen: Vec<String> = client.get("users?order=asc").ok(200)["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| ground.name(&user["relationships"]["environment"]["data"]["id"]))
            .collect();
        let expected: Vec<&str> =
            names.into_iter().zip(read).filter(|(_, status)| *status == 200).map(|(n, _)| n).collect();
        assert_eq!(seen, expected, "{viewer}");
        // an address is one user's, wherever
        for name in names {
            let body = json!({ "data": { "type": "users", "attributes": { "email": format!("{name}@example.com") } } });
            assert_eq!(client.post("users", body).code(), "EMAIL_TAKEN", "{viewer} {name}");
        }
    }
    // of global bearers only administrators may be in an isolated environment, whatever their token says
    let admin = ground.server.admin();
    let license = admin.quick_license(json!({ "authenticationStrategy": "MIXED" }));
    let product = json!({ "type": "products", "id": license["relationships"]["product"]["data"]["id"] });
    let bearers = [
        ("developer", user(&ground.server, "developer", "dev@example.com")),
        ("read only", user(&ground.server, "read-only", "ro@example.com")),
        ("user", users[0].clone()),
        ("product", product),
        ("license", license),
    ];
    for (role, bearer) in &bearers {
        let inside = ground.server.token(&token_in(&ground.server, bearer, Some(id(&ground.isolated))));
        let answer = inside.environment("isolated").get("me");
        let expected = format!("{role} environment is not compatible with the current environment");
        assert_eq!(reason(&answer), expected);
        let here = ground.server.token(&token_in(&ground.server, bearer, Some(id(&ground.shared))));
        here.environment("shared").get("me").ok(200);
    }
}

// 05 §5.2, §5.9: uniqueness and events
#[test]
fn uniqueness_and_events_across_environments() {
    let ground = Ground::new();
    let (global, shared) = (ground.client("global"), ground.client("shared"));
    global.entitlement("CODE");
    let body = json!({ "data": { "type": "entitlements", "attributes": { "name": "x", "code": "code" } } });
    assert_eq!(shared.post("entitlements", body).code(), "CODE_TAKEN");
    let chain = ground.chain("global");
    let mut body = KINDS[2].body(Some(&chain[1]), None);
    body["data"]["attributes"]["key"] = json!(key(&chain[2]));
    assert_eq!(shared.post("licenses", body).code(), "KEY_TAKEN");
    let fingerprint = text(&chain[3]["attributes"]["fingerprint"]);
    assert_eq!(shared.activate(&chain[2], fingerprint).code(), "FINGERPRINT_TAKEN");
    // limits count machines of every environment
    ground.server.sql("UPDATE policies SET max_machines = 2");
    shared.machine(&chain[2], "second");
    for client in [global, shared] {
        assert_eq!(client.activate(&chain[2], "third").code(), "MACHINE_LIMIT_EXCEEDED");
    }
    let license = global.get(&format!("licenses/{}", id(&chain[2]))).ok(200);
    assert_eq!(license["data"]["relationships"]["machines"]["meta"]["count"], 2);
    // an event is of the current environment, else of the resource's
    let of = |event: &str, resource: &Value| {
        let sql = format!(
            "SELECT environment_id FROM event_logs WHERE event = '{event}' AND resource_id = '{}' ORDER BY id DESC LIMIT 1",
            id(resource)
        );
        ground.name(&json!(select(&ground.server, &sql)))
    };
    assert_eq!(of("machine.created", &chain[3]), "global");
    shared.post(&format!("machines/{}/actions/ping", id(&chain[3])), Value::Null).ok(200);
    assert_eq!(of("machine.heartbeat.ping", &chain[3]), "shared");
    global.post(&format!("machines/{}/actions/ping", id(&chain[3])), Value::Null).ok(200);
    assert_eq!(of("machine.heartbeat.ping", &chain[3]), "global");
    // a deleted environment takes everything of it along, and nothing else (05 §3.4)
    let own = ground.chain("shared");
    global.delete("environments/shared").ok(204);
    assert_eq!(shared.get("products").code(), "ENVIRONMENT_INVALID");
    for (table, at) in [("products", 0), ("policies", 1), ("licenses", 2), ("machines", 3), ("machine_components", 4)] {
        let left = |record: &Value| {
            select(&ground.server, &format!("SELECT count(*) FROM {table} WHERE id = '{}'", id(record)))
        };
        assert_eq!((left(&own[at]), left(&chain[at])), ("0".into(), "1".into()), "{table}");
    }
}
