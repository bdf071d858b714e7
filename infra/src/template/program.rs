//! How an application's binary is told what it is.

/// How an application's one binary is told which part of the application it is: a function by its
/// environment, a task by its command.
///
/// ```
/// use fanfare_infra::Program;
/// let shop = Program::new("shop");
/// assert_eq!(shop.part, "SHOP_CONSUMER");
/// assert_eq!(shop.worker, ["worker", "{consumer}", "--health", "8080"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// The environment variable with the name of the consumer that a function is, or `relay`:
    /// `{APP}_CONSUMER`.
    pub part: String,
    /// The environment variable with the account, which Lambda tells nobody: `{APP}_ACCOUNT`.
    pub account: String,
    /// The environment variable with the seconds between two times that a task writes its metrics to its log:
    /// `{APP}_METRICS`. It gets 60, and what it writes is of the application's name as namespace.
    pub metrics: String,
    /// The arguments of a worker, with `{consumer}` for its name.
    pub worker: Vec<String>,
    /// The arguments of a relay.
    pub relay: Vec<String>,
    /// The command that asks in a worker's container whether it lives; empty if there is none.
    pub healthy: Vec<String>,
}

impl Program {
    /// The usual one: `worker CONSUMER --health 8080`, `relay` and `healthy 8080`, and the binary is
    /// `/app` in its image.
    pub fn new(app: &str) -> Self {
        let prefix = app.to_ascii_uppercase().replace('-', "_");
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Self {
            part: format!("{prefix}_CONSUMER"),
            account: format!("{prefix}_ACCOUNT"),
            metrics: format!("{prefix}_METRICS"),
            worker: words(&["worker", "{consumer}", "--health", "8080"]),
            relay: words(&["relay"]),
            healthy: words(&["/app", "healthy", "8080"]),
        }
    }

    pub(super) fn worker_of(&self, consumer: &str) -> Vec<String> {
        let words = self.worker.iter();
        words.map(|word| word.replace("{consumer}", consumer)).collect()
    }
}
