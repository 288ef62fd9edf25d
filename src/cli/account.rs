//! `keygen-lite account …`: the accounts of the database, and what their administrators can set over the API.

use std::io::Write as _;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::api::accounts::{self, NewAccount};
use crate::api::app::{App, KeysError, find_account};
use crate::api::embedded::NewAdmin;
use crate::api::{settings, tokens};
use crate::cli::{CliError, offline, user};
use crate::config::{Config, Mode};
use crate::crypto::password;
use crate::json;
use crate::model::{Account, Column as _, coerce, email};
use crate::store::StoreError;
use crate::versions::Version;

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// List the accounts of the database
    List,

    /// Show an account and its public keys
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Which),

    /// Make another account, with its keys, an administrator and a token
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),

    /// Change name, slug, protection or API version of an account
    #[command(after_help = UPDATE_EXAMPLES)]
    Update(Update),

    /// Show the settings of an account
    Settings(Which),

    /// Set a setting of an account, such as default_user_permissions
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),

    /// Remove a setting of an account, which restores its default
    Unset(Unset),

    /// Delete an account with everything in it
    #[command(after_help = DELETE_EXAMPLES)]
    Delete(Delete),
}

// At most 80 columns wide: clap wraps what is wider than the terminal.
const SHOW_EXAMPLES: &str = "\
Examples:
  keygen-lite account show
  keygen-lite account show --account acme";

const CREATE_EXAMPLES: &str = "\
Examples:
  keygen-lite account create --admin-email ada@acme.example
  echo \"$PASSWORD\" | keygen-lite account create --admin-email ada@acme.example \\
    --slug acme --name 'Acme, Inc.' --password-stdin

Works on the database file itself, while the server runs or without it. Requests
reach other accounts than the default one in multi mode only (accounts.mode),
under /v1/accounts/SLUG/.";

const UPDATE_EXAMPLES: &str = "\
Examples:
  keygen-lite account update --slug acme
  keygen-lite account update --account acme --protected true --api-version 1.7";

const SET_EXAMPLES: &str = "\
Examples:
  keygen-lite account set default_user_permissions '[\"license.read\",\"user.read\"]'
  keygen-lite account set default_license_permissions '[\"*\"]'";

const DELETE_EXAMPLES: &str = "\
Examples:
  keygen-lite account delete acme
  keygen-lite account delete acme --yes";

/// Which account.
#[derive(Debug, Args)]
pub struct Which {
    /// UUID or slug [default: the default account]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
}

/// A new account.
#[derive(Debug, Args)]
pub struct Create {
    /// E-mail address of its administrator
    #[arg(long, value_name = "EMAIL")]
    admin_email: String,

    /// Read the administrator's password from standard input; without it one is made and printed
    #[arg(long)]
    password_stdin: bool,

    /// Slug: lower-case letters, digits and dashes [default: from the address]
    #[arg(long)]
    slug: Option<String>,

    /// Name [default: from the address]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,

    /// UUID [default: a new one]
    #[arg(long, value_name = "UUID", value_parser = parse_uuid)]
    id: Option<Uuid>,

    /// Forbid that users register and help themselves
    #[arg(long)]
    protected: bool,
}

/// Changes of an account.
#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    which: Which,

    /// New name
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,

    /// New slug; callers that use the old one are answered with 404
    #[arg(long)]
    slug: Option<String>,

    /// Whether users may not register and help themselves
    #[arg(long, value_name = "true|false")]
    protected: Option<bool>,

    /// API version of requests that name none, such as 1.7
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,
}

/// A setting and its value.
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    which: Which,

    /// default_license_permissions or default_user_permissions
    key: String,

    /// JSON, such as '["license.read","user.read"]'
    value: String,
}

/// A setting.
#[derive(Debug, Args)]
pub struct Unset {
    #[command(flatten)]
    which: Which,

    /// default_license_permissions or default_user_permissions
    key: String,
}

/// A deletion.
#[derive(Debug, Args)]
pub struct Delete {
    /// UUID or slug of the account
    account: String,

    /// Do not ask; needed where nobody can answer
    #[arg(long)]
    yes: bool,
}

/// How a setting's value is written on a command line.
const SAMPLE: &str = "write such as '[\"license.read\",\"user.read\"]'";

fn parse_uuid(text: &str) -> Result<Uuid, &'static str> {
    coerce::uuid_from_text(text).ok_or("not a UUID")
}

/// Runs a command on accounts.
pub fn run(config: Config, command: AccountCommand) -> Result<(), CliError> {
    let app = offline::open(config)?;
    match command {
        AccountCommand::List => list(&app),
        AccountCommand::Show(which) => show(&app, &offline::account(&app, which.account.as_deref())?),
        AccountCommand::Create(create) => make(&app, create),
        AccountCommand::Update(update) => change(&app, update),
        AccountCommand::Settings(which) => list_settings(&app, &offline::account(&app, which.account.as_deref())?),
        AccountCommand::Set(set) => {
            let account = offline::account(&app, set.which.account.as_deref())?;
            let value = json::parse_verbatim(&set.value).map_err(|_| {
                CliError::Usage(format!("the value of {} is not JSON ({SAMPLE}): {}", set.key, set.value))
            })?;
            settings::put(&app, &account, &set.key, value).map_err(offline::refused)?;
            list_settings(&app, &account)
        }
        AccountCommand::Unset(unset) => {
            let account = offline::account(&app, unset.which.account.as_deref())?;
            settings::unset(&app, &account, &unset.key).map_err(offline::refused)?;
            list_settings(&app, &account)
        }
        AccountCommand::Delete(delete) => remove(&app, delete),
    }
}

