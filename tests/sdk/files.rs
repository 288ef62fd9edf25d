//! License and machine files: checked out online, verified and decrypted offline (02 §8, 08 §8, 10 §5).

use crate::support::*;
use crate::{BASE64, World, api_error};
use base64::Engine as _;
use keygen_rs::component::Component;
use keygen_rs::errors::Error;
use keygen_rs::license::{LicenseCheckoutOpts as Options, LicenseFileAlgorithm as Algorithm};
use keygen_rs::license_file::LicenseFile;
use keygen_rs::machine::MachineCheckoutOpts;
use keygen_rs::machine_file::MachineFile;
use serde_json::{Value, json};

/// The document inside a file's armor, changed and wrapped again.
fn tamper(file: &str, change: impl FnOnce(&mut Value)) -> String {
    let lines: Vec<&str> = file.trim_end().lines().collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let inner = BASE64.decode(lines[1..lines.len() - 1].concat()).unwrap();
    let mut document = serde_json::from_slice(&inner).unwrap();
    change(&mut document);
    format!("{first}\n{}\n{last}\n", BASE64.encode(document.to_string()))
}

/// Another first character of a base64 text.
fn flip(value: &mut Value) {
    let (head, tail) = text(value).split_at(1);
    *value = json!(format!("{}{tail}", if head == "A" { "B" } else { "A" }));
}

// 02 §8.1, §8.2: every algorithm, verified with the published key
#[tokio::test]
async fn license_file_algorithms() {
    let world = World::new();
    let license = world.license(json!({}), json!({ "name": "Offline" }));
    let app = world.app(&license);
    for (algorithm, public_key) in [
        (Algorithm::Aes256GcmEd25519, &world.ed25519),
        (Algorithm::Aes256GcmEcdsaP256, &world.ecdsa),
        (Algorithm::Aes256GcmRsaPssSha256, &world.rsa),
        (Algorithm::Aes256GcmRsaSha256, &world.rsa),
        (Algorithm::Base64Ed25519, &world.ed25519),
        (Algorithm::Base64EcdsaP256, &world.ecdsa),
        (Algorithm::Base64RsaPssSha256, &world.rsa),
        (Algorithm::Base64RsaSha256, &world.rsa),
    ] {
        let file = app.licenses().checkout(id(&license), &Options::new().with_algorithm(algorithm)).await.unwrap();
        assert_eq!(file.algorithm().unwrap(), algorithm);
        let read = |file: &LicenseFile, public_key: &str| {
            if algorithm.is_encrypted() {
                file.verify_and_decrypt(public_key, key(&license), algorithm)
            } else {
                file.verify_and_decode(public_key, algorithm)
            }
        };
        let dataset = read(&file, public_key).unwrap();
        assert_eq!((dataset.license.id.as_str(), dataset.license.name.as_deref()), (id(&license), Some("Offline")));
        assert_eq!(dataset.license.key, key(&license));
        assert_eq!((dataset.issued, dataset.expiry, dataset.ttl), (file.issued, file.expiry, file.ttl));
        assert!(dataset.included.is_none(), "{algorithm:?}");

        // Data or signature changed on the way, or signed by somebody else
        for member in ["enc", "sig"] {
            let certificate = tamper(&file.certificate, |document| flip(&mut document[member]));
            let refused = read(&LicenseFile { certificate, ..file.clone() }, public_key);
            assert!(matches!(refused, Err(Error::LicenseFileNotGenuine(_))), "{algorithm:?} {member}: {refused:?}");
        }
        let wrong = if std::ptr::eq(public_key, &world.ed25519) { world.wrong_key() } else { &world.ed25519 };
        assert!(matches!(read(&file, wrong), Err(Error::LicenseFileNotGenuine(_))), "{algorithm:?}");
    }
    // A file that says another algorithm than the app expects
    let file = app.licenses().checkout(id(&license), &Options::new().with_encrypt(true)).await.unwrap();
    let refused = file.verify_with_key_and_algorithm(&world.ed25519, Algorithm::Base64Ed25519);
    assert!(matches!(refused, Err(Error::LicenseFileAlgorithmMismatch { .. })), "{refused:?}");
}

