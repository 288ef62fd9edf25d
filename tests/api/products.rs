//! Products (06 §1), and what the tests of the declared resources share.

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use serde_json::{Value, json};

/// The body that creates or updates a resource.
pub fn body(type_: &str, attributes: Value) -> Value {
    json!({ "data": { "type": type_, "attributes": attributes } })
}

/// `ok`, or the status and every error: `422 detail|code|pointer; detail|code|pointer`.
#[track_caller]
pub fn outcome(answer: &Answer) -> String {
    match answer.status {
        200..=299 => "ok".to_owned(),
        status => format!("{status} {}", answer.errors().join("; ")),
    }
}

/// A resource object with `T` in place of `created` and `updated`.
#[track_caller]
pub fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    for name in ["created", "updated"] {
        assert!(is_time(&object["attributes"][name]), "{name} of {object}");
        object["attributes"][name] = json!("T");
    }
    object
}

/// `YYYY-MM-DDTHH:MM:SS.sssZ` (01 §8.2)
pub fn is_time(value: &Value) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    value.as_str().is_some_and(|text| text.chars().map(shape).collect::<String>() == "0000-00-00T00:00:00.000Z")
}

/// The default permissions of a role, sorted, from the specification's data.
pub fn default_permissions(role: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/spec/data/permissions.json");
    let data: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names = data["roles"][role]["default"].as_array().unwrap();
    let mut names: Vec<String> = names.iter().map(|name| text(name).to_owned()).collect();
    names.sort();
    names
}

/// A relationship with its link below the account, and perhaps its `data` (01 §7.2).
pub fn related(account: &str, path: &str, data: Option<Value>) -> Value {
    let slash = if path.is_empty() { "" } else { "/" };
    let mut object = json!({ "links": { "related": format!("/v1/accounts/{account}{slash}{path}") } });
    if let Some(data) = data {
        object["data"] = data;
    }
    object
}

/// The relationships that every global record begins with.
pub fn global_relationships(account: &str) -> Value {
    let data = json!({ "type": "accounts", "id": account });
    let environment = json!({ "links": { "related": null }, "data": null });
    json!({ "account": related(account, "", Some(data)), "environment": environment })
}

/// Events of a resource, oldest first, with the metadata of those that have any but a diff (`event_diffs.rs` looks at those).
pub fn events_of(server: &Server, record: &Value) -> String {
    let ordered = format!(
        "SELECT event || CASE WHEN metadata LIKE '{{\"diff\":%' THEN '' ELSE coalesce(' ' || metadata, '') END AS line
         FROM event_logs WHERE resource_id = '{}' AND resource_type = '{}' ORDER BY created_at, id",
        id(record),
        text(&record["type"])
    );
    select(server, &format!("SELECT group_concat(line, '; ') FROM ({ordered})"))
}

/// How many rows each table has: `policies 1, licenses 2`.
pub fn counts(server: &Server, tables: &[&str]) -> String {
    let count = |table: &&str| format!("{table} {}", select(server, &format!("SELECT count(*) FROM {table}")));
    tables.iter().map(count).collect::<Vec<_>>().join(", ")
}

