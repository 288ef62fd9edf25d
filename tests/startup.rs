//! Starting and stopping: what cannot start says why in one line, a first start tells its owner everything once, and no secret is
//! left lying about.

#[path = "support/mod.rs"]
mod support;

use base64::Engine as _;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Answer, Server, text};

/// The program, started in `directory` with nothing of ours in its environment.
fn program(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keygen-lite"));
    for (name, _) in std::env::vars() {
        if name.starts_with("KEYGEN_LITE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).current_dir(directory).envs(variables.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, standard output and standard error of a run that is to end by itself.
#[track_caller]
fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut child = program(directory, arguments, variables).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("still running: {arguments:?} {variables:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A server of this file: what it prints is looked at.
struct Running {
    child: Child,
    port: u16,
    log: Arc<Mutex<String>>,
}

impl Running {
    /// Starts the server on a free port and waits until it listens.
    fn start(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let arguments = [&["serve", "--set", "server.listen=127.0.0.1:0", "--log-format", "json"], arguments].concat();
        let mut child = program(directory, &arguments, variables).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let (collected, (sender, port)) = (log.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
                collected.lock().unwrap().push_str(&line);
                if let Some((_, rest)) = line.split_once("\"address\":\"127.0.0.1:") {
                    let _ = sender.send(rest.split('"').next().unwrap_or_default().parse().unwrap());
                }
                line.clear();
            }
        });
        let port = port.recv_timeout(Duration::from_secs(60));
        let port = port.unwrap_or_else(|_| panic!("the server did not start: {}", log.lock().unwrap()));
        Running { child, port, log }
    }

    /// What a first start prints, to its end.
    fn printed(&mut self) -> String {
        let (out, mut printed, mut part) = (self.child.stdout.as_mut().unwrap(), String::new(), [0; 4096]);
        while !(printed.contains("curl ") && printed.ends_with("\n\n")) {
            let n = out.read(&mut part).unwrap();
            assert!(n > 0, "the end of {printed}");
            printed.push_str(std::str::from_utf8(&part[..n]).unwrap());
        }
        printed
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").arg(name).arg(self.child.id().to_string()).status().unwrap().success());
    }

    /// Stops the server; its exit code, standard output and log.
    fn stop(mut self) -> (i32, String, String) {
        self.signal("-TERM");
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let code = self.child.wait().unwrap().code().expect("an exit code");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.log().contains("\"stopped\"") {
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        (code, printed, self.log())
    }

    fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    fn call(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: Vec::new(),
            bytes: body.as_bytes().to_vec(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    fn get(&self, path: &str, authorization: &str) -> Answer {
        self.call(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn basic(email: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{email}:{password}")))
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A database that a first start has made, and the administrator's token.
fn database() -> (tempfile::TempDir, PathBuf, String) {
    let mut server = Server::start();
    server.stop();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keygen-lite.db");
    std::fs::copy(server.database(), &path).unwrap();
    (directory, path, server.admin_token.clone())
}

// --------------------------------------------------------------------------------------------------------- what cannot start

/// Runs `serve`, which must fail with exit code 2 and one line that contains all of `parts`.
#[track_caller]
fn refuses(directory: &Path, arguments: &[&str], variables: &[(&str, &str)], parts: &[&str]) {
    let all = [&["serve"], arguments].concat();
    let (code, out, err) = run(directory, &all, variables);
    assert_eq!((code, out.as_str()), (2, ""), "{arguments:?} {variables:?}: {err}");
    assert!(err.starts_with("error: ") && err.ends_with('\n') && err.lines().count() == 1, "one line: {err}");
    for part in parts {
        assert!(err.contains(part), "{arguments:?} {variables:?}: no {part:?} in {err}");
    }
}

#[test]
fn a_wrong_configuration_is_one_line_and_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let file = at.join("keygen-lite.toml");
    for (toml, parts) in [
        (
            "[server]\nlisten = \"127.0.0.1:0\"\nlisen = \"x\"",
            &["keygen-lite.toml:3: ", "server.lisen", "did you mean server.listen?"][..],
        ),
        ("[sevrer]\nlisten = \"x\"", &["keygen-lite.toml:1: ", "sevrer", "[server]"]),
        ("port = 80", &["keygen-lite.toml:1: ", "port", "listen below [server]"]),
        (
            "[server]\nmax_body_bytes = \"many\"",
            &["keygen-lite.toml:2: ", "server.max_body_bytes = \"many\"", "whole number"],
        ),
        ("[server]\nlisten = 80", &[":2: ", "server.listen = 80", "text in quotes"]),
        ("[server]\nlisten = \"80\"", &[":2: ", "write address:port"]),
        ("[server]\ntrusted_proxies = \"10.0.0.1\"", &[":2: ", "list of texts"]),
        ("[server]\nmax_body_bytes = 1", &[":2: ", "server.max_body_bytes = 1"]),
        ("[licenses]\nwait_for_validation_writes = 1", &[":2: ", "true or false"]),
        ("[accounts]\nmode = \"triple\"", &[":2: ", "\"single\" or \"multi\""]),
        ("[bootstrap]\nadmin_password = \"short\"", &[":2: ", "bootstrap.admin_password"]),
        ("[database]\nmaster_key = \"x\"", &[":2: ", "KEYGEN_LITE_MASTER_KEY"]),
        ("[server\nlisten = \"x\"", &["keygen-lite.toml:1:"]),
        ("[log]\nlevel = \"hyper=lound\"", &["log.level", "hyper=lound"]),
    ] {
        std::fs::write(&file, toml).unwrap();
        refuses(at, &[], &[], parts);
        let (code, out, err) = run(at, &["config", "check"], &[]);
        assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 1), "{toml}");
    }
    std::fs::remove_file(&file).unwrap();
    for (arguments, variables, parts) in [
        (
            &[][..],
            &[("KEYGEN_LITE_SERVER_LISTNE", "x")][..],
            &["KEYGEN_LITE_SERVER_LISTNE", "did you mean KEYGEN_LITE_SERVER_LISTEN"][..],
        ),
        (&[], &[("KEYGEN_LITE_SERVER_WORKERS", "two")], &["KEYGEN_LITE_SERVER_WORKERS", "whole number"]),
        (&[], &[("KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD", "hush")], &["KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD"]),
        (&["--set", "server.port=80"], &[], &["command line", "server.port", "server.listen"]),
        (&["--listen", "localhost"], &[], &["server.listen = \"localhost\"", "the port is missing"]),
        (&["--config", "none.toml"], &[], &["none.toml", "with --config"]),
        (&[], &[("KEYGEN_LITE_CONFIG", "/no/such.toml")], &["/no/such.toml", "with KEYGEN_LITE_CONFIG"]),
        (&["--config", "/"], &[], &["/: ", "cannot be read"]),
    ] {
        refuses(at, arguments, variables, parts);
    }
    // A secret in a wrong setting is not shown.
    let (_, _, err) = run(at, &["serve"], &[("KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD", "hush")]);
    assert!(!err.contains("hush"), "{err}");
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_the_configuration_points_at_is_checked_before_anything_happens() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let inside = |name: &str| at.join(name).to_str().unwrap().to_owned();
    let free = &["--listen", "127.0.0.1:0"][..];
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses(at, &["--listen", &address], &[], &["cannot listen on", &address, "server.listen"]);
    refuses(at, &["--listen", "192.0.2.1:80"], &[], &["cannot listen on 192.0.2.1:80", "server.listen"]);
    refuses(at, &["--listen", "no-such-host.invalid:80"], &[], &["no-such-host.invalid:80", "server.listen"]);
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0, "a port in use leaves no database behind");

    let with = |more: &[&'static str]| -> Vec<&'static str> { [free, more].concat() };
    refuses(at, &with(&["--database", "no/such/k.db"]), &[], &["database.path", "does not exist; create it"]);
    refuses(at, &with(&["--database", "."]), &[], &["database.path", "is a directory"]);
    refuses(at, &with(&["--database", "/proc/k.db"]), &[], &["database.path", "not writable"]);
    refuses(
        at,
        &with(&["--master-key-file", "no.key"]),
        &[],
        &["database.master_key_file", "no.key", "cannot be read"],
    );
    std::fs::write(at.join("empty.key"), "\n").unwrap();
    refuses(at, &with(&["--master-key-file", "empty.key"]), &[], &["database.master_key_file", "is empty"]);
    std::fs::remove_file(at.join("empty.key")).unwrap();
    refuses(
        at,
        &with(&["--set", "bootstrap.token_file=no/such/token"]),
        &[],
        &["bootstrap.token_file", "does not exist"],
    );
    std::fs::create_dir(at.join("read-only")).unwrap();
    set_mode(&at.join("read-only"), 0o500);
    // The superuser may write there all the same.
    if std::fs::write(at.join("read-only/probe"), "").is_err() {
        refuses(at, &with(&["--database", "read-only/k.db"]), &[], &["database.path", "not writable"]);
        std::fs::write(at.join("locked"), "").unwrap();
        set_mode(&at.join("locked"), 0);
        refuses(at, &with(&["--master-key-file", "locked"]), &[], &["database.master_key_file", "cannot be read"]);
        refuses(at, &with(&["--database", "locked"]), &[], &["database.path", "cannot be opened for writing"]);
        refuses(at, &with(&["--config", "locked"]), &[], &["locked", "with --config"]);
        std::fs::remove_file(at.join("locked")).unwrap();
    }
    std::fs::remove_dir_all(at.join("read-only")).unwrap();

    // Files that are something else stay as they are.
    std::fs::write(
        at.join("text.db"),
        "no database at all, but long enough to be looked at as if it were one".repeat(50),
    )
    .unwrap();
    let other = rusqlite::Connection::open(at.join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (a)").unwrap();
    drop(other);
    for name in ["text.db", "other.db"] {
        let before = std::fs::read(at.join(name)).unwrap();
        let path = inside(name);
        refuses(
            at,
            &[free, &["--database", &path]].concat(),
            &[],
            &[name, "is not a keygen-lite database", "database.path"],
        );
        assert!(std::fs::read(at.join(name)).unwrap() == before, "{name} is untouched");
    }
    let mut left: Vec<_> = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["other.db", "text.db"], "nothing is left behind");
}

#[test]
fn a_database_that_cannot_be_served_is_refused() {
    let (directory, path, _) = database();
    let at = directory.path();
    let free = &["--listen", "127.0.0.1:0"][..];
    refuses(
        at,
        &[free, &["--set", "accounts.default_account=nobody"]].concat(),
        &[],
        &["accounts.default_account", "'nobody'"],
    );
    let sql = |sql: &str| rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    sql("UPDATE account_keys SET rsa2048_private_key = 'x'");
    refuses(at, free, &[], &["damaged", "backup"]);
    sql("PRAGMA user_version = 999");
    refuses(at, free, &[], &["keygen-lite.db", "from a newer version", "schema 999", "upgrade keygen-lite"]);
    // It is left as it is.
    let version: i64 =
        rusqlite::Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
    assert_eq!(version, 999);
}

// ------------------------------------------------------------------------------------------------------------- configuration

#[test]
fn print_config_is_the_file_that_ships() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let shipped = include_str!("../keygen-lite.toml");
    for arguments in [&["--print-config"][..], &["config", "print"], &["serve", "--print-config"]] {
        assert_eq!(run(at, arguments, &[]), (0, shipped.to_owned(), String::new()));
    }
    std::fs::write(at.join("keygen-lite.toml"), shipped).unwrap();
    assert_eq!(run(at, &["--print-config"], &[]).1, shipped, "the file means what it says");
    let (code, out, err) = run(at, &["config", "check"], &[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let variables = [
        ("KEYGEN_LITE_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD", "not to be shown"),
        ("KEYGEN_LITE_MASTER_KEY", "neither to be shown"),
        ("KEYGEN_LITE_LOG_LEVEL", "warn"),
    ];
    let (code, out, err) = run(at, &["--print-config", "--log-level", "debug"], &variables);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "trusted_proxies = [\"10.0.0.0/8\", \"::1\"]",
        "level = \"debug\"",
        "admin_password = \"(not shown)\"",
        "# master_key is set",
    ] {
        assert!(out.lines().any(|l| l.starts_with(line)), "no {line} in {out}");
    }
    assert!(!out.contains("to be shown"), "{out}");
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 1, "nothing was started");
    assert_eq!(run(at, &["version"], &[]).1, format!("keygen-lite {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(at, &[], &[]).0, 2);
    assert_eq!(run(at, &["--help"], &[]).0, 0);
}

// --------------------------------------------------------------------------------------------------------------- first start

/// What follows `label` on its line.
#[track_caller]
fn labelled<'t>(printed: &'t str, label: &str) -> &'t str {
    let line = printed.lines().find_map(|line| line.trim().strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label} in {printed}")).trim()
}

/// A PEM block without its indentation.
#[track_caller]
fn pem(printed: &str, nth: usize) -> String {
    let lines = printed.lines().map(str::trim);
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in lines {
        if line.starts_with("-----BEGIN") {
            (inside, blocks) = (true, [blocks, vec![String::new()]].concat());
        }
        if inside {
            blocks.last_mut().unwrap().push_str(&format!("{line}\n"));
        }
        inside &= !line.starts_with("-----END");
    }
    blocks[nth].clone()
}

/// The curl line as a user would paste it; its output.
fn paste(printed: &str, directory: &Path) -> Value {
    let line = printed.lines().map(str::trim).find(|line| line.starts_with("curl ")).expect("a curl line");
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("curl is not installed; not tried: {line}");
        return Value::Null;
    }
    let output = Command::new("sh").args(["-c", line]).current_dir(directory).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {line}: {output:?}"))
}

#[test]
fn a_first_start_tells_everything_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut server = Running::start(at, &["--log-level", "trace"], &[]);
    let printed = server.printed();
    let (email, password) = (labelled(&printed, "Admin e-mail"), labelled(&printed, "Password"));
    let token = labelled(&printed, "Admin token");
    assert_eq!(email, "admin@keygen-lite.local");
    assert!(password.len() >= 16, "{password}");
    let (account, slug) = labelled(&printed, "Account").split_once(' ').unwrap();
    assert_eq!(slug.trim(), "(slug: default)");

    let me = server.get("/v1/me", &format!("Bearer {token}")).ok(200);
    assert_eq!(me["data"]["attributes"]["email"], email);
    assert_eq!(me["data"]["relationships"]["account"]["data"]["id"], account);
    let login = format!("POST /v1/tokens HTTP/1.1\r\nHost: h\r\nAuthorization: {}", basic(email, password));
    server.call(&login).ok(201);
    let keys = &server.get("/v1/accounts/default", &format!("Bearer {token}")).ok(200)["data"]["meta"]["keys"];
    let decoded = |name: &str| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(&keys[name])).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    assert!(printed.lines().any(|line| line.trim() == decoded("ed25519")), "{printed}");
    assert_eq!(pem(&printed, 0).trim(), decoded("rsa2048").trim());
    assert_eq!(pem(&printed, 1).trim(), decoded("ecdsa").trim());
    let pasted = paste(&printed, at);
    assert!(pasted.is_null() || pasted["data"]["id"] == me["data"]["id"], "{pasted}");
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&at.join(format!("keygen-lite.db{suffix}"))), 0o600, "keygen-lite.db{suffix}");
    }
    let (code, rest, log) = server.stop();
    assert_eq!((code, rest.as_str()), (0, ""));

    // The second start has nothing to tell.
    let server = Running::start(at, &["--log-level", "trace"], &[]);
    server.get("/v1/me", &format!("Bearer {token}")).ok(200);
    let (code, out, second) = server.stop();
    assert_eq!((code, out.as_str()), (0, ""));
    for secret in [token, password, &basic(email, password)[6..]] {
        assert!(!log.contains(secret) && !second.contains(secret), "a secret is in the log");
        let files = std::fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "a secret is in {}", file.display());
        }
    }
}

