//! What differs between database engines, in one place.

/// SQL that compares the text column `column` with one argument, ignoring ASCII case.
pub fn case_insensitive_equals(column: &str) -> String {
    format!("lower({column}) = lower(?)")
}

/// How many rows share a value of a column, as a rule of thumb, in a database of a million rows a table. Columns that are not
/// listed are taken for unique.
const SHARED_BY: &[(&str, i64)] = &[
    ("account_id", 1_000_000),
    ("environment_id", 500_000),
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

/// Registers the functions that our SQL expects beyond the common subset. None yet.
pub(super) fn register(_connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    Ok(())
}
