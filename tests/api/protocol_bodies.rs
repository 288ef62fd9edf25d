//! Reading a request: JSON, keys, schemas, nulls, coercion (01 §4, §6, §8).

use crate::protocol::*;
use crate::support::*;
use serde_json::{Value, json};

/// Texts that are no JSON, one a line; `\n` stands for a line feed.
const NO_JSON: &str = r#"
"ro\le" | "\x0d" | "\ud888" | "\udc00" | "\u12g4" | "a	b" | "a\nb" | 'x' | x | 01 | .5 | 1. | +1 | - | 1e | NaN | Infinity | tru | "open
"x", | [1,] | [,1] | {"a":1,} | {a:1} | {"a"} | {"a":} | {} {} | {}x | "x" /* c */ | /* c */ "x" | "x" // c | ,
"#;

// 01 §4.1, §8.5, D5, D16, D18
#[test]
fn json_is_strict() {
    let server = Server::start();
    let admin = server.admin();
    let post = |body: &[u8]| admin.call("POST", "products", Some(body));
    let document = |name: &str| format!(r#"{{"data":{{"type":"products","attributes":{{"name":{name}}}}}}}"#);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let mut texts: Vec<Vec<u8>> =
        vec![nested(101).into(), "[".repeat(100_000).into(), "{\"a\":".repeat(100_000).into()];
    for text in NO_JSON.lines().flat_map(|line| line.split(" | ")).filter(|text| !text.is_empty()) {
        let text = text.replace("a\\nb", "a\nb");
        texts.push(document(&text).into());
        texts.push(text.into());
    }
    texts.extend([" ", "\r\n\t", "\u{feff}{}", "\"\u{1}\"", "\"\0\""].map(|text| text.as_bytes().to_vec()));
    texts.extend([b"\"\xff\"".to_vec(), b"{\"\xc3\x28\":1}".to_vec()]);
    for body in texts {
        // Before anything about the account or the credentials, and without `meta`.
        for caller in [&admin, &server.token("x")] {
            let answer = caller.call("POST", "/v1/accounts/nope/licenses", Some(&body));
            let shown = String::from_utf8_lossy(&body[..body.len().min(90)]).into_owned();
            let detail =
                "The request could not be completed because it contains invalid JSON (check formatting/encoding)";
            assert_eq!(answer.error(), format!("400 {detail}|JSON_INVALID|-"), "{shown}");
            assert_eq!(answer.body.get("meta"), None);
        }
    }
    // What is not an object at the top is `{ "data": <value> }`; nothing is no parameters.
    for (body, error) in [
        ("", "is missing"),
        ("{}", "is missing"),
        ("null", "cannot be null"),
        ("[]", "type mismatch (received array expected object)"),
        ("\"x\"", "type mismatch (received string expected object)"),
        ("1", "type mismatch (received integer expected object)"),
        ("1.0", "type mismatch (received float expected object)"),
        ("true", "type mismatch (received boolean expected object)"),
        (&nested(100), "type mismatch (received array expected object)"),
    ] {
        assert_eq!(post(body.as_bytes()).error(), format!("400 {error}|-|/data"), "{body}");
    }
    let entitlement = admin.entitlement("A");
    let path = format!("licenses/{}/entitlements", id(&admin.quick_license(json!({}))));
    admin.post(&path, json!([{ "type": "entitlements", "id": entitlement["id"] }])).ok(200);
    // The last of equal keys wins, also after normalization.
    let twice = r#"{"data":{"type":"x","type":"products","attributes":{"name":"A","url":null,"Name":"B"}}}"#;
    assert_eq!(post(twice.as_bytes()).ok(201)["data"]["attributes"]["name"], "B");
    // Strings come back as they were sent, compact, escaping only what RFC 8259 demands.
    for (sent, raw) in [
        (r#""  <b>&\u003c \/ é \u00e9 \ud83d\ude00 \u2028 '""#, "\"  <b>&< / é é 😀 \u{2028} '\""),
        (r#""\"\\\n""#, r#""\"\\\n""#),
        ("\"\u{7f}\"", "\"\u{7f}\""),
    ] {
        let text = String::from_utf8(post(document(sent).as_bytes()).bytes).unwrap();
        assert!(text.contains(&format!(r#""attributes":{{"name":{raw},"code":null"#)), "{text}");
    }
    // Integers of any size are read; what no column holds is refused, after validation.
    let numbers = r#""N","metadata":{"big":123456789012345678901234567890,"neg":-7,"zero":0}"#;
    let text = String::from_utf8(post(document(numbers).as_bytes()).bytes).unwrap();
    assert!(text.contains(&numbers[4..]), "{text}");
    let product = admin.product();
    let policy = |attributes: Value| {
        let data =
            json!({ "type": "policies", "attributes": attributes, "relationships": { "product": link(&product) } });
        admin.post("policies", json!({ "data": data }))
    };
    for (attributes, errors) in [
        (
            json!({ "duration": u64::MAX }),
            &["must be less than or equal to 2147483647|DURATION_INVALID|/data/attributes/duration"][..],
        ),
        (json!({ "duration": i64::MIN }), &["must be greater than 0|DURATION_INVALID|/data/attributes/duration"]),
        (
            json!({ "maxMemory": u64::MAX }),
            &["must be less than or equal to 9223372036854775807|MAX_MEMORY_INVALID|/data/attributes/maxMemory"],
        ),
        (json!({ "maxMemory": i64::MAX }), &[]),
        (json!({ "checkInIntervalCount": 3_000_000_000_u64 }), &["integer is too large|-|-"]),
        (
            json!({ "checkInIntervalCount": 3_000_000_000_u64, "duration": -1 }),
            &["must be greater than 0|DURATION_INVALID|/data/attributes/duration"],
        ),
    ] {
        let mut attributes = attributes;
        attributes["name"] = json!("P");
        let answer = policy(attributes.clone());
        assert_eq!(if answer.status == 201 { Vec::new() } else { answer.errors() }, errors, "{attributes}");
    }
    // A null byte in a string that reaches storage, with `meta`.
    for body in [document("\"a\\u0000b\""), document(r#""x","metadata":{"k":["\u0000"]}"#)] {
        let answer = post(body.as_bytes());
        assert_eq!(answer.error(), format!("400 {NULL_BYTE}|ENCODING_INVALID|-"));
        assert_eq!(answer.body["meta"]["id"], answer.header("x-request-id"));
    }
}

// 01 §4.2
#[test]
fn keys_are_normalized_on_the_way_in_and_camelized_on_the_way_out() {
    let server = Server::start();
    let admin = server.admin();
    let table = [
        ("seat_no_1", "seat_no_1", "seatNo1"),
        ("SeatNo2", "seat_no2", "seatNo2"),
        ("seatNo3", "seat_no3", "seatNo3"),
        ("seat no 4", "seat_no_4", "seatNo4"),
        ("HTTPProxy", "http_proxy", "httpProxy"),
        ("orderID", "order_id", "orderId"),
        ("iOSBuild", "i_os_build", "iOsBuild"),
        ("rack-unit", "rack_unit", "rackUnit"),
        ("rack.unit", "rack_unit", "rackUnit"),
        ("rack__unit", "rack_unit", "rackUnit"),
        ("a/b", "a_b", "aB"),
        ("A::B", "a_b", "aB"),
        ("_row", "row", "row"),
        ("ROW", "row", "row"),
        ("é", "e", "e"),
        ("日本", "", ""),
    ];
    let pairs = |side: fn(&(&str, &str, &str)) -> String, value: Value| -> Vec<Value> {
        table.iter().map(|row| json!({ side(row): value })).collect()
    };
    let sent = json!({ "DeepList": pairs(|row| row.0.to_owned(), json!("As-Sent Value")) });
    let product =
        admin.post("products", product_body(json!({ "name": "A", "metadata": sent }))).ok(201)["data"].clone();
    let returned = json!({ "deepList": pairs(|row| row.2.to_owned(), json!("As-Sent Value")) });
    assert_eq!(product["attributes"]["metadata"], returned);
    let stored: String = rusqlite::Connection::open(server.database())
        .unwrap()
        .query_row("SELECT metadata FROM products WHERE id = ?", [id(&product)], |row| row.get(0))
        .unwrap();
    let expected = json!({ "deep_list": pairs(|row| row.1.to_owned(), json!("As-Sent Value")) });
    assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), expected);
    // One parameter, many spellings; values, such as enum names, are never changed.
    for key in ["maxUses", "max_uses", "max-uses", "MaxUses", "max uses", "MAX_USES"] {
        let license = admin.quick_license(json!({ key: 7 }));
        assert_eq!(license["attributes"]["maxUses"], 7, "{key}");
    }
    let wrong_case = json!({ "data": { "type": "Products", "attributes": { "name": "x" } } });
    assert_eq!(admin.post("products", wrong_case).error(), "400 is invalid|-|/data/type");
    let wrong_case = product_body(json!({ "name": "x", "distributionStrategy": "open" }));
    assert_eq!(admin.post("products", wrong_case).code(), "DISTRIBUTION_STRATEGY_NOT_ALLOWED");
}

/// Path, body, detail, pointer. `$0` is an unknown id, `$l` a license, `$L` and `$P` linkage of a license and a product.
const SCHEMAS: &str = r#"
# 1: unknown members in document order, depth first, before everything else
products | {"data":{"type":"x","attributes":{"name":1,"shelf_colour":"x"}}} | unpermitted parameter | /data/attributes/shelfColour
products | {"data":{"attributes":{"b":{"c":1},"a":1},"type":"products","z":1}} | unpermitted parameter | /data/attributes/b
products | {"zz":1,"data":{"y":1}} | unpermitted parameter | /zz
products | {"data":{"y":1},"zz":1} | unpermitted parameter | /data/y
products | {"data":{"type":"products","id":"$0"}} | unpermitted parameter | /data/id
products | {"data":{"type":"products","links":{}}} | unpermitted parameter | /data/links
products | {"meta":{},"data":{}} | unpermitted parameter | /meta
products | {"jsonapi":{}} | unpermitted parameter | /jsonapi
products | {"data":{"attributes":{"created":"x"}}} | unpermitted parameter | /data/attributes/created
policies | {"data":{"relationships":{"product":{"data":null,"links":{}}}}} | unpermitted parameter | /data/relationships/product/links
policies | {"data":{"relationships":{"product":{"data":{"type":"products","id":"$0","meta":1}}}}} | unpermitted parameter | /data/relationships/product/data/meta
policies | {"data":{"relationships":{"licenses":{}}}} | unpermitted parameter | /data/relationships/licenses
machines | {"data":{"relationships":{"components":{"data":[{"type":"x"},{"id":"$0"}]}}}} | unpermitted parameter | /data/relationships/components/data/1/id
licenses/$l/entitlements | {"data":[{"type":"entitlements","id":"$0","attributes":{}}]} | unpermitted parameter | /data/0/attributes
licenses/actions/validate-key | {"meta":{"key":"x","scope":{"colour":1}}} | unpermitted parameter | /meta/scope/colour
# 3: coercion before presence and types
licenses | {"data":{"attributes":{"name":1,"expiry":"2024-13-45"}}} | failed to coerce string to time | /data/attributes/expiry
licenses | {"data":{"attributes":{"expiry":true}}} | failed to coerce boolean to time | /data/attributes/expiry
# 4: in schema order: type, id, attributes, relationships; children before their parent
products | {"data":{}} | is missing | /data/type
products | {"data":{"type":"products"}} | is missing | /data/attributes
products | {"data":{"type":"products","attributes":{}}} | is missing | /data/attributes/name
products | {"data":{"attributes":{"name":1}}} | is missing | /data/type
products | {"data":{"type":"x","attributes":{"name":1}}} | is invalid | /data/type
products | {"data":{"type":"Products","attributes":{"name":"x"}}} | is invalid | /data/type
products | {"data":{"type":1,"attributes":1}} | type mismatch (received integer expected string) | /data/type
products | {"data":{"type":null}} | cannot be null | /data/type
products | {"data":{"type":"products","attributes":null}} | cannot be null | /data/attributes
products | {"data":{"type":"products","attributes":[]}} | type mismatch (received array expected object) | /data/attributes
products | {"data":{"type":"products","attributes":{"url":1,"name":1}}} | type mismatch (received integer expected string) | /data/attributes/name
products | {"data":{"type":"products","attributes":{"name":null}}} | cannot be null | /data/attributes/name
licenses | {"data":{"type":"licenses","id":"x","attributes":{"name":1}}} | type mismatch (received string expected UUID string) | /data/id
licenses | {"data":{"type":"licenses","attributes":{"name":1}}} | type mismatch (received integer expected string) | /data/attributes/name
licenses | {"data":{"type":"licenses"}} | is missing | /data/relationships
licenses | {"data":{"type":"licenses","relationships":{}}} | is missing | /data/relationships/policy
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{}}}} | is missing | /data/relationships/product/data
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":null}}}} | cannot be null | /data/relationships/product/data
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{}}}}} | is missing | /data/relationships/product/data/type
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{"type":"x","id":"x"}}}}} | is invalid | /data/relationships/product/data/type
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{"type":"product","id":"x"}}}}} | type mismatch (received string expected UUID string) | /data/relationships/product/data/id
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":{"type":"product","id":1}}}}} | type mismatch (received integer expected UUID string) | /data/relationships/product/data/id
policies | {"data":{"type":"policies","attributes":{},"relationships":{"product":{"data":[]}}}} | type mismatch (received array expected object) | /data/relationships/product/data
# types
policies | {"data":{"type":"policy","attributes":{"strict":"true"},"relationships":$P}} | type mismatch (received string expected boolean) | /data/attributes/strict
policies | {"data":{"type":"policy","attributes":{"strict":0},"relationships":$P}} | type mismatch (received integer expected boolean) | /data/attributes/strict
policies | {"data":{"type":"policy","attributes":{"maxUses":[]},"relationships":$P}} | type mismatch (received array expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"maxUses":1.0},"relationships":$P}} | type mismatch (received float expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"maxUses":1e5},"relationships":$P}} | type mismatch (received float expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"maxUses":"1"},"relationships":$P}} | type mismatch (received string expected integer) | /data/attributes/maxUses
policies | {"data":{"type":"policy","attributes":{"scheme":{}},"relationships":$P}} | type mismatch (received object expected string) | /data/attributes/scheme
policies | {"data":{"type":"policy","attributes":{"name":false},"relationships":$P}} | type mismatch (received boolean expected string) | /data/attributes/name
products | {"data":{"type":"product","attributes":{"name":"x","platforms":"mac"}}} | type mismatch (received string expected array) | /data/attributes/platforms
products | {"data":{"type":"product","attributes":{"name":"x","platforms":["mac",1]}}} | type mismatch (received integer expected string) | /data/attributes/platforms/1
products | {"data":{"type":"product","attributes":{"name":"x","platforms":["mac",null]}}} | cannot be null | /data/attributes/platforms/1
products | {"data":{"type":"product","attributes":{"name":"x","metadata":[]}}} | type mismatch (received array expected object) | /data/attributes/metadata
products | {"data":{"type":"product","attributes":{"name":"x","metadata":"{}"}}} | type mismatch (received string expected object) | /data/attributes/metadata
# blanks
products | {"data":{"type":"product","attributes":{"name":""}}} | cannot be blank | /data/attributes/name
products | {"data":{"type":"product","attributes":{"name":" \t\n\u00a0\u3000"}}} | cannot be blank | /data/attributes/name
products | {"data":{"type":"product","attributes":{"name":"x","url":""}}} | cannot be blank | /data/attributes/url
licenses | {"data":{"type":"licenses","attributes":{"key":" "}}} | cannot be blank | /data/attributes/key
licenses/actions/validate-key | {"meta":{"key":""}} | cannot be blank | /meta/key
licenses/actions/validate-key | {"meta":{"key":1}} | type mismatch (received integer expected string) | /meta/key
licenses/actions/validate-key | {} | is missing | /meta
# 01 §8.4: depth
products | {"data":{"type":"product","attributes":{"name":"x","metadata":{"ports":[[0],[{"no":1}]]}}}} | maximum depth of 2 exceeded | /data/attributes/metadata/ports/1/0
products | {"data":{"type":"product","attributes":{"name":"x","metadata":{"a_b":{"c d":{"eF":{}}}}}}} | maximum depth of 2 exceeded | /data/attributes/metadata/aB/cD/eF
products | {"data":{"type":"product","attributes":{"name":"x","metadata":{"a":[[[]]]}}}} | maximum depth of 2 exceeded | /data/attributes/metadata/a/0/0
# lengths and items
licenses/$l/entitlements | {"data":[]} | length must be between 1 and 100 (inclusive) | /data
licenses/$l/entitlements | {"data":$101} | length must be between 1 and 100 (inclusive) | /data
licenses/$l/entitlements | {"data":{"type":"entitlements","id":"$0"}} | type mismatch (received object expected array) | /data
licenses/$l/entitlements | {"data":[null]} | cannot be null | /data/0
licenses/$l/entitlements | {"data":[{"type":"users","id":"$0"}]} | is invalid | /data/0/type
# embedded resources
machines | {"data":{"type":"machines","attributes":{"fingerprint":"f"},"relationships":{"license":$L,"components":{"data":[{"type":"components","attributes":{"name":"x"}}]}}}} | is missing | /data/relationships/components/data/0/attributes/fingerprint
machines | {"data":{"type":"machines","attributes":{"fingerprint":"f"},"relationships":{"license":$L,"components":{"data":[{"type":"machines"}]}}}} | is invalid | /data/relationships/components/data/0/type
machines | {"data":{"type":"machines","attributes":{"fingerprint":"f"},"relationships":{"license":$L,"components":{"data":{}}}}} | type mismatch (received object expected array) | /data/relationships/components/data
# no body where one is needed
machines | | is missing | /data
licenses/$l/entitlements | | is missing | /data
licenses/actions/validate-key | | is missing | /meta
"#;

