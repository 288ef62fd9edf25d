//! The letters of the specification's tables (00 §3.1): who a bearer is, and what it is to a record.

use std::ops::{BitAnd, BitOr};

/// A set of letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Letters(pub u32);

/// The single letters, and the sets that the tables use.
#[allow(missing_docs)]
pub mod letters {
    use super::Letters;

    /// User with role `admin`.
    pub const A: Letters = Letters(1);
    /// User with role `developer`.
    pub const D: Letters = Letters(1 << 1);
    /// User with role `sales-agent`.
    pub const S: Letters = Letters(1 << 2);
    /// User with role `support-agent`.
    pub const SU: Letters = Letters(1 << 3);
    /// User with role `read-only`.
    pub const R: Letters = Letters(1 << 4);
    /// Environment.
    pub const E: Letters = Letters(1 << 5);
    /// Product (the product that the record belongs to).
    pub const P: Letters = Letters(1 << 6);
    /// License (the license that the record belongs to).
    pub const L: Letters = Letters(1 << 7);
    /// User with role `user`, whatever it is to the record.
    pub const U: Letters = Letters(1 << 8);
    /// Anonymous.
    pub const X: Letters = Letters(1 << 9);
    /// User that owns the license.
    pub const UO: Letters = Letters(1 << 10);
    /// User that is attached to the license.
    pub const UA: Letters = Letters(1 << 11);
    /// User that is attached to the license and owns the machine.
    pub const UM: Letters = Letters(1 << 12);
    /// `UO`, only when the license is not protected.
    pub const UO_NP: Letters = Letters(1 << 13);
    /// `UA`, only when the license is not protected.
    pub const UA_NP: Letters = Letters(1 << 14);
    /// `UM`, only when the license is not protected.
    pub const UM_NP: Letters = Letters(1 << 15);
    /// `UO`, only when the license's policy is not protected.
    pub const UO_POLICY_NP: Letters = Letters(1 << 16);
    /// `L`, only when the license is not protected.
    pub const L_NP: Letters = Letters(1 << 17);

    /// User of whatever role that is the record itself.
    pub const SELF: Letters = Letters(1 << 18);

    /// User that owns the group.
    pub const GO: Letters = Letters(1 << 19);
    /// User of the group that owns some group, this one or another.
    pub const GO_ANY: Letters = Letters(1 << 20);

    /// Environment, when the user has role `user`.
    pub const E_USER: Letters = Letters(1 << 21);

    /// Everybody with a role in the vendor's staff.
    pub const STAFF: Letters = Letters(0b1_1111);
    /// Nobody.
    pub const NONE: Letters = Letters(0);
    /// Everybody.
    pub const ALL: Letters = Letters(u32::MAX);
    /// Every user of a license.
    pub const USERS: Letters = Letters(UO.0 | UA.0 | UM.0);
}

impl Letters {
    /// Has some letter in common.
    pub const fn intersects(self, other: Letters) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together, usable in constants.
    pub const fn or(self, other: Letters) -> Letters {
        Letters(self.0 | other.0)
    }
}

impl BitOr for Letters {
    type Output = Letters;
    fn bitor(self, other: Letters) -> Letters {
        Letters(self.0 | other.0)
    }
}

impl BitAnd for Letters {
    type Output = Letters;
    fn bitand(self, other: Letters) -> Letters {
        Letters(self.0 & other.0)
    }
}
