//! The table of settings, and what is made from it: [`SETTINGS`], [`Config`] and a structure for every section.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::checks::{
    account, between, email, filled, key, log_filter, mail_host, name, password, reset_url, slug, text,
};
use super::load::{Given, read};
use super::show::shorten;
use super::value::{Raw, Value};
use super::{BaseUrl, ConfigError, ENV_PREFIX, IpNet, ListenAddr, LogFormat, MailSender, Mode, Secret, SmtpTls};

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
    pub(super) default: fn() -> Raw,
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

    /// ` = ` and the value as written, for an error; nothing for a secret.
    pub(super) fn shown(&self, written: &str) -> String {
        if self.secret { String::new() } else { format!(" = {}", shorten(written)) }
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
                only_variable: [$($variable)?].first().copied(),
                secret: <$ty as Value>::SECRET,
                default: || Raw::from($default),
            }, )+)+
        ];

        /// Every section and its explanation, in the order of the file.
        pub(super) static SECTIONS: &[(&str, &str)] = &[ $( (stringify!($section), $section_help.trim_ascii()), )+ ];

        impl Config {
            /// Types the values, which stand in the order of [`SETTINGS`]: the order in which this expression,
            /// written from the same table, takes them.
            pub(super) fn build(given: Vec<Given>) -> Result<Config, ConfigError> {
                let mut given = SETTINGS.iter().zip(given);
                Ok(Config {
                    $( $section: $Section {
                        $( $key: read(given.next(), &[$(&$check)?])?, )+
                    }, )+
                })
            }

            /// The values in the order of [`SETTINGS`], secrets as [`REDACTED`](super::REDACTED).
            pub(super) fn values(&self) -> Vec<Raw> {
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
        /// How long a caller may take to send the headers of a request, and a kept connection may stay silent.
        header_timeout_seconds: u64 = 60, check between(1, DAY);
        /// How long a caller may take to send the body of a request.
        body_timeout_seconds: u64 = 30, check between(1, DAY);
        /// Most connections at a time; further ones wait.
        max_connections: usize = 10_000, check between(1, 1_000_000);
        /// How long a stopping server waits for requests in progress.
        shutdown_timeout_seconds: u64 = 15, check between(0, DAY);
        /// Threads that serve requests; 0: one per processor core.
        workers: usize = 0, check between(0, 1024);
    }
    /// How often clients may ask, each limit per account too; 0 switches a limit off, beyond it the answer is 429.
    [rate_limits] RateLimitsConfig {
        /// Whether clients on this machine are never limited; name a proxy on it in trusted_proxies, or all pass for such.
        exempt_loopback: bool = true;
        /// Wrong tokens, license keys, passwords and codes from one address in a minute; then it waits for the next minute.
        failures: u32 = 60, check between(0, MOST_REQUESTS);
        /// Logins by password from one address to one e-mail in a minute.
        auth: u32 = 5, check between(0, MOST_REQUESTS);
        /// Requests of a password reset from one address for one e-mail in an hour.
        reset_password: u32 = 5, check between(0, MOST_REQUESTS);
        /// Attempts to change or reset a password from one address for one user in 10 minutes.
        mutate_password: u32 = 5, check between(0, MOST_REQUESTS);
        /// Attempts to add, change or remove a second factor from one address for one user in 10 minutes.
        second_factor: u32 = 5, check between(0, MOST_REQUESTS);
        /// Users and accounts that one address may make without a credential in a minute.
        registrations: u32 = 30, check between(0, MOST_REQUESTS);
        /// All requests of one address with one user's, one license's or no credential in 30 seconds (in Keygen's cloud 60).
        client_30s: u32 = 0, check between(0, MOST_REQUESTS);
        /// The same in 5 minutes (in Keygen's cloud 500).
        client_5m: u32 = 0, check between(0, MOST_REQUESTS);
        /// All requests of one address with one token of staff, a product or an environment in 30 seconds.
        server_30s: u32 = 0, check between(0, MOST_REQUESTS);
        /// The same in 5 minutes.
        server_5m: u32 = 0, check between(0, MOST_REQUESTS);
    }
    /// Which accounts this server serves.
    [accounts] AccountsConfig {
        /// "single": one account serves every path; "multi": paths name the account, POST /v1/accounts makes new ones.
        mode: Mode = "single";
        /// UUID or slug of the account of paths that name none; empty: the oldest in single mode, none in multi mode.
        default_account: Option<String> = "", check text(account);
        /// Whether anybody may make accounts in multi mode; otherwise only `keygen-lite account create` does.
        registration: bool = true;
    }
    /// Where data is kept.
    [database] DatabaseConfig {
        /// SQLite file, created when missing; relative to where the server starts, in a directory it may write to.
        path: PathBuf = "keygen-lite.db", check text(filled);
        /// File with the key (`openssl rand -hex 32`) that encrypts stored private keys; KEYGEN_LITE_MASTER_KEY, the key itself, wins.
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
    /// Outgoing mail: password resets and lost accounts. `keygen-lite mail test ADDRESS` tries it.
    [smtp] SmtpConfig {
        /// Name or address of the mail server; empty: no mail is sent.
        host: Option<String> = "", check text(mail_host);
        /// Its port; 0: 587 with "starttls", 465 with "tls", 25 with "none".
        port: u16 = 0, check between(0, 65_535);
        /// "starttls" and "tls" encrypt and check the certificate; "none", for a server nearby, sends in the clear.
        tls: SmtpTls = "starttls";
        /// Name to log in with; empty: no login.
        username: Option<String> = "";
        /// The password to it.
        password: Option<Secret> = "";
        /// Sender of the mails: an address, or with a name `Acme Licensing <licensing@example.com>`.
        from: Option<MailSender> = "";
        /// Your page for a new password: `https://example.com/reset?token={token}`; also {email}, {account}, {environment}.
        password_reset_url: Option<String> = "", check text(reset_url);
        /// How long one attempt at sending may take.
        timeout_seconds: u64 = 30, check between(1, 300);
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
const MOST_REQUESTS: i64 = 1_000_000_000;

impl ServerConfig {
    /// `header_timeout_seconds`
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    /// `body_timeout_seconds`
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
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

impl SmtpConfig {
    /// `port`, with 0 replaced by the usual one.
    pub fn effective_port(&self) -> u16 {
        match (self.port, self.tls) {
            (0, SmtpTls::StartTls) => 587,
            (0, SmtpTls::Tls) => 465,
            (0, SmtpTls::None) => 25,
            (port, _) => port,
        }
    }

    /// `timeout_seconds`
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::from_env;
    use std::path::Path;

    #[test]
    fn defaults() {
        let config = Config::default();
        assert_eq!(config.server.listen.as_str(), "127.0.0.1:8080");
        assert_eq!(config.server.public_url, None);
        assert_eq!(config.server.trusted_proxies, []);
        assert_eq!(config.server.max_body_bytes, 4 << 20); // D18
        assert_eq!(config.server.max_header_bytes, 64 << 10); // D18
        assert_eq!(config.server.header_timeout(), Duration::from_secs(60));
        assert_eq!(config.server.body_timeout(), Duration::from_secs(30));
        assert_eq!(config.server.shutdown_timeout(), Duration::from_secs(15));
        assert_eq!(config.server.max_connections, 10_000);
        assert!(config.server.workers == 0 && config.server.worker_threads() > 0);
        let limits = &config.rate_limits; // 01 §18, D13
        assert!(limits.exempt_loopback);
        assert_eq!((limits.failures, limits.auth, limits.reset_password), (60, 5, 5));
        assert_eq!((limits.mutate_password, limits.second_factor, limits.registrations), (5, 5, 30));
        assert_eq!([limits.client_30s, limits.client_5m, limits.server_30s, limits.server_5m], [0; 4]);
        assert_eq!(config.accounts.mode, Mode::Single); // D3
        assert_eq!(config.accounts.default_account, None);
        assert!(config.accounts.registration); // D3
        assert_eq!(config.database.path, Path::new("keygen-lite.db"));
        assert!(config.database.load_master_key().unwrap().is_none());
        assert_eq!(config.bootstrap.account_slug, "default");
        assert_eq!(config.bootstrap.account_name, "Default account");
        assert_eq!(config.bootstrap.account_id, None);
        assert_eq!(config.bootstrap.admin_email, "admin@keygen-lite.local");
        assert!(config.bootstrap.admin_password.is_none() && config.bootstrap.token_file.is_none());
        assert!(!config.licenses.wait_for_validation_writes); // D36
        assert_eq!(config.events.retention_days, 30); // D15
        let smtp = &config.smtp; // D12
        assert!(smtp.host.is_none() && smtp.username.is_none() && smtp.password.is_none() && smtp.from.is_none());
        assert_eq!((smtp.tls, smtp.port, smtp.effective_port()), (SmtpTls::StartTls, 0, 587));
        assert_eq!((&smtp.password_reset_url, smtp.timeout()), (&None, Duration::from_secs(30)));
        assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Text));
    }

    #[test]
    fn mail_ports() {
        for (tls, port, effective) in
            [(SmtpTls::StartTls, 0, 587), (SmtpTls::Tls, 0, 465), (SmtpTls::None, 0, 25), (SmtpTls::Tls, 2525, 2525)]
        {
            let smtp = SmtpConfig { tls, port, ..Config::default().smtp };
            assert_eq!(smtp.effective_port(), effective);
        }
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
}
