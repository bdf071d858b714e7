//! The `fanfare-local` that all consumers take from.

use std::net::Ipv4Addr;

use anyhow::Context;
use fanfare::memory::{Broker, Entry, QueueSettings, Redrive};
use fanfare_local::Local;
use tokio::net::TcpListener;

/// The queue that is consumed.
pub const QUEUE: &str = "bench-orders";
const DEAD: &str = "bench-orders-dlq";

pub struct Server {
    pub endpoint: String,
    local: Local,
}

impl Server {
    pub async fn start() -> anyhow::Result<Self> {
        let local = Local::new()?;
        let broker = local.broker();
        broker.create_queue(DEAD, QueueSettings::default())?;
        let redrive = Redrive {
            dead_letter_queue: DEAD.to_owned(),
            max_receive_count: 5,
        };
        let settings = QueueSettings {
            redrive: Some(redrive),
            ..QueueSettings::default()
        };
        broker.create_queue(QUEUE, settings)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        tokio::spawn(fanfare_local::serve(
            local.clone(),
            listener,
            std::future::pending(),
        ));
        Ok(Self { endpoint, local })
    }

    pub fn broker(&self) -> &Broker {
        self.local.broker()
    }

    /// Puts messages into the queue.
    pub fn fill(&self, messages: u64) -> anyhow::Result<()> {
        for number in 0..messages {
            self.broker()
                .send(QUEUE, Entry::new(crate::order::body(number)))?;
        }
        Ok(())
    }

    /// How many requests SQS has had.
    pub fn requests(&self) -> u64 {
        let calls = self.local.calls();
        calls
            .iter()
            .filter(|(name, _)| name.starts_with("sqs."))
            .map(|(_, count)| count)
            .sum()
    }

    /// Whether all that was put in is gone.
    pub fn left(&self) -> anyhow::Result<usize> {
        let counts = self.broker().counts(QUEUE).context("the queue is gone")?;
        Ok(counts.total() + counts.dead)
    }
}

pub fn queue_url(endpoint: &str) -> String {
    format!("{endpoint}/000000000000/{QUEUE}")
}
