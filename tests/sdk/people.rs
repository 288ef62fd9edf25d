//! Users and groups through the SDK (04, 06 §3, 03 §12). All of it reads the SDK's global configuration, so these tests take
//! turns.

use crate::management::{configure, gone, metadata};
use crate::support::{self, id, text};
use crate::{World, api_error, refusal, refused};
use keygen_rs::config::set_token;
use keygen_rs::errors::{ApiErrorKind, Error};
use keygen_rs::group::{CreateGroupRequest, Group, ListGroupsOptions, UpdateGroupRequest};
use keygen_rs::license::{License, LicenseCreateRequest, LicenseListOptions, PaginationOptions};
use keygen_rs::machine::{Machine, MachineListFilters};
use keygen_rs::token::{CreateTokenRequest, TokenKind};
use keygen_rs::user::{
    CreateUserRequest, ListUsersOptions, ResetPasswordRequest, UpdatePasswordRequest, UpdateUserRequest, User,
    UserRole, UserStatus,
};
use serde_json::{Value, json};

/// A user with nothing but an address.
pub fn bare(email: &str) -> CreateUserRequest {
    CreateUserRequest {
        email: email.into(),
        first_name: None,
        last_name: None,
        role: None,
        permissions: None,
        metadata: None,
    }
}

/// An update that changes nothing.
fn unchanged() -> UpdateUserRequest {
    UpdateUserRequest { email: None, first_name: None, last_name: None, role: None, metadata: None }
}

fn group(name: &str) -> CreateGroupRequest {
    CreateGroupRequest { name: name.into(), max_users: None, max_licenses: None, max_machines: None, metadata: None }
}

fn no_filters() -> MachineListFilters {
    serde_json::from_value(json!({})).unwrap()
}

pub fn strings(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

pub fn named(name: &str) -> Option<CreateTokenRequest> {
    Some(CreateTokenRequest { name: Some(name.into()), ..CreateTokenRequest::default() })
}

// 04 §1, §2, §6.1–§6.5
#[tokio::test]
async fn users() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let full = CreateUserRequest {
        first_name: Some("Ada".into()),
        last_name: Some("Byron".into()),
        role: Some(UserRole::SupportAgent),
        permissions: strings(&["user.read", "license.read"]),
        metadata: metadata(json!({ "deskNo": 4, "tags": ["a", null], "chat": { "irc": "ada" } })),
        ..bare("Ada@Example.com")
    };
    let ada = User::create(full.clone()).await.unwrap();
    assert_eq!((ada.email.as_str(), ada.full_name.as_deref()), ("ada@example.com", Some("Ada Byron")));
    assert_eq!((ada.first_name.as_deref(), ada.last_name.as_deref()), (Some("Ada"), Some("Byron")));
    assert_eq!((ada.role.clone(), ada.status.clone()), (UserRole::SupportAgent, UserStatus::Active));
    assert_eq!((ada.permissions.clone(), &ada.metadata), (strings(&["license.read", "user.read"]), &full.metadata));
    assert_eq!((&ada.last_seen_at, &ada.ban_reason), (&None, &None));
    // By id and by address, in any case
    for name in [ada.id.as_str(), "ada@example.com", "ADA@example.com"] {
        assert_eq!(User::get(name).await.unwrap().created, ada.created, "{name}");
    }
    gone(User::get("bob@example.com").await);

    let bob = User::create(bare("bob@example.com")).await.unwrap();
    assert_eq!(
        (bob.role.clone(), bob.full_name.clone(), bob.metadata.clone()),
        (UserRole::User, None, metadata(json!({})))
    );
    assert_eq!(bob.permissions.as_ref().map(Vec::len), Some(54));
    for (email, code) in [("Ada@example.COM", "EMAIL_TAKEN"), ("ada", "EMAIL_INVALID"), ("ada@home", "EMAIL_INVALID")] {
        refused(User::create(bare(email)).await, 422, code, "/data/attributes/email");
    }
    refused(User::create(bare("")).await, 400, "-", "/data/attributes/email");
    let with =
        |permissions: &[&str]| CreateUserRequest { permissions: strings(permissions), ..bare("eve@example.com") };
    for permissions in [&["license.fly"][..], &["account.update"], &["user.read", "user.read"]] {
        let result = User::create(with(permissions)).await;
        refused(result, 422, "PERMISSIONS_NOT_ALLOWED", "/data/attributes/permissions");
    }

    // Roles: those of users are read as they were sent; those of other bearers are none of a user's.
    let as_role = |role: &UserRole, at: usize| CreateUserRequest {
        role: Some(role.clone()),
        ..bare(&format!("role-{at}@example.com"))
    };
    let roles = [
        UserRole::Admin,
        UserRole::Developer,
        UserRole::SalesAgent,
        UserRole::SupportAgent,
        UserRole::ReadOnly,
        UserRole::User,
    ];
    for (at, role) in roles.iter().enumerate() {
        assert_eq!(&User::create(as_role(role, at)).await.unwrap().role, role);
    }
    for role in [UserRole::Environment, UserRole::Product, UserRole::License] {
        refused(User::create(as_role(&role, 9)).await, 400, "-", "/data/attributes/role");
    }

    // An update changes what it names.
    let update = UpdateUserRequest {
        email: Some("countess@example.com".into()),
        last_name: Some("Lovelace".into()),
        metadata: metadata(json!({})),
        ..unchanged()
    };
    let updated = ada.update(update).await.unwrap();
    assert_eq!((updated.email.as_str(), updated.full_name.as_deref()), ("countess@example.com", Some("Ada Lovelace")));
    assert_eq!(
        (updated.metadata, updated.permissions, updated.role),
        (metadata(json!({})), ada.permissions.clone(), ada.role.clone())
    );
    gone(User::get("ada@example.com").await);
    // A role takes the permissions that the new one has not by default (03 §8.1).
    let promoted = bob.update(UpdateUserRequest { role: Some(UserRole::ReadOnly), ..unchanged() }).await.unwrap();
    assert_eq!(promoted.role, UserRole::ReadOnly);
    let left = promoted.permissions.unwrap();
    assert!(left.contains(&"license.read".to_owned()) && !left.contains(&"license.create".to_owned()));
    let taken = UpdateUserRequest { email: Some("bob@example.com".into()), ..unchanged() };
    refused(ada.update(taken).await, 422, "EMAIL_TAKEN", "/data/attributes/email");

    // 04 §6.4
    let me = User::get(support::ADMIN_EMAIL).await.unwrap();
    let other = User::get("role-0@example.com").await.unwrap();
    other.delete().await.unwrap();
    for result in [
        me.delete().await,
        me.update(UpdateUserRequest { role: Some(UserRole::User), ..unchanged() }).await.map(|_| ()),
    ] {
        refused(result, 422, "ACCOUNT_ADMINS_REQUIRED", "/data/relationships/account");
    }
    bob.delete().await.unwrap();
    gone(User::get(&bob.id).await);
    gone(bob.delete().await);
    gone(bob.update(unchanged()).await);
}

