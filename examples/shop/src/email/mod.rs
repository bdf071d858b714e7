//! Email tells the customer how the order ended: one mail an order.
//!
//! A mail is an effect outside the tables, so it is sent under a lease, with a key that is the same in
//! every attempt. [`Folder`] and [`MailTable`] stand for a provider that honours such keys, as most HTTP
//! mail services do, and then each mail is sent exactly once. [`Smtp`] knows no keys: a host that dies
//! between sending a mail and saying so sends it again.

mod folder;
mod log;
mod mail;
mod post;
mod smtp;
mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fanfare::port::BoxFuture;
use fanfare::topology::TableAction;
use fanfare::{Delivery, Event, Failure, Handled, Handler, Router};
use fanfare_store::Inbox;

use crate::events::{PaymentFailed, PaymentRefunded, ShipmentCreated};
use crate::tables::MAILS;
use crate::{Deps, Order};

pub use folder::Folder;
pub use log::{Call, Log};
pub use mail::{Kind, Mail, MailError};
pub use post::Post;
pub use smtp::{Calls, Smtp};
pub use table::MailTable;

/// The consumer's name.
pub const NAME: &str = "email";

/// Sends mails.
pub trait Provider: Send + Sync + 'static {
    /// Sends a mail. Cancelling the future leaves open whether it is sent.
    fn send<'a>(&'a self, key: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>>;

    /// For how long a second call with the same key is known to deliver nothing; for ever, if `None`.
    fn key_valid_for(&self) -> Option<Duration>;
}

/// What is in a provider's folder: every call to it, and the keys of the mails that it has sent where
/// it keeps them.
///
/// # Errors
/// It can't be read.
pub fn read(folder: &Path) -> Result<(Vec<Call>, Option<BTreeSet<String>>), MailError> {
    Ok((Log::read(folder)?, Folder::sent(folder)?))
}

/// The consumer.
pub fn consumer(deps: &Deps) -> Router {
    let email = Email {
        inbox: deps.store.inbox(),
        provider: deps.mail.clone(),
        lease: deps.mail_lease,
    };
    Router::new(NAME)
        .table(MAILS.name, [TableAction::Put])
        .on::<PaymentFailed>(email.clone())
        .on::<PaymentRefunded>(email.clone())
        .on::<ShipmentCreated>(email)
}

#[derive(Clone)]
struct Email {
    inbox: Inbox,
    provider: Arc<dyn Provider>,
    lease: Duration,
}

impl Email {
    async fn send<E: Event>(
        &self,
        delivery: &Delivery<E>,
        order: &Order,
        kind: Kind,
    ) -> Result<Handled, Failure> {
        let mail = Mail::new(order, kind);
        let lease = self.inbox.lease(delivery, self.lease, async |claim| {
            self.provider.send(claim.idempotency_key(), &mail).await?;
            Ok(claim.complete().commit().await?)
        });
        match self.provider.key_valid_for() {
            None => lease.await,
            // Where it can't be asked whether the mail was sent, two are better than none.
            Some(valid_for) => lease.key_valid_for(valid_for).reconcile(async |_| Ok(None)).await,
        }
    }
}

impl Handler<PaymentFailed> for Email {
    async fn handle(&self, event: Delivery<PaymentFailed>) -> Result<Handled, Failure> {
        self.send(&event, &event.order, Kind::PaymentFailed).await
    }
}

impl Handler<PaymentRefunded> for Email {
    async fn handle(&self, event: Delivery<PaymentRefunded>) -> Result<Handled, Failure> {
        self.send(&event, &event.order, Kind::Refunded).await
    }
}

impl Handler<ShipmentCreated> for Email {
    async fn handle(&self, event: Delivery<ShipmentCreated>) -> Result<Handled, Failure> {
        self.send(&event, &event.order, Kind::Shipped).await
    }
}
