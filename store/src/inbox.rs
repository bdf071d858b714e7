//! What a consumer has handled.

use std::sync::Arc;

use fanfare::port::{BoxFuture, Completed};
use fanfare::{Advice, BoxError, Context, DedupeKey, Delivery};
use serde::de::DeserializeOwned;

use crate::record::inbox::{self, InboxRecord, State};
use crate::record::{Item, Key, Millis, Seconds};
use crate::store::Shared;
use crate::{CommitError, Mutation, Once, Store, StoreError};

/// The inbox of every consumer that uses the [`Store`]: for effects that happen once.
///
/// Cheap to clone. A host takes one as its [`Completed`] port.
#[derive(Clone, Debug)]
pub struct Inbox {
    pub(crate) shared: Arc<Shared>,
}

impl Store {
    /// What its consumers have handled.
    pub fn inbox(&self) -> Inbox {
        Inbox {
            shared: self.shared.clone(),
        }
    }
}

impl Inbox {
    /// Starts the one commit of this delivery: its inbox record, the application's writes and what
    /// follows from them, all or nothing. Does no I/O before [`Once::commit`].
    ///
    /// ```
    /// use aws_sdk_dynamodb::types::{AttributeValue, Put};
    /// use fanfare::{Delivery, Failure, Handled};
    /// use fanfare_store::Inbox;
    /// # macro_rules! event { ($name:ident, $ty:literal, $topic:literal) => {
    /// #     #[derive(serde::Serialize, serde::Deserialize)]
    /// #     struct $name { order: String }
    /// #     impl fanfare::Event for $name {
    /// #         const TYPE: &'static str = $ty;
    /// #         const TOPIC: &'static str = $topic;
    /// #     }
    /// # } }
    /// # event!(OrderPlaced, "order.placed", "orders");
    /// # event!(PaymentCharged, "payment.charged", "payments");
    ///
    /// async fn charge(inbox: &Inbox, placed: Delivery<OrderPlaced>) -> Result<Handled, Failure> {
    ///     let charge = Put::builder()
    ///         .table_name("charges")
    ///         .item("order", AttributeValue::S(placed.order.clone()))
    ///         .build()?;
    ///     let charged = PaymentCharged { order: placed.order.clone() };
    ///     Ok(inbox.once(&placed).write(charge).emit(&charged).commit().await?)
    /// }
    /// ```
    pub fn once<E>(&self, delivery: &Delivery<E>) -> Once {
        Once::new(self.shared.clone(), delivery.context().clone())
    }

    /// Whether this delivery's event has been handled, by a strongly consistent read: for handlers
    /// whose work is dear, or that read state which their own effect changes. Another host may
    /// complete it right after; what decides is the commit alone.
    ///
    /// ```
    /// # use fanfare::{Delivery, Failure, Handled};
    /// # async fn render<E>(_: &Delivery<E>) -> Result<String, Failure> { Ok(String::new()) }
    /// async fn invoice<E>(inbox: &fanfare_store::Inbox, delivery: Delivery<E>) -> Result<Handled, Failure> {
    ///     if inbox.seen(&delivery).await? {
    ///         return Ok(Handled::Duplicate);
    ///     }
    ///     let page = render(&delivery).await?; // takes its time
    ///     Ok(inbox.once(&delivery).commit().await?)
    /// }
    /// ```
    ///
    /// # Errors
    /// DynamoDB can't be read.
    pub async fn seen<E>(&self, delivery: &Delivery<E>) -> Result<bool, StoreError> {
        self.is_done(&self.shared.inbox_key(delivery.context())).await
    }

    /// What the lease's effect gave ([`Complete::result`](crate::Complete::result)), once this
    /// delivery's event is handled; nothing before, and when none was stored. Strongly consistent.
    ///
    /// # Errors
    /// DynamoDB can't be read, or the result isn't a `T`.
    pub async fn result<E, T: DeserializeOwned>(
        &self,
        delivery: &Delivery<E>,
    ) -> Result<Option<T>, StoreError> {
        let record = self.read(&self.shared.inbox_key(delivery.context())).await?;
        record
            .filter(|record| record.state == State::Done)
            .and_then(|record| record.result)
            .map(|result| serde_json::from_str(&result).map_err(StoreError::Result))
            .transpose()
    }

