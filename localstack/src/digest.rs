//! A short digest of a JSON value that doesn't depend on the order of its members: the SDK writes
//! members in the order of a hash map, which differs from run to run.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A digest of a JSON value; equal values have equal digests, in every process of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Digest(u64);

impl Digest {
    /// Of anything that can be hashed.
    pub(crate) fn of(value: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Of a request's body, without the token that makes each one unique.
    pub(crate) fn of_request(body: &[u8]) -> Self {
        match serde_json::from_slice::<BTreeMap<String, Self>>(body) {
            Ok(mut members) => {
                members.remove("ClientRequestToken");
                Self::of(members)
            }
            Err(_) => Self::of(body),
        }
    }
}

impl From<Digest> for u128 {
    fn from(Digest(digest): Digest) -> Self {
        digest.into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Digest, E> {
        Ok(Digest::of("null"))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Digest, E> {
        Ok(Digest::of(("bool", value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Digest, E> {
        Ok(Digest::of(("number", value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Digest, E> {
        Ok(Digest::of(("number", value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Digest, E> {
        Ok(Digest::of(("number", value.to_bits())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Digest, E> {
        Ok(Digest::of(("string", value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Digest, A::Error> {
        let mut hasher = DefaultHasher::new();
        "list".hash(&mut hasher);
        while let Some(Digest(element)) = elements.next_element()? {
            element.hash(&mut hasher);
        }
        Ok(Digest(hasher.finish()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Digest, A::Error> {
        let mut sum = 0_u64;
        while let Some((Digest(name), Digest(value))) = members.next_entry()? {
            let Digest(member) = Digest::of((name, value));
            sum = sum.wrapping_add(member);
        }
        Ok(Digest::of(("map", sum)))
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    fn digest(json: &str) -> Digest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        assert_eq!(
            digest(r#"{"a":1,"b":{"c":[1,2],"d":null}}"#),
            digest(r#"{"b":{"d":null,"c":[1,2]},"a":1}"#)
        );
    }

    #[test]
    fn everything_else_does() {
        let different = [
            "{}",
            "[]",
            "null",
            "true",
            "false",
            "1",
            "2",
            "\"1\"",
            "[1,2]",
            "[2,1]",
            "[[1],2]",
            "[[1,2]]",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"b":1}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"a":{"b":1}}"#,
            "1.5",
            "-1",
        ];
        for (i, one) in different.iter().enumerate() {
            for other in &different[i + 1..] {
                assert_ne!(digest(one), digest(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_request_is_the_same_under_any_token() {
        let request = |token: &str| Digest::of_request(format!(r#"{{"A":1{token}}}"#).as_bytes());
        assert_eq!(request(r#","ClientRequestToken":"x""#), request(""));
        assert_ne!(request(r#","Other":"x""#), request(""));
    }
}
