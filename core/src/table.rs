//! A DynamoDB table as data: what an application needs, for whatever makes it.

/// A table: its keys, its indexes and what else is switched on. Billed by request.
///
/// ```
/// use fanfare::table::{Index, Key, Stream, Table};
///
/// let ledger = Table::new("shop-ledger", Key::text("order_id"))
///     .sort(Key::text("entry"))
///     .expiry("expires_at")
///     .index(Index::new("by-day", Key::number("day")).keys_only())
///     .stream(Stream::NewImage);
/// assert_eq!(ledger.name, "shop-ledger");
/// assert_eq!(ledger.attributes(), [Key::text("order_id"), Key::text("entry"), Key::number("day")]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// Its name in the account.
    pub name: String,
    /// The partition key.
    pub key: Key,
    /// The sort key, if it has one.
    pub sort: Option<Key>,
    /// Its global secondary indexes; DynamoDB takes up to 20.
    pub indexes: Vec<Index>,
    /// The attribute (N, epoch seconds) after which an item is deleted, if it has one.
    pub expiry: Option<String>,
    /// What its stream shows of a change, if it has one.
    pub stream: Option<Stream>,
    /// Whether it can be restored to any second of the last 35 days.
    pub point_in_time_recovery: bool,
}

/// An attribute that is part of a key.
///
/// ```
/// use fanfare::table::{Key, KeyType};
/// assert_eq!(Key::number("due").kind, KeyType::Number);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: KeyType,
}

/// The types that a key can have.
///
/// ```
/// assert_eq!(fanfare::table::KeyType::Text.name(), "S");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `S`.
    Text,
    /// `N`.
    Number,
    /// `B`.
    Bytes,
}

/// A global secondary index. Items without its keys aren't in it.
///
/// ```
/// use fanfare::table::{Index, Key};
/// let pending = Index::new("pending", Key::text("shard")).sort(Key::number("due"));
/// assert!(!pending.keys_only);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The partition key.
    pub key: Key,
    /// The sort key, if it has one.
    pub sort: Option<Key>,
    /// Whether it holds the keys alone, rather than all attributes.
    pub keys_only: bool,
}

/// What a table's stream shows of each change.
///
/// ```
/// assert_eq!(fanfare::table::Stream::NewImage.name(), "NEW_IMAGE");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The keys.
    Keys,
    /// The item as it is afterwards.
    NewImage,
    /// The item as it was.
    OldImage,
    /// Both.
    Both,
}

impl Table {
    /// A table of this name with this partition key.
    pub fn new(name: impl Into<String>, key: Key) -> Self {
        Self {
            name: name.into(),
            key,
            sort: None,
            indexes: Vec::new(),
            expiry: None,
            stream: None,
            point_in_time_recovery: false,
        }
    }

    /// Gives it a sort key.
    #[must_use]
    pub fn sort(self, key: Key) -> Self {
        Self {
            sort: Some(key),
            ..self
        }
    }

    /// Adds an index.
    #[must_use]
    pub fn index(mut self, index: Index) -> Self {
        self.indexes.push(index);
        self
    }

    /// Items are deleted some time after what this attribute says (N, epoch seconds).
    #[must_use]
    pub fn expiry(self, attribute: impl Into<String>) -> Self {
        Self {
            expiry: Some(attribute.into()),
            ..self
        }
    }

    /// Gives it a stream.
    #[must_use]
    pub fn stream(self, shows: Stream) -> Self {
        Self {
            stream: Some(shows),
            ..self
        }
    }

    /// It can be restored to any second of the last 35 days, which AWS bills by its size.
    #[must_use]
    pub fn point_in_time_recovery(self) -> Self {
        Self {
            point_in_time_recovery: true,
            ..self
        }
    }

    /// The attributes of all its keys, each once.
    pub fn attributes(&self) -> Vec<Key> {
        let indexes = self
            .indexes
            .iter()
            .flat_map(|index| [Some(&index.key), index.sort.as_ref()]);
        let all = [Some(&self.key), self.sort.as_ref()]
            .into_iter()
            .chain(indexes)
            .flatten();
        let mut distinct: Vec<Key> = Vec::new();
        for key in all {
            if !distinct.contains(key) {
                distinct.push(key.clone());
            }
        }
        distinct
    }
}

impl Key {
    /// A text, `S`.
    pub fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: KeyType::Text,
        }
    }

    /// A number, `N`.
    pub fn number(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: KeyType::Number,
        }
    }

    /// Bytes, `B`.
    pub fn bytes(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: KeyType::Bytes,
        }
    }
}

impl KeyType {
    /// Its name in DynamoDB's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "S",
            Self::Number => "N",
            Self::Bytes => "B",
        }
    }
}

impl Index {
    /// An index of this name with this partition key, which holds all attributes.
    pub fn new(name: impl Into<String>, key: Key) -> Self {
        Self {
            name: name.into(),
            key,
            sort: None,
            keys_only: false,
        }
    }

    /// Gives it a sort key.
    #[must_use]
    pub fn sort(self, key: Key) -> Self {
        Self {
            sort: Some(key),
            ..self
        }
    }

    /// It holds the keys alone.
    #[must_use]
    pub fn keys_only(self) -> Self {
        Self {
            keys_only: true,
            ..self
        }
    }
}

impl Stream {
    /// Its name in DynamoDB's API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::Both => "NEW_AND_OLD_IMAGES",
        }
    }
}
