//! What is strange in how an application is put together, and may yet be meant.

/// Something strange in the wiring that is no mistake for sure.
///
/// ```
/// use fanfare::{App, Producer, WiringWarning};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct OrderPlaced { order: String }
/// # impl fanfare::Event for OrderPlaced {
/// #     const TYPE: &'static str = "order.placed";
/// #     const TOPIC: &'static str = "orders";
/// # }
/// let app = App::new("shop").producer(Producer::new("checkout").emits::<OrderPlaced>());
/// let warnings = app.topology()?.validate()?;
/// assert!(matches!(&warnings[0], WiringWarning::Untaken { ty, .. } if ty == "order.placed"));
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WiringWarning {
    /// An event that reaches nobody.
    #[error("`{by}` emits `{ty}` to `{topic}`, and nobody here takes it")]
    Untaken {
        /// Who emits it.
        by: String,
        /// The topic.
        topic: String,
        /// The type.
        ty: String,
    },
    /// An event that nobody publishes, from a topic that has others.
    #[error("`{consumer}` takes `{ty}` from `{topic}`, and nobody here emits it")]
    Unheard {
        /// Who takes it.
        consumer: String,
        /// The topic.
        topic: String,
        /// The type.
        ty: String,
    },
}
