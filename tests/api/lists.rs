//! What a request selects: query strings (01 §4.3, §17), lists, pages, links and filters (01 §15), environments (01 §14, 05 §5).

use crate::protocol::{ZERO, account_id, admin_credential, environment, environment_admin, rows, second_account, wire};
use crate::support::*;
use serde_json::{Value, json};

/// Query, and what `GET` of a list answers: `ok`, or the error's detail and parameter.
const QUERIES: &str = r#"
# 01 §15.1: modes
 | ok |
limit=1 | ok |
limit=100 | ok |
limit= | ok |
limit=7x | ok |
limit[]=7 | ok |
page[number]=1 | ok |
page[number]=1&page[size]=100 | ok |
page[number]=2x&page[size]=3.9 | ok |
page[cursor]= | ok |
page[cursor]&page[size]=3 | ok |
page[cursor]=$0 | ok |
page[cursor]=$N | ok |
page[cursor]=&page[number]=0 | ok |
page[number]=1&limit=3 | ok |
page[number]=1&page[size]=3&limit=0 | ok |
page%5Bnumber%5D=1 | ok |
order=asc | ok |
order=DESC | ok |
order=Asc | ok |
page=2 | page must be an object containing a cursor or number and optional size | page
page= | page must be an object containing a cursor or number and optional size | page
page[]=1 | page must be an object containing a cursor or number and optional size | page
page[size]=5 | page must be an object containing a cursor or number and optional size | page
page[x]=1 | page must be an object containing a cursor or number and optional size | page
page[number][x]=1 | page must be an object containing a cursor or number and optional size | page
page[cursor][]=1 | page must be an object containing a cursor or number and optional size | page
page[number]=1&page[size][x]=1 | page must be an object containing a cursor or number and optional size | page
# 01 §15.2: bounds
limit=0 | limit must be a number between 1 and 100 (got 0) | limit
limit=101 | limit must be a number between 1 and 100 (got 101) | limit
limit=-3 | limit must be a number between 1 and 100 (got -3) | limit
limit=x | limit must be a number between 1 and 100 (got 0) | limit
page[number]=1&limit=101 | page size must be a number between 1 and 100 (got 101) | page[size]
page[number]=1&page[size]=0 | page size must be a number between 1 and 100 (got 0) | page[size]
page[number]=1&page[size]=101 | page size must be a number between 1 and 100 (got 101) | page[size]
page[cursor]=&page[size]=x | page size must be a number between 1 and 100 (got 0) | page[size]
page[number]=0 | page number must be a number between 1 and 100 (got 0) | page[number]
page[number]=-1 | page number must be a number between 1 and 100 (got -1) | page[number]
page[number]=x | page number must be a number between 1 and 100 (got 0) | page[number]
page[number]=101 | page number must be a number between 1 and 100 (got 101, please use cursor-based pagination instead) | page[number]
page[number]=0&page[size]=0 | page number must be a number between 1 and 100 (got 0) | page[number]
page[cursor]=foo | page cursor must be a valid UUID (got "foo") | page[cursor]
page[cursor]=$0x | page cursor must be a valid UUID (got "$0x") | page[cursor]
page[cursor]=foo&page[number]=1 | page cursor must be a valid UUID (got "foo") | page[cursor]
order=up | order is invalid | order
order[]=asc | order is invalid | order
# 01 §4.3: unknown parameters and spellings are ignored, also those of other APIs (01 §17)
Page[size]=0 | ok |
Limit=0 | ok |
per_page=0&sort=x&fields[products]=x&filter[name]=x&include=x&expand=x | ok |
a=1&a=2&=3&&b=&c&d[e][f][]=1 | ok |
"#;

