//! Which fault happens where, drawn from a seed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Life;

/// A kind of fault.
///
/// ```
/// use fanfare::fault::Fault;
/// assert_eq!(Fault::LoseReply.name(), "lose_reply");
/// assert_eq!(Fault::ALL.len(), 11);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// A message is delivered twice.
    Duplicate,
    /// A message is delivered out of its order (standard queues only).
    Reorder,
    /// A reply comes late.
    DelayReply,
    /// The request never arrives; the caller sees an error.
    LoseRequest,
    /// The call takes effect; the caller sees an error.
    LoseReply,
    /// The call is refused as one too many.
    Throttle,
    /// Some entries of a batch fail.
    PartialBatch,
    /// A handler panics.
    Panic,
    /// The host is killed before or after the call, and restarted.
    Kill,
    /// A transaction is cancelled because it met another one.
    Conflict,
    /// An index shows an older state than the table.
    StaleRead,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Duplicate,
        Self::Reorder,
        Self::DelayReply,
        Self::LoseRequest,
        Self::LoseReply,
        Self::Throttle,
        Self::PartialBatch,
        Self::Panic,
        Self::Kill,
        Self::Conflict,
        Self::StaleRead,
    ];

    /// Its name in reports, such as `lose_reply`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::DelayReply => "delay_reply",
            Self::LoseRequest => "lose_request",
            Self::LoseReply => "lose_reply",
            Self::Throttle => "throttle",
            Self::PartialBatch => "partial_batch",
            Self::Panic => "panic",
            Self::Kill => "kill",
            Self::Conflict => "conflict",
            Self::StaleRead => "stale_read",
        }
    }

    /// How often it happens where it can, unless the plan says otherwise.
    fn default_rate(self) -> f64 {
        match self {
            Self::Duplicate | Self::Reorder => 0.02,
            Self::Kill => 0.000_5,
            _ => 0.01,
        }
    }
}

/// What became of a call under the plan.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use fanfare::fault::{Call, Fault, FaultPlan, Life};
///
/// let plan = FaultPlan::seeded(1).rates(0.0).rate(Fault::LoseReply, 1.0);
/// let mut charged = false;
/// let answer = plan.around(&Life::default(), "charge", &Fault::ALL, async { charged = true }).await;
/// assert_eq!(answer, Call::Lost);
/// assert!(charged);
/// # }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum Call<T> {
    /// It was made and answered.
    Answered(T),
    /// It was not made, or its answer was lost: the caller can't tell.
    Lost,
    /// It was refused as one too many, and not made.
    Throttled,
}

/// Faults drawn from a seed: the same seed and the same calls give the same faults.
///
/// Cheap to clone; the clones share one generator and one count. On a current-thread runtime with
/// paused time a whole run repeats exactly, so a failing seed is a test case.
///
/// ```
/// use fanfare::fault::{Fault, FaultPlan};
///
/// let plan = FaultPlan::seeded(7).rate(Fault::Throttle, 1.0);
/// assert_eq!(plan.draw("sqs.SendMessage", &[Fault::Throttle]), Some(Fault::Throttle));
/// assert_eq!(plan.injected()["throttle"], 1);
/// plan.stop();
/// assert_eq!(plan.draw("sqs.SendMessage", &[Fault::Throttle]), None);
/// ```
#[derive(Clone, Debug)]
pub struct FaultPlan(Option<Arc<Mutex<State>>>);

#[derive(Debug)]
struct State {
    random: fastrand::Rng,
    rates: BTreeMap<Fault, f64>,
    injected: BTreeMap<&'static str, u64>,
    trace: Option<Vec<String>>,
    stopped: bool,
}

impl FaultPlan {
    /// No faults, and nothing recorded.
    pub fn none() -> Self {
        Self(None)
    }

