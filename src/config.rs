//! The configuration: one typed [`Config`] out of `keygen-lite.toml`, `KEYGEN_LITE_*` variables and flags.
//!
//! Every setting is declared once, in the `settings!` table below. Its doc comment is its explanation in the default
//! file, its section and key make its variable's name, and the kind of its default is the kind it accepts. Parsing,
//! the errors about unknown keys and wrong types, [`default_toml`] and [`effective_toml`] are derived from that table,
//! so that adding a setting means adding two lines to it.
//!
//! What a value must look like is the business of its type ([`ListenAddr`], [`BaseUrl`], [`IpNet`], …) or of a `check`
//! in the table. Every [`ConfigError`] is one line: where, what is wrong, what to do.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use uuid::Uuid;
use zeroize::Zeroizing;

/// The file that is read when no other is named, in the directory in which the program is started.
pub const DEFAULT_FILE: &str = "keygen-lite.toml";
/// What every variable of ours begins with; one that does and is not known is an error.
pub const ENV_PREFIX: &str = "KEYGEN_LITE_";
/// The variable that names the configuration file.
pub const ENV_CONFIG: &str = "KEYGEN_LITE_CONFIG";
/// What is shown in place of a secret.
pub const REDACTED: &str = "(not shown)";

/// One setting of the table, for those that list settings.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its section: `server`.
    pub section: &'static str,
    /// Its key within the section: `listen`.
    pub key: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Set by this variable and nowhere else (it stands in no file and in no flag).
    pub only_variable: Option<&'static str>,
    /// Whether its value is never shown.
    pub secret: bool,
    default: fn() -> Raw,
}

impl Setting {
    /// `server.listen`
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// `KEYGEN_LITE_SERVER_LISTEN`
    pub fn variable(&self) -> String {
        match self.only_variable {
            Some(name) => name.to_owned(),
            None => format!("{ENV_PREFIX}{}_{}", self.section, self.key).to_uppercase(),
        }
    }
}

/// For what may be missing in the table.
const fn first(list: &[&'static str]) -> Option<&'static str> {
    match list {
        [] => None,
        [first, ..] => Some(first),
    }
}

macro_rules! settings {
    ($(
        #[doc = $section_help:literal]
        [$section:ident] $Section:ident {
            $(
                #[doc = $help:literal]
                $key:ident: $ty:ty = $default:expr $(, check $check:expr)? $(, only_variable $variable:literal)? ;
            )+
        }
    )+) => {
        /// The whole configuration, checked. Its `Debug` shows no secret.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( #[doc = $section_help] pub $section: $Section, )+
        }

        $(
            #[doc = $section_help]
            #[derive(Clone, Debug)]
            pub struct $Section {
                $( #[doc = $help] pub $key: $ty, )+
            }
        )+

        /// Every setting, in the order of the file.
        pub static SETTINGS: &[Setting] = &[
            $($( Setting {
                section: stringify!($section),
                key: stringify!($key),
                help: $help.trim_ascii(),
                only_variable: first(&[$($variable)?]),
                secret: <$ty as Value>::SECRET,
                default: || Raw::from($default),
            }, )+)+
        ];

        static SECTIONS: &[(&str, &str)] = &[ $( (stringify!($section), $section_help.trim_ascii()), )+ ];

        impl Config {
            /// Types the values, which stand in the order of [`SETTINGS`]: the order in which this expression,
            /// written from the same table, takes them.
            fn build(given: Vec<Given>) -> Result<Config, ConfigError> {
                let mut given = SETTINGS.iter().zip(given);
                Ok(Config {
                    $( $section: $Section {
                        $( $key: read(given.next(), &[$(&$check)?])?, )+
                    }, )+
                })
            }

            /// The values in the order of [`SETTINGS`], secrets as [`REDACTED`].
            fn values(&self) -> Vec<Raw> {
                vec![ $($( self.$section.$key.to_raw(), )+)+ ]
            }
        }
    };
}

settings! {
    /// The HTTP listener and its limits.
    [server] ServerConfig {
        /// Address (or host name) and port to listen on; 0.0.0.0 is every IPv4 interface, port 0 any free port.
        listen: ListenAddr = "127.0.0.1:8080";
        /// What callers reach the server by, such as `https://keys.example.com`; empty: each request's scheme and host.
        public_url: Option<BaseUrl> = "";
        /// Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses, networks ("10.0.0.0/8").
        trusted_proxies: Vec<IpNet> = [];
        /// Largest request body; a larger one is answered with 413.
        max_body_bytes: usize = 4_194_304, check between(1024, 1 << 30);
        /// Largest request line and headers together; larger ones are answered with 431.
        max_header_bytes: usize = 65_536, check between(8192, 1 << 24);
        /// How long a caller may take to send the headers of a request.
        header_timeout_seconds: u64 = 15, check between(1, DAY);
        /// How long a caller may take to send the body of a request.
        body_timeout_seconds: u64 = 30, check between(1, DAY);
        /// How long a connection may stay open between two requests.
        idle_timeout_seconds: u64 = 75, check between(1, DAY);
        /// Most connections at a time; further ones wait.
        max_connections: usize = 10_000, check between(1, 1_000_000);
        /// How long a stopping server waits for requests in progress.
        shutdown_timeout_seconds: u64 = 15, check between(0, DAY);
        /// Threads that serve requests; 0: one per processor core.
        workers: usize = 0, check between(0, 1024);
    }
    /// Which accounts this server serves.
    [accounts] AccountsConfig {
        /// "single": one account serves every path; "multi": paths name the account, POST /v1/accounts makes new ones.
        mode: Mode = "single";
        /// UUID or slug of the account of paths that name none; empty: the oldest in single mode, none in multi mode.
        default_account: Option<String> = "", check text(account);
    }
    /// Where data is kept.
    [database] DatabaseConfig {
        /// SQLite file, created when missing; relative to where the server starts, in a directory it may write to.
        path: PathBuf = "keygen-lite.db", check text(filled);
        /// File with the key that encrypts stored private keys; KEYGEN_LITE_MASTER_KEY, the key itself, wins over it.
        master_key_file: Option<PathBuf> = "";
        /// The key that encrypts private keys in the database; none: they are stored as they are.
        master_key: Option<Secret> = "", check text(key), only_variable "KEYGEN_LITE_MASTER_KEY";
    }
    /// What the first start creates; of no effect once the database has an account.
    [bootstrap] BootstrapConfig {
        /// Slug of the account: lower-case letters, digits and dashes.
        account_slug: String = "default", check text(slug);
        /// Name of the account.
        account_name: String = "Default account", check text(name);
        /// UUID of the account; empty: a new one.
        account_id: Option<Uuid> = "";
        /// E-mail address of the account's administrator.
        admin_email: String = "admin@keygen-lite.local", check text(email);
        /// The administrator's password, 6 to 72 characters; empty: one is generated and printed once.
        admin_password: Option<Secret> = "", check text(password);
        /// File for the administrator's token, made readable by its owner only; empty: the token is printed once.
        token_file: Option<PathBuf> = "";
    }
    /// Licenses and their validation.
    [licenses] LicensesConfig {
        /// Whether validations wait until what they record is stored; otherwise it is within a second of the answer.
        wait_for_validation_writes: bool = false;
    }
    /// The event log.
    [events] EventsConfig {
        /// Days after which events are deleted; 0: they are kept for ever.
        retention_days: u32 = 30, check between(0, 36_500);
    }
    /// What the server itself logs, to standard error.
    [log] LogConfig {
        /// off, error, warn, info, debug or trace, also by module: "info,keygen_lite::store=debug".
        level: String = "info", check text(log_filter);
        /// "text" or "json" (one object a line).
        format: LogFormat = "text";
    }
}

const DAY: i64 = 24 * 60 * 60;

impl ServerConfig {
    /// `header_timeout_seconds`
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    /// `body_timeout_seconds`
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }

    /// `idle_timeout_seconds`
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }

    /// `shutdown_timeout_seconds`
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }

    /// `workers`, with 0 replaced by the number of cores.
    pub fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            n => n,
        }
    }

    /// Whether `X-Forwarded-*` of a connection from this address is believed (D17).
    pub fn trusts_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(peer))
    }
}

