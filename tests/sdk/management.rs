//! The vendor's side: what the SDK manages with a token (06, 07, 08, 10, 03 §10). Half of it reads the SDK's global
//! configuration, so these tests take turns.

use crate::support::{self, id};
use crate::{World, api_error, refusal};
use keygen_rs::component::{Component, CreateComponentRequest, ListComponentsOptions, UpdateComponentRequest};
use keygen_rs::config::{KeygenConfig, set_config, set_license_key, set_token};
use keygen_rs::entitlement::{CreateEntitlementRequest, Entitlement, UpdateEntitlementRequest};
use keygen_rs::errors::ApiErrorKind;
use keygen_rs::license::{
    License, LicenseCreateRequest, LicenseListOptions, LicenseTokenCreateRequest, LicenseUpdateRequest,
    LicenseValidationCode, LicenseValidationRequest,
};
use keygen_rs::machine::{Machine, MachineCreateRequest, MachineListFilters, MachineUpdateRequest};
use keygen_rs::policy::{
    AuthenticationStrategy, CreatePolicyRequest, ExpirationStrategy, LeasingStrategy, ListPoliciesOptions,
    MatchingStrategy, OverageStrategy, Policy, Scheme, TransferStrategy, UniquenessStrategy, UpdatePolicyRequest,
};
use keygen_rs::product::{
    CreateProductRequest, DistributionStrategy, ListProductsOptions, Platform, Product, UpdateProductRequest,
};
use keygen_rs::token::{CreateTokenRequest, ListTokensOptions, Token, TokenKind};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::sync::{Mutex, MutexGuard};

static CONFIGURATION: Mutex<()> = Mutex::const_new(());

/// Sets the global configuration for as long as the guard lives.
pub async fn configure(config: KeygenConfig) -> MutexGuard<'static, ()> {
    let guard = CONFIGURATION.lock().await;
    set_config(config).unwrap();
    guard
}

impl World {
    /// The vendor's global configuration, signatures verified.
    pub fn globally(&self) -> KeygenConfig {
        KeygenConfig {
            api_url: self.url(),
            public_key: Some(self.ed25519.clone()),
            product: id(&self.product).to_owned(),
            ..KeygenConfig::token("acme".into(), self.server.admin_token.clone())
        }
    }
}

pub fn metadata(value: Value) -> Option<HashMap<String, Value>> {
    Some(serde_json::from_value(value).unwrap())
}

const NOT_FOUND: (u16, &str, ApiErrorKind) = (404, "NOT_FOUND", ApiErrorKind::NotFound);

#[track_caller]
pub fn gone<T: std::fmt::Debug>(result: Result<T, keygen_rs::errors::Error>) {
    let (status, code, kind) = refusal(result);
    assert_eq!((status, code.as_str(), kind), NOT_FOUND);
}

