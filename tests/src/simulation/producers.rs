//! Who places orders: two producers that know nothing of the store and count their events from 1,
//! and the shop's own counter, which writes what it publishes in one transaction.

use std::time::Duration;

use fanfare::fault::Life;
use fanfare::port::Publish;
use fanfare::{Destination, Envelope, Event, Outgoing};
use fanfare_store::IdempotencyKey;
use serde_json::json;

use super::events::OrderPlaced;
use super::model::{Order, Scenario};
use super::table::add;
use super::weather::{Plans, Weather};
use super::world::World;

fn placed(order: &Order) -> OrderPlaced {
    OrderPlaced {
        order: order.id.clone(),
        article: order.article.clone(),
        cents: order.cents,
    }
}

/// All orders of the scenario, side by side. Returns when they are placed, with how often a producer
/// was killed.
pub(super) async fn all(world: &World, weather: &Weather, scenario: &Scenario) -> anyhow::Result<u64> {
    let of = |name: &str| {
        let orders = scenario.orders.iter().filter(|order| order.producer == name);
        orders.cloned().collect::<Vec<_>>()
    };
    let [.., web, kiosk, counter] = weather.processes.as_slice() else {
        anyhow::bail!("there are no plans for the producers");
    };
    let (web, kiosk, counter) = tokio::join!(
        produce(world, web, of("web"), foreign),
        produce(world, kiosk, of("kiosk"), foreign),
        produce(world, counter, of("counter"), at_counter),
    );
    Ok(web + kiosk + counter)
}

/// Places one order after the other, each again and again until it is confirmed, also after the
/// producer was killed: its customer remembers.
async fn produce(
    world: &World,
    plans: &Plans,
    orders: Vec<Order>,
    place: impl AsyncFn(&World, &Plans, &Life, usize, &Order) -> anyhow::Result<()>,
) -> u64 {
    let mut kills = 0;
    for (index, order) in orders.iter().enumerate() {
        let place = |life: Life| {
            let place = &place;
            async move {
                while place(world, plans, &life, index + 1, order).await.is_err() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        };
        let ((), killed) = Life::restart(plans.name, Duration::from_secs(2), place).await;
        kills += killed;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..5_000))).await;
    }
    kills
}

/// Publishes an order. The event's id is its number, as with any other producer that counts.
async fn foreign(
    world: &World,
    plans: &Plans,
    life: &Life,
    number: usize,
    order: &Order,
) -> anyhow::Result<()> {
    let publisher = world.publisher(&world.config(&plans.queues, life));
    let event = json!({
        "specversion": "1.0",
        "id": number.to_string(),
        "source": format!("/{}", plans.name),
        "type": OrderPlaced::TYPE,
        "data": placed(order),
    });
    let outgoing = Outgoing {
        destination: Destination::Topic(OrderPlaced::TOPIC.to_owned()),
        key: Some(order.id.clone()),
        tenant: None,
        envelope: Envelope::parse(&event.to_string())?,
    };
    for result in publisher.publish(vec![outgoing]).await {
        result?;
    }
    Ok(())
}

/// Writes an order and its event in one transaction, under the customer's key.
async fn at_counter(
    world: &World,
    plans: &Plans,
    life: &Life,
    _number: usize,
    order: &Order,
) -> anyhow::Result<()> {
    let dynamo = world.local.dynamo().clone().with_faults(plans.tables.clone());
    let store = world.store(dynamo.client(life));
    let event = placed(order);
    let body = serde_json::to_vec(&event)?;
    let key = IdempotencyKey::of("customer", "place order", &order.id, &body);
    store
        .outbox(plans.name)
        .transaction()
        .write(add("order", &order.id, "placed", 1).build()?)
        .emit(&event)
        .idempotent(key, Duration::from_secs(24 * 60 * 60))
        .result(order.id.clone())
        .commit()
        .await?;
    Ok(())
}
