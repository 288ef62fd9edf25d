//! Several accounts in one file know nothing of each other (05 §1.1, §5.2; 01 §2.2; D3).

use crate::account_creation::{admin, body, multi};
use crate::authentication::*;
use crate::authorization::{NO_REASON, reason};
use crate::support::*;
use crate::users::group;
use serde_json::{Value, json};

/// An account with one of everything, made with the same names as in the other one.
struct Tenant {
    path: String,
    client: Client,
    account: Value,
    environment: Value,
    product: Value,
    policy: Value,
    license: Value,
    machine: Value,
    component: Value,
    process: Value,
    entitlement: Value,
    user: Value,
    setting: Value,
    token: Value,
}

impl Tenant {
    /// Everything that is named carries the same names.
    fn new(client: Client, slug: &str) -> Tenant {
        let path = format!("/v1/accounts/{slug}");
        let create = |type_: &str, attributes: Value, linked: Value| {
            let data = json!({ "type": type_, "attributes": attributes, "relationships": linked });
            client.post(&format!("{path}/{type_}"), json!({ "data": data })).ok(201)["data"].clone()
        };
        let environment = client.post(
            &format!("{path}/environments"),
            json!({ "data": { "type": "environments", "attributes": { "name": "E", "code": "staging", "isolationStrategy": "SHARED" } } }),
        );
        let product = create("products", json!({ "name": "App", "code": "app" }), json!({}));
        let attributes = json!({ "name": "Policy", "floating": true, "authenticationStrategy": "MIXED", "machineUniquenessStrategy": "UNIQUE_PER_ACCOUNT" });
        let policy = create("policies", attributes, json!({ "product": link(&product) }));
        let user =
            create("users", json!({ "email": "ada@example.com", "password": format!("secret {slug}") }), json!({}));
        let linked = json!({ "policy": link(&policy), "owner": link(&user) });
        let license = create("licenses", json!({ "key": "SAME-KEY" }), linked);
        let machine = create("machines", json!({ "fingerprint": "same-print" }), json!({ "license": link(&license) }));
        let on_machine = || json!({ "machine": link(&machine) });
        let component = create("components", json!({ "name": "c", "fingerprint": "same-part" }), on_machine());
        let process = create("processes", json!({ "pid": "1" }), on_machine());
        let entitlement = create("entitlements", json!({ "name": "E", "code": "SAME" }), json!({}));
        let setting =
            json!({ "type": "settings", "attributes": { "key": "default_user_permissions", "value": ["user.read"] } });
        let setting = client.post(&format!("{path}/settings"), json!({ "data": setting })).ok(201)["data"].clone();
        let token =
            client.post(&format!("{path}/products/{}/tokens", id(&product)), Value::Null).ok(200)["data"].clone();
        let account = client.get(&path).ok(200)["data"].clone();
        let environment = environment.ok(201)["data"].clone();
        Tenant {
            path,
            client,
            account,
            environment,
            product,
            policy,
            license,
            machine,
            component,
            process,
            entitlement,
            user,
            setting,
            token,
        }
    }

    fn at(&self, below: &str) -> String {
        format!("{}/{below}", self.path)
    }

    /// Every record, with its type and name in 404 messages.
    fn records(&self) -> [(&'static str, &'static str, &Value); 11] {
        [
            ("environments", "environment", &self.environment),
            ("products", "product", &self.product),
            ("policies", "policy", &self.policy),
            ("licenses", "license", &self.license),
            ("machines", "machine", &self.machine),
            ("components", "machine component", &self.component),
            ("processes", "machine process", &self.process),
            ("entitlements", "entitlement", &self.entitlement),
            ("users", "user", &self.user),
            ("settings", "account setting", &self.setting),
            ("tokens", "token", &self.token),
        ]
    }
}

fn pair() -> (Server, Tenant, Tenant) {
    let server = multi();
    let attributes = json!({ "slug": "beta", "name": "Beta" });
    // the same address as the first account's administrator, another password
    let sent = body(attributes, json!([admin(json!({ "email": ADMIN_EMAIL, "password": "beta's secret" }))]));
    server.anonymous().post("/v1/accounts", sent).ok(201);
    let login =
        server.with(&basic(&format!("{ADMIN_EMAIL}:beta's secret"))).post("/v1/accounts/beta/tokens", Value::Null);
    let client = server.token(text(&login.ok(201)["data"]["attributes"]["token"]));
    let tenants = (Tenant::new(server.admin(), "acme"), Tenant::new(client, "beta"));
    (server, tenants.0, tenants.1)
}

