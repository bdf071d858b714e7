//! Where an application's topics and queues lie: the account and region.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

/// The partitions but `aws`: how the names of their regions begin, and those of their hosts end. From the list
/// that AWS's SDKs have (`partitions.json`, version 1.1, in aws-sdk-sqs 1.119).
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("aws-cn", "cn-", "amazonaws.com.cn"),
    ("aws-eusc", "eusc-", "amazonaws.eu"),
    ("aws-iso", "us-iso-", "c2s.ic.gov"),
    ("aws-iso-b", "us-isob-", "sc2s.sgov.gov"),
    ("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"),
    ("aws-iso-f", "us-isof-", "csp.hci.ic.gov"),
    ("aws-us-gov", "us-gov-", "amazonaws.com"),
];

/// An AWS account in one region, from which the ARNs and URLs of an application's topics and queues
/// follow. It is given, not asked for: from the configuration, or [read](Self::parse) from the ARN of
/// anything that lies there. (Asking AWS for it, by STS `GetCallerIdentity`, belongs to deployment.)
///
/// ```
/// use fanfare::Account;
///
/// let account = Account::new("aws", "eu-central-1", "123456789012")?;
/// assert_eq!(account.topic_arn("shop-orders"), "arn:aws:sns:eu-central-1:123456789012:shop-orders");
/// assert_eq!(
///     account.queue_url("shop-billing"),
///     "https://sqs.eu-central-1.amazonaws.com/123456789012/shop-billing"
/// );
/// # Ok::<(), fanfare::AccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    partition: String,
    region: String,
    id: String,
    told: Arc<Told>,
}

/// What a deployment tells its processes of what it has made, by the names in the account.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    /// ARNs.
    topics: BTreeMap<String, String>,
    /// URLs.
    queues: BTreeMap<String, String>,
}

/// Why something is no account.
///
/// ```
/// let error = fanfare::Account::new("aws", "eu-central-1", "12").unwrap_err();
/// assert_eq!(error.to_string(), "`12` is no account: 12 digits are");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// A part of a form that AWS doesn't have.
    #[error("`{value}` is no {part}: {expected} are")]
    Part {
        /// Which part.
        part: &'static str,
        /// What it was.
        value: String,
        /// What it is made of.
        expected: &'static str,
    },
    /// A text that is no ARN, or one without region and account.
    #[error("`{0}` is no ARN with a region and an account")]
    Arn(String),
    /// A text that doesn't say what was deployed.
    #[error(
        "it doesn't say what was deployed, as {{\"topics\":{{name: ARN}},\"queues\":{{name: URL}}}} does: {0}"
    )]
    Resources(String),
}

impl Account {
    /// The account with this id (12 digits), in this partition (`aws`, `aws-cn`, ...) and region.
    ///
    /// # Errors
    /// One of them has a form that AWS doesn't have.
    pub fn new(
        partition: impl Into<String>,
        region: impl Into<String>,
        id: impl Into<String>,
    ) -> Result<Self, AccountError> {
        let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let names = "letters of a-z, digits and `-`";
        let account = Self {
            partition: part("partition", partition.into(), names, |text| {
                text.bytes().all(name)
            })?,
            region: part("region", region.into(), names, |text| text.bytes().all(name))?,
            id: part("account", id.into(), "12 digits", |text| {
                text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
            })?,
            told: Arc::default(),
        };
        Ok(account)
    }

    /// The account with this id in this region, in whichever partition that lies.
    ///
    /// ```
    /// let account = fanfare::Account::in_region("cn-north-1", "123456789012")?;
    /// assert_eq!(account.partition(), "aws-cn");
    /// assert_eq!(fanfare::Account::in_region("eu-central-1", "123456789012")?.partition(), "aws");
    /// # Ok::<(), fanfare::AccountError>(())
    /// ```
    ///
    /// # Errors
    /// One of them has a form that AWS doesn't have.
    pub fn in_region(region: impl Into<String>, id: impl Into<String>) -> Result<Self, AccountError> {
        let region = region.into();
        let known = PARTITIONS
            .iter()
            .find(|(_, regions, _)| region.starts_with(regions));
        Self::new(known.map_or("aws", |(partition, ..)| partition), region, id)
    }

    /// The same account, where topics and queues are as a deployment tells its processes, in JSON. What it doesn't
    /// name follows from its name as before.
    ///
    /// ```
    /// let account = fanfare::Account::new("aws", "eu-central-1", "123456789012")?;
    /// let account = account.with_resources(r#"{"queues": {"shop-billing": "https://queues.example/billing"}}"#)?;
    /// assert_eq!(account.queue_url("shop-billing"), "https://queues.example/billing");
    /// assert!(account.queue_url("shop-email").ends_with("/123456789012/shop-email"));
    /// # Ok::<(), fanfare::AccountError>(())
    /// ```
    ///
    /// # Errors
    /// It is something else.
    pub fn with_resources(mut self, json: &str) -> Result<Self, AccountError> {
        let told = serde_json::from_str(json);
        self.told = Arc::new(told.map_err(|error| AccountError::Resources(error.to_string()))?);
        Ok(self)
    }

    /// The account and region of a resource, from its ARN.
    ///
    /// ```
    /// let account = fanfare::Account::parse("arn:aws:sqs:eu-central-1:123456789012:shop-billing")?;
    /// assert_eq!((account.region(), account.id()), ("eu-central-1", "123456789012"));
    /// assert!(fanfare::Account::parse("arn:aws:s3:::bucket").is_err());
    /// # Ok::<(), fanfare::AccountError>(())
    /// ```
    ///
    /// # Errors
    /// It is no ARN, or one of a resource that has no region or account.
    pub fn parse(arn: &str) -> Result<Self, AccountError> {
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let parts = (next(), next(), next(), next(), next(), next());
        let (Some("arn"), Some(partition), Some(_), Some(region), Some(id), Some(_)) = parts else {
            return Err(AccountError::Arn(arn.to_owned()));
        };
        Self::new(partition, region, id)
    }

    /// The partition: `aws` but for China, the US government and a few more.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account's 12 digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The ARN of the topic with this name in the account ([`topic_name`](crate::topic_name)).
    pub fn topic_arn(&self, name: &str) -> String {
        let told = self.told.topics.get(name);
        told.cloned().unwrap_or_else(|| self.arn("sns", name))
    }

    /// The ARN of the queue with this name in the account ([`queue_name`](crate::queue_name)).
    pub fn queue_arn(&self, name: &str) -> String {
        self.arn("sqs", name)
    }

    /// The URL of the queue with this name in the account. SQS takes it as the queue's name only: a
    /// request goes to the client's endpoint, so it is good for a local AWS as well.
    pub fn queue_url(&self, name: &str) -> String {
        if let Some(url) = self.told.queues.get(name) {
            return url.clone();
        }
        let known = PARTITIONS
            .iter()
            .find(|(partition, ..)| *partition == self.partition);
        let suffix = known.map_or("amazonaws.com", |(.., suffix)| suffix);
        format!("https://sqs.{}.{suffix}/{}/{name}", self.region, self.id)
    }

    fn arn(&self, service: &str, name: &str) -> String {
        format!(
            "arn:{}:{service}:{}:{}:{name}",
            self.partition, self.region, self.id
        )
    }
}

fn part(
    part: &'static str,
    value: String,
    expected: &'static str,
    fits: impl Fn(&str) -> bool,
) -> Result<String, AccountError> {
    match !value.is_empty() && fits(&value) {
        true => Ok(value),
        false => Err(AccountError::Part {
            part,
            value,
            expected,
        }),
    }
}
