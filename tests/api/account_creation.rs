//! Making accounts over the API, in multi mode (05 §1.3, §1.5, D3, D4, D28).

use crate::authentication::*;
use crate::support::*;
use crate::users::catalogue;
use serde_json::{Value, json};

const MULTI: [(&str, &str); 1] = [("KEYGEN_LITE_ACCOUNTS_MODE", "multi")];

/// The body of a creation; `Null` attributes are left out.
pub fn body(attributes: Value, admins: Value) -> Value {
    let mut data = json!({ "type": "accounts" });
    if !attributes.is_null() {
        data["attributes"] = attributes;
    }
    data["relationships"] = json!({ "admins": { "data": admins } });
    json!({ "data": data })
}

/// An administrator in such a body.
pub fn admin(attributes: Value) -> Value {
    json!({ "type": "users", "attributes": attributes })
}

/// A server for several accounts.
pub fn multi() -> Server {
    Server::start_with(&MULTI)
}

// 05 §1.5, §1.2, D4
#[test]
fn accounts_are_made() {
    let server = multi();
    let mut sent = body(
        json!({ "name": "Beta & Co", "slug": "beta", "protected": true }),
        json!([
            admin(json!({
                "email": " Ada@Beta.Example ", "password": "secret one", "firstName": "Ada", "lastName": null,
                "metadata": { "DeskNo": 1 }, "role": "admin"
            })),
            { "type": "user", "attributes": { "email": "bob@beta.example", "firstName": "", "password": "" } }
        ]),
    );
    sent["data"]["relationships"]["plan"] = json!({ "data": { "type": "plans", "id": "whatever", "x": [[{}]] } });
    sent["meta"] = json!({ "referral": "somebody" });
    let logged = select(&server, "SELECT count(*) FROM event_logs");
    // credentials are not read
    let answer = server.token("nope").post("/v1/accounts", sent);
    let made = answer.ok(201)["data"].clone();
    let account = id(&made).to_owned();
    let attributes = made["attributes"].as_object().unwrap();
    let names: Vec<&str> = attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["name", "slug", "apiVersion", "protected", "status", "created", "updated"]);
    let expected =
        json!({ "name": "Beta & Co", "slug": "beta", "apiVersion": "1.8", "protected": true, "status": "SUBSCRIBED" });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(attributes[name], *value);
    }
    let location = format!("http://localhost:{}/v1/accounts/{account}", server.port);
    assert_eq!((answer.header("location"), answer.header("keygen-mode")), (location.as_str(), "multiplayer"));
    assert_eq!(select(&server, "SELECT count(*) FROM event_logs"), logged, "no event");

    let login = |email: &str, password: &str| {
        server.with(&basic(&format!("{email}:{password}"))).post("/v1/accounts/beta/tokens", Value::Null)
    };
    let token = login("ada@beta.example", "secret one").ok(201)["data"].clone();
    assert_eq!(token["attributes"]["kind"], "admin-token");
    assert_eq!(login("bob@beta.example", "").code(), "PASSWORD_NOT_SUPPORTED", "a blank one is none");
    let ada = server.token(text(&token["attributes"]["token"]));
    let shown = ada.get("/v1/accounts/beta").ok(200)["data"].clone();
    assert_eq!(shown.to_string(), made.to_string());
    let users = ada.get("/v1/accounts/beta/users?roles[]=admin&order=asc").ok(200);
    let people: Vec<Value> = users["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| {
            assert_eq!(user["attributes"]["permissions"], catalogue("admin", "default"));
            assert_eq!(user["relationships"]["environment"]["data"], Value::Null);
            assert_eq!(user["relationships"]["account"]["data"]["id"], account);
            let attributes = &user["attributes"];
            json!([
                attributes["email"],
                attributes["role"],
                attributes["firstName"],
                attributes["lastName"],
                attributes["metadata"]
            ])
        })
        .collect();
    let expected = [
        json!(["ada@beta.example", "admin", "Ada", null, { "deskNo": 1 }]),
        json!(["bob@beta.example", "admin", "", null, {}]),
    ];
    assert_eq!(people, expected);
    // the version of the request is pinned
    let one = |email: &str| json!([admin(json!({ "email": email }))]);
    let older = server.anonymous().header("Keygen-Version", "1.5");
    let made = older.post("/v1/accounts", body(Value::Null, one("a@pinned.example")));
    assert_eq!(made.ok(201)["data"]["attributes"]["apiVersion"], "1.5");
    let unknown = server.anonymous().header("Keygen-Version", "2.0");
    let answer = unknown.post("/v1/accounts", body(Value::Null, one("a@unknown.example")));
    assert_eq!(answer.error(), "400 unsupported API version requested|INVALID_API_VERSION|-", "01 §13");
    // no list, no other method
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(server.admin().call(method, "/v1/accounts", None).status, 404, "{method}");
    }
}

