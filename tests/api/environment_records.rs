//! Environments as records: documents, bodies, who may, embedded administrators, their tokens (05 §3, §4). What they mean:
//! `environments.rs`; what goes with them: `environment_deletion.rs`.

use crate::accounts::{UNBOUND, everybody, outcome};
use crate::authentication::*;
use crate::authorization::{NO_REASON, reason};
use crate::support::*;
use crate::users::{catalogue, person};
use serde_json::{Value, json};

fn body(attributes: Value) -> Value {
    json!({ "data": { "type": "environments", "attributes": attributes } })
}

fn with_admins(code: &str, strategy: &str, admins: Value) -> Value {
    let mut sent = body(json!({ "name": code, "code": code, "isolationStrategy": strategy }));
    sent["data"]["relationships"] = json!({ "admins": { "data": admins } });
    sent
}

/// A token of that environment, made by its route; the environment is a shared one.
fn token_of(server: &Server, code: &str) -> String {
    let made = server.admin().environment(code).post(&format!("environments/{code}/tokens"), Value::Null).ok(201);
    text(&made["data"]["attributes"]["token"]).to_owned()
}

// 05 §3.1, §3.2
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let answer = admin.post("environments", body(json!({ "name": "Staging", "code": "Pre.Prod/1" })));
    let made = answer.ok(201)["data"].clone();
    let own = format!("/v1/accounts/{account}/environments/{}", id(&made));
    let at = &made["attributes"]["created"];
    let expected = json!({
        "id": made["id"],
        "type": "environments",
        "attributes": {
            "name": "Staging", "code": "Pre.Prod/1", "isolationStrategy": "ISOLATED", "created": at, "updated": at
        },
        "relationships": { "account": {
            "links": { "related": format!("/v1/accounts/{account}") },
            "data": { "type": "accounts", "id": account }
        } },
        "links": { "self": own }
    });
    assert_eq!(made.to_string(), expected.to_string());
    assert_eq!(answer.header("location"), format!("http://localhost:{}{own}", server.port));
    // by UUID or code, exactly
    for name in [id(&made).to_owned(), id(&made).replace('-', "").to_uppercase(), "Pre%2EProd%2F1".into()] {
        assert_eq!(
            admin.get(&format!("environments/{name}")).ok(200)["data"].to_string(),
            expected.to_string(),
            "{name}"
        );
    }
    for name in ["pre%2Eprod%2F1", "nope", "0198f000-0000-7000-8000-000000000000"] {
        let echo = name.replace("%2E", ".").replace("%2F", "/");
        let missing = format!("404 The requested environment '{echo}' was not found|NOT_FOUND|-");
        let path = format!("environments/{name}");
        for answer in
            [admin.get(&path), admin.patch(&path, json!({})), admin.delete(&path), admin.get(&format!("{path}/tokens"))]
        {
            assert_eq!(answer.error(), missing);
        }
    }
    let shared = admin.create(
        "environments",
        json!({ "name": "S", "code": "shared", "isolationStrategy": "SHARED" }),
        Value::Null,
    );
    assert_eq!(shared["attributes"]["isolationStrategy"], "SHARED");
    // a list of all, wherever one is
    for client in [&admin, &admin.environment("shared")] {
        let listed = client.get("environments?code=shared").ok(200);
        assert_eq!(listed["data"], json!([shared, made]));
    }
    let page = admin.get("environments?page[number]=1&page[size]=1&order=asc").ok(200);
    assert_eq!((&page["data"][0]["id"], &page["links"]["meta"]["count"]), (&made["id"], &json!(2)));
    // changes; the code counts at once
    let path = format!("environments/{}", id(&shared));
    let changed = admin.patch(&path, body(json!({ "name": "Sandbox", "code": "sandbox" }))).ok(200);
    assert_eq!(
        (&changed["data"]["attributes"]["name"], &changed["data"]["attributes"]["code"]),
        (&json!("Sandbox"), &json!("sandbox"))
    );
    assert_eq!(admin.environment("shared").get("me").code(), "ENVIRONMENT_INVALID");
    let answer = admin.environment(id(&shared)).get("me");
    assert_eq!((answer.status, answer.header("keygen-environment")), (200, "sandbox"));
    admin.put(&path, json!({ "data": { "type": "environment", "id": "x", "attributes": {} } })).ok(200);
    let told = ["created", "updated", "deleted"].map(|what| events(&server, &format!("environment.{what}")));
    assert_eq!(told, ["2", "2", "0"]);
}

