//! LocalStack, held to what every transport promises.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

fanfare_tests::conformance!(
    fanfare_tests::conformance::LocalStack,
    #[ignore = "needs LocalStack: eval \"$(localstack/up)\""]
);

/// 127.0.0.2 is this machine too, and what listens on all of its addresses answers there.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs LocalStack: eval \"$(localstack/up)\""]
fn it_listens_on_the_loopback_address_alone() {
    use std::net::TcpStream;

    let all = std::env::var("AWS_ENDPOINT_URL").unwrap();
    // In Docker it is all one.
    let dynamodb = std::env::var("AWS_ENDPOINT_URL_DYNAMODB").ok();
    for endpoint in std::iter::once(all).chain(dynamodb) {
        let authority = endpoint.strip_prefix("http://").unwrap().trim_end_matches('/');
        let (_, port) = authority.rsplit_once(':').unwrap();
        let port: u16 = port.parse().unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        let elsewhere = TcpStream::connect(("127.0.0.2", port)).map_err(|error| error.kind());
        assert_eq!(
            elsewhere.err(),
            Some(std::io::ErrorKind::ConnectionRefused),
            "{endpoint}"
        );
    }
}
