//! One queue: what lies in it, and what time does to that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::dedup::Deduplication;
use super::order::Order;
use super::settings::VISIBILITY_LIMIT;
use super::{BrokerError, Counts, QueueSettings, Receipt, ReceivedMessage};
use crate::{Attributes, is_fifo};

/// The most messages of a queue that can be in flight (SQS quotas, standard and FIFO).
pub(super) const IN_FLIGHT_LIMIT: usize = 120_000;

/// How long SQS remembers a receive's id.
const ATTEMPT: Duration = Duration::from_secs(5 * 60);

/// A message as it lies in a queue.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: Arc<str>,
    pub(super) body: Arc<str>,
    pub(super) attributes: Arc<Attributes>,
    pub(super) group: Option<Arc<str>>,
    pub(super) deduplication_id: Option<Arc<str>>,
    pub(super) trace_header: Option<Arc<str>>,
    /// The queue that gave it up.
    pub(super) source: Option<Arc<str>>,
    /// Retention counts from here.
    pub(super) sent: Instant,
    pub(super) sent_at: SystemTime,
    pub(super) first_received_at: Option<SystemTime>,
    /// In all queues it was in.
    pub(super) receives: u32,
    /// In this queue: what its redrive policy counts.
    pub(super) receives_here: u32,
    state: State,
    /// Of the last receive.
    receipt: u64,
    received: Instant,
    /// Whether its visibility was changed since.
    touched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Visible,
    Delayed(Instant),
    InFlight(Instant),
}

impl Stored {
    pub(super) fn new(
        id: Arc<str>,
        body: Arc<str>,
        attributes: Arc<Attributes>,
        (sent, sent_at): (Instant, SystemTime),
    ) -> Self {
        Self {
            id,
            body,
            attributes,
            group: None,
            deduplication_id: None,
            trace_header: None,
            source: None,
            sent,
            sent_at,
            first_received_at: None,
            receives: 0,
            receives_here: 0,
            state: State::Visible,
            receipt: 0,
            received: sent,
            touched: false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: Arc<str>,
    pub(super) fifo: bool,
    pub(super) settings: QueueSettings,
    pub(super) deduplication: Deduplication,
    /// Wakes receivers: one for what can be received, all for a timer that comes before the others.
    pub(super) arrivals: Arc<Notify>,
    pub(super) purged: Option<Instant>,
    /// Wakes those who wait for queues to be empty.
    emptied: Arc<Notify>,
    /// By number, which grows: on FIFO it is the sequence number.
    messages: BTreeMap<u64, Stored>,
    order: Order,
    /// When delayed messages and those in flight become visible.
    timers: BTreeSet<(Instant, u64)>,
    expiries: BTreeSet<(Instant, u64)>,
    in_flight: usize,
    delayed: usize,
    stamp: u64,
    expired: u64,
    /// Receives under an id, and what they brought.
    attempts: BTreeMap<String, (Instant, Vec<Receipt>)>,
}

/// What a receive found.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) messages: Vec<ReceivedMessage>,
    /// Those received too often, for the dead-letter queue.
    pub(super) dead: Vec<Stored>,
}

impl Queue {
    pub(super) fn new(name: &str, settings: QueueSettings, emptied: Arc<Notify>) -> Self {
        Self {
            name: name.into(),
            fifo: is_fifo(name),
            settings,
            deduplication: Deduplication::default(),
            arrivals: Arc::new(Notify::new()),
            purged: None,
            emptied,
            messages: BTreeMap::new(),
            order: Order::new(is_fifo(name)),
            timers: BTreeSet::new(),
            expiries: BTreeSet::new(),
            in_flight: 0,
            delayed: 0,
            stamp: 0,
            expired: 0,
            attempts: BTreeMap::new(),
        }
    }

    /// Takes a message in under this number, hidden for `delay`.
    pub(super) fn add(&mut self, number: u64, mut message: Stored, delay: Duration, now: Instant) {
        message.state = State::Visible;
        self.order.add(number, message.group.as_ref());
        self.expiries
            .insert((message.sent + self.settings.retention, number));
        if delay.is_zero() {
            self.stamp += 1;
            self.order.show(number, message.group.as_ref(), false, self.stamp);
            self.arrivals.notify_one();
        } else {
            message.state = State::Delayed(now + delay);
            self.delayed += 1;
            self.set_timer(now + delay, number);
        }
        self.messages.insert(number, message);
    }

    /// Does what is due: shows what was hidden long enough, drops what was kept long enough.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(&(at, number)) = self.timers.first()
            && at <= now
        {
            self.show(number);
        }
        while let Some(&(at, number)) = self.expiries.first()
            && at <= now
        {
            self.remove(number);
            self.expired += 1;
        }
    }

