//! Accounts, sign-ins, contacts, codes and quotas, and where codes are sent to.
//!
//! These take no part in the simulation of majorities and fail-overs: what is written is there at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use starling_protocol::{ConversationId, Error, UserId};
use tokio::time::Instant;

use super::coordination::MemoryNode;
use super::store::MemoryStore;
use crate::people::Phone;
use crate::ports::{
    Accounts, CodeSender, Codes, ContactBook, ContactRecord, Digest, MEET_AT_MOST, Profile, ProfileUpdate,
    Quota, Quotas, Relation, Replacement, Rotation, SignInId, SignInRecord, SignIns, TokenIssuer,
    Unavailable,
};
use crate::time::unix_millis;

/// All that the store holds about people.
#[derive(Default)]
pub(super) struct PeopleTables {
    phones: BTreeMap<Phone, UserId>,
    profiles: BTreeMap<UserId, Profile>,
    sign_ins: BTreeMap<SignInId, SignInRow>,
    pairs: BTreeMap<(UserId, UserId), Pair>,
    outgoing: Vec<(Phone, String)>,
}

struct SignInRow {
    record: SignInRecord,
    current: Digest,
    previous: Option<(Digest, Digest, i64)>,
    ended: Option<i64>,
}

impl SignInRow {
    fn is_in_force(&self) -> bool {
        self.ended.is_none() && self.record.expires_at > unix_millis()
    }
}

#[derive(Default)]
struct Pair {
    since: Option<i64>,
    removed: i64,
    added_by: BTreeSet<UserId>,
    by_phone: BTreeSet<UserId>,
    blocked_by: BTreeSet<UserId>,
    direct: Option<ConversationId>,
}

impl Pair {
    fn end(&mut self, at: i64) {
        self.since = None;
        self.removed = self.removed.max(at);
        self.added_by.clear();
        self.by_phone.clear();
    }

    fn relation(&self, user: &UserId, other: &UserId) -> Relation {
        let contact = self.since.is_some();
        Relation {
            contact,
            shows_phone: contact && (self.by_phone.contains(user) || self.added_by.contains(other)),
            blocks: self.blocked_by.contains(user),
            blocked: self.blocked_by.contains(other),
        }
    }
}

fn key(a: &UserId, b: &UserId) -> (UserId, UserId) {
    if a <= b {
        (a.clone(), b.clone())
    } else {
        (b.clone(), a.clone())
    }
}

impl PeopleTables {
    /// Carries out [`crate::ports::Effect::Meet`], given the present members.
    pub(super) fn meet(&mut self, users: &[UserId], members: &[UserId], at: i64) {
        if members.len() > MEET_AT_MOST {
            return;
        }
        for user in users.iter().filter(|user| members.contains(user)) {
            for other in members.iter().filter(|other| *other != user) {
                let pair = self.pairs.entry(key(user, other)).or_default();
                if pair.since.is_none() && pair.removed < at && pair.blocked_by.is_empty() {
                    pair.since = Some(at);
                }
            }
        }
    }

    fn profile(&mut self, user: &UserId) -> &mut Profile {
        self.profiles.entry(user.clone()).or_insert_with(|| Profile {
            user: user.clone(),
            name: None,
            about: None,
            avatar_url: None,
            phone: None,
        })
    }

    fn pair(&self, a: &UserId, b: &UserId) -> Option<&Pair> {
        self.pairs.get(&key(a, b))
    }

    /// The pairs of a user with the other of each, after `after`, in the order of their keys.
    fn pairs_of<'a>(
        &'a self,
        user: &'a UserId,
        after: Option<&UserId>,
    ) -> impl Iterator<Item = (&'a UserId, &'a Pair)> {
        let after = after.map(|after| key(user, after));
        self.pairs
            .iter()
            .filter(move |(key, _)| after.as_ref().is_none_or(|after| *key > after))
            .filter_map(move |((a, b), pair)| match () {
                () if a == user => Some((b, pair)),
                () if b == user => Some((a, pair)),
                () => None,
            })
    }
}

