//! Tables in a folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use dynoxide::Database;

use super::DynamoError;

/// The database in `folder`, and the lock that keeps others out until it is dropped (or the process
/// ends, in whatever way).
pub(super) fn open(folder: &Path) -> Result<(Database, File), DynamoError> {
    let lock = lock(folder)?;
    let path = folder.join("dynamodb.sqlite");
    let Some(path) = path.to_str() else {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidFilename, "the path isn't UTF-8");
        return Err(DynamoError::Folder {
            folder: folder.to_owned(),
            source,
        });
    };
    let database = Database::new(path)
        // It opens with `synchronous = FULL`, an fsync for each write; this call's other settings are
        // SQLite's defaults, and it sets NORMAL: in WAL mode an fsync for each checkpoint.
        .and_then(|database| database.disable_bulk_loading().map(|()| database))
        .map_err(|source| DynamoError::Database {
            doing: "opening the tables of the folder",
            source,
        })?;
    Ok((database, lock))
}

fn lock(folder: &Path) -> Result<File, DynamoError> {
    let unusable = |source| DynamoError::Folder {
        folder: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let file = File::create(folder.join("lock")).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DynamoError::InUse {
            folder: folder.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}
