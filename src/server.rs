//! Ties everything together: opens the database, seeds it on first start, listens, shuts down.

use crate::api::App;
use crate::bootstrap;
use crate::config::Config;
use crate::http::listener::{self, Limits};
use crate::mail::Mailer;
use crate::store::{OpenError, Store};
use std::sync::Arc;
use std::time::Duration;

/// How long a stopping server waits for mails that are under way.
const MAIL_DRAIN: Duration = Duration::from_secs(5);

/// The server cannot start. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {0}: {1} (stop the program that uses the port, or set server.listen or --listen to another)"
    )]
    Listen(String, std::io::Error),
    /// The first account cannot be made, or the account's keys cannot be used.
    #[error("{0}")]
    Account(String),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// Mail cannot be sent.
    #[error("the settings of [smtp] cannot be used: {0}")]
    Mail(#[from] crate::mail::MailError),
    /// The runtime cannot be started.
    #[error("cannot start the runtime: {0}")]
    Runtime(std::io::Error),
}

/// Runs the server until it is told to stop.
pub fn run(config: Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.server.worker_threads())
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), StartError> {
    // Listen first: two servers must not share a database by accident, and a port in use should leave no files behind.
    let address = config.server.listen.as_str().to_owned();
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|e| StartError::Listen(address, e))?;
    let local = listener.local_addr().map_err(StartError::Runtime)?;
    let master_key =
        config.database.load_master_key()?.map(|key| crate::crypto::master_key::derive_master_key(key.expose()));
    let mailer = Mailer::start(&config)?;
    let store = Arc::new(Store::open(&config.database.path)?);
    let limits = Limits {
        max_body: config.server.max_body_bytes,
        max_header: config.server.max_header_bytes,
        header_timeout: config.server.header_timeout(),
        body_timeout: config.server.body_timeout(),
        max_connections: config.server.max_connections,
        shutdown_timeout: config.server.shutdown_timeout(),
    };
    let app = Arc::new(App::new(config, store.clone(), master_key, mailer.clone()));
    tokio::task::block_in_place(|| bootstrap::prepare(&app, local)).map_err(StartError::Account)?;
    log_panics();
    let jobs = crate::jobs::start(app.clone());
    // Before anybody is told that the server is up: from then on a signal stops it in good order.
    let stop = stop_signal().map_err(StartError::Runtime)?;
    tracing::info!(address = %local, version = env!("CARGO_PKG_VERSION"), "listening");
    listener::serve(listener, app, limits, stop).await;
    jobs.abort();
    if let Some(mailer) = mailer {
        mailer.drain(MAIL_DRAIN).await;
    }
    tokio::task::block_in_place(|| store.close());
    tracing::info!("stopped");
    Ok(())
}

/// A panic is logged with its backtrace instead of being printed bare.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!(%panic, %backtrace, "a panic was caught");
    }));
}

/// Watches, from now on, for the signals that ask the process to stop; the future resolves when one comes.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let (mut interrupt, mut terminate) = {
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("stopping: finishing what is in flight");
    })
}