impl MemoryStore {
    /// The last code that was sent to a number.
    pub fn last_code(&self, phone: &str) -> Option<String> {
        let people = self.people.lock();
        let to = |(phone, _): &&(Phone, String)| phone.as_str().to_owned();
        let sent = people.outgoing.iter().rev().find(|sent| to(sent) == phone);
        sent.map(|(_, code)| code.clone())
    }

    /// Makes a user known who signed in elsewhere.
    pub fn add_profile(&self, user: &UserId) {
        self.people.lock().profile(user);
    }

    fn with_people<T>(&self, work: impl FnOnce(&mut PeopleTables) -> T) -> Result<T, Unavailable> {
        if !self.link.reachable() {
            return Err(self.link.unavailable("unreachable"));
        }
        Ok(work(&mut self.people.lock()))
    }
}

#[async_trait]
impl Accounts for MemoryStore {
    async fn register(
        &self,
        phone: &Phone,
        fresh: &UserId,
        name: Option<&str>,
    ) -> Result<(UserId, bool), Unavailable> {
        self.with_people(|people| {
            if let Some(user) = people.phones.get(phone) {
                return (user.clone(), false);
            }
            people.phones.insert(phone.clone(), fresh.clone());
            let profile = people.profile(fresh);
            (profile.name, profile.phone) = (name.map(str::to_owned), Some(phone.clone()));
            (fresh.clone(), true)
        })
    }

    async fn user_of(&self, phone: &Phone) -> Result<Option<UserId>, Unavailable> {
        self.with_people(|people| people.phones.get(phone).cloned())
    }

    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, Unavailable> {
        let seen: HashMap<_, _> = self.users().into_iter().collect();
        self.with_people(|people| {
            let known = users
                .iter()
                .filter(|user| seen.contains_key(*user) || people.profiles.contains_key(*user))
                .cloned()
                .collect::<Vec<_>>();
            let profiles = known.iter().map(|user| {
                let mut profile = people.profile(user).clone();
                profile.name = profile.name.or_else(|| seen.get(user).cloned().flatten());
                profile
            });
            profiles.collect()
        })
    }

    async fn update_profile(&self, user: &UserId, update: &ProfileUpdate) -> Result<Profile, Unavailable> {
        self.with_people(|people| {
            let profile = people.profile(user);
            for (field, new) in [
                (&mut profile.name, &update.name),
                (&mut profile.about, &update.about),
                (&mut profile.avatar_url, &update.avatar_url),
            ] {
                if let Some(new) = new {
                    *field = Some(new.clone()).filter(|new| !new.is_empty());
                }
            }
            profile.clone()
        })
    }
}

#[async_trait]
impl SignIns for MemoryStore {
    async fn begin(&self, record: &SignInRecord, digest: &Digest) -> Result<(), Unavailable> {
        self.with_people(|people| {
            let row = SignInRow {
                record: record.clone(),
                current: *digest,
                previous: None,
                ended: None,
            };
            people.sign_ins.insert(record.id.clone(), row);
        })
    }

    async fn rotate(
        &self,
        id: &SignInId,
        shown: &Digest,
        replacement: &Replacement,
    ) -> Result<Rotation, Unavailable> {
        self.with_people(|people| {
            let Some(row) = people.sign_ins.get_mut(id).filter(|row| row.is_in_force()) else {
                return Rotation::Over;
            };
            let user = row.record.user.clone();
            if row.current == *shown {
                row.previous = Some((*shown, replacement.salt, replacement.at));
                row.current = replacement.digest;
                (row.record.used_at, row.record.expires_at) = (replacement.at, replacement.expires_at);
                return Rotation::Rotated(user);
            }
            let grace = i64::try_from(replacement.grace.as_millis()).unwrap_or(i64::MAX);
            match row.previous {
                Some((previous, salt, at)) if previous == *shown && replacement.at - at <= grace => {
                    Rotation::Repeated { user, salt }
                }
                _ => Rotation::Stale(user),
            }
        })
    }

