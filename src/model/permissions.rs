//! The permission catalogue and sets of permissions (03 §8). The catalogue is `docs/spec/data/permissions.json`.

use super::column::{Column, Val, ValRef};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

super::column::wire_enum! {
    /// The roles of bearers (03 §7). Only users have a selectable one.
    Role {
        User = "user",
        Admin = "admin",
        Developer = "developer",
        SalesAgent = "sales-agent",
        SupportAgent = "support-agent",
        ReadOnly = "read-only",
        Product = "product",
        License = "license",
        Environment = "environment",
    }
}

impl Role {
    /// The role's name in messages (03 §7): with spaces.
    pub const fn words(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Developer => "developer",
            Role::SalesAgent => "sales agent",
            Role::SupportAgent => "support agent",
            Role::ReadOnly => "read only",
            Role::User => "user",
            Role::Product => "product",
            Role::License => "license",
            Role::Environment => "environment",
        }
    }

    /// What may be given to this role.
    pub fn allowed(self) -> PermissionSet {
        CATALOGUE.roles[self as usize].0
    }

    /// What this role gets when nothing is said.
    pub fn default_permissions(self) -> PermissionSet {
        CATALOGUE.roles[self as usize].1
    }
}

/// One permission of the catalogue, by its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission(u8);

impl Permission {
    /// The permission of that name.
    pub fn parse(name: &str) -> Option<Permission> {
        CATALOGUE.by_name.get(name).copied()
    }

    /// The permission's name.
    pub fn name(self) -> &'static str {
        CATALOGUE.names[self.0 as usize]
    }
}

/// Number of 64-bit words that hold the catalogue (144 names) and the wildcard.
const WORDS: usize = 3;
/// The bit of `*`.
const WILDCARD: usize = WORDS * 64 - 1;

/// A set of permission names, perhaps with the wildcard `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet([u64; WORDS]);

impl PermissionSet {
    /// `{"*"}`.
    pub const fn wildcard() -> PermissionSet {
        let mut words = [0; WORDS];
        words[WILDCARD / 64] |= 1 << (WILDCARD % 64);
        PermissionSet(words)
    }

    /// Holds `*`.
    pub fn has_wildcard(self) -> bool {
        self.bit(WILDCARD)
    }

    fn bit(self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    /// Holds the permission itself (the wildcard does not count).
    pub fn contains(self, permission: Permission) -> bool {
        self.bit(permission.0 as usize)
    }

    /// This set plus one permission.
    pub fn with(mut self, permission: Permission) -> PermissionSet {
        let at = permission.0 as usize;
        self.0[at / 64] |= 1 << (at % 64);
        self
    }

    /// What is in both.
    pub fn intersection(self, other: PermissionSet) -> PermissionSet {
        PermissionSet(std::array::from_fn(|i| self.0[i] & other.0[i]))
    }

    /// What is in either.
    pub fn union(self, other: PermissionSet) -> PermissionSet {
        PermissionSet(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// Everything of `self` is in `other`.
    pub fn is_subset(self, other: PermissionSet) -> bool {
        (0..WORDS).all(|i| self.0[i] & !other.0[i] == 0)
    }

    /// The names, sorted by byte value; `*` sorts first.
    pub fn names(self) -> Vec<&'static str> {
        let star = self.has_wildcard().then_some("*");
        let names = (0..CATALOGUE.names.len()).filter(|&i| self.bit(i)).map(|i| CATALOGUE.names[i]);
        star.into_iter().chain(names).collect()
    }

    /// The set of these names; `None` when one is unknown or stands twice (03 §8.1).
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<PermissionSet> {
        let mut set = PermissionSet::default();
        for name in names {
            let at = match name {
                "*" => WILDCARD,
                name => Permission::parse(name)?.0 as usize,
            };
            if set.bit(at) {
                return None;
            }
            set.0[at / 64] |= 1 << (at % 64);
        }
        Some(set)
    }

    /// The test "a bearer of `role` with this set can do `permission`" (03 §8.2).
    pub fn can(self, role: Role, permission: Permission) -> bool {
        if self.has_wildcard() { role.allowed().contains(permission) } else { self.contains(permission) }
    }

    /// The set that a token with this own set leaves of its bearer's set (03 §8.1).
    pub fn narrow(self, bearer: PermissionSet) -> PermissionSet {
        if self.has_wildcard() {
            bearer
        } else if bearer.has_wildcard() {
            self
        } else {
            self.intersection(bearer)
        }
    }

    /// The compact JSON array of the names.
    pub fn to_json_text(self) -> Arc<str> {
        if let Some(text) = TEXTS.read().ok().and_then(|texts| texts.by_set.get(&self).cloned()) {
            return text;
        }
        let text: Arc<str> = serde_json::Value::from(self.names()).to_string().into();
        remember(self, &text);
        text
    }

    fn from_json_text(text: &str) -> Option<PermissionSet> {
        if let Some(set) = TEXTS.read().ok().and_then(|texts| texts.by_text.get(text).copied()) {
            return Some(set);
        }
        let names: Vec<String> = serde_json::from_str(text).ok()?;
        let set = PermissionSet::from_names(names.iter().map(String::as_str))?;
        remember(set, &set.to_json_text());
        Some(set)
    }
}

/// Texts of sets that were seen: records hold few distinct sets, and parsing 37 names a row is most of a row's cost.
#[derive(Default)]
struct Texts {
    by_set: HashMap<PermissionSet, Arc<str>>,
    by_text: HashMap<Arc<str>, PermissionSet>,
}

static TEXTS: LazyLock<RwLock<Texts>> = LazyLock::new(Default::default);

/// Bound on the cache: clients choose sets freely, so it must not grow with them.
const MAX_TEXTS: usize = 1024;

fn remember(set: PermissionSet, text: &Arc<str>) {
    // A poisoned lock only means that nothing is cached.
    if let Ok(mut texts) = TEXTS.write() {
        if texts.by_set.len() >= MAX_TEXTS {
            texts.by_set.clear();
            texts.by_text.clear();
        }
        texts.by_set.insert(set, text.clone());
        texts.by_text.insert(text.clone(), set);
    }
}

/// Stored as the sorted JSON array of its names.
impl Column for PermissionSet {
    fn to_val(&self) -> Val {
        Val::Text(self.to_json_text().as_ref().to_owned())
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Text(text) => PermissionSet::from_json_text(text),
            _ => None,
        }
    }
    fn to_json(&self) -> crate::json::Json {
        crate::json::Json::Raw(self.to_json_text().as_ref().to_owned().into())
    }
}

struct Catalogue {
    names: Vec<&'static str>,
    by_name: HashMap<&'static str, Permission>,
    /// (allowed, default) by role.
    roles: Vec<(PermissionSet, PermissionSet)>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    #[derive(serde::Deserialize)]
    struct File {
        permissions: Vec<String>,
        roles: HashMap<String, Sets>,
    }
    #[derive(serde::Deserialize)]
    struct Sets {
        allowed: Vec<String>,
        default: Vec<String>,
    }
    let file: File = serde_json::from_str(include_str!("../../docs/spec/data/permissions.json"))
        .expect("the embedded catalogue is well formed: a test reads it");
    let mut names: Vec<&'static str> =
        file.permissions.into_iter().map(|name| &*Box::leak(name.into_boxed_str())).collect();
    names.sort_unstable();
    let by_name: HashMap<_, _> = names.iter().enumerate().map(|(i, &name)| (name, Permission(i as u8))).collect();
    // `PermissionSet::from_names` needs the catalogue itself, so the sets are put together by hand.
    let set = |list: &[String]| {
        list.iter().filter_map(|name| by_name.get(name.as_str())).fold(PermissionSet::default(), |set, &p| set.with(p))
    };
    let roles = Role::ALL
        .iter()
        .map(|role| {
            file.roles.get(role.as_str()).map(|sets| (set(&sets.allowed), set(&sets.default))).unwrap_or_default()
        })
        .collect();
    Catalogue { names, by_name, roles }
});

