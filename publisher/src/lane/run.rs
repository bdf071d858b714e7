//! The task that sends one destination's batches.

use std::sync::Arc;
use std::time::Duration;

use fanfare::Backoff;
use fanfare::port::{BoxFuture, PublishError};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::waiting::{Line, Next, Waiting, group};
use crate::failed::{Failed, Kind};
use crate::metric;
use crate::target::{Answers, Target};

/// Calls under way to one destination at a time. More would make small batches under load.
const UNDER_WAY: usize = 8;
/// The pauses before what failed is sent again.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
/// Those after a throttle, for the whole destination: it wants fewer calls.
const THROTTLED: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));

pub(super) struct Run {
    target: Arc<Target>,
    source: mpsc::UnboundedReceiver<Vec<Waiting>>,
    /// Whether more may come.
    open: bool,
    line: Line,
    calls: FuturesUnordered<BoxFuture<'static, Call>>,
    /// Batches of more bytes were refused as too long, for whatever reason we don't know of.
    most_bytes: usize,
    /// Throttled: nothing is sent before this,
    paused_until: Option<Instant>,
    /// and so often it was, one after the other.
    throttles: u32,
}

/// A call that has ended.
struct Call {
    batch: Vec<(u64, Waiting)>,
    answer: Result<Answers, Failed>,
    took: Duration,
}

impl Run {
    pub(super) fn new(target: Arc<Target>, source: mpsc::UnboundedReceiver<Vec<Waiting>>) -> Self {
        Self {
            line: Line::new(target.fifo),
            target,
            source,
            open: true,
            calls: FuturesUnordered::new(),
            most_bytes: usize::MAX,
            paused_until: None,
            throttles: 0,
        }
    }

