//! Ids, correlation, causation and trace along a chain of events.

use std::borrow::Cow;

use fanfare::{
    Attribute, Clock, Command, DedupeKey, Destination, Draft, EncodeError, Envelope, Event, Outgoing,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct OrderPlaced {
    order: String,
}

impl Event for OrderPlaced {
    const TYPE: &'static str = "order.placed";
    const VERSION: u16 = 2;
    const TOPIC: &'static str = "orders";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.order))
    }

    fn tenant(&self) -> Option<Cow<'_, str>> {
        Some("acme".into())
    }
}

#[derive(Serialize, Deserialize)]
struct RefundPayment {
    order: String,
}

impl Command for RefundPayment {
    const TYPE: &'static str = "RefundPayment";
    const CONSUMER: &'static str = "payment";
}

fn draft() -> Result<Draft, EncodeError> {
    Draft::event(&OrderPlaced { order: "17".into() })
}

fn caused(cause: &Envelope, consumer: &str, ordinal: usize) -> Result<Outgoing, EncodeError> {
    Ok(draft()?.caused_by(cause, consumer, ordinal, &Clock::system()))
}

/// A cause as it comes from elsewhere.
fn cause(source: &str, id: &str) -> Result<Envelope, fanfare::EnvelopeError> {
    Envelope::parse(
        &serde_json::json!({
            "specversion": "1.0", "id": id, "source": source, "type": "x",
            "correlationid": "c-1", "causationid": "b-1",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "vendor=1", "partitionkey": "not passed on",
        })
        .to_string(),
    )
}

#[test]
fn a_first_event_correlates_with_itself_and_has_no_cause() {
    let first = draft().unwrap().first("/checkout", &Clock::system()).envelope;
    assert_eq!(first.correlation_id(), first.id());
    assert_eq!(first.causation_id(), None);
    assert_eq!(first.traceparent(), None);
    assert_eq!(first.source(), "/checkout");
}

#[test]
fn a_caused_event_takes_over_correlation_and_trace_and_names_its_cause() {
    let cause = cause("/checkout", "17").unwrap();
    let event = caused(&cause, "payment", 0).unwrap().envelope;
    assert_eq!(event.correlation_id(), "c-1");
    assert_eq!(event.causation_id(), Some("17"));
    assert_eq!(event.source(), "/payment");
    assert_eq!(event.traceparent(), cause.traceparent());
    assert_eq!(event.tracestate(), Some("vendor=1"));
    assert_eq!(event.extension("partitionkey"), None);
}

#[test]
fn a_chain_keeps_the_correlation_id_of_its_first_event() {
    let first = draft().unwrap().first("/checkout", &Clock::system()).envelope;
    let second = caused(&first, "payment", 0).unwrap().envelope;
    let third = caused(&second, "inventory", 0).unwrap().envelope;
    assert_eq!(third.correlation_id(), first.id());
    assert_eq!(third.causation_id(), Some(second.id()));
}

