//! Something that is there otherwise than it should be.

use std::fmt;

use crate::Resource;

/// A setting of something that is there, which is other than it should be.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> anyhow::Result<()> {
/// # let app = fanfare::App::new("shop").consumer(fanfare::Router::new("shipping"));
/// # let local = fanfare_local::Local::new()?;
/// # let config = local.sdk_config();
/// # let caller = fanfare_infra::caller(&config).await?;
/// # let deployment = fanfare_infra::Deployment::new(&config, &caller, &app.topology()?);
/// use fanfare_infra::InfraError;
///
/// let sqs = aws_sdk_sqs::Client::new(&config);
/// sqs.create_queue().queue_name("shop-shipping-dlq").send().await?;
/// let error = deployment.provision().await.unwrap_err();
/// let InfraError::Differs { differences } = error else { panic!("{error}") };
/// assert_eq!(
///     differences[0].to_string(),
///     "queue shop-shipping-dlq: MessageRetentionPeriod is 345600, should be 1209600"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What is there.
    pub resource: Resource,
    /// The setting, as AWS calls it.
    pub setting: String,
    /// What it is; nothing when it isn't set.
    pub is: Option<String>,
    /// What it should be; empty when it shouldn't be set.
    pub should_be: String,
    /// Why it can't be changed on what is there, and what to do; nothing when an update changes it.
    pub hindrance: Option<String>,
}

impl Difference {
    pub(crate) fn new(
        resource: &Resource,
        setting: impl Into<String>,
        is: Option<String>,
        should_be: impl Into<String>,
    ) -> Self {
        Self {
            resource: resource.clone(),
            setting: setting.into(),
            is,
            should_be: should_be.into(),
            hindrance: None,
        }
    }

    /// With the reason why it can't be changed.
    pub(crate) fn hindered(self, hindrance: impl Into<String>) -> Self {
        Self {
            hindrance: Some(hindrance.into()),
            ..self
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |value| {
            Some(value)
                .filter(|value: &&str| !value.is_empty())
                .unwrap_or("not set")
        };
        let (is, should_be) = (set(self.is.as_deref().unwrap_or_default()), set(&self.should_be));
        write!(
            f,
            "{}: {} is {is}, should be {should_be}",
            self.resource, self.setting
        )?;
        match &self.hindrance {
            Some(hindrance) => write!(f, "; this can't be changed: {hindrance}"),
            None => Ok(()),
        }
    }
}
