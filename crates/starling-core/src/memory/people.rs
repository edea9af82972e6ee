//! Accounts, sign-ins and contacts, and where codes are sent to.
//!
//! These take no part in the simulation of majorities and fail-overs: what is written is there at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use starling_protocol::{ConversationId, Error, UserId};

use super::coordination::MemoryNode;
use super::store::MemoryStore;
use crate::people::Phone;
use crate::ports::{
    Accounts, CodeSender, ContactBook, ContactRecord, Digest, MEET_AT_MOST, Profile, ProfileUpdate, Relation,
    Replacement, Rotation, SignInId, SignInRecord, SignIns, TokenIssuer, Unavailable,
};
use crate::records::{Pair, SignInState};
use crate::time::unix_millis;

/// All that the store holds about people.
#[derive(Default)]
pub(super) struct PeopleTables {
    phones: BTreeMap<Phone, UserId>,
    profiles: BTreeMap<UserId, Profile>,
    sign_ins: BTreeMap<SignInId, SignInState>,
    pairs: BTreeMap<(UserId, UserId), Pair>,
    outgoing: Vec<(Phone, String)>,
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
                self.pair_mut(user, other).meet(at);
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

    fn pair_mut(&mut self, a: &UserId, b: &UserId) -> &mut Pair {
        self.pairs.entry(key(a, b)).or_insert_with(|| Pair::unknown(a, b))
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
            let begun = SignInState::begun(record.clone(), *digest);
            people.sign_ins.insert(record.id.clone(), begun);
        })
    }

    async fn rotate(
        &self,
        id: &SignInId,
        shown: &Digest,
        replacement: &Replacement,
    ) -> Result<Rotation, Unavailable> {
        self.with_people(|people| {
            let row = people.sign_ins.get_mut(id);
            row.map_or(Rotation::Over, |row| row.rotate(shown, replacement))
        })
    }

    async fn end(&self, user: &UserId, id: &SignInId) -> Result<bool, Unavailable> {
        self.with_people(|people| {
            let row = people.sign_ins.get_mut(id).filter(|row| row.record.user == *user);
            row.map(|row| row.end(unix_millis())).is_some()
        })
    }

    async fn end_all(&self, user: &UserId) -> Result<(), Unavailable> {
        self.with_people(|people| {
            for row in people
                .sign_ins
                .values_mut()
                .filter(|row| row.record.user == *user)
            {
                row.end(unix_millis());
            }
        })
    }

    async fn of_user(&self, user: &UserId, limit: usize) -> Result<Vec<SignInRecord>, Unavailable> {
        self.with_people(|people| {
            let rows = people.sign_ins.values().rev();
            let rows = rows.filter(|row| row.record.user == *user && row.is_in_force(unix_millis()));
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
        self.with_people(|people| {
            people
                .sign_ins
                .get(id)
                .is_some_and(|row| row.is_in_force(unix_millis()))
        })
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
            let pair = people.pair_mut(user, other);
            pair.add(user, by_phone, at);
            pair.relation(user)
        })
    }

    async fn remove(&self, user: &UserId, other: &UserId, at: i64) -> Result<(), Unavailable> {
        self.with_people(|people| {
            if let Some(pair) = people.pairs.get_mut(&key(user, other)) {
                pair.remove(at);
            }
        })
    }

    async fn relation(&self, user: &UserId, other: &UserId) -> Result<Relation, Unavailable> {
        self.with_people(|people| {
            let pair = people.pair(user, other);
            pair.map_or_else(Relation::default, |pair| pair.relation(user))
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
                    shows_phone: pair.relation(user).shows_phone,
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
            people.pair_mut(user, other).block(user, direct, at);
        })
    }

    async fn unblock(&self, user: &UserId, other: &UserId) -> Result<(), Unavailable> {
        self.with_people(|people| {
            if let Some(pair) = people.pairs.get_mut(&key(user, other)) {
                pair.unblock(user);
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
            let blocked = blocked.filter(|(_, pair)| pair.relation(user).blocks);
            blocked.map(|(other, _)| other.clone()).take(limit).collect()
        })
    }

    async fn barred_from(&self, direct: &ConversationId) -> Result<Vec<UserId>, Unavailable> {
        self.with_people(|people| {
            let mut pairs = people.pairs.values();
            let pair = pairs.find(|pair| pair.direct.as_ref() == Some(direct));
            pair.map_or_else(Vec::new, Pair::barred)
        })
    }
}

#[async_trait]
impl CodeSender for MemoryStore {
    async fn send(&self, phone: &Phone, code: &str, _life: Duration) -> Result<(), Unavailable> {
        self.with_people(|people| people.outgoing.push((phone.clone(), code.to_owned())))
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
