//! The one writer: groups what is waiting into one transaction, a savepoint each, and answers after the commit.
//!
//! Writes run in the order in which they were handed over. Those that somebody waits for start a group at once; deferred ones
//! (D36) gather for a moment while they keep coming, because a commit costs the same for one as for a thousand, and each makes
//! every reader drop the pages that it has cached.

use super::{Db, StoreError, engine};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// So many writes share a transaction at the most; it bounds how long the first of them waits for its answer.
const MAX_GROUP: usize = 1024;

/// Groups of deferred writes alone start this far apart. The first after a pause starts at once.
const LINGER: Duration = Duration::from_millis(50);

/// When so many writes wait, nothing more should be deferred ([`Writer::has_room`]), so that memory stays bounded.
const MAX_WAITING: usize = 8192;

/// Tells a caller how its write ended, once the group's fate is known.
type Answer = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;

/// Runs one write, unless there is no transaction to run it in; says whether to keep its changes, and how to answer.
type Work = Box<dyn FnOnce(Result<&Db<'_>, &StoreError>) -> (bool, Answer) + Send>;

pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Writer {
        let queue = Arc::new(Queue::default());
        let writer = queue.clone();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run(&connection, &writer))
            .expect("a thread can be started at start-up, or nothing works");
        Writer { queue, thread: Mutex::new(Some(thread)) }
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, E> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        self.submit(work, sender);
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    pub(super) fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, E> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        self.submit(work, sender);
        answer.blocking_recv().unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    fn submit<T, E, F>(&self, work: F, sender: oneshot::Sender<Result<T, E>>)
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T, E> + Send + 'static,
    {
        let work: Work = Box::new(move |db| {
            let result = match db {
                Ok(db) => {
                    catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or_else(|_| Err(StoreError::Panicked.into()))
                }
                Err(error) => Err(error.clone().into()),
            };
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |fate| {
                // The caller may have gone away; its write stands all the same.
                let _ = sender.send(match fate {
                    Ok(()) => result,
                    Err(error) => result.and(Err(error.clone().into())),
                });
            });
            (keep, answer)
        });
        // A closed queue drops the sender, which answers `Closed`.
        self.queue.push(work, true);
    }

    pub(super) fn defer<F>(&self, work: F)
    where
        F: FnOnce(&Db<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let work: Work = Box::new(move |db| {
            let result = match db {
                Ok(db) => catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or(Err(StoreError::Panicked)),
                Err(error) => Err(error.clone()),
            };
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |fate| {
                if let Err(error) = result.as_ref().map_err(|e| e as &StoreError).copied().and(fate) {
                    tracing::error!(%error, "a deferred write failed");
                }
            });
            (keep, answer)
        });
        self.queue.push(work, false);
    }

    /// Few enough writes wait that one more may be deferred.
    pub(super) fn has_room(&self) -> bool {
        self.queue.lock().waiting.len() < MAX_WAITING
    }

    /// Finishes the queue, checkpoints and ends the thread.
    pub(super) fn stop(&self) {
        self.queue.close();
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join();
        }
    }
}

/// What waits for the writer.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    /// Somebody waits for one of them.
    urgent: bool,
    /// The writer sleeps, without a deadline when nothing waits.
    asleep: bool,
    closed: bool,
    /// When the last group of deferred writes alone started.
    last: Option<Instant>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends; drops `work` when the queue is closed.
    fn push(&self, work: Work, urgent: bool) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.waiting.push_back(work);
        state.urgent |= urgent;
        if state.asleep && (urgent || matches!(state.waiting.len(), 1 | MAX_GROUP)) {
            state.asleep = false;
            self.work.notify_one();
        }
    }

    /// No more pushes; what waits is still run.
    fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Sleeps until a group should start: somebody waits, or deferred writes have gathered long enough. `false` once the
    /// queue is closed and empty.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.waiting.is_empty() {
                if state.closed {
                    return false;
                }
                state.asleep = true;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.asleep = false;
                continue;
            }
            if state.urgent || state.closed {
                return true;
            }
            let rest = state.last.and_then(|last| LINGER.checked_sub(last.elapsed())).unwrap_or_default();
            if rest.is_zero() || state.waiting.len() >= MAX_GROUP {
                state.last = Some(Instant::now());
                return true;
            }
            state.asleep = true;
            state = self.work.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
            state.asleep = false;
        }
    }

    /// Takes up to `most` writes.
    fn take(&self, most: usize) -> Vec<Work> {
        let mut state = self.lock();
        let most = most.min(state.waiting.len());
        let taken = state.waiting.drain(..most).collect();
        if state.waiting.is_empty() {
            state.urgent = false;
        }
        taken
    }
}