// 06 §1
#[tokio::test]
async fn products() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let request = |name: &str, code: Option<&str>| CreateProductRequest {
        name: name.into(),
        code: code.map(str::to_owned),
        distribution_strategy: Some(DistributionStrategy::Closed),
        url: Some("https://example.com/app".into()),
        platforms: Some(vec![Platform::Linux, Platform::MacOs, Platform::Other("BeOS".into())]),
        permissions: Some(["product.read", "license.read", "token.read"].map(str::to_owned).to_vec()),
        metadata: metadata(json!({ "teamName": "core", "tags": ["a", 1, null] })),
    };
    let product = Product::create(request("Editor", Some("editor"))).await.unwrap();
    assert_eq!((product.name.as_str(), product.code.as_deref()), ("Editor", Some("editor")));
    assert_eq!(product.distribution_strategy, Some(DistributionStrategy::Closed));
    assert_eq!(product.platforms, request("", None).platforms);
    assert_eq!(product.permissions, Some(["license.read", "product.read", "token.read"].map(str::to_owned).to_vec()));
    assert_eq!(product.metadata, request("", None).metadata);
    assert!(product.account_id.is_some());
    for name in [product.id.as_str(), "editor"] {
        assert_eq!(Product::get(name).await.unwrap().created, product.created);
    }
    let (status, code, _, detail, pointer) = api_error(Product::create(request("Again", Some("EDITOR"))).await);
    assert_eq!((status, code.as_str(), pointer.as_str()), (422, "CODE_TAKEN", "/data/attributes/code"), "{detail}");

    let update = UpdateProductRequest {
        name: Some("Editor 2".into()),
        code: None,
        distribution_strategy: Some(DistributionStrategy::Open),
        url: None,
        platforms: Some(vec![]),
        permissions: None,
        metadata: metadata(json!({})),
    };
    let updated = product.update(update).await.unwrap();
    assert_eq!((updated.name.as_str(), updated.code.as_deref()), ("Editor 2", Some("editor")));
    assert_eq!((updated.distribution_strategy, updated.platforms), (Some(DistributionStrategy::Open), Some(vec![])));
    assert_eq!((updated.url, updated.metadata), (product.url.clone(), metadata(json!({}))));

    let listed = Product::list(None).await.unwrap();
    assert_eq!(listed.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["Editor 2", "App"]);
    let second = ListProductsOptions { page_size: Some(1), page_number: Some(2), limit: None };
    assert_eq!(Product::list(Some(second)).await.unwrap()[0].name, "App");

    // 06 §1.5
    let raw = product.generate_token().await.unwrap();
    let named = CreateTokenRequest {
        name: Some("CI".into()),
        expiry: Some("2031-01-01T00:00:00.000Z".into()),
        permissions: Some(vec!["license.read".into()]),
        metadata: None,
    };
    let token = product.generate_token_with_options(Some(named)).await.unwrap();
    assert_eq!((token.kind.clone(), token.name.as_deref()), (TokenKind::ProductToken, Some("CI")));
    assert!(token.has_permission("license.read") && !token.has_permission("product.read") && !token.is_expired());
    assert_eq!(token.expiry.as_deref(), Some("2031-01-01T00:00:00.000Z"));
    let profile = world.bearer(&raw).current_profile().await.unwrap();
    assert_eq!((profile.bearer().resource_type(), profile.bearer().id()), ("products", product.id.as_str()));
    assert_eq!((profile.token().kind(), profile.token().expiry()), ("product-token", None));

    product.delete().await.unwrap();
    gone(Product::get(&product.id).await);
    assert_eq!(
        refusal(world.bearer(&raw).current_profile().await),
        (401, "TOKEN_INVALID".into(), ApiErrorKind::TokenInvalid)
    );
}