    /// Works until nothing more comes and all have their result.
    pub(super) async fn run(mut self) {
        loop {
            let wake = self.start();
            // Only now: what nobody waits for any more is gone.
            if !self.open && self.line.is_empty() && self.calls.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                Some(call) = self.calls.next() => self.ended(call),
                entries = self.source.recv(), if self.open => match entries {
                    Some(entries) => self.take(entries),
                    None => self.open = false,
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    /// Takes all that was put in by now, so that it shares batches.
    fn take(&mut self, entries: Vec<Waiting>) {
        let mut entries = Some(entries);
        while let Some(more) = entries {
            for waiting in more {
                match group(self.target.fifo, &waiting) {
                    Some(group) if waiting.given_up.contains(group) => {
                        self.reply(waiting, Err(Failed::behind()));
                    }
                    _ => self.line.push(waiting),
                }
            }
            entries = self.source.try_recv().ok();
        }
    }

    /// Starts the calls that can be made now, and says when to look again.
    fn start(&mut self) -> Option<Instant> {
        let now = Instant::now();
        for waiting in self.line.expired(now) {
            let late = Failed::no_answer("there was no turn for it within the deadline");
            self.give_up(waiting, late);
        }
        self.paused_until = self.paused_until.filter(|until| *until > now);
        loop {
            let deadline = self.line.first_deadline();
            if let Some(until) = self.paused_until {
                return Some(deadline.map_or(until, |deadline| deadline.min(until)));
            }
            if self.calls.len() >= UNDER_WAY {
                return deadline;
            }
            let budget = self.target.budget().min(self.most_bytes);
            match self.line.next(now, budget, !self.open) {
                Next::Batch(batch) => self.call(batch),
                Next::Wait(wake) => return wake,
            }
        }
    }

    fn call(&mut self, batch: Vec<(u64, Waiting)>) {
        let target = Arc::clone(&self.target);
        self.calls.push(Box::pin(async move {
            let began = Instant::now();
            let parcels: Vec<_> = batch.iter().map(|(_, waiting)| &waiting.parcel).collect();
            let answer = target.send(&parcels).await;
            let took = began.elapsed();
            if parcels.len() == 1 && answer.as_ref().is_err_and(|failed| failed.kind == Kind::TooLong) {
                target.find_limit().await;
            }
            Call { batch, answer, took }
        }));
    }

    fn ended(&mut self, call: Call) {
        let Call { batch, answer, took } = call;
        let entries = batch.len();
        let error = answer.as_ref().err().map(|failed| failed.code.as_str());
        metric::called(&self.target, entries, took, error);
        for (_, waiting) in &batch {
            self.line.ended(waiting);
        }
        match answer {
            Ok(answers) => {
                self.throttles = 0;
                self.answered(batch.into_iter().zip(answers));
            }
            Err(failed) if entries > 1 && matches!(failed.kind, Kind::Entry | Kind::TooLong) => {
                self.apart(batch, &failed);
            }
            Err(failed) => {
                if failed.kind == Kind::Throttled && self.paused_until.is_none() {
                    self.throttles += 1;
                    self.paused_until = Some(Instant::now() + THROTTLED.delay(self.throttles));
                }
                let answers = std::iter::repeat_with(|| Err(failed.clone()));
                self.answered(batch.into_iter().zip(answers));
            }
        }
    }

    fn answered(&mut self, answered: impl Iterator<Item = ((u64, Waiting), Result<(), Failed>)>) {
        let mut again = Vec::new();
        for ((number, mut waiting), answer) in answered {
            let error = answer.as_ref().err().map(|failed| failed.code.as_str());
            metric::sent(&self.target, error);
            waiting.tries += 1;
            match answer {
                Err(failed) if failed.is_passing() => again.push((number, waiting, failed)),
                answer => self.reply(waiting, answer),
            }
        }
        // One pause for all of a call, so that they share the next one too.
        let tries = again.iter().map(|(_, waiting, _)| waiting.tries).max();
        let at = Instant::now() + tries.map_or(Duration::ZERO, |tries| PAUSES.delay(tries));
        let at = self.paused_until.map_or(at, |until| at.max(until));
        for (number, waiting, failed) in again {
            if at >= waiting.deadline {
                self.give_up(waiting, failed);
            } else {
                metric::again(&self.target);
                let (not_before, linger_until) = (at, at);
                self.line.put_back(
                    number,
                    Waiting {
                        not_before,
                        linger_until,
                        ..waiting
                    },
                );
            }
        }
    }

    /// A batch was refused for what may be one entry's fault: only that one is to fail.
    fn apart(&mut self, batch: Vec<(u64, Waiting)>, refused: &Failed) {
        let alone = refused.kind == Kind::Entry;
        if !alone {
            let bytes: usize = batch.iter().map(|(_, waiting)| waiting.size).sum();
            self.most_bytes = bytes / 2;
            tracing::warn!(
                destination = self.target.destination,
                bytes,
                "a batch is too long for the destination: smaller ones from now on"
            );
        }
        for (number, waiting) in batch {
            self.line.put_back(number, Waiting { alone, ..waiting });
        }
    }

    /// An entry isn't tried any more. On FIFO what waits behind it in its group isn't either, nor what its
    /// caller has yet to put in: it is for whoever published them to try again, in order.
    fn give_up(&mut self, waiting: Waiting, failed: Failed) {
        let group = group(self.target.fifo, &waiting).map(str::to_owned);
        let wanted = !waiting.reply.is_closed();
        let group = group.filter(|_| wanted);
        if let Some(group) = &group {
            waiting.given_up.insert(group);
        }
        self.reply(waiting, Err(failed));
        if let Some(group) = group {
            for behind in self.line.of_group(&group) {
                behind.given_up.insert(&group);
                self.reply(behind, Err(Failed::behind()));
            }
        }
    }

    fn reply(&self, waiting: Waiting, result: Result<(), Failed>) {
        let Waiting {
            reply, room, size, ..
        } = waiting;
        drop(room);
        let (destination, limit) = (&self.target.destination, self.target.budget());
        let result = result.map_err(|failed| match failed.kind {
            Kind::TooLong if size > limit => PublishError::TooLarge {
                destination: destination.clone(),
                size,
                limit,
            },
            _ => failed.into_error(destination),
        });
        // Nobody waits for it any more when the caller's future was dropped.
        let _ = reply.send(result);
    }
}