// 05 §1.5, D28
#[test]
fn slug_and_name_come_from_the_last_address() {
    let server = multi();
    let make = |attributes: Value, emails: &[&str]| {
        let admins: Vec<Value> = emails.iter().map(|email| admin(json!({ "email": email }))).collect();
        server.anonymous().post("/v1/accounts", body(attributes, json!(admins)))
    };
    let got = |answer: &Answer| {
        let attributes = &answer.ok(201)["data"]["attributes"];
        format!("{} {}", text(&attributes["slug"]), text(&attributes["name"]))
    };
    for (attributes, emails, expected) in [
        (Value::Null, &["ada@acme.example"][..], "acme-example acme.example"),
        (json!({}), &["x@first.example", "Ada@Sub.Last-Corp.example"], "sub-last-corp-example sub.last-corp.example"),
        (json!({ "name": null, "slug": null }), &["ada_b@gmail.com"], "ada-b ada_b"),
        (Value::Null, &["a.b+c@cs.mit.edu"], "a-b-c a.b+c"),
        (json!({ "slug": "kept" }), &["eve@gmail.com"], "kept eve"),
        (json!({ "name": "Kept" }), &["ada@named.example"], "named-example Kept"),
        (json!({ "name": "Both", "slug": "both" }), &["ada@acme.example"], "both Both"),
    ] {
        assert_eq!(got(&make(attributes, emails)), expected, "{emails:?}");
    }
    // taken: a suffix with public providers, an error with others
    let taken = make(Value::Null, &["bob@acme.example"]);
    let detail = "already exists for this domain (please use a different domain or use account recovery)";
    assert_eq!(taken.error(), format!("422 {detail}|SLUG_NOT_ALLOWED|/data/attributes/slug"));
    let suffixed = got(&make(Value::Null, &["ada.b@web.de"]));
    let (slug, name) = suffixed.split_once(' ').unwrap();
    let suffix = slug.strip_prefix("ada-b-").unwrap();
    assert!(!suffix.is_empty() && suffix.bytes().all(|b| b.is_ascii_alphanumeric()), "{slug}");
    assert_eq!(name, "ada.b");
    let uuid_like = make(Value::Null, &["0198f000-0000-7000-8000-000000000000@gmail.com"]);
    assert_eq!(uuid_like.error(), "422 cannot resemble a UUID|SLUG_NOT_ALLOWED|/data/attributes/slug");
    assert_eq!(make(Value::Null, &["a@0198f000000070008000000000.000000"]).code(), "SLUG_NOT_ALLOWED");
}

// 05 §1.3, §1.2
#[test]
fn given_slugs_follow_the_rules() {
    let server = multi();
    let pointer = "/data/attributes/slug";
    let shape = "can only contain lowercase letters, numbers and dashes (but cannot start with dash)";
    let invalid = format!("{shape}|SLUG_INVALID|{pointer}");
    let taken = format!("has already been taken|SLUG_TAKEN|{pointer}");
    for (slug, errors) in [
        ("acme".to_owned(), vec![taken.clone()]),
        ("ACME".into(), vec![invalid.clone(), taken]),
        ("a".into(), vec![invalid.clone()]),
        ("actions".into(), vec![format!("is reserved|SLUG_NOT_ALLOWED|{pointer}")]),
        (
            format!("-{}", "x".repeat(255)),
            vec![invalid, format!("is too long (maximum is 255 characters)|SLUG_TOO_LONG|{pointer}")],
        ),
        ("0198f000000070008000000000000000".into(), vec![format!("cannot resemble a UUID|SLUG_NOT_ALLOWED|{pointer}")]),
    ] {
        let sent = body(json!({ "slug": slug }), json!([admin(json!({ "email": "a@gmail.com" }))]));
        let answer = server.anonymous().post("/v1/accounts", sent);
        assert_eq!((answer.status, answer.errors()), (422, errors), "{slug}");
        assert_eq!(
            answer.body["errors"][0]["links"]["about"],
            "https://keygen.sh/docs/api/accounts/#accounts-object-attrs-slug"
        );
    }
    // a change to another account's slug
    let sent = body(json!({ "slug": "beta" }), json!([admin(json!({ "email": "a@gmail.com", "password": "secret" }))]));
    server.anonymous().post("/v1/accounts", sent).ok(201);
    let change = |slug: &str| json!({ "data": { "type": "account", "attributes": { "slug": slug } } });
    let rename = |slug: &str| server.admin().patch("/v1/accounts/acme", change(slug));
    assert_eq!(rename("beta").error(), format!("422 has already been taken|SLUG_TAKEN|{pointer}"));
    assert_eq!(rename("BETA").errors().len(), 2);
    rename("gamma").ok(200);
    assert_eq!(server.admin().get("/v1/accounts/acme").status, 404);
    server.admin().patch("/v1/accounts/gamma", change("acme")).ok(200);
}

