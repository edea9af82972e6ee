//! A conversation of the model: its log and its members.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use starling_check::store::{Governance, StoreRecord, StoredConversation, StoredMember};
use starling_protocol::{
    Body, ClientId, Content, ConversationId, Entry, Error, ErrorCode, HeadMark, InviteId, InviteUse, Kind,
    Member, Profile, Receipt, Reply, Role, Send, Sent, Seq, UserId,
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
    read: BTreeMap<UserId, Seq>,
    banned: BTreeSet<UserId>,
    /// Until which entry.
    muted: BTreeMap<UserId, i64>,
    /// How many may join by each, and how many have.
    invites: BTreeMap<InviteId, (u32, u32)>,
    profile: Profile,
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
            read: BTreeMap::new(),
            banned: BTreeSet::new(),
            muted: BTreeMap::new(),
            invites: BTreeMap::new(),
            profile: Profile {
                open: true,
                ..Profile::default()
            },
        };
        let body = Body::Created {
            kind: Kind::Group,
            name: None,
            description: None,
            avatar_url: None,
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
            None if self.is_muted(user) => return Err(refused(ErrorCode::Muted)),
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
        self.admit(by, users, None)
    }

    fn admit(&mut self, by: &UserId, users: Vec<UserId>, invite: Option<InviteUse>) -> Seq {
        let body = Body::Joined {
            users: users.clone(),
            role: Role::Member,
            invite,
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

    /// Joins by an invite that has room. `None` if there is none, or he is in.
    pub(super) fn accept(&mut self, user: &UserId) -> Option<Seq> {
        if self.members.contains_key(user) || self.is_banned(user) {
            return None;
        }
        let (id, (_, uses)) = self.invites.iter_mut().find(|(_, (max, uses))| uses < max)?;
        *uses += 1;
        let (id, uses) = (id.clone(), *uses);
        Some(self.admit(user, vec![user.clone()], Some(InviteUse { id, uses })))
    }

    /// Ends a membership. The seq of the entry, or the head.
    pub(super) fn leave(&mut self, by: &UserId, user: &UserId) -> Seq {
        if !self.members.contains_key(user) {
            return self.head();
        }
        let seq = self.append(by, None, Body::Left { user: user.clone() });
        self.end(user, seq);
        seq
    }

    fn end(&mut self, user: &UserId, seq: Seq) {
        if let Some(role) = self.members.remove(user) {
            self.former.insert(user.clone(), (role, seq));
        }
    }

    pub(super) fn role(&self, user: &UserId) -> Option<Role> {
        self.members.get(user).copied()
    }

    pub(super) fn is_banned(&self, user: &UserId) -> bool {
        self.banned.contains(user)
    }

    pub(super) fn one_banned(&self) -> Option<&UserId> {
        self.banned.first()
    }

    /// Whether he may not make the next entry.
    fn is_muted(&self, user: &UserId) -> bool {
        let at = self.head() as i64 + 1;
        self.muted.get(user).is_some_and(|until| at < *until)
    }

    /// One of the invites that are not revoked.
    pub(super) fn invite(&self) -> Option<&InviteId> {
        self.invites.keys().next()
    }

    /// Appends what governs the conversation, and takes it in.
    pub(super) fn govern(&mut self, by: &UserId, client_id: Option<ClientId>, body: Body) -> Seq {
        let seq = self.append(by, client_id, body.clone());
        match body {
            Body::Muted { user, until } => {
                self.muted.insert(user, until.unwrap_or(i64::MAX));
            }
            Body::Unmuted { user } => {
                self.muted.remove(&user);
            }
            Body::Banned { user, .. } => {
                self.end(&user, seq);
                self.banned.insert(user);
            }
            Body::Unbanned { user } => {
                self.banned.remove(&user);
            }
            Body::RoleChanged { user, role } => {
                self.members.insert(user, role);
            }
            Body::Invited { invite, max_uses, .. } => {
                self.invites.insert(invite, (max_uses.unwrap(), 0));
            }
            Body::Revoked { invite } => {
                self.invites.remove(&invite);
            }
            Body::Updated(profile) => self.profile = *profile,
            other => panic!("{other:?} governs nothing"),
        }
        seq
    }

    pub(super) fn mark(&mut self, user: &UserId, seq: Seq, read: bool) -> Result<Receipt, Error> {
        if !self.members.contains_key(user) {
            return Err(refused(ErrorCode::NotAMember));
        }
        if seq > self.head() {
            return Err(refused(ErrorCode::CursorAhead));
        }
        let mark = self.delivered.entry(user.clone()).or_default();
        *mark = seq.max(*mark);
        let delivered = *mark;
        let mark = self.read.entry(user.clone()).or_default();
        if read {
            *mark = seq.max(*mark);
        }
        Ok(Receipt {
            user: user.clone(),
            delivered,
            read: *mark,
            role: None,
        })
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
            read: self.read.get(user).copied().unwrap_or_default(),
            left,
        });
        let invites = self.invites.iter().filter(|(_, (max, uses))| uses < max);
        let conversation = StoredConversation {
            id: self.id.clone(),
            head: Some(self.head()),
            applied: Some(self.head()),
            members: members.collect(),
            governance: Some(Governance {
                profile: self.profile.clone(),
                banned: self.banned.clone(),
                muted: self.muted.clone(),
                invites: invites.map(|(id, (_, uses))| (id.clone(), *uses)).collect(),
            }),
        };
        let entries = self.log.iter().map(|entry| StoreRecord::Entry((**entry).clone()));
        entries.chain([StoreRecord::Conversation(conversation)]).collect()
    }
}
