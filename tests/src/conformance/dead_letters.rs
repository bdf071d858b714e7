//! What becomes of a message that can't be handled.

use std::time::Duration;

use anyhow::ensure;
use fanfare::port::{DeadLetter, Queue, QueueError, Received};
use fanfare::{Attribute, Attributes};

use super::fixture::{MAX_RECEIVES, VISIBILITY, order};
use super::stage::{Message, each, event_id, reason};
use super::{Stage, World};

const REASON: &str = "the card was declined: «non»";

/// Takes the next message of `billing` and makes it a dead letter.
async fn bury<W: World>(stage: &Stage<W>) -> anyhow::Result<Message<W>> {
    let queue = stage.world().queue("billing");
    let message = stage.one(&queue).await?;
    each(queue.dead_letter(vec![(message.clone(), letter(&message))]).await, "dead_letter").await?;
    Ok(message)
}

fn letter<R>(message: &Received<R>) -> DeadLetter {
    DeadLetter {
        reason: REASON.to_owned(),
        consumer: "billing".to_owned(),
        attempts: message.message.receive_count,
    }
}

pub(super) async fn a_message_received_too_often_becomes_a_dead_letter<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let event = stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    for _ in 0..MAX_RECEIVES {
        let message = stage.one(&queue).await?;
        stage.release(&queue, &message, Duration::ZERO).await?;
    }
    stage.none(&queue, Duration::from_secs(1)).await?;
    let dead = stage.one(&stage.world().dead_letters("billing")).await?;
    ensure!(event_id(&dead)? == event.envelope.id());
    ensure!(dead.message.attributes == event.attributes(), "{:?}", dead.message.attributes);
    Ok(())
}

pub(super) async fn a_dead_letter_keeps_body_and_attributes_and_gains_its_reason<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let event = stage.emit(&order(1)).await?;
    let message = bury(&stage).await?;
    let dead = stage.one(&stage.world().dead_letters("billing")).await?;
    ensure!(dead.message.body == message.message.body, "the body became {}", dead.message.body);
    for (name, value) in event.attributes() {
        let kept = dead.message.attributes.get(&name);
        ensure!(kept == Some(&value), "the attribute {name} became {kept:?}");
    }
    let kept = reason(&dead.message.attributes);
    ensure!(kept.as_deref() == Some(REASON), "the reason is {kept:?}");
    Ok(())
}

pub(super) async fn a_dead_letter_leaves_its_queue<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    stage.emit(&order(1)).await?;
    bury(&stage).await?;
    stage.none(&stage.world().queue("billing"), VISIBILITY + Duration::from_secs(1)).await?;
    let letters = stage.world().dead_letters("billing");
    let dead = stage.one(&letters).await?;
    stage.delete(&letters, &dead).await?;
    stage.none(&letters, Duration::from_secs(1)).await
}

/// SQS takes no more than ten. Where there is no place for the reason, the queue's own move is left:
/// the message is not lost for the reason's sake.
pub(super) async fn a_message_with_ten_attributes_becomes_a_dead_letter<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let attributes: Attributes =
        (0..10).map(|n| (format!("attribute-{n}"), Attribute::string(n.to_string()))).collect();
    stage.send("full", attributes.clone()).await?;
    let queue = stage.world().queue("billing");
    let letters = stage.world().dead_letters("billing");
    for _ in 0..MAX_RECEIVES {
        let message = stage.one(&queue).await?;
        let results = queue.dead_letter(vec![(message.clone(), letter(&message))]).await;
        if results.iter().all(Result::is_ok) {
            break;
        }
        ensure!(results.iter().all(|result| !result.as_ref().is_err_and(QueueError::is_retryable)), "{results:?}");
        stage.release(&queue, &message, Duration::ZERO).await?;
    }
    stage.none(&queue, VISIBILITY + Duration::from_secs(1)).await?;
    let dead = stage.one(&letters).await?;
    ensure!(dead.message.body == "full");
    for (name, value) in attributes {
        let kept = dead.message.attributes.get(&name);
        ensure!(kept == Some(&value), "the attribute {name} became {kept:?}");
    }
    Ok(())
}

pub(super) async fn a_redriven_message_has_a_new_id_and_all_its_receives<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let event = stage.emit(&order(1)).await?;
    let before = bury(&stage).await?;
    stage.world().redrive("billing").await?;

    let queue = stage.world().queue("billing");
    let mut id = String::new();
    for _ in 0..MAX_RECEIVES {
        let after = stage.one(&queue).await?;
        ensure!(event_id(&after)? == event.envelope.id(), "the event in it stays the same");
        id.clone_from(&after.message.id);
        stage.release(&queue, &after, Duration::ZERO).await?;
    }
    ensure!(id != before.message.id, "the message is a new one for the queue");
    stage.none(&queue, Duration::from_secs(1)).await?;
    let dead = stage.one(&stage.world().dead_letters("billing")).await?;
    ensure!(event_id(&dead)? == event.envelope.id());
    Ok(())
}

pub(super) async fn a_message_that_the_queue_gave_up_can_be_redriven<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let event = stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    for _ in 0..MAX_RECEIVES {
        let message = stage.one(&queue).await?;
        stage.release(&queue, &message, Duration::ZERO).await?;
    }
    stage.none(&queue, Duration::from_secs(1)).await?;
    stage.world().redrive("billing").await?;
    let again = stage.one(&queue).await?;
    ensure!(event_id(&again)? == event.envelope.id());
    ensure!(again.message.attributes == event.attributes(), "{:?}", again.message.attributes);
    stage.delete(&queue, &again).await?;
    stage.none(&stage.world().dead_letters("billing"), Duration::from_secs(1)).await
}
