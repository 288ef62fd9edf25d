//! From defaults, file, variables and flags, each overriding the one before, to a [`Config`].

use std::io::ErrorKind;
use std::path::Path;

use super::checks::Check;
use super::file::read_file;
use super::settings::Setting;
use super::show::{one_line, quoted, shorten, shown_path};
use super::value::{Raw, Value};
use super::{Config, ConfigError, DEFAULT_FILE, ENV_CONFIG, ENV_PREFIX, Place, SETTINGS, suggest, together};

impl Default for Config {
    fn default() -> Self {
        // Cannot fail: the test `defaults` of `settings` builds this very value.
        Config::from_parts(None, Vec::new(), &[]).expect("the defaults are valid")
    }
}

impl Config {
    /// Reads the configuration: `file` (else the file named by `KEYGEN_LITE_CONFIG`, else `./keygen-lite.toml` if there
    /// is one), overridden by `env`, overridden by `overrides` (pairs such as `("server.listen", "0.0.0.0:80")`).
    /// Of `env`, what does not begin with `KEYGEN_LITE_` is ignored.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: &[(&str, String)],
    ) -> Result<Config, ConfigError> {
        let mut env: Vec<_> = env.filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
        env.sort();
        let from_env = env.iter().find(|(name, path)| name == ENV_CONFIG && !path.is_empty());
        let (path, named_by) = match (file, from_env) {
            (Some(path), _) => (path, Some("--config")),
            (None, Some((_, path))) => (Path::new(path), Some(ENV_CONFIG)),
            (None, None) => (Path::new(DEFAULT_FILE), None),
        };
        let text = match (std::fs::read_to_string(path), named_by) {
            (Ok(text), _) => Some(text),
            (Err(e), None) if e.kind() == ErrorKind::NotFound => None,
            (Err(e), named_by) => {
                return Err(ConfigError::File {
                    path: shown_path(path),
                    problem: e.to_string(),
                    advice: match named_by {
                        Some(by) => format!("name a readable file with {by}, or leave it out to use the defaults"),
                        None => "make it readable, or name another file with --config".to_owned(),
                    },
                });
            }
        };
        let name = shown_path(path);
        Config::from_parts(text.as_deref().map(|text| (name.as_str(), text)), env, overrides)
    }

    /// [`Config::load`] without touching the file system: the file is its name and its text.
    pub(super) fn from_parts(
        file: Option<(&str, &str)>,
        env: Vec<(String, String)>,
        overrides: &[(&str, String)],
    ) -> Result<Config, ConfigError> {
        let default =
            |setting: &Setting| Given { value: (setting.default)(), shown: String::new(), place: Place::Default };
        let mut given: Vec<Given> = SETTINGS.iter().map(default).collect();
        if let Some((name, text)) = file {
            read_file(name, text, &mut given)?;
        }
        for (name, value) in env {
            if name == ENV_CONFIG {
                continue;
            }
            match SETTINGS.iter().position(|setting| setting.variable() == name) {
                Some(index) => given[index] = from_text(&SETTINGS[index], Place::Variable(name), &value)?,
                None if set_by_kubernetes(&name, &value) => {}
                None => {
                    let (_, nearest) = suggest::nearest(None, &name[ENV_PREFIX.len()..]);
                    return Err(ConfigError::UnknownVariable { name: one_line(&name), nearest: nearest.variable() });
                }
            }
        }
        for (path, value) in overrides {
            let (section, key) = path.split_once('.').unwrap_or(("", path));
            let index = find(section, key, &Place::CommandLine)?;
            given[index] = from_text(&SETTINGS[index], Place::CommandLine, value)?;
        }
        let written: Vec<_> = given.iter().map(|given| (given.place.clone(), given.shown.clone())).collect();
        let config = Config::build(given)?;
        match together::check(&config) {
            Ok(()) => Ok(config),
            Err((path, problem)) => {
                // Cannot fail: the test of `together` looks up every path that it complains of.
                let index = SETTINGS.iter().position(|setting| setting.path() == path).expect("a setting");
                let (place, shown) = written[index].clone();
                Err(ConfigError::Value { place, setting: path.to_owned(), shown, problem })
            }
        }
    }
}

