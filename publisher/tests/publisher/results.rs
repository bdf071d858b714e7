//! One result per envelope, and what is tried again.

use std::time::Duration;

use fanfare::port::{Publish, PublishError};

use crate::aws::{Aws, One, Reply};
use crate::world::{ids, many, one, pay, placed, posted, publisher};

/// Edge case 2: partial batch results ignored.
#[tokio::test(start_paused = true)]
async fn partial_batch_results_ignored() {
    // HTTP 200 with one that is taken, one that the sender is to blame for, one that the service is, one
    // that is in neither list, and one that is in neither and was taken all the same.
    let aws = Aws::first([Reply::Each(vec![
        One::Taken,
        One::Failed("InvalidParameter", true),
        One::Failed("InternalError", false),
        One::Missing,
        One::TakenUnsaid,
    ])]);
    let outgoing = many(5);
    let sent = ids(&outgoing);
    let results = publisher(&aws).publish(outgoing).await;

    assert!(results[0].is_ok());
    match &results[1] {
        Err(PublishError::Rejected { destination, reason }) => {
            assert_eq!(destination, "topic orders");
            assert_eq!(reason, "InvalidParameter: as scripted");
        }
        other => panic!("{other:?}"),
    }
    assert!(results[2..].iter().all(Result::is_ok), "{results:?}");
    // Only what wasn't confirmed was sent again, under the same ids.
    let calls = aws.calls();
    assert_eq!(calls.len(), 2);
    let again: Vec<_> = calls[1].entries.iter().map(|entry| entry.event()).collect();
    assert_eq!(again, sent[2..]);
    assert_eq!(calls[1].entries[0].body, calls[0].entries[2].body);
}

/// The same on a queue, whose protocol is another.
#[tokio::test(start_paused = true)]
async fn partial_batch_results_ignored_of_a_queue() {
    let aws = Aws::first([Reply::Each(vec![
        One::Failed("InvalidMessageContents", true),
        One::Taken,
        One::Missing,
        One::Failed("RequestThrottled", true),
    ])]);
    let results = publisher(&aws).publish((0..4).map(|_| pay("a")).collect()).await;
    assert!(matches!(results[0], Err(PublishError::Rejected { .. })));
    assert!(
        results[1..].iter().all(Result::is_ok),
        "a throttle passes, whoever is said to be at fault"
    );
    assert_eq!(aws.batches(), [4, 2]);
}

