//! The signal that a host no longer holds a message.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells whether the host still holds the message: false, then true once and for good.
///
/// A message is lost when its visibility timeout ran out, or can't be extended further: another
/// host may be handling it by now. From then on the store refuses to commit for it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (lose, lost) = fanfare::Lost::new();
/// lose.raise();
/// lost.lost().await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Lost(Option<watch::Receiver<bool>>);

impl Lost {
    /// A signal that never comes: for a message that nothing can take away.
    pub fn never() -> Self {
        Self(None)
    }

    /// A signal and the sender that a host keeps to raise it.
    ///
    /// ```
    /// let (lose, lost) = fanfare::Lost::new();
    /// assert!(!lost.is_lost());
    /// lose.raise();
    /// assert!(lost.is_lost());
    /// ```
    pub fn new() -> (Lose, Self) {
        let (sender, receiver) = watch::channel(false);
        (Lose(Arc::new(sender)), Self(Some(receiver)))
    }

    /// Whether the message is lost already.
    pub fn is_lost(&self) -> bool {
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow())
    }

    /// Resolves when the message is lost; never, while the host holds it. Safe to cancel.
    pub async fn lost(&self) {
        if let Some(receiver) = &self.0 {
            let mut receiver = receiver.clone();
            if receiver.wait_for(|lost| *lost).await.is_ok() {
                return;
            }
        }
        // The host let go of its end without raising it: the message is settled.
        std::future::pending().await
    }
}

/// The host's end of [`Lost`].
///
/// ```
/// let (lose, lost) = fanfare::Lost::new();
/// drop(lose); // settled: it can't be lost any more
/// assert!(!lost.is_lost());
/// ```
#[derive(Clone, Debug)]
pub struct Lose(Arc<watch::Sender<bool>>);

impl Lose {
    /// Says that the message is lost. Saying it twice is harmless.
    pub fn raise(&self) {
        self.0.send_replace(true);
    }
}
