//! Components, by themselves and embedded in a new machine (10 §2).

use crate::authentication::*;
use crate::authorization::*;
use crate::support::*;
use serde_json::{Value, json};

fn body(machine: &Value, attributes: Value) -> Value {
    let relationships = json!({ "machine": link(machine) });
    json!({ "data": { "type": "components", "attributes": attributes, "relationships": relationships } })
}

fn update(attributes: Value) -> Value {
    json!({ "data": { "type": "component", "attributes": attributes } })
}

fn component(client: &Client, machine: &Value, fingerprint: &str) -> Value {
    let attributes = json!({ "fingerprint": fingerprint, "name": "part" });
    client.create("components", attributes, json!({ "machine": link(machine) }))
}

// 10 §2.1–§2.3: the whole document, from every route that gives it
#[test]
fn documents() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({}));
    let machine = admin.machine(&license, "m");
    let account = select(&server, "SELECT id FROM accounts");
    let attributes = json!({ "fingerprint": "GPU:0", "name": "GPU", "metadata": { "slot_no": 1 } });
    let answer = admin.post("components", body(&machine, attributes));
    let mut record = answer.ok(201)["data"].clone();
    let created = record["attributes"]["created"].clone();
    let own = format!("/v1/accounts/{account}/components/{}", id(&record));
    let to_one = |name: &str, type_: &str, id: &Value| {
        let related = json!({ "related": format!("{own}/{name}") });
        json!({ "links": related, "data": { "type": type_, "id": id } })
    };
    let expected = json!({
        "id": record["id"],
        "type": "components",
        "attributes": {
            "fingerprint": "GPU:0", "name": "GPU", "metadata": { "slotNo": 1 }, "created": created, "updated": created
        },
        "relationships": {
            "account": {
                "links": { "related": format!("/v1/accounts/{account}") }, "data": { "type": "accounts", "id": account }
            },
            "environment": { "links": { "related": null }, "data": null },
            "product": to_one("product", "products", &license["relationships"]["product"]["data"]["id"]),
            "license": to_one("license", "licenses", &license["id"]),
            "machine": to_one("machine", "machines", &machine["id"])
        },
        "links": { "self": own }
    });
    assert_eq!(record.to_string(), expected.to_string());
    assert_eq!(answer.header("location"), format!("http://localhost:{}{own}", server.port));
    let path = format!("components/{}", id(&record));
    let dashless = format!("components/{}", id(&record).replace('-', "").to_uppercase());
    for path in [path.clone(), dashless, format!("machines/m/{path}")] {
        assert_eq!(admin.get(&path).ok(200)["data"].to_string(), record.to_string(), "{path}");
    }
    for path in ["components", "machines/m/components"] {
        assert_eq!(admin.get(path).ok(200)["data"].to_string(), json!([record]).to_string(), "{path}");
    }
    // a UUID only, within its machine only
    for path in ["components/GPU%3A0", "components/x"] {
        let name = path.trim_start_matches("components/").replace("%3A", ":");
        let expected = format!("404 The requested machine component '{name}' was not found|NOT_FOUND|-");
        assert_eq!(admin.get(path).error(), expected);
    }
    let second = admin.quick_license(json!({}));
    admin.machine(&second, "n");
    let answer = admin.get(&format!("machines/n/{path}"));
    let expected = format!("404 The requested machine component '{}' was not found|NOT_FOUND|-", id(&record));
    assert_eq!(answer.error(), expected);
    // updates: null for a name is ignored, metadata is replaced whole
    let change = json!({ "name": "card", "metadata": { "a": [1] } });
    let updated = admin.patch(&path, update(change)).ok(200)["data"].clone();
    record["attributes"]["name"] = json!("card");
    record["attributes"]["metadata"] = json!({ "a": [1] });
    record["attributes"]["updated"] = updated["attributes"]["updated"].clone();
    assert_eq!(updated.to_string(), record.to_string());
    let mut with_id = update(json!({ "name": null }));
    with_id["data"]["id"] = json!("anything");
    let kept = admin.put(&path, with_id).ok(200);
    assert_eq!(kept["data"]["attributes"]["name"], "card");
    let related = |name: &str| admin.get(&format!("{path}/{name}")).ok(200)["data"]["id"].clone();
    assert_eq!((related("license"), related("machine")), (license["id"].clone(), machine["id"].clone()));
    assert_eq!(related("product"), record["relationships"]["product"]["data"]["id"]);
    admin.delete(&path).ok(204);
    assert_eq!(admin.get(&path).status, 404);
    for (event, times) in [("created", "1"), ("updated", "2"), ("deleted", "1")] {
        assert_eq!(events(&server, &format!("component.{event}")), times, "{event}");
    }
    // it goes with its machine, without event
    let last = component(&admin, &machine, "last");
    admin.delete("machines/m").ok(204);
    assert_eq!(admin.get(&format!("components/{}", id(&last))).status, 404);
    assert_eq!(events(&server, "component.deleted"), "1");
}

