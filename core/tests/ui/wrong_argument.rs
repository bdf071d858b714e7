//~ Delivery<OrderPlaced>
//~ fn(OrderPlaced)

use fanfare::{Event, Failure, Handled, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

async fn charge(_: OrderPlaced) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(charge);
}