// 02 §8.2: without `algorithm`, the scheme of the license decides
#[tokio::test]
async fn license_file_defaults() {
    let world = World::new();
    for (scheme, plain, encrypted) in [
        (Value::Null, Algorithm::Base64Ed25519, Algorithm::Aes256GcmEd25519),
        (json!("ED25519_SIGN"), Algorithm::Base64Ed25519, Algorithm::Aes256GcmEd25519),
        (json!("ECDSA_P256_SIGN"), Algorithm::Base64EcdsaP256, Algorithm::Aes256GcmEcdsaP256),
        (json!("RSA_2048_PKCS1_SIGN_V2"), Algorithm::Base64RsaSha256, Algorithm::Aes256GcmRsaSha256),
        (json!("RSA_2048_PKCS1_PSS_SIGN_V2"), Algorithm::Base64RsaPssSha256, Algorithm::Aes256GcmRsaPssSha256),
        (json!("RSA_2048_JWT_RS256"), Algorithm::Base64RsaSha256, Algorithm::Aes256GcmRsaSha256),
    ] {
        let license = world.license(json!({ "scheme": scheme }), json!({}));
        let app = world.app(&license);
        let file = app.licenses().checkout(id(&license), &Options::new().with_encrypt(false)).await.unwrap();
        assert_eq!(file.algorithm().unwrap(), plain, "{scheme}");
        assert_eq!(file.decode().unwrap().license.id, id(&license), "{scheme}");
        let file = app.licenses().checkout(id(&license), &Options::new().with_encrypt(true)).await.unwrap();
        assert_eq!(file.algorithm().unwrap(), encrypted, "{scheme}");
        // The secret is the whole key, signed or not.
        assert_eq!(file.decrypt(key(&license)).unwrap().license.id, id(&license), "{scheme}");
        assert!(matches!(file.decrypt("another key"), Err(Error::DecryptionError(_))), "{scheme}");
        assert!(matches!(file.decode(), Err(Error::LicenseFileNotSupported(_))), "{scheme}");
    }
}

// 02 §8.3, §8.4; 08 §8
#[tokio::test]
async fn license_file_contents() {
    let world = World::new();
    let policy = world.policy(json!({ "name": "Pro", "floating": true, "maxMachines": 2 }));
    let license = world.admin.license(&policy, json!({}));
    let (sso, audit) = (world.admin.entitlement("SSO"), world.admin.entitlement("AUDIT"));
    for (path, what) in [(format!("policies/{}", id(&policy)), &sso), (format!("licenses/{}", id(&license)), &audit)] {
        let body = json!({ "data": [{ "type": "entitlements", "id": id(what) }] });
        world.admin.post(&format!("{path}/entitlements"), body).ok(200);
    }
    let vendor = world.vendor();
    let licenses = vendor.licenses();

    let options = Options {
        include: Some(["entitlements", "policy", "product"].map(str::to_owned).to_vec()),
        encrypt: Some(true),
        ..Options::with_ttl(3600)
    };
    let file = licenses.checkout(id(&license), &options).await.unwrap();
    assert_eq!((file.ttl, (file.expiry - file.issued).num_seconds()), (3600, 3600));
    file.verify_with_key(&world.ed25519).unwrap();
    let dataset = file.decrypt(key(&license)).unwrap();
    let mut codes: Vec<_> = dataset.offline_entitlements().unwrap().iter().map(|e| e.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["AUDIT", "SSO"]);
    assert_eq!(file.entitlements(key(&license)).unwrap().len(), 2);
    let included = dataset.included.unwrap();
    assert_eq!(included.resources_by_type("policies")[0].attributes["name"], "Pro");
    assert_eq!(included.resources_by_type("products")[0].id, id(&world.product));
    assert_eq!(included.resources.len(), 4);
    // A stored file is read back, and only with its key.
    let stored = LicenseFile::from_cert(key(&license), &file.certificate).unwrap();
    assert_eq!((stored.id.as_str(), stored.expiry), (id(&license), file.expiry));
    assert!(LicenseFile::from_cert("another key", &file.certificate).is_err());

    // The default: a month
    let file = licenses.checkout(id(&license), &Options::new().with_encrypt(true)).await.unwrap();
    assert_eq!(file.ttl, 2_629_746);
    // `GET` gives the file alone.
    let raw = licenses.checkout_certificate(id(&license), &Options::with_ttl(7200).with_encrypt(true)).await.unwrap();
    let stored = LicenseFile::from_cert(key(&license), &raw).unwrap();
    stored.verify_with_key(&world.ed25519).unwrap();
    assert_eq!(stored.ttl, 7200);
    // Refused; the SDK says `perpetual` as `ttl=null`, which in a query is no number (01 §6.3)
    let include = |name: &str| Options::with_include(vec![name.to_owned()]);
    for (options, code, parameter) in [
        (Options::with_ttl(3599), "CHECKOUT_TTL_INVALID", "ttl"),
        (Options::perpetual(), "CHECKOUT_TTL_INVALID", "ttl"),
        (include("machines"), "CHECKOUT_INCLUDE_INVALID", "include"),
    ] {
        let (status, refused, _, _, source) = api_error(licenses.checkout(id(&license), &options).await);
        assert_eq!((status, refused.as_str(), source.as_str()), (400, code, parameter));
    }
    // A license may not include what it may not read (08 §8.4).
    let app = world.app(&license);
    assert_eq!(api_error(app.licenses().checkout(id(&license), &include("product")).await).0, 403);
    let file = app.licenses().checkout(id(&license), &include("entitlements")).await.unwrap();
    assert_eq!(file.decode().unwrap().offline_entitlements().unwrap().len(), 2);
}

