//! The first start: one account with its keys, an administrator, and a token, printed once.

use crate::api::App;
use crate::crypto::{password, token};
use crate::model::{Account, BearerType, PermissionSet, Role, Time, Token, User, coerce, email};
use crate::store::StoreError;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use uuid::Uuid;

/// Seeds an empty database and prints what its owner must know; otherwise checks that the accounts' keys can be used.
/// The error is one line that says what to do.
pub fn prepare(app: &App, address: SocketAddr) -> Result<(), String> {
    let empty =
        app.store.read(|db| db.exists("accounts", &[])).map(|some| !some).map_err(|e: StoreError| e.to_string())?;
    let configured = app.config.accounts.default_account.as_deref();
    let seeded = match configured {
        // Before anything is made: its secrets would be shown to nobody.
        Some(name) if empty && !will_be_made(app, name) => {
            return Err(format!(
                "accounts.default_account: there is no account '{name}' in the database, and the first start makes '{}' (set bootstrap.account_slug to '{name}')",
                app.config.bootstrap.account_slug
            ));
        }
        _ if empty => Some(seed(app)?),
        _ => None,
    };
    let (default, account) = app
        .store
        .read(|db| {
            let default = app.default_account(db)?;
            // In multi mode there may be none; then the oldest tells whether the master key is the right one.
            let account = match &default {
                Some(account) => Some(account.clone()),
                None => db.find::<Account>("ORDER BY created_at, id LIMIT 1", &[])?,
            };
            if let Some(account) = &account {
                app.keys(db, account.id).map_err(|e| StoreError::Engine(e.to_string()))?;
            }
            Ok::<_, StoreError>((default, account))
        })
        .map_err(|e| e.to_string().trim_start_matches("database: ").to_owned())?;
    if let (None, Some(name)) = (&default, configured) {
        return Err(format!("accounts.default_account: there is no account '{name}' in the database"));
    }
    match (seeded, account) {
        (Some(seeded), Some(account)) => {
            let keys = app.cached_keys(account.id).ok_or("the account's keys are missing")?;
            // Paths that name no account mean the default one.
            let path = if default.is_some() { "/v1".to_owned() } else { format!("/v1/accounts/{}", account.slug) };
            announce(app, address, &path, &account, &seeded, &keys.public);
        }
        _ => remind(app),
    }
    Ok(())
}

/// The first start makes the account that the name means.
fn will_be_made(app: &App, name: &str) -> bool {
    let settings = &app.config.bootstrap;
    match coerce::uuid_from_text(name) {
        Some(id) => settings.account_id == Some(id),
        None => settings.account_slug == name,
    }
}

/// Whoever waits for a token in a file would wait for ever.
fn remind(app: &App) {
    let settings = &app.config.bootstrap;
    if let Some(path) = settings.token_file.as_ref().filter(|path| !path.exists()) {
        tracing::info!(
            "the token is not written to {}: the database has an account already; `keygen-lite user token {}` makes one",
            path.display(),
            settings.admin_email
        );
    }
}

struct Seeded {
    email: String,
    password: Option<String>,
    token: String,
}

fn seed(app: &App) -> Result<Seeded, String> {
    let settings = &app.config.bootstrap;
    let now = Time::now();
    let id = settings.account_id.unwrap_or_else(Uuid::now_v7);
    let mut account = Account::new(id, id, now);
    account.name = Some(settings.account_name.clone());
    account.slug = settings.account_slug.clone();
    account.api_version = crate::versions::Version::CURRENT.name().to_owned();
    let keys = app.make_keys(id, now);
    let secret_key = app.open_secret_key(&keys).map_err(|e| e.to_string())?;

    let (password, generated) = match &settings.admin_password {
        Some(password) => (password.expose().to_owned(), false),
        None => (password::generate_password(), true),
    };
    let mut admin = User::new(Uuid::now_v7(), id, None, now);
    admin.email = email::normalize(&settings.admin_email);
    admin.role = Role::Admin;
    admin.permissions = Role::Admin.default_permissions();
    admin.password_digest = Some(password::hash_password(&password));

    let raw_token = token::generate_token(token::TokenKind::Admin);
    let mut admin_token = Token::new(Uuid::now_v7(), id, None, now);
    admin_token.name = Some("First start".to_owned());
    admin_token.bearer_type = BearerType::User;
    admin_token.bearer_id = admin.id;
    admin_token.permissions = PermissionSet::wildcard();
    admin_token.digest = token::digest(&secret_key, &raw_token);

    let email = admin.email.clone();
    // The file first: a token that nobody can read would lock its owner out.
    if let Some(path) = &settings.token_file {
        write_private(path, &raw_token).map_err(|e| {
            format!(
                "cannot write the admin token to {}: {e} (set bootstrap.token_file to a writable path)",
                path.display()
            )
        })?;
    }
    app.store
        .write_blocking(move |db| {
            db.insert(&account)?;
            db.insert(&keys)?;
            db.insert(&admin)?;
            db.insert(&admin_token)
        })
        .map_err(|e: StoreError| format!("the first account cannot be created: {e}"))?;
    Ok(Seeded { email, password: generated.then_some(password), token: raw_token })
}

fn write_private(path: &Path, token: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    // A file that was there before keeps its own mode.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    writeln!(file, "{token}")?;
    file.sync_all()
}

/// Prints the account's data and secrets: the only time that anybody sees them.
fn announce(
    app: &App,
    address: SocketAddr,
    path: &str,
    account: &Account,
    seeded: &Seeded,
    public: &crate::crypto::keys::PublicKeys,
) {
    let settings = &app.config.bootstrap;
    let base = match &app.config.server.public_url {
        Some(url) => url.as_str().to_owned(),
        // Every interface is no address to call.
        None if address.ip().is_unspecified() => format!("http://localhost:{}", address.port()),
        None => format!("http://{address}"),
    };
    let password = match &seeded.password {
        Some(password) => password.as_str(),
        None => "(as configured)",
    };
    let (token, header) = match &settings.token_file {
        Some(path) => {
            let quoted = shell_quoted(&path.display().to_string());
            (format!("(written to {})", path.display()), format!("\"Authorization: Bearer $(cat {quoted})\""))
        }
        None => (seeded.token.clone(), format!("'Authorization: Bearer {}'", seeded.token)),
    };
    let database = app.config.database.path.display();
    let text = format!(
        "
A new database was created: {database}
The lines below are shown once. Keep the password and the token in a safe place.

  Account       {id}  (slug: {slug})
  Admin e-mail  {email}
  Password      {password}
  Admin token   {token}

  Ed25519 public key (for SDKs)
  {ed25519}

  RSA 2048 public key
{rsa}
  ECDSA P-256 public key
{ecdsa}
Try it:

  curl -s {base}{path}/me -H {header}

",
        id = account.id,
        slug = account.slug,
        email = seeded.email,
        ed25519 = public.ed25519_hex,
        rsa = indent(&public.rsa_pem),
        ecdsa = indent(&public.ecdsa_pem),
    );
    let mut out = std::io::stdout().lock();
    // Nobody listening on standard output is no reason not to start.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A word that a shell takes as it is.
fn shell_quoted(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn indent(pem: &str) -> String {
    pem.lines().map(|line| format!("  {line}\n")).collect()
}
