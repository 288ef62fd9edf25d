//! What an app does with its license, from the first start to working offline, with the `keygen-rs` SDK.
//!
//! ```text
//! eval "$(examples/vendor.sh)"     # or set the variables by hand: examples/README.md
//! cargo run --example app
//! ```
//!
//! Every response of the server is verified with the account's public key, because the SDK is given one.

use keygen_rs::config::{KeygenConfig, get_config, set_config};
use keygen_rs::errors::Error;
use keygen_rs::license::{
    License, LicenseCheckoutOpts, LicenseFileAlgorithm, LicenseValidationCode as Code, LicenseValidationRequest,
    SchemeCode,
};
use keygen_rs::license_file::LicenseFile;
use keygen_rs::machine::{Machine, MachineCheckoutOpts};
use keygen_rs::machine_file::MachineFile;
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let setting = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| {
            eprintln!("{name} is not set (examples/README.md lists the variables)");
            std::process::exit(2)
        })
    };
    set_config(KeygenConfig {
        api_url: setting("KEYGEN_API_URL"),
        account: setting("KEYGEN_ACCOUNT"),
        product: setting("KEYGEN_PRODUCT"),
        license_key: Some(setting("KEYGEN_LICENSE_KEY")),
        public_key: Some(setting("KEYGEN_PUBLIC_KEY")),
        ..KeygenConfig::default()
    })
    .expect("nothing else holds the configuration");
    let files = std::env::temp_dir().join(format!("keygen-app-{}", std::process::id()));
    std::fs::create_dir_all(&files).expect("the directory for temporary files is writable");

    let result = run(&files).await;
    let _ = std::fs::remove_dir_all(&files);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The whole life of an installation. License and machine file are kept in `files`.
pub async fn run(files: &Path) -> Result<(), Error> {
    let config = get_config()?;
    let key = config.license_key.as_deref().unwrap_or_default();
    let public_key = config.public_key.as_deref().unwrap_or_default();
    let fingerprint = fingerprint();

    // 1. Even before the first request: a signed key proves itself.
    match keygen_rs::verify(SchemeCode::Ed25519Sign, key) {
        Ok(dataset) => println!("key          signed: {}", String::from_utf8_lossy(&dataset)),
        Err(error) => println!("key          not checked offline: {error}"),
    }

    // 2. May the app run here?
    let (license, machine) = admit(&fingerprint).await?;

    // 3. What may it do?
    let entitlements = license.entitlements(None).await?;
    let codes: Vec<&str> = entitlements.data.iter().map(|e| e.code.as_str()).collect();
    println!("entitlements {}", codes.join(" "));

    // 4. The machine is alive. An app goes on with `Arc::new(machine).monitor(interval, …)`.
    let machine = machine.ping().await?;
    println!("heartbeat    {}, next within {} s", machine.heartbeat_status, machine.heartbeat_duration.unwrap_or(600));
    for machine in license.machines(None).await?.data {
        println!("machine      {} {}", machine.id, machine.platform.unwrap_or_default());
    }

    // 5. Files for a week without network: one that any machine may use, one for this machine only.
    let options =
        LicenseCheckoutOpts { include: Some(vec!["entitlements".into()]), ..LicenseCheckoutOpts::with_ttl(WEEK) };
    let file = license.checkout(&options.with_encrypt(true)).await?;
    save(&files.join("license.lic"), &file.certificate)?;
    let file = machine.checkout(&MachineCheckoutOpts::with_ttl(WEEK)).await?;
    save(&files.join("machine.lic"), &file.certificate)?;

    // 6. The next start, offline: nothing but the files, the keys and the fingerprint.
    let file = LicenseFile::from_cert(key, &read(&files.join("license.lic"))?)?;
    let data = file.verify_and_decrypt(public_key, key, LicenseFileAlgorithm::Aes256GcmEd25519)?;
    let codes: Vec<&str> = data.offline_entitlements().into_iter().flatten().map(|e| e.code.as_str()).collect();
    println!("license.lic  genuine; license {}, {}, until {}", data.license.id, codes.join(" "), data.expiry);
    let secret = format!("{key}{fingerprint}");
    let file = MachineFile::from_cert(&secret, &read(&files.join("machine.lic"))?)?;
    file.verify()?;
    let data = file.decrypt(&secret)?;
    println!("machine.lic  genuine; machine {}, until {}", data.machine.id, data.expiry);

    // 7. Uninstalled: the seat is free again.
    machine.deactivate().await?;
    println!("deactivated");
    Ok(())
}

const WEEK: i64 = 7 * 24 * 3600;

/// Validates the license for this machine, activating the machine if the license does not know it yet.
async fn admit(fingerprint: &str) -> Result<(License, Machine), Error> {
    let request = LicenseValidationRequest::for_fingerprint(fingerprint.to_owned());
    let mut activated = None;
    loop {
        let result = keygen_rs::validate(&request).await?;
        println!("validation   {}: {}", result.meta.code, result.meta.detail);
        match (result.meta.code_kind(), result.license.clone()) {
            // `EXPIRED` can be valid, and other codes may be too: the verdict is `valid`, not the code.
            _ if result.meta.valid => {
                let license = result.into_license()?;
                let machine = match activated {
                    Some(machine) => machine,
                    None => license.machine(fingerprint).await?,
                };
                return Ok((license, machine));
            }
            (Code::NoMachine | Code::NoMachines | Code::FingerprintScopeMismatch, Some(license))
                if activated.is_none() =>
            {
                let machine = license.activate(fingerprint, &[]).await?;
                println!("activated    {} on {}", machine.id, machine.hostname.as_deref().unwrap_or("?"));
                activated = Some(machine);
            }
            _ => {
                result.into_license()?;
            }
        }
    }
}

/// What tells this machine from others, without saying which it is.
fn fingerprint() -> String {
    let id = std::env::var("KEYGEN_FINGERPRINT")
        .or_else(|_| std::fs::read_to_string("/etc/machine-id"))
        .unwrap_or_else(|_| "the only machine".to_owned());
    Sha256::digest(id.trim()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a user should read.
fn explain(error: &Error) -> String {
    match error {
        Error::KeygenSignatureInvalid { reason } => format!("This is not the vendor's server: {reason}."),
        Error::LicenseKeyInvalid { code, detail } => format!("The license {detail} ({code})."),
        Error::HttpClient(error) => format!("The licensing server cannot be reached: {error}."),
        error if error.is_api_code("MACHINE_LIMIT_EXCEEDED") => "All seats of this license are in use.".to_owned(),
        error if error.is_api_code("LICENSE_SUSPENDED") => "This license is suspended.".to_owned(),
        error => error.to_string(),
    }
}

fn save(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|e| Error::UnexpectedError(format!("{}: {e}", path.display())))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|e| Error::UnexpectedError(format!("{}: {e}", path.display())))
}
