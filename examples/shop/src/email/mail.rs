//! What a mail says.

use std::fmt;

use lettre::Message;
use lettre::message::header::ContentType;
use serde::{Deserialize, Serialize};

use crate::Order;

/// Which mail it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The order could not be paid.
    PaymentFailed,
    /// The order was cancelled and its payment given back.
    Refunded,
    /// The order was shipped.
    Shipped,
}

/// A mail to a customer about how an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The order.
    pub order_id: String,
    /// Which mail.
    pub kind: Kind,
    /// Whom it goes to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// Why a mail was not sent, or not known to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// It can't be written as a mail.
    #[error("the mail about order {order_id} can't be written")]
    Unwritable {
        /// The order.
        order_id: String,
        /// Why not.
        #[source]
        source: fanfare::BoxError,
    },
    /// The folder or the log can't be written.
    #[error("the mail folder can't be {doing}")]
    Folder {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The table can't be written.
    #[error("the table of mails can't be written")]
    Table {
        /// Why not.
        #[source]
        source: fanfare::BoxError,
    },
    /// A line of the log isn't a call.
    #[error("line {line} of the log of calls can't be read")]
    Log {
        /// The line, from 1.
        line: usize,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// The mail server's URL can't be read.
    #[error("the mail server's URL can't be read: write it as smtps://user:password@host")]
    Url(#[source] lettre::transport::smtp::Error),
    /// The mail server refused it or gave no answer.
    #[error("the mail server did not take the mail about order {order_id}")]
    Smtp {
        /// The order.
        order_id: String,
        /// Why not.
        #[source]
        source: lettre::transport::smtp::Error,
    },
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PaymentFailed, Self::Refunded, Self::Shipped];

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::PaymentFailed => "payment_failed",
            Self::Refunded => "refunded",
            Self::Shipped => "shipped",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Mail {
    /// The mail that tells how an order ended.
    pub fn new(order: &Order, kind: Kind) -> Self {
        let Order { id, quantity, .. } = order;
        let dollars = format!("{}.{:02} USD", order.total_cents / 100, order.total_cents % 100);
        let (subject, text) = match kind {
            Kind::PaymentFailed => (
                format!("Order {id}: your card was not charged"),
                format!(
                    "The total of {dollars} is more than your card takes at once. Please order less at a time."
                ),
            ),
            Kind::Refunded => (
                format!("Order {id}: cancelled and refunded"),
                format!("We are out of what you ordered. The {dollars} are on their way back to you."),
            ),
            Kind::Shipped => (
                format!("Order {id}: on its way"),
                format!("Your {quantity} CDs for {dollars} are on their way to you."),
            ),
        };
        Self {
            order_id: id.clone(),
            kind,
            // The data has no addresses; this domain is reserved for examples (RFC 2606).
            to: format!("customer-{}@example.com", order.customer),
            subject,
            text,
        }
    }

    /// The mail as it travels (RFC 5322); the key makes its message id.
    ///
    /// # Errors
    /// The customer's id makes no address.
    pub(super) fn message(&self, key: &str) -> Result<Message, MailError> {
        self.build(key).map_err(|source| MailError::Unwritable {
            order_id: self.order_id.clone(),
            source,
        })
    }

    fn build(&self, key: &str) -> Result<Message, fanfare::BoxError> {
        let message = Message::builder()
            .from("The shop <shop@example.com>".parse()?)
            .to(self.to.parse()?)
            .subject(&self.subject)
            .message_id(Some(format!("<{key}@example.com>")))
            .header(ContentType::TEXT_PLAIN)
            .body(self.text.clone())?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_mail_of_its_own() {
        let order = Order::from_texts(["a-1", "00004", "1997-01-01", "2", "2905"]).unwrap();
        let texts = [Kind::PaymentFailed, Kind::Refunded, Kind::Shipped].map(|kind| {
            let bytes = Mail::new(&order, kind).message("key").unwrap().formatted();
            String::from_utf8(bytes).unwrap()
        });
        for text in &texts {
            assert!(text.contains("To: customer-00004@example.com"), "{text}");
            assert!(text.contains("29.05 USD"), "{text}");
            assert!(text.contains("a-1"), "{text}");
            assert!(text.contains("<key@example.com>"), "{text}");
        }
        assert_ne!(texts[0], texts[1]);
        assert_ne!(texts[1], texts[2]);
    }
}
