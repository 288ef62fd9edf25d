//! Below a product: licenses, machines and users (06 §1.4), tokens (06 §1.5); licenses and machines by user and owner (08 §3.1,
//! 10 §1.11).

use crate::authentication::*;
use crate::authorization::*;
use crate::groups::person;
use crate::products::*;
use crate::protocol::{ZERO, rows};
use crate::support::*;
use serde_json::{Value, json};

/// The ids of a list, in its order.
#[track_caller]
fn ids(answer: &Answer) -> Vec<String> {
    answer.ok(200)["data"].as_array().unwrap().iter().map(|record| id(record).to_owned()).collect()
}

// 06 §1.4
#[test]
fn who_may() {
    let cast = Cast::new(json!({ "floating": true, "authenticationStrategy": "MIXED" }));
    let admin = cast.client("A");
    let path = format!("products/{}", id(&cast.product));
    let foreign = admin.quick_license(json!({}));
    let machine = admin.machine(&foreign, "elsewhere");
    let stranger = person(&cast.server, "u");
    let other_policy = admin.policy(&admin.product(), json!({}));
    for round in ["defaults", "every permission"] {
        for (member, other) in
            [(&cast.policy, &other_policy), (&cast.license, &foreign), (&cast.machine, &machine), (&cast.um, &stranger)]
        {
            let list = format!("{path}/{}", text(&member["type"]));
            let one = format!("{list}/{}", id(member));
            let expected = "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U";
            assert_eq!(cast.outcome(|c| c.get(&list)), expected, "{list} {round}");
            assert_eq!(cast.outcome(|c| c.get(&one)), expected, "{one} {round}");
            // the same document as on its own route
            let top = admin.get(&format!("{}/{}", text(&member["type"]), id(member)));
            if top.status == 200 {
                assert_eq!(admin.get(&one).ok(200).to_string(), top.body.to_string());
            }
            // what is not below the product is 404, also for those who see it elsewhere
            let kind = match text(&member["type"]) {
                "policies" => "policy".to_owned(),
                type_ => type_.trim_end_matches('s').to_owned(),
            };
            for nobody in [id(other), ZERO, "nobody"] {
                let missing = format!("404 The requested {kind} '{nobody}' was not found|NOT_FOUND|-");
                assert_eq!(admin.get(&format!("{list}/{nobody}")).error(), missing, "{list}");
            }
        }
        cast.grant_everything();
    }
    // a product that everybody may see is no way in
    cast.server.sql("UPDATE products SET distribution_strategy = 'OPEN'");
    for list in ["policies", "licenses", "machines", "users", "tokens"] {
        let expected = "ok: A D S Su R P; 401: X; 403: L Uo Um Ua L2 U; 404: P2";
        assert_eq!(cast.outcome(|c| c.get(&format!("{path}/{list}"))), expected, "{list}");
    }
    assert_eq!(reason(&cast.client("Uo").get(&format!("{path}/licenses"))), NO_REASON);
    assert_eq!(cast.client("X").get(&path).code(), "TOKEN_MISSING", "06 §0");
    // the permission is the member's (06 §1.4); a changed set narrows the tokens that there are (06 §1.2)
    for (permission, open) in [
        ("license.read", "licenses"),
        ("machine.read", "machines"),
        ("user.read", "users"),
        ("policy.read", "policies"),
    ] {
        admin.patch(&path, body("products", json!({ "permissions": [permission] }))).ok(200);
        for list in ["policies", "licenses", "machines", "users", "tokens"] {
            let answer = cast.client("P").get(&format!("{path}/{list}"));
            match list == open {
                true => assert_eq!(answer.status, 200, "{permission} {list}"),
                false => assert_eq!(reason(&answer), "product lacks permission to perform action"),
            }
        }
    }
    // an unknown product comes first
    for list in ["licenses", "machines/x", "users?limit=0"] {
        let answer = admin.get(&format!("products/{ZERO}/{list}"));
        assert_eq!(answer.error(), format!("404 The requested product '{ZERO}' was not found|NOT_FOUND|-"));
    }
    // bad pages before 403 (01 §15.2)
    assert_eq!(cast.client("L").get(&format!("{path}/licenses?limit=0")).status, 400);
}

