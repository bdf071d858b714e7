//! Callers that go, and callers that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::port::Publish;
use tokio::time::{Instant, sleep, timeout};

use crate::aws::{Aws, Reply};
use crate::world::{ids, many, one, placed, publisher, side_by_side};

fn slow(after: Duration) -> Aws {
    Aws::new(move |_| Reply::Late(after, Box::new(Reply::Taken)))
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_takes_nothing_from_others_in_its_batch() {
    let aws = slow(Duration::from_secs(1));
    let publisher = publisher(&aws);
    let leaving = publisher.clone();
    let leaving = tokio::spawn(async move { one(&leaving, placed("leaving")).await });
    let staying = publisher.clone();
    let staying = tokio::spawn(async move { one(&staying, placed("staying")).await });
    sleep(Duration::from_millis(100)).await;
    assert_eq!(aws.batches(), [2]);
    leaving.abort();
    staying.await.unwrap().unwrap();
    assert_eq!(aws.taken().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_not_sent_any_more() {
    let aws = Aws::taking();
    let publisher = publisher(&aws);
    let gone = timeout(Duration::from_millis(1), one(&publisher, placed("gone"))).await;
    assert!(gone.is_err(), "still lingering");
    one(&publisher, placed("here")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(aws.batches(), [1]);
    assert!(aws.taken()[0].body.contains("here"));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_pushes_back() {
    let aws = slow(Duration::from_secs(1));
    let publisher = publisher(&aws).room(20).linger(Duration::ZERO);
    let start = Instant::now();
    let results = publisher.publish(many(60)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(aws.most_under_way(), 2, "twenty at a time");
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(aws.taken().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn room_for_one_is_room_enough() {
    let aws = Aws::taking();
    let publisher = publisher(&aws).room(0).linger(Duration::ZERO);
    assert!(publisher.publish(many(5)).await.iter().all(Result::is_ok));
    assert_eq!(aws.batches(), [1; 5]);
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_in_time_is_told_so() {
    let aws = Aws::new(|_| Reply::Silence);
    let publisher = publisher(&aws).room(10).deadline(Duration::from_secs(2));
    let start = Instant::now();
    let results = publisher.publish(many(30)).await;
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(
        results
            .iter()
            .all(|result| result.as_ref().unwrap_err().is_retryable())
    );
    let last = results[29].as_ref().unwrap_err().to_string();
    assert!(last.contains("no room for it within the deadline"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn callers_that_go_free_their_room() {
    let aws = Aws::first([Reply::Silence]);
    let publisher = publisher(&aws).room(10);
    let gone = timeout(Duration::from_secs(1), publisher.publish(many(40))).await;
    assert!(gone.is_err());
    let results = publisher.publish(many(10)).await;
    assert!(results.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_publisher_still_sends_what_its_callers_wait_for() {
    let aws = slow(Duration::from_secs(1));
    let publisher = publisher(&aws);
    let outgoing = many(25);
    let sent = ids(&outgoing);
    let callers = side_by_side(outgoing.into_iter().map(|outgoing| {
        // Each caller has a clone, which it drops with the last one.
        let publisher = publisher.clone();
        async move { one(&publisher, outgoing).await }
    }));
    drop(publisher);
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let mut taken: Vec<_> = aws.taken().iter().map(|entry| entry.event()).collect();
    let mut sent = sent;
    taken.sort_unstable();
    sent.sort_unstable();
    assert_eq!(taken, sent);
}

#[tokio::test(start_paused = true)]
async fn its_tasks_end_with_the_last_clone() {
    let aws = Aws::taking();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let publisher = publisher(&aws);
    let clone = publisher.clone();
    one(&publisher, placed("a")).await.unwrap();
    let with = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(with, before + 1, "one task for the one destination");
    drop(publisher);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(
        tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        with
    );
    drop(clone);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(
        tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        before
    );
}

#[test]
fn a_publisher_works_on_after_the_runtime_it_began_on() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let aws = first.block_on(async { Aws::taking() });
    let publisher = first.block_on(async { publisher(&aws) });
    first.block_on(one(&publisher, placed("a"))).unwrap();
    drop(first);
    second.block_on(one(&publisher, placed("b"))).unwrap();
    assert_eq!(aws.taken().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_nothing() {
    let aws = Aws::taking();
    assert!(publisher(&aws).publish(Vec::new()).await.is_empty());
    assert!(aws.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lane_of_which_all_callers_and_clones_have_gone_ends() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let panics = panics_here();
    let aws = Aws::taking();
    for stays in [Duration::from_secs(1), Duration::from_secs(10)] {
        // In the second round it goes at its deadline, before the lane looks at that.
        let publisher = publisher(&aws).linger(Duration::from_secs(20));
        assert!(timeout(stays, one(&publisher, placed("gone"))).await.is_err());
        assert_eq!(tasks(), 1);
        drop(publisher);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(tasks(), 0, "{stays:?}");
    }
    assert_eq!(panics.load(Ordering::Relaxed), 0);
    assert!(aws.calls().is_empty());
}

/// Counts the panics on this thread, also those of tasks that nobody joins.
fn panics_here() -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let (counted, here) = (Arc::clone(&panics), std::thread::current().id());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == here {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        before(panic);
    }));
    panics
}
