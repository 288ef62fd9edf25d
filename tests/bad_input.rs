//! Malformed input at every route: an answer in the API's own form, never a 5xx, a panic or silence. (Broken HTTP: bad_http.rs.)

#[path = "support/mod.rs"]
mod support;

use base64::Engine as _;
use keygen_lite::api::Route;
use keygen_lite::api::route::Prefix;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use sha2::Digest as _;
use std::cell::RefCell;
use support::{Answer, Server, id, key, link, text};

// ------------------------------------------------------------------------------------------------- what there is to aim at

/// One record of every kind, and those who ask.
struct World {
    /// Resource object by collection.
    records: Map<String, Value>,
    /// `Authorization` values: administrator, license key, license token, product token, nobody, nonsense.
    callers: Vec<String>,
}

/// Collections whose records are made by a document.
const MADE: &[&str] = &["products", "entitlements", "policies", "licenses", "machines", "components", "processes"];

impl World {
    fn make(server: &Server) -> World {
        let admin = server.admin();
        let product = admin.product();
        let settings = json!({ "floating": true, "maxMachines": 50, "authenticationStrategy": "MIXED" });
        let policy = admin.policy(&product, settings);
        let license = admin.license(&policy, json!({}));
        let machine = admin.machine(&license, &format!("fp-{}", uuid::Uuid::new_v4()));
        let entitlement = admin.entitlement(&format!("E{}", uuid::Uuid::new_v4().simple()));
        let attached = json!({ "data": [{ "type": "entitlements", "id": entitlement["id"] }] });
        admin.post(&format!("licenses/{}/entitlements", id(&license)), attached).ok(200);
        let of_machine = json!({ "machine": link(&machine) });
        let component = admin.create("components", json!({ "fingerprint": "c", "name": "Part" }), of_machine.clone());
        let process = admin.create("processes", json!({ "pid": "1" }), of_machine);
        let basic = format!("{}:{}", support::ADMIN_EMAIL, support::ADMIN_PASSWORD);
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(basic));
        let token = server.with(&basic).post("tokens", Value::Null).ok(201)["data"].clone();
        let callers = vec![
            format!("Bearer {}", text(&token["attributes"]["token"])),
            format!("License {}", key(&license)),
            format!("Bearer {}", admin.token_for(&license)),
            format!("Bearer {}", admin.token_for(&product)),
            String::new(),
            "Bearer admin-0000".to_owned(),
        ];
        let mut records = Map::new();
        for record in [product, policy, license, machine, entitlement, component, process, token] {
            records.insert(text(&record["type"]).to_owned(), record);
        }
        World { records, callers }
    }

    /// Whether everything is still there for the next route to be tried on.
    fn is_whole(&self, server: &Server) -> bool {
        self.callers[..4].iter().all(|caller| server.with(caller).get("me").status == 200)
            && self
                .records
                .values()
                .all(|record| server.admin().get(&format!("{}/{}", text(&record["type"]), id(record))).status == 200)
    }

    fn id(&self, collection: &str) -> String {
        self.records.get(collection).map_or_else(|| uuid::Uuid::nil().to_string(), |record| id(record).to_owned())
    }

    /// A document that creates a record of that kind (but for its unique values).
    fn document(&self, collection: &str) -> Value {
        let link = |to: &str| json!({ "data": { "type": to, "id": self.id(to) } });
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let (attributes, relationships) = match collection {
            "products" => (json!({ "name": "P", "code": unique }), json!({})),
            "entitlements" => (json!({ "name": "E", "code": unique }), json!({})),
            "policies" => (json!({ "name": "P" }), json!({ "product": link("products") })),
            "licenses" => (json!({ "name": "L" }), json!({ "policy": link("policies") })),
            "machines" => (json!({ "fingerprint": unique }), json!({ "license": link("licenses") })),
            "components" => (json!({ "fingerprint": unique, "name": "C" }), json!({ "machine": link("machines") })),
            "processes" => (json!({ "pid": unique }), json!({ "machine": link("machines") })),
            _ => (json!({}), json!({})),
        };
        json!({ "data": { "type": collection, "attributes": attributes, "relationships": relationships } })
    }
}

