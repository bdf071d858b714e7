//! `healthy`: the question that a container's health check asks, where the image has nothing else to ask
//! it with.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::CommandError;

/// How long each step may take; ECS gives the check 5 s.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The beginning of an answer: `HTTP/1.1 200`.
const STATUS: usize = 12;

/// Asks the worker on this port of this host whether it lives. Takes up to three seconds.
pub(crate) fn healthy(port: u16) -> Result<(), CommandError> {
    let status = ask(port).map_err(|source| CommandError::Unasked { port, source })?;
    match status.ends_with(b" 200") {
        true => Ok(()),
        false => Err(CommandError::Unhealthy {
            port,
            answer: String::from_utf8_lossy(&status).into_owned(),
        }),
    }
}

fn ask(port: u16) -> io::Result<[u8; STATUS]> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; STATUS];
    stream.read_exact(&mut status)?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::TcpListener;

    use super::*;

    /// What `healthy` says of a worker that answers so.
    fn asked(answer: &'static str) -> Result<(), CommandError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let worker = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = [0; 256];
            let length = stream.read(&mut question).unwrap();
            assert!(question[..length].starts_with(b"GET /livez HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let said = healthy(port);
        worker.join().unwrap();
        said
    }

    #[test]
    fn a_worker_that_says_so_lives() {
        asked("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    }

    #[test]
    fn one_that_says_otherwise_doesn_t() {
        let error = asked("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert!(error.to_string().ends_with("answers `HTTP/1.1 503`"), "{error}");
    }

    #[test]
    fn nor_does_one_that_says_nothing() {
        let error = asked("").unwrap_err();
        assert!(matches!(error, CommandError::Unasked { .. }), "{error}");
    }
}
