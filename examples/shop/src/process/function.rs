//! What Lambda starts: a consumer, or the relay.
//!
//! Everything is made before the first event, and nobody is asked for anything then: no account, no
//! table, no queue. What isn't there shows with the first message.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_types::SdkConfig;
use fanfare::Clock;
use fanfare_lambda::{Function, Metrics};

use crate::aws::{self, ACCOUNT, deployed_with};
use crate::dev::SMTP;
use crate::email::{Post, Provider};
use crate::functions::{Functions, NAMES, RELAY};
use crate::stocked::StockedLayer;
use crate::{Deps, inventory};

/// The environment variable with the name of the consumer that a function is, or `relay`.
pub const CONSUMER: &str = "SHOP_CONSUMER";

/// The environment variable with the CDs that inventory puts on its shelves, if they aren't there yet;
/// 14,000 without.
pub const STOCK: &str = "SHOP_STOCK";

/// How often the relay measures the outbox, at most: while nobody commits, nobody invokes it.
const MEASURE: Duration = Duration::from_secs(60);

/// Whether this process was started by Lambda.
pub fn is_function() -> bool {
    std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some()
}

/// Serves what [`CONSUMER`] names, until Lambda ends the process.
///
/// # Errors
/// The environment lacks something or has something wrong, or Lambda's Runtime API can't be reached.
pub async fn run() -> anyhow::Result<()> {
    let role = role()?;
    let metrics = Metrics::install(crate::NAME)?;
    if std::env::var_os("AWS_REGION").is_none() {
        bail!("AWS_REGION isn't set, as Lambda does");
    }
    let config = fanfare_lambda::traced(&aws::config().await);
    let post = Post::Table(aws_sdk_dynamodb::Client::new(&config));
    let smtp = std::env::var(SMTP).ok();
    let mail: Arc<dyn Provider> = post.provider(smtp.as_deref(), Clock::system())?;
    let deps = aws::deps(&config, &mail);
    let ended = match role {
        RELAY => {
            let topology = deployed_with(&deps, &Functions::default())?.topology()?;
            let account = aws::told(&config)?;
            let account = account.with_context(|| {
                format!("{ACCOUNT} isn't set: the account that the relay publishes in, 12 digits")
            })?;
            let relay = aws::relay(&config, &account, &deps, &topology);
            fanfare_lambda::run_relay(relay.measure_every(MEASURE), Some(metrics)).await
        }
        consumer => fanfare_lambda::run(function(&config, &deps, consumer)?.metrics(metrics)).await,
    };
    ended.map_err(|error| anyhow::anyhow!(error))
}

fn role() -> anyhow::Result<&'static str> {
    let role = std::env::var(CONSUMER).unwrap_or_default();
    if role.is_empty() {
        bail!(
            "Lambda has started this, and {CONSUMER} isn't set: one of {}",
            NAMES.join(", ")
        );
    }
    let known = NAMES.into_iter().find(|name| *name == role);
    known.with_context(|| format!("{CONSUMER}={role}: must be one of {}", NAMES.join(", ")))
}

/// This consumer. Its events stay in the outbox, for the relay (`docs/adr/0019`).
fn function(config: &SdkConfig, deps: &Deps, consumer: &'static str) -> anyhow::Result<Function> {
    let stocked = StockedLayer::new(&deps.dynamo, stock()?);
    let app = deployed_with(deps, &Functions::of([consumer])?)?.map_consumers(|router| {
        match router.name() == inventory::NAME {
            true => router.layer(stocked.clone()),
            false => router,
        }
    });
    let topology = app.topology()?;
    deps.store.check_retention(&topology)?;
    let mut services = app.services()?;
    services.retain(|service| service.consumer() == consumer);
    let service = services
        .pop()
        .with_context(|| format!("there is no consumer {consumer}"))?;
    let inbox = Arc::new(deps.store.inbox());
    Ok(Function::new(config, service).configure(|host| host.completed(inbox.clone()).tries(inbox.clone())))
}

fn stock() -> anyhow::Result<u32> {
    let Ok(stock) = std::env::var(STOCK) else {
        return Ok(14_000);
    };
    let number = stock.parse();
    number.with_context(|| format!("{STOCK}={stock}: must be a number of CDs"))
}
