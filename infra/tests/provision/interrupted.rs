//! Killed at any call, and run again.

use aws_smithy_types::retry::RetryConfig;
use fanfare::fault::{FaultPlan, Life};
use fanfare_infra::InfraError;
use fanfare_local::Local;

use crate::tap::Tap;
use crate::world::*;

/// Runs `provision` or `remove` until it is killed at its call of this number, and says whether it was.
async fn killed(local: &Local, remove: bool, number: usize, before: bool) -> bool {
    let life = Life::new("provision");
    let tap = Tap::default().kill(number, before, &life);
    let config = tap.on(local.config(&life));
    let run = async {
        let deployment = deployment(&config).await;
        match remove {
            true => deployment.remove().await,
            false => deployment.provision().await,
        }
    };
    tokio::select! {
        biased;
        () = life.killed() => true,
        report = run => {
            report.unwrap();
            false
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_the_next_run_completes_it() {
    let reference = contents(&provisioned().await).await;
    let mut calls = 0;
    for number in 0.. {
        for before in [true, false] {
            let local = Local::new().unwrap();
            if !killed(&local, false, number, before).await {
                assert!(number > 30, "it was really killed in between: {number}");
                return;
            }
            calls += 1;
            let report = deployment(&local.sdk_config()).await.provision().await;
            let report = report.unwrap_or_else(|error| panic!("killed at {number}, {before}: {error}"));
            assert_eq!(
                contents(&local).await,
                reference,
                "killed at {number}, {before}: {report}"
            );
        }
        assert!(calls < 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_killed_at_any_call_is_completed_by_the_next_one() {
    for number in 0.. {
        for before in [true, false] {
            let local = provisioned().await;
            if !killed(&local, true, number, before).await {
                assert!(number > 20, "it was really killed in between: {number}");
                return;
            }
            deployment(&local.sdk_config()).await.remove().await.unwrap();
            let left = contents(&local).await;
            assert!(left.is_empty(), "killed at {number}, {before}: {left:?}");
        }
        assert!(number < 200);
    }
}

#[tokio::test(start_paused = true)]
async fn under_every_kind_of_fault_it_is_complete_in_the_end() {
    let reference = contents(&provisioned().await).await;
    let mut failed = 0;
    for seed in 0..8 {
        let plan = FaultPlan::seeded(seed).rates(0.01);
        let local = Local::new().unwrap().with_faults(plan.clone());
        for attempt in 0.. {
            assert!(attempt < 50, "seed {seed}: it never ends");
            let life = Life::new("provision");
            // The SDK's quota of retries is one for all tests of a process.
            let retries = RetryConfig::disabled();
            let config = local.config(&life).into_builder().retry_config(retries).build();
            let run = async {
                let caller = fanfare_infra::caller(&config).await?;
                let deployment = fanfare_infra::Deployment::new(&config, &caller, &topology());
                let deployment = tables()
                    .into_iter()
                    .fold(deployment, fanfare_infra::Deployment::table);
                deployment.provision().await
            };
            let ended: Option<Result<_, InfraError>> = tokio::select! {
                biased;
                () = life.killed() => None,
                ended = run => Some(ended),
            };
            match ended {
                Some(Ok(_)) => break,
                Some(Err(InfraError::Differs { differences })) => panic!("seed {seed}: {differences:?}"),
                Some(Err(_)) | None => failed += 1,
            }
        }
        plan.stop();
        assert_eq!(contents(&local).await, reference, "seed {seed}");
    }
    assert!(failed > 0, "the faults were too few to be felt");
}
