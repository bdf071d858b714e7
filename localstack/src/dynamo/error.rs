//! What can go wrong outside of calls.

use std::path::PathBuf;

/// Why the embedded DynamoDB can't be opened or swept. What goes wrong in a call comes back through
/// the SDK, as from DynamoDB.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DynamoError {
    /// The folder can't be made, or a file in it can't be written.
    #[error("{folder} can't hold the tables; give a folder that this user can write to")]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process, or another part of this one, has the folder open.
    #[error("{folder} is in use by another process; end that one or give another folder")]
    InUse {
        /// Which folder.
        folder: PathBuf,
    },
    /// The database refused.
    #[error("the embedded DynamoDB failed in {doing}")]
    Database {
        /// At what.
        doing: &'static str,
        /// What it said.
        source: dynoxide::DynoxideError,
    },
}
