//! Which messages of a topic a subscription takes.

mod condition;
mod error;
mod limits;
mod parse;
mod wildcard;

use serde_json::Value;

use self::condition::{Condition, Token};
use self::limits::POLICY_SIZE;
use self::parse::Group;
use crate::{Attribute, Attributes};

pub use self::error::FilterPolicyError;

/// What a filter policy looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The message's attributes: those of type `String`, `String.Array` and `Number`.
    #[default]
    MessageAttributes,
    /// The message's body, which must be a JSON object.
    MessageBody,
}

/// An SNS filter policy: which messages of a topic a subscription takes.
///
/// Keys are joined by AND, the values of a key by OR, `$or` by OR. A value is a string, a number, a
/// boolean, null, or one of the operators `anything-but`, `prefix`, `suffix`, `wildcard`,
/// `equals-ignore-case`, `numeric`, `exists` and `cidr`. A list in the message matches when any of
/// its elements does. Strings compare with their case and numbers to 5 decimals; a string never
/// equals a number.
///
/// The limits are SNS's: 5 keys, 150 combinations, 256 KiB, 3 wildcards a pattern.
///
/// ```
/// use fanfare::memory::{FilterPolicy, Scope};
/// use fanfare::{Attribute, Attributes};
/// use serde_json::json;
///
/// let policy = FilterPolicy::parse(
///     &json!({"type": ["order.placed", {"prefix": "payment."}], "version": [{"numeric": [">=", 2]}]}),
///     Scope::MessageAttributes,
/// )?;
/// let mut attributes = Attributes::from([
///     ("type".to_owned(), Attribute::string("payment.charged")),
///     ("version".to_owned(), Attribute::number(2)),
/// ]);
/// assert!(policy.matches_attributes(&attributes));
/// attributes.insert("version".to_owned(), Attribute::number(1));
/// assert!(!policy.matches_attributes(&attributes));
/// # Ok::<(), fanfare::memory::FilterPolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FilterPolicy {
    json: Value,
    scope: Scope,
    group: Group,
}

impl PartialEq for FilterPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json && self.scope == other.scope
    }
}

impl FilterPolicy {
    /// Reads a policy and holds it against SNS's limits.
    ///
    /// # Errors
    /// [`FilterPolicyError`] names the key and the numbers.
    pub fn parse(policy: &Value, scope: Scope) -> Result<Self, FilterPolicyError> {
        let object = policy.as_object().ok_or(FilterPolicyError::NotAnObject)?;
        let size = policy.to_string().len();
        if size > POLICY_SIZE {
            return Err(FilterPolicyError::TooLarge { size });
        }
        let group = Group::parse(object, scope)?;
        limits::check(&group)?;
        Ok(Self {
            json: policy.clone(),
            scope,
            group,
        })
    }

    /// The policy as it was given.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// What it looks at.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Whether a message is taken: by its attributes or its body, as the scope says.
    pub fn matches(&self, body: &str, attributes: &Attributes) -> bool {
        match self.scope {
            Scope::MessageAttributes => self.matches_attributes(attributes),
            Scope::MessageBody => self.matches_body(body),
        }
    }

    /// Whether a message with these attributes is taken.
    pub fn matches_attributes(&self, attributes: &Attributes) -> bool {
        let parsed: Vec<(&str, Comparable<'_>)> = attributes
            .iter()
            .filter_map(|(name, attribute)| Some((name.as_str(), Comparable::of(attribute)?)))
            .collect();
        self.group.matches(&|path, conditions| {
            let found = parsed.iter().find(|(name, _)| *name == path);
            match found {
                Some((_, comparable)) => comparable.any(|token| accepts(conditions, token)),
                // SNS evaluates `exists: false` only on a message that has an attribute at all.
                None => !attributes.is_empty() && conditions.contains(&Condition::Exists(false)),
            }
        })
    }

    /// Whether a message with this body is taken; not, when it is no JSON object.
    pub fn matches_body(&self, body: &str) -> bool {
        serde_json::from_str(body).map_or(self.group.is_empty(), |body| self.matches_json(&body))
    }

    /// Whether a message with this body is taken, as [`matches_body`](Self::matches_body) says; other
    /// JSON as well, such as an event that a Lambda mapping's filter with the same operators looks at.
    ///
    /// ```
    /// use fanfare::memory::{FilterPolicy, Scope};
    /// use serde_json::json;
    ///
    /// let inserts = FilterPolicy::parse(&json!({"eventName": ["INSERT"]}), Scope::MessageBody)?;
    /// assert!(inserts.matches_json(&json!({"eventName": "INSERT", "eventVersion": "1.1"})));
    /// assert!(!inserts.matches_json(&json!({"eventName": "REMOVE"})));
    /// # Ok::<(), fanfare::memory::FilterPolicyError>(())
    /// ```
    pub fn matches_json(&self, body: &Value) -> bool {
        if !body.is_object() {
            return self.group.is_empty();
        }
        self.group.matches(&|path, conditions| {
            let mut tokens = Vec::new();
            collect(body, path, &mut tokens);
            if tokens.is_empty() {
                return conditions.contains(&Condition::Exists(false));
            }
            tokens.into_iter().any(|token| accepts(conditions, token))
        })
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.ors.is_empty()
    }

    fn matches(&self, field: &impl Fn(&str, &[Condition]) -> bool) -> bool {
        self.fields.iter().all(|own| field(&own.path, &own.conditions))
            && self
                .ors
                .iter()
                .all(|any| any.iter().any(|alternative| alternative.matches(field)))
    }
}

fn accepts(conditions: &[Condition], token: Token<'_>) -> bool {
    conditions.iter().any(|condition| condition.matches(token))
}

/// An attribute's value in a form that can be compared.
enum Comparable<'a> {
    Text(&'a str),
    Number(f64),
    List(Vec<Value>),
}

impl<'a> Comparable<'a> {
    /// Nothing for the types that SNS ignores.
    fn of(attribute: &'a Attribute) -> Option<Self> {
        let text = attribute.text()?;
        match attribute.data_type() {
            "String" => Some(Self::Text(text)),
            "Number" => Some(Self::Number(text.trim().parse().unwrap_or(f64::NAN))),
            "String.Array" => Some(Self::List(serde_json::from_str(text).unwrap_or_default())),
            _ => None,
        }
    }

    fn any(&self, accepts: impl Fn(Token<'_>) -> bool) -> bool {
        match self {
            Self::Text(text) => accepts(Token::Text(text)),
            Self::Number(number) => accepts(Token::Number(*number)),
            Self::List(values) => values.iter().filter_map(Token::of).any(accepts),
        }
    }
}

/// Every scalar that lies at this path, through lists. SNS joins nested keys by dots, so that a key
/// `a.b` and a key `b` in `a` are the same to it.
fn collect<'a>(value: &'a Value, path: &str, tokens: &mut Vec<Token<'a>>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, path, tokens)),
        Value::Object(object) => {
            if let Some(leaf) = object.get(path) {
                scalars(leaf, tokens);
            }
            for (dot, _) in path.match_indices('.') {
                if let Some(inner) = object.get(&path[..dot]) {
                    collect(inner, &path[dot + 1..], tokens);
                }
            }
        }
        _ => {}
    }
}

fn scalars<'a>(value: &'a Value, tokens: &mut Vec<Token<'a>>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|element| scalars(element, tokens)),
        scalar => tokens.extend(Token::of(scalar)),
    }
}