#[test]
fn a_first_start_without_anybody_watching() {
    let directory = tempfile::tempdir().unwrap();
    // A path that a shell would take apart.
    let at = directory.path().join("it's a directory");
    std::fs::create_dir(&at).unwrap();
    let account = "0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42";
    let file = at.join("the token");
    std::fs::write(&file, "left from before, and longer than a token could ever be".repeat(9)).unwrap();
    set_mode(&file, 0o644);
    let variables = [
        ("KEYGEN_LITE_BOOTSTRAP_TOKEN_FILE", file.to_str().unwrap()),
        ("KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD", "chosen beforehand"),
        ("KEYGEN_LITE_BOOTSTRAP_ADMIN_EMAIL", "Boss@Example.com"),
        ("KEYGEN_LITE_BOOTSTRAP_ACCOUNT_SLUG", "acme"),
        ("KEYGEN_LITE_BOOTSTRAP_ACCOUNT_NAME", "Acme, Inc."),
        ("KEYGEN_LITE_BOOTSTRAP_ACCOUNT_ID", account),
    ];
    let mut server = Running::start(&at, &[], &variables);
    assert_eq!(mode(&file), 0o600, "the token file is its owner's alone");
    let token = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let me = server.get("/v1/accounts/acme/me", &format!("Bearer {token}")).ok(200);
    assert_eq!(me["data"]["attributes"]["email"], "boss@example.com");
    let shown = server.get(&format!("/v1/accounts/{account}"), &format!("Bearer {token}")).ok(200);
    assert_eq!(shown["data"]["attributes"]["name"], "Acme, Inc.");
    let printed = server.printed();
    assert_eq!(labelled(&printed, "Account"), format!("{account}  (slug: acme)"));
    assert_eq!(labelled(&printed, "Admin token"), format!("(written to {})", file.display()));
    let pasted = paste(&printed, Path::new("/"));
    assert!(pasted.is_null() || pasted["data"]["id"] == me["data"]["id"], "{pasted}");
    let (_, rest, log) = server.stop();
    for secret in [token.as_str(), "chosen beforehand"] {
        assert!(![&printed, &rest, &log].iter().any(|text| text.contains(secret)), "{secret}");
    }
    // Later starts ignore what only a first start uses; a file that is gone is not written again.
    std::fs::remove_file(&file).unwrap();
    let server = Running::start(&at, &[], &variables);
    server.get("/v1/me", &format!("Bearer {token}")).ok(200);
    let (_, out, log) = server.stop();
    assert_eq!(out, "");
    assert!(!file.exists());
    // Whoever waits for it is told so.
    assert!(log.contains("the token is not written") && log.contains("user token Boss@Example.com"), "{log}");
}

