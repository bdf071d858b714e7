//! `topology cost`: what so many events cost, with the arithmetic.

mod count;
mod prices;
mod text;

use fanfare::topology::Topology;

pub(crate) use self::count::Load;

/// The costs, in words and columns.
pub(crate) fn cost(topology: &Topology, load: &Load) -> String {
    text::text(topology, load)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fanfare::topology::FunctionSettings;
    use fanfare::{App, Delivery, Event, Failure, Handled, Producer, Router};
    use serde::{Deserialize, Serialize};

    use super::count::{Million, million};
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct OrderPlaced {}

    impl Event for OrderPlaced {
        const TYPE: &'static str = "order.placed";
        const TOPIC: &'static str = "orders";
    }

    async fn nothing(_: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
        Ok(Handled::Applied)
    }

    /// One event to two consumers, of which one is a function with half a GB.
    fn of(body: u32) -> Million {
        let function = FunctionSettings::default().memory_mb(512).batch(5);
        let topology = App::new("shop")
            .producer(Producer::new("checkout").emits::<OrderPlaced>())
            .consumer(Router::new("payment").on::<OrderPlaced>(nothing))
            .consumer(
                Router::new("email")
                    .on::<OrderPlaced>(nothing)
                    .visibility_timeout(std::time::Duration::from_secs(180))
                    .function(function),
            )
            .topology()
            .unwrap();
        let load = Load {
            events_per_second: 1,
            body,
            handler_ms: 20,
        };
        million(&topology, &load)
    }

    fn counts(million: &Million, what: &str) -> [f64; 2] {
        let item = million
            .items
            .iter()
            .find(|item| item.what.contains(what))
            .unwrap();
        [item.alone, item.batched]
    }

    #[test]
    fn a_message_is_counted_by_its_chunks_of_64_kb_and_a_batch_by_what_it_has_together() {
        let published = |body| counts(&of(body), "published to standard");
        assert_eq!(published(1), [1e6, 1e5]);
        assert_eq!(published(6_553), [1e6, 1e5]);
        // Ten of them are 65,540 bytes: two chunks.
        assert_eq!(published(6_554), [1e6, 2e5]);
        assert_eq!(published(65_536), [1e6, 1e6]);
        assert_eq!(published(65_537), [2e6, 4e6 / 3.0]);
        assert_eq!(published(262_144), [4e6, 4e6]);
    }

    #[test]
    fn each_delivery_is_sent_received_and_deleted() {
        let million = of(1_000);
        assert_eq!(million.deliveries, 2e6);
        assert_eq!(counts(&million, "sent by SNS"), [2e6, 2e6]);
        assert_eq!(counts(&million, "received"), [2e6, 2e5]);
        assert_eq!(counts(&million, "deleted"), [2e6, 2e5]);
        assert_eq!(counts(&million, "inbox"), [4e6, 4e6]);
    }

    #[test]
    fn outbox_records_are_counted_by_their_kilobytes() {
        assert_eq!(counts(&of(524), "outbox records")[0], 2e6);
        assert_eq!(counts(&of(525), "outbox records")[0], 4e6);
        assert_eq!(counts(&of(3_596), "outbox records read")[0], 1e6);
        assert_eq!(counts(&of(3_597), "outbox records read")[0], 2e6);
    }

    #[test]
    fn a_function_is_counted_by_its_invocations_and_its_time() {
        let million = of(1_000);
        assert_eq!(counts(&million, "invocations of email"), [1e6, 2e5]);
        assert_eq!(counts(&million, "time of email"), [1e4, 1e4]);
        assert!(
            !million
                .items
                .iter()
                .any(|item| item.what.contains("time of payment"))
        );
    }
}
