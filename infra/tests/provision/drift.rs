//! What is deployed, against what the code says.

use fanfare::memory::{FilterPolicy, QueueSettings, Scope, TopicSettings};
use fanfare::table::{Key, Table};
use fanfare::topology::{FunctionSettings, Hosting};
use fanfare::{App, Router};
use fanfare_infra::{Deployment, Drift};
use fanfare_local::Local;
use serde_json::{Value, json};
use std::time::Duration;

use crate::tap::{Deed, Tap};
use crate::world::*;

fn texts(drift: &Drift) -> Vec<String> {
    drift.entries().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn after_provisioning_there_is_none() {
    let local = provisioned().await;
    let drift = deployment(&local.sdk_config()).await.diff().await.unwrap();
    assert!(drift.is_none(), "{drift}");
    assert!(
        drift.summary().ends_with("0 changed, 16 as the code says"),
        "{drift}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_changes_nothing_and_refuses_nothing() {
    let local = provisioned().await;
    local.broker().delete_queue("shop-mail");
    let before = contents(&local).await;
    let tap = Tap::default();
    let deployment = deployment(&tap.on(local.sdk_config())).await;
    assert_eq!(
        texts(&deployment.diff().await.unwrap()),
        ["added     queue shop-mail"]
    );
    assert_eq!(contents(&local).await, before);
    let reads = |call: &String| ["Get", "List", "Describe"].iter().any(|word| call.contains(word));
    let others: Vec<_> = tap.calls().into_iter().filter(|call| !reads(call)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_was_changed_by_hand_is_named_with_both_values() {
    let local = provisioned().await;
    let all = local.broker().subscriptions();
    let orders = all
        .into_iter()
        .find(|there| there.topic == "shop-orders")
        .unwrap();
    let mut settings = orders.settings;
    let policy = json!({"type": ["order.placed"]});
    settings.filter = Some(FilterPolicy::parse(&policy, Scope::MessageAttributes).unwrap());
    local.broker().set_subscription(&orders.id, settings).unwrap();
    let drift = deployment(&local.sdk_config()).await.diff().await.unwrap();
    assert_eq!(
        texts(&drift),
        [
            "changed   subscription shop-orders to shop-payment: FilterPolicy is {\"type\":[\"order.placed\"]}, should be \
          {\"type\":[\"order.cancelled\",\"order.placed\"]}"
        ]
    );
    let sums = "0 added and not deployed, 0 removed and still deployed, 1 changed, 15 as the code says";
    assert_eq!(drift.summary(), sums);
}

#[tokio::test(start_paused = true)]
async fn what_is_deployed_and_not_in_the_code_is_named() {
    let local = provisioned().await;
    let config = local.sdk_config();
    // What was there for a consumer and its topic, before they were taken out of the code.
    let former = app().consumer(Router::new("loyalty").on::<OrderPlaced>(nothing));
    let table = Table::new("shop-points", Key::text("customer"));
    let former = of(&config, &former.topology().unwrap(), &[table]).await;
    former.provision().await.unwrap();
    let broker = local.broker();
    broker
        .create_topic("shop-points", TopicSettings::default())
        .unwrap();
    // Not the application's: its name is another one.
    broker
        .create_queue("shopping-list", QueueSettings::default())
        .unwrap();
    broker.create_topic("shopping", TopicSettings::default()).unwrap();
    let drift = deployment(&config).await.diff().await.unwrap();
    assert_eq!(
        texts(&drift),
        [
            "removed   topic shop-points",
            "removed   queue shop-loyalty",
            "removed   queue shop-loyalty-dlq",
            "removed   queue shop-loyalty-undelivered",
            "removed   table shop-points",
            "removed   subscription shop-orders to shop-loyalty",
        ]
    );
    let ignoring = deployment(&config)
        .await
        .ignore("shop-loyalty")
        .ignore("shop-orders to ");
    let drift = ignoring.diff().await.unwrap();
    assert_eq!(
        texts(&drift),
        ["removed   topic shop-points", "removed   table shop-points"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_code_is_looked_at_whatever_is_ignored() {
    let local = Local::new().unwrap();
    let deployment = deployment(&local.sdk_config()).await.ignore("shop-");
    assert_eq!(deployment.diff().await.unwrap().entries().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_leads_elsewhere_is_named() {
    let tap = Tap::default().next(
        "sns:ListSubscriptionsByTopic",
        [Deed::Answer(
            "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>\
             <member><TopicArn>t</TopicArn><Protocol>https</Protocol><Endpoint>https://example.org/hook</Endpoint>\
             <SubscriptionArn>arn:aws:sns:us-east-1:000000000000:t:1</SubscriptionArn></member>\
             <member><TopicArn>t</TopicArn><Protocol>email</Protocol><Endpoint>ops@example.org</Endpoint>\
             <SubscriptionArn>PendingConfirmation</SubscriptionArn></member>\
             <member><TopicArn>t</TopicArn><Protocol>sqs</Protocol>\
             <Endpoint>arn:aws:sqs:us-east-1:999999999999:shop-books.fifo</Endpoint>\
             <SubscriptionArn>arn:aws:sns:us-east-1:000000000000:t:2</SubscriptionArn></member>\
             </Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
                .to_owned(),
        )],
    );
    let local = provisioned().await;
    let deployment = deployment(&tap.on(local.sdk_config())).await;
    assert_eq!(
        texts(&deployment.diff().await.unwrap()),
        [
            "added     subscription shop-ledger.fifo to shop-books.fifo",
            "removed   subscription shop-ledger.fifo to arn:aws:sqs:us-east-1:999999999999:shop-books.fifo",
            "removed   subscription shop-ledger.fifo to https://example.org/hook",
            "removed   subscription shop-ledger.fifo to ops@example.org, not confirmed yet",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn every_page_is_read() {
    let local = provisioned().await;
    let config = local.sdk_config();
    let dynamo = aws_sdk_dynamodb::Client::new(&config);
    for number in 0..101 {
        let name = format!("other-{number}");
        local
            .broker()
            .create_topic(&name, TopicSettings::default())
            .unwrap();
        let table = Table::new(name, Key::text("id"));
        fanfare_store::create_table(&dynamo, &table).await.unwrap();
    }
    // More than a page of queues under the application's own names: the filter is SQS's.
    for number in 0..1_001 {
        let name = format!("shop-a-{number:04}");
        local
            .broker()
            .create_queue(&name, QueueSettings::default())
            .unwrap();
    }
    local
        .broker()
        .create_topic("shop-z", TopicSettings::default())
        .unwrap();
    local
        .broker()
        .create_queue("shop-z", QueueSettings::default())
        .unwrap();
    let last = Table::new("shop-z", Key::text("id"));
    fanfare_store::create_table(&dynamo, &last).await.unwrap();
    let tap = Tap::default();
    let deployment = deployment(&tap.on(config)).await.ignore("shop-a-");
    assert_eq!(
        texts(&deployment.diff().await.unwrap()),
        [
            "removed   topic shop-z",
            "removed   queue shop-z",
            "removed   table shop-z"
        ]
    );
    for (call, pages) in [
        ("sns:ListTopics", 2),
        ("sqs:ListQueues", 2),
        ("dynamodb:ListTables", 2),
    ] {
        assert_eq!(tap.count(call), pages, "{call}");
    }
}

/// An application whose payment is a function, and its relay too, with all else provisioned.
async fn with_functions() -> (Local, App) {
    let settings = FunctionSettings::default().timeout(Duration::from_secs(20));
    let payment = Router::new("payment")
        .on::<OrderPlaced>(nothing)
        .visibility_timeout(Duration::from_secs(120))
        .function(settings.clone().maximum_concurrency(5));
    let app = App::new("shop")
        .producer(fanfare::Producer::new("checkout").emits::<OrderPlaced>())
        .consumer(payment)
        .store("shop-fanfare")
        .relay(Hosting::Function(settings.batch(100)));
    let local = Local::new().unwrap();
    let config = local.sdk_config();
    let deployment = of(&config, &app.topology().unwrap(), &tables()).await;
    deployment.provision().await.unwrap();
    (local, app)
}

async fn tapped(local: &Local, app: &App, functions: &[Value], mappings: &[Value]) -> (Deployment, Tap) {
    // A thing a page.
    let pages = |list: &str, all: &[Value]| {
        let last = all.len().saturating_sub(1);
        let page = |(index, thing): (usize, &Value)| {
            let next = (index < last).then(|| format!("page {}", index + 1));
            Deed::Answer(json!({list: [thing], "NextMarker": next}).to_string())
        };
        all.iter().enumerate().map(page).collect::<Vec<_>>()
    };
    let tap = Tap::default()
        .next("lambda:ListFunctions", pages("Functions", functions))
        .next(
            "lambda:ListEventSourceMappings",
            pages("EventSourceMappings", mappings),
        );
    let config = tap.on(local.sdk_config());
    (of(&config, &app.topology().unwrap(), &tables()).await, tap)
}

fn function(name: &str, timeout: u32) -> Value {
    json!({"FunctionName": name, "Timeout": timeout, "MemorySize": 256, "Runtime": "provided.al2023"})
}

fn payment_mapping() -> Value {
    json!({
        "UUID": "1",
        "EventSourceArn": queue_arn("shop-payment"),
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:shop-payment",
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 5},
        "State": "Enabled",
    })
}

fn relay_mapping() -> Value {
    let pattern = json!({
        "eventName": ["MODIFY", "INSERT"],
        "dynamodb": {
            "NewImage": {"shard": {"S": [{"exists": true}]}},
            "Keys": {"sk": {"S": ["commit", "head"]}},
        },
    });
    let pattern = format!("{pattern:#}");
    json!({
        "UUID": "2",
        "EventSourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/shop-fanfare/stream/2026-11-21T22:15:07.123",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:shop-relay",
        "BatchSize": 100,
        "BisectBatchOnFunctionError": true,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
        "MaximumRecordAgeInSeconds": 3600,
        "MaximumRetryAttempts": 10,
        "DestinationConfig": {"OnFailure": {"Destination": queue_arn("shop-relay-failed")}},
        "State": "Updating",
    })
}

#[tokio::test(start_paused = true)]
async fn functions_and_mappings_as_the_code_says_are_no_drift() {
    let (local, app) = with_functions().await;
    let functions = [
        function("another", 3),
        function("shop-payment", 20),
        function("shop-relay", 20),
    ];
    let mappings = [payment_mapping(), relay_mapping()];
    let (deployment, tap) = tapped(&local, &app, &functions, &mappings).await;
    let drift = deployment.diff().await.unwrap();
    assert!(drift.is_none(), "{drift}");
    assert_eq!(tap.count("lambda:ListFunctions"), 3, "one a page");
    assert_eq!(tap.count("lambda:ListEventSourceMappings"), 2, "one a page");
}

#[tokio::test(start_paused = true)]
async fn functions_and_mappings_that_are_missing_too_many_or_otherwise_are_named() {
    let (local, app) = with_functions().await;
    let functions = [function("shop-payment", 3), function("shop-email", 20)];
    let mut payment = payment_mapping();
    payment["State"] = json!("Disabled");
    payment["FunctionResponseTypes"] = json!([]);
    payment["ScalingConfig"] = json!({"MaximumConcurrency": 50});
    // It would delete what it doesn't let pass.
    payment["FilterCriteria"] = json!({"Filters": [{"Pattern": "{\"body\":{}}"}]});
    let mut email = payment_mapping();
    email["FunctionArn"] = json!("arn:aws:lambda:us-east-1:000000000000:function:shop-email:live");
    let mut stranger = payment_mapping();
    stranger["FunctionArn"] = json!("arn:aws:lambda:us-east-1:000000000000:function:another");
    let mut dying = relay_mapping();
    dying["State"] = json!("Deleting");
    let mappings = [payment, email, stranger, dying];
    let (deployment, _) = tapped(&local, &app, &functions, &mappings).await;
    let of_payment = "changed   mapping queue shop-payment to shop-payment";
    assert_eq!(
        texts(&deployment.diff().await.unwrap()),
        [
            "changed   function shop-payment: Timeout is 3, should be 20",
            "added     function shop-relay",
            &format!("{of_payment}: FunctionResponseTypes is not set, should be ReportBatchItemFailures"),
            &format!("{of_payment}: MaximumConcurrency is 50, should be 5"),
            &format!("{of_payment}: State is Disabled, should be Enabled"),
            &format!("{of_payment}: FilterCriteria is {{\"body\":{{}}}}, should be not set"),
            "added     mapping table shop-fanfare to shop-relay",
            "removed   function shop-email",
            "removed   mapping queue shop-payment to another",
            "removed   mapping queue shop-payment to shop-email:live",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn who_may_not_look_is_told_what_is_missing() {
    for (call, deed) in [
        ("lambda:ListFunctions", "AccessDeniedException"),
        ("lambda:ListEventSourceMappings", "AccessDeniedException"),
        ("sns:ListTopics", "AuthorizationError"),
        ("sqs:ListQueues", "AccessDenied"),
        ("dynamodb:ListTables", "AccessDeniedException"),
    ] {
        let local = provisioned().await;
        let tap = Tap::default().always(call, Deed::Refuse(deed));
        let deployment = deployment(&tap.on(local.sdk_config())).await;
        let error = deployment.diff().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("it needs the permission `{call}`")),
            "{error}"
        );
    }
}
