//! SNS on its Query protocol, over the broker's topics.

mod error;
mod operation;
mod publish;
mod subscriptions;
mod topics;

use self::error::Error;
use crate::answer::Answer;
use crate::messaging::{self, ACCOUNT, REGION, name_in_arn};

pub(crate) use self::operation::Operation;
pub(crate) use self::topics::Extra;

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// SNS's refusal of one call too many.
pub(crate) fn throttled() -> Answer {
    Error::new("Throttling", "Rate exceeded").into()
}

/// SNS's refusal of a call that is signed for another region.
pub(crate) fn elsewhere(region: &str) -> Answer {
    Error::new("SignatureDoesNotMatch", messaging::elsewhere(region)).into()
}

/// A topic's ARN.
fn topic_arn(topic: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{topic}")
}

/// A subscription's ARN.
fn subscription_arn(topic: &str, subscription: &str) -> String {
    format!("{}:{subscription}", topic_arn(topic))
}

/// The topic that an ARN names; it need not be there.
fn topic_of<'a>(arn: Option<&'a str>, parameter: &str) -> Result<&'a str, Error> {
    let arn = arn
        .filter(|arn| !arn.is_empty())
        .ok_or_else(|| Error::missing(parameter))?;
    name_in_arn(arn, "sns").ok_or_else(|| {
        let parts = arn.split(':').count();
        let reason = "An ARN must have at least 6 elements";
        Error::invalid(format!(
            "{parameter} Reason: {reason}, not {parts}, and be of SNS: {arn}"
        ))
    })
}

/// The token and the members of a page of 100, beginning behind the last one's token.
fn page<T>(all: Vec<T>, token: Option<&str>) -> Result<(Vec<T>, Option<String>), Error> {
    const PAGE: usize = 100;
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token.parse().map_err(|_| Error::invalid("NextToken"))?,
    };
    // Whatever number a caller makes up.
    let end = usize::saturating_add(start, PAGE);
    let more = all.len() > end;
    let page = all.into_iter().skip(start).take(PAGE).collect();
    Ok((page, more.then(|| end.to_string())))
}
