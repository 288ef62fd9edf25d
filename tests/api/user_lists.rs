//! Lists of users: filters, pages, and the status that time gives (04 §4, §5).

use crate::authentication::*;
use crate::support::*;
use crate::users::*;
use serde_json::{Value, json};

/// The part before the `@` of every listed user, oldest first; or the error.
fn names(client: &Client, query: &str) -> String {
    let answer = client.get(&format!("users?{query}"));
    if answer.status != 200 {
        return answer.error();
    }
    let mut names: Vec<String> = answer.body["data"].as_array().unwrap().iter().map(name).collect();
    names.reverse();
    names.join(" ")
}

fn name(user: &Value) -> String {
    text(&user["attributes"]["email"]).split('@').next().unwrap().to_owned()
}

// 04 §4, 01 §15.3
#[test]
fn filters() {
    let server = Server::start();
    let admin = server.admin();
    let shared = environment(&server, "shared", "SHARED");
    let product = admin.product();
    let policies = [&product, &admin.product()].map(|product| admin.policy(product, json!({})));
    let licenses = [0, 1, 1].map(|at: usize| admin.license(&policies[at], json!({})));
    let group = group(&server, None, None);
    let new = |name: &str, metadata: Value| {
        let attributes = json!({ "email": format!("{name}@x.io"), "metadata": metadata });
        admin.create("users", attributes, Value::Null)
    };
    let ann = new("ann", json!({ "plan": "pro", "seats": 5, "tags": { "a": "1", "b": ["x", "y"] } }));
    let bob = new("bob", json!({ "plan": "pro", "seatNo": "5", "active": true, "ratio": 1.5, "none": null }));
    let cid = new("cid", json!({ "plan": "free" }));
    let dan = new("dan", json!({}));
    for role in ["admin", "developer", "sales-agent", "support-agent", "read-only"] {
        person(&admin, role, &format!("{role}@x.io"));
    }
    person(&admin.environment("shared"), "user", "eve@x.io");
    own(&server, &licenses[0], &ann);
    attach(&server, &licenses[0], &bob);
    own(&server, &licenses[1], &bob);
    attach(&server, &licenses[2], &cid);
    attach(&server, &licenses[2], &ann);
    server.sql(&format!("UPDATE users SET group_id = '{}' WHERE email IN ('ann@x.io', 'developer@x.io')", id(&group)));
    admin.post(&format!("{}/actions/ban", path(&dan)), Value::Null).ok(200);
    let everybody = "admin admin developer sales-agent support-agent read-only";
    let all = "ann bob cid dan";
    let [first, second, third] = licenses.each_ref().map(id);
    let raw = id(&product).replace('-', "").to_uppercase();
    for (query, expected) in [
        // roles: role `user` by default
        ("", all),
        ("roles[]=user", all),
        ("roles[]=developer", "developer"),
        ("roles[]=sales-agent", "sales-agent"),
        ("roles[]=sales_agent&roles[]=support-agent", "sales-agent support-agent"),
        ("roles[]=admin&roles[]=nope", "admin admin"),
        ("roles[]=nope", ""),
        ("roles[]=Admin", ""),
        ("roles[]=&roles[]=read-only", "read-only"),
        // a scalar, or only blanks, switch it off
        ("roles=admin&assigned=true", "ann bob"),
        ("roles[]=&roles[]=%20&product=x", ""),
        // status
        ("status=BANNED", "dan"),
        ("status=banned", "dan"),
        ("status=Active", "ann bob cid"),
        ("status=inactive", ""),
        ("status=nope", ""),
        ("status=", all),
        ("status[]=BANNED", all),
        // owning counts
        ("assigned=true", "ann bob"),
        ("assigned=1", "ann bob"),
        ("assigned=whatever", "ann bob"),
        ("assigned=false", "cid dan"),
        ("assigned=0", "cid dan"),
        ("assigned=f", "cid dan"),
        ("assigned=OFF", "cid dan"),
        ("assigned=", all),
        ("active=true", "ann bob"),
        ("active=false", "cid dan"),
        // relations, by id
        (&format!("product={}", id(&product)), "ann bob"),
        (&format!("product={raw}"), "ann bob"),
        (&format!("license={first}"), "ann bob"),
        (&format!("license={second}"), "bob"),
        (&format!("license={third}"), "ann cid"),
        (&format!("license={}", key(&licenses[0])), ""),
        (&format!("group={}", id(&group)), "ann"),
        (&format!("group={}&roles[]=developer", id(&group)), "developer"),
        (&format!("product={}", new_id()), ""),
        ("product=x", ""),
        ("license=x", ""),
        ("group=x", ""),
        ("product=&license=&group=", all),
        (&format!("product[id]={}", id(&product)), all),
        // metadata: containment
        ("metadata[plan]=pro", "ann bob"),
        ("metadata[plan]=pr", ""),
        ("metadata[seats]=5", "ann"),
        ("metadata[seats]=5.0", "ann"),
        ("metadata[seatNo]=5&metadata[plan]=pro", "bob"),
        ("metadata[seat-no]=5", "bob"),
        ("metadata[active]=true", "bob"),
        ("metadata[ratio]=1.50", "bob"),
        ("metadata[none]=null", "bob"),
        ("metadata[tags][a]=1", "ann"),
        ("metadata[tags][b][]=y", "ann"),
        ("metadata[tags][b][]=y&metadata[tags][b][]=z", ""),
        ("metadata[plan]=free&metadata[seats]=5", ""),
        ("metadata[plan]=", all),
        ("metadata=pro", all),
        // together
        (&format!("product={}&assigned=true&metadata[plan]=pro&status=active", id(&product)), "ann bob"),
        (&format!("license={first}&license={third}"), "ann cid"),
        (&format!("license={first}&product={}&group={}", id(&product), id(&group)), "ann"),
        ("assigned=false&status=banned", "dan"),
        ("search=x&email=ann@x.io", all),
    ] {
        assert_eq!(names(&admin, query), expected, "{query}");
    }
    for query in ["roles", "roles=", "roles=admin", "roles[]=", "roles[]=&roles[]=%20", "roles[a]=user"] {
        let names = names(&admin, &format!("{query}&limit=100"));
        let mut names: Vec<&str> = names.split(' ').collect();
        names.sort();
        let mut expected: Vec<&str> = everybody.split(' ').chain(all.split(' ')).collect();
        expected.sort();
        assert_eq!(names, expected, "{query}");
    }
    // within scope and environment
    assert_eq!(names(&admin.environment("shared"), ""), "ann bob cid dan eve");
    assert_eq!(names(&admin.environment("shared"), "assigned=false"), "cid dan eve");
    let inside = server.token(&token_in(&server, &shared, Some(id(&shared)))).environment("shared");
    assert_eq!(names(&inside, "status=active"), "ann bob cid eve");
    let bobs = as_bearer(&server, &bob);
    assert_eq!(names(&bobs, ""), "ann bob");
    assert_eq!(names(&bobs, &format!("license={third}")), "ann", "who is in sight through another license");
    let products = as_bearer(&server, &product);
    assert_eq!(names(&products, &format!("license={third}")), "ann cid");
}