/// What `GET products/{id}/…` gives, by the names below.
const BELOW: &str = r#"
# 06 §1.4: by code, newest first
products/$a/licenses | l3 l2 l1
products/app/licenses | l3 l2 l1
products/$b/licenses | lb
products/$a/licenses?order=asc | l1 l2 l3
products/$a/licenses?limit=1 | l3
products/$a/licenses?page[number]=2&page[size]=2 | l1
# its filters, and no others
products/$a/licenses?policy=$p1 | l2 l1
products/$a/licenses?policy=$p2&suspended=true | l3
products/$a/licenses?policy=nope |
products/$a/licenses?suspended=true | l3
products/$a/licenses?suspended=false | l2 l1
products/$a/licenses?user=$owner | l2 l1
products/$a/licenses?user=owner@example.com | l2 l1
products/$a/licenses?user=licensee@example.com | l3 l1
products/$a/licenses?user=licensee@example.com&policy=$p2 | l3
products/$a/licenses?user=$nobody |
products/$b/licenses?user=$owner | lb
products/$a/licenses?product=$b&owner=$0&group=$0&machine=$0 | l3 l2 l1
products/$a/licenses?user= | l3 l2 l1
products/$a/licenses?user[]=$owner | l3 l2 l1
# members by id or alias
products/$a/licenses/$l1 | l1
products/$a/licenses/KEY.L1 | l1
products/$a/machines | m2 m1
products/$a/machines?fingerprint=a%3Ab | m1
products/$a/machines?fingerprint=b |
products/$a/machines?license=$l1 | m1
products/$a/machines?license=$lb |
products/$a/machines?license=KEY.L1 |
products/$a/machines?user=$owner | m2 m1
products/$a/machines?user=licensee@example.com | m1
products/$a/machines?user=$nobody |
products/$a/machines?product=$b&policy=$0&owner=$0&ip=x&key=x | m2 m1
products/$a/machines/$m1 | m1
products/$a/machines/a:b | m1
products/$b/machines | mb
# users that own or are attached to a license of the product, each once
products/$a/users | licensee owner
products/$b/users | owner
products/$a/users?product=$b&group=$0&license=$0 | licensee owner
products/$a/users/$owner | owner
products/$a/users/licensee@example.com | licensee
products/$b/users/owner@example.com | owner
"#;