impl DatabaseConfig {
    /// The master key: the variable's, else the content of `master_key_file`, else none; without white space around it.
    pub fn load_master_key(&self) -> Result<Option<Secret>, ConfigError> {
        if let Some(key) = &self.master_key {
            return Ok(Some(Secret::new(key.expose().trim())));
        }
        let Some(path) = &self.master_key_file else {
            return Ok(None);
        };
        let problem = |problem: String| ConfigError::Path {
            setting: "database.master_key_file",
            path: shown_path(path),
            problem,
        };
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|e| problem(format!("cannot be read ({e}); name a file this user may read")))?;
        match text.trim() {
            "" => Err(problem("is empty; put the key in it, or leave the setting empty".into())),
            key => Ok(Some(Secret::new(key))),
        }
    }
}

// ---------------------------------------------------------------------------------------------------------- loading

impl Default for Config {
    fn default() -> Self {
        // Cannot fail: the test `the_default_file_is_the_table` builds this very value.
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
            (Err(e), None) if e.kind() == std::io::ErrorKind::NotFound => None,
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
    fn from_parts(
        file: Option<(&str, &str)>,
        env: Vec<(String, String)>,
        overrides: &[(&str, String)],
    ) -> Result<Config, ConfigError> {
        let defaults = SETTINGS.iter().map(|setting| Given {
            value: (setting.default)(),
            shown: String::new(),
            place: Place::Default,
        });
        let mut given: Vec<Given> = defaults.collect();
        if let Some((name, text)) = file {
            read_file(name, text, &mut given)?;
        }
        for (name, value) in env {
            if name == ENV_CONFIG {
                continue;
            }
            let known = SETTINGS.iter().position(|setting| setting.variable() == name);
            match known {
                Some(index) => given[index] = from_text(&SETTINGS[index], Place::Variable(name), &value)?,
                None if set_by_kubernetes(&name, &value) => {}
                None => {
                    let short = name[ENV_PREFIX.len()..].to_lowercase();
                    let (_, nearest) = nearest(None, &short);
                    let name = one_line(&name);
                    return Err(ConfigError::UnknownVariable { name, nearest: nearest.variable() });
                }
            }
        }
        for (path, value) in overrides {
            let (section, key) = path.split_once('.').unwrap_or(("", path));
            let index = find(section, key, &Place::CommandLine)?;
            given[index] = from_text(&SETTINGS[index], Place::CommandLine, value)?;
        }
        Config::build(given)
    }

    /// Checks what the configuration points at: that the database's directory (at the first start the token file's, too)
    /// exists and can be written to, that an existing database can be opened for writing, that the master key can be read.
    pub fn check_paths(&self) -> Result<(), ConfigError> {
        check_writable("database.path", &self.database.path)?;
        match &self.bootstrap.token_file {
            // Written by the first start only: a later one does not fail for want of its directory.
            Some(path) if !self.database.path.exists() => check_writable("bootstrap.token_file", path)?,
            _ => {}
        }
        self.database.load_master_key().map(drop)
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

/// A value as it was written, before it has its type. Its variant is the kind that a setting's default prescribes.
#[derive(Clone, Debug, PartialEq)]
enum Raw {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<String>),
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Raw::Text(text.to_owned())
    }
}

impl From<i64> for Raw {
    fn from(number: i64) -> Self {
        Raw::Integer(number)
    }
}

impl From<bool> for Raw {
    fn from(flag: bool) -> Self {
        Raw::Boolean(flag)
    }
}

impl<const N: usize> From<[&str; N]> for Raw {
    fn from(list: [&str; N]) -> Self {
        Raw::List(list.map(str::to_owned).into())
    }
}

/// As TOML, on one line.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Raw::Text(text) => f.write_str(&quoted(text)),
            Raw::Integer(number) => write!(f, "{number}"),
            Raw::Boolean(flag) => write!(f, "{flag}"),
            Raw::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// A value, where it was given, and how it was written there.
struct Given {
    value: Raw,
    shown: String,
    place: Place,
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Nowhere: it is the default.
    Default,
    /// In the configuration file.
    File {
        /// The file, as it was named.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// In this variable.
    Variable(String),
    /// In a flag.
    CommandLine,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::File { name, line } => write!(f, "{name}:{line}"),
            Place::Variable(name) => f.write_str(name),
            Place::CommandLine => f.write_str("command line"),
        }
    }
}

/// What a `check` in the table is. Its error says what is expected.
type Check = dyn Fn(&Raw) -> Result<(), String>;

