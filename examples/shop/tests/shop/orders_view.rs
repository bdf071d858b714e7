use fanfare::Outgoing;
use shop::events::{
    OrderCancelled, OrderPlaced, PaymentCharged, PaymentFailed, PaymentRefunded, ShipmentCreated,
};
use shop::orders_view::{View, view};

use crate::bench::{Bench, order};

fn shipped(bench: &Bench) -> anyhow::Result<Vec<Outgoing>> {
    let order = order("a-1");
    Ok(vec![
        bench.event(&OrderPlaced { order: order.clone() })?,
        bench.event(&PaymentCharged { order: order.clone() })?,
        bench.event(&ShipmentCreated {
            order,
            shipment: "parcel".into(),
        })?,
    ])
}

fn refunded(bench: &Bench) -> anyhow::Result<Vec<Outgoing>> {
    let order = order("a-1");
    Ok(vec![
        bench.event(&OrderPlaced { order: order.clone() })?,
        bench.event(&PaymentCharged { order: order.clone() })?,
        bench.event(&OrderCancelled { order: order.clone() })?,
        bench.event(&PaymentRefunded { order })?,
    ])
}

async fn seen(bench: &Bench) -> anyhow::Result<View> {
    let view = view(bench.client(), "a-1").await?;
    Ok(view.expect("an order that was told of"))
}

/// Every order of these.
fn permutations(events: &[Outgoing]) -> Vec<Vec<Outgoing>> {
    if events.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for index in 0..events.len() {
        let mut rest = events.to_vec();
        let first = rest.remove(index);
        for mut tail in permutations(&rest) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_status_is_processing_until_the_order_has_ended() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    assert!(view(bench.client(), "a-1").await?.is_none());
    let mut statuses = Vec::new();
    for event in refunded(&bench)? {
        bench.deliver("orders-view", &event).await?;
        statuses.push(seen(&bench).await?.status());
    }
    assert_eq!(statuses, ["processing", "processing", "processing", "refunded"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn events_in_any_order_give_the_same_view_and_it_never_goes_back() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    for events in [shipped(&bench)?, refunded(&bench)?] {
        let mut views = Vec::new();
        for events in permutations(&events) {
            let bench = Bench::new().await?;
            let mut highest = None;
            for event in events {
                bench.deliver("orders-view", &event).await?;
                let fact = seen(&bench).await?.facts.last().copied();
                assert!(fact >= highest, "{fact:?} after {highest:?}");
                highest = fact;
            }
            views.push(seen(&bench).await?);
        }
        assert!(views.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(views[0].end().is_some());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_could_not_be_paid_has_ended() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let failed = PaymentFailed {
        order: order("a-1"),
        limit_cents: 1,
    };
    bench.apply("orders-view", &failed).await?;
    let view = seen(&bench).await?;
    assert_eq!(view.status(), "payment_failed");
    assert_eq!(view.order, order("a-1"));
    Ok(())
}
