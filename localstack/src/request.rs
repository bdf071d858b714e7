//! What of a request says which call it is.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// A request to any of the services, whether from the SDK in this process or from a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Host and port as the caller named them: queue URLs begin with it.
    pub(crate) host: &'a str,
    /// The header `x-amz-target`, which the JSON protocols have.
    pub(crate) target: Option<&'a str>,
    /// The header `x-amzn-trace-id`.
    pub(crate) trace_header: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Of the SDK's request.
    pub(crate) fn of_sdk(request: &'a HttpRequest) -> Self {
        let uri = request.uri();
        let rest = uri.split_once("://").map_or(uri, |(_scheme, rest)| rest);
        Self {
            host: rest.split(['/', '?']).next().unwrap_or_default(),
            target: request.headers().get("x-amz-target"),
            trace_header: request.headers().get("x-amzn-trace-id"),
            body: request.body().bytes().unwrap_or_default(),
        }
    }
}
