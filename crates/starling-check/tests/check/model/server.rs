//! The servers' side of the model.

use std::collections::BTreeMap;

use rand::RngExt;
use starling_check::history::Call;
use starling_protocol::{
    Body, Command, ConversationId, ErrorCode, Event, Reply, Seq, ServerFrame, Synced, UserId,
};

use super::conversation::Conversation;
use super::device::Out;
use super::{OUTSIDER, World, refused};

impl World {
    /// The server carries out the device's next command. Whether there was any.
    pub(super) fn serve(&mut self, d: usize) -> bool {
        let Some(frame) = self.devices[d].inbox.pop_front() else {
            return false;
        };
        if self.devices[d].is_closing() {
            return true;
        }
        let user = self.devices[d].user.clone();
        let result = match frame.command {
            Command::Sync(sync) => Ok(Reply::Synced(self.stream(d, &sync.cursors))),
            Command::Send(send) => {
                let chance = match (self.calm, self.limited) {
                    (false, _) => self.rng.random_range(0..100),
                    (true, false) => 0,
                    (true, true) => 100,
                };
                self.limited |= self.calm;
                let conversation = self.conversation(&send.conversation);
                match chance {
                    0 | 1 => Err(refused(ErrorCode::RateLimited)),
                    2 => Err(refused(ErrorCode::Unknown)),
                    3 => {
                        // Whether it was stored or refused, nobody is told.
                        let _ = conversation.send(&user, &send);
                        Err(refused(ErrorCode::Unknown))
                    }
                    _ => conversation.send(&user, &send).map(Reply::Sent),
                }
            }
            Command::Delivered(mark) => {
                let conversation = self.conversation(&mark.conversation);
                conversation.mark(&user, mark.seq).map(|()| Reply::Done {})
            }
            Command::History(history) => {
                let conversation = self.conversation(&history.conversation);
                conversation.page(&user, history.after.unwrap_or_default())
            }
            other => panic!("the model knows no {other:?}"),
        };
        let undecided = matches!(&result, Err(error) if error.code == ErrorCode::Unknown);
        let device = &mut self.devices[d];
        device.say(ServerFrame::Reply { id: frame.id, result });
        if undecided {
            device.outbox.push_back(Out::Close(4003));
        }
        true
    }

    fn stream(&mut self, d: usize, cursors: &BTreeMap<ConversationId, Seq>) -> Synced {
        let device = &mut self.devices[d];
        device.live = true;
        for conversation in &self.conversations {
            let named = cursors.get(&conversation.id).copied();
            if conversation.members.contains_key(&device.user) {
                let waiting = conversation.delivered.get(&device.user).copied();
                match named {
                    None if device.streams.contains_key(&conversation.id) => {}
                    None if self.rng.random_bool(0.5) => {
                        device.start(conversation, waiting.unwrap_or_else(|| conversation.head()));
                    }
                    None => device.start(conversation, conversation.head()),
                    Some(cursor) => device.start(conversation, cursor),
                }
            } else if let (Some(cursor), Some(left)) = (named, conversation.left(&device.user)) {
                device.streams.remove(&conversation.id);
                for entry in conversation.between(cursor, left) {
                    device.say(ServerFrame::Event(Event::Entry(entry)));
                }
            }
        }
        Synced::default()
    }

    /// The next entry of one of the device's streams goes out. Whether there was any.
    pub(super) fn pump(&mut self, d: usize) -> bool {
        let device = &mut self.devices[d];
        let behind: Vec<_> = self
            .conversations
            .iter()
            .filter(|conversation| {
                let position = device.streams.get(&conversation.id);
                position.is_some_and(|position| *position < conversation.head())
            })
            .collect();
        if behind.is_empty() {
            return false;
        }
        let conversation = behind[self.rng.random_range(0..behind.len())];
        let position = device.streams.get_mut(&conversation.id).unwrap();
        *position += 1;
        let entry = conversation.entry(*position);
        let gone = matches!(&entry.body, Body::Left { user } if *user == device.user)
            && !conversation.members.contains_key(&device.user);
        device.say(ServerFrame::Event(Event::Entry(entry)));
        if gone {
            device.streams.remove(&conversation.id);
        }
        true
    }

    /// A change of membership, at once, whose reply may be lost.
    pub(super) fn change(&mut self, d: usize) {
        let c = self.rng.random_range(0..self.conversations.len());
        let conversation = &mut self.conversations[c];
        let device = &self.devices[d];
        let (id, user) = (conversation.id.clone(), device.user.clone());
        let other = UserId::new(format!("u{}", self.rng.random_range(0..5))).unwrap();
        if user.as_str() == OUTSIDER {
            return;
        }
        let is_creator = user == conversation.creator;
        let is_member = conversation.members.contains_key(&user);
        let (call, result) = match self.rng.random_range(0..4) {
            0 => {
                let joined = conversation.join(&user, std::slice::from_ref(&user));
                (Call::Join { conversation: id }, Ok(joined))
            }
            1 => {
                let left = match (is_creator, is_member) {
                    (true, _) => Err(ErrorCode::Forbidden),
                    (false, false) => Err(ErrorCode::NotAMember),
                    (false, true) => Ok(conversation.leave(&user, &user)),
                };
                (Call::Leave { conversation: id }, left)
            }
            2 => {
                let users = vec![other, user.clone()];
                let added = if is_member {
                    Ok(conversation.join(&user, &users))
                } else {
                    Err(ErrorCode::NotAMember)
                };
                let call = Call::Add {
                    conversation: id,
                    users,
                };
                (call, added)
            }
            _ => {
                let removed = if is_creator && other != user {
                    Ok(conversation.leave(&user, &other))
                } else {
                    Err(ErrorCode::Forbidden)
                };
                let call = Call::Remove {
                    conversation: id,
                    user: other,
                };
                (call, removed)
            }
        };
        let op = device.recorder.invoke(call);
        match result {
            Err(code) => device.recorder.fail(op, code),
            Ok(_) if self.rng.random_bool(0.1) => device.recorder.info(op, "the reply is lost"),
            Ok(seq) => device.recorder.ok(op, Some(seq)),
        }
        self.welcome(c);
    }

    /// Who has become a member, and listens, is given the stream.
    fn welcome(&mut self, c: usize) {
        let conversation = &self.conversations[c];
        let entry = conversation.entry(conversation.head());
        if let Body::Joined { users, .. } = &entry.body {
            for device in self
                .devices
                .iter_mut()
                .filter(|device| users.contains(&device.user))
            {
                if device.live && !device.streams.contains_key(&conversation.id) {
                    device.start(conversation, entry.seq - 1);
                }
            }
        }
    }

    fn conversation(&mut self, id: &ConversationId) -> &mut Conversation {
        self.conversations.iter_mut().find(|one| one.id == *id).unwrap()
    }
}
