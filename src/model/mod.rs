//! Types and rules of licensing, without I/O: entities as they are stored, policy strategies, status and expiry arithmetic,
//! limits, heartbeats, the validation decision list. Everything here takes values and returns values; time is passed in.

pub mod coerce;
pub(crate) mod column;
pub mod duration;
pub mod email;
mod entities;
pub mod heartbeat;
pub mod license_status;
pub mod limits;
pub mod metadata;
mod permissions;
pub mod policy_rules;
pub mod privileges;
pub mod slug;
mod time;
pub mod validation;

pub use column::{Column, ColumnError, Entity, Metadata, RowSource, Strings, Val, ValRef};
pub use entities::*;
pub use permissions::{Permission, PermissionSet, Role};
pub use time::Time;
