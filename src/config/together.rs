//! What settings demand of each other.

use super::Config;

/// The path of a setting that lacks another, and what it lacks.
type Lack = (&'static str, String);

/// Whether the settings fit each other.
pub(super) fn check(config: &Config) -> Result<(), Lack> {
    let smtp = &config.smtp;
    if smtp.host.is_none() {
        // Mail is off, whatever else is said about it.
        return Ok(());
    }
    let lacks = |setting, problem: &str| Err((setting, problem.to_owned()));
    match (&smtp.username, &smtp.password) {
        (Some(_), None) => lacks("smtp.username", "needs smtp.password; set it, or leave both empty for no login"),
        (None, Some(_)) => lacks("smtp.password", "needs smtp.username; set it, or leave both empty for no login"),
        _ if smtp.from.is_none() => {
            lacks("smtp.host", "needs smtp.from, the sender of the mails; set it, or leave smtp.host empty for no mail")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{env, from_file, message};
    use crate::config::{Config, SETTINGS};

    #[test]
    fn mail_settings_need_each_other() {
        let host = "[smtp]\nhost = \"mail.example.com\"\n";
        let from = "from = \"a@b.c\"\n";
        for (rest, expected) in [
            ("", "k.toml:2: smtp.host = \"mail.example.com\": needs smtp.from"),
            ("from = \"a@b.c\"\nusername = \"u\"", "k.toml:4: smtp.username = \"u\": needs smtp.password"),
            ("from = \"a@b.c\"\npassword = \"hunter2\"", "k.toml:4: smtp.password: needs smtp.username"),
            ("from = \"nobody\"", "k.toml:3: smtp.from = \"nobody\": must be an e-mail address"),
            ("from = \"a@b.c\"\ntls = \"ssl\"", "must be \"starttls\" or \"tls\" or \"none\""),
            ("from = \"a@b.c\"\nport = 65536", "must be 0 to 65535"),
        ] {
            let error = message(from_file(&format!("{host}{rest}")));
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
            let setting = error.split(": ").nth(1).unwrap().split(" = ").next().unwrap();
            assert!(SETTINGS.iter().any(|known| known.path() == setting), "{error}");
        }
        from_file(&format!("{host}{from}")).unwrap();
        from_file(&format!("{host}{from}username = \"u\"\npassword = \"p\"")).unwrap();
        // Without a host there is no mail, and nothing to complain of.
        from_file("[smtp]\nusername = \"u\"").unwrap();
        // The place is the one that counts.
        let vars = env(&[("KEYGEN_LITE_SMTP_HOST", "other")]);
        let error = message(Config::from_parts(Some(("k.toml", host)), vars, &[]));
        assert!(error.starts_with("KEYGEN_LITE_SMTP_HOST: smtp.host = \"other\": needs"), "{error}");
    }
}
