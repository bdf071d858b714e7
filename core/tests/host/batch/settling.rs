//! Calls that settle: what they cost when they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::memory::{Entry, MemoryQueue};
use fanfare::port::{DEAD_LETTER_ATTRIBUTE, DeadLetter, QueueError};
use fanfare::{Attribute, Attributes, Failure};
use tokio::time::{Instant, sleep};

use super::*;
use crate::service;

const Q: &str = "q";

/// A queue whose settling calls take this long, and the most of them at a time.
#[derive(Clone)]
struct Slow {
    inner: MemoryQueue,
    takes: Duration,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Slow {
    fn new(broker: &Broker, takes: Duration) -> Self {
        Self {
            inner: MemoryQueue::new(broker.clone(), Q),
            takes,
            now: Arc::default(),
            most: Arc::default(),
        }
    }

    async fn wait(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        sleep(self.takes).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue for Slow {
    type Receipt = Receipt;

    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<Receipt>>, QueueError> {
        self.inner.receive(max, wait).await
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Vec<Result<(), QueueError>> {
        self.inner.delete(receipts).await
    }

    async fn extend(&self, receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        self.inner.extend(receipts).await
    }

    async fn release(&self, receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        self.wait().await;
        self.inner.release(receipts).await
    }

    async fn dead_letter(
        &self,
        letters: Vec<(Received<Receipt>, DeadLetter)>,
    ) -> Vec<Result<(), QueueError>> {
        self.wait().await;
        self.inner.dead_letter(letters).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_can_not_be_given_back_is_named_and_comes_by_its_visibility() {
    for fails in [Fails::Retryable, Fails::NotHeld, Fails::Missing] {
        let broker = broker_of(Q, 5);
        send(&broker, Q, ["a", "b"]);
        let queue = Watched::new(&broker, Q).failing(move |call, nth, entry| match (call, nth, entry) {
            ("release", 1, 1) => fails,
            _ => Fails::No,
        });
        let host = batch_host(queue, 5);
        let diary = Diary::new();
        let noted = diary.clone();
        let handler = move |message: Message| {
            noted.note(format!("{} {}", message.body, message.receive_count));
            async move {
                match message.receive_count {
                    1 => failed_for(1),
                    _ => applied(),
                }
            }
        };
        map(&broker, Q, &host, service!(handler)).await;
        let expected = [(0, "a 1"), (0, "b 1"), (1, "a 2"), (180, "b 2")];
        assert_eq!(diary.entries(), expected.map(|(at, what)| (at, what.to_owned())));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_can_not_be_put_away_is_named_and_comes_again() {
    for fails in [Fails::Retryable, Fails::NotHeld, Fails::Missing] {
        let broker = broker_of(Q, 5);
        send(&broker, Q, ["a"]);
        let batch = receive(&broker, Q, 1).await;
        let queue = Watched::new(&broker, Q).failing(move |call, _, _| match call {
            "dead_letter" => fails,
            _ => Fails::No,
        });
        let host = batch_host(queue, 5);
        let handler = |_: Message| async { Outcome::failed(None, Failure::terminal("never")) };
        let handed = host.handle(service!(handler), batch, Instant::now() + TIME).await;
        assert_eq!(handed.failed.len(), 1, "{fails:?}");
        sleep(seconds(100)).await;
        assert_eq!(broker.counts(Q).unwrap().visible, 1, "{fails:?}");
        assert_eq!(broker.counts("q-dlq").unwrap().total(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_room_for_its_reason_is_moved_by_the_queue_itself() {
    let broker = broker_of(Q, 3);
    let attributes: Attributes = (0..10)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    let entry = Entry {
        attributes: attributes.clone(),
        ..Entry::new("a")
    };
    broker.send(Q, entry).unwrap();
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let host = batch_host(queue, 3);
    let handler = |_: Message| async { Outcome::failed(None, Failure::terminal("no such account")) };
    map(&broker, Q, &host, service!(handler)).await;
    assert_eq!(
        calls(&diary),
        [
            "dead letter after 1",
            "release later",
            "dead letter after 2",
            "release later",
            "dead letter after 3",
            "release 0"
        ]
    );
    let dead = drain(&broker, "q-dlq").await;
    assert_eq!((dead.len(), &dead[0].attributes), (1, &attributes));
}

/// As where SQS doesn't answer: the reply leaves with a quarter of the reserve left.
#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_does_not_hold_up_the_reply() {
    for terminal in [false, true] {
        let broker = broker_of(Q, 5);
        send(&broker, Q, ["a", "b"]);
        let batch = receive(&broker, Q, 10).await;
        let host = batch_host(Slow::new(&broker, HOUR), 5);
        let start = Instant::now();
        let handler = move |message: Message| async move {
            match (&*message.body, terminal) {
                ("b", _) => applied(),
                (_, true) => Outcome::failed(None, Failure::terminal("never")),
                (_, false) => failed(),
            }
        };
        let handed = host
            .handle(service!(handler), batch.clone(), start + seconds(10))
            .await;
        assert_eq!(bodies(&handed, &batch), ["a"]);
        assert_eq!(start.elapsed(), Duration::from_millis(9750));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_given_back_and_put_away_in_batches_of_ten() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, 0..50);
    let batch = receive(&broker, Q, 50).await;
    let queue = Watched::new(&broker, Q);
    let host = batch_host(queue.clone(), 5);
    let handler = |message: Message| async move {
        match message.body.parse::<u32>().unwrap() % 2 {
            0 => failed(),
            _ => Outcome::failed(None, Failure::terminal("never")),
        }
    };
    let handed = host.handle(service!(handler), batch, Instant::now() + TIME).await;
    assert_eq!(handed.failed.len(), 25);
    assert_eq!((queue.calls("release"), queue.calls("dead_letter")), (3, 3));
    let dead = drain(&broker, "q-dlq").await;
    assert!(
        dead.iter()
            .all(|dead| dead.attributes.contains_key(DEAD_LETTER_ATTRIBUTE))
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_of_ten_thousand_all_are_given_back_with_32_calls_at_a_time() {
    let broker = broker_of(Q, 5);
    send(&broker, Q, 0..10_000);
    let batch = receive(&broker, Q, 10_000).await;
    assert_eq!(batch.len(), 10_000);
    let queue = Slow::new(&broker, Duration::from_millis(20));
    let most = queue.most.clone();
    let host = batch_host(queue, 5);
    let handler = |_: Message| async {
        sleep(seconds(1)).await;
        applied()
    };
    let start = Instant::now();
    let handed = host.handle(service!(handler), batch, start + TIME).await;
    // 64 places for 28 s: what is started later could not end before the reserve.
    assert_eq!(handed.failed.len(), 10_000 - 64 * 29);
    assert!(start.elapsed() < seconds(30));
    assert_eq!(most.load(Ordering::Relaxed), 32);
    assert_eq!(broker.counts(Q).unwrap().visible, handed.failed.len());
}
