//! What a service does to one call under a fault plan.

use fanfare::fault::{Fault, FaultPlan};

use crate::dynamo::Twist;

/// The plan as it concerns one call that has reached its service.
#[derive(Debug)]
pub(crate) struct Faults<'a> {
    /// The plan, and the call's name in its trace.
    pub(crate) plan: Option<(&'a FaultPlan, &'a str)>,
    /// What DynamoDB does to it.
    pub(crate) twist: Twist,
}

/// What becomes of one entry of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Whether it takes effect.
    pub(crate) done: bool,
    /// Whether the answer speaks of it at all.
    pub(crate) answered: bool,
}

impl Fate {
    const DONE: Self = Self {
        done: true,
        answered: true,
    };
    const FAILED: Self = Self {
        done: false,
        answered: true,
    };
}

impl Faults<'_> {
    /// No faults.
    pub(crate) fn none() -> Self {
        Self {
            plan: None,
            twist: Twist::None,
        }
    }

    /// What becomes of each entry of a batch of this many. Under
    /// [`PartialBatch`](Fault::PartialBatch) at least one fails or is missing from the answer, and of
    /// several at least one is done and answered. A missing one may be done.
    pub(crate) fn fates(&self, entries: usize) -> Vec<Fate> {
        let mut fates = vec![Fate::DONE; entries];
        let Some((plan, call)) = self.plan else {
            return fates;
        };
        if entries == 0 || plan.draw(call, &[Fault::PartialBatch]).is_none() {
            return fates;
        }
        for fate in &mut fates {
            if plan.below(2) == 1 {
                let answered = plan.below(8) != 0;
                // What failed wasn't done; of what is missing nobody can tell.
                *fate = Fate {
                    done: !answered && plan.below(2) == 1,
                    answered,
                };
            }
        }
        let index = |plan: &FaultPlan| usize::try_from(plan.below(entries as u64)).unwrap_or_default();
        if fates.iter().all(|fate| *fate == Fate::DONE) {
            fates[index(plan)] = Fate::FAILED;
        } else if entries > 1 && !fates.contains(&Fate::DONE) {
            fates[index(plan)] = Fate::DONE;
        }
        fates
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Fault, FaultPlan, Faults, Twist};

    #[test]
    fn part_of_a_batch_fails_and_part_is_done() {
        let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::PartialBatch, 1.0);
        let faults = Faults {
            plan: Some((&plan, "sqs.SendMessageBatch")),
            twist: Twist::None,
        };
        let mut kinds = std::collections::BTreeSet::new();
        for entries in 1..=10 {
            for _ in 0..100 {
                let fates = faults.fates(entries);
                assert_eq!(fates.len(), entries);
                assert!(fates.iter().any(|fate| *fate != Fate::DONE), "{fates:?}");
                assert!(entries == 1 || fates.contains(&Fate::DONE), "{fates:?}");
                kinds.extend(fates.iter().map(|fate| (fate.done, fate.answered)));
            }
        }
        assert_eq!(kinds.len(), 4, "{kinds:?}");
        plan.stop();
        assert_eq!(faults.fates(3), [Fate::DONE; 3]);
    }
}