/// Gives a value its type.
fn read<T: Value>(given: Option<(&Setting, Given)>, checks: &[&Check]) -> Result<T, ConfigError> {
    // Cannot fail: the caller takes as many values as the table has settings.
    let (setting, given) = given.expect("a value for every setting");
    let checked = checks.iter().try_for_each(|check| check(&given.value));
    checked.and_then(|()| T::from_raw(&given.value)).map_err(|problem| ConfigError::Value {
        place: given.place,
        setting: setting.path(),
        shown: if setting.secret { String::new() } else { format!(" = {}", given.shown) },
        problem,
    })
}

/// Reads a variable or a flag: text of the kind that the setting wants.
fn from_text(setting: &Setting, place: Place, text: &str) -> Result<Given, ConfigError> {
    let default = (setting.default)();
    let value = match default {
        Raw::Text(_) => Some(Raw::from(text)),
        Raw::Integer(_) => text.trim().parse().ok().map(Raw::Integer),
        Raw::Boolean(_) => text.trim().parse().ok().map(Raw::Boolean),
        Raw::List(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Raw::List(items.map(str::to_owned).collect()))
        }
    };
    let shown = shorten(&quoted(text));
    match value {
        Some(value) => Ok(Given { value, shown, place }),
        None => Err(wrong_kind(setting, place, &shown)),
    }
}

/// Reads the file over the defaults. The first error in the order of its lines is the one that is reported.
fn read_file(name: &str, text: &str, given: &mut [Given]) -> Result<(), ConfigError> {
    let place = |span: Range<usize>| Place::File { name: name.to_owned(), line: position(text, span.start).0 };
    let document = DeTable::parse(text).map_err(|e| {
        let (line, column) = position(text, e.span().map_or(0, |span| span.start));
        ConfigError::Syntax {
            place: Place::File { name: name.to_owned(), line },
            column,
            problem: one_line(e.message()),
        }
    })?;

    // (position, section, key, value); what is no section has no key.
    let mut entries: Vec<(usize, &str, Option<&str>, &Spanned<DeValue>)> = Vec::new();
    for (section, value) in document.get_ref() {
        let known = SECTIONS.iter().any(|(known, _)| *known == section.get_ref());
        match value.get_ref() {
            DeValue::Table(table) if known => entries.extend(
                table
                    .iter()
                    .map(|(key, value)| (key.span().start, &**section.get_ref(), Some(&**key.get_ref()), value)),
            ),
            _ => entries.push((section.span().start, section.get_ref(), None, value)),
        }
    }
    entries.sort_by_key(|(position, ..)| *position);

    for (position, section, key, value) in entries {
        let place = place(position..position);
        let Some(key) = key else {
            return Err(not_a_section(section, value.get_ref(), place));
        };
        let index = find(section, key, &place)?;
        let setting = &SETTINGS[index];
        let shown = shorten(&one_line(text.get(value.span()).unwrap_or_default()));
        given[index] = match from_toml(&(setting.default)(), value.get_ref()) {
            Some(value) => Given { value, shown, place },
            None => return Err(wrong_kind(setting, place, &shown)),
        };
    }
    Ok(())
}

fn from_toml(default: &Raw, value: &DeValue) -> Option<Raw> {
    match (default, value) {
        (Raw::Text(_), DeValue::String(text)) => Some(Raw::from(&**text)),
        (Raw::Integer(_), DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Raw::Integer)
        }
        (Raw::Boolean(_), DeValue::Boolean(flag)) => Some(Raw::Boolean(*flag)),
        (Raw::List(_), DeValue::Array(items)) => {
            let items = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            items.collect::<Option<_>>().map(Raw::List)
        }
        _ => None,
    }
}

fn wrong_kind(setting: &Setting, place: Place, shown: &str) -> ConfigError {
    let default = (setting.default)();
    ConfigError::Value {
        setting: setting.path(),
        shown: if setting.secret { String::new() } else { format!(" = {shown}") },
        problem: match (&place, &default) {
            (Place::File { .. }, Raw::Text(_)) => {
                format!("must be a text in quotes, such as {default}")
            }
            (_, Raw::Text(_)) => format!("must be a text, such as {default}"),
            (_, Raw::Integer(_)) => format!("must be a whole number, such as {default}"),
            (_, Raw::Boolean(_)) => "must be true or false".to_owned(),
            (_, Raw::List(_)) => {
                format!("must be a list of texts in quotes, such as {default} or [\"…\", \"…\"]")
            }
        },
        place,
    }
}

fn find(section: &str, key: &str, place: &Place) -> Result<usize, ConfigError> {
    let unknown = |name: String, hint: String| ConfigError::UnknownKey { place: place.clone(), name, hint };
    let found = SETTINGS.iter().position(|setting| setting.section == section && setting.key == key);
    match found {
        Some(index) => match SETTINGS[index].only_variable {
            Some(variable) => Err(ConfigError::Value {
                place: place.clone(),
                setting: SETTINGS[index].path(),
                shown: String::new(),
                problem: format!("can only be given by the variable {variable}; remove it here"),
            }),
            None => Ok(index),
        },
        None => {
            let name = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
            let name = shorten(&one_line(&name));
            let hint = match (nearest(Some(section), key), *place == Place::CommandLine) {
                ((cost, nearest), _) if is_close(cost, key) => {
                    format!("did you mean {}?", nearest.path())
                }
                (_, true) => "`keygen-lite --print-config` lists every setting".to_owned(),
                (_, false) => {
                    let keys = SETTINGS.iter().filter(|s| s.section == section && s.only_variable.is_none());
                    let keys: Vec<_> = keys.map(|setting| setting.key).collect();
                    format!("remove it, or use one of: {}", keys.join(", "))
                }
            };
            Err(unknown(name, hint))
        }
    }
}

/// The error for what stands at the top of the file and is no section that we know.
fn not_a_section(name: &str, value: &DeValue, place: Place) -> ConfigError {
    if SECTIONS.iter().any(|(known, _)| *known == name) {
        let problem = format!("must be a section: write [{name}] on a line of its own and its keys below");
        return ConfigError::Value { place, setting: name.to_owned(), shown: String::new(), problem };
    }
    let sections = SECTIONS.iter().map(|(section, _)| *section);
    let hint = if matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        match sections.clone().map(|section| (distance(name, section), section)).min() {
            Some((cost, section)) if is_close(cost, name) => Some(format!("did you mean [{section}]?")),
            _ => None,
        }
    } else {
        let (cost, nearest) = nearest(None, name);
        is_close(cost, name).then(|| format!("did you mean {} below [{}]?", nearest.key, nearest.section))
    };
    let all = || format!("remove it; the sections are {}", sections.collect::<Vec<_>>().join(", "));
    ConfigError::UnknownKey { place, name: shorten(&one_line(name)), hint: hint.unwrap_or_else(all) }
}

