//! A batch that fails as a whole comes again, and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::{Delivery, Router};
use fanfare_store::Inbox;
use serde_json::{Value, json};

use crate::support::{OrderPlaced, Seen, TIMEOUT, VISIBILITY, World};

fn router(inbox: &Inbox, outcomes: &Seen<String>) -> Router {
    let (inbox, outcomes) = (inbox.clone(), outcomes.clone());
    Router::new("billing").on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let (inbox, outcomes) = (inbox.clone(), outcomes.clone());
        async move {
            let handled = inbox.once(&placed).commit().await?;
            outcomes.note(format!("{handled:?}"));
            Ok(handled)
        }
    })
}

/// Lambda can't tell an answer that got lost from one that was never given.
#[tokio::test(start_paused = true)]
async fn an_answer_that_gets_lost_brings_all_again_as_duplicates() {
    for lost in [
        Err("the answer was lost".to_owned()),
        Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "" }] })),
    ] {
        let (world, outcomes) = (World::new("q", 5), Seen::default());
        let inbox = world.inbox().await;
        let function = world.function(router(&inbox, &outcomes));
        world.place(["1", "2", "3"]);
        let invocations = AtomicUsize::new(0);
        let invoke = |event: Value| async {
            let answer = world.invoke(&function, event, TIMEOUT).await;
            match invocations.fetch_add(1, Ordering::Relaxed) {
                0 => lost.clone(),
                _ => Ok(answer),
            }
        };
        let quiet = async { world.local.broker().quiet(["q"]).await.unwrap() };
        world.mapping().run(invoke, quiet).await.unwrap();
        let invoked = world.invoked.all();
        assert_eq!(invoked.len(), 2, "{invoked:?}");
        assert_eq!((invoked[1].at, invoked[1].orders.len()), (VISIBILITY, 3));
        assert_eq!(
            outcomes.all(),
            [
                "Applied",
                "Applied",
                "Applied",
                "Duplicate",
                "Duplicate",
                "Duplicate"
            ]
        );
    }
}

/// Two environments of one function, as Lambda starts them for two batches at a time.
#[tokio::test(start_paused = true)]
async fn clones_of_a_function_serve_batches_side_by_side() {
    let (world, outcomes) = (World::new("q", 5), Seen::default());
    let inbox = world.inbox().await;
    let function = world.function(router(&inbox, &outcomes));
    let function = function.configure(|host| host.completed(Arc::new(inbox.clone())));
    world.place((0..50).map(|n| n.to_string()));
    // Each event twice.
    world.place(["0"]);
    let clone = function.clone();
    let turns = AtomicUsize::new(0);
    let invoke = |event: Value| async {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        let function = if turn.is_multiple_of(2) { &function } else { &clone };
        Ok(world.invoke(function, event, TIMEOUT).await)
    };
    let quiet = async { world.local.broker().quiet(["q"]).await.unwrap() };
    world.mapping().run(invoke, quiet).await.unwrap();
    assert_eq!(outcomes.all().len(), 51);
    assert!(
        world
            .invoked
            .all()
            .iter()
            .all(|invoked| invoked.failed.is_empty())
    );
}