// 05 §1.1, 03 §3, §4, §6
#[test]
fn credentials_belong_to_one_account() {
    let (server, acme, beta) = pair();
    for (own, other) in [(&acme, &beta), (&beta, &acme)] {
        let me = |client: &Client, tenant: &Tenant| client.get(&tenant.at("me"));
        let answer = me(&own.client, own);
        assert_eq!((answer.status, answer.header("keygen-account")), (200, id(&own.account)));
        let refused = me(&own.client, other);
        assert_eq!((refused.code(), refused.header("keygen-account")), ("TOKEN_INVALID", id(&other.account)));
        let product = server.token(text(&own.token["attributes"]["token"]));
        assert_eq!(me(&product, own).ok(200)["data"]["id"], own.product["id"]);
        assert_eq!(me(&product, other).code(), "TOKEN_INVALID");
        // the same key, and the same address, are somebody else there
        let key = server.license_key("SAME-KEY");
        for tenant in [own, other] {
            assert_eq!(me(&key, tenant).ok(200)["data"]["id"], tenant.license["id"]);
            let body = json!({ "meta": { "key": "SAME-KEY" } });
            let valid = key.post(&tenant.at("licenses/actions/validate-key"), body).ok(200);
            assert_eq!((&valid["data"]["id"], &valid["meta"]["valid"]), (&tenant.license["id"], &json!(true)));
        }
        let slug = text(&own.account["attributes"]["slug"]);
        let login = server.with(&basic(&format!("ada@example.com:secret {slug}")));
        let token = login.post(&own.at("tokens"), Value::Null).ok(201)["data"].clone();
        assert_eq!(token["relationships"]["bearer"]["data"]["id"], own.user["id"]);
        assert_eq!(login.post(&other.at("tokens"), Value::Null).code(), "PASSWORD_INVALID");
        // a new key of this account alone
        let key = text(&own.license["attributes"]["key"]);
        assert_eq!(key, "SAME-KEY");
        let policy = json!({ "policy": link(&own.policy) });
        let data = json!({ "type": "licenses", "relationships": policy });
        let fresh = own.client.post(&own.at("licenses"), json!({ "data": data })).ok(201)["data"].clone();
        let key = server.license_key(text(&fresh["attributes"]["key"]));
        assert_eq!((me(&key, own).status, me(&key, other).code()), (200, "LICENSE_INVALID"));
    }
    for path in ["/v1/me", "/v1/users"] {
        assert_eq!(acme.client.get(path).error(), "404 account is required|NOT_FOUND|-");
    }
    // the account itself
    assert_eq!(acme.client.get(&beta.path).code(), "TOKEN_INVALID");
    assert_eq!(acme.client.delete(&beta.path).code(), "TOKEN_INVALID");
}

// 05 §5.2 (uniqueness is per account), §5.4; 01 §2.3
#[test]
fn records_belong_to_one_account() {
    let (_server, acme, beta) = pair();
    for (own, other) in [(&acme, &beta), (&beta, &acme)] {
        for ((type_, name, mine), (_, _, theirs)) in own.records().into_iter().zip(other.records()) {
            let path = own.at(&format!("{type_}/{}", id(theirs)));
            let missing = format!("404 The requested {name} '{}' was not found|NOT_FOUND|-", id(theirs));
            assert_eq!(own.client.get(&path).error(), missing);
            let update = json!({ "data": { "type": type_, "attributes": {} } });
            if type_ != "tokens" {
                assert_eq!(own.client.patch(&path, update).error(), missing);
            }
            assert_eq!(own.client.delete(&path).error(), missing);
            // lists
            let listed = own.client.get(&own.at(&format!("{type_}?limit=100&roles=any"))).ok(200);
            let ids: Vec<&str> = listed["data"].as_array().unwrap().iter().map(id).collect();
            assert!(ids.contains(&id(mine)) && !ids.contains(&id(theirs)), "{type_}");
        }
        for below in [
            "licenses/{license}/machines",
            "users/{user}/licenses",
            "machines/{machine}/components",
            "products/{product}/tokens",
            "environments/{environment}/tokens",
        ] {
            let path = below
                .replace("{license}", id(&other.license))
                .replace("{user}", id(&other.user))
                .replace("{machine}", id(&other.machine))
                .replace("{product}", id(&other.product))
                .replace("{environment}", id(&other.environment));
            assert_eq!(own.client.get(&own.at(&path)).status, 404, "{below}");
        }
        // aliases lead to one's own
        for (type_, alias, mine) in [
            ("licenses", "SAME-KEY", &own.license),
            ("machines", "same-print", &own.machine),
            ("users", "ada@example.com", &own.user),
            ("products", "app", &own.product),
            ("entitlements", "SAME", &own.entitlement),
            ("environments", "staging", &own.environment),
            ("settings", "default_user_permissions", &own.setting),
        ] {
            let shown = own.client.get(&own.at(&format!("{type_}/{alias}"))).ok(200);
            assert_eq!(shown["data"]["id"], mine["id"], "{type_}");
            assert_eq!(shown["data"]["relationships"]["account"]["data"]["id"], own.account["id"], "{type_}");
        }
        // filters
        for (query, count) in [
            (format!("users?product={}", id(&other.product)), 0),
            (format!("users?license={}", id(&other.license)), 0),
            (format!("licenses?policy={}", id(&other.policy)), 0),
            (format!("machines?license={}", id(&other.license)), 0),
            ("users?assigned=true".into(), 1),
            ("users?status=active".into(), 1),
            (format!("tokens?bearer[id]={}", id(&other.product)), 0),
            ("tokens?bearer[role]=product".into(), 1),
        ] {
            let listed = own.client.get(&own.at(&query)).ok(200);
            assert_eq!(listed["data"].as_array().unwrap().len(), count, "{query}");
        }
    }
}

