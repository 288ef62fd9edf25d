//! Entitlements (06 §2), attached to policies (07 §6) and licenses (08 §9.6).

use crate::authentication::*;
use crate::authorization::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// The body of attach and detach.
fn items(records: &[&Value]) -> Value {
    let items: Vec<Value> = records.iter().map(|r| json!({ "type": "entitlements", "id": r["id"] })).collect();
    json!({ "data": items })
}

/// `policies/<id>/entitlements`
fn below(parent: &Value) -> String {
    format!("{}/{}/entitlements", text(&parent["type"]), id(parent))
}

/// The codes in a list, sorted.
fn codes(answer: &Answer) -> String {
    let data = answer.ok(200)["data"].clone();
    let mut codes: Vec<&str> = data.as_array().unwrap().iter().map(|e| text(&e["attributes"]["code"])).collect();
    codes.sort();
    codes.join(" ")
}

// 06 §0, §2.2
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let create = json!({ "name": "Änderungen", "code": "Feature.X y", "metadata": { "a-b": [1] } });
    let answer = admin.post("entitlements", body("entitlement", create));
    let made = answer.ok(201)["data"].clone();
    let link = format!("/v1/accounts/{account}/entitlements/{}", id(&made));
    assert_eq!(answer.header("location"), format!("http://localhost:{}{link}", server.port));
    let expected = json!({
        "id": made["id"], "type": "entitlements",
        "attributes": {
            "name": "Änderungen", "code": "Feature.X y", "metadata": { "aB": [1] }, "created": "T", "updated": "T"
        },
        "relationships": global_relationships(&account), "links": { "self": link }
    });
    assert_eq!(timeless(&made).to_string(), expected.to_string());
    for name in [id(&made), "Feature%2EX%20y"] {
        let shown = admin.get(&format!("entitlements/{name}")).ok(200);
        assert_eq!(shown.to_string(), json!({ "data": made }).to_string());
    }
    assert_eq!(admin.get("entitlements").ok(200).to_string(), json!({ "data": [made] }).to_string());
    let missing = "404 The requested entitlement 'feature.x y' was not found|NOT_FOUND|-";
    assert_eq!(admin.get("entitlements/feature%2Ex%20y").error(), missing, "looked up exactly");
    let path = format!("entitlements/{}", id(&made));
    for (method, update, code) in [
        ("PATCH", json!({ "name": "N", "code": null, "metadata": null }), "Feature.X y"),
        ("PUT", json!({ "code": "z" }), "z"),
    ] {
        let update = body("entitlements", update).to_string();
        let updated = admin.call(method, &path, Some(update.as_bytes())).ok(200)["data"]["attributes"].clone();
        assert_eq!((&updated["name"], &updated["code"]), (&json!("N"), &json!(code)));
        assert_eq!(updated["metadata"], json!({ "aB": [1] }));
    }
    // attributes, on create and update
    admin.entitlement("Taken");
    let long = "x".repeat(256);
    let at = |name: &str, rest: &str| format!("{rest}|/data/attributes/{name}");
    for (attributes, expected) in [
        (json!({ "name": long, "code": "n" }), at("name", "422 is too long (maximum is 255 characters)|NAME_TOO_LONG")),
        (json!({ "name": "n", "code": long }), at("code", "422 is too long (maximum is 255 characters)|CODE_TOO_LONG")),
        (json!({ "name": "n", "code": "tAKEN" }), at("code", "422 has already been taken|CODE_TAKEN")),
        (json!({ "name": "n", "code": "action" }), at("code", "422 is reserved|CODE_NOT_ALLOWED")),
        (json!({ "name": "n", "code": ZERO }), at("code", "422 is invalid|CODE_INVALID")),
        (json!({ "name": "n", "code": "" }), at("code", "400 cannot be blank|-")),
        (json!({ "name": "", "code": "n" }), at("name", "400 cannot be blank|-")),
        (json!({ "name": 1, "code": "n" }), at("name", "400 type mismatch (received integer expected string)|-")),
        (
            json!({ "name": "n", "code": "n", "metadata": { "a": [[[]]] } }),
            at("metadata/a/0/0", "400 maximum depth of 2 exceeded|-"),
        ),
        (json!({ "name": "n", "code": "n", "nope": 1 }), at("nope", "400 unpermitted parameter|-")),
    ] {
        assert_eq!(outcome(&admin.post("entitlements", body("entitlements", attributes.clone()))), expected);
        assert_eq!(outcome(&admin.patch(&path, body("entitlements", attributes))), expected);
    }
    for (create, attributes, expected) in [
        (true, json!({ "code": "n" }), at("name", "400 is missing|-")),
        (true, json!({ "name": "n" }), at("code", "400 is missing|-")),
        (true, json!({ "name": "n", "code": null }), at("code", "400 cannot be null|-")),
        (false, json!({}), "ok".to_owned()),
    ] {
        let body = body("entitlements", attributes);
        let answer = if create { admin.post("entitlements", body) } else { admin.patch(&path, body) };
        assert_eq!(outcome(&answer), expected);
    }
    // unique in the account, whatever the environment (06 §2.2)
    environment(&server, "pre", "SHARED");
    let answer =
        admin.environment("pre").post("entitlements", body("entitlements", json!({ "name": "n", "code": "TAKEN" })));
    assert_eq!(answer.code(), "CODE_TAKEN");
    let gone = admin.delete(&path);
    assert_eq!((gone.status, gone.bytes.len()), (204, 0));
    assert_eq!(admin.get(&path).status, 404);
    let expected = format!("entitlement.created; {}entitlement.deleted", "entitlement.updated; ".repeat(3));
    assert_eq!(events_of(&server, &made), expected);
}

