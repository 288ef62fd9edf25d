//! What black-box tests share: a server of their own on a free port with a fresh database, a small HTTP client, and resources
//! in a line each, so that a test reads as a scenario.
#![allow(dead_code)]

pub mod smtp;

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The administrator of every test database.
pub const ADMIN_EMAIL: &str = "admin@example.com";
/// The administrator's password.
pub const ADMIN_PASSWORD: &str = "correct horse battery";

/// What a first start leaves behind, made once per test program: account keys take long to generate.
struct Template {
    directory: TempDir,
    token: String,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        // Statics are never dropped: what stays behind stays in the target directory.
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let token_file = directory.path().join("token");
        let mut server =
            launch(directory.path(), &[("KEYGEN_LITE_BOOTSTRAP_TOKEN_FILE", token_file.to_str().unwrap())]);
        wait_for_port(&mut server);
        terminate(&mut server.child);
        let token = std::fs::read_to_string(token_file).unwrap().trim().to_owned();
        Template { directory, token }
    })
}

struct Launched {
    child: Child,
    port: u16,
}

/// Environment variables that name no setting of the test are kept away from the server.
fn launch(directory: &Path, variables: &[(&str, &str)]) -> Launched {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keygen-lite"));
    for (name, _) in std::env::vars() {
        if name.starts_with("KEYGEN_LITE_") {
            command.env_remove(name);
        }
    }
    command
        .arg("serve")
        .current_dir(directory)
        .env("KEYGEN_LITE_SERVER_LISTEN", "127.0.0.1:0")
        .env("KEYGEN_LITE_DATABASE_PATH", directory.join("keygen-lite.db"))
        .env("KEYGEN_LITE_BOOTSTRAP_ACCOUNT_SLUG", "acme")
        .env("KEYGEN_LITE_BOOTSTRAP_ADMIN_EMAIL", ADMIN_EMAIL)
        .env("KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .env("KEYGEN_LITE_LOG_FORMAT", "json")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Launched { child: command.spawn().unwrap(), port: 0 }
}

/// Reads the log until the server says where it listens; the rest of the log is collected by a thread.
fn wait_for_port(server: &mut Launched) -> Arc<std::sync::Mutex<String>> {
    let log = Arc::new(std::sync::Mutex::new(String::new()));
    let mut lines = BufReader::new(server.child.stderr.take().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap() == 0 || Instant::now() > deadline {
            let _ = server.child.kill();
            panic!("the server did not start: {}{line}", log.lock().unwrap());
        }
        log.lock().unwrap().push_str(&line);
        if let Some(at) = line.find("\"address\":\"127.0.0.1:") {
            let digits: String = line[at + 21..].chars().take_while(char::is_ascii_digit).collect();
            server.port = digits.parse().unwrap();
            break;
        }
    }
    let collected = log.clone();
    std::thread::spawn(move || {
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
            collected.lock().unwrap().push_str(&line);
            line.clear();
        }
    });
    log
}

fn terminate(child: &mut Child) {
    let _ = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
    let _ = child.wait();
}

/// A running server with its own database.
pub struct Server {
    child: Child,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The directory with its database.
    pub directory: TempDir,
    /// A token of the administrator.
    pub admin_token: String,
    log: Arc<std::sync::Mutex<String>>,
    variables: Vec<(String, String)>,
}

impl Server {
    /// A server with default settings.
    pub fn start() -> Server {
        Server::start_with(&[])
    }

