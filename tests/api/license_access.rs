//! Who may do what with licenses (08 §0.1, §1, §4.1), and in which environments (05 §5, 08 §1.3, §4.2).

use crate::authentication::*;
use crate::authorization::*;
use crate::licenses::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// A user of the cast by the name in its address.
fn person(cast: &Cast, name: &str) -> Value {
    let id = select(&cast.server, &format!("SELECT id FROM users WHERE email = '{name}@example.com'"));
    json!({ "type": "users", "id": id })
}

// 08 §1.1, §1.2, §3.2
#[test]
fn who_reads() {
    let cast = Cast::new(json!({}));
    let license = path(&cast.license);
    let all = "ok: A D S Su R P L Uo Um Ua; 401: X; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.get(&license)), all);
    assert_eq!(cast.outcome(|c| c.get(&format!("licenses/{}", key(&cast.license)))), all);
    assert_eq!(cast.outcome(|c| c.get("licenses")), "ok: A D S Su R P Uo Um Ua P2 U; 401: X; 403: L L2");
    let own = |name: &str| cast.client(name).get("licenses").ok(200)["data"].as_array().unwrap().len();
    assert_eq!((own("R"), own("P"), own("P2"), own("Uo"), own("Ua"), own("U")), (2, 1, 1, 1, 1, 0));
    let machine = format!("{license}/machines/cast");
    let by_id = format!("{license}/machines/{}", id(&cast.machine));
    for nested in [&format!("{license}/machines"), &machine, &by_id, &format!("{license}/entitlements")] {
        assert_eq!(cast.outcome(|c| c.get(nested)), all, "{nested}");
    }
    let tokens = format!("{license}/tokens");
    let staff = "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.get(&tokens)), staff);
    // the permissions that licenses and users lack by default
    for nested in ["product", "policy"] {
        assert_eq!(cast.outcome(|c| c.get(&format!("{license}/{nested}"))), staff, "{nested}");
    }
    assert_eq!(
        reason(&cast.client("L").get(&format!("{license}/policy"))),
        "license lacks permission to perform action"
    );
    cast.grant_everything();
    for nested in ["product", "policy"] {
        assert_eq!(cast.outcome(|c| c.get(&format!("{license}/{nested}"))), all, "{nested}");
    }
    assert_eq!(cast.outcome(|c| c.get(&tokens)), staff);
    assert_eq!(reason(&cast.client("L").get("licenses")), NO_REASON);
    // nested lookups give their 404 before authorization (08 §0.1)
    cast.server.sql("UPDATE users SET permissions = '[]'");
    for nested in ["machines", "tokens", "entitlements"] {
        assert_eq!(cast.client("D").get(&format!("{license}/{nested}/{ZERO}")).status, 404, "{nested}");
        assert_eq!(cast.client("D").get(&format!("{license}/{nested}")).status, 403, "{nested}");
    }
}

