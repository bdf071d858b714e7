//~ a handler is an `async fn(Delivery<E>) -> Result<Handled, Failure>`, and this returns
//~ std::io::Error

use fanfare::{Delivery, Event, Handled, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

async fn charge(_: Delivery<OrderPlaced>) -> Result<Handled, std::io::Error> {
    Ok(Handled::Applied)
}

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(charge);
}
