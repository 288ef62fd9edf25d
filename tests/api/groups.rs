//! Groups (06 §3.1, §3.2, §3.7): the resource itself. Also the company that the tests of owners and members share.

use crate::authentication::*;
use crate::authorization::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// A group, another one, and what the bearers of [`Cast`] are to them: `L` and `Uo` are in the group, `Um` owns it without
/// being in it, `Ua` is in it and owns the other one, `P`'s license and its machine are in it; `P2`, `L2` and `U` have nothing
/// to do with it.
pub struct Company {
    pub cast: Cast,
    pub group: Value,
    pub other: Value,
}

impl Company {
    pub fn new() -> Company {
        let cast = Cast::new(json!({ "floating": true, "authenticationStrategy": "MIXED" }));
        let admin = cast.client("A");
        let [group, other] =
            ["Group", "Other"].map(|name| admin.create("groups", json!({ "name": name }), Value::Null));
        let owners = |user: &Value| json!({ "data": [{ "type": "users", "id": user["id"] }] });
        admin.post(&format!("groups/{}/owners", id(&group)), owners(&cast.um)).ok(200);
        let ua = person(&cast.server, "ua");
        admin.post(&format!("groups/{}/owners", id(&other)), owners(&ua)).ok(200);
        for (table, condition) in [
            ("users", "email IN ('uo@example.com', 'ua@example.com')".to_owned()),
            ("licenses", format!("id = '{}'", id(&cast.license))),
            ("machines", format!("id = '{}'", id(&cast.machine))),
        ] {
            cast.server.sql(&format!("UPDATE {table} SET group_id = '{}' WHERE {condition}", id(&group)));
        }
        Company { cast, group, other }
    }

    /// `groups/<id>`
    pub fn path(&self) -> String {
        format!("groups/{}", id(&self.group))
    }
}

/// Somebody of the cast, by the part of the address before `@example.com`.
pub fn person(server: &Server, name: &str) -> Value {
    let id = select(server, &format!("SELECT id FROM users WHERE email = '{name}@example.com'"));
    assert!(!id.is_empty(), "{name}");
    json!({ "type": "users", "id": id })
}

/// The names of a list of groups, in its order.
fn names(answer: &Answer) -> Vec<String> {
    let data = answer.ok(200)["data"].clone();
    data.as_array().unwrap().iter().map(|group| text(&group["attributes"]["name"]).to_owned()).collect()
}

