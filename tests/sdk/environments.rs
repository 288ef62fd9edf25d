//! Environments, and the tokens of every bearer, through the SDK (05 §3–§5, 03 §10). All of it reads the SDK's global
//! configuration, so these tests take turns.

use crate::management::{configure, gone, metadata};
use crate::people::{bare, named, strings};
use crate::support::{self, id, text};
use crate::{World, api_error, refusal, refused};
use keygen_rs::config::{KeygenConfig, set_config, set_token};
use keygen_rs::environment::{
    CreateEnvironmentRequest, CreateEnvironmentTokenRequest, Environment, IsolationStrategy, ListEnvironmentsOptions,
    UpdateEnvironmentRequest,
};
use keygen_rs::errors::{ApiErrorKind, Error};
use keygen_rs::product::{ListProductsOptions, Product};
use keygen_rs::token::{ListTokensOptions, RegenerateTokenRequest, Token, TokenKind};
use keygen_rs::user::{CreateUserRequest, User, UserRole};
use serde_json::json;

// 05 §3, §4, §5
#[tokio::test]
async fn environments() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let request = |code: &str, strategy: Option<IsolationStrategy>| CreateEnvironmentRequest {
        name: "Staging".into(),
        code: code.into(),
        isolation_strategy: strategy,
    };
    let shared = Environment::create(request("staging", Some(IsolationStrategy::Shared))).await.unwrap();
    let isolated = Environment::create(request("sandbox", None)).await.unwrap();
    assert_eq!((shared.name.as_str(), shared.code.as_str()), ("Staging", "staging"));
    assert_eq!(
        (shared.isolation_strategy.clone(), isolated.isolation_strategy.clone()),
        (IsolationStrategy::Shared, IsolationStrategy::Isolated)
    );
    assert!(shared.account_id.is_some());
    for name in [shared.id.as_str(), "staging"] {
        assert_eq!(Environment::get(name).await.unwrap().created, shared.created);
    }
    refused(Environment::create(request("STAGING", None)).await, 422, "CODE_TAKEN", "/data/attributes/code");
    let update = UpdateEnvironmentRequest { name: Some("Stage".into()), code: Some("stage".into()) };
    let updated = shared.update(update).await.unwrap();
    assert_eq!((updated.name.as_str(), updated.code.as_str()), ("Stage", "stage"));
    gone(Environment::get("staging").await);
    let listed = Environment::list(None).await.unwrap();
    assert_eq!(listed.environments.iter().map(|e| e.code.as_str()).collect::<Vec<_>>(), ["sandbox", "stage"]);
    let second = ListEnvironmentsOptions { limit: None, page_size: Some(1), page_number: Some(2) };
    let listed = Environment::list(Some(second)).await.unwrap();
    assert_eq!(
        (listed.environments[0].code.as_str(), &listed.links.unwrap()["meta"]),
        ("stage", &json!({ "pages": 2, "count": 2 }))
    );

    // The configuration's environment: a shared one shows what is global besides its own (05 §5.2).
    let within = |environment: &str, token: &str| KeygenConfig {
        environment: Some(environment.into()),
        token: Some(token.into()),
        ..world.globally()
    };
    let admin = world.server.admin_token.as_str();
    let names = async || {
        let options = ListProductsOptions { limit: None, page_size: None, page_number: None };
        Product::list(Some(options)).await.map(|products| products.len())
    };
    // 05 §4: tokens of an environment are made in it.
    let (status, _, _, detail, _) = api_error(shared.generate_token(None).await);
    assert_eq!((status, detail.contains("(record environment is not compatible")), (403, true), "{detail}");
    set_config(within("stage", admin)).unwrap();
    assert_eq!(names().await.unwrap(), 1);
    let user = User::create(bare("ada@example.com")).await.unwrap();
    let request = CreateEnvironmentTokenRequest {
        name: Some("Deploy".into()),
        expiry: Some("2031-01-01T00:00:00Z".into()),
        permissions: strings(&["environment.read", "product.read", "token.read"]),
    };
    let token = shared.generate_token(Some(request.clone())).await.unwrap();
    assert_eq!((token.name.as_deref(), token.expiry.as_deref()), (Some("Deploy"), Some("2031-01-01T00:00:00.000Z")));
    assert_eq!((token.permissions.clone(), token.environment_id.as_str()), (request.permissions, shared.id.as_str()));
    assert!(token.token.starts_with("env-"));
    // The SDK does not know the kind `environment-token` (03 §10.3) where it reads one.
    assert!(matches!(Token::get(&token.id).await, Err(Error::JsonError(_))));

    set_config(within(&shared.id, &token.token)).unwrap();
    assert_eq!(names().await.unwrap(), 1);
    assert_eq!(Environment::get("stage").await.unwrap().id, shared.id);
    gone(Environment::get("sandbox").await);
    assert_eq!(api_error(User::create(bare("bob@example.com")).await).0, 403);
    // Outside its environment it is none (05 §5.3).
    set_config(KeygenConfig { token: Some(token.token.clone()), ..world.globally() }).unwrap();
    assert_eq!(refusal(names().await), (401, "TOKEN_INVALID".into(), ApiErrorKind::TokenInvalid));

    // An isolated environment is entered with a token made for it (03 §10.6).
    set_config(within("sandbox", admin)).unwrap();
    assert_eq!(refusal(names().await), (401, "TOKEN_INVALID".into(), ApiErrorKind::TokenInvalid));
    let link = json!({ "data": { "type": "environments", "id": isolated.id } });
    let made = world
        .admin
        .post("tokens", json!({ "data": { "type": "tokens", "relationships": { "environment": link } } }))
        .ok(201);
    set_config(within("sandbox", text(&made["data"]["attributes"]["token"]))).unwrap();
    assert_eq!(names().await.unwrap(), 0);
    let token = isolated.generate_token(None).await.unwrap();
    assert!(token.permissions.is_some_and(|all| all.len() == 127) && token.expiry.is_none());
    gone(User::get(&user.id).await);

    // A blank or unknown environment (05 §5.1)
    for name in ["production", ""] {
        set_config(within(name, admin)).unwrap();
        assert_eq!(refusal(names().await).1, "ENVIRONMENT_INVALID");
    }
    // What is in it goes with it (05 §3.4).
    set_config(world.globally()).unwrap();
    gone(User::get(&user.id).await);
    shared.delete().await.unwrap();
    gone(Environment::get("stage").await);
    assert_eq!(User::create(bare("ada@example.com")).await.unwrap().email, "ada@example.com");
    set_config(within("stage", admin)).unwrap();
    assert_eq!(refusal(names().await).1, "ENVIRONMENT_INVALID");
    set_config(within("sandbox", &token.token)).unwrap();
    assert_eq!(names().await.unwrap(), 0);
}

