//! Profiles, contacts, blocks and sessions of the client's own user.

use starling_protocol::{
    AddContact, BlockedUsers, Command, Contact, Contacts, EndSession, ListPeople, ListSessions, Me,
    ProfileChange, Reply, SignOut, SignedInSession, UserId, UserProfile, WhichUser,
};

use crate::client::unexpected;
use crate::{Client, Error};

impl Client {
    /// Changes this user's profile, and says how it is then; with nothing to be changed, how it is.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn profile(&self, change: ProfileChange) -> Result<Me, Error> {
        match self.request(Command::Me(change)).await? {
            Reply::Me(me) => Ok(me),
            other => Err(unexpected(&other)),
        }
    }

    /// Another's profile, as far as it concerns this user.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn user_profile(&self, user: UserId) -> Result<UserProfile, Error> {
        match self.request(Command::User(WhichUser { user })).await? {
            Reply::User(profile) => Ok(profile),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of this user's contacts.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn contacts(&self, list: ListPeople) -> Result<Contacts, Error> {
        match self.request(Command::Contacts(list)).await? {
            Reply::Contacts(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes someone a contact of this user, and this user one of his.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn add_contact(&self, add: AddContact) -> Result<Contact, Error> {
        match self.request(Command::AddContact(add)).await? {
            Reply::Contact(contact) => Ok(contact),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends that, for both.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn remove_contact(&self, user: UserId) -> Result<(), Error> {
        self.done(Command::RemoveContact(WhichUser { user })).await
    }

    /// A page of those whom this user blocks.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn blocked(&self, list: ListPeople) -> Result<BlockedUsers, Error> {
        match self.request(Command::Blocked(list)).await? {
            Reply::Blocked(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Keeps someone from the direct conversation with this user.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn block(&self, user: UserId) -> Result<(), Error> {
        self.done(Command::Block(WhichUser { user })).await
    }

    /// Lets him in again.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn unblock(&self, user: UserId) -> Result<(), Error> {
        self.done(Command::Unblock(WhichUser { user })).await
    }

    /// Where this user has signed in.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub async fn sessions(&self) -> Result<Vec<SignedInSession>, Error> {
        match self.request(Command::Sessions(ListSessions {})).await? {
            Reply::Sessions(page) => Ok(page.sessions),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends one of this user's sessions. Its own ends the client.
    ///
    /// # Errors
    /// As for [`Self::create`]; [`Error::Ended`] where it was the client's own.
    pub async fn end_session(&self, session: String) -> Result<(), Error> {
        self.done(Command::EndSession(EndSession { session })).await
    }

    /// Signs out, here or everywhere, which ends the client.
    ///
    /// # Errors
    /// As for [`Self::create`]; [`Error::Ended`] once it is done.
    pub async fn sign_out(&self, everywhere: bool) -> Result<(), Error> {
        self.done(Command::SignOut(SignOut { everywhere })).await
    }
}
