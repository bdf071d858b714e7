//! How entries share calls.

use std::time::Duration;

use fanfare::port::Publish;

use crate::aws::{Aws, One, Reply};
use crate::world::{book, ids, many, one, pay, placed, publisher, side_by_side};

#[tokio::test(start_paused = true)]
async fn an_event_goes_to_its_topic_and_a_command_to_its_queue() {
    let aws = Aws::taking();
    let publisher = publisher(&aws);
    let outgoing = vec![placed("a"), pay("b"), book(Some("k"))];
    let sent = ids(&outgoing);
    for result in publisher.publish(outgoing).await {
        result.unwrap();
    }
    let mut calls = aws.calls();
    calls.sort_by(|one, other| one.to.cmp(&other.to));
    let to: Vec<_> = calls
        .iter()
        .map(|call| (call.operation.as_str(), call.to.as_str()))
        .collect();
    assert_eq!(
        to,
        [
            (
                "PublishBatch",
                "arn:aws:sns:eu-central-1:123456789012:shop-orders"
            ),
            (
                "SendMessageBatch",
                "https://sqs.eu-central-1.amazonaws.com/123456789012/shop-bookkeeping.fifo"
            ),
            (
                "SendMessageBatch",
                "https://sqs.eu-central-1.amazonaws.com/123456789012/shop-payment"
            ),
        ]
    );
    let events: Vec<_> = calls.iter().map(|call| call.entries[0].event()).collect();
    assert_eq!(events, [sent[0].clone(), sent[2].clone(), sent[1].clone()]);
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_a_full_batch_at_once() {
    let aws = Aws::taking();
    let publisher = publisher(&aws);
    let callers = side_by_side((0..10).map(|number| {
        let publisher = publisher.clone();
        async move { one(&publisher, placed(number.to_string())).await }
    }));
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(aws.batches(), [10]);
    assert_eq!(aws.calls()[0].at, Duration::ZERO, "a full batch doesn't linger");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_full_lingers_for_others() {
    let aws = Aws::taking();
    let publisher = publisher(&aws);
    let callers = side_by_side((0..3).map(|number| {
        let publisher = publisher.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(2 * number)).await;
            one(&publisher, placed("late")).await
        }
    }));
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(aws.batches(), [3]);
    assert_eq!(aws.calls()[0].at, Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn without_linger_nothing_waits() {
    let aws = Aws::taking();
    let publisher = publisher(&aws).linger(Duration::ZERO);
    one(&publisher, placed("a")).await.unwrap();
    assert_eq!(aws.calls()[0].at, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn several_batches_of_a_standard_destination_are_under_way_and_bounded() {
    let aws = Aws::new(|_| Reply::Late(Duration::from_secs(1), Box::new(Reply::Taken)));
    let publisher = publisher(&aws);
    let results = publisher.publish(many(200)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(aws.batches(), [10; 20]);
    assert_eq!(aws.most_under_way(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_does_not_answer_holds_up_no_other() {
    let aws = Aws::new(|call| match call.operation.as_str() {
        "PublishBatch" => Reply::Silence,
        _ => Reply::Taken,
    });
    let publisher = publisher(&aws);
    let silent = publisher.clone();
    let silent = tokio::spawn(async move { silent.publish(many(30)).await });
    tokio::time::timeout(Duration::from_millis(50), one(&publisher, pay("a")))
        .await
        .expect("not held up")
        .unwrap();
    assert!(silent.await.unwrap().iter().all(Result::is_err));
}

#[tokio::test(start_paused = true)]
async fn what_failed_together_is_sent_again_together() {
    let mut calls = 0;
    let aws = Aws::new(move |call| {
        calls += 1;
        match calls {
            1 => Reply::Each(vec![One::Failed("InternalError", false); call.entries.len()]),
            _ => Reply::Taken,
        }
    });
    let results = publisher(&aws).publish(many(10)).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(aws.batches(), [10, 10]);
}
