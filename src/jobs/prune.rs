//! Removes what is old: event rows past their retention (D15), tokens long expired (03 §10.9).

use crate::api::App;
use crate::model::{Column as _, Time, Val};
use crate::store::StoreError;

/// Rows removed in one write, so that requests are not held up.
const BATCH: i64 = 2000;

/// Tokens go this long after their expiry (03 §10.9).
const TOKEN_DAYS: i64 = 90;

pub(super) async fn run(app: &App) {
    let now = Time::now();
    let days_ago = |days: i64| now.plus_seconds(-days * 86_400);
    let retention = i64::from(app.config.events.retention_days);
    if retention > 0 {
        remove(app, "event_logs", "created_at", days_ago(retention)).await;
    }
    remove(app, "tokens", "expires_at", days_ago(TOKEN_DAYS)).await;
}

async fn remove(app: &App, table: &'static str, column: &'static str, before: Time) {
    loop {
        let result: Result<usize, StoreError> = app
            .store
            .write(move |db| {
                let sql =
                    format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {column} < ? LIMIT ?)");
                db.execute(&sql, &[before.to_val(), Val::Int(BATCH)])
            })
            .await;
        match result {
            Ok(removed) if removed as i64 == BATCH => tokio::task::yield_now().await,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, table, "pruning failed; it is tried again in an hour");
                return;
            }
        }
    }
}