// 04 §4, 01 §15
#[test]
fn pages() {
    let server = Server::start();
    let admin = server.admin();
    for at in 0..12 {
        person(&admin, if at % 4 == 3 { "developer" } else { "user" }, &format!("u{at:02}@x.io"));
    }
    let list = |query: &str| {
        let document = admin.get(&format!("users?{query}")).ok(200);
        let names = document["data"].as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(" ");
        (names, document["links"].clone())
    };
    assert_eq!(list(""), ("u10 u09 u08 u06 u05 u04 u02 u01 u00".into(), Value::Null));
    assert_eq!(list("limit=2").0, "u10 u09");
    assert_eq!(list("limit=2&order=asc&roles[]=user&roles[]=developer").0, "u00 u01");
    let (names, links) = list("page[number]=2&page[size]=2&roles[]=developer");
    assert_eq!(names, "u03");
    let query = |number: i64| {
        format!("/v1/accounts/acme/users?page%5Bnumber%5D={number}&page%5Bsize%5D=2&roles%5B%5D=developer")
    };
    let expected = json!({
        "self": query(2), "prev": query(1), "next": null, "first": query(1), "last": query(2),
        "meta": { "pages": 2, "count": 3 }
    });
    assert_eq!(links, expected);
    // by cursor, to the end
    let (mut seen, mut next) = (Vec::new(), "/v1/accounts/acme/users?page[cursor]=&page[size]=4".to_owned());
    loop {
        let page = admin.get(&next).ok(200);
        seen.extend(page["data"].as_array().unwrap().iter().map(name));
        match page["links"]["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.join(" "), "u10 u09 u08 u06 u05 u04 u02 u01 u00");
    assert_eq!(admin.get("users?limit=0").error(), "400 limit must be a number between 1 and 100 (got 0)|-|limit");
    let reader = as_bearer(&server, &admin.quick_license(json!({})));
    assert_eq!(reader.get("users?limit=0").status, 400, "before 403");
}

// 04 §5
#[test]
fn signs_of_life() {
    let server = Server::start();
    let admin = server.admin();
    let policy = admin.policy(&admin.product(), json!({}));
    let license = admin.license(&policy, json!({}));
    let (owner, attached) = (person(&admin, "user", "owner@x.io"), person(&admin, "user", "attached@x.io"));
    own(&server, &license, &owner);
    attach(&server, &license, &attached);
    const DAY: i64 = 86_400;
    let (old, fresh) = (ago(91 * DAY), ago(89 * DAY));
    let set = |table: &str, column: &str, at: i64, who: &Value| {
        server.sql(&format!("UPDATE {table} SET {column} = {at} WHERE id = '{}'", id(who)));
    };
    let status = |user: &Value| {
        let shown = text(&admin.get(&path(user)).ok(200)["data"]["attributes"]["status"]).to_owned();
        let list = |status: &str| names(&admin, &format!("status={status}&limit=100"));
        let mine = name(&admin.get(&path(user)).ok(200)["data"]);
        let found: Vec<&str> = ["ACTIVE", "INACTIVE", "BANNED"]
            .into_iter()
            .filter(|status| list(status).split(' ').any(|name| name == mine))
            .collect();
        (shown, found.join(" "))
    };
    let both = |text: &str| (text.to_owned(), text.to_owned());
    let people = [&owner, &attached];
    for user in people {
        set("users", "created_at", old, user);
        assert_eq!(status(user), both("ACTIVE"), "the license is new");
    }
    set("licenses", "created_at", old, &license);
    for user in people {
        assert_eq!(status(user), both("INACTIVE"));
        set("users", "created_at", fresh, user);
        assert_eq!(status(user), both("ACTIVE"));
        set("users", "created_at", old, user);
    }
    for column in ["last_validated_at", "last_check_out_at", "last_check_in_at"] {
        set("licenses", column, old, &license);
        people.into_iter().for_each(|user| assert_eq!(status(user), both("INACTIVE"), "{column}"));
        set("licenses", column, fresh, &license);
        people.into_iter().for_each(|user| assert_eq!(status(user), both("ACTIVE"), "{column}"));
        set("licenses", column, old, &license);
    }
    // the API's own signs
    admin.post(&format!("licenses/{}/actions/check-out", id(&license)), Value::Null).ok(200);
    people.into_iter().for_each(|user| assert_eq!(status(user), both("ACTIVE")));
    // a banned owner is banned; its license keeps others active to the eye, but not to the filter
    admin.post(&format!("{}/actions/ban", path(&owner)), Value::Null).ok(200);
    assert_eq!(status(&owner), both("BANNED"));
    assert_eq!(status(&attached), ("ACTIVE".into(), "INACTIVE".into()));
    admin.post(&format!("{}/actions/unban", path(&owner)), Value::Null).ok(200);
    people.into_iter().for_each(|user| assert_eq!(status(user), both("ACTIVE")));
    // an attached user's ban is nobody else's
    admin.post(&format!("{}/actions/ban", path(&attached)), Value::Null).ok(200);
    assert_eq!((status(&attached), status(&owner)), (both("BANNED"), both("ACTIVE")));
    // a new address of an old user is no sign of life
    set("licenses", "last_check_out_at", old, &license);
    admin.patch(&path(&owner), body(json!({ "email": "new@x.io" }))).ok(200);
    assert_eq!(status(&owner), both("INACTIVE"));
}