#[tokio::test(start_paused = true)]
async fn whatever_passes_is_tried_again() {
    for failure in [
        Reply::Error(400, "Throttling"),
        Reply::Error(400, "ThrottledException"),
        Reply::Error(400, "KMSThrottling"),
        Reply::Error(400, "RequestTimeTooSkewed"),
        Reply::Error(403, "ExpiredToken"),
        Reply::Error(403, "InvalidClientTokenId"),
        Reply::Error(400, "UnrecognizedClientException"),
        Reply::Error(403, "MissingAuthenticationToken"),
        Reply::Error(403, "IncompleteSignature"),
        Reply::Status(403),
        Reply::Status(413),
        Reply::Error(429, "Whatever"),
        Reply::Error(500, "InternalFailure"),
        Reply::Error(503, "ServiceUnavailable"),
        Reply::Unreachable,
        Reply::Silence,
        Reply::AnswerLost,
        Reply::Garbage,
    ] {
        for outgoing in [placed("a"), pay("a")] {
            let aws = Aws::first([failure.clone()]);
            let id = outgoing.envelope.id().to_owned();
            one(&publisher(&aws), outgoing)
                .await
                .unwrap_or_else(|error| panic!("{failure:?}: {error}"));
            assert_eq!(aws.batches(), [1, 1], "{failure:?}");
            assert!(aws.taken().iter().all(|entry| entry.event() == id));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_is_told_of_at_once() {
    for code in [
        "AuthorizationError",
        "AccessDenied",
        "NotFound",
        "KMSAccessDenied",
        "InvalidSecurity",
        "Unheard",
    ] {
        let aws = Aws::new(move |_| Reply::Error(403, code));
        let results = publisher(&aws).publish(many(3)).await;
        for result in results {
            match result {
                Err(PublishError::Rejected { reason, .. }) => {
                    assert_eq!(reason, format!("{code}: as scripted"))
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(aws.batches(), [3], "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_not_there_is_told_of_at_once() {
    let aws = Aws::new(|_| Reply::Error(400, "AWS.SimpleQueueService.NonExistentQueue"));
    let error = one(&publisher(&aws), pay("a")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "refused by consumer payment: AWS.SimpleQueueService.NonExistentQueue: as scripted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_refused_for_one_entry_fails_that_one_only() {
    for code in ["InvalidParameter", "InvalidParameterValue", "ValidationError"] {
        let aws = Aws::new(move |call| {
            let wrong = call.entries.iter().any(|entry| entry.body.contains("wrong"));
            if wrong {
                Reply::Error(400, code)
            } else {
                Reply::Taken
            }
        });
        let mut outgoing = many(9);
        outgoing.insert(4, placed("wrong"));
        let results = publisher(&aws).publish(outgoing).await;
        for (place, result) in results.iter().enumerate() {
            assert_eq!(result.is_ok(), place != 4, "{place}: {result:?}");
        }
        assert!(matches!(results[4], Err(PublishError::Rejected { .. })));
        assert_eq!(aws.taken().len(), 9, "each once");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_in_time_is_given_back_with_its_reason() {
    let aws = Aws::new(|_| Reply::Error(503, "ServiceUnavailable"));
    let start = tokio::time::Instant::now();
    let error = one(&publisher(&aws), placed("a")).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(
        error.to_string(),
        "not confirmed by topic orders: ServiceUnavailable: as scripted"
    );
    assert!(
        std::error::Error::source(&error).is_some(),
        "the SDK's error is kept"
    );
    assert!(start.elapsed() <= Duration::from_secs(10));
    assert!(aws.calls().len() > 4, "{}", aws.calls().len());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_the_callers_to_choose() {
    let aws = Aws::new(|_| Reply::Silence);
    let start = tokio::time::Instant::now();
    let publisher = publisher(&aws).deadline(Duration::from_secs(4));
    assert!(one(&publisher, placed("a")).await.unwrap_err().is_retryable());
    // The second call was under way at the deadline.
    assert!(start.elapsed() <= Duration::from_secs(7), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_ends_after_seconds() {
    let aws = Aws::first([Reply::Silence]);
    let start = tokio::time::Instant::now();
    one(&publisher(&aws), placed("a")).await.unwrap();
    let took = start.elapsed();
    assert!(
        (Duration::from_secs(3)..Duration::from_millis(3_200)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttled_destination_is_left_in_peace_for_a_while() {
    fastrand::seed(7);
    let aws = Aws::new(|call| match call.at {
        at if at < Duration::from_secs(2) => Reply::Error(400, "Throttling"),
        _ => Reply::Taken,
    });
    let publisher = publisher(&aws);
    let results = publisher.publish(many(400)).await;
    assert!(results.iter().all(Result::is_ok));
    let throttled = aws
        .calls()
        .iter()
        .filter(|call| call.at < Duration::from_secs(2))
        .count();
    // Eight under way at first, and then one pause for all of them after each round.
    assert!(throttled <= 8 * 8, "{throttled} calls while it throttled");
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_tries_are_random_and_grow() {
    let pauses = |seed| async move {
        fastrand::seed(seed);
        let aws = Aws::new(|_| Reply::Unreachable);
        one(&publisher(&aws), placed("a")).await.unwrap_err();
        let calls = aws.calls();
        calls
            .windows(2)
            .map(|pair| pair[1].at - pair[0].at)
            .collect::<Vec<_>>()
    };
    let (first, same, other) = (pauses(1).await, pauses(1).await, pauses(2).await);
    assert_eq!(first, same, "a run repeats from its seed");
    assert_ne!(first, other);
    for (number, pause) in first.iter().enumerate() {
        let bound = Duration::from_millis(100 << number.min(5)).min(Duration::from_secs(3));
        assert!(*pause <= bound + Duration::from_millis(1), "{number}: {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_destination_is_named_with_what_there_is() {
    let mut stray = placed("a");
    stray.destination = fanfare::Destination::Topic("oders".into());
    let aws = Aws::taking();
    let results = publisher(&aws).publish(vec![placed("b"), stray]).await;
    assert!(results[0].is_ok());
    let error = results[1].as_ref().unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        "there is no topic oders: there are topic ledger.fifo, topic orders, consumer bookkeeping, \
         consumer payment"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_try_on_fifo_has_the_same_deduplication_id() {
    let aws = Aws::first([Reply::AnswerLost]);
    one(&publisher(&aws), posted("k", "a")).await.unwrap();
    let taken = aws.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[0].deduplication_id, taken[1].deduplication_id);
    assert!(taken[0].deduplication_id.is_some());
}
