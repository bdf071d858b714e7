//! The actions of a commit's one transaction, and what each is for.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use fanfare::Advice;

use super::effects::Named;
use super::size;
use crate::record::{Item, PK, SK};
use crate::store::Shared;
use crate::wake::Fresh;
use crate::{CommitError, Write};

/// A transaction to be made.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The commit's id, and the token of every try.
    pub(crate) commit: String,
    pub(crate) actions: Vec<TransactWriteItem>,
    /// What each action is for.
    pub(crate) parts: Vec<Part>,
    /// What the relay is told of, once it is made.
    pub(crate) fresh: Vec<Fresh>,
}

/// What an action is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The record whose condition decides whether the commit is made at all.
    Guard,
    /// One of the application's own writes.
    Write { name: String, index: usize },
    /// Unordered events.
    Outbox,
    /// Events of one key of a FIFO topic.
    Head { pk: String },
}

impl Part {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Guard => "inbox or request record",
            Self::Write { name, .. } => name,
            Self::Outbox => "outbox record",
            Self::Head { pk } => pk,
        }
    }
}

impl Plan {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self {
            commit: fanfare::new_id(&shared.clock),
            actions: Vec::new(),
            parts: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// Adds the guard. The SDK's builders fail only on what is left out, so never here.
    pub(crate) fn guard(&mut self, write: Result<impl Into<Write>, BuildError>) -> Result<(), CommitError> {
        self.push(Part::Guard, write)
    }

    pub(crate) fn writes(&mut self, writes: Vec<Named>) {
        for (index, Named { name, write }) in writes.into_iter().enumerate() {
            self.parts.push(Part::Write { name, index });
            self.actions.push(write.action);
        }
    }

    pub(super) fn push(
        &mut self,
        part: Part,
        write: Result<impl Into<Write>, BuildError>,
    ) -> Result<(), CommitError> {
        let write = write.map_err(|error| CommitError::Sdk(error.into()))?.into();
        self.parts.push(part);
        self.actions.push(write.action);
        Ok(())
    }

    /// Whether a transaction takes it.
    pub(crate) fn check(&self, shared: &Shared) -> Result<(), CommitError> {
        let sizes: Vec<_> = self.actions.iter().map(size::action).collect();
        let largest = sizes.iter().zip(&self.parts).max_by_key(|(size, _)| **size);
        if let Some((largest, part)) = largest
            && (self.actions.len() > size::ACTIONS
                || sizes.iter().sum::<usize>() > size::TRANSACTION
                || *largest > size::ITEM)
        {
            return Err(self.too_large(part.name(), *largest));
        }
        self.check_targets(&shared.table)
    }

    pub(super) fn too_large(&self, largest: &str, largest_bytes: usize) -> CommitError {
        CommitError::TooLarge {
            items: self.actions.len(),
            bytes: self.actions.iter().map(size::action).sum(),
            largest: largest.to_owned(),
            largest_bytes,
            advice: Advice::Terminal,
        }
    }

    /// Whether two actions go to one item, as far as can be told without knowing the tables: the
    /// key of a put is known where another action of its table names it.
    fn check_targets(&self, ours: &str) -> Result<(), CommitError> {
        let targets: Vec<_> = self.actions.iter().map(Target::of).collect();
        let mut key_names = BTreeMap::from([(ours, vec![PK, SK])]);
        for target in &targets {
            if let Some(key) = target.key {
                let names = || key.keys().map(String::as_str).collect();
                key_names.entry(target.table).or_insert_with(names);
            }
        }
        for (second, target) in targets.iter().enumerate() {
            let Some(key_names) = key_names.get(target.table) else {
                continue;
            };
            let first = targets[..second]
                .iter()
                .position(|before| target.is_same(before, key_names));
            if let Some(first) = first {
                return Err(self.same_item([first, second]));
            }
        }
        Ok(())
    }

    fn same_item(&self, actions: impl IntoIterator<Item = usize>) -> CommitError {
        let writes = actions
            .into_iter()
            .map(|action| self.parts[action].name().to_owned());
        CommitError::SameItem {
            writes: writes.collect(),
        }
    }

    /// The error when DynamoDB finds that two actions go to one item: all that share a table.
    pub(super) fn some_same_item(&self) -> CommitError {
        let tables: Vec<_> = self
            .actions
            .iter()
            .map(|action| Target::of(action).table)
            .collect();
        let shared = |index: &usize| tables.iter().filter(|table| **table == tables[*index]).count() > 1;
        self.same_item((0..tables.len()).filter(shared))
    }
}

/// The item that an action goes to.
struct Target<'a> {
    table: &'a str,
    /// What is known of the item: its key, or for a put all of it.
    item: &'a Item,
    key: Option<&'a Item>,
}

impl<'a> Target<'a> {
    fn of(action: &'a TransactWriteItem) -> Self {
        static NOTHING: std::sync::LazyLock<Item> = std::sync::LazyLock::new(Item::new);
        let keyed = |table: &'a str, key: &'a Item| Self {
            table,
            item: key,
            key: Some(key),
        };
        match action {
            TransactWriteItem { put: Some(put), .. } => Self {
                table: &put.table_name,
                item: &put.item,
                key: None,
            },
            TransactWriteItem { update: Some(it), .. } => keyed(&it.table_name, &it.key),
            TransactWriteItem { delete: Some(it), .. } => keyed(&it.table_name, &it.key),
            TransactWriteItem {
                condition_check: Some(it),
                ..
            } => keyed(&it.table_name, &it.key),
            _ => keyed("", &NOTHING),
        }
    }

    fn is_same(&self, other: &Self, key_names: &[&str]) -> bool {
        let same =
            |name: &&str| self.item.contains_key(*name) && self.item.get(*name) == other.item.get(*name);
        self.table == other.table && key_names.iter().all(same)
    }
}
