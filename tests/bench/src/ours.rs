//! fanfare's worker with its defaults: heartbeat, backoff, drain and metrics on.

use std::sync::Arc;

use aws_types::SdkConfig;
use fanfare::{App, Delivery, Failure, Handled, Handler, Router};
use fanfare_worker::Worker;

use crate::order::{Counter, OrderPlaced};

struct Count(Arc<Counter>);

impl Handler<OrderPlaced> for Count {
    async fn handle(&self, order: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        self.0.handle(&order)?;
        Ok(Handled::Applied)
    }
}

/// The application: one consumer of one type.
pub fn app(counter: Arc<Counter>) -> App {
    App::new("bench").consumer(Router::new("orders").on::<OrderPlaced>(Count(counter)))
}

pub async fn consume(config: &SdkConfig, counter: Arc<Counter>) -> anyhow::Result<()> {
    let app = app(Arc::clone(&counter));
    let topology = app.topology()?;
    for service in app.services()? {
        let worker = Worker::connect(config, &topology, service).await?;
        let done = async {
            counter.done().await;
            if let Ok(line) = counter
                .consumed()
                .and_then(|consumed| Ok(serde_json::to_string(&consumed)?))
            {
                println!("{line}");
            }
        };
        worker.serve(done).await?;
    }
    Ok(())
}
