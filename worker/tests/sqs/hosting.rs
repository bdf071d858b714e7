//! The accept loop on SQS.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::fault::{FaultPlan, Life};
use fanfare::{Failure, Message, Outcome};
use fanfare_worker::SqsQueue;
use tokio::time::{Instant, sleep, timeout};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn heartbeat_races_settle() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    // The extension is under way from 15 s to 17 s; the handler ends at 16 s.
    let queue = ground
        .connect_with(|operation, nth, _| match (operation, nth) {
            ("ChangeMessageVisibilityBatch", 1) => Act::Late(seconds(2)),
            _ => Act::Pass,
        })
        .await;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let (noted, start) = (tries.clone(), Instant::now());
    let handler = move |message: Message| {
        noted.lock().unwrap().push(start.elapsed().as_secs());
        async move {
            if message.receive_count > 1 {
                return applied();
            }
            sleep(seconds(16)).await;
            Outcome::failed(None, Failure::retry_after(seconds(5), "not yet"))
        }
    };
    ground
        .host(queue, 5)
        .serve(service!(handler), ground.clone().quiet())
        .await;
    assert_eq!(
        *tries.lock().unwrap(),
        [0, 22],
        "5 s after the extension was over and it was settled"
    );
}

/// "Visibility starts at receive": ten of one group, handled for 20 s each, of a timeout of 30 s.
#[tokio::test(start_paused = true)]
async fn visibility_starts_at_receive() {
    let ground = Ground::new("q.fifo", 5);
    ground.send(0..10);
    let queue = ground.connect().await;
    let runs = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let counted = runs.clone();
    let handler = move |message: Message| {
        *counted.lock().unwrap().entry(message.body).or_default() += 1;
        async {
            sleep(seconds(20)).await;
            applied()
        }
    };
    ground
        .host(queue, 5)
        .serve(service!(handler), ground.clone().quiet())
        .await;
    let runs = runs.lock().unwrap();
    assert!(
        runs.len() == 10 && runs.values().all(|runs| *runs == 1),
        "{runs:?}"
    );
}

/// "Shutdown": at every moment. What is done is deleted, and nothing is left invisible.
#[tokio::test(start_paused = true)]
async fn shutdown_at_any_moment_deletes_what_is_done_and_leaves_nothing_invisible() {
    for at in (0..4_000).step_by(130) {
        let ground = Ground::new("q", 50);
        ground.send(0..25);
        // Each answer takes a while, so that there is a moment between any two steps.
        let queue = ground
            .connect_with(|_, _, _| Act::Late(Duration::from_millis(70)))
            .await;
        let done = Arc::new(AtomicUsize::new(0));
        let counted = done.clone();
        let handler = move |message: Message| {
            let done = counted.clone();
            async move {
                let number: u64 = message.body.parse().unwrap();
                sleep(Duration::from_millis(90 * (1 + number))).await;
                if number % 7 == 3 && message.receive_count == 1 {
                    return Outcome::failed(None, Failure::retry_after(Duration::ZERO, "not yet"));
                }
                done.fetch_add(1, Ordering::Relaxed);
                applied()
            }
        };
        ground
            .host(queue, 50)
            .concurrency(8)
            .poll(seconds(1))
            .serve(service!(handler), sleep(Duration::from_millis(at)))
            .await;
        let counts = ground.broker.counts("q").unwrap();
        assert_eq!(counts.in_flight, 0, "stopped at {at} ms: {counts:?}");
        let left = 25 - done.load(Ordering::Relaxed);
        assert_eq!(counts.visible, left, "stopped at {at} ms: {counts:?}");
    }
}

/// A long poll under way at shutdown is waited for, and what it brings is given back at once.
#[tokio::test(start_paused = true)]
async fn what_a_poll_brings_during_shutdown_is_given_back() {
    let ground = Ground::new("q", 5);
    let queue = ground.connect().await;
    let later = ground.clone();
    tokio::spawn(async move {
        sleep(seconds(5)).await;
        later.send(["a"]);
    });
    let handler = |_: Message| async { panic!("it was started") };
    ground
        .host(queue, 5)
        .serve(service!(handler), sleep(seconds(2)))
        .await;
    let counts = ground.broker.counts("q").unwrap();
    assert_eq!((counts.visible, counts.in_flight), (1, 0));
}

/// "Poison job crashes the process": the receive count still reaches the dead letters.
#[tokio::test(start_paused = true)]
async fn a_poison_job_that_kills_the_process_ends_in_the_dead_letters() {
    let ground = Ground::new("q", 3);
    ground.send(["poison"]);
    let live = |life: Life| {
        let ground = ground.clone();
        async move {
            let config = ground.config(&life, |_, _, _| Act::Pass);
            let queue = SqsQueue::connect(&config, "q").await.unwrap();
            let handler = move |_: Message| {
                life.kill();
                std::future::pending::<Outcome>()
            };
            let host = ground.host(queue, 3).concurrency(1);
            host.serve(service!(handler), ground.clone().quiet()).await;
        }
    };
    let ((), kills) = Life::restart("billing", seconds(1), live).await;
    assert_eq!((kills, ground.dead()), (3, 1));
}