// ---------------------------------------------------------------------------------------------------------- what is thrown

/// JSON numbers as text: most fit no JSON value of ours.
const NUMBERS: &str = "0 -0 -0.0 1 -1 2 10 1.5 1e400 -1e400 1e-400 1E5 2147483647 2147483648 -2147483649 9223372036854775807 \
    9223372036854775808 -9223372036854775808 -9223372036854775809 10000000000000000000000000000000000000000 0.1e1000000000000 \
    253402300800 8210298326400000 9007199254740993";

/// Texts that are awkward as names, keys, ids, dates or words, or are a word in another place.
const TEXTS: &str = "| |\0|a\0b|\n|\u{7f}|\u{feff}|日本語|é|👩‍👩‍👧|\u{202e}abc|İ|ß|..|.|a.json|x.xml|%|%00|%2F|'|\"|'; DROP TABLE licenses; --|\\|\
    actions|null|true|-1|1e400|2024-02-30T00:00:00Z|2024-01-01|9999-12-31T23:59:59.999Z|99999-01-01T00:00:00Z|0000-00-00T00:00:00Z|\
    -0001-01-01T00:00:00Z|+275760-09-13T00:00:00Z|292277026596-12-04T15:30:08Z|2024-01-01T25:61:61Z|2024-01-01T00:00:00+99:99|\
    2016-12-31T23:59:60Z|1969-12-31T23:59:59Z|2262-04-12T00:00:00Z|now|12:00|ED25519_SIGN|RSA_2048_JWT_RS256|RSA_2048_PKCS1_ENCRYPT|\
    ECDSA_P256_SIGN|LEGACY_ENCRYPT|PER_USER|FROM_FIRST_USE|FROM_FIRST_VALIDATION|ALWAYS_REVIVE|UNIQUE_PER_ACCOUNT|MATCH_ALL|\
    ALLOW_2X_OVERAGE|NONE|day|week|license.validate|*|entitlements|owner|license.policy|aes-256-gcm+ed25519|base64+rsa-pss-sha256|\
    {{ id }}|{{expiry}}|{{account|{\"a\":1}|http://|https://[::1|javascript:x|00000000-0000-0000-0000-000000000000|1.2.3-beta.1+x|v1|1.0|\
    0190b4f27c9e7cc3a5b12f6d1f0e8a42|{0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42}";

/// Names that bodies have somewhere; attributes of the records come on top.
const NAMES: &str = "id name key metadata permissions expiry duration maxMachines maxUses fingerprint components data type attributes \
    relationships meta ID __proto__ a/b 日本 maxCores pid bearer environment owner group protected";
const RELATIONSHIPS: &str =
    "product policy license machine owner user group environment bearer entitlements components nope";
const META: &str = "key nonce scope include ttl encrypt algorithm encrypted legacyEncrypted";
const SCOPE: &str =
    "product policy user machine fingerprint fingerprints components entitlements environment version checksum";

/// Attributes that nobody may send: naming them ends a request early.
const SHOWN_ONLY: &str = "created updated status lastValidated lastCheckIn nextCheckIn lastCheckOut heartbeatStatus lastHeartbeat \
    nextHeartbeat requireHeartbeat heartbeatDuration maxProcesses kind token uses suspended version scheme interval";

fn any_of(list: &'static str, separator: char) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(list.split(separator).collect::<Vec<_>>())
}

fn name(list: &'static str) -> impl Strategy<Value = &'static str> + Clone {
    prop::sample::select(list.split_ascii_whitespace().collect::<Vec<_>>())
}

fn awkward_text() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => any_of(TEXTS, '|').prop_map(str::to_owned),
        2 => any::<String>(),
        1 => (1usize..20_000, any::<char>()).prop_map(|(n, c)| c.to_string().repeat(n)),
    ]
}