// 10 §2.1
#[test]
fn who_may() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let record = component(admin, &cast.machine, "c");
    let path = format!("components/{}", id(&record));
    assert_eq!(cast.outcome(|c| c.get("components")), "ok: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    for (name, seen) in [("R", 1), ("P", 1), ("L", 1), ("Uo", 1), ("Ua", 1), ("P2", 0), ("L2", 0), ("U", 0)] {
        let list = cast.client(name).get("components").ok(200);
        assert_eq!(list["data"].as_array().unwrap().len(), seen, "{name}");
    }
    let readers = "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
    for suffix in ["", "/license", "/machine"] {
        assert_eq!(cast.outcome(|c| c.get(&format!("{path}{suffix}"))), readers, "{suffix}");
    }
    let nested = format!("machines/{}/{path}", id(&cast.machine));
    assert_eq!(cast.outcome(|c| c.get(&nested)), readers);
    let by_product = || cast.outcome(|c| c.get(&format!("{path}/product")));
    assert_eq!(by_product(), "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U");
    let create = |machine: &Value| {
        cast.outcome(|c| c.post("components", body(machine, json!({ "fingerprint": new_id(), "name": "n" }))))
    };
    let patch = || cast.outcome(|c| c.patch(&path, update(json!({ "name": "x" }))));
    let delete =
        || cast.outcome(|c| c.delete(&format!("components/{}", id(&component(admin, &cast.machine, &new_id())))));
    let (tail, foreign) = ("404: P2 L2 U", "P2 L2 U");
    // protection stops users only: a license may even update
    for (protected, who, not) in [(false, "P L Uo Um", "Ua"), (true, "P L", "Uo Um Ua")] {
        cast.protect(protected);
        assert_eq!(create(&cast.machine), format!("ok: A D S {who}; 401: X; 403: Su R {not} {foreign}"));
        assert_eq!(patch(), format!("ok: A D S Su {who}; 401: X; 403: R {not}; {tail}"));
        assert_eq!(delete(), format!("ok: A D S {who}; 401: X; 403: Su R {not}; {tail}"));
    }
    let unknown = json!({ "type": "machines", "id": new_id() });
    assert_eq!(create(&unknown), "401: X; 403: Su R P L Uo Um Ua P2 L2 U; 422: A D S");
    let answer = admin.post("components", body(&unknown, json!({ "fingerprint": "x", "name": "x" })));
    let errors = answer.errors();
    assert!(errors.contains(&"must exist|MACHINE_NOT_FOUND|/data/relationships/machine".to_owned()), "{errors:?}");
    cast.grant_everything();
    assert_eq!(by_product(), readers);
    server.sql("UPDATE licenses SET protected = NULL; UPDATE policies SET protected = 1");
    assert_eq!(patch(), "ok: A D S Su P L; 401: X; 403: R Uo Um Ua; 404: P2 L2 U");
    // metadata: on create everybody, on update the vendor's side
    cast.server.sql("UPDATE policies SET protected = 0");
    for name in ["A", "D", "S", "Su", "P", "L", "Uo", "Um"] {
        let client = cast.client(name);
        let answer = client.patch(&path, update(json!({ "metadata": { "by": name } })));
        if ["L", "Uo", "Um"].contains(&name) {
            assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/attributes/metadata", "{name}");
        } else {
            assert_eq!(answer.ok(200)["data"]["attributes"]["metadata"], json!({ "by": name }));
        }
        if name != "Su" {
            let attributes = json!({ "fingerprint": new_id(), "name": "n", "metadata": { "by": name } });
            client.post("components", body(&cast.machine, attributes)).ok(201);
        }
    }
}

