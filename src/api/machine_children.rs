//! What components and processes share: they belong to a machine, take its family's ids, and are as visible and as writable as
//! the machine is (10 §0, §2, §3).

use super::context::Ctx;
use super::nested::HasOne;
use super::resource::{Draft, Resource};
use crate::auth::{Letters, letters::*};
use crate::http::error::Result;
use crate::model::{License, Machine, Product};
use crate::store::Db;
use uuid::Uuid;

/// Who may read what belongs to a machine.
pub(super) const READERS: Letters = STAFF.or(E).or(P).or(L).or(USERS);
/// Who may write it.
pub(super) const WRITERS: Letters = A.or(D).or(S).or(E).or(P).or(L).or(UO_NP).or(UM_NP);

/// A record that belongs to a machine.
pub(super) trait MachineChild: Resource {
    /// The machine's id.
    fn machine_id(&self) -> Uuid;
    /// The license's id.
    fn license_id(&self) -> Uuid;
    /// The product's id.
    fn product_id(&self) -> Uuid;
    /// Takes the ids of the machine and its family.
    fn place(&mut self, machine: &Machine);
}

/// What the bearer is to a child, by its machine.
pub(super) fn letters<C: MachineChild>(child: &C, cx: &Ctx, db: &Db<'_>) -> Result<Letters> {
    if cx.subject.bearer.is_staff() {
        return Ok(cx.subject.bearer.letters());
    }
    match db.get::<Machine>(cx.account.id, child.machine_id())? {
        Some(machine) => machine.letters(cx, db),
        // An unknown parent is 422 for those who see everything, 403 for the others (10 §0).
        None if cx.subject.bearer.letters().intersects(E) => Ok(cx.subject.bearer.letters()),
        None => Ok(NONE),
    }
}

/// The machine's environment, for a new child.
pub(super) fn parent_environment<C: MachineChild>(child: &C, db: &Db<'_>) -> Result<Option<Uuid>> {
    Ok(db.get::<Machine>(child.account_id(), child.machine_id())?.and_then(|machine| machine.environment_id))
}

/// Gives a new child its machine's family.
pub(super) fn prepare<C: MachineChild>(draft: &mut Draft<C>, cx: &Ctx, db: &Db<'_>) -> Result<()> {
    if let Some(machine) = db.get::<Machine>(cx.account.id, draft.record.machine_id())? {
        draft.record.place(&machine);
    }
    Ok(())
}

impl<C: MachineChild> HasOne<Product> for C {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.product_id()))
    }
}

impl<C: MachineChild> HasOne<License> for C {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.license_id()))
    }
}

impl<C: MachineChild> HasOne<Machine> for C {
    fn related_id(&self, _db: &Db<'_>) -> Result<Option<Uuid>> {
        Ok(Some(self.machine_id()))
    }
}
