//! Reading `keygen-lite.toml`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::load::{Given, find, wrong_kind};
use super::settings::SECTIONS;
use super::show::{one_line, shorten};
use super::value::Raw;
use super::{ConfigError, Place, SETTINGS, suggest};

/// Reads the file over the defaults. The first error in the order of its lines is the one that is reported.
pub(super) fn read_file(name: &str, text: &str, given: &mut [Given]) -> Result<(), ConfigError> {
    let document = DeTable::parse(text).map_err(|e| {
        let (line, column) = position(text, e.span().map_or(0, |span| span.start));
        let place = Place::File { name: name.to_owned(), line };
        ConfigError::Syntax { place, column, problem: one_line(e.message()) }
    })?;

    // (offset, section, key, value); what is no section has no key.
    let mut entries: Vec<(usize, &str, Option<&str>, &Spanned<DeValue>)> = Vec::new();
    for (section, value) in document.get_ref() {
        let (offset, section) = (section.span().start, section.get_ref().as_ref());
        match value.get_ref() {
            DeValue::Table(table) if is_section(section) => {
                let keys = table.iter();
                entries.extend(keys.map(|(key, value)| (key.span().start, section, Some(&**key.get_ref()), value)));
            }
            _ => entries.push((offset, section, None, value)),
        }
    }
    entries.sort_by_key(|(offset, ..)| *offset);

    for (offset, section, key, value) in entries {
        let place = Place::File { name: name.to_owned(), line: position(text, offset).0 };
        let Some(key) = key else {
            return Err(not_a_section(section, value.get_ref(), place));
        };
        let index = find(section, key, &place)?;
        let setting = &SETTINGS[index];
        let written = one_line(text.get(value.span()).unwrap_or_default());
        given[index] = match from_toml(&(setting.default)(), value.get_ref()) {
            Some(value) => Given { value, shown: setting.shown(&written), place },
            None => return Err(wrong_kind(setting, place, &written)),
        };
    }
    Ok(())
}

/// The value, if it is of the kind of the default.
fn from_toml(default: &Raw, value: &DeValue) -> Option<Raw> {
    match (default, value) {
        (Raw::Text(_), DeValue::String(text)) => Some(Raw::from(&**text)),
        (Raw::Integer(_), DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Raw::Integer)
        }
        (Raw::Boolean(_), DeValue::Boolean(flag)) => Some(Raw::Boolean(*flag)),
        (Raw::List(_), DeValue::Array(items)) => {
            let items = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            items.collect::<Option<_>>().map(Raw::List)
        }
        _ => None,
    }
}

fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

/// The error for what stands at the top of the file and is no section that we know.
fn not_a_section(name: &str, value: &DeValue, place: Place) -> ConfigError {
    if is_section(name) {
        let problem = format!("must be a section: write [{name}] on a line of its own and its keys below");
        return ConfigError::Value { place, setting: name.to_owned(), shown: String::new(), problem };
    }
    let like_section = matches!(value, DeValue::Table(_) | DeValue::Array(_));
    ConfigError::UnknownKey { place, name: shorten(&one_line(name)), hint: suggest::for_top_level(name, like_section) }
}

/// Line and column, from 1, of an offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{from_file, message};

    #[test]
    fn errors_of_the_file() {
        let cases = [
            ("[server]\n\nlistn = 1\n", "k.toml:3: unknown setting server.listn; did you mean server.listen?"),
            ("[server]\nport = 1", "k.toml:2: unknown setting server.port; did you mean server.listen?"),
            (
                "[server]\nretention_days = 1",
                "k.toml:2: unknown setting server.retention_days; did you mean events.retention_days?",
            ),
            ("server.lisetn = 1", "k.toml:1: unknown setting server.lisetn; did you mean server.listen?"),
            (
                "[log]\ncolour_scheme = 1",
                "k.toml:2: unknown setting log.colour_scheme; remove it, or use one of: level, format",
            ),
            ("[log.levels]\na = 1", "k.toml:1: unknown setting log.levels; did you mean log.level?"),
            ("\n[sever]\nlisten = 1", "k.toml:2: unknown setting sever; did you mean [server]?"),
            ("listen = 1", "k.toml:1: unknown setting listen; did you mean listen below [server]?"),
            (
                "[qwertyuiop]",
                "k.toml:1: unknown setting qwertyuiop; remove it; the sections are server, rate_limits, accounts, database, bootstrap, licenses, events, smtp, log",
            ),
            (
                "log = \"debug\"",
                "k.toml:1: log: must be a section: write [log] on a line of its own and its keys below",
            ),
            ("[[log]]", "k.toml:1: log: must be a section: write [log] on a line of its own and its keys below"),
            ("[server]\nworkers = \"4\"", "k.toml:2: server.workers = \"4\": must be a whole number, such as 0"),
            ("[server]\nworkers = 1.5", "k.toml:2: server.workers = 1.5: must be a whole number, such as 0"),
            ("[server]\nworkers = -1", "k.toml:2: server.workers = -1: must be 0 to 1024"),
            (
                "[server]\nlisten = 8080",
                "k.toml:2: server.listen = 8080: must be a text in quotes, such as \"127.0.0.1:8080\"",
            ),
            (
                "[licenses]\n# x\nwait_for_validation_writes = 1",
                "k.toml:3: licenses.wait_for_validation_writes = 1: must be true or false",
            ),
            (
                "[server]\ntrusted_proxies = \"::1\"",
                "k.toml:2: server.trusted_proxies = \"::1\": must be a list of texts in quotes, such as [] or [\"…\", \"…\"]",
            ),
            (
                "[server]\ntrusted_proxies = [\n \"x\",\n]",
                "k.toml:2: server.trusted_proxies = [ \"x\", ]: \"x\" is no address or network; write such as 10.0.0.1, 10.0.0.0/8 or fd00::/8",
            ),
            ("[accounts]\nmode = \"dual\"", "k.toml:2: accounts.mode = \"dual\": must be \"single\" or \"multi\""),
            (
                "[database]\nmaster_key = \"hunter2\"",
                "k.toml:2: database.master_key: can only be given by the variable KEYGEN_LITE_MASTER_KEY; remove it here",
            ),
            ("[database]\npath = \"\"", "k.toml:2: database.path = \"\": must not be empty"),
            (
                "[bootstrap]\nadmin_email = \"a@b\"",
                "k.toml:2: bootstrap.admin_email = \"a@b\": must be an e-mail address with a dotted domain, such as admin@example.com",
            ),
        ];
        for (file, expected) in cases {
            assert_eq!(message(from_file(file)), expected, "{file}");
        }
        for syntax in [
            "[server]\nlisten = ",
            "[server]\nlisten = \"a\nb\"",
            "[log]\nlevel = \"a\"\nlevel = \"b\"",
            "=",
            "[",
            "\u{0}",
        ] {
            let message = message(from_file(syntax));
            assert!(message.starts_with("k.toml:") && message.contains(": not valid TOML at column "), "{message}");
        }
        message(from_file("[server]\n\"a\\nb\" = 1"));
        message(from_file("\"a\\nb\" = 1"));
        // The first of several is reported.
        assert!(message(from_file("[log]\nx = 1\n[server]\ny = 1")).starts_with("k.toml:2: unknown setting log.x"));
    }
}
