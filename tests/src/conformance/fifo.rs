//! Order within a group.

use std::time::Duration;

use anyhow::ensure;
use fanfare::port::{DeadLetter, Queue};

use super::fixture::{Posted, VISIBILITY, posted};
use super::stage::{Message, each, event_id, read};
use super::{Stage, World};

async fn publish<W: World>(stage: &Stage<W>, postings: &[Posted]) -> anyhow::Result<()> {
    for batch in postings.chunks(10) {
        let events: Vec<_> = batch.iter().map(|posting| stage.event(posting)).collect::<Result<_, _>>()?;
        stage.publish(events).await?;
    }
    Ok(())
}

/// Takes one message, and says what is in it.
async fn next<W: World>(
    stage: &Stage<W>,
    queue: &W::Queue,
) -> anyhow::Result<(String, usize, Message<W>)> {
    let message = stage.one(queue).await?;
    let posting: Posted = read(&message)?;
    Ok((posting.account, posting.number, message))
}

pub(super) async fn fifo_keeps_the_order_of_a_group<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let postings: Vec<_> =
        (0..30).map(|n| posted(["cash", "card", "sales"][n % 3], n / 3)).collect();
    publish(&stage, &postings).await?;
    let queue = stage.world().queue("bookkeeping");
    let mut numbers = std::collections::BTreeMap::<String, Vec<usize>>::new();
    let mut arrived = 0;
    while arrived < postings.len() {
        for message in stage.some(&queue, 1).await? {
            let posting: Posted = read(&message)?;
            numbers.entry(posting.account).or_default().push(posting.number);
            stage.delete(&queue, &message).await?;
            arrived += 1;
        }
    }
    let expected: Vec<_> = (0..10).collect();
    for (account, numbers) in numbers {
        ensure!(numbers == expected, "{account} came in the order {numbers:?}");
    }
    Ok(())
}

pub(super) async fn a_group_waits_while_one_of_it_is_in_flight<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    publish(&stage, &[posted("cash", 0), posted("cash", 1), posted("card", 0)]).await?;
    let queue = stage.world().queue("bookkeeping");
    let (account, number, head) = next(&stage, &queue).await?;
    ensure!((account.as_str(), number) == ("cash", 0), "{account} {number} came first");
    // Another group isn't held up, and nothing else comes.
    let (account, number, _) = next(&stage, &queue).await?;
    ensure!((account.as_str(), number) == ("card", 0), "{account} {number} came while cash was in flight");
    stage.none(&queue, Duration::from_secs(1)).await?;
    stage.delete(&queue, &head).await?;
    let (account, number, _) = next(&stage, &queue).await?;
    ensure!((account.as_str(), number) == ("cash", 1), "{account} {number} came next");
    Ok(())
}

pub(super) async fn a_released_head_comes_back_before_its_followers<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    publish(&stage, &[posted("cash", 0), posted("cash", 1)]).await?;
    let queue = stage.world().queue("bookkeeping");
    let (_, _, head) = next(&stage, &queue).await?;
    stage.release(&queue, &head, Duration::from_secs(2)).await?;
    stage.none(&queue, Duration::from_secs(1)).await?;
    for expected in 0..2 {
        let (_, number, message) = next(&stage, &queue).await?;
        ensure!(number == expected, "{number} came instead of {expected}");
        stage.delete(&queue, &message).await?;
    }
    Ok(())
}

pub(super) async fn a_group_goes_on_after_its_head_became_a_dead_letter<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    publish(&stage, &[posted("cash", 0), posted("cash", 1)]).await?;
    let queue = stage.world().queue("bookkeeping");
    bury(&stage).await?;
    let (_, number, _) = next(&stage, &queue).await?;
    ensure!(number == 1, "{number} came after 0 was dead-lettered");
    Ok(())
}

pub(super) async fn fifo_drops_a_repeat<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let event = stage.emit(&posted("cash", 0)).await?;
    stage.publish([event.clone()]).await?;
    let queue = stage.world().queue("bookkeeping");
    let message = stage.one(&queue).await?;
    stage.delete(&queue, &message).await?;
    // Also once the first one is gone.
    stage.publish([event]).await?;
    stage.none(&queue, VISIBILITY).await
}

pub(super) async fn fifo_takes_a_repeat_after_five_minutes<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let event = stage.emit(&posted("cash", 0)).await?;
    let queue = stage.world().queue("bookkeeping");
    let message = stage.one(&queue).await?;
    stage.delete(&queue, &message).await?;
    tokio::time::sleep(Duration::from_secs(5 * 60 + 1)).await;
    stage.publish([event.clone()]).await?;
    let repeat = stage.one(&queue).await?;
    ensure!(event_id(&repeat)? == event.envelope.id());
    Ok(())
}

async fn bury<W: World>(stage: &Stage<W>) -> anyhow::Result<Message<W>> {
    let queue = stage.world().queue("bookkeeping");
    let message = stage.one(&queue).await?;
    let letter = DeadLetter {
        reason: "out of balance".to_owned(),
        consumer: "bookkeeping".to_owned(),
        attempts: message.message.receive_count,
    };
    each(queue.dead_letter(vec![(message.clone(), letter)]).await, "dead_letter").await?;
    Ok(message)
}

/// All within the five minutes in which a deduplication id is remembered: neither the way there nor
/// the way back may be taken for a repeat.
pub(super) async fn a_fifo_dead_letter_can_be_redriven_and_dead_lettered_again<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let event = stage.emit(&posted("cash", 0)).await?;
    let letters = stage.world().dead_letters("bookkeeping");
    for _ in 0..2 {
        bury(&stage).await?;
        stage.world().redrive("bookkeeping").await?;
    }
    bury(&stage).await?;
    let dead = stage.one(&letters).await?;
    ensure!(event_id(&dead)? == event.envelope.id());
    ensure!(dead.message.group.as_deref() == Some("cash"), "its group became {:?}", dead.message.group);
    stage.delete(&letters, &dead).await?;
    stage.none(&letters, VISIBILITY + Duration::from_secs(1)).await
}