    /// Every kind of fault, at modest rates.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(State {
            random: fastrand::Rng::with_seed(seed),
            rates: Fault::ALL
                .iter()
                .map(|fault| (*fault, fault.default_rate()))
                .collect(),
            injected: BTreeMap::new(),
            trace: None,
            stopped: false,
        }))))
    }

    /// Sets how often a fault happens where it can: 0.0 never, 1.0 always.
    #[must_use]
    pub fn rate(self, fault: Fault, rate: f64) -> Self {
        if let Some(mut state) = self.state() {
            state.rates.insert(fault, rate);
        }
        self
    }

    /// Sets every kind's rate at once.
    #[must_use]
    pub fn rates(self, rate: f64) -> Self {
        Fault::ALL
            .into_iter()
            .fold(self, |plan, fault| plan.rate(fault, rate))
    }

    /// Keeps a line for every call from now on, to be read with [`trace`](Self::trace).
    #[must_use]
    pub fn traced(self) -> Self {
        if let Some(mut state) = self.state() {
            state.trace = Some(Vec::new());
        }
        self
    }

    /// No more faults from here on: for the quiet end of a run.
    pub fn stop(&self) {
        if let Some(mut state) = self.state() {
            state.stopped = true;
        }
    }

    /// Draws whether one of `possible` happens to this call; counts it if so.
    pub fn draw(&self, call: &str, possible: &[Fault]) -> Option<Fault> {
        let mut state = self.state()?;
        let state = &mut *state;
        let drawn = if state.stopped {
            None
        } else {
            // One number per call, so that the number of kinds doesn't shift what comes later.
            let mut number = state.random.f64();
            possible.iter().copied().find(|fault| {
                let rate = state.rates.get(fault).copied().unwrap_or(0.0);
                let hit = number < rate;
                number -= rate;
                hit
            })
        };
        if let Some(fault) = drawn {
            *state.injected.entry(fault.name()).or_default() += 1;
        }
        if let Some(trace) = &mut state.trace {
            trace.push(match drawn {
                Some(fault) => format!("{call} {}", fault.name()),
                None => call.to_owned(),
            });
        }
        drawn
    }

    /// A number below `bound`, for choices that belong to a fault: which entry, how late.
    pub fn below(&self, bound: u64) -> u64 {
        match self.state() {
            Some(mut state) if bound > 0 => state.random.u64(0..bound),
            _ => 0,
        }
    }

    /// Makes a call by a host under the plan: it may be lost before or after its effect, throttled,
    /// answered late, or the host may be killed around it. `possible` narrows the kinds; those that
    /// only the caller can act out (partial batches, duplicates, ...) belong to [`draw`](Self::draw).
    ///
    /// A killed host's calls never return.
    pub async fn around<T>(
        &self,
        life: &Life,
        name: &str,
        possible: &[Fault],
        call: impl Future<Output = T>,
    ) -> Call<T> {
        life.check().await;
        match self.draw(name, possible) {
            Some(Fault::LoseRequest) => return Call::Lost,
            Some(Fault::Throttle) => return Call::Throttled,
            Some(Fault::LoseReply) => {
                call.await;
                life.check().await;
                return Call::Lost;
            }
            Some(Fault::DelayReply) => {
                let answer = call.await;
                tokio::time::sleep(Duration::from_millis(self.below(2_000))).await;
                life.check().await;
                return Call::Answered(answer);
            }
            Some(Fault::Kill) => {
                if self.below(2) == 1 {
                    call.await;
                }
                life.kill();
                life.check().await;
                return Call::Lost;
            }
            _ => {}
        }
        let answer = call.await;
        // Killed while the call was under way: it took effect, and nobody is there to see it.
        life.check().await;
        Call::Answered(answer)
    }

    /// How often each kind was injected, by name.
    pub fn injected(&self) -> BTreeMap<&'static str, u64> {
        self.state()
            .map(|state| state.injected.clone())
            .unwrap_or_default()
    }

    /// Every call since [`traced`](Self::traced), with the fault it met, in order.
    pub fn trace(&self) -> Vec<String> {
        self.state()
            .and_then(|state| state.trace.clone())
            .unwrap_or_default()
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.0
            .as_ref()
            .map(|state| state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
