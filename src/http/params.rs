//! Typed request bodies and queries (01 §6): a schema is a tree of nodes; checking it gives the cleaned value or the one
//! error object that the API promises. Who may send a member is given as bits of an opaque set, so that this module knows
//! nothing of roles.

use super::error::{ApiError, Result, Source};
use crate::json::{Json, Text, lower_camel};
use std::borrow::Cow;

/// Bits of those who may send a member; the meaning of the bits is the caller's.
pub type WhoBits = u32;

/// What a value must look like.
#[derive(Clone, Debug)]
pub enum Node {
    /// An object with declared members.
    Object(Vec<Member>),
    /// An object of anything, at most two levels of containers below it (metadata, 01 §8.4).
    Metadata,
    /// An object of scalars.
    Scalars,
    /// An array of items; inclusive bounds on its length.
    Array(Box<Node>, usize, usize),
    /// An array of strings.
    Strings,
    /// A string.
    String,
    /// An integer of any size.
    Integer,
    /// A boolean.
    Boolean,
    /// A string that is a UUID (01 §8.1).
    Uuid,
    /// A point in time, coerced from text or Unix seconds to `Json::Int` milliseconds or null (01 §6.3).
    Time,
    /// An integer, coerced from a numeric string.
    CoercedInteger,
    /// One of these strings, else `is invalid`.
    OneOf(Vec<&'static str>),
    /// Anything.
    Any,
}

/// A declared member of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name in snake_case.
    pub name: &'static str,
    /// What its value must look like.
    pub node: Node,
    /// It must be there.
    pub required: bool,
    /// `null` is a value; otherwise it counts as absent (01 §6.2).
    pub nullable: bool,
    /// Blank values are fine.
    pub blank: bool,
    /// Who may send it.
    pub who: WhoBits,
}

impl Member {
    /// An optional member that everybody may send.
    pub const fn new(name: &'static str, node: Node) -> Member {
        Member { name, node, required: false, nullable: false, blank: false, who: WhoBits::MAX }
    }

    /// Makes it required.
    pub const fn required(mut self) -> Member {
        self.required = true;
        self
    }

    /// Lets `null` through.
    pub const fn nullable(mut self) -> Member {
        self.nullable = true;
        self
    }

    /// Lets blank values through.
    pub const fn blank(mut self) -> Member {
        self.blank = true;
        self
    }

    /// Restricts who may send it.
    pub const fn only(mut self, who: WhoBits) -> Member {
        self.who = who;
        self
    }
}

/// Whether errors point into the body or name query parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `source.pointer`
    Body,
    /// `source.parameter`
    Query,
}

/// A whole schema: an object and where it stands.
#[derive(Clone, Debug)]
pub struct Schema {
    members: Vec<Member>,
    place: Place,
}

/// Steps from the root to a value; keys in snake_case, indexes as numbers.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

impl<'a> Path<'a> {
    fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    fn steps(&self) -> Vec<String> {
        let mut out = self.parent.map(Path::steps).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Key(key) => out.push(lower_camel(key)),
            Step::Index(index) => out.push(index.to_string()),
        }
        out
    }

    fn source(&self, place: Place) -> Source {
        let steps = self.steps();
        match place {
            Place::Body => Source::Pointer(steps.iter().map(|s| format!("/{s}")).collect()),
            Place::Query => {
                let (first, rest) = steps.split_first().map_or(("", &[][..]), |(f, r)| (f.as_str(), r));
                let rest: String = rest.iter().map(|s| format!("[{s}]")).collect();
                Source::Parameter(Cow::Owned(format!("{first}{rest}")))
            }
        }
    }
}

impl Schema {
    /// The schema of a body: an object with these members.
    pub fn body(members: Vec<Member>) -> Schema {
        Schema { members, place: Place::Body }
    }

    /// The schema of query parameters. Unknown ones must have been left out already (01 §4.3).
    pub fn query(members: Vec<Member>) -> Schema {
        Schema { members, place: Place::Query }
    }

