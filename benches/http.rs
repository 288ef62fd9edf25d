//! The figures that the README quotes: requests per second and latency of the release server beside a bare hyper server that
//! sends the same bytes with a digest and a signature for each answer; start-up time, memory, size. `cargo bench`; see README.md.

use ed25519_dalek::{Signer as _, SigningKey};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use keygen_lite::crypto::http_signature as signatures;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LICENSES: usize = 1000;
/// Threads that serve, of both servers.
const WORKERS: usize = 2;
const STARTS: usize = 15;
/// The argument that turns this program into the bare server.
const BARE: &str = "--bare-server";

type Oops = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Oops> = std::result::Result<T, E>;

fn main() -> Result<()> {
    if std::env::args().any(|arg| arg == BARE) {
        return bare();
    }
    let options = Options::from_args()?;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let database = directory.path().join("keygen-lite.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores, shared by server ({WORKERS} workers) and load generator (1 thread); {LICENSES} licenses");
    println!("each figure is the median of {} rounds of {:?}\n", options.rounds, options.round);

    let (server, world) = seed(&runtime, &options.server, directory.path())?;
    server.stop()?;
    println!("binary: {}", megabytes(std::fs::metadata(&options.server)?.len()));
    let server = starts(&options.server, directory.path(), &world)?;
    println!("memory, idle: {}", server.memory()?);

    println!(
        "\n| scenario | connections | bare/s | product/s | ratio | bare p50, p99 ms | product p50, p99 ms | CPU µs a request |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let world = Arc::new(world);
    for scenario in Scenario::ALL.iter().filter(|s| s.name().contains(&options.only)) {
        let answers = runtime.block_on(record(server.port, *scenario, &world))?;
        let bare = Running::bare(&answers)?;
        for connections in [32, 64] {
            println!("{}", compare(&runtime, &options, *scenario, &world, connections, &bare, &server)?);
        }
    }
    println!("\nmemory, after load: {}", server.memory()?);
    println!("database after load: {}", megabytes(std::fs::metadata(database)?.len()));
    server.stop()
}

struct Options {
    rounds: usize,
    round: Duration,
    only: String,
    server: PathBuf,
}

const USAGE: &str = "--rounds N, --seconds S, --only TEXT (of a scenario's name), --server PATH (another build)";

impl Options {
    fn from_args() -> Result<Options> {
        let mut options = Options {
            rounds: 5,
            round: Duration::from_millis(1500),
            only: String::new(),
            server: PathBuf::from(env!("CARGO_BIN_EXE_keygen-lite")),
        };
        let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(arg) = args.next() {
            let value = args.next().ok_or(USAGE)?;
            match arg.as_str() {
                "--rounds" => options.rounds = value.parse()?,
                "--seconds" => options.round = Duration::from_secs_f64(value.parse()?),
                "--only" => options.only = value,
                "--server" => options.server = std::path::absolute(value)?,
                _ => return Err(format!("{arg}: {USAGE}").into()),
            }
        }
        Ok(options)
    }
}

// ---- What is measured

#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    /// `POST licenses/actions/validate-key`, anonymous.
    ValidateKey,
    /// `POST licenses/{id}/actions/validate` as the license itself, by its key.
    ValidateId,
    /// `POST machines` and `DELETE machines/{id}` as the license itself, one after the other; both durable.
    Activate,
    /// `GET licenses?limit=100` as administrator.
    List,
    /// `POST keys` as administrator; durable.
    Keys,
}

/// What requests are made of.
struct World {
    token: String,
    licenses: Vec<License>,
    /// A policy with a pool.
    pool: String,
}

struct License {
    id: String,
    key: String,
}

/// What a connection remembers between its requests.
struct Memory {
    random: u64,
    /// The machine that it activated last, and the license to deactivate it with.
    machine: Option<(String, usize)>,
}

