//! From a credential to a bearer (03 §3–§6), within the account and the current environment (03 §5).

use super::bearer::{Bearer, LicenseBearer, Subject};
use super::credentials::Credential;
use crate::crypto::token as tokens;
use crate::http::error::{ApiError, Result};
use crate::model::coerce;
use crate::model::license_status::{self, Credential as Kind};
use crate::model::{
    Account, BearerType, Column as _, Environment, ExpirationStrategy, IsolationStrategy, License, PermissionSet,
    Policy, Product, Role, SecondFactor, Time, Token, User, Val,
};
use crate::store::Db;
use zeroize::Zeroizing;

/// The result of authentication.
#[derive(Debug)]
pub enum Authenticated {
    /// Known at once.
    Bearer(Bearer, Option<Box<Token>>),
    /// A password must be checked first, which is slow.
    Login(Login),
}

/// E-mail and password of a user that was (or was not) found; [`Login::verify`] takes some tens of milliseconds.
pub struct Login {
    user: Option<Box<User>>,
    /// The second factor, if one is enabled.
    factor: Option<Box<SecondFactor>>,
    password: Zeroizing<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}

impl Login {
    /// Checks second factor and password, in the order of 03 §6. An unknown user costs the same as a wrong password.
    /// `otp`: the code of the body; `accept` checks it and marks it as used; `rehash` stores a better digest of the password.
    pub fn verify(
        self,
        otp: Option<&str>,
        accept: impl FnOnce(SecondFactor, String) -> Result<bool>,
        rehash: impl FnOnce(&User, String),
    ) -> Result<Bearer> {
        let header = "Authorization";
        let Some(user) = self.user else {
            crate::crypto::password::dummy_verify();
            return Err(ApiError::unauthorized("EMAIL_INVALID", "email must be valid").header(header));
        };
        let Some(digest) = &user.password_digest else {
            crate::crypto::password::dummy_verify();
            return Err(ApiError::unauthorized("PASSWORD_NOT_SUPPORTED", "password is unsupported").header(header));
        };
        if self.password.trim().is_empty() {
            return Err(ApiError::unauthorized("PASSWORD_REQUIRED", "password is required").header(header));
        }
        if let Some(factor) = self.factor {
            let Some(code) = otp else {
                return Err(ApiError::unauthorized("OTP_REQUIRED", "second factor is required").pointer("/meta/otp"));
            };
            if !accept(*factor, code.to_owned())? {
                return Err(ApiError::unauthorized("OTP_INVALID", "second factor must be valid").pointer("/meta/otp"));
            }
        }
        if !crate::crypto::password::verify_password(&self.password, digest) {
            return Err(password_invalid());
        }
        if crate::crypto::password::needs_rehash(digest) {
            rehash(&user, crate::crypto::password::hash_password(&self.password));
        }
        Ok(Bearer::User(user))
    }
}

/// What authentication depends on.
pub struct Context<'a> {
    account: &'a Account,
    environment: Option<&'a Environment>,
    secret_key: &'a str,
    now: Time,
}

/// Resolves a credential. `required`: the route does not serve anonymous callers.
pub fn authenticate(
    db: &Db<'_>,
    account: &Account,
    environment: Option<&Environment>,
    secret_key: &str,
    now: Time,
    credential: Credential,
    required: bool,
) -> Result<Authenticated> {
    let cx = Context { account, environment, secret_key, now };
    let (bearer, token) = match credential {
        Credential::BadEncoding => return Err(ApiError::encoding_invalid()),
        Credential::Blank if required => return Err(token_invalid()),
        Credential::None if required => {
            return Err(ApiError::unauthorized("TOKEN_MISSING", "").about("/authentication/"));
        }
        Credential::None | Credential::Blank => (Bearer::Anonymous, None),
        Credential::Token(raw) => by_token(&cx, db, &raw)?,
        Credential::LicenseKey(key) => (by_license_key(&cx, db, &key)?, None),
        Credential::Password { email, password } => {
            return by_password(&cx, db, &email, password).map(Authenticated::Login);
        }
    };
    Ok(Authenticated::Bearer(bearer, token.map(Box::new)))
}

const TOKEN_DOCS: &str = "/authentication/#token-authentication";
const LICENSE_DOCS: &str = "/authentication/#license-authentication";

fn password_invalid() -> ApiError {
    ApiError::unauthorized("PASSWORD_INVALID", "password must be valid").header("Authorization")
}

fn license_invalid() -> ApiError {
    ApiError::unauthorized("LICENSE_INVALID", "").about(LICENSE_DOCS)
}

fn user_banned() -> ApiError {
    ApiError::forbidden("User is banned").code("USER_BANNED")
}

/// 400 `ENVIRONMENT_INVALID` (05 §5.1)
pub fn environment_invalid() -> ApiError {
    ApiError::bad_request("environment is invalid").code("ENVIRONMENT_INVALID").header("Keygen-Environment")
}

fn token_invalid() -> ApiError {
    ApiError::unauthorized("TOKEN_INVALID", "").about(TOKEN_DOCS)
}