// 06 §2.1
#[test]
fn who_may() {
    let cast = Cast::new(json!({}));
    let admin = cast.client("A");
    let (of_license, of_policy, loose) =
        (admin.entitlement("license"), admin.entitlement("policy"), admin.entitlement("loose"));
    admin.post(&below(&cast.license), items(&[&of_license])).ok(200);
    admin.post(&below(&cast.policy), items(&[&of_policy])).ok(200);
    let path = |entitlement: &Value| format!("entitlements/{}", id(entitlement));
    assert_eq!(cast.outcome(|c| c.get("entitlements")), "ok: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    for (name, seen) in [
        ("R", "license loose policy"),
        ("P2", "license loose policy"),
        ("L", "license policy"),
        ("Uo", "license policy"),
        ("Ua", "license policy"),
        ("L2", ""),
        ("U", ""),
    ] {
        assert_eq!(codes(&cast.client(name).get("entitlements")), seen, "{name}");
    }
    for held in [&of_license, &of_policy] {
        assert_eq!(cast.outcome(|c| c.get(&path(held))), "ok: A D S Su R P L Uo Um Ua P2; 401: X; 404: L2 U");
        let update = body("entitlements", json!({ "name": "n" }));
        let writes = "ok: A D; 401: X; 403: S Su R P L Uo Um Ua P2; 404: L2 U";
        assert_eq!(cast.outcome(|c| c.patch(&path(held), update.clone())), writes);
    }
    assert_eq!(cast.outcome(|c| c.get(&path(&loose))), "ok: A D S Su R P P2; 401: X; 404: L Uo Um Ua L2 U");
    let expected = "ok: A D; 401: X; 403: S Su R P P2; 404: L Uo Um Ua L2 U";
    assert_eq!(cast.outcome(|c| c.delete(&path(&admin.entitlement(&new_id()[1..])))), expected);
    for name in ["L", "Uo"] {
        assert_eq!(cast.client(name).delete(&path(&of_license)).status, 403, "{name}");
    }
    let create = || body("entitlements", json!({ "name": "n", "code": &new_id()[1..] }));
    assert_eq!(cast.outcome(|c| c.post("entitlements", create())), "ok: A D; 401: X; 403: S Su R P L Uo Um Ua P2 L2 U");
    // create: 400 before 403; update: 403 before 400
    let nonsense = body("entitlements", json!({ "nope": 1 }));
    assert_eq!(
        cast.outcome(|c| c.post("entitlements", nonsense.clone())),
        "400: A D S Su R P L Uo Um Ua P2 L2 U; 401: X"
    );
    assert_eq!(
        cast.outcome(|c| c.patch(&path(&of_license), nonsense.clone())),
        "400: A D; 401: X; 403: S Su R P L Uo Um Ua P2; 404: L2 U"
    );
    // rules that are left when nobody lacks a permission
    cast.server.sql("UPDATE tokens SET permissions = '[\"*\"]'");
    assert_eq!(reason(&cast.client("S").post("entitlements", create())), NO_REASON);
    assert_eq!(reason(&cast.client("P").post("entitlements", create())), "product lacks permission to perform action");
}