impl Memory {
    fn new() -> Memory {
        Memory { random: std::hash::RandomState::new().build_hasher().finish() | 1, machine: None }
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl Scenario {
    const ALL: &[Scenario] =
        &[Scenario::ValidateKey, Scenario::ValidateId, Scenario::Activate, Scenario::List, Scenario::Keys];

    fn name(self) -> &'static str {
        match self {
            Scenario::ValidateKey => "validate-key",
            Scenario::ValidateId => "validate by id, license auth",
            Scenario::Activate => "activate + deactivate",
            Scenario::List => "list 100 licenses",
            Scenario::Keys => "create keys",
        }
    }

    /// The next request of a connection, and the status that it must get.
    fn request(self, world: &World, memory: &mut Memory) -> (Request<Full<Bytes>>, u16) {
        let at = (memory.next() % world.licenses.len() as u64) as usize;
        let License { id, key } = &world.licenses[at];
        match self {
            Scenario::ValidateKey => {
                (call("POST", "/licenses/actions/validate-key", "", format!("{{\"meta\":{{\"key\":\"{key}\"}}}}")), 200)
            }
            Scenario::ValidateId => {
                let path = format!("/licenses/{id}/actions/validate");
                (call("POST", &path, &format!("License {key}"), "{}".to_owned()), 200)
            }
            Scenario::List => {
                (call("GET", "/licenses?limit=100", &format!("Bearer {}", world.token), String::new()), 200)
            }
            Scenario::Keys => {
                let body = json!({ "data": {
                    "type": "keys",
                    "attributes": { "key": format!("{:016X}{:016X}", memory.next(), memory.next()) },
                    "relationships": { "policy": { "data": { "type": "policies", "id": world.pool } } },
                } });
                (call("POST", "/keys", &format!("Bearer {}", world.token), body.to_string()), 201)
            }
            Scenario::Activate => match memory.machine.take() {
                Some((machine, at)) => {
                    let key = &world.licenses[at].key;
                    (call("DELETE", &format!("/machines/{machine}"), &format!("License {key}"), String::new()), 204)
                }
                None => {
                    memory.machine = Some((String::new(), at));
                    let body = json!({ "data": {
                        "type": "machines",
                        "attributes": { "fingerprint": format!("{:016x}", memory.next()), "platform": "Linux" },
                        "relationships": { "license": { "data": { "type": "licenses", "id": id } } },
                    } });
                    (call("POST", "/machines", &format!("License {key}"), body.to_string()), 201)
                }
            },
        }
    }

    /// Reads what the next request depends on.
    fn answered(self, memory: &mut Memory, body: &[u8]) {
        if let (Scenario::Activate, Some((machine, _))) = (self, &mut memory.machine) {
            let start = br#"{"data":{"id":""#.len();
            *machine = String::from_utf8_lossy(body.get(start..start + 36).unwrap_or_default()).into_owned();
        }
    }
}

fn call(method: &str, path: &str, authorization: &str, body: String) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/v1/accounts/acme{path}"))
        .header("host", "keys.example.com")
        .header("user-agent", "bench")
        .header("accept", "application/vnd.api+json");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/vnd.api+json");
    }
    request.body(Full::new(body.into())).expect("the parts are valid")
}

// ---- The load generator

type Sender = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