fn quote(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// JSON as text, so that it can hold what no JSON value can.
fn leaf() -> impl Strategy<Value = String> {
    let words = any_of(r#"null|true|false|[]|{}|[null]|[[]]|{"":0}|[{"id":1}]|{"data":null}"#, '|');
    prop_oneof![
        3 => name(NUMBERS).prop_map(str::to_owned),
        2 => words.prop_map(str::to_owned),
        6 => awkward_text().prop_map(|text| quote(&text)),
    ]
}

fn tree() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name(NAMES), inner), 0..6).prop_map(|members| object(&members)),
        ]
    })
}

fn object<T: AsRef<str>>(members: &[(T, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", quote(name.as_ref()))).collect();
    format!("{{{}}}", members.join(","))
}

/// What becomes of a path parameter.
#[derive(Clone, Debug)]
enum Fill {
    /// The id of the record that belongs there.
    Right,
    /// The id of another record.
    Other(&'static str),
    /// A text, percent-encoded.
    Text(String),
    /// A segment as it is.
    Raw(&'static str),
}

fn fill() -> impl Strategy<Value = Fill> {
    const RAW: &str = "%00 %2F % %4 %zz %ff %C3%28 .. . %2e%2e a.json a.xml a.jsonapi + ; : @ * ~ actions %0A %E2%82%AC a%00.json %252F \
        %F0%9F%92%A9 !$&'() {id} / a/b";
    prop_oneof![
        10 => Just(Fill::Right),
        1 => prop::sample::select(MADE).prop_map(Fill::Other),
        1 => awkward_text().prop_map(Fill::Text),
        2 => name(RAW).prop_map(Fill::Raw),
    ]
}

/// An attribute that is put into a document: which one, and a value that fits its type (`fits`) or not.
#[derive(Clone, Debug)]
struct Put {
    pick: usize,
    fits: bool,
    number: &'static str,
    text: String,
    other: String,
}

fn put() -> impl Strategy<Value = Put> {
    let other = prop_oneof![3 => leaf(), 1 => tree()];
    (any::<usize>(), prop::bool::weighted(0.8), name(NUMBERS), awkward_text(), other)
        .prop_map(|(pick, fits, number, text, other)| Put { pick, fits, number, text, other })
}

type Members = Vec<(&'static str, String)>;

fn members(names: &'static str, most: usize) -> impl Strategy<Value = Members> {
    prop::collection::vec((name(names), leaf()), 0..most)
}

/// Mostly none.
fn rarely(some: impl Strategy<Value = Members>) -> impl Strategy<Value = Members> {
    prop_oneof![5 => Just(Vec::new()), 1 => some]
}

/// A body, made when the record ids are known.
#[derive(Clone, Debug)]
enum Body {
    None,
    /// The right document with some attributes, relationships and other members replaced or added.
    Document(Vec<Put>, Members, Members),
    /// `{"meta": …}` with some of these members, and `scope` of those.
    Meta(Members, Members),
    /// `{"data": [{type, id}, …]}`
    Links(Vec<(Fill, bool)>),
    Text(String),
    Bytes(Vec<u8>),
    /// So many opening brackets, closed again or not.
    Deep(usize, bool),
}

fn body() -> impl Strategy<Value = Body> {
    let known: Vec<&'static [u8]> = vec![
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"{\"data\":\"\xc3\x28\"}",
        b"{\"data\":\"\\ud800\"}",
        b"{\"a\":1,}",
        b"{'a':1}",
        b"{\"a\":01}",
        b"[1 2]",
        b"nul",
        b"{\"\\u0000\":1}",
        b"{\"meta\":{\"key\":\"\\u0000\"}}",
        b"{}{}",
        b"//",
        b" ",
        b"\0",
        b"--x\r\n\r\n--x--",
        b"data[type]=licenses&data[attributes][name]=x",
    ];
    let bytes =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..200), prop::sample::select(known).prop_map(<[u8]>::to_vec)];
    let depth = prop::sample::select(vec![1usize, 50, 99, 100, 101, 102, 5_000, 200_000]);
    prop_oneof![
        2 => Just(Body::None),
        14 => (prop::collection::vec(put(), 0..3), rarely(members(RELATIONSHIPS, 2)), rarely(members(NAMES, 2)))
            .prop_map(|(puts, links, others)| Body::Document(puts, links, others)),
        4 => (members(META, 3), members(SCOPE, 4)).prop_map(|(meta, scope)| Body::Meta(meta, scope)),
        2 => prop::collection::vec((fill(), prop::bool::weighted(0.8)), 0..4).prop_map(Body::Links),
        2 => tree().prop_map(Body::Text),
        1 => bytes.prop_map(Body::Bytes),
        1 => (depth, any::<bool>()).prop_map(|(depth, closed)| Body::Deep(depth, closed)),
    ]
}

fn query() -> impl Strategy<Value = String> {
    const KEYS: &str = "page page[size] page[number] page[cursor] page[size][x] limit order include expand token auth environment metadata \
        metadata[a] metadata[a][b] metadata[] metadata[%22] entitlements[] entitlements product policy license machine owner user group \
        key fingerprint status expires[within] expires[before] expires[in] activity[after] activations[gt] activations[between] assigned \
        encrypt algorithm ttl ttl[] include[] bearer[type] bearer[id] bearer a[b a]b [] [ a[][b] a[[b]] %5B%5D unassigned expired suspended \
        activity[inside] ip hostname version limit page[size] ttl encrypt include";
    const VALUES: &str = "|0|-1|1|100|101|99999999999999999999|1e400|abc|asc|desc|true|%00|a%20b|+|00000000-0000-0000-0000-000000000000|ACTIVE|\
        EXPIRED|owner,policy|P1D|2024-02-30|%F0%9F%92%A9|x%5B%5D=1|P99999999999Y|PT1e400S|product|-9223372036854775808|base64+ed25519|iso|*|a:b";
    let pair = (name(KEYS), prop::option::weighted(0.9, any_of(VALUES, '|')))
        .prop_map(|(key, value)| value.map_or(key.to_owned(), |value| format!("{key}={value}")));
    let broken =
        name("a=1&a[b]=2 a[]=1&a[b]=2 page=1&page[size]=1 &&& =&= ? metadata=1&metadata[a]=1 % a=%zz %ff=1 a=%ff %00");
    prop_oneof![
        8 => Just(String::new()),
        6 => prop::collection::vec(pair, 1..3).prop_map(|pairs| format!("?{}", pairs.join("&"))),
        1 => broken.prop_map(|text| format!("?{text}")),
        1 => (1usize..80).prop_map(|depth| format!("?a{}=1", "[x]".repeat(depth))),
    ]
}

/// Headers and their values, bars between; `\xff` stands for that byte.
const HEADERS: &[(&str, &str)] = &[
    (
        "Accept",
        r#"|*|*/*|application/json|text/html|application/octet-stream|json|a/b;q=x,*/*;q=0|\xff|application/vnd.api+json; profile="a,b"|,,,"#,
    ),
    (
        "Content-Type",
        r"|application/json|text/plain|application/xml|vnd.api+xml|\xff/\xff|multipart/form-data|application/json; charset=utf-16|;",
    ),
    (
        "Authorization",
        r"|Bearer|Bearer |Basic|Basic ====|Basic \xff|Basic Og==|License|License x|Digest a=b|Bearer a b c|Basic bGljZW5zZTrDKA==",
    ),
    ("Keygen-Version", r"1.8|1.7|1.0|v1.8||9.9|1|\xff|1.8.0"),
    ("Keygen-Environment", r"iso|shared|ISO||nope|\xff|%00|00000000-0000-0000-0000-000000000000"),
    (
        "Keygen-Accept-Signature",
        r#"|x|algorithm="ed25519"|algorithm="rsa-sha256"|algorithm="rsa-pss-sha256"|algorithm="ecdsa-p256"|algorithm="none"|\xff"#,
    ),
    ("Origin", r"null|https://app.keygen.sh|\xff|"),
    ("X-Forwarded-For", r"1.2.3.4|unknown|::1, 1.1.1.1|\xff"),
    ("X-Forwarded-Proto", "https|gopher"),
    ("Range", "bytes=0-1|bytes=5-1"),
    ("If-None-Match", "*"),
    ("Cookie", r"session_id=x|\xff"),
    ("X-Http-Method-Override", "DELETE"),
    ("Accept-Encoding", "gzip, br"),
];

type Headers = Vec<(&'static str, Vec<u8>)>;

fn headers() -> impl Strategy<Value = Headers> {
    let bytes = |text: &str| text.split("\\xff").map(str::as_bytes).collect::<Vec<_>>().join(&b"\xff"[..]);
    let one = prop::sample::select(HEADERS)
        .prop_flat_map(move |(name, values)| any_of(values, '|').prop_map(move |value| (name, bytes(value))));
    prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(one, 1..3)]
}

/// One request, but for the ids.
#[derive(Clone, Debug)]
struct Case {
    fills: Vec<Fill>,
    query: String,
    headers: Headers,
    body: Body,
    caller: usize,
    method: Option<&'static str>,
    long: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let method = prop::option::weighted(0.07, name("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE PROPFIND FROB get"));
    let caller = prop_oneof![3 => Just(0usize), 2 => 0usize..6];
    (prop::collection::vec(fill(), 3), query(), headers(), body(), caller, method, any::<bool>()).prop_map(
        |(fills, query, headers, body, caller, method, long)| Case {
            fills,
            query,
            headers,
            body,
            caller,
            method,
            long,
        },
    )
}

// ------------------------------------------------------------------------------------------------------------ the throwing

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl Case {
    fn filled(fill: &Fill, world: &World, collection: &str) -> String {
        match fill {
            Fill::Right => world.id(collection),
            Fill::Other(other) => world.id(other),
            // Longer paths than a request may have are tried elsewhere.
            Fill::Text(text) => escaped(&text.chars().take(2000).collect::<String>()),
            Fill::Raw(raw) => (*raw).to_owned(),
        }
    }

    /// The request of a route as bytes.
    fn request(&self, route: &Route, world: &World) -> Vec<u8> {
        let mut collection = "";
        let mut fills = self.fills.iter();
        let mut path = match route.prefix {
            Prefix::Bare => "/v1".to_owned(),
            Prefix::Both if !self.long => "/v1".to_owned(),
            _ => match fills.next() {
                Some(fill @ (Fill::Text(_) | Fill::Raw(_))) if self.caller == 5 => {
                    format!("/v1/accounts/{}", Self::filled(fill, world, ""))
                }
                _ => "/v1/accounts/acme".to_owned(),
            },
        };
        let mut last = "";
        for segment in route.path.split('/').filter(|segment| !segment.is_empty()) {
            path.push('/');
            if segment.starts_with('{') {
                path += &Self::filled(fills.next().unwrap_or(&Fill::Right), world, last);
            } else {
                path += segment;
                last = segment;
                collection = if world.records.contains_key(segment) { segment } else { collection };
            }
        }
        let method = self.method.unwrap_or(route.method);
        let mut out =
            format!("{method} {path}{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", self.query).into_bytes();
        let caller = &world.callers[self.caller];
        let own = |name: &str| self.headers.iter().any(|(n, _)| *n == name);
        if !caller.is_empty() && !own("Authorization") {
            out.extend_from_slice(format!("Authorization: {caller}\r\n").as_bytes());
        }
        for (name, value) in &self.headers {
            out.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        let body = self.bytes(world, route, collection);
        if !body.is_empty() {
            out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&body);
        out
    }

    fn bytes(&self, world: &World, route: &Route, collection: &str) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Text(text) => text.clone().into_bytes(),
            Body::Bytes(bytes) => bytes.clone(),
            Body::Deep(depth, closed) => {
                let object = depth % 2 == 1;
                let mut text = if object { "{\"a\":" } else { "[" }.repeat(*depth);
                if *closed {
                    text += "0";
                    text += &if object { "}" } else { "]" }.repeat(*depth);
                }
                text.into_bytes()
            }
            Body::Links(links) => {
                let links: Vec<Value> = links
                    .iter()
                    .map(|(fill, right)| {
                        let type_ = if *right { "entitlements" } else { "users" };
                        json!({ "type": type_, "id": Self::filled(fill, world, "entitlements") })
                    })
                    .collect();
                json!({ "data": links }).to_string().into_bytes()
            }
            // Actions know no resource documents; some get them all the same.
            Body::Document(..) if self.long && route.path.contains("actions/") => b"{\"meta\":{}}".to_vec(),
            Body::Document(puts, links, others) => {
                let mut base = world.document(collection);
                if route.method == "PATCH" {
                    // What makes a record is mostly what cannot be changed.
                    base["data"]["attributes"] = json!({});
                    base["data"]["relationships"] = json!({});
                }
                let mut attributes = written(&base["data"]["attributes"]);
                attributes.extend(puts.iter().map(|put| put.member(world, collection)));
                let mut relationships = written(&base["data"]["relationships"]);
                relationships.extend(links.iter().map(|(name, id)| {
                    ((*name).to_owned(), format!("{{\"data\":{{\"type\":\"{name}\",\"id\":{id}}}}}"))
                }));
                let mut data = vec![
                    ("type", base["data"]["type"].to_string()),
                    ("attributes", object(&attributes)),
                    ("relationships", object(&relationships)),
                ];
                data.extend(others.iter().cloned());
                object(&[("data", object(&data))]).into_bytes()
            }
            Body::Meta(meta, scope) => {
                let key = world.records["licenses"]["attributes"]["key"].to_string();
                let mut members = if meta.len() < 2 { vec![("key", key)] } else { Vec::new() };
                members.extend(meta.iter().cloned());
                if !scope.is_empty() {
                    members.push(("scope", object(scope)));
                }
                object(&[("meta", object(&members))]).into_bytes()
            }
        }
    }
}

fn written(base: &Value) -> Vec<(String, String)> {
    base.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.to_string())).collect()
}

