//! What differs between database engines, in one place.

use super::StoreError;

/// SQL that compares the text column `column` with one argument, ignoring ASCII case.
pub fn case_insensitive_equals(column: &str) -> String {
    format!("lower({column}) = lower(?)")
}

/// The error is a violation of a uniqueness rule of `table` (and only of that table).
pub fn is_unique_violation_of(error: &StoreError, table: &str) -> bool {
    matches!(error, StoreError::Conflict(message) if message.contains(&format!("{table}.")) || message.contains(&format!("index '{table}_")))
}

/// Registers the functions that our SQL expects beyond the common subset. None yet.
pub(super) fn register(_connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    Ok(())
}
