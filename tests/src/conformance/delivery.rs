//! From a publisher to every consumer that wants it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use fanfare::port::{Publish, Queue};
use fanfare::{Attribute, Attributes};
use tokio::time::Instant;

use super::fixture::{OrderCancelled, OrderPlaced, TakePayment, order};
use super::stage::{event_id, read};
use super::{Stage, World};

pub(super) async fn what_is_published_is_delivered_at_least_once<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let events: Vec<_> = (0..25).map(|n| stage.event(&order(n))).collect::<Result<_, _>>()?;
    for batch in events.chunks(10) {
        stage.publish(batch.to_vec()).await?;
    }
    let published: BTreeSet<_> = events.iter().map(|event| event.envelope.id().to_owned()).collect();
    let queue = stage.world().queue("billing");
    let mut arrived = BTreeSet::new();
    // A copy of one that came before is allowed, and doesn't count.
    while arrived.len() < published.len() {
        let message = stage.one(&queue).await?;
        arrived.insert(event_id(&message)?);
        stage.delete(&queue, &message).await?;
    }
    ensure!(arrived == published, "arrived: {arrived:?}, published: {published:?}");
    Ok(())
}

pub(super) async fn every_subscriber_gets_a_copy_of_its_own<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let placed = order(1);
    stage.emit(&placed).await?;
    let billing = stage.world().queue("billing");
    let first = stage.one(&billing).await?;
    ensure!(read::<OrderPlaced, _>(&first)? == placed);
    stage.delete(&billing, &first).await?;

    let second = stage.one(&stage.world().queue("shipping")).await?;
    ensure!(read::<OrderPlaced, _>(&second)? == placed);
    ensure!(event_id(&first)? == event_id(&second)?, "copies of one event have its id");
    Ok(())
}

pub(super) async fn a_subscriber_gets_only_the_types_it_handles<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let cancelled = OrderCancelled { order: "1".to_owned() };
    stage.emit(&cancelled).await?;
    let shipping = stage.world().queue("shipping");
    let unwanted = stage.one(&stage.world().queue("billing")).await?;
    ensure!(read::<OrderCancelled, _>(&unwanted)? == cancelled);
    stage.none(&shipping, Duration::from_secs(2)).await?;

    stage.emit(&order(2)).await?;
    let wanted = stage.one(&shipping).await?;
    ensure!(read::<OrderPlaced, _>(&wanted)? == order(2));
    Ok(())
}

pub(super) async fn a_command_goes_to_its_consumer_alone<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let command = stage.command(&TakePayment { order: "1".to_owned() })?;
    stage.publish([command.clone()]).await?;
    let message = stage.one(&stage.world().queue("billing")).await?;
    ensure!(event_id(&message)? == command.envelope.id());
    stage.none(&stage.world().queue("shipping"), Duration::from_secs(1)).await
}

pub(super) async fn a_batch_of_ten_is_answered_entry_by_entry<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let mut events: Vec<_> = (0..10).map(|n| stage.event(&order(n))).collect::<Result<_, _>>()?;
    // Larger than any topic takes.
    let too_large = OrderPlaced { order: "3".to_owned(), note: "x".repeat(1_100_000) };
    events[3] = stage.event(&too_large)?;
    let good: BTreeSet<_> = events
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != 3)
        .map(|(_, event)| event.envelope.id().to_owned())
        .collect();

    let results = stage.world().publisher().publish(events).await;
    let confirmed: Vec<_> = results.iter().map(Result::is_ok).collect();
    let expected: Vec<_> = (0..10).map(|index| index != 3).collect();
    ensure!(confirmed == expected, "confirmed: {confirmed:?}");
    ensure!(
        results[3].as_ref().is_err_and(|error| !error.is_retryable()),
        "too large can't be mended by another try: {:?}",
        results[3]
    );
    let arrived = stage.some(&stage.world().queue("billing"), 9).await?;
    let arrived: BTreeSet<_> = arrived.iter().map(event_id).collect::<Result<_, _>>()?;
    ensure!(arrived == good, "arrived: {arrived:?}, good: {good:?}");
    Ok(())
}

pub(super) async fn a_receive_gives_at_most_what_it_asked_for<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let events: Vec<_> = (0..10).map(|n| stage.event(&order(n))).collect::<Result<_, _>>()?;
    stage.publish(events).await?;
    let queue = stage.world().queue("billing");
    for max in [1, 2, 3] {
        let received = queue.receive(max, Duration::from_secs(5)).await?;
        ensure!((1..=max).contains(&received.len()), "{} of at most {max}", received.len());
    }
    Ok(())
}

pub(super) async fn attributes_survive<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let published = stage.emit(&order("17")).await?;
    let queue = stage.world().queue("billing");
    let received = stage.one(&queue).await?;
    ensure!(
        received.message.attributes == published.attributes(),
        "{:?} became {:?}",
        published.attributes(),
        received.message.attributes
    );
    stage.delete(&queue, &received).await?;

    let attributes = Attributes::from([
        ("text".to_owned(), Attribute::string("línea \"1\"\n<&>")),
        ("number".to_owned(), Attribute::number(-12.5)),
        ("binary".to_owned(), Attribute::Binary { value: vec![0, 1, 254, 255] }),
        (
            "labelled".to_owned(),
            Attribute::Text { data_type: "Number.int".to_owned(), value: "7".to_owned() },
        ),
    ]);
    stage.send("{}", attributes.clone()).await?;
    let received = stage.one(&queue).await?;
    ensure!(received.message.attributes == attributes, "became {:?}", received.message.attributes);
    Ok(())
}

pub(super) async fn unicode_survives<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let placed = OrderPlaced {
        order: "Zoë №7".to_owned(),
        note: "日本語 🎺 \u{2028} \u{1F468}\u{200D}\u{1F469} \\u0041 \t\r\n \"quoted\" <a&b> e\u{301} \u{10FFFD}"
            .to_owned(),
    };
    stage.emit(&placed).await?;
    let received = stage.one(&stage.world().queue("billing")).await?;
    ensure!(read::<OrderPlaced, _>(&received)? == placed, "became {}", received.message.body);
    let key = received.message.attributes.get("key").and_then(Attribute::text);
    ensure!(key == Some("Zoë №7"), "the key became {key:?}");
    Ok(())
}

pub(super) async fn a_long_poll_wakes_for_a_message<W: World>(stage: Stage<W>) -> anyhow::Result<()> {
    let queue = stage.world().queue("billing");
    let start = Instant::now();
    let publish = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        stage.emit(&order(1)).await
    };
    let (received, published) = tokio::join!(queue.receive(10, Duration::from_secs(15)), publish);
    published?;
    ensure!(received?.len() == 1, "the poll ended with nothing");
    let took = start.elapsed();
    ensure!(took < Duration::from_secs(5), "it took {took:?} to see what came after 2 s");
    Ok(())
}

pub(super) async fn a_long_poll_for_nothing_ends_after_its_wait<W: World>(
    stage: Stage<W>,
) -> anyhow::Result<()> {
    let queue = stage.world().queue("billing");
    let start = Instant::now();
    ensure!(queue.receive(10, Duration::from_secs(2)).await?.is_empty());
    let took = start.elapsed();
    let expected = Duration::from_millis(1_900)..Duration::from_secs(4);
    ensure!(expected.contains(&took), "a poll of 2 s took {took:?}");
    Ok(())
}
