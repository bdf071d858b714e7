//! What a service answers: a status, a body, and the few headers that matter.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use dynoxide::DynoxideError;
use http::StatusCode;
use serde_json::{Value, json};

use crate::digest::Digest;

/// An answer of a service, before it goes back to the SDK or onto a socket.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    /// The header `x-amzn-query-error`: the error's code in SQS's former protocol, by which many
    /// clients know it.
    pub(crate) query_error: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// What the body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// AWS JSON 1.0.
    Json,
    /// AWS Query's XML.
    Xml,
}

impl Content {
    /// The content type on the wire.
    pub(crate) fn mime(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.0",
            Self::Xml => "text/xml",
        }
    }
}

impl Answer {
    pub(crate) fn success(body: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            content: Content::Json,
            query_error: None,
            body,
        }
    }

    /// An error of this type and message, with the members that only this type has.
    pub(crate) fn error(kind: &str, message: &str, more: &Value) -> Self {
        let mut body = json!({"__type": kind, "message": message});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        Self {
            status: StatusCode::BAD_REQUEST,
            ..Self::success(body.to_string().into_bytes())
        }
    }

    /// What any of AWS's JSON services answers to an operation that it doesn't have.
    pub(crate) fn unknown_operation(message: &str) -> Self {
        let kind = "com.amazon.coral.service#UnknownOperationException";
        Self::error(kind, message, &json!({}))
    }

    pub(crate) fn xml(status: StatusCode, body: String) -> Self {
        Self {
            status,
            content: Content::Xml,
            query_error: None,
            body: body.into_bytes(),
        }
    }

    /// Whether it says the same, in whatever order.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.status == other.status && Digest::of_request(&self.body) == Digest::of_request(&other.body)
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status == StatusCode::OK
    }
}

impl From<DynoxideError> for Answer {
    fn from(error: DynoxideError) -> Self {
        let status = StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            ..Self::success(error.to_json().into_bytes())
        }
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(answer.status.into(), SdkBody::from(answer.body));
        if let Some(code) = answer.query_error {
            response.headers_mut().insert("x-amzn-query-error", code);
        }
        response
    }
}
