//! The world that fanfare is tested in.
//!
//! [`mod@conformance`] is what every transport promises, as cases that run against any of them;
//! [`simulation`] is a small shop under a fault plan with an exact audit, [`lambda`] how both call a
//! function.

pub mod conformance;
pub mod lambda;
pub mod simulation;

/// The code in the README and the guide, compiled and run.
#[cfg(doctest)]
mod prose {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/guide/exactly-once.md")]
    struct ExactlyOnce;
    #[doc = include_str!("../../docs/guide/changing-events.md")]
    struct ChangingEvents;
    #[doc = include_str!("../../docs/guide/breaking-it-on-purpose.md")]
    struct BreakingItOnPurpose;
    #[doc = include_str!("../../docs/guide/on-sns-and-sqs.md")]
    struct OnSnsAndSqs;
    #[doc = include_str!("../../docs/guide/on-lambda.md")]
    struct OnLambda;
}
