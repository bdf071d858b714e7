//! Where the mails of a shop go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use fanfare::Clock;

use super::log::{Call, Log};
use super::{Calls, Folder, MailError, MailTable, Provider, Smtp};

/// Where the provider keeps what it was asked for.
#[derive(Clone, Debug)]
pub enum Post {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In the table of mails, for processes on any machine.
    Table(Client),
}

impl Post {
    /// The provider: the mail server at this URL, or one that keeps the mails there too.
    ///
    /// # Errors
    /// It isn't the URL of a mail server, or the folder can't be used.
    pub fn provider(&self, smtp: Option<&str>, clock: Clock) -> Result<Arc<dyn Provider>, MailError> {
        Ok(match (self, smtp) {
            (Self::Folder(path), Some(url)) => {
                let calls = Calls::Log(Arc::new(Log::open(path)?));
                Arc::new(Smtp::open(url, calls, clock)?)
            }
            (Self::Folder(path), None) => Arc::new(Folder::open(path, clock)?),
            (Self::Table(dynamo), Some(url)) => {
                let calls = Calls::Table(MailTable::new(dynamo.clone(), clock.clone()));
                Arc::new(Smtp::open(url, calls, clock)?)
            }
            (Self::Table(dynamo), None) => Arc::new(MailTable::new(dynamo.clone(), clock)),
        })
    }

    /// Every call to the provider, and the keys of the mails that it has sent, unless a mail server has
    /// them.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn read(&self) -> anyhow::Result<(Vec<Call>, Option<BTreeSet<String>>)> {
        match self {
            Self::Folder(path) => Ok(super::read(path)?),
            Self::Table(dynamo) => MailTable::read(dynamo).await,
        }
    }

    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Table(_) => None,
        }
    }
}
