//! Which service a request is for, and making the call, under a fault plan or without.

use std::sync::Arc;

use fanfare::fault::{Call as Made, Fault, FaultPlan, Life};

use crate::answer::Answer;
use crate::digest::Digest;
use crate::dynamo::{self, Twist};
use crate::faults::Faults;
use crate::lambda::List;
use crate::messaging::{Messaging, REGION};
use crate::query::Form;
use crate::recorded::Recorder;
use crate::request::{Credential, Request};
use crate::{lambda, sns, sqs, sts};

/// The services behind one connector.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) dynamo: Arc<dynamo::Shared>,
    /// Queues and topics; not behind a [`Dynamo`](crate::Dynamo) alone.
    pub(crate) messaging: Option<Arc<Messaging>>,
    /// Who notes the calls.
    pub(crate) recorder: Option<Recorder>,
}

/// A call: the operation, and what it is to work on.
#[derive(Debug)]
enum Call<'a> {
    Dynamo(&'a dynamo::Shared, dynamo::Operation),
    Sqs(&'a Arc<Messaging>, sqs::Operation),
    Sns(&'a Messaging, sns::Operation, Form<'a>),
    Sts(&'a Messaging),
    Lambda(&'a Messaging, List),
}

impl Services {
    /// Answers a request; nothing when the plan loses it or its answer. Of the faults that can meet
    /// any call on its way only `possible` ones do.
    pub(crate) async fn answer(
        &self,
        request: Request<'_>,
        plan: Option<&FaultPlan>,
        possible: &[Fault],
        life: &Life,
    ) -> Option<Answer> {
        let call = match self.find(request).and_then(|call| call.here(request.credential)) {
            Ok(call) => call,
            Err(answer) => return Some(answer),
        };
        if let Some(recorder) = &self.recorder {
            let (service, operation) = call.parts();
            recorder.note(service, operation, request);
        }
        let Some(plan) = plan else {
            let answer = call.run(request, Faults::none(), life).await;
            // Killed meanwhile, from another thread.
            life.check().await;
            return Some(answer);
        };
        // So that calls overtake one another.
        for _ in 0..plan.below(3) {
            tokio::task::yield_now().await;
        }
        life.check().await;
        let name = format!("{} {}", call.name(), call.digest(request.body));
        let faults = Faults {
            twist: call.twist(plan, &name, request.body),
            plan: Some((plan, &name)),
        };
        let run = call.run(request, faults, life);
        match plan.around(life, &name, possible, run).await {
            Made::Answered(answer) => Some(answer),
            Made::Lost => None,
            Made::Throttled => Some(call.throttled(plan, request.body)),
        }
    }

    /// The call that a request is.
    fn find<'a>(&'a self, request: Request<'a>) -> Result<Call<'a>, Answer> {
        let dynamo = |target| {
            let operation = dynamo::Operation::of_target(target)?;
            Ok(Call::Dynamo(&self.dynamo, operation))
        };
        let Some(messaging) = &self.messaging else {
            return dynamo(request.target.unwrap_or_default());
        };
        if let Some(target) = request.target {
            return match target.strip_prefix("AmazonSQS.") {
                Some(name) => sqs::Operation::of_name(name).map(|operation| Call::Sqs(messaging, operation)),
                None => dynamo(target),
            };
        }
        if let Some(list) = request.read.and_then(List::at) {
            return Ok(Call::Lambda(messaging, list));
        }
        let form = Form::parse(request.body);
        match form.get("Action") {
            Some("GetCallerIdentity") => Ok(Call::Sts(messaging)),
            action => {
                let operation = sns::Operation::of_action(action.unwrap_or_default(), &form)?;
                Ok(Call::Sns(messaging, operation, form))
            }
        }
    }
}

impl Call<'_> {
    /// The same, unless it is signed for another region: there it would be about other queues and topics.
    /// Tables are the same ones for all regions.
    fn here(self, credential: Option<Credential<'_>>) -> Result<Self, Answer> {
        match (&self, credential) {
            (Self::Dynamo(..), _) | (_, None) => Ok(self),
            (_, Some(Credential { region: REGION, .. })) => Ok(self),
            (Self::Sqs(..), Some(elsewhere)) => Err(sqs::elsewhere(elsewhere.region)),
            (Self::Sns(..) | Self::Sts(_), Some(elsewhere)) => Err(sns::elsewhere(elsewhere.region)),
            (Self::Lambda(..), Some(elsewhere)) => Err(lambda::elsewhere(elsewhere.region)),
        }
    }

    /// Its name in traces, such as `sqs.ReceiveMessage`.
    fn name(&self) -> String {
        let (service, operation) = self.parts();
        format!("{service}.{operation}")
    }

    fn parts(&self) -> (&'static str, &'static str) {
        match self {
            Self::Dynamo(_, operation) => ("dynamodb", operation.name),
            Self::Sqs(_, operation) => ("sqs", operation.name),
            Self::Sns(_, operation, _) => ("sns", operation.name),
            Self::Sts(_) => ("sts", sts::CALLER_IDENTITY),
            Self::Lambda(_, list) => ("lambda", list.name()),
        }
    }

    fn digest(&self, body: &[u8]) -> Digest {
        match self {
            Self::Sns(_, _, form) => form.digest(),
            _ => Digest::of_request(body),
        }
    }

    /// What the service itself does to it.
    fn twist(&self, plan: &FaultPlan, name: &str, body: &[u8]) -> Twist {
        match self {
            Self::Dynamo(_, operation) => Twist::draw(plan, name, *operation, body),
            _ => Twist::None,
        }
    }

    async fn run(&self, request: Request<'_>, faults: Faults<'_>, life: &Life) -> Answer {
        match self {
            Self::Dynamo(shared, operation) => match faults.plan {
                Some((plan, name)) => shared.run_with(faults.twist, plan, name, *operation, request.body),
                None => shared.run(*operation, request.body),
            },
            Self::Sqs(messaging, operation) => {
                messaging.calls.count("sqs", operation.name);
                operation.run(messaging, request, &faults, life).await
            }
            Self::Sns(messaging, operation, form) => {
                messaging.calls.count("sns", operation.name);
                operation.run(messaging, request, form, &faults)
            }
            Self::Sts(messaging) => {
                messaging.calls.count("sts", sts::CALLER_IDENTITY);
                sts::caller_identity()
            }
            Self::Lambda(messaging, list) => {
                messaging.calls.count("lambda", list.name());
                list.answer()
            }
        }
    }

    /// The service's refusal of one call too many.
    fn throttled(&self, plan: &FaultPlan, body: &[u8]) -> Answer {
        match self {
            Self::Dynamo(_, operation) => dynamo::throttled(plan, *operation, body),
            Self::Sqs(..) => sqs::throttled(plan),
            Self::Sns(..) | Self::Sts(_) => sns::throttled(),
            Self::Lambda(..) => lambda::throttled(),
        }
    }
}
