//! What is in hand is kept, and not for longer than it may be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use fanfare::memory::MemoryQueue;
use fanfare::{Failure, Message, Outcome};
use tokio::time::{Instant, sleep, timeout};

use crate::memory_support::*;
use crate::service;

const Q: &str = "q";

#[tokio::test(start_paused = true)]
async fn heartbeat_races_settle() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q);
    queue.hold_extensions.send_replace(true);
    let (diary, hold) = (queue.diary.clone(), queue.hold_extensions.clone());
    tokio::spawn(async move {
        sleep(seconds(20)).await;
        hold.send_replace(false);
    });
    let handler = move |message: Message| {
        let diary = diary.clone();
        async move {
            diary.note(format!("try {}", message.receive_count));
            if message.receive_count > 1 {
                return applied();
            }
            // The extension is under way since 15 s, and is let through at 20 s.
            sleep(seconds(16)).await;
            Outcome::failed(None, Failure::retry_after(seconds(5), "not yet"))
        }
    };
    let diary = queue.diary.clone();
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let expected = [
        (0, "try 1"),
        (15, "extend 1"),
        (20, "release 5"),
        (25, "try 2"),
        (25, "delete 1"),
    ];
    assert_eq!(
        diary.entries(),
        expected.map(|(at, what)| (at, what.to_owned())),
        "5 s after it was settled"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_handler_keeps_its_message_and_nothing_is_extended_after_settling() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..15);
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let handler = |_: Message| async {
        sleep(seconds(100)).await;
        applied()
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let extensions: Vec<_> = diary
        .entries()
        .into_iter()
        .filter(|(_, what)| what.starts_with("extend"))
        .collect();
    let at = |second: u64| [(second, "extend 10".to_owned()), (second, "extend 5".to_owned())];
    let expected: Vec<_> = [15, 30, 45, 60, 75, 90].into_iter().flat_map(at).collect();
    assert_eq!(extensions, expected, "one heartbeat for all, in batches of 10");
    assert_eq!(broker.counts("q-dlq").unwrap().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_being_settled_is_not_extended() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    // The message can't be given back until it comes again by itself.
    let queue = Watched::new(&broker, Q).failing(|call, _, _| match call {
        "release" => Fails::Retryable,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(format!("try {}", message.receive_count));
        async move {
            if message.receive_count == 1 {
                failed()
            } else {
                applied()
            }
        }
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert!(
        diary.entries().contains(&(30, "try 2".to_owned())),
        "{:?}",
        diary.entries()
    );
    assert_eq!(diary.count("extend 1"), 0);
}

#[tokio::test(start_paused = true)]
async fn visibility_starts_at_receive() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, 0..10);
    let runs = Arc::new(Mutex::new(BTreeMap::new()));
    let handler = {
        let runs = runs.clone();
        move |message: Message| {
            *runs.lock().unwrap().entry(message.body).or_insert(0) += 1;
            async {
                sleep(seconds(20)).await;
                applied()
            }
        }
    };
    let queue = MemoryQueue::new(broker.clone(), Q);
    let quiet = Quiet::new();
    host(queue, &broker)
        .concurrency(1)
        .serve(service!(handler), quiet.wait(&broker, Q))
        .await;
    assert_eq!(quiet.after(), seconds(200));
    let runs = runs.lock().unwrap();
    assert!(
        runs.len() == 10 && runs.values().all(|count| *count == 1),
        "{runs:?}"
    );
}

/// A service that is ready only after a while.
#[derive(Clone)]
struct Late {
    ready: Instant,
    sleep: Arc<Mutex<Option<std::pin::Pin<Box<tokio::time::Sleep>>>>>,
    diary: Diary,
}

impl tower::Service<Message> for Late {
    type Response = Outcome;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Outcome, Self::Error>>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), Self::Error>> {
        let mut sleep = self.sleep.lock().unwrap();
        let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.ready)));
        sleep.as_mut().poll(context).map(Ok)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        self.diary
            .note(format!("start {} {}", message.body, message.receive_count));
        std::future::ready(Ok(applied()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_expired_while_waiting_for_its_start_is_dropped_unstarted() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("extend", 1) => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let late = Late {
        ready: Instant::now() + seconds(40),
        sleep: Arc::default(),
        diary: diary.clone(),
    };
    host(queue, &broker)
        .serve(late, async { broker.quiet([Q]).await.unwrap() })
        .await;
    let starts: Vec<_> = diary
        .entries()
        .into_iter()
        .filter(|(_, what)| what.starts_with("start"))
        .collect();
    assert_eq!(
        starts,
        [(40, "start a 2".to_owned())],
        "the first receive was lost at 15 s"
    );
}

#[tokio::test(start_paused = true)]
async fn losing_the_hold_tells_the_handler() {
    let broker = with_queue(Q, 5);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("extend", 2) => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let handler = {
        let diary = diary.clone();
        move |message: Message| {
            let diary = diary.clone();
            async move {
                if message.receive_count == 1 {
                    message.lost.lost().await;
                    diary.note("lost");
                    return failed();
                }
                applied()
            }
        }
    };
    host(queue, &broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let entries = diary.entries();
    assert!(entries.contains(&(30, "lost".to_owned())), "{entries:?}");
    assert!(
        !diary.whats().iter().any(|what| what.starts_with("release")),
        "nothing is settled by it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hold_ends_at_12_hours_and_a_retry_is_clamped_to_what_is_left() {
    let broker = with_queue(Q, 50);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let handler = {
        let diary = diary.clone();
        move |message: Message| {
            let diary = diary.clone();
            async move {
                diary.note(format!("try {}", message.receive_count));
                match message.receive_count {
                    1 => {
                        sleep(11 * HOUR).await;
                        Outcome::failed(None, Failure::retry_after(2 * HOUR, "not yet"))
                    }
                    2 => {
                        message.lost.lost().await;
                        diary.note("lost");
                        sleep(10 * HOUR).await;
                        applied()
                    }
                    _ => applied(),
                }
            }
        }
    };
    let host = host(queue, &broker).retry(policy(50));
    timeout(
        3 * DAY,
        host.serve(service!(handler), async { broker.quiet([Q]).await.unwrap() }),
    )
    .await
    .unwrap();
    let tries: Vec<_> = diary
        .entries()
        .into_iter()
        .filter(|(_, what)| what.starts_with("try") || what == "lost" || what.starts_with("release"))
        .collect();
    let twelve = 12 * 3600 - 60;
    let expected = [
        (0, "try 1".to_owned()),
        (11 * 3600, format!("release {}", 3600 - 60)),
        (twelve, "try 2".to_owned()),
        (2 * twelve, "lost".to_owned()),
    ];
    assert_eq!(tries[..4], expected);
}

/// An extension that is answered after its message was received again says nothing about that receive.
#[tokio::test(start_paused = true)]
async fn an_answer_for_an_older_receipt_does_not_end_the_newer_hold() {
    let broker = with_queue(Q, 50);
    send(&broker, Q, ["a"]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("extend", 1..=3) => Fails::Retryable,
        ("extend", 4) => Fails::NotHeld,
        _ => Fails::No,
    });
    let hold = queue.hold_extensions.clone();
    tokio::spawn(async move {
        // The fourth is under way from 24 s to 35 s; at 30 s the message comes again.
        sleep(seconds(23)).await;
        hold.send_replace(true);
        sleep(seconds(12)).await;
        hold.send_replace(false);
    });
    let receives = Arc::new(Mutex::new(0));
    let seen = receives.clone();
    let handler = |_: Message| async {
        sleep(seconds(200)).await;
        applied()
    };
    host(queue, &broker)
        .observe(move |settled| *seen.lock().unwrap() = settled.message.receive_count)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    assert_eq!(*receives.lock().unwrap(), 2, "kept from the second one on");
}
