//! How a consumer is set up where it runs as a service on ECS.

use std::time::Duration;

use serde::Serialize;

use crate::wiring::WiringError;

/// How a consumer's service on ECS (Fargate) is set up.
///
/// ```
/// use fanfare::topology::ServiceSettings;
/// let settings = ServiceSettings::default().cpu(512).memory_mb(1024).tasks(2, 20);
/// assert_eq!((settings.tasks_min, settings.tasks_max, settings.backlog_per_task), (2, 20, 100));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServiceSettings {
    /// A task's share of a CPU in 1024ths of one: 256 (by default), 512, 1024 and so on to 16384.
    pub cpu: u32,
    /// A task's memory in MB, 512 by default; Fargate takes certain ones with each `cpu`.
    pub memory_mb: u32,
    /// The fewest tasks, 1 by default: backlog per task says nothing where there is no task.
    pub tasks_min: u32,
    /// The most tasks, 10 by default.
    pub tasks_max: u32,
    /// How many messages may wait for each task before there are to be more tasks; 100 by default. A
    /// good one is the latency that you accept, over the time that a message takes.
    pub backlog_per_task: u32,
    /// How long a task may take to finish what it has begun when it is stopped: 2 to 120 whole seconds,
    /// 120 s by default.
    pub stop_timeout: Duration,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            cpu: 256,
            memory_mb: 512,
            tasks_min: 1,
            tasks_max: 10,
            backlog_per_task: 100,
            stop_timeout: Duration::from_secs(120),
        }
    }
}

impl ServiceSettings {
    /// Sets a task's share of a CPU, in 1024ths of one.
    #[must_use]
    pub fn cpu(mut self, cpu: u32) -> Self {
        self.cpu = cpu;
        self
    }

    /// Sets a task's memory, in MB.
    #[must_use]
    pub fn memory_mb(mut self, memory: u32) -> Self {
        self.memory_mb = memory;
        self
    }

    /// Sets how many tasks there are, at least and at most.
    #[must_use]
    pub fn tasks(mut self, min: u32, max: u32) -> Self {
        (self.tasks_min, self.tasks_max) = (min, max);
        self
    }

    /// Sets how many messages may wait for each task.
    #[must_use]
    pub fn backlog_per_task(mut self, messages: u32) -> Self {
        self.backlog_per_task = messages;
        self
    }

    /// Sets how long a task may take to finish what it has begun.
    #[must_use]
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// What of it ECS wouldn't take for this consumer, or would never scale by.
    pub(crate) fn check(&self, consumer: &str) -> impl Iterator<Item = WiringError> {
        let stop = self.stop_timeout;
        let (cpu, memory) = (self.cpu, self.memory_mb);
        let memories = memories(cpu);
        let settings = [
            (
                "cpu",
                memories.is_some(),
                cpu.to_string(),
                "256, 512, 1024, 2048, 4096, 8192 or 16384",
            ),
            (
                "memory",
                memories.is_none_or(|(least, most, step)| {
                    (least..=most).contains(&memory) && (memory - least).is_multiple_of(step)
                        || (cpu, memory) == (256, 512)
                }),
                format!("{memory} MB beside a cpu of {cpu}"),
                "512, 1024 or 2048 MB with 256; 1 to 4 GB with 512, 2 to 8 GB with 1024, 4 to 16 GB with 2048, 8 to \
                 30 GB with 4096; 16 to 60 GB in steps of 4 with 8192; 32 to 120 GB in steps of 8 with 16384",
            ),
            (
                "count of tasks",
                (1..=self.tasks_max).contains(&self.tasks_min),
                format!("{} to {}", self.tasks_min, self.tasks_max),
                "1 or more, and no fewer at most than at least",
            ),
            (
                "backlog per task",
                self.backlog_per_task > 0,
                self.backlog_per_task.to_string(),
                "1 message or more",
            ),
            (
                "stop timeout",
                stop.subsec_nanos() == 0 && (2..=120).contains(&stop.as_secs()),
                format!("{} s", stop.as_secs_f64()),
                "2 to 120 whole seconds",
            ),
        ];
        let consumer = consumer.to_owned();
        settings
            .into_iter()
            .filter(|(_, fits, _, _)| !fits)
            .map(move |(setting, _, value, range)| WiringError::ServiceOutOfRange {
                consumer: consumer.clone(),
                setting,
                value,
                range,
            })
    }
}

/// What memory Fargate takes with this share of a CPU: from, to, in steps, all in MB. (And 512 MB with 256.)
fn memories(cpu: u32) -> Option<(u32, u32, u32)> {
    const GB: u32 = 1024;
    Some(match cpu {
        256 => (GB, 2 * GB, GB),
        512 => (GB, 4 * GB, GB),
        1024 => (2 * GB, 8 * GB, GB),
        2048 => (4 * GB, 16 * GB, GB),
        4096 => (8 * GB, 30 * GB, GB),
        8192 => (16 * GB, 60 * GB, 4 * GB),
        16_384 => (32 * GB, 120 * GB, 8 * GB),
        _ => return None,
    })
}
