//! What lives as long as the server.

use super::rate_limits::RateLimits;
use super::route::{Prefix, Route};
use crate::config::{Config, Mode};
use crate::crypto::keys::{AccountKeys, PublicKeys};
use crate::crypto::master_key;
use crate::http::request::Request;
use crate::http::router::Router;
use crate::mail::Mailer;
use crate::model::{Account, AccountKeyMaterial, Column as _, Permission, Time, Val};
use crate::store::{Db, Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use uuid::Uuid;

/// The parsed keys of an account. They never change (02 §2), so a cached copy is exact as long as it is the same account.
pub struct Keys {
    /// When the account was made: another of the same id, made after a deletion, has other keys.
    since: Time,
    /// Private keys.
    pub private: AccountKeys,
    /// Public keys.
    pub public: PublicKeys,
    /// HMAC key of tokens (02 §10).
    pub secret_key: String,
}

/// A route as the router holds it, with its permissions resolved.
pub struct Entry {
    /// The line of the table.
    pub route: &'static Route,
    /// Its permissions.
    pub permissions: Vec<Permission>,
}

/// Everything that requests share.
pub struct App {
    /// The configuration in force.
    pub config: Config,
    /// The database.
    pub store: Arc<Store>,
    /// All routes.
    pub router: Router<Arc<Entry>>,
    /// Bounds the slow cryptography of handlers that runs at once.
    pub slow: tokio::sync::Semaphore,
    /// The same for anonymous callers, who must not hold up the rest.
    pub guests: tokio::sync::Semaphore,
    /// Bounds the password checks that run at once: logins must not hold up the rest.
    pub logins: tokio::sync::Semaphore,
    /// Who has asked how often.
    pub limits: RateLimits,
    /// Sends mail; none when SMTP is not configured (D12).
    pub mailer: Option<Mailer>,
    master_key: Option<[u8; 32]>,
    keys: RwLock<HashMap<Uuid, Arc<Keys>>>,
    default_account: RwLock<Option<Uuid>>,
}

/// The keys of an account cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keys are encrypted and no (or another) master key is configured.
    #[error(
        "the account's keys are encrypted with a master key: set KEYGEN_LITE_MASTER_KEY (or database.master_key_file) to the one that was used when the database was created"
    )]
    Sealed,
    /// The stored keys cannot be parsed.
    #[error("the stored keys of account {0} are damaged: restore the database from a backup")]
    Damaged(Uuid),
}

impl App {
    /// Builds the router and the caches.
    pub fn new(config: Config, store: Arc<Store>, master_key: Option<[u8; 32]>, mailer: Option<Mailer>) -> App {
        let mut router = Router::default();
        let accounts = &config.accounts;
        let served = |route: &&Route| !route.multi || (accounts.mode == Mode::Multi && accounts.registration);
        for route in super::routes().filter(served) {
            register(&mut router, route);
        }
        App {
            limits: RateLimits::new(&config.rate_limits),
            config,
            store,
            router,
            slow: tokio::sync::Semaphore::new(2),
            guests: tokio::sync::Semaphore::new(1),
            logins: tokio::sync::Semaphore::new(2),
            mailer,
            master_key,
            keys: RwLock::default(),
            default_account: RwLock::default(),
        }
    }

