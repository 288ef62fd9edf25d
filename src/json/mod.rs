//! JSON as this API speaks it: a strict RFC 8259 reader that normalizes object keys (01 §4.1, §4.2) and a compact writer
//! that keeps the order of members (D16). A leaf module: it imports nothing of ours.
//!
//! `serde_json` is not used for documents because three things of the wire format are not its own: keys are normalized while
//! reading (and the last of two equal *normalized* keys wins), integers of any size keep their digits, and "float" is told
//! from "integer" by how a number is written.

mod case;
mod parse;
mod write;

use std::borrow::Cow;

pub use case::{lower_camel, normalize_key};
pub use parse::{ParseError, parse, parse_verbatim};

/// Text of a document: mostly static member names, sometimes owned.
pub type Text = Cow<'static, str>;

/// One JSON value. Objects keep their members in order; keys of parsed bodies are already normalized (01 §4.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// Any other number, as written: a float, or an integer beyond 64 bits.
    Number(Box<str>),
    /// A string.
    Str(Text),
    /// An array.
    Arr(Vec<Json>),
    /// An object.
    Obj(Vec<(Text, Json)>),
    /// JSON text that is known to be well formed and compact, copied to the output as it stands.
    Raw(Text),
}

impl Json {
    /// A string value.
    pub fn str(value: impl Into<Text>) -> Json {
        Json::Str(value.into())
    }

    /// An object from static names.
    pub fn obj<const N: usize>(members: [(&'static str, Json); N]) -> Json {
        Json::Obj(members.into_iter().map(|(k, v)| (Cow::Borrowed(k), v)).collect())
    }

    /// An empty object.
    pub const fn empty() -> Json {
        Json::Obj(Vec::new())
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Obj(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The member `key` of an object, for change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        match self {
            Json::Obj(members) => members.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Follows `keys` through nested objects.
    pub fn at(&self, keys: &[&str]) -> Option<&Json> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// Sets or appends the member `key`; does nothing on anything but an object.
    pub fn set(&mut self, key: impl Into<Text>, value: Json) {
        if let Json::Obj(members) = self {
            let key = key.into();
            match members.iter_mut().find(|(k, _)| *k == key) {
                Some((_, slot)) => *slot = value,
                None => members.push((key, value)),
            }
        }
    }

    /// Removes the member `key` and returns it.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        match self {
            Json::Obj(members) => {
                let at = members.iter().position(|(k, _)| k == key)?;
                Some(members.remove(at).1)
            }
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A 64-bit integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Json::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Json::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_arr(&self) -> Option<&[Json]> {
        match self {
            Json::Arr(items) => Some(items),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_obj(&self) -> Option<&[(Text, Json)]> {
        match self {
            Json::Obj(members) => Some(members),
            _ => None,
        }
    }

    /// `true` for `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    /// `true` for objects and arrays.
    pub fn is_container(&self) -> bool {
        matches!(self, Json::Obj(_) | Json::Arr(_))
    }

    /// The name of the type as error messages give it (01 §6.1).
    pub fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Int(_) => "integer",
            Json::Number(text) if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') => "integer",
            Json::Number(_) => "float",
            Json::Str(_) => "string",
            Json::Arr(_) => "array",
            Json::Obj(_) | Json::Raw(_) => "object",
        }
    }

    /// Blank as the parameter rules mean it (01 §6.1): `""`, white space only, `[]`, `{}`.
    pub fn is_blank(&self) -> bool {
        match self {
            Json::Str(text) => text.trim().is_empty(),
            Json::Arr(items) => items.is_empty(),
            Json::Obj(members) => members.is_empty(),
            _ => false,
        }
    }

    /// The same value with the keys of every object, at every depth, in lower camel case (01 §4.2).
    pub fn camelized(&self) -> Json {
        match self {
            Json::Obj(members) => {
                Json::Obj(members.iter().map(|(k, v)| (Cow::Owned(lower_camel(k)), v.camelized())).collect())
            }
            Json::Arr(items) => Json::Arr(items.iter().map(Json::camelized).collect()),
            other => other.clone(),
        }
    }

    /// Walks the value and says whether some string or key holds a null character.
    pub fn has_null_character(&self) -> bool {
        match self {
            Json::Str(text) => text.contains('\0'),
            Json::Arr(items) => items.iter().any(Json::has_null_character),
            Json::Obj(members) => members.iter().any(|(k, v)| k.contains('\0') || v.has_null_character()),
            _ => false,
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}
impl From<i64> for Json {
    fn from(value: i64) -> Json {
        Json::Int(value)
    }
}
impl From<String> for Json {
    fn from(value: String) -> Json {
        Json::Str(Cow::Owned(value))
    }
}
impl From<&'static str> for Json {
    fn from(value: &'static str) -> Json {
        Json::Str(Cow::Borrowed(value))
    }
}
impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}
impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(value: Vec<T>) -> Json {
        Json::Arr(value.into_iter().map(Into::into).collect())
    }
}
