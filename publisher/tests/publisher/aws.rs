//! SNS and SQS below the SDK: reads each request, and answers as the test says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_sns::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use serde_json::{Value, json};
use tokio::time::Instant;

/// A call that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `PublishBatch`, `SendMessageBatch`, `GetTopicAttributes`.
    pub(crate) operation: String,
    /// The topic's ARN or the queue's URL.
    pub(crate) to: String,
    pub(crate) entries: Vec<Entry>,
    /// The header `X-Amzn-Trace-Id`.
    pub(crate) trace: Option<String>,
    /// When it came, since the start.
    pub(crate) at: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) body: String,
    /// Type and value by name.
    pub(crate) attributes: BTreeMap<String, (String, String)>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    /// The system attribute `AWSTraceHeader`.
    pub(crate) trace: Option<String>,
}

impl Entry {
    /// Bytes as AWS counts them.
    pub(crate) fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, (ty, value))| name.len() + ty.len() + value.len());
        self.body.len() + attributes.sum::<usize>()
    }

    /// The id of the event in the body.
    pub(crate) fn event(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["id"].as_str().unwrap().to_owned()
    }
}

impl Call {
    pub(crate) fn size(&self) -> usize {
        self.entries.iter().map(Entry::size).sum()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// All entries are taken.
    Taken,
    /// This for each entry, in their order.
    Each(Vec<One>),
    /// The call fails with this status and code.
    Error(u16, &'static str),
    /// The call fails with this status and no code, as a proxy's answers do.
    Status(u16),
    /// The topic's attributes.
    Attributes(Vec<(&'static str, String)>),
    /// No connection.
    Unreachable,
    /// No answer, and nothing is taken.
    Silence,
    /// No answer, but all entries are taken.
    AnswerLost,
    /// An answer that is none.
    Garbage,
    /// The other answer after this long.
    Late(Duration, Box<Reply>),
}

/// What is answered for one entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum One {
    Taken,
    /// With this code, and whether it is the sender's fault.
    Failed(&'static str, bool),
    /// In neither list, and not taken.
    Missing,
    /// In neither list, and taken.
    TakenUnsaid,
}

type Script = Box<dyn FnMut(&Call) -> Reply + Send>;

/// The fake. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Aws(Arc<Mutex<State>>);

struct State {
    script: Script,
    calls: Vec<Call>,
    taken: Vec<Entry>,
    under_way: Vec<Call>,
    most_under_way: usize,
    /// That two calls with one FIFO group were under way at once, or one call had the group twice.
    group_clash: Option<String>,
    start: Instant,
}

impl Aws {
    /// One that answers each call as `script` says.
    pub(crate) fn new(script: impl FnMut(&Call) -> Reply + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State {
            script: Box::new(script),
            calls: Vec::new(),
            taken: Vec::new(),
            under_way: Vec::new(),
            most_under_way: 0,
            group_clash: None,
            start: Instant::now(),
        })))
    }

    /// One that takes everything.
    pub(crate) fn taking() -> Self {
        Self::new(|_| Reply::Taken)
    }

    /// One that gives these answers one after the other, and takes everything then.
    pub(crate) fn first(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: std::collections::VecDeque<_> = replies.into_iter().collect();
        Self::new(move |_| replies.pop_front().unwrap_or(Reply::Taken))
    }

    pub(crate) fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("id", "secret", None, None, "test");
        SdkConfig::builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    /// All calls that came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many entries each call had.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.calls().iter().map(|call| call.entries.len()).collect()
    }

    /// The entries that were taken, in their order.
    pub(crate) fn taken(&self) -> Vec<Entry> {
        self.state().taken.clone()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.state().most_under_way
    }

    pub(crate) fn group_clash(&self) -> Option<String> {
        self.state().group_clash.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut call = read(&request);
        let mut reply = {
            let mut state = self.state();
            call.at = state.start.elapsed();
            state.calls.push(call.clone());
            state.came(&call);
            (state.script)(&call)
        };
        while let Reply::Late(after, then) = reply {
            tokio::time::sleep(after).await;
            reply = *then;
        }
        {
            let mut state = self.state();
            state
                .under_way
                .retain(|other| other.at != call.at || other.entries != call.entries);
            for (index, entry) in call.entries.iter().enumerate() {
                let taken = match &reply {
                    Reply::Taken | Reply::AnswerLost => true,
                    Reply::Each(each) => matches!(each.get(index), Some(One::Taken | One::TakenUnsaid)),
                    _ => false,
                };
                if taken {
                    state.taken.push(entry.clone());
                }
            }
        }
        match reply {
            Reply::Silence | Reply::AnswerLost => std::future::pending().await,
            Reply::Unreachable => Err(ConnectorError::io("unreachable".into())),
            reply => Ok(response(&call, reply)),
        }
    }
}

impl State {
    fn came(&mut self, call: &Call) {
        let fifo = call.entries.iter().any(|entry| entry.deduplication_id.is_some());
        if fifo {
            let mut groups = Vec::new();
            for other in self
                .under_way
                .iter()
                .filter(|other| other.to == call.to)
                .chain([call])
            {
                groups.extend(other.entries.iter().filter_map(|entry| entry.group.clone()));
            }
            let count = groups.len();
            groups.sort_unstable();
            groups.dedup();
            if groups.len() < count {
                self.group_clash = Some(format!("{call:?}"));
            }
        }
        self.under_way.push(call.clone());
        self.most_under_way = self.most_under_way.max(self.under_way.len());
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aws")
    }
}

