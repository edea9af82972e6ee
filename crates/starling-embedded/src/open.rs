//! Opening the store's directory: the lock, the file, its schema, and the threads that work on it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::EmbeddedError;
use crate::readers::Readers;
use crate::schema::{self, Found, MIGRATIONS};
use crate::store::Store;
use crate::writer::Writer;

const FILE: &str = "starling.db";
const LOCK: &str = "lock";
/// Reads at the same time.
const READERS: usize = 4;
/// How long to wait for someone who looks at the file with another program and holds it up.
const BUSY: Duration = Duration::from_secs(2);
/// What a connection may keep of the file in memory, in KiB.
const CACHE: i64 = 8 << 10;

impl Store {
    /// Opens the store in `directory`, and makes both where they are missing. Nobody but the owner may read them.
    ///
    /// Blocks while a schema is brought up to date.
    ///
    /// # Errors
    /// See [`EmbeddedError`]; nothing of what is there is changed then, but for schema versions that were completed.
    pub fn open(directory: &Path) -> Result<Self, EmbeddedError> {
        let lock = lock(directory)?;
        let path = directory.join(FILE);
        let sqlite = |error| EmbeddedError::Sqlite {
            path: path.clone(),
            error,
        };
        make_private(&path)?;
        let mut db = Connection::open_with_flags(
            &path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(sqlite)?;
        db.busy_timeout(BUSY).map_err(sqlite)?;
        match schema::migrate(&mut db, MIGRATIONS).map_err(sqlite)? {
            Found::Current => {}
            Found::Newer(found) => {
                let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
                return Err(EmbeddedError::NewerSchema { path, found, known });
            }
            Found::Foreign => return Err(EmbeddedError::Foreign { path }),
        }
        if !set_up(&db).map_err(sqlite)? {
            return Err(EmbeddedError::NoLog { path });
        }
        let readers = (0..READERS).map(|_| reader(&path)).collect::<Result<Vec<_>, _>>();
        Ok(Self::new(
            Writer::start(db, lock),
            Readers::new(readers.map_err(sqlite)?),
        ))
    }
}

/// Whether it writes ahead: without that, who reads and who writes would wait for one another.
fn set_up(db: &Connection) -> rusqlite::Result<bool> {
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // Where the system's own flush leaves data in the disk's cache (macOS). Elsewhere it changes nothing.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "cache_size", -CACHE)?;
    // A log that grew under load is cut again.
    db.pragma_update(None, "journal_size_limit", 64 << 20)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(mode == "wal")
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "cache_size", -CACHE)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// Takes the directory for this process. The lock ends with the file handle, and so with the process at the latest.
fn lock(directory: &Path) -> Result<File, EmbeddedError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| EmbeddedError::Files { path, error }
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(at(directory))?;
    let path = directory.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.read_to_string(&mut holder);
            return Err(EmbeddedError::InUse {
                path: directory.to_owned(),
                process: read
                    .ok()
                    .map(|_| holder.trim().to_owned())
                    .filter(|id| !id.is_empty()),
            });
        }
        Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
    }
    // For the error message of others only.
    let said = file
        .set_len(0)
        .and_then(|()| writeln!(file, "process {}", std::process::id()));
    said.map_err(at(&path))?;
    Ok(file)
}

/// SQLite gives its other files the mode of this one.
fn make_private(path: &Path) -> Result<(), EmbeddedError> {
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(|error| EmbeddedError::Files {
        path: path.to_owned(),
        error,
    })
}
