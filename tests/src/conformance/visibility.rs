//! From a receive to the end of a message.

use std::time::Duration;

use anyhow::ensure;
use fanfare::port::Queue;
use tokio::time::Instant;

use super::fixture::{MAX_RECEIVES, VISIBILITY, order};
use super::stage::{each, event_id, is_not_held};
use super::{Stage, World};

pub(super) async fn a_received_message_is_hidden_until_its_visibility_timeout<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let event = stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    stage.one(&queue).await?;
    let received = Instant::now();
    let again = stage.comes_at(&queue, received, VISIBILITY).await?;
    ensure!(event_id(&again)? == event.envelope.id());
    Ok(())
}

pub(super) async fn an_extension_keeps_a_message_hidden<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    let message = stage.one(&queue).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let extended = Instant::now();
    let longer = VISIBILITY + Duration::from_secs(2);
    each(queue.extend(vec![(message.receipt.clone(), longer)]).await, "extend").await?;
    stage.comes_at(&queue, extended, longer).await?;
    Ok(())
}

pub(super) async fn a_released_message_comes_back_at_once<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    let message = stage.one(&queue).await?;
    let released = Instant::now();
    stage.release(&queue, &message, Duration::ZERO).await?;
    stage.comes_at(&queue, released, Duration::ZERO).await?;
    Ok(())
}

pub(super) async fn a_released_message_comes_back_after_its_delay<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let queue = stage.world().queue("billing");
    // Once sooner than the visibility timeout would bring it back, and once later.
    for delay in [VISIBILITY - Duration::from_secs(2), VISIBILITY + Duration::from_secs(2)] {
        stage.emit(&order(1)).await?;
        let message = stage.one(&queue).await?;
        let released = Instant::now();
        stage.release(&queue, &message, delay).await?;
        let again = stage.comes_at(&queue, released, delay).await?;
        stage.delete(&queue, &again).await?;
    }
    Ok(())
}

pub(super) async fn the_receive_count_grows_with_each_receive<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    for expected in 1..=MAX_RECEIVES {
        let message = stage.one(&queue).await?;
        let count = message.message.receive_count;
        ensure!(count == expected, "the receive number {expected} says {count}");
        stage.release(&queue, &message, Duration::ZERO).await?;
    }
    Ok(())
}

pub(super) async fn delete_is_final<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    let message = stage.one(&queue).await?;
    stage.delete(&queue, &message).await?;
    // A repeat, as after a lost reply, is no error.
    stage.delete(&queue, &message).await?;
    stage.none(&queue, VISIBILITY + Duration::from_secs(1)).await?;
    stage.none(&stage.world().dead_letters("billing"), Duration::from_secs(1)).await
}

pub(super) async fn a_deleted_message_can_not_be_held<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    let message = stage.one(&queue).await?;
    stage.delete(&queue, &message).await?;
    let extended = queue.extend(vec![(message.receipt.clone(), VISIBILITY)]).await;
    ensure!(extended.iter().all(is_not_held), "{extended:?}");
    let released = queue.release(vec![(message.receipt, Duration::ZERO)]).await;
    ensure!(released.iter().all(is_not_held), "{released:?}");
    stage.none(&queue, Duration::from_secs(1)).await
}

pub(super) async fn a_receipt_is_stale_after_the_next_receive<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    stage.emit(&order(1)).await?;
    let queue = stage.world().queue("billing");
    let first = stage.one(&queue).await?;
    let second = stage.one(&queue).await?;
    let taken = Instant::now();
    let released = queue.release(vec![(first.receipt.clone(), Duration::ZERO)]).await;
    ensure!(released.iter().all(is_not_held), "{released:?}");
    let extended = queue.extend(vec![(first.receipt, 10 * VISIBILITY)]).await;
    ensure!(extended.iter().all(is_not_held), "{extended:?}");
    // Neither has changed for how long the second one has it.
    let third = stage.comes_at(&queue, taken, VISIBILITY).await?;
    ensure!(event_id(&third)? == event_id(&second)?);
    Ok(())
}

pub(super) async fn a_settled_batch_has_one_result_per_entry<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let events: Vec<_> = (0..3).map(|n| stage.event(&order(n))).collect::<Result<_, _>>()?;
    stage.publish(events).await?;
    let queue = stage.world().queue("billing");
    let messages = stage.some(&queue, 3).await?;
    stage.delete(&queue, &messages[1]).await?;

    let receipts = messages.iter().map(|message| (message.receipt.clone(), Duration::ZERO)).collect();
    let results = queue.release(receipts).await;
    let shape = matches!(results.as_slice(), [Ok(()), gone, Ok(())] if is_not_held(gone));
    ensure!(shape, "{results:?}");

    let back = stage.some(&queue, 2).await?;
    let deleted = queue.delete(back.into_iter().map(|message| message.receipt).collect()).await;
    ensure!(deleted.len() == 2, "{deleted:?}");
    each(deleted, "delete").await?;
    stage.none(&queue, VISIBILITY + Duration::from_secs(1)).await
}
