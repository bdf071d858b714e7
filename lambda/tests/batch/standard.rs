//! What becomes of the messages of a standard queue.

use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan};
use fanfare::{Backoff, Delivery, Failure, Handled, Router};

use crate::support::{OrderPlaced, Seen, VISIBILITY, World, seconds};

fn router() -> Router {
    Router::new("billing")
        .max_receives(3)
        .backoff(Backoff::new(seconds(2), seconds(2)))
}

fn names(orders: &[&str]) -> Vec<String> {
    orders.iter().map(|order| (*order).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_handled_makes_no_call_at_all() {
    let (world, seen) = (World::new("q", 3), Seen::default());
    let noted = seen.clone();
    let function = world.function(router().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        noted.note(placed.order.clone());
        async { Ok::<_, Failure>(Handled::Applied) }
    }));
    assert!(
        world.local.calls().is_empty(),
        "nothing is called before the first event"
    );
    world.place((0..10).map(|n| n.to_string()));
    world.serve(&function).await;
    let mut seen = seen.all();
    seen.sort_unstable();
    assert_eq!(seen, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(world.local.calls().is_empty(), "{:?}", world.local.calls());
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_answered_as_failed_and_comes_again_after_its_own_pause() {
    let world = World::new("q", 3);
    let function = world.function(router().on::<OrderPlaced>(async |placed: Delivery<OrderPlaced>| {
        match (placed.order.as_str(), placed.receive_count()) {
            ("3", 1) => Err(Failure::retry("by the backoff")),
            ("7", 1) => Err(Failure::retry_after(seconds(7), "as it says")),
            _ => Ok(Handled::Applied),
        }
    }));
    world.place((0..10).map(|n| n.to_string()));
    world.serve(&function).await;
    let invoked = world.invoked.all();
    assert_eq!(invoked.len(), 3, "{invoked:?}");
    assert_eq!(
        (invoked[0].orders.len(), &invoked[0].failed),
        (10, &names(&["3", "7"]))
    );
    assert_eq!(
        (&invoked[1].orders, &invoked[1].failed),
        (&names(&["3"]), &Vec::new())
    );
    assert!(
        (Duration::from_secs(1)..=seconds(3)).contains(&invoked[1].at),
        "{invoked:?}"
    );
    assert_eq!((&invoked[2].orders, invoked[2].at), (&names(&["7"]), seconds(7)));
    assert_eq!(world.dead_letters().await, []);
    let calls = world.calls();
    assert!(calls["sqs.ChangeMessageVisibilityBatch"] >= 1, "{calls:?}");
    assert!(
        !calls.contains_key("sqs.DeleteMessageBatch"),
        "deleting is the mapping's: {calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_terminal_failure_is_a_dead_letter_at_once_and_no_failure_for_lambda() {
    let world = World::new("q", 3);
    let function = world.function(router().on::<OrderPlaced>(async |placed: Delivery<OrderPlaced>| {
        match placed.order.as_str() {
            "3" => Err(Failure::terminal("the account is closed")),
            _ => Ok(Handled::Applied),
        }
    }));
    world.place((0..10).map(|n| n.to_string()));
    world.serve(&function).await;
    let invoked = world.invoked.all();
    assert_eq!((invoked.len(), invoked[0].failed.len()), (1, 0), "{invoked:?}");
    let letters = world.dead_letters().await;
    assert_eq!(
        letters,
        [("3".to_owned(), Some("the account is closed".to_owned()))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_event_is_a_dead_letter_with_its_reason() {
    let world = World::new("q", 3);
    let function = world.function(router());
    world.send("Test message.", None);
    world.serve(&function).await;
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].0, "Test message.");
    assert!(
        letters[0]
            .1
            .as_ref()
            .unwrap()
            .contains("neither a CloudEvent nor"),
        "{letters:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_permitted_receive_is_a_dead_letter_with_its_reason() {
    let world = World::new("q", 3);
    let function = world.function(router().on::<OrderPlaced>(async |_: Delivery<OrderPlaced>| {
        Err::<Handled, _>(Failure::retry("the bank is closed"))
    }));
    world.place(["1"]);
    world.serve(&function).await;
    assert_eq!(world.invoked.all().len(), 3);
    let letters = world.dead_letters().await;
    assert_eq!(letters, [("1".to_owned(), Some("the bank is closed".to_owned()))]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_record() {
    let world = World::new("q", 3);
    let function = world.function(router().on::<OrderPlaced>(async |placed: Delivery<OrderPlaced>| {
        if placed.order == "3" && placed.receive_count() == 1 {
            std::panic::panic_any("of the third");
        }
        Ok::<_, Failure>(Handled::Applied)
    }));
    world.place((0..10).map(|n| n.to_string()));
    world.serve(&function).await;
    let invoked = world.invoked.all();
    assert_eq!(invoked[0].failed, names(&["3"]));
    assert_eq!(invoked[1].orders, names(&["3"]));
    assert_eq!(invoked.len(), 2, "{invoked:?}");
}

/// No permission, no network, or a queue that is gone.
#[tokio::test(start_paused = true)]
async fn without_a_way_to_the_queue_failures_are_answered_and_come_again_by_their_visibility() {
    let world = World::new("q", 3);
    let cut_off = FaultPlan::seeded(1).rates(0.0).rate(Fault::LoseRequest, 1.0);
    let config = world.local.clone().with_faults(cut_off).sdk_config();
    let router = router().on::<OrderPlaced>(async |placed: Delivery<OrderPlaced>| {
        match (placed.order.as_str(), placed.receive_count()) {
            ("3", 1) => Err(Failure::retry("not yet")),
            ("4", 1) => Err(Failure::terminal("never")),
            _ => Ok(Handled::Applied),
        }
    });
    let function = world.function_with(&config, router);
    world.place((0..10).map(|n| n.to_string()));
    world.serve(&function).await;
    let invoked = world.invoked.all();
    assert_eq!(invoked[0].failed, names(&["3", "4"]));
    assert!(invoked[0].took < crate::support::TIMEOUT, "{invoked:?}");
    assert_eq!(
        (&invoked[1].orders, invoked[1].at),
        (&names(&["3", "4"]), VISIBILITY)
    );
    assert_eq!(invoked.len(), 2, "{invoked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_connected_once() {
    let world = World::new("q", 5);
    let function = world.function(router().on::<OrderPlaced>(async |placed: Delivery<OrderPlaced>| {
        match placed.receive_count() {
            1 => Err(Failure::retry("not yet")),
            _ => Ok(Handled::Applied),
        }
    }));
    world.place((0..30).map(|n| n.to_string()));
    world.serve(&function).await;
    let calls = world.calls();
    assert_eq!(
        calls["sqs.GetQueueUrl"], 2,
        "the queue's and its dead letters': {calls:?}"
    );
    assert_eq!(calls["sqs.GetQueueAttributes"], 2, "{calls:?}");
}
