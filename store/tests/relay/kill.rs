//! A kill between any two calls, and a restart.

use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan, Life};
use tokio::time::sleep;

use crate::topics::Answer;
use crate::world::{Memo, Note, Spy, Steps, World, posting};

/// The work of a first life: commits, told to a relay beside it. Its calls never return once it is
/// killed, and it is dropped then.
async fn first_life(world: &World, steps: &Steps) {
    let store = world.store_for(&steps.life, steps.spy());
    let relay = store.relay(world.topics.of(steps));
    let work = async {
        for number in 0..2 {
            let transaction = store.outbox("test").transaction();
            let transaction = transaction
                .emit(&posting("a", number))
                .emit(&posting("b", number))
                .emit(&posting("a", number + 100))
                .emit(&Note(number))
                .emit(&Memo(number));
            if transaction.commit().await.is_err() {
                return;
            }
        }
        let _ = relay.drain().await;
    };
    tokio::select! {
        biased;
        () = steps.life.killed() => {}
        () = work => {}
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_at_any_step_every_committed_event_is_published_in_order() {
    let mut kills = 0;
    for step in 1.. {
        fastrand::seed(7);
        let world = World::with_shards(1).await;
        let mut failed = false;
        world.topics.answer(move |outgoing| {
            // One failure and one lost answer on the way, so that there are kills around them too.
            match outgoing.envelope.data() {
                Some("1") if !std::mem::replace(&mut failed, true) => Answer::Fail,
                _ => Answer::Confirm,
            }
        });
        let life = Life::new("relay");
        first_life(&world, &Steps::new(&life, step)).await;
        let killed = life.is_over();
        world.store().relay(world.topics.clone()).drain().await.unwrap();
        world.assert_in_order();
        world.assert_all_arrived().await;
        assert_marked(&world).await;
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills > 50, "{kills} steps are too few to show anything");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_killed_again_and_again_gets_there() {
    // A life has to be long enough to find, publish and confirm something; then the outbox empties.
    for steps in [55, 56, 70, 85] {
        fastrand::seed(steps);
        let world = World::with_shards(2).await;
        for number in 0..20 {
            let transaction = world.store().outbox("test").transaction();
            let transaction = transaction.emit(&posting(&(number % 3).to_string(), number));
            transaction.emit(&Note(number)).commit().await.unwrap();
        }
        let ((), kills) = Life::restart("relay", Duration::from_millis(100), |life| {
            let world = &world;
            let budget = Steps::new(&life, steps as i64);
            async move {
                let relay = world
                    .store_for(&life, budget.spy())
                    .relay(world.topics.of(&budget));
                relay.drain().await.unwrap();
            }
        })
        .await;
        assert!(kills > 0);
        world.assert_in_order();
        world.assert_all_arrived().await;
        assert_marked(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_relays_under_kills_and_every_other_fault_get_there() {
    for seed in 0..8 {
        fastrand::seed(seed);
        let world = World::new().await;
        let plan = FaultPlan::seeded(seed).rates(0.03).rate(Fault::Kill, 0.01);
        let relay = |name: &'static str| {
            let (world, plan) = (&world, &plan);
            Life::restart(name, Duration::from_millis(300), move |life| async move {
                let dynamo = world.dynamo.clone().with_faults(plan.clone());
                let store = fanfare_store::Store::new(dynamo.client(&life), crate::world::TABLE)
                    .clock(world.clock.clone())
                    .shards(world.shards);
                let publish = fanfare::fault::Faulty::new(world.topics.clone(), plan.clone(), life);
                store.relay(publish).run(std::future::pending()).await;
            })
        };
        let produce = async {
            for number in 0..40 {
                let transaction = world.store().outbox("test").transaction();
                let transaction = transaction.emit(&posting(&(number % 3).to_string(), number));
                transaction.emit(&Note(number)).commit().await.unwrap();
                sleep(Duration::from_millis(fastrand::u64(0..500))).await;
            }
            sleep(Duration::from_secs(5)).await;
            plan.stop();
            world.store().relay(world.topics.clone()).drain().await.unwrap();
        };
        tokio::select! {
            biased;
            _ = relay("one") => unreachable!(),
            _ = relay("two") => unreachable!(),
            () = produce => {}
        }
        println!("seed {seed}: {:?}", plan.injected());
        world.assert_in_order();
        world.assert_all_arrived().await;
        assert_marked(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_publishing_again_is_made_up_for_by_publishing_again() {
    let world = World::with_shards(1).await;
    for number in 0..4 {
        let transaction = world.store().outbox("test").transaction();
        let transaction = transaction
            .emit(&posting("a", number))
            .emit(&posting("b", number));
        transaction.emit(&Note(number)).commit().await.unwrap();
    }
    world.store().relay(world.topics.clone()).drain().await.unwrap();
    for step in 1.. {
        let again = crate::topics::Topics::new();
        let life = Life::new("relay");
        let steps = Steps::new(&life, step);
        let relay = world.store_for(&life, steps.spy()).relay(again.of(&steps));
        tokio::select! {
            biased;
            () = life.killed() => {}
            done = relay.republish() => assert_eq!(done.unwrap(), 12),
        }
        let reborn = world.store_for(&Life::default(), Spy::new()).relay(again.clone());
        assert_eq!(reborn.republish().await.unwrap(), 12);
        let first = again.first_copies();
        assert_eq!(first, world.topics.first_copies(), "killed at step {step}");
        if !life.is_over() {
            break;
        }
    }
}

/// Asserts that all is marked as published, so that it can be published again.
async fn assert_marked(world: &World) {
    assert!(world.states().await.values().all(|state| state == "published"));
    for ((_, sort), record) in world.records().await {
        match &*sort {
            "head" => assert!(record["pending"].as_l().unwrap().is_empty()),
            _ => assert!(record.contains_key("expires_at")),
        }
    }
}
