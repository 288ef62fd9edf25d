//! The log of the server itself: text or JSON lines on standard error, filtered by `log.level`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::CliError;
use crate::config::{Config, LogFormat};

/// Starts logging. Once per process.
pub fn init(config: &Config) -> Result<(), CliError> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(config)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()));
    let started = match config.log.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|e| CliError::Runtime(format!("cannot start logging: {e}")))
}

/// The filter that `log.level` describes.
pub fn filter(config: &Config) -> Result<EnvFilter, CliError> {
    let level = &config.log.level;
    EnvFilter::try_new(level).map_err(|e| {
        CliError::Usage(format!("log.level = {level:?}: {e}; write such as info or info,keygen_lite::store=debug"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for (level, valid) in [
            ("info", true),
            ("OFF", true),
            ("warn,hyper=debug", true),
            ("[request{id}]=trace", true),
            ("hyper=lound", false),
        ] {
            let loaded = Config::load(None, std::iter::empty(), &[("log.level", level.to_owned())]).unwrap();
            match filter(&loaded) {
                Ok(_) => assert!(valid, "{level}"),
                Err(e) => assert!(!valid && e.to_string().starts_with("log.level = "), "{e}"),
            }
        }
    }
}
