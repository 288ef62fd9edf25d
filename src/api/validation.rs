//! Model validation (01 §10): collects errors, groups them, and words the standard ones.

use super::context::Ctx;
use super::resource::{Bad, Kind, Resource, Rule};
use crate::http::error::{ApiError, ErrorObject, Result, Source};
use crate::json::Json;
use crate::model::{Column as _, Entity, IsolationStrategy, Val};
use crate::store::Db;
use uuid::Uuid;

/// Errors of one record, in the order in which they were found.
pub struct Validation {
    topic: &'static str,
    code: &'static str,
    errors: Vec<(String, ErrorObject)>,
    /// An integer that no rule refused and no column holds (01 §4.1).
    pub overflow: bool,
}

impl Validation {
    /// `topic`: of the documentation links; `code`: prefix of errors about the record as a whole.
    pub fn new(topic: &'static str, code: &'static str) -> Validation {
        Validation { topic, code, errors: Vec::new(), overflow: false }
    }

    /// An error on an attribute (lower camel name): code `<NAME>_<SUFFIX>`.
    pub fn attribute(&mut self, name: &str, suffix: &str, detail: impl Into<String>) {
        let code = format!("{}_{suffix}", upper_snake(name));
        self.at(format!("/data/attributes/{name}"), code, detail);
    }

    /// An error on a relationship.
    pub fn relationship(&mut self, name: &str, suffix: &str, detail: impl Into<String>) {
        let code = format!("{}_{suffix}", upper_snake(name));
        self.at(format!("/data/relationships/{name}"), code, detail);
    }

    /// An error on the record as a whole, with its full code.
    pub fn base(&mut self, code: &str, detail: impl Into<String>) {
        self.at("/data".to_owned(), code.to_owned(), detail);
    }

    /// An error on the id.
    pub fn id(&mut self, suffix: &str, detail: impl Into<String>) {
        self.at("/data/id".to_owned(), format!("ID_{suffix}"), detail);
    }

    /// Any error.
    pub fn at(&mut self, pointer: String, code: String, detail: impl Into<String>) {
        let about = about(self.topic, &pointer);
        self.errors.push((pointer.clone(), ApiError::invalid_object(pointer, code, detail.into(), about)));
    }

    /// Something failed so far.
    pub fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The prefix of codes about the record as a whole.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Reorders by attribute name; what is not listed keeps its place at the end.
    pub fn sort_by(&mut self, order: &[&str]) {
        let place = |pointer: &str| {
            let name = pointer.rsplit('/').next().unwrap_or("");
            order.iter().position(|n| *n == name).unwrap_or(order.len())
        };
        self.errors.sort_by_key(|(pointer, _)| place(pointer));
    }

    /// The 422, as it goes out: grouped by attribute in order of first failure, equal code and source once (01 §10.1).
    pub fn into_error(self) -> ApiError {
        let mut groups: Vec<(String, Vec<ErrorObject>)> = Vec::new();
        for (pointer, error) in self.errors {
            let at = match groups.iter().position(|(p, _)| *p == pointer) {
                Some(at) => at,
                None => {
                    groups.push((pointer, Vec::new()));
                    groups.len() - 1
                }
            };
            let group = &mut groups[at].1;
            if !group.iter().any(|e| e.code == error.code && e.source == error.source) {
                group.push(error);
            }
        }
        ApiError::invalid(groups.into_iter().flat_map(|(_, errors)| errors).collect())
    }

    /// `Err` when something failed.
    pub fn finish(self) -> Result<()> {
        if self.failed() {
            return Err(self.into_error());
        }
        if self.overflow {
            return Err(ApiError::bad_request("integer is too large"));
        }
        Ok(())
    }
}

/// `maxMachines` → `MAX_MACHINES`
fn upper_snake(name: &str) -> String {
    crate::json::normalize_key(name).to_ascii_uppercase()
}

/// Path of the documentation link (01 §10.1).
fn about(topic: &str, pointer: &str) -> String {
    let anchor = |marker: &str, infix: &str| {
        let rest = &pointer[pointer.find(marker)? + marker.len()..];
        let name = rest.split('/').next().unwrap_or("");
        Some(format!("-{infix}-{name}"))
    };
    let suffix =
        anchor("/relationships/", "relationships").or_else(|| anchor("/attributes/", "attrs")).unwrap_or_default();
    format!("/{topic}/#{topic}-object{suffix}")
}