    pub(crate) async fn is_done(&self, key: &Key) -> Result<bool, StoreError> {
        let record = self.read(key).await?;
        Ok(record.is_some_and(|record| record.state == State::Done))
    }

    async fn read(&self, key: &Key) -> Result<Option<InboxRecord>, StoreError> {
        let call = self
            .shared
            .client
            .get_item()
            .table_name(&self.shared.table)
            .set_key(Some(key.item()))
            .consistent_read(true)
            .send();
        let answer = self.shared.call(call).await;
        let item = answer.map_err(|error| error.into_store("GetItem"))?.item;
        Ok(item.as_ref().map(InboxRecord::read).transpose()?)
    }
}

impl Completed for Inbox {
    fn completed<'a>(&'a self, key: &'a DedupeKey) -> BoxFuture<'a, Result<bool, BoxError>> {
        Box::pin(async move { Ok(self.is_done(&self.shared.inbox_key_of(key.clone())).await?) })
    }
}

impl Shared {
    pub(crate) fn inbox_key(&self, context: &Context) -> Key {
        self.inbox_key_of(context.dedupe_key())
    }

    fn inbox_key_of(&self, key: DedupeKey) -> Key {
        inbox::key(&match self.is(Mutation::SourceLeftOut) {
            true => DedupeKey::new(key.consumer, "", key.id),
            false => key,
        })
    }

    /// [`expires_at`](Self::expires_at) of an event that may be handled. One without a time counts as
    /// new.
    ///
    /// # Errors
    /// The event is so old that its record may have expired already.
    pub(crate) fn expiry(&self, context: &Context) -> Result<Seconds, CommitError> {
        let now = Millis::now(&self.clock);
        let age = now.since(context.envelope().time().map_or(now, Millis::of));
        if age > self.window.saturating_sub(self.skew) {
            return Err(CommitError::TooOld {
                event: context.envelope().id().to_owned(),
                age,
                window: self.window,
                advice: Advice::Terminal,
            });
        }
        Ok(self.expires_at(context))
    }

    /// Until when a handling of this event is remembered: the window, counted from now, or from when
    /// the event happened where a clock ahead of ours says that this is later.
    pub(crate) fn expires_at(&self, context: &Context) -> Seconds {
        let now = Millis::now(&self.clock);
        let happened = context.envelope().time().map_or(now, Millis::of);
        now.max(happened).plus(self.window).ceil()
    }

    /// The error for a delivery whose record somebody else has claimed.
    pub(crate) fn held(&self, context: &Context, record: &InboxRecord) -> CommitError {
        let until = record.lease_until.unwrap_or_default().plus(self.skew);
        let left = until.since(Millis::now(&self.clock));
        CommitError::Held {
            event: context.envelope().id().to_owned(),
            advice: Advice::Held(left.max(std::time::Duration::from_millis(1))),
        }
    }
}

/// The condition under which a record may be taken: there is none, or only a claim that was given
/// back, or one that has ended and whose holder's clock can't think otherwise.
pub(crate) const FREE: &str = "attribute_not_exists(#state) OR #state = :released \
    OR (#state = :claimed AND #lease_until <= :ended)";

/// The names in [`FREE`].
pub(crate) const FREE_NAMES: [(&str, &str); 2] =
    [("#state", inbox::STATE), ("#lease_until", inbox::LEASE_UNTIL)];

impl Shared {
    /// The values in [`FREE`].
    pub(crate) fn free_values(&self) -> Item {
        use crate::record::{number, text};
        let ended = Millis::now(&self.clock).minus(self.skew);
        Item::from([
            (":released".to_owned(), text(State::Released.name())),
            (":claimed".to_owned(), text(State::Claimed.name())),
            (":ended".to_owned(), number(ended)),
        ])
    }
}
