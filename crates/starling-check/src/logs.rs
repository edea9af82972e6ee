//! The store's logs, by conversation, and who was a member when.

use std::collections::{BTreeMap, HashMap};

use starling_protocol::{Body, Entry, Role, Seq};

use crate::Digest;
use crate::altered::Altered;
use crate::store::StoreRecord;

/// All logs, by conversation.
pub(crate) struct Logs<'a>(BTreeMap<&'a str, Log<'a>>);

/// One conversation's log.
#[derive(Default)]
pub(crate) struct Log<'a> {
    /// By seq. Only a broken store has two of the same.
    entries: Vec<Stored<'a>>,
    /// The first entry of each sender's client id, as an index into `entries`.
    keys: HashMap<(&'a str, &'a str), usize>,
    pub(crate) members: Members<'a>,
    pub(crate) altered: Altered<'a>,
}

/// An entry, and where in the store's state it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) place: usize,
    pub(crate) entry: &'a Entry,
    pub(crate) digest: Digest,
}

/// Who was a member when, and who was muted: the fold of a log.
#[derive(Default)]
pub(crate) struct Members<'a> {
    memberships: BTreeMap<&'a str, Vec<Membership>>,
    /// From the entry that mutes to the one that lifts it, or by which the user speaks again.
    mutes: BTreeMap<&'a str, Vec<(Seq, Option<Seq>)>>,
}

/// One membership of one user, from the entry that began it to the one that ended it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Membership {
    pub(crate) from: Seq,
    pub(crate) until: Option<Seq>,
    pub(crate) role: Role,
}

impl<'a> Logs<'a> {
    pub(crate) fn new(store: &'a [StoreRecord]) -> Self {
        let mut logs: BTreeMap<&str, Log<'_>> = BTreeMap::new();
        for (place, record) in store.iter().enumerate() {
            if let StoreRecord::Entry(entry) = record {
                let log = logs.entry(entry.conversation.as_str()).or_default();
                log.entries.push(Stored {
                    place,
                    entry,
                    digest: Digest::of(entry),
                });
            }
        }
        for log in logs.values_mut() {
            log.entries.sort_by_key(|stored| stored.entry.seq);
            for (index, stored) in log.entries.iter().enumerate() {
                if let Some(key) = key(stored.entry) {
                    log.keys.entry(key).or_insert(index);
                }
                log.members.apply(stored.entry);
                log.altered.apply(stored.entry);
            }
        }
        Self(logs)
    }

    pub(crate) fn get(&self, conversation: &str) -> Option<&Log<'a>> {
        self.0.get(conversation)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &Log<'a>)> {
        self.0.iter().map(|(id, log)| (*id, log))
    }
}

impl<'a> Log<'a> {
    pub(crate) fn entries(&self) -> &[Stored<'a>] {
        &self.entries
    }

    pub(crate) fn head(&self) -> Seq {
        self.entries.last().map_or(0, |stored| stored.entry.seq)
    }

    /// What is stored in a slot: one entry, in a store that is whole.
    pub(crate) fn slot(&self, seq: Seq) -> &[Stored<'a>] {
        let from = self.entries.partition_point(|stored| stored.entry.seq < seq);
        let rest = self.entries.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|stored| stored.entry.seq == seq).count();
        &rest[..count]
    }

    /// The entry that a sender's client id names.
    pub(crate) fn named(&self, sender: &str, client_id: &str) -> Option<&Stored<'a>> {
        self.keys
            .get(&(sender, client_id))
            .and_then(|index| self.entries.get(*index))
    }
}

/// A sender's idempotency key, of entries that have one.
pub(crate) fn key(entry: &Entry) -> Option<(&str, &str)> {
    Some((
        entry.sender.as_ref()?.as_str(),
        entry.client_id.as_ref()?.as_str(),
    ))
}

impl<'a> Members<'a> {
    fn apply(&mut self, entry: &'a Entry) {
        match &entry.body {
            Body::Created { members, .. } => {
                for member in members {
                    self.begin(member.user.as_str(), entry.seq, member.role);
                }
            }
            Body::Joined { users, role, .. } => {
                for user in users {
                    self.begin(user.as_str(), entry.seq, *role);
                }
            }
            Body::Dissolved {} => {
                for last in self.memberships.values_mut().filter_map(|all| all.last_mut()) {
                    last.until.get_or_insert(entry.seq);
                }
            }
            Body::RoleChanged { user, role } => {
                let last = self.last(user.as_str());
                if let Some(last) = last.filter(|last| last.until.is_none()) {
                    last.role = *role;
                }
            }
            Body::Left { user } | Body::Banned { user, removed: true } => {
                if let Some(last) = self.last(user.as_str()) {
                    last.until.get_or_insert(entry.seq);
                }
            }
            Body::Muted { user, .. } => {
                let all = self.mutes.entry(user.as_str()).or_default();
                if all.last().is_none_or(|(_, until)| until.is_some()) {
                    all.push((entry.seq, None));
                }
            }
            Body::Unmuted { user } => self.unmute(user.as_str(), entry.seq),
            Body::Message(_) | Body::Edited { .. } | Body::Reacted { .. } => {
                if let Some(sender) = &entry.sender {
                    self.unmute(sender.as_str(), entry.seq);
                }
            }
            _ => {}
        }
    }

    fn last(&mut self, user: &str) -> Option<&mut Membership> {
        self.memberships.get_mut(user).and_then(|all| all.last_mut())
    }

    fn unmute(&mut self, user: &str, seq: Seq) {
        if let Some((_, until)) = self.mutes.get_mut(user).and_then(|all| all.last_mut()) {
            until.get_or_insert(seq);
        }
    }

    fn begin(&mut self, user: &'a str, from: Seq, role: Role) {
        let all = self.memberships.entry(user).or_default();
        match all.last_mut().filter(|last| last.until.is_none()) {
            Some(last) => last.role = role,
            None => all.push(Membership {
                from,
                until: None,
                role,
            }),
        }
    }

    /// All memberships of a user, in the order of the log.
    pub(crate) fn of(&self, user: &str) -> &[Membership] {
        self.memberships.get(user).map_or(&[], Vec::as_slice)
    }

    /// Whether the user is a member once the entry at `seq` is applied.
    pub(crate) fn includes(&self, user: &str, seq: Seq) -> bool {
        let is_in = |one: &Membership| one.from <= seq && one.until.is_none_or(|until| seq < until);
        self.of(user).iter().any(is_in)
    }

    /// Whether the user is a member, and not muted, from right after the entry at `from` until right before the one at
    /// `to`.
    pub(crate) fn may_speak_between(&self, user: &str, from: Seq, to: Seq) -> bool {
        let covers = |one: &Membership| one.from <= from && one.until.is_none_or(|until| to <= until);
        let falls_in =
            |(since, until): &(Seq, Option<Seq>)| *since < to && until.is_none_or(|until| from < until);
        let mutes = self.mutes.get(user).map_or(&[][..], Vec::as_slice);
        self.of(user).iter().any(covers) && !mutes.iter().any(falls_in)
    }

    /// Whether a membership of the user begins with the entry at `seq`.
    pub(crate) fn begins_at(&self, user: &str, seq: Seq) -> bool {
        self.of(user).iter().any(|one| one.from == seq)
    }

    /// Who is a member at the log's end.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&'a str, Role)> {
        let last = |all: &[Membership]| all.last().filter(|last| last.until.is_none()).copied();
        self.memberships
            .iter()
            .filter_map(move |(user, all)| last(all).map(|last| (*user, last.role)))
    }
}
