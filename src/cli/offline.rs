//! What commands share that work on the database itself: without the server, or beside one that runs on the same file.

use std::sync::Arc;

use crate::api::App;
use crate::api::app::find_account;
use crate::cli::CliError;
use crate::config::Config;
use crate::crypto::master_key::derive_master_key;
use crate::http::error::{ApiError, Source};
use crate::model::Account;
use crate::server::StartError;
use crate::store::{Store, StoreError};

/// Opens the database of the configuration, which must be there and up to date: commands do not make one by a slip of the path,
/// nor change what a server of an older version works on.
pub fn open(config: Config) -> Result<App, CliError> {
    config.check_paths()?;
    let path = &config.database.path;
    if !path.exists() {
        return Err(CliError::Usage(format!(
            "there is no database at {}: name the server's file with --database or database.path, or start the server once",
            path.display()
        )));
    }
    let master_key = config.database.load_master_key()?.map(|key| derive_master_key(key.expose()));
    let store = Store::open_current(path).map_err(StartError::from)?;
    Ok(App::new(config, Arc::new(store), master_key, None))
}

/// The account of that UUID or slug; without a name the default account (D3).
pub fn account(app: &App, name: Option<&str>) -> Result<Account, CliError> {
    let found = app.store.read(|db| match name {
        Some(name) => find_account(db, name),
        None => app.default_account(db),
    });
    let found = found.map_err(|e: StoreError| CliError::Runtime(e.to_string()))?;
    found.ok_or_else(|| {
        CliError::Usage(match (name, &app.config.accounts.default_account) {
            (Some(name), _) => format!("--account: there is no account '{name}' in the database"),
            (None, Some(name)) => format!("accounts.default_account: there is no account '{name}' in the database"),
            (None, None) => "there is no default account: name one with --account".to_owned(),
        })
    })
}

/// The database failed.
pub fn failed(error: StoreError) -> CliError {
    CliError::Runtime(error.to_string())
}

/// What the API would have refused, as one line: `slug has already been taken`.
pub fn refused(error: ApiError) -> CliError {
    if let Some(cause) = error.internal {
        return CliError::Runtime(cause);
    }
    let line = |error: &crate::http::error::ErrorObject| match &error.source {
        Some(Source::Pointer(pointer)) => format!("{} {}", pointer.rsplit('/').next().unwrap_or(""), error.detail),
        _ => error.detail.to_string(),
    };
    CliError::Usage(error.errors.iter().map(line).collect::<Vec<_>>().join("; "))
}
