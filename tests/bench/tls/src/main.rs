//! Makes one call of the SDK over TLS, and a second one on the same connection, and prints how long each took and the
//! most memory that this process had.

use std::time::Instant;

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::{Client, Config};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

#[cfg(all(feature = "aws-lc", not(feature = "ring")))]
const CRYPTO: CryptoMode = CryptoMode::AwsLc;
#[cfg(feature = "ring")]
const CRYPTO: CryptoMode = CryptoMode::Ring;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(endpoint), Some(root)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: first-call https://HOST:PORT ROOT.pem");
    };
    let root = std::fs::read(&root).with_context(|| format!("can't read {root}"))?;
    let started = Instant::now();
    let client = client(&endpoint, root)?;
    let built = started.elapsed();
    call(&client).await?;
    let first = started.elapsed();
    call(&client).await?;
    let second = started.elapsed();
    let line = serde_json::json!({
        "client_ms": built.as_secs_f64() * 1e3,
        "first_ms": (first - built).as_secs_f64() * 1e3,
        "second_ms": (second - first).as_secs_f64() * 1e3,
        "peak_mb": peak_mb()?,
    });
    println!("{line}");
    Ok(())
}

fn client(endpoint: &str, root: Vec<u8>) -> Result<Client> {
    let trusted = TrustStore::empty().with_pem_certificate(root);
    let tls = TlsContext::builder().with_trust_store(trusted).build()?;
    let http = Builder::new().tls_provider(Provider::rustls(CRYPTO)).tls_context(tls).build_https();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "bench"))
        .endpoint_url(endpoint)
        .http_client(http);
    Ok(Client::from_conf(config.build()))
}

async fn call(client: &Client) -> Result<()> {
    client.get_caller_identity().send().await?;
    Ok(())
}

fn peak_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("Linux's /proc is needed")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()).context("/proc/self/status has no VmHWM")?;
    Ok(kb.parse::<f64>()? / 1024.0)
}
