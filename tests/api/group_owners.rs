//! Owners of groups (06 §3.4, §3.6).

use crate::authentication::*;
use crate::authorization::*;
use crate::groups::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// The body of attach and detach.
fn users(records: &[&Value]) -> Value {
    let items: Vec<Value> = records.iter().map(|record| json!({ "type": "users", "id": record["id"] })).collect();
    json!({ "data": items })
}

/// The ids of the users in a list of owners, in its order.
fn owners(answer: &Answer) -> Vec<Value> {
    let data = answer.ok(200)["data"].clone();
    data.as_array().unwrap().iter().map(|row| row["relationships"]["user"]["data"]["id"].clone()).collect()
}

// 06 §3.4: documents, reads, events
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let group = admin.create("groups", json!({ "name": "g" }), Value::Null);
    let path = format!("groups/{}/owners", id(&group));
    // any role may own, without being a member
    let people = ["user", "developer", "read-only"].map(|role| user(&server, role, &format!("{role}@example.com")));
    assert_eq!(admin.get(&path).ok(200).to_string(), json!({ "data": [] }).to_string());
    let rows = admin.post(&path, users(&[&people[1], &people[0]])).ok(200);
    let row = |row: &Value, user: &Value| {
        let mut relationships = global_relationships(&account);
        for (name, record) in [("group", &group), ("user", user)] {
            let path = format!("{}/{}", text(&record["type"]), id(record));
            let identifier = json!({ "type": record["type"], "id": record["id"] });
            relationships[name] = related(&account, &path, Some(identifier));
        }
        json!({
            "id": row["id"], "type": "group-owners", "attributes": { "created": "T", "updated": "T" },
            "relationships": relationships,
            "links": { "self": format!("/v1/accounts/{account}/{path}/{}", id(row)) }
        })
    };
    let made = rows["data"].as_array().unwrap();
    assert_eq!((made.len(), rows.as_object().unwrap().len()), (2, 1));
    for (made, user) in made.iter().zip([&people[1], &people[0]]) {
        assert_eq!(timeless(made).to_string(), row(made, user).to_string());
        let shown = admin.get(&format!("{path}/{}", id(made))).ok(200);
        assert_eq!(shown.to_string(), json!({ "data": made }).to_string());
    }
    // a user may own several groups
    let second = admin.create("groups", json!({ "name": "h" }), Value::Null);
    let elsewhere = admin.post(&format!("groups/{}/owners", id(&second)), users(&[&people[0]])).ok(200);
    admin.post(&path, users(&[&people[2]])).ok(200);
    let newest_first = [2, 0, 1].map(|at: usize| people[at]["id"].clone());
    assert_eq!(owners(&admin.get(&path)), newest_first);
    let page = admin.get(&format!("{path}?page[number]=1&page[size]=2")).ok(200);
    assert_eq!(page["links"]["meta"], json!({ "pages": 2, "count": 3 }));
    // owners are no members
    assert_eq!(admin.get(&format!("groups/{}/users", id(&group))).ok(200)["data"], json!([]));
    // by the row's own id, among the group's own
    for other in [id(&people[0]), id(&elsewhere["data"][0]), ZERO, "x"] {
        let missing = format!("404 The requested group owner '{other}' was not found|NOT_FOUND|-");
        assert_eq!(admin.get(&format!("{path}/{other}")).error(), missing);
    }
    let gone = admin.delete_with(&path, users(&[&people[1], &people[2]]));
    assert_eq!((gone.status, gone.bytes.len()), (204, 0));
    assert_eq!(owners(&admin.get(&path)), [people[0]["id"].clone()]);
    let events = "group.created; group.owners.attached; group.owners.attached; group.owners.detached";
    assert_eq!(events_of(&server, &group), events, "one event a request, about the group");
    // unknown groups come before the body
    let unknown = format!("groups/{ZERO}/owners");
    for answer in [admin.get(&unknown), admin.post(&unknown, Value::Null), admin.delete_with(&unknown, Value::Null)] {
        assert_eq!(answer.error(), format!("404 The requested group '{ZERO}' was not found|NOT_FOUND|-"));
    }
}

