//! People: who they are, on which devices they have signed in, whom they know. Accounts, sign-ins and contacts are
//! in the store, which decides; codes and quotas are in coordination, and may be lost: then a new code is asked for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use starling_protocol::{ConversationId, Error, UserId};

use super::Unavailable;
use super::fresh_id::fresh_id;
use crate::people::Phone;

fresh_id! {
    /// One sign-in of one user on one device, until it is ended: a *session* in the words of the HTTP API, where
    /// a *session* of the engine is a connection.
    SignInId
}

/// SHA-256, or a MAC of that size.
pub type Digest = [u8; 32];

/// What is known of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Who.
    pub user: UserId,
    /// What the user is called.
    pub name: Option<String>,
    /// What the user says about himself.
    pub about: Option<String>,
    /// Where there is a picture.
    pub avatar_url: Option<String>,
    /// What the user signs in with.
    pub phone: Option<Phone>,
}

/// What of a profile is to be different. An empty text takes a field away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileUpdate {
    /// Never empty.
    pub name: Option<String>,
    /// See [`Profile::about`].
    pub about: Option<String>,
    /// See [`Profile::avatar_url`].
    pub avatar_url: Option<String>,
}

/// Users and their phone numbers. Reads and writes are at majority.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// The user of a phone number. A number has one user for ever: where there is none, `fresh` becomes it, with
    /// this name, and of several who try at the same time one wins and all get the same answer. Says whether this
    /// call made the user.
    ///
    /// # Errors
    /// [`Unavailable`]; likewise for all other methods. Doing it again does no harm.
    async fn register(
        &self,
        phone: &Phone,
        fresh: &UserId,
        name: Option<&str>,
    ) -> Result<(UserId, bool), Unavailable>;

    /// The user of a phone number, if it has one.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn user_of(&self, phone: &Phone) -> Result<Option<UserId>, Unavailable>;

    /// What is known of these users, in no order; those who were never seen are left out.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn profiles(&self, users: &[UserId]) -> Result<Vec<Profile>, Unavailable>;

    /// Changes a profile, and says how it is then. From then on names in tokens do not change it any more. Makes the
    /// user where there is none.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn update_profile(&self, user: &UserId, update: &ProfileUpdate) -> Result<Profile, Unavailable>;
}

/// A sign-in that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRecord {
    /// Which.
    pub id: SignInId,
    /// Whose.
    pub user: UserId,
    /// What the device is called.
    pub device: Option<String>,
    /// In milliseconds since the Unix epoch.
    pub created_at: i64,
    /// When tokens were last taken, likewise.
    pub used_at: i64,
    /// When it ends by itself unless it is used, likewise.
    pub expires_at: i64,
}

/// What became of an attempt to replace a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The next one is in force.
    Rotated(UserId),
    /// The one that was shown was replaced a moment ago, with this salt.
    Repeated {
        /// Whose sign-in it is.
        user: UserId,
        /// Of the replacement that is in force.
        salt: Digest,
    },
    /// The sign-in is in force, but not with what was shown, nor was it a moment ago.
    Stale(UserId),
    /// There is no such sign-in, or it is over.
    Over,
}

/// What takes the place of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replacement {
    /// The digest of the next token.
    pub digest: Digest,
    /// What it was derived with.
    pub salt: Digest,
    /// When this happens, in milliseconds since the Unix epoch.
    pub at: i64,
    /// When the sign-in ends by itself unless it is used before, likewise.
    pub expires_at: i64,
    /// For how long the one before may be shown again.
    pub grace: Duration,
}

/// Sign-ins. Reads and writes are at majority.
#[async_trait]
pub trait SignIns: Send + Sync + 'static {
    /// Begins one. `digest` is of its first refresh token.
    ///
    /// # Errors
    /// [`Unavailable`]; likewise for all other methods.
    async fn begin(&self, record: &SignInRecord, digest: &Digest) -> Result<(), Unavailable>;

    /// Replaces the refresh token with this digest, if it is the one in force. Atomic: of several attempts with the
    /// same token one replaces it, and the others are [`Rotation::Repeated`] with the salt of that one.
    ///
    /// # Errors
    /// [`Unavailable`]; then it may have been replaced, and an attempt within the grace says with what.
    async fn rotate(
        &self,
        id: &SignInId,
        shown: &Digest,
        replacement: &Replacement,
    ) -> Result<Rotation, Unavailable>;

    /// Ends one of this user's sign-ins; says whether there was such a one, in force or not.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn end(&self, user: &UserId, id: &SignInId) -> Result<bool, Unavailable>;

    /// Ends all sign-ins of a user that there are now.
    ///
    /// # Errors
    /// [`Unavailable`]: some may be ended.
    async fn end_all(&self, user: &UserId) -> Result<(), Unavailable>;

    /// A user's sign-ins that are in force, the newest first.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn of_user(&self, user: &UserId, limit: usize) -> Result<Vec<SignInRecord>, Unavailable>;

    /// Sign-ins that were ended at `since` or later, by the store's clock in milliseconds since the Unix epoch, the
    /// earliest first, with when they were.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn ended_since(&self, since: i64, limit: usize) -> Result<Vec<(SignInId, i64)>, Unavailable>;

    /// Whether a sign-in is in force.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn is_in_force(&self, id: &SignInId) -> Result<bool, Unavailable>;
}

