//! Contacts, always both ways, and blocks, which are one way.

use starling_protocol::limits::{DEFAULT_CONTACTS_LIMIT, MAX_CONTACTS_LIMIT};
use starling_protocol::{AddContact, BlockedUsers, Contact, Contacts, Error, ErrorCode, UserId};

use super::codes::parse;
use super::profiles::{seen, unwritten};
use super::{People, invalid, unknown_user};
use crate::node_message::NodeMessage;
use crate::standing::direct_id;
use crate::time::unix_millis;

impl People {
    /// Makes someone a contact, both ways. One who is so already stays so.
    ///
    /// # Errors
    /// `invalid`; `unknown_user`; `forbidden` where one blocks the other; `rate_limited`; `unavailable`.
    pub async fn add_contact(&self, user: &UserId, request: &AddContact) -> Result<Contact, Error> {
        request.check()?;
        let phone = request.phone.as_deref().map(parse).transpose()?;
        let quota = self.shared.settings.people.contacts_per_user;
        self.spend("contacts", user.as_str(), quota).await?;
        let ports = &self.shared.ports.people;
        let other = match (&phone, &request.user) {
            (Some(phone), _) => ports.accounts.user_of(phone).await?,
            (None, other) => other.clone(),
        };
        let other = other.ok_or_else(unknown_user)?;
        if other == *user {
            return Err(invalid("nobody is his own contact"));
        }
        let profile = self.profile_of(&other).await?.ok_or_else(unknown_user)?;
        let at = unix_millis();
        let relation = ports.contacts.add(user, &other, phone.is_some(), at).await?;
        if !relation.contact {
            let message = if relation.blocks {
                "you block this user"
            } else {
                "this user cannot be made a contact"
            };
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
        Ok(Contact {
            user: seen(profile, true, relation.shows_phone),
            since: at,
        })
    }

    /// A page of the user's contacts.
    ///
    /// # Errors
    /// `invalid`, `unavailable`.
    pub async fn contacts(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: Option<u32>,
    ) -> Result<Contacts, Error> {
        let limit = page(limit)?;
        let records = self
            .shared
            .ports
            .people
            .contacts
            .contacts(user, after, limit)
            .await?;
        let users: Vec<_> = records.iter().map(|record| record.user.clone()).collect();
        let next = users.last().filter(|_| users.len() == limit).cloned();
        let mut profiles = self.profiles_of(&users).await?;
        let contacts = records.into_iter().map(|record| {
            let profile = profiles.remove(&record.user);
            let profile = profile.unwrap_or_else(|| unwritten(&record.user));
            Contact {
                user: seen(profile, true, record.shows_phone),
                since: record.since,
            }
        });
        Ok(Contacts {
            contacts: contacts.collect(),
            next,
        })
    }

    /// Ends it, for both. Only a conversation that begins later makes them contacts by itself again.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn remove_contact(&self, user: &UserId, other: &UserId) -> Result<(), Error> {
        let contacts = &self.shared.ports.people.contacts;
        Ok(contacts.remove(user, other, unix_millis()).await?)
    }

    /// `user` blocks `other`: they are no contacts any more, and `other` may neither open nor use their direct
    /// conversation. On other nodes this holds at once where he is connected, and within seconds elsewhere.
    ///
    /// # Errors
    /// `invalid`; `unknown_user`; `rate_limited`; `unavailable`.
    pub async fn block(&self, user: &UserId, other: &UserId) -> Result<(), Error> {
        if user == other {
            return Err(invalid("nobody blocks himself"));
        }
        let quota = self.shared.settings.people.contacts_per_user;
        self.spend("blocks", user.as_str(), quota).await?;
        self.profile_of(other).await?.ok_or_else(unknown_user)?;
        let direct = direct_id(user, other);
        let contacts = &self.shared.ports.people.contacts;
        contacts.block(user, other, &direct, unix_millis()).await?;
        self.shared.people.barred.forget(&direct);
        self.shared
            .tell_nodes_of(other, NodeMessage::Barred(direct))
            .await;
        Ok(())
    }

    /// Ends a block. The two do not become contacts by it.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn unblock(&self, user: &UserId, other: &UserId) -> Result<(), Error> {
        self.shared.ports.people.contacts.unblock(user, other).await?;
        let direct = direct_id(user, other);
        self.shared.people.barred.forget(&direct);
        self.shared
            .tell_nodes_of(other, NodeMessage::Barred(direct))
            .await;
        Ok(())
    }

    /// A page of those whom the user blocks.
    ///
    /// # Errors
    /// `invalid`, `unavailable`.
    pub async fn blocked(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: Option<u32>,
    ) -> Result<BlockedUsers, Error> {
        let limit = page(limit)?;
        let contacts = &self.shared.ports.people.contacts;
        let users = contacts.blocked_by(user, after, limit).await?;
        let next = users.last().filter(|_| users.len() == limit).cloned();
        Ok(BlockedUsers { users, next })
    }
}

fn page(limit: Option<u32>) -> Result<usize, Error> {
    let limit = limit.unwrap_or(DEFAULT_CONTACTS_LIMIT);
    if !(1..=MAX_CONTACTS_LIMIT).contains(&limit) {
        return Err(invalid(format!(
            "`limit` must be 1 to {MAX_CONTACTS_LIMIT}, not {limit}"
        )));
    }
    Ok(limit as usize)
}