// 06 §0, §1.2, §1.3: the whole document, from every route that gives it
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let expected = |product: &Value, attributes: Value| {
        let path = format!("products/{}", id(product));
        let mut relationships = global_relationships(&account);
        for name in
            ["policies", "licenses", "machines", "users", "tokens", "platforms", "channels", "releases", "artifacts"]
        {
            relationships[name] = related(&account, &format!("{path}/{name}"), None);
        }
        json!({
            "id": product["id"], "type": "products", "attributes": attributes, "relationships": relationships,
            "links": { "self": format!("/v1/accounts/{account}/{path}") }
        })
        .to_string()
    };
    // nothing but the name
    let answer = admin.post("products", body("product", json!({ "name": "App" })));
    let bare = answer.ok(201)["data"].clone();
    assert_eq!(answer.body.as_object().unwrap().len(), 1);
    let location = format!("http://localhost:{}/v1/accounts/{account}/products/{}", server.port, id(&bare));
    assert_eq!(answer.header("location"), location);
    let attributes = json!({
        "name": "App", "code": null, "distributionStrategy": "LICENSED", "url": null, "platforms": null,
        "permissions": default_permissions("product"), "metadata": {}, "created": "T", "updated": "T"
    });
    assert_eq!(timeless(&bare).to_string(), expected(&bare, attributes));
    // everything
    let full = admin.create(
        "products",
        json!({
            "name": "Bär \"<&>\" 🐻", "code": "Bear.v2", "distributionStrategy": "CLOSED", "url": "https://example.com/a?b#c",
            "platforms": ["linux", "macOS 14", "linux"], "permissions": ["policy.read", "*", "license.read"],
            "metadata": { "Team-Name": "x", "nested": { "aB": [1, null, true, 1.5] } }
        }),
        json!({ "environment": { "data": null } }),
    );
    let attributes = json!({
        "name": "Bär \"<&>\" 🐻", "code": "Bear.v2", "distributionStrategy": "CLOSED", "url": "https://example.com/a?b#c",
        "platforms": ["linux", "macOS 14", "linux"], "permissions": ["*", "license.read", "policy.read"],
        "metadata": { "teamName": "x", "nested": { "aB": [1, null, true, 1.5] } }, "created": "T", "updated": "T"
    });
    assert_eq!(timeless(&full).to_string(), expected(&full, attributes));
    // by id, by code, in the list (newest first), after an empty update: the same
    for path in [id(&full), "Bear%2Ev2"] {
        assert_eq!(admin.get(&format!("products/{path}")).ok(200).to_string(), json!({ "data": full }).to_string());
    }
    assert_eq!(admin.get("products/bear%2Ev2").status, 404, "codes are looked up exactly");
    assert_eq!(admin.get("products").ok(200).to_string(), json!({ "data": [full, bare] }).to_string());
    for method in ["PATCH", "PUT"] {
        let update = json!({ "data": { "type": "products", "id": "ignored", "attributes": {} } });
        let answer = admin.call(method, &format!("products/{}", id(&full)), Some(update.to_string().as_bytes()));
        assert_eq!(timeless(&answer.ok(200)["data"]).to_string(), timeless(&full).to_string());
    }
    // null clears some, and is ignored elsewhere; metadata is replaced
    let update = json!({
        "name": null, "code": null, "distributionStrategy": null, "url": null, "platforms": null, "permissions": null,
        "metadata": null
    });
    let updated = admin.patch("products/Bear%2Ev2", body("products", update)).ok(200)["data"]["attributes"].clone();
    for (name, value) in full["attributes"].as_object().unwrap() {
        match name.as_str() {
            "distributionStrategy" | "url" | "platforms" => assert_eq!(updated[name], Value::Null, "{name}"),
            "updated" => assert!(text(&updated[name]) >= text(value)),
            _ => assert_eq!(updated[name], *value, "{name}"),
        }
    }
    let update = json!({ "metadata": {}, "platforms": [], "permissions": [], "distributionStrategy": "OPEN" });
    let updated = admin.patch("products/Bear%2Ev2", body("products", update.clone())).ok(200)["data"].clone();
    for (name, value) in update.as_object().unwrap() {
        assert_eq!(updated["attributes"][name], *value, "{name}");
    }
    // on create null is as good as absent
    let created =
        admin.create("products", json!({ "name": "x", "distributionStrategy": null, "url": null }), Value::Null);
    assert_eq!(created["attributes"]["distributionStrategy"], "LICENSED");
    // deletion: 204 without a body, then it is gone
    let answer = admin.delete("products/Bear%2Ev2");
    assert_eq!((answer.status, answer.bytes.len(), answer.header("content-type")), (204, 0, ""));
    let gone = format!("404 The requested product '{}' was not found|NOT_FOUND|-", id(&full));
    for answer in [admin.get(&format!("products/{}", id(&full))), admin.delete(&format!("products/{}", id(&full)))] {
        assert_eq!(answer.error(), gone);
    }
    let updated = "product.updated; ".repeat(4);
    assert_eq!(events_of(&server, &full), format!("product.created; {updated}product.deleted"));
}