    async fn end(&self, user: &UserId, id: &SignInId) -> Result<bool, Unavailable> {
        self.with_people(|people| {
            let row = people.sign_ins.get_mut(id).filter(|row| row.record.user == *user);
            row.map(|row| row.ended.get_or_insert_with(unix_millis)).is_some()
        })
    }

    async fn end_all(&self, user: &UserId) -> Result<(), Unavailable> {
        self.with_people(|people| {
            for row in people
                .sign_ins
                .values_mut()
                .filter(|row| row.record.user == *user)
            {
                row.ended.get_or_insert_with(unix_millis);
            }
        })
    }

    async fn of_user(&self, user: &UserId, limit: usize) -> Result<Vec<SignInRecord>, Unavailable> {
        self.with_people(|people| {
            let rows = people.sign_ins.values().rev();
            let rows = rows.filter(|row| row.record.user == *user && row.is_in_force());
            rows.map(|row| row.record.clone()).take(limit).collect()
        })
    }

    async fn ended_since(&self, since: i64, limit: usize) -> Result<Vec<(SignInId, i64)>, Unavailable> {
        self.with_people(|people| {
            let mut ended: Vec<_> = people
                .sign_ins
                .iter()
                .filter_map(|(id, row)| Some((id.clone(), row.ended.filter(|at| *at >= since)?)))
                .collect();
            ended.sort_by_key(|(_, at)| *at);
            ended.truncate(limit);
            ended
        })
    }

    async fn is_in_force(&self, id: &SignInId) -> Result<bool, Unavailable> {
        self.with_people(|people| people.sign_ins.get(id).is_some_and(SignInRow::is_in_force))
    }
}

#[async_trait]
impl ContactBook for MemoryStore {
    async fn add(
        &self,
        user: &UserId,
        other: &UserId,
        by_phone: bool,
        at: i64,
    ) -> Result<Relation, Unavailable> {
        self.with_people(|people| {
            let pair = people.pairs.entry(key(user, other)).or_default();
            if pair.blocked_by.is_empty() {
                pair.since.get_or_insert(at);
                pair.added_by.insert(user.clone());
                if by_phone {
                    pair.by_phone.insert(user.clone());
                }
            }
            pair.relation(user, other)
        })
    }

    async fn remove(&self, user: &UserId, other: &UserId, at: i64) -> Result<(), Unavailable> {
        self.with_people(|people| {
            if let Some(pair) = people.pairs.get_mut(&key(user, other)) {
                pair.end(at);
            }
        })
    }

    async fn relation(&self, user: &UserId, other: &UserId) -> Result<Relation, Unavailable> {
        self.with_people(|people| {
            let pair = people.pair(user, other);
            pair.map_or_else(Relation::default, |pair| pair.relation(user, other))
        })
    }

