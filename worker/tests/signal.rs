//! A worker stops at SIGTERM, which would end the process otherwise.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, id};
use std::time::Duration;

use fanfare_worker::shutdown_signal;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn sigterm_and_ctrl_c_are_the_signal_to_stop() {
    for signal in ["-TERM", "-INT"] {
        let stopped = tokio::spawn(shutdown_signal());
        sleep(Duration::from_millis(200)).await;
        assert!(!stopped.is_finished());
        let sent = Command::new("kill").args([signal, &id().to_string()]).status();
        assert!(sent.unwrap().success());
        timeout(Duration::from_secs(10), stopped).await.unwrap().unwrap();
    }
}