// 06 §0, §1.2
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    admin.create("products", json!({ "name": "Taken", "code": "Taken" }), Value::Null);
    let target = admin.product();
    let long = "ü".repeat(256);
    let fits = "ü".repeat(255);
    let at = |rest: &str, name: &str| format!("{rest}|/data/attributes/{name}");
    let bad = |detail: &str, name: &str| at(&format!("400 {detail}|-"), name);
    let invalid = |rest: &str, name: &str| at(&format!("422 {rest}"), name);
    let protocol = "must be a valid URL using one of the following protocols: https, http|URL_PROTOCOL_INVALID";
    let host = "must be a URL with a valid host|URL_HOST_INVALID";
    let permissions = "unsupported permissions|PERMISSIONS_NOT_ALLOWED";
    let too_long = "is too long (maximum is 255 characters)";
    // creates first; `only create` says so where an update differs
    let cases = [
        (json!({ "name": fits }), "ok".to_owned()),
        (json!({ "name": long }), invalid(&format!("{too_long}|NAME_TOO_LONG"), "name")),
        (json!({ "name": "" }), bad("cannot be blank", "name")),
        (json!({ "name": " " }), bad("cannot be blank", "name")),
        (json!({ "name": 1 }), bad("type mismatch (received integer expected string)", "name")),
        (json!({ "code": "" }), bad("cannot be blank", "code")),
        (json!({ "code": "tAKEN" }), invalid("has already been taken|CODE_TAKEN", "code")),
        (json!({ "code": "actions" }), invalid("is reserved|CODE_NOT_ALLOWED", "code")),
        (json!({ "code": "action" }), invalid("is reserved|CODE_NOT_ALLOWED", "code")),
        (json!({ "code": "Actions" }), "ok".to_owned()),
        (json!({ "code": long }), invalid(&format!("{too_long}|CODE_TOO_LONG"), "code")),
        (json!({ "code": "0190a0b0-0000-7000-8000-000000000000" }), invalid("is invalid|CODE_INVALID", "code")),
        (json!({ "code": "0190A0B0000070008000000000000000" }), invalid("is invalid|CODE_INVALID", "code")),
        (
            json!({ "distributionStrategy": "FREE" }),
            invalid("unsupported distribution strategy|DISTRIBUTION_STRATEGY_NOT_ALLOWED", "distributionStrategy"),
        ),
        (
            json!({ "distributionStrategy": "open" }),
            invalid("unsupported distribution strategy|DISTRIBUTION_STRATEGY_NOT_ALLOWED", "distributionStrategy"),
        ),
        (json!({ "distributionStrategy": "" }), bad("cannot be blank", "distributionStrategy")),
        (json!({ "url": "HTTPS://EXAMPLE.COM:8443/x" }), "ok".to_owned()),
        (json!({ "url": "http://xn--bcher-kva.example" }), "ok".to_owned()),
        (json!({ "url": "ftp://example.com" }), invalid(protocol, "url")),
        (json!({ "url": "https://localhost" }), invalid(host, "url")),
        (json!({ "url": "https://app.keygen.sh" }), invalid(host, "url")),
        (json!({ "url": "https://other.keygen.sh" }), "ok".to_owned()),
        (json!({ "url": "https://example.com." }), invalid(host, "url")),
        (json!({ "url": "https://example.c" }), invalid(host, "url")),
        (json!({ "url": "https://127.0.0.1" }), invalid(host, "url")),
        (json!({ "url": "https:///x" }), invalid(host, "url")),
        (json!({ "url": "not a url" }), invalid("must be a valid URL|URL_INVALID", "url")),
        (json!({ "url": "/srv/readme.txt" }), format!("{}; {host}|/data/attributes/url", invalid(protocol, "url"))),
        (
            json!({ "url": "file:///srv/readme.txt" }),
            format!("{}; {host}|/data/attributes/url", invalid(protocol, "url")),
        ),
        (
            json!({ "url": format!("https://example.com/{}", "x".repeat(236)) }),
            invalid(&format!("{too_long}|URL_TOO_LONG"), "url"),
        ),
        (json!({ "url": format!("https://example.com/{}", "x".repeat(235)) }), "ok".to_owned()),
        (json!({ "platforms": "linux" }), bad("type mismatch (received string expected array)", "platforms")),
        (json!({ "platforms": ["linux", 1] }), bad("type mismatch (received integer expected string)", "platforms/1")),
        (json!({ "permissions": ["license.read", "license.fly"] }), invalid(permissions, "permissions")),
        (json!({ "permissions": ["license.read", "license.read"] }), invalid(permissions, "permissions")),
        (json!({ "permissions": ["product.create"] }), invalid(permissions, "permissions")),
        (json!({ "permissions": [1] }), bad("type mismatch (received integer expected string)", "permissions/0")),
        (json!({ "metadata": [] }), bad("type mismatch (received array expected object)", "metadata")),
        (json!({ "metadata": { "a": { "b": { "c": 1 } } } }), "ok".to_owned()),
        (json!({ "metadata": { "a": { "b": { "c": {} } } } }), bad("maximum depth of 2 exceeded", "metadata/a/b/c")),
        (
            json!({ "metadata": { "a": "x".repeat(16_384) } }),
            invalid("too large (exceeded limit of 16384 bytes)|METADATA_TOO_LONG", "metadata"),
        ),
        (
            json!({ "metadata": (0..65).map(|i| (format!("k{i}"), json!(i))).collect::<serde_json::Map<_, _>>() }),
            invalid("too many keys (exceeded limit of 64 keys)|METADATA_TOO_LONG", "metadata"),
        ),
        (json!({ "shelf_colour": 1, "name": 2 }), bad("unpermitted parameter", "shelfColour")),
        (json!({ "created": "2024-01-01" }), bad("unpermitted parameter", "created")),
        // several at once: by attribute
        (
            json!({ "url": "ftp://example.com", "code": "action", "name": long }),
            format!(
                "{}; is reserved|CODE_NOT_ALLOWED|/data/attributes/code; {protocol}|/data/attributes/url",
                invalid(&format!("{too_long}|NAME_TOO_LONG"), "name")
            ),
        ),
    ];
    let path = format!("products/{}", id(&target));
    for (attributes, expected) in cases {
        let mut named = attributes.clone();
        if named.get("name").is_none() {
            named["name"] = json!("x");
        }
        let answer = admin.post("products", body("products", named));
        assert_eq!(outcome(&answer), expected, "create {attributes}");
        if answer.status == 201 {
            admin.delete(&format!("products/{}", id(&answer.body["data"]))).ok(204);
        }
        assert_eq!(outcome(&admin.patch(&path, body("products", attributes.clone()))), expected, "update {attributes}");
    }
    // its own code is not in its way
    admin.patch(&path, body("products", json!({ "code": "Mine" }))).ok(200);
    admin.patch(&path, body("products", json!({ "code": "mINE" }))).ok(200);
    // the envelope (06 §0)
    let relationships = json!({ "data": { "type": "product", "attributes": { "name": "x" }, "relationships": {} } });
    let policies = json!({ "data": { "type": "product", "attributes": { "name": "x" },
                                     "relationships": { "policies": { "data": [] } } } });
    for (create, body, expected) in [
        (true, Value::Null, "400 is missing|-|/data"),
        (true, json!({ "data": {} }), "400 is missing|-|/data/type"),
        (true, json!({ "data": { "type": "products" } }), "400 is missing|-|/data/attributes"),
        (true, body("products", json!({})), "400 is missing|-|/data/attributes/name"),
        (true, body("products", json!({ "name": null })), "400 cannot be null|-|/data/attributes/name"),
        (true, body("Products", json!({ "name": "x" })), "400 is invalid|-|/data/type"),
        (true, relationships.clone(), "ok"),
        (true, policies, "400 unpermitted parameter|-|/data/relationships/policies"),
        (
            true,
            json!({ "data": { "type": "product", "id": "x", "attributes": { "name": "x" } } }),
            "400 unpermitted parameter|-|/data/id",
        ),
        (
            true,
            json!({ "data": { "type": "product", "attributes": { "name": "x" } }, "meta": {} }),
            "400 unpermitted parameter|-|/meta",
        ),
        (false, json!({ "data": { "type": "products" } }), "400 is missing|-|/data/attributes"),
        (false, body("policies", json!({})), "400 is invalid|-|/data/type"),
        (false, relationships, "400 unpermitted parameter|-|/data/relationships"),
        (
            false,
            json!({ "data": { "type": "product", "id": 7, "attributes": {} } }),
            "400 type mismatch (received integer expected string)|-|/data/id",
        ),
        (false, json!({ "data": { "type": "product", "id": null, "attributes": {} } }), "ok"),
    ] {
        let answer = if create { admin.post("products", body.clone()) } else { admin.patch(&path, body.clone()) };
        assert_eq!(outcome(&answer), expected, "create {create} {body}");
    }
    // where the documentation is (06 §1.2)
    let answer = admin.patch(&path, body("products", json!({ "permissions": ["nope"] })));
    let error = json!({
        "title": "Unprocessable resource", "detail": "unsupported permissions", "code": "PERMISSIONS_NOT_ALLOWED",
        "source": { "pointer": "/data/attributes/permissions" },
        "links": { "about": "https://keygen.sh/docs/api/products/#products-object-attrs-permissions" }
    });
    assert_eq!(answer.body["errors"][0].to_string(), error.to_string());
}

