//! `keygen-lite keys import`: the keys of a file into the pool of a policy (07 §7, §8), all or none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::api::keys::{DUPLICATE, check};
use crate::api::validation::Validation;
use crate::cli::{CliError, offline};
use crate::config::Config;
use crate::model::{Account, Key, Policy, Time, coerce};
use crate::store::{Db, StoreError};

/// What can be done with keys of pools.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Add the keys of a file to the pool of a policy, all of them or none
    #[command(long_about = IMPORT, after_help = IMPORT_EXAMPLES)]
    Import(Import),
}

const IMPORT: &str = "\
Add the keys of a file to the pool of a policy, all of them or none.

The file has one key a line: UTF-8, 8 to 1024 characters, line ends of either \
kind; blank lines are skipped, other spaces count. A key must not be in a pool \
of the account already, nor be the key or the id of one of its licenses. Every \
line that is not accepted is named on standard error, and then nothing is stored; \
with --skip-duplicates keys that exist already (or stand in the file twice) are \
left out, and only other mistakes stop the import.

Works on the database file itself, while the server runs or without it. Keys \
leave a pool newest first: the last line of the file is drawn first. The import \
is the operator's own work and emits no key.created events. While the keys are \
stored (about a second for 100,000) other writes to the database wait; the server \
answers 503 to writes that wait for more than 10 seconds, so split millions.";

// At most 80 columns wide: clap wraps what is wider than the terminal.
const IMPORT_EXAMPLES: &str = "\
Examples:
  keygen-lite keys import --policy 0197f2a0-6d5c-7b3a-9f57-2d0c6f2c1e11 keys.txt
  Keys that another program makes, into another account of the database:
    make-keys 100000 | keygen-lite keys import --policy ID --account acme -
  A file that has grown since it was imported:
    keygen-lite keys import --policy ID --skip-duplicates keys.txt

Prints `imported 100000 keys, skipped 0 duplicates`. Exit code 0: done. 1: lines
of the file are refused, or the database failed; nothing is imported. 2: the
command line or the configuration must be changed first; nothing is imported.";

/// The command line of an import.
#[derive(Debug, Args)]
pub struct Import {
    /// UUID of the policy; it must have been created with usePool
    #[arg(long, value_name = "ID")]
    policy: String,

    /// Account of the policy, by UUID or slug [default: the default account]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// Leave out keys that exist already, instead of refusing the file
    #[arg(long)]
    skip_duplicates: bool,

    /// File with one key a line; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs a command on keys.
pub fn run(config: Config, command: KeysCommand) -> Result<(), CliError> {
    let KeysCommand::Import(import) = command;
    let policy = coerce::uuid_from_text(&import.policy)
        .ok_or_else(|| CliError::Usage(format!("--policy: '{}' is not a UUID", import.policy)))?;
    let app = offline::open(config)?;
    let account = offline::account(&app, import.account.as_deref())?;
    let lines = read(&import.file).map_err(|e| CliError::Usage(format!("cannot read {}: {e}", shown(&import.file))))?;
    let skip = import.skip_duplicates;
    let stored = app.store.write_blocking(move |db| store(db, &account, policy, &lines, skip));
    match stored {
        Ok(report) => {
            report.print(|_| Some("skipped: "));
            super::print(&format!("imported {} keys, skipped {} duplicates\n", report.imported, report.duplicates))
        }
        Err(Failure::Policy(problem)) => Err(CliError::Usage(format!("--policy: {problem}"))),
        Err(Failure::Store(error)) => Err(CliError::Runtime(format!("nothing was imported: {error}"))),
        Err(Failure::Refused(report)) => {
            // What would have been skipped is not what stops the import.
            report.print(|refused| (!skip || !refused.duplicate).then_some(""));
            Err(CliError::Runtime(report.refusal(skip)))
        }
    }
}

// ---- Reading

/// A line that is not blank: its number, counted from 1, and its key, or what is wrong with its bytes.
type Line = (usize, Result<String, &'static str>);

/// Longer lines are not kept: no key has so many bytes, with its line end and a byte order mark.
const LONGEST: u64 = 4 * 1024 + 8;

fn read(file: &Path) -> std::io::Result<Vec<Line>> {
    match file.to_str() {
        Some("-") => lines(std::io::stdin().lock()),
        _ => lines(BufReader::with_capacity(1 << 16, File::open(file)?)),
    }
}

fn lines(mut input: impl BufRead) -> std::io::Result<Vec<Line>> {
    let (mut lines, mut bytes) = (Vec::new(), Vec::new());
    for number in 1.. {
        bytes.clear();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.len() as u64 == LONGEST && !bytes.ends_with(b"\n") {
            input.skip_until(b'\n')?;
            lines.push((number, Err("is too long (maximum is 1024 characters)")));
            continue;
        }
        let text = std::str::from_utf8(&bytes).map(|text| text.trim_end_matches(['\r', '\n']));
        // Some editors begin a file with a byte order mark.
        let text = text.map(|text| text.strip_prefix('\u{feff}').filter(|_| number == 1).unwrap_or(text));
        match text {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) if text.contains('\0') => lines.push((number, Err("contains a null byte"))),
            Ok(text) => lines.push((number, Ok(text.to_owned()))),
            Err(_) => lines.push((number, Err("is not UTF-8"))),
        }
    }
    Ok(lines)
}

fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
}

// ---- Storing