// 05 §5.7 (unknown ids), §5.1, §5.6
#[test]
fn bodies_and_headers_name_ones_own_records_only() {
    let (server, acme, beta) = pair();
    let created = |type_: &str, attributes: Value, linked: Value| {
        let data = json!({ "type": type_, "attributes": attributes, "relationships": linked });
        acme.client.post(&acme.at(type_), json!({ "data": data }))
    };
    let own_policy = || link(&acme.policy);
    for (answer, code) in [
        (created("policies", json!({ "name": "x" }), json!({ "product": link(&beta.product) })), "PRODUCT_NOT_FOUND"),
        (created("licenses", json!({}), json!({ "policy": link(&beta.policy) })), "POLICY_NOT_FOUND"),
        (
            created("licenses", json!({}), json!({ "policy": own_policy(), "owner": link(&beta.user) })),
            "OWNER_NOT_FOUND",
        ),
        (
            created("machines", json!({ "fingerprint": "y" }), json!({ "license": link(&beta.license) })),
            "LICENSE_NOT_FOUND",
        ),
        (
            created(
                "components",
                json!({ "fingerprint": "y", "name": "y" }),
                json!({ "machine": link(&beta.machine) }),
            ),
            "MACHINE_NOT_FOUND",
        ),
    ] {
        assert_eq!((answer.status, answer.code()), (422, code));
        assert_eq!(answer.detail(), "must exist");
    }
    let entitlements = json!({ "data": [{ "type": "entitlements", "id": beta.entitlement["id"] }] });
    let attached = acme.client.post(&acme.at(&format!("licenses/{}/entitlements", id(&acme.license))), entitlements);
    assert_eq!(attached.code(), "ENTITLEMENT_NOT_FOUND");
    for bearer in [&beta.user, &beta.license] {
        let body = json!({ "data": { "type": "tokens", "relationships": { "bearer": link(bearer) } } });
        assert_eq!(reason(&acme.client.post(&acme.at("tokens"), body)), NO_REASON);
    }
    // the group is of the older account
    let group = json!({ "group": link(&group(&server, None, None)) });
    let data = json!({ "type": "users", "attributes": { "email": "g@x.io" }, "relationships": group });
    assert_eq!(beta.client.post(&beta.at("users"), json!({ "data": data })).code(), "GROUP_NOT_FOUND");
    // environments
    for name in [id(&beta.environment), "nope"] {
        let answer = acme.client.environment(name).get(&acme.at("products"));
        assert_eq!((answer.code(), answer.header("keygen-environment")), ("ENVIRONMENT_INVALID", ""));
    }
    let answer = acme.client.environment("staging").get(&acme.at("environments")).ok(200);
    assert_eq!(answer["data"].as_array().unwrap().len(), 1);
    let elsewhere = json!({ "environment": link(&beta.environment) });
    let strict = "record environment is not compatible with the current environment";
    assert_eq!(reason(&created("products", json!({ "name": "x" }), elsewhere.clone())), strict);
    let body = json!({ "data": { "type": "tokens", "relationships": elsewhere } });
    assert_eq!(acme.client.post(&acme.at("tokens"), body).code(), "ENVIRONMENT_NOT_FOUND");
    // ids that clients choose are unique in the file
    let data = json!({ "type": "licenses", "id": beta.license["id"], "relationships": { "policy": own_policy() } });
    assert_eq!(acme.client.post(&acme.at("licenses"), json!({ "data": data })).code(), "ID_CONFLICT");
    // within the account, names clash as ever
    let twice = created("users", json!({ "email": "ADA@example.com" }), json!({}));
    assert_eq!(twice.code(), "EMAIL_TAKEN");
    let twice = created("machines", json!({ "fingerprint": "same-print" }), json!({ "license": link(&acme.license) }));
    assert_eq!(twice.code(), "FINGERPRINT_TAKEN");
}

