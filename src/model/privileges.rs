//! Who has power over which users (04 §6.2).

use super::{PermissionSet, Role, User};

/// Ranks of roles (03 §7).
fn rank(role: Role) -> u8 {
    match role {
        Role::Admin => 7,
        Role::Environment => 6,
        Role::Developer => 5,
        Role::Product => 4,
        Role::SalesAgent => 3,
        Role::SupportAgent => 2,
        Role::ReadOnly => 1,
        Role::License | Role::User => 0,
    }
}

/// Administrator of everything (03 §8.2).
pub fn is_full(permissions: PermissionSet) -> bool {
    permissions.has_wildcard() || Role::Admin.allowed().is_subset(permissions)
}

/// Privileges over a user (04 §6.2): `role` and `permissions` are the bearer's, the user is as it would be.
pub fn may_handle(role: Role, permissions: PermissionSet, user: &User) -> bool {
    if rank(role) < rank(user.role) {
        return false;
    }
    if role != user.role || (role == Role::Admin && is_full(permissions)) {
        return true;
    }
    let able = match permissions.has_wildcard() {
        true => role.allowed().union(PermissionSet::wildcard()),
        false => permissions,
    };
    user.permissions.is_subset(able)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;
    use uuid::Uuid;

    // 04 §6.2
    #[test]
    fn privileges_follow_rank_and_permissions() {
        let all = Role::Admin.default_permissions();
        let some = PermissionSet::from_names(["user.read", "user.create", "user.update"]).unwrap();
        let fewer = PermissionSet::from_names(["user.read"]).unwrap();
        let star = PermissionSet::wildcard();
        for (bearer, own, role, set, may) in [
            (Role::Developer, all, Role::Admin, fewer, false),
            (Role::Environment, all, Role::Admin, fewer, false),
            (Role::Environment, fewer, Role::User, all, true),
            (Role::Product, fewer, Role::User, star, true),
            (Role::SalesAgent, all, Role::SupportAgent, all, true),
            (Role::SupportAgent, all, Role::SalesAgent, fewer, false),
            (Role::Admin, all, Role::Admin, star, true),
            (Role::Admin, star, Role::Admin, all, true),
            (Role::Admin, some, Role::Admin, fewer, true),
            (Role::Admin, some, Role::Admin, all, false),
            (Role::Admin, some, Role::Admin, star, false),
            (Role::Admin, some, Role::Developer, all, true),
            (Role::Developer, some, Role::Developer, all, false),
            (Role::Developer, star, Role::Developer, all, true),
            (Role::Developer, all, Role::Developer, star, false),
            (Role::User, fewer, Role::User, fewer, true),
            (Role::User, fewer, Role::User, some, false),
        ] {
            let mut user = User::new(Uuid::nil(), Uuid::nil(), None, Time(0));
            user.role = role;
            user.permissions = set;
            assert_eq!(may_handle(bearer, own, &user), may, "{bearer:?} {role:?}");
        }
    }
}