// 06 §3.4, 01 §6.4
#[test]
fn bodies_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let group = admin.create("groups", json!({ "name": "g" }), Value::Null);
    let path = format!("groups/{}/owners", id(&group));
    let person = user(&server, "user", "p@example.com");
    for (body, expected) in [
        (Value::Null, "400 is missing|-|/data"),
        (json!({}), "400 is missing|-|/data"),
        (json!({ "data": null }), "400 cannot be null|-|/data"),
        (json!({ "data": {} }), "400 type mismatch (received object expected array)|-|/data"),
        (
            json!({ "data": { "type": "users", "id": person["id"] } }),
            // what is unknown is looked for in declared members only
            "400 type mismatch (received object expected array)|-|/data",
        ),
        (json!({ "data": [null] }), "400 cannot be null|-|/data/0"),
        (json!({ "data": [[]] }), "400 type mismatch (received array expected object)|-|/data/0"),
        (json!({ "data": [{ "id": person["id"] }] }), "400 is missing|-|/data/0/type"),
        (json!({ "data": [{ "type": "user" }] }), "400 is missing|-|/data/0/id"),
        (json!({ "data": [{ "type": "groups", "id": person["id"] }] }), "400 is invalid|-|/data/0/type"),
        (
            json!({ "data": [{ "type": "user", "id": person["id"] }, { "type": "users", "id": "p@example.com" }] }),
            "400 type mismatch (received string expected UUID string)|-|/data/1/id",
        ),
        (
            json!({ "data": [{ "type": "user", "id": person["id"], "meta": {} }] }),
            "400 unpermitted parameter|-|/data/0/meta",
        ),
        (json!({ "data": [], "meta": {} }), "400 unpermitted parameter|-|/meta"),
        // D42
        (
            json!({ "data": vec![link(&person)["data"].clone(); 1001] }),
            "400 length must be between 0 and 1000 (inclusive)|-|/data",
        ),
    ] {
        assert_eq!(outcome(&admin.post(&path, body.clone())), expected, "{body}");
        assert_eq!(outcome(&admin.delete_with(&path, body.clone())), expected, "{body}");
    }
    // none at all is fine, and so is any number
    assert_eq!(admin.post(&path, users(&[])).ok(200).to_string(), json!({ "data": [] }).to_string());
    assert_eq!(admin.delete_with(&path, users(&[])).status, 204);
    let nothing = json!({ "id": ZERO });
    assert_eq!(admin.post(&path, users(&vec![&nothing; 101])).code(), "USER_NOT_FOUND");
    assert_eq!(admin.delete_with(&path, users(&vec![&nothing; 101])).status, 422);
    // the singular type, an id in another form, twice the same when detaching
    let compact = id(&person).replace('-', "").to_uppercase();
    admin.post(&path, json!({ "data": [{ "type": "user", "id": compact }] })).ok(200);
    admin.delete_with(&path, users(&[&person, &person])).ok(204);
    assert_eq!(owners(&admin.get(&path)), [] as [Value; 0]);
}

// 06 §3.4, §4: one by one when attaching, all or nothing when detaching
#[test]
fn what_fails_and_what_stays() {
    let server = Server::start();
    let admin = server.admin();
    let group = admin.create("groups", json!({ "name": "g" }), Value::Null);
    let path = format!("groups/{}/owners", id(&group));
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| user(&server, "user", &format!("{name}@example.com")));
    let nothing = json!({ "id": ZERO });
    let unknown = "422 must exist|USER_NOT_FOUND|/data/relationships/user";
    let taken = "422 already exists|USER_TAKEN|/data/relationships/user";
    for (sent, expected, left) in [
        (vec![&nothing, &a], unknown, vec![]),
        (vec![&a, &nothing, &b], unknown, vec![&a]),
        (vec![&b, &b], taken, vec![&b, &a]),
        (vec![&a], taken, vec![&b, &a]),
        (vec![&c, &a, &d], taken, vec![&c, &b, &a]),
    ] {
        let answer = admin.post(&path, users(&sent));
        assert_eq!(answer.error(), expected);
        let error = &answer.body["errors"][0];
        assert_eq!(error["title"], "Unprocessable resource");
        let about = "https://keygen.sh/docs/api/group-owners/#group-owners-object-relationships-user";
        assert_eq!(error["links"]["about"], about);
        assert_eq!(answer.body["meta"]["id"], answer.header("x-request-id"));
        let left: Vec<Value> = left.iter().map(|user| user["id"].clone()).collect();
        assert_eq!(owners(&admin.get(&path)), left);
    }
    assert_eq!(events_of(&server, &group), "group.created", "failed requests emit nothing (13 §1.1)");
    for (sent, at) in [(vec![&nothing], 0), (vec![&a, &d, &nothing], 1), (vec![&a, &b, &nothing, &d], 2)] {
        let answer = admin.delete_with(&path, users(&sent));
        let error = json!({
            "title": "Unprocessable entity",
            "detail": format!("owner relationship for user '{}' not found", id(sent[at])),
            "source": { "pointer": format!("/data/{at}") }
        });
        assert_eq!(answer.status, 422);
        assert_eq!(answer.body["errors"], json!([error]));
    }
    assert_eq!(owners(&admin.get(&path)).len(), 3, "nothing was removed");
    assert_eq!(events_of(&server, &group), "group.created");
    // what was kept is durable
    let mut server = server;
    server.restart();
    assert_eq!(owners(&server.admin().get(&path)).len(), 3);
}