/// A new or changed record under validation.
pub struct Change<'a, T> {
    /// The request.
    pub cx: &'a Ctx,
    /// The writer's transaction.
    pub db: &'a Db<'a>,
    /// The record as it would be.
    pub record: &'a T,
    /// The record as it is; `None` when it is new.
    pub before: Option<&'a T>,
    /// Sent values that the record cannot hold.
    pub bad: &'a [(&'static str, Bad)],
    /// The checked body.
    pub params: &'a Json,
}

impl<T: Resource> Change<'_, T> {
    /// The record is new, or differs in this from what it was: what is checked only then (05 §5.7, 06 §3.3).
    pub fn changes<V: PartialEq>(&self, part: impl Fn(&T) -> V) -> bool {
        self.before.is_none_or(|before| part(before) != part(self.record))
    }

    /// The rules of all attributes, in declaration order.
    pub fn attributes(&self, v: &mut Validation) {
        for attr in T::def().attributes {
            self.attribute(v, attr.name);
        }
    }

    /// The rules of one attribute (parameter name).
    pub fn attribute(&self, v: &mut Validation, name: &str) {
        Self::check_rules(self.record, self.bad, v, name);
    }

    /// The rules of one attribute of a record, also outside of a request.
    pub fn check_rules(record: &T, bad: &[(&'static str, Bad)], v: &mut Validation, name: &str) {
        let Some(attr) = T::def().attribute(name) else { return };
        let bad = bad.iter().find(|(n, _)| *n == attr.name).map(|(_, bad)| bad);
        let value = if attr.kind == Kind::Derived { None } else { record.value_of(attr.column) };
        let Some(value) = value else { return };
        let failed_before = v.errors.len();
        for rule in attr.rules {
            let number = match (bad, &value) {
                (Some(Bad::Range(negative)), Val::Int(n)) => Some(if *negative { (*n).min(i64::MIN / 2) } else { *n }),
                (Some(Bad::Range(negative)), _) => Some(if *negative { i64::MIN } else { i64::MAX }),
                (_, Val::Int(n)) => Some(*n),
                _ => None,
            };
            let failure = match (*rule, &value) {
                (Rule::UnlessZero, _) => {
                    if number == Some(0) {
                        break;
                    }
                    None
                }
                (Rule::MaxLength(most), Val::Text(text)) if text.chars().count() > most => {
                    Some(("TOO_LONG", format!("is too long (maximum is {})", characters(most))))
                }
                (Rule::MinLength(least), Val::Text(text)) if text.chars().count() < least => {
                    Some(("TOO_SHORT", format!("is too short (minimum is {})", characters(least))))
                }
                (Rule::AtLeast(least), _) if number.is_some_and(|n| n < least) => {
                    Some(("INVALID", format!("must be greater than or equal to {least}")))
                }
                (Rule::AtMost(most), _) if number.is_some_and(|n| n > most) || huge(bad, most) => {
                    Some(("INVALID", format!("must be less than or equal to {most}")))
                }
                (Rule::OneOf(detail), _) if bad == Some(&Bad::Name) => Some(("NOT_ALLOWED", detail.to_owned())),
                (Rule::Reserved, Val::Text(text)) if text == "actions" || text == "action" => {
                    Some(("NOT_ALLOWED", "is reserved".to_owned()))
                }
                (Rule::Present, Val::Null) => Some(("MISSING", "can't be blank".to_owned())),
                (Rule::Present, Val::Text(text)) if text.is_empty() => Some(("MISSING", "can't be blank".to_owned())),
                _ => None,
            };
            if let Some((suffix, detail)) = failure {
                v.attribute(attr.json, suffix, detail);
            }
        }
        if attr.kind == Kind::Metadata
            && let Val::Text(text) = &value
            && let Ok(parsed) = crate::json::parse_verbatim(text)
            && let Err(detail) = crate::model::metadata::check_size(text, &parsed)
        {
            v.attribute(attr.json, "TOO_LONG", detail);
        }
        if matches!(bad, Some(Bad::Range(_))) && v.errors.len() == failed_before {
            v.overflow = true;
        }
    }

    /// Another record of the account has this value.
    pub fn taken(&self, column: &str, value: &str, ignore_case: bool) -> Result<bool> {
        let comparison =
            if ignore_case { crate::store::case_insensitive_equals(column) } else { format!("{column} = ?") };
        let from = format!("{} WHERE account_id = ? AND {comparison} AND id <> ?", T::TABLE);
        let args = [self.record.account_id().to_val(), Val::Text(value.to_owned()), self.record.id().to_val()];
        Ok(self.db.exists(&from, &args)?)
    }

    /// A reference that must lead to a record of the account: `NOT_FOUND` when it does not.
    pub fn must_exist<R: Entity>(&self, v: &mut Validation, name: &str, id: Option<Uuid>) -> Result<Option<R>> {
        let Some(id) = id else { return Ok(None) };
        let found = self.db.get::<R>(self.record.account_id(), id)?;
        if found.is_none() {
            v.relationship(name, "NOT_FOUND", "must exist");
        }
        Ok(found)
    }

    /// Compatibility of environments with a related record (05 §5.7). `admin`: the related record is a global admin.
    pub fn compatible(&self, v: &mut Validation, name: &str, related: Option<Uuid>, admin: bool) -> Result<()> {
        if !compatible(self.cx, self.db, self.record.environment_id(), related, admin)? {
            let detail = format!("must be compatible with {name} environment");
            v.relationship("environment", "NOT_ALLOWED", detail);
        }
        Ok(())
    }
}

fn huge(bad: Option<&Bad>, most: i64) -> bool {
    // A number beyond 64 bits is above every bound, also the largest.
    matches!(bad, Some(Bad::Range(false))) && most == i64::MAX
}

fn characters(n: usize) -> String {
    if n == 1 { "1 character".to_owned() } else { format!("{n} characters") }
}

/// 05 §5.7
pub fn compatible(cx: &Ctx, db: &Db<'_>, own: Option<Uuid>, related: Option<Uuid>, admin: bool) -> Result<bool> {
    let Some(own) = own else { return Ok(related.is_none()) };
    if related == Some(own) {
        return Ok(true);
    }
    if related.is_some() {
        return Ok(false);
    }
    let strategy = match &cx.subject.environment {
        Some(current) if current.id == own => Some(current.isolation_strategy),
        _ => db.get::<crate::model::Environment>(cx.account.id, own)?.map(|e| e.isolation_strategy),
    };
    Ok(admin || strategy == Some(IsolationStrategy::Shared))
}

/// The pointer of an error, for tests and logs.
pub fn pointer(error: &ErrorObject) -> Option<&str> {
    match &error.source {
        Some(Source::Pointer(pointer)) => Some(pointer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 01 §10.1, §10.2
    #[test]
    fn errors_are_grouped_deduplicated_and_linked() {
        let mut v = Validation::new("machines", "MACHINE");
        v.attribute("fingerprint", "TAKEN", "has already been taken");
        v.base("MACHINE_LIMIT_EXCEEDED", "machine count has exceeded maximum allowed for license (1)");
        v.attribute("fingerprint", "TAKEN", "has already been taken for this policy");
        v.attribute("maxMachines", "INVALID", "must be greater than 0");
        v.relationship("license", "NOT_FOUND", "must exist");
        let error = v.into_error();
        let got: Vec<_> = error
            .errors
            .iter()
            .map(|e| (pointer(e).unwrap(), e.code.as_deref().unwrap(), e.about.as_deref().unwrap()))
            .collect();
        let docs = "https://keygen.sh/docs/api/machines/#machines-object";
        assert_eq!(
            got,
            [
                ("/data/attributes/fingerprint", "FINGERPRINT_TAKEN", format!("{docs}-attrs-fingerprint").as_str()),
                ("/data", "MACHINE_LIMIT_EXCEEDED", docs),
                ("/data/attributes/maxMachines", "MAX_MACHINES_INVALID", format!("{docs}-attrs-maxMachines").as_str()),
                ("/data/relationships/license", "LICENSE_NOT_FOUND", format!("{docs}-relationships-license").as_str()),
            ]
        );
        assert_eq!(error.errors[0].detail, "has already been taken");
    }
}
