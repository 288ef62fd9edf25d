//! The small interface through which everything reads and writes.

use super::cache::Cache;
use super::{StoreError, engine};
use crate::model::{ColumnError, Entity, RowSource, Val, ValRef};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use std::cell::RefCell;
use uuid::Uuid;

/// A connection inside a transaction: a snapshot when reading, a savepoint when writing.
pub struct Db<'c> {
    connection: &'c rusqlite::Connection,
    /// Of read connections only: inside a write, records change under way.
    cache: Option<&'c RefCell<Cache>>,
}

/// One row of a result.
pub struct Row<'r, 's>(&'r rusqlite::Row<'s>);

impl RowSource for Row<'_, '_> {
    fn value(&self, index: usize) -> Option<ValRef<'_>> {
        match self.0.get_ref(index).ok()? {
            ValueRef::Null => Some(ValRef::Null),
            ValueRef::Integer(value) => Some(ValRef::Int(value)),
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().map(ValRef::Text),
            ValueRef::Real(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl Row<'_, '_> {
    /// Column `index`, counted from 0, as `T`.
    pub fn get<T: crate::model::Column>(&self, index: usize) -> Result<T, ColumnError> {
        self.value(index).and_then(T::from_val).ok_or(ColumnError { column: "(computed)" })
    }
}

struct Bound<'v>(&'v Val);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Val::Null => ToSqlOutput::Owned(Value::Null),
            Val::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Val::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

impl<'c> Db<'c> {
    pub(super) fn new(connection: &'c rusqlite::Connection) -> Db<'c> {
        Db { connection, cache: None }
    }

    pub(super) fn cached(connection: &'c rusqlite::Connection, cache: &'c RefCell<Cache>) -> Db<'c> {
        Db { connection, cache: Some(cache) }
    }

    /// All rows of a query, mapped.
    pub fn query<T>(
        &self,
        sql: &str,
        args: &[Val],
        mut map: impl FnMut(&Row<'_, '_>) -> Result<T, ColumnError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(engine)?;
        let mut rows = statement.query(rusqlite::params_from_iter(args.iter().map(Bound))).map_err(engine)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next().map_err(engine)? {
            out.push(map(&Row(row))?);
        }
        Ok(out)
    }

    /// The first row of a query, mapped.
    pub fn query_one<T>(
        &self,
        sql: &str,
        args: &[Val],
        map: impl FnOnce(&Row<'_, '_>) -> Result<T, ColumnError>,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(engine)?;
        let mut rows = statement.query(rusqlite::params_from_iter(args.iter().map(Bound))).map_err(engine)?;
        match rows.next().map_err(engine)? {
            Some(row) => Ok(Some(map(&Row(row))?)),
            None => Ok(None),
        }
    }

    /// Runs a statement and gives the number of changed rows.
    pub fn execute(&self, sql: &str, args: &[Val]) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(engine)?;
        statement.execute(rusqlite::params_from_iter(args.iter().map(Bound))).map_err(engine)
    }

    /// The first entity that meets `condition` (SQL after the table's name, e.g. `WHERE account_id = ? AND key = ?`).
    pub fn find<T: Entity>(&self, condition: &str, args: &[Val]) -> Result<Option<T>, StoreError> {
        self.query_one(&format!("{} {condition}", T::SELECT), args, |row| T::from_row(row))
    }

    /// All entities that meet `condition`.
    pub fn list<T: Entity>(&self, condition: &str, args: &[Val]) -> Result<Vec<T>, StoreError> {
        self.query(&format!("{} {condition}", T::SELECT), args, |row| T::from_row(row))
    }

    /// The entity of that id in the account.
    pub fn get<T: Entity>(&self, account_id: Uuid, id: Uuid) -> Result<Option<T>, StoreError> {
        use crate::model::Column as _;
        let cache = self.cache.filter(|_| Cache::keeps::<T>());
        if let Some(known) = cache.and_then(|cache| cache.borrow().get::<T>(id).cloned()) {
            return Ok(Some(known).filter(|known| known.account_id() == account_id));
        }
        let found = self.find("WHERE id = ? AND account_id = ?", &[id.to_val(), account_id.to_val()])?;
        if let (Some(cache), Some(record)) = (cache, &found) {
            cache.borrow_mut().put::<T>(T::clone(record));
        }
        Ok(found)
    }

    /// Some row meets `condition` (SQL after `SELECT 1 FROM`).
    pub fn exists(&self, from: &str, args: &[Val]) -> Result<bool, StoreError> {
        Ok(self.query_one(&format!("SELECT 1 FROM {from} LIMIT 1"), args, |_| Ok(()))?.is_some())
    }

    /// The number of rows that meet `condition` (SQL after `SELECT count(*) FROM`).
    pub fn count(&self, from: &str, args: &[Val]) -> Result<i64, StoreError> {
        Ok(self.query_one(&format!("SELECT count(*) FROM {from}"), args, |row| row.get(0))?.unwrap_or(0))
    }

    /// Stores a new record.
    pub fn insert<T: Entity>(&self, record: &T) -> Result<(), StoreError> {
        self.execute(T::INSERT, &record.values()).map(drop)
    }

    /// Stores a changed record.
    pub fn update<T: Entity>(&self, record: &T) -> Result<(), StoreError> {
        self.execute(T::UPDATE, &record.update_values()).map(drop)
    }

    /// Removes a record; what hangs on it goes by the schema's foreign keys.
    pub fn delete<T: Entity>(&self, record: &T) -> Result<(), StoreError> {
        use crate::model::Column as _;
        self.execute(&format!("DELETE FROM {} WHERE id = ?", T::TABLE), &[record.id().to_val()]).map(drop)
    }
}