// 03 §10
#[tokio::test]
async fn tokens() {
    let world = World::new();
    let _turn = configure(world.globally()).await;
    let user = User::create(bare("ada@example.com")).await.unwrap();
    let product = Product::get(id(&world.product)).await.unwrap();
    let license = world.license(json!({}), json!({}));
    let of_product = product.generate_token_with_options(named("CI")).await.unwrap();
    let of_license = world.vendor().licenses().generate_token(id(&license), None).await.unwrap();
    let of_user = user.generate_token(named("Laptop")).await.unwrap();

    // 03 §10.10
    let all = ListTokensOptions::default;
    let found = async |options: ListTokensOptions| {
        let tokens = Token::list(Some(options)).await.unwrap();
        assert!(tokens.iter().all(|token| token.get_token().is_none()));
        tokens.into_iter().map(|token| token.kind).collect::<Vec<_>>()
    };
    let (p, l, u) = (TokenKind::ProductToken, TokenKind::ActivationToken, TokenKind::UserToken);
    let by_type = |name: &str| ListTokensOptions { bearer_type: Some(name.into()), ..all() };
    let by_id = |id: &str| ListTokensOptions { bearer_id: Some(id.into()), ..all() };
    assert_eq!(found(all()).await, [u.clone(), l.clone(), p.clone(), TokenKind::AdminToken]);
    assert_eq!(found(by_type("user")).await, [u.clone(), TokenKind::AdminToken]);
    assert_eq!(found(by_type("products")).await, [p]);
    assert_eq!(found(by_type("license")).await, [l]);
    assert_eq!(found(by_type("robot")).await, []);
    assert_eq!(found(by_id(&user.id)).await, std::slice::from_ref(&u));
    assert_eq!(found(ListTokensOptions { bearer_id: Some(user.id.clone()), ..by_type("product") }).await, []);
    assert_eq!(found(ListTokensOptions { limit: Some(1), ..all() }).await, std::slice::from_ref(&u));
    let second = ListTokensOptions { page_size: Some(3), page_number: Some(2), ..all() };
    assert_eq!(found(second).await, [TokenKind::AdminToken]);

    // 03 §10.8: a new secret, once; the body is ignored.
    let same = || RegenerateTokenRequest { name: None, expiry: None, permissions: None, metadata: None };
    let ignored = RegenerateTokenRequest {
        name: Some("Other".into()),
        permissions: strings(&["user.read"]),
        metadata: metadata(json!({ "a": 1 })),
        ..same()
    };
    let fresh = of_user.regenerate(ignored).await.unwrap();
    assert_eq!((fresh.id.as_str(), fresh.name.as_deref()), (of_user.id.as_str(), Some("Laptop")));
    assert_eq!((fresh.permissions.as_ref(), fresh.kind), (of_user.permissions.as_ref(), u));
    assert_ne!(fresh.token, of_user.token);
    let before = world.bearer(of_user.get_token().unwrap()).current_profile().await;
    assert_eq!(refusal(before), (401, "TOKEN_INVALID".into(), ApiErrorKind::TokenInvalid));
    world.bearer(fresh.token.as_deref().unwrap()).current_profile().await.unwrap();
    let forever = of_product.regenerate(same()).await.unwrap();
    assert_eq!((forever.expiry.clone(), forever.name.as_deref()), (None, Some("CI")));

    // A product sees its own tokens and those of its licenses, and revokes them (03 §10.9).
    set_token(forever.get_token().unwrap()).unwrap();
    assert_eq!(found(all()).await, [TokenKind::ActivationToken, TokenKind::ProductToken]);
    gone(Token::get(&of_user.id).await);
    gone(of_user.regenerate(same()).await);
    gone(of_user.revoke().await);
    assert_eq!(Token::get(&of_license.id).await.unwrap().kind, TokenKind::ActivationToken);
    of_license.revoke().await.unwrap();
    gone(Token::get(&of_license.id).await);
    // Its own, last of all
    forever.revoke().await.unwrap();
    assert_eq!(refusal(Token::list(None).await).1, "TOKEN_INVALID");

    // The kinds of staff
    set_token(&world.server.admin_token).unwrap();
    let me = User::get(support::ADMIN_EMAIL).await.unwrap();
    assert_eq!(me.generate_token(None).await.unwrap().kind, TokenKind::AdminToken);
    let kinds = [
        (UserRole::Developer, Some(TokenKind::DeveloperToken)),
        (UserRole::SalesAgent, Some(TokenKind::SalesToken)),
        (UserRole::SupportAgent, Some(TokenKind::SupportToken)),
        // The SDK does not know `read-only-token` (03 §10.3).
        (UserRole::ReadOnly, None),
    ];
    for (at, (role, kind)) in kinds.into_iter().enumerate() {
        let made = CreateUserRequest { role: Some(role), ..bare(&format!("{at}@example.com")) };
        let staff = User::create(made).await.unwrap();
        // An administrator makes no tokens for staff (03 §10.1); they make their own.
        assert_eq!(api_error(staff.generate_token(None).await).0, 403);
        world
            .admin
            .patch(
                &format!("users/{}", staff.id),
                json!({ "data": { "type": "users", "attributes": { "password": "difference" } } }),
            )
            .ok(200);
        let token = world.login(&staff.email, "difference").ok(201);
        let read = Token::get(id(&token["data"])).await;
        match kind {
            Some(kind) => assert_eq!(read.unwrap().kind, kind),
            None => assert!(matches!(read, Err(Error::JsonError(_)))),
        }
    }
}
