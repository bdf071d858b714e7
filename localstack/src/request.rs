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
    /// Who signed it, and for where.
    pub(crate) credential: Option<Credential<'a>>,
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
            credential: request
                .headers()
                .get("authorization")
                .and_then(Credential::of_signature),
            target: request.headers().get("x-amz-target"),
            trace_header: request.headers().get("x-amzn-trace-id"),
            body: request.body().bytes().unwrap_or_default(),
        }
    }
}

/// What a request is signed with. The signature itself isn't looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) region: &'a str,
}

impl<'a> Credential<'a> {
    /// Of a header such as `AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261121/us-east-1/sqs/aws4_request, ...`.
    pub(crate) fn of_signature(authorization: &'a str) -> Option<Self> {
        let (_, credential) = authorization.split_once("Credential=")?;
        let mut parts = credential.split('/');
        Some(Self {
            access_key: parts.next()?,
            region: parts.nth(1)?,
        })
    }
}
