//! Envelopes to SNS topics and SQS queues, in batches.
