//! Whether anything is left to do, as far as approximate counts tell.

use std::time::Duration;

use fanfare::Topology;
use tokio::time::Instant;

use super::{Aws, Counts};
use crate::Deps;

/// How many looks in a row must find nothing. SNS holds a message for a moment before it lies in a queue,
/// and the outbox's index lags behind its table.
pub(crate) const LOOKS: u32 = 3;

/// How many of them leave no doubt: SQS's counts are right a minute after the last message was sent.
pub(crate) const CERTAIN: u32 = 60;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How long nothing may change while something is left. Longer than a visibility timeout, and than
/// the first pauses of a message that fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// What one look found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sight {
    /// Messages in queues.
    waiting: u64,
    in_flight: u64,
    /// Records in the outbox.
    outbox: u64,
    /// How often something was handled, as far as this process knows.
    handled: u64,
}

impl Sight {
    fn is_empty(self) -> bool {
        self.waiting + self.in_flight + self.outbox == 0
    }
}

/// What the looks so far come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Busy,
    Quiet,
    Stuck,
}

/// The looks so far.
#[derive(Debug)]
struct Looks {
    needed: u32,
    last: Sight,
    /// Since when every look found the same.
    since: Instant,
    empty_in_a_row: u32,
}

impl Looks {
    fn new(needed: u32, now: Instant) -> Self {
        Self {
            needed,
            last: Sight::default(),
            since: now,
            empty_in_a_row: 0,
        }
    }

    fn add(&mut self, sight: Sight, now: Instant) -> Standing {
        if sight != self.last {
            self.since = now;
            self.empty_in_a_row = 0;
        }
        self.last = sight;
        match sight.is_empty() {
            true => {
                self.empty_in_a_row += 1;
                match self.empty_in_a_row >= self.needed {
                    true => Standing::Quiet,
                    false => Standing::Busy,
                }
            }
            false if now - self.since >= PATIENCE => Standing::Stuck,
            false => Standing::Busy,
        }
    }
}

/// Waits until so many looks in a row found no message in a queue, none in flight, no event in the
/// outbox, and nothing handled in between.
///
/// # Errors
/// Nothing has changed for three minutes though something is left, or something can't be asked.
pub(crate) async fn watch(
    aws: &Aws,
    deps: &Deps,
    topology: &Topology,
    looks: u32,
    handled: impl Fn() -> u64,
) -> anyhow::Result<()> {
    let mut looks = Looks::new(looks, Instant::now());
    loop {
        let counts = aws.counts(topology).await?;
        let sight = Sight {
            waiting: counts.iter().map(|counts| counts.waiting).sum(),
            in_flight: counts.iter().map(|counts| counts.in_flight).sum(),
            outbox: deps.store.outbox_status().await?.pending,
            handled: handled(),
        };
        tracing::debug!(?sight, "is it quiet?");
        match looks.add(sight, Instant::now()) {
            Standing::Quiet => return Ok(()),
            Standing::Busy => tokio::time::sleep(PAUSE).await,
            Standing::Stuck => anyhow::bail!(stuck(sight.outbox, &counts)),
        }
    }
}

fn stuck(outbox: u64, counts: &[Counts]) -> String {
    let mut text = format!("nothing has happened for {PATIENCE:?}, and still there is something left:");
    if outbox > 0 {
        text.push_str(&format!(" {outbox} records in the outbox (is a relay running?),"));
    }
    for counts in counts
        .iter()
        .filter(|counts| counts.waiting + counts.in_flight > 0)
    {
        let Counts {
            consumer,
            waiting,
            in_flight,
            ..
        } = counts;
        text.push_str(&format!(
            " {waiting} messages that wait for {consumer} and {in_flight} in flight (is its worker running?),"
        ));
    }
    text.trim_end_matches(',').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: Sight = Sight {
        waiting: 0,
        in_flight: 0,
        outbox: 0,
        handled: 0,
    };

    #[test]
    fn it_is_quiet_after_so_many_empty_looks_in_a_row() {
        let now = Instant::now();
        let mut looks = Looks::new(3, now);
        let waiting = Sight { waiting: 1, ..EMPTY };
        let in_flight = Sight {
            in_flight: 1,
            ..EMPTY
        };
        let outbox = Sight { outbox: 1, ..EMPTY };
        for busy in [waiting, in_flight, outbox] {
            assert_eq!(looks.add(EMPTY, now), Standing::Busy);
            assert_eq!(looks.add(EMPTY, now), Standing::Busy);
            assert_eq!(looks.add(busy, now), Standing::Busy, "the row begins anew");
        }
        assert_eq!(looks.add(EMPTY, now), Standing::Busy);
        assert_eq!(looks.add(EMPTY, now), Standing::Busy);
        assert_eq!(looks.add(EMPTY, now), Standing::Quiet);
    }

    #[test]
    fn something_handled_between_two_empty_looks_begins_the_row_anew() {
        let now = Instant::now();
        let mut looks = Looks::new(2, now);
        let handled = |handled| Sight { handled, ..EMPTY };
        assert_eq!(looks.add(handled(7), now), Standing::Busy);
        assert_eq!(looks.add(handled(8), now), Standing::Busy);
        assert_eq!(looks.add(handled(8), now), Standing::Quiet);
    }

    #[test]
    fn what_is_left_is_told_by_its_place() {
        let counts = |consumer: &str, waiting| Counts {
            consumer: consumer.into(),
            waiting,
            in_flight: 1,
            dead: 0,
        };
        let idle = Counts {
            in_flight: 0,
            ..counts("payment", 0)
        };
        assert_eq!(
            stuck(2, &[idle, counts("email", 3)]),
            "nothing has happened for 180s, and still there is something left: 2 records in the outbox (is a \
             relay running?), 3 messages that wait for email and 1 in flight (is its worker running?)"
        );
    }

    #[test]
    fn it_is_stuck_when_the_same_is_left_for_too_long() {
        let now = Instant::now();
        let mut looks = Looks::new(3, now);
        let left = |in_flight| Sight { in_flight, ..EMPTY };
        assert_eq!(looks.add(left(2), now), Standing::Busy);
        assert_eq!(looks.add(left(1), now + PATIENCE), Standing::Busy, "it changed");
        let almost = now + 2 * PATIENCE - PAUSE;
        assert_eq!(looks.add(left(1), almost), Standing::Busy);
        assert_eq!(looks.add(left(1), now + 2 * PATIENCE), Standing::Stuck);
    }
}
