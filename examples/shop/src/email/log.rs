//! The log of every call to a mail provider.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use fanfare::Clock;
use serde::{Deserialize, Serialize};

use super::MailError;
use super::mail::Kind;

/// A call, as the provider saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The idempotency key that it came with.
    pub key: String,
    /// The order that the mail is about.
    pub order_id: String,
    /// Which mail.
    pub kind: Kind,
    /// When it began, in microseconds since 1970.
    pub started: u64,
    /// When it ended.
    pub ended: u64,
    /// Whether it delivered a mail; not, when the key had been seen before or it failed.
    pub delivered: bool,
}

/// The name of the log in its folder.
const FILE: &str = "calls.ndjson";

/// A file of one JSON object a call, only ever appended to.
#[derive(Debug)]
pub struct Log(Mutex<File>);

impl Log {
    /// Opens the log in this folder, or makes an empty one. A last line that the end of a process left unfinished is
    /// cut off: its call was never answered.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub fn open(folder: &Path) -> Result<Self, MailError> {
        open(folder)
            .map(|file| Self(Mutex::new(file)))
            .map_err(|source| MailError::Folder {
                doing: "opened",
                source,
            })
    }

    /// Appends a call. Blocks until the operating system has it.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append(&self, call: &Call) -> Result<(), MailError> {
        let mut line = serde_json::to_vec(call).map_err(|source| MailError::Log { line: 0, source })?;
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|source| MailError::Folder {
            doing: "written",
            source,
        })
    }

    /// Reads every call of the log in this folder, in the order in which they ended.
    ///
    /// # Errors
    /// The file can't be read, or a line isn't a call.
    pub fn read(folder: &Path) -> Result<Vec<Call>, MailError> {
        let unreadable = |source| MailError::Folder {
            doing: "read",
            source,
        };
        let file = File::open(folder.join(FILE)).map_err(unreadable)?;
        let mut calls = Vec::new();
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(unreadable)?;
            let call = serde_json::from_str(&line).map_err(|source| MailError::Log {
                line: index + 1,
                source,
            })?;
            calls.push(call);
        }
        Ok(calls)
    }
}

/// The time now as the log has it, in microseconds since 1970.
pub(super) fn micros(clock: &Clock) -> u64 {
    let since = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn open(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(FILE))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |last| last + 1);
    file.set_len(whole as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(key: &str) -> Call {
        Call {
            key: key.into(),
            order_id: "a-1".into(),
            kind: Kind::Shipped,
            started: 1,
            ended: 2,
            delivered: true,
        }
    }

    #[test]
    fn a_log_goes_on_where_it_ended_and_drops_an_unfinished_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        Log::open(folder.path()).unwrap().append(&call("one")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"{\"key\":\"tw");
        std::fs::write(&path, bytes).unwrap();
        Log::open(folder.path()).unwrap().append(&call("three")).unwrap();
        assert_eq!(Log::read(folder.path()).unwrap(), [call("one"), call("three")]);
    }

    #[test]
    fn a_line_that_is_no_call_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        Log::open(folder.path()).unwrap().append(&call("one")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"nonsense\n");
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(
            Log::read(folder.path()),
            Err(MailError::Log { line: 2, .. })
        ));
    }
}
