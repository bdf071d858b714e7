//! The SQS accept loop, for ECS.
