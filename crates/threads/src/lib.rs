//! Splits a loop among the threads that have offered to help: web workers, or native threads.
//!
//! A thread offers itself with [`help`] and never returns; [`each`] hands parts of a loop to whoever is there, the caller
//! among them. Nobody waits for a helper that has not come, so that work begins before the helpers are up.
//!
//! Made for loops of tens of microseconds: helpers spin for a while before they sleep, and nothing is allocated but the
//! list of parts. A work-stealing pool wakes and sleeps its threads in the time that such a loop takes.

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError, TryLockError};

/// How often a helper looks for work before it sleeps: half a millisecond or so in a browser, where a look is one load,
/// longer than a model's layer computes on one thread between two loops. To be woken takes as long as a small loop.
const PATIENCE: u32 = 1_000_000;

/// The loop at hand, without its lifetime.
#[derive(Clone, Copy)]
struct Task {
    run: &'static (dyn Fn(usize) + Sync),
    parts: usize,
}

struct Pool {
    /// Held by the thread whose loop is being split; another's runs on that thread alone.
    owner: Mutex<()>,
    task: UnsafeCell<Option<Task>>,
    /// Whether `task` may be read by a helper that has counted itself in `active` before it looked.
    open: AtomicBool,
    /// Helpers that may be reading `task` or running a part of it.
    active: AtomicUsize,
    /// The next part that nobody has.
    next: AtomicUsize,
    helpers: AtomicUsize,
    /// Whether a part panicked on a helper.
    broken: AtomicBool,
    asleep: Mutex<()>,
    sleepers: AtomicUsize,
    wake: Condvar,
}

// SAFETY: `task` is written by the holder of `owner` alone, while `open` is false and `active` is zero, and read by others
// only between counting themselves in `active` and out again, after they saw `open`. `each` says why that suffices.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool {
    owner: Mutex::new(()),
    task: UnsafeCell::new(None),
    open: AtomicBool::new(false),
    active: AtomicUsize::new(0),
    next: AtomicUsize::new(0),
    helpers: AtomicUsize::new(0),
    broken: AtomicBool::new(false),
    asleep: Mutex::new(()),
    sleepers: AtomicUsize::new(0),
    wake: Condvar::new(),
};

thread_local! {
    static RUNS_A_PART: Cell<bool> = const { Cell::new(false) };
}

/// How many threads share a loop: the caller, and those that help.
pub fn count() -> usize {
    1 + POOL.helpers.load(SeqCst)
}

/// Takes parts of other threads' loops, for ever.
pub fn help() -> ! {
    POOL.helpers.fetch_add(1, SeqCst);
    loop {
        POOL.wait();
        let active = Active::enter(&POOL);
        // Only after being counted: whoever closes the task afterwards waits for this thread.
        if POOL.open.load(SeqCst) {
            // SAFETY: the task was open after this thread was counted, so it stays until this thread is counted out.
            if let Some(task) = unsafe { *POOL.task.get() } {
                RUNS_A_PART.set(true);
                POOL.take_parts(task);
                RUNS_A_PART.set(false);
            }
        }
        drop(active);
    }
}

/// To be called by a helper that is about to end without unwinding, as a trap in WebAssembly does: the thread that
/// waits for it panics instead of waiting for ever. Returns whether this thread is such a helper.
pub fn abandon() -> bool {
    let abandons = RUNS_A_PART.replace(false);
    if abandons {
        POOL.lose_helper();
        POOL.active.fetch_sub(1, SeqCst);
    }
    abandons
}

/// Calls `f` with each of `parts`, on this thread and on those that help, in any order, and returns when all are done.
///
/// A call from inside a part, or while another thread's loop is being split, runs on its own thread alone.
///
/// # Errors
/// The first that any call of `f` gave; the other parts run all the same.
///
/// # Panics
/// Where `f` does.
pub fn each<T: Send, E: Send>(
    parts: Vec<T>,
    f: impl Fn(T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    if parts.len() < 2 || POOL.helpers.load(SeqCst) == 0 {
        return alone(parts, f);
    }
    let owner = match POOL.owner.try_lock() {
        Ok(owner) => owner,
        Err(TryLockError::Poisoned(owner)) => owner.into_inner(),
        Err(TryLockError::WouldBlock) => return alone(parts, f),
    };
    let parts: Vec<Mutex<Option<T>>> = parts.into_iter().map(|it| Mutex::new(Some(it))).collect();
    let error = Mutex::new(None);
    let run = |index: usize| {
        let part = parts[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Err(e)) = part.map(&f) {
            let mut error = error.lock().unwrap_or_else(PoisonError::into_inner);
            error.get_or_insert(e);
        }
    };
    let run: &(dyn Fn(usize) + Sync) = &run;
    // SAFETY: only the lifetime changes. Helpers read it from `task`, and `closed`, which is dropped before `run` is,
    // on a panic too, waits until none can: one that counts itself later finds `open` false, because both are
    // sequentially consistent.
    let run: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(run) };
    let task = Task {
        run,
        parts: parts.len(),
    };
    let closed = POOL.open(task);
    POOL.take_parts(task);
    drop(closed);
    let broken = POOL.broken.swap(false, SeqCst);
    drop(owner);
    assert!(!broken, "a part of a loop panicked on another thread");
    match error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn alone<T, E>(parts: Vec<T>, f: impl Fn(T) -> Result<(), E>) -> Result<(), E> {
    parts.into_iter().map(f).fold(Ok(()), Result::and)
}

impl Pool {
    /// Shows the task to the helpers, until what is returned is dropped.
    fn open(&self, task: Task) -> Closing<'_> {
        // SAFETY: the caller holds `owner`, and the last task was closed: no helper reads this.
        unsafe { *self.task.get() = Some(task) };
        self.next.store(0, SeqCst);
        self.open.store(true, SeqCst);
        // A helper counts itself asleep before it looks at `open` for the last time.
        if self.sleepers.load(SeqCst) > 0 {
            drop(self.asleep.lock());
            self.wake.notify_all();
        }
        Closing(self)
    }

    fn take_parts(&self, task: Task) {
        loop {
            let part = self.next.fetch_add(1, SeqCst);
            if part >= task.parts {
                return;
            }
            (task.run)(part);
        }
    }

    /// What the part that a helper had was to do is not done.
    fn lose_helper(&self) {
        self.broken.store(true, SeqCst);
        self.helpers.fetch_sub(1, SeqCst);
    }

    /// Returns when there may be work.
    fn wait(&self) {
        for _ in 0..PATIENCE {
            // What is open with no part left is as good as closed.
            if self.open.load(SeqCst) {
                return;
            }
            std::hint::spin_loop();
        }
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, SeqCst);
        while !self.open.load(SeqCst) {
            asleep = self
                .wake
                .wait(asleep)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, SeqCst);
    }
}

