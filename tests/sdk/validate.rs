//! Validation: verdicts, scopes, and license keys that may not authenticate (09, 03 §4).

use crate::support::*;
use crate::{World, refusal};
use keygen_rs::errors::ApiErrorKind;
use keygen_rs::license::{
    LicenseStatus, LicenseValidationCode as Code, LicenseValidationRequest as Request, LicenseValidationScope as Scope,
};
use serde_json::{Value, json};

const PAST: &str = "2020-02-29T10:00:00.000Z";
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

fn scope(scope: Value) -> Request {
    Request::new(serde_json::from_value(scope).unwrap())
}

// 09 §5; 15 §6: what the SDK reads
#[tokio::test]
async fn a_valid_license() {
    let world = World::new();
    let policy = world.policy(json!({ "duration": 2629746, "maxMachines": 3, "floating": true, "maxCores": 64 }));
    let license =
        world.admin.license(&policy, json!({ "name": "Ada", "metadata": { "seatNo": 7, "plan": { "a": [1] } } }));
    let app = world.app(&license);

    let mut request = Request::new(Scope { policy: Some(id(&policy).to_owned()), ..Scope::default() });
    request.nonce = Some(9_007_199_254_740_993);
    let before = std::time::SystemTime::now();
    let result = app.validate(&request).await.unwrap();
    assert_eq!((result.meta.valid, result.meta.code_kind()), (true, Code::Valid));
    assert_eq!(result.meta.detail, "is valid");
    assert_eq!(result.meta.nonce, Some(9_007_199_254_740_993));
    // The SDK adds the product; the scope comes back as sent.
    assert_eq!(result.meta.scope.product.as_deref(), Some(id(&world.product)));
    assert_eq!(result.meta.scope.policy.as_deref(), Some(id(&policy)));
    assert!(std::time::SystemTime::from(result.meta.ts) + std::time::Duration::from_millis(1) >= before);

    let read = result.clone().into_license().unwrap();
    assert_eq!((read.id.as_str(), read.key.as_str()), (id(&license), key(&license)));
    assert_eq!(read.name.as_deref(), Some("Ada"));
    assert_eq!(read.status.as_deref().and_then(LicenseStatus::parse), Some(LicenseStatus::Active));
    assert_eq!(json!(read.metadata), json!({ "seatNo": 7, "plan": { "a": [1] } }));
    assert_eq!(
        read.expiry.map(|t| json!(t).as_str().unwrap()[..10].to_owned()).as_deref(),
        Some(&text(&license["attributes"]["expiry"])[..10])
    );
    assert_eq!((read.max_machines, read.max_cores, read.max_uses), (Some(3), Some(64), None));
    assert_eq!((read.floating, read.strict, read.suspended), (Some(true), Some(false), Some(false)));
    assert_eq!(read.policy.as_deref(), Some(id(&policy)));
    assert_eq!(read.product_id.as_deref(), Some(id(&world.product)));
    assert!(read.last_validated.is_some() && read.account_id.is_some() && read.owner_id.is_none());

    // By id, and by key without credentials: the same verdict.
    let by_id = app.licenses().validate(id(&license), &request).await.unwrap();
    assert_eq!(by_id.meta.code_kind(), Code::Valid);
    let anonymous = world.sdk().build().unwrap();
    let by_key = anonymous.licenses().validate_key(key(&license), &Request::default()).await.unwrap();
    assert_eq!((by_key.meta.valid, by_key.license.unwrap().id.as_str()), (true, id(&license)));
    // The key is a valid identifier too (08 §0).
    let by_key = app.licenses().validate(key(&license), &Request::default()).await.unwrap();
    assert_eq!(by_key.meta.code_kind(), Code::Valid);
}