// 06 §3.4
#[test]
fn who_may() {
    let company = Company::new();
    let (cast, path) = (&company.cast, format!("{}/owners", company.path()));
    let admin = cast.client("A");
    let spare = user(&cast.server, "user", "spare@example.com");
    let row = format!("{path}/{}", id(&admin.get(&path).ok(200)["data"][0]));
    let readers = "ok: A D S Su R P L Uo Um Ua P2; 401: X; 404: L2 U";
    let writers = "ok: A D P P2; 401: X; 403: S Su R L Uo Um Ua; 404: L2 U";
    for round in ["defaults", "every permission"] {
        assert_eq!(cast.outcome(|c| c.get(&path)), readers, "{round}");
        assert_eq!(cast.outcome(|c| c.get(&row)), readers, "{round}");
        for name in ["P2", "L", "Uo", "Um"] {
            assert_eq!(owners(&cast.client(name).get(&path)), [cast.um["id"].clone()], "{name}");
        }
        let attach = |client: &Client| {
            cast.server.sql(&format!("DELETE FROM group_owners WHERE user_id = '{}'", id(&spare)));
            client.post(&path, users(&[&spare]))
        };
        assert_eq!(cast.outcome(attach), writers, "{round}");
        let detach = |client: &Client| {
            attach(admin).ok(200);
            client.delete_with(&path, users(&[&spare]))
        };
        assert_eq!(cast.outcome(detach), writers, "{round}");
        cast.server.sql(&format!("DELETE FROM group_owners WHERE user_id = '{}'", id(&spare)));
        // 400 before 403, 404 before both (01 §5)
        let expected = "400: A D S Su R P L Uo Um Ua P2; 401: X; 404: L2 U";
        assert_eq!(cast.outcome(|c| c.post(&path, Value::Null)), expected, "{round}");
        assert_eq!(cast.outcome(|c| c.delete_with(&path, Value::Null)), expected, "{round}");
        cast.grant_everything();
    }
    assert_eq!(reason(&cast.client("Um").post(&path, users(&[]))), "user lacks permission to perform action");
    assert_eq!(reason(&cast.client("S").post(&path, users(&[]))), NO_REASON);
}

// 06 §3.6: ownership opens the group and nothing else
#[test]
fn what_owners_get() {
    let company = Company::new();
    let (cast, path) = (&company.cast, company.path());
    let owner = cast.client("Um");
    // a member whose license the owner has nothing to do with
    let foreign = cast.server.admin().license(&cast.policy, json!({}));
    let machine = cast.server.admin().machine(&foreign, "elsewhere");
    for record in [&foreign, &machine] {
        let sql = format!(
            "UPDATE {} SET group_id = '{}' WHERE id = '{}'",
            text(&record["type"]),
            id(&company.group),
            id(record)
        );
        cast.server.sql(&sql);
    }
    let stranger = user(&cast.server, "user", "other@example.com");
    cast.server.sql(&format!("UPDATE users SET group_id = '{}' WHERE id = '{}'", id(&company.group), id(&stranger)));
    cast.grant_everything();
    for below in ["", "/owners", "/users", "/licenses", "/machines"] {
        assert_eq!(owner.get(&format!("{path}{below}")).status, 200, "{below}");
    }
    for record in [&foreign, &machine] {
        let top = format!("{}/{}", text(&record["type"]), id(record));
        assert_eq!(owner.get(&format!("{path}/{top}")).ok(200)["data"]["id"], record["id"]);
        assert_eq!(owner.get(&top).status, 404, "{top}");
        let update = body(text(&record["type"]), json!({ "name": "x" }));
        assert_eq!(owner.patch(&top, update).status, 404, "{top}");
        assert_eq!(owner.delete(&top).status, 404, "{top}");
        let listed = owner.get(text(&record["type"])).ok(200)["data"].clone();
        assert!(listed.as_array().unwrap().iter().all(|r| r["id"] != record["id"]), "{top}");
    }
    owner.get(&format!("{path}/users/{}", id(&stranger))).ok(200);
    let update = body("groups", json!({ "name": "x" }));
    assert_eq!((owner.patch(&path, update).status, owner.delete(&path).status), (403, 403));
    // whoever ceases to own ceases to see
    let gone = json!({ "data": [{ "type": "users", "id": cast.um["id"] }] });
    cast.client("A").delete_with(&format!("{path}/owners"), gone).ok(204);
    assert_eq!(owner.get(&path).status, 403);
    assert_eq!(owner.get(&format!("{path}/users")).status, 404);
}

