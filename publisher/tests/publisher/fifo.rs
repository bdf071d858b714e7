//! Order on FIFO.

use std::collections::BTreeMap;
use std::time::Duration;

use fanfare::port::{Publish, PublishError};

use crate::aws::{Aws, One, Reply};
use crate::world::{book, ids, many, one, placed, posted, publisher};

/// Edge case 5: two fresh processes publish distinct deduplication ids.
#[tokio::test(start_paused = true)]
async fn two_fresh_processes_publish_distinct_deduplication_ids() {
    let aws = Aws::taking();
    for _ in 0..2 {
        let fresh = publisher(&aws);
        one(&fresh, posted("k", "the same text")).await.unwrap();
    }
    let taken = aws.taken();
    assert_ne!(taken[0].deduplication_id, taken[1].deduplication_id);
    assert_eq!(taken[0].group, taken[1].group);
}

#[tokio::test(start_paused = true)]
async fn the_order_of_a_key_is_kept_and_other_keys_share_its_batches() {
    let aws = Aws::taking();
    let outgoing: Vec<_> = (0..20)
        .map(|number| posted(&format!("k{}", number % 4), "a"))
        .collect();
    let sent = ids(&outgoing);
    let results = publisher(&aws).publish(outgoing).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(aws.group_clash(), None);
    assert_eq!(aws.batches(), [4; 5]);
    let taken: Vec<_> = aws.taken().iter().map(|entry| entry.event()).collect();
    assert_eq!(taken, sent);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_failed_holds_its_groups_later_ones_back_and_no_others() {
    let aws = Aws::first([Reply::Each(vec![One::Failed("InternalError", false), One::Taken])]);
    let outgoing = vec![
        posted("a", "1"),
        posted("b", "1"),
        posted("a", "2"),
        posted("b", "2"),
    ];
    let sent = ids(&outgoing);
    fastrand::seed(3);
    let results = publisher(&aws).publish(outgoing).await;
    assert!(results.iter().all(Result::is_ok));
    let calls = aws.calls();
    let of = |call: usize| {
        calls[call]
            .entries
            .iter()
            .map(|entry| entry.event())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(0), sent[..2]);
    assert_eq!(of(1), sent[3..], "b goes on");
    assert_eq!(of(2), sent[..1], "a is tried again");
    assert_eq!(of(3), sent[2..3], "and what is behind it comes after it");
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_one_that_was_given_up_is_given_back_too() {
    let aws = Aws::new(|call| {
        let each = call.entries.iter().map(|entry| match entry.group.as_deref() {
            Some("down") => One::Failed("InternalError", false),
            _ => One::Taken,
        });
        Reply::Each(each.collect())
    });
    let outgoing = vec![
        posted("down", "1"),
        posted("down", "2"),
        posted("up", "1"),
        posted("up", "2"),
    ];
    let results = publisher(&aws).publish(outgoing).await;
    assert!(
        results[0]
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("InternalError")
    );
    match &results[1] {
        Err(PublishError::Retryable { reason, .. }) => {
            assert!(reason.contains("an earlier message of its group"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(results[2..].iter().all(Result::is_ok));
    let seconds = aws
        .calls()
        .into_iter()
        .filter(|call| call.entries.iter().any(|entry| entry.body.contains("\"2\"")));
    assert_eq!(seconds.count(), 1, "the second of `down` was never sent");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_behind_one_that_was_given_up_is_given_back_too() {
    for count in [2, 3] {
        fastrand::seed(1);
        let aws = Aws::new(|call| match call.entries[0].body.contains("first") {
            true => Reply::Error(503, "ServiceUnavailable"),
            false => Reply::Taken,
        });
        let mut outgoing = vec![posted("a", "first")];
        outgoing.extend((1..count).map(|_| posted("a", "later")));
        outgoing.push(posted("b", "other"));
        let results = publisher(&aws).room(1).publish(outgoing).await;
        let reason = results[0].as_ref().unwrap_err().to_string();
        assert!(reason.contains("ServiceUnavailable"), "{reason}");
        for behind in &results[1..count] {
            let reason = behind.as_ref().unwrap_err().to_string();
            assert!(reason.contains("an earlier message of its group"), "{reason}");
        }
        assert!(results[count].is_ok(), "other groups go on");
        assert_eq!(aws.taken().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_for_good_holds_nothing_back() {
    let aws = Aws::new(|call| {
        let each = call
            .entries
            .iter()
            .map(|entry| match entry.body.contains("wrong") {
                true => One::Failed("InvalidParameter", true),
                false => One::Taken,
            });
        Reply::Each(each.collect())
    });
    let results = publisher(&aws)
        .publish(vec![posted("a", "wrong"), posted("a", "right")])
        .await;
    assert!(matches!(results[0], Err(PublishError::Rejected { .. })));
    assert!(results[1].is_ok());
}

#[tokio::test(start_paused = true)]
async fn order_survives_any_mix_of_failures() {
    for seed in 0..200 {
        let mut chance = fastrand::Rng::with_seed(seed);
        fastrand::seed(seed);
        let aws = Aws::new(move |call| match chance.u8(0..10) {
            0 => Reply::Unreachable,
            1 => Reply::AnswerLost,
            2 => Reply::Silence,
            3 => Reply::Error(400, "Throttling"),
            4 => Reply::Error(400, "InvalidParameter"),
            _ => {
                let mut one = || match chance.u8(0..6) {
                    0 => One::Failed("InternalError", false),
                    1 => One::Missing,
                    2 => One::TakenUnsaid,
                    _ => One::Taken,
                };
                let each = call.entries.iter().map(|_| one()).collect();
                Reply::Late(
                    Duration::from_millis(chance.u64(0..200)),
                    Box::new(Reply::Each(each)),
                )
            }
        });
        let publisher = publisher(&aws).deadline(Duration::from_secs(3));
        let outgoing: Vec<_> = (0..60)
            .map(|number| posted(&format!("k{}", number % 7), "a"))
            .collect();
        let sent = ids(&outgoing);
        let groups: Vec<_> = outgoing
            .iter()
            .map(|outgoing| outgoing.key.clone().unwrap())
            .collect();
        let results = publisher.publish(outgoing).await;
        assert_eq!(aws.group_clash(), None, "seed {seed}");

        // First arrivals of each key are in order, and confirmed ones did arrive.
        let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in aws.taken() {
            let of_key = arrived.entry(entry.group.clone().unwrap()).or_default();
            if !of_key.contains(&entry.event()) {
                of_key.push(entry.event());
            }
        }
        for (key, arrived) in &arrived {
            let order: Vec<_> = sent
                .iter()
                .zip(&groups)
                .filter(|(_, group)| *group == key)
                .collect();
            let order: Vec<_> = order
                .into_iter()
                .map(|(id, _)| id)
                .filter(|id| arrived.contains(id))
                .collect();
            assert_eq!(order, arrived.iter().collect::<Vec<_>>(), "seed {seed}, {key}");
        }
        for ((id, key), result) in sent.iter().zip(&groups).zip(&results) {
            let arrived = arrived.get(key).is_some_and(|arrived| arrived.contains(id));
            assert!(
                arrived || result.is_err(),
                "seed {seed}: {id} was confirmed and never arrived"
            );
        }
        // Nothing of a key is confirmed behind one that may still be published.
        let mut open: Vec<&String> = Vec::new();
        for (key, result) in groups.iter().zip(&results) {
            match result {
                Ok(()) => assert!(!open.contains(&key), "seed {seed}, {key}"),
                Err(error) if error.is_retryable() => open.push(key),
                Err(_) => {}
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_group_is_the_key_or_a_hash_of_it() {
    let aws = Aws::taking();
    let long = "k".repeat(129);
    let results = publisher(&aws)
        .publish(vec![posted("k 1", "a"), posted("k1", "a"), posted(&long, "a")])
        .await;
    assert!(results.iter().all(Result::is_ok));
    let groups: Vec<_> = aws
        .taken()
        .into_iter()
        .map(|entry| entry.group.unwrap())
        .collect();
    assert_eq!(groups[0], fanfare::message_group("k 1"));
    assert_eq!(groups[1], "k1");
    assert!(
        groups
            .iter()
            .all(|group| group.len() <= 128 && group.bytes().all(|byte| byte.is_ascii_graphic()))
    );
}

#[tokio::test(start_paused = true)]
async fn on_standard_the_group_is_the_tenant() {
    let aws = Aws::taking();
    let mut outgoing = many(2);
    outgoing[0].tenant = Some("t1".into());
    outgoing[0].key = Some("k".into());
    for result in publisher(&aws).publish(outgoing).await {
        result.unwrap();
    }
    let taken = aws.taken();
    assert_eq!(taken[0].group.as_deref(), Some("t1"));
    assert_eq!((&taken[1].group, &taken[0].deduplication_id), (&None, &None));
}

#[tokio::test(start_paused = true)]
async fn a_command_to_fifo_without_a_key_fails_alone() {
    let aws = Aws::taking();
    let results = publisher(&aws)
        .publish(vec![book(Some("k")), book(None), placed("a")])
        .await;
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(
        results[1].as_ref().unwrap_err().to_string(),
        "refused by consumer bookkeeping: it has no key, which FIFO orders by"
    );
}
