use fanfare_store::{CommitError, IdempotencyKey};
use shop::checkout::{Checkout, PlaceError, Placed};
use shop::events::{OrderPlaced, RefundPayment, StockRejected};
use shop::tables::ORDERS;

use crate::bench::{Bench, goes_to, order, priced, text};

#[tokio::test(start_paused = true)]
async fn an_order_is_taken_together_with_the_event_that_tells_of_it() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let placed = Checkout::new(&bench.deps).place(order("a-1"), None).await?;
    assert_eq!(placed, Placed::New(order("a-1")));
    assert_eq!(bench.items(ORDERS).await?.len(), 1);
    let published = bench.published().await?;
    assert_eq!(
        (published.len(), goes_to(&published[0])),
        (1, "orders".to_owned())
    );
    assert_eq!(published[0].envelope.source(), "/checkout");
    assert_eq!(published[0].envelope.decode::<OrderPlaced>()?.order, order("a-1"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_placed_again_is_there_once_and_told_of_once() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let checkout = Checkout::new(&bench.deps);
    checkout.place(order("a-1"), None).await?;
    assert_eq!(
        checkout.place(order("a-1"), None).await?,
        Placed::Before(order("a-1"))
    );
    assert_eq!(bench.published().await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_order_under_the_same_id_is_refused() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let checkout = Checkout::new(&bench.deps);
    checkout.place(order("a-1"), None).await?;
    let error = checkout
        .place(priced("a-1", 1), None)
        .await
        .expect_err("it differs");
    assert!(matches!(error, PlaceError::Differs { .. }), "{error}");
    assert_eq!(bench.published().await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_returns_the_first_order_and_refuses_another_body() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let checkout = Checkout::new(&bench.deps);
    let key = |body: &[u8]| Some(IdempotencyKey::of("me", "place", "key", body));
    checkout.place(order("made-first"), key(b"a")).await?;
    // The caller can't know the id that was made for the first call.
    let again = checkout.place(order("made-again"), key(b"a")).await?;
    assert_eq!(again, Placed::Before(order("made-first")));
    let error = checkout
        .place(order("b"), key(b"b"))
        .await
        .expect_err("another body");
    assert!(
        matches!(error, PlaceError::Commit(CommitError::KeyReused { .. })),
        "{error}"
    );
    assert_eq!(bench.items(ORDERS).await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_inventory_rejects_is_cancelled_and_its_refund_sent_to_payment() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    Checkout::new(&bench.deps).place(order("a-1"), None).await?;
    let rejected = bench.event(&StockRejected { order: order("a-1") })?;
    assert_eq!(bench.deliver("checkout", &rejected).await?.name(), "applied");
    assert_eq!(bench.deliver("checkout", &rejected).await?.name(), "duplicate");

    assert_eq!(text(&bench.items(ORDERS).await?[0], "state"), "cancelled");
    let published = bench.published().await?;
    let of_type = |ty: &str| {
        let found: Vec<_> = published
            .iter()
            .filter(|outgoing| outgoing.envelope.ty() == ty)
            .collect();
        assert_eq!(found.len(), 1, "{ty}");
        found[0]
    };
    assert_eq!(goes_to(of_type("order.cancelled")), "orders");
    let refund = of_type("RefundPayment");
    assert_eq!(goes_to(refund), "consumer payment");
    assert_eq!(refund.envelope.decode::<RefundPayment>()?.order, order("a-1"));
    Ok(())
}