// 04 §4
#[tokio::test]
async fn lists_of_users() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let team = Group::create(group("Team")).await.unwrap();
    for (email, sent) in
        [("a", json!({ "tier": "pro", "seat": "1" })), ("b", json!({ "tier": "pro" })), ("c", json!({}))]
    {
        let user = CreateUserRequest { metadata: metadata(sent), ..bare(&format!("{email}@example.com")) };
        User::create(user).await.unwrap();
    }
    let staff = CreateUserRequest { role: Some(UserRole::Developer), ..bare("dev@example.com") };
    User::create(staff).await.unwrap();
    let [a, b] = [User::get("a@example.com").await.unwrap(), User::get("b@example.com").await.unwrap()];
    a.change_group(&team.id).await.unwrap();
    b.ban().await.unwrap();
    let policy = world.policy(json!({}));
    let owned = LicenseCreateRequest::new(id(&policy).into()).with_owner_id(a.id.clone());
    assert_eq!(License::create(owned).await.unwrap().owner_id.as_deref(), Some(a.id.as_str()));

    let none = ListUsersOptions::default;
    let product = Some(id(&world.product).to_owned());
    for (options, found) in [
        (none(), "c b a"),
        (ListUsersOptions { limit: Some(2), ..none() }, "c b"),
        (ListUsersOptions { page_number: Some(2), page_size: Some(2), ..none() }, "a"),
        (ListUsersOptions { status: Some(UserStatus::Active), ..none() }, "c a"),
        (ListUsersOptions { status: Some(UserStatus::Banned), ..none() }, "b"),
        (ListUsersOptions { status: Some(UserStatus::Inactive), ..none() }, ""),
        (ListUsersOptions { assigned: Some(true), ..none() }, "a"),
        (ListUsersOptions { assigned: Some(false), ..none() }, "c b"),
        (ListUsersOptions { product: product.clone(), ..none() }, "a"),
        (ListUsersOptions { product: Some(a.id.clone()), ..none() }, ""),
        (ListUsersOptions { group: Some(team.id.clone()), ..none() }, "a"),
        (ListUsersOptions { metadata: metadata(json!({ "tier": "pro" })), ..none() }, "b a"),
        (ListUsersOptions { metadata: metadata(json!({ "tier": "pro", "seat": "1" })), ..none() }, "a"),
        (ListUsersOptions { product, status: Some(UserStatus::Banned), ..none() }, ""),
        // Neither is a parameter of the API: both are ignored.
        (ListUsersOptions { sort: Some("created".into()), include: Some("licenses".into()), ..none() }, "c b a"),
    ] {
        let sent = format!("{options:?}");
        let page = User::list(Some(options)).await.unwrap();
        let names: Vec<&str> = page.users.iter().map(|user| user.email.trim_end_matches("@example.com")).collect();
        assert_eq!(names.join(" "), found, "{sent}");
    }
    let second =
        User::list(Some(ListUsersOptions { page_number: Some(2), page_size: Some(1), ..none() })).await.unwrap();
    let links = second.links.unwrap();
    assert_eq!(links["meta"], json!({ "pages": 3, "count": 3 }));
    assert_eq!(text(&links["next"]), "/v1/users?page%5Bnumber%5D=3&page%5Bsize%5D=1");
    // A size without a page is an error of the API (01 §15.1).
    let size = User::list(Some(ListUsersOptions { page_size: Some(1), ..none() })).await;
    refused(size, 400, "-", "page");
    // A list of roles never leaves the SDK: its encoder of queries knows no lists.
    let by_role = User::list(Some(ListUsersOptions { roles: Some(vec![UserRole::Developer]), ..none() })).await;
    assert!(matches!(by_role, Err(Error::UrlEncode(_))), "{by_role:?}");
}

