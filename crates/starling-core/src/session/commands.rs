//! Carries out commands: checks what can be checked without a conversation's state, then asks the engine.

use std::sync::Arc;

use starling_protocol::limits::DEFAULT_LIST_LIMIT;
use starling_protocol::{
    ClientId, Command, Content, ConversationId, Conversations, Create, Error, ErrorCode, Hidden, Kind, List,
    Member, Profile, Reply, Role, Sent, UserId,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::history::{self, MAX_PAGE_BYTES, fitting};
use super::{moderation, persons, receipts, signals, stats};
use crate::Outbox;
use crate::chance;
use crate::event::summary_weight;
use crate::marks::Mark;
use crate::node_message::NodeMessage;
use crate::people;
use crate::ports::SignInId;
use crate::sequencer::{Answer, Change, Operation, Outcome};
use crate::shared::Shared;
use crate::standing::{self, Standing, direct_id, group_id};
use crate::time::unix_millis;

pub(super) fn invalid(message: impl Into<String>) -> Error {
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
    let client_id = command.key().map(|(_, client_id)| client_id.clone());
    let (look_up, mut lamport) = (command.is_retry(), 0);
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
            lamport = send.lamport.unwrap_or(0);
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
            let (target, text) = (edit.seq, edit.text);
            (edit.conversation, Change::Edit { target, text })
        }
        Command::Delete(delete) => {
            shared.allowance.take(shared, user).await?;
            (delete.conversation, Change::Delete { target: delete.seq })
        }
        Command::React(react) => {
            shared.allowance.take(shared, user).await?;
            people::check_send(shared, user, &react.conversation).await?;
            let (target, emoji, removed) = (react.seq, react.emoji, react.removed);
            let change = Change::React {
                target,
                emoji,
                removed,
            };
            (react.conversation, change)
        }
        Command::Join(join) => (join.conversation, Change::Join { invite: None }),
        Command::Leave(leave) => (leave.conversation, Change::Leave),
        Command::Add(add) => (add.conversation, Change::Add { users: add.users }),
        Command::Remove(remove) => (remove.conversation, Change::Remove { user: remove.user }),
        Command::Dissolve(dissolve) => (dissolve.conversation, Change::Dissolve),
        other => {
            shared.allowance.take(shared, user).await?;
            moderation::asked(other)?
        }
    };
    let mut operation = operation(shared, user, conversation, change, answer);
    (operation.lamport, operation.origin) = (lamport, origin);
    (operation.again, operation.look_up) = (look_up, look_up);
    if let Some(client_id) = client_id {
        operation.client_id = client_id;
    }
    shared.sequencer.submit(shared, operation).await;
    Ok(())
}

/// A change that nobody has asked for before, under a client id of its own.
pub(super) fn operation(
    shared: &Shared,
    user: &UserId,
    conversation: ConversationId,
    change: Change,
    answer: Answer,
) -> Operation {
    Operation {
        conversation,
        sender: user.clone(),
        client_id: fresh_client_id(),
        change,
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
        answers: vec![answer],
    }
}

