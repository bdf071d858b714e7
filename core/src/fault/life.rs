//! The life of a host: until it is killed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// One life of a host. Everything the host calls through checks it, so that a killed host does
/// nothing more: its calls never return, and what its destructors try is refused.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use fanfare::fault::Life;
///
/// let life = Life::new("billing");
/// assert!(!life.is_over());
/// life.kill();
/// life.killed().await;
/// assert!(life.is_over());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Life {
    name: Arc<str>,
    over: Arc<watch::Sender<bool>>,
}

impl Life {
    /// A new life of the host of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            over: Arc::new(watch::Sender::new(false)),
        }
    }

    /// The host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends it, as SIGKILL would.
    pub fn kill(&self) {
        self.over.send_replace(true);
    }

    /// Whether it has ended. To be asked by anything a destructor calls.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Resolves when it ends.
    pub async fn killed(&self) {
        let mut over = self.over.subscribe();
        // The sender lives in `self`, so that this can't fail.
        let _ = over.wait_for(|over| *over).await;
    }

    /// Returns at once while the host lives, and never afterwards.
    pub async fn check(&self) {
        if self.is_over() {
            std::future::pending::<()>().await;
        }
    }

    /// Runs a host and starts it anew, after `pause`, each time the plan kills it; returns when it
    /// ends by itself, with how often it was killed. Each life gets a `Life` of its own: build
    /// everything the host calls through with that one.
    pub async fn restart<F, T>(name: &str, pause: Duration, mut host: impl FnMut(Life) -> F) -> (T, u64)
    where
        F: Future<Output = T>,
    {
        let mut kills = 0;
        loop {
            let life = Life::new(name);
            let run = host(life.clone());
            tokio::select! {
                biased;
                () = life.killed() => {}
                ended = run => return (ended, kills),
            }
            kills += 1;
            tokio::time::sleep(pause).await;
        }
    }
}

impl Default for Life {
    /// A life that nothing ends, for hosts without a fault plan.
    fn default() -> Self {
        Self::new("host")
    }
}
