//! What a commit emits and sends: ids, and how it lies in the outbox.

use fanfare::{Handled, derived_id};
use fanfare_store::CommitError;

use crate::support::things::count;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_repeat_emits_the_same_ids() {
    let ids = async || {
        let world = World::new().await;
        tokio::time::advance(MINUTE).await;
        let delivery = deliver("billing", &placed("17", start())).await;
        let once = world.store().inbox().once(&delivery);
        let once = once
            .emit(&charged("a"))
            .send(&Refund { order: "b".into() })
            .emit(&charged("c"));
        once.commit().await.unwrap();
        let outbox = world.outbox().await;
        outbox
            .iter()
            .map(|event| event.id().to_owned())
            .collect::<Vec<_>>()
    };
    let first = ids().await;
    assert_eq!(first, ids().await);
    // The ordinal counts events and commands together.
    let expected = ["0", "1", "2"].map(|ordinal| derived_id(&["/checkout", "17", "billing", ordinal]));
    assert_eq!(first, expected);
}

#[tokio::test(start_paused = true)]
async fn what_follows_tells_where_it_comes_from() {
    let world = World::new().await;
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world.store().inbox().once(&delivery).emit(&charged("17"));
    once.commit().await.unwrap();
    let event = &world.outbox().await[0];
    assert_eq!((event.source(), event.ty()), ("/billing", "payment.charged"));
    assert_eq!((event.causation_id(), event.correlation_id()), (Some("17"), "17"));
}

