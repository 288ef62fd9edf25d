//! Response signatures, as the SDK checks them (02 §3, 15 §1): made for what was asked, over what was answered, by the
//! account's key, whatever the status; and refused when anything of that is not so.

use crate::World;
use crate::support::*;
use keygen_rs::errors::Error;
use keygen_rs::license::{LicenseCheckoutOpts, LicenseListOptions, LicenseValidationRequest as Request};
use keygen_rs::{ApiContractVersion, KeygenClient};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Why a signature was refused; `None` when the call got past it.
#[track_caller]
fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Option<String> {
    match result {
        Err(Error::KeygenSignatureInvalid { reason }) => Some(reason),
        Ok(_) | Err(Error::Api(_)) => None,
        Err(other) => panic!("neither an answer nor a signature: {other}"),
    }
}

/// One call for every kind of answer: 200, 201, 204, 4xx, an empty text, a download, a query with brackets.
async fn calls(client: &KeygenClient, license: &str) -> Vec<(&'static str, Option<String>)> {
    let licenses = client.licenses();
    let nothing = Request::default();
    let page = LicenseListOptions { page_size: Some(1), ..LicenseListOptions::default() };
    let file = LicenseCheckoutOpts::with_ttl(3600);
    vec![
        ("200", reason(licenses.validate(license, &nothing).await)),
        ("201", reason(licenses.activate(license, "aa", &[]).await)),
        ("422", reason(licenses.activate(license, "aa", &[]).await)),
        ("204", reason(licenses.deactivate_machine(license, "aa").await)),
        ("404", reason(licenses.machine(license, "aa b/c%2F?d").await)),
        ("page", reason(licenses.list(Some(&page)).await)),
        ("file", reason(licenses.checkout_certificate(license, &file).await)),
        ("ping", reason(client.service_info().await)),
    ]
}

// 02 §3.4; D2
#[tokio::test]
async fn every_answer_is_signed() {
    let world = World::new();
    let license = world.license(json!({ "floating": true, "maxMachines": 1 }), json!({}));
    let token = &world.server.admin_token;
    let anonymous = world.sdk().build().unwrap();
    for (call, refused) in calls(&world.vendor(), id(&license)).await {
        assert_eq!(refused, None, "{call}");
    }
    for (call, refused) in calls(&anonymous, id(&license)).await {
        assert_eq!(refused, None, "{call}");
    }
    // By somebody else's key: nothing is believed, errors included. What was asked was done all the same.
    let wrong = world.sdk().public_key(world.wrong_key()).token(token).build().unwrap();
    for (call, refused) in calls(&wrong, id(&license)).await {
        assert_eq!(refused.as_deref(), Some("Signature verification failed"), "{call}");
    }
    let unusable = world.sdk().public_key("not hexadecimal").token(token).build().unwrap();
    assert!(matches!(unusable.service_info().await, Err(Error::PublicKeyInvalid)));
    // Unless the app does not look.
    let careless =
        world.sdk().public_key(world.wrong_key()).token(token).verify_keygen_signature(false).build().unwrap();
    for (call, refused) in calls(&careless, id(&license)).await {
        assert_eq!(refused, None, "{call}");
    }
    let blind = KeygenClient::builder().api_url(world.url()).account("acme").token(token).build().unwrap();
    assert_eq!(reason(blind.service_info().await), None);
}

// 02 §3.2: a `?` that nothing follows is signed as it came. The SDK sends and signs one when a call has options but all of
// them are left out.
#[tokio::test]
async fn a_question_mark_alone() {
    let world = World::new();
    let license = world.license(json!({}), json!({}));
    let vendor = world.vendor();
    let licenses = vendor.licenses();
    assert_eq!(reason(licenses.list(None).await), None);
    assert_eq!(reason(licenses.checkout(id(&license), &LicenseCheckoutOpts::new()).await), None);
    let said = LicenseCheckoutOpts::new().with_encrypt(false);
    assert_eq!(reason(licenses.checkout(id(&license), &said).await), None);
}

// 01 §13, §20
#[tokio::test]
async fn ping_and_versions() {
    let world = World::new();
    let license = world.license(json!({}), json!({}));
    let info = world.sdk().build().unwrap().service_info().await.unwrap();
    assert_eq!(info.message.as_deref(), Some(""));
    assert!(info.timestamp.is_some() && info.headers.contains_key("keygen-signature"));
    for version in [ApiContractVersion::V1_7, ApiContractVersion::V1_8] {
        let app = world.sdk().license_key(key(&license)).api_contract_version(version).build().unwrap();
        assert!(app.validate(&Request::default()).await.unwrap().meta.valid, "{version}");
    }
    // An environment that does not exist (05 §5)
    let lost = world.sdk().license_key(key(&license)).environment("nowhere").build().unwrap();
    let (status, code, ..) = crate::api_error(lost.validate(&Request::default()).await);
    assert_eq!((status, code.as_str()), (400, "ENVIRONMENT_INVALID"));
}

/// A proxy for one exchange that keeps the `Host` header and changes the answer.
fn proxy(server: Client, change: impl FnOnce(&mut Answer) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let (mut request, mut buffer) = (vec![], [0; 4096]);
        let complete = |request: &[u8]| {
            let end = request.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length =
                head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            (request.len() >= end + length).then_some(end)
        };
        let end = loop {
            let n = client.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..n]);
            if let Some(end) = complete(&request) {
                break end;
            }
        };
        request.splice(end - 2..end - 2, *b"Connection: close\r\n");
        let mut answer = server.raw(&request);
        change(&mut answer);
        let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
        for (name, value) in answer.headers.iter().filter(|(name, _)| name != "content-length") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", answer.bytes.len()));
        client.write_all(&[head.as_bytes(), &answer.bytes].concat()).unwrap();
    });
    url
}

// 02 §3.2; D1: `host` is what the caller said, and nothing on the way can be changed
#[tokio::test]
async fn answers_changed_on_the_way() {
    let world = World::new();
    let license = world.license(json!({}), json!({ "suspended": true }));
    type Change = fn(&mut Answer);
    let valid: Change = |answer| {
        answer.bytes =
            String::from_utf8(answer.bytes.clone()).unwrap().replace("\"valid\":false", "\"valid\":true").into_bytes();
    };
    let cases: [(&str, Change, Option<&str>); 6] = [
        ("untouched", |_| {}, None),
        // Proxies rewrite `Date`; the SDK reads Keygen's copies.
        ("another Date", |answer| replace(answer, "date", "Sat, 29 Feb 2020 10:00:00 GMT"), None),
        ("another body", valid, Some("Body digest does not match digest header")),
        (
            "another date",
            |answer| replace(answer, "keygen-date", "Sat, 29 Feb 2020 10:00:00 GMT"),
            Some("Signature verification failed"),
        ),
        (
            "another digest and body",
            |answer| {
                answer.bytes.clear();
                replace(answer, "keygen-digest", "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
            },
            Some("Signature verification failed"),
        ),
        (
            "no signature",
            |answer| answer.headers.retain(|(name, _)| name != "keygen-signature"),
            Some("Missing keygen-signature header"),
        ),
    ];
    for (name, change, expected) in cases {
        let url = proxy(world.server.anonymous(), change);
        let app = world.sdk().api_url(url).build().unwrap();
        let result = app.licenses().validate_key(key(&license), &Request::default()).await;
        if expected.is_none() {
            assert!(!result.as_ref().unwrap().meta.valid, "{name}");
        }
        assert_eq!(reason(result).as_deref(), expected, "{name}");
    }
}

fn replace(answer: &mut Answer, name: &str, value: &str) {
    answer.headers.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.to_owned();
}