// 09 §4: the codes that SDKs tell apart
#[tokio::test]
async fn verdicts() {
    let world = World::new();
    let other = world.admin.create("products", json!({ "name": "Other" }), Value::Null);
    let strategy = |name: &str| json!({ "expirationStrategy": name });
    let expired = json!({ "expiry": PAST });
    let fingerprint = json!({ "fingerprint": "aa:bb" });
    let required = |flag: &str| json!({ flag: true });
    let none = json!({});
    let cases = [
        (json!({}), none.clone(), none.clone(), true, Code::Valid),
        // 4.1, 4.7: expiry
        (strategy("RESTRICT_ACCESS"), expired.clone(), none.clone(), false, Code::Expired),
        (strategy("MAINTAIN_ACCESS"), expired.clone(), none.clone(), true, Code::Expired),
        (strategy("ALLOW_ACCESS"), expired.clone(), none.clone(), true, Code::Expired),
        // 4.7: machines, strictly
        (json!({ "strict": true }), none.clone(), none.clone(), false, Code::NoMachine),
        (json!({ "strict": true, "floating": true }), none.clone(), none.clone(), false, Code::NoMachines),
        // 4.2: scopes that do not match
        (json!({}), none.clone(), json!({ "product": id(&other) }), false, Code::ProductScopeMismatch),
        (json!({}), none.clone(), json!({ "policy": NOBODY }), false, Code::PolicyScopeMismatch),
        (json!({}), none.clone(), json!({ "user": "ada@example.com" }), false, Code::UserScopeMismatch),
        (json!({}), none.clone(), json!({ "entitlements": [] }), false, Code::EntitlementsScopeEmpty),
        (json!({}), none.clone(), json!({ "entitlements": ["SSO"] }), false, Code::EntitlementsMissing),
        (json!({}), none.clone(), json!({ "machine": NOBODY }), false, Code::NoMachine),
        (json!({}), none.clone(), fingerprint.clone(), false, Code::NoMachine),
        (json!({ "floating": true }), none.clone(), fingerprint.clone(), false, Code::NoMachines),
        (json!({}), none.clone(), json!({ "fingerprints": [] }), false, Code::FingerprintScopeEmpty),
        (json!({}), none.clone(), json!({ "components": ["cpu"] }), false, Code::FingerprintScopeRequired),
        (json!({}), none.clone(), json!({ "checksum": "c0ffee" }), false, Code::ChecksumScopeMismatch),
        (json!({}), none.clone(), json!({ "version": "1.0.0" }), false, Code::VersionScopeMismatch),
        // 4.2: scopes that the policy demands
        (required("requireProductScope"), none.clone(), none.clone(), true, Code::Valid),
        (required("requirePolicyScope"), none.clone(), none.clone(), false, Code::PolicyScopeRequired),
        (required("requireUserScope"), none.clone(), none.clone(), false, Code::UserScopeRequired),
        (required("requireMachineScope"), none.clone(), none.clone(), false, Code::MachineScopeRequired),
        (required("requireFingerprintScope"), none.clone(), none.clone(), false, Code::FingerprintScopeRequired),
        (required("requireComponentsScope"), none.clone(), none.clone(), false, Code::ComponentsScopeRequired),
        (required("requireChecksumScope"), none.clone(), none.clone(), false, Code::ChecksumScopeRequired),
        (required("requireVersionScope"), none.clone(), none.clone(), false, Code::VersionScopeRequired),
    ];
    for (policy, attributes, sent, valid, code) in cases {
        let license = world.license(policy.clone(), attributes);
        let result = world.app(&license).validate(&scope(sent.clone())).await.unwrap();
        assert_eq!((result.meta.code_kind(), result.meta.valid), (code, valid), "{policy} {sent}");
        // The license comes with every verdict (09 §5).
        assert_eq!(result.license.unwrap().id, id(&license), "{policy} {sent}");
    }
}