// 04 §6.6, §6.7, 03 §10.7
#[tokio::test]
async fn deeds_of_users() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let user = User::create(bare("ada@example.com")).await.unwrap();

    // 03 §10.7, §10.4: two weeks by default
    let request = CreateTokenRequest {
        name: Some("Laptop".into()),
        expiry: Some("2031-01-01T00:00:00Z".into()),
        permissions: strings(&["user.update", "user.read"]),
        metadata: None,
    };
    let token = user.generate_token(Some(request.clone())).await.unwrap();
    assert_eq!((token.kind.clone(), token.name.as_deref()), (TokenKind::UserToken, Some("Laptop")));
    assert_eq!(token.expiry.as_deref(), Some("2031-01-01T00:00:00.000Z"));
    assert_eq!(token.permissions, strings(&["user.read", "user.update"]));
    assert!(token.get_token().unwrap().starts_with("user-"));
    let plain = user.generate_token(None).await.unwrap();
    assert!(plain.expiry.is_some() && !plain.is_expired());
    // The API's tokens have no metadata.
    let described =
        CreateTokenRequest { metadata: metadata(json!({ "os": "linux" })), ..CreateTokenRequest::default() };
    refused(user.generate_token(Some(described)).await, 400, "-", "/data/attributes/metadata");

    let ada = world.bearer(token.get_token().unwrap());
    let me = ada.current_profile().await.unwrap();
    assert_eq!(
        (me.bearer().resource_type(), me.bearer().id(), me.token().kind()),
        ("users", user.id.as_str(), "user-token")
    );

    // A ban, and its end
    let banned = user.ban().await.unwrap();
    assert_eq!((banned.status, banned.ban_reason), (UserStatus::Banned, None));
    assert_eq!(refusal(ada.current_profile().await), (403, "USER_BANNED".into(), ApiErrorKind::Unknown));
    assert_eq!(user.ban().await.unwrap().status, UserStatus::Banned);
    assert_eq!(user.unban().await.unwrap().status, UserStatus::Active);
    ada.current_profile().await.unwrap();
    let admin = User::get(support::ADMIN_EMAIL).await.unwrap();
    let (status, _, _, detail, _) = api_error(admin.ban().await);
    assert_eq!(
        (status, detail.as_str()),
        (403, "You do not have permission to complete the request (must have a user role)")
    );

    // What the user itself may
    set_token(token.get_token().unwrap()).unwrap();
    let renamed = user.update(UpdateUserRequest { first_name: Some("Ada".into()), ..unchanged() }).await.unwrap();
    assert_eq!(renamed.first_name.as_deref(), Some("Ada"));
    let promotion = UpdateUserRequest { role: Some(UserRole::Admin), ..unchanged() };
    refused(user.update(promotion).await, 400, "-", "/data/attributes/role");
    assert_eq!(api_error(user.generate_token(None).await).0, 403);
    assert_eq!(api_error(user.ban().await).0, 403);
    gone(User::get(&admin.id).await);

    // Groups
    set_token(&world.server.admin_token).unwrap();
    let team = Group::create(CreateGroupRequest { max_users: Some(1), ..group("Team") }).await.unwrap();
    assert_eq!(user.change_group(&team.id).await.unwrap().id, user.id);
    let stored = world.admin.get(&format!("users/{}/group", user.id)).ok(200);
    assert_eq!(text(&stored["data"]["id"]), team.id);
    let second = User::create(bare("bob@example.com")).await.unwrap();
    let full = second.change_group(&team.id).await;
    refused(full, 422, "GROUP_USER_LIMIT_EXCEEDED", "/data/relationships/group");
    refused(second.change_group(&user.id).await, 422, "GROUP_NOT_FOUND", "/data/relationships/group");
    assert_eq!(refusal(second.change_group("team").await).0, 400);
}

