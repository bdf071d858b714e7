//! The binary as Lambda starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

/// The binary with what Lambda sets, and these variables.
fn bootstrap(runtime_api: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "shop-function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_missing_or_wrong_in_the_environment_is_named_with_what_there_is() -> anyhow::Result<()> {
    type Variables = &'static [(&'static str, &'static str)];
    let cases: [(Variables, &[&str]); 6] = [
        (&[], &["SHOP_CONSUMER isn't set", "payment", "relay"]),
        (
            &[("SHOP_CONSUMER", "paymint")],
            &["SHOP_CONSUMER=paymint", "orders-view", "relay"],
        ),
        (&[("SHOP_CONSUMER", "relay")], &["SHOP_ACCOUNT isn't set"]),
        (
            &[("SHOP_CONSUMER", "relay"), ("SHOP_ACCOUNT", "12")],
            &["SHOP_ACCOUNT=12", "12 digits"],
        ),
        (
            &[("SHOP_CONSUMER", "inventory"), ("SHOP_STOCK", "many")],
            &["SHOP_STOCK=many"],
        ),
        (
            &[("SHOP_CONSUMER", "payment"), ("SHOP_VISIBILITY_TIMEOUT", "soon")],
            &["SHOP_VISIBILITY_TIMEOUT=soon"],
        ),
    ];
    for (variables, texts) in cases {
        let output = bootstrap(NOWHERE, variables).output()?;
        assert_eq!(output.status.code(), Some(1), "{variables:?}");
        let said = said(&output);
        for text in texts {
            assert!(said.contains(text), "{text} in {said}");
        }
    }
    Ok(())
}

/// An order for payment, as Lambda hands it over.
fn event() -> Value {
    let placed = json!({
        "specversion": "1.0", "id": "1", "source": "/shop/checkout", "type": "order.placed",
        "data": {"order": {"order_id": "17", "customer_id": "1", "placed_on": "1997-01-01",
                           "quantity": 1, "total_cents": 100}},
    });
    json!({"Records": [{
        "messageId": "m-1", "receiptHandle": "r-1", "body": placed.to_string(),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000",
                       "SenderId": "AIDA", "ApproximateFirstReceiveTimestamp": "1700000000000"},
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:shop-payment", "awsRegion": "eu-central-1",
    }]})
}

/// Reads a request's head and body.
fn request(stream: &TcpStream) -> anyhow::Result<(String, String)> {
    let mut read = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        read.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body)?;
    Ok((head, String::from_utf8(body)?))
}

/// Ends the process with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nothing_goes_over_the_network_before_the_first_event_and_the_reply_leaves_in_time() -> anyhow::Result<()> {
    for role in ["payment", "inventory", "email", "relay"] {
        let runtime = TcpListener::bind("127.0.0.1:0")?;
        let aws = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", aws.local_addr()?);
        let variables = [
            ("SHOP_CONSUMER", role),
            ("SHOP_ACCOUNT", "123456789012"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ];
        let mut command = bootstrap(&runtime.local_addr()?.to_string(), &variables);
        let _ended = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);

        let (mut stream, _) = runtime.accept()?;
        let (head, _) = request(&stream)?;
        assert!(
            head.starts_with("GET /2018-06-01/runtime/invocation/next"),
            "{head}"
        );
        aws.set_nonblocking(true)?;
        let called = aws.accept();
        assert!(
            called.is_err(),
            "{role} has called AWS before there was anything to do"
        );
        if role != "payment" {
            continue;
        }

        // Now there is: AWS is called, and doesn't answer; the function does, before its deadline.
        let (told, calls) = mpsc::channel();
        aws.set_nonblocking(false)?;
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = aws.accept() {
                kept.push(stream);
                let _ = told.send(());
            }
        });
        let event = event().to_string();
        let deadline = std::time::SystemTime::now() + Duration::from_secs(6);
        let deadline = deadline.duration_since(std::time::UNIX_EPOCH)?.as_millis();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: i-1\r\n\
             Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:shop-payment\r\n\
             Content-Length: {}\r\n\r\n{event}",
            event.len()
        )?;
        calls.recv_timeout(Duration::from_secs(60))?;
        // By the same connection or another one.
        let (head, body) = match request(&stream) {
            Ok((head, body)) if !head.is_empty() => (head, body),
            _ => request(&runtime.accept()?.0)?,
        };
        assert!(
            head.starts_with("POST /2018-06-01/runtime/invocation/i-1/response"),
            "{head}"
        );
        let answer: Value = serde_json::from_str(&body)?;
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m-1"}]}));
    }
    Ok(())
}