// 05 §1.2, §1.4, §1.5, §2.3, 02 §2, §3.4, 04 §6.4
#[test]
fn accounts_differ_in_keys_settings_and_administrators() {
    let (server, acme, beta) = pair();
    let keys = |tenant: &Tenant| tenant.account["meta"]["keys"].clone();
    for name in ["ed25519", "rsa2048", "ecdsa"] {
        assert_ne!(keys(&acme)[name], keys(&beta)[name]);
    }
    let secrets =
        select(&server, "SELECT count(DISTINCT secret_key) || count(DISTINCT ed25519_private_key) FROM account_keys");
    assert_eq!(secrets, "22");
    for tenant in [&acme, &beta] {
        let answer = tenant.client.get(&tenant.at("me"));
        let signature = answer.header("keygen-signature");
        assert!(signature.contains(&format!("keyid=\"{}\"", id(&tenant.account))), "{signature}");
        // by slug or UUID; links name the UUID
        let by_id = tenant.client.get(&format!("/v1/accounts/{}/products", id(&tenant.account))).ok(200);
        let link = text(&by_id["data"][0]["links"]["self"]);
        assert!(link.starts_with(&format!("/v1/accounts/{}/products/", id(&tenant.account))));
    }
    // the one's settings, protection and version are not the other's
    beta.client.delete(&beta.at("settings/default_user_permissions")).ok(204);
    let change = |attributes: Value| json!({ "data": { "type": "accounts", "attributes": attributes } });
    beta.client.patch(&beta.path, change(json!({ "protected": true, "apiVersion": "1.7" }))).ok(200);
    let sign_up = |tenant: &Tenant| {
        let data = json!({ "type": "users", "attributes": { "email": "new@example.com" } });
        server.anonymous().post(&tenant.at("users"), json!({ "data": data }))
    };
    assert_eq!((sign_up(&acme).status, sign_up(&beta).status), (201, 403));
    let permissions = sign_up_permissions(&beta);
    assert!(permissions > 1, "the built-in set");
    assert_eq!(sign_up_permissions(&acme), 1);
    let version = |tenant: &Tenant| tenant.client.get(&tenant.at("me")).header("keygen-version").to_owned();
    assert_eq!((version(&acme), version(&beta)), ("1.8".into(), "1.7".into()));
    // an administrator of the other account is no other administrator
    let only = acme.client.get(&acme.at("users?roles[]=admin")).ok(200)["data"].clone();
    assert_eq!(only.as_array().unwrap().len(), 1);
    let deleted = acme.client.delete(&acme.at(&format!("users/{}", id(&only[0]))));
    assert_eq!(deleted.code(), "ACCOUNT_ADMINS_REQUIRED");
    // what goes in one stays in the other
    acme.client.delete(&acme.at("users/ada@example.com")).ok(204);
    acme.client.delete(&acme.at("environments/staging")).ok(204);
    acme.client.delete(&acme.at("products/app")).ok(204);
    for (type_, _, record) in beta.records().into_iter().filter(|(type_, ..)| *type_ != "settings") {
        beta.client.get(&beta.at(&format!("{type_}/{}", id(record)))).ok(200);
    }
    let told = |tenant: &Tenant| {
        let sql = format!(
            "SELECT count(*) FROM event_logs WHERE event LIKE '%.deleted' AND account_id = '{}'",
            id(&tenant.account)
        );
        select(&server, &sql)
    };
    assert_eq!((told(&acme), told(&beta)), ("3".into(), "1".into()));
}

/// How many permissions a new user of that account gets.
fn sign_up_permissions(tenant: &Tenant) -> usize {
    let data = json!({ "type": "users", "attributes": { "email": "made@example.com" } });
    let made = tenant.client.post(&tenant.at("users"), json!({ "data": data })).ok(201);
    made["data"]["attributes"]["permissions"].as_array().unwrap().len()
}