// 03 §12
#[tokio::test]
async fn passwords() {
    let world = World::new();
    let created =
        world.admin.create("users", json!({ "email": "ada@example.com", "password": "analytical" }), Value::Null);
    let token = world.admin.post(&format!("users/{}/tokens", id(&created)), Value::Null).ok(200);
    let token = text(&token["data"]["attributes"]["token"]).to_owned();
    let _turn = configure(world.globally()).await;
    let user = User::get("ada@example.com").await.unwrap();
    let change = |old: Option<&str>, new: &str| UpdatePasswordRequest {
        old_password: old.map(str::to_owned),
        new_password: new.into(),
    };
    let spare = user.generate_token(named("Spare")).await.unwrap();
    // Only the user itself, whoever asks
    assert_eq!(api_error(user.update_password(change(Some("analytical"), "difference")).await).0, 403);
    set_token(&token).unwrap();
    refused(user.update_password(change(Some("wrong one"), "difference")).await, 401, "-", "/meta/oldPassword");
    refused(user.update_password(change(None, "difference")).await, 400, "-", "/meta/oldPassword");
    let short = user.update_password(change(Some("analytical"), "short")).await;
    refused(short, 422, "PASSWORD_TOO_SHORT", "/data/attributes/password");
    assert_eq!(user.update_password(change(Some("analytical"), "difference")).await.unwrap().id, user.id);
    refused(user.update_password(change(Some("analytical"), "analytical")).await, 401, "-", "/meta/oldPassword");
    // The token in use stays, the others end (03 §10.9).
    world.bearer(&token).current_profile().await.unwrap();
    let other = world.bearer(spare.get_token().unwrap());
    assert_eq!(refusal(other.current_profile().await).1, "TOKEN_INVALID");

    // A reset: its token reaches the user by mail; here it is one that this test knows.
    let reset =
        |token: &str| ResetPasswordRequest { password_reset_token: token.into(), new_password: "engine no. 2".into() };
    gone(user.reset_password(reset("wrong")).await);
    world.server.sql(&format!(
        "UPDATE users SET password_reset_at = 1, password_reset_digest =
           (SELECT digest FROM tokens WHERE bearer_id = users.id) WHERE id = '{}'",
        user.id
    ));
    gone(user.reset_password(reset("wrong")).await);
    let (status, code, _, detail, pointer) = api_error(user.reset_password(reset(&token)).await);
    assert_eq!(
        (status, code.as_str(), detail.as_str(), pointer.as_str()),
        (401, "-", "is expired", "/meta/passwordResetToken")
    );
    world.server.sql(&format!(
        "UPDATE users SET password_reset_at = {} WHERE id = '{}'",
        chrono::Utc::now().timestamp_millis(),
        user.id
    ));
    let short = ResetPasswordRequest { new_password: "short".into(), ..reset(&token) };
    refused(user.reset_password(short).await, 422, "PASSWORD_TOO_SHORT", "/data/attributes/password");
    assert_eq!(user.reset_password(reset(&token)).await.unwrap().email, "ada@example.com");
    // It worked once, and every token of the user ended with it.
    gone(user.reset_password(reset(&token)).await);
    assert_eq!(refusal(world.bearer(&token).current_profile().await).1, "TOKEN_INVALID");
    for (password, status) in [("engine no. 2", 201), ("difference", 401), ("analytical", 401)] {
        assert_eq!(world.login("ada@example.com", password).status, status, "{password}");
    }
}