    /// `Keygen-Mode` (D14).
    pub fn mode(&self) -> &'static str {
        match self.config.accounts.mode {
            Mode::Single => "singleplayer",
            Mode::Multi => "multiplayer",
        }
    }

    /// Scheme, host and port under which clients reach the server (D17).
    pub fn base_url(&self, request: &Request) -> String {
        match &self.config.server.public_url {
            Some(url) => url.as_str().to_owned(),
            None => format!("{}://{}", request.scheme, request.host),
        }
    }

    /// The account that account-less paths mean (D3): the configured one; in single mode else the oldest.
    pub fn default_account(&self, db: &Db<'_>) -> Result<Option<Account>, StoreError> {
        let known = self.default_account.read().ok().and_then(|id| *id);
        if let Some(id) = known
            && let Some(account) = db.get::<Account>(id, id)?
        {
            return Ok(Some(account));
        }
        let found = match &self.config.accounts.default_account {
            Some(name) => find_account(db, name)?,
            None if self.config.accounts.mode == Mode::Single => {
                db.find::<Account>("ORDER BY created_at, id LIMIT 1", &[])?
            }
            None => None,
        };
        if let (Some(account), Ok(mut slot)) = (&found, self.default_account.write()) {
            *slot = Some(account.id);
        }
        Ok(found)
    }

    /// The keys of an account, from the cache or the store.
    pub fn keys(&self, db: &Db<'_>, account: Uuid) -> Result<Arc<Keys>, KeysError> {
        if let Some(keys) = self.cached_keys(account)
            && db.get::<Account>(account, account)?.is_some_and(|account| account.created_at == keys.since)
        {
            return Ok(keys);
        }
        let stored: AccountKeyMaterial =
            db.find("WHERE id = ?", &[account.to_val()])?.ok_or(KeysError::Damaged(account))?;
        let keys = Arc::new(self.open_keys(&stored)?);
        if let Ok(mut cache) = self.keys.write() {
            cache.insert(account, keys.clone());
        }
        Ok(keys)
    }

    /// The keys of an account, when they are in the cache already.
    pub fn cached_keys(&self, account: Uuid) -> Option<Arc<Keys>> {
        self.keys.read().ok().and_then(|keys| keys.get(&account).cloned())
    }

    fn open_keys(&self, stored: &AccountKeyMaterial) -> Result<Keys, KeysError> {
        let open = |text: &str, name: &str| self.open_secret(stored.id, name, text);
        let private = AccountKeys::from_stored(
            &open(&stored.ed25519_private_key, "ed25519")?,
            &open(&stored.rsa2048_private_key, "rsa2048")?,
            &open(&stored.ecdsa_private_key, "ecdsa")?,
        )
        .map_err(|_| KeysError::Damaged(stored.id))?;
        let secret_key = open(&stored.secret_key, "secret")?;
        Ok(Keys { since: stored.created_at, public: private.public(), private, secret_key })
    }

    /// The HMAC key of stored key material.
    pub fn open_secret_key(&self, stored: &AccountKeyMaterial) -> Result<String, KeysError> {
        Ok(self.open_keys(stored)?.secret_key)
    }

    /// Seals a secret text of an account when a master key is configured; `name` ties it to its place.
    pub fn seal_secret(&self, account: Uuid, name: &str, text: &str) -> String {
        match &self.master_key {
            Some(key) => master_key::seal(key, text, &seal_context(account, name)),
            None => text.to_owned(),
        }
    }

    /// What [`App::seal_secret`] sealed (or left as it was, when there was no master key yet).
    pub fn open_secret(&self, account: Uuid, name: &str, text: &str) -> Result<String, KeysError> {
        if !master_key::is_sealed(text) {
            return Ok(text.to_owned());
        }
        let key = self.master_key.as_ref().ok_or(KeysError::Sealed)?;
        master_key::open(key, text, &seal_context(account, name)).ok_or(KeysError::Sealed)
    }

    /// Makes fresh keys for an account, as they are to be stored. Slow (RSA).
    pub fn make_keys(&self, account: Uuid, now: Time) -> AccountKeyMaterial {
        let keys = AccountKeys::generate();
        let stored = keys.to_stored();
        let seal = |text: &str, name: &str| self.seal_secret(account, name, text);
        let mut material = AccountKeyMaterial::new(account, account, now);
        material.secret_key = seal(&crate::crypto::keys::generate_secret_key(), "secret");
        material.ed25519_private_key = seal(&stored.ed25519_private, "ed25519");
        material.rsa2048_private_key = seal(&stored.rsa_private_pem, "rsa2048");
        material.ecdsa_private_key = seal(&stored.ecdsa_private_pem, "ecdsa");
        material
    }
}

/// Ties a sealed text to its account and its place, so that texts cannot be swapped.
fn seal_context(account: Uuid, name: &str) -> String {
    format!("keygen-lite account {account} {name}")
}

/// An account by UUID or slug (01 §2.1).
pub fn find_account(db: &Db<'_>, name: &str) -> Result<Option<Account>, StoreError> {
    match crate::model::coerce::uuid_from_text(name) {
        Some(id) => db.get::<Account>(id, id),
        None => db.find::<Account>("WHERE slug = ?", &[Val::Text(name.to_owned())]),
    }
}

/// Puts a route under its methods and prefixes.
fn register(router: &mut Router<Arc<Entry>>, route: &'static Route) {
    let permissions = route
        .permissions
        .iter()
        .map(|name| Permission::parse(name).unwrap_or_else(|| panic!("route {route:?}: no permission {name}")))
        .collect();
    let entry = Arc::new(Entry { route, permissions });
    let mut methods = vec![route.method];
    match route.method {
        "GET" => methods.push("HEAD"),
        "PATCH" if route.put => methods.push("PUT"),
        _ => {}
    }
    let mut patterns: Vec<String> = Vec::new();
    if matches!(route.prefix, Prefix::Both | Prefix::Long) {
        patterns.push(format!("v1/accounts/{{account-}}/{}", route.path));
    }
    if matches!(route.prefix, Prefix::Both | Prefix::Bare) {
        patterns.push(format!("v1/{}", route.path));
    }
    for pattern in patterns {
        // Built once, lives as long as the program.
        let pattern: &'static str = Box::leak(pattern.into_boxed_str());
        for method in &methods {
            router.insert(method, pattern, entry.clone());
        }
    }
}
