//! The whole shop, on a paused clock.

use fanfare::fault::Fault;
use shop::Order;
use shop::dev::audit::Audit;
use shop::dev::{Setup, Shop, Stuck, describe};

use crate::bench::{clock, of_size, priced};

/// Orders that end in every way: most are shipped, of four CDs each, which fit on no shelf when there
/// are three, and every tenth is over the card's limit.
pub(crate) fn orders(count: usize) -> Vec<Order> {
    let order = |number: usize| {
        let id = format!("order-{number:03}");
        let customer = format!("{:05}", number % 7);
        let order = match number % 10 {
            3 => priced(&id, 25_001),
            7 => of_size(&id, 4),
            8 => priced(&id, 0),
            _ => of_size(&id, 1),
        };
        Order { customer, ..order }
    };
    (0..count).map(order).collect()
}

/// Three CDs on each shelf.
pub(crate) const STOCK: u32 = 3 * 64;

pub(crate) fn setup() -> Setup {
    Setup {
        stock: STOCK,
        clock: clock(),
        ..Setup::default()
    }
}

/// Runs these orders to their end.
pub(crate) async fn run(setup: Setup, orders: &[Order]) -> anyhow::Result<Shop> {
    let without_dedupe = setup.no_dedupe;
    let mut shop = Shop::open(setup).await?;
    let refused = shop.place(orders).await?;
    anyhow::ensure!(refused.is_empty(), "{refused:?}");
    let calm = async {
        shop.quiet().await?;
        shop.calm().await
    };
    match calm.await {
        // As `dev` has it: what is doubled can leave something behind it that nobody can do any more.
        Err(stuck) if without_dedupe && stuck.is::<Stuck>() => {}
        calm => calm?,
    }
    Ok(shop)
}

fn texts(audit: &Audit) -> Vec<String> {
    audit.findings.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn every_order_ends_as_it_must_and_the_audit_is_exact() -> anyhow::Result<()> {
    let orders = orders(60);
    let shop = run(setup(), &orders).await?;
    let audit = shop.audit(&orders).await?;
    assert!(audit.holds(), "{:?}", texts(&audit));
    assert_eq!((audit.terminal, audit.lost(), audit.doubled()), (60, 0, 0));
    assert_eq!((audit.emails.expected, audit.emails.actual), (60, 60));
    // All three ways were gone.
    assert_eq!(audit.handled["payment"].actual, 60 + 6);
    assert_eq!(audit.handled["checkout"].actual, 6);
    assert_eq!(audit.handled["shipping"].actual, 60 - 6 - 6);
    for (consumer, count) in &audit.handled {
        assert!(count.is_right(), "{consumer}: {count:?}");
    }
    shop.close().await
}

#[tokio::test(start_paused = true)]
async fn orders_that_are_placed_again_add_nothing() -> anyhow::Result<()> {
    let orders = orders(10);
    let mut shop = run(setup(), &orders).await?;
    assert!(shop.place(&orders).await?.is_empty());
    shop.quiet().await?;
    let audit = shop.audit(&orders).await?;
    assert!(audit.holds(), "{:?}", texts(&audit));
    shop.close().await
}

#[tokio::test(start_paused = true)]
async fn another_order_under_an_id_that_is_taken_is_refused_and_the_first_one_stays() -> anyhow::Result<()> {
    let orders = orders(10);
    let mut shop = run(setup(), &orders).await?;
    let refused = shop.place(&[priced(&orders[0].id, 1)]).await?;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, 0);
    shop.quiet().await?;
    assert!(shop.audit(&orders).await?.holds());
    shop.close().await
}

#[tokio::test(start_paused = true)]
async fn under_faults_every_effect_happens_exactly_once() -> anyhow::Result<()> {
    // So few orders don't meet each kind in each run: few reads are of an index that has changed.
    let mut missing = Fault::ALL.to_vec();
    for seed in 1..=3 {
        let orders = orders(60);
        let faulty = Setup {
            faults: Some(seed),
            ..setup()
        };
        let shop = run(faulty, &orders).await?;
        let audit = shop.audit(&orders).await?;
        assert!(audit.holds(), "seed {seed}: {:?}", texts(&audit));
        missing.retain(|fault| shop.faults_missing().contains(fault));
        shop.close().await?;
    }
    assert_eq!(missing, []);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn under_faults_without_dedupe_the_audit_fails_and_says_what_is_doubled() -> anyhow::Result<()> {
    let orders = orders(60);
    let broken = Setup {
        faults: Some(7),
        no_dedupe: true,
        ..setup()
    };
    let shop = run(broken, &orders).await?;
    let audit = shop.audit(&orders).await?;
    assert!(!audit.holds());
    assert!(audit.doubled() > 0);
    let texts = texts(&audit);
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("doubled: ledger entries")),
        "{texts:?}"
    );
    shop.close().await
}

#[test]
fn the_consumers_that_a_worker_can_be_told_of_are_those_of_the_application() -> anyhow::Result<()> {
    let topology = describe()?.topology()?;
    let consumers: Vec<_> = topology
        .consumers
        .iter()
        .map(|consumer| consumer.name.as_str())
        .collect();
    assert_eq!(consumers, shop::CONSUMERS);
    Ok(())
}
