//! A small shop: events, a command, a FIFO topic, services and a function.

use std::time::Duration;

use fanfare::topology::FunctionSettings;
use fanfare::topology::Service;
use fanfare::{App, Command as CommandTrait, Delivery, Event, Failure, Handled, Producer, Router};
use fanfare_cli::{Application, Command, CommandError, Topology, schemars};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What every event is about.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Order {
    /// Its id.
    id: String,
    /// What it costs together, in cents.
    cents: u64,
    /// How it was paid, if it was.
    #[serde(default)]
    paid: Option<Paid>,
}

/// How an order was paid.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(crate) enum Paid {
    Card { last_digits: String },
    Transfer { iban: String },
}

macro_rules! event {
    ($name:ident, $ty:literal, $topic:literal) => {
        #[derive(Serialize, Deserialize, JsonSchema)]
        pub(crate) struct $name {
            pub(crate) order: Order,
        }

        impl Event for $name {
            const TYPE: &'static str = $ty;
            const TOPIC: &'static str = $topic;
        }
    };
}

event!(OrderPlaced, "order.placed", "orders");
event!(PaymentCharged, "payment.charged", "payments");
event!(PaymentFailed, "payment.failed", "payments");
event!(LedgerPosted, "ledger.posted", "ledger.fifo");

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct RefundPayment {
    pub(crate) order: Order,
}

impl CommandTrait for RefundPayment {
    const TYPE: &'static str = "RefundPayment";
    const CONSUMER: &'static str = "payment";
}

pub(crate) async fn nothing<E>(_: Delivery<E>) -> Result<Handled, Failure> {
    Ok(Handled::Applied)
}

pub(crate) fn app() -> App {
    App::new("shop")
        .producer(Producer::new("checkout").emits::<OrderPlaced>())
        .service(Service::new("api").port(8080))
        .consumer(
            Router::new("payment")
                .on::<OrderPlaced>(nothing)
                .emits::<PaymentCharged>()
                .emits::<PaymentFailed>()
                .emits::<LedgerPosted>()
                .on_command::<RefundPayment>(nothing),
        )
        .consumer(
            Router::new("checkout")
                .on::<PaymentFailed>(nothing)
                .sends::<RefundPayment>(),
        )
        .consumer(
            Router::new("email")
                .on::<PaymentCharged>(nothing)
                .visibility_timeout(Duration::from_secs(180))
                .function(FunctionSettings::default()),
        )
        .consumer(
            Router::new("bookkeeping")
                .on::<LedgerPosted>(nothing)
                .max_receives(20)
                .visibility_timeout(Duration::from_secs(60)),
        )
}

/// With what its payloads look like.
pub(crate) fn application(app: App) -> Application {
    Application::new(app)
        .event::<OrderPlaced>()
        .event::<PaymentCharged>()
        .event::<PaymentFailed>()
        .event::<LedgerPosted>()
        .command::<RefundPayment>()
}

/// What the command prints, on a runtime that has no network and no timers.
pub(crate) fn printed(app: App, command: Topology) -> Result<String, CommandError> {
    printed_of(&application(app), command)
}

pub(crate) fn printed_of(application: &Application, command: Topology) -> Result<String, CommandError> {
    let mut out = Vec::new();
    let run = Command::Topology(command).run(application, &mut out);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(run)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