// 08 §1.1: who changes what, and the two kinds of protection
#[test]
fn who_changes() {
    let cast = Cast::new(json!({ "duration": 86_400, "floating": true }));
    let (server, admin) = (&cast.server, cast.client("A"));
    let license = path(&cast.license);
    let (uo, ua) = (person(&cast, "uo"), person(&cast, "ua"));
    let fresh = || {
        let license = admin.license(&cast.policy, json!({}));
        own(server, &license, &uo);
        attach(server, &license, &cast.um);
        attach(server, &license, &ua);
        path(&license)
    };
    let update = body(
        "licenses",
        json!({ "name": "n", "expiry": "2040-01-01", "maxUses": 1, "metadata": {}, "protected": false }),
    );
    let helpers = "ok: A D S Su P; 401: X; 403: R L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.patch(&license, update.clone())), helpers);
    let act = |client: &Client, action: &str| client.post(&format!("{license}/actions/{action}"), Value::Null);
    for (action, suspended) in [("suspend", 0), ("reinstate", 1)] {
        let outcome = cast.outcome(|c| {
            server.sql(&format!("UPDATE licenses SET suspended = {suspended}"));
            act(c, action)
        });
        assert_eq!(outcome, helpers, "{action}");
    }
    // the policy's protection keeps the owner from helping itself; the license's does not
    for (policy, license_flag, owner) in
        [(false, false, true), (false, true, true), (true, false, false), (true, true, false)]
    {
        let (policy, license_flag) = (i32::from(policy), i32::from(license_flag));
        let protect =
            format!("UPDATE policies SET protected = {policy}; UPDATE licenses SET protected = {license_flag}");
        server.sql(&protect);
        let (may, may_not) = if owner { ("S P Uo", "") } else { ("S P", " Uo") };
        let removers = format!("ok: A D {may}; 401: X; 403: Su R{may_not} Um Ua; 404: L P2 L2 U");
        let delete = |c: &Client, suffix: &str| {
            let path = fresh();
            server.sql(&protect);
            c.delete(&format!("{path}{suffix}"))
        };
        assert_eq!(cast.outcome(|c| delete(c, "")), removers);
        assert_eq!(cast.outcome(|c| delete(c, "/actions/revoke")), removers);
        let may_not = if owner { " L" } else { " L Uo" };
        let renewers = format!("ok: A D {may}; 401: X; 403: Su R{may_not} Um Ua; 404: P2 L2 U");
        assert_eq!(cast.outcome(|c| act(c, "renew")), renewers);
    }
    // a license may do none of that to itself, whatever its permissions
    cast.grant_everything();
    for answer in [
        cast.client("L").delete(&license),
        cast.client("L").patch(&license, update.clone()),
        act(cast.client("L"), "suspend"),
    ] {
        assert_eq!(reason(&answer), "license lacks permission to perform action");
    }
    // parameters that a role may not send are 400; update: 403 before 400 (08 §0.1, §2.2)
    let permissions = body("licenses", json!({ "permissions": [] }));
    let expected = "ok: A D P; 400: S Su; 401: X; 403: R L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.patch(&license, permissions.clone())), expected);
    let answer = cast.client("Su").patch(&license, permissions);
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/attributes/permissions");
    let nonsense = body("licenses", json!({ "nope": 1 }));
    let expected = "400: A D S Su P; 401: X; 403: R L Uo Um Ua; 404: P2 L2 U";
    assert_eq!(cast.outcome(|c| c.patch(&license, nonsense.clone())), expected);
    // to suspend a suspended license: 403 before 422
    server.sql("UPDATE licenses SET suspended = 1");
    assert_eq!(cast.outcome(|c| act(c, "suspend")), "401: X; 403: R L Uo Um Ua; 404: P2 L2 U; 422: A D S Su P");
}

// 08 §1.1, §2.2, §4.1, §4.2
#[test]
fn who_creates() {
    let cast = Cast::new(json!({}));
    let server = &cast.server;
    let um = json!({ "owner": link(&cast.um) });
    let plain = of(&cast.policy, json!({ "name": "n", "metadata": {} }), json!({}));
    let for_um = of(&cast.policy, json!({ "name": "n", "key": null, "metadata": {} }), um.clone());
    assert_eq!(
        cast.outcome(|c| c.post("licenses", plain.clone())),
        "ok: A D S P; 401: X; 403: Su R L Uo Um Ua P2 L2 U"
    );
    assert_eq!(
        cast.outcome(|c| c.post("licenses", for_um.clone())),
        "ok: A D S P Um; 401: X; 403: Su R L Uo Ua P2 L2 U"
    );
    server.sql("UPDATE policies SET protected = 1");
    assert_eq!(
        cast.outcome(|c| c.post("licenses", for_um.clone())),
        "ok: A D S P; 401: X; 403: Su R L Uo Um Ua P2 L2 U"
    );
    server.sql("UPDATE policies SET protected = 0");
    // an unknown policy: users hear of it, products do not
    let unknown = of(&json!({ "type": "policies", "id": ZERO }), json!({}), um.clone());
    assert_eq!(
        cast.outcome(|c| c.post("licenses", unknown.clone())),
        "401: X; 403: Su R P L Uo Ua P2 L2 U; 422: A D S Um"
    );
    assert_eq!(cast.client("Um").post("licenses", unknown).code(), "POLICY_NOT_FOUND");
    // 400 before 403
    let nonsense = of(&cast.policy, json!({ "nope": 1 }), json!({}));
    assert_eq!(cast.outcome(|c| c.post("licenses", nonsense.clone())), "400: A D S Su R P L Uo Um Ua P2 L2 U; 401: X");
    // who may send what: the statuses of S, P and Um, and of Su, who may not create at all
    for (attributes, expected) in [
        (json!({ "name": "n" }), "201 201 201 403"),
        (json!({ "protected": true }), "201 201 400 400"),
        (json!({ "expiry": null }), "201 201 400 400"),
        (json!({ "suspended": false }), "201 201 400 400"),
        (json!({ "maxMachines": 1 }), "201 201 400 400"),
        (json!({ "maxProcesses": 1 }), "201 201 400 400"),
        (json!({ "maxUsers": 1 }), "201 201 400 400"),
        (json!({ "maxUses": 1 }), "201 201 400 400"),
        (json!({ "maxCores": 1 }), "201 201 400 400"),
        (json!({ "maxMemory": 1 }), "201 201 400 400"),
        (json!({ "maxDisk": 1 }), "201 201 400 400"),
        (json!({ "permissions": [] }), "400 201 400 400"),
        (json!({ "metadata": { "a": 1 } }), "201 201 201 403"),
    ] {
        let create = of(&cast.policy, attributes.clone(), um.clone());
        let statuses =
            ["S", "P", "Um", "Su"].map(|name| cast.client(name).post("licenses", create.clone()).status.to_string());
        assert_eq!(statuses.join(" "), expected, "{attributes}");
    }
    let answer = cast
        .client("Um")
        .post("licenses", of(&cast.policy, json!({}), json!({ "owner": link(&cast.um), "group": { "data": null } })));
    assert_eq!(answer.error(), "400 unpermitted parameter|-|/data/relationships/group");
    let mut chosen = for_um;
    chosen["data"]["id"] = json!(new_id());
    assert_eq!(cast.client("Um").post("licenses", chosen.clone()).error(), "400 unpermitted parameter|-|/data/id");
    chosen["data"]["id"] = json!(new_id());
    assert_eq!(cast.client("P").post("licenses", chosen).status, 201);
    let given = of(&cast.policy, json!({ "key": "USER-CHOSEN" }), um);
    assert_eq!(key(&cast.client("Um").post("licenses", given).ok(201)["data"]), "USER-CHOSEN");
    // unknown permission names come before authorization, forbidden ones after (08 §0.1)
    for (names, status) in
        [(json!(["nope"]), 422), (json!(["license.read", "license.read"]), 422), (json!(["license.create"]), 403)]
    {
        let create = of(&cast.policy, json!({ "permissions": names }), json!({}));
        assert_eq!(cast.client("P2").post("licenses", create).status, status, "{names}");
    }
}