// 07 §6, 08 §9.6, 01 §6.4: what both attachments share
#[test]
fn attaching_and_detaching() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let policy = admin.policy(&admin.product(), json!({}));
    let license = admin.license(&policy, json!({}));
    for parent in [&license, &policy] {
        let type_ = text(&parent["type"]);
        let (path, name) = (below(parent), if type_ == "policies" { "policy" } else { "license" });
        let [a, b, c] = ["a", "b", "c"].map(|code| admin.entitlement(&format!("{name}-{code}")));
        assert_eq!(admin.get(&path).ok(200).to_string(), json!({ "data": [] }).to_string());
        // the documents: rows on attaching, entitlements on reading
        let rows = admin.post(&path, items(&[&b, &a])).ok(200);
        let row = |row: &Value, entitlement: &Value| {
            let mut relationships = global_relationships(&account);
            let to_one = |record: &Value| {
                let link = format!("{}/{}", text(&record["type"]), id(record));
                related(&account, &link, Some(json!({ "type": record["type"], "id": record["id"] })))
            };
            relationships["entitlement"] = to_one(entitlement);
            relationships[name] = to_one(parent);
            json!({
                "id": row["id"], "type": format!("{name}-entitlements"),
                "attributes": { "created": "T", "updated": "T" }, "relationships": relationships,
                "links": { "related": format!("/v1/accounts/{account}/{path}/{}", id(entitlement)) }
            })
        };
        let found = rows["data"].as_array().unwrap();
        assert_eq!((found.len(), rows.as_object().unwrap().len()), (2, 1));
        for (found, entitlement) in found.iter().zip([&b, &a]) {
            assert_eq!(timeless(found).to_string(), row(found, entitlement).to_string());
        }
        assert_eq!(codes(&admin.get(&path)), format!("{name}-a {name}-b"));
        let member = admin.get(&format!("{path}/{}", id(&a))).ok(200);
        assert_eq!(member.to_string(), json!({ "data": a }).to_string());
        let page = admin.get(&format!("{path}?page[number]=1&page[size]=1")).ok(200);
        assert_eq!(page["links"]["meta"], json!({ "pages": 2, "count": 2 }));
        // members by UUID only, and only what is attached
        for other in [&format!("{name}-a") as &str, id(&c), ZERO, "x"] {
            let missing = format!("404 The requested entitlement '{other}' was not found|NOT_FOUND|-");
            assert_eq!(admin.get(&format!("{path}/{other}")).error(), missing);
        }
        // bodies
        let many = |n: usize| json!({ "data": vec![json!({ "type": "entitlement", "id": c["id"] }); n] });
        for (body, expected) in [
            (Value::Null, "400 is missing|-|/data".to_owned()),
            (json!({ "data": null }), "400 cannot be null|-|/data".to_owned()),
            (json!({ "data": {} }), "400 type mismatch (received object expected array)|-|/data".to_owned()),
            (many(0), "400 length must be between 1 and 100 (inclusive)|-|/data".to_owned()),
            (many(101), "400 length must be between 1 and 100 (inclusive)|-|/data".to_owned()),
            (json!({ "data": [null] }), "400 cannot be null|-|/data/0".to_owned()),
            (json!({ "data": ["x"] }), "400 type mismatch (received string expected object)|-|/data/0".to_owned()),
            (json!({ "data": [{ "id": c["id"] }] }), "400 is missing|-|/data/0/type".to_owned()),
            (json!({ "data": [{ "type": "entitlements" }] }), "400 is missing|-|/data/0/id".to_owned()),
            (json!({ "data": [{ "type": "users", "id": c["id"] }] }), "400 is invalid|-|/data/0/type".to_owned()),
            (
                json!({ "data": [{ "type": "entitlements", "id": c["id"] }, { "type": "entitlements", "id": "x" }] }),
                "400 type mismatch (received string expected UUID string)|-|/data/1/id".to_owned(),
            ),
            (
                json!({ "data": [{ "type": "entitlements", "id": c["id"], "attributes": {} }] }),
                "400 unpermitted parameter|-|/data/0/attributes".to_owned(),
            ),
            (json!({ "data": [], "meta": {} }), "400 unpermitted parameter|-|/meta".to_owned()),
        ] {
            assert_eq!(outcome(&admin.post(&path, body.clone())), expected, "{body}");
            assert_eq!(outcome(&admin.delete_with(&path, body.clone())), expected, "{body}");
        }
        // all or nothing
        let nothing = json!({ "type": "entitlements", "id": ZERO });
        let pointer = "/data/relationships/entitlement";
        for (items, expected) in [
            (items(&[&c, &nothing]), format!("422 must exist|ENTITLEMENT_NOT_FOUND|{pointer}")),
            (items(&[&c, &a]), format!("422 already exists|ENTITLEMENT_TAKEN|{pointer}")),
            (items(&[&c, &c]), format!("422 already exists|ENTITLEMENT_TAKEN|{pointer}")),
            (items(&[&c, &b, &nothing]), format!("422 already exists|ENTITLEMENT_TAKEN|{pointer}")),
        ] {
            assert_eq!(admin.post(&path, items).error(), expected);
        }
        let error = &admin.post(&path, items(&[&a])).body["errors"][0];
        assert_eq!(error["title"], "Unprocessable resource");
        let about = "https://keygen.sh/docs/api/entitlements/#entitlements-object-relationships-entitlement";
        assert_eq!(error["links"]["about"], about);
        for (records, at) in [(&[&a, &c][..], 1), (&[&nothing, &a], 0), (&[&a, &b, &nothing, &c], 2)] {
            let answer = admin.delete_with(&path, items(records));
            let detail = format!("cannot detach entitlement '{}' (entitlement is not attached)", id(records[at]));
            assert_eq!(answer.error(), format!("422 {detail}|-|/data/{at}"));
            assert_eq!(answer.body["errors"][0]["title"], "Unprocessable entity");
        }
        assert_eq!(codes(&admin.get(&path)), format!("{name}-a {name}-b"), "nothing came or went");
        // a hundred at once
        let hundred: Vec<Value> = (0..100).map(|i| admin.entitlement(&format!("{name}-{i}"))).collect();
        let all: Vec<&Value> = hundred.iter().collect();
        assert_eq!(admin.post(&path, items(&all)).ok(200)["data"].as_array().unwrap().len(), 100);
        assert_eq!(admin.delete_with(&path, items(&all)).status, 204);
        let answer = admin.delete_with(&path, items(&[&b, &a]));
        assert_eq!((answer.status, answer.bytes.len()), (204, 0));
        assert_eq!(codes(&admin.get(&path)), "");
        // one event a request, about the parent
        let (happened, metadata) = (events_of(&server, parent), format!("{{\"codes\":[\"{name}-b\",\"{name}-a\"]}}"));
        let first = format!("{name}.created; {name}.entitlements.attached {metadata}; ");
        assert!(happened.starts_with(&first), "{happened}");
        assert!(happened.ends_with(&format!("; {name}.entitlements.detached {metadata}")), "{happened}");
        assert_eq!(happened.matches("entitlements.").count(), 4);
        let unknown = format!("{type_}/{ZERO}/entitlements");
        for answer in [admin.post(&unknown, Value::Null), admin.delete_with(&unknown, Value::Null), admin.get(&unknown)]
        {
            assert_eq!(answer.error(), format!("404 The requested {name} '{ZERO}' was not found|NOT_FOUND|-"));
        }
    }
}