// 06 §1.4
#[test]
fn what_is_below() {
    let server = Server::start();
    let admin = server.admin();
    let a = admin.create("products", json!({ "name": "a", "code": "app" }), Value::Null);
    let b = admin.product();
    let [p1, p2, pb] = [&a, &a, &b].map(|product| admin.policy(product, json!({ "floating": true })));
    let [owner, licensee, nobody] =
        ["owner", "licensee", "nobody"].map(|name| user(&server, "user", &format!("{name}@example.com")));
    let l1 = admin.license(&p1, json!({ "key": "KEY.L1" }));
    let (l2, l3) = (admin.license(&p1, json!({})), admin.license(&p2, json!({ "suspended": true })));
    let lb = admin.license(&pb, json!({}));
    own(&server, &l1, &owner);
    own(&server, &l2, &owner);
    own(&server, &lb, &owner);
    attach(&server, &l1, &licensee);
    attach(&server, &l3, &licensee);
    let (m1, m2, mb) = (admin.machine(&l1, "a:b"), admin.machine(&l2, "m2"), admin.machine(&lb, "mb"));
    let records = [
        ("a", &a),
        ("b", &b),
        ("p1", &p1),
        ("p2", &p2),
        ("owner", &owner),
        ("licensee", &licensee),
        ("nobody", &nobody),
        ("l1", &l1),
        ("l2", &l2),
        ("l3", &l3),
        ("lb", &lb),
        ("m1", &m1),
        ("m2", &m2),
        ("mb", &mb),
    ];
    let own_token = server.token(&admin.token_for(&a));
    for [path, expected] in rows(BELOW) {
        let mut target = path.replace("$0", ZERO);
        // longest names first: `$lb` is not `$l`…
        for (name, record) in records.iter().rev() {
            target = target.replace(&format!("${name}"), id(record));
        }
        let named = |answer: &Answer| {
            let data = answer.ok(200)["data"].clone();
            let found = if data.is_array() { data.as_array().unwrap().clone() } else { vec![data] };
            let name =
                |found: &Value| records.iter().find(|(_, r)| r["id"] == found["id"]).map_or("?", |(name, _)| name);
            found.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(named(&admin.get(&target)), expected, "{path}");
        if target.starts_with(&format!("products/{}", id(&a))) {
            assert_eq!(named(&own_token.get(&target)), expected, "{path} for the product itself");
        }
    }
    let page = admin.get(&format!("products/{}/users?page[number]=1&page[size]=1", id(&a))).ok(200);
    assert_eq!(page["links"]["meta"], json!({ "pages": 2, "count": 2 }));
    // lists are linked to from the product
    for name in ["policies", "licenses", "machines", "users", "tokens"] {
        let link = text(&a["relationships"][name]["links"]["related"]).to_owned();
        assert_eq!(admin.get(&link).status, 200, "{link}");
    }
}

// 06 §1.4, 05 §5.4: lists keep to the environment, of one member a mismatch is 403
#[test]
fn environments() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let (global, shared) = (server.admin(), inside(&pre, "pre"));
    let product = global.product();
    let policy = global.policy(&product, json!({ "floating": true }));
    let families = [&global, &shared].map(|client| {
        let license = client.license(&policy, json!({}));
        let machine = client.machine(&license, &new_id());
        (license, machine)
    });
    let people =
        [None, Some(id(&pre))].map(|environment| user_in(&server, "user", &format!("{}@x.com", new_id()), environment));
    for ((license, _), person) in families.iter().zip(&people) {
        own(&server, license, person);
    }
    let [(lg, mg), (ls, ms)] = &families;
    for (list, g, s) in [("licenses", lg, ls), ("machines", mg, ms), ("users", &people[0], &people[1])] {
        let path = format!("products/{}/{list}", id(&product));
        assert_eq!(ids(&global.get(&path)), [id(g)]);
        assert_eq!(ids(&shared.get(&path)), [id(s), id(g)]);
        for member in [g, s] {
            let one = format!("{path}/{}", id(member));
            assert_eq!((global.get(&one).status, shared.get(&one).status), (200, 200), "reads in global see all");
        }
        server.sql(&format!("UPDATE {list} SET environment_id = '{}' WHERE id = '{}'", id(&iso), id(s)));
        assert_eq!(ids(&shared.get(&path)), [id(g)]);
        let answer = shared.get(&format!("{path}/{}", id(s)));
        assert_eq!(reason(&answer), "record environment is not compatible with the current environment");
    }
    // the parent is looked up in the environment
    assert_eq!(inside(&iso, "iso").get(&format!("products/{}/licenses", id(&product))).status, 404);
}