// 09 §4.1 steps 1, 3–5; 03 §4: who may ask about a license that may not authenticate
#[tokio::test]
async fn refused_keys() {
    let world = World::new();
    let anonymous = world.sdk().build().unwrap();
    let nothing = Request::default();
    let suspended = json!({ "suspended": true });
    let cases = [
        (json!({}), suspended, Code::Suspended, "LICENSE_SUSPENDED", ApiErrorKind::LicenseSuspended),
        (
            json!({ "expirationStrategy": "REVOKE_ACCESS" }),
            json!({ "expiry": PAST }),
            Code::Expired,
            "LICENSE_EXPIRED",
            ApiErrorKind::LicenseExpired,
        ),
    ];
    for (policy, attributes, verdict, code, kind) in cases {
        let license = world.license(policy, attributes);
        let app = world.app(&license);
        assert_eq!(refusal(app.validate(&nothing).await), (403, code.to_owned(), kind));
        assert_eq!(refusal(app.licenses().machines(id(&license), None).await), (403, code.to_owned(), kind));
        assert_eq!(refusal(app.licenses().activate(id(&license), "aa", &[]).await), (403, code.to_owned(), kind));
        // A license token, the vendor and nobody read the verdict instead (09 §2).
        let token = world.admin.token_for(&license);
        for client in [&world.bearer(&token), &world.vendor(), &anonymous] {
            let result = client.licenses().validate_key(key(&license), &nothing).await.unwrap();
            assert_eq!((result.meta.valid, result.meta.code_kind()), (false, verdict));
            assert!(result.license.is_some());
            assert!(result.into_license().is_err());
        }
    }

    // The strategy of the policy (03 §4)
    for (strategy, by_key, by_token) in [
        ("MIXED", None, None),
        ("LICENSE", None, Some(("TOKEN_NOT_ALLOWED", ApiErrorKind::TokenNotAllowed))),
        ("TOKEN", Some(("LICENSE_NOT_ALLOWED", ApiErrorKind::LicenseNotAllowed)), None),
        (
            "NONE",
            Some(("LICENSE_NOT_ALLOWED", ApiErrorKind::LicenseNotAllowed)),
            Some(("TOKEN_NOT_ALLOWED", ApiErrorKind::TokenNotAllowed)),
        ),
    ] {
        let license = world.license(json!({ "authenticationStrategy": strategy }), json!({}));
        let token = world.admin.token_for(&license);
        for (client, refused) in [(world.app(&license), by_key), (world.bearer(&token), by_token)] {
            let result = client.licenses().validate(id(&license), &nothing).await;
            match refused {
                None => assert_eq!(result.unwrap().meta.code_kind(), Code::Valid, "{strategy}"),
                Some((code, kind)) => assert_eq!(refusal(result), (403, code.to_owned(), kind), "{strategy}"),
            }
        }
    }

    // A key that is none: a credential that is no license (401), and a question about one (200).
    let stranger = world.sdk().license_key("AAAAAA-BBBBBB-CCCCCC-DDDDDD-EEEEEE-V3").build().unwrap();
    assert_eq!(
        refusal(stranger.validate(&nothing).await),
        (401, "LICENSE_INVALID".into(), ApiErrorKind::LicenseKeyInvalid)
    );
    let result = anonymous.licenses().validate_key("no such key", &nothing).await.unwrap();
    assert_eq!((result.meta.valid, result.meta.code_kind()), (false, Code::NotFound));
    assert!(result.license.is_none());
    // Another license's key and id
    let (one, two) = (world.license(json!({}), json!({})), world.license(json!({}), json!({})));
    let app = world.app(&one);
    assert_eq!(refusal(app.licenses().validate_key(key(&two), &nothing).await).0, 403);
    assert_eq!(
        refusal(app.licenses().validate(id(&two), &nothing).await),
        (404, "NOT_FOUND".into(), ApiErrorKind::NotFound)
    );
    // An empty product is not a scope (09 §3).
    let nowhere = world.sdk().product("").license_key(key(&one)).build().unwrap();
    let (status, _, _, detail, source) = crate::api_error(nowhere.validate(&nothing).await);
    assert_eq!((status, detail.as_str(), source.as_str()), (400, "cannot be blank", "/meta/scope/product"));
}

