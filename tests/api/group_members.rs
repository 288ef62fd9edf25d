//! Users, licenses and machines of a group (06 §3.5), and how they get into it: `PUT licenses/{id}/group` (08 §9.3),
//! `PUT machines/{id}/group` (10 §1.12), limits (06 §3.3).

use crate::authentication::*;
use crate::authorization::*;
use crate::groups::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// The ids of a list, in its order.
#[track_caller]
fn ids(answer: &Answer) -> Vec<String> {
    answer.ok(200)["data"].as_array().unwrap().iter().map(|record| id(record).to_owned()).collect()
}

/// Puts records into a group behind the API's back.
fn join(server: &Server, group: &Value, records: &[&Value]) {
    for record in records {
        let table = text(&record["type"]);
        server.sql(&format!("UPDATE {table} SET group_id = '{}' WHERE id = '{}'", id(group), id(record)));
    }
}

// 06 §3.5, §4
#[test]
fn who_sees_the_members() {
    let company = Company::new();
    let (cast, path) = (&company.cast, company.path());
    let (server, admin) = (&cast.server, cast.client("A"));
    // members that P, Uo, Um and Ua have nothing to do with; nobody's license among them
    let foreign = admin.quick_license(json!({}));
    let machine = admin.machine(&foreign, "foreign");
    let (stranger, developer) = (user(server, "user", "stranger@example.com"), person(server, "developer"));
    join(server, &company.group, &[&foreign, &machine, &stranger, &developer]);
    let [uo, ua] = ["uo", "ua"].map(|name| person(server, name));
    let lists = [
        ("users", vec![&uo, &ua], vec![&stranger, &developer]),
        ("licenses", vec![&cast.license], vec![&foreign]),
        ("machines", vec![&cast.machine], vec![&machine]),
    ];
    for round in ["defaults", "every permission"] {
        for (name, own, others) in &lists {
            let list = format!("{path}/{name}");
            let expected = "ok: A D S Su R P Um Ua P2; 401: X; 403: L Uo; 404: L2 U";
            assert_eq!(cast.outcome(|c| c.get(&list)), expected, "{name} {round}");
            let sees = |who: &str, expected: &[&[&Value]]| {
                let mut got = ids(&cast.client(who).get(&list));
                let mut expected: Vec<String> =
                    expected.iter().flat_map(|some| some.iter().map(|r| id(r).to_owned())).collect();
                got.sort();
                expected.sort();
                assert_eq!(got, expected, "{who} {name} {round}");
            };
            for staff in ["A", "R", "S"] {
                sees(staff, &[own, others]);
            }
            sees("P", &[own]);
            sees("P2", &[]);
            sees("Um", &[own, others]);
            sees("Ua", &[]);
            // one of them
            let members: &[(&Value, &str, &str)] = match *name {
                "users" => {
                    &[(&uo, "ok: A D S Su R P Um P2", "L Uo Ua"), (&stranger, "ok: A D S Su R P Um P2", "L Uo Ua")]
                }
                _ => &[(own[0], "ok: A D S Su R P Um", "L Uo Ua P2"), (others[0], "ok: A D S Su R Um", "P L Uo Ua P2")],
            };
            for (member, may, may_not) in members {
                let one = format!("{list}/{}", id(member));
                let expected = format!("{may}; 401: X; 403: {may_not}; 404: L2 U");
                assert_eq!(cast.outcome(|c| c.get(&one)), expected, "{name} {round}");
                // the same document as on its own route
                let top = admin.get(&format!("{name}/{}", id(member)));
                if top.status == 200 {
                    assert_eq!(admin.get(&one).ok(200).to_string(), top.body.to_string());
                }
            }
        }
        cast.grant_everything();
    }
    assert_eq!(
        reason(&cast.client("L").get(&format!("{path}/licenses"))),
        "license lacks permission to perform action"
    );
    assert_eq!(reason(&cast.client("Uo").get(&format!("{path}/licenses"))), NO_REASON);
    // one that owns the other group only: its own group's members are not among those that it may look at
    let answer = cast.client("Ua").get(&format!("{path}/licenses/{}", id(&cast.license)));
    assert_eq!(reason(&answer), NO_REASON);
    assert_eq!(ids(&cast.client("Ua").get(&format!("groups/{}/licenses", id(&company.other)))), [] as [&str; 0]);
    // an owner that is also a member sees all
    join(server, &company.group, &[&cast.um]);
    assert_eq!(ids(&cast.client("Um").get(&format!("{path}/users"))).len(), 5);
}