// 08 §9.6, 07 §6, 06 §2.3: a license has its own and its policy's
#[test]
fn licenses_have_their_policys_entitlements() {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(&admin.product(), json!({}));
    let license = admin.license(&policy, json!({}));
    let [own, shared, both] = ["own", "shared", "both"].map(|code| admin.entitlement(code));
    let (of_policy, of_license) = (below(&policy), below(&license));
    admin.post(&of_license, items(&[&own, &both])).ok(200);
    admin.post(&of_policy, items(&[&shared, &both])).ok(200);
    assert_eq!(codes(&admin.get(&of_license)), "both own shared", "each once");
    assert_eq!(codes(&admin.get(&format!("licenses/{}/entitlements", key(&license)))), "both own shared");
    assert_eq!(codes(&admin.get(&of_policy)), "both shared");
    admin.get(&format!("{of_license}/{}", id(&shared))).ok(200);
    let conflict =
        "already exists (entitlement is attached through policy)|ENTITLEMENT_CONFLICT|/data/relationships/entitlement";
    let answer = admin.post(&of_license, items(&[&shared]));
    assert_eq!((answer.status, answer.errors()), (422, vec![conflict.to_owned()]));
    // detach: the policy's first, then what is not attached
    let nothing = json!({ "type": "entitlements", "id": ZERO });
    let through = |record: &Value, at: usize| {
        let detail = format!("cannot detach entitlement '{}' (entitlement is attached through policy)", id(record));
        format!("403 {detail}|-|/data/{at}")
    };
    for (records, expected) in [
        (&[&shared][..], through(&shared, 0)),
        (&[&nothing, &own, &shared, &both], through(&shared, 2)),
        (&[&both], through(&both, 0)),
    ] {
        let answer = admin.delete_with(&of_license, items(records));
        assert_eq!(answer.error(), expected);
        assert_eq!(answer.body["errors"][0]["title"], "Access denied");
    }
    admin.delete_with(&of_policy, items(&[&both])).ok(204);
    assert_eq!(codes(&admin.get(&of_license)), "both own shared", "its own stays");
    admin.delete_with(&of_license, items(&[&both])).ok(204);
    // a new code counts at once, a deleted entitlement is gone everywhere (06 §2.3)
    let has = |code: &str| {
        text(&admin.validate_key(key(&license), json!({ "entitlements": [code] }))["meta"]["code"]).to_owned()
    };
    assert_eq!(
        (has("shared"), has("SHARED"), has("own")),
        ("VALID".into(), "ENTITLEMENTS_MISSING".into(), "VALID".into())
    );
    admin.patch("entitlements/shared", body("entitlements", json!({ "code": "NEW" }))).ok(200);
    assert_eq!((has("shared"), has("NEW")), ("ENTITLEMENTS_MISSING".into(), "VALID".into()));
    for code in ["NEW", "own"] {
        admin.delete(&format!("entitlements/{code}")).ok(204);
    }
    assert_eq!(codes(&admin.get(&of_license)), "");
    assert_eq!(
        counts(&server, &["policy_entitlements", "license_entitlements"]),
        "policy_entitlements 0, license_entitlements 0"
    );
    assert_eq!(select(&server, "SELECT count(*) FROM event_logs WHERE event LIKE '%detached'"), "2");
}

