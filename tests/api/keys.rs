//! Keys (07 §8): documents, errors, who may, environments. Their pools are in `pools`.

use crate::authentication::*;
use crate::authorization::*;
use crate::products::*;
use crate::protocol::{ZERO, second_account};
use crate::support::*;
use serde_json::{Value, json};

/// The body that creates a key.
pub fn of(policy: &Value, key: &str) -> Value {
    let relationships = json!({ "policy": link(policy) });
    json!({ "data": { "type": "keys", "attributes": { "key": key }, "relationships": relationships } })
}

/// A key that nothing else has.
pub fn fresh_key() -> String {
    format!("KEY-{}", new_id())
}

/// A new key of a policy.
#[track_caller]
pub fn stock(client: &Client, policy: &Value, key: &str) -> Value {
    client.post("keys", of(policy, key)).ok(201)["data"].clone()
}

/// A policy with a pool.
pub fn pooled(client: &Client) -> Value {
    client.policy(&client.product(), json!({ "usePool": true }))
}

/// A caller with an environment's own token, in it.
pub fn inside(server: &Server, environment: &Value, code: &str) -> Client {
    server.token(&token_in(server, environment, Some(id(environment)))).environment(code)
}

const KEY: &str = "/data/attributes/key";

// 07 §8.1, §8.2, 06 §0: the whole document, from every route that gives it
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "usePool": true }));
    let expected = |record: &Value, key: &str| {
        let path = format!("keys/{}", id(record));
        let mut relationships = global_relationships(&account);
        for (name, to) in [("product", &product), ("policy", &policy)] {
            let linkage = json!({ "type": to["type"], "id": to["id"] });
            relationships[name] = related(&account, &format!("{path}/{name}"), Some(linkage));
        }
        json!({
            "id": record["id"], "type": "keys", "attributes": { "key": key, "created": "T", "updated": "T" },
            "relationships": relationships, "links": { "self": format!("/v1/accounts/{account}/{path}") }
        })
        .to_string()
    };
    let answer = admin.post("keys", of(&policy, "FIRST-KEY"));
    let first = answer.ok(201)["data"].clone();
    let location = format!("http://localhost:{}/v1/accounts/{account}/keys/{}", server.port, id(&first));
    assert_eq!((answer.header("location"), answer.body.as_object().unwrap().len()), (location.as_str(), 1));
    assert_eq!(timeless(&first).to_string(), expected(&first, "FIRST-KEY"));
    // the singular types, an explicit global environment; the text is stored as sent, 8 and 1024 characters fit
    let odd = " söft \"<&>\" 🔑 ";
    let data = json!({ "type": "key", "attributes": { "key": odd }, "relationships": {
        "policy": { "data": { "type": "policy", "id": text(&policy["id"]).to_uppercase() } },
        "environment": { "data": null } } });
    let second = admin.post("keys", json!({ "data": data })).ok(201)["data"].clone();
    assert_eq!(timeless(&second).to_string(), expected(&second, odd));
    for key in ["é".repeat(8), "é".repeat(1024)] {
        let long = stock(&admin, &policy, &key);
        assert_eq!(long["attributes"]["key"], key);
        admin.delete(&format!("keys/{}", id(&long))).ok(204);
    }
    let path = format!("keys/{}", id(&second));
    assert_eq!(admin.get(&path).ok(200).to_string(), json!({ "data": second }).to_string());
    let pool = format!("policies/{}/pool", id(&policy));
    for list in ["keys", &pool] {
        assert_eq!(admin.get(list).ok(200).to_string(), json!({ "data": [second, first] }).to_string(), "{list}");
    }
    assert_eq!(admin.get(&format!("{path}/product")).ok(200).to_string(), json!({ "data": product }).to_string());
    assert_eq!(admin.get(&format!("{path}/policy")).ok(200).to_string(), json!({ "data": policy }).to_string());
    // updates: the key alone, or nothing (`null` is nothing)
    for (method, attributes, key) in [
        ("PATCH", json!({}), odd),
        ("PUT", json!({ "key": null }), odd),
        ("PATCH", json!({ "key": odd }), odd),
        ("PUT", json!({ "key": "SECOND-KEY" }), "SECOND-KEY"),
    ] {
        let body = json!({ "data": { "type": "key", "id": "ignored", "attributes": attributes } });
        let updated = admin.call(method, &path, Some(body.to_string().as_bytes())).ok(200);
        assert_eq!(timeless(&updated["data"]).to_string(), expected(&second, key), "{attributes}");
    }
    // filters: UUIDs, blank values are ignored (01 §15.3)
    let other = pooled(&admin);
    stock(&admin, &other, "OTHER-KEY");
    let of_other = |query: &str| {
        let list = admin.get(&format!("keys?{query}")).ok(200)["data"].clone();
        list.as_array().unwrap().iter().map(|key| text(&key["attributes"]["key"]).to_owned()).collect::<Vec<_>>()
    };
    let other_product = &other["relationships"]["product"]["data"];
    for (query, expected) in [
        (format!("policy={}", id(&policy)), &["SECOND-KEY", "FIRST-KEY"][..]),
        (format!("policy={}", id(&other).to_uppercase().replace('-', "")), &["OTHER-KEY"]),
        (format!("product={}", id(other_product)), &["OTHER-KEY"]),
        (format!("product={}&policy={}", id(&product), id(&other)), &[]),
        (format!("product={ZERO}"), &[]),
        ("policy=nope".to_owned(), &[]),
        ("policy=&product=%20".to_owned(), &["OTHER-KEY", "SECOND-KEY", "FIRST-KEY"]),
        ("key=FIRST-KEY".to_owned(), &["OTHER-KEY", "SECOND-KEY", "FIRST-KEY"]),
        ("limit=1".to_owned(), &["OTHER-KEY"]),
        ("order=asc&limit=1".to_owned(), &["FIRST-KEY"]),
    ] {
        assert_eq!(of_other(&query), expected, "{query}");
    }
    // {id} is a UUID; delete removes the key, and nothing else
    for name in ["FIRST-KEY", ZERO, "x%2Ey"] {
        let expected = format!("404 The requested key '{}' was not found|NOT_FOUND|-", name.replace("%2E", "."));
        for path in [format!("keys/{name}"), format!("keys/{name}/product"), format!("keys/{name}/policy")] {
            assert_eq!(admin.get(&path).error(), expected, "{path}");
        }
        assert_eq!(admin.patch(&format!("keys/{name}"), Value::Null).error(), expected);
        assert_eq!(admin.delete(&format!("keys/{name}")).error(), expected);
    }
    let answer = admin.delete(&path);
    assert_eq!((answer.status, answer.bytes.len(), admin.get(&path).status), (204, 0, 404));
    assert_eq!(counts(&server, &["keys", "policies", "products"]), "keys 2, policies 2, products 2");
    assert_eq!(admin.get(&pool).ok(200)["data"][0]["id"], first["id"]);
    assert_eq!(
        events_of(&server, &second),
        "key.created; key.updated; key.updated; key.updated; key.updated; key.deleted"
    );
    assert_eq!(admin.delete(&path).status, 404);
}

