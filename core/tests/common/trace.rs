//! A subscriber that keeps what is traced.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::dispatcher::{DefaultGuard, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

pub(crate) type Fields = BTreeMap<String, String>;

/// Keeps every span with its fields, and in which span each event happened.
#[derive(Clone, Default)]
pub(crate) struct Capture {
    last: Arc<AtomicU64>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) spans: BTreeMap<u64, (&'static str, Fields)>,
    pub(crate) entered: Vec<u64>,
    pub(crate) events: Vec<Logged>,
}

/// An event of the log.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) within: Option<u64>,
    pub(crate) level: tracing::Level,
    pub(crate) fields: Fields,
}

impl Capture {
    /// Listens on this thread until the guard is dropped.
    pub(crate) fn listen(&self) -> DefaultGuard {
        // While there is one subscriber, `tracing` asks only the thread that comes by a place in the code
        // first whether anybody listens there, and another test's thread has none. Two more make it ask all.
        static OTHERS: OnceLock<[Dispatch; 2]> = OnceLock::new();
        OTHERS.get_or_init(|| [(); 2].map(|()| Dispatch::new(Self::default())));
        tracing::subscriber::set_default(self.clone())
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one span that was made.
    pub(crate) fn span(&self) -> (&'static str, Fields) {
        let seen = self.seen();
        assert_eq!(seen.spans.len(), 1, "{:?}", seen.spans);
        seen.spans.values().next().cloned().unwrap_or_default()
    }
}

struct Into<'a>(&'a mut Fields);

impl Visit for Into<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Capture {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::new();
        span.record(&mut Into(&mut fields));
        self.seen().spans.insert(id, (span.metadata().name(), fields));
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        if let Some((_, fields)) = self.seen().spans.get_mut(&id.into_u64()) {
            values.record(&mut Into(fields));
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Into(&mut fields));
        let mut seen = self.seen();
        let logged = Logged {
            within: seen.entered.last().copied(),
            level: *event.metadata().level(),
            fields,
        };
        seen.events.push(logged);
    }

    fn enter(&self, id: &Id) {
        self.seen().entered.push(id.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.seen().entered.pop();
    }
}