/// Closes the task and waits for those that have begun with it.
struct Closing<'p>(&'p Pool);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.open.store(false, SeqCst);
        let mut looks = 0_u32;
        while self.0.active.load(SeqCst) > 0 {
            looks += 1;
            // Where there are fewer cores than threads, the one that is waited for wants this core.
            if looks.is_multiple_of(1000) {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

/// A helper that is counted in, and counts itself out on a panic too.
struct Active<'p>(&'p Pool);

impl<'p> Active<'p> {
    fn enter(pool: &'p Pool) -> Self {
        pool.active.fetch_add(1, SeqCst);
        Self(pool)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lose_helper();
        }
        self.0.active.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Once;
    use std::thread;
    use std::time::Duration;

    /// Three helpers for all tests of this process; loops of other tests may have them at any moment.
    fn helped() {
        static STARTED: Once = Once::new();
        STARTED.call_once(|| {
            for _ in 0..3 {
                thread::spawn(|| help());
            }
            while count() < 4 {
                thread::yield_now();
            }
        });
    }

    #[test]
    fn every_part_is_done_once_whoever_does_it() {
        helped();
        for length in [0, 1, 2, 3, 7, 64, 1000] {
            let mut numbers = vec![0_u64; length];
            let parts: Vec<_> = numbers.iter_mut().enumerate().collect();
            let done: Result<(), ()> = each(parts, |(i, number)| {
                *number += 3 * i as u64 + 1;
                Ok(())
            });
            assert_eq!(done, Ok(()));
            assert!(
                numbers
                    .iter()
                    .enumerate()
                    .all(|(i, &n)| n == 3 * i as u64 + 1)
            );
        }
    }

    #[test]
    fn helpers_take_parts_also_after_they_have_slept() {
        helped();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(50));
            // Another test's loop may have the helpers just then.
            let shared = (0..100).any(|_| {
                let threads = Mutex::new(HashSet::new());
                let done: Result<(), ()> = each((0..8).collect(), |_| {
                    thread::sleep(Duration::from_millis(1));
                    threads
                        .lock()
                        .expect("no test panics here")
                        .insert(thread::current().id());
                    Ok(())
                });
                assert_eq!(done, Ok(()));
                threads.into_inner().expect("no test panics here").len() > 1
            });
            assert!(shared);
        }
    }

    #[test]
    fn an_error_comes_back_and_the_other_parts_run() {
        helped();
        let ran = AtomicUsize::new(0);
        let outcome = each((0..50).collect(), |i| {
            ran.fetch_add(1, SeqCst);
            if i == 17 { Err(i) } else { Ok(()) }
        });
        assert_eq!(outcome, Err(17));
        assert_eq!(ran.load(SeqCst), 50);
    }

    #[test]
    fn loops_inside_loops_and_beside_loops_end() {
        helped();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let sum = AtomicUsize::new(0);
                        let done: Result<(), ()> = each((0..6).collect(), |i| {
                            each((0..5).collect(), |j| {
                                sum.fetch_add(i * 5 + j, SeqCst);
                                Ok(())
                            })
                        });
                        assert_eq!((done, sum.into_inner()), (Ok(()), 435));
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        helped();
        thread::spawn(|| help()); // In case the panic takes one of the others away.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            each::<usize, ()>((0..4).collect(), |i| {
                assert_ne!(i, 2, "on purpose");
                Ok(())
            })
        }));
        assert!(outcome.is_err());
        let sum = AtomicUsize::new(0);
        let done: Result<(), ()> = each((0..10).collect(), |i| {
            sum.fetch_add(i, SeqCst);
            Ok(())
        });
        assert_eq!((done, sum.into_inner()), (Ok(()), 45));
    }
}
