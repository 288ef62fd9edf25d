//! Pools (07 §7): listing them, popping keys, drawing them for licenses, deleting them with their policies (07 §5).

use crate::authentication::*;
use crate::authorization::*;
use crate::keys::*;
use crate::products::*;
use crate::protocol::ZERO;
use crate::support::*;
use serde_json::{Value, json};

/// `policies/<id>/pool`
fn pool(policy: &Value) -> String {
    format!("policies/{}/pool", id(policy))
}

/// The keys of a list, in its order.
#[track_caller]
fn texts(answer: &Answer) -> Vec<String> {
    let list = answer.ok(200)["data"].as_array().unwrap().clone();
    list.iter().map(|key| text(&key["attributes"]["key"]).to_owned()).collect()
}

/// The key that a pop gave.
#[track_caller]
fn popped(answer: &Answer) -> String {
    text(&answer.ok(200)["data"]["attributes"]["key"]).to_owned()
}

const EMPTY: &str = "422 pool is empty|-|/data/relationships/pool";
const UNSUPPORTED: &str = "422 pool is not supported|-|/data/relationships/pool";

// 07 §1, §7
#[test]
fn pools_are_listed() {
    let server = Server::start();
    let admin = server.admin();
    let (policy, other) = (pooled(&admin), pooled(&admin));
    let unpooled = admin.policy(&admin.product(), json!({}));
    for policy in [&policy, &unpooled] {
        assert_eq!(admin.get(&pool(policy)).ok(200).to_string(), json!({ "data": [] }).to_string());
    }
    let keys: Vec<Value> =
        ["KEY-OF-POOL-1", "KEY-OF-POOL-2", "KEY-OF-POOL-3"].map(|key| stock(&admin, &policy, key)).into();
    let foreign = stock(&admin, &other, "KEY-OF-OTHER");
    let expected = json!({ "data": [keys[2], keys[1], keys[0]] });
    assert_eq!(admin.get(&pool(&policy)).ok(200).to_string(), expected.to_string());
    assert_eq!(texts(&admin.get(&format!("{}?order=asc&limit=2", pool(&policy)))), ["KEY-OF-POOL-1", "KEY-OF-POOL-2"]);
    let page = admin.get(&format!("{}?page[number]=2&page[size]=2", pool(&policy)));
    assert_eq!(
        (texts(&page), &page.body["links"]["meta"]),
        (vec!["KEY-OF-POOL-1".to_owned()], &json!({ "pages": 2, "count": 3 }))
    );
    // no filters here (07 §1): they are ignored
    assert_eq!(texts(&admin.get(&format!("{}?policy={ZERO}&product={ZERO}", pool(&policy)))).len(), 3);
    let member = admin.get(&format!("{}/{}", pool(&policy), id(&keys[0]))).ok(200);
    assert_eq!(member.to_string(), json!({ "data": keys[0] }).to_string());
    // members by UUID, of this pool
    for (policy, name) in
        [(&policy, id(&foreign)), (&policy, ZERO), (&policy, "KEY-OF-POOL-1"), (&unpooled, id(&keys[0]))]
    {
        let expected = format!("404 The requested key '{name}' was not found|NOT_FOUND|-");
        assert_eq!(admin.get(&format!("{}/{name}", pool(policy))).error(), expected);
    }
    for name in [ZERO, "x"] {
        let expected = format!("404 The requested policy '{name}' was not found|NOT_FOUND|-");
        for path in [format!("policies/{name}/pool"), format!("policies/{name}/pool/{}", id(&keys[0]))] {
            assert_eq!(admin.get(&path).error(), expected);
        }
        assert_eq!(admin.delete(&format!("policies/{name}/pool")).error(), expected);
    }
    // one member is not to be deleted here
    assert_eq!(admin.delete(&format!("{}/{}", pool(&policy), id(&keys[0]))).status, 404);
    assert_eq!(admin.post(&pool(&policy), Value::Null).status, 404);
}

