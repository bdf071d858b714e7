//~ compiles

use fanfare::{Delivery, Event, Failure, Handled, Handler, Router};

#[derive(serde::Serialize, serde::Deserialize)]
struct OrderPlaced;

impl Event for OrderPlaced {
    const TYPE: &str = "order.placed";
    const TOPIC: &str = "orders";
}

async fn function(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

struct Struct;

impl Handler<OrderPlaced> for Struct {
    async fn handle(&self, delivery: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        function(delivery).await
    }
}

fn main() {
    let _ = Router::new("payment").on::<OrderPlaced>(function);
    let _ = Router::new("payment").on::<OrderPlaced>(Struct);
    // The error's type follows from the bound.
    let _ = Router::new("payment").on::<OrderPlaced>(|_: Delivery<OrderPlaced>| async {
        "1".parse::<u8>()?;
        Ok(Handled::Applied)
    });
}
