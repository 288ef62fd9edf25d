//! A license with everything around it, in memory.

use crate::model::heartbeat::DEFAULT_DURATION;
use crate::model::limits::MachineCounts;
use crate::model::validation::{Code, EnvironmentRef, Facts, Lookup, MachineFact, Scope, UserRef, Verdict, decide};
use crate::model::{ExpirationStrategy, License, Policy, Time, coerce::uuid_from_text};
use std::cell::RefCell;
use uuid::Uuid;

pub const NOW: Time = Time(1_710_494_813_589);
/// Milliseconds.
pub const MINUTE: i64 = 60_000;
pub const DAY: i64 = 86_400_000;

/// A fixed id per number.
pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub fn ago(ms: i64) -> Option<Time> {
    Some(Time(NOW.0 - ms))
}

#[derive(Clone)]
pub struct Person {
    pub id: Uuid,
    pub email: String,
    pub banned: bool,
}

pub fn person(n: u128, email: &str) -> Person {
    Person { id: id(n), email: email.to_owned(), banned: false }
}

#[derive(Clone)]
pub struct Unit {
    pub id: Uuid,
    pub fingerprint: String,
    pub owner: Option<Person>,
    pub created: Time,
    pub last: Option<Time>,
    pub cores: i64,
    pub memory: i64,
    pub disk: i64,
    pub processes: i64,
    pub components: Vec<&'static str>,
}

#[derive(Clone)]
pub struct Release {
    pub version: &'static str,
    pub checksum: &'static str,
    pub dated: Time,
}

pub struct World {
    pub policy: Policy,
    pub license: License,
    pub owner: Option<Person>,
    pub attached: Vec<Person>,
    pub environment: Option<(Uuid, &'static str)>,
    pub entitlements: Vec<&'static str>,
    pub machines: Vec<Unit>,
    /// Highest first.
    pub releases: Vec<Release>,
    pub scope: Option<Scope>,
    pub quick: bool,
    /// The lookup's methods, as they were called.
    pub calls: RefCell<Vec<&'static str>>,
    /// Every lookup fails.
    pub broken: bool,
}

pub const PRODUCT: u128 = 0xA0;
pub const POLICY: u128 = 0xA1;

impl World {
    /// A floating policy without any demand, a license without owner or machines.
    pub fn new() -> World {
        let mut policy = Policy::new(id(POLICY), Uuid::nil(), None, Time(0));
        policy.floating = true;
        policy.expiration_strategy = ExpirationStrategy::RestrictAccess;
        let mut license = License::new(id(0xA2), Uuid::nil(), None, Time(0));
        license.product_id = id(PRODUCT);
        license.policy_id = id(POLICY);
        World {
            policy,
            license,
            owner: None,
            attached: Vec::new(),
            environment: None,
            entitlements: Vec::new(),
            machines: Vec::new(),
            releases: Vec::new(),
            scope: None,
            quick: false,
            calls: RefCell::default(),
            broken: false,
        }
    }

    /// The owner `ada@example.com`, id 1.
    pub fn owned(&mut self) -> &mut Person {
        self.owner.insert(person(1, "ada@example.com"))
    }

    /// The attached user `bob@example.com`, id 2.
    pub fn attach(&mut self) {
        self.attached.push(person(2, "bob@example.com"));
    }

    /// Adds `count` machines, alive without heartbeat, with fingerprints `f1`, `f2`, … and ids 0x101, 0x102, ….
    pub fn add(&mut self, count: usize) -> &mut Vec<Unit> {
        for _ in 0..count {
            let n = self.machines.len() + 1;
            self.machines.push(Unit {
                id: id(0x100 + n as u128),
                fingerprint: format!("f{n}"),
                owner: None,
                created: NOW,
                last: None,
                cores: 0,
                memory: 0,
                disk: 0,
                processes: 0,
                components: Vec::new(),
            });
        }
        &mut self.machines
    }

    /// Adds `count` machines of the license's owner.
    pub fn add_owned(&mut self, count: usize) {
        let owner = Some(self.owned().clone());
        let from = self.machines.len();
        for machine in &mut self.add(count)[from..] {
            machine.owner.clone_from(&owner);
        }
    }

    /// The machine dies: it was last heard of just too long ago.
    pub fn kill(&mut self, at: usize) {
        self.machines[at].last = ago(DEFAULT_DURATION * 1000 + 1);
    }

    pub fn scope(&mut self) -> &mut Scope {
        self.scope.get_or_insert_default()
    }

    pub fn try_decide(&mut self) -> Result<Verdict, &'static str> {
        let sum = |of: fn(&Unit) -> i64| self.machines.iter().map(of).sum();
        self.license.machines_count = self.machines.len() as i64;
        self.license.machines_cores = sum(|m| m.cores);
        self.license.machines_memory = sum(|m| m.memory);
        self.license.machines_disk = sum(|m| m.disk);
        self.license.users_count = self.attached.len() as i64;
        self.license.owner_id = self.owner.as_ref().map(|owner| owner.id);
        self.license.environment_id = self.environment.map(|(id, _)| id);
        decide(&Facts {
            now: NOW,
            policy: &self.policy,
            license: &self.license,
            owner: self.owner.as_ref().map(|owner| UserRef { id: owner.id, email: &owner.email, banned: owner.banned }),
            environment: self.environment.map(|(id, code)| EnvironmentRef { id, code }),
            scope: self.scope.as_ref(),
            quick: self.quick,
            lookup: self,
        })
    }