// 06 §3.5: how members are found and listed
#[test]
fn members_are_found() {
    let company = Company::new();
    let (cast, path) = (&company.cast, company.path());
    let (server, admin) = (&cast.server, cast.client("A"));
    let key = key(&cast.license);
    for (name, expected) in [
        (format!("users/{}", id(&person(server, "uo"))), "ok"),
        ("users/uo@example.com".to_owned(), "ok"),
        ("users/um@example.com".to_owned(), "user"),
        (format!("licenses/{}", id(&cast.license)), "ok"),
        (format!("licenses/{key}"), "ok"),
        (format!("licenses/{}", key.to_lowercase()), "license"),
        (format!("machines/{}", id(&cast.machine)), "ok"),
        ("machines/cast".to_owned(), "ok"),
        ("machines/Cast".to_owned(), "machine"),
        (format!("users/{ZERO}"), "user"),
        (format!("licenses/{ZERO}"), "license"),
        (format!("machines/{ZERO}"), "machine"),
    ] {
        let answer = admin.get(&format!("{path}/{name}"));
        let asked = name.split('/').next_back().unwrap();
        match expected {
            "ok" => assert_eq!(answer.status, 200, "{name}"),
            kind => {
                let missing = format!("404 The requested {kind} '{asked}' was not found|NOT_FOUND|-");
                assert_eq!(answer.error(), missing, "{name}");
            }
        }
        // not below another group
        if expected == "ok" {
            assert_eq!(admin.get(&format!("groups/{}/{name}", id(&company.other))).status, 404, "{name}");
        }
    }
    // newest first, in pages, without filters
    let more: Vec<Value> = (0..2).map(|_| admin.license(&cast.policy, json!({}))).collect();
    join(server, &company.group, &more.iter().collect::<Vec<_>>());
    let expected = [&more[1], &more[0], &cast.license].map(|license| id(license).to_owned());
    let list = format!("{path}/licenses");
    for query in ["", "?suspended=true&product=x&policy=x&user=x&group=x&owner=x", "?limit=3"] {
        assert_eq!(ids(&admin.get(&format!("{list}{query}"))), expected, "{query}");
    }
    assert_eq!(ids(&admin.get(&format!("{path}/machines?fingerprint=x&license=x"))), [id(&cast.machine)]);
    let page = admin.get(&format!("{list}?page[number]=2&page[size]=2")).ok(200);
    assert_eq!(page["links"]["meta"], json!({ "pages": 2, "count": 3 }));
    assert_eq!(id(&page["data"][0]), id(&cast.license));
}

// 06 §3.5, 05 §5.4
#[test]
fn environments_of_members() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let (global, isolated, shared) = (server.admin(), inside(&iso, "iso"), inside(&pre, "pre"));
    let group = global.create("groups", json!({ "name": "g" }), Value::Null);
    let licenses = [&global, &isolated, &shared].map(|client| client.quick_license(json!({})));
    join(&server, &group, &licenses.iter().collect::<Vec<_>>());
    let list = format!("groups/{}/licenses", id(&group));
    assert_eq!(ids(&global.get(&list)), [id(&licenses[0])]);
    assert_eq!(ids(&shared.get(&list)), [id(&licenses[2]), id(&licenses[0])]);
    for (client, at, status) in [
        (&global, 0, 200),
        (&global, 1, 200),
        (&global, 2, 200),
        (&shared, 0, 200),
        (&shared, 2, 200),
        (&shared, 1, 403),
    ] {
        let answer = client.get(&format!("{list}/{}", id(&licenses[at])));
        assert_eq!(answer.status, status);
        if status == 403 {
            assert_eq!(reason(&answer), "record environment is not compatible with the current environment");
        }
    }
    assert_eq!(isolated.get(&list).status, 404);
}

/// `{"data": {type, id}}`, or `{"data": null}`.
fn to(group: &Value) -> Value {
    if group.is_null() { json!({ "data": null }) } else { link(group) }
}

