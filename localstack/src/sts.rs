//! STS: who the caller is.

use crate::answer::Answer;
use crate::messaging::ACCOUNT;
use crate::query::{self, Xml};

pub(crate) const CALLER_IDENTITY: &str = "GetCallerIdentity";

/// Everybody is the root of the one account.
pub(crate) fn caller_identity() -> Answer {
    let mut result = Xml::default();
    result
        .text("Arn", &format!("arn:aws:iam::{ACCOUNT}:root"))
        .text("UserId", ACCOUNT)
        .text("Account", ACCOUNT);
    let namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
    query::answer(CALLER_IDENTITY, namespace, Some(result))
}