/// Kubernetes sets such variables for every service of the namespace; a service named `keygen-lite…` is likely.
fn set_by_kubernetes(name: &str, value: &str) -> bool {
    let is_port = |tail: &str| {
        let mut parts = tail.split('_');
        parts.next().is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
            && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
            && matches!(parts.next(), None | Some("PORT" | "PROTO" | "ADDR"))
            && parts.next().is_none()
    };
    // The leading part of the name is the service's, which may be just our prefix.
    let name = &name[ENV_PREFIX.len() - 1..];
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name.split_once("_PORT_").is_some_and(|(_, tail)| is_port(tail))
}

/// Checks that a file in this place could be written, by its directory and by itself if it is there.
fn check_writable(setting: &'static str, path: &Path) -> Result<(), ConfigError> {
    let problem = |problem: String| ConfigError::Path { setting, path: shown_path(path), problem };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(problem(format!(
            "its directory {} does not exist; create it or choose another",
            shown_path(parent)
        )));
    }
    if path.is_dir() {
        return Err(problem("is a directory; name a file in it".to_owned()));
    }
    if path.exists() {
        let opened = std::fs::OpenOptions::new().read(true).write(true).open(path);
        opened.map_err(|e| problem(format!("cannot be opened for writing ({e}); let this user write to it")))?;
    }
    let probe = parent.join(format!(".keygen-lite-check-{}", std::process::id()));
    let created = match std::fs::OpenOptions::new().write(true).create_new(true).open(&probe) {
        // Left behind by a process that was killed here; removing it proves as much.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    };
    created.and_then(|()| std::fs::remove_file(&probe)).map_err(|e| {
        problem(format!("its directory {} is not writable ({e}); let this user write to it", shown_path(parent)))
    })
}

// ---------------------------------------------------------------------------------------------------------- showing

const HEADER: &str = "\
# keygen-lite.toml: every setting of keygen-lite.
#
# The server reads this file in the directory in which it is started, or where --config or KEYGEN_LITE_CONFIG says,
# and needs none: a setting that is left out has its default. Variables override the file: KEYGEN_LITE_<SECTION>_<KEY>,
# such as KEYGEN_LITE_SERVER_LISTEN (lists separated by commas). Flags override both: --listen, or for any setting
# --set server.listen=0.0.0.0:8080. `keygen-lite --print-config` shows what is in force, in the form of this file.
";

/// The text of `keygen-lite.toml`: every setting at its default, with its explanation.
pub fn default_toml() -> String {
    effective_toml(&Config::default())
}

/// The configuration as a file, for `--print-config`; secrets are shown as [`REDACTED`].
pub fn effective_toml(config: &Config) -> String {
    let mut out = HEADER.to_owned();
    let mut current = "";
    for (setting, value) in SETTINGS.iter().zip(config.values()) {
        if setting.section != current {
            current = setting.section;
            let help = SECTIONS.iter().find(|(name, _)| *name == current).map_or("", |(_, help)| help);
            out += &format!("\n# {help}\n[{current}]\n");
        }
        match setting.only_variable {
            None => out += &format!("# {}\n{} = {value}\n", setting.help, setting.key),
            // Not for the file: shown only where it is set, as a comment.
            Some(_) if value == (setting.default)() => {}
            Some(variable) => out += &format!("# {} is set by the variable {variable}.\n", setting.key),
        }
    }
    out
}

/// A TOML string on one line.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out += &format!("\\u{:04X}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn one_line(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn shown_path(path: &Path) -> String {
    path.to_string_lossy().replace(|c: char| c.is_control(), "?")
}

/// Line and column, from 1, of an offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

// ------------------------------------------------------------------------------------------------------ suggestions

/// What people write by habit for a setting of another name.
const SYNONYMS: &[(&str, &str)] = &[
    ("port", "server.listen"),
    ("host", "server.listen"),
    ("bind", "server.listen"),
    ("address", "server.listen"),
    ("addr", "server.listen"),
    ("db", "database.path"),
    ("database", "database.path"),
    ("url", "server.public_url"),
    ("proxies", "server.trusted_proxies"),
    ("password", "bootstrap.admin_password"),
    ("email", "bootstrap.admin_email"),
];

/// The setting most like this one, and how unlike it is. Without a section, `key` may be a key or `section_key`.
fn nearest(section: Option<&str>, key: &str) -> (usize, &'static Setting) {
    let key = key.to_lowercase();
    let whole = match section {
        Some(section) => format!("{section}_{key}"),
        None => key.clone(),
    };
    let cost = |setting: &Setting| {
        let path = setting.path();
        let meant =
            |(word, meant): &(&str, &str)| *meant == path && (key == *word || key.ends_with(&format!("_{word}")));
        if SYNONYMS.iter().any(meant) {
            return 0;
        }
        let elsewhere = usize::from(section != Some(setting.section));
        let by_key = distance(&key, setting.key) + elsewhere;
        by_key.min(distance(&whole, &path.replace('.', "_")))
    };
    let costs = SETTINGS.iter().map(|setting| (cost(setting), setting));
    // Cannot fail: the table is not empty.
    costs.min_by_key(|(cost, _)| *cost).expect("settings")
}

fn is_close(cost: usize, word: &str) -> bool {
    cost <= (word.len() / 3).max(2)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

// ------------------------------------------------------------------------------------------------------------ types

/// What a setting may be: from and to the written form.
trait Value: Sized {
    const SECRET: bool = false;
    fn from_raw(raw: &Raw) -> Result<Self, String>;
    fn to_raw(&self) -> Raw;
}

/// What is written as a text. The error of `parse` says what is expected.
trait Text: Sized {
    const SECRET: bool = false;
    fn parse(text: &str) -> Result<Self, String>;
    fn text(&self) -> String;
}

impl<T: Text> Value for T {
    const SECRET: bool = T::SECRET;
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => T::parse(text),
            _ => Err("must be a text".to_owned()),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::Text(self.text())
    }
}

/// Empty is none.
impl<T: Text> Value for Option<T> {
    const SECRET: bool = T::SECRET;
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) if text.is_empty() => Ok(None),
            _ => T::from_raw(raw).map(Some),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::Text(self.as_ref().map_or(String::new(), T::text))
    }
}