// 07 §2, §4
#[tokio::test]
async fn policies() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let bare = |name: &str| CreatePolicyRequest {
        name: name.into(),
        product_id: id(&world.product).to_owned(),
        ..CreatePolicyRequest::default()
    };
    // The defaults are values that the SDK knows.
    let plain = Policy::create(bare("Plain")).await.unwrap();
    assert_eq!((plain.strict, plain.floating, plain.duration, plain.max_machines), (false, false, None, Some(1)));
    assert_eq!(plain.expiration_strategy, ExpirationStrategy::RestrictAccess);
    assert_eq!(plain.authentication_strategy, AuthenticationStrategy::Token);
    assert_eq!(plain.overage_strategy, OverageStrategy::NoOverage);
    assert_eq!(plain.transfer_strategy, TransferStrategy::KeepExpiry);
    assert_eq!(
        (plain.machine_leasing_strategy, plain.process_leasing_strategy),
        (LeasingStrategy::PerLicense, LeasingStrategy::PerMachine)
    );
    assert_eq!(plain.machine_uniqueness_strategy, Some(UniquenessStrategy::UniquePerLicense));
    assert_eq!(plain.component_uniqueness_strategy, Some(UniquenessStrategy::UniquePerMachine));
    assert_eq!(plain.machine_matching_strategy, Some(MatchingStrategy::MatchAny));
    assert_eq!((plain.scheme, plain.product_id.as_deref()), (None, Some(id(&world.product))));

    let request = CreatePolicyRequest {
        duration: Some(2_629_746),
        strict: Some(true),
        floating: Some(true),
        require_heartbeat: Some(true),
        heartbeat_duration: Some(60),
        heartbeat_cull_strategy: Some("KEEP_DEAD".into()),
        heartbeat_resurrection_strategy: Some("ALWAYS_REVIVE".into()),
        heartbeat_basis: Some("FROM_FIRST_PING".into()),
        machine_uniqueness_strategy: Some(UniquenessStrategy::UniquePerPolicy),
        component_uniqueness_strategy: Some(UniquenessStrategy::UniquePerProduct),
        machine_matching_strategy: Some(MatchingStrategy::MatchTwo),
        component_matching_strategy: Some(MatchingStrategy::MatchMost),
        expiration_strategy: Some(ExpirationStrategy::AllowAccess),
        expiration_basis: Some("FROM_FIRST_ACTIVATION".into()),
        renewal_basis: Some("FROM_NOW".into()),
        authentication_strategy: Some(AuthenticationStrategy::Mixed),
        machine_leasing_strategy: Some(LeasingStrategy::PerUser),
        process_leasing_strategy: Some(LeasingStrategy::PerLicense),
        overage_strategy: Some(OverageStrategy::AlwaysAllowOverage),
        transfer_strategy: Some(TransferStrategy::ResetExpiry),
        max_machines: Some(5),
        max_processes: Some(6),
        max_cores: Some(7),
        max_uses: Some(8),
        max_users: Some(9),
        protected: Some(true),
        require_check_in: Some(true),
        check_in_interval: Some("week".into()),
        check_in_interval_count: Some(2),
        scheme: Some(Scheme::Ed25519Sign),
        metadata: metadata(json!({ "tier": "pro" })),
        ..bare("Everything")
    };
    let sent = serde_json::to_value(&request).unwrap();
    let full = Policy::create(request).await.unwrap();
    // What was sent is what is stored, member by member.
    let stored = world.admin.get(&format!("policies/{}", full.id)).ok(200)["data"]["attributes"].clone();
    let mut compared = 0;
    for (name, value) in sent.as_object().unwrap().iter().filter(|(name, v)| !v.is_null() && *name != "product_id") {
        assert_eq!(&stored[name], value, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 32);
    let read = Policy::get(&full.id).await.unwrap();
    assert_eq!((read.scheme, read.check_in_interval.as_deref()), (Some(Scheme::Ed25519Sign), Some("week")));
    assert_eq!(
        (read.max_processes, read.max_users, read.metadata),
        (Some(6), Some(9), metadata(json!({ "tier": "pro" })))
    );

    let update = UpdatePolicyRequest {
        name: Some("Less".into()),
        max_machines: Some(2),
        strict: Some(false),
        expiration_strategy: Some(ExpirationStrategy::RevokeAccess),
        ..UpdatePolicyRequest::default()
    };
    let updated = full.update(update).await.unwrap();
    assert_eq!((updated.name.as_str(), updated.max_machines, updated.strict), ("Less", Some(2), false));
    assert_eq!((updated.expiration_strategy, updated.max_cores), (ExpirationStrategy::RevokeAccess, Some(7)));
    let (status, code, _, _, pointer) =
        api_error(full.update(UpdatePolicyRequest { max_machines: Some(-1), ..UpdatePolicyRequest::default() }).await);
    assert_eq!(
        (status, code.as_str(), pointer.as_str()),
        (422, "MAX_MACHINES_INVALID", "/data/attributes/maxMachines")
    );

    let of = |product: &str| ListPoliciesOptions { product: Some(product.into()), ..ListPoliciesOptions::default() };
    assert_eq!(Policy::list(Some(of(id(&world.product)))).await.unwrap().len(), 2);
    assert_eq!(Policy::list(Some(of(&full.id))).await.unwrap().len(), 0);

    let (sso, audit) = (world.admin.entitlement("SSO"), world.admin.entitlement("AUDIT"));
    let ids = [id(&sso).to_owned(), id(&audit).to_owned()];
    full.attach_entitlements(&ids).await.unwrap();
    assert_eq!(full.entitlements(None).await.unwrap().len(), 2);
    full.detach_entitlements(&ids[..1]).await.unwrap();
    let left = full.entitlements(None).await.unwrap();
    assert_eq!(left.iter().map(|e| e.code.as_str()).collect::<Vec<_>>(), ["AUDIT"]);
    full.delete().await.unwrap();
    gone(Policy::get(&full.id).await);
    gone(full.delete().await);
}

