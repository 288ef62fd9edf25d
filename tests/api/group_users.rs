//! Groups of users (04 §6.7, 06 §3.3), and which users the lists below products and groups show (06 §1.4, §3.5).

use crate::authentication::*;
use crate::authorization::*;
use crate::groups::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// `{"data": {type, id}}`, or `{"data": null}`.
fn to(group: &Value) -> Value {
    if group.is_null() { json!({ "data": null }) } else { link(group) }
}

/// The local parts of the addresses in a list, sorted.
fn people(answer: &Answer) -> String {
    let data = answer.ok(200)["data"].clone();
    let mut names: Vec<&str> = data.as_array().unwrap().iter().map(|user| text(&user["attributes"]["email"])).collect();
    names.sort();
    names.iter().map(|name| name.split('@').next().unwrap()).collect::<Vec<_>>().join(" ")
}

// 04 §6.7, 06 §3.3
#[test]
fn groups_of_users() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let group = |attributes: Value| admin.create("groups", attributes, Value::Null);
    let (first, full) =
        (group(json!({ "name": "first", "maxUsers": 1 })), group(json!({ "name": "full", "maxUsers": 0 })));
    let (uo, ua) = (person(server, "uo"), person(server, "ua"));
    let top = format!("users/{}", id(&uo));
    let path = format!("{top}/group");
    assert_eq!(admin.get(&path).ok(200).to_string(), json!({ "data": null }).to_string());
    for (method, group) in [("PUT", &first), ("PATCH", &first), ("PUT", &Value::Null), ("PATCH", &first)] {
        let answer = admin.call(method, &path, Some(to(group).to_string().as_bytes())).ok(200);
        assert_eq!(answer["data"]["relationships"]["group"]["data"], to(group)["data"]);
        assert_eq!(answer["data"].to_string(), admin.get(&top).ok(200)["data"].to_string());
        assert_eq!(admin.get(&path).ok(200)["data"].get("id").unwrap_or(&Value::Null), &group["id"]);
    }
    admin.put("users/uo@example.com/group", to(&first)).ok(200);
    let pointer = "/data/relationships/group";
    let no_room = |most: i64| {
        let detail = format!("user count has exceeded maximum allowed by current group ({most})");
        format!("422 {detail}|GROUP_USER_LIMIT_EXCEEDED|{pointer}")
    };
    for (body, expected) in [
        (json!({}), "400 is missing|-|/data".to_owned()),
        (json!({ "data": { "type": "users", "id": ZERO } }), "400 is invalid|-|/data/type".to_owned()),
        (to(&json!({ "type": "group", "id": ZERO })), format!("422 must exist|GROUP_NOT_FOUND|{pointer}")),
        (to(&full), no_room(0)),
    ] {
        assert_eq!(outcome(&admin.put(&path, body.clone())), expected, "{body}");
    }
    assert_eq!(admin.put(&format!("users/{}/group", id(&ua)), to(&first)).error(), no_room(1));
    // licenses and machines keep their own
    let license = admin.get(&format!("licenses/{}", id(&cast.license))).ok(200);
    assert_eq!(license["data"]["relationships"]["group"]["data"], Value::Null);
    let events = events_of(server, &uo);
    assert_eq!(events.matches("user.group.updated").count(), 5, "{events}");
    // 401, 404, 403, 400
    for round in ["defaults", "every permission"] {
        let writers = "ok: A D S P P2; 401: X; 403: Su R Uo Um Ua; 404: U";
        let missing = |text: &str| text.replace("403: Su R", "403: Su R L").replace("404: U", "404: L2 U");
        assert_eq!(cast.outcome(|c| c.put(&path, to(&first))), missing(writers), "{round}");
        let bodies = "400: A D S P P2; 401: X; 403: Su R Uo Um Ua; 404: U";
        assert_eq!(cast.outcome(|c| c.put(&path, json!({}))), missing(bodies), "{round}");
        cast.grant_everything();
    }
    // the user is what is written (04 §8)
    let pre = environment(server, "pre", "SHARED");
    let shared = server.token(&token_in(server, &pre, Some(id(&pre)))).environment("pre");
    let theirs = user_in(server, "user", "theirs@example.com", Some(id(&pre)));
    let record = "record environment is not compatible with the current environment";
    assert_eq!(reason(&shared.put(&path, to(&Value::Null))), record);
    let path = format!("users/{}/group", id(&theirs));
    for group in [&Value::Null, &group(json!({ "name": "global" })), &Value::Null] {
        shared.put(&path, to(group)).ok(200);
    }
    assert_eq!(admin.put(&path, to(&Value::Null)).status, 404);
}

// 06 §1.4: users of role `user` unless roles are named (04 §4); §3.5: members of any role, without filters
#[test]
fn roles() {
    let company = Company::new();
    let (cast, server) = (&company.cast, &company.cast.server);
    let admin = cast.client("A");
    let boss = user(server, "admin", "boss@example.com");
    for (name, user) in [("developer", person(server, "developer")), ("boss", boss.clone())] {
        attach(server, &cast.license, &user);
        let sql = format!("UPDATE users SET group_id = '{}' WHERE email = '{name}@example.com'", id(&company.group));
        server.sql(&sql);
    }
    let path = format!("products/{}/users", id(&cast.product));
    for (query, seen, by_product) in [
        ("", "ua um uo", "ua um uo"),
        ("?roles[]=developer", "developer", ""),
        ("?roles[]=developer&roles[]=user", "developer ua um uo", "ua um uo"),
        ("?roles[]=admin", "boss", ""),
        ("?roles=x", "boss developer ua um uo", "ua um uo"),
    ] {
        assert_eq!(people(&admin.get(&format!("{path}{query}"))), seen, "{query}");
        assert_eq!(people(&cast.client("P").get(&format!("{path}{query}"))), by_product, "{query}");
    }
    admin.get(&format!("{path}/{}", id(&boss))).ok(200);
    let path = format!("{}/users", company.path());
    for (name, seen) in [
        ("A", "boss developer ua uo"),
        ("R", "boss developer ua uo"),
        ("Um", "boss developer ua uo"),
        ("P", "boss developer ua uo"),
    ] {
        assert_eq!(people(&cast.client(name).get(&format!("{path}?roles[]=admin"))), seen, "{name}");
        assert_eq!(cast.client(name).get(&format!("{path}/BOSS@example.com")).status, 200, "{name}");
    }
}
