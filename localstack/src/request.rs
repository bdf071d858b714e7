//! What of a request says which call it is.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// A request to any of the services, whether from the SDK in this process or from a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Host and port as the caller named them: queue URLs begin with it.
    pub(crate) host: &'a str,
    /// The header `x-amz-target`, which the JSON protocols have.
    pub(crate) target: Option<&'a str>,
    /// The path of a request that reads, as only Lambda's API has them.
    pub(crate) read: Option<&'a str>,
    /// Whose access key it is signed with.
    pub(crate) access_key: Option<&'a str>,
    /// The header `x-amzn-trace-id`.
    pub(crate) trace_header: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Of the SDK's request.
    pub(crate) fn of_sdk(request: &'a HttpRequest) -> Self {
        let uri = request.uri();
        let rest = uri.split_once("://").map_or(uri, |(_scheme, rest)| rest);
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let path = rest[host.len()..].split('?').next();
        Self {
            host,
            read: path.filter(|_| request.method() == "GET"),
            access_key: request.headers().get("authorization").and_then(access_key),
            target: request.headers().get("x-amz-target"),
            trace_header: request.headers().get("x-amzn-trace-id"),
            body: request.body().bytes().unwrap_or_default(),
        }
    }
}

/// The access key of a signature: `AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261121/...`.
pub(crate) fn access_key(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next()
}