impl Put {
    /// An attribute that records of the collection have, with a value of the shown value's type.
    fn member(&self, world: &World, collection: &str) -> (String, String) {
        let shown = world.records.get(collection).and_then(|record| record["attributes"].as_object());
        let settable = |name: &str| SHOWN_ONLY.split_ascii_whitespace().all(|other| other != name);
        let known: Vec<_> = shown.into_iter().flatten().filter(|(name, _)| settable(name)).collect();
        let Some((name, value)) = known.get(self.pick % known.len().max(1)) else {
            return ("name".to_owned(), self.other.clone());
        };
        let value = match value {
            _ if !self.fits => self.other.clone(),
            Value::Number(_) => self.number.to_owned(),
            Value::Null if self.pick.is_multiple_of(2) => self.number.to_owned(),
            Value::Null | Value::String(_) => quote(&self.text),
            Value::Bool(flag) => (!flag).to_string(),
            Value::Array(_) => format!("[{},{}]", quote(&self.text), quote("license.read")),
            Value::Object(_) => format!("{{{}:{}}}", quote(&self.text), self.other),
        };
        ((*name).clone(), value)
    }
}

/// What holds for every answer.
fn check(answer: &Answer, method: &str) -> Result<(), String> {
    let status = answer.status;
    let shown = || format!("{status} {:?} {}", answer.headers, String::from_utf8_lossy(&answer.bytes));
    let demand = |ok: bool, what: &str| if ok { Ok(()) } else { Err(format!("{what}: {}", shown())) };
    demand((200..500).contains(&status), "status")?;
    demand(!(300..400).contains(&status), "no redirect")?;
    if method == "OPTIONS" && status == 200 {
        return Ok(());
    }
    demand(!answer.header("x-request-id").is_empty(), "a request id")?;
    // D2: in single mode everything is signed.
    demand(!answer.header("keygen-signature").is_empty(), "a signature")?;
    if method == "HEAD" || status == 204 {
        return demand(answer.bytes.is_empty(), "no body");
    }
    let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(&answer.bytes));
    demand(answer.header("digest") == format!("sha-256={digest}"), "the digest")?;
    if status < 400 && (answer.header("content-type") == "application/octet-stream" || answer.bytes.is_empty()) {
        return Ok(());
    }
    demand(answer.header("content-type").ends_with("json; charset=utf-8"), "a JSON type")?;
    demand(answer.body.is_object(), "JSON")?;
    if status < 400 {
        return demand(answer.body.get("data").is_some() || answer.body.get("meta").is_some(), "a document");
    }
    let errors = answer.body["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let is_error = |e: &Value| e["title"].is_string() && e["detail"].as_str().is_some_and(|d| !d.is_empty());
    demand(!errors.is_empty() && errors.iter().all(is_error), "errors")
}

