//! What the function is given.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use fanfare_local::Dynamo;
use fanfare_local::mapping::{MappingError, StreamMapping};
use serde_json::{Value, json};

use crate::world::{Function, TABLE, World, item, name};

const SECOND: Duration = Duration::from_secs(1);

/// As AWS renders it, but for what differs from run to run.
#[tokio::test(start_paused = true)]
async fn records_are_rendered_as_lambda_renders_them() {
    let world = World::new().await;
    world.put("a", 1).await;
    world.put("a", 2).await;
    let delete = world.client.delete_item().table_name(TABLE);
    delete
        .key("id", AttributeValue::S("a".into()))
        .send()
        .await
        .unwrap();
    let expiring = world.client.put_item().table_name(TABLE);
    expiring
        .set_item(Some(item("b", 1)))
        .item("expires_at", AttributeValue::N("1800000001".into()))
        .send()
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.dynamo.sweep_expired().unwrap(), 1);
    let function = Function::new();
    world.run(world.mapping(), &function, SECOND).await;
    let mut shown = function.shown();
    let mut last = String::new();
    for record in &mut shown {
        let number = record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
        assert!(
            (21..=40).contains(&number.len()) && number > last,
            "{number} after {last}"
        );
        last = number;
        assert_eq!(record["eventID"].as_str().unwrap().len(), 32);
        assert!(record["dynamodb"]["SizeBytes"].as_u64().unwrap() > 0);
        let arn = record["eventSourceARN"].as_str().unwrap().to_owned();
        let (table, _label) = arn.split_once("/stream/").unwrap();
        assert_eq!(table, "arn:aws:dynamodb:us-east-1:000000000000:table/orders");
        for removed in ["eventID", "eventSourceARN"] {
            record.as_object_mut().unwrap().remove(removed);
        }
        for removed in ["SequenceNumber", "SizeBytes"] {
            record["dynamodb"].as_object_mut().unwrap().remove(removed);
        }
    }
    let record = |name: &str, time: u64, id: &str, image: Value| {
        let mut record = json!({
            "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": time, "Keys": {"id": {"S": id}}, "StreamViewType": "NEW_IMAGE",
            },
        });
        if !image.is_null() {
            record["dynamodb"]["NewImage"] = image;
        }
        record
    };
    let start = 1_800_000_000;
    let image = |id: &str, number: &str| json!({"id": {"S": id}, "number": {"N": number}});
    let mut expiring = image("b", "1");
    expiring["expires_at"] = json!({"N": "1800000001"});
    let mut expired = record("REMOVE", start + 5, "b", Value::Null);
    expired["userIdentity"] = json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
    assert_eq!(
        shown,
        [
            record("INSERT", start, "a", image("a", "1")),
            record("MODIFY", start, "a", image("a", "2")),
            record("REMOVE", start, "a", Value::Null),
            record("INSERT", start, "b", expiring),
            expired,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_at_most_so_many_records_and_a_window_gathers_them() {
    let world = World::new().await;
    for number in 0..7 {
        world.put("a", number).await;
    }
    let function = Function::new();
    world.run(world.mapping().batch(3), &function, SECOND).await;
    let sizes: Vec<_> = function.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 3, 1]);

    let function = Function::new();
    let mapping = world.mapping().from_latest().window(SECOND);
    let produce = async {
        for number in 0..10 {
            world.put("b", number).await;
            tokio::time::sleep(SECOND / 4).await;
        }
    };
    tokio::join!(world.run(mapping, &function, SECOND * 4), produce);
    let sizes: Vec<_> = function.batches().iter().map(Vec::len).collect();
    assert!(sizes.iter().all(|size| (2..=5).contains(size)), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_filter_leaves_out_is_not_shown_and_fills_no_batch() {
    let world = World::new().await;
    for number in 0..20 {
        world.put(if number % 2 == 0 { "a" } else { "b" }, number).await;
    }
    let filter = json!({
        "eventName": ["INSERT", "MODIFY"],
        "dynamodb": { "Keys": { "id": { "S": ["a"] } }, "NewImage": { "number": { "N": [{ "exists": true }] } } },
    });
    let function = Function::new();
    let mapping = world.mapping().batch(4).filter(filter);
    world.run(mapping, &function, SECOND).await;
    let batches = function
        .batches()
        .iter()
        .map(|batch| batch.join(" "))
        .collect::<Vec<_>>();
    assert_eq!(batches, ["a=0 a=2 a=4 a=6", "a=8 a=10 a=12 a=14", "a=16 a=18"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_has_at_most_six_megabytes() {
    let world = World::new().await;
    for number in 0..40 {
        let put = world.client.put_item().table_name(TABLE);
        put.set_item(Some(item("a", number)))
            .item("fill", AttributeValue::S("x".repeat(300_000)))
            .send()
            .await
            .unwrap();
    }
    let function = Function::answering(|records| {
        let bytes = json!({ "Records": records }).to_string().len();
        assert!(bytes <= 6 * 1024 * 1024, "{bytes}");
        Ok(Value::Null)
    });
    world.run(world.mapping(), &function, SECOND).await;
    let sizes: Vec<_> = function.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [20, 20]);
}

#[tokio::test(start_paused = true)]
async fn the_next_mapping_begins_with_the_oldest_or_the_newest() {
    let world = World::new().await;
    world.put("a", 1).await;
    for _ in 0..2 {
        let function = Function::new();
        world.run(world.mapping(), &function, SECOND).await;
        assert_eq!(function.batches(), [["a=1"]]);
    }
    let function = Function::new();
    let mapping = world.mapping().from_latest();
    let produce = async {
        tokio::time::sleep(SECOND / 2).await;
        world.put("a", 2).await;
    };
    tokio::join!(world.run(mapping, &function, SECOND), produce);
    assert_eq!(function.batches(), [["a=2"]]);
}

#[tokio::test]
async fn a_stream_outlives_its_process_where_the_tables_do() {
    let folder = tempfile::tempdir().unwrap();
    for (run, expected) in [vec!["a=0"], vec!["a=0", "a=1"]].into_iter().enumerate() {
        let world = World::on(Dynamo::file(folder.path()).unwrap()).await;
        world.put("a", run as u32).await;
        let function = Function::new();
        world.run(world.mapping(), &function, SECOND / 5).await;
        let shown: Vec<_> = function.shown().iter().map(name).collect();
        assert_eq!(shown, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_lambda_would_refuse_is_refused() {
    let world = World::new().await;
    let run = |mapping: StreamMapping| async {
        let run = mapping.run(|_| async { Ok(Value::Null) }, std::future::pending());
        run.await.unwrap_err()
    };
    let wrong = [
        world.mapping().batch(0),
        world.mapping().batch(10_001),
        world.mapping().window(SECOND * 301),
        world.mapping().shards(0),
        world.mapping().timeout(Duration::ZERO),
    ];
    for mapping in wrong {
        let error = run(mapping).await;
        assert!(matches!(error, MappingError::Setting { .. }), "{error}");
    }
    let wrong = world.mapping().shards(65);
    assert!(matches!(run(wrong).await, MappingError::Setting { .. }));
    let mapping = world.mapping().batch(10_000).window(SECOND * 300).shards(64);
    let most = mapping.run(|_| async { Ok(Value::Null) }, std::future::ready(()));
    most.await.unwrap();
    let error = run(world.mapping().filter(json!({ "eventName": "INSERT" }))).await;
    assert!(matches!(error, MappingError::Filter { .. }), "{error}");
    let error = run(StreamMapping::new(&world.dynamo, "others")).await;
    assert_eq!(
        error.to_string(),
        "the table `others` has no stream: make it with one that shows new images"
    );
}
