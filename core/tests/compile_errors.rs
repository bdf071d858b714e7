//! A handler of the wrong shape is told what is expected.
//!
//! Each file in `ui` is compiled by itself, and each of its lines `//~ ..` must be in what the
//! compiler says of it. Those are fanfare's own words and the names of types, so that another
//! compiler that words the rest differently passes too.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const CORE: &str = env!("CARGO_MANIFEST_DIR");
const COMPILES: &str = "compiles";

/// What must be said of each case, by its name.
fn cases() -> Result<BTreeMap<String, Vec<String>>, Box<dyn Error>> {
    let mut cases = BTreeMap::new();
    for file in fs::read_dir(Path::new(CORE).join("tests/ui"))? {
        let path = file?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path)?;
        let expected = text.lines().filter_map(|line| line.strip_prefix("//~ "));
        cases.insert(name, expected.map(str::to_owned).collect());
    }
    Ok(cases)
}

/// Compiles every case as a program of its own, and returns the errors of each.
///
/// With the workspace's lock file, profile and target directory, and so mostly with what is built
/// already; without the network.
fn compile<'a>(names: impl Iterator<Item = &'a String>) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let package = target.join("compile-errors");
    fs::create_dir_all(&package)?;
    let mut manifest = format!(
        "[workspace]\n[package]\nname = 'compile-errors'\nedition = '2024'\n\
         [profile.dev]\ndebug = 'line-tables-only'\n\
         [dependencies]\nfanfare = {{ path = '{CORE}' }}\nserde = {{ version = '1', features = ['derive'] }}\n"
    );
    let mut errors = BTreeMap::new();
    for name in names {
        writeln!(
            manifest,
            "[[bin]]\nname = '{name}'\npath = '{CORE}/tests/ui/{name}.rs'"
        )?;
        errors.insert(name.clone(), String::new());
    }
    fs::write(package.join("Cargo.toml"), manifest)?;
    fs::copy(Path::new(CORE).join("../Cargo.lock"), package.join("Cargo.lock"))?;

    let output = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "check",
            "--offline",
            "--keep-going",
            "--message-format=json",
            "--target-dir",
        ])
        .arg(target.parent().unwrap_or(target))
        .current_dir(&package)
        .output()?;
    let stdout = String::from_utf8(output.stdout)?;
    for message in stdout
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let of = message["target"]["name"]
            .as_str()
            .and_then(|name| errors.get_mut(name));
        if let (Some(said), "error") = (of, message["message"]["level"].as_str().unwrap_or_default()) {
            said.push_str(message["message"]["rendered"].as_str().unwrap_or_default());
        }
    }
    if errors.values().all(String::is_empty) {
        return Err(format!(
            "nothing was compiled: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    Ok(errors)
}

#[test]
fn a_handler_of_the_wrong_shape_is_told_what_is_expected() {
    let cases = cases().unwrap();
    assert!(cases.len() >= 8, "{cases:?}");
    let errors = compile(cases.keys()).unwrap();
    for (name, expected) in &cases {
        let said = &errors[name];
        assert!(!expected.is_empty(), "{name} expects nothing");
        if *expected == [COMPILES] {
            assert_eq!(said, "", "{name} must compile");
            continue;
        }
        assert!(!said.is_empty(), "{name} must not compile");
        for text in expected {
            assert!(said.contains(text), "{name}: `{text}` is not in\n{said}");
        }
    }
}
