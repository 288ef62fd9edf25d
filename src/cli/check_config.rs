//! `keygen-lite config print`, `keygen-lite config check`, `keygen-lite --print-config`

use crate::cli::{CliError, logging};
use crate::config::{self, Config};

/// Prints the configuration in force, without secrets.
pub fn print(config: &Config) -> Result<(), CliError> {
    super::print(&config::effective_toml(config))
}

/// Checks what loading the configuration has not: the log filter and the paths.
pub fn check(config: &Config) -> Result<(), CliError> {
    logging::filter(config)?;
    config.check_paths()?;
    super::print("The configuration is valid.\n")
}
