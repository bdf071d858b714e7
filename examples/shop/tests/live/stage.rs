//! The account that a test has for itself.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use fanfare::{Clock, Topology};
use fanfare_infra::Template;
use fanfare_local::{Local, serve};
use serde_json::Value;
use shop::aws::{Aws, deployed, deployed_with};
use shop::email::Post;
use shop::functions::Functions;
use shop::reader::BUNDLED;
use shop::tables;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

/// The account is one, and tests run side by side.
static ACCOUNT: Mutex<()> = Mutex::const_new(());

/// The account of local AWS, with the credentials that `localstack/up` gives.
const LOCAL_ACCOUNT: &str = "000000000000";

const WANTED: &str =
    "the live tests delete what they find, so they want local AWS: run `eval \"$(localstack/up)\"` first";

/// Where all services are, which must be this machine.
fn local_endpoint() -> anyhow::Result<String> {
    let ignored = std::env::var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").unwrap_or_default();
    ensure!(
        !ignored.eq_ignore_ascii_case("true"),
        "{WANTED}: AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true"
    );
    for (name, endpoint) in std::env::vars() {
        let local = [
            "http://127.0.0.1:",
            "http://localhost:",
            "http://localhost.localstack.cloud:",
        ];
        ensure!(
            !name.starts_with("AWS_ENDPOINT_URL") || local.iter().any(|local| endpoint.starts_with(local)),
            "{WANTED}: {name} is `{endpoint}`"
        );
    }
    std::env::var("AWS_ENDPOINT_URL").with_context(|| format!("{WANTED}: AWS_ENDPOINT_URL isn't set"))
}

/// No command takes longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(300);

/// Local AWS, for one test.
pub(crate) struct Stage {
    pub(crate) aws: Aws,
    folder: TempDir,
    /// For the shop's processes; besides the test's own, where `alone` is there.
    environment: Vec<(&'static str, String)>,
    alone: Option<MutexGuard<'static, ()>>,
    local: Option<Local>,
}

impl Stage {
    /// An account with nothing of the shop in it.
    pub(crate) async fn empty() -> anyhow::Result<Self> {
        let alone = ACCOUNT.lock().await;
        let endpoint = local_endpoint()?;
        let stage = Self {
            aws: Aws::from_env()
                .await
                .with_context(|| format!("is local AWS up at {endpoint}? Run `localstack/up`"))?,
            folder: tempfile::tempdir()?,
            environment: Vec::new(),
            alone: Some(alone),
            local: None,
        };
        ensure!(
            stage.aws.account().id() == LOCAL_ACCOUNT,
            "{WANTED}: this is account {}",
            stage.aws.account().id()
        );
        succeeded(&stage.run(&["remove", "--yes"]).await?)?;
        Ok(stage)
    }

    /// An account of its own, inside the test's process, with nothing in it. It notes who calls what: each
    /// process signs with its consumer's name, or its command's.
    pub(crate) async fn embedded() -> anyhow::Result<Self> {
        let local = Local::new()?.recording();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let aws = Aws::of(local.sdk_config()).await?;
        // Until the test's runtime ends.
        tokio::spawn(serve(local.clone(), listener, std::future::pending()));
        Ok(Self {
            aws,
            folder: tempfile::tempdir()?,
            environment: vec![
                ("AWS_ENDPOINT_URL", endpoint),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
                // What isn't said here is asked of no other machine.
                ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ],
            alone: None,
            local: Some(local),
        })
    }

    /// An account with all of the shop in it, and nothing in that.
    pub(crate) async fn provisioned() -> anyhow::Result<Self> {
        let stage = Self::empty().await?;
        stage.provision().await?;
        Ok(stage)
    }

    /// The same with another visibility timeout of all queues, in seconds.
    pub(crate) async fn hiding(seconds: u32) -> anyhow::Result<Self> {
        let mut stage = Self::empty().await?;
        stage
            .environment
            .push((shop::aws::VISIBILITY_TIMEOUT, seconds.to_string()));
        stage.provision().await?;
        Ok(stage)
    }

    /// The same with this variable for its processes.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// The template of what is deployed, where these parts are functions.
    pub(crate) fn template(&self, functions: &[&str]) -> anyhow::Result<Value> {
        let mail = Post::Table(self.aws.dynamo()).provider(None, Clock::system())?;
        let functions = Functions::of(functions.iter().copied())?;
        let topology = deployed_with(&self.aws.deps(&mail), &functions)?.topology()?;
        let template = tables::described()
            .into_iter()
            .fold(Template::new(&topology), Template::table);
        Ok(template.json()?)
    }

    pub(crate) async fn provision(&self) -> anyhow::Result<()> {
        succeeded(&self.run(&["provision"]).await?)
    }

    /// What is deployed.
    pub(crate) fn topology(&self) -> anyhow::Result<Topology> {
        let mail = Post::Table(self.aws.dynamo()).provider(None, Clock::system())?;
        Ok(deployed(&self.aws.deps(&mail))?.topology()?)
    }

    /// What is inside the test's process.
    pub(crate) fn local(&self) -> Option<&Local> {
        self.local.as_ref()
    }

    /// The shop's binary with these arguments.
    pub(crate) fn shop(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        if self.alone.is_none() {
            command.env_clear();
            let part = words.get(usize::from(words.first() == Some(&"worker")));
            command.env("AWS_ACCESS_KEY_ID", part.unwrap_or(&"shop"));
        }
        command
            .args(words)
            .env_remove("RUST_LOG")
            .env_remove("SHOP_SMTP_URL")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, words: &[&str]) -> anyhow::Result<Output> {
        output(self.shop(words)).await
    }

    /// Writes a file with some of the bundled orders.
    pub(crate) fn orders(&self, range: std::ops::Range<usize>) -> anyhow::Result<PathBuf> {
        let text = str::from_utf8(BUNDLED.1)?;
        let header = text.lines().take(1);
        let rows = text.lines().skip(1 + range.start).take(range.len());
        let rows: Vec<_> = header.chain(rows).collect();
        ensure!(rows.len() == range.len() + 1, "so many orders aren't bundled");
        let path = self
            .folder
            .path()
            .join(format!("orders-{}-{}.csv", range.start, range.end));
        std::fs::write(&path, rows.join("\n"))?;
        Ok(path)
    }
}

/// Runs a command to its end.
pub(crate) async fn output(mut command: Command) -> anyhow::Result<Output> {
    let output = timeout(LONGEST, command.output()).await;
    Ok(output.with_context(|| format!("{command:?} doesn't come to an end"))??)
}

pub(crate) fn succeeded(output: &Output) -> anyhow::Result<()> {
    ensure!(output.status.success(), "{}", said(output));
    Ok(())
}

/// All that it wrote.
pub(crate) fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}: {}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// The report: the last line of standard output.
pub(crate) fn report(output: &Output) -> anyhow::Result<Value> {
    let text = str::from_utf8(&output.stdout)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| said(output))
}
