//! Reads what a run has left behind: a history and a store's state.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::Hash;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use starling_protocol::{ClientId, ConversationId, UserId};

use crate::history::{Call, Marks, Record, What};
use crate::store::StoreRecord;

/// A history as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The records; the first one is line 1.
    pub records: Vec<Record>,
    /// Whether the last line was cut off, as by the death of the recorder. What was left of it is not among the
    /// records.
    pub truncated: bool,
}

/// Why there is nothing to check.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line makes no sense.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// Of which file.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a history.
///
/// # Errors
/// [`ReadError`] if the file cannot be read, a line is no record, or an outcome has no call. A last line that was
/// cut off is no error.
pub fn read_history(path: &Path) -> Result<History, ReadError> {
    let mut interner = Interner::default();
    let mut calls = Calls::default();
    let mut records = Vec::new();
    let truncated = for_each_line(path, |record: Record| {
        let record = interner.share(record);
        calls.check(&record)?;
        records.push(record);
        Ok(())
    })?;
    Ok(History {
        records,
        truncated: truncated.is_some(),
    })
}

/// Reads a store's state.
///
/// # Errors
/// [`ReadError`] if the file cannot be read or a line is no record, the last one too: what is missing from a store
/// would look like a loss.
pub fn read_store(path: &Path) -> Result<Vec<StoreRecord>, ReadError> {
    let mut records = Vec::new();
    let truncated = for_each_line(path, |record| {
        records.push(record);
        Ok(())
    })?;
    match truncated {
        None => Ok(records),
        Some(error) => Err(error),
    }
}

/// Gives each line's value to `take`. A last line that does not end is given back as an error of its own.
fn for_each_line<T: DeserializeOwned>(
    path: &Path,
    mut take: impl FnMut(T) -> Result<(), String>,
) -> Result<Option<ReadError>, ReadError> {
    let unreadable = |source| ReadError::File {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(unreadable)?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if reader.read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
            break;
        }
        let wrong = |reason: String| ReadError::Line {
            path: path.to_owned(),
            line,
            reason,
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => take(value).map_err(wrong)?,
            Err(error) if bytes.last() != Some(&b'\n') => {
                return Ok(Some(wrong(format!("cut off: {error}"))));
            }
            Err(error) => return Err(wrong(error.to_string())),
        }
    }
    Ok(None)
}

/// Keeps one copy of each name. A history has millions of records and thousands of names.
#[derive(Default)]
struct Interner {
    texts: HashSet<Arc<str>>,
    users: HashSet<UserId>,
    conversations: HashSet<ConversationId>,
    client_ids: HashSet<ClientId>,
}

impl Interner {
    fn share(&mut self, mut record: Record) -> Record {
        match &mut record.what {
            What::Connected {
                client, user, node, ..
            } => {
                share(&mut self.texts, client);
                share(&mut self.users, user);
                share(&mut self.texts, node);
            }
            What::Disconnected { client, .. }
            | What::Answered { client, .. }
            | What::Sync { client, .. }
            | What::Synced { client, .. }
            | What::Ok { client, .. }
            | What::Fail { client, .. }
            | What::Info { client, .. }
            | What::Finished { client, .. } => share(&mut self.texts, client),
            What::Sent {
                client,
                conversation,
                client_id,
                ..
            } => {
                share(&mut self.texts, client);
                share(&mut self.conversations, conversation);
                share(&mut self.client_ids, client_id);
            }
            What::Marked {
                client, conversation, ..
            }
            | What::Stream {
                client, conversation, ..
            } => {
                share(&mut self.texts, client);
                share(&mut self.conversations, conversation);
            }
            What::Receipts {
                client,
                conversation,
                members,
                ..
            } => {
                share(&mut self.texts, client);
                share(&mut self.conversations, conversation);
                for Marks(user, ..) in members {
                    share(&mut self.users, user);
                }
            }
            What::Entry {
                client,
                conversation,
                sender,
                client_id,
                ..
            } => {
                share(&mut self.texts, client);
                share(&mut self.conversations, conversation);
                if let Some(sender) = sender {
                    share(&mut self.users, sender);
                }
                if let Some(client_id) = client_id {
                    share(&mut self.client_ids, client_id);
                }
            }
            What::Invoke { client, call, .. } => {
                share(&mut self.texts, client);
                if let Call::Send {
                    conversation,
                    client_id,
                } = call
                {
                    share(&mut self.conversations, conversation);
                    share(&mut self.client_ids, client_id);
                }
            }
            What::Fault { .. } | What::Healed {} => {}
        }
        record
    }
}

fn share<T: Eq + Hash + Clone>(known: &mut HashSet<T>, value: &mut T) {
    match known.get(value) {
        Some(first) => *value = first.clone(),
        None => {
            known.insert(value.clone());
        }
    }
}

/// Each call has a number of its own, and at most one outcome, after it.
#[derive(Default)]
struct Calls {
    open: HashMap<(Arc<str>, u64), State>,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    Settled,
}

impl Calls {
    fn check(&mut self, record: &Record) -> Result<(), String> {
        match &record.what {
            What::Invoke { client, op, .. } => {
                match self.open.insert((Arc::clone(client), *op), State::Open) {
                    None => Ok(()),
                    Some(_) => Err(format!("call {op} of {client} was made before")),
                }
            }
            What::Ok { client, op, .. } | What::Fail { client, op, .. } | What::Info { client, op, .. } => {
                match self.open.get_mut(&(Arc::clone(client), *op)) {
                    None => Err(format!("an outcome of call {op} of {client}, which was not made")),
                    Some(State::Settled) => Err(format!("call {op} of {client} has an outcome already")),
                    Some(state) => {
                        *state = State::Settled;
                        Ok(())
                    }
                }
            }
            _ => Ok(()),
        }
    }
}
