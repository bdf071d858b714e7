//! The message that everybody handles.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fanfare::Event;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::consumed::{Consumed, Start};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderPlaced {
    pub order: String,
    pub customer: String,
    pub cents: i64,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const TOPIC: &'static str = "orders";
}

/// A body as it lies in the queue.
pub fn body(number: u64) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{number}","source":"/bench","type":"order.placed","time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","dataschema":"urn:fanfare:order.placed:1","correlationid":"{number}","data":{{"order":"{number}","customer":"0000{number}","cents":1295}}}}"#
    )
}

/// The handler: counts, and says when all are handled.
#[derive(Debug)]
pub struct Counter {
    wanted: u64,
    handled: AtomicU64,
    start: Mutex<Option<Start>>,
    done: Notify,
}

impl Counter {
    pub fn new(wanted: u64) -> Self {
        Self {
            wanted,
            handled: AtomicU64::new(0),
            start: Mutex::default(),
            done: Notify::new(),
        }
    }

    pub fn handle(&self, order: &OrderPlaced) -> anyhow::Result<()> {
        anyhow::ensure!(order.cents > 0, "an order for nothing");
        let handled = self.handled.fetch_add(1, Ordering::Relaxed) + 1;
        if handled == 1 {
            let start = Start::now()?;
            *self.start.lock().unwrap_or_else(PoisonError::into_inner) = Some(start);
        }
        if handled == self.wanted {
            self.done.notify_one();
        }
        Ok(())
    }

    /// Waits until all are handled.
    pub async fn done(&self) {
        self.done.notified().await;
    }

    pub fn consumed(&self) -> anyhow::Result<Consumed> {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        let start = start
            .as_ref()
            .ok_or_else(|| anyhow::anyhow!("nothing was handled"))?;
        start.consumed(self.handled.load(Ordering::Relaxed))
    }
}
