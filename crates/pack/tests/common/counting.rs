//! An allocator that counts: what a piece of work takes at once, and in all, on its own thread.
#![allow(dead_code, reason = "each test uses a part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// What some work took, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// The most that it held at once.
    pub peak: usize,
    /// All that it ever took: whoever loops without end over what it makes shows here.
    pub total: usize,
}

/// Does the work and says what it took.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let before = NOW.get();
    PEAK.set(before);
    TAKEN.set(0);
    let done = work();
    let taken = Taken {
        peak: (PEAK.get() - before).max(0) as usize,
        total: TAKEN.get(),
    };
    (done, taken)
}

fn count(more: usize, less: usize) {
    let now = NOW.get() + more as isize - less as isize;
    NOW.set(now);
    PEAK.set(PEAK.get().max(now));
    TAKEN.set(TAKEN.get().wrapping_add(more));
}

// SAFETY: every method hands its arguments to `System`, under the same contract, and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, new_size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}
