//! Tables in a folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use dynoxide::Database;

use super::{DynamoError, stream};

/// Keeps others out of a folder until it is dropped, or the process ends, in whatever way.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone isn't enough: a child that this process is just starting has the file open as
        // well, until it runs its own program, and would keep the lock for that long.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the folder of the tables stays locked until this process ends");
        }
    }
}

/// The database in `folder`, and the lock on it.
pub(super) fn open(folder: &Path) -> Result<(Database, Lock), DynamoError> {
    let lock = Lock::take(folder)?;
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
        .and_then(|database| stream::prepare_file(path).map(|()| database))
        .map_err(|source| DynamoError::Database {
            doing: "opening the tables of the folder",
            source,
        })?;
    Ok((database, lock))
}

impl Lock {
    fn take(folder: &Path) -> Result<Self, DynamoError> {
        let unusable = |source| DynamoError::Folder {
            folder: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let file = File::create(folder.join("lock")).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(DynamoError::InUse {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `fork` leaves it, until the child runs its own program.
    #[test]
    fn a_folder_let_go_is_free_though_a_starting_child_has_the_lock_open() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let in_the_child = lock.0.try_clone().unwrap();
        assert!(matches!(
            Lock::take(folder.path()),
            Err(DynamoError::InUse { .. })
        ));
        drop(lock);
        Lock::take(folder.path()).unwrap();
        drop(in_the_child);
    }
}
