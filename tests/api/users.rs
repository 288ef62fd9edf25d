//! Users: the document, attributes and bodies, what is refused, who may send what, passwords, groups, events
//! (04 §1–§3, §6.1, §6.3, §9).

use crate::authentication::*;
use crate::authorization::reason;
use crate::support::*;
use serde_json::{Value, json};

/// The body of a create or update.
pub fn body(attributes: Value) -> Value {
    json!({ "data": { "type": "users", "attributes": attributes } })
}

/// A user of that role.
pub fn person(admin: &Client, role: &str, email: &str) -> Value {
    admin.create("users", json!({ "email": email, "role": role }), Value::Null)
}

/// Default and allowed permissions of a role, from the catalogue.
pub fn catalogue(role: &str, set: &str) -> Value {
    let data: Value = serde_json::from_str(include_str!("../../docs/spec/data/permissions.json")).unwrap();
    let mut names: Vec<String> = serde_json::from_value(data["roles"][role][set].clone()).unwrap();
    names.sort();
    json!(names)
}

/// The path of a user.
pub fn path(user: &Value) -> String {
    format!("users/{}", id(user))
}

/// A group; its own routes are tested elsewhere.
pub fn group(server: &Server, max_users: Option<i64>, environment: Option<&str>) -> Value {
    let id = new_id();
    server.sql(&format!(
        "INSERT INTO groups (id, account_id, created_at, updated_at, environment_id, name, max_users)
         SELECT '{id}', id, {now}, {now}, {environment}, 'Group', {max} FROM accounts ORDER BY created_at LIMIT 1",
        now = ago(0),
        environment = environment.map_or("NULL".to_owned(), |e| format!("'{e}'")),
        max = max_users.map_or("NULL".to_owned(), |n| n.to_string()),
    ));
    json!({ "type": "groups", "id": id })
}

// 04 §2, §2.3, §3; 01 §7
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let account = select(&server, "SELECT id FROM accounts");
    let group = group(&server, None, None);
    let attributes = json!({
        "firstName": "Ada", "lastName": "Byron", "email": " Ada@Example.COM ", "password": "secret",
        "metadata": { "seatNo": 1, "desk_row": { "HTTPProxy": null } }
    });
    let mut sent = body(attributes);
    sent["data"]["relationships"] = json!({ "group": link(&group), "environment": { "data": null } });
    let answer = admin.post("users", sent);
    let created = answer.ok(201)["data"].clone();
    let at = created["attributes"]["created"].clone();
    let own = format!("/v1/accounts/{account}/users/{}", id(&created));
    let many = |name: &str| json!({ "links": { "related": format!("{own}/{name}") } });
    let expected = json!({
        "id": created["id"],
        "type": "users",
        "attributes": {
            "fullName": "Ada Byron",
            "firstName": "Ada",
            "lastName": "Byron",
            "email": "ada@example.com",
            "status": "ACTIVE",
            "role": "user",
            "permissions": catalogue("user", "default"),
            "metadata": { "seatNo": 1, "deskRow": { "httpProxy": null } },
            "created": at,
            "updated": at
        },
        "relationships": {
            "account": {
                "links": { "related": format!("/v1/accounts/{account}") },
                "data": { "type": "accounts", "id": account }
            },
            "environment": { "links": { "related": null }, "data": null },
            "group": {
                "links": { "related": format!("{own}/group") },
                "data": { "type": "groups", "id": group["id"] }
            },
            "products": many("products"),
            "licenses": many("licenses"),
            "machines": many("machines"),
            "tokens": many("tokens"),
            "secondFactors": many("second-factors")
        },
        "links": { "self": own }
    });
    assert_eq!(created.to_string(), expected.to_string());
    assert_eq!(answer.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["data"]);
    assert_eq!(answer.header("location"), format!("http://localhost:{}{own}", server.port));
    assert_eq!(admin.get(&path(&created)).ok(200)["data"].to_string(), expected.to_string());
    // what is not sent: null, `{}`, the defaults of the role; names join when there are two
    for role in ["user", "admin", "developer", "sales-agent", "support-agent", "read-only"] {
        let made = admin.create("users", json!({ "email": format!("{role}@x.io"), "role": role }), Value::Null);
        let attributes = &made["attributes"];
        assert_eq!(attributes["permissions"], catalogue(role, "default"), "{role}");
        assert_eq!((&attributes["role"], &attributes["metadata"]), (&json!(role), &json!({})));
        assert_eq!(made["relationships"]["group"]["data"], Value::Null);
        assert_eq!(
            made["relationships"]["group"]["links"]["related"],
            format!("/v1/accounts/{account}/users/{}/group", id(&made))
        );
    }
    for (first, last, full) in [
        (json!(null), json!(null), json!(null)),
        (json!("Ada"), json!(null), json!(null)),
        (json!(null), json!("Byron"), json!(null)),
        (json!(""), json!(""), json!(" ")),
        (json!("Ada"), json!(""), json!("Ada ")),
        (json!(" Ada"), json!("King Byron"), json!(" Ada King Byron")),
    ] {
        let names = json!({ "firstName": first, "lastName": last });
        let got = admin.patch(&path(&created), body(names)).ok(200)["data"]["attributes"].clone();
        assert_eq!((&got["firstName"], &got["lastName"], &got["fullName"]), (&first, &last, &full));
    }
}