// 07 §1, 08 §1.2
#[test]
fn who_attaches() {
    let cast = Cast::new(json!({}));
    let admin = cast.client("A");
    let fresh = || admin.entitlement(&new_id()[1..]);
    for (parent, readers) in [
        (&cast.policy, "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U"),
        (&cast.license, "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U"),
    ] {
        let path = below(parent);
        let attached = || {
            let entitlement = fresh();
            admin.post(&path, items(&[&entitlement])).ok(200);
            entitlement
        };
        let one = format!("{path}/{}", id(&attached()));
        for round in 0..2 {
            assert_eq!(cast.outcome(|c| c.get(&path)), readers, "{round}");
            assert_eq!(cast.outcome(|c| c.get(&one)), readers, "{round}");
            let writers = "ok: A D S P; 401: X; 403: Su R L Uo Um Ua; 404: P2 L2 U";
            assert_eq!(cast.outcome(|c| c.post(&path, items(&[&fresh()]))), writers, "{round}");
            assert_eq!(cast.outcome(|c| c.delete_with(&path, items(&[&attached()]))), writers, "{round}");
            // 400 before 403, 404 before both (01 §5)
            let expected = "400: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
            assert_eq!(cast.outcome(|c| c.post(&path, json!({ "data": [] }))), expected);
            assert_eq!(cast.outcome(|c| c.delete_with(&path, json!({ "data": [] }))), expected);
            cast.grant_everything();
        }
    }
}

