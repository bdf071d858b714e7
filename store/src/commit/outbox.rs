//! From what a commit emits to the outbox records it writes.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, Update};
use fanfare::{Destination, Outgoing};

use super::plan::{Part, Plan};
use super::size;
use crate::CommitError;
use crate::record::head::{self, Waiting};
use crate::record::outbox::{Indexed, OutboxEvent, OutboxRecord};
use crate::record::{DUE, Item, Millis, PK, SHARD, number, shard, text};
use crate::store::Shared;
use crate::wake::{Fresh, GRACE};

/// How many bytes of events one outbox record holds, unless a single one is larger: it leaves room in
/// the item for what the relay notes about each.
const RECORD: usize = 350 * 1024;
/// The room that a record with a single large event leaves for that.
const NOTES: usize = 8 * 1024;
/// How long a record that only marks a commit stays.
const MARKED: Duration = Duration::from_secs(24 * 60 * 60);

impl Plan {
    /// Adds the records of what is emitted and sent.
    pub(crate) fn outgoing(&mut self, shared: &Shared, outgoing: Vec<Outgoing>) -> Result<(), CommitError> {
        let now = Millis::now(&shared.clock);
        let due = match shared.wake.is_attached() {
            true => now.plus(GRACE),
            false => now,
        };
        let mut unordered = Vec::new();
        let mut ordered: BTreeMap<(String, String), Vec<Outgoing>> = BTreeMap::new();
        for outgoing in outgoing {
            match (&outgoing.destination, &outgoing.key) {
                (Destination::Topic(topic), Some(key)) if outgoing.is_ordered() => ordered
                    .entry((topic.clone(), key.clone()))
                    .or_default()
                    .push(outgoing),
                _ => unordered.push(OutboxEvent::pending(outgoing)),
            }
        }
        for (part, events) in split(unordered).into_iter().enumerate() {
            self.record(shared, part, events, now, due)?;
        }
        for ((topic, key), events) in ordered {
            self.append(shared, &topic, &key, &events, due)?;
        }
        Ok(())
    }

    /// Adds an outbox record without events when nothing else of the commit shows its id: so that a
    /// try whose answer was lost is recognised however late the next one comes.
    pub(crate) fn mark(&mut self, shared: &Shared) -> Result<(), CommitError> {
        let marks = |part: &Part| matches!(part, Part::Guard | Part::Outbox);
        if self.parts.is_empty() || self.parts.iter().any(marks) {
            return Ok(());
        }
        let now = Millis::now(&shared.clock);
        let mut record = self.new_record(0, Vec::new(), now);
        record.expires_at = Some(now.plus(MARKED).ceil());
        self.put(shared, &record)
    }

    fn record(
        &mut self,
        shared: &Shared,
        part: usize,
        events: Vec<OutboxEvent>,
        now: Millis,
        due: Millis,
    ) -> Result<(), CommitError> {
        let mut record = self.new_record(part, events, now);
        record.index = Some(Indexed {
            shard: shard::pending(shard::random(shared.shards)),
            due,
        });
        self.put(shared, &record)?;
        self.fresh.push(Fresh::Unordered(record));
        Ok(())
    }

    fn new_record(&self, part: usize, events: Vec<OutboxEvent>, created_at: Millis) -> OutboxRecord {
        OutboxRecord {
            commit: self.commit.clone(),
            part,
            events,
            revision: 0,
            index: None,
            created_at,
            expires_at: None,
        }
    }

    fn put(&mut self, shared: &Shared, record: &OutboxRecord) -> Result<(), CommitError> {
        let item = record.item();
        let bytes = size::item(&item);
        if bytes + NOTES > size::ITEM && record.events.len() == 1 {
            let name = record.events[0].outgoing.envelope.ty();
            return Err(self.too_large(name, bytes + NOTES));
        }
        let put = Put::builder()
            .table_name(&shared.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PK)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        self.push(Part::Outbox, put)
    }

    /// Appends to the head of a key, whose order is that of the commits that reach it.
    fn append(
        &mut self,
        shared: &Shared,
        topic: &str,
        key: &str,
        events: &[Outgoing],
        due: Millis,
    ) -> Result<(), CommitError> {
        let head = head::key(topic, key);
        let waiting = events
            .iter()
            .map(|event| Waiting::new(event).map(|waiting| waiting.value()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(CommitError::Result)?;
        let count = waiting.len();
        let waiting = AttributeValue::L(waiting);
        let bytes = size::value(&waiting);
        // What the head had before has to fit too, but once that is published this does.
        let (Some(room), true) = (head::CAP.checked_sub(count), bytes <= RECORD) else {
            return Err(self.too_large(&head.pk, bytes));
        };
        let update = Update::builder()
            .table_name(&shared.table)
            .set_key(Some(head.item()))
            .update_expression(
                "SET #seq = if_not_exists(#seq, :zero) + :count, \
                 #pending = list_append(if_not_exists(#pending, :none), :events), \
                 #shard = if_not_exists(#shard, :shard), #due = if_not_exists(#due, :due)",
            )
            .condition_expression("attribute_not_exists(#pending) OR size(#pending) <= :room")
            .set_expression_attribute_names(Some(
                [
                    ("#seq", head::SEQUENCE),
                    ("#pending", head::PENDING),
                    ("#shard", SHARD),
                    ("#due", DUE),
                ]
                .map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()))
                .into(),
            ))
            .set_expression_attribute_values(Some(Item::from(
                [
                    (":zero", number(0)),
                    (":count", number(count)),
                    (":none", AttributeValue::L(Vec::new())),
                    (":events", waiting),
                    (":shard", text(shard::pending(shard::random(shared.shards)))),
                    (":due", number(due)),
                    (":room", number(room)),
                ]
                .map(|(placeholder, value)| (placeholder.to_owned(), value)),
            )))
            .build();
        self.push(Part::Head { pk: head.pk.clone() }, update)?;
        self.fresh.push(Fresh::Ordered(head));
        Ok(())
    }
}

/// Cuts events, in their order, into lists that fit into a record each.
fn split(events: Vec<OutboxEvent>) -> Vec<Vec<OutboxEvent>> {
    let mut records: Vec<Vec<OutboxEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let more = 1 + size::value(&event.value());
        match records.last_mut() {
            Some(record) if bytes + more <= RECORD => record.push(event),
            _ => {
                records.push(vec![event]);
                bytes = 0;
            }
        }
        bytes += more;
    }
    records
}
