//! Versions of the schema.

use rusqlite::Connection;

/// What makes version n + 1 of version n, from an empty file on.
pub(crate) const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql")];

/// In a file's header: it is a store of Starling's ("star").
const APPLICATION: i64 = 0x7374_6172;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It can be used now.
    Current,
    /// A newer program has made it. It was not touched.
    Newer(i64),
    /// It is not of Starling's making. It was not touched.
    Foreign,
}

/// Brings a file to the newest version of `migrations`, one at a time, each whole or not at all.
pub(crate) fn migrate(db: &mut Connection, migrations: &[&str]) -> rusqlite::Result<Found> {
    let number =
        |db: &Connection, pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (version, application) = (number(db, "user_version")?, number(db, "application_id")?);
    let is_empty: bool = db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && !is_empty {
        return Ok(Found::Foreign);
    }
    let known = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if version > known {
        return Ok(Found::Newer(version));
    }
    for (next, migration) in (1_i64..)
        .zip(migrations)
        .skip(usize::try_from(version).unwrap_or(0))
    {
        let transaction = db.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
        tracing::info!(version = next, "brought the store to this schema version");
    }
    Ok(Found::Current)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (7);";

    fn x(db: &Connection) -> i64 {
        db.query_row("SELECT x FROM a", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_missing_is_carried_out_once() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(migrate(&mut db, &[FIRST]).unwrap(), Found::Current);
        let second = "UPDATE a SET x = x + 1;";
        for _ in 0..2 {
            assert_eq!(migrate(&mut db, &[FIRST, second]).unwrap(), Found::Current);
            assert_eq!(x(&db), 8);
        }
        assert_eq!(migrate(&mut db, &[FIRST]).unwrap(), Found::Newer(2));
        assert_eq!(x(&db), 8);
    }

    #[test]
    fn a_version_is_made_whole_or_not_at_all() {
        let mut db = Connection::open_in_memory().unwrap();
        let broken = "UPDATE a SET x = 9; CREATE TABLE a (y INTEGER);";
        assert!(migrate(&mut db, &[FIRST, broken]).is_err());
        assert_eq!(x(&db), 7);
        assert_eq!(migrate(&mut db, &[FIRST]).unwrap(), Found::Current);
    }

    #[test]
    fn what_others_have_made_is_let_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert_eq!(migrate(&mut db, &[FIRST]).unwrap(), Found::Foreign);
    }

    #[test]
    fn the_schema_itself_can_be_made() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(migrate(&mut db, MIGRATIONS).unwrap(), Found::Current);
    }
}