    /// Checks `value` (an object; `Json::empty()` for no body) for somebody with the bit `who`, in the order of 01 §6.1.
    /// Gives the value with coerced members and without dropped nulls.
    pub fn check(&self, mut value: Json, who: WhoBits) -> Result<Json> {
        self.unknown(&value, &self.members, &ROOT)?;
        self.gated(&value, &self.members, &ROOT, who)?;
        self.coerce(&mut value, &self.members, &ROOT)?;
        self.object(&mut value, &self.members, &ROOT)?;
        Ok(value)
    }

    fn fail<T>(&self, detail: impl Into<Text>, path: &Path<'_>) -> Result<T> {
        let mut error = ApiError::bad_request(detail);
        error.errors[0].source = Some(path.source(self.place));
        Err(error)
    }

    /// Step 1: the first undeclared member in document order, depth first.
    fn unknown(&self, value: &Json, members: &[Member], path: &Path<'_>) -> Result<()> {
        for (key, inner) in value.as_obj().unwrap_or_default() {
            let path = path.key(key);
            match members.iter().find(|m| m.name == key.as_ref()) {
                Some(member) => self.unknown_in(inner, &member.node, &path)?,
                None => return self.fail("unpermitted parameter", &path),
            }
        }
        Ok(())
    }

    fn unknown_in(&self, value: &Json, node: &Node, path: &Path<'_>) -> Result<()> {
        match node {
            Node::Object(members) => self.unknown(value, members, path),
            Node::Array(item, ..) => {
                for (i, inner) in value.as_arr().unwrap_or_default().iter().enumerate() {
                    self.unknown_in(inner, item, &path.index(i))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Step 2: members that this sender may not send, in schema order, children before parents.
    fn gated(&self, value: &Json, members: &[Member], path: &Path<'_>, who: WhoBits) -> Result<()> {
        for member in members {
            let Some(inner) = value.get(member.name) else { continue };
            let path = path.key(member.name);
            match &member.node {
                Node::Object(members) => self.gated(inner, members, &path, who)?,
                Node::Array(item, ..) => {
                    if let Node::Object(members) = item.as_ref() {
                        for (i, inner) in inner.as_arr().unwrap_or_default().iter().enumerate() {
                            self.gated(inner, members, &path.index(i), who)?;
                        }
                    }
                }
                _ => {}
            }
            if member.who & who == 0 {
                return self.fail("unpermitted parameter", &path);
            }
        }
        Ok(())
    }

    /// Step 3: coercion of the members that have it.
    fn coerce(&self, value: &mut Json, members: &[Member], path: &Path<'_>) -> Result<()> {
        for member in members {
            let Some(inner) = value.get_mut(member.name) else { continue };
            let path = path.key(member.name);
            match &member.node {
                Node::Object(members) => self.coerce(inner, members, &path)?,
                Node::Time => match crate::model::coerce::time_from_json(inner) {
                    Ok(time) => *inner = time.map_or(Json::Null, |time| Json::Int(time.0)),
                    Err(received) => return self.fail(format!("failed to coerce {received} to time"), &path),
                },
                Node::CoercedInteger => {
                    if let Json::Str(text) = inner {
                        match text.trim().parse::<i64>() {
                            Ok(number) => *inner = Json::Int(number),
                            Err(_) if text.trim().is_empty() => *inner = Json::Null,
                            Err(_) => return self.fail("failed to coerce string to integer", &path),
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Step 4: presence, types, blanks, in schema order, children before their parent; drops nulls.
    fn object(&self, value: &mut Json, members: &[Member], path: &Path<'_>) -> Result<()> {
        for member in members {
            let path = path.key(member.name);
            match value.get_mut(member.name) {
                None if member.required => return self.fail("is missing", &path),
                None => {}
                Some(Json::Null) if member.nullable => {}
                Some(Json::Null) if member.required => return self.fail("cannot be null", &path),
                Some(Json::Null) => {
                    value.remove(member.name);
                }
                Some(inner) => self.value(inner, &member.node, member.blank, &path)?,
            }
        }
        Ok(())
    }

    fn value(&self, value: &mut Json, node: &Node, blank: bool, path: &Path<'_>) -> Result<()> {
        let mismatch = |value: &Json, expected: &str| {
            self.fail(format!("type mismatch (received {} expected {expected})", value.type_name()), path)
        };
        match node {
            Node::Object(members) => {
                if !matches!(value, Json::Obj(_)) {
                    return mismatch(value, "object");
                }
                return self.object(value, members, path);
            }
            Node::Metadata => {
                if !matches!(value, Json::Obj(_)) {
                    return mismatch(value, "object");
                }
                return self.metadata_depth(value, path);
            }
            Node::Scalars => {
                let Json::Obj(members) = value else { return mismatch(value, "object") };
                if let Some((key, _)) = members.iter().find(|(_, v)| v.is_container()) {
                    return self.fail("unpermitted type (expected object of scalar types)", &path.key(key));
                }
            }
            Node::Array(item, least, most) => {
                let Json::Arr(items) = value else { return mismatch(value, "array") };
                for (i, inner) in items.iter_mut().enumerate() {
                    let path = path.index(i);
                    if inner.is_null() {
                        return self.fail("cannot be null", &path);
                    }
                    self.value(inner, item, false, &path)?;
                }
                if !(*least..=*most).contains(&items.len()) {
                    return self.fail(format!("length must be between {least} and {most} (inclusive)"), path);
                }
                return Ok(());
            }
            Node::Strings => {
                let Json::Arr(items) = value else { return mismatch(value, "array") };
                for (i, inner) in items.iter_mut().enumerate() {
                    let path = path.index(i);
                    if inner.is_null() {
                        return self.fail("cannot be null", &path);
                    }
                    self.value(inner, &Node::String, false, &path)?;
                }
            }
            Node::String => {
                if !matches!(value, Json::Str(_)) {
                    return mismatch(value, "string");
                }
            }
            Node::Integer | Node::CoercedInteger => {
                if value.type_name() != "integer" {
                    return mismatch(value, "integer");
                }
            }
            Node::Boolean => {
                if !matches!(value, Json::Bool(_)) {
                    return mismatch(value, "boolean");
                }
            }
            Node::Uuid => match value.as_str() {
                Some(text) if crate::model::coerce::uuid_from_text(text).is_some() => {}
                _ => return mismatch(value, "UUID string"),
            },
            Node::OneOf(choices) => {
                let Json::Str(text) = value else { return mismatch(value, "string") };
                // A blank one is told below (01 §6.1).
                if !choices.contains(&text.as_ref()) && !value.is_blank() {
                    return self.fail("is invalid", path);
                }
            }
            Node::Time | Node::Any => {}
        }
        if !blank && !matches!(node, Node::Time) && value.is_blank() {
            return self.fail("cannot be blank", path);
        }
        Ok(())
    }

    fn metadata_depth(&self, value: &Json, path: &Path<'_>) -> Result<()> {
        use crate::model::metadata::PathPart;
        let Some(parts) = crate::model::metadata::check_depth(value) else { return Ok(()) };
        let mut steps = path.steps();
        steps.extend(parts.iter().map(|part| match part {
            PathPart::Key(key) => lower_camel(key),
            PathPart::Index(index) => index.to_string(),
        }));
        let pointer: String = steps.iter().map(|s| format!("/{s}")).collect();
        Err(ApiError::bad_request("maximum depth of 2 exceeded").pointer(pointer))
    }
}

/// `{ "data": { "type", "id" } }` of a to-one relationship.
pub fn linkage(types: &[&'static str]) -> Node {
    Node::Object(vec![
        Member::new("type", Node::OneOf(types.to_vec())).required(),
        Member::new("id", Node::Uuid).required(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    const ADMIN: WhoBits = 1;
    const USER: WhoBits = 2;

    fn schema() -> Schema {
        Schema::body(vec![
            Member::new(
                "data",
                Node::Object(vec![
                    Member::new("type", Node::OneOf(vec!["product", "products"])).required(),
                    Member::new(
                        "attributes",
                        Node::Object(vec![
                            Member::new("name", Node::String).required(),
                            Member::new("url", Node::String).nullable(),
                            Member::new("max_uses", Node::Integer).nullable(),
                            Member::new("expiry", Node::Time).nullable(),
                            Member::new("metadata", Node::Metadata).blank(),
                            Member::new("permissions", Node::Strings).blank().only(ADMIN),
                        ]),
                    )
                    .required(),
                    Member::new(
                        "relationships",
                        Node::Object(vec![Member::new(
                            "policy",
                            Node::Object(vec![Member::new("data", linkage(&["policy"])).required()]),
                        )]),
                    ),
                ]),
            )
            .required(),
        ])
    }

    fn error(text: &str, who: WhoBits) -> (String, String) {
        let error = schema().check(parse(text.as_bytes()).unwrap(), who).unwrap_err();
        assert_eq!((error.status, error.errors.len()), (400, 1));
        let Some(Source::Pointer(pointer)) = &error.errors[0].source else { panic!("no pointer") };
        assert_eq!(error.errors[0].code, None);
        (error.errors[0].detail.to_string(), pointer.clone())
    }

    // 01 §6.1, §6.2, §6.3, §21
    #[test]
    fn reports_the_first_failure_in_the_promised_order() {
        for (body, detail, pointer) in [
            (r#"{}"#, "is missing", "/data"),
            (r#"{"data":null}"#, "cannot be null", "/data"),
            (r#"{"data":[]}"#, "type mismatch (received array expected object)", "/data"),
            (
                r#"{"data":{"type":"products","attributes":{"name":1,"shelf_colour":"x"}}}"#,
                "unpermitted parameter",
                "/data/attributes/shelfColour",
            ),
            (
                r#"{"data":{"type":"products","attributes":{"name":1}}}"#,
                "type mismatch (received integer expected string)",
                "/data/attributes/name",
            ),
            (r#"{"data":{"type":"products","attributes":{"name":" "}}}"#, "cannot be blank", "/data/attributes/name"),
            (r#"{"data":{"type":"products","attributes":{"name":null}}}"#, "cannot be null", "/data/attributes/name"),
            (r#"{"data":{"type":"x","attributes":{"name":"a"}}}"#, "is invalid", "/data/type"),
            (r#"{"data":{"attributes":{"name":"a"}}}"#, "is missing", "/data/type"),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a","maxUses":1.0}}}"#,
                "type mismatch (received float expected integer)",
                "/data/attributes/maxUses",
            ),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a","maxUses":"1"}}}"#,
                "type mismatch (received string expected integer)",
                "/data/attributes/maxUses",
            ),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a","expiry":true}}}"#,
                "failed to coerce boolean to time",
                "/data/attributes/expiry",
            ),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a","expiry":"2024-13-45"}}}"#,
                "failed to coerce string to time",
                "/data/attributes/expiry",
            ),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a","metadata":{"a":{"b":{"c":{}}}}}}}"#,
                "maximum depth of 2 exceeded",
                "/data/attributes/metadata/a/b/c",
            ),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a"},"relationships":{"policy":{"data":{"type":"policy","id":"x"}}}}}"#,
                "type mismatch (received string expected UUID string)",
                "/data/relationships/policy/data/id",
            ),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a"},"relationships":{"policy":{}}}}"#,
                "is missing",
                "/data/relationships/policy/data",
            ),
            (
                r#"{"data":{"type":"product","attributes":{"name":"a","permissions":["a",null]}}}"#,
                "cannot be null",
                "/data/attributes/permissions/1",
            ),
            (r#"{"data":{"type":"product"},"meta":{}}"#, "unpermitted parameter", "/meta"),
        ] {
            assert_eq!(error(body, ADMIN), (detail.to_owned(), pointer.to_owned()), "{body}");
        }
        // A role-gated member is unpermitted whatever its value, and before types are looked at.
        let gated = r#"{"data":{"type":"product","attributes":{"name":1,"permissions":null}}}"#;
        assert_eq!(error(gated, USER).1, "/data/attributes/permissions");
    }

    // 01 §6.2, §6.3
    #[test]
    fn cleans_the_value() {
        let body = r#"{"data":{"type":"product","attributes":{"name":"a","url":null,"metadata":null,"expiry":"1700000000","permissions":[]}}}"#;
        let value = schema().check(parse(body.as_bytes()).unwrap(), ADMIN).unwrap();
        let expected = r#"{"data":{"type":"product","attributes":{"name":"a","url":null,"expiry":1700000000000,"permissions":[]}}}"#;
        assert_eq!(value.to_string(), expected);
    }
}
