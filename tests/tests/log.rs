//! What the simulated shop writes to its log under faults.
//!
//! Alone in its process: while there is one subscriber, `tracing` asks only the thread that comes by a place
//! in the code first whether anybody listens there, and another test's thread has none.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io;
use std::sync::{Arc, Mutex};

use fanfare_tests::simulation::Simulation;

/// What is written to the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_payload_is_in_the_log_at_the_default_level() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || log.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        for seed in 0..10 {
            Simulation::seeded(seed).run().unwrap();
        }
    });
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(text.lines().count() > 100, "ten storms leave a trace:\n{text}");
    // Every payload has one of these, as JSON, as an attribute value or as Rust's debug output.
    for field in ["cents", "article", "AttributeValue", "specversion"] {
        let line = text.lines().find(|line| line.contains(field));
        assert_eq!(line, None, "a payload in the log");
    }
}
