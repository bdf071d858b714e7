//! The environments of a function: each takes one invocation at a time, until it is killed.

use std::future::Future;

use fanfare::fault::Life;
use futures_util::future::{BoxFuture, try_join_all};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::hosts::AWAY;

/// What a function answered, or why it failed.
pub(super) type Answer = Result<Value, String>;

/// What runs in an environment, made anew in each.
pub(super) trait Code {
    /// Handles one event. Boxed, since its future's type holds all that a host and a relay do.
    fn handle(&self, event: Value) -> BoxFuture<'_, Answer>;
}

/// Invokes a function, in the next of its environments that is free. Clones invoke the same one.
#[derive(Clone)]
pub(super) struct Invoke(mpsc::Sender<Invocation>);

/// An event, and where the answer goes.
struct Invocation {
    event: Value,
    answer: oneshot::Sender<Answer>,
}

impl Invoke {
    pub(super) async fn event(self, event: Value) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = |_| "the environment was killed".to_owned();
        let sent = self.0.send(Invocation { event, answer }).await;
        sent.map_err(|_| "the function has no environment".to_owned())?;
        answered.await.map_err(gone)?
    }
}

/// Runs the mapping of a function beside so many environments, until the mapping has ended. An environment
/// that is killed takes its invocation with it, and another one is started.
pub(super) async fn beside<C, M>(
    function: &str,
    environments: usize,
    start: impl Fn(&Life) -> anyhow::Result<C>,
    mapping: impl FnOnce(Invoke) -> M,
) -> anyhow::Result<()>
where
    C: Code,
    M: Future<Output = anyhow::Result<()>>,
{
    let (invoke, waiting) = mpsc::channel(1);
    let waiting = Mutex::new(waiting);
    let lives = (0..environments).map(|_| async {
        let live = |life| environment(life, &start, &waiting);
        let (ended, kills) = Life::restart(function, AWAY, live).await;
        tracing::debug!(function, kills, "an environment has ended");
        ended
    });
    // When the mapping has ended, nobody invokes any more, and the environments end.
    tokio::try_join!(mapping(Invoke(invoke)), try_join_all(lives)).map(|_| ())
}

async fn environment<C: Code>(
    life: Life,
    start: &impl Fn(&Life) -> anyhow::Result<C>,
    waiting: &Mutex<mpsc::Receiver<Invocation>>,
) -> anyhow::Result<()> {
    let code = start(&life)?;
    loop {
        let next = waiting.lock().await.recv().await;
        let Some(Invocation { event, mut answer }) = next else {
            return Ok(());
        };
        tokio::select! {
            biased;
            answered = code.handle(event) => {
                // The invocation may have timed out just now.
                let _ = answer.send(answered);
            }
            // It has timed out, and Lambda ends the environment.
            () = answer.closed() => life.kill(),
        }
    }
}
