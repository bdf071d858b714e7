//! The same services on a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can not go on fails"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use fanfare::fault::{Fault, FaultPlan};
use fanfare_local::{Local, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Server {
    address: String,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn server(local: Local) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        stopped.await.unwrap();
    };
    let ended = tokio::spawn(serve(local, listener, shutdown));
    Server { address, stop, ended }
}

fn client(server: &Server) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(format!("http://{}", server.address));
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// Writes this to the server, and reads what it answers until there is an answer with this end.
async fn exchange(stream: &mut TcpStream, request: &str, end: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).ends_with(end) {
        let mut part = [0; 4096];
        match stream.read(&mut part).await.unwrap() {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_client_over_a_socket_finds_the_same_as_one_in_the_process() {
    let local = Local::new().unwrap();
    let server = server(local.clone()).await;
    let sqs = client(&server);
    let queue = sqs.create_queue().queue_name("q").send().await.unwrap();
    let url = queue.queue_url().unwrap();
    assert_eq!(url, format!("http://{}/000000000000/q", server.address));
    sqs.send_message()
        .queue_url(url)
        .message_body("x")
        .send()
        .await
        .unwrap();
    let within = aws_sdk_sqs::Client::new(&local.sdk_config());
    let received = within.receive_message().queue_url(url).send().await.unwrap();
    assert_eq!(received.messages()[0].body(), Some("x"));
    let error = sqs.get_queue_url().queue_name("none").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
    server.stop.send(()).unwrap();
    server.ended.await.unwrap();
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let server = server(Local::new().unwrap()).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    for _ in 0..3 {
        let health = "GET /health HTTP/1.1\r\nhost: h\r\n\r\n";
        let answer = exchange(&mut stream, health, "}").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("running"), "{answer}");
    }
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let length = body.len();
    let call = format!("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = exchange(&mut stream, &call, "Response>").await;
    assert!(answer.contains("<Account>000000000000</Account>"), "{answer}");
    assert!(answer.contains("content-type: text/xml"), "{answer}");
}

/// Its names would be another region's: what one call makes, the next one would not find.
#[tokio::test]
async fn a_call_for_another_region_is_refused_and_told_which_one_is_there() {
    let server = server(Local::new().unwrap()).await;
    let call = |region: &str, service: &str, more: &str, body: &str| {
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nhost: h\r\nauthorization: AWS4-HMAC-SHA256 Credential=test/20261121/{region}/\
             {service}/aws4_request, SignedHeaders=host, Signature=0\r\n{more}content-length: {length}\r\n\r\n{body}"
        )
    };
    let target = |operation: &str| format!("x-amz-target: {operation}\r\n");
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    for (service, more, body, end) in [
        ("sqs", target("AmazonSQS.ListQueues"), "{}", "}"),
        (
            "sns",
            String::new(),
            "Action=ListTopics&Version=2010-03-31",
            "Response>",
        ),
        (
            "sts",
            String::new(),
            "Action=GetCallerIdentity&Version=2011-06-15",
            "Response>",
        ),
    ] {
        let answer = exchange(&mut stream, &call("eu-central-1", service, &more, body), end).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        for part in ["Signature", "eu-central-1", "set AWS_REGION=us-east-1"] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
        let answer = exchange(&mut stream, &call("us-east-1", service, &more, body), end).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let list = |region: &str| {
        format!(
            "GET /2015-03-31/functions/ HTTP/1.1\r\nhost: h\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=test/20261121/{region}/lambda/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n"
        )
    };
    let answer = exchange(&mut stream, &list("eu-central-1"), "}").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("set AWS_REGION=us-east-1"), "{answer}");
    let answer = exchange(&mut stream, &list("us-east-1"), "}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Beside a LocalStack, which has every region, the tables are here.
    let tables = call(
        "eu-central-1",
        "dynamodb",
        &target("DynamoDB_20120810.ListTables"),
        "{}",
    );
    let answer = exchange(&mut stream, &tables, "}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let server = server(Local::new().unwrap()).await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let answer = exchange(&mut stream, "GET / HTTP/1.1\r\nhost: h\r\n\r\n", "}").await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let large = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 16777217\r\n\r\n";
    let answer = exchange(&mut stream, large, "}").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn at_the_end_a_waiting_poll_is_cut_off_and_has_taken_nothing() {
    let local = Local::new().unwrap();
    let server = server(local.clone()).await;
    let sqs = client(&server);
    let queue = sqs.create_queue().queue_name("q").send().await.unwrap();
    let url = queue.queue_url().unwrap().to_owned();
    let poll = sqs.receive_message().queue_url(&url).wait_time_seconds(20);
    let poll = tokio::spawn(poll.send());
    while !local.calls().contains_key("sqs.ReceiveMessage") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start = Instant::now();
    server.stop.send(()).unwrap();
    server.ended.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(poll.await.unwrap().is_err());
    local
        .broker()
        .send("q", fanfare::memory::Entry::new("x"))
        .unwrap();
    assert_eq!(local.broker().counts("q").unwrap().visible, 1);
    assert!(
        TcpStream::connect(&server.address).await.is_err(),
        "nobody listens"
    );
}

#[tokio::test]
async fn a_lost_reply_is_a_connection_that_closes_after_the_effect() {
    let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::LoseReply, 1.0);
    let local = Local::new().unwrap().with_faults(plan);
    let server = server(local.clone()).await;
    let made = client(&server).create_queue().queue_name("q").send().await;
    assert!(made.is_err());
    assert_eq!(local.broker().queues(), ["q"]);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = Command::new(env!("CARGO_BIN_EXE_fanfare-local"))
        .args(["--port", &port])
        .output()
        .unwrap();
    assert!(!run.status.success());
    let error = String::from_utf8(run.stderr).unwrap();
    assert!(error.contains(&port) && error.contains("--port"), "{error}");
}

#[test]
fn the_help_says_what_it_is_not() {
    let run = Command::new(env!("CARGO_BIN_EXE_fanfare-local"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(run.stdout).unwrap();
    for said in [
        "not AWS",
        "no authentication",
        "no permissions",
        "gone when it ends",
        "--data",
    ] {
        assert!(help.contains(said), "{help}");
    }
}
