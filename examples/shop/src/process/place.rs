//! `shop place`.

use std::io::Write;
use std::path::PathBuf;

use futures_util::{StreamExt, stream};

use super::Process;
use crate::checkout::{Checkout, PlaceError, Placed};
use crate::dev::read_orders;
use crate::reader::Input;
use crate::relayed::relayed;

/// How many orders are placed at a time.
const AT_A_TIME: usize = 16;

/// Places orders as checkout does; those that are there already stay as they are.
#[derive(Clone, Debug, clap::Args)]
pub struct PlaceOptions {
    /// Orders to place: CSV with the header of orders.csv, or NDJSON; `-` for standard input; without it the
    /// first thousand of the bundled ones
    #[arg(long, value_name = "FILE")]
    pub orders: Option<PathBuf>,
}

/// How many orders went which way.
#[derive(Debug, Default)]
struct Count {
    new: usize,
    before: usize,
}

/// Places the orders, publishes what they lead to, and says how many there were. A row that is no order
/// is told on standard error and left out, and so is an order whose id another one has.
///
/// # Errors
/// The orders can't be read, the account can't be reached, or an order can't be placed in some minutes:
/// those before it may be.
pub async fn run(options: PlaceOptions, out: &mut impl Write) -> anyhow::Result<()> {
    let mut input = read_orders(options.orders.as_deref(), true)?;
    let process = Process::open().await?;
    let checkout = Checkout::new(&process.deps);
    let relay = process.aws.relay(&process.deps, &process.topology);
    let count = relayed(&relay, place_all(&checkout, &mut input)).await?;
    for rejected in &input.rejected {
        eprintln!("rejected: {rejected}");
    }
    let Count { new, before } = count;
    writeln!(
        out,
        "{new} orders placed, {before} were there already, {} rejected",
        input.rejected.len()
    )?;
    Ok(out.flush()?)
}

async fn place_all(checkout: &Checkout, input: &mut Input) -> Result<Count, PlaceError> {
    let mut count = Count::default();
    let mut refused = Vec::new();
    {
        let mut placing = stream::iter(input.orders.iter().enumerate())
            .map(|(index, order)| async move { (index, checkout.place_surely(order).await) })
            .buffer_unordered(AT_A_TIME);
        while let Some((index, placed)) = placing.next().await {
            match placed {
                Ok(Placed::New(_)) => count.new += 1,
                Ok(Placed::Before(_)) => count.before += 1,
                Err(error @ PlaceError::Differs { .. }) => refused.push((index, error.to_string())),
                Err(error) => return Err(error),
            }
        }
    }
    refused.sort_unstable_by_key(|(index, _)| std::cmp::Reverse(*index));
    for (index, reason) in refused {
        input.refuse(index, reason);
    }
    Ok(count)
}