// 01 §4.3, §15.1, §15.2, §17
#[test]
fn queries_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({}));
    admin.license(&policy, json!({}));
    let table = QUERIES.replace("$0", ZERO).replace("$N", &ZERO.replace('-', "").to_uppercase());
    for path in [
        "products".to_owned(),
        "tokens".to_owned(),
        format!("products/{}/policies", id(&product)),
        "licenses".to_owned(),
    ] {
        for [query, detail, parameter] in rows(&table) {
            let answer = admin.get(&format!("{path}?{query}"));
            match detail {
                "ok" => assert_eq!(answer.status, 200, "{path}?{query}: {}", answer.detail()),
                detail => assert_eq!(answer.error(), format!("400 {detail}|-|{parameter}"), "{path}?{query}"),
            }
        }
        // Also where nobody but staff may list: pagination comes before authorization (01 §5).
        assert_eq!(server.anonymous().get(&format!("{path}?limit=0")).code(), "TOKEN_MISSING");
    }
    // Syntax errors, on every route and method, without `meta`.
    let detail = "The request could not be completed because it contains invalid query parameters (check encoding)";
    for query in [
        "a=1&a[b]=2",
        "a[b]=2&a=1",
        "a[]=1&a[b]=2",
        "a[]=1&a=2",
        "a[b]=1&a[b][c]=2",
        "a=%4",
        "a=%zz",
        "a=%",
        "%ff=1",
        "a=%C3%28",
        "a=b&%=c",
    ] {
        for (method, path) in
            [("GET", "/v1/products"), ("POST", "/v1/nope"), ("GET", "/v1/ping"), ("DELETE", "/v1/accounts/nope/me")]
        {
            let answer = server.anonymous().call(method, &format!("{path}?{query}"), None);
            assert_eq!(answer.error(), format!("400 {detail}|PARAMETERS_INVALID|-"), "{method} {path}?{query}");
            assert_eq!(answer.body.get("meta"), None);
        }
    }
    // `+` and `%20` are spaces; the last of repeated keys wins.
    let license = admin.license(&policy, json!({ "key": "a b+c d" }));
    admin.machine(&license, "x y");
    for (query, count) in [
        ("fingerprint=x+y", 1),
        ("fingerprint=x%20y", 1),
        ("fingerprint=x%2By", 0),
        ("fingerprint=z&fingerprint=x+y", 1),
        ("key=a+b%2Bc+d", 1),
    ] {
        assert_eq!(ids(&admin.get(&format!("machines?{query}"))).len(), count, "{query}");
    }
    // A credential in the query (03 §2.4), without and beside an `Authorization` header.
    for query in [format!("token={}", server.admin_token), format!("auth=token:{}", server.admin_token)] {
        server.anonymous().get(&format!("me?{query}")).ok(200);
        assert_eq!(server.token("x").get(&format!("me?{query}")).code(), "TOKEN_INVALID");
    }
}

/// The ids of a list.
#[track_caller]
fn ids(answer: &Answer) -> Vec<String> {
    answer.ok(200)["data"].as_array().unwrap().iter().map(|record| id(record).to_owned()).collect()
}