// 04 §1, §2; 01 §2.3, §8.1, §9.4
#[test]
fn users_are_named_by_id_or_address() {
    let server = Server::start();
    let admin = server.admin();
    let ada = person(&admin, "user", "ada.byron+x@sub.example.com");
    let uuid = id(&ada).to_owned();
    for name in [
        uuid.clone(),
        uuid.replace('-', ""),
        uuid.to_uppercase(),
        "ada.byron+x@sub.example.com".into(),
        "ADA.Byron+x@Sub.Example.COM".into(),
        "ada.byron%2Bx%40sub.example.com".into(),
    ] {
        for below in ["", "/group", "/products", "/licenses", "/machines", "/tokens"] {
            admin.get(&format!("users/{name}{below}")).ok(200);
        }
        let updated = admin.put(&format!("users/{name}"), body(json!({})));
        assert_eq!(updated.ok(200)["data"]["id"], ada["id"], "01 §2.4");
        admin.post(&format!("users/{name}/actions/unban"), Value::Null).ok(200);
    }
    for (name, echo) in [
        ("Nobody@Example.com", "nobody@example.com"),
        ("0198F000-0000-7000-8000-000000000000", "0198f000-0000-7000-8000-000000000000"),
        ("ada.byron", "ada.byron"),
        ("%20", " "),
        ("actions", "actions"),
    ] {
        let missing = |text: &str| format!("404 The requested user '{text}' was not found|NOT_FOUND|-");
        let one = format!("users/{name}");
        assert_eq!(admin.get(&one).error(), missing(echo));
        assert_eq!(admin.patch(&one, body(json!({ "nope": 1 }))).error(), missing(echo), "before the body");
        assert_eq!(admin.delete(&one).error(), missing(echo));
        let raw = name.replace("%20", " ");
        for below in ["group", "products", "licenses", "machines", "tokens", "licenses/x", "machines/x", "products/x"] {
            assert_eq!(admin.get(&format!("{one}/{below}")).error(), missing(&raw), "{below}");
        }
    }
}

