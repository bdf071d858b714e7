//! The audit notices each kind of corruption: it is planted into the tables of a shop whose audit
//! holds.

use std::path::Path;

use aws_sdk_dynamodb::types::AttributeValue;
use shop::Order;
use shop::dev::Shop;
use shop::dev::audit::{Audit, Wrong};
use shop::email::{self, Call, Log};
use shop::item::{Item, number, text};
use shop::tables::{
    BOOKS, FANFARE, LEDGER, ORDERS, POINTS, RESERVATIONS, SALES, SHELVES, SHIPMENTS, Table, VIEWS,
};

use crate::run::{orders, run, setup};

/// A shop whose audit holds.
struct Sound {
    shop: Shop,
    orders: Vec<Order>,
}

impl Sound {
    async fn new() -> anyhow::Result<Self> {
        let orders = orders(10);
        let shop = run(setup(), &orders).await?;
        let audit = shop.audit(&orders).await?;
        anyhow::ensure!(audit.holds(), "{:?}", audit.findings);
        Ok(Self { shop, orders })
    }

    async fn items(&self, table: Table) -> anyhow::Result<Vec<Item>> {
        table.scan(&self.shop.client()).await
    }

    async fn put(&self, table: Table, item: Item) -> anyhow::Result<()> {
        let put = self
            .shop
            .client()
            .put_item()
            .table_name(table.name)
            .set_item(Some(item));
        put.send().await?;
        Ok(())
    }

    async fn delete(&self, table: Table, item: &Item) -> anyhow::Result<()> {
        let mut delete = self.shop.client().delete_item().table_name(table.name);
        for key in [Some(table.key), table.sort].into_iter().flatten() {
            delete = delete.key(key, item[key].clone());
        }
        delete.send().await?;
        Ok(())
    }

    /// Changes an item that has this attribute.
    async fn change(&self, table: Table, attribute: &str, value: AttributeValue) -> anyhow::Result<()> {
        let items = self.items(table).await?;
        let mut item = items
            .into_iter()
            .find(|item| item.contains_key(attribute))
            .expect("such an item");
        assert_ne!(item.insert(attribute.to_owned(), value.clone()), Some(value));
        self.put(table, item).await
    }

    async fn audit(&self) -> anyhow::Result<Audit> {
        self.shop.audit(&self.orders).await
    }

