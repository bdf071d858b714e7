//! SNS's operations, from forms to XML.

use std::fmt;

use super::{Error, NAMESPACE, publish, subscriptions, topics};
use crate::answer::Answer;
use crate::faults::Faults;
use crate::messaging::Messaging;
use crate::query::{self, Form, Xml};
use crate::request::Request;

/// An operation of SNS.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    /// Its name in the API.
    pub(crate) name: &'static str,
    run: fn(&Context<'_>) -> Result<Option<Xml>, Error>,
}

/// What an operation has to go by.
pub(super) struct Context<'a> {
    pub(super) messaging: &'a Messaging,
    pub(super) request: Request<'a>,
    pub(super) form: &'a Form<'a>,
    pub(super) faults: &'a Faults<'a>,
}

macro_rules! operations {
    ($($name:literal $run:path,)*) => {
        &[$(Operation { name: $name, run: $run },)*]
    };
}

const OPERATIONS: &[Operation] = operations! {
    "Publish" publish::publish,
    "PublishBatch" publish::publish_batch,
    "CreateTopic" topics::create,
    "DeleteTopic" topics::delete,
    "GetTopicAttributes" topics::get_attributes,
    "SetTopicAttributes" topics::set_attribute,
    "ListTopics" topics::list,
    "TagResource" topics::tag,
    "UntagResource" topics::untag,
    "ListTagsForResource" topics::list_tags,
    "Subscribe" subscriptions::subscribe,
    "Unsubscribe" subscriptions::unsubscribe,
    "GetSubscriptionAttributes" subscriptions::get_attributes,
    "SetSubscriptionAttributes" subscriptions::set_attribute,
    "ListSubscriptions" subscriptions::list,
    "ListSubscriptionsByTopic" subscriptions::list_by_topic,
};

impl Operation {
    /// The operation that a form names.
    ///
    /// # Errors
    /// The answer to one that isn't there.
    pub(crate) fn of_action(action: &str, form: &Form<'_>) -> Result<Self, Answer> {
        let found = OPERATIONS.iter().find(|operation| operation.name == action);
        found.copied().ok_or_else(|| {
            let message = match form.get("Version") {
                Some("2012-11-05") => {
                    "SQS is served on its JSON protocol only, which AWS's SDKs speak since 2023".to_owned()
                }
                _ => format!("The action {action} is not valid for this web service."),
            };
            Error::new("InvalidAction", message).into()
        })
    }

    /// Makes the call.
    pub(crate) fn run(
        self,
        messaging: &Messaging,
        request: Request<'_>,
        form: &Form<'_>,
        faults: &Faults<'_>,
    ) -> Answer {
        let context = Context {
            messaging,
            request,
            form,
            faults,
        };
        match (self.run)(&context) {
            Ok(result) => query::answer(self.name, NAMESPACE, result),
            Err(error) => error.into(),
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
