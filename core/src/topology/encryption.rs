//! By which key messages are encrypted where they lie.

use serde::Serialize;

/// By which key an application's messages are encrypted in its topics and queues.
///
/// ```
/// use fanfare::App;
/// use fanfare::topology::Encryption;
/// assert_eq!(App::new("shop").topology()?.encryption, Encryption::Sqs);
///
/// let shop = App::new("shop").encryption_key("alias/shop").topology()?;
/// assert_eq!(shop.encryption, Encryption::Key("alias/shop".to_owned()));
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encryption {
    /// By SQS's own keys (SSE-SQS), in queues; topics keep nothing.
    #[default]
    Sqs,
    /// By a key of the account's own in KMS, in topics and queues: its id, ARN or alias. Its policy must
    /// let SNS use it (`kms:GenerateDataKey*` and `kms:Decrypt` for `sns.amazonaws.com`).
    Key(String),
}

impl Encryption {
    /// The key of the account's own, if there is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Sqs => None,
            Self::Key(key) => Some(key),
        }
    }

    /// Whether it is a key that AWS manages, which nobody can let SNS use: it would deliver nothing.
    pub(super) fn is_managed_by_aws(&self) -> bool {
        let alias = self
            .key()
            .map(|key| key.rsplit_once(':').map_or(key, |(_, alias)| alias));
        alias.is_some_and(|alias| alias.starts_with("alias/aws/"))
    }
}