impl Context<'_> {
    /// SQL and arguments that keep records of the wrong environment out (03 §5).
    fn environment_filter(&self) -> (&'static str, Vec<Val>) {
        match self.environment {
            None => ("environment_id IS NULL", vec![]),
            Some(e) => match e.isolation_strategy {
                IsolationStrategy::Isolated => ("environment_id = ?", vec![e.id.to_val()]),
                IsolationStrategy::Shared => ("(environment_id = ? OR environment_id IS NULL)", vec![e.id.to_val()]),
            },
        }
    }

    fn find<T: crate::model::Entity>(&self, db: &Db<'_>, column: &str, value: Val) -> Result<Option<T>> {
        let (filter, more) = self.environment_filter();
        let mut args = vec![self.account.id.to_val(), value];
        args.extend(more);
        Ok(db.find(&format!("WHERE account_id = ? AND {column} = ? AND {filter}"), &args)?)
    }
}

/// 03 §3
fn by_token(cx: &Context<'_>, db: &Db<'_>, raw: &str) -> Result<(Bearer, Option<Token>)> {
    if coerce::uuid_from_text(raw).is_some() {
        let detail =
            "Token format is invalid (make sure that you're providing a token value, not a token's UUID identifier)";
        return Err(ApiError::unauthorized("TOKEN_FORMAT_INVALID", detail).about(TOKEN_DOCS));
    }
    if !tokens::has_known_version(raw) {
        return Err(token_invalid());
    }
    let digest = tokens::digest(cx.secret_key, raw);
    let token: Token = cx.find(db, "digest", Val::Text(digest))?.ok_or_else(token_invalid)?;
    if token.expires_at.is_some_and(|at| at < cx.now) {
        return Err(ApiError::unauthorized("TOKEN_EXPIRED", "Token is expired"));
    }
    let account = cx.account.id;
    let bearer = match token.bearer_type {
        BearerType::User => {
            let user: User = db.get(account, token.bearer_id)?.ok_or_else(token_invalid)?;
            if user.banned_at.is_some() {
                return Err(user_banned());
            }
            Bearer::User(Box::new(user))
        }
        BearerType::Product => {
            Bearer::Product(Box::new(db.get::<Product>(account, token.bearer_id)?.ok_or_else(token_invalid)?))
        }
        BearerType::Environment => {
            Bearer::Environment(Box::new(db.get::<Environment>(account, token.bearer_id)?.ok_or_else(token_invalid)?))
        }
        BearerType::License => {
            let license: License = db.get(account, token.bearer_id)?.ok_or_else(token_invalid)?;
            let bearer = license_bearer(db, license)?;
            if bearer.owner.as_ref().is_some_and(|owner| owner.banned_at.is_some()) {
                return Err(user_banned());
            }
            if !license_status::authentication_allows(&bearer.policy, Kind::Token) {
                return Err(ApiError::forbidden("Token authentication is not allowed by policy")
                    .code("TOKEN_NOT_ALLOWED")
                    .about(TOKEN_DOCS));
            }
            Bearer::License(Box::new(bearer))
        }
    };
    Ok((bearer, Some(token)))
}

fn license_bearer(db: &Db<'_>, license: License) -> Result<LicenseBearer> {
    let policy: Policy = db
        .get(license.account_id, license.policy_id)?
        .ok_or_else(|| ApiError::internal("a license without its policy"))?;
    let owner = match license.owner_id {
        Some(id) => db.get::<User>(license.account_id, id)?,
        None => None,
    };
    Ok(LicenseBearer { license, policy, owner })
}

/// 03 §4
fn by_license_key(cx: &Context<'_>, db: &Db<'_>, key: &str) -> Result<Bearer> {
    let found = cx.find::<License>(db, "key", Val::Text(key.to_owned()))?;
    // Keys of legacy encrypted licenses are stored as bcrypt digests; a digest is no credential.
    let bearer = match found {
        Some(license) => Some(license_bearer(db, license)?).filter(|b| !b.policy.encrypted),
        None => None,
    };
    let bearer = bearer.ok_or_else(license_invalid)?;
    if bearer.owner.as_ref().is_some_and(|owner| owner.banned_at.is_some()) {
        return Err(ApiError::forbidden("License is banned").code("LICENSE_BANNED"));
    }
    if bearer.license.suspended {
        return Err(ApiError::forbidden("License is suspended").code("LICENSE_SUSPENDED"));
    }
    if bearer.policy.expiration_strategy == ExpirationStrategy::RevokeAccess
        && bearer.license.expires_at.is_some_and(|at| at < cx.now)
    {
        return Err(ApiError::forbidden("License is expired").code("LICENSE_EXPIRED"));
    }
    if !license_status::authentication_allows(&bearer.policy, Kind::Key) {
        return Err(ApiError::forbidden("License key authentication is not allowed by policy")
            .code("LICENSE_NOT_ALLOWED")
            .about(LICENSE_DOCS));
    }
    Ok(Bearer::License(Box::new(bearer)))
}

