//! How entities and their attributes map to storage columns: one declaration (`entity!`) gives the struct, its column list
//! and access by column name, so that the store, the parameter reader and the serializer need no code per resource.

use super::time::Time;
use crate::json::Json;
use std::borrow::Cow;
use uuid::Uuid;

/// An owned storage value. Booleans are 0/1, times milliseconds, ids and JSON text (DESIGN, Storage).
#[derive(Clone, Debug, PartialEq)]
pub enum Val {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A text.
    Text(String),
}

/// A borrowed storage value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValRef<'a> {
    /// SQL NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A text.
    Text(&'a str),
}

impl Val {
    /// Borrows the value.
    pub fn borrow(&self) -> ValRef<'_> {
        match self {
            Val::Null => ValRef::Null,
            Val::Int(value) => ValRef::Int(*value),
            Val::Text(text) => ValRef::Text(text),
        }
    }
}

/// A stored value is not what its column promises.
#[derive(Debug, Clone, thiserror::Error)]
#[error("column {column}: unexpected value")]
pub struct ColumnError {
    /// The column's name.
    pub column: &'static str,
}

/// A row that yields its values by position.
pub trait RowSource {
    /// The value of column `index`, counted from 0.
    fn value(&self, index: usize) -> Option<ValRef<'_>>;
}

/// A type that a column can hold.
pub trait Column: Sized + Default {
    /// To storage.
    fn to_val(&self) -> Val;
    /// From storage; `None` when the value does not fit.
    fn from_val(value: ValRef<'_>) -> Option<Self>;
    /// As an attribute of a document.
    fn to_json(&self) -> Json;
}

impl Column for i64 {
    fn to_val(&self) -> Val {
        Val::Int(*self)
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Int(value) => Some(value),
            _ => None,
        }
    }
    fn to_json(&self) -> Json {
        Json::Int(*self)
    }
}

impl Column for bool {
    fn to_val(&self) -> Val {
        Val::Int(i64::from(*self))
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Int(value) => Some(value != 0),
            _ => None,
        }
    }
    fn to_json(&self) -> Json {
        Json::Bool(*self)
    }
}

impl Column for String {
    fn to_val(&self) -> Val {
        Val::Text(self.clone())
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
    fn to_json(&self) -> Json {
        Json::Str(Cow::Owned(self.clone()))
    }
}

impl Column for Time {
    fn to_val(&self) -> Val {
        Val::Int(self.0)
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Int(value) => Some(Time(value)),
            _ => None,
        }
    }
    fn to_json(&self) -> Json {
        Json::Str(Cow::Owned(self.to_string()))
    }
}

impl Column for Uuid {
    fn to_val(&self) -> Val {
        Val::Text(self.hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned())
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Text(text) => Uuid::try_parse(text).ok(),
            _ => None,
        }
    }
    fn to_json(&self) -> Json {
        Json::Str(Cow::Owned(self.to_string()))
    }
}

impl<T: Column> Column for Option<T> {
    fn to_val(&self) -> Val {
        self.as_ref().map_or(Val::Null, Column::to_val)
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Null => Some(None),
            value => T::from_val(value).map(Some),
        }
    }
    fn to_json(&self) -> Json {
        self.as_ref().map_or(Json::Null, Column::to_json)
    }
}

/// Metadata as stored: the compact JSON text of an object with snake_case keys (01 §8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata(pub String);

impl Default for Metadata {
    fn default() -> Self {
        Metadata("{}".to_owned())
    }
}

impl Metadata {
    /// 01 §8.4: too long, or too many keys; the detail of the error.
    pub fn check_size(&self) -> Result<(), String> {
        match crate::json::parse_verbatim(&self.0) {
            Ok(parsed) => super::metadata::check_size(&self.0, &parsed),
            Err(_) => Ok(()),
        }
    }
}

impl Column for Metadata {
    fn to_val(&self) -> Val {
        Val::Text(self.0.clone())
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        String::from_val(value).map(Metadata)
    }
    fn to_json(&self) -> Json {
        if self.0 == "{}" {
            return Json::empty();
        }
        crate::json::parse_verbatim(&self.0).map_or(Json::empty(), |value| value.camelized())
    }
}

/// A list of strings, stored as a JSON array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings(pub Vec<String>);

impl Column for Strings {
    fn to_val(&self) -> Val {
        Val::Text(serde_json::Value::from(self.0.clone()).to_string())
    }
    fn from_val(value: ValRef<'_>) -> Option<Self> {
        match value {
            ValRef::Text(text) => serde_json::from_str(text).ok().map(Strings),
            _ => None,
        }
    }
    fn to_json(&self) -> Json {
        Json::Arr(self.0.iter().map(|text| Json::str(text.clone())).collect())
    }
}

