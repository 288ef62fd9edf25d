//! `keygen-lite mail test ADDRESS`

use crate::cli::CliError;
use crate::config::Config;
use crate::mail::{MailError, Mailer, texts};

/// Sends a test mail, with one attempt, and says what became of it.
pub fn test(config: &Config, address: &str) -> Result<(), CliError> {
    let failed = |problem: String| CliError::Runtime(format!("the test mail was not sent: {problem}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed(format!("cannot start the runtime: {e}")))?;
    runtime.block_on(async {
        let mailer = Mailer::start(config).map_err(|e| failed(e.explain()))?;
        let mailer = mailer.ok_or_else(|| CliError::Usage("no mail server is configured; set smtp.host".to_owned()))?;
        match mailer.send(&texts::test(address)).await {
            Ok(()) => super::print(&format!("The test mail to {address} was accepted by {}.\n", mailer.server())),
            Err(MailError::Address) => {
                Err(CliError::Usage(format!("{address:?} is no e-mail address; write such as you@example.com")))
            }
            Err(error) => Err(failed(format!("{}: {}", mailer.server(), error.explain()))),
        }
    })
}
