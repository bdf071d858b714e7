//! Processes of the shop that run beside a test.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::stage::{LONGEST, Stage};

/// How long a process may take to be ready, and to end once it is told to.
const READY: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(40);

/// A process of the shop. It is killed when this is dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
    readers: [JoinHandle<()>; 2],
}

impl Running {
    /// Starts one, and waits until it says that it is ready.
    pub(crate) async fn start(stage: &Stage, words: &[&str]) -> anyhow::Result<Self> {
        let mut running = Self::spawn(stage, words)?;
        running.line("ready").await?;
        Ok(running)
    }

    /// Starts one.
    pub(crate) fn spawn(stage: &Stage, words: &[&str]) -> anyhow::Result<Self> {
        Self::of(words.join(" "), stage.shop(words))
    }

    /// Starts this command, under this name.
    pub(crate) fn of(name: String, mut command: Command) -> anyhow::Result<Self> {
        command
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let mut child = command.spawn()?;
        let errors = child.stderr.take().context("a pipe")?;
        let output = child.stdout.take().context("a pipe")?;
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (told, count) = watch::channel(0);
        let readers = [
            tokio::spawn(read(errors, Arc::clone(&lines), told.clone())),
            tokio::spawn(read(output, Arc::clone(&lines), told)),
        ];
        Ok(Self {
            name,
            child,
            lines,
            count,
            readers,
        })
    }

    /// Waits for a line with this in it.
    pub(crate) async fn line(&mut self, with: &str) -> anyhow::Result<String> {
        Ok(self.some_lines(with, 1).await?.remove(0))
    }

    /// Waits for so many of them.
    pub(crate) async fn some_lines(&mut self, with: &str, count: usize) -> anyhow::Result<Vec<String>> {
        let found = async {
            loop {
                let mut found = self.lines();
                found.retain(|line| line.contains(with));
                if found.len() >= count {
                    return Some(found);
                }
                self.count.changed().await.ok()?;
            }
        };
        let found = timeout(READY, found).await;
        match found {
            Ok(Some(lines)) => Ok(lines),
            Ok(None) => bail!("`shop {}` has ended: {:?}", self.name, self.lines()),
            Err(_) => bail!("`shop {}` doesn't say `{with}`: {:?}", self.name, self.lines()),
        }
    }

    /// What it has written so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits until it ends by itself.
    pub(crate) async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = timeout(LONGEST, self.child.wait()).await;
        Ok(ended.with_context(|| format!("`shop {}` doesn't end: {:?}", self.name, self.lines()))??)
    }

    /// SIGTERM. Gives what it has written, when it has ended well.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Vec<String>> {
        let id = self.child.id().context("it has ended already")?;
        let told = std::process::Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()?;
        anyhow::ensure!(told.success(), "`shop {}` can't be told to stop", self.name);
        let ended = timeout(END, self.child.wait()).await;
        let ended =
            ended.with_context(|| format!("`shop {}` doesn't stop: {:?}", self.name, self.lines()))??;
        for reader in &mut self.readers {
            reader.await?;
        }
        anyhow::ensure!(
            ended.success(),
            "`shop {}`: {ended}, {:?}",
            self.name,
            self.lines()
        );
        Ok(self.lines())
    }
}

/// Keeps all lines that it says.
async fn read(from: impl AsyncRead + Unpin, lines: Arc<Mutex<Vec<String>>>, told: watch::Sender<usize>) {
    let mut read = BufReader::new(from).lines();
    while let Ok(Some(line)) = read.next_line().await {
        let mut lines = lines.lock().unwrap();
        lines.push(line);
        told.send_replace(lines.len());
    }
}
