//! Carries out commands: checks what can be checked without a conversation's state, then asks the engine.

use std::sync::Arc;

use starling_protocol::limits::{DEFAULT_HISTORY_LIMIT, DEFAULT_LIST_LIMIT};
use starling_protocol::{
    ClientId, Command, Content, Conversations, Create, Error, ErrorCode, History, HistoryPage, Kind, List,
    Member, Reply, Role, Sent, Seq, UserId,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{receipts, signals};
use crate::Outbox;
use crate::chance;
use crate::event::entry_weight;
use crate::marks::Mark;
use crate::people;
use crate::sequencer::{Answer, Change, Operation, Outcome};
use crate::shared::Shared;
use crate::standing::{self, Standing, direct_id, group_id};
use crate::time::unix_millis;

/// A page of history or of the list ends here even where its limit allows more: a reply is one frame, and what
/// waits for a client is bounded in bytes.
const MAX_PAGE_BYTES: usize = 256 << 10;
/// Of an entry besides its variable part.
const ENTRY_OVERHEAD: usize = 256;

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Invalid, message)
}

/// Queues a change in its conversation's actor; `answer` gets the outcome.
///
/// # Errors
/// Refusals that need no state; `answer` is not called then.
pub(crate) async fn submit(
    shared: &Arc<Shared>,
    user: &UserId,
    origin: Option<Arc<Outbox>>,
    command: Command,
    answer: Answer,
) -> Result<(), Error> {
    let (mut lamport, mut look_up, mut client_id) = (0, false, None);
    let (conversation, change) = match command {
        Command::Send(send) => {
            if send.sender.is_some_and(|sender| sender != *user) {
                return Err(Error::new(
                    ErrorCode::Forbidden,
                    "the sender is not the authenticated user",
                ));
            }
            shared.allowance.take(shared, user).await?;
            people::check_send(shared, user, &send.conversation).await?;
            (lamport, look_up, client_id) = (send.lamport.unwrap_or(0), send.retry, Some(send.client_id));
            let message = Content {
                text: send.text,
                kind: send.kind,
                reply_to: send.reply_to,
            };
            (send.conversation, Change::Message(message))
        }
        Command::Edit(edit) => {
            shared.allowance.take(shared, user).await?;
            people::check_send(shared, user, &edit.conversation).await?;
            (look_up, client_id) = (edit.retry, edit.client_id);
            let (target, text) = (edit.seq, edit.text);
            (edit.conversation, Change::Edit { target, text })
        }
        Command::Delete(delete) => {
            shared.allowance.take(shared, user).await?;
            (look_up, client_id) = (delete.retry, delete.client_id);
            (delete.conversation, Change::Delete { target: delete.seq })
        }
        Command::React(react) => {
            shared.allowance.take(shared, user).await?;
            people::check_send(shared, user, &react.conversation).await?;
            (look_up, client_id) = (react.retry, react.client_id);
            let (target, emoji, removed) = (react.seq, react.emoji, react.removed);
            let change = Change::React {
                target,
                emoji,
                removed,
            };
            (react.conversation, change)
        }
        Command::Join(join) => (join.conversation, Change::Join),
        Command::Leave(leave) => (leave.conversation, Change::Leave),
        Command::Add(add) => (add.conversation, Change::Add { users: add.users }),
        Command::Remove(remove) => (remove.conversation, Change::Remove { user: remove.user }),
        other => return Err(invalid(format!("{} is not a change", other.name()))),
    };
    let operation = Operation {
        conversation,
        sender: user.clone(),
        client_id: client_id.unwrap_or_else(fresh_client_id),
        change,
        lamport,
        again: look_up,
        look_up,
        target: None,
        is_target_known: false,
        under: None,
        origin,
        deadline: Instant::now() + shared.settings.send_deadline,
        tried: None,
        absent_as_of: 0,
        answers: vec![answer],
    };
    shared.sequencer.submit(shared, operation).await;
    Ok(())
}

fn fresh_client_id() -> ClientId {
    match ClientId::new(chance::fresh_name()) {
        Ok(id) => id,
        Err(_) => unreachable!("a UUID is a valid client id"),
    }
}

/// What a sender is told of an outcome.
pub(crate) fn reply_of(outcome: Outcome) -> Reply {
    Reply::Sent(match outcome {
        Outcome::Stored(entry) => Sent {
            conversation: entry.conversation.clone(),
            seq: entry.seq,
            lamport: entry.lamport,
            at: entry.at,
            client_id: entry.client_id.clone(),
        },
        Outcome::Unchanged(conversation, mark) => Sent {
            conversation,
            seq: mark.seq,
            lamport: mark.lamport,
            at: unix_millis(),
            client_id: None,
        },
    })
}

/// Carries out a command and waits for its outcome.
pub(crate) async fn execute(shared: &Arc<Shared>, user: &UserId, command: Command) -> Result<Reply, Error> {
    command.check()?;
    match command {
        Command::Send(_)
        | Command::Edit(_)
        | Command::Delete(_)
        | Command::React(_)
        | Command::Join(_)
        | Command::Leave(_)
        | Command::Add(_)
        | Command::Remove(_) => {
            let (sender, outcome) = oneshot::channel();
            let answer = Box::new(move |outcome| drop(sender.send(outcome)));
            submit(shared, user, None, command, answer).await?;
            Ok(reply_of(outcome.await.map_err(|_| no_answer())??))
        }
        Command::Create(create) => self::create(shared, user, create).await,
        Command::History(history) => self::history(shared, user, history).await,
        Command::List(list) => self::list(shared, user, list).await,
        Command::Delivered(delivered) => {
            receipts::mark(
                shared,
                user,
                Mark::Delivered,
                delivered.conversation,
                delivered.seq,
            )
            .await
        }
        Command::Read(read) => receipts::mark(shared, user, Mark::Read, read.conversation, read.seq).await,
        Command::Receipts(ask) => receipts::list(shared, user, ask).await,
        Command::Status(ask) => receipts::status(shared, user, ask).await,
        Command::Typing(typing) => signals::typing(shared, user, None, typing, false).await,
        Command::Presence(set) => shared.presences.set(shared, user, None, set).await,
        Command::Presences(ask) => shared.presences.ask(shared, user, ask).await,
        Command::Ping(_) => Ok(Reply::Pong { at: unix_millis() }),
        Command::Auth(_) | Command::Sync(_) => Err(invalid(format!(
            "{} needs a connection of its own",
            command.name()
        ))),
    }
}