/// A stored record: a table, its columns, and access to them by name.
pub trait Entity: Sized + Clone + Send + Sync + 'static {
    /// The table's name.
    const TABLE: &'static str;
    /// The columns, in the order in which `from_row` reads and `values` writes them.
    const COLUMNS: &'static [&'static str];
    /// `true` when the table has an `environment_id` column.
    const ENVIRONMENT_BOUND: bool;
    /// `SELECT <COLUMNS> FROM <TABLE>`.
    const SELECT: &'static str;
    /// `INSERT INTO <TABLE> (<COLUMNS>) VALUES (?, …)`.
    const INSERT: &'static str;
    /// `UPDATE <TABLE> SET <every column but id, account_id, created_at> = ? … WHERE id = ?`; arguments: `update_values`.
    const UPDATE: &'static str;

    /// Reads a row that has `COLUMNS` in order.
    fn from_row(row: &dyn RowSource) -> Result<Self, ColumnError>;
    /// The values of `COLUMNS` in order.
    fn values(&self) -> Vec<Val>;
    /// The arguments of `UPDATE`.
    fn update_values(&self) -> Vec<Val> {
        let mut values = self.values();
        let id = values[0].clone();
        // The first three columns never change.
        let mut out = values.split_off(3);
        out.push(id);
        out
    }
    /// One value by column name.
    fn value_of(&self, column: &str) -> Option<Val>;
    /// One value by column name, as a document shows it.
    fn json_of(&self, column: &str) -> Option<crate::json::Json>;
    /// Sets one value by column name; `false` when the column is unknown or the value does not fit its type.
    fn set_value(&mut self, column: &str, value: &Val) -> bool;
    /// The record's id.
    fn id(&self) -> Uuid;
    /// The account that the record belongs to.
    fn account_id(&self) -> Uuid;
    /// The record's environment; `None` is the global one (also for records that are not environment-bound).
    fn environment_id(&self) -> Option<Uuid>;
    /// When the record was created.
    fn created_at(&self) -> Time;
    /// When the record was last changed.
    fn updated_at(&self) -> Time;
    /// Moves `updated_at`.
    fn touch(&mut self, now: Time);
}

