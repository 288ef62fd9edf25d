//! `keygen-lite user …`: the way back in for users of an account, where no e-mail can be sent.

use std::io::Read as _;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::api::app::App;
use crate::api::{passwords, tokens};
use crate::cli::{CliError, offline};
use crate::config::Config;
use crate::crypto::password;
use crate::model::{Column as _, Time, User, Val, email};
use crate::store::StoreError;

/// What can be done for users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Set a user's password; all of its tokens end
    #[command(after_help = PASSWORD_EXAMPLES)]
    SetPassword(SetPassword),

    /// Make a token for a user, shown once
    Token(Token),

    /// Remove the second factor of a user who has lost it
    RemoveSecondFactor(Which),
}

const PASSWORD_EXAMPLES: &str = "\
Examples:
  keygen-lite user set-password admin@keygen-lite.local
  echo \"$PASSWORD\" | keygen-lite user set-password ada@acme.example \\
    --account acme --password-stdin

Works on the database file itself, while the server runs or without it.";

/// Which user.
#[derive(Debug, Args)]
pub struct Which {
    /// E-mail address of the user
    #[arg(value_name = "EMAIL")]
    email: String,

    /// Account of the user, by UUID or slug [default: the default account]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
}

/// A new password.
#[derive(Debug, Args)]
pub struct SetPassword {
    #[command(flatten)]
    which: Which,

    /// Read the password from standard input; without it one is made and printed
    #[arg(long)]
    password_stdin: bool,
}

/// A new token.
#[derive(Debug, Args)]
pub struct Token {
    #[command(flatten)]
    which: Which,

    /// Environment of the token, by code or UUID [default: the user's own]
    #[arg(long, value_name = "ENVIRONMENT")]
    environment: Option<String>,

    /// Name of the token, to tell it from others
    #[arg(long, default_value = "Command line", value_parser = NonEmptyStringValueParser::new())]
    name: String,
}

/// Runs a command on users.
pub fn run(config: Config, command: UserCommand) -> Result<(), CliError> {
    let app = offline::open(config)?;
    match command {
        UserCommand::SetPassword(set) => {
            let user = find(&app, &set.which)?;
            let (secret, generated) = match set.password_stdin {
                true => (read_password()?, false),
                false => (Zeroizing::new(password::generate_password()), true),
            };
            let digest = password::hash_password(&secret);
            app.store
                .write_blocking(move |db| {
                    let sql =
                        "UPDATE users SET password_digest = ?, password_reset_digest = NULL, password_reset_at = NULL,
                         updated_at = ?
                         WHERE id = ?";
                    db.execute(sql, &[digest.to_val(), Time::now().to_val(), user.id.to_val()])?;
                    db.execute("DELETE FROM tokens WHERE user_id = ?", &[user.id.to_val()])
                })
                .map_err(|e: StoreError| offline::failed(e))?;
            let shown = if generated { format!(": {}", secret.as_str()) } else { String::new() };
            super::print(&format!("The password of {} is set{shown}\n", user.email))
        }
        UserCommand::Token(token) => {
            let user = find(&app, &token.which)?;
            let environment = token.environment.as_deref();
            let secret = tokens::mint(&app, &user, environment, &token.name).map_err(offline::refused)?;
            super::print(&format!("{secret}\n"))
        }
        UserCommand::RemoveSecondFactor(which) => {
            let user = find(&app, &which)?;
            let removed = app
                .store
                .write_blocking(move |db| {
                    db.execute("DELETE FROM second_factors WHERE user_id = ?", &[user.id.to_val()])
                })
                .map_err(|e: StoreError| offline::failed(e))?;
            let what = if removed == 0 { "had no second factor" } else { "has no second factor any more" };
            super::print(&format!("{} {what}\n", which.email))
        }
    }
}

fn find(app: &App, which: &Which) -> Result<User, CliError> {
    let account = offline::account(app, which.account.as_deref())?;
    let args = [account.id.to_val(), Val::Text(email::normalize(&which.email))];
    let user = app
        .store
        .read(|db| db.find::<User>("WHERE account_id = ? AND email = ?", &args))
        .map_err(|e: StoreError| offline::failed(e))?;
    let missing = || format!("there is no user '{}' in the account '{}'", which.email, account.slug);
    user.ok_or_else(|| CliError::Usage(missing()))
}

/// A password from standard input: its first line.
pub(super) fn read_password() -> Result<Zeroizing<String>, CliError> {
    let mut text = Zeroizing::new(String::new());
    let limited = &mut std::io::stdin().lock().take(4096);
    limited.read_to_string(&mut text).map_err(|e| CliError::Runtime(format!("cannot read the password: {e}")))?;
    let password = Zeroizing::new(text.lines().next().unwrap_or("").to_owned());
    match passwords::length_problem(&password) {
        Some((_, problem)) => Err(CliError::Usage(format!("the password {problem}"))),
        None if password.trim().is_empty() => Err(CliError::Usage("the password cannot be blank".to_owned())),
        None => Ok(password),
    }
}
