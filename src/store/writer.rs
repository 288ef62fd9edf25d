//! The one writer: groups what is waiting into one transaction, a savepoint each, and answers after the commit.

use super::{Db, StoreError, engine};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// So many writes share a transaction at the most; it bounds how long the first of them waits for its answer.
const MAX_GROUP: usize = 256;

/// Tells a caller how its write ended, once the group's fate is known.
type Answer = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;

/// Runs one write; says whether to keep its changes, and how to answer.
type Work = Box<dyn FnOnce(&Db<'_>) -> (bool, Answer) + Send>;

enum Message {
    Work(Work),
    Stop,
}

pub(super) struct Writer {
    queue: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Writer {
        let (queue, messages) = channel();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run(&connection, &messages))
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
            let result =
                catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or_else(|_| Err(StoreError::Panicked.into()));
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |fate| {
                // The caller may have gone away; its write stands all the same.
                let _ = sender.send(match fate {
                    Ok(()) => result,
                    Err(error) => result.and(Err(StoreError::Engine(error.to_string()).into())),
                });
            });
            (keep, answer)
        });
        // A closed queue drops the sender, which answers `Closed`.
        let _ = self.queue.send(Message::Work(work));
    }

    pub(super) fn defer<F>(&self, work: F)
    where
        F: FnOnce(&Db<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let work: Work = Box::new(move |db| {
            let result = catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or(Err(StoreError::Panicked));
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |fate| {
                if let Err(error) = result.as_ref().map_err(|e| e as &StoreError).copied().and(fate) {
                    tracing::error!(%error, "a deferred write failed");
                }
            });
            (keep, answer)
        });
        let _ = self.queue.send(Message::Work(work));
    }

    /// Finishes the queue, checkpoints and ends the thread.
    pub(super) fn stop(&self) {
        let _ = self.queue.send(Message::Stop);
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, messages: &Receiver<Message>) {
    let mut stopping = false;
    while !stopping {
        let Ok(first) = messages.recv() else { break };
        let mut next = Some(first);
        let mut answers: Vec<Answer> = Vec::new();
        let begun = execute(connection, "BEGIN IMMEDIATE");
        let mut failed = begun.err();
        while let Some(message) = next.take() {
            match message {
                Message::Stop => {
                    stopping = true;
                    break;
                }
                Message::Work(work) => answers.push(step(connection, work, &mut failed)),
            }
            if answers.len() < MAX_GROUP {
                next = messages.try_recv().ok();
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
    if failed.is_some() {
        // The work must not run outside of a transaction; dropping it answers `Closed`.
        drop(work);
        return Box::new(|_| ());
    }
    let (keep, answer) = work(&Db::new(connection));
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
