//! The configuration as a file, and values and names as messages show them.

use std::path::Path;

use super::Config;
use super::settings::{SECTIONS, SETTINGS};

const HEADER: &str = "\
# keygen-lite.toml: every setting of keygen-lite.
#
# The server reads this file in the directory in which it is started, or where --config or KEYGEN_LITE_CONFIG says,
# and needs none: a setting that is left out has its default. Variables override the file: KEYGEN_LITE_<SECTION>_<KEY>,
# such as KEYGEN_LITE_SERVER_LISTEN (lists separated by commas). Flags override both: --listen, or for any setting
# --set server.listen=0.0.0.0:8080. `keygen-lite --print-config` shows what is in force, in the form of this file.
";

/// The text of `keygen-lite.toml`: every setting at its default, with its explanation.
pub fn default_toml() -> String {
    effective_toml(&Config::default())
}

/// The configuration as a file, for `--print-config`; secrets are shown as [`REDACTED`](super::REDACTED).
pub fn effective_toml(config: &Config) -> String {
    let mut out = HEADER.to_owned();
    let mut current = "";
    for (setting, value) in SETTINGS.iter().zip(config.values()) {
        if setting.section != current {
            current = setting.section;
            let help = SECTIONS.iter().find(|(name, _)| *name == current).map_or("", |(_, help)| help);
            out += &format!("\n# {help}\n[{current}]\n");
        }
        match setting.only_variable {
            None => out += &format!("# {}\n{} = {value}\n", setting.help, setting.key),
            // Not for the file: shown only where it is set, as a comment.
            Some(_) if value == (setting.default)() => {}
            Some(variable) => out += &format!("# {} is set by the variable {variable}.\n", setting.key),
        }
    }
    out
}

/// A TOML string on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out += &format!("\\u{:04X}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// With its white space and control characters as single spaces.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// At most 60 characters of it.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A path on one line.
pub(super) fn shown_path(path: &Path) -> String {
    path.to_string_lossy().replace(|c: char| c.is_control(), "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::from_file;

    #[test]
    fn the_default_file_is_the_table() {
        let expected = default_toml();
        // `cargo test -- default_file` after a change of the table says what the file must be.
        assert_eq!(include_str!("../../keygen-lite.toml"), expected, "keygen-lite.toml must be:\n{expected}");
        assert_eq!(effective_toml(&from_file(&expected).unwrap()), expected);
        for setting in SETTINGS {
            assert!(!setting.help.contains('\n') && setting.help.len() > 10, "{}", setting.path());
        }
    }

    #[test]
    fn effective_toml_is_a_file_again() {
        let flags = [
            ("bootstrap.account_name", "A \"quoted\" \\ näme".to_owned()),
            ("server.trusted_proxies", "::1,10.0.0.0/8".to_owned()),
        ];
        let config = Config::from_parts(None, Vec::new(), &flags).unwrap();
        let again = from_file(&effective_toml(&config)).unwrap();
        assert_eq!(again.bootstrap.account_name, config.bootstrap.account_name);
        assert_eq!(again.server.trusted_proxies, config.server.trusted_proxies);
    }
}
