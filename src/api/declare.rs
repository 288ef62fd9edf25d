//! The parts of a resource's declaration: attributes, relationships, filters.

use super::context::{Ctx, Where};
use super::render::View;
use crate::auth::{Letters, letters};
use crate::http::error::Result;
use crate::http::query::QueryValue;
use crate::json::Json;
use uuid::Uuid;

/// What an attribute's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// An integer that fits 32 bits.
    Integer,
    /// An integer that fits 64 bits.
    Long,
    /// A boolean.
    Boolean,
    /// A point in time, coerced (01 §6.3).
    Time,
    /// An object of the client's own (01 §8.4).
    Metadata,
    /// An array of strings.
    Strings,
    /// A set of permission names (03 §8.1).
    Permissions,
    /// One of these names; any other is 422 with the rule [`Rule::OneOf`]'s detail.
    Enum(&'static [&'static str]),
    /// One of these names; any other is 400 `is invalid`.
    Choice(&'static [&'static str]),
    /// Any JSON, stored as its text.
    Json,
    /// A string that is stored as a digest only: never shown, and no column of this name.
    Password,
    /// Derived: never sent.
    Derived,
}

/// A rule of model validation (422, 01 §10).
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Characters at the most: `TOO_LONG`.
    MaxLength(usize),
    /// Characters at the least: `TOO_SHORT`.
    MinLength(usize),
    /// `INVALID` below.
    AtLeast(i64),
    /// `INVALID` above.
    AtMost(i64),
    /// `NOT_ALLOWED` with this detail when the value is none of its kind's names.
    OneOf(&'static str),
    /// `actions` and `action` are `NOT_ALLOWED` (01 §2.3).
    Reserved,
    /// `MISSING` when null.
    Present,
    /// A zero escapes the rules that follow (license overrides, 08 §2.2).
    UnlessZero,
}

/// How an attribute is shown; `None` leaves the member out.
pub type Show<T> = fn(&T, &View<'_>) -> Result<Option<Json>>;

/// A declared attribute.
pub struct Attr<T: 'static> {
    /// Name in documents (lower camel).
    pub json: &'static str,
    /// Name as a parameter and as a column (snake case).
    pub name: &'static str,
    /// Column, where it differs from the parameter.
    pub column: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Who may send it on create.
    pub create: Letters,
    /// Who may send it on update.
    pub update: Letters,
    /// Create must name it (400).
    pub required: bool,
    /// Update must name it, too.
    pub required_always: bool,
    /// `null` is a value.
    pub nullable: bool,
    /// Blank is a value.
    pub blank: bool,
    /// Model rules, in order.
    pub rules: &'static [Rule],
    /// How it is shown.
    pub show: Show<T>,
}

impl<T> Attr<T> {
    /// A writable attribute.
    pub const fn new(json: &'static str, name: &'static str, kind: Kind, show: Show<T>) -> Attr<T> {
        let (create, update) = match kind {
            Kind::Derived => (letters::NONE, letters::NONE),
            _ => (letters::ALL, letters::ALL),
        };
        let blank = matches!(kind, Kind::Metadata | Kind::Permissions);
        Attr {
            json,
            name,
            column: name,
            kind,
            create,
            update,
            required: false,
            required_always: false,
            nullable: false,
            blank,
            rules: &[],
            show,
        }
    }

    /// Create must name it.
    pub const fn required(mut self) -> Attr<T> {
        self.required = true;
        self
    }

    /// Create and update must name it.
    pub const fn required_always(mut self) -> Attr<T> {
        self.required = true;
        self.required_always = true;
        self
    }

    /// `null` is a value.
    pub const fn nullable(mut self) -> Attr<T> {
        self.nullable = true;
        self
    }

    /// Blank is a value.
    pub const fn blank(mut self) -> Attr<T> {
        self.blank = true;
        self
    }

    /// Who may send it on create.
    pub const fn create(mut self, who: Letters) -> Attr<T> {
        self.create = who;
        self
    }

    /// Who may send it on update.
    pub const fn update(mut self, who: Letters) -> Attr<T> {
        self.update = who;
        self
    }

    /// Model rules.
    pub const fn rules(mut self, rules: &'static [Rule]) -> Attr<T> {
        self.rules = rules;
        self
    }

    /// Stored in a column of another name than the parameter's.
    pub const fn column(mut self, column: &'static str) -> Attr<T> {
        self.column = column;
        self
    }
}