async fn connect(port: u16) -> Result<Sender> {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(sender: &mut Sender, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
}

/// Keeps `connections` busy for a while; gives the latency of each request in microseconds.
async fn load(
    port: u16,
    scenario: Scenario,
    world: &Arc<World>,
    connections: usize,
    time: Duration,
) -> Result<Vec<u32>> {
    let mut senders = Vec::new();
    for _ in 0..connections {
        senders.push(connect(port).await?);
    }
    let end = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for mut sender in senders {
        let world = world.clone();
        tasks.spawn(async move {
            let mut memory = Memory::new();
            let mut latencies = Vec::new();
            // What was activated is deactivated, also after the end.
            while Instant::now() < end || memory.machine.is_some() {
                let (request, expected) = scenario.request(&world, &mut memory);
                let started = Instant::now();
                let response = send(&mut sender, request).await?;
                latencies.push(started.elapsed().as_micros() as u32);
                if response.status() != expected {
                    return Err(format!("{}: {:?}", scenario.name(), response).into());
                }
                scenario.answered(&mut memory, response.body());
            }
            Ok::<_, Oops>(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(latencies) = tasks.join_next().await {
        all.extend(latencies??);
    }
    Ok(all)
}

/// The product's answers of a scenario by method, as JSON for the bare server.
async fn record(port: u16, scenario: Scenario, world: &World) -> Result<Value> {
    let mut sender = connect(port).await?;
    let mut memory = Memory::new();
    let mut answers = json!({});
    loop {
        let (request, expected) = scenario.request(world, &mut memory);
        let method = request.method().to_string();
        let response = send(&mut sender, request).await?;
        assert_eq!(response.status(), expected, "{response:?}");
        scenario.answered(&mut memory, response.body());
        let headers: Vec<(&str, &str)> =
            response.headers().iter().map(|(n, v)| Ok((n.as_str(), v.to_str()?))).collect::<Result<_>>()?;
        let body = std::str::from_utf8(response.body())?;
        answers[method] = json!({ "status": expected, "headers": headers, "body": body });
        if memory.machine.is_none() {
            return Ok(answers);
        }
    }
}

/// Rounds of the bare server and the product in turn: what else the machine does hits both. One line of the table.
fn compare(
    runtime: &tokio::runtime::Runtime,
    options: &Options,
    scenario: Scenario,
    world: &Arc<World>,
    connections: usize,
    bare: &Running,
    product: &Running,
) -> Result<String> {
    let round = |server: &Running, time: Duration| -> Result<Round> {
        let cpu = server.cpu()?;
        let started = Instant::now();
        let mut latencies = runtime.block_on(load(server.port, scenario, world, connections, time))?;
        let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
        // Writes that ride behind their answers are part of the price, and must not slow the other server down.
        server.settle()?;
        let cpu = (server.cpu()? - cpu).as_secs_f64() * 1e6 / latencies.len() as f64;
        latencies.sort_unstable();
        let at = |part: f64| latencies[(latencies.len() as f64 * part) as usize] as f64 / 1000.0;
        Ok(Round { rate, cpu, p50: at(0.5), p99: at(0.99) })
    };
    for server in [bare, product] {
        round(server, options.round.min(Duration::from_millis(500)))?;
    }
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        rounds.push((round(bare, options.round)?, round(product, options.round)?));
    }
    let of = |get: &dyn Fn(&(Round, Round)) -> f64| median(rounds.iter().map(get).collect());
    Ok(format!(
        "| {} | {connections} | {:.0} | {:.0} | **{:.2}** | {:.2}, {:.2} | {:.2}, {:.2} | {:.0} → {:.0} |",
        scenario.name(),
        of(&|r| r.0.rate),
        of(&|r| r.1.rate),
        of(&|r| r.1.rate / r.0.rate),
        of(&|r| r.0.p50),
        of(&|r| r.0.p99),
        of(&|r| r.1.p50),
        of(&|r| r.1.p99),
        of(&|r| r.0.cpu),
        of(&|r| r.1.cpu),
    ))
}

struct Round {
    rate: f64,
    cpu: f64,
    p50: f64,
    p99: f64,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

// ---- The servers

/// A server process; it ends with this value.
struct Running {
    child: Child,
    port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// The product, on a free port; it may not answer yet.
    fn product(program: &Path, directory: &Path) -> Result<Running> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYGEN_LITE_")) {
            command.env_remove(name);
        }
        let child = command
            .arg("serve")
            .current_dir(directory)
            .env("KEYGEN_LITE_SERVER_LISTEN", format!("127.0.0.1:{port}"))
            .env("KEYGEN_LITE_SERVER_WORKERS", WORKERS.to_string())
            .env("KEYGEN_LITE_DATABASE_PATH", directory.join("keygen-lite.db"))
            .env("KEYGEN_LITE_BOOTSTRAP_ACCOUNT_SLUG", "acme")
            .env("KEYGEN_LITE_BOOTSTRAP_TOKEN_FILE", directory.join("token"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Running { child, port })
    }

    /// The bare server with these answers.
    fn bare(answers: &Value) -> Result<Running> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(BARE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        child.stdin.take().ok_or("no pipe")?.write_all(answers.to_string().as_bytes())?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
        Ok(Running { port: line.trim().parse()?, child })
    }

    /// Waits for the first answer.
    fn first_answer(&mut self, request: &str) -> Result<()> {
        loop {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                stream.write_all(request.as_bytes())?;
                let mut start = [0; 12];
                stream.read_exact(&mut start)?;
                return if &start == b"HTTP/1.1 200" { Ok(()) } else { Err("the first answer is an error".into()) };
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Stops the server as an operator would.
    fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        Ok(())
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(std::fs::read_to_string(PathBuf::from(format!("/proc/{}/{file}", self.child.id())))?)
    }

    /// Processor time used so far (Linux counts it in hundredths of a second).
    fn cpu(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        Ok(Duration::from_millis(10 * (fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)))
    }

    /// Waits until the server has nothing more to do.
    fn settle(&self) -> Result<()> {
        loop {
            let before = self.cpu()?;
            std::thread::sleep(Duration::from_millis(60));
            if self.cpu()? == before {
                return Ok(());
            }
        }
    }

    fn memory(&self) -> Result<String> {
        let status = self.proc("status")?;
        let of = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
            line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap_or(0) * 1024
        };
        let (resident, own, most) = (of("VmRSS:"), of("RssAnon:"), of("VmHWM:"));
        Ok(format!(
            "{} resident ({} its own, the rest mapped files); {} at the most",
            megabytes(resident),
            megabytes(own),
            megabytes(most)
        ))
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Makes the database: a product, a policy, the licenses.
fn seed(runtime: &tokio::runtime::Runtime, program: &Path, directory: &Path) -> Result<(Running, World)> {
    let mut server = Running::product(program, directory)?;
    server.first_answer("GET /v1/health HTTP/1.1\r\nHost: keys.example.com\r\n\r\n").or_else(|e| {
        // Any answer will do.
        if e.to_string().contains("first answer") { Ok(()) } else { Err(e) }
    })?;
    let token = std::fs::read_to_string(directory.join("token"))?.trim().to_owned();
    let (licenses, pool) = runtime.block_on(async {
        let mut sender = connect(server.port).await?;
        let authorization = format!("Bearer {token}");
        let mut create = async |type_: &str, attributes: Value, related: Option<(&str, &str)>| -> Result<License> {
            let mut data = json!({ "type": type_, "attributes": attributes });
            if let Some((name, id)) = related {
                data["relationships"][name]["data"] = json!({ "type": name, "id": id });
            }
            let body = json!({ "data": data }).to_string();
            let response = send(&mut sender, call("POST", &format!("/{type_}"), &authorization, body)).await?;
            let made: Value = serde_json::from_slice(response.body())?;
            let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
            match response.status() {
                StatusCode::CREATED => Ok(License {
                    id: text(&made["data"]["id"]),
                    key: text(&made["data"]["attributes"]["key"]),
                }),
                _ => Err(format!("{type_}: {made}").into()),
            }
        };
        let product = create("products", json!({ "name": "App" }), None).await?;
        let attributes = json!({
            "name": "Standard", "duration": 31_536_000, "floating": true, "maxMachines": 100, "authenticationStrategy": "LICENSE",
        });
        let policy = create("policies", attributes, Some(("product", &product.id))).await?;
        let mut licenses = Vec::new();
        for number in 0..LICENSES {
            let attributes = json!({ "name": format!("License {number}") });
            licenses.push(create("licenses", attributes, Some(("policy", &policy.id))).await?);
        }
        let attributes = json!({ "name": "Pooled", "usePool": true });
        let pool = create("policies", attributes, Some(("product", &product.id))).await?.id;
        Ok::<_, Oops>((licenses, pool))
    })?;
    Ok((server, World { token, licenses, pool }))
}

/// Starts the server on the existing database again and again; the last one stays.
fn starts(program: &Path, directory: &Path, world: &World) -> Result<Running> {
    let body = format!("{{\"meta\":{{\"key\":\"{}\"}}}}", world.licenses[0].key);
    let request = format!(
        "POST /v1/accounts/acme/licenses/actions/validate-key HTTP/1.1\r\nHost: keys.example.com\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut times = Vec::new();
    loop {
        let started = Instant::now();
        let mut server = Running::product(program, directory)?;
        server.first_answer(&request)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        if times.len() == STARTS {
            let most = times.iter().copied().fold(0.0, f64::max);
            println!("start to first answer: {:.1} ms (median of {STARTS}; {most:.1} at the most)", median(times));
            std::thread::sleep(Duration::from_secs(1));
            return Ok(server);
        }
        server.stop()?;
    }
}

// ---- The bare server

/// An answer to give, headers that depend on the request apart.
struct Recorded {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// Answers each request with the recorded answer of its method, with a digest and a signature of its own.
fn bare() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let parsed: HashMap<String, Value> = serde_json::from_str(&text)?;
    let mut answers = HashMap::new();
    for (method, answer) in parsed {
        let mut headers = HeaderMap::new();
        for pair in answer["headers"].as_array().ok_or("no headers")? {
            let (name, value) = (pair[0].as_str().unwrap_or(""), pair[1].as_str().unwrap_or(""));
            let made = ["content-length", "date", "digest", "keygen-date", "keygen-digest", "keygen-signature"];
            if !made.contains(&name) {
                headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
            }
        }
        let status = StatusCode::from_u16(answer["status"].as_u64().unwrap_or(0) as u16)?;
        let body = Bytes::from(answer["body"].as_str().unwrap_or("").to_owned());
        answers.insert(method, Recorded { status, headers, body });
    }
    let state = Arc::new((answers, SigningKey::from_bytes(&[7; 32])));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let state = state.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request| answer(state.clone(), request));
                let mut http = hyper::server::conn::http1::Builder::new();
                let _ = http.pipeline_flush(true).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

type BareState = (HashMap<String, Recorded>, SigningKey);

async fn answer(state: Arc<BareState>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let _ = body.collect().await;
    let (answers, key) = &*state;
    let Some(recorded) = answers.get(head.method.as_str()) else {
        return Ok(Response::new(Full::default()));
    };
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() as i64);
    let date = signatures::http_date(now);
    let digest = signatures::digest_header(&recorded.body);
    let host = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("");
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let data = signatures::signing_data(head.method.as_str(), target, host, &date, &digest);
    let signature = key.sign(data.as_bytes()).to_bytes();
    let account = "01900000-0000-7000-8000-000000000000";
    let signature = signatures::signature_header(account, "ed25519", &signature);
    let mut response = Response::new(Full::new(recorded.body.clone()));
    *response.status_mut() = recorded.status;
    *response.headers_mut() = recorded.headers.clone();
    for (name, value) in [
        ("date", &date),
        ("digest", &digest),
        ("keygen-date", &date),
        ("keygen-digest", &digest),
        ("keygen-signature", &signature),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}