/// Our variables of the process environment, for [`Config::load`]. (`std::env::vars` panics on what is not Unicode.)
pub fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(ENV_PREFIX));
    ours.map(|(name, value)| match (name.into_string(), value.into_string()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        (Ok(name), Err(_)) => Err(ConfigError::NotUnicode { name }),
        (Err(name), _) => Err(ConfigError::NotUnicode { name: one_line(&name.to_string_lossy()) }),
    })
    .collect()
}

/// A value, where it was given, and how an error shows it ([`Setting::shown`]).
pub(super) struct Given {
    pub(super) value: Raw,
    pub(super) shown: String,
    pub(super) place: Place,
}

/// Gives a value its type.
pub(super) fn read<T: Value>(given: Option<(&Setting, Given)>, checks: &[&Check]) -> Result<T, ConfigError> {
    // Cannot fail: the caller takes as many values as the table has settings.
    let (setting, given) = given.expect("a value for every setting");
    let checked = checks.iter().try_for_each(|check| check(&given.value));
    checked.and_then(|()| T::from_raw(&given.value)).map_err(|problem| ConfigError::Value {
        place: given.place,
        setting: setting.path(),
        shown: given.shown,
        problem,
    })
}

/// Reads a variable or a flag: text of the kind that the setting wants.
fn from_text(setting: &Setting, place: Place, text: &str) -> Result<Given, ConfigError> {
    let value = match (setting.default)() {
        Raw::Text(_) => Some(Raw::from(text)),
        Raw::Integer(_) => text.trim().parse().ok().map(Raw::Integer),
        Raw::Boolean(_) => text.trim().parse().ok().map(Raw::Boolean),
        Raw::List(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Raw::List(items.map(str::to_owned).collect()))
        }
    };
    let written = quoted(text);
    match value {
        Some(value) => Ok(Given { value, shown: setting.shown(&written), place }),
        None => Err(wrong_kind(setting, place, &written)),
    }
}

/// The error for a value of another kind than the setting's default.
pub(super) fn wrong_kind(setting: &Setting, place: Place, written: &str) -> ConfigError {
    let default = (setting.default)();
    let problem = match (&place, &default) {
        (Place::File { .. }, Raw::Text(_)) => format!("must be a text in quotes, such as {default}"),
        (_, Raw::Text(_)) => format!("must be a text, such as {default}"),
        (_, Raw::Integer(_)) => format!("must be a whole number, such as {default}"),
        (_, Raw::Boolean(_)) => "must be true or false".to_owned(),
        (_, Raw::List(_)) => format!("must be a list of texts in quotes, such as {default} or [\"…\", \"…\"]"),
    };
    ConfigError::Value { place, setting: setting.path(), shown: setting.shown(written), problem }
}

/// The position in [`SETTINGS`] of what the file or a flag sets.
pub(super) fn find(section: &str, key: &str, place: &Place) -> Result<usize, ConfigError> {
    let Some(index) = SETTINGS.iter().position(|setting| setting.section == section && setting.key == key) else {
        let name = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        return Err(ConfigError::UnknownKey {
            place: place.clone(),
            name: shorten(&one_line(&name)),
            hint: suggest::for_key(section, key, *place == Place::CommandLine),
        });
    };
    match SETTINGS[index].only_variable {
        None => Ok(index),
        Some(variable) => Err(ConfigError::Value {
            place: place.clone(),
            setting: SETTINGS[index].path(),
            shown: String::new(),
            problem: format!("can only be given by the variable {variable}; remove it here"),
        }),
    }
}

