//! What becomes of messages when an invocation's time is up.

use std::future::pending;

use fanfare::{Backoff, Delivery, Failure, Handled, Router};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{OrderPlaced, Seen, TIMEOUT, VISIBILITY, World, seconds};

fn router() -> Router {
    Router::new("billing")
        .max_receives(5)
        .backoff(Backoff::new(seconds(2), seconds(2)))
}

#[tokio::test(start_paused = true)]
async fn a_handler_slower_than_the_time_left_is_stopped_and_the_answer_leaves() {
    let (world, lost) = (World::new("q", 5), Seen::default());
    let noted = lost.clone();
    let function = world.function(router().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let noted = noted.clone();
        async move {
            if placed.order == "slow" && placed.receive_count() == 1 {
                placed.lost().await;
                noted.note(placed.order.clone());
                pending::<()>().await;
            }
            Ok::<_, Failure>(Handled::Applied)
        }
    }));
    world.place(["slow", "quick"]);
    world.serve(&function).await;
    let invoked = world.invoked.all();
    assert_eq!(invoked[0].failed, ["slow"]);
    assert!(invoked[0].took < TIMEOUT, "{invoked:?}");
    assert_eq!(lost.all(), ["slow"], "it is told before it is dropped");
    assert_eq!(invoked[1].orders, ["slow"]);
    assert!(
        invoked[1].at < seconds(15),
        "given back by its backoff: {invoked:?}"
    );
    assert_eq!(world.dead_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_for_is_not_started_and_fails_without_being_dropped() {
    let (world, started) = (World::new("q", 5), Seen::default());
    let noted = started.clone();
    let function = world.function(router().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        noted.note(placed.order.clone());
        async {
            sleep(seconds(4)).await;
            Ok::<_, Failure>(Handled::Applied)
        }
    }));
    // One at a time: 4 s each, and 10 s for all of them.
    let function = function.configure(|host| host.concurrency(1));
    world.place((0..6).map(|n| n.to_string()));
    world.serve(&function).await;
    let invoked = world.invoked.all();
    assert_eq!(invoked[0].orders.len(), 6);
    assert_eq!(
        invoked[0].failed.len(),
        4,
        "two of them end, and a third would not: {invoked:?}"
    );
    assert!(
        invoked.iter().all(|invoked| invoked.took < TIMEOUT),
        "{invoked:?}"
    );
    let mut started = started.all();
    started.sort_unstable();
    assert_eq!(
        started,
        ["0", "1", "2", "3", "4", "5"],
        "each once, and none in vain"
    );
    assert_eq!(world.dead_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_that_begins_at_its_end_fails_all_and_starts_none() {
    let (world, started) = (World::new("q", 5), Seen::default());
    let noted = started.clone();
    let function = world.function(router().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        noted.note(placed.order.clone());
        async { Ok::<_, Failure>(Handled::Applied) }
    }));
    world.place(["1", "2"]);
    let late = |event| async { Ok(world.invoke(&function, event, seconds(0)).await) };
    world.mapping().run(late, sleep(seconds(1))).await.unwrap();
    assert_eq!(world.invoked.all()[0].failed, ["1", "2"]);
    assert_eq!(started.all(), [""; 0]);
    world.serve(&function).await;
    assert_eq!(started.all().len(), 2);
}

/// The environment is killed, or its timeout is over: nobody waits any more.
#[tokio::test(start_paused = true)]
async fn a_cancelled_invocation_settles_nothing_and_all_of_it_comes_again() {
    struct Dropped(Seen<String>, String);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.note(self.1.clone());
        }
    }

    let (world, dropped, done) = (World::new("q", 5), Seen::default(), Seen::default());
    let (noted, ended) = (dropped.clone(), done.clone());
    let function = world.function(router().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let (noted, ended) = (noted.clone(), ended.clone());
        async move {
            if placed.receive_count() == 1 && placed.order != "quick" {
                let _dropped = Dropped(noted, placed.order.clone());
                sleep(seconds(5)).await;
            }
            ended.note(placed.order.clone());
            Ok::<_, Failure>(Handled::Applied)
        }
    }));
    world.place(["quick", "1", "2"]);
    let killed = |event: Value| async {
        let invoked = world.invoke(&function, event, TIMEOUT);
        let cut = tokio::time::timeout(seconds(2), invoked).await;
        cut.map_err(|_| "Runtime.ExitError".to_owned())
    };
    world.mapping().run(killed, sleep(seconds(3))).await.unwrap();
    let mut gone = dropped.all();
    gone.sort_unstable();
    assert_eq!(gone, ["1", "2"], "handlers are dropped");
    assert_eq!(done.all(), ["quick"]);
    assert!(world.calls().is_empty(), "{:?}", world.calls());
    sleep(seconds(10)).await;
    assert_eq!(done.all(), ["quick"], "and none goes on");

    world.serve(&function).await;
    let again = &world.invoked.all()[0];
    assert_eq!(
        (again.orders.len(), again.at),
        (3, VISIBILITY),
        "quick too: nobody was told"
    );
}
