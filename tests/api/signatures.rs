//! Responses: documents (01 §7, §8), headers, CORS, HEAD, versions (01 §11–§13), keys and signatures (02 §2, §3).

use crate::protocol::{OTHER, OTHER_PUBLIC, ZERO, account_id, admin_credential, environment, second_account, wire};
use crate::support::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::Command;

/// An account's public keys, as clients get them.
struct Keys {
    account: String,
    ed25519: String,
    rsa: String,
    ecdsa: String,
}

impl Keys {
    /// From `meta` of the account (02 §2).
    fn read(server: &Server) -> Keys {
        let account = server.admin().get("/v1/accounts/acme").ok(200)["data"].clone();
        let decode = |value: &Value| String::from_utf8(STANDARD.decode(text(value)).unwrap()).unwrap();
        let keys = &account["meta"]["keys"];
        assert_eq!(account["meta"]["publicKey"], keys["rsa2048"]);
        let ed25519 = decode(&keys["ed25519"]);
        assert!(ed25519.len() == 64 && ed25519.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        for pem in [&keys["rsa2048"], &keys["ecdsa"]].map(decode) {
            assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("\n-----END PUBLIC KEY-----\n"));
            assert!(pem.lines().all(|line| line.len() <= 64));
        }
        let account = id(&account).to_owned();
        Keys { account, ed25519, rsa: decode(&keys["rsa2048"]), ecdsa: decode(&keys["ecdsa"]) }
    }

    /// Checks with one of the four algorithms (02 §1), by the primitives themselves.
    fn verify(&self, algorithm: &str, data: &[u8], signature: &[u8]) -> bool {
        use p256::pkcs8::DecodePublicKey as _;
        let rsa = || rsa::RsaPublicKey::from_public_key_pem(&self.rsa).unwrap();
        let digest = Sha256::digest(data);
        match algorithm.to_ascii_lowercase().as_str() {
            "ed25519" => {
                let key: [u8; 32] = hex::decode(&self.ed25519).unwrap().try_into().unwrap();
                let key = ed25519_dalek::VerifyingKey::from_bytes(&key).unwrap();
                key.verify_strict(data, &ed25519_dalek::Signature::from_slice(signature).unwrap()).is_ok()
            }
            "rsa-sha256" => rsa().verify(rsa::Pkcs1v15Sign::new::<Sha256>(), &digest, signature).is_ok(),
            "rsa-pss-sha256" => rsa().verify(rsa::Pss::new_with_salt::<Sha256>(222), &digest, signature).is_ok(),
            "ecdsa-p256" => {
                use p256::ecdsa::signature::Verifier as _;
                let key = p256::ecdsa::VerifyingKey::from_public_key_pem(&self.ecdsa).unwrap();
                key.verify(data, &p256::ecdsa::DerSignature::from_bytes(signature).unwrap()).is_ok()
            }
            other => panic!("{other}"),
        }
    }

    /// Checks everything that 02 §3 says about the headers of an answer; gives the algorithm as it is named there.
    #[track_caller]
    fn check(&self, answer: &Answer, method: &str, target: &str, host: &str) -> String {
        self.check_body(answer, method, target, host, &answer.bytes)
    }

    #[track_caller]
    fn check_body(&self, answer: &Answer, method: &str, target: &str, host: &str, body: &[u8]) -> String {
        let (data, algorithm, signature) = signed(answer, method, target, host, &self.account);
        let digest = format!("sha-256={}", STANDARD.encode(Sha256::digest(body)));
        assert_eq!(answer.header("digest"), digest, "{method} {target}");
        let genuine = self.verify(&algorithm, data.as_bytes(), &signature);
        assert!(genuine, "{method} {target} {host} {} {data}: {}", answer.status, answer.header("keygen-signature"));
        algorithm
    }
}

/// The signed data, algorithm and signature of an answer (02 §3.1, §3.2).
#[track_caller]
fn signed(answer: &Answer, method: &str, target: &str, host: &str, account: &str) -> (String, String, Vec<u8>) {
    for (name, copy) in [("date", "keygen-date"), ("digest", "keygen-digest"), ("keygen-signature", "keygen-signature")]
    {
        assert_eq!(
            answer.headers.iter().filter(|(n, _)| n == name).count(),
            1,
            "{name} of {method} {target} {}",
            answer.status
        );
        assert_eq!(answer.header(name), answer.header(copy));
    }
    let (date, digest) = (answer.header("date"), answer.header("digest"));
    let parsed = chrono::NaiveDateTime::parse_from_str(date, "%a, %d %b %Y %H:%M:%S GMT").unwrap();
    assert_eq!(parsed.format("%a, %d %b %Y %H:%M:%S GMT").to_string(), date);
    let header = answer.header("keygen-signature");
    let rest = header.strip_prefix(&format!("keyid=\"{account}\", algorithm=\"")).unwrap_or_else(|| panic!("{header}"));
    let (algorithm, rest) = rest.split_once("\", signature=\"").unwrap();
    let signature = rest.strip_suffix("\", headers=\"(request-target) host date digest\"").unwrap();
    let data = format!("(request-target): {method} {target}\nhost: {host}\ndate: {date}\ndigest: {digest}");
    (data, algorithm.to_owned(), STANDARD.decode(signature).unwrap())
}

