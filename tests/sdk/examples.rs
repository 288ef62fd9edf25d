//! The programs of `examples/`, run as their README says, so that they go on working.

#[path = "../../examples/app.rs"]
#[allow(dead_code)]
mod app;

use crate::World;
use keygen_rs::config::KeygenConfig;
use keygen_rs::errors::Error;
use std::collections::HashMap;
use std::process::Command;

/// Standard output and error of a script; its exit code must be the expected one.
#[track_caller]
fn script(name: &str, variables: &HashMap<String, String>, success: bool) -> (String, String) {
    let path = format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("sh").arg(path).envs(variables).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.success(), success, "{name}: {out}\n{err}");
    (out, err)
}

#[tokio::test]
async fn vendor_and_app() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl here");
        return;
    }
    let world = World::new();
    let mut variables = HashMap::from([
        ("KEYGEN_API_URL".to_owned(), world.url()),
        ("KEYGEN_ACCOUNT".to_owned(), "acme".to_owned()),
        ("KEYGEN_ADMIN_TOKEN".to_owned(), world.server.admin_token.clone()),
    ]);
    let (exports, _) = script("vendor.sh", &variables, true);
    for line in exports.lines() {
        let (name, value) = line.strip_prefix("export ").unwrap().split_once("='").unwrap();
        variables.insert(name.to_owned(), value.strip_suffix('\'').unwrap().to_owned());
    }
    assert_eq!(variables["KEYGEN_PUBLIC_KEY"], world.ed25519);
    // It can be run again.
    script("vendor.sh", &variables, true);

    let (out, err) = script("app.sh", &variables, true);
    let starts = [
        "key          signed",
        "validation   NO_MACHINES",
        "activated    ",
        "validation   VALID",
        "entitlements EXPORT",
    ];
    for (line, start) in out.lines().zip(starts) {
        assert!(line.starts_with(start), "{out}");
    }
    assert!(out.ends_with("deactivated  204\n"), "{out}");
    if !err.contains("not verified") {
        let mut wrong = variables.clone();
        wrong.insert("KEYGEN_PUBLIC_KEY".to_owned(), world.wrong_key().to_owned());
        let (out, err) = script("app.sh", &wrong, false);
        assert_eq!((out.as_str(), err.as_str()), ("", "The license key is a forgery.\n"));
        wrong.insert("KEYGEN_LICENSE_KEY".to_owned(), "unsigned".to_owned());
        let (_, err) = script("app.sh", &wrong, false);
        assert!(err.ends_with("not signed by the vendor\n"), "{err}");
    }

    let config = KeygenConfig {
        api_url: world.url(),
        ..KeygenConfig::license_key(
            "acme".to_owned(),
            variables["KEYGEN_PRODUCT"].clone(),
            variables["KEYGEN_LICENSE_KEY"].clone(),
            world.ed25519.clone(),
        )
    };
    let _turn = crate::management::configure(config).await;
    let files = tempfile::tempdir().unwrap();
    app::run(files.path()).await.unwrap();
    assert!(files.path().join("license.lic").exists() && files.path().join("machine.lic").exists());
    keygen_rs::config::set_public_key(world.wrong_key()).unwrap();
    assert!(matches!(app::run(files.path()).await, Err(Error::KeygenSignatureInvalid { .. })));
}