/// The server has neither panicked nor seen an error of its own.
#[track_caller]
fn assert_calm(server: &Server) {
    assert_eq!(server.anonymous().get("/v1/health").status, 204, "the server is alive");
    let log = server.log();
    let bad: Vec<&str> = log.lines().filter(|line| line.contains("panic") || line.contains("\"ERROR\"")).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Cases for each route. Shrinking makes more of them when one fails.
const CASES: u32 = 60;

fn fuzz(routes: &[&'static Route]) {
    let server = Server::start();
    let account = server.admin().get("me").ok(200)["data"]["relationships"]["account"]["data"]["id"].clone();
    for (code, strategy) in [("iso", "ISOLATED"), ("shared", "SHARED")] {
        server.sql(&format!(
            "INSERT INTO environments (id, account_id, created_at, updated_at, name, code, isolation_strategy)
             VALUES ('{}', {account}, 0, 0, '{code}', '{code}', '{strategy}')",
            uuid::Uuid::new_v4(),
            account = account.to_string().replace('"', "'"),
        ));
    }
    let world = RefCell::new(World::make(&server));
    for route in routes {
        // Each route has its own cases, the same in every run.
        let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let seed = sha2::Sha256::digest(format!("{route:?}"));
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let result = runner.run(&case(), |case| {
            let request = case.request(route, &world.borrow());
            let shown = || String::from_utf8_lossy(&request).chars().take(3000).collect::<String>();
            let answer = server.anonymous().try_raw(&request);
            let answer = answer.map_err(|e| TestCaseError::fail(format!("no answer ({e}) to {}", shown())))?;
            check(&answer, case.method.unwrap_or(route.method))
                .map_err(|e| TestCaseError::fail(format!("{e}\nto {}", shown())))?;
            if answer.status == 204 && case.method.unwrap_or(route.method) == "DELETE" {
                let fresh = World::make(&server);
                *world.borrow_mut() = fresh;
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{route:?}: {error}\n{}", server.log());
        }
        if !world.borrow().is_whole(&server) {
            *world.borrow_mut() = World::make(&server);
        }
    }
    assert_calm(&server);
}

/// Every route of the table, spread over servers that are tried at once.
#[test]
fn nonsense_is_refused_at_every_route() {
    const SERVERS: usize = 3;
    let routes: Vec<&'static Route> = keygen_lite::api::routes().collect();
    assert!(routes.len() > 80, "{}", routes.len());
    std::thread::scope(|scope| {
        for part in 0..SERVERS {
            let mine: Vec<&'static Route> = routes.iter().skip(part).step_by(SERVERS).copied().collect();
            scope.spawn(move || fuzz(&mine));
        }
    });
}
