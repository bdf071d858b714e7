//! `ClientRequestToken`: a transaction repeated under its token within ten minutes is answered as
//! the first time, and not made again.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use dynoxide::DynoxideError;
use serde::Deserialize;

use crate::answer::Answer;
use crate::digest::Digest;

/// DynamoDB takes tokens of up to 36 characters.
pub(super) const MAX_TOKEN_LENGTH: usize = 36;

/// How long DynamoDB remembers a token after the transaction is done.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The tokens of the last ten minutes. Each step takes constant time (amortised), and what has
/// expired goes first.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    done: HashMap<u128, Done>,
    by_age: VecDeque<(SystemTime, u128)>,
}

#[derive(Debug)]
struct Done {
    request: Digest,
    /// Nothing for the usual `{}`, of which there are many.
    answer: Option<Box<[u8]>>,
}

/// The part of a request that has to do with its token.
#[derive(Deserialize)]
struct Tokened {
    #[serde(rename = "ClientRequestToken")]
    token: Option<String>,
    /// All that DynamoDB compares: what is reported about the transaction may differ.
    #[serde(rename = "TransactItems", alias = "TransactStatements")]
    items: Digest,
}

const EMPTY: &[u8] = b"{}";

impl Tokens {
    /// Makes the transaction in `body` by `make`, unless it was made under the same token before. A
    /// transaction that fails leaves no trace, so that it can be tried again.
    pub(super) fn once(
        &mut self,
        operation: &'static str,
        body: &[u8],
        now: SystemTime,
        make: impl FnOnce() -> Answer,
    ) -> Answer {
        // A body that can't be read, and a token that is too long, are refused where it is made.
        let (token, request) = match serde_json::from_slice(body) {
            Ok(Tokened {
                token: Some(token),
                items,
            }) if token.len() <= MAX_TOKEN_LENGTH => (key(operation, &token), items),
            _ => return make(),
        };
        self.forget(now);
        match self.done.get(&token) {
            Some(done) if done.request == request => {
                return Answer::success(done.answer.as_deref().unwrap_or(EMPTY).to_vec());
            }
            Some(_) => {
                return DynoxideError::IdempotentParameterMismatchException(
                    "An error occurred (IdempotentParameterMismatchException)".to_owned(),
                )
                .into();
            }
            None => {}
        }
        let answer = make();
        if answer.is_success() {
            let kept = (answer.body != EMPTY).then(|| answer.body.clone().into_boxed_slice());
            self.done.insert(
                token,
                Done {
                    request,
                    answer: kept,
                },
            );
            self.by_age.push_back((now, token));
        }
        answer
    }

    fn forget(&mut self, now: SystemTime) {
        while let Some((done, token)) = self.by_age.front().copied() {
            // A clock set back makes a token live longer, never shorter.
            if now.duration_since(done).unwrap_or_default() < REMEMBERED {
                break;
            }
            self.by_age.pop_front();
            self.done.remove(&token);
        }
    }
}

/// Sixteen bytes for a token, at a tenth of its memory: two digests, so that no two tokens meet.
fn key(operation: &'static str, token: &str) -> u128 {
    let half = |salt: u8| u128::from(Digest::of((salt, operation, token)));
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::{Answer, EMPTY, Tokens};

    /// Makes transactions under the tokens of these numbers, and says how many were really made.
    fn make(tokens: &mut Tokens, numbers: std::ops::Range<u32>, now: SystemTime) -> u32 {
        let mut made = 0;
        for number in numbers {
            let body = format!(r#"{{"ClientRequestToken":"{number}","TransactItems":[{number}]}}"#);
            tokens.once("TransactWriteItems", body.as_bytes(), now, || {
                made += 1;
                Answer::success(EMPTY.to_vec())
            });
        }
        made
    }

    #[test]
    fn a_token_costs_the_same_after_a_hundred_thousand() {
        let (mut tokens, now) = (Tokens::default(), SystemTime::UNIX_EPOCH);
        let mut time = |from| {
            let start = Instant::now();
            make(&mut tokens, from..from + 1_000, now);
            start.elapsed()
        };
        let early = time(0);
        let late = (1..101)
            .map(|thousand| time(thousand * 1_000))
            .skip(90)
            .min()
            .unwrap();
        // Looking at each of them would take hundreds of times as long.
        assert!(
            late < early * 20,
            "1,000 took {early:?} at first, and {late:?} after 100,000"
        );
    }

    #[test]
    fn only_the_tokens_of_ten_minutes_are_kept() {
        let (mut tokens, start) = (Tokens::default(), SystemTime::UNIX_EPOCH);
        for second in 0..2_000 {
            let number = second as u32;
            assert_eq!(
                make(
                    &mut tokens,
                    number..number + 1,
                    start + Duration::from_secs(second)
                ),
                1
            );
        }
        assert_eq!((tokens.done.len(), tokens.by_age.len()), (600, 600));
        assert_eq!(
            make(&mut tokens, 1_400..2_000, start + Duration::from_secs(1_999)),
            0
        );
    }
}
