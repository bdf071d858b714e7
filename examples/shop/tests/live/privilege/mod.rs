//! The roles of the template, tried: each part of the shop may do what it really does, and nothing else.
//!
//! Every part runs as a process of its own, signs with a key of its own, and its calls are recorded by the
//! AWS that it talks to.

mod functions;
mod logic;
mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use fanfare::dead_letter_name;
use fanfare::memory::Entry;
use fanfare_local::{Local, Recorded};
use shop::checkout::Checkout;
use shop::email::Post;
use shop::functions::{NAMES, RELAY};
use shop::http::NAME as API;
use shop::{CONSUMERS, Order};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::roles::{Role, roles};
use crate::crew::Running;
use crate::stage::{LONGEST, Stage, succeeded};

const ORDERS: usize = 60;
/// Few enough that some orders can't be served, and are refunded.
const STOCK: &str = "40";

/// What a role allows though the run doesn't show it: the action, how the resource ends, and why.
const ARGUED: [(&str, &str, &str); 9] = [
    (
        "sqs:GetQueueUrl",
        "",
        "a worker that isn't told where its queue is may ask by its name, and the shop's goes by its account",
    ),
    (
        "sqs:ChangeMessageVisibility",
        "",
        "for a message that is to be tried again, and while a handler is slow",
    ),
    (
        "sns:Publish",
        "",
        "a worker's relay publishes also what others have left behind",
    ),
    (
        "sqs:SendMessage",
        ":shop-payment",
        "and so it sends their commands",
    ),
    (
        "dynamodb:UpdateItem",
        "/shop-fanfare",
        "whoever publishes for others confirms it; and FIFO's tries are counted",
    ),
    (
        "dynamodb:PutItem",
        "/shop-fanfare",
        "a relay parks what can't be published, and here all can be",
    ),
    (
        "dynamodb:BatchGetItem",
        "/shop-fanfare",
        "a worker's relay reads so what others have left behind",
    ),
    (
        "ecs:GetTaskProtection",
        "",
        "asked of ECS's agent, which isn't here",
    ),
    (
        "ecs:UpdateTaskProtection",
        "",
        "asked of ECS's agent, which isn't here",
    ),
];

/// The same of the functions' roles.
const ARGUED_OF_FUNCTIONS: [(&str, &str, &str); 15] = [
    (
        "sqs:ReceiveMessage",
        ":shop-payment",
        "Lambda receives, with the function's role",
    ),
    (
        "sqs:DeleteMessage",
        ":shop-payment",
        "and deletes what is handled",
    ),
    (
        "sqs:GetQueueAttributes",
        ":shop-payment",
        "and asks how the queue is set up",
    ),
    (
        "sqs:ChangeMessageVisibility",
        ":shop-payment",
        "for a message that is to be tried again",
    ),
    (
        "dynamodb:GetItem",
        "/shop-fanfare",
        "before a failure becomes a dead letter, whether it was handled; by the relay where another one was \
         quicker",
    ),
    (
        "sns:Publish",
        "",
        "the relay publishes the events of all, and here are payment's and checkout's",
    ),
    (
        "sqs:SendMessage",
        ":shop-relay-failed",
        "Lambda tells there what it has given up, with the function's role",
    ),
    (
        "dynamodb:UpdateItem",
        "/shop-fanfare",
        "FIFO's tries are counted, and a key's events appended, which payment's run has not",
    ),
    (
        "dynamodb:PutItem",
        "/shop-fanfare",
        "a relay parks what can't be published, and here all can be",
    ),
    (
        "logs:CreateLogStream",
        "",
        "Lambda's own, with the function's role",
    ),
    ("logs:PutLogEvents", "", "Lambda's own, with the function's role"),
    (
        "dynamodb:DescribeStream",
        "",
        "Lambda reads the stream, with the function's role",
    ),
    (
        "dynamodb:GetRecords",
        "",
        "Lambda reads the stream, with the function's role",
    ),
    (
        "dynamodb:GetShardIterator",
        "",
        "Lambda reads the stream, with the function's role",
    ),
    (
        "dynamodb:ListStreams",
        "",
        "Lambda reads the stream, with the function's role",
    ),
];

/// The permissions of whoever publishes the outbox of all.
fn is_relays(call: &Recorded) -> bool {
    let action = call.action.as_str();
    action == "sns:Publish"
        || action == "sqs:SendMessage" && !call.resource.contains("-dlq")
        || call.resource.contains("table/shop-fanfare")
}