// 06 §0, §3.2: the whole document, from every route that gives it; events
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let expected = |group: &Value, attributes: Value| {
        let path = format!("groups/{}", id(group));
        let mut relationships = global_relationships(&account);
        for name in ["owners", "users", "licenses", "machines"] {
            relationships[name] = related(&account, &format!("{path}/{name}"), None);
        }
        json!({
            "id": group["id"], "type": "groups", "attributes": attributes, "relationships": relationships,
            "links": { "self": format!("/v1/accounts/{account}/{path}") }
        })
        .to_string()
    };
    let answer = admin.post("groups", body("group", json!({ "name": "Bare" })));
    let bare = answer.ok(201)["data"].clone();
    assert_eq!(answer.body.as_object().unwrap().len(), 1);
    let location = format!("http://localhost:{}/v1/accounts/{account}/groups/{}", server.port, id(&bare));
    assert_eq!(answer.header("location"), location);
    let attributes = json!({
        "name": "Bare", "maxUsers": null, "maxLicenses": null, "maxMachines": null, "metadata": {},
        "created": "T", "updated": "T"
    });
    assert_eq!(timeless(&bare).to_string(), expected(&bare, attributes));
    let full = admin.create(
        "groups",
        json!({ "name": "Ünits", "maxUsers": 0, "maxLicenses": 2147483647, "max_machines": -1, "metadata": { "a-b": [1] } }),
        json!({ "environment": { "data": null } }),
    );
    let attributes = json!({
        "name": "Ünits", "maxUsers": 0, "maxLicenses": 2147483647, "maxMachines": -1, "metadata": { "aB": [1] },
        "created": "T", "updated": "T"
    });
    assert_eq!(timeless(&full).to_string(), expected(&full, attributes));
    let path = format!("groups/{}", id(&full));
    assert_eq!(admin.get(&path).ok(200).to_string(), json!({ "data": full }).to_string());
    assert_eq!(admin.get("groups").ok(200).to_string(), json!({ "data": [full, bare] }).to_string(), "newest first");
    assert_eq!(names(&admin.get("groups?order=asc&limit=1")), ["Bare"]);
    let page = admin.get("groups?page[number]=2&page[size]=1").ok(200);
    assert_eq!(page["links"]["meta"], json!({ "pages": 2, "count": 2 }));
    assert_eq!(names(&admin.get("groups?name=Bare&group=x")).len(), 2, "no filters");
    for method in ["PATCH", "PUT"] {
        let update = json!({ "data": { "type": "group", "id": "ignored", "attributes": {} } });
        let answer = admin.call(method, &path, Some(update.to_string().as_bytes()));
        assert_eq!(timeless(&answer.ok(200)["data"]).to_string(), timeless(&full).to_string());
    }
    // null clears limits, and is ignored elsewhere; metadata is replaced as a whole
    let update = json!({ "name": null, "maxUsers": null, "maxLicenses": null, "maxMachines": null, "metadata": null });
    let updated = admin.patch(&path, body("groups", update)).ok(200)["data"]["attributes"].clone();
    let expected = json!({ "maxUsers": null, "maxLicenses": null, "maxMachines": null, "metadata": { "aB": [1] } });
    assert_eq!(updated["name"], "Ünits");
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(updated[name], *value, "{name}");
    }
    let update = json!({ "name": "N", "maxUsers": 5, "maxLicenses": 6, "maxMachines": 7, "metadata": {} });
    let updated = admin.patch(&path, body("groups", update.clone())).ok(200)["data"]["attributes"].clone();
    for (name, value) in update.as_object().unwrap() {
        assert_eq!(updated[name], *value, "{name}");
    }
    let gone = admin.delete(&path);
    assert_eq!((gone.status, gone.bytes.len(), gone.header("content-type")), (204, 0, ""));
    // found by UUID only, in any form
    admin.get(&format!("groups/{}", id(&bare).replace('-', "").to_uppercase())).ok(200);
    for name in [id(&full), ZERO, "Bare", "%20"] {
        let decoded = name.replace("%20", " ");
        let missing = format!("404 The requested group '{decoded}' was not found|NOT_FOUND|-");
        for answer in [
            admin.get(&format!("groups/{name}")),
            admin.patch(&format!("groups/{name}"), Value::Null),
            admin.delete(&format!("groups/{name}")),
            admin.get(&format!("groups/{name}/owners")),
            admin.get(&format!("groups/{name}/users")),
        ] {
            assert_eq!(answer.error(), missing);
        }
    }
    // one event a write, without a diff (06 §0)
    let events = format!("group.created; {}group.deleted", "group.updated; ".repeat(4));
    assert_eq!(events_of(&server, &full), events);
}

