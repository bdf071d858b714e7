//! What comes again, and for how long.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::Backoff;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::world::{Function, World, name};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(10));

async fn world(records: u32) -> World {
    let world = World::new().await;
    for number in 0..records {
        world.put("a", number).await;
    }
    world
}

/// Fails so many times at the record with this name.
fn failing(record: &'static str, mut times: u32) -> Function {
    Function::failing_at(move |shown| {
        let fails = name(shown) == record && times > 0;
        times -= u32::from(fails);
        fails
    })
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_with_the_first_that_failed() {
    let world = world(4).await;
    let function = failing("a=2", 2);
    world
        .run(world.mapping().backoff(SOON).bisect(false), &function, SECOND)
        .await;
    assert_eq!(
        function.batches(),
        [
            vec!["a=0", "a=1", "a=2", "a=3"],
            vec!["a=2", "a=3"],
            vec!["a=2", "a=3"],
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn of_several_that_failed_the_lowest_counts() {
    let world = world(4).await;
    let mut first = true;
    let function = Function::answering(move |records| {
        let number = |index: usize| json!({"itemIdentifier": records[index]["dynamodb"]["SequenceNumber"]});
        match std::mem::take(&mut first) {
            true => Ok(json!({"batchItemFailures": [number(3), number(1)]})),
            false => Ok(Value::Null),
        }
    });
    world.run(world.mapping().backoff(SOON), &function, SECOND).await;
    let sizes: Vec<_> = function.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_as_a_whole_is_cut_in_two_until_one_is_left() {
    let world = world(4).await;
    let function = Function::answering(
        |records| match records.iter().any(|record| name(record) == "a=2") {
            true => Err("it panicked".to_owned()),
            false => Ok(Value::Null),
        },
    );
    let lost = Arc::new(Mutex::new(Vec::new()));
    let given_up = Arc::clone(&lost);
    let mapping = world.mapping().backoff(SOON).attempts(2);
    let mapping = mapping.on_discard(move |records| {
        given_up.lock().unwrap().extend(records.iter().map(name));
    });
    world.run(mapping, &function, SECOND).await;
    assert_eq!(
        function.batches(),
        [
            vec!["a=0", "a=1", "a=2", "a=3"],
            vec!["a=0", "a=1"],
            vec!["a=2", "a=3"],
            vec!["a=2"],
            vec!["a=2"],
            vec!["a=3"],
        ]
    );
    assert_eq!(*lost.lock().unwrap(), ["a=2"]);
}

#[tokio::test(start_paused = true)]
async fn without_cutting_all_of_it_is_given_up() {
    let world = world(3).await;
    let function = Function::answering(|records| match name(&records[0]).as_str() {
        "b=9" => Ok(Value::Null),
        _ => Err("it panicked".to_owned()),
    });
    let lost = Arc::new(Mutex::new(Vec::new()));
    let given_up = Arc::clone(&lost);
    let mapping = world.mapping().backoff(SOON).bisect(false).attempts(3).batch(3);
    let mapping = mapping.on_discard(move |records| {
        given_up.lock().unwrap().extend(records.iter().map(name));
    });
    world.put("b", 9).await;
    world.run(mapping, &function, SECOND).await;
    let sizes: Vec<_> = function.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 3, 3, 1], "the shard goes on");
    assert_eq!(*lost.lock().unwrap(), ["a=0", "a=1", "a=2"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_behind_something_new_that_is_done_has_all_its_attempts() {
    let world = world(3).await;
    let mut once = true;
    let function = Function::failing_at(move |shown| match name(shown).as_str() {
        "a=1" => std::mem::take(&mut once),
        shown => shown == "a=2",
    });
    let mapping = world.mapping().backoff(SOON).attempts(3);
    world.run(mapping, &function, SECOND).await;
    assert_eq!(
        function.batches(),
        [
            vec!["a=0", "a=1", "a=2"],
            vec!["a=1", "a=2"],
            vec!["a=2"],
            vec!["a=2"],
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_gets_too_old_is_given_up() {
    let world = world(1).await;
    let function = failing("a=0", u32::MAX);
    let lost = Arc::new(Mutex::new(Vec::new()));
    let given_up = Arc::clone(&lost);
    let mapping = world.mapping().maximum_age(SECOND * 60);
    let mapping = mapping.on_discard(move |records| {
        given_up.lock().unwrap().extend(records.iter().map(name));
    });
    let produce = async {
        sleep(SECOND * 55).await;
        world.put("a", 1).await;
    };
    tokio::join!(world.run(mapping, &function, SECOND * 100), produce);
    assert_eq!(*lost.lock().unwrap(), ["a=0"]);
    assert_eq!(function.batches().last().unwrap(), &["a=1"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_names_nothing_or_what_is_not_there_fails_the_whole_batch() {
    let wrong = [
        json!({"batchItemFailures": [{"itemIdentifier": ""}]}),
        json!({"batchItemFailures": [{"itemIdentifier": null}]}),
        json!({"batchItemFailures": [{"itemIdentifier": "111111111111111111111"}]}),
        json!("done"),
    ];
    for answer in wrong {
        let world = world(2).await;
        let mut answer = Some(answer);
        let function = Function::answering(move |_| Ok(answer.take().unwrap_or_default()));
        let mapping = world.mapping().backoff(SOON).bisect(false);
        world.run(mapping, &function, SECOND).await;
        let sizes: Vec<_> = function.batches().iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_takes_too_long_failed() {
    let world = world(1).await;
    let calls = Mutex::new(0);
    let invoke = |_| async {
        let call = {
            let mut calls = calls.lock().unwrap();
            *calls += 1;
            *calls
        };
        if call == 1 {
            sleep(SECOND * 60).await;
        }
        Ok(Value::Null)
    };
    let mapping = world.mapping().timeout(SECOND * 3);
    mapping.run(invoke, sleep(SECOND * 10)).await.unwrap();
    assert_eq!(*calls.lock().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_shard_that_fails_holds_up_no_other() {
    let world = World::new().await;
    for number in 0..3 {
        for id in ["a", "b", "c", "d", "e", "f"] {
            world.put(id, number).await;
        }
    }
    let function = Function::failing_at(|record| name(record).starts_with("a="));
    let mapping = world.mapping().shards(8).backoff(SOON);
    world.run(mapping, &function, SECOND).await;
    let shown: std::collections::BTreeSet<_> = function.shown().iter().map(name).collect();
    let others = shown.iter().filter(|record| !record.starts_with("a=")).count();
    assert!(others >= 12, "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_is_stopped_waits_for_the_invocation_under_way() {
    let world = world(1).await;
    let ended = Mutex::new(0);
    let invoke = |_| async {
        sleep(SECOND * 5).await;
        *ended.lock().unwrap() += 1;
        Err::<Value, _>("and isn't tried again".to_owned())
    };
    world.mapping().run(invoke, sleep(SECOND)).await.unwrap();
    assert_eq!(*ended.lock().unwrap(), 1);
}