fn read(request: &HttpRequest) -> Call {
    let body = request.body().bytes().expect("a body in memory");
    let trace = request.headers().get("x-amzn-trace-id").map(str::to_owned);
    let at = Duration::ZERO;
    match request.headers().get("x-amz-target") {
        Some(target) => {
            let operation = target.strip_prefix("AmazonSQS.").unwrap().to_owned();
            let body: Value = serde_json::from_slice(body).unwrap();
            let to = body["QueueUrl"].as_str().unwrap().to_owned();
            let entries = body["Entries"].as_array().unwrap().iter().map(of_sqs).collect();
            Call {
                operation,
                to,
                entries,
                trace,
                at,
            }
        }
        None => {
            let form: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
            let (operation, to) = (form["Action"].clone(), form["TopicArn"].clone());
            let entries = (1..).map_while(|number| of_sns(&form, number)).collect();
            Call {
                operation,
                to,
                entries,
                trace,
                at,
            }
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn of_sqs(entry: &Value) -> Entry {
    let attributes = entry["MessageAttributes"].as_object().unwrap().iter();
    let attributes = attributes.map(|(name, value)| {
        let content = text(&value["StringValue"])
            .or_else(|| text(&value["BinaryValue"]))
            .unwrap();
        (name.clone(), (text(&value["DataType"]).unwrap(), content))
    });
    Entry {
        id: text(&entry["Id"]).unwrap(),
        body: text(&entry["MessageBody"]).unwrap(),
        attributes: attributes.collect(),
        group: text(&entry["MessageGroupId"]),
        deduplication_id: text(&entry["MessageDeduplicationId"]),
        trace: text(&entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"]),
    }
}

fn of_sns(form: &BTreeMap<String, String>, number: usize) -> Option<Entry> {
    let field = |name: &str| {
        form.get(&format!("PublishBatchRequestEntries.member.{number}.{name}"))
            .cloned()
    };
    let attributes = (1..).map_while(|attribute| {
        let part = |name: &str| field(&format!("MessageAttributes.entry.{attribute}.{name}"));
        let value = part("Value.StringValue").or_else(|| part("Value.BinaryValue"));
        Some((part("Name")?, (part("Value.DataType")?, value?)))
    });
    Some(Entry {
        id: field("Id")?,
        body: field("Message").unwrap(),
        attributes: attributes.collect(),
        group: field("MessageGroupId"),
        deduplication_id: field("MessageDeduplicationId"),
        trace: None,
    })
}

fn response(call: &Call, reply: Reply) -> HttpResponse {
    let sqs = call.operation == "SendMessageBatch";
    let each = match reply {
        Reply::Taken if call.operation == "GetTopicAttributes" => return attributes_of_topic(&[]),
        Reply::Taken => vec![One::Taken; call.entries.len()],
        Reply::Each(each) => each,
        Reply::Error(status, code) => return error(sqs, status, code),
        Reply::Attributes(attributes) => return attributes_of_topic(&attributes),
        Reply::Status(status) => return with(status, "<html>no</html>".to_owned()),
        Reply::Garbage => return with(200, "{<".to_owned()),
        reply => unreachable!("{reply:?}"),
    };
    let said = || call.entries.iter().zip(&each);
    if sqs {
        let taken = said().filter(|(_, one)| matches!(one, One::Taken));
        let taken =
            taken.map(|(entry, _)| json!({"Id": entry.id, "MessageId": "m", "MD5OfMessageBody": "x"}));
        let failed = said().filter_map(|(entry, one)| match one {
            One::Failed(code, fault) => {
                Some(json!({"Id": entry.id, "Code": code, "SenderFault": fault, "Message": "as scripted"}))
            }
            _ => None,
        });
        let (taken, failed): (Vec<_>, Vec<_>) = (taken.collect(), failed.collect());
        return with(200, json!({"Successful": taken, "Failed": failed}).to_string());
    }
    let taken = said().filter(|(_, one)| matches!(one, One::Taken));
    let taken: String = taken
        .map(|(entry, _)| format!("<member><Id>{}</Id><MessageId>m</MessageId></member>", entry.id))
        .collect();
    let failed = said().filter_map(|(entry, one)| match one {
        One::Failed(code, fault) => Some(format!(
            "<member><Id>{}</Id><Code>{code}</Code><SenderFault>{fault}</SenderFault>\
             <Message>as scripted</Message></member>",
            entry.id
        )),
        _ => None,
    });
    let failed: String = failed.collect();
    with(
        200,
        format!(
            "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>\
             <Successful>{taken}</Successful><Failed>{failed}</Failed></PublishBatchResult>\
             </PublishBatchResponse>"
        ),
    )
}

fn attributes_of_topic(attributes: &[(&'static str, String)]) -> HttpResponse {
    let entry =
        |(key, value): &(&str, String)| format!("<entry><key>{key}</key><value>{value}</value></entry>");
    let entries: String = attributes.iter().map(entry).collect();
    with(
        200,
        format!(
            "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes>{entries}</Attributes>\
             </GetTopicAttributesResult></GetTopicAttributesResponse>"
        ),
    )
}

fn error(sqs: bool, status: u16, code: &str) -> HttpResponse {
    if sqs {
        let body = json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "as scripted"});
        let mut response = with(status, body.to_string());
        response
            .headers_mut()
            .insert("x-amzn-query-error", format!("{code};Sender"));
        return response;
    }
    with(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>as scripted</Message>\
             </Error><RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

fn with(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}