// 06 §0, §3.2
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let target = admin.create("groups", json!({ "name": "x" }), Value::Null);
    let path = format!("groups/{}", id(&target));
    let bad = |detail: &str, name: &str| format!("400 {detail}|-|/data/attributes/{name}");
    let (fits, long) = ("ü".repeat(255), "ü".repeat(256));
    let mut cases = vec![
        (json!({ "name": fits }), "ok".to_owned()),
        (
            json!({ "name": long }),
            "422 is too long (maximum is 255 characters)|NAME_TOO_LONG|/data/attributes/name".to_owned(),
        ),
        (json!({ "name": "" }), bad("cannot be blank", "name")),
        (json!({ "name": true }), bad("type mismatch (received boolean expected string)", "name")),
        (json!({ "metadata": "x" }), bad("type mismatch (received string expected object)", "metadata")),
        (json!({ "metadata": { "a": { "b": { "c": 1 } } } }), "ok".to_owned()),
        (json!({ "metadata": { "a": { "b": { "c": [] } } } }), bad("maximum depth of 2 exceeded", "metadata/a/b/c")),
        (
            json!({ "metadata": { "a": "x".repeat(16_384) } }),
            "422 too large (exceeded limit of 16384 bytes)|METADATA_TOO_LONG|/data/attributes/metadata".to_owned(),
        ),
        (json!({ "shelf_colour": 1, "name": 2 }), bad("unpermitted parameter", "shelfColour")),
        (json!({ "permissions": [] }), bad("unpermitted parameter", "permissions")),
        (json!({ "code": "x" }), bad("unpermitted parameter", "code")),
    ];
    for name in ["maxUsers", "maxLicenses", "maxMachines"] {
        for (value, expected) in [
            (json!(2147483647), "ok".to_owned()),
            (json!(-2147483648_i64), "ok".to_owned()),
            (json!(0), "ok".to_owned()),
            (json!(2147483648_i64), "400 integer is too large|-|-".to_owned()),
            (json!(-2147483649_i64), "400 integer is too large|-|-".to_owned()),
            (json!(i64::MAX), "400 integer is too large|-|-".to_owned()),
            (json!(u64::MAX), "400 integer is too large|-|-".to_owned()),
            (json!(1.0), bad("type mismatch (received float expected integer)", name)),
            (json!("1"), bad("type mismatch (received string expected integer)", name)),
            (json!(false), bad("type mismatch (received boolean expected integer)", name)),
            (json!([]), bad("type mismatch (received array expected integer)", name)),
        ] {
            cases.push((json!({ name: value }), expected));
        }
    }
    for (attributes, expected) in cases {
        let mut named = attributes.clone();
        if named.get("name").is_none() {
            named["name"] = json!("x");
        }
        assert_eq!(outcome(&admin.post("groups", body("groups", named))), expected, "create {attributes}");
        assert_eq!(outcome(&admin.patch(&path, body("groups", attributes.clone()))), expected, "update {attributes}");
    }
    // beyond 64 bits, too
    let huge = r#"{"data":{"type":"groups","attributes":{"name":"x","maxUsers":99999999999999999999}}}"#;
    assert_eq!(admin.call("POST", "groups", Some(huge.as_bytes())).error(), "400 integer is too large|-|-");
    assert_eq!(admin.call("PATCH", &path, Some(huge.as_bytes())).error(), "400 integer is too large|-|-");
    let related = |name: &str, data: Value| json!({ "data": { "type": "groups", "attributes": { "name": "x" }, "relationships": { name: { "data": data } } } });
    for (create, body, expected) in [
        (true, Value::Null, "400 is missing|-|/data"),
        (true, json!({ "data": { "type": "groups" } }), "400 is missing|-|/data/attributes"),
        (true, body("groups", json!({})), "400 is missing|-|/data/attributes/name"),
        (true, body("groups", json!({ "name": null })), "400 cannot be null|-|/data/attributes/name"),
        (true, body("Groups", json!({ "name": "x" })), "400 is invalid|-|/data/type"),
        (true, related("environment", Value::Null), "ok"),
        (true, related("users", json!([])), "400 unpermitted parameter|-|/data/relationships/users"),
        (true, related("owners", json!([])), "400 unpermitted parameter|-|/data/relationships/owners"),
        (
            true,
            related("environment", json!({ "type": "environments", "id": "x" })),
            "400 type mismatch (received string expected UUID string)|-|/data/relationships/environment/data/id",
        ),
        (
            true,
            json!({ "data": { "type": "group", "id": ZERO, "attributes": { "name": "x" } } }),
            "400 unpermitted parameter|-|/data/id",
        ),
        (false, Value::Null, "400 is missing|-|/data"),
        (false, json!({ "data": { "type": "groups" } }), "400 is missing|-|/data/attributes"),
        (false, related("environment", Value::Null), "400 unpermitted parameter|-|/data/relationships"),
    ] {
        let answer = if create { admin.post("groups", body.clone()) } else { admin.patch(&path, body.clone()) };
        assert_eq!(outcome(&answer), expected, "create {create} {body}");
    }
    let about = |name: &str| format!("https://keygen.sh/docs/api/groups/#groups-object-attrs-{name}");
    let error = &admin.patch(&path, body("groups", json!({ "name": long }))).body["errors"][0];
    assert_eq!((&error["title"], &error["links"]["about"]), (&json!("Unprocessable resource"), &json!(about("name"))));
}

