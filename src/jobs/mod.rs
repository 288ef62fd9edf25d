//! What runs behind requests.

mod prune;

use crate::api::App;
use crate::crypto::password;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Starts the background jobs; they end with the returned handle.
pub fn start(app: Arc<App>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut hourly = tokio::time::interval(Duration::from_secs(3600));
        let mut often = tokio::time::interval(Duration::from_secs(10));
        loop {
            tokio::select! {
                _ = hourly.tick() => prune::run(&app).await,
                _ = often.tick() => password::release_memory(),
            }
        }
    })
}