// 06 §1.1, §1.4
#[test]
fn who_may() {
    let cast = Cast::new(json!({}));
    let admin = cast.client("A");
    let path = format!("products/{}", id(&cast.product));
    let create = body("products", json!({ "name": "x" }));
    let update = body("products", json!({ "name": "y" }));
    assert_eq!(cast.outcome(|c| c.get("products")), "ok: A D S Su R; 401: X; 403: P L Uo Um Ua P2 L2 U");
    let sees = "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.get(&path)), sees);
    assert_eq!(
        cast.outcome(|c| c.post("products", create.clone())),
        "ok: A D; 401: X; 403: S Su R P L Uo Um Ua P2 L2 U"
    );
    assert_eq!(
        cast.outcome(|c| c.patch(&path, update.clone())),
        "ok: A D P; 401: X; 403: S Su R L Uo Um Ua; 404: P2 L2 U"
    );
    let fresh = || {
        let product = admin.create("products", json!({ "name": "x", "distributionStrategy": "OPEN" }), Value::Null);
        format!("products/{}", id(&product))
    };
    // open products are seen by every license and user
    let expected = "ok: A D; 401: X; 403: S Su R L Uo Um Ua L2 U; 404: P P2";
    assert_eq!(cast.outcome(|c| c.delete(&fresh())), expected);
    assert_eq!(
        cast.client("P").delete(&path).error(),
        format!("403 {}|-|-", forbidden("product lacks permission to perform action"))
    );
    let policy = format!("{path}/policies/{}", id(&cast.policy));
    for nested in [&format!("{path}/policies"), &policy, &format!("{path}/tokens")] {
        assert_eq!(cast.outcome(|c| c.get(nested)), sees, "{nested}");
    }
    // with every permission: rules are left
    cast.grant_everything();
    assert_eq!(cast.outcome(|c| c.get("products")), "ok: A D S Su R L Uo Um Ua L2 U; 401: X; 403: P P2");
    assert_eq!(cast.outcome(|c| c.get(&path)), "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U");
    assert_eq!(cast.outcome(|c| c.get(&policy)), sees);
    assert_eq!(reason(&cast.client("P").get("products")), NO_REASON);
    assert_eq!(reason(&cast.client("L").get(&policy)), NO_REASON);
    cast.server.sql("UPDATE products SET permissions = '[\"*\"]'");
    assert_eq!(reason(&cast.client("P").delete(&path)), "product lacks permission to perform action");
    // create: 400 before 403; update: 403 before 400; a parameter that a role may not send is 400 (01 §5, §22.10)
    let nonsense = body("products", json!({ "nope": 1 }));
    assert_eq!(cast.outcome(|c| c.post("products", nonsense.clone())), "400: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    let expected = "400: A D P; 401: X; 403: S Su R L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.patch(&path, nonsense.clone())), expected);
    let permissions = body("products", json!({ "name": "x", "permissions": [] }));
    assert_eq!(
        cast.outcome(|c| c.post("products", permissions.clone())),
        "ok: A D; 400: S Su R P L Uo Um Ua P2 L2 U; 401: X"
    );
    let expected = "400 unpermitted parameter|-|/data/attributes/permissions";
    assert_eq!(cast.client("P").patch(&path, permissions).error(), expected);
    // unknown permission names: 422 before 403, on create (03 §8.1); but nobody else may send any
    let unknown = body("products", json!({ "name": "x", "permissions": ["nope"] }));
    assert_eq!(
        cast.outcome(|c| c.post("products", unknown.clone())),
        "400: S Su R P L Uo Um Ua P2 L2 U; 401: X; 422: A D"
    );
}