// 08 §9.3, 10 §1.12, 06 §3.3
#[test]
fn groups_are_set_and_cleared() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let group = |attributes: Value| admin.create("groups", attributes, Value::Null);
    let first = group(json!({ "name": "first" }));
    let second = group(json!({ "name": "second", "maxLicenses": 1, "maxMachines": 1, "maxUsers": 0 }));
    let full = group(json!({ "name": "full", "maxLicenses": 0, "maxMachines": 0 }));
    let account = select(server, "SELECT id FROM accounts");
    for (record, kind, limit) in [(&cast.license, "license", "LICENSE"), (&cast.machine, "machine", "MACHINE")] {
        let type_ = text(&record["type"]);
        let top = format!("{type_}/{}", id(record));
        let path = format!("{top}/group");
        assert_eq!(admin.get(&path).error(), "404 The requested group was not found|NOT_FOUND|-");
        // the answer is the whole record, by PUT and PATCH alike
        for (method, to_group) in [("PUT", &first), ("PATCH", &second), ("PUT", &second), ("PATCH", &Value::Null)] {
            let answer = admin.call(method, &path, Some(to(to_group).to_string().as_bytes())).ok(200);
            let mut expected = json!({ "data": null });
            if !to_group.is_null() {
                expected = link(to_group);
                assert_eq!(admin.get(&path).ok(200)["data"]["id"], to_group["id"]);
            }
            expected["links"] = json!({ "related": format!("/v1/accounts/{account}/{path}") });
            let relationship = &answer["data"]["relationships"]["group"];
            assert_eq!((&relationship["data"], &relationship["links"]), (&expected["data"], &expected["links"]));
            assert_eq!(answer["data"].to_string(), admin.get(&top).ok(200)["data"].to_string());
            assert!(text(&answer["data"]["attributes"]["updated"]) >= text(&record["attributes"]["updated"]));
        }
        // by key and fingerprint too
        let alias = if kind == "license" { key(record) } else { "cast" };
        admin.put(&format!("{type_}/{alias}/group"), to(&first)).ok(200);
        let pointer = "/data/relationships/group";
        let no_room = |most: i64| {
            let detail = format!("{kind} count has exceeded maximum allowed by current group ({most})");
            format!("422 {detail}|GROUP_{limit}_LIMIT_EXCEEDED|{pointer}")
        };
        for (body, expected) in [
            (Value::Null, "400 is missing|-|/data".to_owned()),
            (json!({}), "400 is missing|-|/data".to_owned()),
            (json!({ "data": [] }), "400 type mismatch (received array expected object)|-|/data".to_owned()),
            (json!({ "data": {} }), "400 is missing|-|/data/type".to_owned()),
            (json!({ "data": { "type": "group" } }), "400 is missing|-|/data/id".to_owned()),
            (json!({ "data": { "type": "users", "id": ZERO } }), "400 is invalid|-|/data/type".to_owned()),
            (
                json!({ "data": { "type": "group", "id": "x" } }),
                "400 type mismatch (received string expected UUID string)|-|/data/id".to_owned(),
            ),
            (
                json!({ "data": { "type": "group", "id": ZERO, "attributes": {} } }),
                "400 unpermitted parameter|-|/data/attributes".to_owned(),
            ),
            (json!({ "data": null, "meta": {} }), "400 unpermitted parameter|-|/meta".to_owned()),
            (to(&json!({ "type": "group", "id": ZERO })), format!("422 must exist|GROUP_NOT_FOUND|{pointer}")),
            (to(&full), no_room(0)),
        ] {
            assert_eq!(outcome(&admin.put(&path, body.clone())), expected, "{kind} {body}");
        }
        let error = &admin.put(&path, to(&full)).body["errors"][0];
        assert_eq!(error["title"], "Unprocessable resource");
        let about = format!("https://keygen.sh/docs/api/{type_}/#{type_}-object-relationships-group");
        assert_eq!(error["links"]["about"], about);
        assert_eq!(admin.get(&path).ok(200)["data"]["id"], first["id"], "nothing changed");
        // room is asked only when the group changes; members of every environment count
        let another = match kind {
            "license" => admin.license(&cast.policy, json!({})),
            _ => admin.machine(&cast.license, "another"),
        };
        let iso = environment(server, kind, "ISOLATED");
        join(server, &second, &[&another]);
        server.sql(&format!("UPDATE {type_} SET environment_id = '{}' WHERE id = '{}'", id(&iso), id(&another)));
        assert_eq!(admin.put(&path, to(&second)).error(), no_room(1));
        let most = |most: Value| {
            let body = body(
                "groups",
                json!({ format!("max{}s", if kind == "license" { "License" } else { "Machine" }): most }),
            );
            admin.patch(&format!("groups/{}", id(&second)), body).ok(200);
        };
        most(Value::Null);
        admin.put(&path, to(&second)).ok(200);
        most(json!(1));
        admin.put(&path, to(&second)).ok(200);
        let update = json!({ "data": { "type": kind, "attributes": { "name": "n" } } });
        admin.patch(&top, update).ok(200);
        admin.put(&path, to(&first)).ok(200);
        assert_eq!(admin.put(&path, to(&second)).error(), no_room(1), "its place is taken by the other");
        let unknown = admin.put(&format!("{type_}/{ZERO}/group"), Value::Null);
        assert_eq!(unknown.error(), format!("404 The requested {kind} '{ZERO}' was not found|NOT_FOUND|-"));
        let events = events_of(server, record);
        assert_eq!(events.matches(&format!("{kind}.group.updated")).count(), 8, "{events}");
        assert_eq!(events.matches(&format!("{kind}.updated")).count(), 1, "{events}");
    }
    // what has a group stays with its record only: a machine keeps its own
    let machine = admin.get(&format!("machines/{}/group", id(&cast.machine))).ok(200);
    admin.put(&format!("licenses/{}/group", id(&cast.license)), to(&Value::Null)).ok(200);
    assert_eq!(admin.get(&format!("machines/{}/group", id(&cast.machine))).ok(200).to_string(), machine.to_string());
}

