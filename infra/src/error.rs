//! What can go wrong.

use std::fmt;
use std::time::Duration;

use fanfare::{AccountError, BoxError};

use crate::{Difference, Resource};

/// Why something wasn't done. What was made before it stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InfraError {
    /// The configuration has no region.
    #[error("no region is configured: set AWS_REGION, or `region` in your profile")]
    NoRegion,
    /// What STS says of the caller, or the configured region, has a form that AWS doesn't have.
    #[error("the caller's account can't be told")]
    Account(#[from] AccountError),
    /// Something isn't within AWS's limits. Nothing was done.
    #[error("out of AWS's limits, and nothing was done:{}", lines(problems))]
    Limits {
        /// All of it, in words.
        problems: Vec<String>,
    },
    /// Something is there with other settings. Nothing was done.
    #[error(
        "there with other settings, and nothing was done:{}{}",
        lines(differences),
        advice(differences)
    )]
    Differs {
        /// All of it.
        differences: Vec<Difference>,
    },
    /// Somebody else has made a table otherwise while this ran. It was left as it is.
    #[error(
        "made with other settings by somebody else meanwhile, and left as it is:{}",
        lines(differences)
    )]
    Overtaken {
        /// All of it.
        differences: Vec<Difference>,
    },
    /// What is to be removed has something of others: a topic another subscription, a queue another
    /// dead-letter queue or source, a table other keys. Nothing was done.
    #[error(
        "what isn't the application's would be lost, and nothing was done; remove it first, if it may go:{}",
        lines(things)
    )]
    Foreign {
        /// All of it, in words.
        things: Vec<String>,
    },
    /// Tables that are to be removed are protected against that. Nothing was done.
    #[error(
        "protected against deletion, and nothing was done; switch DeletionProtectionEnabled off first, if it \
         may go:{}",
        lines(tables)
    )]
    Protected {
        /// The tables.
        tables: Vec<Resource>,
    },
    /// The caller may not do that.
    #[error("{at} is denied: it needs the permission `{permission}` ({reason})")]
    Denied {
        /// What was tried.
        at: Box<At>,
        /// What is missing, as far as AWS says: the call itself, or another that comes with it, as
        /// `dynamodb:TagResource` does with `dynamodb:CreateTable`.
        permission: String,
        /// What AWS says.
        reason: String,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// No answer came: wrong endpoint, no network, or nothing that listens there.
    #[error("{at} got no answer: {}", reachable(at))]
    Unreachable {
        /// What was tried.
        at: Box<At>,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// The call was refused for another reason, or couldn't be made.
    #[error("{at} failed: {reason}")]
    Failed {
        /// What was tried.
        at: Box<At>,
        /// What AWS says, or the SDK.
        reason: String,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// Something takes longer than it should. The next run goes on from there.
    #[error("{what} after {after:?}: look at it, and run this again")]
    NotReady {
        /// What, in words.
        what: String,
        /// How long was waited.
        after: Duration,
    },
}

/// A call: which, on what, as whom, and where.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// use fanfare::table::{Key, Table};
/// use fanfare_infra::{Deployment, InfraError, caller};
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// # let topology = fanfare::App::new("shop").topology()?;
///
/// let nameless = Table::new("shop-parcels", Key::text("id")).expiry("");
/// let deployment = Deployment::new(&config, &caller(&config).await?, &topology).table(nameless);
/// let error = deployment.provision().await.unwrap_err();
/// let InfraError::Failed { at, .. } = error else { panic!("{error}") };
/// assert_eq!(
///     at.to_string(),
///     "dynamodb:UpdateTimeToLive on `shop-parcels` as arn:aws:iam::000000000000:root at http://fanfare.local"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct At {
    /// The call, as permissions name it: `sns:CreateTopic`.
    pub call: &'static str,
    /// What it was about: a name.
    pub on: String,
    /// The caller's ARN, as far as it is known.
    pub caller: Option<String>,
    /// The endpoint, where it isn't AWS's own.
    pub endpoint: Option<String>,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on `{}`", self.call, self.on)?;
        if let Some(caller) = &self.caller {
            write!(f, " as {caller}")?;
        }
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

fn lines(all: &[impl fmt::Display]) -> String {
    all.iter().map(|line| format!("\n  {line}")).collect()
}

/// What can be done about differences.
fn advice(differences: &[Difference]) -> &'static str {
    let hindered = |difference: &Difference| difference.hindrance.is_some();
    match (differences.iter().any(hindered), differences.iter().all(hindered)) {
        (false, _) => "\nAn update (`provision --update`) sets what can be changed.",
        (true, false) => {
            "\nUntil what can't be changed is dealt with, an update (`provision --update`) changes nothing."
        }
        (true, true) => "\nUntil that is dealt with, nothing is changed.",
    }
}

fn reachable(at: &At) -> &'static str {
    match at.endpoint {
        Some(_) => "is it running, and is AWS_ENDPOINT_URL (or the service's own variable) right?",
        None => "is there a way to AWS, and is the region right? For a local AWS set AWS_ENDPOINT_URL",
    }
}
