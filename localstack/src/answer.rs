//! What DynamoDB answers: a status and a JSON body.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use dynoxide::DynoxideError;
use http::StatusCode;
use serde_json::{Value, json};

use super::digest::Digest;

/// An answer of DynamoDB, before it goes back to the SDK.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn success(body: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            body,
        }
    }

    /// An error of this type and message, with the members that only this type has.
    pub(super) fn error(kind: &str, message: &str, more: &Value) -> Self {
        let mut body = json!({"__type": kind, "message": message});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        Self {
            status: StatusCode::BAD_REQUEST,
            body: body.to_string().into_bytes(),
        }
    }

    /// Whether it says the same, in whatever order.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.status == other.status && Digest::of_request(&self.body) == Digest::of_request(&other.body)
    }

    pub(super) fn is_success(&self) -> bool {
        self.status == StatusCode::OK
    }
}

impl From<DynoxideError> for Answer {
    fn from(error: DynoxideError) -> Self {
        let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            body: error.to_json().into_bytes(),
        }
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        Self::new(answer.status.into(), SdkBody::from(answer.body))
    }
}