/// One contact of someone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRecord {
    /// The contact.
    pub user: UserId,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: i64,
    /// Whether the contact's number may be shown to whoever's contact it is: he gave it, or was added by the contact.
    pub shows_phone: bool,
}

/// What two people are to each other, as one of them sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relation {
    /// They are contacts.
    pub contact: bool,
    /// As [`ContactRecord::shows_phone`].
    pub shows_phone: bool,
    /// He blocks the other.
    pub blocks: bool,
    /// The other blocks him.
    pub blocked: bool,
}

/// Who knows whom, and who blocks whom. A pair of people has one record, so what is both ways is so at once. Contacts
/// that arise from conversations come by [`super::Effect::Meet`]. Reads and writes are at majority.
#[async_trait]
pub trait ContactBook: Send + Sync + 'static {
    /// Makes the two contacts of each other, unless one blocks the other; says how it is then.
    ///
    /// # Errors
    /// [`Unavailable`]; likewise for all other methods. Doing it again does no harm.
    async fn add(
        &self,
        user: &UserId,
        other: &UserId,
        by_phone: bool,
        at: i64,
    ) -> Result<Relation, Unavailable>;

    /// Ends it, for both. What was said in conversations before `at` makes them no contacts again.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn remove(&self, user: &UserId, other: &UserId, at: i64) -> Result<(), Unavailable>;

    /// What they are to each other, as `user` sees it.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn relation(&self, user: &UserId, other: &UserId) -> Result<Relation, Unavailable>;

    /// A page of a user's contacts, in a fixed order.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn contacts(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<ContactRecord>, Unavailable>;

    /// `user` blocks `other`: they are no contacts any more, and `other` is barred from `direct`, the conversation of
    /// the two, be there one or not.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn block(
        &self,
        user: &UserId,
        other: &UserId,
        direct: &ConversationId,
        at: i64,
    ) -> Result<(), Unavailable>;

    /// Ends that. They do not become contacts again by it.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn unblock(&self, user: &UserId, other: &UserId) -> Result<(), Unavailable>;

    /// A page of those whom a user blocks, in a fixed order.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn blocked_by(
        &self,
        user: &UserId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, Unavailable>;

    /// Who is barred from a direct conversation: none, one or both.
    ///
    /// # Errors
    /// [`Unavailable`].
    async fn barred_from(&self, direct: &ConversationId) -> Result<Vec<UserId>, Unavailable>;
}

/// Codes to sign in with: one for each subject, which is opaque.
#[async_trait]
pub trait Codes: Send + Sync + 'static {
    /// Puts a code there, in the place of an earlier one.
    ///
    /// # Errors
    /// [`Unavailable`], within a bounded time; likewise for all other methods.
    async fn put(&self, subject: &str, digest: &Digest, life: Duration) -> Result<(), Unavailable>;

    /// Counts one try, and says what the code's digest is. `None`: there is no code, or it was tried `tries` times
    /// before, and is void.
    ///
    /// # Errors
    /// [`Unavailable`]; the try may be counted.
    async fn attempt(&self, subject: &str, tries: u32) -> Result<Option<Digest>, Unavailable>;

    /// Takes the code away if it is still this one; of several who do so at once one is told `true`.
    ///
    /// # Errors
    /// [`Unavailable`]; it may be gone.
    async fn consume(&self, subject: &str, digest: &Digest) -> Result<bool, Unavailable>;
}

/// How often something may be done: `burst` times at once, and one more every `each`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Until there is one more.
    pub each: Duration,
    /// How many there are at most.
    pub burst: u32,
}

/// Limits of what is done rarely, cluster-wide, by subject, which is opaque.
#[async_trait]
pub trait Quotas: Send + Sync + 'static {
    /// Takes one. `Some`: there is none, but after this time.
    ///
    /// # Errors
    /// [`Unavailable`], within a bounded time.
    async fn spend(&self, subject: &str, quota: Quota) -> Result<Option<Duration>, Unavailable>;
}

/// Brings codes to people.
#[async_trait]
pub trait CodeSender: Send + Sync + 'static {
    /// Sends a code, within a bounded time.
    ///
    /// # Errors
    /// [`Unavailable`]; it may have been sent.
    async fn send(&self, phone: &Phone, code: &str, life: Duration) -> Result<(), Unavailable>;
}

/// Makes access tokens that this cluster's nodes believe.
pub trait TokenIssuer: Send + Sync + 'static {
    /// A token of this user and sign-in, good from now on for `life`.
    ///
    /// # Errors
    /// `internal` where it cannot be signed.
    fn issue(&self, user: &UserId, sign_in: &SignInId, life: Duration) -> Result<String, Error>;
}

/// What signing in, profiles and contacts need.
#[derive(Clone)]
pub struct PeoplePorts {
    /// Users and their numbers.
    pub accounts: Arc<dyn Accounts>,
    /// Sign-ins.
    pub sign_ins: Arc<dyn SignIns>,
    /// Who knows whom.
    pub contacts: Arc<dyn ContactBook>,
    /// Codes.
    pub codes: Arc<dyn Codes>,
    /// Limits.
    pub quotas: Arc<dyn Quotas>,
    /// How codes are brought to people; without it nobody signs in by phone.
    pub sender: Option<Arc<dyn CodeSender>>,
    /// Who makes tokens; without it nobody signs in by phone, since the tokens are an outside issuer's.
    pub issuer: Option<Arc<dyn TokenIssuer>>,
}
