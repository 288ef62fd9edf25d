//! Who may do what with policies (07 §1, §1.1, §6), and in which environments (05 §5).

use crate::authentication::*;
use crate::authorization::*;
use crate::keys::inside;
use crate::policies::of;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

// 07 §1, §1.1
#[test]
fn who_may() {
    let cast = Cast::new(json!({}));
    let admin = cast.client("A");
    let path = format!("policies/{}", id(&cast.policy));
    let create = of(&cast.product, json!({ "name": "x" }));
    let update = body("policies", json!({ "name": "y" }));
    let expected = "ok: A D S P; 401: X; 403: Su R L Uo Um Ua P2 L2 U";
    assert_eq!(cast.outcome(|c| c.post("policies", create.clone())), expected);
    let unknown = of(&json!({ "type": "products", "id": ZERO }), json!({ "name": "x" }));
    let expected = "401: X; 403: Su R P L Uo Um Ua P2 L2 U; 422: A D S";
    assert_eq!(cast.outcome(|c| c.post("policies", unknown.clone())), expected);
    assert_eq!(cast.outcome(|c| c.get("policies")), "ok: A D S Su R P P2; 401: X; 403: L Uo Um Ua L2 U");
    let sees = "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.get(&path)), sees);
    let writes = "ok: A D S P; 401: X; 403: Su R L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.patch(&path, update.clone())), writes);
    let fresh = || format!("policies/{}", id(&admin.policy(&cast.product, json!({}))));
    let expected = "ok: A D P; 401: X; 403: S Su R; 404: L Uo Um Ua P2 L2 U";
    assert_eq!(cast.outcome(|c| c.delete(&fresh())), expected);
    let license = format!("{path}/licenses/{}", id(&cast.license));
    let by_key = format!("{path}/licenses/{}", key(&cast.license));
    for nested in [&format!("{path}/product"), &format!("{path}/licenses"), &license, &by_key] {
        assert_eq!(cast.outcome(|c| c.get(nested)), sees, "{nested}");
    }
    // with every permission
    cast.grant_everything();
    assert_eq!(cast.outcome(|c| c.get(&path)), "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U");
    assert_eq!(cast.outcome(|c| c.get("policies")), "ok: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    assert_eq!(cast.client("U").get("policies").ok(200)["data"], json!([]));
    for name in ["L", "Uo", "Ua"] {
        let seen = cast.client(name).get("policies").ok(200)["data"].clone();
        assert_eq!((seen.as_array().unwrap().len(), &seen[0]["id"]), (1, &cast.policy["id"]), "{name}");
    }
    for nested in [&format!("{path}/product"), &format!("{path}/licenses"), &license] {
        assert_eq!(cast.outcome(|c| c.get(nested)), sees, "{nested}");
    }
    assert_eq!(cast.outcome(|c| c.patch(&path, update.clone())), writes);
    for name in ["L", "Uo", "S"] {
        assert_eq!(cast.client(name).delete(&path).status, 403, "{name}");
    }
    // a license's list is its one policy or nothing
    for (query, status) in [
        (format!("product={}", id(&cast.product)), 200),
        (format!("product={ZERO}"), 403),
        ("page[number]=1&page[size]=1".to_owned(), 200),
        ("page[number]=2&page[size]=1".to_owned(), 403),
    ] {
        assert_eq!(cast.client("L").get(&format!("policies?{query}")).status, status, "{query}");
    }
    // create: 400 before 403; update: 403 before 400
    let nonsense = of(&cast.product, json!({ "nope": 1 }));
    assert_eq!(cast.outcome(|c| c.post("policies", nonsense.clone())), "400: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    let nonsense = body("policies", json!({ "nope": 1 }));
    let expected = "400: A D S P; 401: X; 403: Su R L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.patch(&path, nonsense.clone())), expected);
}

// 07 §1.1, 05 §5.6, §5.7
#[test]
fn environments_of_new_policies() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let global = server.admin();
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let (isolated, shared) = (inside(&iso, "iso"), inside(&pre, "pre"));
    let (g, i, s) = (global.product(), isolated.product(), shared.product());
    let foreign = format!("403 {}|-|-", forbidden("record environment is not compatible with the current environment"));
    let incompatible =
        "422 must be compatible with product environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment";
    for (client, product, expected) in [
        (&global, &g, Ok(&json!(null))),
        (&global, &i, Err(foreign.as_str())),
        (&global, &s, Err(&foreign)),
        (&isolated, &i, Ok(&iso["id"])),
        (&isolated, &g, Err(incompatible)),
        (&isolated, &s, Err(incompatible)),
        (&shared, &s, Ok(&pre["id"])),
        (&shared, &g, Ok(&pre["id"])),
        (&shared, &i, Err(incompatible)),
    ] {
        let answer = client.post("policies", of(product, json!({ "name": "x" })));
        match expected {
            Ok(id) => {
                let made = answer.ok(201)["data"]["relationships"]["environment"]["data"].clone();
                assert_eq!(made.get("id").unwrap_or(&Value::Null), id);
            }
            Err(expected) => assert_eq!(answer.error(), expected),
        }
    }
}

// 07 §1, 01 §2.3: policies by UUID; members below them
#[test]
fn lookups() {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(&admin.product(), json!({ "name": "by-name" }));
    let other = admin.license(&admin.policy(&admin.product(), json!({})), json!({}));
    let licenses = ["LICENSE.1 of it", "LICENSE-2"].map(|key| admin.license(&policy, json!({ "key": key })));
    admin.post(&format!("licenses/{}/actions/suspend", id(&licenses[0])), Value::Null).ok(200);
    let path = format!("policies/{}", id(&policy));
    for form in [id(&policy).to_uppercase(), id(&policy).replace('-', "")] {
        assert_eq!(admin.get(&format!("policies/{form}")).ok(200)["data"]["id"], policy["id"]);
    }
    for name in [ZERO, "by-name"] {
        let expected = format!("404 The requested policy '{name}' was not found|NOT_FOUND|-");
        for below in
            ["", "/product", "/licenses", "/licenses/x", "/entitlements", "/entitlements/x", "/pool", "/pool/x"]
        {
            assert_eq!(admin.get(&format!("policies/{name}{below}")).error(), expected, "{below}");
        }
        // 404 before the body, whatever it is
        for answer in [
            admin.patch(&format!("policies/{name}"), Value::Null),
            admin.delete(&format!("policies/{name}")),
            admin.post(&format!("policies/{name}/entitlements"), Value::Null),
            admin.delete_with(&format!("policies/{name}/entitlements"), Value::Null),
            admin.delete(&format!("policies/{name}/pool")),
        ] {
            assert_eq!(answer.error(), expected);
        }
    }
    let listed = |query: &str| {
        let list = admin.get(&format!("{path}/licenses?{query}")).ok(200)["data"].clone();
        list.as_array().unwrap().iter().map(|license| key(license).to_owned()).collect::<Vec<_>>()
    };
    let own = id(&policy["relationships"]["product"]["data"]);
    let foreign = id(&other["relationships"]["product"]["data"]);
    let (first, second) = ("LICENSE.1 of it", "LICENSE-2");
    for (query, expected) in [
        (String::new(), &[second, first][..]),
        ("suspended=true".to_owned(), &[first]),
        ("suspended=false".to_owned(), &[second]),
        ("suspended=".to_owned(), &[second, first]),
        (format!("product={own}"), &[second, first]),
        (format!("product={foreign}"), &[]),
        ("product=nope".to_owned(), &[]),
        // no filter of this list (§1)
        (format!("policy={ZERO}"), &[second, first]),
        ("order=asc&limit=1".to_owned(), &[first]),
    ] {
        assert_eq!(listed(&query), expected, "{query}");
    }
    for name in [id(&licenses[0]), "LICENSE.1%20of%20it"] {
        let member = admin.get(&format!("{path}/licenses/{name}")).ok(200);
        assert_eq!(member["data"]["id"], licenses[0]["id"]);
    }
    for name in [id(&other), key(&other), "license-2", ZERO] {
        let expected = format!("404 The requested license '{name}' was not found|NOT_FOUND|-");
        assert_eq!(admin.get(&format!("{path}/licenses/{name}")).error(), expected);
    }
    // the list of policies: blank filters are ignored, newest first
    let ids = |query: &str| {
        let list = admin.get(&format!("policies?{query}")).ok(200)["data"].clone();
        list.as_array().unwrap().iter().map(|policy| id(policy).to_owned()).collect::<Vec<_>>()
    };
    let all = vec![id(&other["relationships"]["policy"]["data"]).to_owned(), id(&policy).to_owned()];
    for (query, expected) in [
        ("product=".to_owned(), &all[..]),
        ("product=%20&name=x".to_owned(), &all),
        (format!("product={own}"), &all[1..]),
        (format!("product={}", foreign.to_uppercase()), &all[..1]),
        (format!("product={ZERO}"), &[]),
        ("product=by-name".to_owned(), &[]),
    ] {
        assert_eq!(ids(&query), expected, "{query}");
    }
}

// 05 §5.4, §5.5, 07 §1: environments as bearers, members of other environments, the shared environment's read-only policies
#[test]
fn environments_of_policies() {
    let server = Server::start();
    let [iso, pre, two] = [("iso", "ISOLATED"), ("pre", "SHARED"), ("two", "SHARED")]
        .map(|(code, strategy)| environment(&server, code, strategy));
    let (global, isolated) = (server.admin(), inside(&server, &iso, "iso"));
    let (shared, second) = (inside(&server, &pre, "pre"), inside(&server, &two, "two"));
    let record = "record environment is not compatible with the current environment";
    let update = |name: &str| body("policies", json!({ "name": name }));
    for (client, environment) in [(&isolated, &iso), (&shared, &pre)] {
        let policy = client.policy(&client.product(), json!({}));
        let expected = json!({ "type": "environments", "id": environment["id"] });
        assert_eq!(policy["relationships"]["environment"]["data"].to_string(), expected.to_string());
        let path = format!("policies/{}", id(&policy));
        assert_eq!(client.get("policies").ok(200)["data"][0]["id"], policy["id"]);
        for below in ["", "/product", "/licenses", "/entitlements", "/pool"] {
            client.get(&format!("{path}{below}")).ok(200);
            assert_eq!(global.get(&format!("{path}{below}")).status, 404, "{below}");
        }
        assert_eq!(client.patch(&path, update("y")).ok(200)["data"]["attributes"]["name"], "y");
        assert_eq!((global.patch(&path, update("z")).status, second.delete(&path).status), (404, 404));
        // neither product nor environment ever changes (07 §1.1)
        let mut moving = update("y");
        moving["data"]["relationships"] = json!({ "environment": { "data": null } });
        assert_eq!(client.patch(&path, moving).error(), "400 unpermitted parameter|-|/data/relationships");
        client.delete(&path).ok(204);
    }
    // a global policy in a shared environment
    let policy = global.policy(&global.product(), json!({}));
    let path = format!("policies/{}", id(&policy));
    shared.get(&path).ok(200);
    assert_eq!(reason(&shared.patch(&path, update("y"))), record);
    assert_eq!(reason(&shared.delete(&path)), record);
    assert_eq!(isolated.get(&path).status, 404);
    // its members, found whatever their environment, and refused inside another one; lists keep to the current environment
    let licenses = [&global, &shared, &second].map(|client| client.license(&policy, json!({})));
    let entitlements = [(&global, "g"), (&shared, "s"), (&second, "t")].map(|(client, code)| client.entitlement(code));
    for (client, entitlement) in [&global, &shared, &second].into_iter().zip(&entitlements) {
        let items = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        client.post(&format!("{path}/entitlements"), items).ok(200);
    }
    for (name, members) in [("licenses", &licenses), ("entitlements", &entitlements)] {
        let show = |client: &Client, at: usize| client.get(&format!("{path}/{name}/{}", id(&members[at])));
        (0..3).for_each(|at| drop(show(&global, at).ok(200)));
        (0..2).for_each(|at| drop(show(&shared, at).ok(200)));
        assert_eq!(reason(&show(&shared, 2)), record, "{name}");
        let listed = |client: &Client| client.get(&format!("{path}/{name}")).ok(200)["data"].as_array().unwrap().len();
        assert_eq!((listed(&global), listed(&shared), listed(&second)), (1, 2, 2), "{name}");
    }
    // what several attributes are wrong about: product, environment, name (07 §2.9)
    let answer = isolated.post("policies", of(&global.product(), json!({ "duration": 1 })));
    let codes: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| text(&e["code"])).collect();
    assert_eq!(codes, ["ENVIRONMENT_NOT_ALLOWED", "NAME_MISSING", "DURATION_INVALID"]);
}