// 10 §2.2
#[test]
fn attributes_are_checked() {
    let server = Server::start();
    let admin = server.admin();
    let machine = admin.machine(&admin.quick_license(json!({})), "m");
    let existing = component(&admin, &machine, "taken");
    let (long, longer) = ("x".repeat(256), "x".repeat(4097));
    let wide: serde_json::Map<_, _> = (0..65).map(|i| (format!("k{i}"), json!(1))).collect();
    let absent = json!("(absent)");
    let type_mismatch = "400 type mismatch (received integer expected string)|-";
    for (name, value, expected) in [
        ("fingerprint", &absent, "400 is missing|-"),
        ("fingerprint", &json!(null), "400 cannot be null|-"),
        ("fingerprint", &json!(" "), "400 cannot be blank|-"),
        ("fingerprint", &json!(1), type_mismatch),
        ("fingerprint", &json!(longer), "422 is too long (maximum is 4096 characters)|FINGERPRINT_TOO_LONG"),
        ("fingerprint", &json!("action"), "422 is reserved|FINGERPRINT_NOT_ALLOWED"),
        ("fingerprint", &json!("actions"), "422 is reserved|FINGERPRINT_NOT_ALLOWED"),
        ("fingerprint", &json!("taken"), "422 has already been taken|FINGERPRINT_TAKEN"),
        ("name", &absent, "400 is missing|-"),
        ("name", &json!(""), "400 cannot be blank|-"),
        ("name", &json!(1), type_mismatch),
        ("name", &json!(long), "422 is too long (maximum is 255 characters)|NAME_TOO_LONG"),
        ("metadata", &json!("x"), "400 type mismatch (received string expected object)|-"),
        ("metadata", &json!(wide), "422 too many keys (exceeded limit of 64 keys)|METADATA_TOO_LONG"),
        ("created", &json!(1), "400 unpermitted parameter|-"),
    ] {
        let mut attributes = json!({ "fingerprint": "fresh", "name": "n" });
        attributes[name] = value.clone();
        if *value == absent {
            attributes.as_object_mut().unwrap().shift_remove(name);
        }
        let answer = admin.post("components", body(&machine, attributes));
        assert_eq!(answer.error(), format!("{expected}|/data/attributes/{name}"), "{name} {value}");
        if answer.status == 422 {
            let about = format!("https://keygen.sh/docs/api/components/#components-object-attrs-{name}");
            assert_eq!(answer.body["errors"][0]["links"]["about"], about);
        }
    }
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = body(&machine, json!({ "fingerprint": "x", "name": "x" }));
        change(&mut body["data"]);
        admin.post("components", body).error()
    };
    let mismatch = "400 type mismatch (received string expected UUID string)|-|/data/relationships/machine/data/id";
    assert_eq!(with(&|data| data["id"] = json!(new_id())), "400 unpermitted parameter|-|/data/id");
    assert_eq!(with(&|data| data["type"] = json!("parts")), "400 is invalid|-|/data/type");
    assert_eq!(with(&|data| data["relationships"] = json!({})), "400 is missing|-|/data/relationships/machine");
    assert_eq!(with(&|data| data["relationships"]["machine"]["data"]["id"] = json!("m")), mismatch);
    for (name, pointer) in [("relationships", "/data/relationships"), ("attributes", "/data/attributes")] {
        let got = with(&|data| {
            data.as_object_mut().unwrap().shift_remove(name);
        });
        assert_eq!(got, format!("400 is missing|-|{pointer}"));
    }
    // several errors, in order
    let attributes = json!({ "fingerprint": "actions", "name": long, "metadata": wide });
    let answer = admin.post("components", body(&machine, attributes));
    let codes: Vec<_> = answer.errors().iter().map(|e| e.split('|').nth(1).unwrap().to_owned()).collect();
    assert_eq!(codes, ["FINGERPRINT_NOT_ALLOWED", "NAME_TOO_LONG", "METADATA_TOO_LONG"]);
    // update
    let path = format!("components/{}", id(&existing));
    for (attributes, expected) in [
        (json!({ "fingerprint": "x" }), "400 unpermitted parameter|-|/data/attributes/fingerprint"),
        (json!({ "name": "" }), "400 cannot be blank|-|/data/attributes/name"),
        (json!({ "name": long }), "422 is too long (maximum is 255 characters)|NAME_TOO_LONG|/data/attributes/name"),
    ] {
        assert_eq!(admin.patch(&path, update(attributes.clone())).error(), expected, "{attributes}");
    }
    let mut related = update(json!({}));
    related["data"]["relationships"] = json!({ "machine": link(&machine) });
    assert_eq!(admin.patch(&path, related).error(), "400 unpermitted parameter|-|/data/relationships");
    admin.patch(&path, update(json!({}))).ok(200);
}