/// The detail of a 403 with that reason.
pub fn forbidden(reason: &str) -> String {
    format!("You do not have permission to complete the request ({reason})")
}

// 06 §1.1: what licenses and users see by strategy, once they have the permission
#[test]
fn strategies_decide_what_licensees_see() {
    let cast = Cast::new(json!({}));
    let admin = cast.client("A");
    cast.grant_everything();
    let open = admin.create("products", json!({ "name": "open", "distributionStrategy": "OPEN" }), Value::Null);
    let own = format!("products/{}", id(&cast.product));
    // which of the two are listed, and the status of the product's own page
    let sees = |client: &Client| {
        let list = client.get("products");
        let listed = |product: &Value| {
            list.body["data"].as_array().is_some_and(|found| found.iter().any(|p| p["id"] == product["id"]))
        };
        let names = [("open", listed(&open)), ("own", listed(&cast.product))];
        let names: Vec<&str> = names.iter().filter(|(_, listed)| *listed).map(|(name, _)| *name).collect();
        format!("{} {}; {}", list.status, names.join(" "), client.get(&own).status)
    };
    for (strategy, license, users, others) in [
        ("'LICENSED'", "200 open own; 200", "200 open own; 200", "200 open; 404"),
        ("NULL", "200 open own; 200", "200 open own; 200", "200 open; 404"),
        ("'OPEN'", "200 open own; 200", "200 open own; 200", "200 open own; 200"),
        ("'CLOSED'", "200 open; 404", "403 ; 403", "200 open; 404"),
    ] {
        let sql = format!("UPDATE products SET distribution_strategy = {strategy} WHERE id = '{}'", id(&cast.product));
        cast.server.sql(&sql);
        for (names, expected) in [(&["L"][..], license), (&["Uo", "Ua", "Um"], users), (&["L2", "U"], others)] {
            for name in names {
                assert_eq!(sees(cast.client(name)), expected, "{strategy} {name}");
            }
        }
        assert_eq!(sees(cast.client("R")), "200 open own; 200");
        cast.client("P").get(&own).ok(200);
    }
    assert_eq!(reason(&cast.client("Uo").get(&own)), NO_REASON);
    assert_eq!(reason(&cast.client("Uo").get("products")), NO_REASON);
}