// 01 §6.1, §6.4
#[test]
fn schemas_name_the_first_offence() {
    let server = Server::start();
    let admin = server.admin();
    let product = admin.product();
    let policy = admin.policy(&product, json!({ "authenticationStrategy": "MIXED" }));
    let license = admin.license(&policy, json!({}));
    let item = json!({ "type": "entitlement", "id": ZERO });
    let table = SCHEMAS
        .replace("$101", &json!(vec![item; 101]).to_string())
        .replace("$0", ZERO)
        .replace("$l", id(&license))
        .replace("$L", &link(&license).to_string())
        .replace("$P", &json!({ "product": link(&product) }).to_string());
    for [path, body, detail, pointer] in rows(&table) {
        let answer = admin.call("POST", path, Some(body.as_bytes()));
        assert_eq!(answer.error(), format!("400 {detail}|-|{pointer}"), "{path} {body}");
        assert_eq!(answer.body["errors"][0]["title"], "Bad request");
    }
    // 2: what the bearer's role may not send is unknown to it (01 §5, §22.10), after unknown members, before types.
    let vendor = server.token(&admin.token_for(&product));
    let path = format!("products/{}", id(&product));
    for (attributes, pointer) in [
        (json!({ "name": 1, "permissions": ["*"] }), "permissions"),
        (json!({ "permissions": ["*"], "name": 1, "colour": 1 }), "colour"),
    ] {
        let answer = vendor.patch(&path, product_body(attributes));
        assert_eq!(answer.error(), format!("400 unpermitted parameter|-|/data/attributes/{pointer}"));
    }
    // data.id on update: ignored, but a non-blank string.
    for (given, error) in [
        (json!("anything"), ""),
        (json!(ZERO), ""),
        (json!(null), ""),
        (json!(""), "400 cannot be blank|-|/data/id"),
        (json!(1), "400 type mismatch (received integer expected string)|-|/data/id"),
    ] {
        let answer = admin.patch(&path, json!({ "data": { "type": "product", "id": given, "attributes": {} } }));
        match error {
            "" => assert_eq!(answer.ok(200)["data"]["id"], product["id"]),
            error => assert_eq!(answer.error(), error),
        }
    }
    let moved = json!({ "data": { "type": "policies", "attributes": {}, "relationships": {} } });
    let refused = admin.patch(&format!("policies/{}", id(&policy)), moved);
    assert_eq!(refused.error(), "400 unpermitted parameter|-|/data/relationships");
    // What fits: two containers below metadata; `false`, 0 and empty metadata are not blank.
    for metadata in [
        json!({ "rack": { "unit": { "u": "4" } }, "ports": [{ "no": 1 }] }),
        json!({ "a": false, "b": 0, "c": "", "d": null, "e": [[]], "f": {} }),
        json!({}),
    ] {
        let made = admin.create("products", json!({ "name": "x", "metadata": metadata }), Value::Null);
        assert_eq!(made["attributes"]["metadata"], metadata);
    }
}

