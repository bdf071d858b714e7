//! The host keeps the order of each group on a FIFO queue, and no group holds another.

use fanfare::memory::{Broker, MemoryQueue};
use fanfare::port::DEAD_LETTER_ATTRIBUTE;
use fanfare::{Advice, Failure, Message, Outcome, Router};
use tokio::time::{Instant, sleep, timeout};

use crate::memory_support::*;
use crate::service;

const Q: &str = "q.fifo";
const DLQ: &str = "q-dlq.fifo";

/// Serves until the queue is empty, and notes each start.
async fn serve<F: Future<Output = Outcome> + Send + 'static>(
    broker: &Broker,
    queue: Watched,
    handler: impl Fn(Message) -> F + Clone + Send + 'static,
) -> Diary {
    let diary = queue.diary.clone();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(format!("{} {}", named(&message), message.receive_count));
        handler(message)
    };
    host(queue, broker)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    diary
}

/// The starts of handlers, without the calls.
fn starts(diary: &Diary) -> Vec<(u64, String)> {
    let starts = diary.entries().into_iter();
    starts
        .filter(|(_, what)| what.split(' ').next().is_some_and(|name| name.len() == 2))
        .collect()
}

fn at(entries: &[(u64, &str)]) -> Vec<(u64, String)> {
    entries.iter().map(|(at, what)| (*at, what.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_group_run_one_after_another_and_groups_side_by_side() {
    let broker = with_queue(Q, 5);
    send_fifo(
        &broker,
        Q,
        &[("a", "1"), ("a", "2"), ("b", "1"), ("a", "3"), ("b", "2")],
    );
    let diary = serve(&broker, Watched::new(&broker, Q), |_| async {
        sleep(seconds(10)).await;
        applied()
    })
    .await;
    assert_eq!(
        starts(&diary),
        at(&[(0, "a1 1"), (0, "b1 1"), (10, "a2 1"), (10, "b2 1"), (20, "a3 1")])
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_head_is_tried_again_in_place_before_its_followers_and_holds_no_other_group() {
    let broker = with_queue(Q, 5);
    send_fifo(
        &broker,
        Q,
        &[("a", "1"), ("a", "2"), ("b", "1"), ("b", "2"), ("c", "1")],
    );
    let queue = Watched::new(&broker, Q);
    let diary = serve(&broker, queue, |message| async move {
        match (&*named(&message), message.receive_count) {
            ("a1", 1..=3) => Outcome::failed(None, Failure::retry_after(seconds(40), "not yet")),
            _ => applied(),
        }
    })
    .await;
    let expected = at(&[
        (0, "a1 1"),
        (0, "b1 1"),
        (0, "c1 1"),
        (0, "b2 1"),
        (40, "a1 2"),
        (80, "a1 3"),
        (120, "a1 4"),
        (120, "a2 1"),
    ]);
    assert_eq!(starts(&diary), expected);
    assert!(
        diary.count("extend 2") >= 6,
        "head and follower are kept: {:?}",
        diary.whats()
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_keeps_failing_becomes_a_dead_letter_and_none_that_never_failed_does() {
    let broker = with_queue(Q, 5);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2"), ("a", "3"), ("a", "4")]);
    let diary = serve(&broker, Watched::new(&broker, Q), |message| async move {
        match &*message.body {
            "1" | "2" | "3" => failed(),
            _ => applied(),
        }
    })
    .await;
    assert_eq!(diary.count("dead letter after 5"), 3);
    assert_eq!(
        diary.count("a4 1"),
        1,
        "handled on its first receive, after 15 failures before it"
    );
    let dead: Vec<_> = drain(&broker, DLQ).await;
    assert_eq!(
        dead.iter().map(|dead| &*dead.body).collect::<Vec<_>>(),
        ["1", "2", "3"]
    );
    assert!(
        dead[0].attributes[DEAD_LETTER_ATTRIBUTE]
            .text()
            .unwrap()
            .contains(r#""attempts":5"#)
    );
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_message_holds_its_group() {
    let broker = with_queue(Q, 3);
    let event = |ty: &str, id: &str, data: &str| {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"{ty}","data":{data}}}"#)
    };
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Posted {
        cents: u64,
    }
    impl fanfare::Event for Posted {
        const TYPE: &'static str = "posted";
        const TOPIC: &'static str = "ledger.fifo";
    }
    let (wrong, right) = (
        event("posted", "1", r#"{"cents":"many"}"#),
        event("posted", "2", r#"{"cents":1}"#),
    );
    send_fifo(&broker, Q, &[("a", &wrong), ("a", &right), ("b", &right)]);
    let diary = Diary::new();
    let noted = diary.clone();
    let router = Router::new("consumer").on::<Posted>(move |posted: fanfare::Delivery<Posted>| {
        noted.note(format!("posted {}", posted.cents));
        async { Ok(fanfare::Handled::Applied) }
    });
    let service = router.into_service().unwrap();
    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .retry({
            let mut policy = policy(3);
            policy.backoff = fanfare::Backoff::new(seconds(60), seconds(60));
            policy
        })
        .serve(service, async { broker.quiet([Q]).await.unwrap() })
        .await;
    let entries = diary.entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].0, 0, "the other group at once");
    assert!(
        entries[1].0 > 0,
        "this group only when the first one was a dead letter: {entries:?}"
    );
    assert_eq!(broker.counts(DLQ).unwrap().total(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_head_lets_its_group_go_on_only_when_it_is_safe() {
    let broker = with_queue(Q, 5);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2")]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, _| match (call, nth) {
        ("dead_letter", 1..=6) => Fails::Retryable,
        _ => Fails::No,
    });
    let diary = serve(&broker, queue, |message| async move {
        match &*message.body {
            "1" => Outcome::failed(None, Failure::terminal("never")),
            _ => applied(),
        }
    })
    .await;
    let whats = diary.whats();
    let last_letter = whats
        .iter()
        .rposition(|what| what == "dead letter after 1")
        .unwrap();
    let follower = whats.iter().position(|what| what == "a2 1").unwrap();
    assert!(last_letter < follower, "{whats:?}");
}

/// Nothing but the dead-letter queue fails, for minutes: none that waits behind it counts a receive.
#[tokio::test(start_paused = true)]
async fn while_a_dead_letter_can_not_be_put_away_its_followers_are_kept() {
    let broker = with_queue(Q, 50);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2"), ("a", "3")]);
    let start = Instant::now();
    let queue = Watched::new(&broker, Q).failing(move |call, _, _| match call {
        "dead_letter" if start.elapsed() < seconds(200) => Fails::Retryable,
        _ => Fails::No,
    });
    let diary = queue.diary.clone();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(format!("{} {}", named(&message), message.receive_count));
        async move {
            match &*message.body {
                "1" => Outcome::failed(None, Failure::terminal("never")),
                _ => applied(),
            }
        }
    };
    let mut policy = policy(50);
    policy.backoff = fanfare::Backoff::new(seconds(20), seconds(20));
    host(queue, &broker)
        .retry(policy)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let starts = starts(&diary);
    let followers: Vec<_> = starts
        .iter()
        .filter(|(_, what)| !what.starts_with("a1"))
        .collect();
    assert!(followers.iter().all(|(at, _)| *at >= 200), "{starts:?}");
    let whats: Vec<_> = followers.iter().map(|(_, what)| &**what).collect();
    assert_eq!(whats, ["a2 1", "a3 1"], "on their first receive");
    assert_eq!(broker.counts(DLQ).unwrap().total(), 1);
}

/// A backlog of one group, deeper than there are places, of which each one takes a while and works.
#[tokio::test(start_paused = true)]
async fn a_deep_backlog_of_one_group_leaves_places_for_others() {
    let broker = with_queue(Q, 5);
    let bodies: Vec<_> = (1..=9).map(|number| number.to_string()).collect();
    let backlog: Vec<_> = bodies.iter().map(|body| ("a", &**body)).collect();
    send_fifo(&broker, Q, &backlog);
    send_fifo(&broker, Q, &[("b", "1"), ("c", "1")]);
    let queue = Watched::new(&broker, Q);
    let diary = queue.diary.clone();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(named(&message));
        async move {
            sleep(seconds(10)).await;
            applied()
        }
    };
    host(queue, &broker)
        .concurrency(4)
        .serve(service!(handler), async { broker.quiet([Q]).await.unwrap() })
        .await;
    let others = diary.entries().into_iter();
    let others: Vec<_> = others
        .filter(|(_, what)| ["b1", "c1"].contains(&&**what))
        .collect();
    assert_eq!(others, [(0, "b1".to_owned()), (0, "c1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_head_held_by_another_keeps_its_group_waiting_without_counting() {
    let broker = with_queue(Q, 2);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2")]);
    let start = Instant::now();
    let diary = serve(&broker, Watched::new(&broker, Q), move |message| async move {
        match &*message.body {
            "1" if start.elapsed() < seconds(100) => {
                Outcome::failed(None, Failure::from(Advice::Held(seconds(30))))
            }
            _ => applied(),
        }
    })
    .await;
    let expected = at(&[
        (0, "a1 1"),
        (30, "a1 1"),
        (60, "a1 1"),
        (90, "a1 1"),
        (120, "a1 1"),
        (120, "a2 1"),
    ]);
    assert_eq!(starts(&diary), expected);
}

#[tokio::test(start_paused = true)]
async fn when_a_head_is_lost_its_followers_come_again_behind_it() {
    let broker = with_queue(Q, 5);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2"), ("a", "3")]);
    // The first extension finds the head lost, as if another consumer had it.
    let queue = Watched::new(&broker, Q).failing(|call, nth, entry| match (call, nth, entry) {
        ("extend", 1, 0) => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = serve(&broker, queue, |message| async move {
        if message.body == "1" && message.receive_count == 1 {
            message.lost.lost().await;
            sleep(seconds(3)).await;
            return failed();
        }
        applied()
    })
    .await;
    assert_eq!(
        starts(&diary),
        at(&[(0, "a1 1"), (30, "a1 2"), (30, "a2 2"), (30, "a3 2")])
    );
}

#[tokio::test(start_paused = true)]
async fn when_a_head_is_lost_between_tries_the_group_comes_again_in_order() {
    let broker = with_queue(Q, 5);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2"), ("a", "3")]);
    let queue = Watched::new(&broker, Q).failing(|call, nth, entry| match (call, nth, entry) {
        ("extend", 2, 0) => Fails::NotHeld,
        _ => Fails::No,
    });
    let diary = serve(&broker, queue, |message| async move {
        if message.body == "1" && message.receive_count == 1 {
            return Outcome::failed(None, Failure::retry_after(seconds(200), "not yet"));
        }
        applied()
    })
    .await;
    // Extended at 15 s, lost at 30 s, and visible again at 45 s, when that time is over.
    assert_eq!(
        starts(&diary),
        at(&[(0, "a1 1"), (45, "a1 2"), (45, "a2 2"), (45, "a3 2")])
    );
}

#[tokio::test(start_paused = true)]
async fn many_failing_groups_do_not_use_up_the_places() {
    let broker = with_queue(Q, 50);
    for group in 0..8 {
        let group = format!("f{group}");
        for body in 0..5 {
            send_fifo(&broker, Q, &[(&group, &body.to_string())]);
        }
    }
    send_fifo(&broker, Q, &[("good", "1"), ("good", "2")]);
    let diary = Diary::new();
    let handler = {
        let diary = diary.clone();
        move |message: Message| {
            let good = message.group.as_deref() == Some("good");
            if good {
                diary.note(named(&message));
            }
            async move { if good { applied() } else { failed() } }
        }
    };
    let _ = timeout(
        seconds(10),
        host(MemoryQueue::new(broker.clone(), Q), &broker)
            .concurrency(4)
            .retry(policy(50))
            .serve(service!(handler), std::future::pending()),
    )
    .await;
    assert_eq!(
        diary.whats(),
        ["good1", "good2"],
        "40 messages of failing groups are held besides"
    );
}

#[tokio::test(start_paused = true)]
async fn at_shutdown_a_group_is_given_back_in_order() {
    let broker = with_queue(Q, 5);
    send_fifo(&broker, Q, &[("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]);
    let diary = Diary::new();
    let noted = diary.clone();
    let handler = move |message: Message| {
        noted.note(named(&message));
        async move {
            if message.group.as_deref() == Some("a") {
                return Outcome::failed(None, Failure::retry_after(seconds(50), "not yet"));
            }
            sleep(seconds(20)).await;
            applied()
        }
    };

    host(MemoryQueue::new(broker.clone(), Q), &broker)
        .poll(seconds(1))
        .serve(service!(handler), sleep(seconds(10)))
        .await;
    assert_eq!(diary.whats(), ["a1", "b1"], "nothing is started any more");
    // b1 was finished, a1 has 30 s of its pause left.
    let order: Vec<_> = drain(&broker, Q)
        .await
        .iter()
        .map(|message| message.body.clone())
        .collect();
    assert_eq!(order, ["2"], "b2; a2 waits for a1");
    sleep(seconds(30)).await;
    let order: Vec<_> = drain(&broker, Q)
        .await
        .iter()
        .map(|message| message.body.clone())
        .collect();
    assert_eq!(order, ["1", "2"]);
}