// 06 §2
#[tokio::test]
async fn entitlements() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let request = |code: &str| CreateEntitlementRequest {
        name: Some("Single sign-on".into()),
        code: code.into(),
        metadata: metadata(json!({ "since": 3 })),
    };
    let entitlement = Entitlement::create(request("SSO")).await.unwrap();
    assert_eq!((entitlement.code.as_str(), entitlement.name.as_deref()), ("SSO", Some("Single sign-on")));
    assert_eq!(entitlement.metadata, metadata(json!({ "since": 3 })));
    assert_eq!(Entitlement::get("SSO").await.unwrap().id, entitlement.id);
    let (status, code, _, _, pointer) = api_error(Entitlement::create(request("SSO")).await);
    assert_eq!((status, code.as_str(), pointer.as_str()), (422, "CODE_TAKEN", "/data/attributes/code"));
    let update = UpdateEntitlementRequest { name: Some("SAML".into()), code: Some("SAML".into()), metadata: None };
    let updated = entitlement.update(update).await.unwrap();
    assert_eq!((updated.code.as_str(), updated.name.as_deref()), ("SAML", Some("SAML")));
    assert_eq!(updated.metadata, entitlement.metadata);
    assert_eq!(Entitlement::list(None).await.unwrap().len(), 1);
    entitlement.delete().await.unwrap();
    gone(Entitlement::get(&entitlement.id).await);
}