// 01 §15.1, §15.4, §15.5
#[test]
fn lists_are_cut_in_three_ways() {
    let server = Server::start();
    let admin = server.admin();
    let made: Vec<String> = (0..21).map(|i| id(&admin.entitlement(&format!("e{i}"))).to_owned()).collect();
    // Same time, order by id (01 §15.5): all but the oldest and the newest share theirs.
    server.sql(&format!(
        "UPDATE entitlements SET created_at = 1700000000000;
         UPDATE entitlements SET created_at = 1600000000000 WHERE id = '{}';
         UPDATE entitlements SET created_at = 1800000000000 WHERE id = '{}'",
        made[20], made[0]
    ));
    let mut ascending = made.clone();
    ascending.rotate_left(1);
    let oldest = ascending.remove(19);
    ascending.insert(0, oldest);
    let descending: Vec<String> = ascending.iter().rev().cloned().collect();

    for (order, expected) in [("", &descending), ("order=desc", &descending), ("order=asc", &ascending)] {
        // Limit mode: no links.
        let answer = admin.get(&format!("entitlements?{order}"));
        assert_eq!((ids(&answer).as_slice(), answer.body.get("links")), (&expected[..10], None));
        assert_eq!(answer.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["data"]);
        assert_eq!(ids(&admin.get(&format!("entitlements?limit=100&{order}"))), *expected);
        // Offset mode.
        let pages: Vec<String> = (1..=5)
            .flat_map(|n| ids(&admin.get(&format!("entitlements?page[number]={n}&page[size]=5&{order}"))))
            .collect();
        assert_eq!(pages, *expected);
        // Keyset mode: following `next` to the end.
        let (mut walked, mut path) = (Vec::new(), format!("/v1/entitlements?page[cursor]=&page[size]=4&{order}"));
        loop {
            let answer = admin.get(&path);
            let page = ids(&answer);
            let links = answer.body["links"].as_object().unwrap();
            assert_eq!(links.keys().collect::<Vec<_>>(), ["self", "next"]);
            walked.extend(page.iter().cloned());
            let Some(next) = links["next"].as_str() else { break };
            let tail = format!("page%5Bcursor%5D={}&page%5Bsize%5D=4", page[3]);
            let order = if order.is_empty() { String::new() } else { format!("{order}&") };
            assert_eq!(next, format!("/v1/entitlements?{order}{tail}"));
            path = next.to_owned();
        }
        assert_eq!(walked, *expected);
    }
    // A page that ends exactly at the end has no next; a cursor that names no visible record gives nothing.
    assert_eq!(admin.get("entitlements?page[cursor]=&page[size]=21").ok(200)["links"]["next"], Value::Null);
    let strange = admin.get(&format!("entitlements?page[cursor]={ZERO}"));
    let link = format!("/v1/accounts/acme/entitlements?page%5Bcursor%5D={ZERO}&page%5Bsize%5D=10");
    assert_eq!(strange.ok(200), json!({ "data": [], "links": { "self": link, "next": null } }));
    let undashed = descending[2].replace('-', "").to_uppercase();
    assert_eq!(ids(&admin.get(&format!("entitlements?page[cursor]={undashed}&limit=2"))), descending[3..5]);

    // Links repeat the request's path and its parameters but credentials, sorted by encoded name (01 §15.4).
    let link = |number: i64| {
        json!(format!(
            "/v1/accounts/acme/entitlements?a%5Bb%5D=x+%26y&page%5Bnumber%5D={number}&page%5Bsize%5D=5&z%5B%5D=1&z%5B%5D=2"
        ))
    };
    let query = |page: &str| format!("entitlements?z[]=1&{page}&token=t&z[]=2&auth=t&a[b]=x%20%26y");
    for (page, prev, next) in [
        ("page[number]=1&page[size]=5", Value::Null, link(2)),
        ("page[size]=5&page[number]=2", link(1), link(3)),
        ("page[number]=5&limit=5", link(4), Value::Null),
        ("page[number]=6&page[size]=5", Value::Null, Value::Null),
    ] {
        let number = page.split("number]=").nth(1).unwrap()[..1].parse().unwrap();
        let mut links = json!({ "self": link(number), "prev": prev, "next": next, "first": link(1), "last": link(5), "meta": { "pages": 5, "count": 21 } });
        if page.contains("limit") {
            links = serde_json::from_str(
                &links
                    .to_string()
                    .replace("acme/entitlements?a%5Bb%5D=x+%26y&", "acme/entitlements?a%5Bb%5D=x+%26y&limit=5&"),
            )
            .unwrap();
        }
        assert_eq!(admin.get(&query(page)).ok(200)["links"], links, "{page}");
    }
    // The request's own form of path; slug and short prefix stay.
    let account = account_id(&server);
    for path in ["/v1/entitlements", "/v1/accounts/acme/entitlements", &format!("/v1/accounts/{account}/entitlements")]
    {
        let first = admin.get(&format!("{path}?page[number]=1")).ok(200);
        assert_eq!(first["links"]["self"], format!("{path}?page%5Bnumber%5D=1&page%5Bsize%5D=10"));
        let own = text(&first["data"][0]["links"]["self"]);
        assert!(own.starts_with(&format!("/v1/accounts/{account}/entitlements/")), "{own}");
    }
    // Nothing at all.
    let empty = admin.get("machines?page[number]=1").ok(200);
    let link = |number: i64| format!("/v1/accounts/acme/machines?page%5Bnumber%5D={number}&page%5Bsize%5D=10");
    let links = json!({ "self": link(1), "prev": null, "next": null, "first": link(1), "last": link(0), "meta": { "pages": 0, "count": 0 } });
    assert_eq!(empty, json!({ "data": [], "links": links }));
    assert_eq!(admin.get("machines").ok(200), json!({ "data": [] }));
}

