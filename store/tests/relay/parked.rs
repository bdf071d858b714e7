//! Events that their destination refuses.

use fanfare::Destination;
use tokio::time::{Duration, sleep};

use crate::commit;
use crate::topics::Answer;
use crate::world::{Memo, Note, World, posting};

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_parked_with_its_reason_and_the_others_go() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("2") => Answer::Refuse,
        Some("3") => Answer::TooLarge,
        _ => Answer::Confirm,
    });
    commit!(store, Note(1), Note(2), Memo(3), Memo(4));
    relay.drain().await.unwrap();
    let mut data = world.topics.data();
    data.sort();
    assert_eq!(data, ["1", "4"]);

    let parked = relay.parked().await.unwrap();
    let reasons: Vec<_> = parked.iter().map(|parked| &*parked.reason).collect();
    assert_eq!(
        reasons,
        [
            "refused by topic notes: no such topic",
            "300000 bytes are more than the 262144 that topic memos takes",
        ]
    );
    let event = parked[0].event.as_ref().unwrap();
    assert_eq!((&*event.ty, &*event.source), ("note.taken", "/test"));
    assert_eq!(event.destination, Destination::Topic("notes".into()));
    assert_eq!(parked[0].attempts, 1);
    let status = relay.status().await.unwrap();
    assert_eq!(
        (status.pending, status.oldest_unsent, status.parked),
        (0, None, 1)
    );

    // It isn't tried again, however long it lies, and never expires.
    let calls = world.topics.calls().len();
    relay.run(sleep(Duration::from_secs(120))).await;
    assert_eq!(world.topics.calls().len(), calls);
    assert_eq!(relay.parked().await.unwrap(), parked);
    assert!(
        world
            .records()
            .await
            .values()
            .all(|record| !record.contains_key("expires_at"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_unparked_event_is_published_and_the_others_are_not_again() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|outgoing| match outgoing.envelope.data() {
        Some("1" | "2") => Answer::Refuse,
        _ => Answer::Confirm,
    });
    commit!(store, Note(1), Note(2), Note(3));
    relay.drain().await.unwrap();
    world.topics.answer(|_| Answer::Confirm);
    let parked = relay.parked().await.unwrap();
    assert!(relay.unpark(&parked[0]).await.unwrap());
    relay.drain().await.unwrap();
    assert_eq!(world.topics.data(), ["3", "1"]);
    assert!(!relay.unpark(&parked[0]).await.unwrap(), "it is no longer parked");
    assert_eq!(relay.parked().await.unwrap(), parked[1..]);
    assert!(relay.unpark(&parked[1]).await.unwrap());
    relay.drain().await.unwrap();
    assert_eq!(world.topics.data(), ["3", "1", "2"]);
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_parked_beside_one_that_fails_is_listed_and_the_other_still_tried() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    let mut failures = 4;
    world
        .topics
        .answer(move |outgoing| match outgoing.envelope.data() {
            Some("1") => Answer::Refuse,
            _ if failures > 0 => {
                failures -= 1;
                Answer::Fail
            }
            _ => Answer::Confirm,
        });
    commit!(store, Note(1), Note(2));
    relay.run(sleep(Duration::from_secs(1))).await;
    let status = relay.status().await.unwrap();
    assert_eq!((status.pending, status.parked), (1, 1));
    assert_eq!(relay.parked().await.unwrap().len(), 1);
    relay.drain().await.unwrap();
    assert_eq!(world.topics.data(), ["2"]);
    assert_eq!(relay.parked().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_parked_head_blocks_its_key_only_and_stays_parked_when_more_is_appended() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(
        |outgoing| match (outgoing.key.as_deref(), outgoing.envelope.sequence()) {
            (Some("a"), Some(2)) => Answer::Refuse,
            _ => Answer::Confirm,
        },
    );
    commit!(
        store,
        posting("a", 1),
        posting("a", 2),
        posting("a", 3),
        posting("b", 1)
    );
    relay.drain().await.unwrap();
    for number in 4..=6 {
        commit!(store, posting("a", number), posting("b", number), Note(number));
        relay.drain().await.unwrap();
    }
    let first = world.topics.first_copies();
    assert_eq!((&*first["a"], &*first["b"]), (&[1][..], &[1, 2, 3, 4][..]));
    let parked = relay.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].behind, parked[0].attempts), (4, 1));
    assert_eq!(parked[0].event.as_ref().unwrap().key.as_deref(), Some("a"));
    assert_eq!(relay.status().await.unwrap().parked, 1);

    world.topics.answer(|_| Answer::Confirm);
    assert!(relay.unpark(&parked[0]).await.unwrap());
    relay.drain().await.unwrap();
    assert_eq!(
        world.topics.first_copies()["a"],
        [1, 2, 3, 4, 5, 6],
        "none is skipped"
    );
    assert!(!relay.unpark(&parked[0]).await.unwrap());
    world.assert_all_arrived().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_list_unparks_no_other_event_of_the_key() {
    let world = World::new().await;
    let store = world.store();
    let relay = store.relay(world.topics.clone());
    world.topics.answer(|_| Answer::Refuse);
    commit!(store, posting("a", 1), posting("a", 2));
    relay.drain().await.unwrap();
    let old = relay.parked().await.unwrap();
    world
        .topics
        .answer(|outgoing| match outgoing.envelope.sequence() {
            Some(1) => Answer::Confirm,
            _ => Answer::Refuse,
        });
    assert!(relay.unpark(&old[0]).await.unwrap());
    relay.drain().await.unwrap();
    assert!(!relay.unpark(&old[0]).await.unwrap());
    let now = relay.parked().await.unwrap();
    assert_ne!(now[0].event, old[0].event);
    assert_eq!(now[0].behind, 0);
}
