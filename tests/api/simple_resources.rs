//! What products, entitlements and groups have in common (06 §0), on each of them.

use crate::authentication::*;
use crate::authorization::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// The resources, and attributes that create one.
fn kinds() -> [(&'static str, &'static str, Value); 3] {
    let unique = new_id()[1..].to_owned();
    [
        ("products", "product", json!({ "name": "n" })),
        ("entitlements", "entitlement", json!({ "name": "n", "code": unique })),
        ("groups", "group", json!({ "name": "n" })),
    ]
}

/// The attributes with one more, or another, or (`Null`) as they are.
fn with(attributes: &Value, more: Value) -> Value {
    let mut attributes = attributes.clone();
    if attributes.get("code").is_some() {
        attributes["code"] = json!(new_id()[1..]);
    }
    for (name, value) in more.as_object().into_iter().flatten() {
        attributes[name] = value.clone();
    }
    attributes
}

// 06 §0: statuses, `Location`, links, both prefixes, methods, events
#[test]
fn writes_answer_alike() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    for (type_, singular, attributes) in kinds() {
        let mut made: Vec<Value> = Vec::new();
        for prefix in ["/v1/accounts/acme/", &format!("/v1/accounts/{account}/"), "/v1/"] {
            let collection = format!("{prefix}{type_}");
            let answer = admin.post(&collection, body(singular, with(&attributes, Value::Null)));
            let data = answer.ok(201)["data"].clone();
            let link = format!("/v1/accounts/{account}/{type_}/{}", id(&data));
            assert_eq!(data["links"], json!({ "self": link }), "{collection}");
            assert_eq!(answer.header("location"), format!("http://localhost:{}{link}", server.port));
            assert_eq!(data["relationships"]["environment"], json!({ "links": { "related": null }, "data": null }));
            assert_eq!(data["relationships"]["account"]["data"], json!({ "type": "accounts", "id": account }));
            assert_eq!(data["attributes"]["metadata"], json!({}), "never set");
            let member = format!("{collection}/{}", id(&data));
            assert_eq!(admin.get(&member).ok(200)["data"].to_string(), data.to_string());
            for method in ["PATCH", "PUT"] {
                let update = json!({ "data": { "type": type_, "id": "x", "attributes": { "name": method } } });
                let answer = admin.call(method, &member, Some(update.to_string().as_bytes()));
                let updated = answer.ok(200)["data"].clone();
                assert_eq!((answer.header("location"), &updated["attributes"]["name"]), ("", &json!(method)));
                assert!(text(&updated["attributes"]["updated"]) >= text(&updated["attributes"]["created"]));
            }
            assert_eq!(
                events_of(&server, &data),
                format!("{singular}.created; {singular}.updated; {singular}.updated")
            );
            made.push(data);
        }
        // newest first, in pages, without filters
        let expected: Vec<&str> = made.iter().rev().map(id).collect();
        for query in ["", "?name=x&code=x&metadata[a]=b&user=x&id=x", "?limit=3"] {
            let list = admin.get(&format!("{type_}{query}")).ok(200);
            assert_eq!(list["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(), expected, "{type_}{query}");
            assert!(list.get("links").is_none());
        }
        let page = admin.get(&format!("{type_}?page[number]=2&page[size]=2")).ok(200);
        assert_eq!((id(&page["data"][0]), &page["links"]["meta"]), (expected[2], &json!({ "pages": 2, "count": 3 })));
        // deletion: the event precedes the removal, an answer has no body
        let member = format!("{type_}/{}", id(&made[0]));
        let answer = admin.delete(&member);
        assert_eq!((answer.status, answer.bytes.len()), (204, 0));
        assert!(events_of(&server, &made[0]).ends_with(&format!("; {singular}.deleted")));
        for answer in [admin.get(&member), admin.patch(&member, Value::Null), admin.delete(&member)] {
            let missing = format!("404 The requested {singular} '{}' was not found|NOT_FOUND|-", id(&made[0]));
            assert_eq!(answer.error(), missing);
        }
        // refused requests emit nothing
        let before = events(&server, &format!("{singular}.created"));
        assert_eq!(admin.post(type_, body(type_, json!({ "name": "" }))).status, 400);
        assert_eq!(admin.post(type_, body(type_, with(&attributes, json!({ "name": "x".repeat(256) })))).status, 422);
        assert_eq!(events(&server, &format!("{singular}.created")), before);
    }
}

// 06 §0: bodies
#[test]
fn bodies_are_checked_alike() {
    let server = Server::start();
    let admin = server.admin();
    for (type_, singular, attributes) in kinds() {
        let target = admin.create(type_, attributes.clone(), Value::Null);
        let path = format!("{type_}/{}", id(&target));
        let full = |data: Value| {
            let mut body = json!({ "data": { "type": singular, "attributes": with(&attributes, Value::Null) } });
            for (name, value) in data.as_object().unwrap() {
                body["data"][name] = value.clone();
            }
            body
        };
        let related = |name: &str, value: Value| full(json!({ "relationships": { name: value } }));
        let wrong_id =
            "400 type mismatch (received string expected UUID string)|-|/data/relationships/environment/data/id";
        for (create, body, expected) in [
            (true, Value::Null, "400 is missing|-|/data"),
            (true, json!({ "data": null }), "400 cannot be null|-|/data"),
            (true, json!({ "data": { "attributes": attributes } }), "400 is missing|-|/data/type"),
            (true, full(json!({ "type": singular.to_uppercase() })), "400 is invalid|-|/data/type"),
            (true, full(json!({ "type": type_ })), "ok"),
            (true, full(json!({ "type": singular })), "ok"),
            (true, json!({ "data": { "type": type_ } }), "400 is missing|-|/data/attributes"),
            (true, full(json!({ "attributes": null })), "400 cannot be null|-|/data/attributes"),
            (true, body(type_, json!({})), "400 is missing|-|/data/attributes/name"),
            (true, full(json!({ "id": ZERO })), "400 unpermitted parameter|-|/data/id"),
            (true, full(json!({ "links": {} })), "400 unpermitted parameter|-|/data/links"),
            (true, full(json!({ "relationships": {} })), "ok"),
            (true, full(json!({ "relationships": null })), "ok"),
            (true, related("environment", json!({ "data": null })), "ok"),
            (true, related("environment", json!({})), "400 is missing|-|/data/relationships/environment/data"),
            (true, related("environment", json!({ "data": { "type": "environment", "id": "x" } })), wrong_id),
            (
                true,
                related("environment", json!({ "data": { "type": type_, "id": ZERO } })),
                "400 is invalid|-|/data/relationships/environment/data/type",
            ),
            (
                true,
                related("account", json!({ "data": null })),
                "400 unpermitted parameter|-|/data/relationships/account",
            ),
            (
                true,
                related("machines", json!({ "data": [] })),
                "400 unpermitted parameter|-|/data/relationships/machines",
            ),
            (false, Value::Null, "400 is missing|-|/data"),
            (false, json!({ "data": { "attributes": {} } }), "400 is missing|-|/data/type"),
            (false, json!({ "data": { "type": type_ } }), "400 is missing|-|/data/attributes"),
            (false, json!({ "data": { "type": "things", "attributes": {} } }), "400 is invalid|-|/data/type"),
            (false, body(type_, json!({})), "ok"),
            (false, json!({ "data": { "type": singular, "id": "anything", "attributes": {} } }), "ok"),
            (false, related("environment", json!({ "data": null })), "400 unpermitted parameter|-|/data/relationships"),
            (false, full(json!({ "relationships": {} })), "400 unpermitted parameter|-|/data/relationships"),
        ] {
            let answer = if create { admin.post(type_, body.clone()) } else { admin.patch(&path, body.clone()) };
            assert_eq!(outcome(&answer), expected, "{type_} create {create} {body}");
        }
        let at = |rest: &str, name: &str| format!("{rest}|/data/attributes/{name}");
        let mismatch =
            |received: &str, expected: &str| format!("400 type mismatch (received {received} expected {expected})|-");
        let many: serde_json::Map<String, Value> = (0..65).map(|i| (format!("k{i}"), json!(i))).collect();
        let most: serde_json::Map<String, Value> = (0..64).map(|i| (format!("k{i}"), json!(i))).collect();
        for (more, expected) in [
            (json!({ "nope": null }), at("400 unpermitted parameter|-", "nope")),
            (json!({ "id": ZERO }), at("400 unpermitted parameter|-", "id")),
            (json!({ "created": "2024-01-01T00:00:00Z" }), at("400 unpermitted parameter|-", "created")),
            (json!({ "updated": null }), at("400 unpermitted parameter|-", "updated")),
            (json!({ "name": "" }), at("400 cannot be blank|-", "name")),
            (json!({ "name": "\t\n" }), at("400 cannot be blank|-", "name")),
            (json!({ "name": 1.5 }), at(&mismatch("float", "string"), "name")),
            (json!({ "name": {} }), at(&mismatch("object", "string"), "name")),
            (json!({ "metadata": null }), "ok".to_owned()),
            (json!({ "metadata": {} }), "ok".to_owned()),
            (json!({ "metadata": 1 }), at(&mismatch("integer", "object"), "metadata")),
            (json!({ "metadata": { "a": { "b": { "c": 1 } }, "d": [[1]] } }), "ok".to_owned()),
            (
                json!({ "metadata": { "a": { "b": { "c": {} } } } }),
                at("400 maximum depth of 2 exceeded|-", "metadata/a/b/c"),
            ),
            (
                json!({ "metadata": { "a": [{ "bC": [] }] } }),
                at("400 maximum depth of 2 exceeded|-", "metadata/a/0/bC"),
            ),
            (json!({ "metadata": most }), "ok".to_owned()),
            (
                json!({ "metadata": many }),
                at("422 too many keys (exceeded limit of 64 keys)|METADATA_TOO_LONG", "metadata"),
            ),
            (
                json!({ "metadata": { "a": "x".repeat(16_384) } }),
                at("422 too large (exceeded limit of 16384 bytes)|METADATA_TOO_LONG", "metadata"),
            ),
        ] {
            let attributes = with(&attributes, more.clone());
            assert_eq!(outcome(&admin.post(type_, body(type_, attributes))), expected, "{type_} create {more}");
            assert_eq!(outcome(&admin.patch(&path, body(type_, more.clone()))), expected, "{type_} update {more}");
        }
        // replaced as a whole, in the spelling of the API; null leaves it
        let update = |metadata: Value| {
            admin.patch(&path, body(type_, json!({ "metadata": metadata }))).ok(200)["data"]["attributes"]["metadata"]
                .clone()
        };
        assert_eq!(update(json!({ "rack_no": 7, "Site-Name": "x" })), json!({ "rackNo": 7, "siteName": "x" }));
        assert_eq!(update(Value::Null), json!({ "rackNo": 7, "siteName": "x" }));
        assert_eq!(update(json!({ "b": null })), json!({ "b": null }));
        assert_eq!(update(json!({})), json!({}));
        // null for a required attribute: missing on create, ignored on update
        let null = with(&attributes, json!({ "name": null }));
        assert_eq!(outcome(&admin.post(type_, body(type_, null))), at("400 cannot be null|-", "name"));
        let updated = admin.patch(&path, body(type_, json!({ "name": null }))).ok(200);
        assert_eq!(updated["data"]["attributes"]["name"], "n");
    }
}

// 06 §1.1, §2.1, §3.1 (E), 05 §5.2–§5.8
#[test]
fn environments_have_their_own() {
    let server = Server::start();
    let account = select(&server, "SELECT id FROM accounts");
    let environments = [("iso", "ISOLATED"), ("pre", "SHARED")].map(|(code, kind)| environment(&server, code, kind));
    for (type_, singular, attributes) in kinds() {
        let global = server.admin().create(type_, with(&attributes, Value::Null), Value::Null);
        for (code, environment) in ["iso", "pre"].into_iter().zip(&environments) {
            let bearer = server.token(&token_in(&server, environment, Some(id(environment)))).environment(code);
            let made = bearer.create(type_, with(&attributes, Value::Null), Value::Null);
            let expected = json!({
                "links": { "related": format!("/v1/accounts/{account}/environments/{}", id(environment)) },
                "data": { "type": "environments", "id": environment["id"] }
            });
            assert_eq!(made["relationships"]["environment"], expected, "{type_}");
            let path = format!("{type_}/{}", id(&made));
            bearer.patch(&path, body(type_, json!({ "name": "m" }))).ok(200);
            assert_eq!(bearer.get(&path).ok(200)["data"]["attributes"]["name"], "m");
            let listed = bearer.get(type_).ok(200)["data"].as_array().unwrap().len();
            assert_eq!(listed, if code == "pre" { 2 } else { 1 }, "{type_} {code}: with global ones only when shared");
            // a global one is read there at the most
            let other = format!("{type_}/{}", id(&global));
            for answer in [bearer.patch(&other, body(type_, json!({ "name": "z" }))), bearer.delete(&other)] {
                match (code, type_) {
                    ("pre", _) | (_, "groups") => {
                        assert_eq!(
                            reason(&answer),
                            "record environment is not compatible with the current environment"
                        );
                    }
                    _ => assert_eq!(answer.status, 404, "{type_} {code}"),
                }
            }
            // and none of this from outside
            let outside = server.admin().delete(&path);
            assert_eq!(outside.status, if type_ == "groups" { 403 } else { 404 }, "{type_}");
            bearer.delete(&path).ok(204);
            let of = format!("SELECT DISTINCT environment_id FROM event_logs WHERE resource_id = '{}'", id(&made));
            assert_eq!(select(&server, &of), id(environment), "{singular} events (13 §1.1)");
        }
    }
}

// 06 §2.1: what a user's licenses and their policies have in common is there once
#[test]
fn entitlements_are_seen_once() {
    let cast = Cast::new(json!({}));
    let admin = cast.client("A");
    let second = admin.license(&cast.policy, json!({}));
    attach(&cast.server, &second, &crate::groups::person(&cast.server, "uo"));
    let entitlement = admin.entitlement("e");
    let items = json!({ "data": [{ "type": "entitlement", "id": entitlement["id"] }] });
    for parent in [&cast.license, &second, &cast.policy] {
        admin.post(&format!("{}/{}/entitlements", text(&parent["type"]), id(parent)), items.clone()).ok(200);
    }
    for name in ["Uo", "Ua", "L"] {
        let page = cast.client(name).get("entitlements?page[number]=1&page[size]=5").ok(200);
        assert_eq!((page["data"].as_array().unwrap().len(), &page["links"]["meta"]["count"]), (1, &json!(1)), "{name}");
    }
}