// 08 §2.3: what a license may is cut to what its owner may
#[test]
fn permissions_are_those_of_license_and_owner() {
    let cast = Cast::new(json!({}));
    let (server, admin) = (&cast.server, cast.client("A"));
    for (own, owner, effective) in [
        (r#"["license.read","machine.read"]"#, r#"["machine.read","user.read"]"#, json!(["machine.read"])),
        (r#"["*"]"#, r#"["license.read","user.read"]"#, json!(["license.read", "user.read"])),
        (r#"["license.read"]"#, r#"["*"]"#, json!(["license.read"])),
        (r#"["*"]"#, r#"["*"]"#, json!(["*"])),
        (r#"[]"#, r#"["*"]"#, json!([])),
    ] {
        server.sql(&format!("UPDATE licenses SET permissions = '{own}'"));
        server.sql(&format!("UPDATE users SET permissions = '{owner}' WHERE email = 'uo@example.com'"));
        assert_eq!(shown(server, &cast.license)["attributes"]["permissions"], effective, "{own} {owner}");
        let may = effective == json!(["*"]) || effective.as_array().unwrap().contains(&json!("license.read"));
        assert_eq!(cast.client("L").get(&path(&cast.license)).status, if may { 200 } else { 403 }, "{own} {owner}");
    }
    // stored as given, shown as effective; the default is fixed at creation
    let made =
        admin.post("licenses", of(&cast.policy, json!({}), json!({ "owner": link(&cast.um) }))).ok(201)["data"].clone();
    assert_eq!(made["attributes"]["permissions"], json!(default_permissions("license")));
    let updated =
        admin.patch(&path(&made), body("licenses", json!({ "permissions": ["account.read", "user.read"] }))).ok(200);
    assert_eq!(updated["data"]["attributes"]["permissions"], json!(["user.read"]), "a user may not read the account");
    let stored = select(server, &format!("SELECT permissions FROM licenses WHERE id = '{}'", id(&made)));
    assert_eq!(stored, r#"["account.read","user.read"]"#);
}

// 05 §5.5–§5.7, 08 §1.3, §4.2
#[test]
fn environments() {
    let server = Server::start();
    let (iso, pre) = (environment(&server, "iso", "ISOLATED"), environment(&server, "pre", "SHARED"));
    let global = server.admin();
    let inside = |environment: &Value, code: &str| {
        server.token(&token_in(&server, environment, Some(id(environment)))).environment(code)
    };
    let (isolated, shared) = (inside(&iso, "iso"), inside(&pre, "pre"));
    let policy = |client: &Client| client.policy(&client.product(), json!({ "duration": 86_400 }));
    let (pg, pi, ps) = (policy(&global), policy(&isolated), policy(&shared));
    let person =
        |role: &str, email: &str, environment: Option<&Value>| user_in(&server, role, email, environment.map(id));
    let (ug, ui, us) =
        (person("user", "g@x.com", None), person("user", "i@x.com", Some(&iso)), person("user", "s@x.com", Some(&pre)));
    let boss = person("admin", "boss@x.com", None);
    let (gg, gi) = (group(&server, None), group(&server, None));
    server.sql(&format!("UPDATE groups SET environment_id = '{}' WHERE id = '{}'", id(&iso), id(&gi)));
    let foreign = format!("403 {}|-|-", forbidden("record environment is not compatible with the current environment"));
    let clash = |name: &str| {
        format!(
            "422 must be compatible with {name} environment|ENVIRONMENT_NOT_ALLOWED|/data/relationships/environment"
        )
    };
    let none = Value::Null;
    for (client, policy, owner, group, expected) in [
        (&global, &pg, &none, &none, "ok".to_owned()),
        (&global, &pg, &ug, &gg, "ok".to_owned()),
        (&global, &pi, &none, &none, foreign.clone()),
        (&global, &ps, &none, &none, foreign.clone()),
        (&global, &pg, &us, &none, clash("owner")),
        (&global, &pg, &none, &gi, clash("group")),
        (&isolated, &pi, &ui, &gi, "ok".to_owned()),
        (&isolated, &pi, &boss, &none, "ok".to_owned()),
        (&isolated, &pi, &ug, &none, clash("owner")),
        (&isolated, &pg, &none, &none, clash("policy")),
        (&isolated, &ps, &none, &none, clash("policy")),
        (&isolated, &pg, &ug, &gg, clash("policy")),
        (&isolated, &pi, &none, &gg, clash("group")),
        (&shared, &ps, &us, &none, "ok".to_owned()),
        (&shared, &pg, &ug, &gg, "ok".to_owned()),
        (&shared, &pi, &none, &none, clash("policy")),
        (&shared, &ps, &ui, &none, clash("owner")),
    ] {
        let mut relationships = json!({});
        for (name, record) in [("owner", owner), ("group", group)] {
            if !record.is_null() {
                relationships[name] = link(record);
            }
        }
        let answer = client.post("licenses", of(policy, json!({}), relationships));
        assert_eq!(outcome(&answer), expected, "{policy} {owner} {group}");
    }
    // what is named must be the current one (05 §5.6)
    for (client, policy, named, expected) in [
        (&shared, &ps, link(&pre), "ok".to_owned()),
        (&shared, &pg, json!({ "data": null }), foreign.clone()),
        (&shared, &ps, link(&iso), foreign.clone()),
        (&global, &pg, link(&pre), foreign.clone()),
        (&global, &ps, json!({ "data": null }), clash("policy")),
    ] {
        assert_eq!(outcome(&client.post("licenses", of(policy, json!({}), json!({ "environment": named })))), expected);
    }
    // in a shared environment global licenses are read, validated, and nothing else
    let (lg, ls, li) =
        (global.license(&pg, json!({})), shared.license(&ps, json!({})), isolated.license(&pi, json!({})));
    let update = body("licenses", json!({ "name": "n" }));
    for (client, license, reads, writes) in [
        (&global, &lg, 200, 200),
        (&global, &ls, 404, 404),
        (&global, &li, 404, 404),
        (&shared, &lg, 200, 403),
        (&shared, &ls, 200, 200),
        (&shared, &li, 404, 404),
        (&isolated, &li, 200, 200),
        (&isolated, &lg, 404, 404),
    ] {
        let path = path(license);
        for suffix in ["", "/policy", "/product", "/machines", "/entitlements", "/tokens", "/actions/validate"] {
            assert_eq!(client.get(&format!("{path}{suffix}")).status, reads, "{suffix}");
        }
        assert_eq!(client.get(&format!("licenses/{}", key(license))).status, reads);
        assert_eq!(client.post(&format!("{path}/actions/validate"), Value::Null).status, reads);
        assert_eq!(client.patch(&path, update.clone()).status, writes);
        for action in ["renew", "suspend", "reinstate", "check-out"] {
            assert_eq!(client.post(&format!("{path}/actions/{action}"), Value::Null).status, writes, "{action}");
        }
        assert_eq!(client.get(&format!("{path}/actions/check-out")).status, writes);
    }
    for (license, suffix) in [(&lg, ""), (&lg, "/actions/revoke")] {
        assert_eq!(shared.delete(&format!("{}{suffix}", path(license))).error(), foreign);
    }
    shared.delete(&path(&ls)).ok(204);
    let member = format!("policies/{}/licenses/{}", id(&pg), id(&shared.license(&pg, json!({}))));
    assert_eq!(
        (global.get(&member).status, shared.get(&member).status),
        (200, 200),
        "a member is not filtered (05 §5.4)"
    );
}
