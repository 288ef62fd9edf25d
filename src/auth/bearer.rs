//! The bearer of a request, its permissions and its environment.

use super::letter_set::{Letters, letters};
use crate::model::{BearerType, Environment, License, Permission, PermissionSet, Policy, Product, Role, Token, User};
use uuid::Uuid;

/// A license that acts, with what its rights depend on.
#[derive(Debug)]
pub struct LicenseBearer {
    /// The license.
    pub license: License,
    /// Its policy.
    pub policy: Policy,
    /// Its owner.
    pub owner: Option<User>,
}

/// Who a request acts as.
#[derive(Debug)]
pub enum Bearer {
    /// Nobody.
    Anonymous,
    /// A person, of any role.
    User(Box<User>),
    /// A product.
    Product(Box<Product>),
    /// A license.
    License(Box<LicenseBearer>),
    /// An environment.
    Environment(Box<Environment>),
}

impl Bearer {
    /// The bearer's role; nobody has none.
    pub fn role(&self) -> Option<Role> {
        Some(match self {
            Bearer::Anonymous => return None,
            Bearer::User(user) => user.role,
            Bearer::Product(_) => Role::Product,
            Bearer::License(_) => Role::License,
            Bearer::Environment(_) => Role::Environment,
        })
    }

    /// The bearer's id.
    pub fn id(&self) -> Option<Uuid> {
        Some(match self {
            Bearer::Anonymous => return None,
            Bearer::User(user) => user.id,
            Bearer::Product(product) => product.id,
            Bearer::License(bearer) => bearer.license.id,
            Bearer::Environment(environment) => environment.id,
        })
    }

    /// The bearer's resource type.
    pub fn bearer_type(&self) -> Option<BearerType> {
        Some(match self {
            Bearer::Anonymous => return None,
            Bearer::User(_) => BearerType::User,
            Bearer::Product(_) => BearerType::Product,
            Bearer::License(_) => BearerType::License,
            Bearer::Environment(_) => BearerType::Environment,
        })
    }

    /// The environment that the bearer belongs to; an environment belongs to itself (03 §9.1).
    pub fn environment_id(&self) -> Option<Uuid> {
        match self {
            Bearer::Anonymous => None,
            Bearer::User(user) => user.environment_id,
            Bearer::Product(product) => product.environment_id,
            Bearer::License(bearer) => bearer.license.environment_id,
            Bearer::Environment(environment) => Some(environment.id),
        }
    }

    /// The bearer's stored (for licenses: effective) permission set (03 §8.1, 08 §2.3).
    pub fn permissions(&self) -> PermissionSet {
        match self {
            Bearer::Anonymous => PermissionSet::default(),
            Bearer::User(user) => user.permissions,
            Bearer::Product(product) => product.permissions,
            Bearer::License(bearer) => super::license_permissions(&bearer.license, bearer.owner.as_ref()),
            Bearer::Environment(_) => Role::Environment.default_permissions(),
        }
    }

    /// The bearer's letters where no record is looked at yet: its kind, with every relation that the kind can have.
    pub fn letters(&self) -> Letters {
        use letters::*;
        match self {
            Bearer::Anonymous => X,
            Bearer::User(user) => match user.role {
                Role::Admin => A,
                Role::Developer => D,
                Role::SalesAgent => S,
                Role::SupportAgent => SU,
                Role::ReadOnly => R,
                _ => U | USERS | UO_NP | UA_NP | UM_NP | UO_POLICY_NP,
            },
            Bearer::Product(_) => P,
            Bearer::License(_) => L | L_NP,
            Bearer::Environment(_) => E,
        }
    }

    /// The bits of the bearer's kind alone, for parameters that only some may send (01 §6.1).
    pub fn kind_bits(&self) -> u32 {
        use letters::*;
        (self.letters() & (STAFF | E | P | L | U | X)).0
    }

    /// Somebody with a role in the vendor's staff.
    pub fn is_staff(&self) -> bool {
        self.letters().intersects(letters::STAFF)
    }

    /// The user of role `user`, if the bearer is one.
    pub fn end_user(&self) -> Option<&User> {
        match self {
            Bearer::User(user) if user.role == Role::User => Some(user),
            _ => None,
        }
    }
}

/// Everything that authorization looks at: bearer, token, current environment.
#[derive(Debug)]
pub struct Subject {
    /// Who asks.
    pub bearer: Bearer,
    /// The token that was used, if one was.
    pub token: Option<Token>,
    /// The current environment; `None` is the global one.
    pub environment: Option<Environment>,
}

impl Subject {
    /// The bearer itself can do it (03 §8.2).
    pub fn bearer_can(&self, permission: Permission) -> bool {
        self.bearer.role().is_some_and(|role| self.bearer.permissions().can(role, permission))
    }

    /// The token, if any, leaves the permission to its bearer (03 §8.1).
    pub fn token_can(&self, permission: Permission) -> bool {
        match (&self.token, self.bearer.role()) {
            (Some(token), Some(role)) => token.permissions.narrow(self.bearer.permissions()).can(role, permission),
            _ => true,
        }
    }

    /// Id of the current environment.
    pub fn environment_id(&self) -> Option<Uuid> {
        self.environment.as_ref().map(|e| e.id)
    }
}