/// Kubernetes sets such variables for every service of the namespace; a service named `keygen-lite…` is likely.
fn set_by_kubernetes(name: &str, value: &str) -> bool {
    // 80_TCP, 80_TCP_ADDR
    let is_port = |tail: &str| match tail.split('_').collect::<Vec<_>>()[..] {
        [port, "TCP" | "UDP" | "SCTP"] | [port, "TCP" | "UDP" | "SCTP", "PORT" | "PROTO" | "ADDR"] => {
            !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
        }
        _ => false,
    };
    // The leading part of the name is the service's, which may be just our prefix.
    let name = &name[ENV_PREFIX.len() - 1..];
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name.split_once("_PORT_").is_some_and(|(_, tail)| is_port(tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{env, from_env, message};

    #[test]
    fn file_then_variables_then_flags() {
        let file = "[server]\nlisten = \"1.1.1.1:1\"\nworkers = 1\nmax_connections = 0x10\n";
        let vars = env(&[
            ("KEYGEN_LITE_SERVER_LISTEN", "2.2.2.2:2"),
            ("KEYGEN_LITE_SERVER_WORKERS", "2"),
            ("KEYGEN_LITE_SERVER_TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("KEYGEN_LITE_SERVER_PUBLIC_URL", ""),
            ("KEYGEN_LITE_LICENSES_WAIT_FOR_VALIDATION_WRITES", "true"),
        ]);
        let flags = [("server.listen", "localhost:3".to_owned())];
        let config = Config::from_parts(Some(("k.toml", file)), vars, &flags).unwrap();
        assert_eq!(config.server.listen.as_str(), "localhost:3");
        assert_eq!(config.server.workers, 2);
        assert_eq!(config.server.max_connections, 16);
        assert_eq!(config.server.trusted_proxies.len(), 2);
        assert_eq!(config.server.public_url, None);
        assert!(config.licenses.wait_for_validation_writes);
        assert_eq!(config.events.retention_days, 30);
    }

    #[test]
    fn errors_of_variables_and_flags() {
        let cases = [
            ("KEYGEN_LITE_SERVER_LISTN", "KEYGEN_LITE_SERVER_LISTEN"),
            ("KEYGEN_LITE_LISTEN", "KEYGEN_LITE_SERVER_LISTEN"),
            ("KEYGEN_LITE_PORT", "KEYGEN_LITE_SERVER_LISTEN"),
            ("KEYGEN_LITE_DB_PATH", "KEYGEN_LITE_DATABASE_PATH"),
            ("KEYGEN_LITE_DB", "KEYGEN_LITE_DATABASE_PATH"),
            ("KEYGEN_LITE_DATABASE_MASTER_KEY", "KEYGEN_LITE_MASTER_KEY"),
            ("KEYGEN_LITE_LOGLEVEL", "KEYGEN_LITE_LOG_LEVEL"),
            ("KEYGEN_LITE_ADMIN_PASSWORD", "KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD"),
        ];
        for (name, nearest) in cases {
            let expected = format!("{name}: unknown variable; did you mean {nearest}? If not, unset it");
            assert_eq!(message(from_env(name, "x")), expected);
        }
        let cases = [
            (
                "KEYGEN_LITE_SERVER_WORKERS",
                "",
                "KEYGEN_LITE_SERVER_WORKERS: server.workers = \"\": must be a whole number, such as 0",
            ),
            (
                "KEYGEN_LITE_LOG_LEVEL",
                "inof",
                "KEYGEN_LITE_LOG_LEVEL: log.level = \"inof\": must be off, error, warn, info, debug or trace, or such as info,hyper=warn for single modules",
            ),
            (
                "KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD",
                "short",
                "KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD: bootstrap.admin_password: must be 6 to 72 characters, not all blank, or empty for a generated one",
            ),
            (
                "KEYGEN_LITE_BOOTSTRAP_ACCOUNT_ID",
                "1",
                "KEYGEN_LITE_BOOTSTRAP_ACCOUNT_ID: bootstrap.account_id = \"1\": must be a UUID, such as 0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42, or empty",
            ),
        ];
        for (name, value, expected) in cases {
            assert_eq!(message(from_env(name, value)), expected);
        }
        let flag = |path, value: &str| message(Config::from_parts(None, Vec::new(), &[(path, value.to_owned())]));
        assert_eq!(
            flag("sever.listen", "x"),
            "command line: unknown setting sever.listen; did you mean server.listen?"
        );
        assert_eq!(flag("x", "x"), "command line: unknown setting x; `keygen-lite --print-config` lists every setting");
        assert_eq!(
            flag("events.retention_days", "-1"),
            "command line: events.retention_days = \"-1\": must be 0 to 36500"
        );
        assert!(
            flag("server.listen", "a\nb").starts_with("command line: server.listen = \"a\\nb\": the port is missing")
        );
    }

    #[test]
    fn variables_of_kubernetes_are_not_ours() {
        for (name, value) in [
            ("KEYGEN_LITE_SERVICE_HOST", "10.0.0.1"),
            ("KEYGEN_LITE_SERVICE_PORT", "80"),
            ("KEYGEN_LITE_SERVICE_PORT_HTTP", "80"),
            ("KEYGEN_LITE_PORT", "tcp://10.0.0.1:80"),
            ("KEYGEN_LITE_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("KEYGEN_LITE_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("KEYGEN_LITE_SERVER_PORT_80_TCP_PORT", "80"),
        ] {
            from_env(name, value).unwrap();
        }
    }
}