/// Closes the queue when the writer ends, however it ends: nobody may wait for an answer that never comes.
struct End<'q>(&'q Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.close();
        let rest = std::mem::take(&mut self.0.lock().waiting);
        drop(rest);
    }
}

fn run(connection: &Connection, queue: &Queue) {
    let _end = End(queue);
    while queue.wait() {
        let mut answers: Vec<Answer> = Vec::new();
        let begun = execute(connection, "BEGIN IMMEDIATE");
        let mut failed = begun.err();
        // What arrives meanwhile comes along.
        loop {
            let group = queue.take(MAX_GROUP - answers.len());
            if group.is_empty() {
                break;
            }
            for work in group {
                answers.push(step(connection, work, &mut failed));
            }
        }
        let fate = match failed {
            None => execute(connection, "COMMIT"),
            Some(error) => Err(error),
        };
        if fate.is_err() && !connection.is_autocommit() {
            let _ = execute(connection, "ROLLBACK");
        }
        if let Err(error) = &fate {
            tracing::error!(%error, writes = answers.len(), "a group of writes failed");
        }
        for answer in answers {
            answer(fate.as_ref().copied());
        }
    }
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

/// Runs one write inside a savepoint. `failed` is set when the transaction itself is broken.
fn step(connection: &Connection, work: Work, failed: &mut Option<StoreError>) -> Answer {
    if failed.is_none() {
        *failed = execute(connection, "SAVEPOINT w").err();
    }
    if let Some(error) = failed {
        // The work must not run outside of a transaction.
        return work(Err(error)).1;
    }
    let (keep, answer) = work(Ok(&Db::new(connection)));
    let end = if keep {
        execute(connection, "RELEASE w")
    } else {
        execute(connection, "ROLLBACK TO w").and_then(|()| execute(connection, "RELEASE w"))
    };
    *failed = end.err();
    answer
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).map_err(engine)
}

#[cfg(test)]
mod tests {
    use super::super::{Store, StoreError};
    use crate::model::Val;

    fn count(store: &Store) -> i64 {
        store.read(|db| db.count("accounts", &[])).unwrap()
    }

    fn insert(db: &super::Db<'_>, n: i64) -> Result<(), StoreError> {
        let args = [Val::Text(n.to_string()), Val::Text(n.to_string()), Val::Text(format!("slug-{n}"))];
        db.execute(
            "INSERT INTO accounts (id, account_id, created_at, updated_at, slug, api_version) VALUES (?, ?, 0, 0, ?, '1.8')",
            &args,
        )
        .map(drop)
    }

    #[test]
    fn a_failed_write_leaves_nothing_and_does_not_hurt_its_group() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("a.db")).unwrap();
        std::thread::scope(|scope| {
            for n in 0..64 {
                let store = &store;
                scope.spawn(move || {
                    let result: Result<(), StoreError> = store.write_blocking(move |db| {
                        insert(db, n)?;
                        match n % 4 {
                            1 => Err(StoreError::Engine("refused".to_owned())),
                            2 => panic!("on purpose"),
                            _ => Ok(()),
                        }
                    });
                    assert_eq!(result.is_ok(), !matches!(n % 4, 1 | 2));
                });
            }
        });
        assert_eq!(count(&store), 32);
        let again: Result<(), StoreError> = store.write_blocking(|db| insert(db, 0));
        assert!(matches!(again, Err(StoreError::Conflict(_))));
        store.defer(|db| insert(db, 100));
        store.close();
        let after: Result<(), StoreError> = store.write_blocking(|db| insert(db, 101));
        assert!(matches!(after, Err(StoreError::Closed)));
        let store = Store::open(&directory.path().join("a.db")).unwrap();
        assert_eq!(count(&store), 33);
    }
}