// 07 §8.2: the table of violations, on create and on update
#[test]
fn keys_are_checked() {
    let server = Server::start_with(&[("KEYGEN_LITE_ACCOUNTS_MODE", "multi")]);
    let admin = server.admin();
    let policy = pooled(&admin);
    let plain = admin.policy(&admin.product(), json!({}));
    let taken = stock(&admin, &policy, "TAKEN-KEY");
    let own = stock(&admin, &policy, "OWN-KEY-1");
    let license = admin.license(&plain, json!({ "key": "a-license-key" }));
    // every environment of the account counts, other accounts do not
    let isolated = environment(&server, "iso", "ISOLATED");
    let elsewhere = inside(&server, &isolated, "iso");
    let far = elsewhere.license(&elsewhere.policy(&elsewhere.product(), json!({})), json!({ "key": "far-license" }));
    stock(&elsewhere, &pooled(&elsewhere), "far-away-key");
    second_account(&server);
    let beta = |type_: &str, attributes: Value, relationships: Value| {
        let data = json!({ "type": type_, "attributes": attributes, "relationships": relationships });
        admin.post(&format!("/v1/accounts/beta/{type_}"), json!({ "data": data })).ok(201)["data"].clone()
    };
    let product = beta("products", json!({ "name": "x" }), json!({}));
    let foreign = beta("policies", json!({ "name": "x", "usePool": true }), json!({ "product": link(&product) }));
    beta("keys", json!({ "key": "beta-key-1" }), json!({ "policy": link(&foreign) }));
    let of_beta = beta("licenses", json!({ "key": "beta-license" }), json!({ "policy": link(&foreign) }));

    let path = format!("keys/{}", id(&own));
    let taken_error = format!("422 has already been taken|KEY_TAKEN|{KEY}");
    let used = format!("422 is already being used as a license's key|KEY_CONFLICT|{KEY}");
    let resembles = format!("422 must not conflict with another license's identifier (UUID)|KEY_CONFLICT|{KEY}");
    let reserved =
        format!("422 is reserved|KEY_NOT_ALLOWED|{KEY}; is too short (minimum is 8 characters)|KEY_TOO_SHORT|{KEY}");
    let short = format!("422 is too short (minimum is 8 characters)|KEY_TOO_SHORT|{KEY}");
    let long = format!("422 is too long (maximum is 1024 characters)|KEY_TOO_LONG|{KEY}");
    for (value, expected) in [
        (json!("TAKEN-KEY"), taken_error.as_str()),
        (json!("far-away-key"), &taken_error),
        (json!("taken-key"), "ok"),
        (json!("beta-key-1"), "ok"),
        (json!("actions"), &reserved),
        (json!("action"), &reserved),
        (json!("Actions!"), "ok"),
        (json!("1234567"), &short),
        (json!("ééééééé"), &short),
        (json!("é".repeat(1025)), &long),
        (json!(id(&license)), &resembles),
        (json!(id(&license).replace('-', "").to_uppercase()), &resembles),
        (json!(id(&far)), &resembles),
        (json!(id(&of_beta)), "ok"),
        (json!(ZERO), "ok"),
        (json!("a-license-key"), &used),
        (json!("far-license"), &used),
        (json!("A-license-key"), "ok"),
        (json!("beta-license"), "ok"),
        (json!(""), "400 cannot be blank|-|/data/attributes/key"),
        (json!(" \n"), "400 cannot be blank|-|/data/attributes/key"),
        (json!(12_345_678), "400 type mismatch (received integer expected string)|-|/data/attributes/key"),
        (json!(["12345678"]), "400 type mismatch (received array expected string)|-|/data/attributes/key"),
    ] {
        let mut creation = of(&policy, "");
        creation["data"]["attributes"]["key"] = value.clone();
        let made = admin.post("keys", creation);
        assert_eq!(outcome(&made), expected, "create {value}");
        if made.status == 201 {
            admin.delete(&format!("keys/{}", id(&made.body["data"]))).ok(204);
        }
        assert_eq!(outcome(&admin.patch(&path, body("keys", json!({ "key": value })))), expected, "update {value}");
    }
    let error = admin.patch(&path, body("keys", json!({ "key": "TAKEN-KEY" }))).body["errors"][0].to_string();
    let expected = json!({
        "title": "Unprocessable resource", "detail": "has already been taken", "code": "KEY_TAKEN",
        "source": { "pointer": KEY }, "links": { "about": "https://keygen.sh/docs/api/keys/#keys-object-attrs-key" }
    });
    assert_eq!(error, expected.to_string());
    // both conflicts collapse into the first
    admin.license(&plain, json!({ "key": ZERO }));
    server.sql(&format!("UPDATE licenses SET key = id WHERE id = '{}'", id(&license)));
    assert_eq!(admin.post("keys", of(&policy, id(&license))).error(), resembles);
    assert_eq!(admin.post("keys", of(&policy, ZERO)).error(), used);
    // the reverse is no conflict: a license may be given a key that sits in a pool. From then on the pooled key fails its
    // checks with every update, until it is another
    admin.license(&policy, json!({ "key": "TAKEN-KEY" }));
    let again = format!(
        "422 has already been taken|KEY_TAKEN|{KEY}; is already being used as a license's key|KEY_CONFLICT|{KEY}"
    );
    assert_eq!(outcome(&admin.post("keys", of(&policy, "TAKEN-KEY"))), again);
    let path = format!("keys/{}", id(&taken));
    assert_eq!(admin.patch(&path, body("keys", json!({}))).error(), used);
    admin.patch(&path, body("keys", json!({ "key": "FREE-AGAIN" }))).ok(200);
    assert_eq!(events_of(&server, &taken), "key.created; key.updated", "refusals emit nothing");
}

