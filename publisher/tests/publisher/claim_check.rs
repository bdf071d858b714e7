//! Bodies over the limit, in a bucket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::port::{Publish, PublishError};
use fanfare::{Attribute, Delivery, Failure, Handled, Message, Outcome, Outgoing, Router, What};
use fanfare_publisher::{FetchError, Lifecycle, LifecycleError};
use serde_json::json;
use tower::ServiceExt;

use crate::aws::{Aws, Entry, Reply};
use crate::s3::S3;
use crate::world::{Pay, Placed, many, one, pay, placed, posted, publisher, topology};

const LIMIT: usize = 256 * 1024;

fn large() -> Outgoing {
    placed("x".repeat(LIMIT))
}

/// Publishes a large event, and gives what lies in a queue then.
async fn published(s3: &S3) -> (Outgoing, Entry) {
    let aws = Aws::taking();
    let outgoing = large();
    one(&publisher(&aws).claim_check(s3.bodies()), outgoing.clone())
        .await
        .unwrap();
    (outgoing, aws.taken().remove(0))
}

/// A consumer that notes how long the texts are that its handler sees.
fn events(name: &str, seen: &Arc<Mutex<Vec<usize>>>) -> Router {
    let seen = Arc::clone(seen);
    Router::new(name).on::<Placed>(move |event: Delivery<Placed>| {
        seen.lock().unwrap().push(event.text.len());
        async { Ok::<_, Failure>(Handled::Applied) }
    })
}

/// The one that takes commands too.
fn payment(seen: &Arc<Mutex<Vec<usize>>>) -> Router {
    let paid = Arc::clone(seen);
    events("payment", seen).on_command::<Pay>(move |command: Delivery<Pay>| {
        paid.lock().unwrap().push(command.text.len());
        async { Ok::<_, Failure>(Handled::Applied) }
    })
}

async fn handle(s3: &S3, body: &str) -> (Outcome, Vec<usize>) {
    let seen = Arc::default();
    let router = payment(&seen).layer(s3.bodies().fetch("payment"));
    let outcome = router
        .into_service()
        .unwrap()
        .oneshot(Message::new(body))
        .await
        .unwrap();
    let seen = seen.lock().unwrap().clone();
    (outcome, seen)
}

