//~ a handler is an `async fn(Delivery<E>) -> Result<Handled, Failure>`, and this returns
//~ Result<(), Failure>
//~ not an `async fn` that returns `Result<Handled, Failure>`

use fanfare::{Delivery, Event, Failure, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

async fn charge(_: Delivery<OrderPlaced>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(charge);
}
