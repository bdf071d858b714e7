//! Consumers and the relay as Lambda functions, behind event-source mappings.
