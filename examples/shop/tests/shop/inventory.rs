use shop::events::{PaymentCharged, StockReserved};
use shop::inventory::{self, SHELVES_COUNT, initial, shelf};
use shop::spread;
use shop::tables::{RESERVATIONS, SHELVES};

use crate::bench::{Bench, number, of_size, order, text};

async fn rest(bench: &Bench, name: &str) -> anyhow::Result<i64> {
    let items = bench.items(SHELVES).await?;
    let item = items.iter().find(|item| text(item, "shelf") == name);
    Ok(number(item.expect("the shelf"), "rest"))
}

fn start(id: &str) -> String {
    shelf(spread(id, SHELVES_COUNT))
}

/// Ids of orders that start at one shelf.
fn ids_that_share_a_shelf(count: usize) -> Vec<String> {
    let ids = (0..).map(|number| format!("order-{number}"));
    ids.filter(|id| start(id) == shelf(0)).take(count).collect()
}

#[test]
fn the_first_stock_is_spread_over_all_shelves_and_none_is_left_over() {
    for stock in [0, 1, 63, 64, 65, 14_000] {
        let on_shelves: u32 = (0..SHELVES_COUNT).map(|shelf| initial(shelf, stock)).sum();
        assert_eq!(on_shelves, stock);
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_takes_its_cds_from_the_shelf_that_its_id_leads_to() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    bench
        .apply("inventory", &PaymentCharged { order: order("a-1") })
        .await?;
    assert_eq!(rest(&bench, &start("a-1")).await?, 8);
    let published = bench.published().await?;
    let reserved: StockReserved = published[0].envelope.decode()?;
    assert_eq!(reserved.shelf, start("a-1"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_shelf_has_too_few_takes_from_another_one() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let ids = ids_that_share_a_shelf(2);
    for id in &ids {
        bench
            .apply(
                "inventory",
                &PaymentCharged {
                    order: of_size(id, 6),
                },
            )
            .await?;
    }
    assert_eq!(rest(&bench, &shelf(0)).await?, 4);
    assert_eq!(rest(&bench, &shelf(1)).await?, 4);
    assert_eq!(bench.types().await?, ["stock.reserved", "stock.reserved"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_is_rejected_only_when_no_shelf_has_as_many_as_it_wants() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    // 640 CDs in all, but ten on each shelf, and an order is not split.
    bench
        .apply(
            "inventory",
            &PaymentCharged {
                order: of_size("eleven", 11),
            },
        )
        .await?;
    assert_eq!(bench.types().await?, ["stock.rejected"]);
    bench
        .apply(
            "inventory",
            &PaymentCharged {
                order: of_size("ten", 10),
            },
        )
        .await?;
    assert_eq!(bench.types().await?, ["stock.rejected", "stock.reserved"]);
    assert_eq!(rest(&bench, &start("ten")).await?, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_last_shelf_with_enough_is_found_in_two_commits_and_one_look() -> anyhow::Result<()> {
    let bench = Bench::stocked(SHELVES_COUNT).await?;
    let calls = || {
        let calls = bench.dynamo.calls();
        let of = |name| calls.get(name).copied().unwrap_or_default();
        (of("TransactWriteItems"), of("Scan"))
    };
    for number in 0..SHELVES_COUNT {
        let (commits, looks) = calls();
        let order = of_size(&format!("order-{number}"), 1);
        bench.apply("inventory", &PaymentCharged { order }).await?;
        let (commits, looks) = (calls().0 - commits, calls().1 - looks);
        assert!(commits <= 2 && looks <= 1, "{commits} commits and {looks} looks");
    }
    for item in bench.items(SHELVES).await? {
        assert_eq!(number(&item, "rest"), 0, "{}", text(&item, "shelf"));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_reserves_once_also_when_its_payment_is_told_of_twice() -> anyhow::Result<()> {
    for bench in [Bench::new().await?, Bench::without_dedupe().await?] {
        let charged = bench.event(&PaymentCharged { order: order("a-1") })?;
        assert_eq!(bench.deliver("inventory", &charged).await?.name(), "applied");
        assert_eq!(bench.deliver("inventory", &charged).await?.name(), "duplicate");
        // Another event, which no inbox knows: the reservation itself is in the way.
        let told_again = bench.event(&PaymentCharged { order: order("a-1") })?;
        assert_eq!(bench.deliver("inventory", &told_again).await?.name(), "duplicate");
        assert_eq!(rest(&bench, &start("a-1")).await?, 8);
        assert_eq!(bench.items(RESERVATIONS).await?.len(), 1);
        assert_eq!(bench.types().await?, ["stock.reserved"]);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_rejected_order_stays_rejected() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    bench
        .apply(
            "inventory",
            &PaymentCharged {
                order: of_size("a-1", 11),
            },
        )
        .await?;
    let told_again = bench.event(&PaymentCharged {
        order: of_size("a-1", 1),
    })?;
    assert_eq!(bench.deliver("inventory", &told_again).await?.name(), "duplicate");
    assert_eq!(bench.types().await?, ["stock.rejected"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn shelves_that_are_there_are_not_filled_again() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    bench
        .apply("inventory", &PaymentCharged { order: order("a-1") })
        .await?;
    inventory::fill_shelves(bench.client(), 6_400).await?;
    assert_eq!(rest(&bench, &start("a-1")).await?, 8);
    assert_eq!(rest(&bench, &start("a-2")).await?, 10);
    Ok(())
}
