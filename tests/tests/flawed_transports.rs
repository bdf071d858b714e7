//! The suite can fail: each flaw in a transport breaks the promise that is about it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use fanfare::memory::{MemoryQueue, Receipt};
use fanfare::port::{BoxFuture, Completed, DeadLetter, Publish, PublishError, Queue, QueueError, Received};
use fanfare::{Attributes, Clock, Envelope, Handled, Outcome, Outgoing, RouterService, Topology};
use fanfare_tests::conformance::{self, InProcess, Topics, Transport, World};
use tokio::runtime::Runtime;

/// What others have shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// Confirms what it doesn't take.
    ConfirmsAll,
    ForgetsOneConsumer,
    FiltersNothing,
    ReceivesTooMany,
    DropsAttributes,
    MangledText,
    PollsOnce,
    IgnoresExtensions,
    IgnoresReleases,
    IgnoresDelays,
    CountsNothing,
    DeletesNothing,
    HidesErrors,
    DeletesDeadLetters,
    KeepsDeadLetters,
    RedrivesNothing,
    ReversesBatches,
    NewIdEachTime,
    BlocksNoGroup,
    DeletesWhatFailed,
    QuotesBodies,
}

/// The in-process broker with a flaw.
struct Flawed(Flaw);

#[derive(Clone, Debug)]
struct FlawedWorld {
    inner: Topics,
    flaw: Flaw,
}

impl Transport for Flawed {
    type World = FlawedWorld;

    fn runtime(&self) -> std::io::Result<Runtime> {
        InProcess.runtime()
    }

    async fn world(&self, topology: &Topology) -> anyhow::Result<FlawedWorld> {
        let mut topology = topology.clone();
        for consumer in &mut topology.consumers {
            consumer.fifo &= self.0 != Flaw::BlocksNoGroup;
            for subscription in &mut consumer.subscriptions {
                if self.0 == Flaw::FiltersNothing {
                    subscription.filter_policy = serde_json::json!({});
                }
            }
        }
        let inner = InProcess.world(&topology).await?;
        Ok(FlawedWorld { inner, flaw: self.0 })
    }
}

impl World for FlawedWorld {
    type Queue = FlawedQueue;

    fn publisher(&self) -> Arc<dyn Publish> {
        Arc::new(FlawedPublisher {
            inner: self.inner.publisher(),
            flaw: self.flaw,
        })
    }

    fn queue(&self, consumer: &str) -> FlawedQueue {
        // What only others get, nobody receives here.
        let forgotten = self.flaw == Flaw::ForgetsOneConsumer && consumer == "shipping";
        let consumer = if forgotten { "bookkeeping" } else { consumer };
        FlawedQueue {
            inner: self.inner.queue(consumer),
            flaw: self.flaw,
        }
    }

    fn dead_letters(&self, consumer: &str) -> FlawedQueue {
        FlawedQueue {
            inner: self.inner.dead_letters(consumer),
            flaw: Flaw::None,
        }
    }

    async fn redrive(&self, consumer: &str) -> anyhow::Result<()> {
        match self.flaw {
            Flaw::RedrivesNothing => Ok(()),
            _ => self.inner.redrive(consumer).await,
        }
    }

    async fn send(&self, consumer: &str, body: &str, attributes: Attributes) -> anyhow::Result<()> {
        let quoted = serde_json::json!(body).to_string();
        let body = if self.flaw == Flaw::QuotesBodies {
            &quoted
        } else {
            body
        };
        self.inner.send(consumer, body, attributes).await
    }

    fn serve(
        &self,
        service: RouterService,
        completed: Option<Arc<dyn Completed>>,
        shutdown: BoxFuture<'static, ()>,
    ) -> BoxFuture<'static, ()> {
        if self.flaw != Flaw::DeletesWhatFailed {
            return self.inner.serve(service, completed, shutdown);
        }
        let host = fanfare::host::Host::of(self.inner.queue(service.consumer()), &service);
        let careless = tower::ServiceExt::map_response(service, |_| Outcome::handled(None, Handled::Applied));
        Box::pin(host.serve(careless, shutdown))
    }

    fn clock(&self) -> Clock {
        self.inner.clock()
    }
}

struct FlawedPublisher {
    inner: Arc<dyn Publish>,
    flaw: Flaw,
}