/// Why nothing was imported.
enum Failure {
    Store(StoreError),
    Policy(String),
    Refused(Report),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

/// Checks every line with the rules of the API and stores the keys, inside one transaction.
fn store(db: &Db<'_>, account: &Account, policy: Uuid, lines: &[Line], skip: bool) -> Result<Report, Failure> {
    let policy = match db.get::<Policy>(account.id, policy)? {
        Some(policy) if policy.use_pool => policy,
        Some(policy) => {
            let problem =
                "has no pool: keys cannot be added to an unpooled policy (usePool is chosen when it is created)";
            return Err(Failure::Policy(format!("the policy '{}' {problem}", policy.name)));
        }
        None => {
            let account = &account.slug;
            return Err(Failure::Policy(format!("there is no policy '{policy}' in the account '{account}'")));
        }
    };
    let now = Time::now();
    let mut report = Report { lines: lines.len(), ..Report::default() };
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(lines.len());
    let mut progress = Progress::start(lines.len());
    for (at, (number, key)) in lines.iter().enumerate() {
        progress.tick(at);
        let text = match key {
            Ok(text) => text,
            Err(problem) => {
                report.refuse(*number, (*problem).to_owned(), false);
                continue;
            }
        };
        match first.entry(text) {
            Entry::Occupied(first) => {
                report.refuse(*number, format!("is the key of line {} again", first.get()), true);
                continue;
            }
            Entry::Vacant(entry) => drop(entry.insert(*number)),
        }
        // Without an environment of its own, an import puts keys where their policy is (05 §5.6).
        let mut key = Key::new(Uuid::now_v7(), account.id, policy.environment_id, now);
        (key.policy_id, key.product_id, key.key) = (policy.id, policy.product_id, text.clone());
        let mut v = Validation::new("keys", "KEY");
        check(db, &key, &mut v)?;
        if v.failed() {
            let errors = v.into_error().errors;
            let duplicate = errors.iter().all(|e| e.code.as_deref().is_some_and(|code| DUPLICATE.contains(&code)));
            let details: Vec<&str> = errors.iter().map(|e| e.detail.as_ref()).collect();
            report.refuse(*number, details.join(", "), duplicate);
        } else if !report.refuses(skip) {
            db.insert(&key)?;
            report.imported += 1;
        }
    }
    progress.end();
    if report.refuses(skip) { Err(Failure::Refused(report)) } else { Ok(report) }
}

// ---- Telling

/// What became of the lines.
#[derive(Default)]
struct Report {
    lines: usize,
    imported: usize,
    duplicates: usize,
    invalid: usize,
    /// Neighbouring lines with the same problem stand together: a file that is imported twice gives one entry.
    refused: Vec<Refused>,
}

struct Refused {
    first: usize,
    last: usize,
    problem: String,
    duplicate: bool,
}

impl Report {
    fn refuse(&mut self, line: usize, problem: String, duplicate: bool) {
        if duplicate {
            self.duplicates += 1;
        } else {
            self.invalid += 1;
        }
        match self.refused.last_mut() {
            Some(last) if last.last + 1 == line && last.problem == problem => last.last = line,
            _ => self.refused.push(Refused { first: line, last: line, problem, duplicate }),
        }
    }

    /// Something stops the import.
    fn refuses(&self, skip: bool) -> bool {
        self.invalid > 0 || (self.duplicates > 0 && !skip)
    }

    /// Names lines on standard error, without their keys: those that `prefix` gives one for.
    fn print(&self, prefix: impl Fn(&Refused) -> Option<&'static str>) {
        let mut out = std::io::stderr().lock();
        for refused in &self.refused {
            let Some(prefix) = prefix(refused) else { continue };
            let Refused { first, last, problem, .. } = refused;
            // Standard error may be closed; the exit code still tells.
            let _ = match first == last {
                true => writeln!(out, "line {first}: {prefix}{problem}"),
                false => writeln!(out, "lines {first}-{last}: {prefix}{problem}"),
            };
        }
    }

    fn refusal(&self, skip: bool) -> String {
        let (all, invalid, duplicates) = (self.lines, self.invalid, self.duplicates);
        if skip || duplicates == 0 {
            return format!("nothing was imported: {invalid} of {all} keys are refused");
        }
        let refused = invalid + duplicates;
        let hint = "as duplicates, which --skip-duplicates would leave out";
        format!("nothing was imported: {refused} of {all} keys are refused, {duplicates} of them {hint}")
    }
}

/// How far it is, on standard error: a line that changes on a terminal, a line now and then elsewhere.
struct Progress {
    total: usize,
    terminal: bool,
    shown: Instant,
}

impl Progress {
    /// So many keys make a line where nobody watches.
    const STEP: usize = 10_000;

    fn start(total: usize) -> Progress {
        Progress { total, terminal: std::io::stderr().is_terminal(), shown: Instant::now() }
    }

    fn tick(&mut self, done: usize) {
        let mut out = std::io::stderr().lock();
        if self.terminal && self.shown.elapsed() > Duration::from_millis(100) {
            let _ = write!(out, "\r{done} of {} keys", self.total);
            self.shown = Instant::now();
        } else if !self.terminal && done > 0 && done.is_multiple_of(Progress::STEP) {
            let _ = writeln!(out, "{done} of {} keys", self.total);
        }
    }

    fn end(&self) {
        if self.terminal {
            // Carriage return and "erase to the end of the line".
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
