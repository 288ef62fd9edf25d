//! Who asks: one bearer of every kind and environment, with the permissions that 03 §8.3 gives it.

use crate::oracle::Env;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::OnceLock;

/// The kinds of bearers (00 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Admin,
    Developer,
    Sales,
    Support,
    ReadOnly,
    Environment,
    Product,
    /// The license of the branch `Own`, by a token.
    License,
    /// The same license, by its key.
    LicenseKey,
    /// The license of the branch `Guarded` (protected), by a token.
    GuardedLicense,
    /// Owner of the licenses of `Own`, `Guarded` and `Mixed`.
    Owner,
    /// Attached to them.
    Attached,
    /// Attached to them, and owner of their machines.
    MachineOwner,
    /// Member of the group of `Own`, and nothing else.
    Member,
    /// Owner of the group of `Own`, and nothing else.
    GroupOwner,
    /// Nothing to anybody.
    Unrelated,
    Anonymous,
}

use Kind::*;

impl Kind {
    pub const USERS: [Kind; 6] = [Owner, Attached, MachineOwner, Member, GroupOwner, Unrelated];

    /// The letter of the tables, as far as it does not depend on the record.
    pub fn letter(self) -> &'static str {
        match self {
            Admin => "A",
            Developer => "D",
            Sales => "S",
            Support => "Su",
            ReadOnly => "R",
            Environment => "E",
            Product => "P",
            License | LicenseKey | GuardedLicense => "L",
            Owner | Attached | MachineOwner | Member | GroupOwner | Unrelated => "U",
            Anonymous => "X",
        }
    }

    /// Name of the role in `data/permissions.json`.
    pub fn role(self) -> &'static str {
        match self.letter() {
            "A" => "admin",
            "D" => "developer",
            "S" => "sales-agent",
            "Su" => "support-agent",
            "R" => "read-only",
            "E" => "environment",
            "P" => "product",
            "L" => "license",
            _ => "user",
        }
    }

    pub fn is_staff(self) -> bool {
        matches!(self, Admin | Developer | Sales | Support | ReadOnly)
    }

    /// A user of role `user`.
    pub fn is_user(self) -> bool {
        self.letter() == "U"
    }

    pub fn is_license(self) -> bool {
        self.letter() == "L"
    }

    /// Staff and environments see everything of the current environment.
    pub fn sees_all(self) -> bool {
        self.is_staff() || self == Environment
    }
}

/// Rank of a role (03 §7).
pub fn rank(role: &str) -> u8 {
    match role {
        "admin" => 7,
        "environment" => 6,
        "developer" => 5,
        "product" => 4,
        "sales-agent" => 3,
        "support-agent" => 2,
        "read-only" => 1,
        _ => 0,
    }
}

/// One bearer with one credential.
#[derive(Clone, Debug)]
pub struct Bearer {
    pub kind: Kind,
    /// Environment of the bearer itself.
    pub home: Env,
    /// Environment of the credential.
    pub credential: Env,
    /// The `Authorization` header; empty for nobody.
    pub authorization: String,
    /// Id of the user, product, license or environment.
    pub id: String,
    /// Id of the token; empty without one.
    pub token: String,
    /// What the bearer can do (03 §8.2).
    pub powers: HashSet<String>,
    /// The token has `permissions: []`.
    pub powerless: bool,
}

impl Bearer {
    pub fn name(&self) -> String {
        match self.kind {
            Anonymous => "Anonymous".to_owned(),
            kind if self.home == self.credential => format!("{kind:?}@{:?}", self.home),
            kind => format!("{kind:?}@{:?} by a token of {:?}", self.home, self.credential),
        }
    }

    pub fn can(&self, permission: &str) -> bool {
        self.powers.contains(permission)
    }
}

fn catalogue() -> &'static Value {
    static CATALOGUE: OnceLock<Value> = OnceLock::new();
    let text = include_str!("../../docs/spec/data/permissions.json");
    CATALOGUE.get_or_init(|| serde_json::from_str(text).expect("data/permissions.json is JSON"))
}

fn names(role: &str, set: &str) -> HashSet<String> {
    let list = catalogue()["roles"][role][set].as_array().unwrap_or_else(|| panic!("{role} {set}"));
    list.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

/// What a bearer of that role can do: by default, or with `*` (03 §8.2). A license with an owner has the intersection of its
/// own set and its owner's (08 §2.3).
pub fn powers(kind: Kind, everything: bool) -> HashSet<String> {
    let set = if everything { "allowed" } else { "default" };
    let own = if kind == Anonymous { HashSet::new() } else { names(kind.role(), set) };
    match kind.is_license() {
        true => own.intersection(&names("user", set)).cloned().collect(),
        false => own,
    }
}

/// Whether the name is in the catalogue at all.
pub fn exists(permission: &str) -> bool {
    catalogue()["permissions"].as_array().is_some_and(|all| all.iter().any(|name| name == permission))
}
