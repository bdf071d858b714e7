//! What goes wrong in a run, drawn from its seed.

use std::time::Duration;

use fanfare::fault::{Fault, FaultPlan};

use super::provider::Provider;

/// The plans of one run: one for the broker, and two for each process, so that it can lose its
/// tables or its queues for a while without the other.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    pub(super) broker: FaultPlan,
    pub(super) processes: Vec<Plans>,
}

/// The plans of one process.
#[derive(Clone, Debug)]
pub(super) struct Plans {
    pub(super) name: &'static str,
    pub(super) tables: FaultPlan,
    pub(super) queues: FaultPlan,
}

/// The rate of lost requests between the times in which nothing comes through.
const LOST: f64 = 0.01;

/// The last of the processes.
const PRODUCERS: usize = 3;

impl Weather {
    pub(super) fn drawn(random: &mut fastrand::Rng, processes: &[&'static str], calm: bool) -> Self {
        // From a nearly fair day to one on which every tenth call fails.
        let force = [0.3, 1.0, 1.0, 2.0][random.usize(0..4)];
        let mut plan = |calls: bool| {
            let seed = random.u64(..);
            if calm {
                return FaultPlan::seeded(seed).rates(0.0).traced();
            }
            let plan = FaultPlan::seeded(seed)
                .rates(0.01 * force)
                .rate(Fault::LoseRequest, LOST)
                .rate(Fault::DelayReply, 0.02 * force)
                .rate(Fault::Kill, if calls { 0.006 * force } else { 0.0 })
                // Few calls have several entries, and few reads are of an index.
                .rate(Fault::PartialBatch, 0.2)
                .rate(Fault::StaleRead, 0.1)
                .rate(Fault::Duplicate, 0.5)
                .rate(Fault::Reorder, 0.15);
            plan.traced()
        };
        Self {
            broker: plan(false),
            processes: processes
                .iter()
                .map(|name| Plans {
                    name,
                    tables: plan(true),
                    queues: plan(true),
                })
                .collect(),
        }
    }

    /// Cuts one process after the other off from its tables, its queues or both, for as long as it
    /// is polled. Mostly it looks for one that waits for the provider, and cuts that one off
    /// from its tables: a holder that can't renew its lease.
    pub(super) async fn cut_off(&self, provider: &Provider, mut random: fastrand::Rng) {
        loop {
            tokio::time::sleep(Duration::from_millis(random.u64(500..3_000))).await;
            if random.u8(0..4) > 0 {
                let waiting = provider.waiting();
                let holder = self
                    .processes
                    .iter()
                    .find(|process| waiting.contains(process.name));
                if let Some(holder) = holder {
                    lose(&holder.tables, 1.0);
                    tokio::time::sleep(Duration::from_millis(random.u64(4_000..12_000))).await;
                    lose(&holder.tables, LOST);
                }
                continue;
            }
            // Mostly one of those that handle events.
            let process = match random.u8(0..10) {
                0 => &self.processes[random.usize(0..self.processes.len())],
                _ => &self.processes[random.usize(0..self.processes.len() - PRODUCERS)],
            };
            let plans: &[&FaultPlan] = match random.u8(0..4) {
                0 => &[&process.queues],
                1 => &[&process.tables, &process.queues],
                _ => &[&process.tables],
            };
            for plan in plans {
                lose(plan, 1.0);
            }
            tokio::time::sleep(Duration::from_millis(random.u64(1_000..30_000))).await;
            for plan in plans {
                lose(plan, LOST);
            }
        }
    }

    /// No more faults.
    pub(super) fn stop(&self) {
        self.plans().for_each(|(_, plan)| plan.stop());
    }

    /// Every call that was made under one of the plans, with the fault it met.
    pub(super) fn trace(&self) -> Vec<String> {
        self.plans()
            .flat_map(|(name, plan)| plan.trace().into_iter().map(move |line| format!("{name} {line}")))
            .collect()
    }

    pub(super) fn injected(&self) -> std::collections::BTreeMap<&'static str, u64> {
        let mut all = std::collections::BTreeMap::new();
        for (name, count) in self.plans().flat_map(|(_, plan)| plan.injected()) {
            *all.entry(name).or_default() += count;
        }
        all
    }

    fn plans(&self) -> impl Iterator<Item = (&'static str, &FaultPlan)> {
        let processes = self
            .processes
            .iter()
            .flat_map(|process| [(process.name, &process.tables), (process.name, &process.queues)]);
        std::iter::once(("broker", &self.broker)).chain(processes)
    }
}

/// Clones of a plan share its rates.
fn lose(plan: &FaultPlan, rate: f64) {
    let _ = plan.clone().rate(Fault::LoseRequest, rate);
}
