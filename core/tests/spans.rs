//! The span of each message bears OpenTelemetry's names.

mod common;

use common::trace::{Capture, Fields};
use common::{event, handle, message};
use fanfare::{Delivery, Failure, Handled, Message, Router};

event!(OrderPlaced, "order.placed");

async fn work(placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    tokio::task::yield_now().await;
    tracing::info!(order = placed.order, "working");
    match placed.order.as_str() {
        "terminal" => Err(Failure::terminal("4111 is no card")),
        "panic" => panic!("oh"),
        _ => Ok(Handled::Applied),
    }
}

/// What is traced while this message is handled.
async fn traced(message: Message) -> Capture {
    let capture = Capture::default();
    let _guard = capture.listen();
    let Ok(service) = Router::new("billing").on::<OrderPlaced>(work).into_service() else {
        panic!("the wiring is wrong");
    };
    handle(&service, message).await;
    capture
}

fn fields(fields: &[(&str, &str)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

#[tokio::test]
async fn a_message_is_handled_in_a_span_with_opentelemetrys_names() {
    let mut message = message(&OrderPlaced { order: "17".into() }).unwrap();
    message.queue = "shop-billing".into();
    message.id = "m-1".into();
    message.receive_count = 2;
    let (envelope, _) = fanfare::wire::parse(&message.body).unwrap();
    let capture = traced(message).await;
    let (name, span) = capture.span();
    assert_eq!(name, "process");
    let expected = fields(&[
        ("otel.name", "process shop-billing"),
        ("otel.kind", "consumer"),
        ("messaging.system", "aws_sqs"),
        ("messaging.operation.name", "process"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", "shop-billing"),
        ("messaging.consumer.group.name", "billing"),
        ("messaging.message.id", "m-1"),
        ("messaging.message.conversation_id", envelope.correlation_id()),
        ("cloudevents.event_id", envelope.id()),
        ("cloudevents.event_source", "/test"),
        ("cloudevents.event_type", "order.placed"),
        ("fanfare.receive_count", "2"),
        ("fanfare.outcome", "applied"),
    ]);
    assert_eq!(span, expected);
}

#[tokio::test]
async fn what_a_handler_logs_is_within_the_span_after_an_await_too() {
    let capture = traced(message(&OrderPlaced { order: "17".into() }).unwrap()).await;
    let seen = capture.seen();
    let logged: Vec<_> = seen
        .events
        .iter()
        .map(|event| (event.within, event.fields["order"].as_str()))
        .collect();
    assert_eq!(logged, [(Some(1), "17")]);
    assert!(seen.entered.is_empty());
}

#[tokio::test]
async fn a_failure_is_in_the_span_by_its_kind_and_not_by_its_text() {
    for (order, outcome) in [("terminal", "terminal"), ("panic", "failed")] {
        let capture = traced(message(&OrderPlaced { order: order.into() }).unwrap()).await;
        let (_, span) = capture.span();
        assert_eq!(span["fanfare.outcome"], outcome);
        assert_eq!(span["error.type"], outcome);
        assert!(span.values().all(|value| !value.contains("4111")), "{span:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_event_has_its_span_too() {
    let capture = traced(Message::new("a secret")).await;
    let (_, span) = capture.span();
    assert_eq!(span["error.type"], "malformed");
    assert_eq!(span["messaging.consumer.group.name"], "billing");
    assert!(!span.contains_key("cloudevents.event_id"));
    assert!(span.values().all(|value| !value.contains("secret")), "{span:?}");
}
