//! LocalStack, as `localstack/up` starts it, through publisher and worker.

use std::time::Duration;

use anyhow::Context;
use fanfare::{Clock, Topology};
use fanfare_infra::{Deployment, caller};
use tokio::task::JoinSet;

use super::sdk::over_http;
use super::{Capabilities, Capability, Sdk, Transport};

/// How to get one.
const HOW: &str = "start LocalStack and name it by: eval \"$(localstack/up)\"";

/// The LocalStack at `AWS_ENDPOINT_URL`. Without one every case fails.
#[derive(Clone, Copy, Debug)]
pub struct LocalStack;

impl Transport for LocalStack {
    type World = Sdk;

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
            .without(
                Capability::SkipsTime,
                "what comes over a socket comes in real time",
            )
            .without(
                Capability::RefusesStaleReceipts,
                "LocalStack 4.8.1 obeys every receipt that a message ever had",
            )
            // It looks for what is due, and a second after it is through it looks again.
            .lateness(Duration::from_millis(1500))
    }

    async fn world(&self, topology: &Topology) -> anyhow::Result<Sdk> {
        let endpoint = std::env::var("AWS_ENDPOINT_URL").context("AWS_ENDPOINT_URL isn't set");
        let endpoint = endpoint.context(HOW)?;
        // It takes an access key of twelve digits for the account, so that cases with the same names
        // don't meet, nor do those of an earlier run.
        let account = format!("{:012}", fastrand::u64(1..1_000_000_000_000));
        let config = over_http(endpoint, &account);
        let caller = caller(&config).await.context(HOW)?;
        Deployment::new(&config, &caller, topology).provision().await?;
        let account = caller.account().clone();
        Sdk::connect(config, account, Clock::system(), topology, JoinSet::new()).await
    }
}
