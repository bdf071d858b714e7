//! Local AWS on a socket.

fn main() {}
