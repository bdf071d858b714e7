//! A table that stands for a mail provider.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use fanfare::port::BoxFuture;
use fanfare::{BoxError, Clock, new_id};

use super::log::{Call, micros};
use super::mail::{Mail, MailError};
use super::{Kind, Provider};
use crate::item::{Item, get_number, get_text, number, text};
use crate::tables::MAILS;

/// Stands for a mail provider that honours idempotency keys, as [`Folder`](super::Folder) does, for
/// processes that share no disk: in [`MAILS`] lie each mail that was sent, under its key, and every
/// call.
#[derive(Clone, Debug)]
pub struct MailTable {
    dynamo: Client,
    clock: Clock,
}

/// The sort key of a mail; that of a call is an id of its own.
const SENT: &str = "sent";

impl MailTable {
    /// The table that this client reaches.
    pub fn new(dynamo: Client, clock: Clock) -> Self {
        Self { dynamo, clock }
    }

    /// Every call, in the order in which they began, and the keys of the mails that were sent; nothing
    /// of these where the table has only calls, because a mail server has the mails.
    ///
    /// # Errors
    /// The table can't be read, or holds something else.
    pub async fn read(dynamo: &Client) -> anyhow::Result<(Vec<Call>, Option<BTreeSet<String>>)> {
        let (mut calls, mut sent) = (Vec::new(), BTreeSet::new());
        for item in MAILS.scan(dynamo).await? {
            let key = get_text(MAILS.name, &item, MAILS.key)?.to_owned();
            match get_text(MAILS.name, &item, ENTRY)? {
                SENT => {
                    sent.insert(key);
                }
                _ => calls.push(call(key, &item)?),
            }
        }
        calls.sort_by_key(|call| (call.started, call.ended));
        let sent = Some(sent).filter(|sent| !sent.is_empty() || calls.is_empty());
        Ok((calls, sent))
    }

    /// Adds a call.
    ///
    /// # Errors
    /// The table can't be written.
    pub(super) async fn append(&self, call: &Call) -> Result<(), MailError> {
        let put = self
            .dynamo
            .put_item()
            .table_name(MAILS.name)
            .item(MAILS.key, text(&call.key))
            .item(ENTRY, text(new_id(&self.clock)))
            .item("order_id", text(&call.order_id))
            .item("kind", text(call.kind.name()))
            .item("started", AttributeValue::N(call.started.to_string()))
            .item("ended", AttributeValue::N(call.ended.to_string()))
            .item("delivered", number(i64::from(call.delivered)));
        put.send().await.map(drop).map_err(unwritten)
    }

    /// Whether it is new.
    async fn deliver(&self, key: &str, mail: &Mail) -> Result<bool, MailError> {
        let message = String::from_utf8_lossy(&mail.message(key)?.formatted()).into_owned();
        let put = self
            .dynamo
            .put_item()
            .table_name(MAILS.name)
            .item(MAILS.key, text(key))
            .item(ENTRY, text(SENT))
            .item("message", text(message))
            .condition_expression("attribute_not_exists(#key)")
            .expression_attribute_names("#key", MAILS.key);
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(unwritten(error)),
        }
    }
}

const ENTRY: &str = "entry";

fn unwritten(error: impl Into<BoxError>) -> MailError {
    MailError::Table { source: error.into() }
}

fn call(key: String, item: &Item) -> anyhow::Result<Call> {
    let kind = get_text(MAILS.name, item, "kind")?;
    let known = Kind::ALL.into_iter().find(|known| known.name() == kind);
    Ok(Call {
        key,
        order_id: get_text(MAILS.name, item, "order_id")?.to_owned(),
        kind: known.ok_or_else(|| anyhow::anyhow!("`{kind}` in {} is no mail of the shop", MAILS.name))?,
        started: get_number(MAILS.name, item, "started")?,
        ended: get_number(MAILS.name, item, "ended")?,
        delivered: get_number::<u8>(MAILS.name, item, "delivered")? == 1,
    })
}

impl Provider for MailTable {
    fn send<'a>(&'a self, key: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>> {
        Box::pin(async move {
            let started = micros(&self.clock);
            let delivered = self.deliver(key, mail).await?;
            // A process that dies before this has not completed the mail either: it is sent again,
            // under the same key.
            self.append(&Call {
                key: key.to_owned(),
                order_id: mail.order_id.clone(),
                kind: mail.kind,
                started,
                ended: micros(&self.clock),
                delivered,
            })
            .await
        })
    }

    fn key_valid_for(&self) -> Option<Duration> {
        None
    }
}
