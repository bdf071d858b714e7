//! Why a filter policy is refused.

use super::limits::{COMBINATIONS, KEYS, POLICY_SIZE, WILDCARD_POINTS, WILDCARDS};

/// Why a filter policy is refused, and how to mend it. SNS refuses the same policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterPolicyError {
    /// The policy is no JSON object.
    #[error("a filter policy is a JSON object, such as {{\"type\": [\"order.placed\"]}}")]
    NotAnObject,
    /// The policy is larger than SNS takes.
    #[error("the filter policy has {size} bytes, of at most {POLICY_SIZE}: list fewer or shorter values")]
    TooLarge {
        /// Bytes of the policy as compact JSON.
        size: usize,
    },
    /// The policy filters on too many keys.
    #[error("the filter policy has the {} keys {}, of at most {KEYS}: filter on fewer", keys.len(), keys.join(", "))]
    TooManyKeys {
        /// The keys, each with the path to it.
        keys: Vec<String>,
    },
    /// The policy combines too many values.
    #[error(
        "the filter policy has {count} combinations of values, of at most {COMBINATIONS}: that is the product of \
         the number of values of each key, times its level of nesting; list fewer values, or split the subscription"
    )]
    TooManyCombinations {
        /// The product.
        count: u64,
    },
    /// A key has an empty list, which nothing would match.
    #[error("the key `{key}` has an empty list of values: give it one, or leave the key out")]
    EmptyList {
        /// The key.
        key: String,
    },
    /// A key's value is neither a list nor an object.
    #[error("the key `{key}` has a bare value: write it as a list, as in [value]")]
    NotAList {
        /// The key.
        key: String,
    },
    /// A key on message attributes has keys below it.
    #[error(
        "the key `{key}` has keys below it, but message attributes have none: filter on the message body, or on a key of its own"
    )]
    Nested {
        /// The key.
        key: String,
    },
    /// A list has an element that is no value and no operator.
    #[error(
        "the key `{key}` lists a list: an element is a string, a number, true, false, null or one operator"
    )]
    NotAValue {
        /// The key.
        key: String,
    },
    /// An element has more or fewer than one operator.
    #[error(
        "the key `{key}` has an element with {count} operators instead of one: write one object for each"
    )]
    OneOperator {
        /// The key.
        key: String,
        /// How many it has.
        count: usize,
    },
    /// An operator that SNS doesn't have.
    #[error(
        "the key `{key}` uses the unknown operator `{operator}`: there are anything-but, cidr, equals-ignore-case, \
         exists, numeric, prefix, suffix and wildcard"
    )]
    UnknownOperator {
        /// The key.
        key: String,
        /// The operator.
        operator: String,
    },
    /// An operator has an operand that it can't take.
    #[error("the key `{key}`: `{operator}` takes {expected}")]
    Operand {
        /// The key.
        key: String,
        /// The operator.
        operator: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A number is out of range or too fine.
    #[error(
        "the key `{key}` has the number {number}: it must lie within -1e9 and 1e9 and have at most 5 decimals"
    )]
    Number {
        /// The key.
        key: String,
        /// The number.
        number: String,
    },
    /// A wildcard pattern is not valid.
    #[error("the key `{key}` has the wildcard pattern `{pattern}`: {reason}")]
    Wildcard {
        /// The key.
        key: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A wildcard pattern has too many wildcards.
    #[error(
        "the key `{key}` has {count} wildcards in the pattern `{pattern}`, of at most {WILDCARDS}: use fewer"
    )]
    TooManyWildcards {
        /// The key.
        key: String,
        /// The pattern.
        pattern: String,
        /// How many there are.
        count: usize,
    },
    /// The wildcard patterns together are too complex.
    #[error(
        "the filter policy's wildcards have {points} points, of at most {WILDCARD_POINTS}: a key counts the sum of \
         its patterns' points times their number, a pattern with one wildcard 1, with more 3 for each, and \
         anything-but 1; use prefix or suffix where they do"
    )]
    WildcardComplexity {
        /// The points.
        points: u64,
    },
    /// An `$or` isn't a list of at least two objects that have keys.
    #[error("`$or`{} takes a list of at least two objects, each with a key to filter on", if path.is_empty() { String::new() } else { format!(" in `{path}`") })]
    Or {
        /// The path to it, empty at the top.
        path: String,
    },
}