/// What each part of the shop has called, by its name.
async fn run() -> anyhow::Result<(Stage, BTreeMap<String, BTreeSet<Recorded>>)> {
    let stage = Stage::embedded().await?;
    stage.provision().await?;
    let local = stage.local().context("it is embedded")?;
    let mut crew = vec![Running::start(&stage, &["relay"]).await?];
    for consumer in CONSUMERS {
        let words = ["worker", consumer, "--poll", "1", "--stock", STOCK];
        crew.push(Running::start(&stage, &words).await?);
    }
    let mut api = Running::start(&stage, &[API, "--listen", "127.0.0.1:0"]).await?;
    // Placed here, and published by the relay: nobody else would for half a minute.
    let file = stage.orders(0..ORDERS)?;
    let mail = Post::Table(stage.aws.dynamo()).provider(None, fanfare::Clock::system())?;
    let checkout = Checkout::new(&stage.aws.deps(&mail));
    let orders = shop::reader::read(&file)?.orders;
    ask(&stage, &mut api, &orders[0]).await?;
    crew.push(api);
    for order in orders {
        checkout.place_surely(&order).await?;
    }
    let file = file.display().to_string();
    succeeded(&stage.run(&["audit", "--orders", &file, "--stock", STOCK]).await?)?;
    // What can't be read goes to the dead letters at once.
    let broker = local.broker();
    let topology = stage.topology()?;
    let queues = topology.consumers.iter();
    let queues: Vec<_> = queues
        .map(|consumer| fanfare::queue_name(&topology.app, &consumer.name, consumer.fifo))
        .collect();
    for queue in &queues {
        let mut entry = Entry::new("not an event");
        if queue.ends_with(".fifo") {
            entry.group = Some("17".into());
            entry.deduplication_id = Some("17".into());
        }
        broker.send(queue, entry)?;
    }
    let buried = async {
        for queue in &queues {
            while broker.counts(&dead_letter_name(queue))?.visible == 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LONGEST, buried)
        .await
        .context("a dead letter is missing")??;
    for running in crew {
        running.stop().await?;
    }
    let calls = calls(local);
    Ok((stage, calls))
}

/// Places this order with the API, twice as a client does that has got no answer, asks for it, and whether the API
/// lives.
async fn ask(stage: &Stage, api: &mut Running, order: &Order) -> anyhow::Result<()> {
    let ready = api.line("listens=127.0.0.1:").await?;
    let (_, port) = ready.rsplit_once(':').context("a port")?;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    succeeded(&stage.run(&["healthy", &port]).await?)?;
    let body = serde_json::to_string(order)?;
    let length = body.len();
    let head = "Host: shop\r\nConnection: close\r\n";
    let place = format!(
        "POST /orders HTTP/1.1\r\n{head}Idempotency-Key: 1\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let show = |id: &str| format!("GET /orders/{id} HTTP/1.1\r\n{head}\r\n");
    for (request, expected) in [
        (place.clone(), "202"),
        (place, "202"),
        (show(&order.id), "200"),
        (show("none"), "404"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port.parse()?)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{request}: {answer}"
        );
    }
    Ok(())
}

/// What was called, by who did.
fn calls(local: &Local) -> BTreeMap<String, BTreeSet<Recorded>> {
    let mut calls: BTreeMap<String, BTreeSet<Recorded>> = BTreeMap::new();
    for call in local.recorded() {
        // Who calls may be asked by everybody.
        if call.action != "sts:GetCallerIdentity" {
            calls.entry(call.by.clone()).or_default().insert(call);
        }
    }
    calls
}

/// The roles of the shop's template, by the name of the part, where these are functions.
fn roles_with(stage: &Stage, functions: &[&str]) -> anyhow::Result<BTreeMap<String, Role>> {
    let by_id = roles(&stage.template(functions)?, stage.aws.account())?;
    let part_of = |id: &str| {
        let plain = id.strip_suffix("Role").unwrap_or(id).to_ascii_lowercase();
        let mut parts = NAMES.into_iter().chain([API]);
        parts
            .find(|part| part.replace('-', "") == plain)
            .map(str::to_owned)
    };
    let own = by_id
        .into_iter()
        .filter_map(|(id, role)| Some((part_of(&id)?, role)));
    Ok(own.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_part_may_do_what_it_does_and_nothing_else() -> anyhow::Result<()> {
    let (stage, calls) = run().await?;
    let by_functions = functions::run().await?;
    let services = roles_with(&stage, &[])?;
    ensure!(
        services.len() == NAMES.len() + 1,
        "a role for each part: {:?}",
        services.keys()
    );
    let mut functions = roles_with(&stage, &NAMES)?;
    functions.retain(|part, _| part != API);
    ensure!(
        functions.len() == NAMES.len(),
        "a role for each part: {:?}",
        functions.keys()
    );
    let mut wrong = Vec::new();
    for (part, role) in &services {
        let made = calls
            .get(part)
            .with_context(|| format!("{part} has called nothing"))?;
        for call in made {
            if !role.allows(&call.action, &call.resource)? {
                wrong.push(format!(
                    "{part} may not {} on {}, and does",
                    call.action, call.resource
                ));
            }
        }
        wrong.extend(unused(part, role, made, &ARGUED));
        wrong.extend(excess(part, role, made, &calls)?);
    }
    for (part, made) in &by_functions {
        for call in made {
            if !functions[part].allows(&call.action, &call.resource)? {
                wrong.push(format!(
                    "{part}'s function may not {} on {}, and does",
                    call.action, call.resource
                ));
            }
        }
        wrong.extend(unused(part, &functions[part], made, &ARGUED_OF_FUNCTIONS));
    }
    for (part, role) in &functions {
        // The same code but for publishing, which a consumer's function leaves to the relay.
        let made = calls[part]
            .iter()
            .filter(|call| part == RELAY || !is_relays(call) || is_inbox(call));
        // And a relay behind the stream doesn't sweep.
        let made = made.filter(|call| part != RELAY || !call.resource.contains("/index/"));
        for call in made {
            if !role.allows(&call.action, &call.resource)? {
                wrong.push(format!(
                    "{part}'s function may not {} on {}",
                    call.action, call.resource
                ));
            }
        }
        if part != RELAY && role.allowed.iter().any(|(action, _)| action == "sns:Publish") {
            wrong.push(format!(
                "{part}'s function may publish, and leaves that to the relay"
            ));
        }
        wrong.extend(excess(part, role, &BTreeSet::new(), &BTreeMap::new())?);
    }
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}

/// What a handler's commit does with the store's table.
fn is_inbox(call: &Recorded) -> bool {
    let actions = ["dynamodb:GetItem", "dynamodb:PutItem"];
    call.resource.ends_with("table/shop-fanfare") && actions.contains(&&*call.action)
}

/// What a role allows that the run has shown nobody do, and that isn't argued.
fn unused(part: &str, role: &Role, made: &BTreeSet<Recorded>, argued: &[(&str, &str, &str)]) -> Vec<String> {
    let mut unused = Vec::new();
    for (action, resource) in &role.allowed {
        let is_used = made
            .iter()
            .any(|call| call.action == *action && call.resource == *resource);
        let is_argued = argued
            .iter()
            .any(|(what, of, _)| action == what && resource.ends_with(of));
        if !is_used && !is_argued {
            unused.push(format!("{part} may {action} on {resource}, and never does"));
        }
    }
    unused
}

/// What a role allows that its part doesn't do and others do, or nobody should.
fn excess(
    part: &str,
    role: &Role,
    made: &BTreeSet<Recorded>,
    calls: &BTreeMap<String, BTreeSet<Recorded>>,
) -> anyhow::Result<Vec<String>> {
    let did = |call: &Recorded| {
        made.iter()
            .any(|own| (&own.action, &own.resource) == (&call.action, &call.resource))
    };
    let own_tables = |call: &Recorded| {
        role.allowed
            .iter()
            .any(|(_, resource)| *resource == call.resource)
    };
    let mut excess = Vec::new();
    for call in calls.values().flatten() {
        // Its own tables are its own: which of their uses a run shows is chance.
        let is_foreign = !did(call) && !is_relays(call) && !own_tables(call);
        if is_foreign && role.allows(&call.action, &call.resource)? {
            excess.push(format!(
                "{part} may {} on {}, as others do",
                call.action, call.resource
            ));
        }
    }
    for (action, resource) in [
        ("sqs:PurgeQueue", "sqs:us-east-1:000000000000:shop-payment"),
        ("sqs:DeleteQueue", "sqs:us-east-1:000000000000:shop-payment"),
        (
            "sqs:SetQueueAttributes",
            "sqs:us-east-1:000000000000:shop-payment",
        ),
        (
            "sqs:ReceiveMessage",
            "sqs:us-east-1:000000000000:shop-payment-dlq",
        ),
        ("sqs:SendMessage", "sqs:us-east-1:000000000000:another"),
        ("sns:CreateTopic", "sns:us-east-1:000000000000:shop-orders"),
        ("sns:Subscribe", "sns:us-east-1:000000000000:shop-orders"),
        ("sns:Publish", "sns:us-east-1:000000000000:another"),
        (
            "dynamodb:DeleteTable",
            "dynamodb:us-east-1:000000000000:table/shop-fanfare",
        ),
        (
            "dynamodb:DeleteItem",
            "dynamodb:us-east-1:000000000000:table/shop-fanfare",
        ),
        (
            "dynamodb:Scan",
            "dynamodb:us-east-1:000000000000:table/shop-fanfare",
        ),
        (
            "dynamodb:PutItem",
            "dynamodb:us-east-1:000000000000:table/another",
        ),
        ("iam:PassRole", "iam::000000000000:role/shop-payment"),
    ] {
        if role.allows(action, &format!("arn:aws:{resource}"))? {
            excess.push(format!("{part} may {action} on {resource}"));
        }
    }
    Ok(excess)
}
