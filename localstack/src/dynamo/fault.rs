//! What DynamoDB itself does to a call under a fault plan: conflicts, parts of batches, old indexes.

use std::collections::{BTreeMap, VecDeque};

use fanfare::fault::{Fault, FaultPlan};
use serde_json::{Value, json};

use super::operation::Operation;
use crate::answer::Answer;
use crate::digest::Digest;

/// What happens to a call that reaches DynamoDB.
#[derive(Debug)]
pub(crate) enum Twist {
    /// Nothing out of the ordinary.
    None,
    /// It is refused.
    Refuse(Answer),
    /// Only this part of the batch is done, that one isn't.
    Part { done: Vec<u8>, left_out: Value },
    /// It reads an index: the answer may be an older state.
    Index,
}

impl Twist {
    /// Draws it for this call.
    pub(crate) fn draw(plan: &FaultPlan, call: &str, operation: Operation, body: &[u8]) -> Self {
        let drawn = |fault| plan.draw(call, &[fault]).is_some();
        match operation.name {
            "PutItem" | "UpdateItem" | "DeleteItem" if drawn(Fault::Conflict) => Self::Refuse(Answer::error(
                "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
                CONFLICT,
                &json!({}),
            )),
            "TransactWriteItems" | "TransactGetItems" | "ExecuteTransaction" if drawn(Fault::Conflict) => {
                Self::Refuse(cancelled(plan, body, "TransactionConflict", CONFLICT))
            }
            "BatchWriteItem" | "BatchGetItem" => part(plan, call, body).unwrap_or(Self::None),
            "Query" | "Scan" if reads_index(body) => Self::Index,
            _ => Self::None,
        }
    }
}

const CONFLICT: &str = "Transaction is ongoing for the item";

/// DynamoDB's refusal of one call too many: one of the ways it has of saying so.
pub(crate) fn throttled(plan: &FaultPlan, operation: Operation, body: &[u8]) -> Answer {
    const REASON: &str = "Throughput exceeds the current capacity of your table or index.";
    let (kind, message) = match plan.below(if operation.is_transaction() { 4 } else { 3 }) {
        0 => (
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
             your provisioning level with the UpdateTable API.",
        ),
        1 => (
            "com.amazon.coral.availability#ThrottlingException",
            "Rate of requests exceeds the allowed throughput.",
        ),
        2 => (
            "com.amazonaws.dynamodb.v20120810#RequestLimitExceeded",
            "Throughput exceeds the current throughput limit for your account.",
        ),
        _ => return cancelled(plan, body, "ThrottlingError", REASON),
    };
    Answer::error(kind, message, &json!({}))
}

/// A transaction cancelled for the sake of one of its entries.
fn cancelled(plan: &FaultPlan, body: &[u8], code: &str, message: &str) -> Answer {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = ["TransactItems", "TransactStatements"]
        .iter()
        .find_map(|list| request[list].as_array())
        .map_or(1, |entries| entries.len().max(1));
    let hit = plan.below(entries as u64) as usize;
    let codes: Vec<_> = (0..entries)
        .map(|entry| if entry == hit { code } else { "None" })
        .collect();
    let reasons: Vec<_> = codes
        .iter()
        .map(|code| {
            if *code == "None" {
                json!({"Code": code})
            } else {
                json!({"Code": code, "Message": message})
            }
        })
        .collect();
    Answer::error(
        "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        &format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
        &json!({"CancellationReasons": reasons}),
    )
}

/// Splits a batch of several entries, if the plan says so.
fn part(plan: &FaultPlan, call: &str, body: &[u8]) -> Option<Twist> {
    let mut request: Value = serde_json::from_slice(body).ok()?;
    // Sorted, since the SDK writes the tables in no order.
    let tables: BTreeMap<String, Value> = serde_json::from_value(request["RequestItems"].take()).ok()?;
    let total: usize = tables
        .values()
        .filter_map(|table| Some(entries(table)?.len()))
        .sum();
    if total < 2 || plan.draw(call, &[Fault::PartialBatch]).is_none() {
        return None;
    }
    let mut out: Vec<bool> = (0..total).map(|_| plan.below(2) == 1).collect();
    // DynamoDB refuses a batch of which it can do nothing.
    out[0] &= out.contains(&false);
    out[total - 1] |= !out.contains(&true);
    let choose = |left_out: bool| -> serde_json::Map<String, Value> {
        let mut flags = out.iter();
        let mut chosen = tables.clone();
        for list in chosen.values_mut().filter_map(entries_mut) {
            list.retain(|_| flags.next() == Some(&left_out));
        }
        chosen.retain(|_, table| entries(table).is_none_or(|list| !list.is_empty()));
        chosen.into_iter().collect()
    };
    request["RequestItems"] = choose(false).into();
    Some(Twist::Part {
        done: request.to_string().into_bytes(),
        left_out: choose(true).into(),
    })
}

