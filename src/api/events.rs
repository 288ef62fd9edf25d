//! The outbox (13 §1): emitting an event writes a row in the transaction of the change that it tells of, so that a crash
//! loses none. The row is the event log's entry, and what deliveries are made from.

use super::context::Ctx;
use crate::http::error::Result;
use crate::json::Json;
use crate::model::{BearerType, Entity, EventLog, Time};
use crate::store::{Db, StoreError};
use uuid::Uuid;

/// What an event row needs to know of its request; owned, so that deferred writes can carry it.
#[derive(Clone, Debug)]
pub struct Origin {
    account: Uuid,
    environment: Option<Uuid>,
    whodunnit: Option<(BearerType, Uuid)>,
    request: Option<Uuid>,
    now: Time,
}

impl Origin {
    /// A request as the origin.
    pub fn of(cx: &Ctx) -> Origin {
        let bearer = &cx.subject.bearer;
        Origin {
            account: cx.account.id,
            environment: cx.environment_id(),
            whodunnit: bearer.bearer_type().zip(bearer.id()),
            request: Some(cx.request.id),
            now: cx.now,
        }
    }

    /// Writes the row. `resource`: type and id of what the event is about, and its environment.
    pub fn emit(
        &self,
        db: &Db<'_>,
        event: &str,
        resource: (&str, Uuid, Option<Uuid>),
        metadata: Option<Json>,
    ) -> std::result::Result<(), StoreError> {
        let (resource_type, resource_id, environment) = resource;
        let mut row = EventLog::new(Uuid::now_v7(), self.account, self.environment.or(environment), self.now);
        row.event = event.to_owned();
        row.resource_type = Some(resource_type.to_owned());
        row.resource_id = Some(resource_id);
        row.whodunnit_type = self.whodunnit.map(|(type_, _)| type_);
        row.whodunnit_id = self.whodunnit.map(|(_, id)| id);
        row.request_log_id = self.request;
        row.idempotency_token = crate::crypto::token::generate_idempotency_token();
        row.metadata = metadata.map(|json| json.to_string());
        db.insert(&row)
    }
}

/// Emits an event about a record.
pub fn emit<T: super::resource::Resource>(cx: &Ctx, db: &Db<'_>, event: &str, record: &T) -> Result<()> {
    emit_with(cx, db, event, record, None)
}

/// Emits an event about a record, with metadata for the log.
pub fn emit_with<T: super::resource::Resource>(
    cx: &Ctx,
    db: &Db<'_>,
    event: &str,
    record: &T,
    metadata: Option<Json>,
) -> Result<()> {
    let resource = (T::def().type_, record.id(), Entity::environment_id(record));
    Ok(Origin::of(cx).emit(db, event, resource, metadata)?)
}

/// Emits an event about a record below another one, which the log names because the request's path does (13 §1.1).
pub fn emit_below<P: super::resource::Resource, T: super::resource::Resource>(
    cx: &Ctx,
    db: &Db<'_>,
    event: &str,
    parent: &P,
    record: &T,
) -> Result<()> {
    let resource = (P::def().type_, parent.id(), Entity::environment_id(record));
    Ok(Origin::of(cx).emit(db, event, resource, None)?)
}

#[cfg(test)]
mod tests {
    /// Every name in the sources that looks like an event or a permission (or the head of one, as in `policy.entitlements`) is
    /// in one of the catalogues (13 §1.2, 03 §8.3).
    #[test]
    fn names_are_in_the_catalogues() {
        let catalogues =
            [include_str!("../../docs/spec/data/events.json"), include_str!("../../docs/spec/data/permissions.json")];
        let heads = [
            "account.",
            "admin.",
            "component.",
            "entitlement.",
            "environment.",
            "group.",
            "license.",
            "machine.",
            "policy.",
            "process.",
            "product.",
            "second-factor.",
            "token.",
            "user.",
        ];
        let mut seen = 0;
        for source in sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/api"))) {
            // Every second piece of a source split at quotes is the inside of a string.
            for name in source.split('"').filter(|text| heads.iter().any(|head| text.starts_with(head))) {
                let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'-');
                // Includes of machine files look the same (10 §5).
                let include = ["license.product", "license.policy", "license.owner", "license.user"].contains(&name);
                if !plain || include || name.ends_with('.') {
                    continue;
                }
                seen += 1;
                let known = |text: &str| text.contains(&format!("\"{name}\"")) || text.contains(&format!("\"{name}."));
                assert!(catalogues.iter().any(|text| known(text)), "{name} is neither an event nor a permission");
            }
        }
        assert!(seen > 50);
    }

    fn sources(directory: &std::path::Path) -> Vec<String> {
        let mut out = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => out.extend(sources(&path)),
                false => out.push(std::fs::read_to_string(path).unwrap()),
            }
        }
        out
    }
}