impl<T: Text> Value for Vec<T> {
    const SECRET: bool = T::SECRET;
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::List(items) => items.iter().map(|item| T::parse(item)).collect(),
            _ => Err("must be a list".to_owned()),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::List(self.iter().map(T::text).collect())
    }
}

impl Value for bool {
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Boolean(flag) => Ok(*flag),
            _ => Err("must be true or false".to_owned()),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::Boolean(*self)
    }
}

macro_rules! integers {
    ($($ty:ty),+) => { $(
        impl Value for $ty {
            fn from_raw(raw: &Raw) -> Result<Self, String> {
                match raw {
                    Raw::Integer(number) => <$ty>::try_from(*number).map_err(|_| "is out of range".to_owned()),
                    _ => Err("must be a whole number".to_owned()),
                }
            }
            fn to_raw(&self) -> Raw {
                Raw::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )+ };
}
integers!(u32, u64, usize);

impl Text for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn text(&self) -> String {
        self.clone()
    }
}

impl Text for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(PathBuf::from(text))
    }
    fn text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Text for Uuid {
    fn parse(text: &str) -> Result<Self, String> {
        parse_uuid(text)
            .ok_or_else(|| "must be a UUID, such as 0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42, or empty".to_owned())
    }
    fn text(&self) -> String {
        self.to_string()
    }
}

/// Dashed or not, in any case (D6), and in no other form.
fn parse_uuid(text: &str) -> Option<Uuid> {
    let parsed = Uuid::try_parse(text).ok();
    parsed.filter(|_| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
}

macro_rules! choices {
    ($( #[doc = $doc:literal] $Name:ident { $( #[doc = $choice_doc:literal] $Choice:ident = $word:literal ),+ } )+) => { $(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name {
            $( #[doc = $choice_doc] $Choice, )+
        }

        impl $Name {
            /// The word for it in the configuration.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( $Name::$Choice => $word, )+
                }
            }
        }

        impl Text for $Name {
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $( $word => Ok($Name::$Choice), )+
                    _ => Err(format!("must be {}", [$( concat!("\"", $word, "\"") ),+].join(" or "))),
                }
            }
            fn text(&self) -> String {
                self.as_str().to_owned()
            }
        }
    )+ };
}

choices! {
    /// How many accounts there are (D3).
    Mode {
        /// One account.
        Single = "single",
        /// As many as are created.
        Multi = "multi"
    }
    /// The form of log lines.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json"
    }
}

/// A text that neither `Debug` nor [`effective_toml`] shows, and that is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: &str) -> Self {
        Secret(Zeroizing::new(text.to_owned()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Text for Secret {
    const SECRET: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            REDACTED => Err("is what --print-config shows in place of the value; put the value itself here".to_owned()),
            _ => Ok(Secret::new(text)),
        }
    }
    fn text(&self) -> String {
        REDACTED.to_owned()
    }
}

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`. `ToSocketAddrs` takes its text as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddr(String);

impl ListenAddr {
    /// `127.0.0.1:8080`
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for ListenAddr {
    fn parse(text: &str) -> Result<Self, String> {
        let problem = match text.rsplit_once(':') {
            _ if text.parse::<SocketAddr>().is_ok() => return Ok(ListenAddr(text.to_owned())),
            Some(("", port)) if port.parse::<u16>().is_ok() => {
                return Err(format!(
                    "lacks the address: write 127.0.0.1:{port}, or 0.0.0.0:{port} for every interface"
                ));
            }
            Some((host, port)) if port.parse::<u16>().is_ok() && is_host_name(host) => {
                return Ok(ListenAddr(text.to_owned()));
            }
            Some((host, _)) if host.contains("//") => "there is no scheme here",
            Some((_, port)) if port.parse::<u16>().is_err() => "the port must be 0 to 65535",
            Some((host, _)) if host.contains(':') => "an IPv6 address stands in brackets",
            Some(_) => "this is no address or host name",
            None => "the port is missing",
        };
        Err(format!("{problem}; write address:port, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080"))
    }
    fn text(&self) -> String {
        self.0.clone()
    }
}

fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits only is a mistyped IPv4 address.
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// `http://` or `https://`, a host and perhaps a port, in lower case, without a slash at the end: what paths are
/// appended to (D17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    url: String,
    scheme_len: usize,
}

impl BaseUrl {
    /// `https://licensing.example.com:8443`
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// `https`
    pub fn scheme(&self) -> &str {
        &self.url[..self.scheme_len]
    }

    /// `licensing.example.com:8443`, as in a `Host` header.
    pub fn authority(&self) -> &str {
        &self.url[self.scheme_len + "://".len()..]
    }

    /// `licensing.example.com`; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        split_authority(self.authority()).0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Text for BaseUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let error = |problem: &str| {
            Err(format!("{problem}; write scheme and host, such as https://licensing.example.com, or nothing"))
        };
        let url = text.to_ascii_lowercase();
        let Some((scheme @ ("http" | "https"), rest)) = url.split_once("://") else {
            return error("must begin with http:// or https://");
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return error("must have no path, query, fragment, user or password");
        }
        let (host, port) = split_authority(authority);
        let ipv6 = || host.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok();
        if !is_host_name(host) && host.parse::<std::net::Ipv4Addr>().is_err() && ipv6().is_none() {
            return error("the host is no host name or address");
        }
        if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
            return error("the port must be 1 to 65535");
        }
        Ok(BaseUrl { url: format!("{scheme}://{authority}"), scheme_len: scheme.len() })
    }
    fn text(&self) -> String {
        self.url.clone()
    }
}

fn split_authority(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// An address or a network: `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNet {
    addr: IpAddr,
    prefix: u8,
}

impl IpNet {
    /// Whether the address is in the network. An IPv4 address in IPv6 form (`::ffff:10.0.0.1`, as a listener on
    /// `[::]` reports it) counts as the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.addr, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => u32::from(ip) & mask_v4(self.prefix) == u32::from(net),
            (IpAddr::V6(net), IpAddr::V6(ip)) => u128::from(ip) & mask_v6(self.prefix) == u128::from(net),
            _ => false,
        }
    }
}

// A shift by the whole width, for /0, is none.
fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match (self.addr, self.prefix) {
            (IpAddr::V4(addr), 32) => write!(f, "{addr}"),
            (IpAddr::V6(addr), 128) => write!(f, "{addr}"),
            (addr, prefix) => write!(f, "{addr}/{prefix}"),
        }
    }
}