    /// Audits, which must fail with a finding of this kind about this.
    async fn fails(&self, wrong: Wrong, about: &str) -> anyhow::Result<Audit> {
        let audit = self.audit().await?;
        assert!(!audit.holds());
        let texts: Vec<_> = audit.findings.iter().map(ToString::to_string).collect();
        let found = audit
            .findings
            .iter()
            .any(|finding| finding.wrong == wrong && finding.text.contains(about));
        assert!(found, "{about:?} is not in {texts:?}");
        Ok(audit)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_order() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let order = sound.items(ORDERS).await?.remove(0);
    sound.delete(ORDERS, &order).await?;
    let audit = sound.fails(Wrong::Lost, "was not taken").await?;
    assert_eq!(audit.lost(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_differs_and_one_that_nobody_placed() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    sound.change(ORDERS, "total_cents", number(77)).await?;
    sound.fails(Wrong::Differs, "as it was taken").await?;

    let mut order = sound.items(ORDERS).await?.remove(0);
    order.insert("order_id".into(), text("stranger"));
    sound.put(ORDERS, order).await?;
    sound
        .fails(Wrong::Differs, "order stranger, which nobody placed")
        .await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_is_not_in_the_order() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    sound.change(ORDERS, "state", text("lost in thought")).await?;
    sound.fails(Wrong::Differs, "the state of order").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_and_a_doubled_entry_of_the_ledger() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let entry = sound.items(LEDGER).await?.remove(0);
    let mut twin = entry.clone();
    twin.insert("entry".into(), text("twin"));
    sound.put(LEDGER, twin).await?;
    let audit = sound.fails(Wrong::Doubled, "ledger entries `charge`").await?;
    assert_eq!(audit.doubled(), 1);
    assert!(
        !audit.ledger_balanced,
        "the books have one posting less of each account"
    );

    let sound = Sound::new().await?;
    sound.delete(LEDGER, &entry).await?;
    let entry = sound.items(LEDGER).await?.remove(0);
    sound.delete(LEDGER, &entry).await?;
    sound.fails(Wrong::Lost, "ledger entries").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_does_not_sum_to_zero() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let mut entry = sound.items(LEDGER).await?.remove(0);
    let Some(AttributeValue::L(postings)) = entry.get_mut("postings") else {
        panic!("no postings")
    };
    let AttributeValue::M(posting) = &mut postings[0] else {
        panic!("no posting")
    };
    posting.insert("cents".into(), number(-1));
    sound.put(LEDGER, entry).await?;
    let audit = sound.fails(Wrong::Differs, "must be 0").await?;
    assert!(!audit.ledger_balanced);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn books_with_a_wrong_balance_or_a_missing_posting() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    sound.change(BOOKS, "balance", number(12_345)).await?;
    let audit = sound.fails(Wrong::Differs, "the balance of").await?;
    assert!(!audit.ledger_balanced);

    let sound = Sound::new().await?;
    let account = sound.items(BOOKS).await?.remove(0);
    sound.delete(BOOKS, &account).await?;
    let audit = sound.fails(Wrong::Lost, "postings booked on").await?;
    assert!(!audit.ledger_balanced);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_shelf_that_has_not_what_its_reservations_left() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    sound.change(SHELVES, "rest", number(-4)).await?;
    let audit = sound.fails(Wrong::Differs, "CDs left on shelf-").await?;
    assert!(!audit.stock_consistent);
    sound.fails(Wrong::Differs, "less than nothing").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn stock_that_came_from_nowhere() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let mut shelf = sound.items(SHELVES).await?.remove(0);
    shelf.insert("shelf".into(), text("shelf-99"));
    sound.put(SHELVES, shelf).await?;
    let audit = sound.fails(Wrong::Differs, "CDs in stock at first").await?;
    assert!(!audit.stock_consistent);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_rejected_while_a_shelf_had_enough() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let mut shelf = sound.items(SHELVES).await?.remove(0);
    // As many more at first as there are left, so that nothing else is wrong with the shelf.
    shelf.insert("initial".into(), number(103));
    shelf.insert("rest".into(), number(103));
    sound.put(SHELVES, shelf).await?;
    let audit = sound
        .fails(
            Wrong::Differs,
            "was rejected and wants 4, while a shelf still has 103",
        )
        .await?;
    assert!(!audit.stock_consistent);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_decision_and_a_reservation_of_another_size() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    sound.change(RESERVATIONS, "quantity", number(9)).await?;
    sound
        .fails(Wrong::Differs, "CDs of the decision on order")
        .await?;

    let decision = sound.items(RESERVATIONS).await?.remove(0);
    sound.delete(RESERVATIONS, &decision).await?;
    sound.fails(Wrong::Lost, "has not decided").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_and_a_doubled_parcel() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let parcels = sound.items(SHIPMENTS).await?;
    let mut twin = parcels[0].clone();
    twin.insert("shipment".into(), text("twin"));
    sound.put(SHIPMENTS, twin).await?;
    assert_eq!(
        sound.fails(Wrong::Doubled, "parcels of order").await?.doubled(),
        1
    );
    sound.delete(SHIPMENTS, &parcels[1]).await?;
    assert_eq!(sound.fails(Wrong::Lost, "parcels of order").await?.lost(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_revenue_that_is_wrong() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    sound.change(SALES, "cents", number(1)).await?;
    sound
        .fails(Wrong::Differs, "the revenue (cents, orders) of")
        .await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn points_that_are_wrong() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    sound.change(POINTS, "points", number(1_000)).await?;
    sound.fails(Wrong::Differs, "the points of customer").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_status_is_stuck() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let facts = AttributeValue::Ss(vec!["placed".into(), "charged".into()]);
    sound.change(VIEWS, "facts", facts).await?;
    let audit = sound.fails(Wrong::Lost, "in the read model").await?;
    assert_eq!(audit.terminal, 9);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_not_in_the_read_model_or_is_what_it_is_not() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let views = sound.items(VIEWS).await?;
    let shipped = |item: &&Item| {
        item["facts"]
            .as_ss()
            .is_ok_and(|facts| facts.contains(&"shipped".to_owned()))
    };
    let mut view = views.iter().find(shipped).expect("a shipped order").clone();
    let facts = ["placed", "charged", "shipped", "refunded"].map(str::to_owned);
    view.insert("facts".into(), AttributeValue::Ss(facts.to_vec()));
    sound.put(VIEWS, view.clone()).await?;
    sound
        .fails(Wrong::Differs, "is `refunded` in the read model and must not be")
        .await?;
    sound.delete(VIEWS, &view).await?;
    sound.fails(Wrong::Lost, "is not in the read model").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_a_consumer_has_not_handled() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let fanfare = Table {
        name: FANFARE,
        key: "pk",
        sort: Some("sk"),
    };
    let records = sound.items(fanfare).await?;
    let of_loyalty = |item: &&Item| {
        item["pk"]
            .as_s()
            .is_ok_and(|pk| pk.starts_with("inbox#7:loyalty"))
    };
    let record = records.iter().find(of_loyalty).expect("a record of loyalty");
    sound.delete(fanfare, record).await?;
    let audit = sound
        .fails(Wrong::Lost, "events that loyalty has handled")
        .await?;
    assert_eq!(audit.lost(), 1);
    Ok(())
}

fn folder(sound: &Sound) -> &Path {
    sound.shop.mail_folder().expect("a folder")
}

/// The first call to the mail provider.
fn call(sound: &Sound) -> anyhow::Result<Call> {
    Ok(email::read(folder(sound))?.0.remove(0))
}

fn log(sound: &Sound, call: &Call) -> anyhow::Result<()> {
    Ok(Log::open(folder(sound))?.append(call)?)
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_was_sent_twice_under_two_keys() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let mut twin = call(&sound)?;
    let sent = folder(&sound).join("sent");
    std::fs::copy(sent.join(format!("{}.eml", twin.key)), sent.join("twin.eml"))?;
    twin.key = "twin".into();
    (twin.started, twin.ended) = (twin.ended + 1, twin.ended + 2);
    log(&sound, &twin)?;
    let audit = sound.fails(Wrong::Doubled, "mails `").await?;
    assert_eq!((audit.emails_doubled, audit.emails.actual), (1, 11));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_second_key_for_a_mail_though_only_one_was_sent() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let mut other = call(&sound)?;
    other.key = "other".into();
    other.delivered = false;
    (other.started, other.ended) = (other.ended + 1, other.ended + 2);
    log(&sound, &other)?;
    sound
        .fails(Wrong::Doubled, "calls with 2 keys, must be one")
        .await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_second_call_with_the_same_key_after_the_first_is_no_fault() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let mut again = call(&sound)?;
    again.delivered = false;
    (again.started, again.ended) = (again.ended, again.ended + 5);
    log(&sound, &again)?;
    let audit = sound.audit().await?;
    assert!(audit.holds(), "{:?}", audit.findings);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_calls_about_one_mail_at_once() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let mut slow = call(&sound)?;
    slow.started = slow.started.saturating_sub(5);
    slow.ended += 5;
    slow.delivered = false;
    log(&sound, &slow)?;
    // A call of no length lies within the slow one all the same.
    sound.fails(Wrong::Doubled, "were under way at once").await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_mail_and_one_that_no_call_asked_for() -> anyhow::Result<()> {
    let sound = Sound::new().await?;
    let sent = folder(&sound).join("sent");
    let key = call(&sound)?.key;
    std::fs::rename(sent.join(format!("{key}.eml")), sent.join("stray.eml"))?;
    let audit = sound.fails(Wrong::Lost, "mails `").await?;
    assert_eq!(audit.emails.actual, 9);
    sound
        .fails(Wrong::Differs, "under key stray, which no call asked for")
        .await?;
    Ok(())
}