// 06 §1.5
#[test]
fn tokens() {
    let cast = Cast::new(json!({}));
    let path = format!("products/{}/tokens", id(&cast.product));
    let expected = "ok: A D; 401: X; 403: S Su R P L Uo Um Ua; 404: P2 L2 U";
    for round in ["defaults", "every permission"] {
        assert_eq!(cast.outcome(|c| c.post(&path, Value::Null)), expected, "{round}");
        assert_eq!(
            cast.outcome(|c| c.get(&path)),
            "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U",
            "{round}"
        );
        cast.grant_everything();
    }
    let admin = cast.client("A");
    let token = |attributes: Value| admin.post(&path, json!({ "data": { "type": "token", "attributes": attributes } }));
    let answer = token(json!({ "name": null, "expiry": null }));
    let made = answer.ok(200)["data"].clone();
    assert_eq!(answer.header("location"), "");
    let attributes = &made["attributes"];
    assert_eq!((&attributes["kind"], &attributes["expiry"]), (&json!("product-token"), &Value::Null));
    let bearer = json!({ "type": "products", "id": cast.product["id"] });
    assert_eq!(made["relationships"]["bearer"]["data"], bearer);
    assert!(text(&attributes["token"]).starts_with("prod-"));
    // one an answer: A and D in both rounds, and this one
    assert_eq!(events(&cast.server, "token.generated"), "5");
    let unsupported = "422 unsupported permissions|PERMISSIONS_NOT_ALLOWED|/data/attributes/permissions";
    let set = |set: &str| cast.server.sql(&format!("UPDATE products SET permissions = '{set}'"));
    for (own, sent, expected) in [
        (r#"["license.read"]"#, json!(["license.read"]), "ok"),
        (r#"["license.read"]"#, json!(["machine.read"]), unsupported),
        (r#"["license.read"]"#, json!(["nope"]), unsupported),
        (r#"["*"]"#, json!(["machine.read"]), "ok"),
        (r#"["*"]"#, json!(["product.create"]), unsupported),
    ] {
        set(own);
        assert_eq!(outcome(&token(json!({ "permissions": sent }))), expected, "{own} {sent}");
    }
    // from global only global tokens; in a shared environment one of its own, also for a global product
    let (pre, iso) = (environment(&cast.server, "pre", "SHARED"), environment(&cast.server, "iso", "ISOLATED"));
    let inside = |environment: &Value, code: &str| {
        cast.server.token(&token_in(&cast.server, environment, Some(id(environment)))).environment(code)
    };
    let of =
        |environment: Value| json!({ "data": { "type": "token", "relationships": { "environment": environment } } });
    let record = "record environment is not compatible with the current environment";
    let shared = inside(&pre, "pre");
    for (client, body, expected) in [
        (admin, of(json!({ "data": null })), &Value::Null),
        (admin, of(link(&pre)), &json!(record)),
        (&shared, Value::Null, &pre["id"]),
        (&shared, of(link(&pre)), &pre["id"]),
        (&shared, of(json!({ "data": null })), &json!(record)),
    ] {
        let answer = client.post(&path, body);
        let got = match answer.status {
            403 => json!(reason(&answer)),
            _ => answer.ok(200)["data"]["relationships"]["environment"]["data"].get("id").cloned().unwrap_or_default(),
        };
        assert_eq!(got, *expected);
    }
    assert_eq!(inside(&iso, "iso").post(&path, Value::Null).status, 404);
    // all of the product's that the environment sees are listed
    let listed = |client: &Client| ids(&client.get(&format!("{path}?limit=100"))).len();
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM tokens WHERE product_id = '{}' {condition}", id(&cast.product));
        select(&cast.server, &sql).parse::<usize>().unwrap()
    };
    assert_eq!((listed(admin), listed(&shared)), (count("AND environment_id IS NULL"), count("")));
    assert_eq!(count("") - count("AND environment_id IS NULL"), 2);
    let error = &token(json!({ "permissions": ["nope"] })).body["errors"][0];
    assert_eq!(error["links"]["about"], "https://keygen.sh/docs/api/tokens/#tokens-object-attrs-permissions");
}

/// Path, query, bearer, and the names that are left.
const BY_USER: &str = r#"
# 08 §3.1: owner or attached; by id, or by email in any case
licenses | user=$owner | A | l2 l1
licenses | user=$licensee | A | l3 l1
licenses | user=Owner@Example.COM | A | l2 l1
licenses | user=licensee@example.com | P | l3 l1
licenses | user=$both | A | l4
licenses | user=owner@example | A |
licenses | user=%25@example.com | A |
licenses | user=owner | A |
licenses | user=$0 | A |
licenses | user= | A | l4 l3 l2 l1
licenses | user[]=$owner | A | l4 l3 l2 l1
licenses | user=$owner&policy=$policy&suspended=false | A | l2 l1
# users have their own scope in its place
licenses | user=$owner | licensee | l3 l1
licenses | user=nonsense | licensee | l3 l1
# 08 §3.1: the owner alone
licenses | owner=$owner | A | l2 l1
licenses | owner=$licensee | A |
licenses | owner=OWNER@example.com | A | l2 l1
licenses | owner=both@example.com | A | l4
licenses | owner=x | A |
licenses | owner=$owner&user=$licensee | A | l1
licenses | owner=$owner | licensee | l1
licenses | owner= | A | l4 l3 l2 l1
# 10 §1.11: users of the machine's license, and the machine's owner; emails exactly
machines | user=$owner | A | m2 m1
machines | user=$licensee | A | m3 m1
machines | user=licensee@example.com | A | m3 m1
machines | user=Licensee@example.com | A |
machines | user=$0 | A |
machines | user=x | A |
machines | user= | A | m3 m2 m1
machines | user[a]=$owner | A | m3 m2 m1
machines | user=$owner | licensee | m1
machines | user=nonsense | licensee |
machines | owner=$licensee | A | m1
machines | owner=licensee@example.com | A | m1
machines | owner=LICENSEE@example.com | A |
machines | owner=$owner | A |
machines | owner=$licensee&user=$owner | A | m1
machines | owner=$licensee&license=$l3 | A |
# 08 §9.8
licenses/$l1/machines | user=$licensee | A | m1
licenses/$l2/machines | user=$licensee | A |
# 07 §5
policies/$policy/licenses | user=$licensee | A | l3 l1
policies/$policy/licenses | user=owner@example.com&suspended=true | A |
"#;

// 08 §3.1, §9.8; 10 §1.11; 01 §15.3
#[test]
fn licenses_and_machines_by_user() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "floating": true }));
    let [owner, licensee, both] =
        ["owner", "licensee", "both"].map(|name| user(&server, "user", &format!("{name}@example.com")));
    let [l1, l2, l3, l4] = [1, 2, 3, 4].map(|_| admin.license(&policy, json!({})));
    own(&server, &l1, &owner);
    own(&server, &l2, &owner);
    own(&server, &l4, &both);
    attach(&server, &l1, &licensee);
    attach(&server, &l3, &licensee);
    let [m1, m2, m3] = [&l1, &l2, &l3].map(|license| admin.machine(license, &new_id()));
    server.sql(&format!("UPDATE machines SET owner_id = '{}' WHERE id = '{}'", id(&licensee), id(&m1)));
    let records = [
        ("policy", &policy),
        ("owner", &owner),
        ("licensee", &licensee),
        ("both", &both),
        ("l1", &l1),
        ("l2", &l2),
        ("l3", &l3),
        ("l4", &l4),
        ("m1", &m1),
        ("m2", &m2),
        ("m3", &m3),
    ];
    let clients = [
        ("A", admin.clone()),
        ("P", server.token(&admin.token_for(&product))),
        ("licensee", as_bearer(&server, &licensee)),
    ];
    for [path, query, who, expected] in rows(BY_USER) {
        let mut target = format!("{path}?{query}").replace("$0", ZERO);
        for (name, record) in records {
            target = target.replace(&format!("${name}"), id(record));
        }
        let client = &clients.iter().find(|(name, _)| *name == who).unwrap().1;
        let found = ids(&client.get(&target));
        let name = |found: &String| records.iter().find(|(_, r)| id(r) == found).map_or("?", |(name, _)| *name);
        assert_eq!(found.iter().map(name).collect::<Vec<_>>().join(" "), expected, "{path}?{query} for {who}");
    }
}

// 06 §1.6: groups stay, and so does what has to do with another product
#[test]
fn deletion_leaves_groups() {
    let server = Server::start();
    let admin = server.admin();
    let group = admin.create("groups", json!({ "name": "g" }), Value::Null);
    let license = admin.quick_license(json!({}));
    admin.put(&format!("licenses/{}/group", id(&license)), link(&group)).ok(200);
    let owner = user(&server, "user", "o@example.com");
    own(&server, &license, &owner);
    let product = id(&license["relationships"]["product"]["data"]).to_owned();
    admin.delete(&format!("products/{product}")).ok(204);
    assert_eq!(counts(&server, &["licenses", "groups", "users"]), "licenses 0, groups 1, users 2");
    assert_eq!(ids(&admin.get(&format!("groups/{}/licenses", id(&group)))), [] as [&str; 0]);
}
