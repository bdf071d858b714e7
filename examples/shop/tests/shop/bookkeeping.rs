use fanfare::Outgoing;
use shop::events::LedgerPosted;
use shop::tables::BOOKS;

use crate::bench::{Bench, number, text};

const ACCOUNT: &str = "customer:00004";

/// The posting of this number.
fn posting(bench: &Bench, sequence: u64, cents: i64) -> anyhow::Result<Outgoing> {
    let mut outgoing = bench.event(&LedgerPosted {
        account: ACCOUNT.into(),
        entry: format!("entry-{sequence}"),
        order_id: "a-1".into(),
        cents,
    })?;
    outgoing.envelope = outgoing.envelope.with_sequence(sequence);
    Ok(outgoing)
}

async fn booked(bench: &Bench) -> anyhow::Result<(i64, i64)> {
    let items = bench.items(BOOKS).await?;
    assert_eq!((items.len(), text(&items[0], "account")), (1, ACCOUNT));
    Ok((number(&items[0], "seq"), number(&items[0], "balance")))
}

#[tokio::test(start_paused = true)]
async fn postings_are_summed_up_in_their_order() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    for (sequence, cents) in [(1, -100), (2, 40), (3, 0)] {
        let posting = posting(&bench, sequence, cents)?;
        assert_eq!(bench.deliver("bookkeeping", &posting).await?.name(), "applied");
    }
    assert_eq!(booked(&bench).await?, (3, -60));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_posting_whose_predecessor_is_missing_is_tried_again_and_booked_after_it() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let [first, second, third] = [
        posting(&bench, 1, 1)?,
        posting(&bench, 2, 20)?,
        posting(&bench, 3, 300)?,
    ];
    // Nothing is booked yet, and then something is.
    assert_eq!(bench.deliver("bookkeeping", &second).await?.name(), "failed");
    assert_eq!(bench.deliver("bookkeeping", &first).await?.name(), "applied");
    let outcome = bench.deliver("bookkeeping", &third).await?;
    assert_eq!(outcome.name(), "failed");
    let reason = outcome.reason().unwrap_or_default();
    assert!(
        reason.contains("posting 3 of customer:00004 came and 1 are booked"),
        "{reason}"
    );

    assert_eq!(bench.deliver("bookkeeping", &second).await?.name(), "applied");
    assert_eq!(bench.deliver("bookkeeping", &third).await?.name(), "applied");
    assert_eq!(booked(&bench).await?, (3, 321));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_posting_that_comes_twice_is_booked_once() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let first = posting(&bench, 1, 100)?;
    assert_eq!(bench.deliver("bookkeeping", &first).await?.name(), "applied");
    assert_eq!(bench.deliver("bookkeeping", &first).await?.name(), "duplicate");
    // Also where the inbox knows nothing of it.
    let again = posting(&bench, 1, 100)?;
    assert_eq!(bench.deliver("bookkeeping", &again).await?.name(), "duplicate");
    assert_eq!(booked(&bench).await?, (1, 100));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_posting_without_a_number_is_a_dead_letter_at_once() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let posting = bench.event(&LedgerPosted {
        account: ACCOUNT.into(),
        entry: "entry".into(),
        order_id: "a-1".into(),
        cents: 1,
    })?;
    assert_eq!(bench.deliver("bookkeeping", &posting).await?.name(), "terminal");
    Ok(())
}
