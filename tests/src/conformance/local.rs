//! SNS and SQS of `fanfare-local`, through publisher and worker: within the process on tokio's paused
//! clock, and over a socket in real time.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use fanfare::fault::FaultPlan;
use fanfare::memory::{Broker, set_up};
use fanfare::{Clock, Topology};
use fanfare_local::{Dynamo, Local};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::sdk::over_http;
use super::{Capabilities, Capability, Sdk, Transport};

/// `fanfare-local` within the process: the SDK's clients call it directly.
#[derive(Clone, Copy, Debug)]
pub struct LocalInProcess;

/// `fanfare-local` on a socket.
#[derive(Clone, Copy, Debug)]
pub struct LocalOnSocket;

impl Transport for LocalInProcess {
    type World = Sdk;

    fn runtime(&self) -> std::io::Result<Runtime> {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
    }

    async fn world(&self, topology: &Topology) -> anyhow::Result<Sdk> {
        let clock = clock();
        let local = local(&clock, topology)?;
        Sdk::connect(
            local.sdk_config(),
            local.account(),
            clock,
            topology,
            JoinSet::new(),
        )
        .await
    }
}

impl Transport for LocalOnSocket {
    type World = Sdk;

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
            .without(
                Capability::SkipsTime,
                "what comes over a socket comes in real time",
            )
            .lateness(Duration::from_millis(500))
    }

    async fn world(&self, topology: &Topology) -> anyhow::Result<Sdk> {
        let local = local(&Clock::system(), topology)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let account = local.account();
        let mut server = JoinSet::new();
        server.spawn(fanfare_local::serve(local, listener, std::future::pending()));
        // Without the HTTP client that calls the services directly: by the SDK's own.
        Sdk::connect(
            over_http(endpoint, "test"),
            account,
            Clock::system(),
            topology,
            server,
        )
        .await
    }
}

/// A clock that is paused along with the runtime.
pub(super) fn clock() -> Clock {
    Clock::tokio(SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000))
}

/// Services with everything that the topology says.
pub(super) fn local(clock: &Clock, topology: &Topology) -> anyhow::Result<Local> {
    let broker = Broker::new(clock.clone(), FaultPlan::none());
    set_up(&broker, topology)?;
    Ok(Local::of(broker, Dynamo::memory(clock.clone())?))
}
