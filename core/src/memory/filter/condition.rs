//! One element of a key's list: a value, or an operator with its operand.

use std::net::IpAddr;

use serde_json::Value;

use super::FilterPolicyError;
use super::limits::WILDCARDS;
use super::wildcard::Wildcard;

/// A value of a message, as conditions look at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Text(&'a str),
    Number(f64),
    Bool(bool),
    Null,
}

impl<'a> Token<'a> {
    /// A scalar; lists and objects are none.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text)),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::Bool(bool) => Some(Self::Bool(*bool)),
            Value::Null => Some(Self::Null),
            Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// A number in units of 0.00001, SNS's accuracy; nothing beyond its range of ±10⁹.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fixed(i64);

impl Fixed {
    const LIMIT: f64 = 1e9;
    const UNITS: f64 = 1e5;

    fn of(number: f64) -> Option<Self> {
        // 1e14 units at most: exact in both f64 and i64.
        (number.abs() <= Self::LIMIT).then(|| Self((number * Self::UNITS).round() as i64))
    }

    /// A number of a policy, which may not be finer than the accuracy.
    fn exact(key: &str, value: &Value) -> Result<Self, FilterPolicyError> {
        let number = value.as_f64().unwrap_or(f64::NAN);
        match Self::of(number) {
            Some(fixed) if fixed.0 as f64 / Self::UNITS == number => Ok(fixed),
            _ => Err(FilterPolicyError::Number {
                key: key.to_owned(),
                number: value.to_string(),
            }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Number(Fixed),
    Bool(bool),
    Null,
}

impl Literal {
    fn equals(&self, token: Token<'_>) -> bool {
        match (self, token) {
            (Self::Text(own), Token::Text(text)) => own == text,
            (Self::Number(own), Token::Number(number)) => Fixed::of(number) == Some(*own),
            (Self::Bool(own), Token::Bool(bool)) => *own == bool,
            (Self::Null, Token::Null) => true,
            _ => false,
        }
    }
}

/// How a text is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Prefix(String),
    Suffix(String),
    Wildcard(Wildcard),
    /// In lower case.
    IgnoreCase(String),
    /// An address and how many leading bits of it count.
    Cidr(IpAddr, u32),
}

impl Pattern {
    fn matches(&self, token: Token<'_>) -> bool {
        let Token::Text(text) = token else { return false };
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::Wildcard(wildcard) => wildcard.matches(text),
            Self::IgnoreCase(lower) => text.to_lowercase() == *lower,
            Self::Cidr(network, bits) => text.parse().is_ok_and(|address| within(address, *network, *bits)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Exact(Literal),
    Pattern(Pattern),
    AnythingBut(Vec<Literal>),
    AnythingButPattern(Pattern),
    /// Lowest and highest, each with whether it is included itself.
    Numeric(Option<(Fixed, bool)>, Option<(Fixed, bool)>),
    Exists(bool),
}

impl Condition {
    /// Whether a value that is there satisfies it.
    pub(super) fn matches(&self, token: Token<'_>) -> bool {
        match self {
            Self::Exact(literal) => literal.equals(token),
            Self::Pattern(pattern) => pattern.matches(token),
            Self::AnythingBut(literals) => !literals.iter().any(|literal| literal.equals(token)),
            Self::AnythingButPattern(pattern) => !pattern.matches(token),
            Self::Numeric(lowest, highest) => {
                let Token::Number(number) = token else {
                    return false;
                };
                let Some(number) = Fixed::of(number) else {
                    return false;
                };
                lowest.is_none_or(|(bound, included)| number > bound || (included && number == bound))
                    && highest.is_none_or(|(bound, included)| number < bound || (included && number == bound))
            }
            Self::Exists(expected) => *expected,
        }
    }

    /// Its wildcard pattern, if it has one.
    pub(super) fn wildcard(&self) -> Option<&Wildcard> {
        match self {
            Self::Pattern(Pattern::Wildcard(wildcard))
            | Self::AnythingButPattern(Pattern::Wildcard(wildcard)) => Some(wildcard),
            _ => None,
        }
    }

    /// What it counts towards the complexity of wildcards.
    pub(super) fn points(&self) -> u64 {
        let wildcard = match self.wildcard().map_or(0, Wildcard::count) as u64 {
            one_or_none @ 0..=1 => one_or_none,
            more => 3 * more,
        };
        wildcard + u64::from(matches!(self, Self::AnythingBut(_) | Self::AnythingButPattern(_)))
    }

    pub(super) fn parse(key: &str, value: &Value) -> Result<Self, FilterPolicyError> {
        if let Some(literal) = literal(key, value)? {
            return Ok(Self::Exact(literal));
        }
        let Value::Object(object) = value else {
            return Err(FilterPolicyError::NotAValue { key: key.to_owned() });
        };
        let mut operators = object.iter();
        let (Some((operator, operand)), None) = (operators.next(), operators.next()) else {
            return Err(FilterPolicyError::OneOperator {
                key: key.to_owned(),
                count: object.len(),
            });
        };
        match operator.as_str() {
            "anything-but" => anything_but(key, operand),
            "exists" => match operand {
                Value::Bool(expected) => Ok(Self::Exists(*expected)),
                _ => Err(wrong(key, "exists", "true or false")),
            },
            "numeric" => numeric(key, operand),
            _ => pattern(key, operator, operand).map(Self::Pattern),
        }
    }
}

fn literal(key: &str, value: &Value) -> Result<Option<Literal>, FilterPolicyError> {
    Ok(Some(match value {
        Value::String(text) => Literal::Text(text.clone()),
        Value::Number(_) => Literal::Number(Fixed::exact(key, value)?),
        Value::Bool(bool) => Literal::Bool(*bool),
        Value::Null => Literal::Null,
        Value::Array(_) | Value::Object(_) => return Ok(None),
    }))
}

fn wrong(key: &str, operator: &'static str, expected: &'static str) -> FilterPolicyError {
    FilterPolicyError::Operand {
        key: key.to_owned(),
        operator,
        expected,
    }
}

fn pattern(key: &str, operator: &str, operand: &Value) -> Result<Pattern, FilterPolicyError> {
    let text = |operator| operand.as_str().ok_or_else(|| wrong(key, operator, "a string"));
    match operator {
        "prefix" => Ok(Pattern::Prefix(text("prefix")?.to_owned())),
        "suffix" => Ok(Pattern::Suffix(text("suffix")?.to_owned())),
        "equals-ignore-case" => Ok(Pattern::IgnoreCase(text("equals-ignore-case")?.to_lowercase())),
        "wildcard" => {
            let text = text("wildcard")?;
            let invalid = |reason| FilterPolicyError::Wildcard {
                key: key.to_owned(),
                pattern: text.to_owned(),
                reason,
            };
            let wildcard = Wildcard::parse(text).map_err(invalid)?;
            if wildcard.count() > WILDCARDS {
                return Err(FilterPolicyError::TooManyWildcards {
                    key: key.to_owned(),
                    pattern: text.to_owned(),
                    count: wildcard.count(),
                });
            }
            Ok(Pattern::Wildcard(wildcard))
        }
        "cidr" => {
            let parsed = text("cidr")?.split_once('/').and_then(|(address, bits)| {
                let address: IpAddr = address.parse().ok()?;
                let bits: u32 = bits.parse().ok()?;
                (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some(Pattern::Cidr(address, bits))
            });
            parsed.ok_or_else(|| {
                wrong(
                    key,
                    "cidr",
                    "an address and a number of bits, such as \"10.0.0.0/24\"",
                )
            })
        }
        unknown => Err(FilterPolicyError::UnknownOperator {
            key: key.to_owned(),
            operator: unknown.to_owned(),
        }),
    }
}

const ANYTHING_BUT: &str =
    "a string, a number, a list of only strings or only numbers, or one prefix, suffix or wildcard";

fn anything_but(key: &str, operand: &Value) -> Result<Condition, FilterPolicyError> {
    let wrong = || wrong(key, "anything-but", ANYTHING_BUT);
    if let Value::Object(object) = operand {
        let mut operators = object.iter();
        let (Some((operator, operand)), None) = (operators.next(), operators.next()) else {
            return Err(wrong());
        };
        return match operator.as_str() {
            "prefix" | "suffix" | "wildcard" => {
                pattern(key, operator, operand).map(Condition::AnythingButPattern)
            }
            _ => Err(wrong()),
        };
    }
    let values = match operand {
        Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    if values.is_empty() || !(values.iter().all(Value::is_string) || values.iter().all(Value::is_number)) {
        return Err(wrong());
    }
    let literals: Result<Vec<_>, _> = values.iter().map(|value| literal(key, value)).collect();
    Ok(Condition::AnythingBut(literals?.into_iter().flatten().collect()))
}

const NUMERIC: &str = "a comparison and a number, such as [\">=\", 5] or [\"=\", 5], or a range from the lower bound \
                       to the higher, such as [\">\", 0, \"<=\", 150]";

fn numeric(key: &str, operand: &Value) -> Result<Condition, FilterPolicyError> {
    let wrong = || wrong(key, "numeric", NUMERIC);
    let operand = operand.as_array().ok_or_else(wrong)?;
    let mut terms = Vec::new();
    for pair in operand.chunks(2) {
        let [Value::String(comparison), number @ Value::Number(_)] = pair else {
            return Err(wrong());
        };
        terms.push((comparison.as_str(), Fixed::exact(key, number)?));
    }
    match terms[..] {
        [("=", bound)] => Ok(Condition::Numeric(Some((bound, true)), Some((bound, true)))),
        [(low @ (">" | ">="), bound)] => Ok(Condition::Numeric(Some((bound, low == ">=")), None)),
        [(high @ ("<" | "<="), bound)] => Ok(Condition::Numeric(None, Some((bound, high == "<=")))),
        [(low @ (">" | ">="), bottom), (high @ ("<" | "<="), top)] if bottom < top => Ok(Condition::Numeric(
            Some((bottom, low == ">=")),
            Some((top, high == "<=")),
        )),
        _ => Err(wrong()),
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (differing, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
        _ => return false,
    };
    // With no bit to compare the shift is by the whole width, which `checked_shr` gives as nothing.
    differing
        .checked_shr(width - bits)
        .is_none_or(|differing| differing == 0)
}
