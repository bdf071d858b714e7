//! The costs in words and columns.

use std::fmt::Write;

use fanfare::topology::Topology;

use super::count::{BATCH, Item, Load, MONTH, idle, million};
use super::prices::{ALL, REGION};
use crate::table::Table;

/// A count with a comma at each thousand, rounded.
pub(super) fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn text(topology: &Topology, load: &Load) -> String {
    let million = million(topology, load);
    let mut table = Table::new([
        "for a million events",
        "each alone",
        "alone",
        "USD",
        "in batches of 10",
        "USD",
    ]);
    let mut sums = [0.0; 2];
    for item in &million.items {
        let usd = [item.price.of(item.alone), item.price.of(item.batched)];
        sums.iter_mut().zip(usd).for_each(|(sum, usd)| *sum += usd);
        table.add(
            [
                item.what.clone(),
                item.how.clone(),
                grouped(item.alone),
                dollars(usd[0]),
                grouped(item.batched),
                dollars(usd[1]),
            ]
            .map(|cell| vec![cell]),
        );
    }
    let [alone, batched] = sums;
    let sum = ["together", "", "", &dollars(alone), "", &dollars(batched)];
    table.add(sum.map(|cell| vec![cell.to_owned()]));

    let events = f64::from(load.events_per_second) * MONTH;
    let (idle, idle_usd) = idle_table(&idle(topology));
    let millions = events / 1_000_000.0;
    let mut text = format!(
        "A million events of {} bytes, in even shares of {} kinds, are {} deliveries to {} consumers. Messages go \
         alone while there are few, and in batches of up to {BATCH} when there are many.\n\n{table}\n\
         {} events a second are {} in a month of 730 hours: {millions:.2} x {} = {} USD alone, {millions:.2} x {} = {} \
         USD in batches.\n\nBesides, what is there and waits, for a month; receives cost nothing more while they bring \
         something:\n\n{idle}\nThe whole month: {} USD alone, {} USD in batches.\n\nPrices in {REGION}:\n",
        grouped(f64::from(load.body)),
        million.kinds,
        grouped(million.deliveries),
        topology.consumers.len(),
        load.events_per_second,
        grouped(events),
        exact(alone),
        dollars(millions * alone),
        exact(batched),
        dollars(millions * batched),
        dollars(idle_usd + millions * alone),
        dollars(idle_usd + millions * batched),
    );
    for price in ALL {
        let count = match price.per {
            1.0 => "a",
            _ => "a million",
        };
        // A `String` takes everything.
        let _ = writeln!(
            text,
            "  {} USD {count} {} ({})",
            price.usd, price.unit, price.source
        );
    }
    text + "Not counted: free tiers, tries after a failure, a FIFO topic's price for each GB and delivery, data transfer, \
            storage, backups, logs, metrics, alarms, requests to KMS, provisioned pollers, and what handlers call.\n"
}

fn idle_table(items: &[Item]) -> (Table<4>, f64) {
    let mut table = Table::new(["for a month", "of which", "", "USD"]);
    let mut sum = 0.0;
    for item in items {
        let usd = item.price.of(item.alone);
        sum += usd;
        let cells = [
            item.what.clone(),
            item.how.clone(),
            grouped(item.alone),
            dollars(usd),
        ];
        table.add(cells.map(|cell| vec![cell]));
    }
    table.add(["together", "", "", &dollars(sum)].map(|cell| vec![cell.to_owned()]));
    (table, sum)
}

/// To be reckoned on with.
fn exact(usd: f64) -> String {
    format!("{usd:.4}")
}

fn dollars(usd: f64) -> String {
    format!("{usd:.2}")
}
