//! Consumers as Lambda functions, held to what every transport promises.

fanfare_tests::conformance!(fanfare_tests::conformance::Lambda);
