use shop::events::{ShipmentCreated, StockReserved};
use shop::tables::SHIPMENTS;

use crate::bench::{Bench, order, text};

#[tokio::test(start_paused = true)]
async fn what_is_reserved_is_shipped_once_and_told_of() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let reserved = bench.event(&StockReserved {
        order: order("a-1"),
        shelf: "shelf-07".into(),
    })?;
    assert_eq!(bench.deliver("shipping", &reserved).await?.name(), "applied");
    assert_eq!(bench.deliver("shipping", &reserved).await?.name(), "duplicate");

    let parcels = bench.items(SHIPMENTS).await?;
    assert_eq!(parcels.len(), 1);
    let published = bench.published().await?;
    assert_eq!(published.len(), 1);
    let created: ShipmentCreated = published[0].envelope.decode()?;
    assert_eq!(created.shipment, text(&parcels[0], "shipment"));
    assert_eq!(created.order, order("a-1"));
    Ok(())
}