// 06 §3
#[tokio::test]
async fn groups() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let request = CreateGroupRequest {
        max_users: Some(2),
        max_licenses: Some(3),
        max_machines: Some(0),
        metadata: metadata(json!({ "costCenter": 7 })),
        ..group("Team")
    };
    let team = Group::create(request.clone()).await.unwrap();
    assert_eq!((team.max_users, team.max_licenses, team.max_machines), (Some(2), Some(3), Some(0)));
    assert_eq!((team.name.as_str(), &team.metadata, &team.owner_id), ("Team", &request.metadata, &None));
    assert!(team.account_id.is_some());
    assert_eq!(Group::get(&team.id).await.unwrap().created, team.created);
    let update = UpdateGroupRequest {
        name: Some("Crew".into()),
        max_users: None,
        max_licenses: Some(1),
        max_machines: Some(9),
        metadata: None,
    };
    let updated = team.update(update).await.unwrap();
    assert_eq!(
        (updated.name.as_str(), updated.max_users, updated.metadata),
        ("Crew", Some(2), request.metadata.clone())
    );
    assert_eq!((updated.max_licenses, updated.max_machines), (Some(1), Some(9)));
    refused(Group::create(group("")).await, 400, "-", "/data/attributes/name");
    refused(Group::create(group(&"x".repeat(256))).await, 422, "NAME_TOO_LONG", "/data/attributes/name");
    gone(Group::get("Crew").await);

    let rest = Group::create(group("Rest")).await.unwrap();
    assert_eq!((rest.max_users, rest.metadata.clone()), (None, metadata(json!({}))));
    let names = async |options| {
        let groups = Group::list(options).await.unwrap();
        groups.into_iter().map(|group| group.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["Rest", "Crew"]);
    let second = ListGroupsOptions { limit: None, page_size: Some(1), page_number: Some(2) };
    assert_eq!(names(Some(second)).await, ["Crew"]);
    assert_eq!(names(Some(ListGroupsOptions { limit: Some(1), ..ListGroupsOptions::default() })).await, ["Rest"]);

    // Members, through every way in that the SDK has
    let user = User::create(bare("ada@example.com")).await.unwrap();
    user.change_group(&team.id).await.unwrap();
    let policy = world.policy(json!({ "floating": true, "maxMachines": 5 }));
    let of_group = LicenseCreateRequest::new(id(&policy).into()).with_group_id(team.id.clone());
    let license = License::create(of_group).await.unwrap();
    assert_eq!(license.group_id.as_deref(), Some(team.id.as_str()));
    let resource = json!({ "type": "licenses", "id": license.id });
    world.admin.machine(&resource, "aa");
    // A machine joins its license's group.
    let machine = Machine::get("aa").await.unwrap();
    assert_eq!(machine.group_id.as_deref(), Some(team.id.as_str()));
    let one = PaginationOptions { limit: Some(1), page_size: Some(1), page_cursor: Some(String::new()) };
    for options in [None, Some(&one)] {
        assert_eq!(team.users(options).await.unwrap()[0].email, "ada@example.com");
        assert_eq!(team.licenses(options).await.unwrap()[0].key, license.key);
        assert_eq!(team.machines(options).await.unwrap()[0].fingerprint, "aa");
        assert_eq!(rest.users(options).await.unwrap().len(), 0);
    }
    let members = async |group: &Group| {
        let licenses = group.licenses(None).await.unwrap();
        let machines = group.machines(None).await.unwrap();
        (licenses.into_iter().map(|l| l.id).collect::<Vec<_>>(), machines.into_iter().map(|m| m.id).collect::<Vec<_>>())
    };
    assert_eq!(license.change_group(&rest.id).await.unwrap().group_id.as_deref(), Some(rest.id.as_str()));
    assert_eq!(machine.change_group(&rest.id).await.unwrap().group_id.as_deref(), Some(rest.id.as_str()));
    assert_eq!(members(&team).await, (vec![], vec![]));
    assert_eq!(members(&rest).await, (vec![license.id.clone()], vec![machine.id.clone()]));
    let vendor = world.vendor();
    let found = async |options: LicenseListOptions| {
        let page = vendor.licenses().list(Some(&options)).await.unwrap();
        page.data.into_iter().map(|l| l.id).collect::<Vec<_>>()
    };
    let none = LicenseListOptions::default;
    assert_eq!(found(LicenseListOptions { group: Some(rest.id.clone()), ..none() }).await, [license.id.as_str()]);
    assert_eq!(found(LicenseListOptions { group: Some(team.id.clone()), ..none() }).await, [""; 0]);

    let machines = async |group: &Group| {
        let filters = MachineListFilters { group: Some(group.id.clone()), ..no_filters() };
        Machine::list(Some(filters)).await.unwrap().len()
    };
    assert_eq!((machines(&rest).await, machines(&team).await), (1, 0));

    // 06 §3.3: the limits
    vendor
        .licenses()
        .create(LicenseCreateRequest::new(id(&policy).into()).with_group_id(team.id.clone()))
        .await
        .unwrap();
    refused(license.change_group(&team.id).await, 422, "GROUP_LICENSE_LIMIT_EXCEEDED", "/data/relationships/group");
    team.update(UpdateGroupRequest {
        name: None,
        max_users: None,
        max_licenses: None,
        max_machines: Some(0),
        metadata: None,
    })
    .await
    .unwrap();
    refused(machine.change_group(&team.id).await, 422, "GROUP_MACHINE_LIMIT_EXCEEDED", "/data/relationships/group");
    refused(license.change_group(&user.id).await, 422, "GROUP_NOT_FOUND", "/data/relationships/group");

    // 06 §3.4: a list without owners is read; with one the SDK takes the group-owner objects for users, and fails.
    assert_eq!(team.owners(None).await.unwrap().len(), 0);
    let body = json!({ "data": [{ "type": "users", "id": user.id }] });
    world.admin.post(&format!("groups/{}/owners", team.id), body).ok(200);
    assert!(matches!(team.owners(None).await, Err(Error::JsonError(_))));

    // 06 §3.7: members stay
    rest.delete().await.unwrap();
    gone(Group::get(&rest.id).await);
    assert_eq!(License::get(&license.id).await.unwrap().group_id, None);
    assert_eq!(Machine::get("aa").await.unwrap().group_id, None);
    gone(rest.users(None).await);
}

