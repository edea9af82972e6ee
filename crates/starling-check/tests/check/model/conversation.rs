//! A conversation of the model: its log and its members.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use starling_check::store::{StoreRecord, StoredConversation, StoredMember};
use starling_protocol::{
    Body, ClientId, Content, ConversationId, Entry, Error, ErrorCode, HeadMark, Kind, Member, Reply, Role,
    Send, Sent, Seq, UserId,
};

use super::{page, refused, role_of};

pub(super) struct Conversation {
    pub(super) id: ConversationId,
    pub(super) creator: UserId,
    log: Vec<Arc<Entry>>,
    keys: HashMap<(UserId, ClientId), Seq>,
    pub(super) members: BTreeMap<UserId, Role>,
    former: BTreeMap<UserId, (Role, Seq)>,
    pub(super) delivered: BTreeMap<UserId, Seq>,
}

impl Conversation {
    /// A group of these; the first one makes it.
    pub(super) fn new(name: &str, users: &[UserId]) -> Self {
        let members = users.iter().enumerate().map(|(index, user)| Member {
            user: user.clone(),
            role: role_of(index),
        });
        let members: Vec<Member> = members.collect();
        let mut new = Self {
            id: ConversationId::new(name).unwrap(),
            creator: users[0].clone(),
            log: Vec::new(),
            keys: HashMap::new(),
            members: members
                .iter()
                .map(|member| (member.user.clone(), member.role))
                .collect(),
            former: BTreeMap::new(),
            delivered: users.iter().map(|user| (user.clone(), 0)).collect(),
        };
        let body = Body::Created {
            kind: Kind::Group,
            name: None,
            open: true,
            members,
        };
        new.append(&users[0], None, body);
        new
    }

    pub(super) fn head(&self) -> Seq {
        self.log.len() as Seq
    }

    pub(super) fn entry(&self, seq: Seq) -> Arc<Entry> {
        Arc::clone(&self.log[seq as usize - 1])
    }

    /// The entries after `cursor` up to `end`.
    pub(super) fn between(&self, cursor: Seq, end: Seq) -> Vec<Arc<Entry>> {
        (cursor + 1..=end).map(|seq| self.entry(seq)).collect()
    }

    /// Where the membership of a former member ended.
    pub(super) fn left(&self, user: &UserId) -> Option<Seq> {
        self.former.get(user).map(|(_, left)| *left)
    }

    fn append(&mut self, sender: &UserId, client_id: Option<ClientId>, body: Body) -> Seq {
        let mark = self.log.last().map_or(HeadMark::default(), |last| last.mark());
        let seq = mark.seq + 1;
        self.log.push(Arc::new(Entry {
            conversation: self.id.clone(),
            seq,
            sender: Some(sender.clone()),
            client_id,
            lamport: mark.lamport + 1 + seq % 2,
            at: seq as i64,
            messages: mark.messages + u64::from(body.is_message()),
            membership: if body.changes_membership() {
                seq
            } else {
                mark.membership
            },
            body,
            state: None,
        }));
        seq
    }

    pub(super) fn send(&mut self, user: &UserId, send: &Send) -> Result<Sent, Error> {
        let key = (user.clone(), send.client_id.clone());
        let seq = match self.keys.get(&key) {
            Some(seq) => *seq,
            None if !self.members.contains_key(user) => return Err(refused(ErrorCode::NotAMember)),
            None => {
                let body = Body::Message(Content::text(send.text.clone()));
                let seq = self.append(user, Some(send.client_id.clone()), body);
                self.keys.insert(key, seq);
                seq
            }
        };
        let entry = self.entry(seq);
        Ok(Sent {
            conversation: self.id.clone(),
            seq,
            lamport: entry.lamport,
            at: entry.at,
            client_id: entry.client_id.clone(),
        })
    }

    /// Makes those members who are none. The seq of the entry, or the head.
    pub(super) fn join(&mut self, by: &UserId, users: &[UserId]) -> Seq {
        let mut users = users.to_vec();
        users.retain(|user| !self.members.contains_key(user));
        users.dedup();
        if users.is_empty() {
            return self.head();
        }
        let body = Body::Joined {
            users: users.clone(),
            role: Role::Member,
            invite: None,
        };
        let seq = self.append(by, None, body);
        for user in users {
            self.former.remove(&user);
            let mark = self.delivered.entry(user.clone()).or_default();
            *mark = (seq - 1).max(*mark);
            self.members.insert(user, Role::Member);
        }
        seq
    }

    /// Ends a membership. The seq of the entry, or the head.
    pub(super) fn leave(&mut self, by: &UserId, user: &UserId) -> Seq {
        let Some(role) = self.members.get(user).copied() else {
            return self.head();
        };
        let seq = self.append(by, None, Body::Left { user: user.clone() });
        self.members.remove(user);
        self.former.insert(user.clone(), (role, seq));
        seq
    }

    pub(super) fn mark(&mut self, user: &UserId, seq: Seq) -> Result<(), Error> {
        if !self.members.contains_key(user) {
            return Err(refused(ErrorCode::NotAMember));
        }
        if seq > self.head() {
            return Err(refused(ErrorCode::CursorAhead));
        }
        let mark = self.delivered.entry(user.clone()).or_default();
        *mark = seq.max(*mark);
        Ok(())
    }

    /// A few entries, as far as the user may read.
    pub(super) fn page(&self, user: &UserId, after: Seq) -> Result<Reply, Error> {
        let end = match (self.members.contains_key(user), self.left(user)) {
            (true, _) => self.head(),
            (false, Some(left)) => left,
            (false, None) => return Err(refused(ErrorCode::NotAMember)),
        };
        Ok(page(self.between(after.min(end), end.min(after + 5))))
    }

    /// The lines of the store.
    pub(super) fn stored(&self) -> Vec<StoreRecord> {
        let delivered = |user: &UserId| self.delivered.get(user).copied().unwrap_or_default();
        let present = self.members.iter().map(|(user, role)| (user, *role, None));
        let former = self
            .former
            .iter()
            .map(|(user, (role, left))| (user, *role, Some(*left)));
        let members = present.chain(former).map(|(user, role, left)| StoredMember {
            user: user.clone(),
            role,
            delivered: delivered(user),
            read: 0,
            left,
        });
        let conversation = StoredConversation {
            id: self.id.clone(),
            head: Some(self.head()),
            applied: Some(self.head()),
            members: members.collect(),
        };
        let entries = self.log.iter().map(|entry| StoreRecord::Entry((**entry).clone()));
        entries.chain([StoreRecord::Conversation(conversation)]).collect()
    }
}