impl Publish for FlawedPublisher {
    fn publish(&self, mut outgoing: Vec<Outgoing>) -> BoxFuture<'_, Vec<Result<(), PublishError>>> {
        Box::pin(async move {
            match self.flaw {
                Flaw::ReversesBatches => outgoing.reverse(),
                Flaw::NewIdEachTime => outgoing.iter_mut().for_each(|one| {
                    let mut json: serde_json::Value = serde_json::from_str(&one.envelope.to_json()).unwrap();
                    json["id"] = fanfare::new_id(&Clock::system()).into();
                    one.envelope = Envelope::parse(&json.to_string()).unwrap();
                }),
                _ => {}
            }
            let results = self.inner.publish(outgoing).await;
            match self.flaw {
                Flaw::ConfirmsAll => results.iter().map(|_| Ok(())).collect(),
                _ => results,
            }
        })
    }
}

#[derive(Clone, Debug)]
struct FlawedQueue {
    inner: MemoryQueue,
    flaw: Flaw,
}

impl FlawedQueue {
    fn results(&self, results: Vec<Result<(), QueueError>>) -> Vec<Result<(), QueueError>> {
        match self.flaw {
            Flaw::HidesErrors => results.iter().map(|_| Ok(())).collect(),
            _ => results,
        }
    }
}

fn nothing_done<T>(entries: &[T]) -> Vec<Result<(), QueueError>> {
    entries.iter().map(|_| Ok(())).collect()
}

impl Queue for FlawedQueue {
    type Receipt = Receipt;

    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received<Receipt>>, QueueError> {
        let (max, wait) = match self.flaw {
            Flaw::ReceivesTooMany => (10, wait),
            Flaw::PollsOnce => (max, Duration::ZERO),
            _ => (max, wait),
        };
        let mut received = self.inner.receive(max, wait).await?;
        for received in &mut received {
            let message = &mut received.message;
            match self.flaw {
                Flaw::DropsAttributes => message.attributes.clear(),
                Flaw::MangledText => {
                    let ascii = message
                        .body
                        .chars()
                        .map(|char| if char.is_ascii() { char } else { '?' });
                    message.body = ascii.collect();
                }
                Flaw::CountsNothing => message.receive_count = 1,
                _ => {}
            }
        }
        Ok(received)
    }

    async fn delete(&self, receipts: Vec<Receipt>) -> Vec<Result<(), QueueError>> {
        match self.flaw {
            Flaw::DeletesNothing => nothing_done(&receipts),
            _ => self.inner.delete(receipts).await,
        }
    }

    async fn extend(&self, receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        match self.flaw {
            Flaw::IgnoresExtensions => nothing_done(&receipts),
            _ => self.results(self.inner.extend(receipts).await),
        }
    }

    async fn release(&self, mut receipts: Vec<(Receipt, Duration)>) -> Vec<Result<(), QueueError>> {
        match self.flaw {
            Flaw::IgnoresReleases => return nothing_done(&receipts),
            Flaw::IgnoresDelays => receipts.iter_mut().for_each(|(_, after)| *after = Duration::ZERO),
            _ => {}
        }
        self.results(self.inner.release(receipts).await)
    }

    async fn dead_letter(
        &self,
        letters: Vec<(Received<Receipt>, DeadLetter)>,
    ) -> Vec<Result<(), QueueError>> {
        match self.flaw {
            Flaw::DeletesDeadLetters => {
                self.inner
                    .delete(
                        letters
                            .into_iter()
                            .map(|(received, _)| received.receipt)
                            .collect(),
                    )
                    .await
            }
            Flaw::KeepsDeadLetters => nothing_done(&letters),
            _ => self.inner.dead_letter(letters).await,
        }
    }
}