    async fn contacts(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ContactRecord>, Unavailable> {
        self.with_people(|people| {
            let contacts = people.pairs_of(user, after).filter_map(|(other, pair)| {
                Some(ContactRecord {
                    user: other.clone(),
                    since: pair.since?,
                    shows_phone: pair.relation(user, other).shows_phone,
                })
            });
            contacts.take(limit).collect()
        })
    }

    async fn block(
        &self,
        user: &UserId,
        other: &UserId,
        direct: &ConversationId,
        at: i64,
    ) -> Result<(), Unavailable> {
        self.with_people(|people| {
            let pair = people.pairs.entry(key(user, other)).or_default();
            pair.end(at);
            pair.blocked_by.insert(user.clone());
            pair.direct = Some(direct.clone());
        })
    }

    async fn unblock(&self, user: &UserId, other: &UserId) -> Result<(), Unavailable> {
        self.with_people(|people| {
            if let Some(pair) = people.pairs.get_mut(&key(user, other)) {
                pair.blocked_by.remove(user);
            }
        })
    }

    async fn blocked_by(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable> {
        self.with_people(|people| {
            let blocked = people.pairs_of(user, after);
            let blocked = blocked.filter(|(_, pair)| pair.blocked_by.contains(user));
            blocked.map(|(other, _)| other.clone()).take(limit).collect()
        })
    }

    async fn barred_from(&self, direct: &ConversationId) -> Result<Vec<UserId>, Unavailable> {
        self.with_people(|people| {
            let pair = people
                .pairs
                .iter()
                .find(|(_, pair)| pair.direct.as_ref() == Some(direct));
            pair.map_or_else(Vec::new, |((a, b), pair)| {
                let barred = [(a, b), (b, a)].into_iter();
                let barred = barred.filter(|(blocker, _)| pair.blocked_by.contains(*blocker));
                barred.map(|(_, barred)| barred.clone()).collect()
            })
        })
    }
}

#[async_trait]
impl CodeSender for MemoryStore {
    async fn send(&self, phone: &Phone, code: &str, _life: Duration) -> Result<(), Unavailable> {
        self.with_people(|people| people.outgoing.push((phone.clone(), code.to_owned())))
    }
}

/// A code, and when it was put there.
#[derive(Clone)]
pub(super) struct CodeKey {
    digest: Digest,
    tries: u32,
    until: Instant,
}

#[async_trait]
impl Codes for MemoryNode {
    async fn put(&self, subject: &str, digest: &Digest, life: Duration) -> Result<(), Unavailable> {
        self.call(|state, now| {
            let code = CodeKey {
                digest: *digest,
                tries: 0,
                until: now + life,
            };
            state.keys.codes.insert(subject.to_owned(), code);
        })
        .await
    }

    async fn attempt(&self, subject: &str, tries: u32) -> Result<Option<Digest>, Unavailable> {
        self.call(|state, now| {
            let code = state
                .keys
                .codes
                .get_mut(subject)
                .filter(|code| code.until > now)?;
            code.tries += 1;
            (code.tries <= tries).then_some(code.digest)
        })
        .await
    }

    async fn consume(&self, subject: &str, digest: &Digest) -> Result<bool, Unavailable> {
        self.call(|state, now| {
            let codes = &mut state.keys.codes;
            let is_there = codes
                .get(subject)
                .is_some_and(|code| code.digest == *digest && code.until > now);
            is_there && codes.remove(subject).is_some()
        })
        .await
    }
}

#[async_trait]
impl Quotas for MemoryNode {
    async fn spend(&self, subject: &str, quota: Quota) -> Result<Option<Duration>, Unavailable> {
        self.call(|state, now| {
            let full = state.keys.quotas.entry(subject.to_owned()).or_insert(now);
            let next = (*full).max(now) + quota.each;
            let wait = next.saturating_duration_since(now + quota.each * quota.burst);
            if !wait.is_zero() {
                return Some(wait);
            }
            *full = next;
            None
        })
        .await
    }
}

/// Makes tokens that say whose they are: `is:USER;SIGN-IN`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NamedTokens;

impl TokenIssuer for NamedTokens {
    fn issue(&self, user: &UserId, sign_in: &SignInId, _life: Duration) -> Result<String, Error> {
        Ok(format!("is:{user};{sign_in}"))
    }
}

/// What the store is asked about people by one node.
pub(super) fn people_ports(store: &MemoryStore, coordination: &MemoryNode) -> crate::ports::PeoplePorts {
    crate::ports::PeoplePorts {
        accounts: Arc::new(store.clone()),
        sign_ins: Arc::new(store.clone()),
        contacts: Arc::new(store.clone()),
        codes: Arc::new(coordination.clone()),
        quotas: Arc::new(coordination.clone()),
        sender: Some(Arc::new(store.clone())),
        issuer: Some(Arc::new(NamedTokens)),
    }
}

/// Shared by all handles of a store.
pub(super) type SharedPeople = Arc<Mutex<PeopleTables>>;
