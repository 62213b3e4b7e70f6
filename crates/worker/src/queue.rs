//! Requests in the order in which they came: one runs, the others wait.

use std::collections::VecDeque;
use std::rc::Rc;

/// Jobs by the ids of their requests.
pub struct Queue<J> {
    running: Option<(u32, Rc<J>)>,
    waiting: VecDeque<(u32, Rc<J>)>,
}

/// Where a job was when it was to be cancelled.
#[derive(Debug, Eq, PartialEq)]
pub enum Cancelled<J> {
    /// It had not begun, and never will.
    Waiting,
    /// It is at work and has to be told.
    Running(Rc<J>),
    /// It is done, or never was.
    Unknown,
}

impl<J> Default for Queue<J> {
    fn default() -> Self {
        Self {
            running: None,
            waiting: VecDeque::new(),
        }
    }
}

impl<J> Queue<J> {
    /// Adds a job behind all others; true where nothing was running or waiting before it.
    pub fn push(&mut self, id: u32, job: J) -> bool {
        let idle = self.running.is_none() && self.waiting.is_empty();
        self.waiting.push_back((id, Rc::new(job)));
        idle
    }

    /// The running job is done; the next one runs from now on.
    pub fn advance(&mut self) -> Option<(u32, Rc<J>)> {
        self.running = self.waiting.pop_front();
        self.running.clone()
    }

    /// Takes a job out of the queue, unless it runs.
    pub fn cancel(&mut self, id: u32) -> Cancelled<J> {
        if let Some((_, job)) = self.running.as_ref().filter(|(running, _)| *running == id) {
            return Cancelled::Running(job.clone());
        }
        let waiting = self.waiting.iter().position(|(waiting, _)| *waiting == id);
        match waiting.and_then(|place| self.waiting.remove(place)) {
            Some(_) => Cancelled::Waiting,
            None => Cancelled::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(queue: &mut Queue<&str>) -> Option<u32> {
        queue.advance().map(|(id, _)| id)
    }

    #[test]
    fn jobs_run_in_their_order() {
        let mut queue = Queue::default();
        assert!(queue.push(7, "first"));
        assert!(!queue.push(3, "second"));
        assert_eq!(next(&mut queue), Some(7));
        assert!(!queue.push(5, "third"), "the first is running");
        assert_eq!(next(&mut queue), Some(3));
        assert_eq!(next(&mut queue), Some(5));
        assert!(!queue.push(6, "fourth"), "the third is running");
        assert_eq!(next(&mut queue), Some(6));
        assert_eq!(next(&mut queue), None);
        assert!(queue.push(8, "fifth"), "all done");
    }

    #[test]
    fn a_waiting_job_is_dropped_and_a_running_one_told() {
        let mut queue = Queue::default();
        queue.push(1, "runs");
        queue.push(2, "waits");
        queue.push(3, "stays");
        queue.advance();
        assert_eq!(queue.cancel(2), Cancelled::Waiting);
        assert_eq!(queue.cancel(2), Cancelled::Unknown);
        assert_eq!(queue.cancel(1), Cancelled::Running(Rc::new("runs")));
        assert_eq!(next(&mut queue), Some(3));
        assert_eq!(queue.cancel(1), Cancelled::Unknown);
    }
}
