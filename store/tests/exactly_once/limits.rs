//! What doesn't fit into a transaction is refused with the numbers, before anything is sent.

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use fanfare::Handled;
use fanfare_store::{CommitError, Once};

use crate::support::things::{check, count, delete, put};
use crate::support::*;

async fn once(world: &World, tap: &Tap) -> Once {
    let delivery = deliver("billing", &placed("17", start())).await;
    world.store_through(tap).inbox().once(&delivery)
}

fn large(id: &str, bytes: usize) -> Put {
    put(id, &"x".repeat(bytes))
}

#[tokio::test(start_paused = true)]
async fn a_hundred_actions_fit_and_one_more_is_terminal() {
    let world = World::new().await;
    let tap = Tap::open();
    let mut full = once(&world, &tap).await;
    for thing in 0..100 {
        full = full.write(count(&thing.to_string()));
    }
    let error = full.commit().await.unwrap_err();
    let CommitError::TooLarge { items, bytes, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(items, 101);
    assert!((1..100_000).contains(&bytes), "{bytes}");
    assert!(
        error.to_string().starts_with("too large: 101 actions and"),
        "{error}"
    );
    assert!(is_terminal(error));
    assert!(tap.bodies("TransactWriteItems").is_empty());

    let mut full = once(&world, &tap).await;
    for thing in 0..99 {
        full = full.write(count(&thing.to_string()));
    }
    assert_eq!(full.commit().await.unwrap(), Handled::Applied);
    assert_eq!(world.counted("98").await, 1);
}

#[tokio::test(start_paused = true)]
async fn four_megabytes_fit_and_more_is_terminal() {
    let world = World::new().await;
    let tap = Tap::open();
    let with = async |last: usize| {
        let mut once = once(&world, &tap).await;
        for thing in 0..11 {
            once = once.write(large(&thing.to_string(), 370_000));
        }
        once.write(large("last", last)).commit().await
    };
    let error = with(200_000).await.unwrap_err();
    let CommitError::TooLarge { items, bytes, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(items, 13);
    assert!(
        bytes > 4 * 1024 * 1024 && bytes < 4 * 1024 * 1024 + 100_000,
        "{bytes}"
    );
    assert!(is_terminal(error));
    assert!(tap.bodies("TransactWriteItems").is_empty());
    assert_eq!(with(100_000).await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn an_item_of_400_kb_fits_and_a_larger_one_is_terminal() {
    let world = World::new().await;
    let tap = Tap::open();
    // The names and the id take 9 + 3 bytes.
    let exactly = 400 * 1024 - "id".len() - "a".len() - "value".len();
    let error = once(&world, &tap)
        .await
        .write_as("the picture", large("a", exactly + 1))
        .commit()
        .await
        .unwrap_err();
    let CommitError::TooLarge {
        largest,
        largest_bytes,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(
        (largest.as_str(), *largest_bytes),
        ("the picture", 400 * 1024 + 1)
    );
    assert!(is_terminal(error));
    let fits = once(&world, &tap).await.write(large("a", exactly));
    assert_eq!(fits.commit().await.unwrap(), Handled::Applied);
}

#[tokio::test(start_paused = true)]
async fn an_event_larger_than_an_item_is_terminal_and_a_slightly_smaller_one_fits() {
    let world = World::new().await;
    let tap = Tap::open();
    for (bytes, fits) in [(395_000, true), (405_000, false)] {
        let once = once(&world, &tap).await.emit(&charged(&"x".repeat(bytes)));
        match once.commit().await {
            Ok(handled) => assert!(fits && handled == Handled::Applied),
            Err(error) => {
                assert!(
                    !fits && matches!(error, CommitError::TooLarge { .. }),
                    "{bytes} {error}"
                );
                assert!(is_terminal(error));
            }
        }
        world.meddle_away("inbox#").await;
    }
    let ordered = once(&world, &tap)
        .await
        .emit(&posted("cash", &"x".repeat(405_000)));
    let error = ordered.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::TooLarge { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_outgrows_its_item_is_refused_and_named() {
    // Its size is known to DynamoDB alone.
    let world = World::new().await;
    let tap = Tap::open();
    once(&world, &tap)
        .await
        .write(large("a", 390_000))
        .commit()
        .await
        .unwrap();
    let mut grow = count("a");
    grow.update_expression = "SET more = :one".into();
    grow.expression_attribute_names = None;
    let values = grow.expression_attribute_values.as_mut().unwrap();
    values.insert(":one".into(), s(&"x".repeat(30_000)));
    let delivery = deliver("billing", &placed("18", start())).await;
    let once = world
        .store()
        .inbox()
        .once(&delivery)
        .write_as("the history", grow);
    let error = once.commit().await.unwrap_err();
    let CommitError::Refused { name, reason } = error else {
        panic!("{error}");
    };
    assert_eq!(name, "the history");
    assert!(reason.contains("size"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_same_item_written_twice_is_named_before_anything_is_sent() {
    let world = World::new().await;
    let tap = Tap::open();
    let twice = once(&world, &tap)
        .await
        .write_as("sale", count("sold"))
        .write_as("other", count("other"))
        .write_as("check", check("sold"));
    let error = twice.commit().await.unwrap_err();
    let CommitError::SameItem { writes } = &error else {
        panic!("{error}");
    };
    assert_eq!(writes, &["sale", "check"]);
    assert!(tap.bodies("TransactWriteItems").is_empty());

    // A put, whose key another action of its table tells.
    let twice = once(&world, &tap)
        .await
        .write_as("new", put("sold", "x"))
        .write_as("gone", delete("sold"));
    let error = twice.commit().await.unwrap_err();
    assert!(matches!(error, CommitError::SameItem { .. }), "{error}");
    assert!(tap.bodies("TransactWriteItems").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_item_put_twice_is_an_error_of_ours_too() {
    // Only DynamoDB knows which of their attributes is the key.
    let world = World::new().await;
    let twice = once(&world, &Tap::open())
        .await
        .write_as("one", put("sold", "x"))
        .write_as("two", put("sold", "y"));
    let error = twice.commit().await.unwrap_err();
    let CommitError::SameItem { writes } = &error else {
        panic!("{error}");
    };
    assert_eq!(writes, &["one", "two"]);
    assert!(world.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_write_on_the_inbox_record_itself_is_the_same_item() {
    let world = World::new().await;
    let own = Put::builder()
        .table_name(TABLE)
        .item("pk", s("inbox#7:billing9:/checkout2:17"))
        .item("sk", s("inbox"))
        .item("mine", AttributeValue::Bool(true))
        .build()
        .unwrap();
    let error = once(&world, &Tap::open())
        .await
        .write(own)
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::SameItem { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_not_there_is_said() {
    let world = World::new().await;
    let elsewhere = Put::builder()
        .table_name("nowhere")
        .item("id", s("x"))
        .build()
        .unwrap();
    let error = once(&world, &Tap::open())
        .await
        .write(elsewhere)
        .commit()
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::Sdk(_)), "{error}");
    assert!(said(error).contains("not found"));
}