// 08 §1–§5
#[tokio::test]
async fn licenses() {
    let world = World::new();
    let policy = world.policy(json!({ "duration": 86400, "floating": true, "maxMachines": 2 }));
    let vendor = world.vendor();
    let licenses = vendor.licenses();
    let request = LicenseCreateRequest::new(id(&policy).into())
        .with_name("Ada".into())
        .with_key("ADA-LOVELACE-1815".into())
        .with_expiry("2031-05-06T07:08:09Z".parse().unwrap())
        .with_max_machines(3)
        .with_max_cores(16)
        .with_max_uses(5)
        .with_max_memory(1 << 40)
        .with_protected(true)
        .with_permissions(vec!["license.validate".into(), "machine.create".into()])
        .with_metadata(metadata(json!({ "orderId": "o-1", "paid": true })).unwrap());
    let license = licenses.create(request).await.unwrap();
    assert_eq!((license.key.as_str(), license.name.as_deref()), ("ADA-LOVELACE-1815", Some("Ada")));
    assert_eq!(license.expiry, "2031-05-06T07:08:09Z".parse().ok());
    assert_eq!((license.max_machines, license.max_cores, license.max_memory), (Some(3), Some(16), Some(1 << 40)));
    assert_eq!((license.protected, license.suspended, license.uses), (Some(true), Some(false), Some(0)));
    assert_eq!(license.permissions.as_deref(), Some(&["license.validate".to_owned(), "machine.create".to_owned()][..]));
    assert_eq!(json!(license.metadata), json!({ "orderId": "o-1", "paid": true }));
    assert_eq!(licenses.get("ADA-LOVELACE-1815").await.unwrap().id, license.id);
    let again = LicenseCreateRequest::new(id(&policy).into()).with_key("ADA-LOVELACE-1815".into());
    let (status, code, _, _, pointer) = api_error(licenses.create(again).await);
    assert_eq!((status, code.as_str(), pointer.as_str()), (422, "KEY_TAKEN", "/data/attributes/key"));

    let update =
        LicenseUpdateRequest::new().clear_name().clear_max_machines().with_max_cores(8).with_metadata(HashMap::new());
    let updated = license.update(update).await.unwrap();
    assert_eq!((updated.name, updated.max_machines, updated.max_cores), (None, Some(2), Some(8)));
    assert_eq!((updated.expiry, updated.metadata.len()), (license.expiry, 0));

    let verdict = async || {
        let result = licenses.validate(&license.id, &LicenseValidationRequest::default()).await.unwrap();
        result.meta.code_kind()
    };
    let suspended = license.suspend().await.unwrap();
    assert_eq!((suspended.suspended, suspended.status.as_deref()), (Some(true), Some("SUSPENDED")));
    assert_eq!(verdict().await, LicenseValidationCode::Suspended);
    assert_eq!(api_error(license.suspend().await).0, 422);
    assert_eq!(license.reinstate().await.unwrap().suspended, Some(false));
    assert_eq!(verdict().await, LicenseValidationCode::Valid);
    let renewed = license.renew().await.unwrap();
    assert_eq!((renewed.expiry.unwrap() - license.expiry.unwrap()).num_seconds(), 86400);

    // Entitlements
    let ids: Vec<String> = ["SSO", "AUDIT"].iter().map(|code| id(&world.admin.entitlement(code)).to_owned()).collect();
    let attached = license.attach_entitlements_with_response(&ids).await.unwrap();
    assert_eq!(attached.iter().map(|a| a.entitlement_id.clone().unwrap()).collect::<Vec<_>>(), ids);
    assert!(
        attached
            .iter()
            .all(|a| a.resource_type == "license-entitlements" && a.license_id.as_ref() == Some(&license.id))
    );
    license.detach_entitlements(&ids[1..]).await.unwrap();
    assert_eq!(license.entitlements(None).await.unwrap().data[0].code, "SSO");

    // Lists
    let other = licenses.create(LicenseCreateRequest::new(id(&policy).into())).await.unwrap();
    let machine = world.admin.machine(&json!({ "type": "licenses", "id": other.id }), "aa");
    let found = async |options: LicenseListOptions| {
        let page = licenses.list(Some(&options)).await.unwrap();
        page.data.into_iter().map(|l| l.id).collect::<Vec<_>>()
    };
    let both = vec![other.id.clone(), license.id.clone()];
    let all = || LicenseListOptions { limit: Some(100), ..LicenseListOptions::default() };
    assert_eq!(found(all()).await, both);
    assert_eq!(found(LicenseListOptions { limit: Some(1), ..all() }).await, both[..1]);
    assert_eq!(found(LicenseListOptions { policy: Some(id(&policy).into()), ..all() }).await, both);
    assert_eq!(found(LicenseListOptions { product: Some(id(&policy).into()), ..all() }).await, [""; 0]);
    assert_eq!(found(LicenseListOptions { machine: Some(id(&machine).into()), ..all() }).await, both[..1]);
    let first = licenses.list(Some(&LicenseListOptions { page_size: Some(1), ..all() })).await.unwrap();
    let next = LicenseListOptions { page_size: Some(1), page_cursor: first.next_cursor(), ..all() };
    assert_eq!(found(next).await, both[1..]);

    license.revoke().await.unwrap();
    gone(licenses.get(&license.id).await);
    other.delete().await.unwrap();
    gone(licenses.get(&other.id).await);
    assert_eq!(found(all()).await, [""; 0]);
    // The same through the global configuration
    let _turn = configure(world.globally()).await;
    let made = License::create(LicenseCreateRequest::new(id(&policy).into())).await.unwrap();
    assert_eq!(License::get(&made.id).await.unwrap().key, made.key);
    assert_eq!(License::list(Some(&all())).await.unwrap().data.len(), 1);
    set_license_key(&made.key).unwrap();
    let result = keygen_rs::validate(&LicenseValidationRequest::default()).await.unwrap();
    assert_eq!(result.meta.code_kind(), LicenseValidationCode::Valid);
}