fn no_answer() -> Error {
    Error::new(ErrorCode::Internal, "the conversation's actor gave no answer")
}

async fn create(shared: &Arc<Shared>, user: &UserId, create: Create) -> Result<Reply, Error> {
    let name = create.name.map(|name| name.trim().to_owned());
    let client_id = create.client_id.unwrap_or_else(fresh_client_id);
    let (id, role) = match (create.kind, create.members.as_slice()) {
        (Kind::Group, _) => (group_id(user, client_id.as_str()), Role::Admin),
        (Kind::Direct, [other]) if other != user => {
            if name.is_some() || create.open {
                return Err(invalid("a direct conversation has no name and is not open"));
            }
            people::check_open(shared, user, other).await?;
            (direct_id(user, other), Role::Member)
        }
        (Kind::Direct, _) => return Err(invalid("a direct conversation names exactly one other user")),
    };
    let mut members = vec![Member {
        user: user.clone(),
        role,
    }];
    for other in create.members {
        if members.iter().all(|member| member.user != other) {
            members.push(Member {
                user: other,
                role: Role::Member,
            });
        }
    }
    let (sender, outcome) = oneshot::channel();
    let operation = Operation {
        conversation: id.clone(),
        sender: user.clone(),
        client_id,
        change: Change::Create {
            kind: create.kind,
            name,
            open: create.open,
            members,
        },
        lamport: 0,
        again: false,
        look_up: false,
        target: None,
        is_target_known: false,
        under: None,
        origin: None,
        deadline: Instant::now() + shared.settings.send_deadline,
        tried: None,
        absent_as_of: 0,
        answers: vec![Box::new(move |outcome| drop(sender.send(outcome)))],
    };
    shared.sequencer.submit(shared, operation).await;
    outcome.await.map_err(|_| no_answer())??;
    let seen = standing::look(&shared.ports, &id, user).await?;
    Ok(Reply::Conversation(
        standing::summary_of(&shared.ports, seen).await?,
    ))
}

async fn history(shared: &Arc<Shared>, user: &UserId, history: History) -> Result<Reply, Error> {
    let limit = history.limit.unwrap_or(DEFAULT_HISTORY_LIMIT);
    if history.before.is_some() && history.after.is_some() {
        return Err(invalid("give before or after, not both"));
    }
    let limit = limit as usize;
    let ports = &shared.ports;
    let seen = standing::look(ports, &history.conversation, user).await?;
    // I10: a removed member reads up to the entry that removed him.
    let end = match seen.standing {
        Standing::Member { .. } => seen.head.seq,
        Standing::Former { left } => left,
        Standing::Stranger => return Err(standing::not_a_member()),
    };
    let (entries, more) = match history.after {
        Some(after) => {
            let mut entries = ports
                .log
                .read(&history.conversation, after.min(end), end, limit)
                .await?;
            entries.truncate(fitting(entries.iter().map(|entry| entry_weight(entry))));
            let more = entries.last().is_some_and(|last| last.seq < end);
            (entries, more)
        }
        None => {
            let before = history.before.unwrap_or(Seq::MAX).min(end + 1);
            let mut entries = ports.log.read_back(&history.conversation, before, limit).await?;
            let fitting = fitting(entries.iter().rev().map(|entry| entry_weight(entry)));
            entries.drain(..entries.len().saturating_sub(fitting));
            let more = entries.first().is_some_and(|first| first.seq > 1);
            (entries, more)
        }
    };
    Ok(Reply::History(HistoryPage { entries, more }))
}

async fn list(shared: &Arc<Shared>, user: &UserId, list: List) -> Result<Reply, Error> {
    let limit = list.limit.unwrap_or(DEFAULT_LIST_LIMIT);
    let limit = limit as usize;
    let memberships = shared
        .ports
        .directory
        .memberships(user, list.after.as_ref(), limit)
        .await?;
    let mut next = match memberships.last() {
        Some(last) if memberships.len() == limit => Some(last.conversation.clone()),
        _ => None,
    };
    let listed = standing::list(&shared.ports, &memberships).await?;
    let mut conversations: Vec<_> = listed.into_iter().map(|listed| listed.summary).collect();
    let weights = conversations
        .iter()
        .map(|summary| summary.last.as_ref().map_or(0, |last| entry_weight(last)));
    let fitting = fitting(weights);
    if fitting < conversations.len() {
        conversations.truncate(fitting);
        next = conversations.last().map(|last| last.id.clone());
    }
    Ok(Reply::Conversations(Conversations { conversations, next }))
}

/// How many of these, one at least, go into one reply.
fn fitting(weights: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0;
    let fits = weights.take_while(|weight| {
        sum += ENTRY_OVERHEAD + weight;
        sum <= MAX_PAGE_BYTES
    });
    fits.count().max(1)
}
