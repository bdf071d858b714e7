//! The in-process broker, held to what every transport promises.

fanfare_tests::conformance!(fanfare_tests::conformance::InProcess);
