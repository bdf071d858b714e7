//! SNS's limits on a filter policy, from its developer guide, "Filter policy constraints".

use std::collections::BTreeSet;

use super::FilterPolicyError;
use super::condition::Condition;
use super::parse::Group;

/// Bytes that a policy may have.
pub(super) const POLICY_SIZE: usize = 256 * 1024;
/// Keys that a policy may filter on; of nested ones only the leaves count.
pub(super) const KEYS: usize = 5;
/// Combinations of values that a policy may have.
pub(super) const COMBINATIONS: u64 = 150;
/// Wildcards that one pattern may have.
pub(super) const WILDCARDS: usize = 3;
/// Points that all wildcard patterns together may have.
pub(super) const WILDCARD_POINTS: u64 = 100;

pub(super) fn check(policy: &Group) -> Result<(), FilterPolicyError> {
    let mut keys = BTreeSet::new();
    policy.each_field(&mut |field| {
        keys.insert(field.path.clone());
    });
    if keys.len() > KEYS {
        return Err(FilterPolicyError::TooManyKeys {
            keys: keys.into_iter().collect(),
        });
    }
    let count = combinations(policy);
    if count > COMBINATIONS {
        return Err(FilterPolicyError::TooManyCombinations { count });
    }
    let points = wildcard_points(policy);
    if points > WILDCARD_POINTS {
        return Err(FilterPolicyError::WildcardComplexity { points });
    }
    Ok(())
}

/// The product over the keys of values times level; the alternatives of an `$or` add up.
fn combinations(group: &Group) -> u64 {
    let fields = group
        .fields
        .iter()
        .map(|field| (field.conditions.len() as u64).saturating_mul(field.level))
        .fold(1u64, u64::saturating_mul);
    group
        .ors
        .iter()
        .map(|alternatives| {
            alternatives
                .iter()
                .map(combinations)
                .fold(0u64, u64::saturating_add)
        })
        .fold(fields, u64::saturating_mul)
}

/// Counted only in a policy that has a wildcard at all. The guide leaves open whether "3 points
/// each" is for each wildcard or each pattern; SNS itself refuses five patterns of two wildcards
/// and takes four, which is the former.
fn wildcard_points(policy: &Group) -> u64 {
    let (mut points, mut any) = (0u64, false);
    policy.each_field(&mut |field| {
        let sum: u64 = field.conditions.iter().map(Condition::points).sum();
        any |= field
            .conditions
            .iter()
            .any(|condition| condition.wildcard().is_some());
        points = points.saturating_add(sum.saturating_mul(field.conditions.len() as u64));
    });
    if any { points } else { 0 }
}
