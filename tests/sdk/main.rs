//! The published Rust SDK (`keygen-rs`), unmodified, against the real binary: what it sends is what apps send, and what it
//! refuses is what apps would refuse. The account's public key is set everywhere, so that the SDK verifies the signature of
//! every response of every test (02 §3, 15 §6).

#[path = "../support/mod.rs"]
mod support;

mod environments;
mod examples;
mod files;
mod keys;
mod machines;
mod management;
mod people;
mod signatures;
mod validate;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keygen_rs::errors::{ApiErrorKind, Error};
use keygen_rs::{KeygenClient, KeygenClientBuilder};
use serde_json::{Value, json};
use support::{Server, id, key, text};

/// A server with a product, and the public keys with which its vendor configures apps.
struct World {
    server: Server,
    admin: support::Client,
    product: Value,
    /// Hexadecimal, as SDKs take it.
    ed25519: String,
    /// PEM.
    rsa: String,
    /// PEM.
    ecdsa: String,
}

impl World {
    fn new() -> World {
        let server = Server::start();
        let admin = server.admin();
        let product = admin.product();
        let account = admin.get("/v1/accounts/acme").ok(200);
        let published = |name: &str| {
            String::from_utf8(BASE64.decode(text(&account["data"]["meta"]["keys"][name])).unwrap()).unwrap()
        };
        let (ed25519, rsa, ecdsa) = (published("ed25519"), published("rsa2048"), published("ecdsa"));
        World { server, admin, product, ed25519, rsa, ecdsa }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// A policy whose licenses may authenticate by key and by token.
    fn policy(&self, mut attributes: Value) -> Value {
        if attributes.get("authenticationStrategy").is_none() {
            attributes["authenticationStrategy"] = json!("MIXED");
        }
        self.admin.policy(&self.product, attributes)
    }

    /// A license of a new policy.
    fn license(&self, policy: Value, attributes: Value) -> Value {
        self.admin.license(&self.policy(policy), attributes)
    }

    /// An SDK without credentials that knows the server, the product and the public key.
    fn sdk(&self) -> KeygenClientBuilder {
        KeygenClient::builder()
            .api_url(self.url())
            .account("acme")
            .product(id(&self.product))
            .public_key(&self.ed25519)
            .user_agent("tests/1.0")
    }

    /// An app with a license key.
    fn app(&self, license: &Value) -> KeygenClient {
        self.sdk().license_key(key(license)).build().unwrap()
    }

    /// A caller with a token.
    fn bearer(&self, token: &str) -> KeygenClient {
        self.sdk().token(token).build().unwrap()
    }

    /// The vendor.
    fn vendor(&self) -> KeygenClient {
        self.bearer(&self.server.admin_token)
    }

    /// A login by e-mail address and password.
    fn login(&self, email: &str, password: &str) -> support::Answer {
        let basic = BASE64.encode(format!("{email}:{password}"));
        self.server.with(&format!("Basic {basic}")).post("tokens", Value::Null)
    }

    /// Another account's Ed25519 key: valid, and wrong here.
    fn wrong_key(&self) -> &'static str {
        "e99d293c70785efbf8e7cbbb5f2a44ad05140d976f1cacc7766f112a7043116f"
    }
}

/// What the SDK makes of an API error: status, code, its own kind, detail and pointer.
#[track_caller]
fn api_error<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String, ApiErrorKind, String, String) {
    match result {
        Err(Error::Api(document)) => {
            let first = document.primary().unwrap_or_else(|| panic!("no error object: {}", document.body()));
            let part = |value: Option<&str>| value.unwrap_or("-").to_owned();
            let source = first.source().and_then(|s| s.pointer.as_deref().or(s.parameter.as_deref()));
            let status = document.status().as_u16();
            (status, part(first.code()), first.kind(), part(first.detail()), part(source))
        }
        other => panic!("not an API error: {other:?}"),
    }
}

/// Status, code and kind of an API error.
#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String, ApiErrorKind) {
    let (status, code, kind, _, _) = api_error(result);
    (status, code, kind)
}

/// Status, code and pointer of an API error.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, status: u16, code: &str, pointer: &str) {
    let (s, c, _, detail, p) = api_error(result);
    assert_eq!((s, c.as_str(), p.as_str()), (status, code, pointer), "{detail}");
}