// 05 §5.5 (join rows), 07 §6: the table of parents and entries, for policies
#[test]
fn environments_of_policy_entitlements() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let (global, isolated, shared) = (server.admin(), inside(&server, &iso, "iso"), inside(&server, &pre, "pre"));
    let clients = [&global, &shared, &isolated];
    let policies = clients.map(|client| client.policy(&client.product(), json!({})));
    let [g, s, i] = [(&global, "g"), (&shared, "s"), (&isolated, "i")].map(|(client, code)| client.entitlement(code));
    let records = "a record's environment is not compatible with the current environment";
    let (in_pre, in_iso) = (&pre["id"], &iso["id"]);
    for (client, policy, entitlement, expected) in [
        (&global, 0, &g, Ok(&Value::Null)),
        (&global, 0, &s, Err(records)),
        (&global, 0, &i, Err(records)),
        (&shared, 0, &s, Ok(in_pre)),
        (&shared, 0, &g, Err(records)),
        (&shared, 0, &i, Err(records)),
        (&shared, 1, &s, Ok(in_pre)),
        (&shared, 1, &g, Ok(in_pre)),
        (&shared, 1, &i, Err(records)),
        (&isolated, 2, &i, Ok(in_iso)),
        (&isolated, 2, &g, Err(records)),
        (&isolated, 2, &s, Err(records)),
    ] {
        let path = format!("policies/{}/entitlements", id(&policies[policy]));
        let items = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        let attached = client.post(&path, items.clone());
        match expected {
            Ok(environment) => {
                let row = attached.ok(200)["data"][0].clone();
                assert_eq!(row["relationships"]["environment"]["data"].get("id").unwrap_or(&Value::Null), environment);
                assert_eq!(client.delete_with(&path, items.clone()).status, 204);
                client.post(&path, items).ok(200);
            }
            Err(expected) => {
                assert_eq!(reason(&attached), expected);
                assert_eq!(reason(&client.delete_with(&path, items)), expected);
            }
        }
    }
    // one event a request, in the request's environment
    let sql = format!(
        "SELECT group_concat(event || ' ' || (environment_id = '{}') || ' ' || metadata, '; ') FROM event_logs
         WHERE resource_id = '{}' AND event LIKE '%tached'",
        id(&pre),
        id(&policies[1])
    );
    let event = |what: &str, code: &str| format!("policy.entitlements.{what} 1 {{\"codes\":[\"{code}\"]}}");
    let expected = ["s", "g"].map(|code| ["attached", "detached", "attached"].map(|what| event(what, code)).join("; "));
    assert_eq!(select(&server, &sql), expected.join("; "));
}