    /// A server with settings, as environment variables.
    pub fn start_with(variables: &[(&str, &str)]) -> Server {
        let template = template();
        let directory = tempfile::tempdir().unwrap();
        std::fs::copy(template.directory.path().join("keygen-lite.db"), directory.path().join("keygen-lite.db"))
            .unwrap();
        let mut launched = launch(directory.path(), variables);
        let log = wait_for_port(&mut launched);
        Server {
            child: launched.child,
            port: launched.port,
            directory,
            admin_token: template.token.clone(),
            log,
            variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    /// Everything that the server has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Path of the database file.
    pub fn database(&self) -> PathBuf {
        self.directory.path().join("keygen-lite.db")
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server again on the same database (a new port).
    pub fn restart(&mut self) {
        self.kill();
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let mut launched = launch(self.directory.path(), &variables);
        self.log = wait_for_port(&mut launched);
        self.child = launched.child;
        self.port = launched.port;
    }

    /// Stops the server as an operator would (SIGTERM) and waits for it.
    pub fn stop(&mut self) {
        terminate(&mut self.child);
    }

    /// Changes the database behind the API's back, for states that no route can make (yet). The server must cope with another
    /// process writing to its file.
    pub fn sql(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// A caller with that `Authorization` header.
    pub fn with(&self, authorization: &str) -> Client {
        Client {
            port: self.port,
            headers: if authorization.is_empty() {
                vec![]
            } else {
                vec![("Authorization".into(), authorization.into())]
            },
        }
    }

    /// The administrator.
    pub fn admin(&self) -> Client {
        self.with(&format!("Bearer {}", self.admin_token))
    }

    /// Nobody.
    pub fn anonymous(&self) -> Client {
        self.with("")
    }

    /// A caller with a token.
    pub fn token(&self, token: &str) -> Client {
        self.with(&format!("Bearer {token}"))
    }

    /// A caller with a license key.
    pub fn license_key(&self, key: &str) -> Client {
        self.with(&format!("License {key}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A caller.
#[derive(Clone)]
pub struct Client {
    port: u16,
    headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    pub bytes: Vec<u8>,
    /// Body as JSON; null when it is none.
    pub body: Value,
}

impl Client {
    /// The same caller with another header on every request.
    pub fn header(&self, name: &str, value: &str) -> Client {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same caller in an environment.
    pub fn environment(&self, code: &str) -> Client {
        self.header("Keygen-Environment", code)
    }

    /// One request. Paths that do not start with `/` get `/v1/accounts/acme/` in front.
    pub fn call(&self, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/v1/accounts/acme/{path}") };
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n", self.port);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let named = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !named("accept") {
            head.push_str("Accept: application/vnd.api+json\r\n");
        }
        if let Some(body) = body {
            if !named("content-type") {
                head.push_str("Content-Type: application/vnd.api+json\r\n");
            }
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        self.raw(&bytes)
    }

    /// Sends bytes as they are and reads the answer until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        self.try_raw(bytes).unwrap_or_else(|e| panic!("no answer: {e}"))
    }

    /// As `raw`; an error when the server is gone.
    pub fn try_raw(&self, bytes: &[u8]) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        stream.write_all(bytes)?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = stream.shutdown(Shutdown::Both);
        match Answer::parse(&answer) {
            Some(answer) => Ok(answer),
            None => Err(read.err().unwrap_or_else(|| std::io::Error::other("an incomplete answer"))),
        }
    }

    /// `GET`
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    /// `POST` with a JSON body; `Value::Null` sends none.
    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body)
    }

    /// `PATCH`
    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, body)
    }

    /// `PUT`
    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, body)
    }

    /// `DELETE`
    pub fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None)
    }

    /// `DELETE` with a body.
    pub fn delete_with(&self, path: &str, body: Value) -> Answer {
        self.send("DELETE", path, body)
    }

    fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        match body {
            Value::Null => self.call(method, path, None),
            body => self.call(method, path, Some(body.to_string().as_bytes())),
        }
    }

    /// Creates a resource and gives its resource object; panics unless the answer is 201.
    pub fn create(&self, type_: &str, attributes: Value, relationships: Value) -> Value {
        let mut data = json!({ "type": type_, "attributes": attributes });
        if !relationships.is_null() {
            data["relationships"] = relationships;
        }
        self.post(type_, json!({ "data": data })).ok(201)["data"].clone()
    }

    /// A product.
    pub fn product(&self) -> Value {
        self.create("products", json!({ "name": "App" }), Value::Null)
    }

    /// A policy of a product.
    pub fn policy(&self, product: &Value, mut attributes: Value) -> Value {
        if attributes.get("name").is_none() {
            attributes["name"] = json!("Policy");
        }
        self.create("policies", attributes, json!({ "product": link(product) }))
    }

    /// A license of a policy.
    pub fn license(&self, policy: &Value, attributes: Value) -> Value {
        self.create("licenses", attributes, json!({ "policy": link(policy) }))
    }

    /// A license of a new policy (with these attributes) of a new product.
    pub fn quick_license(&self, policy: Value) -> Value {
        let product = self.product();
        let policy = self.policy(&product, policy);
        self.license(&policy, json!({}))
    }

    /// An entitlement.
    pub fn entitlement(&self, code: &str) -> Value {
        self.create("entitlements", json!({ "name": code, "code": code }), Value::Null)
    }

    /// A machine of a license.
    pub fn machine(&self, license: &Value, fingerprint: &str) -> Value {
        self.create("machines", json!({ "fingerprint": fingerprint }), json!({ "license": link(license) }))
    }

    /// Tries to activate.
    pub fn activate(&self, license: &Value, fingerprint: &str) -> Answer {
        let data = json!({
            "type": "machines", "attributes": { "fingerprint": fingerprint }, "relationships": { "license": link(license) }
        });
        self.post("machines", json!({ "data": data }))
    }

    /// A token made below a product or license; its raw text.
    pub fn token_for(&self, record: &Value) -> String {
        let path = format!("{}/{}/tokens", text(&record["type"]), id(record));
        let answer = self.post(&path, Value::Null).ok(200);
        text(&answer["data"]["attributes"]["token"]).to_owned()
    }

    /// The meta of `POST licenses/actions/validate-key`.
    pub fn validate_key(&self, key: &str, scope: Value) -> Value {
        let mut meta = json!({ "key": key });
        if !scope.is_null() {
            meta["scope"] = scope;
        }
        self.post("licenses/actions/validate-key", json!({ "meta": meta })).ok(200)
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        let find = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        if let Some(length) = find("content-length").and_then(|text| text.parse::<usize>().ok()) {
            if body.len() < length && status != 304 && !body.is_empty() {
                return None;
            }
            body.truncate(length);
        }
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Some(Answer { status, headers, bytes: body, body: json })
    }

    /// A header's value; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }

    /// The document, when the status is the expected one.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.body.clone()
    }

    /// `status title|detail|code|source` of the only error; parts that are absent are `-`.
    #[track_caller]
    pub fn error(&self) -> String {
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "{}", String::from_utf8_lossy(&self.bytes));
        format!("{} {}", self.status, errors[0])
    }

    /// `detail|code|source` of every error.
    #[track_caller]
    pub fn errors(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array();
        let errors = errors.unwrap_or_else(|| panic!("{} {}", self.status, String::from_utf8_lossy(&self.bytes)));
        let part = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        errors
            .iter()
            .map(|e| {
                let source = e["source"].as_object().and_then(|s| s.values().next()).cloned().unwrap_or(Value::Null);
                format!("{}|{}|{}", part(&e["detail"]), part(&e["code"]), part(&source))
            })
            .collect()
    }

    /// `code` of the first error, or `-`.
    pub fn code(&self) -> &str {
        self.body["errors"][0]["code"].as_str().unwrap_or("-")
    }

    /// `detail` of the first error, or `-`.
    pub fn detail(&self) -> &str {
        self.body["errors"][0]["detail"].as_str().unwrap_or("-")
    }
}

/// `{ "data": { type, id } }` of a resource object.
pub fn link(record: &Value) -> Value {
    json!({ "data": { "type": record["type"], "id": record["id"] } })
}

/// The id of a resource object.
pub fn id(record: &Value) -> &str {
    text(&record["id"])
}

/// A string value.
#[track_caller]
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

/// The key of a license.
pub fn key(license: &Value) -> &str {
    text(&license["attributes"]["key"])
}
