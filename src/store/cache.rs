//! Records that many requests share and that hardly change, kept beside a read connection while the database stays as it is.

use crate::model::Entity;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use uuid::Uuid;

/// The tables whose records are worth it: few rows, read by most requests.
const TABLES: &[&str] = &["accounts", "environments", "groups", "policies", "products"];

/// So many records are kept at the most.
const MAX_RECORDS: usize = 256;

/// The records that one connection has read since the database last changed. Exact: `PRAGMA data_version` moves with every
/// commit of every other connection, of this process or another, and a read connection makes none itself.
#[derive(Default)]
pub(super) struct Cache {
    version: i64,
    records: HashMap<(TypeId, Uuid), Box<dyn Any + Send>>,
}

impl Cache {
    /// Drops everything unless the snapshot is still of this version.
    pub(super) fn at(&mut self, version: i64) {
        if self.version != version {
            self.version = version;
            self.records.clear();
        }
    }

    /// Records of this kind are kept.
    pub(super) fn keeps<T: Entity>() -> bool {
        TABLES.contains(&T::TABLE)
    }

    pub(super) fn get<T: Entity>(&self, id: Uuid) -> Option<&T> {
        self.records.get(&(TypeId::of::<T>(), id))?.downcast_ref()
    }

    pub(super) fn put<T: Entity>(&mut self, record: T) {
        if self.records.len() >= MAX_RECORDS {
            self.records.clear();
        }
        self.records.insert((TypeId::of::<T>(), record.id()), Box::new(record));
    }
}
