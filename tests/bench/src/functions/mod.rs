//! The shop's consumer `loyalty` as a Lambda function, beside the least that a function can be and beside the
//! same work done with Powertools for Python: each is started again and again against one Runtime API and
//! one DynamoDB, both in this process.

mod event;
mod runtime_api;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fanfare_local::Local;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use self::runtime_api::RuntimeApi;

/// What is compared, and how often.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The shop's bootstrap, as it is packaged.
    #[arg(long)]
    bootstrap: PathBuf,
    /// Other builds of it, to be measured beside it.
    #[arg(long)]
    other: Vec<PathBuf>,
    /// A Python that has powertools/requirements.txt; without it Powertools is left out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// How often each is started.
    #[arg(long, default_value_t = 20)]
    starts: u32,
    /// How many warm batches of ten each handles.
    #[arg(long, default_value_t = 100)]
    batches: u64,
}

struct Subject {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
}

/// What was measured of one.
#[derive(Default)]
struct Measured {
    starts: Vec<Duration>,
    resident_at_start: u64,
    firsts: Vec<Duration>,
    warm: Vec<Duration>,
    resident: u64,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let endpoint = serve_local().await?;
    let bootstrap = found(&options.bootstrap)?;
    let mut provision = Command::new(&bootstrap);
    environment(&mut provision, &endpoint);
    provision
        .env_remove("AWS_LAMBDA_FUNCTION_NAME")
        .arg("provision")
        .stdout(Stdio::null());
    ensure!(
        provision.status().await?.success(),
        "the shop's tables can't be made"
    );

    let own = std::env::current_exe()?;
    let mut subjects = vec![Subject {
        name: "minimal".to_owned(),
        program: own.with_file_name("minimal-function"),
        arguments: Vec::new(),
    }];
    for shop in std::iter::once(&options.bootstrap).chain(&options.other) {
        subjects.push(Subject {
            name: format!("shop ({})", shop.display()),
            program: found(shop)?,
            arguments: Vec::new(),
        });
    }
    if let Some(python) = &options.python {
        let mut create = Command::new(python);
        environment(&mut create, &endpoint);
        create.args(["app.py", "create"]).current_dir(POWERTOOLS);
        ensure!(
            create.status().await?.success(),
            "Powertools' table can't be made"
        );
        subjects.push(Subject {
            name: "Powertools for Python".to_owned(),
            program: python.clone(),
            arguments: ["-m", "awslambdaric", "app.handler"].map(str::to_owned).to_vec(),
        });
    }
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>12} {:>10}  (medians; resident: the peak)",
        "start ms", "MB then", "first ms", "warm ms", "us a record", "MB at end",
    );
    let mut api = RuntimeApi::start().await?;
    let mut next = 0;
    for subject in &subjects {
        let measured = measure(subject, &options, &endpoint, &mut api, &mut next);
        let mut measured = measured.await.with_context(|| subject.name.clone())?;
        let warm = median(&mut measured.warm);
        println!(
            "{:>10.1} {:>10.1} {:>10.1} {:>10.2} {:>12.0} {:>10.1}  {}",
            ms(median(&mut measured.starts)),
            measured.resident_at_start as f64 / 1024.0,
            ms(median(&mut measured.firsts)),
            ms(warm),
            ms(warm) * 1e3 / event::BATCH as f64,
            measured.resident as f64 / 1024.0,
            subject.name,
        );
    }
    Ok(())
}

/// The one that `fanfare-local` has.
const REGION: &str = "us-east-1";
const POWERTOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/powertools");

/// Where a program is, from whichever folder it will be started.
fn found(program: &Path) -> anyhow::Result<PathBuf> {
    let path = program.canonicalize();
    path.with_context(|| format!("there is no {}", program.display()))
}

async fn serve_local() -> anyhow::Result<String> {
    let local = Local::new()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(fanfare_local::serve(local, listener, std::future::pending()));
    Ok(endpoint)
}

/// What a function finds in its environment, and nothing else.
fn environment(command: &mut Command, endpoint: &str) {
    command.env_clear().envs([
        ("PATH", "/usr/bin:/bin"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("SHOP_CONSUMER", "loyalty"),
    ]);
}

async fn measure(
    subject: &Subject,
    options: &Options,
    endpoint: &str,
    api: &mut RuntimeApi,
    next: &mut u64,
) -> anyhow::Result<Measured> {
    let mut measured = Measured::default();
    for start in 1..=options.starts {
        let mut command = Command::new(&subject.program);
        environment(&mut command, endpoint);
        command
            .env("AWS_LAMBDA_RUNTIME_API", &api.address)
            .args(&subject.arguments)
            .current_dir(POWERTOOLS)
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let began = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("can't start {}", subject.program.display()))?;
        let mut asked = api.asked().await?;
        measured.starts.push(asked.at - began);
        measured.resident_at_start = peak(&child).await?;
        let batches = match start == options.starts {
            true => options.batches,
            false => 0,
        };
        for batch in 0..=batches {
            let (took, result) = api.invoke(asked, event::batch(*next)?).await?;
            *next += 1;
            ensure!(
                result == json!({ "batchItemFailures": [] }),
                "records failed: {result}"
            );
            match batch {
                0 => measured.firsts.push(took),
                _ => measured.warm.push(took),
            }
            asked = api.asked().await?;
        }
        measured.resident = peak(&child).await?;
        child.kill().await?;
        drop(asked);
    }
    Ok(measured)
}

/// The most memory that it had resident so far, in KB.
async fn peak(child: &Child) -> anyhow::Result<u64> {
    let id = child.id().context("it has ended")?;
    let status = tokio::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status")).await?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.context("the system doesn't say how much memory it has")
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
