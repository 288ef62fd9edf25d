//! `keygen-lite keys import` (07 §7, §8.2): the real program on the file of a server that runs or has stopped.

#[path = "support/mod.rs"]
mod support;

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use support::{Client, Server, id, key, link, text};

/// The program with these arguments, with nothing of ours in its environment.
fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keygen-lite"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEYGEN_LITE_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, standard output and standard error of a run.
type Ran = (i32, String, String);

fn ran(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn run(directory: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = program(directory, arguments).spawn().unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    ran(child.wait_with_output().unwrap())
}

/// Starts an import of a file into the pool of a policy.
fn start(server: &Server, policy: &Value, file: &str) -> Child {
    let arguments = ["keys", "import", "--database", "keygen-lite.db", "--policy", id(policy), file];
    program(server.directory.path(), &arguments).spawn().unwrap()
}

/// Imports `input` through a file, with more arguments.
#[track_caller]
fn import(server: &Server, policy: &Value, more: &[&str], input: impl AsRef<[u8]>) -> Ran {
    let directory = server.directory.path();
    std::fs::write(directory.join("keys.txt"), input.as_ref()).unwrap();
    let arguments =
        [&["keys", "import", "--database", "keygen-lite.db", "--policy", id(policy), "keys.txt"], more].concat();
    let ran = run(directory, &arguments, b"");
    assert!(!format!("{ran:?}").contains("SECRET"), "keys are not shown: {ran:?}");
    ran
}

fn imported(keys: usize, skipped: usize) -> String {
    format!("imported {keys} keys, skipped {skipped} duplicates\n")
}

fn pooled(client: &Client) -> Value {
    client.policy(&client.product(), json!({ "usePool": true }))
}

fn number(server: &Server, sql: &str) -> i64 {
    let connection = rusqlite::Connection::open(server.database()).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

const KEYS: &str = "SELECT count(*) FROM keys";

/// So many different keys, a line each.
fn many(prefix: &str, count: usize) -> String {
    (0..count).map(|n| format!("{prefix}-SECRET-{n:06}\n")).collect()
}

/// The keys of a pool, newest first.
#[track_caller]
fn pool(client: &Client, policy: &Value) -> Vec<String> {
    let list = client.get(&format!("policies/{}/pool?limit=100", id(policy))).ok(200)["data"].clone();
    list.as_array().unwrap().iter().map(|key| text(&key["attributes"]["key"]).to_owned()).collect()
}

#[test]
fn keys_reach_the_pool() {
    let mut server = Server::start();
    let admin = server.admin();
    let policy = pooled(&admin);
    let long = "é".repeat(1024);
    // a byte order mark, either kind of line end, blank lines, spaces that count, no line end at the end
    let input = format!("\u{feff}FIRST-SECRET\r\n\n  \t\r\n two SECRET words \n{long}\r\r\nLAST-SECRET");
    assert_eq!(import(&server, &policy, &[], &input), (0, imported(4, 0), String::new()));
    let expected = ["LAST-SECRET", &long, " two SECRET words ", "FIRST-SECRET"];
    assert_eq!(pool(&admin, &policy), expected);
    // what the API gives of an imported key is what it gives of any (07 §8.2)
    let list = admin.get(&format!("keys?policy={}", id(&policy))).ok(200)["data"].clone();
    let made = admin
        .post(
            "keys",
            json!({ "data": { "type": "keys", "attributes": { "key": "MADE-SECRET" },
        "relationships": { "policy": link(&policy) } } }),
        )
        .ok(201)["data"]
        .clone();
    assert_eq!(list[0]["relationships"]["policy"]["data"], made["relationships"]["policy"]["data"]);
    assert_eq!(list[0]["relationships"]["product"]["data"], policy["relationships"]["product"]["data"]);
    assert_eq!(list[0]["relationships"]["environment"], made["relationships"]["environment"]);
    // the last line is drawn first (07 §7)
    admin.delete(&format!("keys/{}", id(&made))).ok(204);
    assert_eq!(key(&admin.license(&policy, json!({}))), "LAST-SECRET");
    // one event was the API's, none the import's
    assert_eq!(number(&server, "SELECT count(*) FROM event_logs WHERE event = 'key.created'"), 1);
    // from standard input; nothing at all; a UUID of another form
    let form = id(&policy).replace('-', "").to_uppercase();
    let arguments = ["keys", "import", "-", "--policy", &form, "--database", "keygen-lite.db", "--account", "acme"];
    let ran = run(server.directory.path(), &arguments, b"PIPED-SECRET\n");
    assert_eq!(ran, (0, imported(1, 0), String::new()));
    assert_eq!(import(&server, &policy, &[], "\n\n"), (0, imported(0, 0), String::new()));
    // without the server
    server.stop();
    assert_eq!(import(&server, &policy, &[], "OFFLINE-SECRET\n"), (0, imported(1, 0), String::new()));
    server.restart();
    let expected = ["OFFLINE-SECRET", "PIPED-SECRET", &long, " two SECRET words ", "FIRST-SECRET"];
    assert_eq!(pool(&server.admin(), &policy), expected);
    // keys are where their policy is (05 §5.6)
    let environment = uuid::Uuid::now_v7();
    server.sql(&format!(
        "INSERT INTO environments (id, account_id, created_at, updated_at, name, code, isolation_strategy)
           SELECT '{environment}', id, 0, 0, 'pre', 'pre', 'SHARED' FROM accounts;
         UPDATE policies SET environment_id = '{environment}'"
    ));
    assert_eq!(import(&server, &policy, &[], "SHARED-SECRET\n").1, imported(1, 0));
    assert_eq!(number(&server, "SELECT count(*) FROM keys WHERE environment_id IS NOT NULL"), 1);
    assert_eq!(pool(&server.admin().environment("pre"), &policy)[0], "SHARED-SECRET");
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_stored() {
    let server = Server::start();
    let admin = server.admin();
    let (policy, other) = (pooled(&admin), pooled(&admin));
    let license = admin.license(&admin.policy(&admin.product(), json!({})), json!({ "key": "LICENSE-SECRET" }));
    assert_eq!(import(&server, &other, &[], "KNOWN-SECRET-1\nKNOWN-SECRET-2\n").1, imported(2, 0));
    let uuid = id(&license).replace('-', "").to_uppercase();
    let duplicates = format!(
        "FRESH-SECRET\nKNOWN-SECRET-1\nKNOWN-SECRET-2\n\nLICENSE-SECRET\nFRESH-SECRET\n{uuid}\nFRESH-SECRET\nOTHER-SECRET\n"
    );
    let named = |prefix: &str| {
        format!(
            "lines 2-3: {prefix}has already been taken\n\
             line 5: {prefix}is already being used as a license's key\n\
             line 6: {prefix}is the key of line 1 again\n\
             line 7: {prefix}must not conflict with another license's identifier (UUID)\n\
             line 8: {prefix}is the key of line 1 again\n"
        )
    };
    let error = "error: nothing was imported: 6 of 8 keys are refused, 6 of them as duplicates, which --skip-duplicates would leave out\n";
    let refused = (1, String::new(), named("") + error);
    assert_eq!(import(&server, &policy, &[], &duplicates), refused);
    assert_eq!(import(&server, &policy, &[], &duplicates), refused, "nothing was stored");
    // what no key can be stops the import, whatever is said about duplicates
    let mut invalid = duplicates.clone().into_bytes();
    invalid.extend_from_slice(b"seven77\naction\nbad \xff SECRET\nnull \0 SECRET\n");
    invalid.extend_from_slice(format!("{}\n", "é".repeat(1025)).as_bytes());
    // longer than is kept in memory
    invalid.extend_from_slice(&vec![b'x'; 100_000]);
    invalid.extend_from_slice(b"\nGOOD-SECRET\n");
    let problems = "line 10: is too short (minimum is 8 characters)\n\
         line 11: is reserved, is too short (minimum is 8 characters)\n\
         line 12: is not UTF-8\n\
         line 13: contains a null byte\n\
         lines 14-15: is too long (maximum is 1024 characters)\n";
    let error = "error: nothing was imported: 12 of 15 keys are refused, 6 of them as duplicates, which --skip-duplicates would leave out\n";
    assert_eq!(import(&server, &policy, &[], &invalid), (1, String::new(), named("") + problems + error));
    let error = "error: nothing was imported: 6 of 15 keys are refused\n";
    assert_eq!(
        import(&server, &policy, &["--skip-duplicates"], &invalid),
        (1, String::new(), problems.to_owned() + error)
    );
    assert_eq!(number(&server, KEYS), 2);
    // a short key that is also a license's is no mere duplicate
    let short = admin.license(&license["relationships"]["policy"]["data"], json!({ "key": "sixsix" }));
    assert_eq!(key(&short), "sixsix");
    let problem = "line 1: is too short (minimum is 8 characters), is already being used as a license's key\n";
    let error = "error: nothing was imported: 1 of 1 keys are refused\n";
    let ran = import(&server, &policy, &["--skip-duplicates"], "sixsix");
    assert_eq!(ran, (1, String::new(), problem.to_owned() + error));
    // duplicates alone are left out on demand
    let ran = import(&server, &policy, &["--skip-duplicates"], &duplicates);
    assert_eq!(ran, (0, imported(2, 6), named("skipped: ")));
    assert_eq!(pool(&admin, &policy), ["OTHER-SECRET", "FRESH-SECRET"]);
    let again = import(&server, &policy, &["--skip-duplicates"], "FRESH-SECRET\nOTHER-SECRET\n");
    assert_eq!(again, (0, imported(0, 2), "lines 1-2: skipped: has already been taken\n".to_owned()));
}

#[test]
fn what_it_is_told_to_do_must_make_sense() {
    let server = Server::start();
    let admin = server.admin();
    let policy = pooled(&admin);
    let unpooled = admin.policy(&admin.product(), json!({ "name": "Plain" }));
    let directory = server.directory.path();
    std::fs::write(directory.join("keys.txt"), "A-SECRET-KEY\n").unwrap();
    std::fs::create_dir(directory.join("folder")).unwrap();
    // a second account
    let other = "0190a0b0-0000-7000-8000-00000000beef";
    server.sql(&format!(
        "INSERT INTO accounts (id, account_id, created_at, updated_at, slug, api_version)
           SELECT '{other}', '{other}', created_at + 1000, updated_at, 'beta', api_version FROM accounts"
    ));
    let zero = "00000000-0000-7000-8000-000000000000";
    let unknown = format!("--policy: there is no policy '{zero}' in the account 'acme'");
    let of_other = format!("--policy: there is no policy '{}' in the account 'beta'", id(&policy));
    let no_pool = "--policy: the policy 'Plain' has no pool: keys cannot be added to an unpooled policy (usePool is chosen when it is created)";
    for (arguments, expected) in [
        (vec!["--policy", zero, "keys.txt"], unknown.as_str()),
        (vec!["--policy", "nope", "keys.txt"], "--policy: 'nope' is not a UUID"),
        (vec!["--policy", id(&unpooled), "keys.txt"], no_pool),
        (vec!["--policy", id(&policy), "--account", "beta", "keys.txt"], &of_other),
        (vec!["--policy", id(&policy), "--account", other, "keys.txt"], &of_other),
        (
            vec!["--policy", id(&policy), "--account", "gamma", "keys.txt"],
            "--account: there is no account 'gamma' in the database",
        ),
        (
            vec!["--policy", id(&policy), "--mode", "multi", "keys.txt"],
            "there is no default account: name one with --account",
        ),
        (
            vec!["--policy", id(&policy), "--set", "accounts.default_account=gamma", "keys.txt"],
            "accounts.default_account: there is no account 'gamma' in the database",
        ),
        (vec!["--policy", id(&policy), "no.txt"], "cannot read no.txt: No such file or directory (os error 2)"),
        (vec!["--policy", id(&policy), "folder"], "cannot read folder: Is a directory (os error 21)"),
    ] {
        let arguments = [&["keys", "import", "--database", "keygen-lite.db"], &arguments[..]].concat();
        let ran = run(directory, &arguments, b"");
        assert_eq!(ran, (2, String::new(), format!("error: {expected}\n")), "{arguments:?}");
    }
    // a slip of the path makes no database
    let arguments = ["keys", "import", "--database", "other.db", "--policy", id(&policy), "keys.txt"];
    let (code, _, stderr) = run(directory, &arguments, b"");
    assert_eq!(code, 2);
    assert!(stderr.starts_with("error: there is no database at ") && stderr.lines().count() == 1, "{stderr}");
    assert!(!directory.join("other.db").exists());
    // the command line itself
    for arguments in [&["keys"][..], &["keys", "import", "keys.txt"], &["keys", "import", "--policy", id(&policy)]] {
        assert_eq!(run(directory, arguments, b"").0, 2, "{arguments:?}");
    }
    assert_eq!(number(&server, KEYS), 0);
    // the help teaches
    let (code, help, _) = run(directory, &["keys", "import", "--help"], b"");
    assert_eq!(code, 0);
    for word in ["Examples:", "--skip-duplicates", "--account", "key.created", "Exit code", "standard input"] {
        assert!(help.contains(word), "{word}");
    }
    // either way of naming the account, in a file of many
    for more in
        [&["--account", "acme", "--mode", "multi"][..], &["--set", "accounts.default_account=acme", "--mode", "multi"]]
    {
        assert_eq!(import(&server, &policy, &[more, &["--skip-duplicates"]].concat(), "A-SECRET-KEY\n").0, 0);
    }
    assert_eq!(number(&server, KEYS), 1);
}

#[test]
fn a_server_goes_on_working_beside_it() {
    let server = Server::start();
    let admin = server.admin();
    let policy = pooled(&admin);
    let plain = admin.policy(&admin.product(), json!({}));
    let directory = server.directory.path();
    std::fs::write(directory.join("many.txt"), many("BULK", 20_001)).unwrap();
    let made = std::thread::scope(|scope| {
        let import = scope.spawn(|| ran(start(&server, &policy, "many.txt").wait_with_output().unwrap()));
        let mut made = 0;
        // every write is answered as if nothing happened, some a little later
        while !import.is_finished() {
            admin.license(&plain, json!({}));
            made += 1;
        }
        let progress = "10000 of 20001 keys\n20000 of 20001 keys\n";
        assert_eq!(import.join().unwrap(), (0, imported(20_001, 0), progress.to_owned()));
        made
    });
    assert!(made > 0);
    assert_eq!(number(&server, "SELECT count(*) FROM licenses"), made);
    assert_eq!(number(&server, "SELECT count(DISTINCT key) FROM keys"), 20_001);
    assert_eq!(key(&admin.license(&policy, json!({}))), "BULK-SECRET-020000");
    // two at the same time: one stores everything, the other nothing
    std::fs::write(directory.join("race.txt"), many("RACE", 3_000)).unwrap();
    let runs = [start(&server, &policy, "race.txt"), start(&server, &policy, "race.txt")];
    let mut runs = runs.map(|child| ran(child.wait_with_output().unwrap()));
    runs.sort();
    assert_eq!(runs[0], (0, imported(3_000, 0), String::new()));
    assert_eq!((runs[1].0, runs[1].1.as_str()), (1, ""));
    assert!(runs[1].2.starts_with("lines 1-3000: has already been taken\nerror: nothing was imported: 3000 of 3000"));
    assert_eq!(number(&server, KEYS), 23_000);
}

#[test]
fn one_that_dies_leaves_nothing() {
    let mut server = Server::start();
    let policy = pooled(&server.admin());
    std::fs::write(server.directory.path().join("many.txt"), many("DYING", 60_000)).unwrap();
    let mut dying = start(&server, &policy, "many.txt");
    let mut line = String::new();
    BufReader::new(dying.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "10000 of 60000 keys\n");
    dying.kill().unwrap();
    dying.wait().unwrap();
    assert_eq!(number(&server, KEYS), 0);
    // the server goes on, now and after a restart
    server.admin().product();
    server.restart();
    assert_eq!(number(&server, KEYS), 0);
    let again = import(&server, &policy, &[], "DYING-SECRET-000000\nDYING-SECRET-000001\n");
    assert_eq!(again, (0, imported(2, 0), String::new()));
}
