//! A value as it is written, and the types that can be made of one.

use std::fmt;
use std::path::PathBuf;

use uuid::Uuid;

use super::show::quoted;

/// A value as it was written, before it has its type. Its variant is the kind that a setting's default prescribes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<String>),
}

impl From<&str> for Raw {
    fn from(text: &str) -> Self {
        Raw::Text(text.to_owned())
    }
}

impl From<i64> for Raw {
    fn from(number: i64) -> Self {
        Raw::Integer(number)
    }
}

impl From<bool> for Raw {
    fn from(flag: bool) -> Self {
        Raw::Boolean(flag)
    }
}

impl<const N: usize> From<[&str; N]> for Raw {
    fn from(list: [&str; N]) -> Self {
        Raw::List(list.map(str::to_owned).into())
    }
}

/// As TOML, on one line.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Raw::Text(text) => f.write_str(&quoted(text)),
            Raw::Integer(number) => write!(f, "{number}"),
            Raw::Boolean(flag) => write!(f, "{flag}"),
            Raw::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// What a setting may be: from and to the written form.
pub(super) trait Value: Sized {
    const SECRET: bool = false;
    fn from_raw(raw: &Raw) -> Result<Self, String>;
    fn to_raw(&self) -> Raw;
}

/// What is written as a text. The error of `parse` says what is expected.
pub(super) trait Text: Sized {
    const SECRET: bool = false;
    fn parse(text: &str) -> Result<Self, String>;
    fn text(&self) -> String;
}

impl<T: Text> Value for T {
    const SECRET: bool = T::SECRET;
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => T::parse(text),
            _ => Err("must be a text".to_owned()),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::Text(self.text())
    }
}

/// Empty is none.
impl<T: Text> Value for Option<T> {
    const SECRET: bool = T::SECRET;
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) if text.is_empty() => Ok(None),
            _ => T::from_raw(raw).map(Some),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::Text(self.as_ref().map_or(String::new(), T::text))
    }
}

impl<T: Text> Value for Vec<T> {
    const SECRET: bool = T::SECRET;
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::List(items) => items.iter().map(|item| T::parse(item)).collect(),
            _ => Err("must be a list".to_owned()),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::List(self.iter().map(T::text).collect())
    }
}

impl Value for bool {
    fn from_raw(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Boolean(flag) => Ok(*flag),
            _ => Err("must be true or false".to_owned()),
        }
    }
    fn to_raw(&self) -> Raw {
        Raw::Boolean(*self)
    }
}

macro_rules! integers {
    ($($ty:ty),+) => { $(
        impl Value for $ty {
            fn from_raw(raw: &Raw) -> Result<Self, String> {
                match raw {
                    Raw::Integer(number) => <$ty>::try_from(*number).map_err(|_| "is out of range".to_owned()),
                    _ => Err("must be a whole number".to_owned()),
                }
            }
            fn to_raw(&self) -> Raw {
                Raw::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )+ };
}
integers!(u16, u32, u64, usize);

impl Text for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn text(&self) -> String {
        self.clone()
    }
}

impl Text for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(PathBuf::from(text))
    }
    fn text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Text for Uuid {
    fn parse(text: &str) -> Result<Self, String> {
        parse_uuid(text)
            .ok_or_else(|| "must be a UUID, such as 0190b4f2-7c9e-7cc3-a5b1-2f6d1f0e8a42, or empty".to_owned())
    }
    fn text(&self) -> String {
        self.to_string()
    }
}

/// Dashed or not, in any case (D6), and in no other form.
pub(super) fn parse_uuid(text: &str) -> Option<Uuid> {
    let parsed = Uuid::try_parse(text).ok();
    parsed.filter(|_| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
}
