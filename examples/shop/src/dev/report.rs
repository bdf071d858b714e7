//! What `dev` says at its end, and `audit`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use super::audit::Audit;

/// The report: as JSON, the last line of `dev --json`; as text, a table for people.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Orders that were placed, by this run or one before it in the same folder.
    pub orders: u64,
    /// Rows that were not placed.
    pub rejected: u64,
    /// How often each kind of fault was injected.
    pub faults_injected: BTreeMap<&'static str, u64>,
    /// Orders that have ended as they must.
    pub terminal: u64,
    /// Effects that are missing.
    pub lost: u64,
    /// Effects that are there more than once.
    pub doubled: u64,
    /// Whether the ledger sums to zero and the books agree with it.
    pub ledger_balanced: bool,
    /// Whether the shelves have what the reservations left.
    pub stock_consistent: bool,
    /// Each consumer.
    pub consumers: BTreeMap<String, ConsumerReport>,
    /// The mails.
    pub emails: EmailReport,
    /// From the first order placed until nothing was left to do; nothing, where others did it.
    pub seconds: Option<f64>,
    /// Events handled a second, by all consumers together.
    pub events_per_second: Option<f64>,
    /// Resident memory at the end in mebibytes, where the system tells.
    pub rss_mb: Option<u64>,
    /// What is wrong, in words, the first ones of them.
    #[serde(skip)]
    pub findings: Vec<String>,
    /// Whether the audit holds.
    #[serde(skip)]
    pub holds: bool,
}

/// A consumer's part of the report. `expected` and `applied` are the audit's; the others are what its
/// host and queue say, unless its host was in another process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ConsumerReport {
    /// Events that it must have handled.
    pub expected: u64,
    /// Events that it has.
    pub applied: u64,
    /// Messages that came again and had no effect.
    pub duplicates: Option<u64>,
    /// Tries that failed or had to wait.
    pub retries: Option<u64>,
    /// Messages in its dead-letter queue at the end.
    pub dead: u64,
}

/// The mails' part of the report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EmailReport {
    /// Mails that must have been sent.
    pub expected: u64,
    /// Mails that were.
    pub sent: u64,
    /// Mails that were sent more than once.
    pub doubled: u64,
}

/// How many findings are written out.
const FINDINGS: usize = 20;

impl Report {
    /// The audit's part.
    pub fn of(audit: &Audit) -> Self {
        let mut findings: Vec<_> = audit
            .findings
            .iter()
            .take(FINDINGS)
            .map(ToString::to_string)
            .collect();
        if let Some(more @ 1..) = audit.findings.len().checked_sub(FINDINGS) {
            findings.push(format!("and {more} more"));
        }
        let consumers = audit.handled.iter().map(|(consumer, count)| {
            let report = ConsumerReport {
                expected: count.expected,
                applied: count.actual,
                ..ConsumerReport::default()
            };
            (consumer.clone(), report)
        });
        Self {
            orders: 0,
            rejected: 0,
            faults_injected: BTreeMap::new(),
            terminal: audit.terminal,
            lost: audit.lost(),
            doubled: audit.doubled(),
            ledger_balanced: audit.ledger_balanced,
            stock_consistent: audit.stock_consistent,
            consumers: consumers.collect(),
            emails: EmailReport {
                expected: audit.emails.expected,
                sent: audit.emails.actual,
                doubled: audit.emails_doubled,
            },
            seconds: None,
            events_per_second: None,
            rss_mb: None,
            findings,
            holds: audit.holds(),
        }
    }

    /// Notes how many records of the outbox can't be published.
    pub(crate) fn parked(&mut self, parked: u64) {
        if parked > 0 {
            self.fail(format!("{parked} records of the outbox can't be published"));
        }
    }

    /// Writes it, with the JSON behind the text if it is wanted.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn write(&self, json: bool, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{self}")?;
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
        }
        out.flush()
    }

    /// Notes something that makes the run fail.
    pub(super) fn fail(&mut self, finding: String) {
        self.findings.push(finding);
        self.holds = false;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "consumer        expected   applied  duplicates   retries      dead"
        )?;
        for (name, consumer) in &self.consumers {
            let ConsumerReport {
                expected,
                applied,
                duplicates,
                retries,
                dead,
            } = consumer;
            let (duplicates, retries) = (known(*duplicates), known(*retries));
            writeln!(
                f,
                "{name:<14} {expected:>9} {applied:>9} {duplicates:>11} {retries:>9} {dead:>9}"
            )?;
        }
        writeln!(f)?;
        let yes = |yes| if yes { "yes" } else { "NO" };
        let mut line = |name: &str, value: String| writeln!(f, "{name:<18} {value}");
        line(
            "orders",
            format!("{}, {} rows rejected", self.orders, self.rejected),
        )?;
        line("ended", format!("{} as they must", self.terminal))?;
        let EmailReport {
            expected,
            sent,
            doubled,
        } = self.emails;
        line("mails", format!("{sent} of {expected}, {doubled} doubled"))?;
        line("ledger balances", yes(self.ledger_balanced).into())?;
        line("stock adds up", yes(self.stock_consistent).into())?;
        line("lost", self.lost.to_string())?;
        line("doubled", self.doubled.to_string())?;
        if !self.faults_injected.is_empty() {
            let faults = self.faults_injected.iter();
            let faults: Vec<_> = faults.map(|(kind, count)| format!("{kind} {count}")).collect();
            line("faults", faults.join(", "))?;
        }
        if let (Some(seconds), Some(pace)) = (self.seconds, self.events_per_second) {
            line("time", format!("{seconds:.1} s, {pace:.0} events a second"))?;
        }
        if let Some(rss) = self.rss_mb {
            line("memory", format!("{rss} MiB resident"))?;
        }
        writeln!(f)?;
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        match self.holds {
            true => f.write_str("The audit holds: every effect exactly once."),
            false => f.write_str("The audit FAILS."),
        }
    }
}

/// A number, or that nobody here knows it.
fn known(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}