// 06 §3.1, §4: a group that one may not read is 403 on its own routes, and out of sight elsewhere
#[test]
fn who_may() {
    let company = Company::new();
    let (cast, path) = (&company.cast, company.path());
    let admin = cast.client("A");
    let readers = "ok: A D S Su R P L Uo Um Ua P2; 401: X; 403: L2 U";
    let writers = "ok: A D P P2; 401: X; 403: S Su R L Uo Um Ua L2 U";
    let create = body("groups", json!({ "name": "x" }));
    let update = body("groups", json!({ "name": "Group" }));
    let fresh = || format!("groups/{}", id(&admin.create("groups", json!({ "name": "y" }), Value::Null)));
    let lists = || {
        for (name, expected) in [
            ("A", &["Other", "Group"][..]),
            ("R", &["Other", "Group"]),
            ("P", &["Other", "Group"]),
            ("P2", &["Other", "Group"]),
            ("L", &["Group"]),
            ("Uo", &["Group"]),
            ("Um", &["Group"]),
            ("Ua", &["Other", "Group"]),
            ("L2", &[]),
            ("U", &[]),
        ] {
            assert_eq!(names(&cast.client(name).get("groups")), expected, "{name}");
        }
    };
    for round in ["defaults", "every permission"] {
        lists();
        assert_eq!(
            cast.outcome(|c| c.get("groups")),
            "ok: A D S Su R P L Uo Um Ua P2 L2 U; 401: X",
            "without a group: an empty list ({round})"
        );
        assert_eq!(cast.outcome(|c| c.get(&path)), readers, "{round}");
        assert_eq!(cast.outcome(|c| c.patch(&path, update.clone())), writers, "{round}");
        assert_eq!(cast.outcome(|c| c.delete(&fresh())), writers, "{round}");
        // its owner sees the other group, a mere member of this one does not
        let other = format!("groups/{}", id(&company.other));
        assert_eq!(cast.client("Ua").get(&other).status, 200);
        assert_eq!(reason(&cast.client("Uo").get(&other)), NO_REASON);
        // unknown ids are 404 for everybody
        assert_eq!(cast.client("U").get(&format!("groups/{ZERO}")).status, 404);
        assert_eq!(cast.outcome(|c| c.get(&format!("{path}/users"))).split("; ").last(), Some("404: L2 U"), "{round}");
        cast.server.sql("DELETE FROM groups WHERE name = 'y'");
        cast.grant_everything();
    }
    assert_eq!(cast.outcome(|c| c.post("groups", create.clone())), writers);
    assert_eq!(reason(&cast.client("S").post("groups", create.clone())), NO_REASON, "a role without the right");
    assert_eq!(reason(&cast.client("R").post("groups", create)), "read only lacks permission to perform action");
    assert_eq!(reason(&cast.client("Um").patch(&path, update.clone())), "user lacks permission to perform action");
    assert_eq!(reason(&cast.client("U").get(&path)), NO_REASON);
    // create: 400 before 403; update: 403 before 400
    let nonsense = body("groups", json!({ "nope": 1 }));
    assert_eq!(cast.outcome(|c| c.post("groups", nonsense.clone())), "400: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    let expected = "400: A D P P2; 401: X; 403: S Su R L Uo Um Ua L2 U";
    assert_eq!(cast.outcome(|c| c.patch(&path, nonsense.clone())), expected);
    // with the permission taken away (03 §9.1)
    cast.server.sql("UPDATE products SET permissions = '[]'");
    assert_eq!(reason(&cast.client("P").get(&path)), "product lacks permission to perform action");
}

// 06 §3.1, 05 §5.4: found whatever the environment, but judged by it
#[test]
fn environments() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let clients = [("global", server.admin()), ("isolated", inside(&iso, "iso")), ("shared", inside(&pre, "pre"))];
    let groups = clients.clone().map(|(name, client)| client.create("groups", json!({ "name": name }), Value::Null));
    for (group, environment) in groups.iter().zip([&json!({ "id": null }), &iso, &pre]) {
        let data = &group["relationships"]["environment"]["data"];
        assert_eq!(data.get("id").unwrap_or(&Value::Null), &environment["id"], "created where the caller is");
    }
    let record = "record environment is not compatible with the current environment";
    for (name, client) in &clients {
        let listed = match *name {
            "global" => vec!["global"],
            "isolated" => vec!["isolated"],
            _ => vec!["shared", "global"],
        };
        assert_eq!(names(&client.get("groups")), listed);
        for group in &groups {
            let of = text(&group["attributes"]["name"]);
            let (reads, writes) = match (*name, of) {
                ("global", "global") | ("isolated", "isolated") | ("shared", "shared") => (200, 200),
                ("global", _) | ("shared", "global") => (200, 403),
                _ => (403, 403),
            };
            let path = format!("groups/{}", id(group));
            let update = body("groups", json!({ "maxUsers": 1 }));
            let answers = [
                (client.get(&path), reads),
                (client.patch(&path, update), writes),
                (if writes == 403 { client.delete(&path) } else { client.get(&path) }, writes),
            ];
            for (answer, status) in answers {
                assert_eq!(answer.status, status, "{name} {of}");
                if status == 403 {
                    assert_eq!(reason(&answer), record, "{name} {of}");
                }
            }
            // everywhere else it is out of sight
            let nested = if listed.contains(&of) { 200 } else { 404 };
            for below in ["owners", "users", "licenses", "machines"] {
                assert_eq!(client.get(&format!("{path}/{below}")).status, nested, "{name} {of} {below}");
            }
        }
    }
    // what a new group may name (05 §5.6)
    let named = |data: Value| json!({ "data": { "type": "groups", "attributes": { "name": "x" }, "relationships": { "environment": data } } });
    for (client, data, expected) in [
        (&clients[0].1, json!({ "data": null }), "ok"),
        (&clients[0].1, link(&pre), record),
        (&clients[0].1, link(&json!({ "type": "environments", "id": ZERO })), record),
        (&clients[1].1, link(&iso), "ok"),
        (&clients[1].1, json!({ "data": null }), record),
        (&clients[2].1, link(&pre), "ok"),
        (&clients[2].1, link(&iso), record),
        (&clients[2].1, json!({ "data": null }), record),
    ] {
        let answer = client.post("groups", named(data));
        assert_eq!(if answer.status == 201 { "ok".to_owned() } else { reason(&answer) }, expected);
    }
    for (name, client) in &clients {
        let group = groups.iter().find(|group| group["attributes"]["name"] == *name).unwrap();
        client.delete(&format!("groups/{}", id(group))).ok(204);
    }
}

