//! How an application's binary is told what it is.

use fanfare::topology::Service;

/// How an application's one binary is told which part of the application it is: a function by its
/// environment, a task by its command.
///
/// ```
/// use fanfare_infra::Program;
/// let shop = Program::new("shop");
/// assert_eq!(shop.part, "SHOP_CONSUMER");
/// assert_eq!(shop.worker, ["worker", "{consumer}", "--health", "8080"]);
/// assert_eq!(shop.listen, ["--listen", "0.0.0.0:{port}"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// The environment variable with the name of the consumer that a function is, or `relay`:
    /// `{APP}_CONSUMER`.
    pub part: String,
    /// The environment variable with the account, which neither Lambda nor ECS tells: `{APP}_ACCOUNT`.
    pub account: String,
    /// The environment variable with where the queues and topics are that a part uses, as
    /// [`Account::with_resources`](fanfare::Account::with_resources) reads it: `{APP}_RESOURCES`. A consumer that
    /// is a function learns its queue from the events, and gets none.
    pub resources: String,
    /// The environment variable with the seconds between two times that a task writes its metrics to its log:
    /// `{APP}_METRICS`. It gets 60, and what it writes is of the application's name as namespace.
    pub metrics: String,
    /// The arguments of a worker, with `{consumer}` for its name.
    pub worker: Vec<String>,
    /// The arguments of a relay.
    pub relay: Vec<String>,
    /// The arguments of a service that serves no queue, with `{service}` for its name.
    pub service: Vec<String>,
    /// What comes behind them if it listens, with `{port}` for where.
    pub listen: Vec<String>,
    /// The command that asks in the container of a worker, or of a service that listens, whether it lives,
    /// with `{port}` for where; empty if there is none.
    pub healthy: Vec<String>,
}

impl Program {
    /// The usual one: `worker CONSUMER --health 8080`, `relay`, `SERVICE --listen 0.0.0.0:PORT` and
    /// `healthy PORT`, and the binary is `/app` in its image.
    pub fn new(app: &str) -> Self {
        let prefix = app.to_ascii_uppercase().replace('-', "_");
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Self {
            part: format!("{prefix}_CONSUMER"),
            account: format!("{prefix}_ACCOUNT"),
            resources: format!("{prefix}_RESOURCES"),
            metrics: format!("{prefix}_METRICS"),
            worker: words(&["worker", "{consumer}", "--health", "8080"]),
            relay: words(&["relay"]),
            service: words(&["{service}"]),
            listen: words(&["--listen", "0.0.0.0:{port}"]),
            healthy: words(&["/app", "healthy", "{port}"]),
        }
    }

    pub(super) fn worker_of(&self, consumer: &str) -> Vec<String> {
        filled(&self.worker, "{consumer}", consumer)
    }

    pub(super) fn service_of(&self, service: &Service) -> Vec<String> {
        let mut words = filled(&self.service, "{service}", &service.name);
        if let Some(port) = service.port {
            words.extend(filled(&self.listen, "{port}", &port.to_string()));
        }
        words
    }

    /// What asks on this port.
    pub(super) fn healthy_on(&self, port: u16) -> Option<Vec<String>> {
        (!self.healthy.is_empty()).then(|| filled(&self.healthy, "{port}", &port.to_string()))
    }
}

fn filled(words: &[String], what: &str, with: &str) -> Vec<String> {
    words.iter().map(|word| word.replace(what, with)).collect()
}
