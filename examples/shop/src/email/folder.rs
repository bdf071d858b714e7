//! A folder that stands for a mail provider.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fanfare::Clock;
use fanfare::port::BoxFuture;

use super::Provider;
use super::log::{Call, Log, micros};
use super::mail::{Mail, MailError};

/// Stands for a mail provider that honours idempotency keys: one file a key in `sent/`, and a log of
/// every call in `calls.ndjson`.
///
/// Like a real one it is another party: a call that has reached it goes on to its end, whatever
/// becomes of who made it.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    log: Log,
    clock: Clock,
}

const SENT: &str = "sent";
const INCOMING: &str = "incoming";

impl Folder {
    /// Opens a folder, or makes one.
    ///
    /// # Errors
    /// It can't be made, read or written.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, MailError> {
        for part in [SENT, INCOMING] {
            fs::create_dir_all(path.join(part)).map_err(|source| MailError::Folder {
                doing: "made",
                source,
            })?;
        }
        let log = Log::open(path)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            log,
            clock,
        })))
    }

    /// The keys of the mails that were sent into the folder at this path; nothing, if it isn't such a
    /// folder.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn sent(path: &Path) -> Result<Option<BTreeSet<String>>, MailError> {
        let list = || {
            let files = match fs::read_dir(path.join(SENT)) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                files => files?,
            };
            let mut keys = BTreeSet::new();
            for file in files {
                let name = file?.file_name().to_string_lossy().into_owned();
                keys.insert(name.strip_suffix(".eml").unwrap_or(&name).to_owned());
            }
            Ok(Some(keys))
        };
        list().map_err(|source| MailError::Folder {
            doing: "read",
            source,
        })
    }
}

impl Inner {
    fn take(&self, key: &str, mail: &Mail) -> Result<(), MailError> {
        let started = micros(&self.clock);
        let delivered = self.deliver(key, mail)?;
        self.log.append(&Call {
            key: key.to_owned(),
            order_id: mail.order_id.clone(),
            kind: mail.kind,
            started,
            ended: micros(&self.clock),
            delivered,
        })
    }

    /// Whether it is new. A mail appears whole or not at all, and once.
    fn deliver(&self, key: &str, mail: &Mail) -> Result<bool, MailError> {
        let bytes = mail.message(key)?.formatted();
        let incoming = self
            .path
            .join(INCOMING)
            .join(format!("{key}-{}", fastrand::u64(..)));
        let sent = self.path.join(SENT).join(format!("{key}.eml"));
        let deliver = || {
            fs::write(&incoming, bytes)?;
            let linked = fs::hard_link(&incoming, sent);
            fs::remove_file(&incoming)?;
            match linked {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                linked => linked.map(|()| true),
            }
        };
        deliver().map_err(|source| MailError::Folder {
            doing: "written",
            source,
        })
    }
}

impl Provider for Folder {
    fn send<'a>(&'a self, key: &'a str, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>> {
        let (inner, key, mail) = (Arc::clone(&self.0), key.to_owned(), mail.clone());
        Box::pin(async move {
            let call = tokio::task::spawn_blocking(move || inner.take(&key, &mail));
            call.await.unwrap_or_else(|lost| {
                Err(MailError::Folder {
                    doing: "reached",
                    source: std::io::Error::other(lost),
                })
            })
        })
    }

    fn key_valid_for(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;
    use crate::email::Kind;

    fn mail() -> Mail {
        let order = Order::from_texts(["a-1", "4", "1997-01-01", "2", "2905"]).unwrap();
        Mail::new(&order, Kind::Shipped)
    }

    #[tokio::test]
    async fn a_second_call_with_the_same_key_delivers_nothing_and_is_logged() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path(), Clock::system()).unwrap();
        folder.send("one", &mail()).await.unwrap();
        folder.send("one", &mail()).await.unwrap();
        folder.send("two", &mail()).await.unwrap();

        let calls = Log::read(path.path()).unwrap();
        let delivered: Vec<_> = calls
            .iter()
            .map(|call| (call.key.as_str(), call.delivered))
            .collect();
        assert_eq!(delivered, [("one", true), ("one", false), ("two", true)]);
        let sent = Folder::sent(path.path()).unwrap().unwrap();
        assert_eq!(sent.into_iter().collect::<Vec<_>>(), ["one", "two"]);
    }

    #[tokio::test]
    async fn a_call_goes_on_when_its_caller_is_gone() {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path(), Clock::system()).unwrap();
        let mail = mail();
        let mut call = folder.send("one", &mail);
        // Polled once, so that it is on its way, then dropped.
        let waker = std::task::Waker::noop();
        let _ = call.as_mut().poll(&mut std::task::Context::from_waker(waker));
        drop(call);
        // The folder's own next call comes after it on this one blocking thread, or finds it done.
        while Folder::sent(path.path()).unwrap().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
