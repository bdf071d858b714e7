//! What SQS doesn't take.

use fanfare::memory::{Broker, BrokerError, Entry, QueueSettings, Redrive};
use fanfare::{Attribute, Attributes};

use super::{DAY, HOUR, counts, seconds, with_queue};

#[tokio::test(start_paused = true)]
async fn a_batch_is_1_to_10_entries_of_at_most_1_mib_together() {
    let broker = with_queue(QueueSettings::default());
    let entries = |count, size| {
        (0..count)
            .map(|_| Entry::new("x".repeat(size)))
            .collect::<Vec<_>>()
    };
    assert_eq!(broker.send_batch("q", vec![]), Err(BrokerError::BatchEntries(0)));
    assert_eq!(
        broker.send_batch("q", entries(11, 1)),
        Err(BrokerError::BatchEntries(11))
    );
    assert_eq!(broker.send_batch("q", entries(4, 256 * 1024)).unwrap().len(), 4);
    let error = broker.send_batch("q", entries(5, 256 * 1024)).unwrap_err();
    assert_eq!(
        error,
        BrokerError::BatchTooLarge {
            destination: "q".into(),
            size: 5 * 256 * 1024,
            limit: 1024 * 1024
        }
    );
    assert_eq!(broker.counts("q").unwrap().visible, 4);
    assert_eq!(broker.delete_batch("q", &[]), Err(BrokerError::BatchEntries(0)));
}

#[tokio::test(start_paused = true)]
async fn sizes_are_bytes_of_body_and_attributes() {
    let broker = with_queue(QueueSettings {
        maximum_size: 1024,
        ..QueueSettings::default()
    });
    let attributes = Attributes::from([("n".to_owned(), Attribute::string("v"))]); // 1 + 6 + 1 bytes
    let entry = |bytes: usize| Entry {
        attributes: attributes.clone(),
        ..Entry::new("é".repeat(bytes / 2))
    };
    broker.send("q", entry(1016)).unwrap();
    let error = broker.send("q", entry(1018)).unwrap_err();
    assert_eq!(
        error,
        BrokerError::TooLarge {
            destination: "q".into(),
            size: 1026,
            limit: 1024
        }
    );
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_batch_fail_alone() {
    let broker = with_queue(QueueSettings {
        maximum_size: 1024,
        ..QueueSettings::default()
    });
    let attribute = |name: &str, value: Attribute| Entry {
        attributes: Attributes::from([(name.to_owned(), value)]),
        ..Entry::new("x")
    };
    let many = (0..11)
        .map(|number| (format!("a{number}"), Attribute::string("v")))
        .collect();
    let results = broker
        .send_batch(
            "q",
            vec![
                Entry::new("good"),
                Entry::new(""),
                Entry::new("x".repeat(1025)),
                Entry::new("bell \u{7}"),
                Entry {
                    attributes: many,
                    ..Entry::new("x")
                },
                attribute("AWS.x", Attribute::string("v")),
                attribute("x..y", Attribute::string("v")),
                attribute("x", Attribute::string("")),
                attribute(
                    "x",
                    Attribute::Text {
                        data_type: "Number".into(),
                        value: "many".into(),
                    },
                ),
                Entry {
                    deduplication_id: Some("x".into()),
                    ..Entry::new("x")
                },
            ],
        )
        .unwrap();
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err(BrokerError::EmptyBody));
    assert!(matches!(
        results[2],
        Err(BrokerError::TooLarge {
            size: 1025,
            limit: 1024,
            ..
        })
    ));
    assert!(matches!(
        results[3],
        Err(BrokerError::Character {
            character: '\u{7}',
            ..
        })
    ));
    assert_eq!(results[4], Err(BrokerError::TooManyAttributes(11)));
    for result in &results[5..9] {
        assert!(matches!(result, Err(BrokerError::Attribute { .. })), "{result:?}");
    }
    assert!(matches!(results[9], Err(BrokerError::Parameter { .. })));
    assert_eq!(counts(&broker), (1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn characters_that_xml_has_not_are_refused() {
    let broker = with_queue(QueueSettings::default());
    for character in ['\0', '\u{8}', '\u{b}', '\u{c}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
        let error = broker.send("q", Entry::new(format!("x{character}"))).unwrap_err();
        assert_eq!(
            error,
            BrokerError::Character {
                place: "the body".into(),
                character
            }
        );
    }
    for character in [
        '\t', '\n', '\r', '\u{7f}', '\u{d7ff}', '\u{e000}', '\u{fffd}', '😀',
    ] {
        broker.send("q", Entry::new(character.to_string())).unwrap();
    }
}

#[test]
fn queues_are_created_once_and_within_awss_limits() {
    let broker = Broker::default();
    broker.create_queue("q", QueueSettings::default()).unwrap();
    broker.create_queue("q", QueueSettings::default()).unwrap();
    let other = QueueSettings {
        delay: seconds(1),
        ..QueueSettings::default()
    };
    assert!(matches!(
        broker.create_queue("q", other.clone()),
        Err(BrokerError::Exists(_))
    ));
    broker.set_queue("q", other.clone()).unwrap();
    assert_eq!(broker.queue_settings("q").unwrap(), other);
    assert_eq!(broker.queues(), ["q"]);

    for name in ["", "a b", "é", ".fifo", &"x".repeat(81)] {
        let error = broker.create_queue(name, QueueSettings::default()).unwrap_err();
        assert!(matches!(error, BrokerError::Name { .. }), "{name}: {error}");
    }
    let default = QueueSettings::default;
    let redrive = |max_receive_count| {
        Some(Redrive {
            dead_letter_queue: "q".into(),
            max_receive_count,
        })
    };
    for (settings, setting) in [
        (
            QueueSettings {
                visibility_timeout: 12 * HOUR + seconds(1),
                ..default()
            },
            "visibility timeout",
        ),
        (
            QueueSettings {
                retention: seconds(59),
                ..default()
            },
            "retention",
        ),
        (
            QueueSettings {
                retention: 15 * DAY,
                ..default()
            },
            "retention",
        ),
        (
            QueueSettings {
                delay: seconds(901),
                ..default()
            },
            "delay",
        ),
        (
            QueueSettings {
                receive_wait: seconds(21),
                ..default()
            },
            "receive wait",
        ),
        (
            QueueSettings {
                maximum_size: 1023,
                ..default()
            },
            "maximum size",
        ),
        (
            QueueSettings {
                maximum_size: 1024 * 1024 + 1,
                ..default()
            },
            "maximum size",
        ),
        (
            QueueSettings {
                redrive: redrive(0),
                ..default()
            },
            "maximum receive count",
        ),
        (
            QueueSettings {
                redrive: redrive(1001),
                ..default()
            },
            "maximum receive count",
        ),
    ] {
        match broker.create_queue("other", settings).unwrap_err() {
            BrokerError::Setting { setting: named, .. } => assert_eq!(named, setting),
            error => panic!("{error}"),
        }
    }
}
