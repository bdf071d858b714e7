//! The crate `ruststream-sqs-sns` with 64 workers, as many as the worker has by default.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ruststream_sqs_sns::prelude::*;
use serde::Deserialize;

use crate::order::{Counter, OrderPlaced};

/// A handler of the framework is a function: what it counts with is found here.
static COUNTER: OnceLock<Arc<Counter>> = OnceLock::new();

#[derive(Debug, Deserialize)]
struct Body {
    data: OrderPlaced,
}

#[subscriber(SqsQueue::new("bench-orders").wait(Duration::from_secs(1)), workers(64))]
async fn handle(body: &Body) -> HandlerOutcome {
    match COUNTER.get().map(|counter| counter.handle(&body.data)) {
        Some(Ok(())) => HandlerOutcome::ack(),
        _ => HandlerOutcome::retry(),
    }
}

pub async fn consume(endpoint: &str, counter: Arc<Counter>) -> anyhow::Result<()> {
    COUNTER.get_or_init(|| Arc::clone(&counter));
    let broker = SqsBroker::new()
        .endpoint(endpoint)
        .region("us-east-1")
        .test_credentials();
    let app = RustStream::new(AppInfo::new("bench", "0.1.0")).with_broker(broker, |b| {
        b.include(handle);
    });
    let consumed = Arc::clone(&counter);
    let done = async move {
        counter.done().await;
        if let Ok(line) = consumed
            .consumed()
            .and_then(|consumed| Ok(serde_json::to_string(&consumed)?))
        {
            println!("{line}");
        }
    };
    app.run_until(done).await?;
    Ok(())
}