// 07 §7, §9
#[test]
fn popping() {
    let server = Server::start();
    let admin = server.admin();
    let policy = pooled(&admin);
    let path = pool(&policy);
    let empty = admin.delete(&path);
    assert_eq!((empty.error().as_str(), &empty.body["errors"][0]["title"]), (EMPTY, &json!("Unprocessable entity")));
    let keys = ["POP-FIRST", "POP-SECOND", "POP-THIRD", "POP-FOURTH"].map(|key| stock(&admin, &policy, key));
    stock(&admin, &pooled(&admin), "NEWEST-OF-ALL");
    // the whole key, as it was; the most recently created first, whatever changed since
    admin.patch(&format!("keys/{}", id(&keys[0])), body("keys", json!({ "key": "POP-CHANGED" }))).ok(200);
    let answer = admin.delete(&path);
    assert_eq!(answer.ok(200).to_string(), json!({ "data": keys[3] }).to_string());
    assert_eq!(answer.header("content-type"), "application/vnd.api+json; charset=utf-8");
    assert_eq!(answer.header("location"), "");
    assert_eq!(admin.get(&format!("keys/{}", id(&keys[3]))).status, 404);
    assert_eq!(popped(&admin.delete(&path)), "POP-THIRD");
    // by time of creation, then by id
    server.sql("UPDATE keys SET created_at = 1 WHERE key = 'POP-SECOND'");
    assert_eq!(popped(&admin.delete(&path)), "POP-CHANGED");
    assert_eq!(popped(&admin.delete(&path)), "POP-SECOND");
    assert_eq!(admin.delete(&path).error(), EMPTY);
    // one event each, in the log under the policy (13 §1.1); the key's own deletion is none
    assert_eq!(
        events_of(&server, &policy),
        ["policy.created"].into_iter().chain(["policy.pool.popped"; 4]).collect::<Vec<_>>().join("; ")
    );
    assert_eq!(events_of(&server, &keys[3]), "key.created");
    // a popped key may come again
    stock(&admin, &policy, "POP-THIRD");
    // a policy without a pool is refused, even if it has keys
    server.sql(&format!("UPDATE policies SET use_pool = 0 WHERE id = '{}'", id(&policy)));
    assert_eq!(admin.delete(&path).error(), UNSUPPORTED);
    assert_eq!(texts(&admin.get(&path)), ["POP-THIRD"]);
    assert_eq!(events(&server, "policy.pool.popped"), "4");
}

// 07 §7, §8.2, 08 §4.3
#[test]
fn licenses_draw_from_the_pool() {
    let server = Server::start();
    let admin = server.admin();
    let policy = pooled(&admin);
    ["DRAW-KEY-1", "DRAW-KEY-2", "DRAW-KEY-3"].iter().for_each(|key| drop(stock(&admin, &policy, key)));
    // an explicit key leaves the pool alone, even one that sits in it; then it is passed over by licenses, not by a pop
    admin.license(&policy, json!({ "key": "DRAW-KEY-3" }));
    assert_eq!(texts(&admin.get(&pool(&policy))), ["DRAW-KEY-3", "DRAW-KEY-2", "DRAW-KEY-1"]);
    let license = admin.license(&policy, json!({}));
    assert_eq!(key(&license), "DRAW-KEY-2");
    assert_eq!(popped(&admin.delete(&pool(&policy))), "DRAW-KEY-3");
    assert_eq!(key(&admin.license(&policy, json!({ "key": null }))), "DRAW-KEY-1");
    let refused = admin.post("licenses", crate::licenses::of(&policy, json!({}), json!({})));
    assert_eq!(refused.error(), "422 pool is empty|POLICY_POOL_EMPTY|/data/relationships/policy");
    assert_eq!(refused.body["errors"][0]["title"], "Unprocessable resource");
    // a pool that holds nothing but keys of licenses is empty for licenses
    stock(&admin, &policy, "LEFT-KEY-1");
    admin.license(&policy, json!({ "key": "LEFT-KEY-1" }));
    assert_eq!(admin.post("licenses", crate::licenses::of(&policy, json!({}), json!({}))).code(), "POLICY_POOL_EMPTY");
    assert_eq!(counts(&server, &["licenses", "keys"]), "licenses 4, keys 1");
    // drawing emits no event of pool or key
    assert_eq!(events_of(&server, &license), "license.created");
    assert_eq!((events(&server, "policy.pool.popped"), events(&server, "key.deleted")), ("1".into(), "0".into()));
    // policy, licenses and pool go together, also with the product (07 §5, 06 §1.6)
    let product = &policy["relationships"]["product"]["data"];
    let sibling = admin.policy(product, json!({ "usePool": true }));
    stock(&admin, &sibling, "SIBLING-KEY");
    admin.delete(&format!("policies/{}", id(&policy))).ok(204);
    assert_eq!(counts(&server, &["licenses", "keys", "policies"]), "licenses 0, keys 1, policies 1");
    admin.delete(&format!("products/{}", id(product))).ok(204);
    assert_eq!(counts(&server, &["keys", "policies"]), "keys 0, policies 0");
    let deleted = "SELECT group_concat(event) FROM event_logs WHERE event LIKE '%.deleted'";
    assert_eq!(select(&server, deleted), "policy.deleted,product.deleted");
}

