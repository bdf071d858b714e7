use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare::Clock;
use fanfare::port::BoxFuture;
use shop::email::{self, Calls, Kind, Log, Mail, MailError, Post, Provider, Smtp};
use shop::events::{PaymentFailed, PaymentRefunded, ShipmentCreated};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::bench::{Bench, clock, order};

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

/// A mail server for one mail: answers its end with `verdict`, and returns it.
async fn mail_server(listener: TcpListener, verdict: &str) -> anyhow::Result<String> {
    let (stream, _) = listener.accept().await?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await?;
    let (mut mail, mut in_mail) = (String::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(mail);
        }
        let answer = match line.trim_end() {
            "." => {
                in_mail = false;
                verdict
            }
            _ if in_mail => {
                mail.push_str(&line);
                continue;
            }
            "DATA" => {
                in_mail = true;
                "354 go on"
            }
            "QUIT" => return Ok(mail),
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// A log of calls in this folder.
fn log(folder: &Path) -> Result<Calls, MailError> {
    Ok(Calls::Log(Arc::new(Log::open(folder)?)))
}

/// Sends a mail to a server that answers like this: what the provider says, and what the log has.
async fn by_smtp(verdict: &str) -> anyhow::Result<(Result<String, MailError>, bool)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("smtp://{}", listener.local_addr()?);
    let folder = tempfile::tempdir()?;
    let smtp = Smtp::open(&url, log(folder.path())?, Clock::system())?;
    let mail = Mail::new(&order("a-1"), Kind::Shipped);
    let send = async {
        let sent = smtp.send("key-1", &mail).await;
        // Its connections end with it.
        drop(smtp);
        sent
    };
    let (sent, received) = tokio::join!(send, mail_server(listener, verdict));
    let (calls, kept) = email::read(folder.path())?;
    assert_eq!((calls.len(), calls[0].key.as_str(), kept), (1, "key-1", None));
    let received = received?;
    Ok((sent.map(|()| received), calls[0].delivered))
}

#[tokio::test]
async fn a_mail_server_gets_the_mail_and_the_log_says_that_it_took_it() -> anyhow::Result<()> {
    let (sent, delivered) = by_smtp("250 taken").await?;
    let mail = sent?;
    assert!(mail.contains("To: customer-00004@example.com"), "{mail}");
    assert!(mail.contains("<key-1@example.com>"), "{mail}");
    assert!(delivered);
    Ok(())
}

#[tokio::test]
async fn a_mail_that_the_server_refuses_is_an_error_and_not_delivered() -> anyhow::Result<()> {
    let (sent, delivered) = by_smtp("550 no").await?;
    assert!(matches!(sent, Err(MailError::Smtp { .. })), "{sent:?}");
    assert!(!delivered);
    Ok(())
}

#[test]
fn a_mail_servers_url_that_is_wrong_is_an_error_that_does_not_tell_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let error = Smtp::open(
        "smtps//me:secret@host",
        log(folder.path()).unwrap(),
        Clock::system(),
    )
    .unwrap_err();
    let text = format!("{:?}", anyhow::Error::new(error));
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_table_of_mails_sends_one_a_key_and_logs_every_call() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let post = Post::Table(bench.client().clone());
    assert_eq!(post.read().await?, (Vec::new(), Some(BTreeSet::new())));
    let provider = post.provider(None, clock())?;
    let mail = Mail::new(&order("a-1"), Kind::Refunded);
    for key in ["one", "one", "two"] {
        tokio::time::sleep(Duration::from_millis(1)).await;
        provider.send(key, &mail).await?;
    }
    let (calls, sent) = post.read().await?;
    let delivered: Vec<_> = calls
        .iter()
        .map(|call| (call.key.as_str(), call.delivered))
        .collect();
    assert_eq!(delivered, [("one", true), ("one", false), ("two", true)]);
    assert!(
        calls
            .iter()
            .all(|call| (call.order_id.as_str(), call.kind) == ("a-1", Kind::Refunded))
    );
    assert_eq!(
        sent.map(Vec::from_iter),
        Some(vec!["one".to_owned(), "two".to_owned()])
    );
    Ok(())
}

#[tokio::test]
async fn of_a_mail_server_the_table_has_the_calls_alone() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let post = Post::Table(bench.client().clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("smtp://{}", listener.local_addr()?);
    let provider = post.provider(Some(&url), clock())?;
    let mail = Mail::new(&order("a-1"), Kind::Shipped);
    let send = async {
        let sent = provider.send("one", &mail).await;
        drop(provider);
        sent
    };
    let (sent, received) = tokio::join!(send, mail_server(listener, "250 taken"));
    sent?;
    received?;
    let (calls, kept) = post.read().await?;
    assert_eq!((calls.len(), calls[0].delivered, kept), (1, true, None));
    Ok(())
}
