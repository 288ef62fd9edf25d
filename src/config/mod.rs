//! The configuration: one typed [`Config`] out of `keygen-lite.toml`, `KEYGEN_LITE_*` variables and flags.
//!
//! Every setting is declared once, in the table in `settings`. Its doc comment is its explanation in the default file,
//! its section and key make its variable's name, and the kind of its default is the kind it accepts. Parsing, the
//! errors about unknown keys and wrong types, [`default_toml`] and [`effective_toml`] are derived from that table, so
//! that adding a setting means adding two lines to it.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | the table, and the structures made from it |
//! | `load`, `file` | defaults, then the file, then variables, then flags -> [`Config`] |
//! | `value` | a value as it is written, and what can be made of one |
//! | `types`, `address`, `network`, `mail` | the types of settings: [`Mode`], [`Secret`]; [`ListenAddr`], [`BaseUrl`]; [`IpNet`]; [`MailSender`] |
//! | `checks` | what the table demands of a value beyond its type |
//! | `together` | what settings demand of each other |
//! | `paths` | what the configuration points at: is it there, may it be written to |
//! | `show` | the configuration as a file, and values in messages |
//! | `suggest` | "did you mean …?" |
//! | `error` | [`ConfigError`]: one line that says where, what is wrong, what to do |

mod address;
mod checks;
mod error;
mod file;
mod load;
mod mail;
mod network;
mod paths;
mod settings;
mod show;
mod suggest;
mod together;
mod types;
mod value;

pub use address::{BaseUrl, ListenAddr};
pub use error::{ConfigError, Place};
pub use load::environment;
pub use mail::MailSender;
pub(crate) use mail::RESET_URL_PLACEHOLDERS;
pub use network::IpNet;
pub use settings::{
    AccountsConfig, BootstrapConfig, Config, DatabaseConfig, EventsConfig, LicensesConfig, LogConfig, RateLimitsConfig,
    SETTINGS, ServerConfig, Setting, SmtpConfig,
};
pub use show::{default_toml, effective_toml};
pub use types::{LogFormat, Mode, Secret, SmtpTls};

/// The file that is read when no other is named, in the directory in which the program is started.
pub const DEFAULT_FILE: &str = "keygen-lite.toml";
/// What every variable of ours begins with; one that does and is not known is an error.
pub const ENV_PREFIX: &str = "KEYGEN_LITE_";
/// The variable that names the configuration file.
pub const ENV_CONFIG: &str = "KEYGEN_LITE_CONFIG";
/// What is shown in place of a secret.
pub const REDACTED: &str = "(not shown)";

/// Short forms for the tests of these modules.
#[cfg(test)]
mod testing {
    use super::{Config, ConfigError};

    pub fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    pub fn from_file(text: &str) -> Result<Config, ConfigError> {
        Config::from_parts(Some(("k.toml", text)), Vec::new(), &[])
    }

    pub fn from_env(name: &str, value: &str) -> Result<Config, ConfigError> {
        Config::from_parts(None, env(&[(name, value)]), &[])
    }

    pub fn message(result: Result<Config, ConfigError>) -> String {
        let message = result.expect_err("an error").to_string();
        assert!(!message.contains('\n'), "not one line: {message}");
        message
    }
}