#[track_caller]
fn unsigned(answer: &Answer) {
    for name in ["keygen-signature", "digest", "keygen-digest", "keygen-date"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
}

// 02 §3.4, D2: single mode, every kind of response
#[test]
fn every_response_is_signed() {
    let server = Server::start_with(&[("KEYGEN_LITE_SERVER_MAX_BODY_BYTES", "3000")]);
    let keys = Keys::read(&server);
    let (admin, host) = (admin_credential(&server), format!("localhost:{}", server.port));
    let client = server.admin();
    let product = client.product();
    let policy = client.policy(&product, json!({ "scheme": "ED25519_SIGN", "authenticationStrategy": "LICENSE" }));
    let license = client.license(&policy, json!({ "key": "dataset" }));
    let guest = format!("License {}", key(&license));
    let (p, l) = (id(&product), id(&license));
    let body = |attributes: Value| json!({ "data": { "type": "products", "attributes": attributes } }).to_string();
    let twin = json!({ "data": { "type": "licenses", "attributes": { "key": "dataset" }, "relationships": { "policy": link(&policy) } } });
    let (anyone, staff, app) =
        (vec![], vec![("Authorization", admin.as_str())], vec![("Authorization", guest.as_str())]);
    let with = |name: &'static str, value: &'static str| vec![("Authorization", admin.as_str()), (name, value)];
    for (method, target, headers, body, expected) in [
        ("GET", "/v1/me".to_owned(), staff.clone(), String::new(), "200"),
        ("GET", "/v1/licenses?limit=1".to_owned(), staff.clone(), String::new(), "200"),
        ("GET", "/v1/accounts/acme".to_owned(), staff.clone(), String::new(), "200"),
        ("POST", "/v1/products".to_owned(), staff.clone(), body(json!({ "name": "Démo" })), "201"),
        ("PATCH", format!("/v1/products/{p}"), staff.clone(), body(json!({ "name": "B" })), "200"),
        ("PUT", format!("/v1/products/{p}"), staff.clone(), body(json!({ "name": "C" })), "200"),
        ("GET", format!("/v1/licenses/{l}/actions/check-out"), staff.clone(), String::new(), "200"),
        ("POST", format!("/v1/licenses/{l}/actions/check-out"), app.clone(), String::new(), "200"),
        ("GET", "/v1/ping".to_owned(), anyone.clone(), String::new(), "200"),
        ("GET", "/v1/accounts/nope/ping".to_owned(), anyone.clone(), String::new(), "200"),
        ("GET", "/v1/health".to_owned(), anyone.clone(), String::new(), "204"),
        // Stages 1 to 7
        ("GET", "/v1/me?a=1&a[b]=2".to_owned(), staff.clone(), String::new(), "400 PARAMETERS_INVALID"),
        ("BREW", "/v1/me".to_owned(), staff.clone(), String::new(), "400 HTTP_METHOD_INVALID"),
        ("GET", "/v1/nope".to_owned(), anyone.clone(), String::new(), "404 NOT_FOUND"),
        ("GET", "/".to_owned(), anyone.clone(), String::new(), "404 NOT_FOUND"),
        ("GET", "/v2/".to_owned(), anyone.clone(), String::new(), "404 NOT_FOUND"),
        ("OPTIONS", "/v1/me".to_owned(), anyone.clone(), String::new(), "404 NOT_FOUND"),
        ("GET", "/v1/licenses/%zz".to_owned(), anyone.clone(), String::new(), "400 URI_INVALID"),
        ("GET", "/v1/licenses/%ff".to_owned(), anyone.clone(), String::new(), "400 ENCODING_INVALID"),
        ("GET", "/v1/me".to_owned(), with("Accept", "text/html"), String::new(), "400 MIME_TYPE_INVALID"),
        ("POST", "/v1/products".to_owned(), staff.clone(), "{".to_owned(), "400 JSON_INVALID"),
        ("POST", "/v1/products".to_owned(), staff.clone(), "x".repeat(3001), "413 -"),
        ("GET", "/v1/me".to_owned(), with("Keygen-Version", "2"), String::new(), "400 INVALID_API_VERSION"),
        ("GET", "/v1/accounts/nope/me".to_owned(), staff.clone(), String::new(), "404 NOT_FOUND"),
        ("GET", "/v1/me".to_owned(), with("Keygen-Environment", "x"), String::new(), "400 ENVIRONMENT_INVALID"),
        ("GET", "/v1/me".to_owned(), with("Keygen-Accept-Signature", "x"), String::new(), "400 -"),
        // Stages 8 to 10
        ("GET", "/v1/me".to_owned(), anyone, String::new(), "401 TOKEN_MISSING"),
        ("GET", "/v1/products/nope".to_owned(), staff.clone(), String::new(), "404 NOT_FOUND"),
        ("DELETE", format!("/v1/licenses/{l}"), app, String::new(), "403 -"),
        ("POST", "/v1/products".to_owned(), staff.clone(), "{}".to_owned(), "400 -"),
        (
            "POST",
            "/v1/products".to_owned(),
            staff.clone(),
            body(json!({ "name": "x", "code": "actions" })),
            "422 CODE_NOT_ALLOWED",
        ),
        ("POST", "/v1/licenses".to_owned(), staff.clone(), twin.to_string(), "409 -"),
        ("DELETE", format!("/v1/products/{p}"), staff, String::new(), "204"),
    ] {
        let answer = wire(&server, method, &target, &headers, body.as_bytes());
        let got = if answer.status < 400 {
            answer.status.to_string()
        } else {
            format!("{} {}", answer.status, answer.code())
        };
        assert_eq!(got, expected, "{method} {target}");
        let algorithm = keys.check(&answer, &method.to_ascii_lowercase(), &target, &host);
        assert_eq!(algorithm, "ed25519");
        if answer.status == 204 {
            assert_eq!(answer.header("digest"), "sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        }
        // D10, D11
        assert_eq!((answer.header("x-signature"), answer.header("set-cookie")), ("", ""));
    }
    // Never signed: preflights.
    let asks = [("Origin", "https://a.b"), ("Access-Control-Request-Method", "GET")];
    unsigned(&wire(&server, "OPTIONS", "/v1/me", &asks, b""));
}

// 02 §3.4, D2: multi mode
#[test]
fn in_multi_mode_the_account_of_the_path_signs() {
    for default in [None, Some("acme")] {
        let mut settings = vec![("KEYGEN_LITE_ACCOUNTS_MODE", "multi")];
        settings.extend(default.map(|slug| ("KEYGEN_LITE_ACCOUNTS_DEFAULT_ACCOUNT", slug)));
        let server = Server::start_with(&settings);
        second_account(&server);
        let acme = Keys::read(&server);
        let beta = Keys { account: OTHER.to_owned(), ed25519: OTHER_PUBLIC.to_owned(), ..Keys::read(&server) };
        let host = format!("localhost:{}", server.port);
        let json = [("Content-Type", "application/json"), ("Accept", "application/json")];
        for below in ["me", "nope", "me?a=%4", "ping", "products/%4"] {
            for (name, keys) in [("acme", &acme), ("beta", &beta), (OTHER, &beta), ("b%65ta", &beta)] {
                let target = format!("/v1/accounts/{name}/{below}");
                keys.check(&wire(&server, "GET", &target, &json, b"{"), "get", &target, &host);
            }
            unsigned(&wire(&server, "GET", &format!("/v1/accounts/gamma/{below}"), &json, b"{"));
            let target = format!("/v1/{below}");
            let answer = wire(&server, "GET", &target, &json, b"");
            match default {
                Some(_) => drop(acme.check(&answer, "get", &target, &host)),
                None => unsigned(&answer),
            }
        }
        let target = format!("/v1/accounts/{OTHER}");
        let shown = wire(&server, "GET", &target, &[("Authorization", &admin_credential(&server))], b"");
        beta.check(&shown, "get", &target, &host);
        let published = STANDARD.decode(text(&shown.body["data"]["meta"]["keys"]["ed25519"])).unwrap();
        assert_eq!(String::from_utf8(published).unwrap(), OTHER_PUBLIC);
    }
}

// 02 §3.2, D1, D17
#[test]
fn target_and_host_are_signed_as_received() {
    let server = Server::start_with(&[("KEYGEN_LITE_SERVER_TRUSTED_PROXIES", "127.0.0.1")]);
    let keys = Keys::read(&server);
    let token = format!("/v1/me?token={}", server.admin_token);
    for (target, signed) in [
        ("/v1/me", "/v1/me"),
        ("/v1/me?", "/v1/me?"),
        ("/v1/me??", "/v1/me??"),
        ("//v1///me//", "//v1///me//"),
        ("/v1/me?b=%5b&a[x]=1&c=x+y%20z&a[x]=2&", "/v1/me?b=%5b&a[x]=1&c=x+y%20z&a[x]=2&"),
        ("/v1/licenses/a%2Fb%2fc:d@e", "/v1/licenses/a%2Fb%2fc:d@e"),
        ("/v1/%6De", "/v1/%6De"),
        (&token, &token),
        ("/v1/ping?x=?", "/v1/ping?x=?"),
    ] {
        for host in ["api.example.com", "localhost:8443", "API.Example.COM:443", "[::1]:80", "10.0.0.1"] {
            // Proxies may name the client and the scheme, never the host.
            let forwarded = [("Host", host), ("X-Forwarded-Host", "evil.example.com"), ("X-Forwarded-Port", "9")];
            keys.check(&wire(&server, "GET", target, &forwarded, b""), "get", signed, host);
        }
    }
    // HTTP/2: `:authority`
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        use http_body_util::{BodyExt as _, Empty};
        use hyper_util::rt::{TokioExecutor, TokioIo};
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request =
            hyper::Request::get("http://two.example.com:8443/v1/me?x=[1]").body(Empty::<&[u8]>::new()).unwrap();
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let headers = parts.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        Answer { status: parts.status.as_u16(), headers, body: serde_json::from_slice(&bytes).unwrap(), bytes }
    });
    assert_eq!(answer.code(), "TOKEN_MISSING");
    keys.check(&answer, "get", "/v1/me?x=[1]", "two.example.com:8443");
}

// 02 §3.3, D24
#[test]
fn the_caller_chooses_the_algorithm() {
    let server = Server::start();
    environment(&server, "pre", "SHARED");
    let keys = Keys::read(&server);
    let account = account_id(&server);
    let host = format!("localhost:{}", server.port);
    let ask = |header: &str, more: &[(&str, &str)], target: &str| {
        let mut headers = vec![("Keygen-Accept-Signature", header)];
        headers.extend_from_slice(more);
        wire(&server, "GET", target, &headers, b"")
    };
    let upper = account.to_uppercase();
    for (header, algorithm) in [
        (String::new(), "ed25519"),
        ("   ".to_owned(), "ed25519"),
        ("algorithm=\"ed25519\"".to_owned(), "ed25519"),
        ("algorithm=\"rsa-sha256\"".to_owned(), "rsa-sha256"),
        ("algorithm=\"rsa-pss-sha256\"".to_owned(), "rsa-pss-sha256"),
        ("algorithm=\"ecdsa-p256\"".to_owned(), "ecdsa-p256"),
        ("Algorithm=\"RSA-Sha256\";".to_owned(), "RSA-Sha256"),
        ("ALGORITHM=\"Ed25519\"".to_owned(), "Ed25519"),
        (format!("keyid=\"{account}\", algorithm=\"ecdsa-p256\""), "ecdsa-p256"),
        (format!("KeyId=\"{upper}\" ,algorithm=\"rsa-pss-sha256\";"), "rsa-pss-sha256"),
        (format!("keyid=\"{account}\"algorithm=\"ed25519\""), "ed25519"),
    ] {
        // On success, errors of every stage, and empty bodies alike.
        for target in ["/v1/me", "/v1/nope", "/v1/ping", "/v1/health", "/v1/me?environment=x", "/v1/me?a=%4"] {
            let answer = ask(&header, &[("Authorization", &admin_credential(&server))], target);
            assert_eq!(keys.check(&answer, "get", target, &host), algorithm, "{header} {target}");
        }
    }
    for (header, detail) in [
        ("<ed25519>", "malformed"),
        ("ed25519", "malformed"),
        ("algorithm=ed25519", "malformed"),
        ("algorithm='ed25519'", "malformed"),
        ("algorithm=\"ed25519", "malformed"),
        ("algorithm=\"\"", "malformed"),
        ("algorithm=\"ed25519\";;", "malformed"),
        ("algorithm=\"ed25519\" x", "malformed"),
        ("x algorithm=\"ed25519\"", "malformed"),
        ("algorithm = \"ed25519\"", "malformed"),
        ("keyid=\"$\"", "malformed"),
        ("keyid=\"$\" algorithm=\"ed25519\"", "malformed"),
        ("keyid=\"1\" algorithm=\"ed25519\"", "malformed"),
        ("algorithm=\"ed25519\", keyid=\"$\"", "malformed"),
        ("algorithm=\"rsa-sha512\"", "unsupported algorithm"),
        ("algorithm=\"hs2019\"", "unsupported algorithm"),
        ("algorithm=\"ed25519 \"", "unsupported algorithm"),
        ("keyid=\"1\", algorithm=\"rsa-sha512\"", "unsupported algorithm"),
        ("keyid=\"acme\", algorithm=\"rsa-sha256\"", "keyid not found"),
        ("keyid=\"00000000-0000-7000-8000-000000000000\",algorithm=\"rsa-sha256\"", "keyid not found"),
    ] {
        let header = header.replace('$', &account);
        // Before authentication, after the environment; the refusal is signed with ed25519.
        let answer = ask(&header, &[("Keygen-Environment", "pre")], "/v1/me");
        assert_eq!(answer.error(), format!("400 invalid accept-signature header ({detail})|-|-"), "{header}");
        assert_eq!(keys.check(&answer, "get", "/v1/me", &host), "ed25519");
        assert_eq!((answer.header("keygen-environment"), answer.header("keygen-account")), ("pre", account.as_str()));
        // Where it is not checked it does not matter.
        for target in ["/v1/nope", "/v1/ping"] {
            assert_eq!(keys.check(&ask(&header, &[], target), "get", target, &host), "ed25519", "{header}");
        }
    }
    let no_text = b"GET /v1/me HTTP/1.1\r\nHost: a\r\nConnection: close\r\nKeygen-Accept-Signature: \xff\r\n\r\n";
    assert_eq!(server.anonymous().raw(no_text).detail(), "invalid accept-signature header (malformed)");
    // Plain `Accept-Signature` is not read.
    let plain = wire(&server, "GET", "/v1/ping", &[("Accept-Signature", "algorithm=\"rsa-sha256\"")], b"");
    assert_eq!(keys.check(&plain, "get", "/v1/ping", &host), "ed25519");
}

// 01 §12.2, 02 §3.4
#[test]
fn head_is_get_without_its_body() {
    let server = Server::start();
    let (keys, client, admin) = (Keys::read(&server), server.admin(), admin_credential(&server));
    let license = client.quick_license(json!({}));
    let host = format!("localhost:{}", server.port);
    for (path, status) in [
        ("me", 200),
        ("licenses?page[number]=1", 200),
        (&format!("licenses/{}", id(&license)) as &str, 200),
        ("products/nope?a=%4", 400),
        ("/v1/accounts/acme", 200),
        ("/v1/ping", 200),
        ("/v1/health", 204),
    ] {
        let target = if path.starts_with('/') { path.to_owned() } else { format!("/v1/accounts/acme/{path}") };
        let headers = [("Authorization", admin.as_str())];
        let (get, head) = (wire(&server, "GET", &target, &headers, b""), wire(&server, "HEAD", &target, &headers, b""));
        assert_eq!((get.status, head.status, head.bytes.len()), (status, status, 0), "{target}");
        keys.check_body(&head, "head", &target, &host, &get.bytes);
        let stable = |answer: &Answer| -> Vec<(String, String)> {
            let moving = ["date", "keygen-date", "keygen-signature", "x-request-id"];
            answer.headers.iter().filter(|(name, _)| !moving.contains(&name.as_str())).cloned().collect()
        };
        let (mut a, mut b) = (stable(&get), stable(&head));
        a.sort();
        b.sort();
        assert_eq!(a, b, "{target}");
        if status != 204 {
            assert_eq!(head.header("content-length"), get.bytes.len().to_string());
        }
    }
    for (caller, path, status) in [
        (server.anonymous(), "me", 401),
        (client.clone(), "nope", 404),
        (client.clone(), "licenses/actions/validate-key", 404),
    ] {
        let answer = caller.call("HEAD", path, None);
        assert_eq!((answer.status, answer.bytes.len()), (status, 0));
        // The body would have another request id: only its digest is known.
        let (data, algorithm, signature) =
            signed(&answer, "head", &format!("/v1/accounts/acme/{path}"), &host, &keys.account);
        assert!(keys.verify(&algorithm, data.as_bytes(), &signature));
    }
    // The action runs fully.
    let shown =
        || client.get(&format!("licenses/{}", id(&license))).ok(200)["data"]["attributes"]["lastCheckOut"].clone();
    assert_eq!(shown(), Value::Null);
    let file = client.call("HEAD", &format!("licenses/{}/actions/check-out", id(&license)), None);
    assert_eq!((file.status, file.header("content-type")), (200, "application/octet-stream"));
    assert_ne!(shown(), Value::Null);
}

/// Runs `openssl`; `None` when it is not installed.
fn openssl(directory: &Path, arguments: &[&str]) -> Option<bool> {
    match Command::new("openssl").args(arguments).current_dir(directory).output() {
        Ok(output) => Some(output.status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

// 02 §1, §3, §5, §8: checked by a program that shares no code with ours
#[test]
fn openssl_agrees() {
    let directory = tempfile::tempdir().unwrap();
    if openssl(directory.path(), &["version"]).is_none() {
        eprintln!("SKIPPED openssl_agrees: there is no `openssl` command; install OpenSSL to run this test");
        return;
    }
    let server = Server::start();
    let (keys, client, admin) = (Keys::read(&server), server.admin(), admin_credential(&server));
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    // RFC 8410: the SPKI prefix of an Ed25519 key.
    let mut der = hex::decode("302a300506032b6570032100").unwrap();
    der.extend(hex::decode(&keys.ed25519).unwrap());
    write(
        "ed25519",
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der)).as_bytes(),
    );
    write("rsa", keys.rsa.as_bytes());
    write("ecdsa", keys.ecdsa.as_bytes());
    let verify = |algorithm: &str, data: &[u8], signature: &[u8]| {
        write("data", data);
        write("signature", signature);
        let digest = ["dgst", "-sha256", "-signature", "signature", "-verify"];
        let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:222"];
        let raw =
            ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "ed25519", "-sigfile", "signature", "-in", "data"];
        let arguments = match algorithm {
            "ed25519" => raw.to_vec(),
            "rsa-sha256" => [&digest[..], &["rsa", "data"]].concat(),
            "rsa-pss-sha256" => [&digest[..], &["rsa"], &pss, &["data"]].concat(),
            "ecdsa-p256" => [&digest[..], &["ecdsa", "data"]].concat(),
            other => panic!("{other}"),
        };
        openssl(directory.path(), &arguments).unwrap()
    };
    let (host, target) = (format!("localhost:{}", server.port), "/v1/me?x=[y]");
    for algorithm in ["ed25519", "rsa-sha256", "rsa-pss-sha256", "ecdsa-p256"] {
        // A response …
        let wanted = format!("algorithm=\"{algorithm}\"");
        let headers = [("Authorization", admin.as_str()), ("Keygen-Accept-Signature", &wanted)];
        let answer = wire(&server, "GET", target, &headers, b"");
        let (data, _, signature) = signed(&answer, "get", target, &host, &keys.account);
        assert!(verify(algorithm, data.as_bytes(), &signature), "response, {algorithm}");
        assert!(
            !verify(algorithm, data.replace("get", "put").as_bytes(), &signature),
            "response, {algorithm}, changed"
        );
        // … a license key …
        let scheme = match algorithm {
            "ed25519" => "ED25519_SIGN",
            "rsa-sha256" => "RSA_2048_PKCS1_SIGN_V2",
            "rsa-pss-sha256" => "RSA_2048_PKCS1_PSS_SIGN_V2",
            _ => "ECDSA_P256_SIGN",
        };
        let license = client.quick_license(json!({ "scheme": scheme }));
        let (data, signature) = key(&license).rsplit_once('.').unwrap();
        assert!(data.starts_with("key/"));
        assert!(verify(algorithm, data.as_bytes(), &URL_SAFE.decode(signature).unwrap()), "key, {algorithm}");
        // … and a license file, whose algorithm follows the license's scheme (02 §8.2).
        let file = client.get(&format!("licenses/{}/actions/check-out", id(&license)));
        let lines = String::from_utf8(file.bytes.clone()).unwrap();
        let lines = lines.strip_prefix("-----BEGIN LICENSE FILE-----\n").unwrap();
        let lines = lines.strip_suffix("\n-----END LICENSE FILE-----\n").unwrap();
        let document: Value = serde_json::from_slice(&STANDARD.decode(lines.replace('\n', "")).unwrap()).unwrap();
        assert_eq!(document["alg"], format!("base64+{algorithm}"));
        let data = format!("license/{}", text(&document["enc"]));
        assert!(
            verify(algorithm, data.as_bytes(), &STANDARD.decode(text(&document["sig"])).unwrap()),
            "file, {algorithm}"
        );
        let payload: Value = serde_json::from_slice(&STANDARD.decode(text(&document["enc"])).unwrap()).unwrap();
        assert_eq!(payload["data"]["id"], license["id"]);
    }
}

// 01 §11
#[test]
fn responses_carry_their_headers() {
    let server = Server::start();
    environment(&server, "pre", "SHARED");
    let client = server.admin();
    let product = client.product();
    let policy = client.policy(&product, json!({ "authenticationStrategy": "LICENSE" }));
    let license = client.license(&policy, json!({}));
    let me = client.get("me").ok(200);
    let (user, account) = (id(&me["data"]).to_owned(), account_id(&server));
    let token = id(&me["included"][0]).to_owned();
    let l = server.license_key(key(&license));
    let (p, pre) = (server.token(&client.token_for(&product)), client.environment("pre"));
    let p_token = id(&p.get("me").ok(200)["included"][0]).to_owned();
    let (none, version) = ("", "1.8");
    // Caller, path; Keygen-Account, -Bearer, -Token, -Environment, -Version
    for (caller, path, expected) in [
        (&client, "me", [account.as_str(), &user, &token, none, version]),
        (&client, "products/nope", [&account, &user, &token, none, version]),
        (&client, "me?limit=0", [&account, &user, &token, none, version]),
        (&pre, "me", [&account, &user, &token, "pre", version]),
        (&pre, "products/nope", [&account, &user, &token, "pre", version]),
        (&p, "me", [&account, id(&product), &p_token, none, version]),
        (&l, "me", [&account, id(&license), none, none, version]),
        (&l, "policies", [&account, id(&license), none, none, version]),
        (&server.anonymous(), "me", [&account, none, none, none, version]),
        (&server.anonymous().environment("pre"), "me", [&account, none, none, "pre", version]),
        (&server.token("x"), "me", [&account, none, none, none, version]),
        (&client, "/v1/accounts/nope/me", [none, none, none, none, version]),
        (&client, "nope", [none; 5]),
        (&client, "me?a=%4", [none; 5]),
        (&client, "/v1/health", [none, none, none, none, version]),
    ] {
        let answer = caller.call("GET", path, None);
        let names = ["keygen-account", "keygen-bearer", "keygen-token", "keygen-environment", "keygen-version"];
        assert_eq!(names.map(|name| answer.header(name)), expected, "{path}");
        let fixed = [
            ("keygen-edition", "EE"),
            ("keygen-mode", "singleplayer"),
            ("server", concat!("keygen-lite/", env!("CARGO_PKG_VERSION"))),
            ("cache-control", "no-transform, no-store, max-age=0"),
            ("content-security-policy", "default-src 'none'"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-content-type-options", "nosniff"),
            ("x-xss-protection", "0"),
            ("x-permitted-cross-domain-policies", "none"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("vary", "Origin"),
        ];
        for (name, value) in fixed {
            assert_eq!(answer.header(name), value, "{path}");
        }
        for name in [
            "etag",
            "last-modified",
            "content-encoding",
            "trailer",
            "transfer-encoding",
            "set-cookie",
            "x-signature",
            "x-powered-by",
            "keygen-revision",
            "keygen-license",
            "report-to",
            "strict-transport-security",
            "retry-after",
            "x-ratelimit-limit",
            "access-control-allow-origin",
            "location",
            "keygen-account-id",
        ] {
            assert_eq!(answer.header(name), "", "{name} of {path}");
        }
        assert!(answer.headers.iter().all(|(_, value)| !value.is_empty()));
    }
    // The request's id is the server's own, a UUID v7, another one each time; a client's is not kept.
    let ids: Vec<String> =
        (0..3).map(|_| client.header("X-Request-Id", ZERO).get("me").header("x-request-id").to_owned()).collect();
    // Ordered by their time; within a millisecond they are random.
    let in_order = ids.windows(2).all(|pair| pair[0] != pair[1] && pair[0][..13] <= pair[1][..13]);
    assert!(in_order && ids.iter().all(|id| id.as_bytes()[14] == b'7'), "{ids:?}");
    // No conditional requests, no compression.
    let conditional = client.header("If-None-Match", "*").header("Accept-Encoding", "gzip, br").get("me");
    assert_eq!((conditional.status, conditional.header("content-encoding")), (200, ""));
    assert_eq!(conditional.header("content-length"), conditional.bytes.len().to_string());
    // 01 §7.3: the base URL of `Location`, D17
    let create = |server: &Server, headers: &[(&str, &str)]| {
        let admin = admin_credential(server);
        let mut all = vec![("Authorization", admin.as_str()), ("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        wire(server, "POST", "/v1/products", &all, br#"{"data":{"type":"products","attributes":{"name":"x"}}}"#)
    };
    let forwarded = [("Host", "Keys.Example.com:8443"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil")];
    for (settings, base, tls) in [
        (vec![], "http://Keys.Example.com:8443", ""),
        (vec![("KEYGEN_LITE_SERVER_TRUSTED_PROXIES", "127.0.0.0/8")], "https://Keys.Example.com:8443", "max-age"),
        (vec![("KEYGEN_LITE_SERVER_TRUSTED_PROXIES", "10.0.0.0/8")], "http://Keys.Example.com:8443", ""),
        (vec![("KEYGEN_LITE_SERVER_PUBLIC_URL", "https://lic.example.org")], "https://lic.example.org", ""),
    ] {
        let server = Server::start_with(&settings);
        let answer = create(&server, &forwarded);
        let link = text(&answer.ok(201)["data"]["links"]["self"]).to_owned();
        assert_eq!(answer.header("location"), format!("{base}{link}"));
        assert!(
            answer.header("strict-transport-security").starts_with(tls)
                && (tls.is_empty() == answer.header("strict-transport-security").is_empty())
        );
    }
    // Tokens of an owner are made without one.
    let answer = client.post(&format!("products/{}/tokens", id(&product)), Value::Null);
    assert_eq!((answer.status, answer.header("location")), (200, ""));
}

// 01 §12.1, D21, 15 §1.11
#[test]
fn any_origin_may_call() {
    let server = Server::start();
    let exposed = "keygen-accept-signature, keygen-signature, keygen-date, keygen-digest, keygen-account-id, keygen-bearer-id, keygen-token-id, keygen-account, keygen-bearer, keygen-token, keygen-environment, keygen-license, keygen-edition, keygen-mode, keygen-revision, keygen-version, x-ratelimit-window, x-ratelimit-count, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset, x-request-id, x-signature, date, digest, location, retry-after";
    let cors = |answer: &Answer| -> Vec<(String, String)> {
        let mut headers: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name.starts_with("access-control")).cloned().collect();
        headers.sort();
        headers
    };
    let expected = [
        ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", exposed),
        ("access-control-max-age", "86400"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let admin = admin_credential(&server);
    for (method, target, length, status) in [
        ("GET", "/v1/me", "", 200),
        ("GET", "/v1/health", "", 204),
        ("GET", "/v1/nope", "", 404),
        ("GET", "/v1/me?a=%4", "", 400),
        ("GET", "/v1/accounts/nope/me", "", 404),
        ("POST", "/v1/products", "", 400),
        ("POST", "/v1/products", "99999999", 413),
        ("OPTIONS", "/v1/me", "", 404),
    ] {
        for (name, value) in [("Origin", "https://app.example.com"), ("Origin", "null"), ("X-Origin", "x")] {
            let mut headers = vec![("Authorization", admin.as_str()), (name, value)];
            headers.extend((!length.is_empty()).then_some(("Content-Length", length)));
            let answer = wire(&server, method, target, &headers, b"");
            assert_eq!((answer.status, cors(&answer).as_slice()), (status, &expected[..]), "{method} {target}");
        }
        let plain =
            wire(&server, method, target, &[("Content-Length", if length.is_empty() { "0" } else { length })], b"");
        assert_eq!(cors(&plain), []);
    }
    assert_eq!(cors(&wire(&server, "GET", "/v1/me", &[("Origin", "x")], b"")), expected);
    // Preflights never reach routing.
    for target in ["/v1/me", "/nope", "/v1/accounts/nope/licenses/%4?a=%4", "/-/storage/x"] {
        let asks = [
            ("Origin", "https://a.b"),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "authorization, X-Any"),
            ("Keygen-Version", "9"),
        ];
        let answer = wire(&server, "OPTIONS", target, &asks, b"");
        let mut expected = expected.to_vec();
        expected.insert(0, ("access-control-allow-headers".to_owned(), "authorization, X-Any".to_owned()));
        assert_eq!((answer.status, answer.bytes.len(), cors(&answer)), (200, 0, expected), "{target}");
        assert_eq!((answer.header("vary"), answer.header("keygen-mode")), ("Origin", "singleplayer"));
        unsigned(&answer);
        // Either header alone is no preflight.
        for part in [&asks[..1], &asks[1..2]] {
            assert_ne!(wire(&server, "OPTIONS", target, part, b"").status, 200);
        }
    }
}

// 01 §13, 14 §1.1, §6
#[test]
fn versions_are_negotiated() {
    let server = Server::start();
    let client = server.admin();
    let product = client.product();
    let l = server.license_key(key(&client.quick_license(json!({ "authenticationStrategy": "LICENSE" }))));
    for version in ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8"] {
        for named in [version.to_owned(), format!("v{version}")] {
            let answer = client.header("Keygen-Version", &named).get("me");
            assert_eq!((answer.status, answer.header("keygen-version")), (200, version), "{named}");
            // Up to 1.3 three headers have another name, on errors too.
            let old = version <= "1.3";
            for answer in [answer, client.header("Keygen-Version", &named).get("products/nope")] {
                for name in ["keygen-account", "keygen-bearer", "keygen-token"] {
                    let pair = [answer.header(name).is_empty(), answer.header(&format!("{name}-id")).is_empty()];
                    assert_eq!(pair, [old, !old], "{named} {name}");
                }
            }
            assert_eq!(l.header("Keygen-Version", &named).get("me").header("keygen-token-id"), "");
        }
    }
    for version in
        ["", " ", "1", "1.9", "2.0", "1.8.0", "01.8", "1.80", "latest", "vv1.8", "V1.8", "1.8,1.7", "v", "1.é"]
    {
        for (caller, path) in [(&client, "me"), (&server.anonymous(), "me"), (&client, "/v1/accounts/nope/me")] {
            let answer = caller.header("Keygen-Version", version).environment("nope").get(path);
            let error = json!({ "title": "Bad request", "detail": "unsupported API version requested", "code": "INVALID_API_VERSION",
                                "links": { "about": "https://keygen.sh/docs/api/versioning/" } });
            assert_eq!((answer.status, &answer.body["errors"]), (400, &json!([error])), "{version}");
            assert_eq!(answer.body["meta"]["id"], answer.header("x-request-id"));
            for name in ["keygen-version", "keygen-environment", "keygen-bearer", "keygen-token"] {
                assert_eq!(answer.header(name), "", "{version}");
            }
        }
    }
    // Without a header: the account's version, then the newest. Ping and health do not care.
    server.sql("UPDATE accounts SET api_version = '1.3'");
    let pinned = client.get(&format!("products/{}", id(&product)));
    assert_eq!((pinned.status, pinned.header("keygen-version"), pinned.header("keygen-account")), (200, "1.3", ""));
    assert_eq!(client.header("Keygen-Version", "1.8").get("me").header("keygen-version"), "1.8");
    assert_eq!(server.anonymous().header("Keygen-Version", "9").get("/v1/ping").status, 200);
}

// 01 §7.1, §7.2, §8.1, §8.2, D16
#[test]
fn documents_have_one_shape() {
    let server = Server::start();
    let client = server.admin();
    let attributes = json!({ "name": "Démo", "metadata": { "b": 1, "a": 2 } });
    let created = client.post("products", json!({ "data": { "type": "products", "attributes": attributes } }));
    let product = created.ok(201)["data"].clone();
    let (account, uuid) = (account_id(&server), id(&product));
    let own = format!("/v1/accounts/{account}/products/{uuid}");
    let linked = |below: &str| json!({ "links": { "related": format!("{own}/{below}") } });
    let (made, moved) = (product["attributes"]["created"].clone(), product["attributes"]["updated"].clone());
    let permissions = product["attributes"]["permissions"].clone();
    // Compact, in the order of the documents, null attributes present, nothing else at the top.
    let expected = json!({ "data": {
        "id": uuid, "type": "products",
        "attributes": {
            "name": "Démo", "code": null, "distributionStrategy": "LICENSED", "url": null, "platforms": null,
            "permissions": permissions, "metadata": { "b": 1, "a": 2 }, "created": made, "updated": moved,
        },
        "relationships": {
            "account": { "links": { "related": format!("/v1/accounts/{account}") }, "data": { "type": "accounts", "id": account } },
            "environment": { "links": { "related": null }, "data": null },
            "policies": linked("policies"), "licenses": linked("licenses"), "machines": linked("machines"), "users": linked("users"),
            "tokens": linked("tokens"), "platforms": linked("platforms"), "channels": linked("channels"), "releases": linked("releases"),
            "artifacts": linked("artifacts"),
        },
        "links": { "self": own },
    } });
    for answer in [&created, &client.get(&format!("products/{uuid}"))] {
        assert_eq!(String::from_utf8(answer.bytes.clone()).unwrap(), expected.to_string());
    }
    assert_eq!(client.get("products").ok(200), json!({ "data": [expected["data"]] }));
    // Ids are UUIDs of version 7, in order; times have exactly three fractional digits.
    let later = client.product();
    assert!(id(&later) > uuid && uuid.as_bytes()[14] == b'7' && uuid == uuid.to_lowercase() && uuid.len() == 36);
    for time in [&made, &moved] {
        let digits: String = text(time).chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        assert_eq!(digits, "9999-99-99T99:99:99.999Z");
    }
    server.sql(&format!("UPDATE products SET updated_at = 1234 WHERE id = '{uuid}'"));
    assert_eq!(
        client.get(&format!("products/{uuid}")).ok(200)["data"]["attributes"]["updated"],
        "1970-01-01T00:00:01.234Z"
    );
    // `updated` moves on a change.
    let body = json!({ "data": { "type": "products", "attributes": { "name": "B" } } });
    let changed = client.patch(&format!("products/{uuid}"), body).ok(200)["data"]["attributes"].clone();
    assert!(text(&changed["updated"]) >= text(&moved) && changed["created"] == made);
    // To-one relationships, set and not set; to-many without `data`, with `meta` where it is defined.
    let license = client.license(&client.policy(&product, json!({})), json!({}));
    let relationships = &license["relationships"];
    let below = |name: &str| format!("/v1/accounts/{account}/licenses/{}/{name}", id(&license));
    let to_one = json!({ "links": { "related": below("product") }, "data": { "type": "products", "id": uuid } });
    assert_eq!(relationships["product"], to_one);
    assert_eq!(relationships["owner"], json!({ "links": { "related": below("owner") }, "data": null }));
    assert_eq!(relationships["tokens"], json!({ "links": { "related": below("tokens") } }));
    assert_eq!(relationships["users"], json!({ "links": { "related": below("users") }, "meta": { "count": 0 } }));
    // A `related` path answers with the resources themselves; there are no linkage endpoints.
    let related = client.get(text(&relationships["product"]["links"]["related"])).ok(200);
    assert_eq!((&related["data"]["type"], &related["data"]["id"]), (&json!("products"), &product["id"]));
    assert_eq!(client.get(text(&relationships["tokens"]["links"]["related"])).ok(200), json!({ "data": [] }));
    assert_eq!(client.get(&format!("licenses/{}/relationships/policy", id(&license))).code(), "NOT_FOUND");
    // 204: nothing at all (01 §3.3, §7.3).
    let gone = client.delete(&format!("products/{uuid}"));
    assert_eq!((gone.status, gone.bytes.len(), gone.header("content-type")), (204, 0, ""));
    assert_eq!(client.get(&format!("licenses/{}", id(&license))).status, 404);
}
