//! Sees to it that every kind of fault comes up.

use std::convert::Infallible;
use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan};

/// How often to look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The kinds that have not been injected yet.
pub(super) fn missing(plan: &FaultPlan) -> Vec<Fault> {
    let injected = plan.injected();
    let missing = Fault::ALL
        .into_iter()
        .filter(|fault| !injected.contains_key(fault.name()));
    missing.collect()
}

/// Makes the kinds that are still missing likelier the nearer the end is; a kind that has come up is as
/// rare as it always was. `done` says how much of the run is over, from 0 to 1.
pub(super) async fn force(plan: &FaultPlan, done: impl Fn() -> f64) -> Infallible {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let missing = missing(plan);
        let forced = match done() {
            done if done < 0.3 => None,
            done if done < 0.6 => Some(0.05),
            done if done < 0.8 => Some(0.2),
            _ => Some(0.5),
        };
        for fault in Fault::ALL {
            let forced = forced.filter(|_| missing.contains(&fault));
            // The clones share their rates.
            let _ = plan.clone().rate(fault, forced.unwrap_or(usual(fault)));
        }
    }
}

/// How often a kind happens that need not be forced.
fn usual(fault: Fault) -> f64 {
    match fault {
        Fault::Kill => 0.000_5,
        _ => 0.01,
    }
}