// 07 §8.2, 01 §6: bodies, and errors about the policy
#[test]
fn bodies() {
    let server = Server::start();
    let admin = server.admin();
    let policy = pooled(&admin);
    let unpooled = admin.policy(&admin.product(), json!({}));
    let nothing = json!({ "type": "policies", "id": ZERO });
    let with = |relationships: Value| json!({ "data": { "type": "keys", "attributes": { "key": "A-KEY-OF-A-POOL" }, "relationships": relationships } });
    let without = |member: &str| {
        let mut body = of(&policy, "A-KEY-OF-A-POOL");
        body["data"].as_object_mut().unwrap().remove(member);
        body
    };
    let plus = |member: &str, value: Value| {
        let mut body = of(&policy, "A-KEY-OF-A-POOL");
        body["data"][member] = value;
        body
    };
    let missing = "422 must exist|POLICY_NOT_FOUND|/data/relationships/policy";
    let no_pool = "422 cannot be added to an unpooled policy|POLICY_NOT_SUPPORTED|/data/relationships/policy";
    let policy_pointer = "/data/relationships/policy";
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/data".to_owned()),
        (json!({ "data": [] }), "400 type mismatch (received array expected object)|-|/data".to_owned()),
        (without("type"), "400 is missing|-|/data/type".to_owned()),
        (plus("type", json!("licenses")), "400 is invalid|-|/data/type".to_owned()),
        (without("attributes"), "400 is missing|-|/data/attributes".to_owned()),
        (plus("attributes", json!({})), "400 is missing|-|/data/attributes/key".to_owned()),
        (plus("attributes", json!({ "key": null })), "400 cannot be null|-|/data/attributes/key".to_owned()),
        (plus("attributes", json!({ "name": "x" })), "400 unpermitted parameter|-|/data/attributes/name".to_owned()),
        (
            plus("attributes", json!({ "metadata": {} })),
            "400 unpermitted parameter|-|/data/attributes/metadata".to_owned(),
        ),
        (plus("id", json!(ZERO)), "400 unpermitted parameter|-|/data/id".to_owned()),
        (without("relationships"), "400 is missing|-|/data/relationships".to_owned()),
        (with(json!({})), format!("400 is missing|-|{policy_pointer}")),
        (with(json!({ "policy": null })), format!("400 cannot be null|-|{policy_pointer}")),
        (with(json!({ "policy": {} })), format!("400 is missing|-|{policy_pointer}/data")),
        (with(json!({ "policy": { "data": null } })), format!("400 cannot be null|-|{policy_pointer}/data")),
        (
            with(json!({ "policy": { "data": { "type": "products", "id": ZERO } } })),
            format!("400 is invalid|-|{policy_pointer}/data/type"),
        ),
        (
            with(json!({ "policy": { "data": { "type": "policies", "id": "x" } } })),
            format!("400 type mismatch (received string expected UUID string)|-|{policy_pointer}/data/id"),
        ),
        (
            with(json!({ "policy": link(&policy), "product": link(&nothing) })),
            "400 unpermitted parameter|-|/data/relationships/product".to_owned(),
        ),
        (of(&nothing, "A-KEY-OF-A-POOL"), missing.to_owned()),
        (of(&unpooled, "A-KEY-OF-A-POOL"), no_pool.to_owned()),
        // several at once, the policy first
        (of(&nothing, "short"), format!("{missing}; is too short (minimum is 8 characters)|KEY_TOO_SHORT|{KEY}")),
        (of(&unpooled, "short"), format!("{no_pool}; is too short (minimum is 8 characters)|KEY_TOO_SHORT|{KEY}")),
    ] {
        assert_eq!(outcome(&admin.post("keys", body.clone())), expected, "{body}");
    }
    assert_eq!(
        counts(&server, &["keys", "event_logs WHERE event LIKE 'key.%'"]),
        "keys 0, event_logs WHERE event LIKE 'key.%' 0"
    );
    let about = "https://keygen.sh/docs/api/keys/#keys-object-relationships-policy";
    assert_eq!(admin.post("keys", of(&nothing, "A-KEY-OF-A-POOL")).body["errors"][0]["links"]["about"], about);
    // updates: the policy never changes
    let path = format!("keys/{}", id(&stock(&admin, &policy, "A-KEY-OF-A-POOL")));
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/data"),
        (json!({ "data": { "type": "keys" } }), "400 is missing|-|/data/attributes"),
        (json!({ "data": { "attributes": {} } }), "400 is missing|-|/data/type"),
        (of(&policy, "A-KEY-OF-A-POOL"), "400 unpermitted parameter|-|/data/relationships"),
        (body("keys", json!({ "created": "2020-01-01" })), "400 unpermitted parameter|-|/data/attributes/created"),
    ] {
        assert_eq!(outcome(&admin.patch(&path, body.clone())), expected, "{body}");
    }
    // the pool rule is asked on create only
    server.sql("UPDATE policies SET use_pool = 0");
    admin.patch(&path, body("keys", json!({ "key": "ANOTHER-KEY" }))).ok(200);
}

