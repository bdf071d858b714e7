use std::time::Duration;

use fanfare::fault::Life;

use crate::{get, item, memory, number, put, with_table};

#[tokio::test(start_paused = true)]
async fn an_expired_item_is_there_until_it_is_swept() {
    let dynamo = memory();
    let client = with_table(&dynamo).await;
    put(&client, item("a", "1", &[("expires", number(1_700_000_060))])).await;
    put(&client, item("a", "2", &[("expires", number(1_700_009_999))])).await;
    put(&client, item("a", "3", &[])).await;
    assert_eq!(dynamo.sweep_expired().unwrap(), 0);

    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(get(&client, "a", "1").await.is_some());
    assert_eq!(dynamo.sweep_expired().unwrap(), 1);
    assert!(get(&client, "a", "1").await.is_none());
    assert!(get(&client, "a", "2").await.is_some());
    assert!(get(&client, "a", "3").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn the_sweeper_sweeps_until_it_is_shut_down() {
    let dynamo = memory();
    let client = with_table(&dynamo).await;
    let life = Life::default();
    let sweeper = tokio::spawn({
        let (dynamo, life) = (dynamo.clone(), life.clone());
        async move {
            dynamo
                .sweep_expired_until(Duration::from_secs(60), life.killed())
                .await
        }
    });
    put(&client, item("a", "1", &[("expires", number(1_700_000_010))])).await;
    put(&client, item("a", "2", &[("expires", number(1_700_000_100))])).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(get(&client, "a", "1").await.is_none());
    assert!(get(&client, "a", "2").await.is_some());
    life.kill();
    sweeper.await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(get(&client, "a", "2").await.is_some());
}