// 10 §1, §2
#[tokio::test]
async fn machines_and_components() {
    let world = World::new();
    let license = world.license(json!({ "floating": true, "maxMachines": 5 }), json!({}));
    let _turn = configure(world.globally()).await;
    let request = |fingerprint: &str| MachineCreateRequest {
        fingerprint: fingerprint.into(),
        name: Some("Build server".into()),
        platform: Some("linux".into()),
        hostname: Some("ci-1".into()),
        ip: Some("203.0.113.7".into()),
        cores: Some(8),
        metadata: metadata(json!({ "rackNo": 4 })),
        license_id: id(&license).into(),
    };
    let machine = Machine::create(request("aa")).await.unwrap();
    assert_eq!((machine.name.as_deref(), machine.hostname.as_deref()), (Some("Build server"), Some("ci-1")));
    assert_eq!((machine.ip.as_deref(), machine.cores), (Some("203.0.113.7"), Some(8)));
    assert_eq!((machine.metadata.clone(), machine.license_id.as_deref()), (request("").metadata, Some(id(&license))));
    let update = MachineUpdateRequest {
        name: Some("CI".into()),
        platform: None,
        hostname: None,
        ip: None,
        cores: Some(4),
        metadata: None,
    };
    let updated = machine.update(update).await.unwrap();
    assert_eq!(
        (updated.name.as_deref(), updated.cores, updated.ip.as_deref()),
        (Some("CI"), Some(4), Some("203.0.113.7"))
    );
    Machine::create(MachineCreateRequest { hostname: None, metadata: None, ..request("bb") }).await.unwrap();
    let filters = |filters: Value| {
        let mut all = json!({});
        for (name, value) in filters.as_object().unwrap() {
            all[name] = value.clone();
        }
        Some(serde_json::from_value::<MachineListFilters>(all).unwrap())
    };
    for (sent, found) in [
        (json!({}), vec!["bb", "aa"]),
        (json!({ "hostname": "ci-1" }), vec!["aa"]),
        (json!({ "fingerprint": "bb" }), vec!["bb"]),
        (json!({ "ip": "203.0.113.7", "license": id(&license) }), vec!["bb", "aa"]),
        (json!({ "key": support::key(&license), "product": id(&world.product) }), vec!["bb", "aa"]),
        (json!({ "policy": id(&license) }), vec![]),
        (json!({ "page_number": 2, "page_size": 1 }), vec!["aa"]),
        (json!({ "limit": 1 }), vec!["bb"]),
    ] {
        let machines = Machine::list(filters(sent.clone())).await.unwrap();
        assert_eq!(machines.iter().map(|m| m.fingerprint.as_str()).collect::<Vec<_>>(), found, "{sent}");
    }
    assert_eq!(Machine::get("aa").await.unwrap().id, machine.id);

    let request = CreateComponentRequest::new("cpu-1".into(), "CPU".into(), machine.id.clone())
        .with_metadata(metadata(json!({ "slot": 0 })).unwrap());
    let component = Component::create(request).await.unwrap();
    assert_eq!((component.name.as_str(), component.license_id.as_deref()), ("CPU", Some(id(&license))));
    let again = CreateComponentRequest::new("cpu-1".into(), "CPU".into(), machine.id.clone());
    assert_eq!(refusal(Component::create(again).await).2, ApiErrorKind::FingerprintTaken);
    let renamed = component.update(UpdateComponentRequest::new().with_name("Processor".into())).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.metadata), ("Processor", metadata(json!({ "slot": 0 }))));
    assert_eq!(Component::get(&component.id).await.unwrap().fingerprint, "cpu-1");
    let of = |machine: &Machine| Some(ListComponentsOptions::new().with_machine(machine.id.clone()));
    assert_eq!(Component::list(of(&machine)).await.unwrap().len(), 1);
    assert_eq!(Component::list(of(&Machine::get("bb").await.unwrap())).await.unwrap().len(), 0);
    component.delete().await.unwrap();
    gone(Component::get(&component.id).await);
    machine.deactivate().await.unwrap();
    gone(Machine::get("aa").await);
}