// 01 §6.2, §8.4
#[test]
fn null_is_dropped_stored_or_refused() {
    let server = Server::start();
    let admin = server.admin();
    let attributes = json!({ "name": "A", "code": "c", "url": "https://a.example.com", "platforms": ["x"], "metadata": { "a": 1, "b": 2 } });
    let product = admin.create("products", attributes, Value::Null);
    let path = format!("products/{}", id(&product));
    let patch = |attributes: Value| admin.patch(&path, product_body(attributes)).ok(200)["data"]["attributes"].clone();
    // Optional, not nullable: as if absent.
    let after = patch(json!({ "name": null, "code": null, "metadata": null, "permissions": null }));
    for name in ["name", "code", "metadata", "permissions"] {
        assert_eq!(after[name], product["attributes"][name], "{name}");
    }
    // Nullable: stored.
    let after = patch(json!({ "url": null, "platforms": null, "distributionStrategy": null }));
    assert_eq!(
        (&after["url"], &after["platforms"], &after["distributionStrategy"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    // Metadata is replaced as a whole; `{}` clears it.
    assert_eq!(patch(json!({ "metadata": { "c": 3 } }))["metadata"], json!({ "c": 3 }));
    assert_eq!(patch(json!({ "metadata": {} }))["metadata"], json!({}));
    assert_eq!(admin.product()["attributes"]["metadata"], json!({}));
    // 01 §8.4: the model's limits.
    let keys = |count: usize| (0..count).map(|i| (format!("k{i}"), json!(1))).collect::<serde_json::Map<_, _>>();
    let text = |length: usize| json!({ "k": "x".repeat(length) });
    for (metadata, detail) in [
        (json!({ "in": keys(63) }), ""),
        (json!({ "in": keys(64) }), "too many keys (exceeded limit of 64 keys)"),
        (json!(keys(65)), "too many keys (exceeded limit of 64 keys)"),
        (text(16384 - 8), ""),
        (text(16384 - 7), "too large (exceeded limit of 16384 bytes)"),
    ] {
        let answer = admin.patch(&path, product_body(json!({ "metadata": metadata })));
        if detail.is_empty() {
            answer.ok(200);
        } else {
            assert_eq!(answer.error(), format!("422 {detail}|METADATA_TOO_LONG|/data/attributes/metadata"));
        }
    }
}

// 01 §6.3
#[test]
fn values_are_coerced_where_the_documents_say_so() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let path = format!("licenses/{}", id(&license));
    for (sent, stored) in [
        (json!("2030-01-02T03:04:05.678Z"), json!("2030-01-02T03:04:05.678Z")),
        (json!("2030-01-02T03:04:05.6789Z"), json!("2030-01-02T03:04:05.678Z")),
        (json!("2030-01-02T03:04:05+02:30"), json!("2030-01-02T00:34:05.000Z")),
        (json!("2030-01-02T03:04:05"), json!("2030-01-02T03:04:05.000Z")),
        (json!("2030-01-02"), json!("2030-01-02T00:00:00.000Z")),
        (json!("2024-02-30"), json!("2024-03-01T00:00:00.000Z")),
        (json!("1700000000"), json!("2023-11-14T22:13:20.000Z")),
        (json!(1_700_000_000), json!("2023-11-14T22:13:20.000Z")),
        (json!("soon"), Value::Null),
        (json!(0), json!("1970-01-01T00:00:00.000Z")),
        (json!(""), Value::Null),
        (json!("2001-01-01T00:00:00Z"), json!("2001-01-01T00:00:00.000Z")),
        (Value::Null, Value::Null),
    ] {
        let body = json!({ "data": { "type": "licenses", "attributes": { "expiry": sent } } });
        assert_eq!(admin.patch(&path, body).ok(200)["data"]["attributes"]["expiry"], stored, "{sent}");
    }
    // In queries: integers by their leading digits, blank is null; booleans; lists by commas or brackets.
    let file = |query: &str| admin.post(&format!("{path}/actions/check-out?{query}"), Value::Null);
    let attributes = |query: &str| file(query).ok(200)["data"]["attributes"].clone();
    for (query, ttl) in [
        ("ttl=3600", json!(3600)),
        ("ttl=7200x", json!(7200)),
        ("ttl=", Value::Null),
        ("ttl", Value::Null),
        ("", json!(2_629_746)),
    ] {
        assert_eq!(attributes(query)["ttl"], ttl, "{query}");
    }
    for query in ["ttl=x", "ttl=-5", "ttl=3599.9"] {
        assert_eq!(file(query).error(), "400 must be greater than or equal to 3600 (1 hour)|CHECKOUT_TTL_INVALID|ttl");
    }
    for (values, algorithm) in [
        (&["1", "true", "TRUE", "t", "T", "yes", "YES", "y", "Y"][..], "aes-256-gcm+ed25519"),
        (&["0", "false", "on", "True", "Yes", "2", "", "x"], "base64+ed25519"),
    ] {
        for value in values {
            assert_eq!(attributes(&format!("encrypt={value}"))["algorithm"], algorithm, "{value}");
        }
    }
    for query in ["include=product,policy", "include[]=product&include[]=policy", "include=product%2Cpolicy"] {
        assert_eq!(attributes(query)["includes"], json!(["product", "policy"]), "{query}");
    }
    // A literal + must be escaped (01 §22.11).
    assert_eq!(attributes("algorithm=base64%2Brsa-sha256")["algorithm"], "base64+rsa-sha256");
    assert_eq!(file("algorithm=base64+rsa-sha256").detail(), "invalid encoding algorithm");
}
