//! What AWS asks for, in one place: change it here when it changes.

/// A price in one region, and who says so.
#[derive(Debug)]
pub(super) struct Price {
    /// US dollars.
    pub(super) usd: f64,
    /// For how many.
    pub(super) per: f64,
    /// Of what.
    pub(super) unit: &'static str,
    /// Where it stands, and from when that is.
    pub(super) source: &'static str,
}

/// The region of all prices.
pub(super) const REGION: &str = "us-east-1";

const MILLION: f64 = 1_000_000.0;

const SNS_SOURCE: &str = "factualminds.com/blog/amazon-sns-pricing-publishes-fanout-protocols, 2026-06-13";
const SQS_SOURCE: &str = "cloudburn.io, 2026-03-14";
const DYNAMO_SOURCE: &str = "AWS's announcement of 2024-11-01, which halved it";
const LAMBDA_SOURCE: &str = "aws.amazon.com/lambda/pricing, arm64, as known in 2026";
const FARGATE_SOURCE: &str = "vantage.sh/blog/fargate-pricing, Linux on ARM; cloudburn.io, 2026-04-01";
const KMS_SOURCE: &str = "aws.amazon.com/kms/pricing, as known in 2026";

pub(super) const SNS_STANDARD: Price = Price {
    usd: 0.50,
    per: MILLION,
    unit: "publishes of 64 KB to a standard topic",
    source: SNS_SOURCE,
};
pub(super) const SNS_FIFO: Price = Price {
    usd: 0.30,
    per: MILLION,
    unit: "publishes of 64 KB to a FIFO topic",
    source: SNS_SOURCE,
};
pub(super) const SQS_STANDARD: Price = Price {
    usd: 0.40,
    per: MILLION,
    unit: "requests of 64 KB to a standard queue",
    source: SQS_SOURCE,
};
pub(super) const SQS_FIFO: Price = Price {
    usd: 0.50,
    per: MILLION,
    unit: "requests of 64 KB to a FIFO queue",
    source: SQS_SOURCE,
};
pub(super) const WRITE: Price = Price {
    usd: 0.625,
    per: MILLION,
    unit: "write units on demand",
    source: DYNAMO_SOURCE,
};
pub(super) const READ: Price = Price {
    usd: 0.125,
    per: MILLION,
    unit: "read units on demand",
    source: DYNAMO_SOURCE,
};
pub(super) const INVOCATION: Price = Price {
    usd: 0.20,
    per: MILLION,
    unit: "invocations",
    source: LAMBDA_SOURCE,
};
pub(super) const GB_SECOND: Price = Price {
    usd: 13.3334,
    per: MILLION,
    unit: "GB-seconds",
    source: LAMBDA_SOURCE,
};
pub(super) const CPU_HOUR: Price = Price {
    usd: 0.032_38,
    per: 1.0,
    unit: "vCPU-hour",
    source: FARGATE_SOURCE,
};
pub(super) const GB_HOUR: Price = Price {
    usd: 0.003_56,
    per: 1.0,
    unit: "GB-hour",
    source: FARGATE_SOURCE,
};
pub(super) const KEY: Price = Price {
    usd: 1.0,
    per: 1.0,
    unit: "key of one's own in KMS for a month",
    source: KMS_SOURCE,
};

/// All of them.
pub(super) const ALL: [&Price; 11] = [
    &SNS_STANDARD,
    &SNS_FIFO,
    &SQS_STANDARD,
    &SQS_FIFO,
    &WRITE,
    &READ,
    &INVOCATION,
    &GB_SECOND,
    &CPU_HOUR,
    &GB_HOUR,
    &KEY,
];

impl Price {
    /// What so many cost.
    pub(super) fn of(&self, count: f64) -> f64 {
        count / self.per * self.usd
    }
}
