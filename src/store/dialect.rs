//! What differs between database engines, in one place.

/// SQL that compares the text column `column` with one argument, ignoring ASCII case.
pub fn case_insensitive_equals(column: &str) -> String {
    format!("lower({column}) = lower(?)")
}

/// Registers the functions that our SQL expects beyond the common subset. None yet.
pub(super) fn register(_connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    Ok(())
}
