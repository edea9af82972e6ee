//! People: signing in, profiles, contacts. What holds a secret has no `Debug`, so that it cannot end up in a log.

use serde::{Deserialize, Serialize};

use crate::check::{visible, within};
use crate::limits::{
    MAX_ABOUT_CHARS, MAX_AVATAR_URL_BYTES, MAX_DEVICE_CHARS, MAX_PHONE_BYTES, MAX_PROFILE_NAME_CHARS,
    MAX_TOKEN_BYTES,
};
use crate::{Error, ErrorCode, UserId};

/// Asks for a code to sign in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// With the country's code: `+49 1512 3456789`.
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 32))]
    pub phone: String,
}

/// A code is on its way, whether the number is known or not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CodeSent {
    /// For how many seconds it is good.
    pub expires_in: u64,
    /// The code itself: only in development mode, and only where a setting says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Signs in with a code; who is not known yet is registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// As the code was asked for.
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 32))]
    pub phone: String,
    /// Six digits.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9]{6}$"))]
    pub code: String,
    /// What a new user is called, 1 to 100 characters; those who are known keep their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 100))]
    pub name: Option<String>,
    /// What the device is called in the list of sessions, 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 100))]
    pub device: Option<String>,
}

/// What a client holds once it is signed in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// Who has signed in.
    pub user: UserId,
    /// The session, as the list of sessions names it.
    pub session: String,
    /// The bearer token for `/ws` and for every request.
    pub access_token: String,
    /// For how many seconds it is good.
    pub expires_in: u64,
    /// Gets the next tokens, once. Keep it, and nothing older.
    pub refresh_token: String,
    /// For how many seconds it is good.
    pub refresh_expires_in: u64,
    /// Whether this made the user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_user: bool,
}

/// Takes the next tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The last one that was given out.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 8192))]
    pub refresh_token: String,
}

/// Ends sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignOut {
    /// All sessions of the user, not only the one whose token this request brings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everywhere: bool,
}

/// One session: a device that has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedInSession {
    /// Which.
    pub id: String,
    /// What the device was called when it signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When it signed in, in milliseconds since the Unix epoch.
    pub created_at: i64,
    /// When it last took tokens, in milliseconds since the Unix epoch.
    pub used_at: i64,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The user's sessions, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedInSessions {
    /// At most 100.
    pub sessions: Vec<SignedInSession>,
}

/// One's own profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// Who.
    pub id: UserId,
    /// What the user is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the user says about himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Where there is a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// The number that the user signs in with, in E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// What is to be different; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProfileChange {
    /// 1 to 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 100))]
    pub name: Option<String>,
    /// At most 500 characters; none takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub about: Option<String>,
    /// An `https` URL of at most 2,048 bytes; an empty text takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 2048))]
    pub avatar_url: Option<String>,
}

/// A user as another sees him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserProfile {
    /// Who.
    pub id: UserId,
    /// What the user is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the user says about himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Where there is a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// In E.164; only for a contact who gave this number, or whom this user has added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Whether the two are contacts.
    pub contact: bool,
}

/// Makes someone a contact, and oneself a contact of his. Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddContact {
    /// With the country's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 32))]
    pub phone: Option<String>,
    /// By id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
}

/// One contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contact {
    /// Who.
    pub user: UserProfile,
    /// Since when, in milliseconds since the Unix epoch.
    pub since: i64,
}

/// A page of contacts, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Contacts {
    /// The contacts.
    pub contacts: Vec<Contact>,
    /// Pass this as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// A page of those whom the user blocks, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockedUsers {
    /// Who.
    pub users: Vec<UserId>,
    /// Pass this as `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// Names one user: whose profile is asked for, who is to be blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhichUser {
    /// Who.
    pub user: UserId,
}

/// Asks for a page of contacts, or of those whom the user blocks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPeople {
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// 1 to 200, 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Asks for the user's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSessions {}

/// Ends one of the user's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndSession {
    /// Which, as the list of sessions names it.
    pub session: String,
}

impl CodeRequest {
    /// Checks the bounds; whether it is a phone number is the engine's to say.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        phone(&self.phone)
    }
}

impl SignIn {
    /// Checks the bounds, and that the code is six digits.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        phone(&self.phone)?;
        if self.code.len() != 6 || !self.code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::new(ErrorCode::Invalid, "`code` must be six digits"));
        }
        one_line("name", self.name.as_deref(), MAX_PROFILE_NAME_CHARS)?;
        one_line("device", self.device.as_deref(), MAX_DEVICE_CHARS)
    }
}

impl Refresh {
    /// Checks the bounds.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        within(
            "refresh_token",
            "bytes",
            self.refresh_token.len(),
            1,
            MAX_TOKEN_BYTES,
        )
    }
}

impl ProfileChange {
    /// Checks the bounds; whether the URL is one is the engine's to say.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        one_line("name", self.name.as_deref(), MAX_PROFILE_NAME_CHARS)?;
        let about = self.about.as_deref().unwrap_or_default();
        within("about", "characters", about.chars().count(), 0, MAX_ABOUT_CHARS)?;
        if about.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Error::new(
                ErrorCode::Invalid,
                "`about` must not hold control characters",
            ));
        }
        let url = self.avatar_url.as_deref().unwrap_or_default();
        within("avatar_url", "bytes", url.len(), 0, MAX_AVATAR_URL_BYTES)
    }
}

impl EndSession {
    /// Checks that it may be the id of a session.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        if self.session.len() == 32 && self.session.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Invalid,
            "`session` must be 32 hexadecimal digits",
        ))
    }
}

impl AddContact {
    /// Checks the bounds, and that it names one person in one way.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        match (&self.phone, &self.user) {
            (Some(number), None) => phone(number),
            (None, Some(_)) => Ok(()),
            _ => Err(Error::new(
                ErrorCode::Invalid,
                "give `phone` or `user`, and not both",
            )),
        }
    }
}

fn phone(text: &str) -> Result<(), Error> {
    within("phone", "bytes", text.len(), 3, MAX_PHONE_BYTES)
}

fn one_line(field: &str, text: Option<&str>, max: usize) -> Result<(), Error> {
    let Some(text) = text else { return Ok(()) };
    visible(field, text, max)?;
    if text.chars().any(char::is_control) {
        return Err(Error::new(
            ErrorCode::Invalid,
            format!("`{field}` must not hold control characters"),
        ));
    }
    Ok(())
}