// 10 §2.4, §2.5
#[test]
fn fingerprints_are_unique_within_a_scope() {
    let server = Server::start();
    let admin = server.admin();
    let detail = |scope: &str| format!("has already been taken{scope}");
    let free = || "201".to_owned();
    let [license, policy, product, account] =
        ["license", "policy", "product", "account"].map(|scope| detail(&format!(" for this {scope}")));
    for (strategy, expected) in [
        ("UNIQUE_PER_MACHINE", [detail(""), free(), free(), free(), free()]),
        ("UNIQUE_PER_LICENSE", [detail(""), license, free(), free(), free()]),
        ("UNIQUE_PER_POLICY", [detail(""), policy.clone(), policy, free(), free()]),
        ("UNIQUE_PER_PRODUCT", [detail(""), product.clone(), product.clone(), product, free()]),
        ("UNIQUE_PER_ACCOUNT", [detail(""), account.clone(), account.clone(), account.clone(), account]),
    ] {
        let part = format!("Part {strategy}");
        let rules = json!({ "floating": true, "componentUniquenessStrategy": strategy });
        let first_product = admin.product();
        let first_policy = admin.policy(&first_product, rules.clone());
        let first_license = admin.license(&first_policy, json!({}));
        let licenses = [
            first_license.clone(),
            first_license,
            admin.license(&first_policy, json!({})),
            admin.license(&admin.policy(&first_product, rules.clone()), json!({})),
            admin.license(&admin.policy(&admin.product(), rules), json!({})),
        ];
        let machines: Vec<_> =
            licenses.iter().enumerate().map(|(i, license)| admin.machine(license, &format!("{i}"))).collect();
        component(&admin, &machines[0], &part);
        for ((machine, license), expected) in machines.iter().zip(&licenses).zip(expected) {
            let answer = admin.post("components", body(machine, json!({ "fingerprint": part, "name": "n" })));
            let pointer = "FINGERPRINT_TAKEN|/data/attributes/fingerprint";
            let outcome = if answer.status == 201 { free() } else { answer.error() };
            let whole = if expected == "201" { free() } else { format!("422 {expected}|{pointer}") };
            assert_eq!(outcome, whole, "{strategy}");
            if answer.status == 201 {
                admin.delete(&format!("components/{}", id(&answer.body["data"]))).ok(204);
            }
            // embedded: on a new machine, so that the machine's own scope is empty
            let answer = embedded(&admin, license, &[json!({ "fingerprint": part, "name": "n" })]);
            if machine == &machines[0] {
                continue;
            }
            let pointer = "COMPONENTS_FINGERPRINT_TAKEN|/data/relationships/components/data/0/attributes/fingerprint";
            let outcome = if answer.status == 201 { free() } else { answer.error() };
            let whole = if expected == "201" { free() } else { format!("422 {expected}|{pointer}") };
            assert_eq!(outcome, whole, "{strategy}, embedded");
            if answer.status == 201 {
                admin.delete(&format!("machines/{}", id(&answer.body["data"]))).ok(204);
            }
        }
    }
}

