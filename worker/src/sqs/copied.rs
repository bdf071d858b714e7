//! Dead letters that are copied.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are remembered; what is forgotten has a second copy at worst.
const MOST: usize = 1_000;

/// The ids of messages whose copy lies in the dead-letter queue: to be deleted, and not copied once
/// more. One stays when its deletion worked, since a call that is cut off tells nobody; SQS never uses
/// an id again.
#[derive(Debug, Default)]
pub(crate) struct Copied(Mutex<VecDeque<String>>);

impl Copied {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.ids().iter().any(|copied| copied == id)
    }

    pub(crate) fn add(&self, id: &str) {
        let mut ids = self.ids();
        if ids.len() == MOST {
            ids.pop_front();
        }
        ids.push_back(id.to_owned());
    }

    fn ids(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
