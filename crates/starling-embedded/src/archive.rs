//! Taking everything out, and putting everything in.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use starling_core::ports::{Archive, Key, Part, Record, SignInArchived, Unavailable, UserRecord};
use starling_core::records::SignInState;

use crate::codec::{
    Work, bound, conversation, execute, limit as rows_limit, number, row, rows, unsigned, user as user_of,
};
use crate::directory::{conversation_record, member_record};
use crate::store::Store;
use crate::{contacts, effects, entry_row, sign_ins};

#[async_trait]
impl Archive for Store {
    async fn page(
        &self,
        part: Part,
        until: i64,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable> {
        let after = after.map(Record::key);
        let first = after.map_or_else(String::new, |(first, _)| first.to_owned());
        let second = match after.map(|(_, second)| second) {
            Some(Key::Seq(seq)) => Second::Seq(bound(seq)),
            Some(Key::Name(name)) => Second::Name(name.to_owned()),
            Some(Key::None) | None => Second::None,
        };
        self.read("archive_page", move |db| {
            page(db, part, until, (&first, &second), limit)
        })
        .await
    }

    async fn count(&self, part: Part) -> Result<u64, Unavailable> {
        self.read("archive_count", move |db| {
            let sql = format!("SELECT count(*) AS rows FROM {}", table(part).0);
            Ok(row(db, &sql, [], |row| unsigned(row, "rows"))?.unwrap_or(0))
        })
        .await
    }

    async fn put(&self, records: &[Record]) -> Result<(), Unavailable> {
        let records = records.to_vec();
        self.write("archive_put", move |db| {
            records.iter().try_for_each(|record| put(db, record))
        })
        .await
    }
}

/// The second half of a key, for a statement.
enum Second {
    None,
    Seq(i64),
    Name(String),
}

/// A sort's table, and its key's columns.
fn table(part: Part) -> (&'static str, &'static str, &'static str) {
    match part {
        Part::Conversations => ("conversations", "id", "''"),
        Part::Entries => ("entries", "conversation", "seq"),
        Part::Members => ("members", "conversation", "user"),
        Part::Sanctions => ("sanctions", "conversation", "user"),
        Part::Invites => ("invites", "id", "''"),
        Part::Users => ("users", "id", "''"),
        Part::Phones => ("phones", "phone", "''"),
        Part::SignIns => ("sign_ins", "id", "''"),
        Part::Pairs => ("pairs", "low", "high"),
    }
}

fn page(
    db: &Connection,
    part: Part,
    until: i64,
    (first, second): (&str, &Second),
    limit: usize,
) -> Work<Vec<Record>> {
    let (table, a, b) = table(part);
    let condition = match part {
        Part::SignIns => "AND ended_at IS NULL AND expires_at > ?3",
        _ => "AND ?3 IS NOT NULL",
    };
    // Before every key of the same first half there is nothing, be the second half a name or a number.
    let second: Box<dyn rusqlite::ToSql> = match second {
        Second::None => Box::new(""),
        Second::Seq(seq) => Box::new(*seq),
        Second::Name(name) => Box::new(name.clone()),
    };
    let sql =
        format!("SELECT * FROM {table} WHERE ({a}, {b}) > (?1, ?2) {condition} ORDER BY {a}, {b} LIMIT ?4");
    let parameters = params![first, second, until, rows_limit(limit)];
    rows(db, &sql, parameters, |row| record(part, row))
}

fn record(part: Part, row: &Row<'_>) -> Work<Record> {
    Ok(match part {
        Part::Conversations => Record::Conversation {
            record: conversation_record(row)?,
            purged: unsigned(row, "purged")?,
        },
        Part::Entries => {
            let (mut entry, altered) = (entry_row::entry(row)?, entry_row::altered_of(row)?);
            entry.state = None;
            Record::Entry {
                entry: Box::new(entry),
                altered: altered.map(Box::new),
            }
        }
        Part::Members => Record::Member(member_record(row)?),
        Part::Sanctions => Record::Sanctions {
            conversation: conversation(row, "conversation")?,
            user: user_of(row, "user")?,
            sanctions: effects::sanctions(row)?,
        },
        Part::Invites => Record::Invite(effects::invite(row)?),
        Part::Users => Record::User(UserRecord {
            id: user_of(row, "id")?,
            name: row.get("name")?,
            named: row.get("named")?,
            about: row.get("about")?,
            avatar_url: row.get("avatar_url")?,
            phone: row.get("phone")?,
            created_at: row.get("created_at")?,
            presence_text: row.get("presence_text")?,
            last_seen: row.get("last_seen")?,
        }),
        Part::Phones => Record::Phone {
            phone: row.get("phone")?,
            user: user_of(row, "user")?,
            created_at: row.get("created_at")?,
        },
        Part::SignIns => {
            let SignInState {
                record,
                current,
                previous,
                ..
            } = sign_ins::decode(row)?;
            Record::SignIn(SignInArchived {
                id: record.id.to_string(),
                user: record.user,
                device: record.device,
                created_at: record.created_at,
                used_at: record.used_at,
                expires_at: record.expires_at,
                current,
                previous,
            })
        }
        Part::Pairs => Record::Pair(contacts::decode(row)?),
    })
}

fn put(db: &Connection, record: &Record) -> Work<()> {
    match record {
        Record::Conversation { record, purged } => {
            execute(
                db,
                "DELETE FROM conversations WHERE id = ?1",
                [record.id.as_str()],
            )?;
            effects::create_conversation(db, record)?;
            let sql = "UPDATE conversations SET purged = ?2 WHERE id = ?1";
            execute(db, sql, params![record.id.as_str(), number(*purged)?])?;
        }
        Record::Entry { entry, altered } => {
            let sql = "DELETE FROM entries WHERE conversation = ?1 AND seq = ?2";
            execute(db, sql, params![entry.conversation.as_str(), bound(entry.seq)])?;
            entry_row::NewRow::of(entry)?.insert(db)?;
            if let Some(altered) = altered {
                entry_row::set_altered(db, entry.conversation.as_str(), entry.seq, altered)?;
            }
        }
        Record::Member(member) => effects::save_member(db, member)?,
        Record::Sanctions {
            conversation,
            user,
            sanctions,
        } => effects::save_sanctions(db, conversation, user, sanctions)?,
        Record::Invite(invite) => {
            execute(
                db,
                "DELETE FROM invites WHERE id = ?1",
                [invite.record.id.as_str()],
            )?;
            effects::make_invite(db, &invite.record)?;
            effects::change_invite(db, &invite.record.id, |made| made.revoked = invite.revoked)?;
        }
        Record::User(user) => {
            let sql = "INSERT OR REPLACE INTO users (id, name, about, avatar_url, phone, named, created_at, \
                       presence_text, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            let values = params![
                user.id.as_str(),
                user.name,
                user.about,
                user.avatar_url,
                user.phone,
                user.named,
                user.created_at,
                user.presence_text,
                user.last_seen,
            ];
            execute(db, sql, values)?;
        }
        Record::Phone {
            phone,
            user,
            created_at,
        } => {
            let sql = "INSERT OR REPLACE INTO phones (phone, user, created_at) VALUES (?1, ?2, ?3)";
            execute(db, sql, params![phone, user.as_str(), created_at])?;
        }
        Record::SignIn(archived) => sign_ins::save(db, &sign_ins::of_archive(archived))?,
        Record::Pair(pair) => contacts::save(db, pair)?,
    }
    Ok(())
}