/// Activates a machine that brings components along.
fn embedded(client: &Client, license: &Value, components: &[Value]) -> Answer {
    let items: Vec<_> = components.iter().map(|a| json!({ "type": "component", "attributes": a })).collect();
    client.post("machines", with_items(license, json!(items)))
}

fn with_items(license: &Value, items: Value) -> Value {
    let relationships = json!({ "license": link(license), "components": { "data": items } });
    let attributes = json!({ "fingerprint": new_id() });
    json!({ "data": { "type": "machines", "attributes": attributes, "relationships": relationships } })
}

// 10 §2.5
#[test]
fn embedded_in_a_new_machine() {
    let cast = Cast::new(json!({ "floating": true }));
    let (server, admin, license) = (&cast.server, cast.client("A"), &cast.license);
    let part = |fingerprint: &str| json!({ "fingerprint": fingerprint, "name": fingerprint });
    // who may activate may bring some along
    for name in ["A", "S", "P", "L", "Uo"] {
        let client = cast.client(name);
        let metadata = json!({ "fingerprint": "a", "name": "A", "metadata": { "some_key": 1 } });
        let made = embedded(client, license, &[metadata, part("b")]).ok(201)["data"].clone();
        assert!(made["relationships"]["components"].get("data").is_none());
        let list = client.get(&format!("machines/{}/components?order=asc", id(&made))).ok(200);
        let list = list["data"].as_array().unwrap();
        assert_eq!(list.len(), 2, "{name}");
        assert_eq!((&list[0]["attributes"]["fingerprint"], &list[1]["attributes"]["name"]), (&json!("a"), &json!("b")));
        assert_eq!(list[0]["attributes"]["metadata"], json!({ "someKey": 1 }));
        assert_eq!(list[1]["attributes"]["metadata"], json!({}));
        assert_eq!(list[0]["relationships"]["machine"]["data"]["id"], made["id"]);
        assert_eq!(list[0]["relationships"]["license"]["data"]["id"], license["id"]);
    }
    assert_eq!((events(server, "component.created"), events(server, "machine.created")), ("0".into(), "6".into()));
    // `component.create`, as soon as one is sent
    server.sql("UPDATE licenses SET permissions = '[\"machine.create\"]'");
    let app = cast.client("L");
    let denied = embedded(app, license, &[part("a")]);
    assert_eq!(reason(&denied), "license lacks permission to perform action");
    embedded(app, license, &[]).ok(201);
    // errors, by index, all together; nothing is stored
    let count =
        || select(server, "SELECT (SELECT count(*) FROM machines) || ' ' || (SELECT count(*) FROM machine_components)");
    let before = count();
    let long = "x".repeat(256);
    let answer = embedded(
        admin,
        license,
        &[
            part("twin"),
            part("actions"),
            part("twin"),
            json!({ "fingerprint": "x".repeat(4097), "name": long }),
            part("twin"),
        ],
    );
    let at = |i: usize, name: &str| format!("/data/relationships/components/data/{i}/attributes/{name}");
    let duplicated = |i: usize| format!("is duplicated|COMPONENTS_FINGERPRINT_CONFLICT|{}", at(i, "fingerprint"));
    let expected = [
        duplicated(0),
        format!("is reserved|COMPONENTS_FINGERPRINT_NOT_ALLOWED|{}", at(1, "fingerprint")),
        duplicated(2),
        format!("is too long (maximum is 4096 characters)|COMPONENTS_FINGERPRINT_TOO_LONG|{}", at(3, "fingerprint")),
        format!("is too long (maximum is 255 characters)|COMPONENTS_NAME_TOO_LONG|{}", at(3, "name")),
        duplicated(4),
    ];
    assert_eq!((answer.status, answer.errors()), (422, expected.to_vec()));
    let about = "https://keygen.sh/docs/api/machines/#machines-object-relationships-components";
    assert_eq!(answer.body["errors"][0]["links"]["about"], about);
    let item = |item: Value| admin.post("machines", with_items(license, json!([item]))).error();
    let pointer = "/data/relationships/components/data/0";
    for (value, expected) in [
        (json!({ "type": "components" }), format!("400 is missing|-|{pointer}/attributes")),
        (json!({ "attributes": part("x") }), format!("400 is missing|-|{pointer}/type")),
        (json!({ "type": "parts", "attributes": part("x") }), format!("400 is invalid|-|{pointer}/type")),
        (
            json!({ "type": "components", "id": new_id(), "attributes": part("x") }),
            format!("400 unpermitted parameter|-|{pointer}/id"),
        ),
        (
            json!({ "type": "components", "attributes": part("x"), "relationships": {} }),
            format!("400 unpermitted parameter|-|{pointer}/relationships"),
        ),
        (
            json!({ "type": "components", "attributes": { "fingerprint": "x", "name": " " } }),
            format!("400 cannot be blank|-|{pointer}/attributes/name"),
        ),
        (
            json!({ "type": "components", "attributes": { "name": "x" } }),
            format!("400 is missing|-|{pointer}/attributes/fingerprint"),
        ),
    ] {
        assert_eq!(item(value.clone()), expected, "{value}");
    }
    assert_eq!(count(), before);
    // twenty are fine
    let many: Vec<_> = (0..20).map(|i| part(&i.to_string())).collect();
    let made = embedded(admin, license, &many).ok(201);
    let list = admin.get(&format!("machines/{}/components?limit=100", id(&made["data"]))).ok(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 20);
}