pub(super) fn fresh_client_id() -> ClientId {
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

/// Carries out a command and waits for its outcome. `sign_in` is the one that the connection came by, if there is a
/// connection and it came by one.
pub(crate) async fn execute(
    shared: &Arc<Shared>,
    user: &UserId,
    sign_in: Option<&SignInId>,
    command: Command,
) -> Result<Reply, Error> {
    command.check()?;
    match command {
        change if change.is_change() => {
            let (sender, outcome) = oneshot::channel();
            let answer = Box::new(move |outcome| drop(sender.send(outcome)));
            submit(shared, user, None, change, answer).await?;
            Ok(reply_of(outcome.await.map_err(|_| no_answer())??))
        }
        Command::Invite(ask) => moderation::invite(shared, user, None, ask).await,
        Command::Invites(ask) => moderation::invites(shared, user, ask).await,
        Command::Sanctions(ask) => moderation::sanctions(shared, user, ask).await,
        Command::Create(create) => self::create(shared, user, create).await,
        Command::History(ask) => history::page(shared, user, ask).await,
        Command::Hide(hide) => self::hide(shared, user, &hide.conversation).await,
        Command::Stats(ask) => stats::of_conversation(shared, user, ask).await,
        Command::MyStats(ask) => stats::of_user(shared, user, ask).await,
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
        // On the heap: it is rare, and would be part of every connection's future.
        of_people => Box::pin(persons::execute(shared, user, sign_in, of_people)).await,
    }
}

pub(super) fn no_answer() -> Error {
    Error::new(ErrorCode::Internal, "the conversation's actor gave no answer")
}

async fn create(shared: &Arc<Shared>, user: &UserId, create: Create) -> Result<Reply, Error> {
    if let Some(url) = &create.avatar_url {
        people::check_avatar(url)?;
    }
    let profile = Profile {
        name: create.name.map(|name| name.trim().to_owned()),
        description: create.description,
        avatar_url: create.avatar_url,
        open: create.open.unwrap_or(create.kind.is_open_by_default()),
    };
    let client_id = create.client_id.unwrap_or_else(fresh_client_id);
    let (id, role) = match (create.kind, create.members.as_slice()) {
        (Kind::Direct, [other]) if other != user => {
            if profile != Profile::default() {
                return Err(invalid(
                    "a direct conversation has no name, description or picture, and is not open",
                ));
            }
            people::check_open(shared, user, other).await?;
            (direct_id(user, other), Role::Member)
        }
        (Kind::Direct, _) => return Err(invalid("a direct conversation names exactly one other user")),
        _ => (group_id(user, client_id.as_str()), Role::Admin),
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
    let change = Change::Create {
        kind: create.kind,
        profile,
        members,
    };
    let answer = Box::new(move |outcome| drop(sender.send(outcome)));
    let mut operation = operation(shared, user, id.clone(), change, answer);
    operation.client_id = client_id;
    shared.sequencer.submit(shared, operation).await;
    outcome.await.map_err(|_| no_answer())??;
    let seen = standing::look(&shared.ports, &id, user).await?;
    Ok(Reply::Conversation(
        standing::summary_of(&shared.ports, seen).await?,
    ))
}

/// Takes a conversation off the user's list as it stands now, and tells his connections.
async fn hide(shared: &Shared, user: &UserId, id: &ConversationId) -> Result<Reply, Error> {
    let seen = standing::look(&shared.ports, id, user).await?;
    if !matches!(seen.standing, Standing::Member { .. }) {
        return Err(standing::not_a_member());
    }
    let messages = seen.head.messages;
    shared.ports.directory.hide(id, user, messages).await?;
    let hidden = Hidden {
        conversation: id.clone(),
        messages,
    };
    shared.sessions.tell_hidden(user, &hidden);
    let message = NodeMessage::Hidden(user.clone(), hidden);
    shared.tell_nodes_of(user, message).await;
    Ok(Reply::Done {})
}

/// A page of the user's conversations, hidden ones left out. Where a page holds nothing else, the next one is read.
async fn list(shared: &Arc<Shared>, user: &UserId, mut list: List) -> Result<Reply, Error> {
    loop {
        let page = list_page(shared, user, &list).await?;
        match &page.next {
            Some(next) if page.conversations.is_empty() => list.after = Some(next.clone()),
            _ => return Ok(Reply::Conversations(page)),
        }
    }
}

async fn list_page(shared: &Arc<Shared>, user: &UserId, list: &List) -> Result<Conversations, Error> {
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
    let mut conversations: Vec<_> = listed
        .into_iter()
        .map(|listed| listed.summary)
        .filter(|summary| !summary.hidden)
        .collect();
    let weights = conversations.iter().map(summary_weight);
    let fitting = fitting(weights, MAX_PAGE_BYTES);
    if fitting < conversations.len() {
        conversations.truncate(fitting);
        next = conversations.last().map(|last| last.id.clone());
    }
    Ok(Conversations { conversations, next })
}