// 07 §8.1, §8.2, §9
#[test]
fn who_may() {
    let cast = Cast::new(json!({}));
    let (server, admin) = (&cast.server, cast.client("A"));
    server.sql("UPDATE policies SET use_pool = 1");
    let policy = &cast.policy;
    let path = || format!("keys/{}", id(&stock(admin, policy, &fresh_key())));
    let one = path();
    let nothing = json!({ "type": "policies", "id": ZERO });
    for round in 0..2 {
        let creators = "ok: A D P; 401: X; 403: S Su R L Uo Um Ua P2 L2 U";
        assert_eq!(cast.outcome(|c| c.post("keys", of(policy, &fresh_key()))), creators, "{round}");
        // a product hears nothing of policies that are not its own
        let expected = "401: X; 403: S Su R P L Uo Um Ua P2 L2 U; 422: A D";
        assert_eq!(cast.outcome(|c| c.post("keys", of(&nothing, &fresh_key()))), expected, "{round}");
        assert_eq!(cast.outcome(|c| c.get("keys")), "ok: A D S Su R P P2; 401: X; 403: L Uo Um Ua L2 U", "{round}");
        let readers = "ok: A D S Su R P; 401: X; 404: L Uo Um Ua P2 L2 U";
        for path in [one.clone(), format!("{one}/product"), format!("{one}/policy")] {
            assert_eq!(cast.outcome(|c| c.get(&path)), readers, "{round} {path}");
        }
        let writers = "ok: A D P; 401: X; 403: S Su R; 404: L Uo Um Ua P2 L2 U";
        let update = || body("keys", json!({ "key": fresh_key() }));
        assert_eq!(cast.outcome(|c| c.patch(&one, update())), writers, "{round}");
        assert_eq!(cast.outcome(|c| c.delete(&path())), writers, "{round}");
        // create: 400 before 403; update: 403 before 400 (01 §5)
        let expected = "400: A D S Su R P L Uo Um Ua P2 L2 U; 401: X";
        assert_eq!(cast.outcome(|c| c.post("keys", json!({ "data": {} }))), expected, "{round}");
        let expected = "400: A D P; 401: X; 403: S Su R; 404: L Uo Um Ua P2 L2 U";
        assert_eq!(cast.outcome(|c| c.patch(&one, json!({ "data": {} }))), expected, "{round}");
        cast.grant_everything();
    }
    // products list their own; the pages of the others stay
    let seen = |name: &str| cast.client(name).get("keys?limit=100").ok(200)["data"].as_array().unwrap().len();
    assert_eq!((seen("P"), seen("P2")), (seen("A"), 0));
    assert_eq!(reason(&cast.client("L").get("keys")), "license lacks permission to perform action");
    assert_eq!(
        reason(&cast.client("Uo").post("keys", of(policy, "X-KEY-X-KEY"))),
        "user lacks permission to perform action"
    );
    assert_eq!(reason(&cast.client("S").delete(&one)), NO_REASON);
    assert_eq!(reason(&cast.client("P2").post("keys", of(policy, "X-KEY-X-KEY"))), NO_REASON);
    assert_eq!(server.anonymous().get("keys").code(), "TOKEN_MISSING");
}