// 05 §3.2, §3.3
#[test]
fn bodies_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    environment(&server, "taken", "SHARED");
    let mine = environment(&server, "mine", "SHARED");
    let path = format!("environments/{}", id(&mine));
    let at = |name: &str| format!("/data/attributes/{name}");
    let long = "x".repeat(256);
    let too_long = "422 is too long (maximum is 255 characters)";
    for (attributes, expected) in [
        (json!({ "name": "" }), format!("400 cannot be blank|-|{}", at("name"))),
        (json!({ "name": 1 }), format!("400 type mismatch (received integer expected string)|-|{}", at("name"))),
        (json!({ "name": long }), format!("{too_long}|NAME_TOO_LONG|{}", at("name"))),
        (json!({ "code": " " }), format!("400 cannot be blank|-|{}", at("code"))),
        (json!({ "code": long }), format!("{too_long}|CODE_TOO_LONG|{}", at("code"))),
        (json!({ "code": "actions" }), format!("422 is reserved|CODE_NOT_ALLOWED|{}", at("code"))),
        (json!({ "code": "action" }), format!("422 is reserved|CODE_NOT_ALLOWED|{}", at("code"))),
        (json!({ "code": "taken" }), format!("422 has already been taken|CODE_TAKEN|{}", at("code"))),
        (json!({ "code": "TaKeN" }), format!("422 has already been taken|CODE_TAKEN|{}", at("code"))),
        (json!({ "code": new_id() }), format!("422 is invalid|CODE_INVALID|{}", at("code"))),
        (json!({ "code": new_id().replace('-', "") }), format!("422 is invalid|CODE_INVALID|{}", at("code"))),
        (json!({ "metadata": {} }), format!("400 unpermitted parameter|-|{}", at("metadata"))),
        (json!({ "permissions": [] }), format!("400 unpermitted parameter|-|{}", at("permissions"))),
        (json!({ "created": 1 }), format!("400 unpermitted parameter|-|{}", at("created"))),
    ] {
        let mut complete = attributes.clone();
        for name in ["name", "code"] {
            if complete.get(name).is_none() {
                complete[name] = json!("new");
            }
        }
        assert_eq!(admin.post("environments", body(complete)).error(), expected, "{attributes}");
        assert_eq!(admin.patch(&path, body(attributes.clone())).error(), expected, "{attributes}");
    }
    let code = json!({ "name": "N", "code": "n" });
    let with = |strategy: Value| {
        let mut attributes = code.clone();
        attributes["isolationStrategy"] = strategy;
        body(attributes)
    };
    for strategy in ["shared", "NONE", "Isolated"] {
        let expected =
            format!("422 unsupported isolation strategy|ISOLATION_STRATEGY_NOT_ALLOWED|{}", at("isolationStrategy"));
        assert_eq!(admin.post("environments", with(json!(strategy))).error(), expected);
    }
    for (sent, expected) in [
        (json!({}), "400 is missing|-|/data".to_owned()),
        (json!({ "data": { "type": "environments" } }), "400 is missing|-|/data/attributes".into()),
        (body(json!({ "code": "n" })), format!("400 is missing|-|{}", at("name"))),
        (body(json!({ "name": "N" })), format!("400 is missing|-|{}", at("code"))),
        (body(json!({ "name": null, "code": "n" })), format!("400 cannot be null|-|{}", at("name"))),
        (with(json!(1)), format!("400 type mismatch (received integer expected string)|-|{}", at("isolationStrategy"))),
        (
            json!({ "data": { "id": new_id(), "type": "environments", "attributes": code } }),
            "400 unpermitted parameter|-|/data/id".into(),
        ),
        (json!({ "data": { "type": "products", "attributes": code } }), "400 is invalid|-|/data/type".into()),
        (
            json!({ "data": { "type": "environments", "attributes": code, "relationships": { "environment": { "data": null } } } }),
            "400 unpermitted parameter|-|/data/relationships/environment".into(),
        ),
    ] {
        assert_eq!(admin.post("environments", sent).error(), expected);
    }
    let update = |attributes: Value| admin.patch(&path, body(attributes)).error();
    for value in [json!("ISOLATED"), json!("SHARED"), Value::Null] {
        assert_eq!(
            update(json!({ "isolationStrategy": value })),
            format!("400 unpermitted parameter|-|{}", at("isolationStrategy"))
        );
    }
    let sent =
        json!({ "data": { "type": "environments", "attributes": {}, "relationships": { "admins": { "data": [] } } } });
    assert_eq!(admin.patch(&path, sent).error(), "400 unpermitted parameter|-|/data/relationships");
    assert_eq!(events(&server, "environment.updated"), "0");
    // the null strategy is the default one; its own code, in another case, is not taken
    let made = admin.post("environments", with(Value::Null)).ok(201);
    assert_eq!(made["data"]["attributes"]["isolationStrategy"], "ISOLATED");
    let renamed = admin.patch(&path, body(json!({ "code": "MINE" }))).ok(200);
    assert_eq!(renamed["data"]["attributes"]["code"], "MINE");
    let two =
        admin.post("environments", body(json!({ "name": long, "code": long, "isolationStrategy": "X" }))).errors();
    assert_eq!(two.len(), 3, "{two:?}");
}

