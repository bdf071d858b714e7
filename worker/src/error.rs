//! Why a worker can't be connected or served.

use fanfare::BoxError;

/// Why a queue or worker can't be connected.
///
/// ```
/// use fanfare_worker::ConnectError;
/// let error = ConnectError::NoQueue { queue: "shop-billing".into() };
/// assert!(error.to_string().starts_with("there is no queue `shop-billing`"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The queue isn't there.
    #[error(
        "there is no queue `{queue}` in this account and region: deploy the application's topics and \
         queues first, or look at AWS_REGION and AWS_ENDPOINT_URL"
    )]
    NoQueue {
        /// The queue's name.
        queue: String,
    },
    /// A call that the connection needs failed.
    #[error("{call} on queue `{queue}` failed: {reason}; {advice}")]
    Call {
        /// The call.
        call: &'static str,
        /// The queue's name.
        queue: String,
        /// What went wrong.
        reason: String,
        /// What to do about it.
        advice: &'static str,
        /// The SDK's error.
        #[source]
        source: BoxError,
    },
    /// The queue is set up in a way that the consumer can't be served from.
    #[error("queue `{queue}` can't be served: {problem}")]
    Settings {
        /// The queue's name.
        queue: String,
        /// What is wrong, and what to do about it.
        problem: String,
    },
    /// The topology doesn't have the consumer.
    #[error("the application `{app}` has no consumer `{consumer}`: make the topology from the same `App`")]
    NoConsumer {
        /// The application.
        app: String,
        /// The consumer.
        consumer: String,
    },
}

/// Why a worker doesn't serve.
///
/// ```
/// use fanfare_worker::ServeError;
/// let taken = std::io::Error::from(std::io::ErrorKind::AddrInUse);
/// let error = ServeError::Health { port: 8080, source: taken };
/// assert_eq!(error.to_string(), "there can be no health checks on port 8080");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The port for health checks can't be opened.
    #[error("there can be no health checks on port {port}")]
    Health {
        /// The port.
        port: u16,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}