    /// Receives up to `max` messages for `visibility`; with a limit on receives, those at it are
    /// given up instead.
    pub(super) fn take(
        &mut self,
        max: usize,
        visibility: Duration,
        limit: Option<u32>,
        (now, time): (Instant, SystemTime),
    ) -> Taken {
        let mut taken = Taken::default();
        let mut group = None;
        while taken.messages.len() < max && self.in_flight < IN_FLIGHT_LIMIT {
            // On FIFO, first all there is of the group begun with.
            let next = self.order.next(group.as_ref()).or_else(|| self.order.next(None));
            let Some(number) = next else { break };
            let Some(message) = self.messages.get_mut(&number) else {
                break;
            };
            if limit.is_some_and(|limit| message.receives_here >= limit) {
                taken.dead.extend(self.remove(number));
                continue;
            }
            group = message.group.clone();
            self.order.take(number, message.group.as_ref());
            let until = now + visibility;
            message.state = State::InFlight(until);
            message.receipt = fastrand::u64(..);
            message.received = now;
            message.receives += 1;
            message.receives_here += 1;
            message.touched = false;
            message.first_received_at.get_or_insert(time);
            taken.messages.push(message.as_received(number, self.fifo));
            self.in_flight += 1;
            self.set_timer(until, number);
        }
        taken
    }

    /// Deletes by receipt. A stale one does nothing, and on a standard queue that is no error.
    pub(super) fn delete(&mut self, receipt: Receipt) -> Result<(), BrokerError> {
        match self.messages.get(&receipt.message) {
            // FIFO refuses a receipt whose time is over: the group may have gone on.
            Some(message) if self.fifo && !message.is_held_by(receipt) => Err(self.not_held()),
            Some(message) if message.receipt == receipt.receive && message.receives > 0 => {
                self.remove(receipt.message);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Hides a message in flight for this long from now.
    pub(super) fn change_visibility(
        &mut self,
        receipt: Receipt,
        timeout: Duration,
        now: Instant,
    ) -> Result<(), BrokerError> {
        let held = self
            .messages
            .get_mut(&receipt.message)
            .filter(|message| message.receipt == receipt.receive && message.receives > 0);
        let Some(message) = held else {
            return Err(self.not_held());
        };
        let latest = message.received + VISIBILITY_LIMIT;
        let State::InFlight(before) = message.state else {
            return Err(BrokerError::NotInFlight(self.name.to_string()));
        };
        if now + timeout > latest {
            let left = latest.saturating_duration_since(now);
            return Err(BrokerError::TooLong {
                queue: self.name.to_string(),
                left,
            });
        }
        message.touched = true;
        if timeout.is_zero() {
            self.show(receipt.message);
            return Ok(());
        }
        message.state = State::InFlight(now + timeout);
        self.timers.remove(&(before, receipt.message));
        self.set_timer(now + timeout, receipt.message);
        Ok(())
    }

    /// The message that this receipt holds: nothing if it is gone, an error if the receipt is stale.
    pub(super) fn held(&self, receipt: Receipt) -> Result<Option<&Stored>, BrokerError> {
        match self.messages.get(&receipt.message) {
            Some(message) if message.is_held_by(receipt) => Ok(Some(message)),
            Some(_) => Err(self.not_held()),
            None => Ok(None),
        }
    }

    /// Takes a message out.
    pub(super) fn remove(&mut self, number: u64) -> Option<Stored> {
        let message = self.messages.remove(&number)?;
        self.expiries
            .remove(&(message.sent + self.settings.retention, number));
        self.leave_timer(number, message.state);
        self.stamp += 1;
        let was_in_flight = matches!(message.state, State::InFlight(_));
        self.order
            .remove(number, message.group.as_ref(), was_in_flight, self.stamp);
        // The next of its group is free now, or one more can be in flight.
        if self.fifo || (was_in_flight && self.in_flight + 1 == IN_FLIGHT_LIMIT) {
            self.arrivals.notify_one();
        }
        if self.messages.is_empty() {
            self.emptied.notify_waiters();
        }
        Some(message)
    }

    /// The first message from this number on that is visible or delayed, and its number.
    pub(super) fn idle_from(&self, number: u64) -> Option<(u64, &Stored)> {
        let mut rest = self.messages.range(number..);
        let idle = rest.find(|(_, message)| !matches!(message.state, State::InFlight(_)));
        idle.map(|(number, message)| (*number, message))
    }

    /// The messages of the receive of this id, hidden anew, if it was one of the last five minutes and
    /// nothing was done with them since.
    pub(super) fn take_again(
        &mut self,
        attempt: &str,
        visibility: Duration,
        now: Instant,
    ) -> Option<Vec<ReceivedMessage>> {
        self.attempts.retain(|_, (at, _)| *at + ATTEMPT > now);
        let (_, receipts) = self.attempts.get(attempt)?;
        let receipts = receipts.clone();
        let untouched = |receipt: &Receipt| {
            let message = self.messages.get(&receipt.message);
            message.is_some_and(|message| message.is_held_by(*receipt) && !message.touched)
        };
        if !receipts.iter().all(untouched) {
            return None;
        }
        let until = now + visibility;
        let again = receipts.into_iter().filter_map(|receipt| {
            let number = receipt.message;
            let message = self.messages.get_mut(&number)?;
            message.received = now;
            if let State::InFlight(before) = std::mem::replace(&mut message.state, State::InFlight(until)) {
                self.timers.remove(&(before, number));
            }
            let received = message.as_received(number, self.fifo);
            self.set_timer(until, number);
            Some(received)
        });
        Some(again.collect())
    }

    /// Remembers what a receive of this id brought.
    pub(super) fn remember_attempt(&mut self, attempt: &str, received: &[ReceivedMessage], now: Instant) {
        let receipts = received.iter().map(|message| message.receipt).collect();
        self.attempts.insert(attempt.to_owned(), (now, receipts));
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.timers.clear();
        self.expiries.clear();
        self.order = Order::new(self.fifo);
        (self.in_flight, self.delayed) = (0, 0);
        self.emptied.notify_waiters();
    }

    /// Changes the settings; a new retention counts for what is there already.
    pub(super) fn set(&mut self, settings: QueueSettings) {
        let retention = settings.retention;
        self.settings = settings;
        self.expiries = self
            .messages
            .iter()
            .map(|(number, message)| (message.sent + retention, *number))
            .collect();
        self.arrivals.notify_waiters();
    }

    /// Whether something can be received now.
    pub(super) fn is_ready(&self) -> bool {
        self.order.is_ready() && self.in_flight < IN_FLIGHT_LIMIT
    }

    pub(super) fn is_at_limit(&self) -> bool {
        self.in_flight >= IN_FLIGHT_LIMIT
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// When the next hidden message becomes visible.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// When the next message's retention is over.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.expiries.first().map(|(at, _)| *at)
    }

    /// Its counts, without those of its dead-letter queue.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            visible: self.messages.len() - self.in_flight - self.delayed,
            in_flight: self.in_flight,
            delayed: self.delayed,
            dead: 0,
            expired: self.expired,
        }
    }

    fn show(&mut self, number: u64) {
        let Some(message) = self.messages.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut message.state, State::Visible);
        self.stamp += 1;
        let was_in_flight = matches!(before, State::InFlight(_));
        self.order
            .show(number, message.group.as_ref(), was_in_flight, self.stamp);
        self.leave_timer(number, before);
        self.arrivals.notify_one();
    }

