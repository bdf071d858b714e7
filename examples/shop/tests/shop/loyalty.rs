use shop::events::ShipmentCreated;
use shop::tables::POINTS;

use crate::bench::{Bench, number, priced};

#[tokio::test(start_paused = true)]
async fn a_customer_gets_a_point_for_each_whole_dollar_shipped_and_once() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    for (id, cents) in [("a", 2_999), ("b", 100), ("c", 99)] {
        let shipped = bench.event(&ShipmentCreated {
            order: priced(id, cents),
            shipment: "parcel".into(),
        })?;
        assert_eq!(bench.deliver("loyalty", &shipped).await?.name(), "applied");
        assert_eq!(bench.deliver("loyalty", &shipped).await?.name(), "duplicate");
    }
    let points = bench.items(POINTS).await?;
    assert_eq!((points.len(), number(&points[0], "points")), (1, 30));
    Ok(())
}