// 07 §1, §9
#[test]
fn who_may() {
    let cast = Cast::new(json!({}));
    let (server, admin) = (&cast.server, cast.client("A"));
    let path = pool(&cast.policy);
    // 404 before 403 before 422
    let pops = "403: S Su R L Uo Um Ua; 404: P2 L2 U; 422: A D P";
    let outcome = cast.outcome(|c| c.delete(&path));
    assert_eq!(outcome, format!("401: X; {pops}"));
    server.sql("UPDATE policies SET use_pool = 1");
    let member = format!("{path}/{}", id(&stock(admin, &cast.policy, &fresh_key())));
    for round in 0..2 {
        let reads = "ok: A D S Su R P; 401: X; 403: L Uo Um Ua; 404: P2 L2 U";
        assert_eq!(cast.outcome(|c| c.get(&path)), reads, "{round}");
        assert_eq!(cast.outcome(|c| c.get(&member)), reads, "{round}");
        let pop = |client: &Client| {
            stock(admin, &cast.policy, &fresh_key());
            client.delete(&path)
        };
        assert_eq!(cast.outcome(pop), "ok: A D P; 401: X; 403: S Su R L Uo Um Ua; 404: P2 L2 U", "{round}");
        cast.grant_everything();
    }
    assert_eq!(reason(&cast.client("S").delete(&path)), NO_REASON);
    assert_eq!(reason(&cast.client("R").delete(&path)), "read only lacks permission to perform action");
    assert_eq!(reason(&cast.client("L").get(&path)), "license lacks permission to perform action");
}

// 05 §5.4, §5.5, 07 §1, §7
#[test]
fn environments() {
    let server = Server::start();
    let [iso, pre, two] = [("iso", "ISOLATED"), ("pre", "SHARED"), ("two", "SHARED")]
        .map(|(code, strategy)| environment(&server, code, strategy));
    let global = server.admin();
    let (isolated, shared) = (inside(&server, &iso, "iso"), inside(&server, &pre, "pre"));
    let second = inside(&server, &two, "two");
    let policy = pooled(&global);
    let of_pre = stock(&shared, &policy, "OF-PRE-KEY");
    let of_global = stock(&global, &policy, "OF-GLOBAL-KEY");
    let of_two = stock(&second, &policy, "OF-TWO-KEY");
    // lists keep to the current environment; members are found in all of them, and refused inside one
    assert_eq!(texts(&global.get(&pool(&policy))), ["OF-GLOBAL-KEY"]);
    assert_eq!(texts(&shared.get(&pool(&policy))), ["OF-GLOBAL-KEY", "OF-PRE-KEY"]);
    assert_eq!(isolated.get(&pool(&policy)).status, 404);
    let member = |key: &Value| format!("{}/{}", pool(&policy), id(key));
    for key in [&of_pre, &of_global, &of_two] {
        global.get(&member(key)).ok(200);
    }
    shared.get(&member(&of_pre)).ok(200);
    shared.get(&member(&of_global)).ok(200);
    let record = "record environment is not compatible with the current environment";
    assert_eq!(reason(&shared.get(&member(&of_two))), record);
    // popping is lax, and takes the newest whatever its environment
    assert_eq!(isolated.delete(&pool(&policy)).status, 404);
    assert_eq!(popped(&shared.delete(&pool(&policy))), "OF-TWO-KEY");
    assert_eq!(popped(&shared.delete(&pool(&policy))), "OF-GLOBAL-KEY");
    let sql = "SELECT group_concat(DISTINCT environment_id) FROM event_logs WHERE event = 'policy.pool.popped'";
    assert_eq!(select(&server, sql), id(&pre), "the request's environment (05 §5.9)");
    assert_eq!(popped(&global.delete(&pool(&policy))), "OF-PRE-KEY");
    assert_eq!(global.delete(&pool(&policy)).error(), EMPTY);
    // where everything is of one environment
    for (client, outsider) in [(&isolated, &global), (&shared, &global), (&shared, &second), (&isolated, &shared)] {
        let policy = pooled(client);
        stock(client, &policy, &fresh_key());
        assert_eq!((outsider.get(&pool(&policy)).status, outsider.delete(&pool(&policy)).status), (404, 404));
        popped(&client.delete(&pool(&policy)));
        assert_eq!(client.delete(&pool(&policy)).error(), EMPTY);
    }
    // a global developer may pop in a shared environment, and not in an isolated one (05 §5.3)
    let developer = as_bearer(&server, &user(&server, "developer", "dev@example.com")).environment("pre");
    stock(&global, &policy, "FOR-THE-DEVELOPER");
    assert_eq!(popped(&developer.delete(&pool(&policy))), "FOR-THE-DEVELOPER");
    let entering = user(&server, "developer", "in@example.com");
    let entering = server.token(&token_in(&server, &entering, Some(id(&iso)))).environment("iso");
    let expected = "developer environment is not compatible with the current environment";
    assert_eq!(reason(&entering.delete(&pool(&pooled(&isolated)))), expected);
}
