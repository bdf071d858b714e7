//! What a consumer's process says of itself.

use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What handling so many messages took, from the first one on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Consumed {
    pub messages: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub resident_mb: f64,
}

/// Where the clock and the processor's time stood at the first message.
#[derive(Debug)]
pub struct Start {
    at: Instant,
    cpu_seconds: f64,
}

impl Start {
    pub fn now() -> anyhow::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            cpu_seconds: cpu_seconds()?,
        })
    }

    pub fn consumed(&self, messages: u64) -> anyhow::Result<Consumed> {
        Ok(Consumed {
            messages,
            seconds: self.at.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds()? - self.cpu_seconds,
            resident_mb: resident_mb()?,
        })
    }
}

/// User and system time of this process: fields 14 and 15 of /proc/self/stat, in hundredths
/// (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>).
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("this benchmark needs Linux")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has no name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| -> anyhow::Result<f64> {
        let field = fields.get(index).context("/proc/self/stat is too short")?;
        Ok(field.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// Resident memory in MiB.
pub fn resident_mb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.context("no VmRSS")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
