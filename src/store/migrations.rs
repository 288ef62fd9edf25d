//! Numbered schema changes, run at start in one transaction. `schema.sql` is what a fresh file gets; migrating an old file
//! gives the same (tested).

use super::OpenError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Marks a file as ours (`PRAGMA application_id`): "KGLT".
const APPLICATION_ID: i64 = 0x4B47_4C54;

/// The schema of a fresh file.
const SCHEMA: &str = include_str!("../../schema.sql");

/// Changes in order: number `n` (counted from 2) turns schema `n - 1` into schema `n`. Schema 1 is the first release's.
const MIGRATIONS: &[&str] = &[include_str!("migrations/002.sql")];

/// The schema version that this program writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64 + 1;

/// The file's schema version, nothing of a fresh one; refuses files of newer versions and of other programs, and changes
/// nothing.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<Option<i64>, OpenError> {
    let number = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|e| match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => OpenError::Foreign(path.to_owned()),
            _ => OpenError::File(path.to_owned(), e.to_string()),
        })
    };
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    if application == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(None);
    }
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(Some(found))
}

/// Brings the file to the current schema; refuses what [`check`] refuses.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |e: rusqlite::Error| OpenError::File(path.to_owned(), e.to_string());
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if let Some(version) = check(&transaction, path)? {
        for migration in MIGRATIONS.iter().skip(usize::try_from(version - 1).unwrap_or(0)) {
            transaction.execute_batch(migration).map_err(failed)?;
        }
    } else {
        transaction.execute_batch(SCHEMA).map_err(failed)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    }
    super::dialect::write_statistics(&transaction).map_err(failed)?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    transaction.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every entity's columns are exactly its table's (generated columns apart).
    #[test]
    fn entities_are_the_twins_of_the_schema() {
        use crate::model::*;
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        fn check<T: Entity>(connection: &Connection) {
            let mut statement = connection.prepare(&format!("PRAGMA table_info({})", T::TABLE)).unwrap();
            let mut stored: Vec<String> =
                statement.query_map([], |row| row.get::<_, String>(1)).unwrap().map(Result::unwrap).collect();
            let mut declared: Vec<String> = T::COLUMNS.iter().map(|c| (*c).to_owned()).collect();
            stored.sort();
            declared.sort();
            assert_eq!(stored, declared, "{}", T::TABLE);
            assert_eq!(T::ENVIRONMENT_BOUND, declared.iter().any(|c| c == "environment_id"));
        }
        check::<Account>(&connection);
        check::<AccountKeyMaterial>(&connection);
        check::<Environment>(&connection);
        check::<Group>(&connection);
        check::<User>(&connection);
        check::<Product>(&connection);
        check::<SecondFactor>(&connection);
        check::<GroupOwner>(&connection);
        check::<Setting>(&connection);
        check::<Entitlement>(&connection);
        check::<Policy>(&connection);
        check::<Key>(&connection);
        check::<License>(&connection);
        check::<LicenseUser>(&connection);
        check::<LicenseEntitlement>(&connection);
        check::<PolicyEntitlement>(&connection);
        check::<Machine>(&connection);
        check::<Component>(&connection);
        check::<Process>(&connection);
        check::<Token>(&connection);
        check::<EventLog>(&connection);
    }

    /// A file of the first schema, brought up to date, is what a fresh file is.
    #[test]
    fn migrating_gives_the_schema_of_a_fresh_file() {
        fn describe(connection: &Connection) -> Vec<String> {
            let texts = |sql: &str| -> Vec<String> {
                let mut statement = connection.prepare(sql).unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            };
            let mut lines =
                texts("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name");
            lines.extend(texts(
                "SELECT m.name || ' ' || c.cid || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' '
                   || coalesce(c.dflt_value, '') || ' ' || c.pk || ' ' || c.hidden
                 FROM sqlite_schema m, pragma_table_xinfo(m.name) c
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY 1",
            ));
            lines.extend(texts(
                "SELECT m.name || ' ' || m.type || ' ' || m.sql FROM sqlite_schema m
                 WHERE m.type NOT IN ('table', 'index') ORDER BY 1",
            ));
            lines.extend(texts(
                "SELECT m.name || ' ' || f.\"from\" || ' ' || f.\"table\" || ' ' || f.on_delete
                 FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY 1",
            ));
            lines
        }
        let mut old = Connection::open_in_memory().unwrap();
        old.execute_batch(include_str!("migrations/001.sql")).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        run(&mut old, Path::new("old.db")).unwrap();
        let fresh = Connection::open_in_memory().unwrap();
        fresh.execute_batch(SCHEMA).unwrap();
        assert_eq!(describe(&old), describe(&fresh));
        assert_eq!(old.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap(), VERSION);
    }

    #[test]
    fn refuses_newer_and_foreign_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new.db");
        let mut connection = Connection::open(&path).unwrap();
        run(&mut connection, &path).unwrap();
        run(&mut connection, &path).unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(matches!(run(&mut connection, &path), Err(OpenError::Newer { .. })));

        let path = directory.path().join("foreign.db");
        let mut connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(run(&mut connection, &path), Err(OpenError::Foreign(_))));
    }

    /// Lists within a bearer's scope start from the scope's index, not from the account's.
    #[test]
    fn scoped_lists_use_the_scopes_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        super::super::dialect::write_statistics(&connection).unwrap();
        let of_user = "(SELECT id FROM licenses WHERE owner_id = 'u' UNION SELECT license_id FROM license_users WHERE user_id = 'u')";
        let attached =
            "(licenses.owner_id = 'u' OR licenses.id IN (SELECT license_id FROM license_users WHERE user_id = 'u'))";
        for (table, scope, indexes) in [
            ("machines", "machines.license_id = 'l'", &["machines_license"][..]),
            ("machines", "machines.product_id = 'p'", &["machines_product"]),
            ("machines", &format!("machines.license_id IN {of_user}"), &["machines_license", "machines_fingerprint"]),
            ("machine_components", "machine_components.machine_id = 'm'", &["machine_components_machine"]),
            ("machine_processes", "machine_processes.license_id = 'l'", &["machine_processes_license"]),
            ("licenses", "licenses.product_id = 'p'", &["licenses_product"]),
            ("licenses", "licenses.policy_id = 'p'", &["licenses_policy"]),
            ("licenses", &format!("licenses.id IN {of_user}"), &["sqlite_autoindex_licenses_1"]),
            ("licenses", attached, &["licenses_owner", "sqlite_autoindex_licenses_1"]),
            ("policies", "policies.product_id = 'p'", &["policies_product"]),
            ("tokens", "tokens.license_id = 'l'", &["tokens_license"]),
            ("tokens", "tokens.user_id = 'u'", &["tokens_user"]),
            ("tokens", "tokens.product_id = 'p'", &["tokens_product"]),
        ] {
            for environment in
                ["environment_id IS NULL", "environment_id = 'e'", "(environment_id = 'e' OR environment_id IS NULL)"]
            {
                let sql = format!(
                    "EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {scope} AND account_id = 'a' AND {environment}
                     ORDER BY {table}.created_at DESC, {table}.id DESC LIMIT 10"
                );
                let mut statement = connection.prepare(&sql).unwrap();
                let plan: Vec<String> =
                    statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
                let uses = |index: &&str| plan.iter().any(|line| line.contains(&format!("INDEX {index} ")));
                assert!(indexes.iter().any(uses), "{table} {scope} {environment}: {plan:?}");
                let whole = [format!("INDEX {table}_list "), format!("INDEX {table}_account ")];
                assert!(!plan.iter().any(|line| whole.iter().any(|w| line.contains(w))), "{scope}: {plan:?}");
            }
        }
    }

    /// What users hold is found from the user or the license, in both halves of the view.
    #[test]
    fn holdings_are_searched() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        super::super::dialect::write_statistics(&connection).unwrap();
        for sql in [
            "SELECT 1 FROM user_licenses WHERE user_id = 'u' AND product_id = 'p'",
            "SELECT DISTINCT product_id FROM user_licenses WHERE user_id = 'u'",
            "SELECT user_id FROM user_licenses WHERE license_id IN (SELECT license_id FROM user_licenses WHERE user_id = 'u')",
            "SELECT user_id FROM user_licenses WHERE license_id = 'l'",
            "SELECT 1 FROM tokens WHERE id = 't' AND EXISTS
               (SELECT 1 FROM user_licenses WHERE user_licenses.user_id = tokens.user_id AND user_licenses.product_id = 'p')",
            "SELECT * FROM users WHERE id = 'u' AND account_id = 'a' AND id IN
               (SELECT user_id FROM user_licenses WHERE license_id IN (SELECT license_id FROM user_licenses WHERE user_id = 'u'))",
        ] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let plan: Vec<String> = statement.query_map([], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let scans = |line: &&String| {
                ["licenses", "license_users", "users"].iter().any(|table| line.starts_with(&format!("SCAN {table}")))
            };
            assert_eq!(plan.iter().find(scans), None, "{sql}: {plan:#?}");
        }
    }

    /// Every foreign key that acts on deletion can find its children by an index.
    #[test]
    fn foreign_keys_are_indexed() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let mut statement = connection
            .prepare(
                "SELECT m.name, f.\"from\" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
                 WHERE m.type = 'table' AND f.\"table\" <> 'accounts'",
            )
            .unwrap();
        let keys: Vec<(String, String)> =
            statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().map(Result::unwrap).collect();
        assert!(keys.len() > 30);
        for (table, column) in keys {
            let plan: String = connection
                .query_row(&format!("EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = 'x'"), [], |r| r.get(3))
                .unwrap();
            assert!(plan.starts_with("SEARCH"), "{table}.{column}: {plan}");
        }
    }
}