// 08 §0.1, §1.2; 10 §1.1, §1.12
#[test]
fn who_sets_groups() {
    let company = Company::new();
    let cast = &company.cast;
    for (record, permission) in [(&cast.license, "license.group.update"), (&cast.machine, "machine.group.update")] {
        let path = format!("{}/{}/group", text(&record["type"]), id(record));
        let readers = "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
        let writers = "ok: A D S P; 401: X; 403: Su R L Uo Um Ua; 404: P2 L2 U";
        for round in ["defaults", "every permission"] {
            assert_eq!(cast.outcome(|c| c.get(&path)), readers, "{path} {round}");
            assert_eq!(cast.outcome(|c| c.put(&path, to(&company.group))), writers, "{path} {round}");
            assert_eq!(cast.outcome(|c| c.put(&path, to(&Value::Null))), writers, "{path} {round}");
            // a missing group is 404 before 403
            assert_eq!(
                cast.outcome(|c| c.get(&path)),
                "401: X; 404: A D S Su R P L Uo Um Ua P2 L2 U",
                "{path} {round}"
            );
            // body first (01 §5)
            let expected = "400: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
            assert_eq!(cast.outcome(|c| c.put(&path, json!({}))), expected, "{path} {round}");
            // 403 before 422
            let unknown = to(&json!({ "type": "groups", "id": ZERO }));
            let expected = "401: X; 403: Su R L Uo Um Ua; 404: P2 L2 U; 422: A D S P";
            assert_eq!(cast.outcome(|c| c.put(&path, unknown.clone())), expected, "{path} {round}");
            cast.client("A").put(&path, to(&company.group)).ok(200);
            cast.grant_everything();
        }
        assert_eq!(reason(&cast.client("Su").put(&path, to(&company.group))), NO_REASON);
        assert_eq!(
            reason(&cast.client("L").put(&path, to(&company.group))),
            "license lacks permission to perform action"
        );
        let narrow = cast.client("A").post(
            "tokens",
            json!({ "data": { "type": "tokens", "attributes": { "permissions": ["license.read", "machine.read"] } } }),
        );
        let narrow = cast.server.token(text(&narrow.ok(201)["data"]["attributes"]["token"]));
        assert_eq!(
            reason(&narrow.put(&path, to(&company.group))),
            "token lacks permission to perform action",
            "{permission}"
        );
    }
}