/// Declares attributes in the order in which documents show them:
/// `attributes![Product: name "name" (Kind::String) .required(); …]`; `show = |record, view| …` replaces the plain column.
macro_rules! attributes {
    ($ty:ty: $($name:ident $json:literal ($kind:expr) $(show $show:expr;)? $(. $method:ident ( $($arg:expr),* ))* ;)*) => {
        &[$(
            $crate::api::declare::Attr::<$ty>::new($json, stringify!($name), $kind, attributes!(@show $ty, $name $(, $show)?))
                $(.$method($($arg),*))*
        ),*]
    };
    (@show $ty:ty, $name:ident) => {
        |record: &$ty, _: &$crate::api::render::View<'_>| Ok(Some($crate::model::Column::to_json(&record.$name)))
    };
    (@show $ty:ty, $name:ident, $show:expr) => { $show };
}
pub(crate) use attributes;

/// Where a relationship's `links.related` leads (01 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Below the resource itself: `…/licenses/{id}/policy`.
    Own,
    /// To the related resource: `…/policies/{id}`; null without one.
    Target,
}

/// Lists the members of a to-many relationship.
pub type Members<T> = fn(&T, &View<'_>) -> Result<Vec<Uuid>>;

/// What a relationship's `data` is.
pub enum Data<T: 'static> {
    /// None: to-many. The function lists the members when a file includes them.
    Many(Option<Members<T>>),
    /// The related record's id, or null.
    One(fn(&T) -> Option<Uuid>),
    /// As `One`, with the type beside the id (polymorphic).
    Typed(fn(&T) -> (&'static str, Uuid)),
}

/// A declared relationship. `account` and `environment` are implied.
pub struct Rel<T: 'static> {
    /// Name in documents (lower camel).
    pub json: &'static str,
    /// Name as a parameter (snake case).
    pub name: &'static str,
    /// Type of the related resource.
    pub target: &'static str,
    /// Accepted values of `type`, for relationships that may be sent.
    pub types: &'static [&'static str],
    /// Where the link leads.
    pub link: Link,
    /// Linkage.
    pub data: Data<T>,
    /// `meta` member.
    pub meta: Option<fn(&T) -> Json>,
    /// Who may send it on create; nobody: it is not a parameter.
    pub create: Letters,
    /// Create must name it.
    pub required: bool,
    /// `data: null` is fine.
    pub nullable: bool,
    /// Column that the id goes to.
    pub column: &'static str,
}

impl<T> Rel<T> {
    /// A to-one relationship that is not a parameter.
    pub const fn one(
        json: &'static str,
        name: &'static str,
        target: &'static str,
        link: Link,
        id: fn(&T) -> Option<Uuid>,
    ) -> Rel<T> {
        Rel {
            json,
            name,
            target,
            types: &[],
            link,
            data: Data::One(id),
            meta: None,
            create: letters::NONE,
            required: false,
            nullable: false,
            column: "",
        }
    }

    /// A to-many relationship.
    pub const fn many(json: &'static str, name: &'static str, target: &'static str) -> Rel<T> {
        Rel {
            json,
            name,
            target,
            types: &[],
            link: Link::Own,
            data: Data::Many(None),
            meta: None,
            create: letters::NONE,
            required: false,
            nullable: false,
            column: "",
        }
    }

    /// Create takes it from these bearers; the id goes to `column`.
    pub const fn sent(mut self, who: Letters, types: &'static [&'static str], column: &'static str) -> Rel<T> {
        self.create = who;
        self.types = types;
        self.column = column;
        self
    }

    /// Create must name it.
    pub const fn required(mut self) -> Rel<T> {
        self.required = true;
        self
    }

    /// `data: null` is fine.
    pub const fn nullable(mut self) -> Rel<T> {
        self.nullable = true;
        self
    }

    /// A `meta` member.
    pub const fn meta(mut self, meta: fn(&T) -> Json) -> Rel<T> {
        self.meta = Some(meta);
        self
    }

    /// Members to list when a file includes the relationship.
    pub const fn members(mut self, members: Members<T>) -> Rel<T> {
        self.data = Data::Many(Some(members));
        self
    }
}

/// What a list filter compares (01 §15.3).
#[derive(Clone, Copy)]
pub enum Compare {
    /// A UUID column.
    Id(&'static str),
    /// A text column, exactly.
    Text(&'static str),
    /// A boolean column.
    Flag(&'static str),
    /// SQL with one argument, a UUID.
    IdSql(&'static str),
    /// A metadata column, by pairs of key and value.
    Metadata(&'static str),
    /// Anything else.
    With(fn(&Ctx, &QueryValue, &mut Where)),
    /// Anything else, also when the parameter is absent: a filter with a default.
    Always(fn(&Ctx, Option<&QueryValue>, &mut Where)),
}

/// A declared list filter.
pub struct Filter {
    /// Query parameter.
    pub name: &'static str,
    /// What it compares.
    pub compare: Compare,
}
