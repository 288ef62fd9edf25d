//! The command line: one file a command. This one reads it, loads the configuration and hands over.
//!
//! Whatever goes wrong is one line on standard error. Exit code 2: the command line, the configuration or what it
//! points at must be changed first; exit code 1: the program failed at its work.

mod account;
mod check_config;
mod keys;
mod logging;
mod mail;
mod offline;
mod serve;
mod user;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigError};
use crate::server::StartError;

/// A licensing server that speaks the Keygen API, in one program and one database file.
#[derive(Debug, Parser)]
#[command(name = "keygen-lite", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    command: Option<Command>,
}

// At most 80 columns wide: clap wraps what is wider than the terminal.
const EXAMPLES: &str = "\
Examples:
  Start on 127.0.0.1:8080 with ./keygen-lite.db; the first start creates the
  database and an account, and prints the administrator's password and token:
    keygen-lite serve
  Write a configuration file to edit, and see whether the server would start:
    keygen-lite --print-config > keygen-lite.toml
    keygen-lite config check

Every setting can be given in the file, by a variable, or by a flag; a flag wins
over a variable, a variable over the file. These three are the same:
    [server] listen = \"0.0.0.0:80\"        in keygen-lite.toml, on two lines
    KEYGEN_LITE_SERVER_LISTEN=0.0.0.0:80   in the environment
    --listen 0.0.0.0:80                    or --set server.listen=0.0.0.0:80";

/// Flags that go before or after any command. They override the file and the variables.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Configuration")]
struct Settings {
    /// Configuration file [default: ./keygen-lite.toml if it exists] [env: KEYGEN_LITE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print the configuration in force, every setting explained, and exit
    #[arg(long, global = true)]
    print_config: bool,

    /// Address and port to listen on [server.listen]
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,

    /// What callers reach the server by, such as https://licensing.example.com [server.public_url]
    #[arg(long, global = true, value_name = "URL")]
    public_url: Option<String>,

    /// One account, or many: single or multi [accounts.mode]
    #[arg(long, global = true, value_name = "MODE")]
    mode: Option<String>,

    /// Database file [database.path]
    #[arg(long, global = true, value_name = "FILE")]
    database: Option<String>,

    /// File with the key that encrypts private keys in the database [database.master_key_file]
    #[arg(long, global = true, value_name = "FILE")]
    master_key_file: Option<String>,

    /// off, error, warn, info, debug, trace, or by module: info,hyper=debug [log.level]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,

    /// Form of log lines: text or json [log.format]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,

    /// Any other setting, such as events.retention_days=90; may be repeated
    #[arg(long, global = true, value_name = "SETTING=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is told to stop (Ctrl-C or SIGTERM)
    #[command(after_help = SERVE_EXAMPLES)]
    Serve,

    /// Show or check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Show, make, change or delete accounts
    #[command(subcommand)]
    Account(account::AccountCommand),

    /// Let users in again: passwords, tokens, second factors
    #[command(subcommand)]
    User(user::UserCommand),

    /// Fill the pools of policies with keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),

    /// Try the mail server of [smtp]
    #[command(subcommand)]
    Mail(MailCommand),

    /// Print the version
    Version,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  keygen-lite serve
  keygen-lite serve --listen 0.0.0.0:80 --database /var/lib/keygen-lite.db
  keygen-lite serve --public-url https://licensing.example.com \\
    --set server.trusted_proxies=10.0.0.0/8,::1

The first start, unattended: with both of these, nothing secret is printed.
  KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD=...
  KEYGEN_LITE_BOOTSTRAP_TOKEN_FILE=/run/keygen-lite/admin-token
Also account_slug, account_name, account_id and admin_email of [bootstrap].";

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the configuration in force, every setting explained (as --print-config does)
    Print,

    /// Check the configuration and the files and directories it names, without starting
    Check,
}