// 05 §3.1, §4
#[test]
fn who_may() {
    let server = Server::start();
    let clients = everybody(&server);
    let admin = server.admin();
    let mut number = 0;
    let mut fresh = || {
        number += 1;
        admin.create("environments", json!({ "name": "F", "code": format!("f{number}") }), Value::Null)
    };
    assert_eq!(
        outcome(&clients, |client| client.get("environments")),
        "200: A D S Su R; permission: U L P; role: Ei Es; 401: X"
    );
    let target = format!("environments/{}", id(&fresh()));
    let hidden = "404: U Ei Es L P; 401: X";
    assert_eq!(outcome(&clients, |client| client.get(&target)), format!("200: A D S Su R; {hidden}"));
    let change = body(json!({ "name": "x" }));
    let got = outcome(&clients, |client| client.patch(&target, change.clone()));
    assert_eq!(got, "200: A D; role: S Su; permission: R; 404: U Ei Es L P; 401: X");
    let targets: Vec<String> = clients.iter().map(|_| format!("environments/{}", id(&fresh()))).collect();
    let at = std::cell::Cell::new(0);
    let next = || {
        at.set(at.get() + 1);
        &targets[at.get() - 1]
    };
    let got = outcome(&clients, |client| client.delete(next()));
    assert_eq!(got, "204: A D; role: S Su; permission: R; 404: U Ei Es L P; 401: X");
    let got = outcome(&clients, |client| {
        client.post("environments", body(json!({ "name": "N", "code": new_id().replace('-', "_") })))
    });
    assert_eq!(got, "201: A D; role: S Su; permission: R U Ei Es L P; 401: X");
    // an environment on itself
    for (name, code) in [("Ei", "Ei"), ("Es", "Es")] {
        let client = &clients.iter().find(|(n, _)| *n == name).unwrap().1;
        client.get(&format!("environments/{code}")).ok(200);
        for answer in [
            client.patch(&format!("environments/{code}"), change.clone()),
            client.delete(&format!("environments/{code}")),
        ] {
            assert_eq!(reason(&answer), "environment lacks permission to perform action");
        }
    }
    // from the global environment only, whoever asks
    let inside = admin.environment("Es");
    inside.get(&target).ok(200);
    for answer in [
        inside.post("environments", body(json!({ "name": "N", "code": "n" }))),
        inside.patch(&target, change.clone()),
        inside.delete("environments/Es"),
    ] {
        assert_eq!(reason(&answer), UNBOUND);
    }
    let local = json!({ "type": "users", "id": person(&inside, "admin", "local@x.io")["id"] });
    let environment = select(&server, "SELECT id FROM environments WHERE code = 'Es'");
    let local = server.token(&token_in(&server, &local, Some(&environment))).environment("Es");
    assert_eq!(reason(&local.delete("environments/Es")), UNBOUND);
    assert_eq!(reason(&inside.patch(&target, json!({}))), UNBOUND, "authorization before the body");
    // the tokens below: staff read, A and D make
    let tokens = |client: &Client| client.header("Keygen-Environment", "Es").get("environments/Es/tokens");
    let global: Vec<(&str, Client)> =
        clients.iter().filter(|(name, _)| !["Ei", "Es"].contains(name)).cloned().collect();
    assert_eq!(outcome(&global, tokens), "200: A D S Su R; 404: U L P; 401: X");
    let make = |client: &Client| client.environment("Es").post("environments/Es/tokens", Value::Null);
    assert_eq!(outcome(&global, make), "201: A D; role: S Su; permission: R; 404: U L P; 401: X");
    let own = &clients.iter().find(|(name, _)| *name == "Es").unwrap().1;
    assert_eq!(own.get("environments/Es/tokens").ok(200)["data"].as_array().unwrap().len(), 3);
    assert_eq!(
        reason(&own.post("environments/Es/tokens", Value::Null)),
        "environment lacks permission to perform action"
    );
    assert_eq!(own.get("environments/Ei/tokens").status, 404);
}

