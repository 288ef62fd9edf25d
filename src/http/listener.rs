//! The listener: connections, limits, timeouts, graceful shutdown. It turns bytes into a [`Request`] and a [`Response`] into
//! bytes, and knows nothing of what is in between.

use super::error::ApiError;
use super::request::Request;
use super::response::Response;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::{NoContext, Timestamp, Uuid};

/// Limits of the listener; all are settings (D18).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Largest request line and headers together, in bytes.
    pub max_header: usize,
    /// Time for the headers of a request to arrive, from the first byte (HTTP/1.1: also how long a kept connection may idle).
    pub header_timeout: Duration,
    /// Time for a body to arrive.
    pub body_timeout: Duration,
    /// Open connections; further ones wait.
    pub max_connections: usize,
    /// Time for requests in flight to finish at shutdown.
    pub shutdown_timeout: Duration,
}

/// Bytes of request bodies that may be in memory at once; beyond, callers wait, and get 503 when it takes too long.
const BODY_BUDGET: usize = 256 << 20;
/// The budget is counted in units of this many bytes.
const BUDGET_UNIT: usize = 4096;

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers a complete request.
    fn call(self: Arc<Self>, request: Request) -> impl Future<Output = Response> + Send;

    /// Answers for a request whose body could not be read; the request has an empty body.
    fn refuse(self: Arc<Self>, request: Request, error: ApiError) -> impl Future<Output = Response> + Send;

    /// The peer is a configured proxy, so that its `X-Forwarded-*` headers count (D17).
    fn trusts(&self, peer: IpAddr) -> bool;
}

/// Serves until `stop` resolves, then lets what is in flight finish.
pub async fn serve<S: Service>(listener: TcpListener, service: Arc<S>, limits: Limits, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let budget = Arc::new(Semaphore::new(BODY_BUDGET.max(limits.max_body) / BUDGET_UNIT + 1));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.max_header.max(8192))
        // hyper's own bound of 100 headers stays: with another one it allocates room for all of them for each request.
        // No `pipeline_flush`: it would keep the answer to a head that cannot be read (400, 431) from going out.
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.max_header).unwrap_or(u32::MAX))
        .max_concurrent_streams(64)
        .keep_alive_interval(Duration::from_secs(30));
    let builder = Arc::new(builder);
    // Its end of life tells connections that have not said anything yet that the server stops.
    let (running, stopping) = tokio::sync::watch::channel(());
    tokio::pin!(stop);
    loop {
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot,
            () = &mut stop => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or a connection that is already gone: the server goes on.
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        let budget = budget.clone();
        let handler =
            hyper::service::service_fn(move |request| handle(service.clone(), peer, limits, budget.clone(), request));
        let (builder, watcher, mut stopping) = (builder.clone(), graceful.watcher(), stopping.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let spoke = tokio::select! {
                biased;
                spoke = tokio::time::timeout(limits.header_timeout, first_bytes(&stream)) => spoke.is_ok(),
                _ = stopping.changed() => false,
            };
            if !spoke {
                return;
            }
            let connection = builder.serve_connection(TokioIo::new(stream), handler).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(error = %error, "a connection ended early");
            }
        });
    }
    drop(listener);
    drop(running);
    if tokio::time::timeout(limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were dropped");
    }
}

/// Waits until a connection has said which protocol it speaks: hyper's own detection has no time limit, and a silent
/// connection must not hold its slot for ever.
async fn first_bytes(stream: &TcpStream) {
    const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut bytes = [0; HTTP2.len()];
    // An error, like the end of the stream, shows again when the connection is served.
    let mut pause = Duration::from_millis(1);
    while let Ok(n) = stream.peek(&mut bytes).await {
        if n == 0 || n == HTTP2.len() || bytes[..n] != HTTP2[..n] {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

async fn handle<S: Service>(
    service: Arc<S>,
    peer: SocketAddr,
    limits: Limits,
    budget: Arc<Semaphore>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, std::convert::Infallible> {
    let head = request.method() == hyper::Method::HEAD;
    let (parts, body) = request.into_parts();
    let host = match parts.headers.get("host") {
        Some(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
        None => parts.uri.authority().map(|a| a.as_str().to_owned()).unwrap_or_default(),
    };
    let trusted = service.trusts(peer.ip());
    // Proxies may add a line of their own instead of appending to the client's.
    let forwarded = |name: &str| {
        if !trusted {
            return None;
        }
        let lines: Vec<&str> = parts.headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    };
    let scheme = match forwarded("x-forwarded-proto") {
        Some(list) if list.rsplit(',').next().is_some_and(|p| p.trim().eq_ignore_ascii_case("https")) => "https",
        _ => "http",
    };
    // The last address that a proxy of ours did not add itself.
    let client = forwarded("x-forwarded-for")
        .and_then(|list| {
            let hops: Vec<IpAddr> = list.split(',').filter_map(|hop| hop.trim().parse().ok()).collect();
            hops.iter().rev().find(|ip| !service.trusts(**ip)).or(hops.first()).copied()
        })
        .unwrap_or(peer.ip());
    let mut received = Request {
        // `Uuid::now_v7` would have all threads queue for its counter.
        id: Uuid::new_v7(Timestamp::now(NoContext)),
        method: parts.method.as_str().to_owned(),
        target: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), |t| t.as_str().to_owned()),
        host,
        scheme,
        client,
        headers: parts.headers,
        body: Bytes::new(),
    };
    let response = match read_body(body, &received, &limits, &budget).await {
        Ok((body, _room)) => {
            received.body = body;
            service.call(received).await
        }
        Err(error) => service.refuse(received, error).await,
    };
    let mut out = hyper::Response::new(Full::new(if head { Bytes::new() } else { response.body.clone() }));
    *out.status_mut() =
        hyper::StatusCode::from_u16(response.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    *out.headers_mut() = response.headers;
    if head && response.status != 204 {
        out.headers_mut().insert("content-length", HeaderValue::from(response.body.len()));
    }
    Ok(out)
}

/// The body, and its share of the budget, to be held while the body is.
async fn read_body<'b>(
    body: Incoming,
    request: &Request,
    limits: &Limits,
    budget: &'b Semaphore,
) -> Result<(Bytes, Option<SemaphorePermit<'b>>), ApiError> {
    use hyper::body::Body as _;
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let declared = request.header("content-length").and_then(|text| text.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limits.max_body) {
        return Err(ApiError::payload_too_large(limits.max_body));
    }
    let units = declared.unwrap_or(limits.max_body) / BUDGET_UNIT + 1;
    let room = budget.acquire_many(u32::try_from(units).unwrap_or(u32::MAX));
    let read = async {
        let room = room.await.map_err(|_| ApiError::unavailable())?;
        match Limited::new(body, limits.max_body).collect().await {
            Ok(collected) => Ok((collected.to_bytes(), Some(room))),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(ApiError::payload_too_large(limits.max_body))
            }
            Err(_) => Err(ApiError::bad_request("The request could not be completed")),
        }
    };
    tokio::time::timeout(limits.body_timeout, read).await.unwrap_or_else(|_| Err(ApiError::timeout()))
}