// 01 §15.3
#[test]
fn filters_narrow_lists() {
    let server = Server::start();
    let admin = server.admin();
    let (a, b) = (admin.product(), admin.product());
    let attributes = json!({ "floating": true, "authenticationStrategy": "LICENSE" });
    let (pa, pb) = (admin.policy(&a, attributes.clone()), admin.policy(&b, attributes));
    let la = admin.license(&pa, json!({ "key": "KEY-A1", "suspended": true }));
    let lb = admin.license(&pb, json!({ "key": "KEY-B1" }));
    let (ma, mb) = (admin.machine(&la, "FP"), admin.machine(&lb, "fp"));
    admin.post(&format!("products/{}/tokens", id(&a)), Value::Null).ok(200);
    let table = r#"
# ids: any form; what is no UUID matches nothing
licenses | product=$a | la
licenses | product=$A | la
licenses | product=$a&policy=$pa | la
licenses | product=$a&policy=$pb |
licenses | product=nope |
licenses | product=$0 |
licenses | machine=$mb | lb
licenses | group=$0 |
policies | product=$b | pb
machines | product=$b | mb
machines | policy=$pa | ma
machines | license=$la | ma
machines | license=KEY-A1 |
machines | key=KEY-A1 | ma
machines | key=KEY-A1&product=$b |
# text: exactly
machines | fingerprint=FP | ma
machines | fingerprint=F |
# blank values, unknown filters and values of the wrong shape are ignored
licenses | product= | lb la
licenses | product=%20 | lb la
licenses | product | lb la
licenses | product[]=$a | lb la
licenses | product[x]=$a | lb la
licenses | products=$a | lb la
licenses | Product=$a | lb la
licenses | id=$0&name=x&key=x | lb la
machines | fingerprint[]=FP | mb ma
machines | fingerprint[x]=FP | mb ma
tokens | bearer=x | *
# booleans
licenses | suspended=true | la
licenses | suspended=1 | la
licenses | suspended=yes | la
licenses | suspended=x | la
licenses | suspended=false | lb
licenses | suspended=FALSE | lb
licenses | suspended=f | lb
licenses | suspended=F | lb
licenses | suspended=0 | lb
licenses | suspended=off | lb
licenses | suspended=OFF | lb
licenses | suspended= | lb la
licenses | suspended[]=true | lb la
"#;
    let records = [("la", &la), ("lb", &lb), ("ma", &ma), ("mb", &mb), ("pa", &pa), ("pb", &pb), ("a", &a), ("b", &b)];
    let mut table = table.replace("$0", ZERO).replace("$A", &id(&a).replace('-', "").to_uppercase());
    for (name, record) in records {
        table = table.replace(&format!("${name}"), id(record));
    }
    for [path, query, expected] in rows(&table) {
        let got = ids(&admin.get(&format!("{path}?{query}")));
        let names: Vec<&str> =
            got.iter().filter_map(|got| records.iter().find(|(_, r)| id(r) == got).map(|(name, _)| *name)).collect();
        if expected == "*" { assert_eq!(got.len(), 2) } else { assert_eq!(names.join(" "), expected, "{path}?{query}") }
    }
    // Filters count too (01 §15.4), and stay within the bearer's scope.
    let counted = admin.get(&format!("machines?license={}&page[number]=1", id(&la))).ok(200);
    assert_eq!(counted["links"]["meta"], json!({ "pages": 1, "count": 1 }));
    let guest = server.license_key("KEY-B1");
    assert_eq!(ids(&guest.get("machines")), [id(&mb)]);
    assert_eq!(ids(&guest.get(&format!("machines?license={}", id(&la)))), [""; 0]);
    assert_eq!(guest.get("machines?page[number]=1").ok(200)["links"]["meta"]["count"], 1);
    let beyond = guest.get(&format!("machines?page[cursor]={}&order=asc", id(&ma))).ok(200);
    assert_eq!((&beyond["data"], &beyond["links"]["next"]), (&json!([]), &Value::Null));
}