/// "Total visibility is capped at 12 h": 11 h of work, then a pause of 2 h, which is clamped.
#[tokio::test(start_paused = true)]
async fn a_retry_after_11_hours_of_work_is_clamped_to_what_is_left_of_12() {
    let ground = Ground::new("q", 5);
    ground.send(["a"]);
    let queue = ground.connect().await;
    let second = Arc::new(Mutex::new(None));
    let (noted, start) = (second.clone(), Instant::now());
    let handler = move |message: Message| {
        let again = message.receive_count > 1;
        if again {
            *noted.lock().unwrap() = Some(start.elapsed());
        }
        async move {
            if again {
                return applied();
            }
            sleep(seconds(11 * 3600)).await;
            Outcome::failed(None, Failure::retry_after(seconds(2 * 3600), "not yet"))
        }
    };
    ground
        .host(queue, 5)
        .serve(service!(handler), ground.clone().quiet())
        .await;
    let second = second.lock().unwrap().unwrap();
    assert!(
        second <= seconds(12 * 3600) && second > seconds(12 * 3600 - 120),
        "{second:?}"
    );
    let asked = ground.requests("ChangeMessageVisibilityBatch");
    let last = asked.last().unwrap()["Entries"][0]["VisibilityTimeout"]
        .as_u64()
        .unwrap();
    assert!(last <= 3600, "{last}");
}

/// Requests of a full queue: at most 0.21 a message.
#[tokio::test(start_paused = true)]
async fn a_full_queue_takes_few_requests() {
    let ground = Ground::new("q", 5);
    ground.send(0..1_000);
    let queue = ground
        .connect_with(|_, _, _| Act::Late(Duration::from_millis(5)))
        .await;
    ground.calls.lock().unwrap().clear();
    let handler = |_: Message| async {
        sleep(Duration::from_millis(fastrand::u64(1..50))).await;
        applied()
    };
    ground
        .host(queue, 5)
        .serve(service!(handler), ground.clone().quiet())
        .await;
    let requests = ground.calls.lock().unwrap().len();
    assert!(requests <= 210, "{requests} requests for 1,000 messages");
}

/// Under every fault below the SDK, kills among them, each message is handled, none that never failed
/// becomes a dead letter but by being received too often, and nothing is left.
#[tokio::test(start_paused = true)]
async fn under_faults_below_the_sdk_every_message_is_handled_and_nothing_is_left() {
    for seed in 0..30 {
        fastrand::seed(seed);
        let fifo = seed % 2 == 1;
        let queue = if fifo { "q.fifo" } else { "q" };
        let plan = FaultPlan::seeded(seed).rates(0.04);
        let ground = Ground::with_faults(queue, 1_000, plan);
        ground.send(0..40);
        let handled = Arc::new(Mutex::new(Vec::<u32>::new()));
        let live = |life: Life| {
            let (ground, handled) = (ground.clone(), handled.clone());
            async move {
                let config = ground.config(&life, |_, _, _| Act::Pass);
                let queue = loop {
                    match SqsQueue::connect(&config, &ground.queue).await {
                        Ok(queue) => break queue,
                        Err(_) => sleep(seconds(1)).await,
                    }
                };
                let handler = move |message: Message| {
                    let handled = handled.clone();
                    async move {
                        sleep(Duration::from_millis(fastrand::u64(0..3_000))).await;
                        if fastrand::u8(..100) < 20 {
                            return Outcome::failed(None, Failure::retry("a passing fault"));
                        }
                        handled.lock().unwrap().push(message.body.parse().unwrap());
                        applied()
                    }
                };
                let host = ground.host(queue, 1_000).concurrency(8);
                host.serve(service!(handler), ground.clone().quiet()).await;
            }
        };
        let ended = timeout(30 * DAY, Life::restart("billing", seconds(1), live)).await;
        assert!(ended.is_ok(), "seed {seed}: {:?}", ground.broker.counts(queue));
        let handled = handled.lock().unwrap();
        // The first time that each is done: in order on FIFO.
        let mut first = Vec::new();
        for number in handled.iter() {
            if !first.contains(number) {
                first.push(*number);
            }
        }
        assert!(!fifo || first.is_sorted(), "seed {seed}: {first:?}");
        first.sort_unstable();
        assert_eq!(first, (0..40).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(ground.dead(), 0, "seed {seed}");
    }
}
