//! `fanfare-local` through publisher and worker, held to what every transport promises.

mod in_process {
    fanfare_tests::conformance!(fanfare_tests::conformance::LocalInProcess);
}

mod on_a_socket {
    fanfare_tests::conformance!(fanfare_tests::conformance::LocalOnSocket);
}
