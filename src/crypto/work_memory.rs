//! The memory in which argon2 works: 19 MiB a run, taken over from run to run.
//!
//! glibc keeps freed blocks of this size in an arena per thread, so that a burst of logins would leave hundreds of megabytes
//! behind. Here a run takes over the memory of another, which is half of its price, no more than [`MOST`] have any, and what
//! has not been used for a while goes back to the system.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use argon2::Block;

/// Runs at once: two logins and two other requests (01 §18 holds the rest back). Further ones wait.
const MOST: usize = 4;

/// Blocks of 1 KiB that are asked for at least, most of which stay untouched and thus cost nothing: glibc gives back to the
/// system what is larger than 32 MiB, whatever was freed before.
const ASKED_FOR: usize = 33 << 10;

/// The memory of all runs.
pub(super) struct WorkMemory {
    /// Blocks of a run whose memory is taken over.
    usual: usize,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    running: usize,
    /// Some run has begun since [`WorkMemory::release`] was last called.
    used: bool,
    /// What runs have left behind; together with those that go on, no more than [`MOST`].
    idle: Vec<Vec<Block>>,
}

impl WorkMemory {
    /// No memory yet; `usual` blocks are what most runs need.
    pub(super) const fn new(usual: usize) -> WorkMemory {
        let state = State { running: 0, used: false, idle: Vec::new() };
        WorkMemory { usual, state: Mutex::new(state), ended: Condvar::new() }
    }

    /// Runs `work` in so many blocks, as soon as it is its turn. What is in them is left from others.
    pub(super) fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut run = self.enter(blocks);
        work(&mut run.blocks)
    }

    /// Gives back what is idle, unless something ran since the last call: called regularly.
    pub(super) fn release(&self) {
        let mut state = self.state();
        let surplus = if std::mem::take(&mut state.used) { Vec::new() } else { std::mem::take(&mut state.idle) };
        // Freed after the lock.
        drop(state);
        drop(surplus);
    }

    fn enter(&self, blocks: usize) -> Run<'_> {
        let mut state = self.state();
        while state.running >= MOST {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.running += 1;
        state.used = true;
        let left = state.idle.pop();
        drop(state);
        // From here on the run leaves when it is dropped, whatever happens.
        let mut run = Run { memory: self, blocks: left.unwrap_or_default() };
        let needed = blocks.max(self.usual);
        if run.blocks.len() < needed {
            // What is too small goes first.
            run.blocks = Vec::new();
            run.blocks.reserve_exact(needed.max(ASKED_FOR));
            run.blocks.resize(needed, Block::new());
        }
        run
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run that has its turn and its memory.
struct Run<'m> {
    memory: &'m WorkMemory,
    blocks: Vec<Block>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        let mut state = self.memory.state();
        state.running -= 1;
        let mut surplus = Some(blocks);
        state.idle.extend(surplus.take_if(|blocks| blocks.len() == self.memory.usual));
        drop(state);
        self.memory.ended.notify_one();
        drop(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn no_more_than_so_many_have_memory() {
        let memory = WorkMemory::new(8);
        let all_at_once = Barrier::new(MOST);
        std::thread::scope(|scope| {
            for n in 0..MOST * 8 {
                let (memory, all_at_once) = (&memory, &all_at_once);
                scope.spawn(move || {
                    let blocks = if n % 5 == 0 { 16 } else { 4 };
                    memory.with(blocks, |given| {
                        assert!(given.len() >= blocks);
                        all_at_once.wait();
                        let state = memory.state();
                        assert!(state.running + state.idle.len() <= MOST, "{} {}", state.running, state.idle.len());
                        assert!(state.idle.iter().all(|left| left.len() == 8));
                    });
                });
            }
        });
        let state = memory.state();
        assert!(state.running == 0 && (1..=MOST).contains(&state.idle.len()), "{}", state.idle.len());
    }

    #[test]
    fn memory_is_taken_over() {
        let memory = WorkMemory::new(8);
        let place = |blocks: &mut [Block]| blocks.as_ptr() as usize;
        let idle = || memory.state().idle.len();
        let first = memory.with(1, place);
        assert_eq!(idle(), 1);
        assert_eq!(memory.with(8, place), first);
        assert_eq!(idle(), 1);
        // What is larger takes the place of another, and is not kept.
        assert_eq!(memory.with(9, |blocks| blocks.len()), 9);
        assert_eq!(idle(), 0);

        memory.with(1, |_| memory.with(1, |_| ()));
        memory.release();
        assert_eq!(idle(), 2, "used since it was last asked");
        memory.with(1, |_| memory.release());
        assert_eq!(idle(), 2);
        memory.release();
        assert_eq!(idle(), 0);
        memory.with(1, |_| ());
        memory.release();
        assert_eq!(idle(), 1);
    }

    #[test]
    fn a_panic_ends_a_turn() {
        let memory = WorkMemory::new(1);
        for _ in 0..=MOST {
            let panics = || memory.with(1, |_| panic!("a test"));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        }
        assert_eq!(memory.state().running, 0);
    }
}
