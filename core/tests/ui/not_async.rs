//~ a handler is an `async fn(Delivery<E>) -> Result<Handled, Failure>`, and this returns
//~ not an `async fn` that returns `Result<Handled, Failure>`

use fanfare::{Delivery, Event, Failure, Handled, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

fn charge(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(charge);
}