// 05 §3.3, §1.5, 04 §2.1
#[test]
fn embedded_administrators() {
    let server = Server::start();
    let admin = server.admin();
    let user = |attributes: Value| json!({ "type": "user", "attributes": attributes });
    let people = |code: &str| {
        json!([
            user(json!({ "email": format!("Ada@{code}.io"), "password": "secret", "firstName": "Ada", "role": "admin", "metadata": { "a": 1 } })),
            { "type": "users", "attributes": { "email": format!("bob@{code}.io") } }
        ])
    };
    for (code, strategy) in [("iso", "ISOLATED"), ("sha", "SHARED")] {
        let made = admin.post("environments", with_admins(code, strategy, people(code))).ok(201)["data"].clone();
        assert_eq!(made["relationships"].as_object().unwrap().len(), 1, "no admins in the document");
        let login = server.with(&basic(&format!("ada@{code}.io:secret")));
        assert_eq!(login.post("tokens", Value::Null).code(), "EMAIL_INVALID");
        let token = login.environment(code).post("tokens", Value::Null).ok(201)["data"].clone();
        let inside = server.token(text(&token["attributes"]["token"])).environment(code);
        let listed = inside.get("users?roles[]=admin&order=asc").ok(200);
        let own: Vec<&Value> = listed["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|user| text(&user["attributes"]["email"]).ends_with(&format!("{code}.io")))
            .collect();
        assert_eq!(own.len(), 2);
        for user in own {
            assert_eq!(user["relationships"]["environment"]["data"]["id"], made["id"]);
            assert_eq!(user["attributes"]["permissions"], catalogue("admin", "default"));
        }
        // it acts there and nowhere else
        inside.product();
        assert_eq!(server.token(text(&token["attributes"]["token"])).get("me").code(), "TOKEN_INVALID");
        assert_eq!(reason(&inside.patch(&format!("environments/{code}"), body(json!({})))), UNBOUND);
    }
    assert_eq!((events(&server, "environment.created"), events(&server, "user.created")), ("2".into(), "0".into()));
    // none are needed
    for (code, admins) in [("one", json!([])), ("two", json!(null))] {
        let mut sent = with_admins(code, "ISOLATED", admins.clone());
        if admins.is_null() {
            sent["data"]["relationships"] = json!({});
        }
        admin.post("environments", sent).ok(201);
    }
    // their faults: not indexed, equal ones told once
    let at = |name: &str| format!("/data/relationships/users/data/attributes/{name}");
    for (admins, expected) in [
        (
            json!([user(json!({ "email": "x" })), user(json!({ "email": "y" }))]),
            vec![format!("is invalid|USERS_EMAIL_INVALID|{}", at("email"))],
        ),
        (
            json!([user(json!({ "email": ADMIN_EMAIL }))]),
            vec![format!("has already been taken|USERS_EMAIL_TAKEN|{}", at("email"))],
        ),
        (
            json!([user(json!({ "email": "a@b.cd" })), user(json!({ "email": "A@b.cd" }))]),
            vec![format!("has already been taken|USERS_EMAIL_TAKEN|{}", at("email"))],
        ),
        (
            json!([
                user(json!({ "email": "a@b.cd", "password": "x" })),
                user(json!({ "email": "x", "lastName": "x".repeat(256) }))
            ]),
            vec![
                format!("is too short (minimum is 6 characters)|USERS_PASSWORD_TOO_SHORT|{}", at("password")),
                format!("is too long (maximum is 255 characters)|USERS_LAST_NAME_TOO_LONG|{}", at("lastName")),
                format!("is invalid|USERS_EMAIL_INVALID|{}", at("email")),
            ],
        ),
        (json!(vec![user(json!({ "email": "a@b.cd" })); 11]), vec!["too many records|-|-".into()]),
    ] {
        let answer = admin.post("environments", with_admins("new", "SHARED", admins));
        assert_eq!((answer.status, answer.errors()), (422, expected));
    }
    let both = admin.post("environments", with_admins("ISO", "SHARED", json!([user(json!({ "email": "x" }))])));
    let codes: Vec<String> = both.errors().iter().map(|error| error.split('|').nth(1).unwrap().to_owned()).collect();
    assert_eq!(codes, ["CODE_TAKEN", "USERS_EMAIL_INVALID"]);
    let role = admin.post(
        "environments",
        with_admins("new", "SHARED", json!([user(json!({ "email": "a@b.cd", "role": "user" }))])),
    );
    assert_eq!(role.error(), "400 is invalid|-|/data/relationships/admins/data/0/attributes/role");
    assert_eq!(admin.get("environments/new").status, 404);
    assert_eq!(select(&server, "SELECT count(*) FROM users"), "5");
    // who may not make one is told before how many are too many
    let sales = as_bearer(&server, &person(&admin, "sales-agent", "sales@x.io"));
    let many = json!(vec![user(json!({ "email": "a@b.cd" })); 11]);
    assert_eq!(reason(&sales.post("environments", with_admins("new", "SHARED", many))), NO_REASON);
}

// 05 §4, 03 §10.7
#[test]
fn tokens_of_environments() {
    let server = Server::start();
    let admin = server.admin();
    let shared = environment(&server, "shared", "SHARED");
    let isolated = environment(&server, "isolated", "ISOLATED");
    let account = select(&server, "SELECT id FROM accounts");
    let inside = admin.environment("shared");
    let answer = inside.post("environments/shared/tokens", Value::Null);
    let token = answer.ok(201)["data"].clone();
    let path = format!("/v1/accounts/{account}/tokens/{}", id(&token));
    assert_eq!(answer.header("location"), format!("http://localhost:{}{path}", server.port));
    let attributes = &token["attributes"];
    assert_eq!(
        (&attributes["kind"], &attributes["expiry"], &attributes["name"]),
        (&json!("environment-token"), &Value::Null, &Value::Null)
    );
    assert_eq!(attributes["permissions"], catalogue("environment", "default"), "resolved");
    assert!(text(&attributes["token"]).starts_with("env-"));
    for (name, related) in [("environment", &shared), ("bearer", &shared)] {
        let relationship = json!({
            "links": { "related": format!("/v1/accounts/{account}/environments/{}", id(related)) },
            "data": { "type": "environments", "id": related["id"] }
        });
        assert_eq!(token["relationships"][name], relationship);
    }
    assert_eq!(events(&server, "token.generated"), "1");
    let own = server.token(text(&attributes["token"])).environment("shared");
    assert_eq!(own.get("me").ok(200)["data"]["id"], shared["id"]);
    // the request must be made there
    let record = "record environment is not compatible with the current environment";
    let naming = |environment: Value| json!({ "data": { "type": "token", "relationships": { "environment": { "data": environment } } } });
    let named = |record: &Value| json!({ "type": "environment", "id": record["id"] });
    for (client, target, sent) in [
        (&admin, "shared", Value::Null),
        (&admin, "isolated", Value::Null),
        (&admin, "shared", naming(Value::Null)),
        (&admin, "shared", naming(named(&shared))),
        (&inside, "isolated", Value::Null),
        (&inside, "isolated", naming(named(&shared))),
        (&inside, "isolated", naming(named(&isolated))),
        (&inside, "shared", naming(Value::Null)),
        (&inside, "shared", naming(named(&isolated))),
    ] {
        assert_eq!(reason(&client.post(&format!("environments/{target}/tokens"), sent)), record, "{target}");
    }
    inside.post("environments/shared/tokens", naming(named(&shared))).ok(201);
    // an isolated one's: by its own admins, or by a global one with a token of it
    assert_eq!(admin.environment("isolated").post("environments/isolated/tokens", Value::Null).code(), "TOKEN_INVALID");
    let entry =
        json!({ "data": { "type": "tokens", "relationships": { "environment": { "data": named(&isolated) } } } });
    let entry = admin.post("tokens", entry).ok(201)["data"]["attributes"]["token"].clone();
    let entered = server.token(text(&entry)).environment("isolated");
    let made = entered.post("environments/isolated/tokens", Value::Null).ok(201)["data"].clone();
    server.token(text(&made["attributes"]["token"])).environment("isolated").get("products").ok(200);
    // what may be sent
    let sent = |attributes: Value| json!({ "data": { "type": "tokens", "attributes": attributes } });
    let some =
        sent(json!({ "name": "CI", "expiry": "2099-01-01T00:00:00Z", "permissions": ["user.read", "product.read"] }));
    let made = inside.post("environments/shared/tokens", some).ok(201)["data"]["attributes"].clone();
    assert_eq!(made["permissions"], json!(["product.read", "user.read"]));
    assert_eq!((&made["name"], &made["expiry"]), (&json!("CI"), &json!("2099-01-01T00:00:00.000Z")));
    let narrow = server.token(text(&made["token"])).environment("shared");
    narrow.get("users").ok(200);
    assert_eq!(reason(&narrow.get("licenses")), "token lacks permission to perform action");
    for set in
        [json!(["user.nope"]), json!(["user.read", "user.read"]), json!(["environment.create"]), json!(["admin.read"])]
    {
        let answer = inside.post("environments/shared/tokens", sent(json!({ "permissions": set })));
        assert_eq!(
            answer.error(),
            "422 unsupported permissions|PERMISSIONS_NOT_ALLOWED|/data/attributes/permissions",
            "{set}"
        );
        let about = "https://keygen.sh/docs/api/tokens/#tokens-object-attrs-permissions";
        assert_eq!(answer.body["errors"][0]["links"]["about"], about);
    }
    let sales = as_bearer(&server, &person(&admin, "sales-agent", "sales@x.io")).environment("shared");
    let refused = sales.post("environments/shared/tokens", sent(json!({ "permissions": null })));
    assert_eq!(refused.error(), "400 unpermitted parameter|-|/data/attributes/permissions");
    assert_eq!(reason(&sales.post("environments/shared/tokens", Value::Null)), NO_REASON);
    // the list: its own alone, and only there; admins' tokens of it are others'
    let count = |client: &Client, name: &str| {
        client.get(&format!("environments/{name}/tokens?limit=100")).ok(200)["data"].as_array().unwrap().len()
    };
    assert_eq!((count(&inside, "shared"), count(&inside, id(&shared)), count(&own, "shared")), (3, 3, 3));
    assert_eq!((count(&admin, "shared"), count(&inside, "isolated"), count(&entered, "isolated")), (0, 0, 1));
    for client in [&inside, &own, &sales] {
        let shown = client.get(&format!("environments/shared/tokens/{}", id(&token))).ok(200)["data"].clone();
        assert_eq!(shown["id"], token["id"]);
        assert!(shown["attributes"].get("token").is_none());
    }
    let missing = inside.get(&format!("environments/shared/tokens/{}", text(&entry)));
    assert_eq!(missing.status, 404);
    // credentials of an environment stay there
    let raw = token_of(&server, "shared");
    for (client, expected) in [
        (server.token(&raw), "TOKEN_INVALID"),
        (server.token(&raw).environment("isolated"), "TOKEN_INVALID"),
        (server.token(&raw).environment("shared"), "-"),
    ] {
        assert_eq!(client.get("me").code(), expected);
    }
}