// D3: without a default account the first one is as well made, told of and checked.
#[test]
fn a_first_start_in_multi_mode() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let multi = ["--mode", "multi", "--listen", "127.0.0.1:0"];
    let sealed = [("KEYGEN_LITE_MASTER_KEY", "the right key")];
    // Nothing is made of which nobody would be told.
    let elsewhere = [&multi[..], &["--set", "accounts.default_account=acme"]].concat();
    refuses(at, &elsewhere, &sealed, &["accounts.default_account", "'acme'", "bootstrap.account_slug"]);
    let mut server = Running::start(at, &multi[..2], &sealed);
    let printed = server.printed();
    let token = format!("Bearer {}", labelled(&printed, "Admin token"));
    let me = server.get("/v1/accounts/default/me", &token).ok(200);
    assert_eq!(me["data"]["attributes"]["email"], labelled(&printed, "Admin e-mail"));
    server.get("/v1/me", &token).ok(404);
    let pasted = paste(&printed, at);
    assert!(pasted.is_null() || pasted["data"]["id"] == me["data"]["id"], "{pasted}");
    server.stop();
    for variables in [&[][..], &[("KEYGEN_LITE_MASTER_KEY", "the wrong key")]] {
        refuses(at, &multi, variables, &["KEYGEN_LITE_MASTER_KEY"]);
    }
    refuses(at, &elsewhere, &sealed, &["accounts.default_account: there is no account 'acme' in the database"]);

    // The default account by its id, and paths that name none
    let other = tempfile::tempdir().unwrap();
    let id = "0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42";
    let by_id = [("KEYGEN_LITE_BOOTSTRAP_ACCOUNT_ID", id), ("KEYGEN_LITE_ACCOUNTS_DEFAULT_ACCOUNT", id)];
    let mut server = Running::start(other.path(), &multi[..2], &by_id);
    let printed = server.printed();
    assert!(printed.contains("/v1/me -H"), "{printed}");
    server.get("/v1/me", &format!("Bearer {}", labelled(&printed, "Admin token"))).ok(200);
}

