//! What becomes of the messages of a FIFO queue.

use std::sync::Arc;

use fanfare::topology::FunctionSettings;
use fanfare::{Backoff, Delivery, Failure, Handled, Router};

use crate::support::{OrderPlaced, Seen, TIMEOUT, World, seconds};

const ATTEMPTS: u32 = 3;
const BATCH: usize = 4;

/// Enough receives for followers of a head that fails all its attempts.
fn router() -> Router {
    let settings = FunctionSettings::default()
        .timeout(TIMEOUT)
        .batch(BATCH)
        .attempts(ATTEMPTS);
    Router::new("billing")
        .max_receives(12)
        .visibility_timeout(6 * TIMEOUT)
        .backoff(Backoff::new(seconds(2), seconds(2)))
        .function(settings)
}

/// What each order's handler says: the orders that fail, and how often.
fn handler(handled: &Seen<String>, fails: &'static [(&'static str, usize)]) -> Router {
    let (handled, tried) = (handled.clone(), Seen::default());
    router().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let order = placed.order.clone();
        tried.note(order.clone());
        let tries = tried.all().into_iter().filter(|other| *other == order).count();
        let fails = fails.iter().find(|(failing, _)| *failing == order);
        let result = match fails {
            Some((_, times)) if tries <= *times => Err(Failure::retry("not yet")),
            _ => {
                handled.note(order);
                Ok(Handled::Applied)
            }
        };
        async { result }
    })
}

/// The handled orders of one group.
fn of(group: &str, handled: &Seen<String>) -> String {
    let all = handled.all().into_iter().filter(|order| order.starts_with(group));
    all.map(|order| order[1..].to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_its_group_only_and_the_order_is_kept() {
    let (world, handled) = (World::new("q.fifo", 12), Seen::default());
    let function = world.function(handler(&handled, &[("a2", 1)]));
    world.place_in("a", ["a1", "a2", "a3"]);
    world.place_in("b", ["b1"]);
    world.place_in("b", ["b2", "b3"]);
    world.serve_with(world.mapping().batch(BATCH), &function).await;
    let invoked = world.invoked.all();
    assert_eq!(invoked[0].orders, ["a1", "a2", "a3", "b1"]);
    assert_eq!(
        invoked[0].failed,
        ["a2", "a3"],
        "what failed, and what is behind it"
    );
    assert_eq!(
        (of("a", &handled), of("b", &handled)),
        ("123".to_owned(), "123".to_owned())
    );
    assert_eq!(handled.all()[..2], ["a1", "b1"], "the other group went on");
    assert_eq!(world.dead_letters().await, []);
}

#[tokio::test(start_paused = true)]
async fn followers_of_a_failing_head_are_no_dead_letters_and_go_on_behind_it() {
    let (world, handled) = (World::new("q.fifo", 12), Seen::default());
    let inbox = Arc::new(world.inbox().await);
    let function = world.function(handler(&handled, &[("a1", 99)]));
    let function = function.configure(|host| host.completed(inbox.clone()).tries(inbox));
    world.place_in("a", ["a1", "a2", "a3", "a4"]);
    world.serve_with(world.mapping().batch(BATCH), &function).await;
    let letters = world.dead_letters().await;
    assert_eq!(
        letters,
        [("a1".to_owned(), Some("not yet".to_owned()))],
        "after its attempts"
    );
    assert_eq!(of("a", &handled), "234");
    let tries = world
        .invoked
        .all()
        .iter()
        .filter(|invoked| invoked.orders[0] == "a1")
        .count();
    assert_eq!(tries, usize::try_from(ATTEMPTS).unwrap());
}

/// One head after the other: what is behind them is received each time.
#[tokio::test(start_paused = true)]
async fn a_message_behind_several_failing_ones_still_has_all_its_attempts() {
    let (world, handled) = (World::new("q.fifo", 12), Seen::default());
    let inbox = Arc::new(world.inbox().await);
    let function = world.function(handler(&handled, &[("a1", 2), ("a2", 2), ("a3", 2), ("a4", 2)]));
    let function = function.configure(|host| host.completed(inbox.clone()).tries(inbox));
    world.place_in("a", ["a1", "a2", "a3", "a4"]);
    world.serve_with(world.mapping().batch(BATCH), &function).await;
    assert_eq!(world.dead_letters().await, []);
    assert_eq!(of("a", &handled), "1234");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_head_makes_way_within_the_batch() {
    let world = World::new("q.fifo", 12);
    let handled = Seen::default();
    let noted = handled.clone();
    let function = world.function(router().on::<OrderPlaced>(move |placed: Delivery<OrderPlaced>| {
        let result = match placed.order.as_str() {
            "a1" => Err(Failure::terminal("the account is closed")),
            order => {
                noted.note(order.to_owned());
                Ok(Handled::Applied)
            }
        };
        async { result }
    }));
    world.place_in("a", ["a1", "a2", "a3"]);
    world.serve(&function).await;
    assert_eq!(world.invoked.all().len(), 1);
    assert_eq!(of("a", &handled), "23");
    assert_eq!(world.dead_letters().await.len(), 1);
}
