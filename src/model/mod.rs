//! Types and rules of licensing, without I/O: entities as they are stored, policy strategies, status and expiry arithmetic,
//! limits, heartbeats, the validation decision list. Everything here takes values and returns values; time is passed in.

mod column;
mod entities;
mod permissions;
mod time;

pub use column::{Column, ColumnError, Entity, Metadata, RowSource, Strings, Val, ValRef};
pub use entities::*;
pub use permissions::{Permission, PermissionSet, Role};
pub use time::Time;
