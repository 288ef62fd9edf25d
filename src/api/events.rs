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

#[cfg(test)]
mod tests {
    /// Every event name that the code emits is in the catalogue (13 §1.2).
    #[test]
    fn emitted_names_are_in_the_catalogue() {
        let catalogue = include_str!("../../docs/spec/data/events.json");
        let sources = std::process::Command::new("grep")
            .args(["-rhoE", r#""(account|component|entitlement|license|machine|policy|process|product|token|user)\.[a-z.-]+(\.[a-z-]+)*""#, "src/api"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let permissions = include_str!("../../docs/spec/data/permissions.json");
        for name in String::from_utf8(sources.stdout).unwrap().lines() {
            assert!(
                catalogue.contains(name) || permissions.contains(name),
                "{name} is neither an event nor a permission"
            );
        }
    }
}
