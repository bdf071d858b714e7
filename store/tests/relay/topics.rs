//! Topics that keep what they are given, and answer as a test tells them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fanfare::Outgoing;
use fanfare::port::{BoxFuture, Publish, PublishError};
use tokio::time::Instant;

use crate::world::Steps;

/// What happens to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It arrives.
    Confirm,
    /// It doesn't arrive, and the publisher says so.
    Fail,
    /// It arrives, and the answer is lost.
    Lose,
    /// It is refused for good.
    Refuse,
    /// It is refused as too large.
    TooLarge,
    /// The whole call never ends.
    Hang,
    /// It arrives, and the whole call takes this long.
    Late(Duration),
    /// It doesn't arrive, and the publisher takes this long to say so.
    FailLate(Duration),
}

/// A copy that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) id: String,
    pub(crate) destination: String,
    pub(crate) key: Option<String>,
    pub(crate) sequence: Option<u64>,
    pub(crate) data: String,
    pub(crate) at: Duration,
}

type Script = Box<dyn FnMut(&Outgoing) -> Answer + Send>;

struct State {
    script: Script,
    arrived: Vec<Copy>,
    calls: Vec<usize>,
    under_way: BTreeMap<String, usize>,
    most_under_way: usize,
}

/// The topics. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Topics {
    state: Arc<Mutex<State>>,
    start: Instant,
    steps: Option<Steps>,
}

impl Topics {
    /// That confirm everything.
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                script: Box::new(|_| Answer::Confirm),
                arrived: Vec::new(),
                calls: Vec::new(),
                under_way: BTreeMap::new(),
                most_under_way: 0,
            })),
            start: Instant::now(),
            steps: None,
        }
    }

    /// The same topics, as a host reaches them that may be killed at every step.
    pub(crate) fn of(&self, steps: &Steps) -> Self {
        Self {
            steps: Some(steps.clone()),
            ..self.clone()
        }
    }

    /// How they answer from now on.
    pub(crate) fn answer(&self, script: impl FnMut(&Outgoing) -> Answer + Send + 'static) {
        self.state().script = Box::new(script);
    }

    /// Every copy that arrived, in its order.
    pub(crate) fn arrived(&self) -> Vec<Copy> {
        self.state().arrived.clone()
    }

    /// The data of every copy that arrived.
    pub(crate) fn data(&self) -> Vec<String> {
        self.arrived().into_iter().map(|copy| copy.data).collect()
    }

    /// The size of each batch.
    pub(crate) fn calls(&self) -> Vec<usize> {
        self.state().calls.clone()
    }

    /// The most calls that were under way to one destination at a time.
    pub(crate) fn most_under_way(&self) -> usize {
        self.state().most_under_way
    }

    /// The first copy of each event under each key, in the order of arrival.
    pub(crate) fn first_copies(&self) -> BTreeMap<String, Vec<u64>> {
        let mut seen = std::collections::BTreeSet::new();
        let mut first = BTreeMap::<_, Vec<_>>::new();
        for copy in self.arrived() {
            if let (Some(key), Some(sequence), true) = (copy.key, copy.sequence, seen.insert(copy.id.clone()))
            {
                first.entry(key).or_default().push(sequence);
            }
        }
        first
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn step(&self) {
        if let Some(steps) = &self.steps {
            steps.step();
            steps.life.check().await;
        }
    }
}

impl Publish for Topics {
    fn publish(&self, outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            self.step().await;
            let destination = outgoing[0].destination.to_string();
            assert!(
                outgoing
                    .iter()
                    .all(|one| one.destination == outgoing[0].destination),
                "a batch goes to one destination"
            );
            let answers: Vec<_> = {
                let mut state = self.state();
                state.calls.push(outgoing.len());
                let under_way = state.under_way.entry(destination.clone()).or_default();
                *under_way += 1;
                let under_way = *under_way;
                state.most_under_way = state.most_under_way.max(under_way);
                outgoing
                    .iter()
                    .map(|outgoing| {
                        let answer = (state.script)(outgoing);
                        if matches!(answer, Answer::Confirm | Answer::Lose | Answer::Late(_)) {
                            state.arrived.push(Copy {
                                id: outgoing.envelope.id().to_owned(),
                                destination: destination.clone(),
                                key: outgoing.key.clone(),
                                sequence: outgoing.envelope.sequence(),
                                data: outgoing.envelope.data().unwrap_or_default().to_owned(),
                                at: self.start.elapsed(),
                            });
                        }
                        answer
                    })
                    .collect()
            };
            for answer in &answers {
                match answer {
                    Answer::Hang => std::future::pending().await,
                    Answer::Late(late) | Answer::FailLate(late) => tokio::time::sleep(*late).await,
                    _ => {}
                }
            }
            *self.state().under_way.get_mut(&destination).unwrap() -= 1;
            self.step().await;
            answers
                .into_iter()
                .map(|answer| match answer {
                    Answer::Fail | Answer::FailLate(_) | Answer::Lose | Answer::Hang => {
                        Err(PublishError::Retryable {
                            destination: destination.clone(),
                            reason: "out of order".into(),
                            source: None,
                        })
                    }
                    Answer::Refuse => Err(PublishError::Rejected {
                        destination: destination.clone(),
                        reason: "no such topic".into(),
                    }),
                    Answer::TooLarge => Err(PublishError::TooLarge {
                        destination: destination.clone(),
                        size: 300_000,
                        limit: 262_144,
                    }),
                    Answer::Confirm | Answer::Late(_) => Ok(()),
                })
                .collect()
        })
    }
}
