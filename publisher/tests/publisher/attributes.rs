//! The attributes that go with a message.

use fanfare::{Attribute, AttributeError};
use fanfare_publisher::{OwnAttributeError, Publisher};

use crate::aws::Aws;
use crate::world::{one, pay, posted, publisher};

fn with_own(mut publisher: Publisher, count: usize) -> Result<Publisher, OwnAttributeError> {
    for number in 0..count {
        publisher = publisher.attribute(format!("own-{number}"), Attribute::number(number))?;
    }
    Ok(publisher)
}

/// Edge case 10: over 10 attributes with raw delivery, SNS drops the message.
#[tokio::test(start_paused = true)]
async fn ten_user_attributes_plus_tracing() {
    let aws = Aws::taking();
    // Not even as many as would fit: one slot is the dead letter's.
    match with_own(publisher(&aws), 6).unwrap_err() {
        OwnAttributeError::TooMany { names, room } => {
            assert_eq!(room, 5);
            assert_eq!(names, ["own-0", "own-1", "own-2", "own-3", "own-4", "own-5"]);
        }
        other => panic!("{other:?}"),
    }
    let publisher = with_own(publisher(&aws), 5).unwrap();
    let mut outgoing = posted("k", "a");
    outgoing.envelope = outgoing
        .envelope
        .with_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
    one(&publisher, outgoing).await.unwrap();
    assert_eq!(aws.taken()[0].attributes.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn routing_attributes_go_with_the_applications_own() {
    let aws = Aws::taking();
    let publisher = publisher(&aws)
        .attribute("team", Attribute::string("checkout"))
        .unwrap()
        .attribute("seal", Attribute::Binary { value: vec![1, 2] })
        .unwrap();
    one(&publisher, posted("k", "a")).await.unwrap();
    one(&publisher, pay("a")).await.unwrap();
    let of = |ty: &str, value: &str| (ty.to_owned(), value.to_owned());
    for (entry, ty, key) in [(0, "entry.posted", Some("k")), (1, "pay", None)] {
        let attributes = &aws.taken()[entry].attributes;
        assert_eq!(attributes["type"], of("String", ty));
        assert_eq!(attributes["version"], of("Number", "1"));
        assert!(attributes.contains_key("source"));
        assert_eq!(attributes.get("key").cloned(), key.map(|key| of("String", key)));
        assert_eq!(attributes["team"], of("String", "checkout"));
        assert_eq!(attributes["seal"], of("Binary", "AQI="));
    }
}

#[tokio::test(start_paused = true)]
async fn what_aws_refuses_or_fanfare_uses_is_refused_when_the_publisher_is_built() {
    let aws = Aws::taking();
    for name in [
        "",
        "aws.region",
        "Amazon.x",
        "a..b",
        ".a",
        "a b",
        "é",
        &"n".repeat(257),
    ] {
        let error = publisher(&aws)
            .attribute(name, Attribute::string("v"))
            .unwrap_err();
        assert!(
            matches!(error, OwnAttributeError::Refused(AttributeError::Form { .. })),
            "{name}: {error}"
        );
    }
    for (value, character) in [
        ("", None),
        ("\u{b}", Some('\u{b}')),
        ("a\u{fffe}", Some('\u{fffe}')),
    ] {
        match publisher(&aws)
            .attribute("a", Attribute::string(value))
            .unwrap_err()
        {
            OwnAttributeError::Refused(AttributeError::Form { .. }) => assert_eq!(character, None),
            OwnAttributeError::Refused(AttributeError::Character { character: found, .. }) => {
                assert_eq!(character, Some(found));
            }
            other => panic!("{other:?}"),
        }
    }
    for name in ["type", "version", "source", "key", "fanfare.deadletter"] {
        let error = publisher(&aws)
            .attribute(name, Attribute::string("v"))
            .unwrap_err();
        assert!(matches!(error, OwnAttributeError::Taken { name: taken } if taken == name));
    }
    let twice = publisher(&aws).attribute("a", Attribute::string("v")).unwrap();
    assert!(twice.attribute("a", Attribute::string("v")).is_err());
}
