//! What sits between the SDK and the AWS inside the process, and can act up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use fanfare::fault::Life;
use serde_json::{Value, json};

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// It is made.
    Make,
    /// It is made, and its answer in JSON is altered.
    Alter(fn(&mut Value)),
    /// It is refused with this code.
    Refuse(&'static str),
    /// It is refused with this code and message.
    RefuseSaying(&'static str, &'static str),
    /// It takes effect, and no answer comes.
    LoseReply,
    /// Nobody is there.
    Unreachable,
    /// It is answered so, without being made.
    Answer(String),
}

#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: Vec<String>,
    /// What becomes of the next calls of a name; the last one stays when it is to.
    deeds: BTreeMap<String, VecDeque<Deed>>,
    always: BTreeMap<String, Deed>,
    /// The host's life ends before or after its call of this number.
    kill: Option<(usize, bool, Life)>,
}

enum Fate {
    Made,
    Killed { before: bool, life: Life },
    Deed(Deed),
}

impl Tap {
    /// The next calls of this name (`sqs:CreateQueue`) meet these, one each.
    pub(crate) fn next(self, call: &str, deeds: impl IntoIterator<Item = Deed>) -> Self {
        self.0
            .lock()
            .unwrap()
            .deeds
            .insert(call.into(), deeds.into_iter().collect());
        self
    }

    /// All calls of this name meet this.
    pub(crate) fn always(self, call: &str, deed: Deed) -> Self {
        self.0.lock().unwrap().always.insert(call.into(), deed);
        self
    }

    /// Ends the life at the call of this number, counted from 0: before its effect, or after it.
    pub(crate) fn kill(self, number: usize, before: bool, life: &Life) -> Self {
        self.0.lock().unwrap().kill = Some((number, before, life.clone()));
        self
    }

    /// How often this call was made.
    pub(crate) fn count(&self, call: &str) -> usize {
        self.calls().iter().filter(|made| *made == call).count()
    }

    /// Every call that was made, by name.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().calls.clone()
    }

    /// The configuration through the tap.
    pub(crate) fn on(&self, config: SdkConfig) -> SdkConfig {
        let (tap, inner) = (self.clone(), config.http_client().unwrap());
        let client: SharedHttpClient = http_client_fn(move |settings, components| {
            SharedHttpConnector::new(Tapped {
                tap: tap.clone(),
                inner: inner.http_connector(settings, components),
            })
        });
        config.into_builder().http_client(client).build()
    }

    fn fate(&self, call: &str) -> Fate {
        let mut state = self.0.lock().unwrap();
        let number = state.calls.len();
        state.calls.push(call.to_owned());
        if let Some((at, before, life)) = &state.kill
            && *at == number
        {
            let (before, life) = (*before, life.clone());
            return Fate::Killed { before, life };
        }
        let next = state.deeds.get_mut(call).and_then(VecDeque::pop_front);
        match next.or_else(|| state.always.get(call).cloned()) {
            Some(deed) => Fate::Deed(deed),
            None => Fate::Made,
        }
    }
}

#[derive(Clone)]
struct Tapped {
    tap: Tap,
    inner: SharedHttpConnector,
}

impl std::fmt::Debug for Tapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tapped")
    }
}

impl HttpConnector for Tapped {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().made(request))
    }
}

impl Tapped {
    async fn made(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let call = name(&request);
        match self.tap.fate(&call) {
            Fate::Made | Fate::Deed(Deed::Make) => self.inner.call(request).await,
            Fate::Deed(Deed::Alter(alter)) => {
                let mut response = self.inner.call(request).await?;
                let mut answer = serde_json::from_slice(response.body().bytes().unwrap()).unwrap();
                alter(&mut answer);
                *response.body_mut() = SdkBody::from(answer.to_string());
                response.headers_mut().remove("content-length");
                response.headers_mut().remove("x-amz-crc32");
                Ok(response)
            }
            Fate::Killed { before, life } => {
                if !before {
                    self.inner.call(request).await?;
                }
                life.kill();
                std::future::pending().await
            }
            Fate::Deed(Deed::Refuse(code)) => Ok(refusal(&call, code, "as the test wills")),
            Fate::Deed(Deed::RefuseSaying(code, message)) => Ok(refusal(&call, code, message)),
            Fate::Deed(Deed::Answer(body)) => {
                Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(body)))
            }
            Fate::Deed(Deed::LoseReply) => {
                self.inner.call(request).await?;
                Err(ConnectorError::timeout("the answer is lost".into()))
            }
            Fate::Deed(Deed::Unreachable) => Err(ConnectorError::io("connection refused".into())),
        }
    }
}

/// A call as permissions name it.
fn name(request: &HttpRequest) -> String {
    if let Some(target) = request.headers().get("x-amz-target") {
        let (service, operation) = target.split_once('.').unwrap();
        let service = if service == "AmazonSQS" { "sqs" } else { "dynamodb" };
        return format!("{service}:{operation}");
    }
    let path = request.uri().split('?').next().unwrap();
    if let Some(("", list)) = path.split_once("http://fanfare.local/2015-03-31/") {
        let call = match list.trim_end_matches('/') {
            "functions" => "ListFunctions",
            "event-source-mappings" => "ListEventSourceMappings",
            other => panic!("{other}"),
        };
        return format!("lambda:{call}");
    }
    let body = std::str::from_utf8(request.body().bytes().unwrap()).unwrap();
    let action = body
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="))
        .unwrap();
    let service = if action == "GetCallerIdentity" {
        "sts"
    } else {
        "sns"
    };
    format!("{service}:{action}")
}

fn refusal(call: &str, code: &str, message: &str) -> HttpResponse {
    let body = match call.split_once(':').unwrap().0 {
        "sns" | "sts" => format!(
            "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}\
             </Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        ),
        _ => json!({"__type": format!("com.amazon#{code}"), "message": message}).to_string(),
    };
    HttpResponse::new(400.try_into().unwrap(), SdkBody::from(body))
}
