//! What runs behind requests.

mod prune;

use crate::api::App;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Starts the background jobs; they end with the returned handle.
pub fn start(app: Arc<App>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(3600));
        loop {
            every.tick().await;
            prune::run(&app).await;
        }
    })
}
