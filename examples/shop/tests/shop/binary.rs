//! The binary as people run it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::run::orders;

fn shop(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.args(words).env_remove("RUST_LOG");
    command
}

/// The report: the last line of standard output.
fn report(output: &Output) -> anyhow::Result<Value> {
    let text = str::from_utf8(&output.stdout)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .map_err(|error| anyhow::anyhow!("{error}: {text:?}, {}", String::from_utf8_lossy(&output.stderr)))
}

fn write_orders(path: &Path, count: usize) -> anyhow::Result<()> {
    let mut file = std::fs::File::create(path)?;
    writeln!(file, "order_id,customer_id,placed_on,quantity,total_cents")?;
    for order in orders(count) {
        let fields = [
            order.id,
            order.customer,
            order.placed_on,
            order.quantity.to_string(),
            order.total_cents.to_string(),
        ];
        writeln!(file, "{}", fields.join(","))?;
    }
    Ok(())
}

/// How many mails were sent.
fn mails(data: &Path) -> usize {
    std::fs::read_dir(data.join("mail/sent")).map_or(0, Iterator::count)
}

#[test]
fn it_survives_being_killed_and_a_second_run_adds_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.csv");
    write_orders(&file, 30)?;
    let (file, data) = (file.display().to_string(), folder.path().join("data"));
    let data = data.display().to_string();
    let words = [
        "dev", "--orders", &file, "--data", &data, "--stock", "192", "--json",
    ];
    // Killed at its start, and each time that some more orders have ended.
    for ended in [0, 4, 10, 20] {
        let mut child = shop(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        while mails(&folder.path().join("data")) < ended && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
    }
    for _ in 0..2 {
        let output = shop(&words).output()?;
        let report = report(&output)?;
        assert!(output.status.success(), "{report}");
        assert_eq!((&report["orders"], &report["terminal"]), (&30.into(), &30.into()));
        assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()));
        assert_eq!(report["consumers"]["payment"]["applied"], 33);
    }
    Ok(())
}

#[test]
fn rows_that_are_no_orders_are_reported_and_the_others_placed() -> anyhow::Result<()> {
    let rows = "order_id,customer_id,placed_on,quantity,total_cents\n\
                a,1,1997-01-01,1,100\n\
                b,1,1997-01-32,1,100\n\
                a,1,1997-01-01,1,100\n";
    let mut child = shop(&["dev", "--orders", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("a pipe").write_all(rows.as_bytes())?;
    let output = child.wait_with_output()?;
    let report = report(&output)?;
    assert!(output.status.success(), "{report}");
    assert_eq!((&report["orders"], &report["rejected"]), (&1.into(), &2.into()));
    let errors = str::from_utf8(&output.stderr)?;
    assert!(
        errors.contains("<stdin>:3:5: placed_on: must be a day"),
        "{errors}"
    );
    assert!(
        errors.contains("<stdin>:4:1: order_id a stands in line 2 already"),
        "{errors}"
    );
    Ok(())
}

#[test]
fn a_file_that_is_no_file_of_orders_is_an_error_before_anything_is_placed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data").display().to_string();
    let wrong = folder.path().join("wrong.csv");
    std::fs::write(&wrong, "id,total\na,1\n")?;
    let (wrong, missing) = (wrong.display().to_string(), folder.path().join("missing.csv"));
    for file in [wrong, missing.display().to_string()] {
        let output = shop(&["dev", "--orders", &file, "--data", &data, "--json"]).output()?;
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        let errors = str::from_utf8(&output.stderr)?;
        assert!(errors.contains(&file), "{errors}");
        assert!(!Path::new(&data).exists(), "nothing was even opened");
    }
    Ok(())
}

#[test]
fn without_dedupe_it_says_what_is_doubled_and_fails() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.csv");
    write_orders(&file, 60)?;
    let file = file.display().to_string();
    let words = [
        "dev",
        "--orders",
        &file,
        "--stock",
        "192",
        "--faults",
        "7",
        "--no-dedupe",
        "--json",
    ];
    let output = shop(&words).output()?;
    let report = report(&output)?;
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report["doubled"].as_u64() > Some(0), "{report}");
    let text = str::from_utf8(&output.stdout)?;
    assert!(
        text.contains("\n  doubled: ") && text.contains("The audit FAILS."),
        "{text}"
    );
    Ok(())
}

#[test]
fn dedupe_is_only_left_out_under_faults() -> anyhow::Result<()> {
    let output = shop(&["dev", "--no-dedupe"]).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(str::from_utf8(&output.stderr)?.contains("--faults <SEED>"));
    Ok(())
}

#[test]
fn on_aws_there_are_no_faults_and_no_folder() -> anyhow::Result<()> {
    for words in [["--faults", "1"], ["--data", "somewhere"]] {
        let output = shop(&[&["dev", "--aws"], &words[..]].concat()).output()?;
        assert_eq!(output.status.code(), Some(2));
        let text = str::from_utf8(&output.stderr)?;
        assert!(text.contains("--aws") && text.contains(words[0]), "{text}");
    }
    Ok(())
}