// 03 §10, §11
#[tokio::test]
async fn tokens() {
    let world = World::new();
    let license = world.license(json!({ "floating": true, "maxMachines": 5 }), json!({}));
    let _turn = configure(world.globally()).await;
    let vendor = world.vendor();
    let me = vendor.current_profile().await.unwrap();
    assert_eq!((me.bearer().resource_type(), me.token().kind()), ("users", "admin-token"));
    assert!(me.token().permissions().is_some_and(|p| p.iter().any(|p| p == "license.create")));

    let request = LicenseTokenCreateRequest {
        name: Some("Kiosk".into()),
        expiry: Some("2031-01-01T00:00:00Z".into()),
        permissions: Some(
            ["license.read", "license.validate", "machine.create", "machine.delete"].map(str::to_owned).to_vec(),
        ),
        max_activations: Some(1),
        max_deactivations: Some(0),
    };
    let token = vendor.licenses().generate_token(id(&license), Some(request)).await.unwrap();
    assert_eq!((token.kind.clone(), token.name.as_deref()), (TokenKind::ActivationToken, Some("Kiosk")));
    assert_eq!((token.max_activations, token.activations, token.max_deactivations), (Some(1), Some(0), Some(0)));
    let kiosk = world.bearer(token.get_token().unwrap());
    let me = kiosk.current_profile().await.unwrap();
    assert_eq!((me.bearer().id(), me.token().id()), (id(&license), token.id.as_str()));
    assert_eq!(me.token().expiry(), Some("2031-01-01T00:00:00.000Z"));

    // 10 §1.7, §1.10: the token counts
    let machine = kiosk.licenses().activate(id(&license), "aa", &[]).await.unwrap();
    assert_eq!(api_error(kiosk.licenses().activate(id(&license), "bb", &[]).await).1, "ACTIVATIONS_LIMIT_EXCEEDED");
    assert_eq!(api_error(machine.deactivate().await).1, "DEACTIVATIONS_LIMIT_EXCEEDED");
    // What the token may not do
    assert_eq!(api_error(machine.ping().await).0, 403);

    let listed = Token::get(&token.id).await.unwrap();
    assert_eq!((listed.activations, listed.token), (Some(1), None));
    let of_licenses = ListTokensOptions { bearer_type: Some("license".into()), ..ListTokensOptions::default() };
    let found = Token::list(Some(of_licenses)).await.unwrap();
    assert_eq!(found.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), [token.id.as_str()]);
    assert_eq!(Token::list(None).await.unwrap().len(), 2);

    token.revoke().await.unwrap();
    gone(Token::get(&token.id).await);
    assert_eq!(refusal(kiosk.current_profile().await), (401, "TOKEN_INVALID".into(), ApiErrorKind::TokenInvalid));
    // An id is no token.
    set_token(&token.id).unwrap();
    assert_eq!(
        refusal(Token::list(None).await),
        (401, "TOKEN_FORMAT_INVALID".into(), ApiErrorKind::TokenFormatInvalid)
    );
    // An expired one
    let expired = LicenseTokenCreateRequest {
        expiry: Some("2020-01-01T00:00:00Z".into()),
        ..LicenseTokenCreateRequest::default()
    };
    let token = vendor.licenses().generate_token(id(&license), Some(expired)).await.unwrap();
    assert!(token.is_expired());
    let late = world.bearer(token.get_token().unwrap());
    assert_eq!(refusal(late.current_profile().await), (401, "TOKEN_EXPIRED".into(), ApiErrorKind::TokenExpired));
    // A license that authenticates by its key has no token to show (03 §11).
    let app = world.app(&license);
    assert!(matches!(app.current_profile().await, Err(keygen_rs::errors::Error::InvalidResponse(_))));
}

// 01 §14: the SDK's `environment` is a header on every call
#[tokio::test]
async fn environments() {
    let world = World::new();
    world.server.sql(
        "INSERT INTO environments SELECT '01890000-0000-7000-8000-000000000001', id, created_at, updated_at, 'Staging',
           'staging', 'SHARED' FROM accounts",
    );
    let policy = world.policy(json!({}));
    let staging = world.sdk().token(&world.server.admin_token).environment("staging").build().unwrap();
    let license = staging.licenses().create(LicenseCreateRequest::new(id(&policy).into())).await.unwrap();
    assert_eq!(license.environment_id.as_deref(), Some("01890000-0000-7000-8000-000000000001"));
    gone(world.vendor().licenses().get(&license.id).await);
    let app = world.sdk().license_key(&license.key);
    let inside = app.clone().environment("staging").build().unwrap();
    let result = inside.validate(&LicenseValidationRequest::default()).await.unwrap();
    assert_eq!(result.meta.code_kind(), LicenseValidationCode::Valid);
    let outside = app.build().unwrap().validate(&LicenseValidationRequest::default()).await;
    assert_eq!(refusal(outside), (401, "LICENSE_INVALID".into(), ApiErrorKind::LicenseKeyInvalid));
}
