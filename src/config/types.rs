//! Small types of settings: choices of words, and texts that are never shown.

use std::fmt;

use zeroize::Zeroizing;

use super::REDACTED;
use super::value::Text;

macro_rules! choices {
    ($( #[doc = $doc:literal] $Name:ident { $( #[doc = $choice_doc:literal] $Choice:ident = $word:literal ),+ } )+) => { $(
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name {
            $( #[doc = $choice_doc] $Choice, )+
        }

        impl $Name {
            /// The word for it in the configuration.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( $Name::$Choice => $word, )+
                }
            }
        }

        impl Text for $Name {
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $( $word => Ok($Name::$Choice), )+
                    _ => Err(format!("must be {}", [$( concat!("\"", $word, "\"") ),+].join(" or "))),
                }
            }
            fn text(&self) -> String {
                self.as_str().to_owned()
            }
        }
    )+ };
}

choices! {
    /// How many accounts there are (D3).
    Mode {
        /// One account.
        Single = "single",
        /// As many as are created.
        Multi = "multi"
    }
    /// The form of log lines.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json"
    }
    /// How the connection to the mail server is encrypted.
    SmtpTls {
        /// From the STARTTLS command on, without which nothing is sent.
        StartTls = "starttls",
        /// From the first byte.
        Tls = "tls",
        /// Not at all.
        None = "none"
    }
}

/// A text that neither `Debug` nor [`effective_toml`](super::effective_toml) shows, and that is wiped from memory when
/// dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: &str) -> Self {
        Secret(Zeroizing::new(text.to_owned()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Text for Secret {
    const SECRET: bool = true;
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            REDACTED => Err("is what --print-config shows in place of the value; put the value itself here".to_owned()),
            _ => Ok(Secret::new(text)),
        }
    }
    fn text(&self) -> String {
        REDACTED.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{env, from_file, message};
    use crate::config::{Config, effective_toml};

    #[test]
    fn secrets_are_not_shown() {
        let vars = env(&[
            ("KEYGEN_LITE_MASTER_KEY", "hunter2-key\n"),
            ("KEYGEN_LITE_BOOTSTRAP_ADMIN_PASSWORD", "hunter2-pass"),
        ]);
        let config = Config::from_parts(None, vars, &[]).unwrap();
        assert_eq!(config.database.load_master_key().unwrap().unwrap().expose(), "hunter2-key");
        assert_eq!(config.bootstrap.admin_password.as_ref().unwrap().expose(), "hunter2-pass");
        let shown = effective_toml(&config);
        for text in [&shown, &format!("{config:?} {config:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(
            shown.contains("admin_password = \"(not shown)\"") && shown.contains("variable KEYGEN_LITE_MASTER_KEY.\n")
        );
        // What was printed with a secret in it does not silently become a configuration with another secret.
        let again = message(from_file(&shown));
        assert!(again.contains("bootstrap.admin_password: is what --print-config shows"), "{again}");
        // Nor do errors show one.
        let error = message(from_file("[bootstrap]\nadmin_password = [\"hunter2\"]"));
        assert!(!error.contains("hunter2"), "{error}");
    }
}