// 09 §4.2 step 10: entitlements of the license and of its policy count alike
#[tokio::test]
async fn entitlements() {
    let world = World::new();
    let policy = world.policy(json!({}));
    let license = world.admin.license(&policy, json!({}));
    let (sso, audit, other) =
        (world.admin.entitlement("SSO"), world.admin.entitlement("AUDIT"), world.admin.entitlement("OTHER"));
    let attach = |to: &str, what: &Value| {
        let body = json!({ "data": [{ "type": "entitlements", "id": id(what) }] });
        world.admin.post(&format!("{to}/entitlements"), body).ok(200);
    };
    attach(&format!("policies/{}", id(&policy)), &sso);
    attach(&format!("licenses/{}", id(&license)), &audit);
    let app = world.app(&license);
    for (codes, code) in [
        (vec!["SSO"], Code::Valid),
        (vec!["AUDIT", "SSO", "AUDIT"], Code::Valid),
        (vec!["SSO", "OTHER"], Code::EntitlementsMissing),
        (vec!["sso"], Code::EntitlementsMissing),
    ] {
        let result = app.validate(&scope(json!({ "entitlements": codes }))).await.unwrap();
        assert_eq!((result.meta.code_kind(), result.meta.valid), (code, code == Code::Valid), "{codes:?}");
        assert_eq!(result.meta.scope.entitlements.unwrap(), codes);
    }
    let page = app.licenses().entitlements(id(&license), None).await.unwrap();
    let mut codes: Vec<_> = page.data.iter().map(|e| e.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["AUDIT", "SSO"]);
    assert!(page.data.iter().all(|e| e.name.is_some() && e.account_id.is_some() && e.id != id(&other)));
}

// 09 §4.3–4.5, §4.7: machines, heartbeats, components, limits
#[tokio::test]
async fn machines_count() {
    let world = World::new();
    let policy = world.policy(json!({
        "strict": true, "floating": true, "maxMachines": 1, "maxCores": 4, "overageStrategy": "ALWAYS_ALLOW_OVERAGE",
        "requireHeartbeat": true, "heartbeatBasis": "FROM_FIRST_PING", "heartbeatDuration": 600,
    }));
    let license = world.admin.license(&policy, json!({}));
    let app = world.app(&license);
    let machine = world.admin.machine(&license, "aa");
    let verdict = async |sent: Value| {
        let result = app.validate(&scope(sent.clone())).await.unwrap();
        (result.meta.code_kind(), result.meta.valid)
    };
    assert_eq!(verdict(json!({ "fingerprint": "aa" })).await, (Code::HeartbeatNotStarted, false));
    assert_eq!(verdict(json!({ "fingerprint": "AA" })).await, (Code::FingerprintScopeMismatch, false));
    assert_eq!(verdict(json!({ "machine": NOBODY })).await, (Code::MachineScopeMismatch, false));
    app.licenses().machine(id(&license), id(&machine)).await.unwrap().ping().await.unwrap();
    assert_eq!(verdict(json!({ "fingerprint": "aa" })).await, (Code::Valid, true));
    assert_eq!(verdict(json!({ "machine": id(&machine) })).await, (Code::Valid, true));
    assert_eq!(verdict(json!({ "fingerprint": "aa", "components": [] })).await, (Code::ComponentsScopeEmpty, false));
    assert_eq!(
        verdict(json!({ "fingerprint": "aa", "components": ["x"] })).await,
        (Code::ComponentsScopeMismatch, false)
    );
    world.server.sql("UPDATE machines SET last_heartbeat_at = last_heartbeat_at - 601000");
    assert_eq!(verdict(json!({ "fingerprint": "aa" })).await, (Code::HeartbeatDead, false));
    assert_eq!(verdict(json!({})).await, (Code::Valid, true));

    // Over the limits, as the policy allows or not
    world.admin.machine(&license, "bb");
    assert_eq!(verdict(json!({})).await, (Code::TooManyMachines, true));
    let change = |attributes: Value| {
        let data = json!({ "type": "policies", "id": id(&policy), "attributes": attributes });
        world.admin.patch(&format!("policies/{}", id(&policy)), json!({ "data": data })).ok(200);
    };
    change(json!({ "overageStrategy": "NO_OVERAGE" }));
    assert_eq!(verdict(json!({})).await, (Code::TooManyMachines, false));
    change(json!({ "maxMachines": 2 }));
    assert_eq!(verdict(json!({})).await, (Code::Valid, true));
    world.server.sql("UPDATE licenses SET machines_cores = 5");
    assert_eq!(verdict(json!({})).await, (Code::TooManyCores, false));
    // 08 §10: overdue
    change(json!({ "requireCheckIn": true, "checkInInterval": "day", "checkInIntervalCount": 1 }));
    world.server.sql("UPDATE licenses SET last_check_in_at = created_at - 90000000");
    assert_eq!(verdict(json!({})).await, (Code::Overdue, false));
}