// 06 §3.7
#[test]
fn deletion_frees_the_members() {
    let company = Company::new();
    let (cast, path) = (&company.cast, company.path());
    let admin = cast.client("A");
    let before = counts(&cast.server, &["users", "licenses", "machines", "group_owners"]);
    assert_eq!(before, "users 9, licenses 2, machines 1, group_owners 2");
    let updated = select(&cast.server, "SELECT sum(updated_at) FROM licenses");
    let events = select(&cast.server, "SELECT count(*) FROM event_logs");
    admin.delete(&path).ok(204);
    let after = counts(&cast.server, &["users", "licenses", "machines", "group_owners"]);
    assert_eq!(after, "users 9, licenses 2, machines 1, group_owners 1", "its owners end with it");
    for path in [format!("licenses/{}", id(&cast.license)), format!("machines/{}", id(&cast.machine))] {
        let group = admin.get(&path).ok(200)["data"]["relationships"]["group"].clone();
        assert_eq!(group["data"], Value::Null, "{path}");
        assert_eq!(admin.get(&format!("{path}/group")).error(), "404 The requested group was not found|NOT_FOUND|-");
    }
    assert_eq!(select(&cast.server, "SELECT count(*) FROM users WHERE group_id IS NOT NULL"), "0");
    assert_eq!(select(&cast.server, "SELECT sum(updated_at) FROM licenses"), updated);
    let more = select(&cast.server, "SELECT count(*) FROM event_logs").parse::<i64>().unwrap();
    assert_eq!(more, events.parse::<i64>().unwrap() + 1, "no extra events");
    assert_eq!(events_of(&cast.server, &company.group), "group.created; group.owners.attached; group.deleted");
    assert_eq!(names(&cast.client("Um").get("groups")), [] as [&str; 0]);
}
