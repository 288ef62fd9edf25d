//! All SQL, and nothing else that names the database engine.
//!
//! Callers see [`Store::read`] and [`Store::write`]: plain synchronous code over [`Db`]. Reads run where they are called, on
//! a pooled read-only connection inside one snapshot: a validation needs a handful of point reads of a few microseconds each,
//! and handing them to another thread would cost as much again. Writes go to ONE writer thread that groups whatever is waiting
//! into one transaction, a savepoint each, commits it with `synchronous=FULL`, and only then answers.

mod cache;
mod db;
mod dialect;
mod migrations;
mod writer;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

pub use db::{Db, Row};
pub use dialect::{case_insensitive_equals, metadata_contains};

use rusqlite::{Connection, OpenFlags};

/// The storage could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A uniqueness rule of the schema was hit.
    #[error("a uniqueness rule was hit: {0}")]
    Conflict(String),
    /// A stored value is not what its column promises.
    #[error(transparent)]
    Column(#[from] crate::model::ColumnError),
    /// The engine failed.
    #[error("database: {0}")]
    Engine(String),
    /// The engine cannot do it now: another process holds the file, or the disk is full.
    #[error("database: {0}")]
    Unavailable(String),
    /// The writer has stopped.
    #[error("the database is closed")]
    Closed,
    /// A write panicked; its changes were rolled back.
    #[error("a write panicked")]
    Panicked,
}

/// The database file cannot be used. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of the file does not exist or cannot be written to.
    #[error(
        "cannot write to the directory {0}: {1} (create it, give the server's user write access, or set database.path)"
    )]
    Directory(PathBuf, std::io::Error),
    /// The file cannot be opened.
    #[error("cannot open the database {0}: {1} (check database.path and the file's permissions)")]
    File(PathBuf, String),
    /// The file was written by a newer version of this program.
    #[error(
        "the database {path} is from a newer version (schema {found}, this program knows {known}): upgrade keygen-lite, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest schema version of this program.
        known: i64,
    },
    /// The file was written by an older version of this program, and only the server brings it up to date.
    #[error("the database is of an older version of this program: start the server once to bring it up to date")]
    Older,
    /// The file is empty, and only the server fills it.
    #[error("the database {0} is empty: start the server once to set it up")]
    Empty(PathBuf),
    /// The file is a database of something else.
    #[error("{0} is not a keygen-lite database: set database.path to another file")]
    Foreign(PathBuf),
}

/// One open database file.
pub struct Store {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    writer: writer::Writer,
    created: bool,
    open: AtomicBool,
}

/// A read-only connection, and what it knows.
struct Reader {
    connection: Connection,
    cache: RefCell<cache::Cache>,
}

/// How long to wait for another process that holds the file.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Read connections kept open when they are not in use.
const MAX_IDLE: usize = 16;

