//! The forms in which an event lies in a queue, as captured.

use std::time::SystemTime;

use fanfare::wire::{self, Form, WireError};
use fanfare::{Envelope, Message, RetryPolicy, Router, Verdict};
use serde_json::{Value, json};
use tower::ServiceExt;

const CLOUDEVENT: &str = include_str!("data/wire/cloudevent.json");
const SNS: &str = include_str!("data/wire/sns-notification.json");
const EVENTBRIDGE: &str = include_str!("data/wire/eventbridge.json");
const EVENTBRIDGE_CLOUDEVENT: &str = include_str!("data/wire/eventbridge-cloudevent.json");

/// All that an envelope says.
fn said(envelope: &Envelope) -> Value {
    json!({
        "id": envelope.id(), "source": envelope.source(), "type": envelope.ty(),
        "subject": envelope.subject(), "time": envelope.time(), "schema": envelope.dataschema(),
        "content": envelope.datacontenttype(), "correlation": envelope.correlation_id(),
        "extensions": envelope.extensions().collect::<std::collections::BTreeMap<_, _>>(),
        "data": envelope.data().map(|data| data.parse::<Value>().ok()),
    })
}

#[test]
fn each_form_is_decoded_encoded_and_decoded_the_same() {
    for (body, form) in [
        (CLOUDEVENT, Form::CloudEvent),
        (SNS, Form::SnsNotification),
        (EVENTBRIDGE, Form::EventBridge),
        (EVENTBRIDGE_CLOUDEVENT, Form::EventBridge),
    ] {
        let (envelope, found) = wire::parse(body).unwrap();
        assert_eq!(found, form);
        // Whatever it came in, it travels on as a CloudEvent.
        let (again, form) = wire::parse(&envelope.to_json()).unwrap();
        assert_eq!(form, Form::CloudEvent);
        assert_eq!(said(&again), said(&envelope));
    }
}

#[test]
fn an_sns_notification_holds_the_event_in_its_message() {
    let (envelope, _) = wire::parse(SNS).unwrap();
    assert_eq!(envelope.id(), "23de595d-995a-5075-9807-94897982e1c7");
    assert_eq!(envelope.ty(), "order.placed");
    assert_eq!(envelope.version(), 2);
    let data: Value = envelope.decode().unwrap();
    assert_eq!(data["note"], "é \"quoted\"");
}

#[test]
fn an_eventbridge_event_becomes_an_envelope_around_its_detail() {
    let (envelope, _) = wire::parse(EVENTBRIDGE).unwrap();
    assert_eq!(envelope.id(), "6a7e8feb-b491-4cf7-a9f1-bf3703467718");
    assert_eq!(envelope.source(), "aws.ec2");
    assert_eq!(envelope.ty(), "EC2 Instance State-change Notification");
    let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_513_968_228);
    assert_eq!(envelope.time(), Some(time));
    let data: Value = envelope.decode().unwrap();
    assert_eq!(
        data,
        json!({"instance-id": "i-1234567890abcdef0", "state": "terminated"})
    );
}

#[test]
fn a_cloudevent_in_an_eventbridge_detail_counts_as_itself() {
    let (envelope, _) = wire::parse(EVENTBRIDGE_CLOUDEVENT).unwrap();
    assert_eq!(envelope.id(), "23de595d-995a-5075-9807-94897982e1c7");
    assert_eq!(envelope.source(), "/checkout");
    assert_eq!(envelope.correlation_id(), "c-1");
}

/// The golden file is what consumers in the field have learnt to read.
#[cfg(feature = "memory")]
#[tokio::test(start_paused = true)]
async fn what_is_published_looks_on_the_wire_as_it_always_did() {
    use fanfare::{Clock, Draft, Event};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct OrderPlaced {
        order: String,
        cents: u64,
    }
    impl Event for OrderPlaced {
        const TYPE: &'static str = "order.placed";
        const VERSION: u16 = 2;
        const TOPIC: &'static str = "orders";
        fn key(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.order.as_str().into())
        }
    }
    let (cause, _) = wire::parse(EVENTBRIDGE).unwrap();
    let clock = Clock::tokio(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_763_718_300_250));
    let order = OrderPlaced {
        order: "17".into(),
        cents: 1177,
    };
    let published = Draft::event(&order)
        .unwrap()
        .caused_by(&cause, "checkout", 0, &clock);
    let envelope = published
        .envelope
        .with_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
    assert_eq!(envelope.to_json(), CLOUDEVENT.trim_end());
}

