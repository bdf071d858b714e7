//~ Delivery<OrderPlaced>
//~ Delivery<OrderShipped>

use fanfare::{Delivery, Event, Failure, Handled, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderShipped;

async fn charge(_: Delivery<OrderShipped>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(charge);
}
