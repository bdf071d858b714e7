//! Which tables a consumer uses, and how: what its role is made from.

use std::collections::BTreeSet;

use serde::Serialize;

/// What is done with the items of a table. A transaction needs what each of its parts needs.
///
/// ```
/// use fanfare::topology::TableAction;
/// assert_eq!(TableAction::Check.name(), "dynamodb:ConditionCheckItem");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TableAction {
    /// Reading an item, alone or in a transaction.
    Get,
    /// Reading items by `BatchGetItem`.
    BatchGet,
    /// Asking for the items of a partition, of the table or of its indexes.
    Query,
    /// Reading all items, of the table or of its indexes.
    Scan,
    /// Writing an item whole, alone or in a transaction.
    Put,
    /// Changing an item, alone or in a transaction.
    Update,
    /// Deleting an item, alone or in a transaction.
    Delete,
    /// Writing and deleting items by `BatchWriteItem`.
    BatchWrite,
    /// Checking an item in a transaction that writes others.
    Check,
}

impl TableAction {
    /// Its name in AWS's policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "dynamodb:GetItem",
            Self::BatchGet => "dynamodb:BatchGetItem",
            Self::Query => "dynamodb:Query",
            Self::Scan => "dynamodb:Scan",
            Self::Put => "dynamodb:PutItem",
            Self::Update => "dynamodb:UpdateItem",
            Self::Delete => "dynamodb:DeleteItem",
            Self::BatchWrite => "dynamodb:BatchWriteItem",
            Self::Check => "dynamodb:ConditionCheckItem",
        }
    }

    /// Whether it is done with indexes too.
    pub fn is_on_indexes(self) -> bool {
        matches!(self, Self::Query | Self::Scan)
    }
}

/// A table that a consumer uses, besides the store's.
///
/// ```
/// use fanfare::topology::TableAction;
/// let billing = fanfare::Router::new("billing")
///     .table("shop-ledger", [TableAction::Put])
///     .table("shop-ledger", [TableAction::Get]);
/// let topology = fanfare::App::new("shop").consumer(billing).topology()?;
/// let [ledger] = &topology.consumers[0].tables[..] else { panic!("one table") };
/// assert_eq!(ledger.name, "shop-ledger");
/// assert!(ledger.actions.iter().eq(&[TableAction::Get, TableAction::Put]));
/// # Ok::<(), fanfare::WiringErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableUse {
    /// The table's name.
    pub name: String,
    /// What the consumer does with it.
    pub actions: BTreeSet<TableAction>,
}

impl TableUse {
    /// Adds a use to those that there are: a table has one.
    pub(crate) fn add(uses: &mut Vec<Self>, name: String, actions: impl IntoIterator<Item = TableAction>) {
        match uses.iter_mut().find(|there| there.name == name) {
            Some(there) => there.actions.extend(actions),
            None => uses.push(Self {
                name,
                actions: actions.into_iter().collect(),
            }),
        }
    }
}
