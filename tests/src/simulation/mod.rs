//! A small shop under a fault plan, run on tokio's paused clock, and held against a pure model.
//!
//! Two processes, each with all consumers and a relay of its own, are killed between any two calls,
//! started anew, cut off from their tables and queues, and their messages come twice and out of
//! order. Then the storm is over, dead letters are redriven, and once nothing moves any more the
//! tables must hold exactly what the model says: a seed that ends otherwise is a test case.
//!
//! Some consumers can be Lambda functions instead, behind mappings of their queues, with environments that
//! are killed in the middle of an invocation and invocations whose answers get lost.

mod audit;
mod events;
mod function;
mod model;
mod process;
mod producers;
mod provider;
mod shop;
mod table;
mod weather;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fanfare_store::Mutation;

pub use audit::{Problem, ProblemKind};

/// The application's name.
const APP: &str = "sim";
/// The store's table.
const RECORDS: &str = "records";

/// One run, to be set up and started.
///
/// ```no_run
/// let report = fanfare_tests::simulation::Simulation::seeded(17).run()?;
/// assert!(report.problems.is_empty(), "{report}");
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    seed: u64,
    mutation: Option<Mutation>,
    calm: bool,
    functions: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What is not as the model says. Nothing, if all is well.
    pub problems: Vec<Problem>,
    /// Every call that was made, with the fault it met.
    pub trace: Vec<String>,
    /// How often each fault was injected, by its name.
    pub injected: BTreeMap<&'static str, u64>,
    /// How often a process was killed.
    pub kills: u64,
    /// How often a function was invoked.
    pub invocations: u64,
    /// How many dead letters were redriven.
    pub redriven: usize,
    /// How often a lease was taken over from a holder that was still at work.
    pub overlaps: usize,
    /// How long it took, on the simulated clock.
    pub took: Duration,
}

impl Simulation {
    /// The run of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            mutation: None,
            calm: false,
            functions: false,
        }
    }

    /// The same with the store broken in this way.
    #[must_use]
    pub fn mutated(self, mutation: Mutation) -> Self {
        Self {
            mutation: Some(mutation),
            ..self
        }
    }

    /// The same on a day on which nothing goes wrong.
    #[must_use]
    pub fn calm(self) -> Self {
        Self { calm: true, ..self }
    }

    /// The same with some consumers, and in some runs all, as Lambda functions.
    #[must_use]
    pub fn with_functions(self) -> Self {
        Self {
            functions: true,
            ..self
        }
    }

    /// Runs it on this thread, whose random generator it takes.
    ///
    /// # Errors
    /// The run itself could not be set up. What went wrong in it is in the report.
    pub fn run(&self) -> anyhow::Result<Report> {
        process::keep_planned_panics_quiet();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        fastrand::seed(self.seed);
        runtime.block_on(world::run(*self))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {} problems; {} calls in {:?}, {} kills, {} invocations, {} redriven, {} overlaps, faults {:?}",
            self.seed,
            self.problems.len(),
            self.trace.len(),
            self.took,
            self.kills,
            self.invocations,
            self.redriven,
            self.overlaps,
            self.injected
        )?;
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        let functions = match self.invocations {
            0 => "",
            _ => "FANFARE_FUNCTIONS=1 ",
        };
        write!(
            f,
            "replay it with: {functions}FANFARE_SEED={} cargo test -p fanfare-tests --test simulation one_seed -- \
             --nocapture",
            self.seed
        )
    }
}
