//! What every function is invoked with: a batch of shipments, each of them new.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::REGION;

/// The records of a batch.
pub const BATCH: u64 = 10;

/// The `number`th batch, as an event-source mapping of SQS gives it.
pub fn batch(number: u64) -> anyhow::Result<Value> {
    // An event that is older than what is remembered is refused.
    let now = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let numbers = number * BATCH..(number + 1) * BATCH;
    let records: Vec<_> = numbers.map(|number| record(number, &now)).collect();
    Ok(json!({ "Records": records }))
}

fn record(number: u64, time: &str) -> Value {
    let order = json!({
        "order_id": format!("bench-{number}"), "customer_id": format!("{:05}", number % 1000),
        "placed_on": "1997-01-01", "quantity": 2, "total_cents": 2933,
    });
    let body = json!({
        "specversion": "1.0", "id": number.to_string(), "source": "/bench", "type": "shipment.created",
        "time": time, "datacontenttype": "application/json",
        "dataschema": "urn:fanfare:shipment.created:1", "correlationid": number.to_string(),
        "data": { "order": order, "shipment": format!("parcel-{number}") },
    });
    json!({
        "messageId": format!("00000000-0000-0000-0000-{number:012}"),
        "receiptHandle": format!("receipt-{number}"),
        "body": body.to_string(),
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "00000000000000000000000000000000",
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:{REGION}:000000000000:shop-loyalty"),
        "awsRegion": REGION,
    })
}