#[cfg(test)]
mod tests {
    use super::*;

    // 03 §8.3, the counts
    #[test]
    fn roles_have_the_sets_of_the_catalogue() {
        for (role, allowed, default) in [
            (Role::Admin, 144, 144),
            (Role::Developer, 144, 144),
            (Role::SalesAgent, 144, 144),
            (Role::SupportAgent, 144, 144),
            (Role::ReadOnly, 41, 41),
            (Role::Environment, 127, 127),
            (Role::Product, 109, 109),
            (Role::User, 59, 54),
            (Role::License, 41, 37),
        ] {
            assert_eq!(role.allowed().names().len(), allowed, "{role:?}");
            assert_eq!(role.default_permissions().names().len(), default, "{role:?}");
            assert!(role.default_permissions().is_subset(role.allowed()));
        }
    }

    // 03 §8.2
    #[test]
    fn the_wildcard_stands_for_what_the_role_is_allowed() {
        let create = Permission::parse("product.create").unwrap();
        let read = Permission::parse("license.read").unwrap();
        assert!(PermissionSet::wildcard().can(Role::Admin, create));
        assert!(!PermissionSet::wildcard().can(Role::License, create));
        assert!(PermissionSet::wildcard().can(Role::License, read));
        assert!(!PermissionSet::default().can(Role::Admin, read));
    }

    // 03 §8.1: unknown and repeated names; a token narrows its bearer
    #[test]
    fn sets_are_checked_and_narrowed() {
        assert!(PermissionSet::from_names(["license.read", "license.read"]).is_none());
        assert!(PermissionSet::from_names(["license.fly"]).is_none());
        let read = PermissionSet::from_names(["license.read"]).unwrap();
        let both = PermissionSet::from_names(["machine.read", "license.read"]).unwrap();
        assert_eq!(both.names(), ["license.read", "machine.read"]);
        assert_eq!(PermissionSet::wildcard().narrow(read), read);
        assert_eq!(read.narrow(PermissionSet::wildcard()), read);
        assert_eq!(read.narrow(both), read);
        assert_eq!(PermissionSet::from_names(["*"]).unwrap(), PermissionSet::wildcard());
    }

    #[test]
    fn storage_round_trips() {
        let set = Role::License.default_permissions();
        let Val::Text(text) = set.to_val() else { panic!() };
        assert_eq!(PermissionSet::from_val(ValRef::Text(&text)), Some(set));
        assert_eq!(PermissionSet::from_val(ValRef::Text("[\"nope\"]")), None);
    }
}
