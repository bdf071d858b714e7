//! The processes that the shop consists of on AWS, and what is run beside them.
//!
//! ```text
//! shop provision            once: topics, queues, tables
//! shop worker payment ...   any number of each
//! shop relay                one is enough; two, so that one may die
//! shop api                  behind a load balancer
//! shop place | shop audit   places orders | looks whether all came out right
//! ```
//!
//! Started by Lambda, the same binary is one of its consumers, or the relay ([`function`]).
//!
//! Each process publishes what it commits itself, at once; a function leaves that to the relay. `shop relay`
//! publishes what others leave behind, or die with (`docs/adr/0015`, `0019`).

mod api;
mod audit;
pub mod function;
mod measured;
mod place;
mod relay;
mod worker;

use std::sync::Arc;

use fanfare::Topology;
use fanfare_worker::shutdown_signal;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::Deps;
use crate::aws::{Aws, deployed};
use crate::dev::SMTP;
use crate::email::{Post, Provider};

pub use api::ApiOptions;
pub use audit::AuditOptions;
pub use measured::{METRICS, measured};
pub use place::PlaceOptions;
pub use worker::WorkerOptions;

pub use api::run as api;
pub use audit::run as audit;
pub use place::run as place;
pub use relay::run as relay;
pub use worker::run as worker;

/// The signal to stop, listened for from now on; it may be awaited several times.
fn stop_signal() -> Shared<BoxFuture<'static, ()>> {
    let stop = shutdown_signal().boxed().shared();
    // The first poll begins to listen.
    let _ = stop.clone().now_or_never();
    stop
}

/// What every process begins with.
struct Process {
    aws: Aws,
    post: Post,
    deps: Deps,
    topology: Topology,
}

impl Process {
    async fn open() -> anyhow::Result<Self> {
        let aws = Aws::from_env().await?;
        let post = Post::Table(aws.dynamo());
        let smtp = std::env::var(SMTP).ok();
        let mail: Arc<dyn Provider> = post.provider(smtp.as_deref(), fanfare::Clock::system())?;
        let deps = aws.deps(&mail);
        let topology = deployed(&deps)?.topology()?;
        deps.store.check_retention(&topology)?;
        aws.check(&deps).await?;
        Ok(Self {
            aws,
            post,
            deps,
            topology,
        })
    }
}
