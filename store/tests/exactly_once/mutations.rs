//! The store broken on purpose: each way of it does the damage that an audit has to notice.

use fanfare::Handled;
use fanfare_store::Mutation;

use crate::support::things::count;
use crate::support::*;

#[tokio::test(start_paused = true)]
async fn no_dedupe_applies_a_repeat_again() {
    let world = World::new().await;
    let inbox = world.store().mutate(Mutation::NoDedupe).inbox();
    for _ in 0..2 {
        let delivery = deliver("billing", &placed("17", start())).await;
        inbox.once(&delivery).write(count("sold")).commit().await.unwrap();
    }
    assert_eq!(world.counted("sold").await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_outbox_outside_the_transaction_loses_the_event_between_the_two() {
    let world = World::new().await;
    let mut calls = 0;
    let tap = Tap::new(move |operation, _| {
        calls += u32::from(operation == "TransactWriteItems");
        match calls {
            0 | 1 => Deed::Pass,
            _ => Deed::LoseRequest,
        }
    });
    let store = world
        .store_through(&tap)
        .mutate(Mutation::OutboxOutsideTransaction);
    let delivery = deliver("billing", &placed("17", start())).await;
    let once = store
        .inbox()
        .once(&delivery)
        .write(count("sold"))
        .emit(&charged("17"));
    once.commit().await.unwrap_err();
    let again = deliver("billing", &placed("17", start())).await;
    let repeated = world
        .store()
        .inbox()
        .once(&again)
        .emit(&charged("17"))
        .commit()
        .await;
    assert_eq!(repeated.unwrap(), Handled::Duplicate);
    assert_eq!((world.counted("sold").await, world.outbox().await.len()), (1, 0));

    let delivery = deliver("billing", &placed("18", start())).await;
    let store = world.store().mutate(Mutation::OutboxOutsideTransaction);
    store
        .inbox()
        .once(&delivery)
        .emit(&charged("18"))
        .commit()
        .await
        .unwrap();
    assert_eq!(
        world.outbox().await.len(),
        1,
        "when nothing fails nothing is to be seen"
    );
}

#[tokio::test(start_paused = true)]
async fn an_unfenced_lease_is_completed_by_its_lost_holder_too() {
    let world = World::new().await;
    let inbox = world.store().mutate(Mutation::UnfencedLease).inbox();
    let ahead = world.store_ahead(HOUR).inbox();
    let delivery = deliver("billing", &placed("17", start())).await;
    let lease = inbox.lease(&delivery, MINUTE, async |claim| {
        let other = deliver("billing", &placed("17", start())).await;
        let taken_over = ahead.lease(&other, MINUTE, async |claim| {
            Ok(claim.complete().write(count("charged")).commit().await?)
        });
        taken_over.await?;
        Ok(claim.complete().write(count("charged")).commit().await?)
    });
    lease.await.unwrap();
    assert_eq!(world.counted("charged").await, 2);
}

#[tokio::test(start_paused = true)]
async fn with_the_source_left_out_another_sources_event_is_dropped() {
    let world = World::new().await;
    let inbox = world.store().mutate(Mutation::SourceLeftOut).inbox();
    for (source, handled) in [("/checkout", Handled::Applied), ("/returns", Handled::Duplicate)] {
        let delivery = deliver("billing", &envelope(source, "17", None)).await;
        assert_eq!(
            inbox.once(&delivery).write(count("sold")).commit().await.unwrap(),
            handled
        );
    }
}

#[tokio::test(start_paused = true)]
async fn seen_trusted_applies_twice_what_two_hosts_ask_for_at_once() {
    let world = World::new().await;
    let inbox = world.store().mutate(Mutation::SeenTrusted).inbox();
    let handle = async || {
        let delivery = deliver("billing", &placed("17", start())).await;
        inbox.once(&delivery).write(count("sold")).commit().await.unwrap()
    };
    assert_eq!(
        tokio::join!(handle(), handle()),
        (Handled::Applied, Handled::Applied)
    );
    assert_eq!(world.counted("sold").await, 2);
    assert_eq!(handle().await, Handled::Duplicate);
}