#[tokio::test(start_paused = true)]
async fn emitting_what_was_not_declared_is_an_error_and_writes_nothing() {
    let world = World::new().await;
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world
        .store()
        .inbox()
        .once(&delivery)
        .write(count("sold"))
        .emit(&Undeclared {});
    let error = once.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::Undeclared(_)), "{error}");
    assert!(world.records().await.is_empty());
    assert_eq!(world.counted("sold").await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_written_is_an_error_and_writes_nothing() {
    let world = World::new().await;
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = world
        .store()
        .inbox()
        .once(&delivery)
        .write(count("sold"))
        .emit(&posted("", "no key"));
    let error = once.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::Encode(_)), "{error}");
    assert!(world.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn fifty_events_are_one_item() {
    let world = World::new().await;
    let tap = Tap::open();
    let delivery = deliver("billing", &placed("17", start())).await;
    let mut once = world.store_through(&tap).inbox().once(&delivery);
    for order in 0..50 {
        once = once.emit(&charged(&order.to_string()));
    }
    once.commit().await.unwrap();
    let actions = tap.bodies("TransactWriteItems")[0]["TransactItems"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(actions, 2);
    let records = world.records_of("outbox#").await;
    assert_eq!(records.len(), 1);
    let shard = text(&records[0], "shard").strip_prefix("pending#").unwrap();
    assert!(shard.parse::<u32>().unwrap() < 16);
    assert_eq!(number(&records[0], "due"), world.clock.millis());
    let orders: Vec<String> = world
        .outbox()
        .await
        .iter()
        .map(|event| event.decode::<Charged>().unwrap().order)
        .collect();
    assert_eq!(orders, (0..50).map(|order| order.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn events_past_350_kb_are_split_over_items_in_their_order() {
    let world = World::new().await;
    let delivery = deliver("billing", &placed("17", start())).await;
    let mut once = world.store().inbox().once(&delivery);
    for order in 0..8 {
        once = once.emit(&charged(&format!("{order}{}", "é".repeat(50_000)))); // 100 kB each
    }
    assert_eq!(once.commit().await.unwrap(), Handled::Applied);
    let records = world.records_of("outbox#").await;
    let counts: Vec<_> = records
        .iter()
        .map(|record| record["events"].as_l().unwrap().len())
        .collect();
    assert_eq!(counts, [3, 3, 2]);
    let keys: Vec<_> = records
        .iter()
        .map(|record| text(record, "pk").to_owned())
        .collect();
    assert_eq!(keys[1..], [format!("{}#1", keys[0]), format!("{}#2", keys[0])]);
    let first: Vec<_> = world
        .outbox()
        .await
        .iter()
        .map(|event| event.decode::<Charged>().unwrap().order[..1].to_owned())
        .collect();
    assert_eq!(first, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

#[tokio::test(start_paused = true)]
async fn events_of_a_fifo_topic_are_appended_to_their_keys_item_in_order() {
    let world = World::new().await;
    let tap = Tap::open();
    let inbox = world.store_through(&tap).inbox();
    for (id, texts) in [("1", ["a", "b"]), ("2", ["c", "d"])] {
        let delivery = deliver("billing", &placed(id, start())).await;
        let once = texts.iter().fold(inbox.once(&delivery), |once, text| {
            once.emit(&posted("cash", text)).emit(&posted("sales", text))
        });
        once.commit().await.unwrap();
        tokio::time::advance(MINUTE).await;
    }
    // One action a key, however many events, and the inbox record.
    let actions = tap.bodies("TransactWriteItems")[0]["TransactItems"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(actions, 3);
    let heads = world.records_of("key#").await;
    assert_eq!(heads.len(), 2);
    for (head, account) in heads.iter().zip(["4:cash", "5:sales"]) {
        assert_eq!(text(head, "pk"), format!("key#11:ledger.fifo{account}"));
        assert_eq!(number(head, "seq"), 4);
        // Due since the first of them.
        assert_eq!(number(head, "due"), world.clock.millis() - 120_000);
        let pending = head["pending"].as_l().unwrap().iter().map(|waiting| {
            let body: serde_json::Value =
                serde_json::from_str(text(waiting.as_m().unwrap(), "body")).unwrap();
            body["envelope"]["data"]["text"].as_str().unwrap().to_owned()
        });
        assert_eq!(pending.collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_waiting_events_of_one_key_are_an_error_to_retry() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let commit = async |id: usize, events: usize| {
        let delivery = deliver("billing", &placed(&id.to_string(), start())).await;
        let once = (0..events).fold(inbox.once(&delivery), |once, _| once.emit(&posted("cash", "x")));
        once.commit().await
    };
    commit(0, 200).await.unwrap();
    // Of this size no more than about 900 fit into the item, so that its own limit comes first.
    let mut full = None;
    for id in 1..10 {
        if let Err(error) = commit(id, 200).await {
            full = Some(error);
            break;
        }
    }
    let full = full.unwrap();
    assert!(matches!(full, CommitError::KeyFull { .. }), "{full}");
    let failure = fanfare::Failure::from(full);
    assert!(matches!(failure.advice(), fanfare::Advice::RetryAfter(_)));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiting_events_of_one_key_are_the_most() {
    let world = World::new().await;
    let inbox = world.store().inbox();
    let commit = async |id: &str, events: usize| {
        let delivery = deliver("billing", &placed(id, start())).await;
        let once = (0..events).fold(inbox.once(&delivery), |once, _| once.emit(&posted("cash", "x")));
        once.commit().await
    };
    commit("1", 1).await.unwrap();
    // As many as there may be but one, each so small that the item's own limit doesn't come first.
    let head = &world.records_of("key#").await[0];
    world
        .meddle(head, |head| {
            let small =
                std::collections::HashMap::from([("id".to_owned(), s("x")), ("body".to_owned(), s("x"))]);
            let small = aws_sdk_dynamodb::types::AttributeValue::M(small);
            let pending = aws_sdk_dynamodb::types::AttributeValue::L(vec![small; 999]);
            head.insert("pending".to_owned(), pending);
        })
        .await;
    let full = commit("2", 2).await.unwrap_err();
    assert!(matches!(full, CommitError::KeyFull { .. }), "{full}");
    commit("3", 1).await.unwrap();
    let full = commit("4", 1).await.unwrap_err();
    assert!(matches!(full, CommitError::KeyFull { .. }), "{full}");
}