impl std::str::FromStr for IpNet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{} is no address or network; write such as 10.0.0.1, 10.0.0.0/8 or fd00::/8", quoted(text));
        let (addr, prefix) = match text.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| wrong())?;
        let width = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => width,
            Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => prefix.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        if prefix > width {
            return Err(wrong());
        }
        let network = match addr {
            IpAddr::V4(ip) => IpAddr::from((u32::from(ip) & mask_v4(prefix)).to_be_bytes()),
            IpAddr::V6(ip) => IpAddr::from((u128::from(ip) & mask_v6(prefix)).to_be_bytes()),
        };
        if network != addr {
            // Whoever wrote this meant one or the other, and they differ in whom they trust.
            return Err(format!(
                "{} is neither one address nor a network: write {addr} or {network}/{prefix}",
                quoted(text)
            ));
        }
        match addr.to_canonical() {
            // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
            v4 @ IpAddr::V4(_) if addr.is_ipv6() && prefix >= 96 => Ok(IpNet { addr: v4, prefix: prefix - 96 }),
            _ => Ok(IpNet { addr, prefix }),
        }
    }
}

impl Text for IpNet {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
    fn text(&self) -> String {
        self.to_string()
    }
}

// ----------------------------------------------------------------------------------------------------------- checks

fn between(low: i64, high: i64) -> impl Fn(&Raw) -> Result<(), String> {
    move |raw| match raw {
        Raw::Integer(number) if !(low..=high).contains(number) => Err(format!("must be {low} to {high}")),
        _ => Ok(()),
    }
}

fn text(check: fn(&str) -> Result<(), String>) -> impl Fn(&Raw) -> Result<(), String> {
    move |raw| match raw {
        Raw::Text(text) => check(text),
        _ => Ok(()),
    }
}

fn ensure(holds: bool, expected: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(expected.to_owned()) }
}

fn key(text: &str) -> Result<(), String> {
    ensure(text.is_empty() || !text.trim().is_empty(), "must not be blank; set it to the key, or unset it")
}

fn filled(text: &str) -> Result<(), String> {
    ensure(!text.trim().is_empty(), "must not be empty")
}

/// 05 §1.3
fn is_slug(text: &str) -> bool {
    let digits = text.replace('-', "");
    (2..=255).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !matches!(text, "action" | "actions")
        && !(digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn slug(text: &str) -> Result<(), String> {
    let expected =
        "must be 2 to 255 lower-case letters, digits and dashes, not begin with a dash, and not resemble a UUID";
    ensure(is_slug(text), expected)
}

fn account(text: &str) -> Result<(), String> {
    let known_form = text.is_empty() || is_slug(text) || parse_uuid(text).is_some();
    ensure(known_form, "must be the UUID or the slug of an account, or empty")
}

fn name(text: &str) -> Result<(), String> {
    let holds = !text.trim().is_empty() && text.chars().count() <= 255 && !text.contains(char::is_control);
    ensure(holds, "must be 1 to 255 characters on one line")
}

/// 04 §2.1
fn email(text: &str) -> Result<(), String> {
    let holds = text.chars().count() <= 255
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;:\"()".contains(c))
        && text.split_once('@').is_some_and(|(user, domain)| {
            !user.is_empty()
                && !domain.contains('@')
                && domain.contains('.')
                && domain.split('.').all(|label| !label.is_empty())
        });
    ensure(holds, "must be an e-mail address with a dotted domain, such as admin@example.com")
}

/// 04 §2.1
fn password(text: &str) -> Result<(), String> {
    let holds = text.is_empty() || ((6..=72).contains(&text.chars().count()) && !text.trim().is_empty());
    ensure(holds, "must be 6 to 72 characters, not all blank, or empty for a generated one")
}

/// What the filter syntax would take for the name of a module, to log everything of, is mostly a mistyped level.
fn log_filter(text: &str) -> Result<(), String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |part: &str| part.contains('=') || levels.contains(&part.to_lowercase().as_str());
    let holds = text.contains('[') || text.split(',').all(|part| is_level(part.trim()));
    ensure(holds, "must be off, error, warn, info, debug or trace, or such as info,hyper=warn for single modules")
}

// ----------------------------------------------------------------------------------------------------------- errors