fn fetch_error(outcome: &Outcome) -> &FetchError {
    let What::Failed(failure) = &outcome.what else {
        panic!("{outcome:?}")
    };
    failure.error().downcast_ref().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pointer_travels_and_the_handler_sees_the_event_as_published() {
    let s3 = S3::new();
    let (outgoing, entry) = published(&s3).await;
    assert!(entry.size() < 1_000, "{} bytes", entry.size());
    assert_eq!(entry.attributes["type"].1, "order.placed");
    assert_eq!(entry.event(), outgoing.envelope.id());
    let objects = s3.bucket().objects.clone();
    let (path, object) = objects.iter().next().unwrap();
    assert_eq!(String::from_utf8_lossy(object), outgoing.envelope.to_json());
    let uri = path.replacen('/', "s3://", 1);
    assert!(
        uri.starts_with("s3://bodies/events/") && entry.body.contains(&uri),
        "{}",
        entry.body
    );

    let (outcome, seen) = handle(&s3, &entry.body).await;
    assert_eq!(outcome.name(), "applied");
    assert_eq!(seen, [LIMIT]);
    assert_eq!(outcome.key.unwrap().id, outgoing.envelope.id());
}

#[tokio::test(start_paused = true)]
async fn small_bodies_are_left_alone_on_both_sides() {
    let (aws, s3) = (Aws::taking(), S3::new());
    one(&publisher(&aws).claim_check(s3.bodies()), placed("small"))
        .await
        .unwrap();
    let (outcome, seen) = handle(&s3, &aws.taken()[0].body).await;
    assert_eq!((outcome.name(), seen.as_slice()), ("applied", [5].as_slice()));
    assert!(s3.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_try_puts_the_same_object() {
    let (aws, s3) = (Aws::taking(), S3::new());
    let publisher = publisher(&aws).claim_check(s3.bodies());
    let outgoing = large();
    for _ in 0..2 {
        one(&publisher, outgoing.clone()).await.unwrap();
    }
    assert_eq!(s3.requests().len(), 2);
    assert_eq!(s3.bucket().objects.len(), 1);
    assert_eq!(aws.taken()[0].body, aws.taken()[1].body);
    one(&publisher, large()).await.unwrap();
    assert_eq!(s3.bucket().objects.len(), 2, "another event has another object");
}

#[tokio::test(start_paused = true)]
async fn no_pointer_is_published_before_its_body_is_put() {
    let s3 = S3::failing([Some((503, "SlowDown")), None, Some((500, "InternalError"))]);
    let seen = s3.clone();
    let aws = Aws::new(move |call| {
        assert!(call.operation != "PublishBatch" || seen.bucket().objects.len() == 1);
        Reply::Taken
    });
    let publisher = publisher(&aws)
        .claim_check(s3.bodies())
        .deadline(Duration::from_secs(30));
    one(&publisher, large()).await.unwrap();
    assert_eq!(s3.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_put_fails_alone() {
    let (aws, s3) = (Aws::taking(), S3::failing([Some((403, "AccessDenied"))]));
    let mut outgoing = many(9);
    outgoing.insert(4, large());
    let results = publisher(&aws).claim_check(s3.bodies()).publish(outgoing).await;
    for (place, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), place != 4, "{place}: {result:?}");
    }
    assert_eq!(
        results[4].as_ref().unwrap_err().to_string(),
        "refused by topic orders: putting its body into the bucket bodies: AccessDenied: as scripted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_upload_hangs_holds_up_no_others_of_its_call() {
    let (aws, s3) = (Aws::taking(), S3::failing(vec![None; 100]));
    let mut outgoing = vec![large()];
    outgoing.extend((0..12).map(|number| placed(number.to_string())));
    let results = publisher(&aws).claim_check(s3.bodies()).publish(outgoing).await;
    assert!(results[0].as_ref().unwrap_err().is_retryable());
    assert!(results[1..].iter().all(Result::is_ok), "{results:?}");
    let calls = aws.calls();
    let sent = calls.iter().filter(|call| !call.entries.is_empty());
    assert_eq!(sent.clone().map(|call| call.entries.len()).sum::<usize>(), 12);
    for call in sent {
        assert!(call.at < Duration::from_secs(1), "only after {:?}", call.at);
    }
}

#[tokio::test(start_paused = true)]
async fn on_fifo_nothing_overtakes_a_body_that_cannot_be_put() {
    let (aws, s3) = (
        Aws::taking(),
        S3::failing(vec![Some((503, "ServiceUnavailable")); 100]),
    );
    let outgoing = vec![
        posted("a", "x".repeat(LIMIT)),
        posted("a", "small"),
        posted("b", "small"),
    ];
    let results = publisher(&aws).claim_check(s3.bodies()).publish(outgoing).await;
    assert!(results[0].as_ref().unwrap_err().is_retryable());
    assert!(results[1].as_ref().unwrap_err().is_retryable());
    assert!(results[2].is_ok());
    assert_eq!(aws.taken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_even_so_is_told_with_the_numbers() {
    let (aws, s3) = (Aws::taking(), S3::new());
    let bodies = s3.bodies().largest(2 * LIMIT);
    let publisher = publisher(&aws).claim_check(bodies);
    match one(&publisher, placed("x".repeat(2 * LIMIT))).await {
        Err(PublishError::TooLarge { size, limit, .. }) => {
            assert!(size > 2 * LIMIT);
            assert_eq!(limit, 2 * LIMIT);
        }
        other => panic!("{other:?}"),
    }
    // Nor does a pointer help when the attributes are what is large.
    let publisher = publisher
        .attribute("own", Attribute::string("v".repeat(LIMIT)))
        .unwrap();
    assert!(matches!(
        one(&publisher, placed("small")).await,
        Err(PublishError::TooLarge { limit: LIMIT, .. })
    ));
    assert!(s3.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_command_has_the_queues_limit() {
    let (aws, s3) = (Aws::taking(), S3::new());
    let publisher = publisher(&aws).claim_check(s3.bodies());
    one(&publisher, pay("x".repeat(LIMIT))).await.unwrap();
    assert!(s3.requests().is_empty());
    one(&publisher, pay("x".repeat(4 * LIMIT))).await.unwrap();
    let (outcome, seen) = handle(&s3, &aws.taken()[1].body).await;
    assert_eq!(
        (outcome.name(), seen.as_slice()),
        ("applied", [4 * LIMIT].as_slice())
    );
}

/// "First subscriber deletes a shared S3 body".
#[tokio::test(start_paused = true)]
async fn first_subscriber_deletes_a_shared_s3_body() {
    let s3 = S3::new();
    let (_, entry) = published(&s3).await;
    // One queue is fast, and its consumer is done with the event; the other one is days behind.
    for consumer_name in ["fast", "slow"] {
        let seen = Arc::default();
        let router = events(consumer_name, &seen).layer(s3.bodies().fetch(consumer_name));
        let message = Message::new(&*entry.body);
        let outcome = router.into_service().unwrap().oneshot(message).await.unwrap();
        assert_eq!(outcome.name(), "applied", "{consumer_name}");
        assert_eq!(*seen.lock().unwrap(), [LIMIT]);
        tokio::time::sleep(Duration::from_secs(4 * 24 * 60 * 60)).await;
    }
    let methods: Vec<_> = s3
        .requests()
        .iter()
        .map(|request| request[..3].to_owned())
        .collect();
    assert_eq!(methods, ["PUT", "GET", "GET"]);
    assert_eq!(s3.bucket().objects.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_gone_is_terminal_and_one_that_may_come_is_not() {
    let s3 = S3::new();
    let (outgoing, entry) = published(&s3).await;
    // It passes within the fetch.
    s3.bucket().failures = vec![Some((503, "SlowDown")), Some((500, "InternalError"))];
    assert_eq!(handle(&s3, &entry.body).await.0.name(), "applied");
    for failures in [
        vec![Some((503, "SlowDown")); 200],
        vec![None; 3],
        vec![Some((403, "AccessDenied"))],
    ] {
        s3.bucket().failures = failures;
        let (outcome, seen) = handle(&s3, &entry.body).await;
        assert_eq!((outcome.name(), seen.len()), ("failed", 0));
        assert!(matches!(fetch_error(&outcome), FetchError::Failed { .. }));
        assert_eq!(outcome.key.unwrap().id, outgoing.envelope.id());
    }
    s3.bucket().failures.clear();
    s3.bucket().objects.clear();
    let (outcome, seen) = handle(&s3, &entry.body).await;
    assert_eq!((outcome.name(), seen.len()), ("terminal", 0));
    assert!(matches!(fetch_error(&outcome), FetchError::Missing { .. }));
    assert_eq!(outcome.key.unwrap().id, outgoing.envelope.id());
}

#[tokio::test(start_paused = true)]
async fn a_pointer_leads_to_its_own_body_and_nowhere_else() {
    let s3 = S3::new();
    let (_, entry) = published(&s3).await;
    let requests = s3.requests().len();
    for elsewhere in [
        "s3://others/events/",
        "s3://bodies/private/",
        "https://bodies/events/",
    ] {
        let body = entry.body.replace("s3://bodies/events/", elsewhere);
        let (outcome, _) = handle(&s3, &body).await;
        assert_eq!(outcome.name(), "terminal");
        assert!(
            matches!(fetch_error(&outcome), FetchError::Elsewhere { .. }),
            "{elsewhere}"
        );
    }
    assert_eq!(s3.requests().len(), requests, "not even asked for");

    let (_, other) = published(&s3).await;
    let (path, body) = s3.bucket().objects.pop_first().unwrap();
    let others = s3.bucket().objects.values().next().unwrap().clone();
    for wrong in [b"hello".to_vec(), vec![0xff], others] {
        s3.bucket().objects.insert(path.clone(), wrong);
        let pointer = [&entry, &other]
            .into_iter()
            .find(|entry| entry.body.contains(&path[8..]))
            .unwrap();
        let (outcome, _) = handle(&s3, &pointer.body).await;
        assert_eq!(outcome.name(), "terminal");
        assert!(matches!(fetch_error(&outcome), FetchError::Different { .. }));
    }
    s3.bucket()
        .objects
        .insert(path, [body.as_slice(), &[b' '; 17 * 1024 * 1024]].concat());
    let outcomes = [handle(&s3, &entry.body).await.0, handle(&s3, &other.body).await.0];
    let too_large = |outcome: &&Outcome| {
        outcome.name() == "terminal" && matches!(fetch_error(outcome), FetchError::TooLarge { .. })
    };
    assert_eq!(outcomes.iter().filter(too_large).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_layer_before_the_router_fetches_from_any_form() {
    let s3 = S3::new();
    let (_, entry) = published(&s3).await;
    let wrapped = json!({"Type": "Notification", "TopicArn": "arn", "Message": entry.body}).to_string();
    for body in [entry.body, wrapped] {
        let seen = Arc::default();
        let router = payment(&seen).into_service().unwrap();
        let service = tower::Layer::layer(&s3.bodies().fetch("payment"), router);
        let outcome = service.oneshot(Message::new(body)).await.unwrap();
        assert_eq!(outcome.name(), "applied");
        assert_eq!(*seen.lock().unwrap(), [LIMIT]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lifecycle_shorter_than_the_queues_is_found() {
    let rule = |inner: &str| format!("<Rule><ID>r</ID><Status>Enabled</Status>{inner}</Rule>");
    let expires = |days: u32| format!("<Expiration><Days>{days}</Days></Expiration>");
    let glacier = "<Transition><Days>5</Days><StorageClass>GLACIER</StorageClass></Transition>";
    let colder = "<Transition><Days>5</Days><StorageClass>STANDARD_IA</StorageClass></Transition>";
    let under = |prefix: &str| format!("<Filter><Prefix>{prefix}</Prefix></Filter>");
    let tagged = "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>";
    // Four days in a queue and fourteen in its dead-letter queue, and one more.
    let good = [
        (None, Lifecycle::Forever),
        (Some(rule(&(under("") + &expires(19)))), Lifecycle::Days(19)),
        (
            Some(rule(&(under("events/") + &expires(40))) + &rule(&expires(30))),
            Lifecycle::Days(30),
        ),
        (Some(rule(&(under("logs/") + &expires(1)))), Lifecycle::Forever),
        (Some(rule(&(tagged.to_owned() + &expires(1)))), Lifecycle::Forever),
        (
            Some(rule(&expires(1)).replace("Enabled", "Disabled")),
            Lifecycle::Forever,
        ),
        (Some(rule(&(under("") + colder))), Lifecycle::Forever),
    ];
    let s3 = S3::new();
    for (rules, expected) in good {
        s3.bucket().rules.clone_from(&rules);
        let kept = s3.bodies().check_lifecycle(&topology()).await;
        assert_eq!(
            kept.unwrap_or_else(|error| panic!("{rules:?}: {error}")),
            expected
        );
    }
    let date = "<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>".to_owned();
    let bad = [
        (under("") + &expires(18), 18),
        (under("events/") + &expires(1), 1),
        (under("events/orders/") + &expires(1), 1),
        ("<Prefix>events/</Prefix>".to_owned() + &expires(2), 2),
        (
            format!("<Filter><And><Prefix>ev</Prefix></And></Filter>{}", expires(3)),
            3,
        ),
        (under("") + glacier, 5),
        (under("") + &date, 0),
    ];
    for (inner, found) in bad {
        s3.bucket().rules = Some(rule(&expires(100)) + &rule(&inner));
        match s3.bodies().check_lifecycle(&topology()).await {
            Err(LifecycleError::TooShort { days, needed, .. }) => assert_eq!((days, needed), (found, 19)),
            other => panic!("{inner}: {other:?}"),
        }
    }
    s3.bucket().failures = vec![Some((403, "AccessDenied"))];
    let error = s3.bodies().check_lifecycle(&topology()).await.unwrap_err();
    assert!(matches!(error, LifecycleError::Read { .. }));
}
