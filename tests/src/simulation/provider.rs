//! The mail provider: outside of the tables, slow, and not always answering.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare::Clock;

/// One call, as the provider's caller makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) order: String,
    pub(crate) key: String,
    pub(crate) fence: u64,
    pub(crate) process: Arc<str>,
}

/// A call as the provider has it in its books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) attempt: Attempt,
    /// When it came, in milliseconds.
    pub(crate) start: u64,
    /// When it was answered, or its caller was gone.
    pub(crate) end: Option<u64>,
    /// What it sent, if it was taken and not a repeat.
    pub(crate) mail: Option<String>,
}

/// A provider of one of two kinds: one knows a key that it has seen before and sends no second mail
/// for it; the other one knows no keys, and refuses a fencing token older than the newest it has seen
/// for the order.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    clock: Clock,
    honours_keys: bool,
    calm: Arc<AtomicBool>,
    books: Arc<Mutex<Vec<Recorded>>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("the provider did not answer")]
    NoAnswer,
    #[error("the provider saw the fencing token {newer}, which is newer than {fence}")]
    Stale { fence: u64, newer: u64 },
}

impl Provider {
    pub(crate) fn new(clock: Clock, honours_keys: bool) -> Self {
        Self {
            clock,
            honours_keys,
            calm: Arc::default(),
            books: Arc::default(),
        }
    }

    pub(crate) fn honours_keys(&self) -> bool {
        self.honours_keys
    }

    /// From here on it answers every call.
    pub(crate) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn books(&self) -> Vec<Recorded> {
        self.lock().clone()
    }

    /// The processes that wait for an answer.
    pub(crate) fn waiting(&self) -> BTreeSet<Arc<str>> {
        let books = self.lock();
        let open = books.iter().filter(|call| call.end.is_none());
        open.map(|call| call.attempt.process.clone()).collect()
    }

    /// How many calls for one order were under way at the same time as another one.
    pub(crate) fn overlaps(&self) -> usize {
        let books = self.lock();
        let overlap = |one: &Recorded, other: &Recorded| {
            one.attempt.order == other.attempt.order
                && one.start < other.start
                && one.end.is_some_and(|end| other.start < end)
        };
        books
            .iter()
            .map(|one| books.iter().filter(|other| overlap(one, other)).count())
            .sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the mail of an order, and returns its receipt.
    pub(crate) async fn send(&self, attempt: Attempt) -> Result<String, ProviderError> {
        let calm = self.calm.load(Ordering::Relaxed);
        let millis = match fastrand::u8(0..100) {
            0..70 if !calm => fastrand::u64(5_000..30_000),
            _ => fastrand::u64(50..2_000),
        };
        let (before, after) = (fastrand::u64(0..=millis), millis);
        let fate = if calm { 100 } else { fastrand::u8(0..100) };

        let number = self.came(attempt);
        let _open = Open {
            provider: self,
            number,
        };
        tokio::time::sleep(Duration::from_millis(before)).await;
        if fate < 5 {
            return Err(ProviderError::NoAnswer);
        }
        let receipt = self.take(number);
        tokio::time::sleep(Duration::from_millis(after - before)).await;
        if fate < 10 {
            return Err(ProviderError::NoAnswer);
        }
        receipt
    }

    fn came(&self, attempt: Attempt) -> usize {
        let mut books = self.lock();
        books.push(Recorded {
            attempt,
            start: self.clock.millis(),
            end: None,
            mail: None,
        });
        books.len() - 1
    }

    /// The moment in which the mail goes out.
    fn take(&self, number: usize) -> Result<String, ProviderError> {
        let mut books = self.lock();
        let attempt = books[number].attempt.clone();
        let taken = books
            .iter()
            .filter(|call| call.attempt.order == attempt.order && call.mail.is_some());
        if let Some(newer) = taken.clone().map(|call| call.attempt.fence).max()
            && newer > attempt.fence
            && !self.honours_keys
        {
            return Err(ProviderError::Stale {
                fence: attempt.fence,
                newer,
            });
        }
        let repeated = taken
            .clone()
            .find(|call| self.honours_keys && call.attempt.key == attempt.key);
        if let Some(receipt) = repeated.and_then(|call| call.mail.clone()) {
            return Ok(receipt);
        }
        let receipt = format!("mail {number} of {}", attempt.order);
        books[number].mail = Some(receipt.clone());
        Ok(receipt)
    }
}

/// A call under way. Its end is noted whether it is answered or its caller is gone.
struct Open<'a> {
    provider: &'a Provider,
    number: usize,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let now = self.provider.clock.millis();
        self.provider.lock()[self.number].end = Some(now);
    }
}
