//! Trace contexts on their way through AWS.

use fanfare::Outgoing;
use fanfare::port::Publish;

use crate::aws::Aws;
use crate::world::{many, pay, placed, publisher};

const ONE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const ONE_X_RAY: &str = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
const OTHER_X_RAY: &str = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=0";

fn traced(outgoing: Outgoing, traceparent: &str) -> Outgoing {
    Outgoing {
        envelope: outgoing.envelope.with_trace(traceparent, None),
        ..outgoing
    }
}

async fn publish(outgoing: Vec<Outgoing>) -> Aws {
    let aws = Aws::taking();
    assert!(publisher(&aws).publish(outgoing).await.iter().all(Result::is_ok));
    aws
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_trace_tells_the_topic() {
    let outgoing = many(3)
        .into_iter()
        .map(|outgoing| traced(outgoing, ONE))
        .collect();
    let aws = publish(outgoing).await;
    assert_eq!(aws.calls()[0].trace.as_deref(), Some(ONE_X_RAY));
    // And it is in each envelope.
    assert!(aws.taken().iter().all(|entry| entry.body.contains(ONE)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_several_traces_tells_the_topic_none() {
    let aws = publish(vec![traced(placed("a"), ONE), traced(placed("b"), OTHER)]).await;
    assert_eq!(aws.calls()[0].trace, None);
    let aws = publish(vec![traced(placed("a"), ONE), placed("b")]).await;
    assert_eq!(aws.calls()[0].trace, None);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_told_with_each_message() {
    let aws = publish(vec![
        traced(pay("a"), ONE),
        traced(pay("b"), OTHER),
        pay("c"),
        traced(pay("d"), "no trace"),
    ])
    .await;
    let traces: Vec<_> = aws.taken().into_iter().map(|entry| entry.trace).collect();
    let expected = [
        Some(ONE_X_RAY.to_owned()),
        Some(OTHER_X_RAY.to_owned()),
        None,
        None,
    ];
    assert_eq!(traces, expected);
}
