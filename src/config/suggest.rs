//! What the writer of an unknown name may have meant.

use super::settings::{SECTIONS, SETTINGS, Setting};

/// What people write by habit for a setting of another name.
const SYNONYMS: &[(&str, &str)] = &[
    ("port", "server.listen"),
    ("host", "server.listen"),
    ("bind", "server.listen"),
    ("address", "server.listen"),
    ("addr", "server.listen"),
    ("db", "database.path"),
    ("database", "database.path"),
    ("url", "server.public_url"),
    ("proxies", "server.trusted_proxies"),
    ("password", "bootstrap.admin_password"),
    ("email", "bootstrap.admin_email"),
];

/// The hint for an unknown key of a section, which may be unknown itself in a flag.
pub(super) fn for_key(section: &str, key: &str, in_flag: bool) -> String {
    let (cost, nearest) = nearest(Some(section), key);
    if is_close(cost, key) {
        return format!("did you mean {}?", nearest.path());
    }
    if in_flag {
        return "`keygen-lite --print-config` lists every setting".to_owned();
    }
    let keys = SETTINGS.iter().filter(|setting| setting.section == section && setting.only_variable.is_none());
    let keys: Vec<_> = keys.map(|setting| setting.key).collect();
    format!("remove it, or use one of: {}", keys.join(", "))
}

/// The hint for what stands at the top of the file and is no section that we know, but looks like one or like a key.
pub(super) fn for_top_level(name: &str, like_section: bool) -> String {
    let sections = || SECTIONS.iter().map(|(section, _)| *section);
    if like_section {
        let nearest = sections().map(|section| (distance(name, section), section)).min();
        if let Some((_, section)) = nearest.filter(|(cost, _)| is_close(*cost, name)) {
            return format!("did you mean [{section}]?");
        }
    } else {
        let (cost, nearest) = nearest(None, name);
        if is_close(cost, name) {
            return format!("did you mean {} below [{}]?", nearest.key, nearest.section);
        }
    }
    format!("remove it; the sections are {}", sections().collect::<Vec<_>>().join(", "))
}

/// The setting most like this one, and how unlike it is. Without a section, `key` may be a key or `section_key`.
pub(super) fn nearest(section: Option<&str>, key: &str) -> (usize, &'static Setting) {
    let key = key.to_lowercase();
    let whole = match section {
        Some(section) => format!("{section}_{key}"),
        None => key.clone(),
    };
    let cost = |setting: &Setting| {
        let path = setting.path();
        let meant =
            |(word, meant): &(&str, &str)| *meant == path && (key == *word || key.ends_with(&format!("_{word}")));
        if SYNONYMS.iter().any(meant) {
            return 0;
        }
        let elsewhere = usize::from(section != Some(setting.section));
        let by_key = distance(&key, setting.key) + elsewhere;
        by_key.min(distance(&whole, &path.replace('.', "_")))
    };
    let costs = SETTINGS.iter().map(|setting| (cost(setting), setting));
    // Cannot fail: the table is not empty.
    costs.min_by_key(|(cost, _)| *cost).expect("settings")
}

/// Whether a word at this distance is likely what was meant.
fn is_close(cost: usize, word: &str) -> bool {
    cost <= (word.len() / 3).max(2)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}