#[test]
fn a_function_that_there_is_none_of_is_refused_with_the_list() -> anyhow::Result<()> {
    let output = shop(&["dev", "--lambda", "payment,rely"]).output()?;
    assert_eq!(output.status.code(), Some(2));
    let text = str::from_utf8(&output.stderr)?;
    assert!(
        text.contains("'rely'") && text.contains("orders-view") && text.contains("'relay'"),
        "{text}"
    );

    let output = shop(&["dev", "--aws", "--lambda", "payment"]).output()?;
    assert_eq!(output.status.code(), Some(2));

    let mut command = shop(&["topology", "show"]);
    let output = command.env("SHOP_FUNCTIONS", "payment,rely").output()?;
    assert_eq!(output.status.code(), Some(1));
    let text = str::from_utf8(&output.stderr)?;
    assert!(
        text.contains("SHOP_FUNCTIONS=payment,rely") && text.contains("orders-view"),
        "{text}"
    );
    Ok(())
}

#[test]
fn what_is_deployed_as_a_function_has_its_messages_hidden_longer() -> anyhow::Result<()> {
    let mut command = shop(&["topology", "show"]);
    let output = command
        .env("SHOP_FUNCTIONS", "payment,bookkeeping,relay")
        .output()?;
    let text = str::from_utf8(&output.stdout)?;
    assert!(text.contains("shop-payment: 120 s hidden"), "{text}");
    assert!(text.contains("shop-bookkeeping.fifo: 120 s hidden"), "{text}");
    assert!(text.contains("shop-email: 30 s hidden"), "{text}");
    Ok(())
}

#[test]
fn with_functions_it_ends_in_an_exact_audit_and_goes_on_from_a_folder_without_a_stream() -> anyhow::Result<()>
{
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.csv");
    write_orders(&file, 20)?;
    let (file, data) = (file.display().to_string(), folder.path().join("data"));
    let data = data.display().to_string();
    let words = [
        "dev", "--orders", &file, "--data", &data, "--stock", "192", "--json",
    ];
    for functions in [&[][..], &["--lambda", "payment,relay"]] {
        let output = shop(&[&words[..], functions].concat()).output()?;
        let report = report(&output)?;
        assert!(output.status.success(), "{report}");
        assert_eq!((&report["orders"], &report["terminal"]), (&20.into(), &20.into()));
        assert_eq!((&report["lost"], &report["doubled"]), (&0.into(), &0.into()));
    }
    Ok(())
}

#[test]
fn a_worker_is_told_which_consumers_there_are() -> anyhow::Result<()> {
    for words in [
        &["worker"][..],
        &["worker", "paymint"],
        &["worker", "--all", "payment"],
    ] {
        let output = shop(words).output()?;
        assert_eq!(output.status.code(), Some(2), "{words:?}");
    }
    let output = shop(&["worker", "paymint"]).output()?;
    let text = str::from_utf8(&output.stderr)?;
    assert!(
        text.contains("orders-view") && text.contains("'payment'"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_visibility_timeout_that_is_no_number_is_told() -> anyhow::Result<()> {
    let mut command = shop(&["topology", "show"]);
    let output = command.env("SHOP_VISIBILITY_TIMEOUT", "soon").output()?;
    assert_eq!(output.status.code(), Some(1));
    let text = str::from_utf8(&output.stderr)?;
    assert!(text.contains("SHOP_VISIBILITY_TIMEOUT=soon"), "{text}");

    let mut command = shop(&["topology", "show"]);
    let output = command.env("SHOP_VISIBILITY_TIMEOUT", "7").output()?;
    let text = str::from_utf8(&output.stdout)?;
    assert!(text.contains("shop-payment: 7 s hidden"), "{text}");
    Ok(())
}

/// Asks the API on this address, and returns the answer's head and body.
fn ask(address: &str, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn with_serve_it_takes_orders_over_http_until_it_is_told_to_stop() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.csv");
    write_orders(&file, 1)?;
    let file = file.display().to_string();
    let mut child = shop(&["dev", "--orders", &file, "--serve=0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut addresses = lines.map_while(Result::ok).filter_map(|line| {
        let address = line.strip_prefix("http://")?.split(' ').next()?;
        Some(address.to_owned())
    });
    let address = addresses.next().expect("the address it listens on");

    let body =
        r#"{"order_id":"by-http","customer_id":"1","placed_on":"1997-01-01","quantity":1,"total_cents":100}"#;
    let post = format!(
        "POST /orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&address, &post)?;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.contains("location: /orders/by-http"), "{answer}");
    let get = "GET /orders/by-http HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
    loop {
        let answer = ask(&address, get)?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        if !answer.contains(r#""status":"processing""#) {
            assert!(answer.contains(r#""status":"shipped""#), "{answer}");
            break;
        }
    }
    let terminated = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()?;
    assert!(terminated.success());
    assert!(child.wait()?.success());
    Ok(())
}

#[test]
fn the_topology_is_shown_with_every_consumer() -> anyhow::Result<()> {
    let output = shop(&["topology", "show"]).output()?;
    assert!(output.status.success());
    let text = str::from_utf8(&output.stdout)?;
    for consumer in [
        "checkout",
        "payment",
        "bookkeeping",
        "inventory",
        "shipping",
        "email",
        "loyalty",
    ] {
        assert!(text.contains(&format!("\n{consumer}")), "{consumer} in {text}");
    }
    Ok(())
}
