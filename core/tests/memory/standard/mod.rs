//! Standard queues of the in-process broker behave as SQS's do.

mod dead_letters;
mod limits;
mod receiving;
mod settling;

use std::time::{Duration, UNIX_EPOCH};

use fanfare::Clock;
use fanfare::fault::FaultPlan;
use fanfare::memory::{Broker, Counts, Entry, QueueSettings, Receive, ReceivedMessage, Redrive};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn broker() -> Broker {
    Broker::new(Clock::tokio(UNIX_EPOCH + 20_000 * DAY), FaultPlan::none())
}

/// A broker with the queue `q`, whose dead-letter queue is `q-dlq` after two receives.
fn with_dead_letters() -> Broker {
    let broker = broker();
    broker
        .create_queue(
            "q-dlq",
            QueueSettings {
                retention: 14 * DAY,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    let redrive = Some(Redrive {
        dead_letter_queue: "q-dlq".into(),
        max_receive_count: 2,
    });
    broker
        .create_queue(
            "q",
            QueueSettings {
                redrive,
                ..QueueSettings::default()
            },
        )
        .unwrap();
    broker
}

fn with_queue(settings: QueueSettings) -> Broker {
    let broker = broker();
    broker.create_queue("q", settings).unwrap();
    broker
}

async fn receive(broker: &Broker, queue: &str, max: usize) -> Vec<ReceivedMessage> {
    broker
        .receive(
            queue,
            Receive {
                max,
                ..Receive::default()
            },
        )
        .await
        .unwrap()
}

async fn one(broker: &Broker, queue: &str) -> ReceivedMessage {
    let mut received = receive(broker, queue, 1).await;
    assert_eq!(received.len(), 1);
    received.remove(0)
}

fn bodies(received: &[ReceivedMessage]) -> Vec<&str> {
    received.iter().map(|message| message.body.as_str()).collect()
}

fn send_all(broker: &Broker, bodies: &[&str]) {
    for body in bodies {
        broker.send("q", Entry::new(*body)).unwrap();
    }
}

fn counts(broker: &Broker) -> (usize, usize, usize, usize) {
    let Counts {
        visible,
        in_flight,
        delayed,
        dead,
        ..
    } = broker.counts("q").unwrap();
    (visible, in_flight, delayed, dead)
}
