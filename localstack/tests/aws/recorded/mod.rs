//! Answers of AWS, as recorded: what clients read from them they read from `fanfare-local`'s as well.
//! `../../data/README.md` says where they are from.

mod sns;
mod sqs;

use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use fanfare::fault::{Fault, FaultPlan, Life};

use crate::batches::entry;
use crate::world::{local, under, world};

const SEND_MESSAGE_BATCH: &str = include_str!("../../data/send-message-batch.json");
const PUBLISH_BATCH: &str = include_str!("../../data/publish-batch.xml");

/// Answers every call with this body.
#[derive(Clone, Debug)]
struct Answer(&'static str);

impl HttpConnector for Answer {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        let status = http::StatusCode::OK.into();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(self.0))))
    }
}

/// A configuration whose calls are all answered with this body.
fn answering(body: &'static str) -> SdkConfig {
    let connector = SharedHttpConnector::new(Answer(body));
    let client = http_client_fn(move |_settings, _components| connector.clone());
    let config = local().config(&Life::default()).to_builder();
    config.http_client(client).build()
}

/// What is read from the answer to a batch of messages, but for what each service makes up itself.
fn read(answer: &SendMessageBatchOutput) -> Vec<[String; 4]> {
    let sent = answer
        .successful()
        .iter()
        .map(|one| [one.id(), one.md5_of_message_body(), "sent", ""].map(ToOwned::to_owned));
    let failed = answer.failed().iter().map(|one| {
        let fault = if one.sender_fault() { "sender" } else { "receiver" };
        [one.id(), one.code(), one.message().unwrap_or_default(), fault].map(ToOwned::to_owned)
    });
    sent.chain(failed).collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_messages_with_mixed_results_is_decoded_encoded_and_decoded_the_same() {
    let recorded = aws_sdk_sqs::Client::new(&answering(SEND_MESSAGE_BATCH));
    let recorded = recorded
        .send_message_batch()
        .queue_url("q")
        .entries(entry("a", "a"));
    let recorded = read(&recorded.send().await.unwrap());
    assert_eq!(recorded.len(), 2);

    let world = world();
    let url = world.queue("q", &[("MaximumMessageSize", "1024")]).await;
    let send = world.sqs.send_message_batch().queue_url(url);
    let send = send
        .entries(entry("a4cff0d1-1961-44bd-ae53-c6d5ed71ed08", &"a".repeat(1024)))
        .entries(entry("35b535ed-b76a-4ebd-b749-6eb35cdb55ee", &"a".repeat(1025)));
    assert_eq!(read(&send.send().await.unwrap()), recorded);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_notifications_with_mixed_results_is_decoded_encoded_and_decoded_the_same() {
    let entries = ["0", "1"].map(|id| {
        let entry = PublishBatchRequestEntry::builder().id(id).message("x");
        entry.build().unwrap()
    });
    let publish = |client: aws_sdk_sns::Client, topic: String| {
        let publish = client.publish_batch().topic_arn(topic);
        publish
            .set_publish_batch_request_entries(Some(entries.to_vec()))
            .send()
    };
    let recorded = aws_sdk_sns::Client::new(&answering(PUBLISH_BATCH));
    let recorded = publish(recorded, "t".into()).await.unwrap();
    assert_eq!((recorded.successful().len(), recorded.failed().len()), (1, 1));

    let world = world();
    let topic = world.topic("orders", &[]).await;
    let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::PartialBatch, 1.0);
    let faulty = under(world.local.clone().with_faults(plan), &Life::default());
    // Which entry it is that fails is drawn.
    for _ in 0..100 {
        let made = publish(faulty.sns.clone(), topic.clone()).await.unwrap();
        if made.failed() == recorded.failed() {
            let ids = |sent: &[aws_sdk_sns::types::PublishBatchResultEntry]| {
                sent.iter().map(|one| one.id.clone()).collect::<Vec<_>>()
            };
            assert_eq!(ids(made.successful()), ids(recorded.successful()));
            return;
        }
    }
    panic!("the plan never lets the second entry fail alone");
}

/// What AWS was recorded to refuse, against what is refused here: `case | code | message`.
#[derive(Default)]
struct Refusals(Vec<(&'static str, (String, String))>);

impl Refusals {
    fn add(&mut self, case: &'static str, refusal: (String, String)) {
        self.0.push((case, refusal));
    }

    fn check(self, recorded: &[(&str, &str, &str)]) {
        let here: Vec<_> = self
            .0
            .iter()
            .map(|(case, (code, message))| (*case, code.as_str(), message.as_str()))
            .collect();
        let differing: Vec<_> = here.iter().filter(|here| !recorded.contains(here)).collect();
        assert!(differing.is_empty(), "not as recorded: {differing:#?}");
        assert_eq!(here.len(), recorded.len());
    }
}