fn list(app: &App) -> Result<(), CliError> {
    let default = app.store.read(|db| app.default_account(db)).map_err(offline::failed)?.map(|account| account.id);
    let accounts: Vec<Account> =
        app.store.read(|db| db.list("ORDER BY created_at, id", &[])).map_err(offline::failed)?;
    let mut text = String::new();
    for account in &accounts {
        let mark = if Some(account.id) == default { "  (default)" } else { "" };
        let name = account.name.as_deref().unwrap_or("");
        text.push_str(&format!("{}  {}  {name}{mark}\n", account.id, account.slug));
    }
    super::print(&text)
}

fn show(app: &App, account: &Account) -> Result<(), CliError> {
    let keys =
        app.store.read(|db| app.keys(db, account.id)).map_err(|e: KeysError| CliError::Runtime(e.to_string()))?;
    super::print(&format!(
        "Account      {id}\nSlug         {slug}\nName         {name}\nProtected    {protected}\nAPI version  {version}\n
Ed25519 public key (for SDKs)\n{ed25519}\n\nRSA 2048 public key\n{rsa}\nECDSA P-256 public key\n{ecdsa}",
        id = account.id,
        slug = account.slug,
        name = account.name.as_deref().unwrap_or(""),
        protected = account.protected,
        version = account.api_version,
        ed25519 = keys.public.ed25519_hex,
        rsa = keys.public.rsa_pem,
        ecdsa = keys.public.ecdsa_pem,
    ))
}

fn make(app: &App, create: Create) -> Result<(), CliError> {
    let (secret, generated) = match create.password_stdin {
        true => (user::read_password()?, false),
        false => (Zeroizing::new(password::generate_password()), true),
    };
    let admin = NewAdmin {
        email: email::normalize(&create.admin_email),
        password: Some(secret.clone()),
        first_name: None,
        last_name: None,
        metadata: "{}".to_owned(),
    };
    let derived = create.slug.is_none();
    let new = NewAccount {
        name: create.name,
        slug: create.slug,
        id: create.id,
        protected: create.protected,
        version: Version::CURRENT,
        admins: vec![admin],
    };
    let (account, users) = accounts::found(app, new).map_err(|error| {
        let about_slug = error.errors.iter().any(|e| e.code.as_deref().is_some_and(|code| code.starts_with("SLUG_")));
        match offline::refused(error) {
            CliError::Usage(text) if derived && about_slug => {
                CliError::Usage(format!("{text}; --slug chooses another"))
            }
            other => other,
        }
    })?;
    let admin = users.first().ok_or_else(|| CliError::Runtime("the account has no administrator".to_owned()))?;
    let token = tokens::mint(app, admin, None, "Account creation").map_err(offline::refused)?;
    let note = match app.config.accounts.mode {
        Mode::Single => "\nRequests reach it in multi mode only: set accounts.mode to \"multi\".\n",
        Mode::Multi => "",
    };
    super::print(&format!(
        "The lines below are shown once. Keep the password and the token in a safe place.

Account       {id}  (slug: {slug})
Admin e-mail  {email}
Password      {password}
Admin token   {token}
{note}",
        id = account.id,
        slug = account.slug,
        email = admin.email,
        password = if generated { secret.as_str() } else { "(as given)" },
    ))
}

fn change(app: &App, update: Update) -> Result<(), CliError> {
    let account = offline::account(app, update.which.account.as_deref())?;
    let version = match &update.api_version {
        None => None,
        Some(name) => Some(Version::named(name).ok_or_else(|| {
            CliError::Usage(format!("--api-version: '{name}' is none of {}", Version::NAMES.join(", ")))
        })?),
    };
    let account = accounts::change(app, account.id, update.name, update.slug, update.protected, version)
        .map_err(offline::refused)?;
    show(app, &account)
}

fn list_settings(app: &App, account: &Account) -> Result<(), CliError> {
    let set = app.store.read(|db| settings::all(db, account.id)).map_err(offline::refused)?;
    let lines: Vec<String> = set.iter().map(|setting| format!("{} = {}\n", setting.key, setting.value)).collect();
    super::print(&if lines.is_empty() { "(no settings: the defaults hold)\n".to_owned() } else { lines.concat() })
}

fn remove(app: &App, delete: Delete) -> Result<(), CliError> {
    let named = &delete.account;
    let account = app.store.read(|db| find_account(db, named)).map_err(|e: StoreError| offline::failed(e))?;
    let account = account.ok_or_else(|| CliError::Usage(format!("there is no account '{named}' in the database")))?;
    let id = account.id;
    if !delete.yes {
        let licenses = app
            .store
            .read(|db| db.count("licenses WHERE account_id = ?", &[id.to_val()]))
            .map_err(|e: StoreError| offline::failed(e))?;
        let mut out = std::io::stderr();
        let _ = write!(
            out,
            "This deletes the account '{}' ({id}) with {licenses} licenses, its users, keys and logs, for good.\nType its slug to go on: ",
            account.slug
        );
        let _ = out.flush();
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|e| CliError::Runtime(e.to_string()))?;
        if line.trim() != account.slug {
            return Err(CliError::Usage("nothing was deleted (--yes deletes without asking)".to_owned()));
        }
    }
    app.store
        .write_blocking(move |db| db.execute("DELETE FROM accounts WHERE id = ?", &[id.to_val()]))
        .map_err(|e: StoreError| offline::failed(e))?;
    super::print(&format!("deleted the account '{}' ({id})\n", account.slug))
}