/// Why there is no configuration. Displays as one line that says where, what, and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: the configuration file cannot be read: {problem}; {advice}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// The file is no TOML.
    #[error("{place}: not valid TOML at column {column}: {problem}; correct this line")]
    Syntax {
        /// File and line.
        place: Place,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// A key or section that does not exist.
    #[error("{place}: unknown setting {name}; {hint}")]
    UnknownKey {
        /// Where it stands.
        place: Place,
        /// The name as written, with its section.
        name: String,
        /// The nearest setting, or the known ones.
        hint: String,
    },
    /// A `KEYGEN_LITE_*` variable that does not exist.
    #[error("{name}: unknown variable; did you mean {nearest}? If not, unset it")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The known variable most like it.
        nearest: String,
    },
    /// A `KEYGEN_LITE_*` variable that is not Unicode.
    #[error("{name}: the variable is not UTF-8; set it to UTF-8 text")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// A value of the wrong type or form.
    #[error("{place}: {setting}{shown}: {problem}")]
    Value {
        /// Where it stands.
        place: Place,
        /// The setting, such as `server.listen`.
        setting: String,
        /// ` = ` and the value as written, nothing for a secret.
        shown: String,
        /// What it must be.
        problem: String,
    },
    /// A file or directory that a setting names and that cannot be used.
    #[error("{setting}: {path}: {problem}")]
    Path {
        /// The setting.
        setting: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn from_file(text: &str) -> Result<Config, ConfigError> {
        Config::from_parts(Some(("k.toml", text)), Vec::new(), &[])
    }

    fn from_env(name: &str, value: &str) -> Result<Config, ConfigError> {
        Config::from_parts(None, env(&[(name, value)]), &[])
    }

    fn message(result: Result<Config, ConfigError>) -> String {
        let message = result.expect_err("an error").to_string();
        assert!(!message.contains('\n'), "not one line: {message}");
        message
    }

    #[test]
    fn defaults() {
        let config = Config::default();
        assert_eq!(config.server.listen.as_str(), "127.0.0.1:8080");
        assert_eq!(config.server.public_url, None);
        assert_eq!(config.server.trusted_proxies, []);
        assert_eq!(config.server.max_body_bytes, 4 << 20); // D18
        assert_eq!(config.server.max_header_bytes, 64 << 10); // D18
        assert_eq!(config.server.header_timeout(), Duration::from_secs(15));
        assert_eq!(config.server.body_timeout(), Duration::from_secs(30));
        assert_eq!(config.server.idle_timeout(), Duration::from_secs(75));
        assert_eq!(config.server.shutdown_timeout(), Duration::from_secs(15));
        assert_eq!(config.server.max_connections, 10_000);
        assert!(config.server.workers == 0 && config.server.worker_threads() > 0);
        assert_eq!(config.accounts.mode, Mode::Single); // D3
        assert_eq!(config.accounts.default_account, None);
        assert_eq!(config.database.path, Path::new("keygen-lite.db"));
        assert!(config.database.load_master_key().unwrap().is_none());
        assert_eq!(config.bootstrap.account_slug, "default");
        assert_eq!(config.bootstrap.account_name, "Default account");
        assert_eq!(config.bootstrap.account_id, None);
        assert_eq!(config.bootstrap.admin_email, "admin@keygen-lite.local");
        assert!(config.bootstrap.admin_password.is_none() && config.bootstrap.token_file.is_none());
        assert!(!config.licenses.wait_for_validation_writes); // D36
        assert_eq!(config.events.retention_days, 30); // D15
        assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Text));
    }

    #[test]
    fn the_default_file_is_the_table() {
        let expected = default_toml();
        // `cargo test -- default_file` after a change of the table says what the file must be.
        assert_eq!(include_str!("../keygen-lite.toml"), expected, "keygen-lite.toml must be:\n{expected}");
        assert_eq!(effective_toml(&from_file(&expected).unwrap()), expected);
        for setting in SETTINGS {
            assert!(!setting.help.contains('\n') && setting.help.len() > 10, "{}", setting.path());
        }
    }

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
    fn every_setting_has_its_variable() {
        let config = Config::default();
        for (setting, value) in SETTINGS.iter().zip(config.values()) {
            let text = match &value {
                Raw::Text(text) => text.clone(),
                Raw::List(items) => items.join(","),
                other => other.to_string(),
            };
            from_env(&setting.variable(), &text).unwrap();
        }
        let variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        assert!(variables.contains(&"KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD".to_owned()));
        assert!(variables.contains(&"KEYGEN_LITE_MASTER_KEY".to_owned()));
    }

    #[test]
    fn errors_of_the_file() {
        let cases = [
            ("[server]\n\nlistn = 1\n", "k.toml:3: unknown setting server.listn; did you mean server.listen?"),
            ("[server]\nport = 1", "k.toml:2: unknown setting server.port; did you mean server.listen?"),
            (
                "[server]\nretention_days = 1",
                "k.toml:2: unknown setting server.retention_days; did you mean events.retention_days?",
            ),
            ("server.lisetn = 1", "k.toml:1: unknown setting server.lisetn; did you mean server.listen?"),
            (
                "[log]\ncolour_scheme = 1",
                "k.toml:2: unknown setting log.colour_scheme; remove it, or use one of: level, format",
            ),
            ("[log.levels]\na = 1", "k.toml:1: unknown setting log.levels; did you mean log.level?"),
            ("\n[sever]\nlisten = 1", "k.toml:2: unknown setting sever; did you mean [server]?"),
            ("listen = 1", "k.toml:1: unknown setting listen; did you mean listen below [server]?"),
            (
                "[qwertyuiop]",
                "k.toml:1: unknown setting qwertyuiop; remove it; the sections are server, accounts, database, bootstrap, licenses, events, log",
            ),
            (
                "log = \"debug\"",
                "k.toml:1: log: must be a section: write [log] on a line of its own and its keys below",
            ),
            ("[[log]]", "k.toml:1: log: must be a section: write [log] on a line of its own and its keys below"),
            ("[server]\nworkers = \"4\"", "k.toml:2: server.workers = \"4\": must be a whole number, such as 0"),
            ("[server]\nworkers = 1.5", "k.toml:2: server.workers = 1.5: must be a whole number, such as 0"),
            ("[server]\nworkers = -1", "k.toml:2: server.workers = -1: must be 0 to 1024"),
            (
                "[server]\nlisten = 8080",
                "k.toml:2: server.listen = 8080: must be a text in quotes, such as \"127.0.0.1:8080\"",
            ),
            (
                "[licenses]\n# x\nwait_for_validation_writes = 1",
                "k.toml:3: licenses.wait_for_validation_writes = 1: must be true or false",
            ),
            (
                "[server]\ntrusted_proxies = \"::1\"",
                "k.toml:2: server.trusted_proxies = \"::1\": must be a list of texts in quotes, such as [] or [\"…\", \"…\"]",
            ),
            (
                "[server]\ntrusted_proxies = [\n \"x\",\n]",
                "k.toml:2: server.trusted_proxies = [ \"x\", ]: \"x\" is no address or network; write such as 10.0.0.1, 10.0.0.0/8 or fd00::/8",
            ),
            ("[accounts]\nmode = \"dual\"", "k.toml:2: accounts.mode = \"dual\": must be \"single\" or \"multi\""),
            (
                "[database]\nmaster_key = \"hunter2\"",
                "k.toml:2: database.master_key: can only be given by the variable KEYGEN_LITE_MASTER_KEY; remove it here",
            ),
            ("[database]\npath = \"\"", "k.toml:2: database.path = \"\": must not be empty"),
            (
                "[bootstrap]\nadmin_email = \"a@b\"",
                "k.toml:2: bootstrap.admin_email = \"a@b\": must be an e-mail address with a dotted domain, such as admin@example.com",
            ),
        ];
        for (file, expected) in cases {
            assert_eq!(message(from_file(file)), expected, "{file}");
        }
        for syntax in [
            "[server]\nlisten = ",
            "[server]\nlisten = \"a\nb\"",
            "[log]\nlevel = \"a\"\nlevel = \"b\"",
            "=",
            "[",
            "\u{0}",
        ] {
            let message = message(from_file(syntax));
            assert!(message.starts_with("k.toml:") && message.contains(": not valid TOML at column "), "{message}");
        }
        message(from_file("[server]\n\"a\\nb\" = 1"));
        message(from_file("\"a\\nb\" = 1"));
        // The first of several is reported.
        assert!(message(from_file("[log]\nx = 1\n[server]\ny = 1")).starts_with("k.toml:2: unknown setting log.x"));
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

    #[test]
    fn listen_addresses() {
        for good in ["127.0.0.1:8080", "[::1]:0", "localhost:8080", "my-host.example.com:80"] {
            assert_eq!(ListenAddr::parse(good).unwrap().as_str(), good);
        }
        for (bad, problem) in [
            ("", "the port is missing;"),
            ("8080", "the port is missing;"),
            (":8080", "lacks the address: write 127.0.0.1:8080,"),
            ("localhost:70000", "the port must be 0 to 65535;"),
            ("::1:8080", "an IPv6 address stands in brackets;"),
            ("127.0.0.256:80", "this is no address or host name;"),
            ("http://localhost:80", "there is no scheme here;"),
            ("local host:80", "this is no address or host name;"),
        ] {
            let error = ListenAddr::parse(bad).unwrap_err();
            assert!(error.starts_with(problem), "{bad}: {error}");
        }
    }

    #[test]
    fn public_urls() {
        let url = BaseUrl::parse("HTTPS://Licensing.Example.com:8443/").unwrap();
        assert_eq!(url.as_str(), "https://licensing.example.com:8443");
        assert_eq!(
            (url.scheme(), url.authority(), url.host()),
            ("https", "licensing.example.com:8443", "licensing.example.com")
        );
        assert_eq!(BaseUrl::parse("http://[::1]:8080").unwrap().host(), "[::1]");
        assert_eq!(BaseUrl::parse("http://[::1]").unwrap().host(), "[::1]");
        assert_eq!(BaseUrl::parse("http://localhost").unwrap().authority(), "localhost");
        for bad in [
            "example.com",
            "ftp://example.com",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:0",
            "https://a:",
            "https://a b",
            "https://[::1",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("192.168.1.128/25", "192.168.1.128", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::/0", "2001:db8::1", true),
            ("::1", "::1", true),
            ("::1", "::2", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ];
        for (net, ip, expected) in cases {
            let parsed: IpNet = net.parse().unwrap();
            assert_eq!(parsed.contains(ip.parse().unwrap()), expected, "{net} {ip}");
            assert_eq!(parsed.to_string().parse::<IpNet>().unwrap(), parsed);
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "localhost",
        ] {
            assert!(bad.parse::<IpNet>().is_err(), "{bad}");
        }
        let error = "10.0.0.1/8".parse::<IpNet>().unwrap_err();
        assert!(error.ends_with("write 10.0.0.1 or 10.0.0.0/8"), "{error}");
    }

    #[test]
    fn secrets_are_not_shown() {
        let vars = env(&[
            ("KEYGEN_LITE_MASTER_KEY", "hunter2-key\n"),
            ("KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD", "hunter2-pass"),
        ]);
        let config = Config::from_parts(None, vars, &[]).unwrap();
        assert_eq!(config.database.load_master_key().unwrap().unwrap().expose(), "hunter2-key");
        assert_eq!(config.bootstrap.admin_password.as_ref().unwrap().expose(), "hunter2-pass");
        let shown = effective_toml(&config);
        for text in [&shown, &format!("{config:?} {config:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(
            shown.contains("admin_password = \"(not shown)\"") && shown.contains("variable KEYGEN_LITE_MASTER_KEY.\n")
        );
        // What was printed with a secret in it does not silently become a configuration with another secret.
        let again = message(from_file(&shown));
        assert!(again.contains("bootstrap.admin_password: is what --print-config shows"), "{again}");
        // Nor do errors show one.
        let error = message(from_file("[bootstrap]\nadmin_password = [\"hunter2\"]"));
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn effective_toml_is_a_file_again() {
        let flags = [
            ("bootstrap.account_name", "A \"quoted\" \\ näme".to_owned()),
            ("server.trusted_proxies", "::1,10.0.0.0/8".to_owned()),
        ];
        let config = Config::from_parts(None, Vec::new(), &flags).unwrap();
        let again = from_file(&effective_toml(&config)).unwrap();
        assert_eq!(again.bootstrap.account_name, config.bootstrap.account_name);
        assert_eq!(again.server.trusted_proxies, config.server.trusted_proxies);
    }

    #[test]
    fn files_and_paths() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("k.toml");
        let load = |file: &Path, vars: &[(&str, &str)]| Config::load(Some(file), env(vars).into_iter(), &[]);
        assert!(message(load(&file, &[])).contains("k.toml: the configuration file cannot be read: "));
        let missing = env(&[("KEYGEN_LITE_CONFIG", "/no/such.toml"), ("HOME", "/")]);
        let error = message(Config::load(None, missing.into_iter(), &[]));
        assert!(error.starts_with("/no/such.toml: ") && error.contains("with KEYGEN_LITE_CONFIG"), "{error}");
        assert!(message(load(dir.path(), &[])).contains("cannot be read"));

        let (database, key) = (dir.path().join("k.db"), dir.path().join("key"));
        let text =
            |database: &Path, key: &Path| format!("[database]\npath = {:?}\nmaster_key_file = {:?}\n", database, key);
        std::fs::write(&file, text(&database, &key)).unwrap();
        let config = load(&file, &[("KEYGEN_LITE_CONFIG", "/no/such.toml")]).unwrap();
        assert!(config.check_paths().unwrap_err().to_string().starts_with("database.master_key_file: "));
        std::fs::write(&key, " \n").unwrap();
        assert!(config.check_paths().unwrap_err().to_string().contains(" is empty; "));
        std::fs::write(&key, "the key\n").unwrap();
        config.check_paths().unwrap();
        assert_eq!(config.database.load_master_key().unwrap().unwrap().expose(), "the key");
        let wins = load(&file, &[("KEYGEN_LITE_MASTER_KEY", "other")]).unwrap();
        assert_eq!(wins.database.load_master_key().unwrap().unwrap().expose(), "other");

        let token_file = [("KEYGEN_LITE_BOOTSTRAP_TOKEN_FILE", "/no/such/token")];
        let config = load(&file, &token_file).unwrap();
        assert!(config.check_paths().unwrap_err().to_string().starts_with("bootstrap.token_file: /no/such/token: "));
        std::fs::write(&database, "").unwrap();
        config.check_paths().unwrap();
        std::fs::remove_file(&database).unwrap();

        std::fs::write(&file, text(&dir.path().join("no/k.db"), &key)).unwrap();
        assert!(load(&file, &[]).unwrap().check_paths().unwrap_err().to_string().contains("does not exist; create it"));
        std::fs::write(&file, text(dir.path(), &key)).unwrap();
        assert!(load(&file, &[]).unwrap().check_paths().unwrap_err().to_string().contains("is a directory; "));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "the probe is removed");
    }
}
