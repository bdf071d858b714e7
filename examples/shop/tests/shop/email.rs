use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::port::BoxFuture;
use shop::email::{self, Kind, Mail, MailError, Provider};
use shop::events::{PaymentFailed, PaymentRefunded, ShipmentCreated};

use crate::bench::{Bench, order};

/// A provider that does nothing but note its calls, and fails the first few.
#[derive(Default)]
struct Flaky {
    failures: usize,
    keys: Mutex<Vec<String>>,
}

impl Provider for Flaky {
    fn send<'a>(&'a self, key: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>> {
        Box::pin(async move {
            let mut keys = self.keys.lock().expect("nobody panicked");
            keys.push(key.to_owned());
            match keys.len() > self.failures {
                true => Ok(()),
                false => Err(email::MailError::Unwritable {
                    order_id: mail.order_id.clone(),
                    source: "the provider is down".into(),
                }),
            }
        })
    }

    fn key_valid_for(&self) -> Option<Duration> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn each_ending_of_an_order_is_one_mail() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let events = [
        bench.event(&PaymentFailed {
            order: order("unpaid"),
            limit_cents: 25_000,
        })?,
        bench.event(&PaymentRefunded {
            order: order("refunded"),
        })?,
        bench.event(&ShipmentCreated {
            order: order("shipped"),
            shipment: "parcel".into(),
        })?,
    ];
    for event in &events {
        assert_eq!(bench.deliver("email", event).await?.name(), "applied");
        assert_eq!(bench.deliver("email", event).await?.name(), "duplicate");
    }
    let (calls, sent) = email::read(bench.mail.path())?;
    let mails: Vec<_> = calls
        .iter()
        .map(|call| (call.order_id.as_str(), call.kind))
        .collect();
    assert_eq!(
        mails,
        [
            ("unpaid", Kind::PaymentFailed),
            ("refunded", Kind::Refunded),
            ("shipped", Kind::Shipped)
        ]
    );
    assert_eq!(sent.map(|keys| keys.len()), Some(3));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_failed_is_tried_again_at_once_and_under_the_same_key() -> anyhow::Result<()> {
    let flaky = Arc::new(Flaky {
        failures: 2,
        ..Flaky::default()
    });
    let bench = Bench::mailing(flaky.clone()).await?;
    let shipped = bench.event(&ShipmentCreated {
        order: order("a-1"),
        shipment: "parcel".into(),
    })?;
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(bench.deliver("email", &shipped).await?.name());
    }
    assert_eq!(outcomes, ["failed", "failed", "applied", "duplicate"]);
    let keys = flaky.keys.lock().expect("nobody panicked").clone();
    assert_eq!(keys.len(), 3);
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
    Ok(())
}