// 08 §4, 04 §7: licenses of users
#[tokio::test]
async fn licenses_of_users() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let [ada, bob] = [bare("ada@example.com"), bare("bob@example.com")].map(User::create);
    let (ada, bob) = (ada.await.unwrap(), bob.await.unwrap());
    let policy = world.policy(json!({}));
    let of = |owner: &User| LicenseCreateRequest::new(id(&policy).into()).with_owner_id(owner.id.clone());
    let vendor = world.vendor();
    let license = vendor.licenses().create(of(&ada)).await.unwrap();
    vendor.licenses().create(of(&bob)).await.unwrap();
    assert_eq!(license.owner_id.as_deref(), Some(ada.id.as_str()));
    let found = async |options: LicenseListOptions| {
        let page = vendor.licenses().list(Some(&options)).await.unwrap();
        page.data.into_iter().map(|l| l.owner_id.unwrap()).collect::<Vec<_>>()
    };
    let none = LicenseListOptions::default;
    for name in [ada.id.clone(), ada.email.clone()] {
        assert_eq!(found(LicenseListOptions { owner: Some(name.clone()), ..none() }).await, [ada.id.as_str()]);
        assert_eq!(found(LicenseListOptions { user: Some(name), ..none() }).await, [ada.id.as_str()]);
    }
    assert_eq!(found(none()).await, [bob.id.clone(), ada.id.clone()]);

    // The user herself sees her own, and no more.
    let token = ada.generate_token(None).await.unwrap();
    let hers = world.bearer(token.get_token().unwrap());
    assert_eq!(hers.licenses().list(None).await.unwrap().data.len(), 1);
    assert_eq!(hers.licenses().get(&license.id).await.unwrap().key, license.key);
    hers.licenses().activate(&license.id, "aa", &[]).await.unwrap();
    for (user, found) in [(&ada.id, 1), (&ada.email, 1), (&bob.email, 0)] {
        let filters = MachineListFilters { user: Some(user.clone()), ..no_filters() };
        assert_eq!(Machine::list(Some(filters)).await.unwrap().len(), found, "{user}");
    }

    // A license goes with its owner (04 §6.5).
    ada.delete().await.unwrap();
    gone(vendor.licenses().get(&license.id).await);
    gone(Machine::get("aa").await);
    assert_eq!(refusal(hers.current_profile().await).1, "TOKEN_INVALID");
    let ghost = vendor.licenses().create(of(&ada)).await;
    refused(ghost, 422, "OWNER_NOT_FOUND", "/data/relationships/owner");
}
