//! The servers' side of the model.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use starling_check::history::Call;
use starling_protocol::{
    Body, ClientId, Command, ConversationId, Error, ErrorCode, Event, InviteId, Profile, ReceiptsChange,
    Reply, Role, Seq, ServerFrame, Synced, UserId,
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
            Command::Delivered(mark) => self.mark_for(&user, &mark.conversation, mark.seq, false),
            Command::Read(mark) => self.mark_for(&user, &mark.conversation, mark.seq, true),
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

    /// Takes a mark, and tells those who listen.
    fn mark_for(&mut self, user: &UserId, id: &ConversationId, seq: Seq, read: bool) -> Result<Reply, Error> {
        let receipt = self.conversation(id).mark(user, seq, read)?;
        let change = ReceiptsChange {
            conversation: id.clone(),
            delivered: 0,
            read: 0,
            members: vec![receipt],
        };
        for device in self
            .devices
            .iter_mut()
            .filter(|device| device.streams.contains_key(id))
        {
            device.say(ServerFrame::Event(Event::Receipts(change.clone())));
        }
        Ok(Reply::Done {})
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
        let gone =
            entry.body.ends_membership_of(&device.user) && !conversation.members.contains_key(&device.user);
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
        let role = conversation.role(&user);
        let joins = match conversation.is_banned(&user) {
            true => Err(ErrorCode::Banned),
            false => Ok(()),
        };
        let (call, result) = match self.rng.random_range(0..9) {
            0 => {
                let joined = joins.map(|()| conversation.join(&user, std::slice::from_ref(&user)));
                (Call::Join { conversation: id }, joined)
            }
            1 => {
                let left = match (is_creator, role) {
                    (true, _) => Err(ErrorCode::Forbidden),
                    (false, None) => Err(ErrorCode::NotAMember),
                    (false, Some(_)) => Ok(conversation.leave(&user, &user)),
                };
                (Call::Leave { conversation: id }, left)
            }
            2 => {
                let users = vec![other, user.clone()];
                let added = if users.iter().any(|user| conversation.is_banned(user)) {
                    Err(ErrorCode::Banned)
                } else if role >= Some(Role::Moderator) {
                    Ok(conversation.join(&user, &users))
                } else {
                    Err(ErrorCode::Forbidden)
                };
                let call = Call::Add {
                    conversation: id,
                    users,
                };
                (call, added)
            }
            3 => {
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
            4 => {
                let joined = joins.and_then(|()| conversation.accept(&user).ok_or(ErrorCode::UnknownInvite));
                (Call::Accept { conversation: id }, joined)
            }
            _ => {
                self.sends += 1;
                let client_id = ClientId::new(format!("s{}", self.sends)).unwrap();
                let call = Call::Send {
                    conversation: id,
                    client_id: client_id.clone(),
                };
                // Mostly a member.
                let member = self.rng.random_range(0..8);
                let other = conversation.members.keys().nth(member).cloned().unwrap_or(other);
                let body = governs(&mut self.rng, conversation, &user, other);
                let governed = body.map(|body| conversation.govern(&user, Some(client_id), body));
                (call, governed.ok_or(ErrorCode::Forbidden))
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

/// Something by which he governs the conversation, if he may.
fn governs(rng: &mut StdRng, conversation: &Conversation, by: &UserId, other: UserId) -> Option<Body> {
    let role = conversation.role(by).filter(|role| *role >= Role::Moderator)?;
    let his = conversation.role(&other);
    let head = conversation.head();
    match rng.random_range(0..9) {
        0 if role == Role::Admin && his.is_some() && other != conversation.creator => {
            Some(Body::RoleChanged {
                user: other,
                role: if rng.random_bool(0.6) {
                    Role::Moderator
                } else {
                    Role::Member
                },
            })
        }
        1 | 2 if his.is_some_and(|his| his < role) => Some(Body::Muted {
            user: other,
            until: rng.random_bool(0.5).then_some(head as i64 + 12),
        }),
        3 if other != *by && his.is_none_or(|his| his <= role) => Some(Body::Unmuted { user: other }),
        4 if other != *by && his.is_none_or(|his| his < role) => Some(Body::Banned {
            user: other,
            removed: his.is_some(),
        }),
        5 | 8 => conversation
            .one_banned()
            .map(|user| Body::Unbanned { user: user.clone() }),
        6 => Some(match conversation.invite().filter(|_| rng.random_bool(0.4)) {
            Some(invite) => Body::Revoked {
                invite: invite.clone(),
            },
            None => Body::Invited {
                invite: invite_id(head),
                expires_at: None,
                max_uses: Some(2),
            },
        }),
        7 => Some(Body::Updated(Box::new(Profile {
            name: Some(format!("since {head}")),
            open: true,
            ..Profile::default()
        }))),
        _ => None,
    }
}

/// A name of its own for the invite that follows this entry.
fn invite_id(head: Seq) -> InviteId {
    let letters = head
        .to_string()
        .into_bytes()
        .into_iter()
        .map(|digit| char::from(digit - b'0' + b'a'));
    InviteId::new(format!("{:z>32}", letters.collect::<String>())).unwrap()
}
