//~ `Charge` is not a handler of `OrderPlaced`
//~ not an `async fn(Delivery<OrderPlaced>) -> Result<Handled, Failure>`
//~ or a type that implements `Handler<OrderPlaced>`

use fanfare::{Event, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

struct Charge;

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(Charge);
}