// 05 §1.5, 04 §2.1
#[test]
fn creations_are_checked() {
    let server = multi();
    let post = |sent: Value| server.anonymous().post("/v1/accounts", sent);
    let fine = || json!([admin(json!({ "email": "ada@gmail.com" }))]);
    let at = |rest: &str| format!("/data/relationships/admins/data/0{rest}");
    let relationships = |value: Value| json!({ "data": { "type": "accounts", "relationships": value } });
    let first = |attributes: Value| body(Value::Null, json!([admin(attributes)]));
    for (sent, expected) in [
        (json!({}), "400 is missing|-|/data".to_owned()),
        (json!({ "data": { "type": "accounts" } }), "400 is missing|-|/data/relationships".into()),
        (relationships(json!({})), "400 is missing|-|/data/relationships/admins".into()),
        (relationships(json!({ "admins": {} })), "400 is missing|-|/data/relationships/admins/data".into()),
        (
            relationships(json!({ "admins": { "data": {} } })),
            "400 type mismatch (received object expected array)|-|/data/relationships/admins/data".into(),
        ),
        (
            json!({ "data": { "type": "users", "relationships": { "admins": { "data": fine() } } } }),
            "400 is invalid|-|/data/type".into(),
        ),
        (
            json!({ "data": { "id": "x", "type": "accounts", "relationships": { "admins": { "data": fine() } } } }),
            "400 unpermitted parameter|-|/data/id".into(),
        ),
        (
            relationships(json!({ "admins": { "data": fine() }, "users": {} })),
            "400 unpermitted parameter|-|/data/relationships/users".into(),
        ),
        (
            body(json!({ "apiVersion": "1.7" }), fine()),
            "400 unpermitted parameter|-|/data/attributes/apiVersion".into(),
        ),
        (body(json!({ "name": "" }), fine()), "400 cannot be blank|-|/data/attributes/name".into()),
        (body(json!({ "slug": " " }), fine()), "400 cannot be blank|-|/data/attributes/slug".into()),
        (
            body(json!({ "protected": "yes" }), fine()),
            "400 type mismatch (received string expected boolean)|-|/data/attributes/protected".into(),
        ),
        (
            body(json!({ "name": "x".repeat(256) }), fine()),
            "422 is too long (maximum is 255 characters)|NAME_TOO_LONG|/data/attributes/name".into(),
        ),
        (body(Value::Null, json!([{ "type": "users" }])), format!("400 is missing|-|{}", at("/attributes"))),
        (
            body(Value::Null, json!([{ "attributes": { "email": "a@b.cd" } }])),
            format!("400 is missing|-|{}", at("/type")),
        ),
        (
            body(Value::Null, json!([{ "type": "admins", "attributes": { "email": "a@b.cd" } }])),
            format!("400 is invalid|-|{}", at("/type")),
        ),
        (
            body(Value::Null, json!([{ "type": "users", "id": "x", "attributes": { "email": "a@b.cd" } }])),
            format!("400 unpermitted parameter|-|{}", at("/id")),
        ),
        (first(json!({})), format!("400 is missing|-|{}", at("/attributes/email"))),
        (first(json!({ "email": null })), format!("400 cannot be null|-|{}", at("/attributes/email"))),
        (first(json!({ "email": "" })), format!("400 cannot be blank|-|{}", at("/attributes/email"))),
        (first(json!({ "email": "a@b.cd", "role": "user" })), format!("400 is invalid|-|{}", at("/attributes/role"))),
        (
            first(json!({ "email": "a@b.cd", "permissions": [] })),
            format!("400 unpermitted parameter|-|{}", at("/attributes/permissions")),
        ),
        (
            first(json!({ "email": "a@b.cd", "metadata": [] })),
            format!("400 type mismatch (received array expected object)|-|{}", at("/attributes/metadata")),
        ),
        (
            first(json!({ "email": "a@b.cd", "password": 1 })),
            format!("400 type mismatch (received integer expected string)|-|{}", at("/attributes/password")),
        ),
        (
            body(Value::Null, json!([])),
            "422 must have at least one admin user|USERS_TOO_SHORT|/data/relationships/users".into(),
        ),
        (body(Value::Null, json!(vec![admin(json!({ "email": "a@b.cd" })); 11])), "422 too many records|-|-".into()),
        (first(json!({ "email": "a@b" })), format!("422 is invalid|USERS_EMAIL_INVALID|{}", at("/attributes/email"))),
        (
            first(json!({ "email": "a@b.cd", "password": "12345" })),
            format!(
                "422 is too short (minimum is 6 characters)|USERS_PASSWORD_TOO_SHORT|{}",
                at("/attributes/password")
            ),
        ),
        (
            first(json!({ "email": "a@b.cd", "password": "x".repeat(73) })),
            format!(
                "422 is too long (maximum is 72 characters)|USERS_PASSWORD_TOO_LONG|{}",
                at("/attributes/password")
            ),
        ),
        (
            first(json!({ "email": "a@b.cd", "firstName": "x".repeat(256) })),
            format!(
                "422 is too long (maximum is 255 characters)|USERS_FIRST_NAME_TOO_LONG|{}",
                at("/attributes/firstName")
            ),
        ),
        (
            first(json!({ "email": "a@b.cd", "metadata": { "a": "x".repeat(16384) } })),
            format!(
                "422 too large (exceeded limit of 16384 bytes)|USERS_METADATA_TOO_LONG|{}",
                at("/attributes/metadata")
            ),
        ),
    ] {
        assert_eq!(post(sent.clone()).error(), expected, "{}", &sent.to_string()[..sent.to_string().len().min(300)]);
    }
    let many = post(body(Value::Null, json!(vec![admin(json!({ "email": "a@b.cd" })); 11])));
    assert_eq!(many.body["errors"][0]["title"], "Unprocessable entity");
    // every bad one is told, with what is wrong with the account
    let sent = body(
        json!({ "slug": "acme" }),
        json!([
            admin(json!({ "email": "x" })),
            admin(json!({ "email": "fine@b.cd" })),
            admin(json!({ "email": "FINE@b.cd", "lastName": "x".repeat(256) })),
        ]),
    );
    let place = |n: usize, name: &str| format!("/data/relationships/admins/data/{n}/attributes/{name}");
    let long = "is too long (maximum is 255 characters)|USERS_LAST_NAME_TOO_LONG";
    assert_eq!(
        post(sent).errors(),
        [
            "has already been taken|SLUG_TAKEN|/data/attributes/slug".to_owned(),
            format!("is invalid|USERS_EMAIL_INVALID|{}", place(0, "email")),
            format!("{long}|{}", place(2, "lastName")),
            format!("has already been taken|USERS_EMAIL_TAKEN|{}", place(2, "email")),
        ]
    );
    assert_eq!(post(json!({ "meta": { "referral": 1 }, "data": { "type": "account", "relationships": { "admins": { "data": fine() } } } })).error(),
        "400 type mismatch (received integer expected string)|-|/meta/referral");
    assert_eq!(select(&server, "SELECT count(*) FROM accounts"), "1", "nothing was made");
    assert_eq!(select(&server, "SELECT count(*) FROM users"), "1");
    // ten are fine
    let ten: Vec<Value> = (0..10).map(|n| admin(json!({ "email": format!("a{n}@ten.example") }))).collect();
    post(body(Value::Null, json!(ten))).ok(201);
}
