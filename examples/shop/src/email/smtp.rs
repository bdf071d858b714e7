//! A mail server.

use std::sync::Arc;
use std::time::Duration;

use fanfare::Clock;
use fanfare::port::BoxFuture;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::log::{Call, Log, micros};
use super::mail::{Mail, MailError};
use super::{MailTable, Provider};

/// How long a single command to the server may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A mail server, reached by SMTP. It knows no idempotency keys, so a mail is sent at least once; its
/// answered calls are logged as a [`Folder`](super::Folder)'s are.
#[derive(Clone, Debug)]
pub struct Smtp {
    server: AsyncSmtpTransport<Tokio1Executor>,
    calls: Calls,
    clock: Clock,
}

/// Where the calls to a mail server are logged.
#[derive(Clone, Debug)]
pub enum Calls {
    /// In a file.
    Log(Arc<Log>),
    /// In the table of mails.
    Table(MailTable),
}

impl Calls {
    async fn append(&self, call: &Call) -> Result<(), MailError> {
        match self {
            Self::Log(log) => log.append(call),
            Self::Table(table) => table.append(call).await,
        }
    }
}

impl Smtp {
    /// The server at a URL such as `smtps://user:password@mail.example.com`, whose calls are logged
    /// there; connects when the first mail is sent. An error doesn't repeat the URL, which may hold a
    /// password.
    ///
    /// # Errors
    /// It isn't such a URL.
    pub fn open(url: &str, calls: Calls, clock: Clock) -> Result<Self, MailError> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(MailError::Url)?;
        Ok(Self {
            server: server.timeout(Some(TIMEOUT)).build(),
            calls,
            clock,
        })
    }
}

impl Provider for Smtp {
    fn send<'a>(&'a self, key: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>> {
        Box::pin(async move {
            let message = mail.message(key)?;
            let started = micros(&self.clock);
            let sent = self.server.send(message).await;
            let call = Call {
                key: key.to_owned(),
                order_id: mail.order_id.clone(),
                kind: mail.kind,
                started,
                ended: micros(&self.clock),
                delivered: sent.is_ok(),
            };
            self.calls.append(&call).await?;
            sent.map(|_| ()).map_err(|source| MailError::Smtp {
                order_id: mail.order_id.clone(),
                source,
            })
        })
    }

    fn key_valid_for(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}