// --------------------------------------------------------------------------------------------------------------- master key

#[test]
fn a_master_key_seals_the_private_keys() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let token_file = at.join("token");
    let seed = [("KEYGEN_LITE_BOOTSTRAP_TOKEN_FILE", token_file.to_str().unwrap())];
    let right = [("KEYGEN_LITE_MASTER_KEY", "the right key")];
    let wrong = [("KEYGEN_LITE_MASTER_KEY", "the wrong key")];
    let server = Running::start(at, &[], &[&seed[..], &right].concat());
    let token = format!("Bearer {}", std::fs::read_to_string(&token_file).unwrap().trim());
    let key = server.get("/v1/accounts/default", &token).ok(200)["data"]["meta"]["keys"].clone();
    server.stop();
    let bytes = std::fs::read(at.join("keygen-lite.db")).unwrap();
    for text in ["PRIVATE KEY", "the right key"] {
        assert!(!bytes.windows(text.len()).any(|w| w == text.as_bytes()), "{text} is in the file");
    }
    let connection = rusqlite::Connection::open(at.join("keygen-lite.db")).unwrap();
    let columns = "SELECT secret_key, ed25519_private_key, rsa2048_private_key, ecdsa_private_key FROM account_keys";
    let sealed: Vec<String> = connection.query_row(columns, [], |row| (0..4).map(|n| row.get(n)).collect()).unwrap();
    drop(connection);
    assert!(sealed.iter().all(|text| keygen_lite::crypto::master_key::is_sealed(text)), "{sealed:?}");

    let free = ["--listen", "127.0.0.1:0"];
    for variables in [&[][..], &wrong] {
        refuses(at, &free, variables, &["KEYGEN_LITE_MASTER_KEY", "database.master_key_file"]);
    }
    // The same key from a file, white space and all; the variable wins over the file.
    std::fs::write(at.join("master.key"), "  the right key\n").unwrap();
    refuses(at, &["--listen", "127.0.0.1:0", "--master-key-file", "master.key"], &wrong, &["KEYGEN_LITE_MASTER_KEY"]);
    let server = Running::start(at, &["--master-key-file", "master.key", "--log-level", "trace"], &[]);
    assert_eq!(server.get("/v1/accounts/default", &token).ok(200)["data"]["meta"]["keys"], key);
    let (code, out, log) = server.stop();
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(!log.contains("the right key") && !log.contains("PRIVATE KEY"));
}

