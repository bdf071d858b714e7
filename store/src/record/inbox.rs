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

/// The record. One past its expiry counts like any other while it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InboxRecord {
    pub(crate) pk: String,
    pub(crate) state: State,
    pub(crate) commit: Option<String>,
    pub(crate) handled_at: Option<Millis>,
    pub(crate) owner: Option<String>,
    /// 0 when it was never claimed.
    pub(crate) fence: u64,
    pub(crate) lease_until: Option<Millis>,
    pub(crate) first_claimed_at: Option<Millis>,
    pub(crate) result: Option<String>,
    pub(crate) expires_at: Seconds,
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

impl InboxRecord {
    /// A handling that is done without ever having been claimed.
    pub(crate) fn done(key: Key, commit: &str, handled_at: Millis, expires_at: Seconds) -> Self {
        Self {
            pk: key.pk,
            state: State::Done,
            commit: Some(commit.to_owned()),
            handled_at: Some(handled_at),
            owner: None,
            fence: 0,
            lease_until: None,
            first_claimed_at: None,
            result: None,
            expires_at,
        }
    }

    pub(crate) fn item(&self) -> Item {
        let mut item = Key::new(&self.pk, SORT).item();
        item.insert(STATE.to_owned(), text(self.state.name()));
        item.insert(EXPIRES_AT.to_owned(), number(self.expires_at));
        let texts = [
            (COMMIT, &self.commit),
            (OWNER, &self.owner),
            (RESULT, &self.result),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                item.insert(name.to_owned(), text(value));
            }
        }
        let times = [
            (HANDLED_AT, self.handled_at),
            (LEASE_UNTIL, self.lease_until),
            (FIRST_CLAIMED_AT, self.first_claimed_at),
        ];
        for (name, value) in times {
            if let Some(value) = value {
                item.insert(name.to_owned(), number(value));
            }
        }
        if self.fence > 0 {
            item.insert(FENCE.to_owned(), number(self.fence));
        }
        item
    }

    pub(crate) fn read(item: &Item) -> Result<Self, RecordError> {
        let reader = Reader::new(item);
        Ok(Self {
            pk: reader.text(super::PK)?,
            state: match reader.text(STATE)?.as_str() {
                "done" => State::Done,
                "claimed" => State::Claimed,
                "released" => State::Released,
                _ => return Err(reader.wrong(STATE, "an unknown state in")),
            },
            commit: reader.optional_text(COMMIT)?,
            handled_at: reader.optional_number(HANDLED_AT)?,
            owner: reader.optional_text(OWNER)?,
            fence: reader.optional_number(FENCE)?.unwrap_or(0),
            lease_until: reader.optional_number(LEASE_UNTIL)?,
            first_claimed_at: reader.optional_number(FIRST_CLAIMED_AT)?,
            result: reader.optional_text(RESULT)?,
            expires_at: reader.number(EXPIRES_AT)?,
        })
    }

    /// Whether this commit wrote it.
    pub(crate) fn is_of(&self, commit: &str) -> bool {
        self.state == State::Done && self.commit.as_deref() == Some(commit)
    }
}
