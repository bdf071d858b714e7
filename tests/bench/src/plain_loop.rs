//! The plain loop that everybody writes first: receive 10, handle them, delete them; eight of it.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::order::{Counter, OrderPlaced};

const TASKS: usize = 8;

#[derive(Deserialize)]
struct Body {
    data: OrderPlaced,
}

pub async fn consume(client: Client, url: String, counter: Arc<Counter>) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        tasks.spawn(run(client.clone(), url.clone(), Arc::clone(&counter)));
    }
    counter.done().await;
    // Deletions under way end, and so does a receive that waits.
    let consumed = counter.consumed()?;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    println!("{}", serde_json::to_string(&consumed)?);
    Ok(())
}

async fn run(client: Client, url: String, counter: Arc<Counter>) -> anyhow::Result<()> {
    loop {
        let received = client
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .send()
            .await?;
        let mut entries = Vec::new();
        for (index, message) in received.messages.unwrap_or_default().into_iter().enumerate() {
            let body: Body = serde_json::from_str(&message.body.unwrap_or_default())?;
            counter.handle(&body.data)?;
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .set_receipt_handle(message.receipt_handle)
                .build()?;
            entries.push(entry);
        }
        if !entries.is_empty() {
            let delete = client.delete_message_batch().queue_url(&url);
            delete.set_entries(Some(entries)).send().await?;
        }
    }
}