    fn set_timer(&mut self, at: Instant, number: u64) {
        let earliest = self.timers.first().is_none_or(|(first, _)| at < *first);
        self.timers.insert((at, number));
        if earliest {
            // Those who wait have set their alarm to a later one.
            self.arrivals.notify_waiters();
        }
    }

    fn leave_timer(&mut self, number: u64, state: State) {
        match state {
            State::Visible => {}
            State::Delayed(at) => {
                self.delayed -= 1;
                self.timers.remove(&(at, number));
            }
            State::InFlight(at) => {
                self.in_flight -= 1;
                self.timers.remove(&(at, number));
            }
        }
    }

    fn not_held(&self) -> BrokerError {
        BrokerError::NotHeld(self.name.to_string())
    }
}

impl Stored {
    fn as_received(&self, number: u64, fifo: bool) -> ReceivedMessage {
        ReceivedMessage {
            id: self.id.to_string(),
            receipt: Receipt {
                message: number,
                receive: self.receipt,
            },
            body: self.body.to_string(),
            attributes: (*self.attributes).clone(),
            receive_count: self.receives,
            sent_at: self.sent_at,
            first_received_at: self.first_received_at.unwrap_or(self.sent_at),
            group: self.group.as_deref().map(str::to_owned),
            deduplication_id: self.deduplication_id.as_deref().map(str::to_owned),
            sequence_number: fifo.then_some(number),
            dead_letter_source: self.source.as_deref().map(str::to_owned),
            trace_header: self.trace_header.as_deref().map(str::to_owned),
        }
    }

    fn is_held_by(&self, receipt: Receipt) -> bool {
        self.receipt == receipt.receive && matches!(self.state, State::InFlight(_))
    }
}
