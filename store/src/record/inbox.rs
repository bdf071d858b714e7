//! That a consumer handles, or has handled, an event.
//!
//! `pk` = `inbox#{dedupe key}`, `sk` = `inbox`.

use fanfare::DedupeKey;

use super::{EXPIRES_AT, Item, Key, Millis, Reader, RecordError, Seconds, number, partition, text};

/// The sort key.
pub(crate) const SORT: &str = "inbox";
/// `done`, `claimed` or `released` (S).
pub(crate) const STATE: &str = "state";
/// The commit that completed it (S).
pub(crate) const COMMIT: &str = "commit";
/// When it was completed (N, epoch ms).
pub(crate) const HANDLED_AT: &str = "handled_at";
/// Whose claim it is: an id made for each try to claim it (S).
pub(crate) const OWNER: &str = "owner";
/// How often it was claimed (N): grows with each claim.
pub(crate) const FENCE: &str = "fence";
/// When the claim ends unless it is renewed (N, epoch ms).
pub(crate) const LEASE_UNTIL: &str = "lease_until";
/// When it was claimed for the first time (N, epoch ms).
pub(crate) const FIRST_CLAIMED_AT: &str = "first_claimed_at";
/// What its effect gave, as JSON (S).
pub(crate) const RESULT: &str = "result";

/// What is read of the record. One past its expiry counts like any other while it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InboxRecord {
    pub(crate) state: State,
    pub(crate) owner: Option<String>,
    /// 0 when it was never claimed.
    pub(crate) fence: u64,
    pub(crate) lease_until: Option<Millis>,
    pub(crate) first_claimed_at: Option<Millis>,
    pub(crate) result: Option<String>,
}

/// How far the handling is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The effect is applied.
    Done,
    /// Somebody is at it, until the claim ends.
    Claimed,
    /// It was claimed and given back without its effect having been completed.
    Released,
}

/// The key of this handling's record.
pub(crate) fn key(key: &DedupeKey) -> Key {
    Key::new(partition("inbox", &key.to_string()), SORT)
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Claimed => "claimed",
            Self::Released => "released",
        }
    }
}

/// The record of a handling that this commit completes without having claimed it.
pub(crate) fn done(key: &Key, commit: &str, handled_at: Millis, expires_at: Seconds) -> Item {
    let mut item = key.item();
    let attributes = [
        (STATE, text(State::Done.name())),
        (COMMIT, text(commit)),
        (HANDLED_AT, number(handled_at)),
        (EXPIRES_AT, number(expires_at)),
    ];
    item.extend(attributes.map(|(name, value)| (name.to_owned(), value)));
    item
}

impl InboxRecord {
    pub(crate) fn read(item: &Item) -> Result<Self, RecordError> {
        let reader = Reader::new(item);
        Ok(Self {
            state: match reader.text(STATE)?.as_str() {
                "done" => State::Done,
                "claimed" => State::Claimed,
                "released" => State::Released,
                _ => return Err(reader.wrong(STATE, "an unknown state in")),
            },
            owner: reader.optional_text(OWNER)?,
            fence: reader.optional_number(FENCE)?.unwrap_or(0),
            lease_until: reader.optional_number(LEASE_UNTIL)?,
            first_claimed_at: reader.optional_number(FIRST_CLAIMED_AT)?,
            result: reader.optional_text(RESULT)?,
        })
    }
}
