//! Parts of the shop as Lambda functions, in process.

use fanfare::fault::Fault;
use shop::dev::Setup;
use shop::functions::{Functions, NAMES, RELAY};
use shop::tables::{FANFARE, described};

use crate::run::{orders, run, setup};

const ORDERS: usize = 60;

/// The shop with these parts as functions.
fn with(functions: &[&str]) -> anyhow::Result<Setup> {
    Ok(Setup {
        functions: Functions::of(functions.iter().copied())?,
        ..setup()
    })
}

/// Runs it, and wants an exact audit. Says which kinds of fault it didn't meet.
async fn holds(setup: Setup) -> anyhow::Result<Vec<Fault>> {
    let orders = orders(ORDERS);
    let shop = run(setup, &orders).await?;
    let audit = shop.audit(&orders).await?;
    let findings: Vec<_> = audit.findings.iter().map(ToString::to_string).collect();
    assert!(audit.holds(), "{findings:?}");
    assert_eq!(
        (audit.terminal, audit.lost(), audit.doubled()),
        (ORDERS as u64, 0, 0)
    );
    let missing = shop.faults_missing();
    shop.close().await?;
    Ok(missing)
}

#[tokio::test(start_paused = true)]
async fn payment_and_the_relay_as_functions_end_in_an_exact_audit() -> anyhow::Result<()> {
    holds(with(&["payment", RELAY])?).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_function_without_the_relay_s_is_swept_by_others() -> anyhow::Result<()> {
    holds(with(&["payment"])?).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn every_part_as_a_function_ends_in_an_exact_audit() -> anyhow::Result<()> {
    holds(with(&NAMES)?).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn under_faults_environments_die_and_every_effect_happens_exactly_once() -> anyhow::Result<()> {
    let mut missing = Fault::ALL.to_vec();
    for (seed, functions) in [(1, &["payment", RELAY][..]), (2, &NAMES)] {
        let faulty = Setup {
            faults: Some(seed),
            ..with(functions)?
        };
        let not_met = holds(faulty).await?;
        missing.retain(|fault| not_met.contains(fault));
    }
    // So few orders don't meet each kind in each run, but environments must have died.
    assert!(!missing.contains(&Fault::Kill), "{missing:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn under_faults_without_dedupe_functions_double_what_comes_twice() -> anyhow::Result<()> {
    let orders = orders(ORDERS);
    let broken = Setup {
        faults: Some(7),
        no_dedupe: true,
        ..with(&["payment", RELAY])?
    };
    let shop = run(broken, &orders).await?;
    let audit = shop.audit(&orders).await?;
    assert!(!audit.holds());
    assert!(audit.doubled() > 0);
    shop.close().await
}

#[test]
fn the_store_s_table_is_provisioned_with_the_stream_that_the_relay_reads() {
    let tables = described();
    let store = tables.iter().find(|table| table.name == FANFARE);
    let stream = store.and_then(|table| table.stream);
    assert_eq!(stream, Some(fanfare::table::Stream::NewImage));
}
