//! What differs between database engines, in one place.

use crate::model::metadata;
use rusqlite::functions::FunctionFlags;

/// SQL that compares the text column `column` with one argument, ignoring ASCII case.
pub fn case_insensitive_equals(column: &str) -> String {
    format!("lower({column}) = lower(?)")
}

/// How many rows share a value of a column, as a rule of thumb, in a database of a million rows a table. Columns that are not
/// listed are taken for unique.
const SHARED_BY: &[(&str, i64)] = &[
    ("account_id", 1_000_000),
    ("environment_id", 500_000),
    ("role", 200_000),
    ("product_id", 50_000),
    ("policy_id", 20_000),
    ("group_id", 1_000),
    ("entitlement_id", 1_000),
    ("bearer_environment_id", 5),
    ("license_id", 3),
    ("owner_id", 3),
    ("user_id", 3),
    ("machine_id", 3),
    ("fingerprint", 2),
    ("expires_at", 2),
    ("pid", 2),
];

/// Writes the planner's statistics by that rule of thumb. Without any the planner takes every index for equally selective and
/// walks a whole account, newest first, to find the three machines of a license; gathered ones would depend on what the
/// database happens to hold. Other connections read them when they are opened.
pub(super) fn write_statistics(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    // Makes the table of statistics.
    connection.execute_batch("ANALYZE sqlite_schema; DELETE FROM sqlite_stat1;")?;
    let texts = |sql: &str, of: &str| -> rusqlite::Result<Vec<Option<String>>> {
        connection.prepare(sql)?.query_map([of], |row| row.get(0))?.collect()
    };
    let tables = "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'";
    for table in texts(tables, "table")?.into_iter().flatten() {
        for index in texts("SELECT name FROM pragma_index_list(?)", &table)?.into_iter().flatten() {
            let mut estimate = 1_000_000;
            let mut line = estimate.to_string();
            for column in texts("SELECT name FROM pragma_index_info(?)", &index)? {
                let shared = column.and_then(|column| SHARED_BY.iter().find(|(name, _)| *name == column));
                estimate = estimate.min(shared.map_or(1, |(_, rows)| *rows));
                line.push_str(&format!(" {estimate}"));
            }
            connection
                .execute("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", [&table, &index, &line])?;
        }
    }
    // Has this connection read them, too.
    connection.execute_batch("ANALYZE sqlite_schema")
}

/// SQL that is true when the metadata in `column` contains the pairs of one argument, a JSON object (01 §15.3).
pub fn metadata_contains(column: &str) -> String {
    format!("metadata_contains({column}, ?)")
}

/// Registers the functions that our SQL expects beyond the common subset.
pub(super) fn register(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("metadata_contains", 2, flags, |context| {
        let stored = crate::json::parse_verbatim(context.get_raw(0).as_str()?);
        // The same argument for every row of a query: read once.
        let pairs = context.get_or_create_aux(1, |value| -> Result<_, std::convert::Infallible> {
            let pairs = value.as_str().ok().and_then(|text| crate::json::parse_verbatim(text).ok());
            Ok(pairs.map(|pairs| metadata::query_of(&pairs)).unwrap_or_default())
        })?;
        Ok(stored.is_ok_and(|stored| metadata::matches(&stored, &pairs)))
    })
}
