use fanfare::Outgoing;
use shop::events::{LedgerPosted, OrderPlaced, PaymentFailed, RefundPayment};
use shop::payment::CARD_LIMIT_CENTS;
use shop::tables::LEDGER;

use crate::bench::{Bench, goes_to, order, priced};

fn postings(published: &[Outgoing]) -> anyhow::Result<Vec<(String, i64)>> {
    let posted = published
        .iter()
        .filter(|outgoing| outgoing.envelope.ty() == "ledger.posted");
    posted
        .map(|outgoing| {
            let posted: LedgerPosted = outgoing.envelope.decode()?;
            assert_eq!(outgoing.key.as_deref(), Some(posted.account.as_str()));
            assert_eq!(goes_to(outgoing), "ledger.fifo");
            Ok((posted.account, posted.cents))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_placed_is_charged_with_two_postings_that_sum_to_zero() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    bench
        .apply("payment", &OrderPlaced { order: order("a-1") })
        .await?;
    let published = bench.published().await?;
    let postings = postings(&published)?;
    assert_eq!(postings[0], ("customer:00004".to_owned(), -2_933));
    assert!(postings[1].0.starts_with("revenue:"));
    assert_eq!(postings[1].1, 2_933);
    assert_eq!(
        bench.types().await?,
        ["ledger.posted", "ledger.posted", "payment.charged"]
    );
    assert_eq!(bench.items(LEDGER).await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_at_the_cards_limit_is_charged_and_one_over_it_is_not() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let over = priced("over", CARD_LIMIT_CENTS + 1);
    bench.apply("payment", &OrderPlaced { order: over }).await?;
    assert_eq!(bench.types().await?, ["payment.failed"]);
    let failed: PaymentFailed = bench.published().await?[0].envelope.decode()?;
    assert_eq!(failed.limit_cents, 25_000);
    assert!(bench.items(LEDGER).await?.is_empty());

    let at = priced("at", CARD_LIMIT_CENTS);
    bench.apply("payment", &OrderPlaced { order: at }).await?;
    assert_eq!(bench.items(LEDGER).await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_free_order_is_charged_and_posts_zero() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let free = priced("free", 0);
    bench.apply("payment", &OrderPlaced { order: free }).await?;
    let cents: Vec<_> = postings(&bench.published().await?)?
        .into_iter()
        .map(|(_, cents)| cents)
        .collect();
    assert_eq!(cents, [0, 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_refund_posts_the_charge_the_other_way_round() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    bench
        .apply("payment", &OrderPlaced { order: order("a-1") })
        .await?;
    let refund = bench.command(&RefundPayment { order: order("a-1") })?;
    assert_eq!(bench.deliver("payment", &refund).await?.name(), "applied");

    let published = bench.published().await?;
    let postings = postings(&published)?;
    assert_eq!(postings.iter().map(|(_, cents)| cents).sum::<i64>(), 0);
    let customer: Vec<_> = postings
        .iter()
        .filter(|(account, _)| account == "customer:00004")
        .collect();
    assert_eq!(
        customer.iter().map(|(_, cents)| *cents).collect::<Vec<_>>(),
        [-2_933, 2_933]
    );
    assert!(
        published
            .iter()
            .any(|outgoing| outgoing.envelope.ty() == "payment.refunded")
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_postings_of_an_account_are_numbered_without_gaps() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    for id in ["a", "b", "c"] {
        bench.apply("payment", &OrderPlaced { order: order(id) }).await?;
    }
    let published = bench.published().await?;
    let of_customer = published
        .iter()
        .filter(|outgoing| outgoing.key.as_deref() == Some("customer:00004"));
    let sequences: Vec<_> = of_customer.map(|outgoing| outgoing.envelope.sequence()).collect();
    assert_eq!(sequences, [Some(1), Some(2), Some(3)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_comes_twice_is_charged_once() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let placed = bench.event(&OrderPlaced { order: order("a-1") })?;
    assert_eq!(bench.deliver("payment", &placed).await?.name(), "applied");
    assert_eq!(bench.deliver("payment", &placed).await?.name(), "duplicate");
    assert_eq!(bench.items(LEDGER).await?.len(), 1);
    assert_eq!(bench.published().await?.len(), 3);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_were_made_twice_would_leave_two_entries() -> anyhow::Result<()> {
    let bench = Bench::without_dedupe().await?;
    let placed = bench.event(&OrderPlaced { order: order("a-1") })?;
    bench.deliver("payment", &placed).await?;
    bench.deliver("payment", &placed).await?;
    assert_eq!(bench.items(LEDGER).await?.len(), 2);
    Ok(())
}