fn malformed() -> Vec<(String, &'static str)> {
    let sns =
        |message: &str| json!({"Type": "Notification", "TopicArn": "t", "Message": message}).to_string();
    let bridge =
        |detail: Value| json!({"id": "1", "source": "s", "detail-type": "t", "detail": detail}).to_string();
    let neither = "the body is neither a CloudEvent nor an SNS notification nor an EventBridge event";
    vec![
        (String::new(), neither),
        ("hello".into(), neither),
        (r#""a secret""#.into(), neither),
        ("[]".into(), neither),
        (r#"{"order":"a secret"}"#.into(), neither),
        (
            r#"{"Type":"SubscriptionConfirmation","TopicArn":"t","Message":"m"}"#.into(),
            neither,
        ),
        (
            r#"{"specversion":"1.0","id":"1","type":"t"}"#.into(),
            "the body is not a valid CloudEvent: the CloudEvents attribute `source` is missing",
        ),
        (
            sns("a secret"),
            "the SNS notification's message is not a CloudEvent: not a JSON object: expected value",
        ),
        (
            sns(r#"{"specversion":"1.0"}"#),
            "the SNS notification's message is not a CloudEvent: the CloudEvents attribute `id` is missing",
        ),
        (
            bridge(json!({"specversion": "1.0", "id": "1"})),
            "the EventBridge event is not valid: the CloudEvents attribute `source` is missing",
        ),
        (
            json!({"id": "", "source": "s", "detail-type": "t", "detail": {}}).to_string(),
            "the EventBridge event is not valid: the CloudEvents attribute `id` is missing",
        ),
        (
            json!({"id": "1", "source": "s", "detail-type": "t", "time": "now", "detail": {}}).to_string(),
            "the EventBridge event is not valid: the CloudEvents attribute `time` is not valid: not RFC 3339",
        ),
    ]
}

#[tokio::test]
async fn a_body_of_no_form_is_a_dead_letter_at_once_with_the_reason_and_without_its_content() {
    let service = Router::new("billing").into_service().unwrap();
    for (body, says) in malformed() {
        let message = Message::new(body.clone());
        let outcome = service.clone().oneshot(message.clone()).await.unwrap();
        assert_eq!(outcome.name(), "malformed", "{body}");
        assert_eq!(outcome.key, None);
        let verdict = outcome.verdict(&message, &RetryPolicy::default(), SystemTime::now());
        let Verdict::DeadLetter { reason } = verdict else {
            panic!("{body}: {verdict:?}");
        };
        assert!(reason.starts_with(says), "{body}: {reason}");
        assert!(!reason.contains("secret"), "{reason}");
        // Nothing is said twice.
        let parts: Vec<_> = reason.split(": ").collect();
        let distinct: std::collections::BTreeSet<_> = parts.iter().collect();
        assert_eq!(parts.len(), distinct.len(), "{reason}");
    }
}

#[test]
fn the_error_tells_which_form_it_was_meant_to_be() {
    let forms: Vec<_> = malformed()
        .into_iter()
        .filter_map(|(body, _)| wire::parse(&body).err())
        .map(|error| match error {
            WireError::Unknown(_) => "?",
            WireError::CloudEvent(_) => "ce",
            WireError::SnsNotification(_) => "sns",
            WireError::EventBridge(_) => "eb",
            _ => "a new form",
        })
        .collect();
    let expected = ["?", "?", "?", "?", "?", "?", "ce", "sns", "sns", "eb", "eb", "eb"];
    assert_eq!(forms, expected);
}
