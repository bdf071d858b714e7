//! Who calls.

use aws_types::SdkConfig;
use fanfare::Account;

use crate::InfraError;
use crate::client::{Scope, client};

/// Who calls, and where what is made lies.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// let caller = fanfare_infra::caller(&config).await?;
/// assert_eq!(caller.arn(), "arn:aws:iam::000000000000:root");
/// assert_eq!(caller.account().region(), "us-east-1");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    arn: String,
    account: Account,
}

/// Asks STS who calls, by `GetCallerIdentity`, for which no permission is needed. The region is the
/// configuration's. At most 30 s; may be dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// # let config = fanfare_local::Local::new()?.sdk_config();
/// let account = fanfare_infra::caller(&config).await?.account().clone();
/// assert_eq!(account.topic_arn("shop-orders"), "arn:aws:sns:us-east-1:000000000000:shop-orders");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`InfraError::NoRegion`], or the call fails: no credentials, for one.
pub async fn caller(config: &SdkConfig) -> Result<Caller, InfraError> {
    const CALL: &str = "sts:GetCallerIdentity";
    const ON: &str = "the caller";
    let region = config.region().ok_or(InfraError::NoRegion)?.as_ref();
    let scope = Scope::new(config, "STS", None);
    let client = client!(aws_sdk_sts, config);
    let answer = Box::pin(client.get_caller_identity().send()).await;
    let answer = answer.map_err(|error| scope.failed(CALL, ON, error))?;
    let (Some(arn), Some(id)) = (answer.arn, answer.account) else {
        return Err(scope.wrong(CALL, ON, "the answer lacks the ARN or the account"));
    };
    // `arn:aws-cn:sts::...`
    let partition = arn.split(':').nth(1).unwrap_or_default();
    let account = Account::new(partition, region, id)?;
    Ok(Caller { arn, account })
}

impl Caller {
    /// The caller's ARN: a user's, or a role's in a session.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The account and region.
    pub fn account(&self) -> &Account {
        &self.account
    }
}
