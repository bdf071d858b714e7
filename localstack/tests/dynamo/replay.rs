use std::process::Command;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use fanfare::fault::{Fault, FaultPlan, Life};

use crate::{create_table, item, key, memory, number, put_any, text};

/// What several hosts do at once under a plan, as its trace.
fn workload(seed: u64) -> Vec<String> {
    fastrand::seed(seed);
    let plan = FaultPlan::seeded(seed)
        .rates(0.05)
        .rate(Fault::Kill, 0.005)
        .traced();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_start(|| panic!("a second thread, with a schedule of its own"))
        .build()
        .unwrap();
    runtime.block_on(async {
        let dynamo = memory();
        create_table(&dynamo.client(&Life::default())).await;
        let dynamo = dynamo.with_faults(plan.clone());
        let hosts: Vec<_> = (0..4)
            .map(|host| {
                let dynamo = dynamo.clone();
                tokio::spawn(async move {
                    Life::restart(
                        &format!("host {host}"),
                        std::time::Duration::from_secs(1),
                        |life| {
                            let client = dynamo.client(&life);
                            async move {
                                for n in 0..25 {
                                    one_round(&client, host, n).await;
                                }
                            }
                        },
                    )
                    .await
                })
            })
            .collect();
        for host in hosts {
            host.await.unwrap();
        }
    });
    plan.trace()
}

async fn one_round(client: &aws_sdk_dynamodb::Client, host: u32, n: u32) {
    let sk = format!("{n}");
    let pk = format!("{host}");
    let thing = item(
        &pk,
        &sk,
        &[("owner", text("me")), ("n", number(n)), ("id", text(random_id()))],
    );
    let _ = client
        .put_item()
        .table_name("things")
        .set_item(Some(thing))
        .send()
        .await;
    let _ = client
        .transact_write_items()
        .transact_items(put_any(key(&pk, "x")))
        .transact_items(put_any(key("shared", &sk)))
        .send()
        .await;
    let batch: Vec<_> = (0..3)
        .map(|m| {
            let put = PutRequest::builder()
                .set_item(Some(key(&pk, &format!("b{m}"))))
                .build()
                .unwrap();
            WriteRequest::builder().put_request(put).build()
        })
        .collect();
    let _ = client
        .batch_write_item()
        .request_items("things", batch)
        .send()
        .await;
    let _ = client
        .query()
        .table_name("things")
        .index_name("by_owner")
        .key_condition_expression("#owner = :me")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":me", text("me"))
        .send()
        .await;
}

fn random_id() -> String {
    fastrand::u64(..).to_string()
}

#[test]
fn the_same_seed_gives_the_same_calls_and_faults() {
    let first = workload(7);
    assert!(first.len() > 400, "{}", first.len());
    for fault in [
        "lose_reply",
        "throttle",
        "kill",
        "conflict",
        "partial_batch",
        "stale_read",
        "delay_reply",
    ] {
        assert!(
            first.iter().any(|call| call.ends_with(fault)),
            "no {fault} in the trace"
        );
    }
    assert_eq!(first, workload(7));
    assert_ne!(first, workload(8));
}

#[test]
fn the_same_seed_gives_the_same_calls_and_faults_in_another_process() {
    const NAME: &str = "FANFARE_TEST_PRINT_TRACE";
    let test = "replay::the_same_seed_gives_the_same_calls_and_faults_in_another_process";
    if std::env::var_os(NAME).is_some() {
        for line in workload(7) {
            println!("trace {line}");
        }
        return;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(NAME, "1")
        .output()
        .unwrap();
    let output = String::from_utf8(run.stdout).unwrap();
    let there: Vec<_> = output
        .lines()
        .filter_map(|line| line.split_once("trace "))
        .map(|(_, line)| line)
        .collect();
    assert_eq!(there, workload(7));
}
