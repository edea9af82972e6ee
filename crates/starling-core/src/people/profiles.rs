//! Profiles: one's own, and others' as far as they concern one.

use std::collections::HashMap;

use starling_protocol::{Error, Me, ProfileChange, UserId, UserProfile};
use url::Url;

use super::{People, invalid, unknown_user};
use crate::ports::{Profile, ProfileUpdate};

impl People {
    /// One's own profile.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn me(&self, user: &UserId) -> Result<Me, Error> {
        let profile = self.profile_of(user).await?;
        Ok(me(profile.unwrap_or_else(|| unwritten(user))))
    }

    /// Changes one's own profile; names in tokens do not change it from then on.
    ///
    /// # Errors
    /// `invalid`; `unavailable`: it may be changed.
    pub async fn change_profile(&self, user: &UserId, change: &ProfileChange) -> Result<Me, Error> {
        change.check()?;
        if let Some(url) = change.avatar_url.as_deref().filter(|url| !url.is_empty()) {
            check_avatar(url)?;
        }
        let trimmed = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_owned());
        let update = ProfileUpdate {
            name: trimmed(&change.name),
            about: trimmed(&change.about),
            avatar_url: change.avatar_url.clone(),
        };
        if update == ProfileUpdate::default() {
            return self.me(user).await;
        }
        let profile = self
            .shared
            .ports
            .people
            .accounts
            .update_profile(user, &update)
            .await?;
        Ok(me(profile))
    }

    /// Another's profile as `viewer` sees it.
    ///
    /// # Errors
    /// `unknown_user`, `unavailable`.
    pub async fn user(&self, viewer: &UserId, user: &UserId) -> Result<UserProfile, Error> {
        let profile = self.profile_of(user).await?.ok_or_else(unknown_user)?;
        let relation = self.shared.ports.people.contacts.relation(viewer, user).await?;
        let shows_phone = relation.shows_phone || viewer == user;
        Ok(seen(profile, relation.contact, shows_phone))
    }

    /// What these users are called, as far as that is known.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn names(&self, users: &[UserId]) -> Result<HashMap<UserId, String>, Error> {
        let profiles = self.profiles_of(users).await?;
        let names = profiles
            .into_iter()
            .filter_map(|(user, profile)| Some((user, profile.name?)));
        Ok(names.collect())
    }

    pub(super) async fn profile_of(&self, user: &UserId) -> Result<Option<Profile>, Error> {
        let accounts = &self.shared.ports.people.accounts;
        let mut profiles = accounts.profiles(std::slice::from_ref(user)).await?;
        Ok(profiles.pop())
    }

    /// The profiles of many, by user.
    pub(super) async fn profiles_of(&self, users: &[UserId]) -> Result<HashMap<UserId, Profile>, Error> {
        let profiles = self.shared.ports.people.accounts.profiles(users).await?;
        let by_user = profiles
            .into_iter()
            .map(|profile| (profile.user.clone(), profile));
        Ok(by_user.collect())
    }
}

/// The profile of someone of whom nothing is known.
pub(super) fn unwritten(user: &UserId) -> Profile {
    Profile {
        user: user.clone(),
        name: None,
        about: None,
        avatar_url: None,
        phone: None,
    }
}

/// A profile as another sees it.
pub(super) fn seen(profile: Profile, contact: bool, shows_phone: bool) -> UserProfile {
    UserProfile {
        id: profile.user,
        name: profile.name,
        about: profile.about,
        avatar_url: profile.avatar_url,
        phone: profile
            .phone
            .filter(|_| shows_phone)
            .map(|phone| phone.as_str().to_owned()),
        contact,
    }
}

fn me(profile: Profile) -> Me {
    Me {
        id: profile.user,
        name: profile.name,
        about: profile.about,
        avatar_url: profile.avatar_url,
        phone: profile.phone.map(|phone| phone.as_str().to_owned()),
    }
}

/// Others' programs will fetch it.
pub(crate) fn check_avatar(url: &str) -> Result<(), Error> {
    let rule = || invalid("`avatar_url` must be an https URL without user and password");
    let parsed = Url::parse(url).map_err(|_| rule())?;
    let plain = parsed.username().is_empty() && parsed.password().is_none();
    if parsed.scheme() == "https" && parsed.has_host() && plain {
        Ok(())
    } else {
        Err(rule())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avatars_are_https() {
        for (url, good) in [
            ("https://pictures.example.org/a.png?size=2", true),
            ("http://pictures.example.org/a.png", false),
            ("https://user:pass@pictures.example.org/a.png", false),
            ("javascript:alert(1)", false),
            ("data:image/png;base64,AAAA", false),
            ("/a.png", false),
            ("https://", false),
        ] {
            assert_eq!(check_avatar(url).is_ok(), good, "{url}");
        }
    }
}