/// Declares an entity: `entity! { /// doc  Name, "table", { column: Type, … } }`.
/// `id`, `account_id`, `environment_id` (unless the table is marked `unbound`), `created_at` and `updated_at` are implied.
macro_rules! entity {
    ($(#[$meta:meta])* $name:ident, $table:literal, { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        entity!(@define $(#[$meta])* $name, $table, true, { environment_id: Option<uuid::Uuid>, $($(#[$fmeta])* $field: $ty),* });
        entity!(@common $name, true, |e: &$name| e.environment_id);
        impl $name {
            /// A record with every other column at its type's default.
            pub fn new(id: uuid::Uuid, account_id: uuid::Uuid, environment_id: Option<uuid::Uuid>, now: $crate::model::Time) -> Self {
                Self { id, account_id, environment_id, created_at: now, updated_at: now, $($field: Default::default()),* }
            }
        }
    };
    ($(#[$meta:meta])* $name:ident, $table:literal, unbound, { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? }) => {
        entity!(@define $(#[$meta])* $name, $table, false, { $($(#[$fmeta])* $field: $ty),* });
        entity!(@common $name, false, |_: &$name| None);
        impl $name {
            /// A record with every other column at its type's default.
            pub fn new(id: uuid::Uuid, account_id: uuid::Uuid, now: $crate::model::Time) -> Self {
                Self { id, account_id, created_at: now, updated_at: now, $($field: Default::default()),* }
            }
        }
    };
    (@define $(#[$meta:meta])* $name:ident, $table:literal, $bound:literal, { $($(#[$fmeta:meta])* $field:ident : $ty:ty),* }) => {
        $(#[$meta])*
        #[derive(Clone)]
        #[allow(missing_docs)]
        pub struct $name {
            pub id: uuid::Uuid,
            pub account_id: uuid::Uuid,
            pub created_at: $crate::model::Time,
            pub updated_at: $crate::model::Time,
            $($(#[$fmeta])* pub $field: $ty,)*
        }

        /// Only the table and the id: records hold keys, digests and personal data that must reach no log.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}/{}", $table, self.id)
            }
        }

        impl $name {
            const SELECT_SQL: &'static str =
                concat!("SELECT id, account_id, created_at, updated_at", $(", ", stringify!($field),)* " FROM ", $table);
            const INSERT_SQL: &'static str = concat!(
                "INSERT INTO ", $table, " (id, account_id, created_at, updated_at", $(", ", stringify!($field),)*
                ") VALUES (?, ?, ?, ?", $(entity!(@placeholder $field),)* ")"
            );
            const UPDATE_SQL: &'static str =
                concat!("UPDATE ", $table, " SET updated_at = ?", $(", ", stringify!($field), " = ?",)* " WHERE id = ?");
            const TABLE_NAME: &'static str = $table;
            const COLUMN_NAMES: &'static [&'static str] =
                &["id", "account_id", "created_at", "updated_at", $(stringify!($field)),*];

            fn read(row: &dyn $crate::model::RowSource) -> Result<Self, $crate::model::ColumnError> {
                let mut at = 0;
                Ok(Self {
                    id: $crate::model::column::next(row, &mut at, "id")?,
                    account_id: $crate::model::column::next(row, &mut at, "account_id")?,
                    created_at: $crate::model::column::next(row, &mut at, "created_at")?,
                    updated_at: $crate::model::column::next(row, &mut at, "updated_at")?,
                    $($field: $crate::model::column::next(row, &mut at, stringify!($field))?,)*
                })
            }

            fn write(&self) -> Vec<$crate::model::Val> {
                use $crate::model::Column as _;
                vec![
                    self.id.to_val(), self.account_id.to_val(), self.created_at.to_val(), self.updated_at.to_val(),
                    $(self.$field.to_val(),)*
                ]
            }

            fn get_column(&self, column: &str) -> Option<$crate::model::Val> {
                use $crate::model::Column as _;
                match column {
                    "id" => Some(self.id.to_val()),
                    "account_id" => Some(self.account_id.to_val()),
                    "created_at" => Some(self.created_at.to_val()),
                    "updated_at" => Some(self.updated_at.to_val()),
                    $(stringify!($field) => Some(self.$field.to_val()),)*
                    _ => None,
                }
            }

            fn json_column(&self, column: &str) -> Option<$crate::json::Json> {
                use $crate::model::Column as _;
                match column {
                    "id" => Some(self.id.to_json()),
                    "account_id" => Some(self.account_id.to_json()),
                    "created_at" => Some(self.created_at.to_json()),
                    "updated_at" => Some(self.updated_at.to_json()),
                    $(stringify!($field) => Some(self.$field.to_json()),)*
                    _ => None,
                }
            }

            fn set_column(&mut self, column: &str, value: &$crate::model::Val) -> bool {
                match column {
                    $(stringify!($field) => match $crate::model::Column::from_val(value.borrow()) {
                        Some(value) => { self.$field = value; true }
                        None => false,
                    },)*
                    _ => false,
                }
            }
        }
    };
    (@placeholder $field:ident) => { ", ?" };
    (@common $name:ident, $bound:literal, $environment:expr) => {
        impl $crate::model::Entity for $name {
            const TABLE: &'static str = Self::TABLE_NAME;
            const COLUMNS: &'static [&'static str] = Self::COLUMN_NAMES;
            const ENVIRONMENT_BOUND: bool = $bound;
            const SELECT: &'static str = Self::SELECT_SQL;
            const INSERT: &'static str = Self::INSERT_SQL;
            const UPDATE: &'static str = Self::UPDATE_SQL;
            fn from_row(row: &dyn $crate::model::RowSource) -> Result<Self, $crate::model::ColumnError> { Self::read(row) }
            fn values(&self) -> Vec<$crate::model::Val> { self.write() }
            fn value_of(&self, column: &str) -> Option<$crate::model::Val> { self.get_column(column) }
            fn json_of(&self, column: &str) -> Option<$crate::json::Json> { self.json_column(column) }
            fn set_value(&mut self, column: &str, value: &$crate::model::Val) -> bool { self.set_column(column, value) }
            fn id(&self) -> uuid::Uuid { self.id }
            fn account_id(&self) -> uuid::Uuid { self.account_id }
            fn environment_id(&self) -> Option<uuid::Uuid> { ($environment)(self) }
            fn created_at(&self) -> $crate::model::Time { self.created_at }
            fn updated_at(&self) -> $crate::model::Time { self.updated_at }
            fn touch(&mut self, now: $crate::model::Time) { self.updated_at = now; }
        }
    };
}
pub(crate) use entity;

/// Reads the column at `at` and steps on.
pub(crate) fn next<T: Column>(row: &dyn RowSource, at: &mut usize, column: &'static str) -> Result<T, ColumnError> {
    let value = row.value(*at).ok_or(ColumnError { column })?;
    *at += 1;
    T::from_val(value).ok_or(ColumnError { column })
}

/// Declares an enum whose values have names on the wire and in storage; the first is the default.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* #[doc = concat!("`", $text, "`")] $variant,)* }

        impl $name {
            /// The names of all values, in declaration order.
            pub const NAMES: &'static [&'static str] = &[$($text),*];
            /// All values, in declaration order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The value of that exact name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl Default for $name {
            fn default() -> Self { Self::ALL[0] }
        }

        impl $crate::model::Column for $name {
            fn to_val(&self) -> $crate::model::Val { $crate::model::Val::Text(self.as_str().to_owned()) }
            fn from_val(value: $crate::model::ValRef<'_>) -> Option<Self> {
                match value { $crate::model::ValRef::Text(text) => Self::parse(text), _ => None }
            }
            fn to_json(&self) -> $crate::json::Json { self.as_str().into() }
        }
    };
}
pub(crate) use wire_enum;