// 01 §14.1, 05 §5.1
#[test]
fn the_environment_is_named_by_header_or_query() {
    let multi = [("KEYGEN_LITE_ACCOUNTS_MODE", "multi"), ("KEYGEN_LITE_ACCOUNTS_DEFAULT_ACCOUNT", "acme")];
    let server = Server::start_with(&multi);
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "Pre", "SHARED"));
    let admin = admin_credential(&server);
    let invalid = "400 environment is invalid|ENVIRONMENT_INVALID|Keygen-Environment";
    let undashed = pre.replace('-', "").to_uppercase();
    for (header, query, code) in [
        (None, "", ""),
        (Some("Pre"), "", "Pre"),
        (Some(pre.as_str()), "", "Pre"),
        (Some(&undashed), "", "Pre"),
        (None, "?environment=Pre", "Pre"),
        (None, &format!("?environment={pre}"), "Pre"),
        // The header wins, also when it is empty.
        (Some("Pre"), "?environment=nope", "Pre"),
        (Some("nope"), "?environment=Pre", "!"),
        (Some(""), "?environment=Pre", "!"),
        (Some(""), "", "!"),
        (Some("  "), "", "!"),
        (Some("pre"), "", "!"),
        (Some("Pre,iso"), "", "!"),
        (Some(ZERO), "", "!"),
        (None, "?environment=", "!"),
        (None, "?environment", "!"),
        (None, "?environment=PRE", "!"),
        (None, "?environment[]=Pre", "!"),
    ] {
        let mut headers = vec![("Authorization", admin.as_str())];
        headers.extend(header.map(|value| ("Keygen-Environment", value)));
        let answer = wire(&server, "GET", &format!("/v1/me{query}"), &headers, b"");
        if code == "!" {
            assert_eq!(answer.error(), invalid, "{header:?} {query}");
            assert_eq!((answer.header("keygen-environment"), answer.header("keygen-bearer")), ("", ""));
            assert_eq!((answer.header("keygen-version"), answer.header("keygen-account").is_empty()), ("1.8", false));
        } else {
            assert_eq!((answer.status, answer.header("keygen-environment")), (200, code), "{header:?} {query}");
        }
    }
    // The code is on errors too, once resolved (05 §5.1); a global token is unknown in an isolated environment (01 §14.2).
    let inside = server.admin().environment(&iso);
    for (caller, status, code) in [
        (server.anonymous().environment("iso"), 401, "TOKEN_MISSING"),
        (inside, 401, "TOKEN_INVALID"),
        (environment_admin(&server, "iso"), 404, "NOT_FOUND"),
    ] {
        let answer = caller.get("products/nope");
        assert_eq!((answer.status, answer.code(), answer.header("keygen-environment")), (status, code, "iso"));
    }
    // An environment of another account is none of this one's.
    second_account(&server);
    server.admin().get("/v1/accounts/beta/me").ok(200);
    assert_eq!(server.admin().environment("Pre").get("/v1/accounts/beta/me").error(), invalid);
}