/// Each flaw, and the promises that it breaks (and perhaps others).
const BROKEN: &[(Flaw, &[&str])] = &[
    (Flaw::ConfirmsAll, &["a_batch_of_ten_is_answered_entry_by_entry"]),
    (
        Flaw::ForgetsOneConsumer,
        &["every_subscriber_gets_a_copy_of_its_own"],
    ),
    (
        Flaw::FiltersNothing,
        &["a_subscriber_gets_only_the_types_it_handles"],
    ),
    (
        Flaw::ReceivesTooMany,
        &["a_receive_gives_at_most_what_it_asked_for"],
    ),
    (
        Flaw::DropsAttributes,
        &[
            "attributes_survive",
            "a_dead_letter_keeps_body_and_attributes_and_gains_its_reason",
        ],
    ),
    (Flaw::MangledText, &["unicode_survives"]),
    (
        Flaw::PollsOnce,
        &[
            "a_long_poll_wakes_for_a_message",
            "a_long_poll_for_nothing_ends_after_its_wait",
        ],
    ),
    (Flaw::IgnoresExtensions, &["an_extension_keeps_a_message_hidden"]),
    (
        Flaw::IgnoresReleases,
        &[
            "a_released_message_comes_back_at_once",
            "a_released_message_comes_back_after_its_delay",
        ],
    ),
    (
        Flaw::IgnoresDelays,
        &[
            "a_released_message_comes_back_after_its_delay",
            "a_released_head_comes_back_before_its_followers",
        ],
    ),
    (
        Flaw::CountsNothing,
        &["the_receive_count_grows_with_each_receive"],
    ),
    (
        Flaw::DeletesNothing,
        &["delete_is_final", "a_settled_batch_has_one_result_per_entry"],
    ),
    (
        Flaw::HidesErrors,
        &[
            "a_deleted_message_can_not_be_held",
            "a_receipt_is_stale_after_the_next_receive",
            "a_settled_batch_has_one_result_per_entry",
        ],
    ),
    (
        Flaw::DeletesDeadLetters,
        &[
            "a_dead_letter_keeps_body_and_attributes_and_gains_its_reason",
            "a_message_with_ten_attributes_becomes_a_dead_letter",
            "a_fifo_dead_letter_can_be_redriven_and_dead_lettered_again",
        ],
    ),
    (
        Flaw::KeepsDeadLetters,
        &[
            "a_dead_letter_leaves_its_queue",
            "a_group_goes_on_after_its_head_became_a_dead_letter",
        ],
    ),
    (
        Flaw::RedrivesNothing,
        &[
            "a_redriven_message_has_a_new_id_and_all_its_receives",
            "a_message_that_the_queue_gave_up_can_be_redriven",
        ],
    ),
    (Flaw::ReversesBatches, &["fifo_keeps_the_order_of_a_group"]),
    (
        Flaw::NewIdEachTime,
        &[
            "fifo_drops_a_repeat",
            "an_effect_is_applied_exactly_once_under_duplicates",
        ],
    ),
    (
        Flaw::BlocksNoGroup,
        &["a_group_waits_while_one_of_it_is_in_flight"],
    ),
    (Flaw::QuotesBodies, &["raw_and_wrapped_bodies_are_both_handled"]),
    (
        Flaw::DeletesWhatFailed,
        &[
            "a_body_that_is_no_event_becomes_a_dead_letter_with_its_reason",
            "an_unknown_type_is_put_back_and_then_becomes_a_dead_letter",
            "a_failed_event_is_tried_again_after_its_pause",
            "a_terminal_failure_becomes_a_dead_letter_at_once",
            "a_panic_costs_one_attempt_of_one_message",
        ],
    ),
];

#[test]
fn each_flaw_breaks_its_promise() {
    for (flaw, promises) in BROKEN {
        for promise in *promises {
            let result = conformance::run(&Flawed(*flaw), promise);
            assert!(result.is_err(), "{promise} holds in spite of {flaw:?}");
        }
    }
}

#[test]
fn without_a_flaw_all_promises_hold() {
    for case in conformance::CASES {
        conformance::run(&Flawed(Flaw::None), case).unwrap();
    }
}

#[test]
fn a_case_that_is_not_there_is_an_error() {
    assert!(conformance::run(&InProcess, "everything_is_fine").is_err());
}

#[test]
fn every_promise_is_broken_by_some_flaw() {
    let flaws: Vec<Flaw> = BROKEN.iter().map(|(flaw, _)| *flaw).collect();
    let unbroken: Vec<_> = conformance::CASES
        .iter()
        .filter(|case| {
            flaws
                .iter()
                .all(|flaw| conformance::run(&Flawed(*flaw), case).is_ok())
        })
        .collect();
    assert!(unbroken.is_empty(), "no flaw shows in {unbroken:?}");
}