// 10 §2.6, §1.11
#[test]
fn filters() {
    let server = Server::start();
    let admin = server.admin();
    let licenses = [(); 2].map(|()| admin.quick_license(json!({ "floating": true })));
    let machines = [(&licenses[0], "m0"), (&licenses[0], "m1"), (&licenses[1], "m2")]
        .map(|(license, fingerprint)| admin.machine(license, fingerprint));
    for (i, machine) in machines.iter().enumerate() {
        component(&admin, machine, &format!("c{i}"));
    }
    let product = text(&licenses[0]["relationships"]["product"]["data"]["id"]);
    for (query, expected) in [
        ("".to_owned(), "c2 c1 c0"),
        ("order=asc".to_owned(), "c0 c1 c2"),
        (format!("product={product}"), "c1 c0"),
        (format!("license={}", id(&licenses[1])), "c2"),
        (format!("machine={}", id(&machines[1])), "c1"),
        (format!("machine={}&license={}", id(&machines[1]), id(&licenses[1])), ""),
        ("machine=m1".to_owned(), ""),
        ("machine=&license[]=x&fingerprint=c0".to_owned(), "c2 c1 c0"),
        (format!("license={}", new_id()), ""),
    ] {
        let list = admin.get(&format!("components?{query}")).ok(200);
        let list = list["data"].as_array().unwrap();
        let names: Vec<_> = list.iter().map(|c| text(&c["attributes"]["fingerprint"])).collect();
        assert_eq!(names.join(" "), expected, "{query}");
    }
    // below a machine there are none
    let nested = admin.get(&format!("machines/m0/components?machine={}", id(&machines[1]))).ok(200);
    assert_eq!(nested["data"].as_array().unwrap().len(), 1);
}
