//! What all clients share: time limits, and errors that say which call failed, on what, as whom, where.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use fanfare::BoxError;

use crate::{At, InfraError};

/// One attempt of a call, and all of them together. How many there are is the configuration's to say,
/// and three by default.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(5);
pub(crate) const OPERATION: Duration = Duration::from_secs(30);

/// The configuration of a service's client, of any of the SDK's crates.
macro_rules! client {
    ($sdk:ident, $config:expr) => {{
        use $sdk::config::{BehaviorVersion, Builder, timeout::TimeoutConfig};
        let config: &aws_types::SdkConfig = $config;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout($crate::client::ATTEMPT)
            .operation_timeout($crate::client::OPERATION)
            .build();
        let builder = Builder::from(config).timeout_config(timeouts);
        let builder = match config.behavior_version() {
            Some(_) => builder,
            // The SDK panics without one.
            None => builder.behavior_version(BehaviorVersion::v2026_01_12()),
        };
        $sdk::Client::from_conf(builder.build())
    }};
}
pub(crate) use client;

/// Who calls and where: the part of an error that all calls of a service share.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) caller: Option<String>,
    pub(crate) endpoint: Option<String>,
}

impl Scope {
    /// Of a service, by the name that the SDK has for it in variables and profiles (`SQS`).
    pub(crate) fn new(config: &SdkConfig, service: &str, caller: Option<&str>) -> Self {
        Self {
            caller: caller.map(str::to_owned),
            endpoint: endpoint(config, service),
        }
    }

    /// Whether the service is AWS's own, where things take their time, and no local one.
    pub(crate) fn is_aws(&self) -> bool {
        self.endpoint.as_deref().is_none_or(is_aws)
    }

    /// The error that a call has ended with.
    pub(crate) fn failed<E, R>(&self, call: &'static str, on: &str, error: SdkError<E, R>) -> InfraError
    where
        E: aws_sdk_sts::error::ProvideErrorMetadata + Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let at = self.at(call, on);
        let reason = match error.as_service_error() {
            Some(error) => said(error),
            None => innermost(&error),
        };
        let denied = error.as_service_error().and_then(E::code).is_some_and(is_denial);
        let unreachable = match &error {
            SdkError::TimeoutError(_) => true,
            SdkError::DispatchFailure(failure) => failure.is_io() || failure.is_timeout(),
            _ => false,
        };
        let source: BoxError = error.into();
        match (denied, unreachable) {
            (true, _) => InfraError::Denied {
                permission: permission(&reason, call),
                at,
                reason,
                source,
            },
            (_, true) => InfraError::Unreachable { at, source },
            _ => InfraError::Failed { at, reason, source },
        }
    }

    /// The error of a call that couldn't be made, or whose answer lacks something.
    pub(crate) fn wrong(&self, call: &'static str, on: &str, reason: impl Into<BoxError>) -> InfraError {
        let source = reason.into();
        InfraError::Failed {
            at: self.at(call, on),
            reason: source.to_string(),
            source,
        }
    }

    fn at(&self, call: &'static str, on: &str) -> Box<At> {
        Box::new(At {
            call,
            on: on.to_owned(),
            caller: self.caller.clone(),
            endpoint: self.endpoint.clone(),
        })
    }
}

/// The code of a refusal.
pub(crate) fn code<E, R>(error: &SdkError<E, R>) -> Option<&str>
where
    E: aws_sdk_sts::error::ProvideErrorMetadata,
{
    error.as_service_error().and_then(E::code)
}

/// Whether SQS refuses with this code, by which its older protocol or its newer one knows it: an
/// endpoint may answer with either.
pub(crate) fn is_sqs<E, R>(error: &SdkError<E, R>, codes: [&str; 2]) -> bool
where
    E: aws_sdk_sts::error::ProvideErrorMetadata,
{
    code(error).is_some_and(|code| codes.contains(&code.trim_start_matches("AWS.SimpleQueueService.")))
}

fn said(error: &impl aws_sdk_sts::error::ProvideErrorMetadata) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "no reason is given".to_owned(),
    }
}

/// What the SDK says is in the last of its sources.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// The codes by which the services say that a permission is missing.
fn is_denial(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied" | "AccessDeniedException" | "AuthorizationError" | "UnauthorizedOperation"
    )
}

/// The permission that a denial names (`... is not authorized to perform: sns:CreateTopic on ...`), for
/// it may be another than the call's.
fn permission(reason: &str, call: &str) -> String {
    let named = reason.split_once("to perform: ").map(|(_, rest)| rest);
    let named = named.and_then(|rest| rest.split([' ', ',']).next());
    match named {
        Some(named) if named.contains(':') && !named.eq_ignore_ascii_case(call) => named.to_owned(),
        _ => call.to_owned(),
    }
}

/// Whether an endpoint is AWS's own: a VPC's or a FIPS one, for example.
fn is_aws(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"]
        .iter()
        .any(|domain| host.ends_with(domain))
}

/// The endpoint that a service's client goes to, where it isn't AWS's: as the clients find it.
fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = match config.get_origin("endpoint_url").is_client_config() {
        true => None,
        false => key.ok().and_then(|key| config.service_config()?.load_config(key)),
    };
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_s_own_endpoints_are_told_from_local_ones() {
        for endpoint in [
            "https://sqs.eu-central-1.amazonaws.com",
            "https://vpce-1-2.sqs.eu-central-1.vpce.amazonaws.com/",
            "https://sqs.cn-north-1.amazonaws.com.cn:443",
            "https://sqs.eu-central-1.api.aws",
        ] {
            assert!(is_aws(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://127.0.0.1:4566",
            "http://localhost.localstack.cloud:4566",
            "http://localhost:4566/sqs.eu-central-1.amazonaws.com",
            "http://fanfare.local",
        ] {
            assert!(!is_aws(endpoint), "{endpoint}");
        }
    }
}
