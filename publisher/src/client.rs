//! The SDK's clients as the publisher uses them.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use fanfare::Backoff;
use tokio::time::Instant;

use crate::failed::Failed;

/// How long one call on SNS or SQS may take on the wire.
pub(crate) const CALL: Duration = Duration::from_secs(3);
/// What it may take longer with everything around it, credentials among it.
const AROUND: Duration = Duration::from_secs(2);
/// The pauses between the tries of a call that an envelope waits for.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));

/// The application's configuration, with what the publisher knows better.
pub(crate) fn adapted(config: &SdkConfig, region: Option<&str>, call: Duration) -> SdkConfig {
    let timeouts = config.timeout_config().map(TimeoutConfig::to_builder);
    let timeouts = timeouts.unwrap_or_default().operation_attempt_timeout(call);
    let mut builder = config.to_builder();
    builder.set_timeout_config(Some(timeouts.build()));
    // None in the SDK: it would send a whole batch again, of which most may have been confirmed, and
    // hold up the others. The publisher tries again itself, entry by entry. So it shares no retry quota
    // with other clients of the process either: nothing is taken from one.
    builder.set_retry_config(Some(RetryConfig::disabled()));
    // Each call is bounded in time as a whole.
    builder.set_stalled_stream_protection(Some(StalledStreamProtectionConfig::disabled()));
    let version = config.behavior_version();
    builder.set_behavior_version(Some(version.unwrap_or(BehaviorVersion::v2026_01_12())));
    if let Some(region) = region {
        builder.set_region(Some(Region::new(region.to_owned())));
    }
    builder.build()
}

/// Makes a call, bounded in time.
pub(crate) async fn bounded<T, E>(
    call: Duration,
    made: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Failed>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let within = call + AROUND;
    // The SDK's futures are large.
    match tokio::time::timeout(within, Box::pin(made)).await {
        Ok(answer) => answer.map_err(Failed::of_call),
        Err(_elapsed) => Err(Failed::timeout(within)),
    }
}

/// Makes a call again while it fails in a way that passes, until the deadline.
pub(crate) async fn persist<T, F>(deadline: Instant, mut call: impl FnMut() -> F) -> Result<T, Failed>
where
    F: Future<Output = Result<T, Failed>>,
{
    let mut failures = 0;
    loop {
        match call().await {
            Err(failed) if failed.is_passing() => {
                failures += 1;
                let again = Instant::now() + PAUSES.delay(failures);
                if again >= deadline {
                    return Err(failed);
                }
                tokio::time::sleep_until(again).await;
            }
            answer => return answer,
        }
    }
}