impl Store {
    /// Opens the file, creates it (mode 0600) when it is missing, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Store, OpenError> {
        Store::open_for(path, true)
    }

    /// Opens a file that is there and up to date: a server of an older version may be at work on any other.
    pub fn open_current(path: &Path) -> Result<Store, OpenError> {
        Store::open_for(path, false)
    }

    fn open_for(path: &Path, server: bool) -> Result<Store, OpenError> {
        let created = server && !path.exists();
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        check_directory(parent).map_err(|e| OpenError::Directory(parent.to_owned(), e))?;
        if created {
            create_private(path).map_err(|e| OpenError::File(path.to_owned(), e.to_string()))?;
        }
        let file_error = |e: rusqlite::Error| OpenError::File(path.to_owned(), e.to_string());
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, server);
        let mut connection = Connection::open_with_flags(path, flags).map_err(file_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(file_error)?;
        // Before any setting is made: some of them are written to the file, which may be somebody else's.
        let found = migrations::check(&connection, path)?;
        match found {
            None if !server => return Err(OpenError::Empty(path.to_owned())),
            Some(version) if !server && version < migrations::VERSION => return Err(OpenError::Older),
            _ => prepare(&connection, false).map_err(file_error)?,
        }
        if server {
            migrations::run(&mut connection, path)?;
        }
        let writer = writer::Writer::start(connection);
        Ok(Store { path: path.to_owned(), idle: Mutex::new(Vec::new()), writer, created, open: AtomicBool::new(true) })
    }

    /// The file was made by this `open`.
    pub fn created(&self) -> bool {
        self.created
    }

    /// Runs `work` on a read-only connection, inside one snapshot of the database.
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Db<'_>) -> Result<T, E>) -> Result<T, E> {
        let reader = self.reader()?;
        let connection = &reader.connection;
        let result = (|| {
            connection.prepare_cached("BEGIN").and_then(|mut s| s.execute([])).map_err(|e| E::from(engine(e)))?;
            // This opens the snapshot, so that the version is the snapshot's.
            let version = connection
                .prepare_cached("PRAGMA data_version")
                .and_then(|mut s| s.query_row([], |row| row.get(0)))
                .map_err(|e| E::from(engine(e)))?;
            reader.cache.borrow_mut().at(version);
            let result = work(&Db::cached(connection, &reader.cache));
            connection.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).map_err(|e| E::from(engine(e)))?;
            result
        })();
        // A connection that failed in the middle may be inside a transaction: drop it rather than reuse it.
        if connection.is_autocommit()
            && let Ok(mut idle) = self.idle.lock()
            && idle.len() < MAX_IDLE
        {
            idle.push(reader);
        }
        result
    }

    fn reader(&self) -> Result<Reader, StoreError> {
        if let Some(reader) = self.idle.lock().ok().and_then(|mut idle| idle.pop()) {
            return Ok(reader);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(engine)?;
        prepare(&connection, true).map_err(engine)?;
        Ok(Reader { connection, cache: RefCell::default() })
    }

    /// Runs `work` in the writer, inside a savepoint of the current group; answers after the group is durable. When `work`
    /// fails nothing of it stays.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, E> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// As [`Store::write`], for callers outside of the runtime.
    pub fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, E> + Send + 'static,
    {
        self.writer.write_blocking(work)
    }

    /// Hands `work` to the writer and does not wait: it rides in the next group (D36). Failures are logged.
    pub fn defer<F>(&self, work: F)
    where
        F: FnOnce(&Db<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        self.writer.defer(work);
    }

    /// Few enough writes wait that [`Store::defer`] is in order; otherwise use [`Store::write`], which makes its caller wait.
    pub fn has_room(&self) -> bool {
        self.writer.has_room()
    }

    /// Finishes what is queued, checkpoints the write-ahead log and stops the writer.
    pub fn close(&self) {
        if self.open.swap(false, Ordering::SeqCst) {
            if let Ok(mut idle) = self.idle.lock() {
                idle.clear();
            }
            self.writer.stop();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// The settings of every connection.
fn prepare(connection: &Connection, read_only: bool) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(512);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    if read_only {
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 268435456; PRAGMA cache_size = -4096;")?;
    } else {
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192;
             PRAGMA journal_size_limit = 67108864;",
        )?;
        // What savepoints keep of changed pages stays in memory: SQLite would put more than 64 KiB of it, which an activation
        // makes, into a file.
        connection.execute_batch("PRAGMA temp_store = MEMORY;")?;
    }
    dialect::register(connection)
}

fn engine(error: rusqlite::Error) -> StoreError {
    if let rusqlite::Error::SqliteFailure(failure, message) = &error
        && matches!(
            failure.extended_code,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                // What the record refers to has gone meanwhile.
                | rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY
        )
    {
        return StoreError::Conflict(message.clone().unwrap_or_default());
    }
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked | DiskFull) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Engine(error.to_string()),
    }
}

/// The directory exists and a file can be made in it.
fn check_directory(directory: &Path) -> std::io::Result<()> {
    let probe = directory.join(format!(".keygen-lite-{}.tmp", std::process::id()));
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).open(&probe)?;
    std::fs::remove_file(&probe)
}

/// Creates an empty file that only its owner may read: it will hold private keys.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}
