//! A mail server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fanfare::Clock;
use fanfare::port::BoxFuture;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::Provider;
use super::log::{Call, Log, micros};
use super::mail::{Mail, MailError};

/// How long a single command to the server may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A mail server, reached by SMTP. It knows no idempotency keys, so a mail is sent at least once; its
/// answered calls are logged as a [`Folder`](super::Folder)'s are.
#[derive(Clone, Debug)]
pub struct Smtp {
    server: AsyncSmtpTransport<Tokio1Executor>,
    log: Arc<Log>,
    clock: Clock,
}

impl Smtp {
    /// The server at a URL such as `smtps://user:password@mail.example.com`, with the log of calls in
    /// this folder; connects when the first mail is sent. An error doesn't repeat the URL, which may
    /// hold a password.
    ///
    /// # Errors
    /// It isn't such a URL, or the log can't be written.
    pub fn open(url: &str, folder: &Path, clock: Clock) -> Result<Self, MailError> {
        let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(MailError::Url)?;
        Ok(Self {
            server: server.timeout(Some(TIMEOUT)).build(),
            log: Arc::new(Log::open(folder)?),
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
            self.log.append(&Call {
                key: key.to_owned(),
                order_id: mail.order_id.clone(),
                kind: mail.kind,
                started,
                ended: micros(&self.clock),
                delivered: sent.is_ok(),
            })?;
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
