//! What is committed about the shop is what its command line prints. After a change that is meant:
//! `FANFARE_GOLDEN=write cargo test -p shop --all-features --test shop described`, and look at the difference.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use fanfare_cli::{Application, Command, Topology};
use shop::dev::describe;
use shop::events;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn is_written_anew() -> bool {
    std::env::var("FANFARE_GOLDEN").as_deref() == Ok("write")
}

async fn printed(command: Topology) -> anyhow::Result<String> {
    let application = events::describe(Application::new(describe()?));
    let mut out = Vec::new();
    Command::Topology(command).run(&application, &mut out).await?;
    Ok(String::from_utf8(out)?)
}

async fn holds(file: &str, command: Topology) -> anyhow::Result<()> {
    let printed = printed(command).await?;
    let path = home().join(file);
    if is_written_anew() {
        std::fs::write(&path, &printed)?;
    }
    let committed = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(
        committed == printed,
        "{} is of before: see the head of this test for how it is written anew",
        path.display()
    );
    Ok(())
}

#[tokio::test]
async fn nothing_of_it_is_refused_or_strange() -> anyhow::Result<()> {
    let told = printed(Topology::Validate).await?;
    ensure!(told.ends_with("nothing is refused, 0 warnings\n"), "{told}");
    Ok(())
}

#[tokio::test]
async fn the_picture() -> anyhow::Result<()> {
    holds("../../docs/flow.svg", Topology::Svg).await
}

#[tokio::test]
async fn the_asyncapi_document() -> anyhow::Result<()> {
    holds("asyncapi.json", Topology::Asyncapi).await
}

#[tokio::test]
async fn the_schemas() -> anyhow::Result<()> {
    let folder = Some(home().join("schemas"));
    let schemas = match is_written_anew() {
        true => Topology::Schemas {
            check: None,
            write: folder,
        },
        false => Topology::Schemas {
            check: folder,
            write: None,
        },
    };
    printed(schemas).await.map(drop)
}