// 05 §5.2, §5.4–§5.7, 07 §8.2: a key is where the request is, else where its policy is
#[test]
fn environments() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let global = server.admin();
    let (isolated, shared) = (inside(&server, &iso, "iso"), inside(&server, &pre, "pre"));
    let policies = [pooled(&global), pooled(&isolated), pooled(&shared)];
    let record = "record environment is not compatible with the current environment";
    let clash =
        "422 must be compatible with policy environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment";
    let null = json!({ "data": null });
    let (in_pre, in_iso) = (link(&pre), link(&iso));
    for (name, client, environment, expected) in [
        ("global", &global, None, ["global", record, record]),
        ("global", &global, Some(&null), ["global", clash, clash]),
        ("global", &global, Some(&in_pre), [record, record, record]),
        ("iso", &isolated, None, [clash, "iso", clash]),
        ("iso", &isolated, Some(&in_iso), [clash, "iso", clash]),
        ("iso", &isolated, Some(&null), [record, record, record]),
        ("pre", &shared, None, ["pre", clash, "pre"]),
        ("pre", &shared, Some(&in_pre), ["pre", clash, "pre"]),
        ("pre", &shared, Some(&in_iso), [record, record, record]),
    ] {
        for (policy, expected) in policies.iter().zip(expected) {
            let mut body = of(policy, &fresh_key());
            if let Some(environment) = environment {
                body["data"]["relationships"]["environment"] = environment.clone();
            }
            let answer = client.post("keys", body);
            let got = match answer.status {
                201 => match answer.body["data"]["relationships"]["environment"]["data"].get("id") {
                    None => "global",
                    Some(id) if *id == iso["id"] => "iso",
                    Some(_) => "pre",
                }
                .to_owned(),
                403 => reason(&answer),
                _ => answer.error(),
            };
            assert_eq!(got, expected, "{name} {environment:?}");
        }
    }
    // the whole document's relationship, and what each sees
    let [g, i, s] =
        [(&global, 0), (&isolated, 1), (&shared, 2)].map(|(client, at)| stock(client, &policies[at], &fresh_key()));
    // of the shared environment, for the global policy
    let mixed = stock(&shared, &policies[0], &fresh_key());
    let account = select(&server, "SELECT id FROM accounts");
    let linkage = json!({ "type": "environments", "id": pre["id"] });
    let expected = related(&account, &format!("environments/{}", id(&pre)), Some(linkage));
    assert_eq!(mixed["relationships"]["environment"].to_string(), expected.to_string());
    for (client, expected) in
        [(&global, [200, 404, 404, 404]), (&isolated, [404, 200, 404, 404]), (&shared, [200, 404, 200, 200])]
    {
        for (key, expected) in [&g, &i, &s, &mixed].into_iter().zip(expected) {
            assert_eq!(client.get(&format!("keys/{}", id(key))).status, expected);
            let listed = client.get("keys?limit=100").ok(200);
            let listed = listed["data"].as_array().unwrap().iter().any(|one| one["id"] == key["id"]);
            assert_eq!(listed, expected == 200);
        }
    }
    // global keys are read-only in a shared environment
    let path = format!("keys/{}", id(&g));
    shared.get(&path).ok(200);
    shared.get(&format!("{path}/policy")).ok(200);
    assert_eq!(reason(&shared.patch(&path, body("keys", json!({ "key": fresh_key() })))), record);
    assert_eq!(reason(&shared.delete(&path)), record);
    for (client, key) in [(&isolated, &i), (&shared, &mixed), (&shared, &s), (&global, &g)] {
        let path = format!("keys/{}", id(key));
        client.patch(&path, body("keys", json!({ "key": fresh_key() }))).ok(200);
        client.delete(&path).ok(204);
    }
    // a global developer may not enter an isolated environment, a global admin with a token of it may (05 §5.3)
    let developer = user(&server, "developer", "dev@example.com");
    let entering = server.token(&token_in(&server, &developer, Some(id(&iso)))).environment("iso");
    let expected = "developer environment is not compatible with the current environment";
    assert_eq!(reason(&entering.post("keys", of(&policies[1], &fresh_key()))), expected);
    let administrator = json!({ "type": "users", "id": select(&server, "SELECT id FROM users WHERE role = 'admin'") });
    let entering = server.token(&token_in(&server, &administrator, Some(id(&iso)))).environment("iso");
    assert_eq!(stock(&entering, &policies[1], &fresh_key())["relationships"]["environment"]["data"]["id"], iso["id"]);
    // events are the environment's (05 §5.9)
    let sql =
        format!("SELECT environment_id FROM event_logs WHERE event = 'key.created' AND resource_id = '{}'", id(&mixed));
    assert_eq!(select(&server, &sql), id(&pre));
}
