//~ `Send`
//~ has type `Rc<

use fanfare::{Delivery, Event, Failure, Handled, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

async fn charge(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    let kept = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(kept);
    Ok(Handled::Applied)
}

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(charge);
}