// 04 §2, §2.1, §2.2; 01 §6, §8.4, §10
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let ada = person(&admin, "user", "ada@example.com");
    person(&admin, "user", "taken@example.com");
    let long = |n: usize| "x".repeat(n);
    let mut keys = serde_json::Map::new();
    (0..65).for_each(|n| drop(keys.insert(format!("k{n}"), json!(n))));
    let at = |attribute: &str| format!("/data/attributes/{attribute}");
    let (first, email, password) = (at("firstName"), at("email"), at("password"));
    for (attributes, expected) in [
        (
            json!({ "firstName": long(256) }),
            format!("422 is too long (maximum is 255 characters)|FIRST_NAME_TOO_LONG|{first}"),
        ),
        (
            json!({ "lastName": "ö".repeat(256) }),
            format!("422 is too long (maximum is 255 characters)|LAST_NAME_TOO_LONG|{}", at("lastName")),
        ),
        (json!({ "firstName": 1 }), format!("400 type mismatch (received integer expected string)|-|{first}")),
        (json!({ "firstName": ["a"] }), format!("400 type mismatch (received array expected string)|-|{first}")),
        (json!({ "fullName": "Ada" }), format!("400 unpermitted parameter|-|{}", at("fullName"))),
        (json!({ "status": "BANNED" }), format!("400 unpermitted parameter|-|{}", at("status"))),
        (json!({ "banned_at": null }), format!("400 unpermitted parameter|-|{}", at("bannedAt"))),
        (json!({ "email": "" }), format!("400 cannot be blank|-|{email}")),
        (json!({ "email": " " }), format!("400 cannot be blank|-|{email}")),
        (json!({ "email": true }), format!("400 type mismatch (received boolean expected string)|-|{email}")),
        (json!({ "email": "example.com" }), format!("422 is invalid|EMAIL_INVALID|{email}")),
        (json!({ "email": "a@b" }), format!("422 is invalid|EMAIL_INVALID|{email}")),
        (json!({ "email": "a@b..c" }), format!("422 is invalid|EMAIL_INVALID|{email}")),
        (json!({ "email": "Ada <a@b.cd>" }), format!("422 is invalid|EMAIL_INVALID|{email}")),
        (json!({ "email": "a b@c.de" }), format!("422 is invalid|EMAIL_INVALID|{email}")),
        (json!({ "email": "a@c .de" }), format!("422 is invalid|EMAIL_INVALID|{email}")),
        (
            json!({ "email": format!("{}@b.cd", long(251)) }),
            format!("422 is too long (maximum is 255 characters)|EMAIL_TOO_LONG|{email}"),
        ),
        (json!({ "email": " TAKEN@example.com" }), format!("422 has already been taken|EMAIL_TAKEN|{email}")),
        (json!({ "email": ADMIN_EMAIL }), format!("422 has already been taken|EMAIL_TAKEN|{email}")),
        (
            json!({ "password": "12345" }),
            format!("422 is too short (minimum is 6 characters)|PASSWORD_TOO_SHORT|{password}"),
        ),
        (
            json!({ "password": long(73) }),
            format!("422 is too long (maximum is 72 characters)|PASSWORD_TOO_LONG|{password}"),
        ),
        (json!({ "password": "" }), format!("400 cannot be blank|-|{password}")),
        (json!({ "password": "        " }), format!("400 cannot be blank|-|{password}")),
        (json!({ "password": 123456 }), format!("400 type mismatch (received integer expected string)|-|{password}")),
        (json!({ "role": "root" }), format!("400 is invalid|-|{}", at("role"))),
        (json!({ "role": "" }), format!("400 cannot be blank|-|{}", at("role"))),
        (json!({ "role": "Admin" }), format!("400 is invalid|-|{}", at("role"))),
        (json!({ "role": "sales_agent" }), format!("400 is invalid|-|{}", at("role"))),
        (json!({ "role": "product" }), format!("400 is invalid|-|{}", at("role"))),
        (
            json!({ "permissions": "user.read" }),
            format!("400 type mismatch (received string expected array)|-|{}", at("permissions")),
        ),
        (
            json!({ "permissions": [1] }),
            format!("400 type mismatch (received integer expected string)|-|{}", at("permissions/0")),
        ),
        (json!({ "metadata": [] }), format!("400 type mismatch (received array expected object)|-|{}", at("metadata"))),
        (
            json!({ "metadata": { "desk": { "drawers": [{}] } } }),
            format!("400 maximum depth of 2 exceeded|-|{}", at("metadata/desk/drawers/0")),
        ),
        (
            json!({ "metadata": { "a": long(16384) } }),
            format!("422 too large (exceeded limit of 16384 bytes)|METADATA_TOO_LONG|{}", at("metadata")),
        ),
        (
            json!({ "metadata": keys }),
            format!("422 too many keys (exceeded limit of 64 keys)|METADATA_TOO_LONG|{}", at("metadata")),
        ),
    ] {
        let mut complete = attributes.clone();
        if complete.get("email").is_none() {
            complete["email"] = json!("new@example.com");
        }
        assert_eq!(admin.post("users", body(complete)).error(), expected, "create {attributes}");
        assert_eq!(admin.patch(&path(&ada), body(attributes.clone())).error(), expected, "update {attributes}");
    }
    // the limits themselves are fine
    let fine = json!({
        "firstName": "ö".repeat(255), "lastName": "", "password": "ö".repeat(72), "metadata": {},
        "email": format!("{}@b.cd", long(250))
    });
    let made = admin.post("users", body(fine)).ok(201)["data"].clone();
    assert_eq!(made["attributes"]["firstName"], "ö".repeat(255));
    admin.patch(&path(&made), body(json!({ "password": "123456", "email": " Made@Example.com" }))).ok(200);
    // its own address, in whatever case, is not taken
    admin.patch(&path(&made), body(json!({ "email": "MADE@example.com" }))).ok(200);
    // all that fails is told, by attribute in the order of the document
    let bad = json!({ "password": "x", "email": "taken@b", "lastName": long(256), "firstName": long(256) });
    let codes: Vec<String> = admin.post("users", body(bad)).errors();
    let codes: Vec<&str> = codes.iter().map(|error| error.split('|').nth(1).unwrap()).collect();
    assert_eq!(codes, ["FIRST_NAME_TOO_LONG", "LAST_NAME_TOO_LONG", "EMAIL_INVALID", "PASSWORD_TOO_SHORT"]);
    let error = &admin.post("users", body(json!({ "email": "a@b" }))).body["errors"][0];
    assert_eq!(error["title"], "Unprocessable resource");
    assert_eq!(error["links"]["about"], "https://keygen.sh/docs/api/users/#users-object-attrs-email");
    // metadata is replaced as a whole; null is ignored where it is no value
    let updates = [
        (json!({ "metadata": { "a": { "b": [1] } } }), json!({ "a": { "b": [1] } })),
        (json!({ "metadata": null, "email": null, "role": null, "permissions": null }), json!({ "a": { "b": [1] } })),
        (json!({ "metadata": { "SeatNo": 1 } }), json!({ "seatNo": 1 })),
        (json!({ "metadata": {} }), json!({})),
    ];
    for (attributes, metadata) in updates {
        let got = admin.patch(&path(&made), body(attributes)).ok(200)["data"]["attributes"].clone();
        assert_eq!(got["metadata"], metadata);
        assert_eq!((&got["email"], &got["role"]), (&json!("made@example.com"), &json!("user")));
        assert_eq!(got["permissions"], catalogue("user", "default"));
    }
}

