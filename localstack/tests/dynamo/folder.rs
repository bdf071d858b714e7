use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use fanfare::fault::Life;
use fanfare_local::{Dynamo, DynamoError};

use crate::{create_table, get, item, key, put, put_new, text, with_table};

#[tokio::test]
async fn a_folder_keeps_tables_items_indexes_and_expiry() {
    let folder = tempfile::tempdir().unwrap();
    // It is made when it isn't there.
    let inner = folder.path().join("made/here");
    let dynamo = Dynamo::file(&inner).unwrap();
    let client = with_table(&dynamo).await;
    put(
        &client,
        item("a", "1", &[("owner", text("me")), ("expires", crate::number(1))]),
    )
    .await;
    drop((dynamo, client));

    let dynamo = Dynamo::file(&inner).unwrap();
    let client = dynamo.client(&Life::default());
    assert!(get(&client, "a", "1").await.is_some());
    let mine = client
        .query()
        .table_name("things")
        .index_name("by_owner")
        .key_condition_expression("#owner = :me")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":me", text("me"));
    assert_eq!(mine.send().await.unwrap().count, 1);
    assert_eq!(dynamo.sweep_expired().unwrap(), 1);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_until_it_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let first = Dynamo::file(folder.path()).unwrap();
    let client = first.client(&Life::default());
    drop(first);
    // The client still has it open.
    let second = Dynamo::file(folder.path()).unwrap_err();
    assert!(
        matches!(&second, DynamoError::InUse { folder: named } if named == folder.path()),
        "{second:?}"
    );
    assert!(
        second.to_string().contains("in use by another process"),
        "{second}"
    );
    drop(client);
    Dynamo::file(folder.path()).unwrap();
}

#[test]
fn what_is_no_folder_or_no_database_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Dynamo::file(&file).unwrap_err();
    assert!(
        matches!(&error, DynamoError::Folder { folder, .. } if *folder == file),
        "{error:?}"
    );
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");

    std::fs::write(folder.path().join("dynamodb.sqlite"), "no database at all").unwrap();
    let error = Dynamo::file(folder.path()).unwrap_err();
    assert!(matches!(&error, DynamoError::Database { .. }), "{error:?}");
}

/// Set in the process that is killed: the folder it writes to.
const FOLDER: &str = "FANFARE_TEST_WRITE_TO";

#[tokio::test]
async fn what_was_confirmed_before_a_sigkill_is_there_and_nothing_is_there_by_half() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_until_killed(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    create_table(&Dynamo::file(folder.path()).unwrap().client(&Life::default())).await;
    let mut confirmed = Vec::new();
    for _ in 0..3 {
        confirmed.extend(killed_after(100, folder.path()));
    }
    let client = Dynamo::file(folder.path()).unwrap().client(&Life::default());
    assert!(confirmed.len() >= 300, "{}", confirmed.len());
    for sk in &confirmed {
        assert!(
            get(&client, "left", sk).await.is_some(),
            "{sk} was confirmed and is gone"
        );
    }
    let half = |pk| {
        client
            .query()
            .table_name("things")
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(pk))
            .send()
    };
    let (left, right) = (half("left").await.unwrap(), half("right").await.unwrap());
    let halves = left.items().iter().zip(right.items());
    assert_eq!(left.count, right.count);
    assert!(halves.into_iter().all(|(left, right)| left["sk"] == right["sk"]));
}

/// Runs a process that writes, kills it after so many confirmed writes, and says which were confirmed.
fn killed_after(writes: usize, folder: &Path) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "folder::what_was_confirmed_before_a_sigkill_is_there_and_nothing_is_there_by_half",
            "--exact",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut confirmed = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some((_, sk)) = line.unwrap().split_once("confirmed ") {
            confirmed.push(sk.to_owned());
            if confirmed.len() == writes {
                // SIGKILL, on Unix.
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success());
    confirmed
}

async fn write_until_killed(folder: &Path) {
    let client = Dynamo::file(folder).unwrap().client(&Life::default());
    let process = std::process::id();
    for n in 0.. {
        let sk = format!("{process}-{n:06}");
        client
            .transact_write_items()
            .transact_items(put_new(key("left", &sk)))
            .transact_items(put_new(key("right", &sk)))
            .send()
            .await
            .unwrap();
        println!("confirmed {sk}");
    }
}
