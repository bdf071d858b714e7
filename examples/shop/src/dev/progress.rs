//! How far the run is, on standard error: a bar on a terminal, else a line now and then.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};

use crate::email;

use super::counters::Counters;

/// Shows how far the run is.
pub(super) struct Progress {
    orders: u64,
    counters: Counters,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of so many orders; by what these counters say.
    pub(super) fn new(orders: u64, counters: Counters) -> anyhow::Result<Self> {
        let bar = match std::io::stderr().is_terminal() {
            true => {
                let style = ProgressStyle::with_template("{bar:32} {pos}/{len} ended, {msg}")?;
                let bar = ProgressBar::with_draw_target(Some(orders), ProgressDrawTarget::stderr());
                Some(bar.with_style(style))
            }
            false => None,
        };
        Ok(Self {
            orders,
            counters,
            bar,
        })
    }

    /// Shows it until dropped.
    pub(super) async fn show(&self, placed: impl Fn() -> u64, faults: impl Fn() -> u64) -> Infallible {
        let pause = match self.bar {
            Some(_) => Duration::from_millis(100),
            None => Duration::from_secs(2),
        };
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = 0;
        loop {
            ticks.tick().await;
            let applied = self.counters.applied();
            let pace = (applied - before) as f64 / pause.as_secs_f64();
            before = applied;
            // Each order ends with one mail.
            let ended = self.counters.of(email::NAME).applied;
            let mut text = format!("{} placed, {pace:.0} events/s", placed());
            if let faults @ 1.. = faults() {
                text.push_str(&format!(", {faults} faults"));
            }
            match &self.bar {
                Some(bar) => {
                    bar.set_position(ended);
                    bar.set_message(text);
                }
                None => eprintln!("{ended}/{} ended, {text}", self.orders),
            }
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