// ------------------------------------------------------------------------------------------------------------------- running

#[test]
fn a_stop_finishes_requests_in_flight() {
    for signal in ["-TERM", "-INT"] {
        let (directory, path, admin) = database();
        let mut server = Running::start(directory.path(), &[], &[]);
        let body = r#"{"data":{"type":"products","attributes":{"name":"Late"}}}"#;
        let (first, rest) = body.split_at(10);
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST /v1/products HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {admin}\r\nExpect: 100-continue\r\n"
        );
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
        // The server is in the middle of this request: it asks for the body.
        let mut line = [0; 25];
        stream.read_exact(&mut line).unwrap();
        assert!(line.starts_with(b"HTTP/1.1 100"));
        stream.write_all(first.as_bytes()).unwrap();
        server.signal(signal);
        let deadline = Instant::now() + Duration::from_secs(20);
        // It takes no more connections …
        while TcpStream::connect(("127.0.0.1", server.port)).is_ok() {
            assert!(Instant::now() < deadline, "still accepting");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(server.child.try_wait().unwrap().is_none(), "it waits");
        // … and answers the one it has.
        stream.write_all(rest.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("\"Late\""), "{answer}");
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        let count = "SELECT count(*) FROM products WHERE name = 'Late'";
        let connection = rusqlite::Connection::open(&path).unwrap();
        assert_eq!(connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}

// What is in flight does not hold up a stop for longer than the configuration says.
#[test]
fn a_stop_does_not_wait_for_ever() {
    let (directory, ..) = database();
    let server = Running::start(directory.path(), &["--set", "server.shutdown_timeout_seconds=0"], &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream
        .write_all(b"POST /v1/products HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    stream.read_exact(&mut [0; 25]).unwrap();
    assert_eq!(server.stop().0, 0);
}