#[derive(Debug, Subcommand)]
enum MailCommand {
    /// Send a test mail with the configuration in force, and say whether the mail server took it
    Test {
        /// Where to, such as you@example.com
        address: String,
    },
}

/// Why a command failed. Displays as one line.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration, or a path that it names, is not usable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// Something failed while the command did its work.
    #[error("{0}")]
    Runtime(String),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            CliError::Config(_) | CliError::Start(_) | CliError::Usage(_) => 2,
            CliError::Runtime(_) => 1,
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {}", one_line(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    if let (Some(Command::Version), false) = (&cli.command, cli.settings.print_config) {
        return print(&format!("keygen-lite {}\n", env!("CARGO_PKG_VERSION")));
    }
    let overrides = cli.settings.overrides();
    let config = Config::load(cli.settings.config.as_deref(), config::environment()?.into_iter(), &overrides)?;
    if cli.settings.print_config {
        return check_config::print(&config);
    }
    match cli.command {
        Some(Command::Serve) => serve::run(config),
        Some(Command::Config(ConfigCommand::Print)) => check_config::print(&config),
        Some(Command::Config(ConfigCommand::Check)) => check_config::check(&config),
        Some(Command::Account(command)) => account::run(config, command),
        Some(Command::User(command)) => user::run(config, command),
        Some(Command::Keys(command)) => keys::run(config, command),
        Some(Command::Mail(MailCommand::Test { address })) => mail::test(&config, &address),
        Some(Command::Version) => Ok(()),
        None => Err(CliError::Usage(
            "no command given; `keygen-lite serve` starts the server, --help lists the commands".into(),
        )),
    }
}

impl Settings {
    /// The flags as settings; a flag of its own wins over `--set`.
    fn overrides(&self) -> Vec<(&str, String)> {
        let set = self.set.iter().map(|(path, value)| (path.as_str(), value.clone()));
        let own = [
            ("server.listen", &self.listen),
            ("server.public_url", &self.public_url),
            ("accounts.mode", &self.mode),
            ("database.path", &self.database),
            ("database.master_key_file", &self.master_key_file),
            ("log.level", &self.log_level),
            ("log.format", &self.log_format),
        ];
        let own = own.into_iter().filter_map(|(path, value)| value.clone().map(|value| (path, value)));
        set.chain(own).collect()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (path, value) = text.split_once('=').ok_or("write it as section.key=value")?;
    Ok((path.trim().to_owned(), value.to_owned()))
}

/// Writes to standard output. A reader that has gone (`| head`) is no error.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Runtime(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

fn one_line(error: &CliError) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_settings() {
        let line = "keygen-lite --set log.level=off --log-level warn serve --listen :: --set events.retention_days=1";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let overrides = cli.settings.overrides();
        let find = |path| overrides.iter().rev().find(|(p, _)| *p == path).map(|(_, value)| value.as_str());
        assert_eq!(find("log.level"), Some("warn"));
        assert_eq!(find("server.listen"), Some("::"));
        assert_eq!(find("events.retention_days"), Some("1"));
    }

    #[test]
    fn every_flag_names_a_setting() {
        let given = |v: &str| Some(v.to_owned());
        let settings = Settings {
            listen: given(""),
            public_url: given(""),
            mode: given(""),
            database: given(""),
            master_key_file: given(""),
            log_level: given(""),
            log_format: given(""),
            ..Settings::default()
        };
        for (path, _) in settings.overrides() {
            assert!(config::SETTINGS.iter().any(|setting| setting.path() == path), "{path}");
        }
    }

    #[test]
    fn exit_codes() {
        let config = Config::load(None, std::iter::empty(), &[("server.listen", String::new())]).unwrap_err();
        assert_eq!(CliError::from(config).exit_code(), 2);
        assert_eq!(CliError::Runtime(String::new()).exit_code(), 1);
        assert_eq!(one_line(&CliError::Runtime("a\n  b".into())), "a b");
    }
}