/// 03 §6
fn by_password(cx: &Context<'_>, db: &Db<'_>, email: &str, password: String) -> Result<Login> {
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    if local.contains('\0') {
        return Err(ApiError::null_byte());
    }
    if !is_login_email(local, domain) {
        return Err(ApiError::unauthorized("EMAIL_REQUIRED", "email is required").header("Authorization"));
    }
    let (filter, mut more) = match cx.environment {
        // A global admin may log in to an isolated environment.
        Some(e) if e.isolation_strategy == IsolationStrategy::Isolated => {
            ("(environment_id = ? OR (environment_id IS NULL AND role = ?))", vec![e.id.to_val(), Role::Admin.to_val()])
        }
        _ => cx.environment_filter(),
    };
    let mut args = vec![cx.account.id.to_val(), Val::Text(email.to_lowercase())];
    args.append(&mut more);
    let user: Option<User> = db.find(&format!("WHERE account_id = ? AND email = ? AND {filter}"), &args)?;
    let factor: Option<SecondFactor> = match &user {
        Some(user) => db.find("WHERE user_id = ? AND enabled = 1", &[user.id.to_val()])?,
        None => None,
    };
    Ok(Login { user: user.map(Box::new), factor: factor.map(Box::new), password: Zeroizing::new(password) })
}

/// `local@domain` as a login takes it (03 §6 row 1).
fn is_login_email(local: &str, domain: &str) -> bool {
    let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut labels: Vec<&str> = domain.split('.').collect();
    let last = labels.pop().unwrap_or("");
    !local.is_empty()
        && !local.contains([' ', '@'])
        && !labels.is_empty()
        && labels.iter().all(|l| label(l))
        && last.len() >= 2
        && last.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Inside the writer: the request's credential is still good and its bearer is who it was, with the rights that it had. What a
/// request decided with was read before its turn came, and rights must not outlive a revocation, a ban, a demotion or a
/// deletion that was answered meanwhile (D38). What is not a matter of the credential any more is a conflict: the caller may try again.
pub fn still_stands(db: &Db<'_>, subject: &Subject) -> Result<()> {
    if let Some(environment) = &subject.environment
        && db.get::<Environment>(environment.account_id, environment.id)?.is_none()
    {
        return Err(environment_invalid());
    }
    if let Some(token) = &subject.token {
        match db.get::<Token>(token.account_id, token.id)? {
            Some(now) if now.digest == token.digest => {}
            _ => return Err(token_invalid()),
        }
    }
    let same = match &subject.bearer {
        Bearer::Anonymous => true,
        Bearer::User(user) => user_stands(db, user, subject.token.is_none())?,
        Bearer::Product(product) => db
            .get::<Product>(product.account_id, product.id)?
            .ok_or_else(token_invalid)
            .map(|now| now.permissions == product.permissions)?,
        Bearer::Environment(environment) => {
            db.get::<Environment>(environment.account_id, environment.id)?.ok_or_else(token_invalid).map(|_| true)?
        }
        Bearer::License(bearer) => {
            let license = &bearer.license;
            let now: License = db.get(license.account_id, license.id)?.ok_or_else(|| match &subject.token {
                Some(_) => token_invalid(),
                None => license_invalid(),
            })?;
            let owner = bearer.owner.as_ref().map_or(Ok(true), |owner| user_stands(db, owner, false))?;
            owner
                && now.permissions == license.permissions
                && now.owner_id == license.owner_id
                && now.policy_id == license.policy_id
                && (now.suspended == license.suspended || subject.token.is_some())
        }
    };
    if same { Ok(()) } else { Err(ApiError::conflict()) }
}

/// A user has its role, permissions and environment still and is not banned. `by_password`: it logs in with this request, so the
/// password must be the one that was checked.
fn user_stands(db: &Db<'_>, user: &User, by_password: bool) -> Result<bool> {
    let now = db.get::<User>(user.account_id, user.id)?.ok_or_else(token_invalid)?;
    // A better digest of the same password is stored without touching the record.
    if by_password && now.password_digest != user.password_digest && now.updated_at != user.updated_at {
        return Err(password_invalid());
    }
    if now.banned_at.is_some() && user.banned_at.is_none() {
        return Err(user_banned());
    }
    Ok((now.role, now.permissions) == (user.role, user.permissions))
}

/// The effective permissions of a license (08 §2.3).
pub fn license_permissions(license: &License, owner: Option<&User>) -> PermissionSet {
    match owner {
        None => license.permissions,
        Some(owner) => license.permissions.narrow(owner.permissions),
    }
}

#[cfg(test)]
mod tests {
    use super::is_login_email;

    // 03 §6 row 1
    #[test]
    fn login_names_are_addresses() {
        for (email, fine) in [
            ("ada@example.com", true),
            ("Ada.B@EXAMPLE.co.uk", true),
            ("a@b-c.de", true),
            ("ada@example", false),
            ("@example.com", false),
            ("a b@example.com", false),
            ("a@b@example.com", false),
            ("a@example.c", false),
            ("a@exa_mple.com", false),
            ("a@.com", false),
            ("a@example.com\0", false),
        ] {
            let (local, domain) = email.split_once('@').unwrap();
            assert_eq!(is_login_email(local, domain), fine, "{email}");
        }
    }
}
