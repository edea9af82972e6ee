//! `/`: which event is whose, and the events that both seeds have.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use starling_protocol::{Command, ConversationId, Error, ErrorCode, Join, Leave, Reply, UserId};

use super::error::{Done, Failed, complain, complain_of, complaint};
use super::history::{DEFAULT_LIMIT, newest};
use super::online::online;
use super::payload::{check_own, read};
use super::{campzone, chat_service, sending};
use crate::Rooms;
use crate::decoder::Event;
use crate::live::Live;
use crate::pending::{Asked, Pending};

/// Carries out an event.
pub(super) async fn carry_out(live: &Live, event: Event) {
    let Event { name, payload, ack } = event;
    let asked = Asked { event: name, ack };
    let done = match asked.event.as_str() {
        "join_room" => join(live, &asked, payload).await,
        "leave_room" => leave(live, &asked, payload).await,
        "send_message" => sending::send(live, asked.clone(), payload).await,
        "typing_start" => campzone::typing(live, asked.clone(), payload, true).await,
        "typing_stop" => campzone::typing(live, asked.clone(), payload, false).await,
        "mark_read" => campzone::mark_read(live, asked.clone(), payload).await,
        "get_messages" => campzone::get_messages(live, &asked, payload).await,
        "get_online_users" => campzone::get_online_users(live, &asked, payload).await,
        "authenticate" => chat_service::authenticate(live, &asked, payload).await,
        "typing" => chat_service::typing(live, asked.clone(), payload).await,
        // As the seeds' servers do: what nobody listens for is passed over. But who waits for an answer gets one.
        _ => {
            let error = Error::new(ErrorCode::UnknownCommand, "there is no such event");
            let failed = Failed {
                success: false,
                complaint: complaint(&asked, &error, None),
            };
            return live.acknowledge(&asked, &failed);
        }
    };
    if let Err(error) = done {
        complain(live, &asked, &error);
    }
}

/// The core has answered what could not be waited for.
pub(super) async fn answer(live: &Live, pending: Pending, result: &Result<Reply, Error>) {
    match (pending, result) {
        (Pending::Send { key, asked }, Ok(Reply::Sent(sent))) => {
            if let Err(error) = sending::sent(live, &asked, &key, sent).await {
                complain_of(live, &asked, &error, Some(&key));
            }
        }
        (Pending::Send { key, asked }, Err(error)) => complain_of(live, &asked, error, Some(&key)),
        (Pending::Signal(asked), Ok(_)) => live.acknowledge(&asked, &Done::plain()),
        (Pending::Signal(asked), Err(error)) => complain(live, &asked, error),
        (Pending::Send { .. } | Pending::Mark | Pending::Streams(_), _) => {}
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InRoom {
    room_id: ConversationId,
    user_id: Option<UserId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JoinedRoom<'a> {
    room_id: &'a ConversationId,
    message: &'static str,
}

/// `join_room`: makes the user a member, tells the client what was said, and from there on what is said.
async fn join(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let InRoom {
        room_id: room,
        user_id,
    } = read(payload)?;
    check_own(live, user_id.as_ref())?;
    become_member(live, &room).await?;
    let page = newest(live.asker(), &room, DEFAULT_LIMIT, 0).await?;
    let users = online(live.asker(), &room).await?;
    {
        let mut rooms = live.rooms.lock();
        if !rooms.contains(&room) {
            rooms.join(room.clone(), page.head);
        }
    }
    let joined = JoinedRoom {
        room_id: &room,
        message: "Successfully joined room",
    };
    live.emit("joined_room", &joined);
    live.emit("message_history", &page.messages());
    live.emit("room_users", &users);
    live.acknowledge(asked, &Done::with(&joined));
    live.follow().await;
    Ok(())
}

/// Makes the user a member of an open room, and the room where there is none and that is allowed.
pub(super) async fn become_member(live: &Live, room: &ConversationId) -> Result<(), Error> {
    let asker = live.asker();
    let join = async || {
        let conversation = room.clone();
        asker.execute(Command::Join(Join { conversation })).await
    };
    match join().await {
        Ok(_) => Ok(()),
        Err(error)
            if error.code == ErrorCode::UnknownConversation
                && live.server().settings().rooms == Rooms::MadeOnJoin =>
        {
            live.engine().open_room(live.user(), room.clone()).await?;
            // Someone else may have made it at the same time.
            join().await.map(drop)
        }
        Err(error) => Err(error),
    }
}

/// `leave_room`: ends the membership. Where that cannot be (two people's conversation), the client is told so, and is
/// told of nothing more in it all the same.
async fn leave(live: &Live, asked: &Asked, payload: Value) -> Result<(), Error> {
    let InRoom { room_id, user_id } = read(payload)?;
    check_own(live, user_id.as_ref())?;
    live.rooms.lock().leave(&room_id);
    let leave = Leave {
        conversation: room_id,
    };
    live.asker().execute(Command::Leave(leave)).await?;
    live.acknowledge(asked, &Done::plain());
    Ok(())
}