// 06 §1.6: what goes with a product and what stays
#[test]
fn deletion_takes_what_is_below() {
    let cast = Cast::new(json!({ "floating": true, "authenticationStrategy": "MIXED" }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let data = json!({ "name": "c", "fingerprint": "c1" });
    admin.create("components", data, json!({ "machine": link(&cast.machine) }));
    admin.create("processes", json!({ "pid": "1" }), json!({ "machine": link(&cast.machine) }));
    let entitlement = admin.entitlement("e");
    let items = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
    admin.post(&format!("policies/{}/entitlements", id(&cast.policy)), items).ok(200);
    let tables = [
        "products",
        "policies",
        "keys",
        "licenses",
        "machines",
        "machine_components",
        "machine_processes",
        "license_users",
        "policy_entitlements",
        "license_entitlements",
        "entitlements",
        "users",
        "tokens",
    ];
    server.sql(&format!(
        "INSERT INTO keys (id, account_id, created_at, updated_at, policy_id, product_id, key)
         SELECT '{}', account_id, 0, 0, id, product_id, 'POOLED-KEY' FROM policies WHERE id = '{}'",
        new_id(),
        id(&cast.policy)
    ));
    let before = counts(server, &tables);
    assert_eq!(
        before,
        "products 2, policies 2, keys 1, licenses 2, machines 1, machine_components 1, machine_processes 1, \
         license_users 2, policy_entitlements 1, license_entitlements 0, entitlements 1, users 9, tokens 13"
    );
    admin.delete(&format!("products/{}", id(&cast.product))).ok(204);
    assert_eq!(
        counts(server, &tables),
        "products 1, policies 1, keys 0, licenses 1, machines 0, machine_components 0, machine_processes 0, \
         license_users 0, policy_entitlements 0, license_entitlements 0, entitlements 1, users 9, tokens 11"
    );
    for client in [cast.client("P"), cast.client("L")] {
        assert_eq!(client.get("me").code(), "TOKEN_INVALID");
    }
    assert_eq!(server.license_key(key(&cast.license)).get("me").code(), "LICENSE_INVALID");
    assert_eq!(cast.client("Uo").get("licenses").ok(200)["data"], json!([]));
    assert_eq!(
        select(server, "SELECT group_concat(event) FROM event_logs WHERE event LIKE '%deleted'"),
        "product.deleted"
    );
}

// 06 §1.1 (E), 05 §5.5
#[test]
fn environments_have_products() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let global = server.admin().product();
    for (environment, code) in [(&iso, "iso"), (&pre, "pre")] {
        let bearer = server.token(&token_in(&server, environment, Some(id(environment)))).environment(code);
        let product = bearer.product();
        assert_eq!(product["relationships"]["environment"]["data"]["id"], environment["id"]);
        let path = format!("products/{}", id(&product));
        bearer.patch(&path, body("products", json!({ "name": "y", "permissions": ["product.read"] }))).ok(200);
        assert_eq!(bearer.get(&path).ok(200)["data"]["attributes"]["name"], "y");
        // a global product: out of sight, or read-only
        let other = format!("products/{}", id(&global));
        let shared = code == "pre";
        assert_eq!(bearer.get(&other).status, if shared { 200 } else { 404 });
        let answer = bearer.patch(&other, body("products", json!({ "name": "z" })));
        assert_eq!(answer.status, if shared { 403 } else { 404 });
        assert_eq!(bearer.get("products").ok(200)["data"].as_array().unwrap().len(), if shared { 2 } else { 1 });
        // the product acts where it lives
        let token = bearer.token_for(&product);
        server.token(&token).environment(code).get(&path).ok(200);
        assert_eq!(server.token(&token).get(&path).code(), "TOKEN_INVALID");
        bearer.delete(&path).ok(204);
    }
}