#[test]
fn a_foreign_event_without_correlation_gives_its_own_id() {
    let foreign = Envelope::parse(r#"{"specversion":"1.0","id":"f","source":"/x","type":"y"}"#).unwrap();
    assert_eq!(
        caused(&foreign, "payment", 0).unwrap().envelope.correlation_id(),
        "f"
    );
}

#[test]
fn handling_an_event_twice_emits_the_same_ids() {
    let cause = cause("/checkout", "17").unwrap();
    let one = caused(&cause, "payment", 0).unwrap();
    let other = caused(&cause, "payment", 0).unwrap();
    assert_eq!(one.envelope.id(), other.envelope.id());
}

/// Computed once by another implementation of RFC 9562: a change of these ids would make one
/// emitted before and repeated after an upgrade two events.
#[test]
fn derived_ids_never_change() {
    let cause = cause("/checkout", "17").unwrap();
    let event = caused(&cause, "payment", 1).unwrap();
    assert_eq!(event.envelope.id(), "23de595d-995a-5075-9807-94897982e1c7");
    assert_eq!(
        fanfare::derived_id(&["a", "b"]),
        "8002c0be-d3f4-512d-83da-a5f456d82ae9"
    );
}

#[test]
fn a_derived_id_differs_by_source_id_consumer_and_ordinal() {
    let base = cause("/checkout", "17").unwrap();
    let ids = [
        caused(&base, "payment", 0).unwrap(),
        caused(&base, "payment", 1).unwrap(),
        caused(&base, "shipping", 0).unwrap(),
        caused(&cause("/other", "17").unwrap(), "payment", 0).unwrap(),
        caused(&cause("/checkout", "18").unwrap(), "payment", 0).unwrap(),
        // What would run together without delimiters.
        caused(&cause("/checkout1", "7").unwrap(), "payment", 0).unwrap(),
    ]
    .map(|outgoing| outgoing.envelope.id().to_owned());
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[test]
fn a_first_id_is_a_uuid_of_version_7_with_the_clocks_time() {
    let id = fanfare::new_id(&Clock::system());
    assert_eq!(id.len(), 36);
    assert_eq!(&id[14..15], "7");
    let millis = u64::from_str_radix(&id.replace('-', "")[..12], 16).unwrap();
    let now = Clock::system().millis();
    assert!((now - 60_000..=now).contains(&millis), "{id}");
}

#[cfg(feature = "memory")]
#[tokio::test(start_paused = true)]
async fn ids_and_times_follow_the_clock_and_the_seed_so_that_simulations_repeat() {
    let run = || {
        fastrand::seed(7);
        let start = std::time::UNIX_EPOCH + std::time::Duration::from_micros(1_700_000_000_123_456);
        let clock = Clock::tokio(start);
        draft().map(|draft| draft.first("/checkout", &clock).envelope.to_json())
    };
    let json = run().unwrap();
    assert_eq!(json, run().unwrap());
    assert!(json.contains(r#""time":"2023-11-14T22:13:20.123Z""#), "{json}");
}

#[test]
fn an_event_says_where_it_goes_and_what_filter_policies_see() {
    let outgoing = draft().unwrap().first("/checkout", &Clock::system());
    assert_eq!(outgoing.destination, Destination::Topic("orders".into()));
    assert_eq!(outgoing.key.as_deref(), Some("17"));
    assert_eq!(outgoing.tenant.as_deref(), Some("acme"));
    assert_eq!(outgoing.envelope.subject(), Some("17"));
    assert_eq!(outgoing.envelope.version(), 2);
    let attributes: Vec<_> = outgoing.attributes().into_iter().collect();
    assert_eq!(
        attributes,
        [
            ("key".to_owned(), Attribute::string("17")),
            ("source".to_owned(), Attribute::string("/checkout")),
            ("type".to_owned(), Attribute::string("order.placed")),
            ("version".to_owned(), Attribute::number(2)),
        ]
    );
}

#[test]
fn a_command_goes_to_its_consumer() {
    let draft = Draft::command(&RefundPayment { order: "17".into() }).unwrap();
    let outgoing = draft.first("/checkout", &Clock::system());
    assert_eq!(outgoing.destination, Destination::Consumer("payment".into()));
    assert_eq!(outgoing.envelope.ty(), "RefundPayment");
    assert!(!outgoing.is_ordered());
}

#[test]
fn what_waits_in_an_outbox_comes_out_as_it_went_in() {
    let outgoing = draft().unwrap().first("/checkout", &Clock::system());
    let json = serde_json::to_string(&outgoing).unwrap();
    let read: Outgoing = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
    assert_eq!(read.envelope.id(), outgoing.envelope.id());
}

#[test]
fn an_event_on_a_fifo_topic_needs_a_key() {
    #[derive(Serialize, Deserialize)]
    struct Posted(String);
    impl Event for Posted {
        const TYPE: &'static str = "posted";
        const TOPIC: &'static str = "ledger.fifo";
        fn key(&self) -> Option<Cow<'_, str>> {
            Some(Cow::Borrowed(&self.0))
        }
    }
    let error = Draft::event(&Posted(String::new())).unwrap_err();
    assert!(error.to_string().contains("implement `Event::key`"), "{error}");
    let outgoing = Draft::event(&Posted("account".into()))
        .unwrap()
        .first("/a", &Clock::system());
    assert!(outgoing.is_ordered());
}

/// A filter policy or an infrastructure tool may check the schema's URI.
#[test]
fn the_schemas_name_is_a_uri_whatever_the_type_is_called() {
    #[derive(Serialize, Deserialize)]
    struct Odd;
    impl Event for Odd {
        const TYPE: &'static str = "EC2 Zustandsänderung 100%";
        const TOPIC: &'static str = "odd";
    }
    let outgoing = Draft::event(&Odd).unwrap().first("/a", &Clock::system());
    assert_eq!(
        outgoing.envelope.dataschema(),
        Some("urn:fanfare:EC2%20Zustands%C3%A4nderung%20100%25:1")
    );
    assert_eq!(outgoing.envelope.ty(), "EC2 Zustandsänderung 100%");
}

/// Few characters, and those that the delimiters are made of: joined carelessly, many would collide.
fn parts() -> impl Strategy<Value = [String; 3]> {
    ["[a1:]{0,3}", "[a1:]{0,3}", "[a1:]{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn no_two_different_lists_of_parts_share_an_id(a in parts(), b in parts()) {
        let id = |parts: &[String; 3]| fanfare::derived_id(&[&parts[0], &parts[1], &parts[2]]);
        prop_assert_eq!(a == b, id(&a) == id(&b));
    }

    #[test]
    fn no_two_different_dedupe_keys_print_alike(a in parts(), b in parts()) {
        let key = |[consumer, source, id]: [String; 3]| DedupeKey::new(consumer, source, id).to_string();
        prop_assert_eq!(a == b, key(a.clone()) == key(b.clone()));
    }
}