// 04 §2, §3; 01 §4.1, §4.2, §6
#[test]
fn bodies_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let ada = person(&admin, "user", "ada@example.com");
    let raw = |method: &str, body: &str| match method {
        "POST" => admin.call("POST", "users", Some(body.as_bytes())),
        _ => admin.call(method, &path(&ada), Some(body.as_bytes())),
    };
    let create = |inside: &str| format!(r#"{{"data":{{"type":"users","attributes":{{"email":"n@x.io",{inside}}}}}}}"#);
    for (body, expected) in [
        (String::new(), "400 is missing|-|/data"),
        ("{}".into(), "400 is missing|-|/data"),
        (r#"{"data":{"attributes":{"email":"a@b.cd"}}}"#.into(), "400 is missing|-|/data/type"),
        (r#"{"data":{"type":"people","attributes":{"email":"a@b.cd"}}}"#.into(), "400 is invalid|-|/data/type"),
        (r#"{"data":{"type":"users"}}"#.into(), "400 is missing|-|/data/attributes"),
        (r#"{"data":{"type":"users","attributes":{}}}"#.into(), "400 is missing|-|/data/attributes/email"),
        (
            r#"{"data":{"type":"users","attributes":{"email":null}}}"#.into(),
            "400 cannot be null|-|/data/attributes/email",
        ),
        (
            r#"{"data":{"id":"x","type":"users","attributes":{"email":"a@b.cd"}}}"#.into(),
            "400 unpermitted parameter|-|/data/id",
        ),
        (
            r#"{"data":{"type":"users","attributes":{"email":"a@b.cd"}},"meta":{}}"#.into(),
            "400 unpermitted parameter|-|/meta",
        ),
        // 04 §2: names are normalized before they are matched
        (create(r#""ROLE":"root""#), "400 is invalid|-|/data/attributes/role"),
        (create(r#""RoLe":"user""#), "400 unpermitted parameter|-|/data/attributes/roLe"),
        (
            create(r#""first-name":1"#),
            "400 type mismatch (received integer expected string)|-|/data/attributes/firstName",
        ),
        // D5
        (create(r#""ro\le":"user""#), JSON_INVALID),
        (create(r#""firstName":"a"/**/"#), JSON_INVALID),
        (create(r#"'firstName':'a'"#), JSON_INVALID),
        (create(r#"firstName:"a""#), JSON_INVALID),
        (create(r#""firstName":"\ud888""#), JSON_INVALID),
        (create(r#""firstName":"a""#) + "x", JSON_INVALID),
    ] {
        assert_eq!(raw("POST", &body).error(), expected, "{body}");
    }
    let mut bytes = create(r#""firstName":"x""#).into_bytes();
    let at = bytes.iter().rposition(|b| *b == b'x').unwrap();
    bytes[at] = 0xff;
    assert_eq!(admin.call("POST", "users", Some(&bytes)).error(), JSON_INVALID);
    assert_eq!(raw("POST", &create(r#""firstName":"\u0000""#)).code(), "ENCODING_INVALID", "01 §4.1");
    // relationships: group and environment on create, none on update
    for name in ["account", "products", "licenses", "owner", "tokens"] {
        let mut sent = body(json!({ "email": "n@x.io" }));
        sent["data"]["relationships"] = json!({ name: { "data": null } });
        assert_eq!(
            admin.post("users", sent).error(),
            format!("400 unpermitted parameter|-|/data/relationships/{name}")
        );
    }
    for name in ["group", "environment"] {
        let mut sent = body(json!({}));
        sent["data"]["relationships"] = json!({ name: { "data": null } });
        assert_eq!(admin.patch(&path(&ada), sent).error(), "400 unpermitted parameter|-|/data/relationships");
    }
    for (linked, expected) in [
        (json!({}), "400 is missing|-|/data/relationships/group/data"),
        (
            json!({ "data": { "type": "users", "id": new_id() } }),
            "400 is invalid|-|/data/relationships/group/data/type",
        ),
        (
            json!({ "data": { "type": "group", "id": "x" } }),
            "400 type mismatch (received string expected UUID string)|-|/data/relationships/group/data/id",
        ),
    ] {
        let mut sent = body(json!({ "email": "n@x.io" }));
        sent["data"]["relationships"] = json!({ "group": linked });
        assert_eq!(admin.post("users", sent).error(), expected);
    }
    // update: type, an id that is ignored, and attributes that may be missing
    for (method, body, expected) in [
        ("PATCH", "{}", "400 is missing|-|/data"),
        ("PUT", r#"{"data":{"type":"person"}}"#, "400 is invalid|-|/data/type"),
        (
            "PATCH",
            r#"{"data":{"type":"user","id":1}}"#,
            "400 type mismatch (received integer expected string)|-|/data/id",
        ),
        ("PATCH", r#"{"data":{"type":"user","links":{}}}"#, "400 unpermitted parameter|-|/data/links"),
        (
            "PATCH",
            r#"{"data":{"type":"user","attributes":[]}}"#,
            "400 type mismatch (received array expected object)|-|/data/attributes",
        ),
    ] {
        assert_eq!(raw(method, body).error(), expected, "{body}");
    }
    for body in [
        r#"{"data":{"type":"user"}}"#,
        r#"{"data":{"type":"users","id":"whatever","attributes":{}}}"#,
        r#"{"data":{"type":"users","attributes":{"First Name":"Ada","last_name":"Byron"}}}"#,
    ] {
        assert_eq!(raw("PATCH", body).ok(200)["data"]["id"], ada["id"], "{body}");
    }
    assert_eq!(admin.get(&path(&ada)).ok(200)["data"]["attributes"]["fullName"], "Ada Byron");
}

const JSON_INVALID: &str = "400 The request could not be completed because it contains invalid JSON (check formatting/encoding)|JSON_INVALID|-";

// 04 §2 (who may send), §3, §6.1; 03 §14
#[test]
fn some_attributes_are_for_some() {
    let server = Server::start();
    let admin = server.admin();
    let shared = environment(&server, "shared", "SHARED");
    let product = admin.product();
    let license = admin.quick_license(json!({}));
    let target = person(&admin, "user", "target@example.com");
    own(&server, &license, &target);
    let bearer = |role: &str| as_bearer(&server, &person(&admin, role, &format!("{role}@example.com")));
    let clients = [
        ("A", admin.clone()),
        ("D", bearer("developer")),
        ("S", bearer("sales-agent")),
        ("Su", bearer("support-agent")),
        ("R", bearer("read-only")),
        ("E", server.token(&token_in(&server, &shared, Some(id(&shared)))).environment("shared")),
        ("P", as_bearer(&server, &product)),
        ("L", as_bearer(&server, &license)),
        ("U", as_bearer(&server, &target)),
        ("X", server.anonymous()),
    ];
    let refused = |answer: &Answer, pointer: &str| {
        answer.status == 400 && answer.error() == format!("400 unpermitted parameter|-|{pointer}")
    };
    let senders = |call: &dyn Fn(&Client) -> Answer, pointer: &str| {
        let may = clients.iter().filter(|(_, client)| !refused(&call(client), pointer));
        may.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    };
    let everybody = "A D S Su R E P L U X";
    for (attribute, create, update) in [
        ("firstName", everybody, everybody),
        ("lastName", everybody, everybody),
        ("email", everybody, everybody),
        ("password", everybody, "A D E P X"),
        ("role", "A", "A X"),
        ("permissions", "A D E P", "A D E P X"),
        ("metadata", everybody, "A D S E P X"),
    ] {
        let pointer = format!("/data/attributes/{attribute}");
        // null counts as sent; what makes the request fail later does not matter here
        let with = |value: Value| {
            let mut attributes = json!({ "email": "not an address" });
            attributes[attribute] = value;
            attributes
        };
        for value in [Value::Null, json!(1)] {
            let got = senders(&|client| client.post("users", body(with(value.clone()))), &pointer);
            assert_eq!(got, create, "create {attribute}");
            // nobody's 401 comes before
            let got = senders(&|client| client.patch(&path(&target), body(json!({ attribute: value }))), &pointer);
            assert_eq!(got, update, "update {attribute}");
        }
    }
    let linked = |name: &str, client: &Client| {
        let mut sent = body(json!({ "email": "not an address" }));
        sent["data"]["relationships"] = json!({ name: { "data": null } });
        client.post("users", sent)
    };
    for (name, create) in [("group", "A D S Su E P"), ("environment", everybody)] {
        let pointer = format!("/data/relationships/{name}");
        assert_eq!(senders(&|client| linked(name, client), &pointer), create, "{name}");
    }
    // before authorization, also where the action itself would be refused
    let client = &clients[4].1;
    assert_eq!(client.post("users", body(json!({ "email": "x", "role": "admin" }))).status, 400);
    assert_eq!(client.post("users", body(json!({ "email": "x" }))).status, 403);
}

// 04 §2.1, §6.3; 03 §6
#[test]
fn passwords_are_set_and_removed() {
    let server = Server::start();
    let admin = server.admin();
    let login = |password: &str| {
        let answer = server.with(&basic(&format!("ada@example.com:{password}"))).post("tokens", Value::Null);
        if answer.status == 201 { "in".to_owned() } else { answer.code().to_owned() }
    };
    let ada = admin.create("users", json!({ "email": "ada@example.com", "password": null }), Value::Null);
    assert_eq!(login("secret"), "PASSWORD_NOT_SUPPORTED");
    let token = token_in(&server, &ada, None);
    for (password, works, fails) in [
        (json!("secret one"), Some("secret one"), "secret"),
        (json!("secret two"), Some("secret two"), "secret one"),
        (json!(" spaces count "), Some(" spaces count "), "spaces count"),
        (json!("sécrèt:with:colons"), Some("sécrèt:with:colons"), "secret two"),
        (json!(null), None, "sécrèt:with:colons"),
    ] {
        let answer = admin.patch(&path(&ada), body(json!({ "password": password })));
        assert!(answer.ok(200)["data"]["attributes"].get("password").is_none());
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret"));
        match works {
            Some(works) => assert_eq!((login(works), login(fails)), ("in".into(), "PASSWORD_INVALID".into())),
            None => assert_eq!(login(fails), "PASSWORD_NOT_SUPPORTED"),
        }
        server.token(&token).get("me").ok(200);
    }
    // what fails changes nothing
    admin.patch(&path(&ada), body(json!({ "password": "secret", "email": "ada" }))).error();
    assert_eq!(login("secret"), "PASSWORD_NOT_SUPPORTED");
}

// 04 §3, §2.1 (addresses are unique in the account)
#[test]
fn groups_of_new_users() {
    let server = Server::start();
    let admin = server.admin();
    let shared = environment(&server, "shared", "SHARED");
    let groups = [None, Some(id(&shared))].map(|environment| group(&server, Some(1), environment));
    let (in_shared, mut number) = (admin.environment("shared"), 0);
    let mut new = |client: &Client, group: &Value| {
        number += 1;
        let mut sent = body(json!({ "email": format!("g{number}@example.com") }));
        sent["data"]["relationships"] = json!({ "group": { "data": group } });
        client.post("users", sent)
    };
    let named = |id: &Value| json!({ "type": "groups", "id": id });
    assert_eq!(new(&admin, &Value::Null).ok(201)["data"]["relationships"]["group"]["data"], Value::Null);
    let unknown = new(&admin, &named(&json!(new_id())));
    assert_eq!(unknown.error(), "422 must exist|GROUP_NOT_FOUND|/data/relationships/group");
    let clash = "422 must be compatible with group environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment";
    assert_eq!(new(&admin, &groups[1]).error(), clash);
    assert_eq!(new(&in_shared, &groups[1]).ok(201)["data"]["relationships"]["group"]["data"], groups[1]);
    assert_eq!(new(&in_shared, &groups[0]).ok(201)["data"]["relationships"]["group"]["data"], groups[0]);
    let full = "422 user count has exceeded maximum allowed by current group (1)|GROUP_USER_LIMIT_EXCEEDED|/data/relationships/group";
    assert_eq!(new(&admin, &groups[0]).error(), full);
    // one in an environment keeps others from the address everywhere
    let taken = admin.post("users", body(json!({ "email": "G4@example.com" })));
    assert_eq!(taken.code(), "EMAIL_TAKEN");
    // an update of a member of a full group asks nothing
    let member = select(&server, &format!("SELECT id FROM users WHERE group_id = '{}'", id(&groups[1])));
    in_shared.patch(&format!("users/{member}"), body(json!({ "firstName": "x" }))).ok(200);
}

// 04 §6.1, §6.3 (order), §6.6, §9
#[test]
fn checks_come_in_order_and_events_are_told() {
    let server = Server::start();
    let admin = server.admin();
    let told = || {
        let names = ["created", "updated", "deleted", "banned", "unbanned"];
        names.map(|name| events(&server, &format!("user.{name}"))).join(" ")
    };
    let ada = person(&admin, "user", "ada@example.com");
    let one = path(&ada);
    let reader = as_bearer(&server, &person(&admin, "read-only", "reader@example.com"));
    let bad = server.token("nope");
    // 401, 404, 400, 422 of unknown names, 403, 422
    let update = |client: &Client, path: &str, attributes: Value| client.patch(path, body(attributes)).status;
    let everything = || json!({ "permissions": ["nope"], "email": "x", "nope": 1 });
    assert_eq!(update(&bad, "users/x", everything()), 401);
    assert_eq!(update(&admin, "users/x", everything()), 404);
    assert_eq!(update(&reader, &one, everything()), 400);
    assert_eq!(update(&reader, &one, json!({ "email": "x" })), 403);
    assert_eq!(update(&admin, &one, json!({ "email": "x" })), 422);
    assert_eq!(bad.post("users", json!({})).status, 401, "a bad credential is no anonymous caller");
    assert_eq!(reader.post("users", json!({})).status, 400);
    assert_eq!(
        reason(&reader.post("users", body(json!({ "email": "x" })))),
        "read only lacks permission to perform action"
    );
    assert_eq!(bad.delete("users/x").status, 401);
    assert_eq!(reader.delete("users/x").status, 404);
    assert_eq!(reader.delete(&one).status, 403);
    for action in ["ban", "unban"] {
        let act = |client: &Client, user: &str| client.post(&format!("{user}/actions/{action}"), Value::Null).status;
        assert_eq!((act(&bad, "users/x"), act(&reader, "users/x"), act(&reader, &one)), (401, 404, 403));
    }
    assert_eq!(told(), "2 0 0 0 0", "what failed told nothing");
    admin.patch(&one, body(json!({}))).ok(200);
    admin.patch(&one, body(json!({ "firstName": "Ada" }))).ok(200);
    for action in ["ban", "ban", "unban", "unban"] {
        let answer = admin.post(&format!("{one}/actions/{action}"), Value::Null);
        let expected = if action == "ban" { "BANNED" } else { "ACTIVE" };
        assert_eq!(answer.ok(200)["data"]["attributes"]["status"], expected);
        assert_eq!(admin.get(&one).ok(200)["data"]["attributes"]["status"], expected);
    }
    server.anonymous().post("users", body(json!({ "email": "self@example.com" }))).ok(201);
    let answer = admin.delete(&one);
    assert_eq!((answer.status, answer.bytes.len()), (204, 0));
    assert_eq!(told(), "3 2 1 2 2");
    let of = |event: &str, column: &str| {
        let sql = format!("SELECT {column} FROM event_logs WHERE event = '{event}' ORDER BY id DESC LIMIT 1");
        select(&server, &sql)
    };
    assert_eq!(of("user.deleted", "resource_id"), id(&ada));
    assert_eq!(of("user.deleted", "resource_type || whodunnit_type"), "usersusers");
    assert_eq!(of("user.created", "whodunnit_id"), "", "nobody");
}
