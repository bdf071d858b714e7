//! SQS on its JSON protocol, over the broker's queues.

mod attributes;
mod batch;
mod checksum;
mod error;
mod message;
mod moves;
mod operation;
mod queues;
mod receive;
mod send;
mod settle;

use fanfare::fault::FaultPlan;

use self::error::{Code, Error};
use crate::answer::Answer;
use crate::messaging::{self, ACCOUNT, REGION};
use crate::request::Request;

pub(crate) use self::attributes::Extra;
pub(crate) use self::checksum::{md5_of_attributes, md5_of_body, sha256};
pub(crate) use self::message::Value;
pub(crate) use self::moves::Move;
pub(crate) use self::operation::Operation;
pub(crate) use self::receive::{handle, system_attributes};

/// SQS's refusal of one call too many: one of the ways it has of saying so.
pub(crate) fn throttled(plan: &FaultPlan) -> Answer {
    let code = match plan.below(2) {
        0 => Code::RequestThrottled,
        _ => Code::Throttling,
    };
    Error::new(code, "Rate exceeded").into()
}

/// SQS's refusal of a call that is signed for another region.
pub(crate) fn elsewhere(region: &str) -> Answer {
    Error::new(Code::InvalidSignature, messaging::elsewhere(region)).into()
}

/// A queue's ARN.
pub(crate) fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

/// A queue's URL, as the caller reaches us.
fn url(request: Request<'_>, queue: &str) -> String {
    format!("http://{}/{ACCOUNT}/{queue}", request.host)
}

/// A place in a FIFO queue's order, in the 20 digits that SQS writes.
fn sequence_number(number: u64) -> String {
    format!("{number:020}")
}

/// The queue that a URL is of: its last part.
fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}