    pub fn decide(&mut self) -> Verdict {
        self.try_decide().unwrap()
    }

    fn called(&self, name: &'static str) -> Result<(), &'static str> {
        self.calls.borrow_mut().push(name);
        if self.broken { Err(name) } else { Ok(()) }
    }

    fn units(&self, owner: Option<Uuid>) -> impl Iterator<Item = &Unit> {
        self.machines.iter().filter(move |m| m.owner.as_ref().map(|o| o.id) == owner)
    }

    fn accessible(&self) -> impl Iterator<Item = &Release> {
        use ExpirationStrategy::{MaintainAccess, RestrictAccess};
        let windowed = matches!(self.policy.expiration_strategy, RestrictAccess | MaintainAccess);
        let until = self.license.expires_at.filter(|_| windowed);
        self.releases.iter().filter(move |release| until.is_none_or(|until| release.dated <= until))
    }
}

impl Unit {
    fn fact(&self) -> MachineFact {
        MachineFact {
            id: self.id,
            owner_id: self.owner.as_ref().map(|owner| owner.id),
            owner_email: self.owner.as_ref().map(|owner| owner.email.clone()),
            created_at: self.created,
            last_heartbeat_at: self.last,
        }
    }
}

impl Lookup for World {
    type Error = &'static str;

    fn entitlement_codes(&self) -> Result<Vec<String>, &'static str> {
        self.called("entitlement_codes")?;
        Ok(self.entitlements.iter().map(|&code| code.to_owned()).collect())
    }

    fn attached_user(&self, id_or_email: &str) -> Result<Option<Uuid>, &'static str> {
        self.called("attached_user")?;
        let (id, email) = (uuid_from_text(id_or_email), id_or_email.to_lowercase());
        let mut users = self.attached.iter();
        Ok(users.find(|user| Some(user.id) == id || user.email == email).map(|user| user.id))
    }

    fn machine(&self, id: Uuid) -> Result<Option<MachineFact>, &'static str> {
        self.called("machine")?;
        Ok(self.machines.iter().find(|m| m.id == id).map(Unit::fact))
    }

    fn machines_by_fingerprint(&self, texts: &[&str]) -> Result<Vec<MachineFact>, &'static str> {
        self.called("machines_by_fingerprint")?;
        let matching = |m: &&Unit| texts.contains(&m.fingerprint.as_str());
        Ok(self.machines.iter().filter(matching).map(Unit::fact).collect())
    }

    fn components_matching(&self, machine: Uuid, texts: &[&str]) -> Result<usize, &'static str> {
        self.called("components_matching")?;
        let machine = self.machines.iter().find(|m| m.id == machine).unwrap();
        Ok(texts.iter().filter(|text| machine.components.contains(text)).count())
    }

    fn counts_for_owner(&self, owner: Option<Uuid>) -> Result<MachineCounts, &'static str> {
        self.called("counts_for_owner")?;
        Ok(MachineCounts {
            machines: self.units(owner).count() as i64,
            cores: self.units(owner).map(|m| m.cores).sum(),
            memory: self.units(owner).map(|m| m.memory).sum(),
            disk: self.units(owner).map(|m| m.disk).sum(),
        })
    }

    fn process_count_of_machine(&self, machine: Uuid) -> Result<i64, &'static str> {
        self.called("process_count_of_machine")?;
        Ok(self.machines.iter().find(|m| m.id == machine).unwrap().processes)
    }

    fn process_count_of_license(&self) -> Result<i64, &'static str> {
        self.called("process_count_of_license")?;
        Ok(self.machines.iter().map(|m| m.processes).sum())
    }

    fn process_count_of_owner(&self, owner: Option<Uuid>) -> Result<i64, &'static str> {
        self.called("process_count_of_owner")?;
        Ok(self.units(owner).map(|m| m.processes).sum())
    }

    fn release_by_checksum(&self, checksum: &str) -> Result<Option<String>, &'static str> {
        self.called("release_by_checksum")?;
        let release = self.accessible().find(|release| release.checksum == checksum);
        Ok(release.map(|release| release.version.to_owned()))
    }

    fn release_by_version(&self, version: &str) -> Result<bool, &'static str> {
        self.called("release_by_version")?;
        Ok(self.accessible().any(|release| release.version == version))
    }
}

/// A row of a table: what it is about, what is done to the plain world, and (`valid`, `detail`, `code`).
pub type Row = (&'static str, fn(&mut World), (bool, &'static str, Code));

/// The verdict of a license without fault.
pub const VALID: (bool, &str, Code) = (true, "is valid", Code::Valid);

/// Goes through a table; `base` is done before each row.
pub fn run(base: fn(&mut World), rows: &[Row]) {
    for (name, change, expected) in rows {
        let mut world = World::new();
        base(&mut world);
        change(&mut world);
        let verdict = world.decide();
        assert_eq!((verdict.valid, verdict.detail, verdict.code), *expected, "{name}");
    }
}

pub fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub fn list(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|&text| text.to_owned()).collect())
}
