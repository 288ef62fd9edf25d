//! License keys that carry a signed dataset, verified offline (02 §5), and those of pools (07 §7).

use crate::management::configure;
use crate::support::*;
use crate::{World, api_error, refusal, refused};
use keygen_rs::KeygenClient;
use keygen_rs::config::set_token;
use keygen_rs::errors::Error;
use keygen_rs::license::{License, LicenseCreateRequest, LicenseValidationRequest as Request, SchemeCode};
use keygen_rs::policy::Policy;
use serde_json::{Value, json};

// 02 §5.1, §5.2, §7
#[tokio::test]
async fn ed25519_keys() {
    let world = World::new();
    let policy = world.policy(json!({ "scheme": "ED25519_SIGN", "duration": 86400 }));
    let license = world.admin.license(&policy, json!({}));
    // What an app without network has: the public key and the license key.
    let offline = KeygenClient::builder().public_key(&world.ed25519).build().unwrap();
    let dataset = offline.verify(SchemeCode::Ed25519Sign, key(&license)).unwrap();
    let dataset: Value = serde_json::from_slice(&dataset).unwrap();
    assert_eq!(dataset["product"]["id"], world.product["id"]);
    assert_eq!(dataset["policy"], json!({ "id": policy["id"], "duration": 86400 }));
    assert_eq!(dataset["user"], Value::Null);
    assert_eq!(dataset["license"]["id"], license["id"]);
    assert_eq!(dataset["license"]["expiry"], license["attributes"]["expiry"]);

    // A dataset of the vendor's choice
    let body = json!({ "key": "{\"id\":\"{{id}}\",\"seats\":5,\"exp\":\"{{expiry}}\"}", "expiry": "2031-05-06T07:08:09.000Z" });
    let custom = world.admin.license(&policy, body);
    let dataset = offline.verify(SchemeCode::Ed25519Sign, key(&custom)).unwrap();
    let expected = format!("{{\"id\":\"{}\",\"seats\":5,\"exp\":\"2031-05-06T07:08:09.000Z\"}}", id(&custom));
    assert_eq!(String::from_utf8(dataset).unwrap(), expected);

    // A license that was read online says its scheme, and is as good offline.
    let app = world.app(&license);
    let read = app.validate(&Request::default()).await.unwrap().license.unwrap();
    assert_eq!(read.scheme, Some(SchemeCode::Ed25519Sign));
    assert_eq!(read.verify().unwrap(), offline.verify(SchemeCode::Ed25519Sign, key(&license)).unwrap());
    // A signed key, slash and all, is a credential and an identifier like others (08 §0).
    assert_eq!(app.licenses().machines(id(&license), None).await.unwrap().data.len(), 0);

    // Forgeries
    let mut forged = key(&license).as_bytes().to_vec();
    forged[10] ^= 1;
    let crossed = {
        let (signed, _) = key(&license).split_once('.').unwrap();
        let (_, signature) = key(&custom).split_once('.').unwrap();
        format!("{signed}.{signature}")
    };
    for forgery in
        [String::from_utf8(forged).unwrap(), crossed, key(&license).replace("key/", "lic/"), "key/e30=".into()]
    {
        let refused = offline.verify(SchemeCode::Ed25519Sign, &forgery);
        assert!(matches!(refused, Err(Error::LicenseKeyNotGenuine)), "{forgery}: {refused:?}");
    }
    let wrong = KeygenClient::builder().public_key(world.wrong_key()).build().unwrap();
    assert!(matches!(wrong.verify(SchemeCode::Ed25519Sign, key(&license)), Err(Error::LicenseKeyNotGenuine)));
    let none = KeygenClient::builder().build().unwrap();
    assert!(matches!(none.verify(SchemeCode::Ed25519Sign, key(&license)), Err(Error::PublicKeyMissing)));
}

// 08 §2: the scheme as the SDK reads it
#[tokio::test]
async fn schemes() {
    let world = World::new();
    for (scheme, code) in [
        (Value::Null, None),
        (json!("ECDSA_P256_SIGN"), Some(SchemeCode::EcdsaP256Sign)),
        (json!("RSA_2048_PKCS1_PSS_SIGN_V2"), Some(SchemeCode::Rsa2048Pkcs1PssSignV2)),
        (json!("RSA_2048_PKCS1_SIGN_V2"), Some(SchemeCode::Rsa2048Pkcs1SignV2)),
        (json!("RSA_2048_PKCS1_ENCRYPT"), Some(SchemeCode::Rsa2048Pkcs1Encrypt)),
        (json!("RSA_2048_JWT_RS256"), Some(SchemeCode::Rsa2048JwtRs256)),
    ] {
        let license = world.license(json!({ "scheme": scheme }), json!({}));
        // Every kind of key can be sent in a header (03 §2.5).
        let read = world.app(&license).validate(&Request::default()).await.unwrap().into_license().unwrap();
        assert_eq!((read.scheme, read.key.as_str()), (code, key(&license)), "{scheme}");
    }
}

// 07 §7, §8
#[tokio::test]
async fn pools() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let pooled = world.policy(json!({ "usePool": true }));
    let policy = Policy::get(id(&pooled)).await.unwrap();
    for text in ["first-key", "second-key", "third-key"] {
        world.admin.create("keys", json!({ "key": text }), json!({ "policy": link(&pooled) }));
    }
    // The most recent one first; none comes twice.
    assert_eq!(policy.pop_key().await.unwrap(), "third-key");
    let license = License::create(LicenseCreateRequest::new(policy.id.clone())).await.unwrap();
    assert_eq!(license.key, "second-key");
    assert_eq!(policy.pop_key().await.unwrap(), "first-key");
    let (status, code, _, detail, pointer) = api_error(policy.pop_key().await);
    assert_eq!(
        (status, code.as_str(), detail.as_str(), pointer.as_str()),
        (422, "-", "pool is empty", "/data/relationships/pool")
    );
    let empty = License::create(LicenseCreateRequest::new(policy.id.clone())).await;
    refused(empty, 422, "POLICY_POOL_EMPTY", "/data/relationships/policy");
    let plain = Policy::get(id(&world.policy(json!({})))).await.unwrap();
    assert_eq!(api_error(plain.pop_key().await).3, "pool is not supported");
    set_token(&policy.id).unwrap();
    assert_eq!(refusal(policy.pop_key().await).1, "TOKEN_FORMAT_INVALID");
}
