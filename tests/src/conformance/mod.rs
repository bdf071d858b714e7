//! What every transport promises, as cases that run against any of them.
//!
//! A transport implements [`Transport`] and runs all cases, each as a test of its own, by
//!
//! ```
//! use fanfare_tests::conformance::InProcess;
//! fanfare_tests::conformance!(InProcess);
//! # fn main() {}
//! ```
//!
//! Attributes after the transport are those of each test: `conformance!(LocalStack, #[ignore = "why"])`.
//!
//! A case that needs what the transport [can't do](Capabilities) is left out, and says so. No case
//! knows what it runs against: they use the ports and [`World`] alone.

mod capability;
mod fixture;
mod in_process;
mod lambda;
mod local;
mod localstack;
mod sdk;
mod stage;
mod transport;

pub use capability::{Capabilities, Capability};
pub use in_process::{InProcess, Topics};
pub use lambda::{Functions, Lambda};
pub use local::{LocalInProcess, LocalOnSocket};
pub use localstack::LocalStack;
pub use sdk::Sdk;
pub use stage::Stage;
pub use transport::{Transport, World};

/// Takes the list of cases; makes [`CASES`], [`run`] and the macro `conformance!` of it.
macro_rules! cases {
    ($d:tt $($module:ident { $($case:ident $([$($need:ident),+])?),+ $(,)? })+) => {
        $(mod $module;)+

        /// The names of all cases.
        pub const CASES: &[&str] = &[$($(stringify!($case)),+),+];

        /// Runs one case.
        ///
        /// # Errors
        /// The promise is broken, or there is no such case.
        pub fn run<T: Transport>(transport: &T, case: &str) -> anyhow::Result<()> {
            match case {
                $($(stringify!($case) => {
                    stage::run(transport, case, &[$($(Capability::$need),+)?], $module::$case)
                })+)+
                _ => anyhow::bail!("there is no case `{case}`"),
            }
        }

        /// Makes a test of each case of the suite, run against this [transport](Transport).
        #[macro_export]
        macro_rules! conformance {
            ($d transport:expr $d(, #[$d attribute:meta])* $d(,)?) => {
                $($(
                    #[test]
                    $d(#[$d attribute])*
                    fn $case() {
                        if let Err(broken) = $crate::conformance::run(&$d transport, stringify!($case)) {
                            panic!("{broken:?}");
                        }
                    }
                )+)+
            };
        }
    };
}

cases! { $
    delivery {
        what_is_published_is_delivered_at_least_once,
        every_subscriber_gets_a_copy_of_its_own,
        a_subscriber_gets_only_the_types_it_handles,
        a_command_goes_to_its_consumer_alone,
        a_batch_of_ten_is_answered_entry_by_entry [PartialBatch],
        a_receive_gives_at_most_what_it_asked_for,
        attributes_survive,
        unicode_survives,
        a_long_poll_wakes_for_a_message,
        a_long_poll_for_nothing_ends_after_its_wait,
    }
    visibility {
        a_received_message_is_hidden_until_its_visibility_timeout,
        an_extension_keeps_a_message_hidden,
        a_released_message_comes_back_at_once,
        a_released_message_comes_back_after_its_delay,
        the_receive_count_grows_with_each_receive,
        delete_is_final,
        a_deleted_message_can_not_be_held,
        a_receipt_is_stale_after_the_next_receive [RefusesStaleReceipts],
        a_settled_batch_has_one_result_per_entry,
    }
    dead_letters {
        a_message_received_too_often_becomes_a_dead_letter,
        a_dead_letter_keeps_body_and_attributes_and_gains_its_reason,
        a_dead_letter_leaves_its_queue,
        a_message_with_ten_attributes_becomes_a_dead_letter,
        a_redriven_message_has_a_new_id_and_all_its_receives [Redrive],
        a_message_that_the_queue_gave_up_can_be_redriven [Redrive],
    }
    fifo {
        fifo_keeps_the_order_of_a_group [Fifo],
        a_group_waits_while_one_of_it_is_in_flight [Fifo],
        a_released_head_comes_back_before_its_followers [Fifo],
        a_group_goes_on_after_its_head_became_a_dead_letter [Fifo],
        fifo_drops_a_repeat [Fifo],
        fifo_takes_a_repeat_after_five_minutes [Fifo, SkipsTime],
        a_fifo_dead_letter_can_be_redriven_and_dead_lettered_again [Fifo, Redrive],
    }
    hosting {
        raw_and_wrapped_bodies_are_both_handled,
        a_body_that_is_no_event_becomes_a_dead_letter_with_its_reason,
        an_unknown_type_is_put_back_and_then_becomes_a_dead_letter [SkipsTime],
        a_failed_event_is_tried_again_after_its_pause,
        a_terminal_failure_becomes_a_dead_letter_at_once,
        a_panic_costs_one_attempt_of_one_message,
        an_effect_is_applied_exactly_once_under_duplicates,
        a_redriven_event_is_handled_once [Redrive],
    }
}
