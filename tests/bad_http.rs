//! Broken, oversized, slow and unusual HTTP: limits, timeouts, framing, request targets, HTTP/2. Whatever comes, the server answers
//! or closes, and goes on.

#[path = "support/mod.rs"]
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;
use support::{Answer, Server, id, key, link, text};

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads until the server closes. A reset counts as closing; silence for half a minute is a failure.
#[track_caller]
fn until_closed(stream: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(e) => panic!("the connection stays open ({e}) after {}", String::from_utf8_lossy(&bytes)),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one response with a `Content-Length` from a connection that stays open: head and body.
#[track_caller]
fn one_response(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("an answer"), 1, "closed after {}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let length =
        head.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// Bytes sent on a connection of their own; everything that comes back until it is closed.
fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // The server may refuse before it has read everything.
    let _ = stream.write_all(bytes);
    until_closed(&mut stream)
}

/// For requests that never end.
const IMPATIENT: &[(&str, &str)] =
    &[("KEYGEN_LITE_SERVER_HEADER_TIMEOUT_SECONDS", "1"), ("KEYGEN_LITE_SERVER_BODY_TIMEOUT_SECONDS", "1")];

fn status(response: &str) -> u16 {
    response
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status: {response:?}"))
}

#[track_caller]
fn assert_calm(server: &Server) {
    assert_eq!(server.anonymous().get("/v1/health").status, 204, "the server is alive");
    let log = server.log();
    let bad: Vec<&str> = log.lines().filter(|line| line.contains("panic") || line.contains("\"ERROR\"")).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

// D18: 413 with a document, whether the length is declared or not; and signed, since there is a request (D2).
#[test]
fn bodies_have_a_limit() {
    let server = Server::start_with(&[("KEYGEN_LITE_SERVER_MAX_BODY_BYTES", "2048")]);
    let admin = server.admin();
    let body = |length: usize| {
        let empty = r#"{"data":{"type":"products","attributes":{"name":"P"}}}"#;
        format!("{}{empty}", " ".repeat(length - empty.len()))
    };
    admin.call("POST", "products", Some(body(2048).as_bytes())).ok(201);
    let refused = "413 The request body is too large (limit is 2048 bytes)|-|-";
    for path in ["products", "nowhere"] {
        let answer = admin.call("POST", path, Some(body(2049).as_bytes()));
        assert_eq!(answer.error(), refused, "{path}");
        assert_eq!(answer.body["errors"][0]["title"], "Payload too large");
        assert_eq!(answer.body.get("meta"), None);
        assert!(!answer.header("keygen-signature").is_empty());
    }
    let chunked = |length: usize| {
        let head = "POST /v1/products HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n";
        let authorization = format!("Authorization: Bearer {}\r\n\r\n", server.admin_token);
        server.anonymous().raw(format!("{head}{authorization}{length:x}\r\n{}\r\n0\r\n\r\n", body(length)).as_bytes())
    };
    chunked(2048).ok(201);
    assert_eq!(chunked(2049).error(), refused);
    // Far more than the limit, all of it sent: the answer arrives, or the connection is cut.
    let big =
        format!("POST /v1/products HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n{}", " ".repeat(9_000_000));
    let response = exchange(&server, big.as_bytes());
    assert!(response.is_empty() || status(&response) == 413, "{response}");
    // A length that no memory has is refused before anything is read.
    let huge = "POST /v1/products HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999999999\r\n\r\n";
    assert_eq!(status(&exchange(&server, huge.as_bytes())), 413);
    assert_calm(&server);
}

// D18: 431; the HTTP layer answers before there is a request (02 §3.4).
#[test]
fn heads_have_a_limit() {
    let server = Server::start();
    let small = Server::start_with(&[("KEYGEN_LITE_SERVER_MAX_HEADER_BYTES", "8192")]);
    let long = |n: usize| "a".repeat(n);
    let many: String = (0..400).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (server, head, expected) in [
        (&server, format!("GET /v1/ping HTTP/1.1\r\nX: {}", long(60_000)), 200),
        (&server, format!("GET /v1/ping HTTP/1.1\r\nX: {}", long(66_000)), 431),
        (&server, format!("GET /v1/ping?{} HTTP/1.1", long(60_000)), 200),
        (&server, format!("GET /v1/ping HTTP/1.1\r\n{}Y: 1", many), 431),
        (&small, format!("GET /v1/ping HTTP/1.1\r\nX: {}", long(8000)), 200),
        (&small, format!("GET /v1/ping HTTP/1.1\r\nX: {}", long(9000)), 431),
    ] {
        let response = exchange(server, format!("{head}\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes());
        assert_eq!(status(&response), expected, "{}… {}", &head[..40], &response[..response.len().min(300)]);
    }
    // A line without an end.
    let response = exchange(&server, format!("GET /v1/ping?{}", long(200_000)).as_bytes());
    assert!([414, 431].contains(&status(&response)), "{response}");
    assert_calm(&server);
    assert_calm(&small);
}

// 01 §9.7: a body that does not arrive is answered 503 and the connection closed; heads and idle connections are closed.
#[test]
fn slow_callers_are_cut_off() {
    let server = Server::start_with(&[("KEYGEN_LITE_SERVER_BODY_TIMEOUT_SECONDS", "1")]);
    let mut slow = connect(&server);
    slow.write_all(b"POST /v1/products HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{").unwrap();
    let (mut drip, mut chunks) = (connect(&server), connect(&server));
    chunks.write_all(b"POST /v1/me HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n").unwrap();
    drip.write_all(b"POST /v1/products HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n").unwrap();
    // A byte now and then does not help.
    let mut feeder = drip.try_clone().unwrap();
    std::thread::spawn(move || {
        while feeder.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for stream in [&mut slow, &mut drip, &mut chunks] {
        let response = until_closed(stream);
        assert_eq!(status(&response), 503, "{response}");
        assert!(response.contains("The request timed out because the server took too long to respond"), "{response}");
        assert!(response.contains("keygen-signature: "), "{response}");
    }
    assert_calm(&server);
}

// A connection that says nothing, or not enough, gives its place back; also between two requests.
#[test]
fn silent_connections_are_closed() {
    let server = Server::start_with(&[("KEYGEN_LITE_SERVER_HEADER_TIMEOUT_SECONDS", "1")]);
    const WHOLE: &str = "GET /v1/ping HTTP/1.1\r\nHost: h\r\n\r\n";
    let sent = ["", "P", "PRI * HTTP/2.0\r\n", "GET /v1/ping HTTP/1.1\r\nHost: h\r\n"];
    let mut streams = Vec::new();
    for (before, part) in sent.iter().flat_map(|part| [("", part), (WHOLE, part)]) {
        let mut stream = connect(&server);
        stream.write_all(before.as_bytes()).unwrap();
        if !before.is_empty() {
            assert!(one_response(&mut stream).0.starts_with("http/1.1 200"));
        }
        stream.write_all(part.as_bytes()).unwrap();
        streams.push((part, stream));
    }
    for (part, mut stream) in streams {
        let response = until_closed(&mut stream);
        assert!(response.is_empty() || status(&response) >= 400, "{part:?}: {response}");
    }
    assert_calm(&server);
}

// An operator's stop does not wait for connections on which nothing happens.
#[test]
fn silent_connections_do_not_hold_up_a_stop() {
    let mut server = Server::start_with(&[
        ("KEYGEN_LITE_SERVER_HEADER_TIMEOUT_SECONDS", "3600"),
        ("KEYGEN_LITE_SERVER_SHUTDOWN_TIMEOUT_SECONDS", "3600"),
    ]);
    let (mut silent, mut idle) = (connect(&server), connect(&server));
    idle.write_all(b"GET /v1/ping HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    one_response(&mut idle);
    // This one was accepted after the silent one.
    assert_eq!(server.anonymous().get("/v1/health").status, 204);
    server.stop();
    assert_eq!(until_closed(&mut silent), "");
    assert_eq!(until_closed(&mut idle), "");
}

#[test]
fn chunked_bodies_and_pipelines() {
    let server = Server::start_with(IMPATIENT);
    let authorization = format!("Host: h\r\nAuthorization: Bearer {}\r\n", server.admin_token);
    let document = r#"{"data":{"type":"products","attributes":{"name":"In pieces"}}}"#;
    let (first, rest) = document.split_at(20);
    let head = format!("POST /v1/products HTTP/1.1\r\n{authorization}Transfer-Encoding: chunked\r\n");
    let chunks =
        format!("{:X};ext=\"a\"\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\nX-Trailer: 1\r\n\r\n", first.len(), rest.len());
    let answer = server.anonymous().raw(format!("{head}Connection: close\r\n\r\n{chunks}").as_bytes()).ok(201);
    assert_eq!(answer["data"]["attributes"]["name"], "In pieces");

    // Three requests at once, three answers in order; a refused one does not end the connection.
    let mut stream = connect(&server);
    let bad = format!("POST /v1/products HTTP/1.1\r\n{authorization}Content-Length: 1\r\n\r\n{{");
    let last = format!("GET /v1/products?limit=1 HTTP/1.1\r\n{authorization}Connection: close\r\n\r\n");
    stream.write_all(format!("{head}\r\n{chunks}{bad}{last}").as_bytes()).unwrap();
    for (line, part) in
        [("201 created", "\"In pieces\""), ("400 bad request", "JSON_INVALID"), ("200 ok", "\"data\":[")]
    {
        let (head, body) = one_response(&mut stream);
        assert!(head.starts_with(&format!("http/1.1 {line}")), "{head}");
        assert!(body.contains(part), "{body}");
    }
    assert_eq!(until_closed(&mut stream), "");

    for (broken, what) in [
        ("zz\r\n", "size"),
        ("5\r\nabcdefgh\r\n0\r\n\r\n", "length"),
        ("fffffffffffffffff\r\n", "overflow"),
        ("5\r\nab", "end"),
    ] {
        let response = exchange(&server, format!("{head}\r\n{broken}").as_bytes());
        let refused = response.is_empty() || [400, 503].contains(&status(&response));
        assert!(refused, "{what}: {response}");
    }
    assert_calm(&server);
}

#[test]
fn expect_100_continue() {
    let server = Server::start();
    let body = r#"{"data":{"type":"products","attributes":{"name":"P"}}}"#;
    let head = format!(
        "POST /v1/products HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        server.admin_token,
        body.len()
    );
    let mut stream = connect(&server);
    stream.write_all(head.as_bytes()).unwrap();
    assert!(one_response(&mut stream).0.starts_with("http/1.1 100"));
    stream.write_all(body.as_bytes()).unwrap();
    assert!(one_response(&mut stream).0.starts_with("http/1.1 201"));
    // A body that will be refused is not asked for.
    let mut stream = connect(&server);
    stream.write_all(head.replace(&format!(": {}\r\n\r\n", body.len()), ": 99999999\r\n\r\n").as_bytes()).unwrap();
    assert!(one_response(&mut stream).0.starts_with("http/1.1 413"));
    assert_calm(&server);
}

// Requests that are none: refused or dropped, and no two views of where a request ends.
#[test]
fn broken_framing_is_refused() {
    let server = Server::start_with(IMPATIENT);
    let post = "POST /v1/tokens HTTP/1.1\r\nHost: h\r\n";
    for (bytes, what) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "TLS"),
        (b"GARBAGE\r\n\r\n".to_vec(), "no request line"),
        (b"GET /v1/ping HTTP/9.9\r\nHost: h\r\n\r\n".to_vec(), "version"),
        (b"GET /v1/ping\r\n\r\n".to_vec(), "HTTP/0.9"),
        (b"GET /v1/p ng HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), "blank in the path"),
        (b"GET /v1/\x00 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), "null in the path"),
        (b"GET /v1/\xff HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), "no UTF-8 in the path"),
        (b"GET v1/ping HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), "relative path"),
        (b"GET /v1/ping HTTP/1.1\r\nA B: c\r\n\r\n".to_vec(), "blank in a name"),
        (b"GET /v1/ping HTTP/1.1\r\nA\x00: c\r\n\r\n".to_vec(), "null in a name"),
        (b"GET /v1/ping HTTP/1.1\r\nA: c\x00\r\n\r\n".to_vec(), "null in a value"),
        (b"GET /v1/ping HTTP/1.1\r\nA: b\r\n c\r\n\r\n".to_vec(), "folded header"),
        (b"GET /v1/ping HTTP/1.1\r\nnocolon\r\n\r\n".to_vec(), "no colon"),
        (format!("{post}Content-Length: abc\r\n\r\n").into_bytes(), "length of letters"),
        (format!("{post}Content-Length: -1\r\n\r\n").into_bytes(), "negative length"),
        (format!("{post}Content-Length: +1\r\n\r\nx").into_bytes(), "signed length"),
        (format!("{post}Content-Length: 1e1\r\n\r\n").into_bytes(), "length with exponent"),
        (format!("{post}Content-Length: 99999999999999999999999\r\n\r\n").into_bytes(), "length out of range"),
        (format!("{post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx").into_bytes(), "two lengths"),
        (format!("{post}Content-Length: 1, 2\r\n\r\nxx").into_bytes(), "two lengths in a list"),
        (format!("{post}Transfer-Encoding: gzip\r\n\r\n").into_bytes(), "unknown coding"),
        (format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n").into_bytes(), "not chunked last"),
        (
            b"POST /v1/tokens HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            "chunked in HTTP/1.0",
        ),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(), "half an HTTP/2 preface"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "broken HTTP/2"),
    ] {
        let response = exchange(&server, &bytes);
        let refused = !response.starts_with("HTTP/1.1") || (400..500).contains(&status(&response));
        assert!(refused, "{what}: {response}");
        assert!(!response.contains("HTTP/1.1 2"), "{what}: {response}");
    }
    // Both length and chunks: the chunks count and the connection is not used further (RFC 9112 §6.3).
    let both = format!(
        "{post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/ping HTTP/1.1\r\nHost: h\r\n\r\n"
    );
    let response = exchange(&server, both.as_bytes());
    assert!((400..500).contains(&status(&response)), "{response}");
    // Callers that leave in the middle.
    for part in ["", "GET", "GET /v1/me HTTP/1.1\r\n", &format!("{post}Content-Length: 10\r\n\r\n{{")] {
        drop(connect(&server).write_all(part.as_bytes()));
    }
    assert_calm(&server);
}

/// Whether the answer's signature is right for this request target and host (02 §3.2), by code that is not the server's.
fn is_signed_for(answer: &Answer, public: &str, method: &str, target: &str, host: &str) -> bool {
    let digest = format!("sha-256={}", BASE64.encode(sha2::Sha256::digest(&answer.bytes)));
    let date = answer.header("date");
    let data = format!("(request-target): {method} {target}\nhost: {host}\ndate: {date}\ndigest: {digest}");
    let signature = answer.header("keygen-signature").split("signature=\"").nth(1).unwrap().split('"').next().unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&BASE64.decode(signature).unwrap()).unwrap();
    let public: [u8; 32] = hex::decode(public).unwrap().try_into().unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
    answer.header("digest") == digest && public.verify_strict(data.as_bytes(), &signature).is_ok()
}

fn public_key(server: &Server) -> String {
    let account = server.admin().get("/v1/accounts/acme").ok(200);
    String::from_utf8(BASE64.decode(text(&account["data"]["meta"]["keys"]["ed25519"])).unwrap()).unwrap()
}

// Path and query are signed as received, whatever form the target has; the host is the `Host` header (02 §3.2, D1).
#[test]
fn request_targets() {
    let server = Server::start();
    let public = public_key(&server);
    let authorization = format!("Authorization: Bearer {}\r\n", server.admin_token);
    for (method, sent, host, status, target) in [
        ("GET", "/v1/me", "localhost", 200, "/v1/me"),
        ("GET", "/v1/me?", "localhost:1", 200, "/v1/me?"),
        ("GET", "/v1//me/?b=%20&a[]=1", "EXAMPLE.com", 200, "/v1//me/?b=%20&a[]=1"),
        ("GET", "http://other.example:99/v1/me?a=b", "localhost", 200, "/v1/me?a=b"),
        ("GET", "http://other.example/v1/nope", "localhost", 404, "/v1/nope"),
        ("GET", "http://other.example", "localhost", 404, "/"),
        ("GET", "/", "localhost", 404, "/"),
        ("GET", "/v1/licenses/%4", "localhost", 400, "/v1/licenses/%4"),
        ("GET", "/v1/licenses/a%00b", "localhost", 400, "/v1/licenses/a%00b"),
        ("GET", "/v1/me?token=x&auth=y", "localhost", 200, "/v1/me?token=x&auth=y"),
        ("GET", "/v1/me?{a}|^`", "localhost", 200, "/v1/me?{a}|^`"),
        ("GET", "/v1/日本", "localhost", 404, "/v1/日本"),
        ("GET", "/../v1/./me", "localhost", 404, "/../v1/./me"),
        ("OPTIONS", "*", "localhost", 404, "*"),
        ("GET", "/v1/me", "", 200, "/v1/me"),
    ] {
        let request = format!("{method} {sent} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{authorization}\r\n");
        let answer = server.anonymous().raw(request.as_bytes());
        assert_eq!(answer.status, status, "{sent}: {}", String::from_utf8_lossy(&answer.bytes));
        assert!(is_signed_for(&answer, &public, &method.to_lowercase(), target, host), "{sent} {:?}", answer.headers);
    }
    // Without a host, as HTTP/1.0 allows.
    let answer = server.anonymous().raw(format!("GET /v1/me HTTP/1.0\r\n{authorization}\r\n").as_bytes());
    assert_eq!(answer.status, 200);
    assert!(is_signed_for(&answer, &public, "get", "/v1/me", ""));
    // A proxy's request: the target's authority is no `Host`, and CONNECT is nothing that we do.
    let answer =
        server.anonymous().raw(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.status, 404);
    assert_calm(&server);
}

// Any host name reaches the server, and nothing is ever redirected.
#[test]
fn any_host_is_answered_and_none_redirected() {
    let server = Server::start();
    for host in [
        "localhost",
        "127.0.0.1",
        "example.com",
        "EXAMPLE.COM:8443",
        "[::1]:80",
        "a_b",
        "api.keygen.sh",
        "",
        "..",
        "ü.example",
    ] {
        for path in [
            "/v1/me",
            "/v1/me/",
            "//v1//me",
            "/v1/ping",
            "/",
            "/v1",
            "/V1/me",
            "/v1/accounts",
            "/index.html",
            "/-/login",
        ] {
            for more in [
                "",
                "X-Forwarded-Proto: http\r\n",
                "X-Forwarded-Host: other.example\r\n",
                "Upgrade-Insecure-Requests: 1\r\nAccept: */*\r\n",
            ] {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Authorization: Bearer {}\r\nConnection: close\r\n\r\n",
                    server.admin_token
                );
                let answer = server.anonymous().raw(request.as_bytes());
                let known =
                    path.trim_matches('/').ends_with("v1/me") || path.contains("v1//me") || path.ends_with("ping");
                assert_eq!(answer.status, if known { 200 } else { 404 }, "{host} {path} {more}");
                assert_eq!(answer.header("location"), "");
                assert_eq!(answer.header("strict-transport-security"), "");
            }
        }
    }
}

// HTTP/2 with prior knowledge: the same answers; `:authority` is the host that is signed.
#[test]
fn http_2() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let server = Server::start();
    let public = public_key(&server);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let port = server.port;
    let token = format!("Bearer {}", server.admin_token);
    let answers = runtime.block_on(async move {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for (method, path, body) in [
            ("GET", "/v1/me?x=1", String::new()),
            ("POST", "/v1/products", r#"{"data":{"type":"products","attributes":{"name":"P"}}}"#.to_owned()),
            ("POST", "/v1/products", "{".to_owned()),
            ("HEAD", "/v1/me", String::new()),
            ("GET", "/v1/nope", String::new()),
            ("POST", "/v1/products", " ".repeat(5_000_000)),
        ] {
            let request = hyper::Request::builder()
                .method(method)
                .uri(format!("http://h2.example:81{path}"))
                .header("authorization", &token)
                .body(http_body_util::Full::new(hyper::body::Bytes::from(body)))
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes().to_vec();
            let headers = parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.to_str().unwrap().to_owned()));
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            answers.push(Answer { status: parts.status.as_u16(), headers: headers.collect(), bytes, body });
        }
        answers
    });
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 201, 400, 200, 404, 413]);
    assert!(is_signed_for(&answers[0], &public, "get", "/v1/me?x=1", "h2.example:81"), "{:?}", answers[0].headers);
    assert!(is_signed_for(&answers[2], &public, "post", "/v1/products", "h2.example:81"));
    assert_eq!(answers[2].code(), "JSON_INVALID");
    assert!(answers[3].bytes.is_empty());
    assert_eq!(answers[1].header("location").split("/v1/").next(), Some("http://h2.example:81"));
    assert_calm(&server);
}

// Long lists and many members: an answer of the API, not of the database's limits, and not after minutes.
#[test]
fn wide_input() {
    let server = Server::start();
    let admin = server.admin();
    let license = admin.quick_license(json!({ "floating": true, "maxMachines": 10 }));
    let machine = admin.machine(&license, "fp");
    let texts = |n: usize| -> Vec<String> { (0..n).map(|i| format!("text-{i}")).collect() };
    for scope in [
        json!({ "fingerprints": texts(100_000) }),
        json!({ "fingerprint": "fp", "components": texts(100_000) }),
        json!({ "entitlements": texts(100_000) }),
    ] {
        let answer = admin.validate_key(key(&license), scope);
        assert_eq!(answer["meta"]["valid"], json!(false));
    }
    let attach: Vec<Value> =
        (0..20_000).map(|_| json!({ "type": "entitlements", "id": uuid::Uuid::new_v4().to_string() })).collect();
    let path = format!("licenses/{}/entitlements", id(&license));
    assert!([400, 422].contains(&admin.post(&path, json!({ "data": attach })).status));
    assert!([400, 422].contains(&admin.delete_with(&path, json!({ "data": attach })).status));
    let of = |record: &Value, name: &str| json!({ name: link(record) });
    let mut relationships = of(&license, "license");
    let parts = |n: usize| -> Vec<Value> {
        texts(n)
            .iter()
            .map(|f| json!({ "type": "components", "attributes": { "fingerprint": f, "name": f } }))
            .collect()
    };
    relationships["components"] = json!({ "data": parts(20_000) });
    let many = json!({ "data": { "type": "machines", "attributes": { "fingerprint": "wide" }, "relationships": relationships } });
    assert_eq!(admin.post("machines", many).status, 422);
    let metadata: serde_json::Map<String, Value> = texts(50_000).into_iter().map(|t| (t, json!(1))).collect();
    for (path, attributes) in [
        (format!("licenses/{}", id(&license)), json!({ "metadata": metadata })),
        (format!("licenses/{}", id(&license)), json!({ "permissions": texts(100_000) })),
        (format!("machines/{}", id(&machine)), json!({ "name": "n".repeat(3_000_000) })),
        (format!("machines/{}", id(&machine)), json!(metadata)),
    ] {
        let type_ = path.split('/').next().unwrap();
        let answer = admin.patch(&path, json!({ "data": { "type": type_, "attributes": attributes } }));
        assert!([200, 400, 422].contains(&answer.status), "{path} {}", answer.status);
    }
    let flood = (0..9000).map(|n| format!("a{n}=")).collect::<Vec<_>>().join("&");
    assert_eq!(admin.get(&format!("licenses?{flood}")).code(), "PARAMETERS_INVALID");
    let pairs = |pair: &dyn Fn(usize) -> String, n: usize| (0..n).map(pair).collect::<Vec<_>>().join("&");
    for query in [
        pairs(&|n| format!("a{n}"), 4096),
        pairs(&|n| format!("metadata[a{n}]=1"), 3000),
        pairs(&|_| "entitlements[]=x".to_owned(), 3500),
        pairs(&|n| format!("entitlements[]=x{n}"), 3000),
        pairs(&|n| format!("include[]=x{n}"), 3000),
        pairs(&|n| format!("a[b{n}][]=1"), 4000),
        format!("include={}", texts(6000).join(",")),
        format!("a{}", "[b]".repeat(20_000)),
        "&".repeat(60_000),
        format!("metadata[{}]=1", "a".repeat(60_000)),
    ] {
        for path in ["licenses", "machines", &format!("licenses/{}/actions/check-out", id(&license))] {
            let answer = admin.get(&format!("{path}?{query}"));
            assert!([200, 400, 422].contains(&answer.status), "{path}?{} {}", &query[..40], answer.status);
        }
    }
    let text = "ä".repeat(4_000);
    assert_eq!(admin.get(&format!("licenses/{}", text.replace('ä', "%C3%A4"))).status, 404);
    assert_eq!(admin.get(&format!("/v1/{}", "a/".repeat(20_000))).status, 404);
    assert_eq!(admin.validate_key(&"k".repeat(4_000_000), Value::Null)["meta"]["code"], "NOT_FOUND");
    assert_calm(&server);
}