// 08 §1.3, §9.3; 10 §1.12, §6; 05 §5.7
#[test]
fn environments_of_groups_that_are_set() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let (global, isolated, shared) = (server.admin(), inside(&iso, "iso"), inside(&pre, "pre"));
    let [gg, gi, gs] =
        [&global, &isolated, &shared].map(|client| client.create("groups", json!({ "name": "g" }), Value::Null));
    let nothing = json!({ "type": "groups", "id": ZERO });
    let record = "403 record environment is not compatible with the current environment";
    let absent = "403 record is not compatible with the current environment";
    let clash = "422 must be compatible with group environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment";
    let missing = "422 must exist|GROUP_NOT_FOUND|/data/relationships/group";
    let families = [&global, &isolated, &shared].map(|client| {
        let license = client.quick_license(json!({}));
        let machine = client.machine(&license, "fp");
        [license, machine]
    });
    let [of_global, of_isolated, of_shared] = &families;
    for (client, family, group, expected) in [
        (&global, of_global, &gg, "ok"),
        (&global, of_global, &gs, record),
        (&global, of_global, &gi, record),
        (&global, of_global, &nothing, missing),
        (&global, of_global, &Value::Null, "ok"),
        (&shared, of_shared, &gs, "ok"),
        (&shared, of_shared, &gg, record),
        (&shared, of_shared, &gi, record),
        (&shared, of_shared, &nothing, absent),
        (&shared, of_shared, &Value::Null, absent),
        // the record itself may be global there, but fits no group of the environment
        (&shared, of_global, &gs, clash),
        (&shared, of_global, &gg, record),
        (&shared, of_global, &Value::Null, absent),
        (&isolated, of_isolated, &gi, "ok"),
        (&isolated, of_isolated, &gg, record),
        (&isolated, of_isolated, &nothing, absent),
        (&isolated, of_isolated, &Value::Null, absent),
    ] {
        for one in family {
            let path = format!("{}/{}/group", text(&one["type"]), id(one));
            let answer = client.put(&path, to(group));
            let got = if answer.status == 403 { format!("403 {}", reason(&answer)) } else { outcome(&answer) };
            assert_eq!(got, expected, "{path} {group}");
        }
    }
    // a global group that a shared record is in already can be read there (05 §5.5)
    join(&server, &gg, &of_shared.iter().collect::<Vec<_>>());
    for one in of_shared {
        let path = format!("{}/{}", text(&one["type"]), id(one));
        assert_eq!(shared.get(&format!("{path}/group")).ok(200)["data"]["id"], gg["id"]);
        // an update that leaves the group alone does not look at it
        let name = json!({ "data": { "type": one["type"], "attributes": { "name": "n" } } });
        shared.patch(&path, name).ok(200);
    }
}

// 06 §3.3: an inherited group is a change too
#[test]
fn inherited_groups_need_room() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let full = admin.create("groups", json!({ "name": "g", "maxLicenses": 1, "maxMachines": 1 }), Value::Null);
    let owner = person(server, "uo");
    join(server, &full, &[&owner]);
    let create = || {
        let relationships = json!({ "policy": link(&cast.policy), "owner": link(&owner) });
        admin.post("licenses", json!({ "data": { "type": "licenses", "relationships": relationships } }))
    };
    let license = create().ok(201)["data"].clone();
    assert_eq!(license["relationships"]["group"]["data"]["id"], full["id"]);
    let detail = "license count has exceeded maximum allowed by current group (1)";
    assert_eq!(create().error(), format!("422 {detail}|GROUP_LICENSE_LIMIT_EXCEEDED|/data/relationships/group"));
    let machine = admin.machine(&license, "1");
    assert_eq!(machine["relationships"]["group"]["data"]["id"], full["id"]);
    let detail = "machine count has exceeded maximum allowed by current group (1)";
    assert_eq!(
        admin.activate(&license, "2").error(),
        format!("422 {detail}|GROUP_MACHINE_LIMIT_EXCEEDED|/data/relationships/group")
    );
    // a lower limit than there are members touches later additions only
    admin
        .patch(&format!("groups/{}", id(&full)), body("groups", json!({ "maxLicenses": 0, "maxMachines": 0 })))
        .ok(200);
    for record in [&license, &machine] {
        let update = json!({ "data": { "type": record["type"], "attributes": { "name": "n" } } });
        admin.patch(&format!("{}/{}", text(&record["type"]), id(record)), update).ok(200);
    }
    // no limit: as many as come
    admin
        .patch(&format!("groups/{}", id(&full)), body("groups", json!({ "maxLicenses": null, "maxMachines": null })))
        .ok(200);
    create().ok(201);
    admin.machine(&license, "2");
}