// 05 §5.5 (join rows), §5.6
#[test]
fn environments_of_attachments() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let global = server.admin();
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let (isolated, shared) = (inside(&iso, "iso"), inside(&pre, "pre"));
    let license = |client: &Client| client.quick_license(json!({}));
    let (of_global, of_shared, of_isolated) = (license(&global), license(&shared), license(&isolated));
    let (g, s, i) = (global.entitlement("g"), shared.entitlement("s"), isolated.entitlement("i"));
    let denied = |what: &str| {
        format!("403 {}|-|-", forbidden(&format!("{what} environment is not compatible with the current environment")))
    };
    let record = denied("a record's");
    let missing = "422 must exist|ENTITLEMENT_NOT_FOUND|/data/relationships/entitlement".to_owned();
    let nothing = json!({ "type": "entitlements", "id": ZERO });
    let ok = |environment: &Value| format!("ok {environment}");
    for (client, parent, entitlement, expected) in [
        (&global, &of_global, &g, ok(&json!(null))),
        (&global, &of_global, &s, record.clone()),
        (&global, &of_global, &i, record.clone()),
        (&global, &of_global, &nothing, missing.clone()),
        (&shared, &of_global, &s, ok(&pre["id"])),
        (&shared, &of_global, &g, record.clone()),
        (&shared, &of_shared, &s, ok(&pre["id"])),
        (&shared, &of_shared, &g, ok(&pre["id"])),
        (&shared, &of_shared, &i, record.clone()),
        (&shared, &of_shared, &nothing, missing),
        (&isolated, &of_isolated, &i, ok(&iso["id"])),
        (&isolated, &of_isolated, &g, record.clone()),
        (&isolated, &of_isolated, &s, record.clone()),
    ] {
        let answer = client.post(&below(parent), items(&[entitlement]));
        let got = match answer.status {
            200 => ok(answer.body["data"][0]["relationships"]["environment"]["data"].get("id").unwrap_or(&Value::Null)),
            _ => outcome(&answer),
        };
        assert_eq!(got, expected);
    }
    for (client, parent, status) in
        [(&global, &of_shared, 404), (&isolated, &of_global, 404), (&shared, &of_isolated, 404)]
    {
        assert_eq!(client.get(&below(parent)).status, status);
    }
    // lists keep to the current environment, detaching to the same rule as attaching
    assert_eq!(
        (codes(&global.get(&below(&of_global))), codes(&shared.get(&below(&of_global)))),
        ("g".into(), "g s".into())
    );
    assert_eq!(shared.delete_with(&below(&of_global), items(&[&g])).error(), record);
    assert_eq!(global.delete_with(&below(&of_global), items(&[&s])).error(), record);
    shared.delete_with(&below(&of_global), items(&[&s])).ok(204);
    shared.delete_with(&below(&of_shared), items(&[&g, &s])).ok(204);
}