/// The entries of one table in a batch: the writes, or the keys to get.
fn entries(table: &Value) -> Option<&Vec<Value>> {
    table.as_array().or_else(|| table["Keys"].as_array())
}

fn entries_mut(table: &mut Value) -> Option<&mut Vec<Value>> {
    match table {
        Value::Array(entries) => Some(entries),
        keys => keys.get_mut("Keys")?.as_array_mut(),
    }
}

/// Adds to a batch's answer what the plan has left out.
pub(super) fn unprocessed(answer: Answer, operation: Operation, left_out: Value) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
        return answer;
    };
    if !answer.is_success() {
        return answer;
    }
    let member = if operation.name == "BatchGetItem" {
        "UnprocessedKeys"
    } else {
        "UnprocessedItems"
    };
    let mut unprocessed = left_out;
    // The database can have left out something itself: keys past 16 MB.
    if let Some(tables) = body[member].as_object_mut() {
        for (table, own) in std::mem::take(tables) {
            match unprocessed.get_mut(&table).and_then(entries_mut) {
                Some(list) => list.extend(entries(&own).cloned().unwrap_or_default()),
                None => unprocessed[table] = own,
            }
        }
    }
    body[member] = unprocessed;
    Answer {
        body: body.to_string().into_bytes(),
        ..answer
    }
}

/// Whether it reads an index as DynamoDB does unless told otherwise: eventually consistent.
fn reads_index(body: &[u8]) -> bool {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    request["IndexName"].is_string() && request["ConsistentRead"] != true
}

/// The last answers to the latest queries of indexes. An answer from an index can lack what was
/// written, and hold what was deleted.
#[derive(Debug, Default)]
pub(super) struct Earlier(VecDeque<(Digest, Answer)>);

/// How many are kept: each has up to 1 MB.
const KEPT: usize = 16;

impl Earlier {
    /// Answers with an older state than `fresh`, if there is one and the plan says so: the previous
    /// answer to the same request, else `fresh` without some of its items, as from an index that
    /// hasn't got them yet.
    pub(super) fn answer(&mut self, plan: &FaultPlan, call: &str, fresh: Answer) -> Answer {
        let request = Digest::of(call);
        let known = self.0.iter().position(|(known, _)| *known == request);
        let earlier = known.and_then(|at| self.0.remove(at)).map(|(_, answer)| answer);
        let older = match earlier {
            Some(earlier) if !earlier.is_same(&fresh) => Older::Known(earlier),
            _ => Older::fewer(&fresh),
        };
        if fresh.is_success() {
            self.0.push_back((request, fresh.clone()));
        }
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
        match older {
            Older::None => fresh,
            _ if plan.draw(call, &[Fault::StaleRead]).is_none() => fresh,
            Older::Known(earlier) => earlier,
            Older::Fewer(body, items) => without_some(plan, body, items),
        }
    }
}

/// An older state than an answer's.
enum Older {
    None,
    Known(Answer),
    /// One of these items is missing, or more.
    Fewer(Value, Vec<Value>),
}

impl Older {
    fn fewer(fresh: &Answer) -> Self {
        let mut body: Value = serde_json::from_slice(&fresh.body).unwrap_or_default();
        match body["Items"].take() {
            Value::Array(items) if !items.is_empty() => Self::Fewer(body, items),
            _ => Self::None,
        }
    }
}

fn without_some(plan: &FaultPlan, mut body: Value, mut items: Vec<Value>) -> Answer {
    let before = items.len();
    items.retain(|_| plan.below(2) == 0);
    if items.len() == before {
        items.pop();
    }
    let scanned = body["ScannedCount"].as_u64().unwrap_or_default();
    body["ScannedCount"] = scanned.saturating_sub((before - items.len()) as u64).into();
    body["Count"] = items.len().into();
    body["Items"] = items.into();
    Answer::success(body.to_string().into_bytes())
}