// 10 §5; 15 §6: `include=license.entitlements` alone brings the license
#[tokio::test]
async fn machine_files() {
    let world = World::new();
    let license = world.license(json!({ "floating": true, "maxMachines": 2 }), json!({}));
    let sso = world.admin.entitlement("SSO");
    let body = json!({ "data": [{ "type": "entitlements", "id": id(&sso) }] });
    world.admin.post(&format!("licenses/{}/entitlements", id(&license)), body).ok(200);
    let app = world.app(&license);
    let cpu = Component { fingerprint: "cpu-1".into(), name: "CPU".into(), ..Component::default() };
    let machine = app.licenses().activate(id(&license), "52:54:00:ab", &[cpu]).await.unwrap();
    let secret = format!("{}{}", key(&license), machine.fingerprint);

    let file = machine.checkout(&MachineCheckoutOpts::with_ttl(3600)).await.unwrap();
    assert_eq!((file.ttl, (file.expiry - file.issued).num_seconds()), (3600, 3600));
    let dataset = file.decrypt(&secret).unwrap();
    assert_eq!((dataset.machine.id.as_str(), dataset.license.id.as_str()), (machine.id.as_str(), id(&license)));
    assert_eq!(dataset.license.key, key(&license));
    assert_eq!(dataset.machine.hostname, machine.hostname);
    assert_eq!(dataset.offline_entitlements().unwrap()[0].code, "SSO");
    assert!(dataset.offline_components().unwrap().is_empty());
    assert_eq!((dataset.issued, dataset.ttl), (file.issued, 3600));

    let options = MachineCheckoutOpts::with_include(["license", "components"].map(str::to_owned).to_vec());
    let file = machine.checkout(&options).await.unwrap();
    assert_eq!(file.ttl, 2_629_746);
    assert_eq!(file.components(&secret).unwrap()[0].fingerprint, "cpu-1");
    assert!(file.entitlements(&secret).unwrap().is_empty());
    let stored = MachineFile::from_cert(&secret, &file.certificate).unwrap();
    assert_eq!((stored.id.as_str(), stored.expiry), (machine.id.as_str(), file.expiry));

    // The key alone, or with another machine's fingerprint, opens nothing.
    for wrong in [key(&license).to_owned(), format!("{}{}", key(&license), "52:54:00:ac")] {
        assert!(matches!(file.decrypt(&wrong), Err(Error::DecryptionError(_))));
    }

    // The SDK verifies machine files by its global configuration only.
    let tampered =
        MachineFile { certificate: tamper(&file.certificate, |document| flip(&mut document["enc"])), ..file.clone() };
    let config = |public_key: &str| keygen_rs::config::KeygenConfig {
        public_key: Some(public_key.to_owned()),
        ..keygen_rs::config::KeygenConfig::default()
    };
    let _alone = crate::management::configure(config(&world.ed25519)).await;
    file.verify().unwrap();
    let refused = tampered.verify();
    assert!(matches!(refused, Err(Error::MachineFileNotGenuine(_))), "{refused:?}");
    keygen_rs::config::set_public_key(world.wrong_key()).unwrap();
    assert!(matches!(file.verify(), Err(Error::MachineFileNotGenuine(_))));
    // A license file is no machine file.
    let license_file = app.licenses().checkout(id(&license), &Options::new().with_encrypt(true)).await.unwrap();
    assert!(MachineFile::from_cert(key(&license), &license_file.certificate).is_err());
}