// 06 §3.4, 05 §5.5 (join rows), §5.6
#[test]
fn environments() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let (global, isolated, shared) = (server.admin(), inside(&iso, "iso"), inside(&pre, "pre"));
    let group = |client: &Client| client.create("groups", json!({ "name": "g" }), Value::Null);
    let (gg, gi, gs) = (group(&global), group(&isolated), group(&shared));
    let person = |email: &str, environment: Option<&Value>| user_in(&server, "user", email, environment.map(id));
    let (ug, ui, us) = (person("g@x.com", None), person("i@x.com", Some(&iso)), person("s@x.com", Some(&pre)));
    let nothing = json!({ "id": ZERO });
    let path = |group: &Value| format!("groups/{}/owners", id(group));
    let denied = "a record's environment is not compatible with the current environment";
    let missing = "422 must exist|USER_NOT_FOUND|/data/relationships/user";
    let of = |environment: &Value| format!("of {environment}");
    let nowhere = of(&Value::Null);
    for (client, group, user, expected) in [
        (&global, &gg, &ug, &nowhere[..]),
        (&global, &gg, &us, denied),
        (&global, &gg, &ui, denied),
        (&global, &gg, &nothing, missing),
        (&shared, &gg, &us, &of(&pre["id"])),
        (&shared, &gg, &ug, denied),
        (&shared, &gs, &us, &of(&pre["id"])),
        (&shared, &gs, &ug, &of(&pre["id"])),
        (&shared, &gs, &ui, denied),
        (&shared, &gs, &nothing, missing),
        (&isolated, &gi, &ui, &of(&iso["id"])),
        (&isolated, &gi, &ug, denied),
        (&isolated, &gi, &us, denied),
    ] {
        let answer = client.post(&path(group), users(&[user]));
        let got = match answer.status {
            200 => of(answer.body["data"][0]["relationships"]["environment"]["data"].get("id").unwrap_or(&Value::Null)),
            403 => reason(&answer),
            _ => answer.error(),
        };
        assert_eq!(got, expected);
    }
    // lists keep to the environment; of one row, a mismatch is 403 (05 §5.4)
    let rows = |client: &Client, group: &Value| owners(&client.get(&path(group))).len();
    assert_eq!((rows(&global, &gg), rows(&shared, &gg), rows(&shared, &gs), rows(&isolated, &gi)), (1, 2, 2, 1));
    let row = text(&shared.get(&path(&gg)).ok(200)["data"][0]["id"]).to_owned();
    let row = format!("{}/{row}", path(&gg));
    assert_eq!((shared.get(&row).status, global.get(&row).status), (200, 200), "a read in global sees all");
    server.sql(&format!("UPDATE group_owners SET environment_id = '{}' WHERE group_id = '{}'", id(&iso), id(&gs)));
    assert_eq!(rows(&shared, &gs), 0);
    let row = select(&server, &format!("SELECT min(id) FROM group_owners WHERE group_id = '{}'", id(&gs)));
    let answer = shared.get(&format!("{}/{row}", path(&gs)));
    assert_eq!(reason(&answer), "record environment is not compatible with the current environment");
    // detaching keeps to the same rule as attaching
    assert_eq!(reason(&shared.delete_with(&path(&gg), users(&[&ug]))), denied);
    assert_eq!(reason(&global.delete_with(&path(&gg), users(&[&us]))), denied);
    shared.delete_with(&path(&gg), users(&[&us])).ok(204);
    shared.delete_with(&path(&gs), users(&[&ug, &us])).ok(204);
    for (client, group) in [(&global, &gs), (&global, &gi), (&isolated, &gg), (&shared, &gi)] {
        assert_eq!(client.post(&path(group), users(&[])).status, 404);
    }
    // the event is where the request is (13 §1.1)
    let sql = format!(
        "SELECT group_concat(coalesce(environment_id, 'global'), ' ') FROM
          (SELECT environment_id FROM event_logs WHERE event = 'group.owners.attached' AND resource_id = '{}' ORDER BY id)",
        id(&gg)
    );
    assert_eq!(select(&server, &sql), format!("global {}", id(&pre)));
}
