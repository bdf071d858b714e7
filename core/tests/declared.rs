//! What a handler emits must be declared where it is registered.

mod common;

use common::trace::Capture;
use common::{command, event, handle, message};
use fanfare::{Delivery, Draft, Event, Failure, Handled, Outcome, Router, Undeclared};

event!(OrderPlaced, "order.placed");
event!(OrderShipped, "order.shipped");
event!(SameTypeElsewhere, "order.shipped", 1, "elsewhere");
command!(RefundPayment, "payment");

/// Emits `order.shipped` and sends `RefundPayment`, as the store does it.
async fn ship(placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    let context = placed.context();
    context.check_declared(&Draft::event(&OrderShipped::default())?)?;
    context.check_declared(&Draft::command(&RefundPayment::default())?)?;
    Ok(Handled::Applied)
}

async fn run(router: Router) -> Outcome {
    match (router.into_service(), message(&OrderPlaced::default())) {
        (Ok(service), Ok(message)) => handle(&service, message).await,
        other => panic!("{other:?}"),
    }
}

fn shipping() -> Router {
    Router::new("shipping").on::<OrderPlaced>(ship)
}

#[tokio::test]
async fn what_is_declared_can_be_emitted_and_sent() {
    let outcome = run(shipping().emits::<OrderShipped>().sends::<RefundPayment>()).await;
    assert_eq!(outcome.name(), "applied", "{:?}", outcome.reason());
}

/// Tests are built with debug assertions, and so strict by default.
#[tokio::test]
async fn an_undeclared_event_or_command_fails_in_a_strict_router_and_says_what_to_add() {
    let outcome = run(shipping().sends::<RefundPayment>()).await;
    assert_eq!(
        outcome.reason().unwrap(),
        "`shipping`'s handler of `order.placed` emits `order.shipped` to topic orders and doesn't declare it: \
         add `.emits::<..>()` or `.sends::<..>()` behind its `.on::<..>(..)`"
    );
    let outcome = run(shipping().emits::<OrderShipped>()).await;
    assert!(
        outcome
            .reason()
            .unwrap()
            .contains("emits `RefundPayment` to consumer payment")
    );
}

#[tokio::test]
async fn a_declaration_counts_for_its_own_handler_and_topic_only() {
    async fn nothing<E>(_: Delivery<E>) -> Result<Handled, Failure> {
        Ok(Handled::Applied)
    }
    let of_another_handler = shipping()
        .sends::<RefundPayment>()
        .on::<OrderShipped>(nothing)
        .emits::<OrderShipped>();
    assert_eq!(run(of_another_handler).await.name(), "failed");
    let to_another_topic = shipping().sends::<RefundPayment>().emits::<SameTypeElsewhere>();
    assert_eq!(run(to_another_topic).await.name(), "failed");
}

#[tokio::test]
async fn a_router_that_is_not_strict_logs_it_and_lets_it_pass() {
    let log = Capture::default();
    let _guard = log.listen();
    let outcome = run(shipping().emits::<OrderShipped>().strict(false)).await;
    assert_eq!(outcome.name(), "applied");
    let seen = log.seen();
    assert_eq!(seen.events.len(), 1, "{:?}", seen.events);
    assert_eq!(seen.events[0].level, tracing::Level::ERROR);
    let text = &seen.events[0].fields["message"];
    assert!(
        text.contains("emits `RefundPayment` to consumer payment"),
        "{text}"
    );
}

#[test]
fn a_delivery_made_by_hand_may_emit_anything() {
    let delivery = Delivery::of("shipping", OrderPlaced::default()).unwrap();
    let draft = Draft::event(&OrderShipped::default()).unwrap();
    let checked: Result<(), Undeclared> = delivery.context().check_declared(&draft);
    assert!(checked.is_ok());
    assert_eq!(OrderPlaced::TOPIC, "orders");
}

#[test]
fn a_delivery_has_one_write_however_often_it_is_cloned() {
    let delivery = Delivery::of("shipping", OrderPlaced::default()).unwrap();
    let context = delivery.context().clone();
    assert!(delivery.context().take_write());
    assert!(!context.take_write());
    let (_, context) = delivery.map(|_| ()).into_parts();
    assert!(!context.take_write());
    context.return_write();
    assert!(context.take_write());
}
