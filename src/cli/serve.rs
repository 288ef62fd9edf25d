//! `keygen-lite serve`

use crate::cli::{CliError, logging};
use crate::config::Config;

/// Runs the server until it is told to stop.
pub fn run(config: Config) -> Result<(), CliError> {
    logging::init(&config)?;
    config.check_paths()?;
    crate::server::run(config)?;
    Ok(())
}
