//! The page's variables, on Leptos' reactive graph: what reads one is run again when it changes.
//!
//! Leptos' own signals are generic through and through, and the page holds some thirty types of value. Here only the
//! cell is: tracking and notifying are one trigger, whatever it stands for, so that another type costs the page's wasm
//! next to nothing. Variables are made once a page and live as long as it does, never in what is rebuilt.

use std::cell::RefCell;

use leptos::prelude::{
    ArcMemo, ArcTrigger, Get, LocalStorage, Notify, RenderEffect, StoredValue, Track, untrack,
};
use send_wrapper::SendWrapper;

/// A value that can be set.
pub struct Var<T: 'static>(&'static (RefCell<T>, ArcTrigger));

impl<T> Copy for Var<T> {}

impl<T> Clone for Var<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Var<T> {
    /// A variable that begins with `value`.
    pub fn new(value: T) -> Self {
        Self(Box::leak(Box::new((
            RefCell::new(value),
            ArcTrigger::new(),
        ))))
    }

    /// Reads it (tracked). Nothing may set it meanwhile.
    pub fn with<U>(self, read: impl FnOnce(&T) -> U) -> U {
        self.0.1.track();
        read(&self.0.0.borrow())
    }

    /// Reads it, and takes no notice of changes.
    pub fn peek<U>(self, read: impl FnOnce(&T) -> U) -> U {
        read(&self.0.0.borrow())
    }

    /// Changes it in place.
    pub fn update<U>(self, change: impl FnOnce(&mut T) -> U) -> U {
        let result = change(&mut self.0.0.borrow_mut());
        self.0.1.notify();
        result
    }

    /// Sets it, whatever it was.
    pub fn set(self, value: T) {
        self.update(|slot| *slot = value);
    }
}

impl<T: Clone> Var<T> {
    /// A copy (tracked).
    pub fn get(self) -> T {
        self.with(T::clone)
    }

    /// A copy, untracked.
    pub fn now(self) -> T {
        self.peek(T::clone)
    }
}

impl<T: PartialEq> Var<T> {
    /// Sets it where `value` is another one.
    pub fn put(self, value: T) {
        if self.peek(|now| *now != value) {
            self.set(value);
        }
    }
}

/// A value that follows from others, computed when it is read and kept while they stay.
pub struct Derived<T: 'static> {
    value: &'static RefCell<Option<T>>,
    version: &'static ArcMemo<u32>,
}

impl<T> Copy for Derived<T> {}

impl<T> Clone for Derived<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: PartialEq> Derived<T> {
    /// What `compute` gives; who reads it hears only of results that differ.
    pub fn new(compute: impl Fn() -> T + 'static) -> Self {
        let value: &'static RefCell<Option<T>> = Box::leak(Box::new(RefCell::new(None)));
        let renew = move || {
            let new = Some(compute());
            let differs = *value.borrow() != new;
            if differs {
                *value.borrow_mut() = new;
            }
            differs
        };
        Self {
            value,
            version: version(Box::new(renew)),
        }
    }

    /// Reads it (tracked).
    pub fn with<U>(self, read: impl FnOnce(&T) -> U) -> U {
        self.version.get();
        let value = self.value.borrow();
        read(value.as_ref().expect("reading the version has computed it"))
    }

    /// Reads it, and takes no notice of changes.
    pub fn peek<U>(self, read: impl FnOnce(&T) -> U) -> U {
        untrack(|| self.with(read))
    }
}

impl<T: PartialEq + Clone> Derived<T> {
    /// A copy (tracked).
    pub fn get(self) -> T {
        self.with(T::clone)
    }

    /// A copy, untracked.
    pub fn now(self) -> T {
        self.peek(T::clone)
    }
}

/// Counts the times that `renew` changed its value.
fn version(renew: Box<dyn Fn() -> bool>) -> &'static ArcMemo<u32> {
    // The page has one thread.
    let renew = SendWrapper::new(renew);
    Box::leak(Box::new(ArcMemo::new(move |before: Option<&u32>| {
        let count = before.copied().unwrap_or(0);
        if (*renew)() {
            count.wrapping_add(1)
        } else {
            count
        }
    })))
}

/// Runs `act` now, and again whenever what it has read changes, as long as its surroundings stand.
pub fn effect(act: impl FnMut() + 'static) {
    boxed_effect(Box::new(act));
}

fn boxed_effect(mut act: Box<dyn FnMut()>) {
    let effect = RenderEffect::new(move |_: Option<()>| act());
    StoredValue::<_, LocalStorage>::new_local(effect);
}

#[cfg(test)]
mod tests {
    use leptos::prelude::Owner;

    use super::*;

    #[test]
    fn a_variable_keeps_what_it_is_given() {
        let var = Var::new(vec![1]);
        var.update(|list| list.push(2));
        assert_eq!(var.get(), [1, 2]);
        var.put(vec![3]);
        assert_eq!(var.peek(Vec::len), 1);
    }

    #[test]
    fn what_is_derived_is_computed_once_a_change() {
        let owner = Owner::new();
        owner.with(|| {
            let (number, runs) = (Var::new(3), Var::new(0));
            let parity = Derived::new(move || {
                runs.update(|runs| *runs += 1);
                number.get() % 2
            });
            let word = Derived::new(move || if parity.get() == 0 { "even" } else { "odd" });
            assert_eq!((word.now(), word.now(), runs.now()), ("odd", "odd", 1));
            number.set(5);
            assert_eq!((word.now(), runs.now()), ("odd", 2));
            number.set(6);
            assert_eq!((word.now(), runs.now()), ("even", 3));
        });
    }
}