// 01 §14.2, §14.3, §7.2, 05 §5.2, §5.4–§5.6
#[test]
fn environments_part_records() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let (global, isolated, shared) =
        (server.admin(), environment_admin(&server, "iso"), environment_admin(&server, "pre"));
    let outside = server.admin().environment("pre");
    let (g, i, s) = (global.entitlement("g"), isolated.entitlement("i"), shared.entitlement("s"));
    let account = account_id(&server);
    let named = |record: &Value| record["relationships"]["environment"].clone();
    let related = |id: &str| json!({ "links": { "related": format!("/v1/accounts/{account}/environments/{id}") }, "data": { "type": "environments", "id": id } });
    assert_eq!(named(&g), json!({ "links": { "related": null }, "data": null }));
    assert_eq!((named(&i), named(&s)), (related(&iso), related(&pre)));
    // What each sees, by list and by lookup (id and alias).
    for (caller, seen) in
        [(&global, vec![&g]), (&isolated, vec![&i]), (&shared, vec![&s, &g]), (&outside, vec![&s, &g])]
    {
        assert_eq!(ids(&caller.get("entitlements")), seen.iter().map(|r| id(r).to_owned()).collect::<Vec<_>>());
        assert_eq!(caller.get("entitlements?page[number]=1").ok(200)["links"]["meta"]["count"], seen.len());
        for record in [&g, &i, &s] {
            let status = if seen.contains(&record) { 200 } else { 404 };
            for name in [id(record), text(&record["attributes"]["code"])] {
                assert_eq!(caller.get(&format!("entitlements/{name}")).status, status, "{name}");
            }
            let cursor = caller.get(&format!("entitlements?order=asc&page[cursor]={}", id(record)));
            assert!(status == 200 || cursor.ok(200)["data"] == json!([]));
        }
    }
    // The query says the same as the header, and is kept in links.
    let page = global.get("entitlements?environment=pre&page[number]=1").ok(200);
    assert_eq!(
        page["links"]["self"],
        "/v1/accounts/acme/entitlements?environment=pre&page%5Bnumber%5D=1&page%5Bsize%5D=10"
    );
    assert_eq!(page["links"]["meta"]["count"], 2);
    // Strict rules: in a shared environment global records are read-only; lax ones may be read.
    let reason = |what: &str| format!("403 You do not have permission to complete the request ({what})|-|-");
    let foreign = reason("record environment is not compatible with the current environment");
    let rename = json!({ "data": { "type": "entitlements", "attributes": { "name": "new" } } });
    for caller in [&shared, &outside] {
        assert_eq!(caller.patch(&format!("entitlements/{}", id(&g)), rename.clone()).error(), foreign);
        assert_eq!(caller.delete(&format!("entitlements/{}", id(&g))).error(), foreign);
        caller.patch(&format!("entitlements/{}", id(&s)), rename.clone()).ok(200);
    }
    // A credential works in its environment, a global one in shared environments too.
    assert_eq!(server.admin().environment("iso").get("me").code(), "TOKEN_INVALID");
    outside.get("me").ok(200);
    // Where a new record goes (05 §5.6).
    let create = |client: &Client, code: &str, environment: Option<Value>| {
        let mut data = json!({ "type": "entitlements", "attributes": { "name": code, "code": code } });
        if let Some(environment) = environment {
            data["relationships"] = json!({ "environment": { "data": environment } });
        }
        client.post("entitlements", json!({ "data": data }))
    };
    let to = |id: &str| Some(json!({ "type": "environment", "id": id }));
    for (at, (client, environment, expected)) in [
        (&global, None, Ok(Value::Null)),
        (&global, Some(Value::Null), Ok(Value::Null)),
        (&global, to(&pre), Err(&foreign)),
        (&global, to(ZERO), Err(&foreign)),
        (&isolated, None, Ok(json!(iso))),
        (&isolated, to(&iso), Ok(json!(iso))),
        (&isolated, Some(Value::Null), Err(&foreign)),
        (&isolated, to(&pre), Err(&foreign)),
        (&shared, to(&pre), Ok(json!(pre))),
        (&shared, Some(Value::Null), Err(&foreign)),
        (&outside, None, Ok(json!(pre))),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = create(client, &format!("c{at}"), environment.clone());
        match expected {
            Ok(id) => assert_eq!(
                answer.ok(201)["data"]["relationships"]["environment"]["data"]
                    .get("id")
                    .cloned()
                    .unwrap_or(Value::Null),
                id
            ),
            Err(error) => assert_eq!(answer.error(), *error, "{environment:?}"),
        }
    }
    let bad = create(&global, "x", to("x"));
    assert_eq!(
        bad.error(),
        "400 type mismatch (received string expected UUID string)|-|/data/relationships/environment/data/id"
    );
    let update = json!({ "data": { "type": "entitlements", "attributes": {}, "relationships": { "environment": { "data": null } } } });
    assert_eq!(shared.patch(&format!("entitlements/{}", id(&s)), update).detail(), "unpermitted parameter");
    // Parents supply theirs (05 §5.6 rule 3), and must be compatible (05 §5.7).
    let product = shared.product();
    let data =
        json!({ "type": "policies", "attributes": { "name": "P" }, "relationships": { "product": link(&product) } });
    assert_eq!(global.post("policies", json!({ "data": data })).error(), foreign);
    let policy = shared.policy(&global.product(), json!({}));
    assert_eq!(policy["relationships"]["environment"], related(&pre));
    // Uniqueness is per account, across environments (05 §5.2).
    assert_eq!(create(&isolated, "G", None).code(), "CODE_TAKEN");
    // A member below a parent is not filtered by environment; a mismatch is 403 (05 §5.4).
    let (parent, policy) = (global.product(), global.policy(&global.product(), json!({})));
    let child = shared.policy(&parent, json!({}));
    let path = |child: &Value| format!("products/{}/policies/{}", id(&parent), id(child));
    assert_eq!(shared.get(&path(&child)).ok(200)["data"]["id"], child["id"]);
    assert_eq!(global.get(&path(&child)).ok(200)["data"]["id"], child["id"]);
    assert_eq!(global.get(&path(&policy)).status, 404);
    // Records without an environment of their own can be read anywhere.
    for caller in [&global, &isolated, &shared] {
        caller.get("/v1/accounts/acme").ok(200);
    }
}
