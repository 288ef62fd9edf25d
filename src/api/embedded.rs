//! Administrators that come with a new account or environment (05 §1.5, §3.3).

use super::users;
use super::validation::Validation;
use crate::http::error::{ApiError, Result};
use crate::http::params::{Member, Node};
use crate::json::Json;
use crate::model::{Column as _, Entity as _, Environment, Metadata, Role, Time, User, Val, ValRef, email};
use crate::store::Db;
use uuid::Uuid;
use zeroize::Zeroizing;

/// More are refused.
const MOST: usize = 10;

/// An administrator as it was sent.
pub struct NewAdmin {
    /// Normalized address.
    pub email: String,
    /// Absent: it cannot log in by password until one is set.
    pub password: Option<Zeroizing<String>>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// JSON object.
    pub metadata: String,
}

/// The `admins` relationship of a create body.
pub(super) fn schema() -> Node {
    let text = |name| Member::new(name, Node::String).nullable().blank();
    let attributes = vec![
        text("first_name"),
        text("last_name"),
        Member::new("email", Node::String).required(),
        text("password"),
        Member::new("metadata", Node::Metadata).blank(),
        Member::new("role", Node::OneOf(vec!["admin"])),
    ];
    let item = Node::Object(vec![
        Member::new("type", Node::OneOf(vec!["user", "users"])).required(),
        Member::new("attributes", Node::Object(attributes)).required(),
    ]);
    Node::Object(vec![Member::new("data", Node::Array(Box::new(item), 0, usize::MAX)).required()])
}

/// The administrators of a checked body.
pub(super) fn read(params: &Json) -> Result<Vec<NewAdmin>> {
    let items = params.at(&["data", "relationships", "admins", "data"]).and_then(Json::as_arr).unwrap_or_default();
    if items.len() > MOST {
        return Err(ApiError::unprocessable("too many records"));
    }
    Ok(items.iter().map(one).collect())
}

fn one(item: &Json) -> NewAdmin {
    let text = |name: &str| item.at(&["attributes", name]).and_then(Json::as_str).map(str::to_owned);
    NewAdmin {
        email: email::normalize(&text("email").unwrap_or_default()),
        password: text("password").filter(|text| !text.trim().is_empty()).map(Zeroizing::new),
        first_name: text("first_name"),
        last_name: text("last_name"),
        metadata: item.at(&["attributes", "metadata"]).map_or_else(|| "{}".to_owned(), Json::to_string),
    }
}

/// The users that these administrators become, still without passwords.
pub(super) fn users(account: Uuid, environment: Option<&Environment>, admins: &[NewAdmin], now: Time) -> Vec<User> {
    let build = |admin: &NewAdmin| {
        let mut user = User::new(Uuid::now_v7(), account, environment.map(|e| e.id), now);
        user.email = admin.email.clone();
        user.first_name = admin.first_name.clone();
        user.last_name = admin.last_name.clone();
        user.role = Role::Admin;
        user.permissions = Role::Admin.default_permissions();
        user.metadata = Metadata::from_val(ValRef::Text(&admin.metadata)).unwrap_or_default();
        user
    };
    admins.iter().map(build).collect()
}

/// Gives the users their passwords. Slow.
pub(super) fn set_passwords(users: &mut [User], admins: &[NewAdmin]) {
    for (user, admin) in users.iter_mut().zip(admins) {
        let password = admin.password.as_ref().filter(|text| super::passwords::fits(text));
        user.password_digest = password.map(|text| crate::crypto::password::hash_password(text));
    }
}

/// Validation of the users (04 §2). `indexed`: pointers name the place in the body (accounts; not environments).
pub(super) fn check(db: &Db<'_>, users: &[User], admins: &[NewAdmin], v: &mut Validation, indexed: bool) -> Result<()> {
    for (i, (user, admin)) in users.iter().zip(admins).enumerate() {
        let args = [user.account_id().to_val(), Val::Text(user.email.clone())];
        let taken = users[..i].iter().any(|other| other.email == user.email)
            || db.exists("users WHERE account_id = ? AND email = ?", &args)?;
        for (attribute, suffix, detail) in users::problems(user, admin.password.as_deref().map(String::as_str), taken) {
            let pointer = match indexed {
                true => format!("/data/relationships/admins/data/{i}/attributes/{attribute}"),
                false => format!("/data/relationships/users/data/attributes/{attribute}"),
            };
            let name = crate::json::normalize_key(attribute).to_ascii_uppercase();
            v.at(pointer, format!("USERS_{name}_{suffix}"), detail);
        }
    }
    Ok(())
}
