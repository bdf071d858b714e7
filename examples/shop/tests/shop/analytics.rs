use std::collections::BTreeMap;

use shop::Order;
use shop::events::{PaymentCharged, PaymentRefunded};
use shop::tables::SALES;

use crate::bench::{Bench, number, order, priced, text};

async fn sums(bench: &Bench) -> anyhow::Result<BTreeMap<String, (i64, i64)>> {
    let items = bench.items(SALES).await?;
    let sums = items.iter().map(|item| {
        let of = text(item, "of").to_owned();
        (of, (number(item, "cents"), number(item, "orders")))
    });
    Ok(sums.collect())
}

#[tokio::test(start_paused = true)]
async fn revenue_is_summed_by_customer_and_by_day() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let other_day = Order {
        placed_on: "1997-02-28".into(),
        ..priced("b", 50)
    };
    for order in [order("a"), other_day] {
        bench.apply("analytics", &PaymentCharged { order }).await?;
    }
    let sums = sums(&bench).await?;
    assert_eq!(sums["customer#00004"], (2_983, 2));
    let of_day = |day: &str| {
        let parts = sums
            .iter()
            .filter(|(of, _)| of.starts_with(&format!("day#{day}#")));
        parts.map(|(_, (cents, _))| cents).sum::<i64>()
    };
    assert_eq!((of_day("1997-01-01"), of_day("1997-02-28")), (2_933, 50));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_refunded_is_no_revenue() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    bench
        .apply("analytics", &PaymentCharged { order: order("a") })
        .await?;
    bench
        .apply("analytics", &PaymentRefunded { order: order("a") })
        .await?;
    assert!(sums(&bench).await?.values().all(|sum| *sum == (0, 0)));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_is_told_of_twice_counts_once() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let charged = bench.event(&PaymentCharged { order: order("a") })?;
    assert_eq!(bench.deliver("analytics", &charged).await?.name(), "applied");
    assert_eq!(bench.deliver("analytics", &charged).await?.name(), "duplicate");
    assert_eq!(sums(&bench).await?["customer#00004"], (2_933, 1));
    Ok(())
}
