//! People, as Chatter's clients read them.

use serde::Serialize;
use starling_protocol::{Me, UserId, UserProfile};

/// A person; the number only for whoever may see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    #[serde(rename = "_id")]
    id: UserId,
    user_id: UserId,
    /// The id where there is no name.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
}

impl Person {
    /// Someone of whom only the name is known.
    pub(super) fn called(id: UserId, name: String) -> Self {
        Self {
            user_id: id.clone(),
            id,
            name,
            phone: None,
            about: None,
            avatar_url: None,
        }
    }
}

impl From<Me> for Person {
    fn from(me: Me) -> Self {
        Self {
            user_id: me.id.clone(),
            name: me.name.unwrap_or_else(|| me.id.as_str().to_owned()),
            id: me.id,
            phone: me.phone,
            about: me.about,
            avatar_url: me.avatar_url,
        }
    }
}

impl From<UserProfile> for Person {
    fn from(profile: UserProfile) -> Self {
        Self {
            user_id: profile.id.clone(),
            name: profile.name.unwrap_or_else(|| profile.id.as_str().to_owned()),
            id: profile.id,
            phone: profile.phone,
            about: profile.about,
            avatar_url: profile.avatar_url,
        }
    }
}
