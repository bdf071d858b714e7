//! What a call costs through the SDK's client, next to the database alone: `cargo bench -p fanfare-local`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion makes public items; a benchmark that can not go on fails"
)]

use std::cell::LazyCell;
use std::collections::HashMap;
use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    TransactWriteItem,
};
use criterion::{Criterion, criterion_group, criterion_main};
use dynoxide::Database;
use fanfare::Clock;
use fanfare::fault::Life;
use fanfare_local::Dynamo;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Of a size like an inbox record's or an order's.
const FILL: &str = "some two hundred bytes of text, as an item of a shop has them in its attributes: names, \
                    amounts, states, the time of the last change, and the id of the event that made the change";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

fn client(dynamo: &Dynamo, runtime: &Runtime) -> Client {
    let client = dynamo.client(&Life::default());
    let attribute = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let create = client
        .create_table()
        .table_name("things")
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(["pk", "sk"].map(attribute).into()))
        .set_key_schema(Some(vec![key("pk", KeyType::Hash), key("sk", KeyType::Range)]));
    runtime.block_on(create.send()).unwrap();
    client
}

fn item(pk: &str, n: u64) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    [
        ("pk".to_owned(), text(pk)),
        ("sk".to_owned(), AttributeValue::S(format!("{n:08}"))),
        ("fill".to_owned(), text(FILL)),
        ("n".to_owned(), AttributeValue::N(n.to_string())),
    ]
    .into()
}

fn json_item(pk: &str, n: u64) -> Value {
    json!({"pk": {"S": pk}, "sk": {"S": format!("{n:08}")}, "fill": {"S": FILL}, "n": {"N": n.to_string()}})
}

fn transact(client: &Client, runtime: &Runtime, n: u64) {
    let entry = |pk: &str| {
        let put = Put::builder()
            .table_name("things")
            .set_item(Some(item(pk, n)))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let entries = ["a", "b", "c"].map(entry).into();
    runtime
        .block_on(
            client
                .transact_write_items()
                .set_transact_items(Some(entries))
                .send(),
        )
        .unwrap();
}

fn database() -> Database {
    let database = Database::memory().unwrap();
    let table = json!({
        "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    });
    database
        .create_table(serde_json::from_value(table).unwrap())
        .unwrap();
    database
}

fn next(n: &mut u64) -> u64 {
    *n += 1;
    *n
}

fn puts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("PutItem");
    group.bench_function("database alone", |bencher| {
        let (database, mut n) = (database(), 0);
        bencher.iter(|| {
            let request = json!({"TableName": "things", "Item": json_item("a", next(&mut n))});
            database
                .put_item(serde_json::from_value(request).unwrap())
                .unwrap()
        });
    });
    group.bench_function("client", |bencher| {
        let (runtime, mut n) = (runtime(), 0);
        let client = client(&Dynamo::memory(Clock::system()).unwrap(), &runtime);
        bencher.iter(|| {
            let put = client
                .put_item()
                .table_name("things")
                .set_item(Some(item("a", next(&mut n))));
            runtime.block_on(put.send()).unwrap()
        });
    });
}

fn transactions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("TransactWriteItems of 3");
    group.bench_function("database alone", |bencher| {
        let (database, mut n) = (database(), 0);
        bencher.iter(|| {
            let n = next(&mut n);
            let entry = |pk: &str| {
                json!({"Put": {
                    "TableName": "things", "Item": json_item(pk, n),
                    "ConditionExpression": "attribute_not_exists(pk)",
                }})
            };
            let entries = ["a", "b", "c"].map(entry);
            let request = json!({"TransactItems": entries});
            database
                .transact_write_items(serde_json::from_value(request).unwrap())
                .unwrap()
        });
    });
    let mut through = |name: &str, before: u64, folder: Option<&Path>| {
        let set_up = LazyCell::new(|| {
            let runtime = runtime();
            let dynamo = folder
                .map_or_else(|| Dynamo::memory(Clock::system()), Dynamo::file)
                .unwrap();
            let client = client(&dynamo, &runtime);
            (0..before).for_each(|n| transact(&client, &runtime, n));
            (runtime, client)
        });
        let mut n = before;
        group.bench_function(name, |bencher| {
            let (runtime, client) = &*set_up;
            bencher.iter(|| transact(client, runtime, next(&mut n)));
        });
    };
    through("client", 0, None);
    through("client, after 100,000", 100_000, None);
    let folder = tempfile::tempdir().unwrap();
    through("client, in a folder", 0, Some(folder.path()));
}

fn reads(criterion: &mut Criterion) {
    let (runtime, dynamo) = (runtime(), Dynamo::memory(Clock::system()).unwrap());
    let (client, database) = (client(&dynamo, &runtime), database());
    for n in 0..1_000 {
        transact(&client, &runtime, n);
        let request = json!({"TableName": "things", "Item": json_item("a", n)});
        database
            .put_item(serde_json::from_value(request).unwrap())
            .unwrap();
    }
    let mut group = criterion.benchmark_group("GetItem");
    let key = json!({"pk": {"S": "a"}, "sk": {"S": "00000500"}});
    group.bench_function("database alone", |bencher| {
        bencher.iter(|| {
            let request = json!({"TableName": "things", "Key": key});
            database
                .get_item(serde_json::from_value(request).unwrap())
                .unwrap()
        });
    });
    group.bench_function("client", |bencher| {
        bencher.iter(|| {
            let get = client.get_item().table_name("things");
            let get = get
                .key("pk", AttributeValue::S("a".into()))
                .key("sk", AttributeValue::S("00000500".into()));
            runtime.block_on(get.send()).unwrap()
        });
    });
    group.finish();
    let mut group = criterion.benchmark_group("Query of 10");
    group.bench_function("database alone", |bencher| {
        bencher.iter(|| {
            let request = json!({
                "TableName": "things", "KeyConditionExpression": "pk = :a", "Limit": 10,
                "ExpressionAttributeValues": {":a": {"S": "a"}},
            });
            database.query(serde_json::from_value(request).unwrap()).unwrap()
        });
    });
    group.bench_function("client", |bencher| {
        bencher.iter(|| {
            let query = client
                .query()
                .table_name("things")
                .key_condition_expression("pk = :a")
                .limit(10);
            let query = query.expression_attribute_values(":a", AttributeValue::S("a".into()));
            runtime.block_on(query.send()).unwrap()
        });
    });
}

criterion_group!(benches, puts, transactions, reads);
criterion_main!(benches);
