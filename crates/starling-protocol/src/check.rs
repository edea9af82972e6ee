//! Bounds of a command's fields, the same for every way in (WebSocket, REST).

use crate::limits::{
    MAX_AVATAR_URL_BYTES, MAX_CONTACTS_LIMIT, MAX_CURSORS, MAX_DESCRIPTION_CHARS, MAX_EMOJI_BYTES,
    MAX_HISTORY_LIMIT, MAX_INVITE_TOKEN_BYTES, MAX_LIST_LIMIT, MAX_MEMBERS_PER_COMMAND, MAX_NAME_CHARS,
    MAX_PRESENCE_TEXT_CHARS, MAX_PRESENCES, MAX_RECEIPTS_LIMIT, MAX_SANCTIONS_LIMIT, MAX_STATS_DAYS,
    MAX_TEXT_CHARS, MAX_TOKEN_BYTES,
};
use crate::{AskMyStats, AskStats, Command, Error, ErrorCode, Seq, Update};

impl Command {
    /// Checks every field against [`crate::limits`]. What depends on state is the engine's to check.
    ///
    /// [`crate::Codec::decode_client`] has done it; whoever makes a command by other means must do it himself.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::Auth(auth) => within("token", "bytes", auth.token.len(), 1, MAX_TOKEN_BYTES),
            Self::Sync(sync) => within("cursors", "conversations", sync.cursors.len(), 0, MAX_CURSORS),
            Self::Create(create) => {
                within(
                    "members",
                    "users",
                    create.members.len(),
                    0,
                    MAX_MEMBERS_PER_COMMAND,
                )?;
                let [name, description, avatar_url] = [&create.name, &create.description, &create.avatar_url];
                profile(name.as_deref(), description.as_deref(), avatar_url.as_deref())
            }
            Self::Add(add) => within("users", "users", add.users.len(), 1, MAX_MEMBERS_PER_COMMAND),
            Self::Send(send) => visible("text", &send.text, MAX_TEXT_CHARS),
            Self::Edit(edit) => {
                place(edit.seq)?;
                visible("text", &edit.text, MAX_TEXT_CHARS)
            }
            Self::Delete(delete) => place(delete.seq),
            Self::React(react) => {
                place(react.seq)?;
                emoji(&react.emoji)
            }
            Self::History(history) => {
                let cursors = [history.before, history.after, history.around];
                if cursors.iter().flatten().count() > 1 {
                    return Err(Error::new(
                        ErrorCode::Invalid,
                        "give `before`, `after` or `around`, or none of them",
                    ));
                }
                if history.around == Some(0) {
                    return Err(Error::new(ErrorCode::Invalid, "`around` must be 1 at least"));
                }
                page(history.limit, MAX_HISTORY_LIMIT)
            }
            Self::Stats(ask) => ask.check(),
            Self::MyStats(ask) => ask.check(),
            Self::List(list) => page(list.limit, MAX_LIST_LIMIT),
            Self::Receipts(receipts) => page(receipts.limit, MAX_RECEIPTS_LIMIT),
            Self::Status(status) => place(status.seq),
            Self::Presence(presence) => match &presence.text {
                Some(text) if text.chars().any(char::is_control) => Err(Error::new(
                    ErrorCode::Invalid,
                    "`text` must not hold control characters",
                )),
                // Empty: taken away.
                Some(text) if !text.is_empty() => visible("text", text, MAX_PRESENCE_TEXT_CHARS),
                None if presence.state.is_none() => {
                    Err(Error::new(ErrorCode::Invalid, "give `state`, `text` or both"))
                }
                _ => Ok(()),
            },
            Self::Accept(accept) => within("token", "bytes", accept.token.len(), 1, MAX_INVITE_TOKEN_BYTES),
            Self::Mute(mute) if mute.until.is_some_and(|until| until <= 0) => {
                Err(Error::new(ErrorCode::Invalid, "`until` must be positive"))
            }
            Self::Update(update) => self::update(update),
            Self::Invite(invite) if invite.expires_at.is_some_and(|at| at <= 0) => {
                Err(Error::new(ErrorCode::Invalid, "`expires_at` must be positive"))
            }
            Self::Invite(invite) if invite.max_uses == Some(0) => {
                Err(Error::new(ErrorCode::Invalid, "`max_uses` must be 1 at least"))
            }
            Self::Sanctions(sanctions) => page(sanctions.limit, MAX_SANCTIONS_LIMIT),
            Self::Presences(ask) => within("users", "users", ask.users.len(), 1, MAX_PRESENCES),
            Self::Me(change) => change.check(),
            Self::AddContact(add) => add.check(),
            Self::EndSession(end) => end.check(),
            Self::Contacts(list) | Self::Blocked(list) => page(list.limit, MAX_CONTACTS_LIMIT),
            Self::Join(_)
            | Self::Leave(_)
            | Self::Remove(_)
            | Self::Delivered(_)
            | Self::Read(_)
            | Self::Typing(_)
            | Self::Hide(_)
            | Self::Dissolve(_)
            | Self::Role(_)
            | Self::Ban(_)
            | Self::Unban(_)
            | Self::Mute(_)
            | Self::Unmute(_)
            | Self::Invite(_)
            | Self::Invites(_)
            | Self::Revoke(_)
            | Self::User(_)
            | Self::RemoveContact(_)
            | Self::Block(_)
            | Self::Unblock(_)
            | Self::Sessions(_)
            | Self::SignOut(_)
            | Self::Ping(_) => Ok(()),
        }
    }
}

impl AskStats {
    /// Checks the bounds.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        days(self.days)
    }
}

impl AskMyStats {
    /// Checks the bounds.
    ///
    /// # Errors
    /// `invalid` with a sentence that names the field.
    pub fn check(&self) -> Result<(), Error> {
        days(self.days)
    }
}

fn days(days: Option<u32>) -> Result<(), Error> {
    match days {
        Some(days) if !(1..=MAX_STATS_DAYS).contains(&days) => Err(Error::new(
            ErrorCode::Invalid,
            format!("`days` must be 1 to {MAX_STATS_DAYS}, not {days}"),
        )),
        _ => Ok(()),
    }
}

fn update(update: &Update) -> Result<(), Error> {
    let Update {
        name,
        description,
        avatar_url,
        open,
        ..
    } = update;
    if name.is_none() && description.is_none() && avatar_url.is_none() && open.is_none() {
        let message = "give `name`, `description`, `avatar_url` or `open`";
        return Err(Error::new(ErrorCode::Invalid, message));
    }
    // Empty: taken away.
    let [name, description, avatar_url] =
        [name, description, avatar_url].map(|text| text.as_deref().filter(|text| !text.is_empty()));
    profile(name, description, avatar_url)
}

/// What a conversation is called.
fn profile(name: Option<&str>, description: Option<&str>, avatar_url: Option<&str>) -> Result<(), Error> {
    if let Some(name) = name {
        if name.chars().any(char::is_control) {
            let message = "`name` must not hold control characters";
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        visible("name", name, MAX_NAME_CHARS)?;
    }
    if let Some(description) = description {
        // Lines and tabs are a text's; other control characters are nobody's.
        if description
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
        {
            let message = "`description` must not hold control characters but line feeds and tabs";
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        visible("description", description, MAX_DESCRIPTION_CHARS)?;
    }
    if let Some(url) = avatar_url {
        within("avatar_url", "bytes", url.len(), 1, MAX_AVATAR_URL_BYTES)?;
    }
    Ok(())
}

pub(crate) fn within(field: &str, unit: &str, found: usize, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::Invalid,
        format!("`{field}` must hold {min} to {max} {unit}, not {found}"),
    ))
}

/// A place in a log.
fn place(seq: Seq) -> Result<(), Error> {
    if seq == 0 {
        return Err(Error::new(ErrorCode::Invalid, "`seq` must be 1 at least"));
    }
    Ok(())
}

pub(crate) fn visible(field: &str, text: &str, max: usize) -> Result<(), Error> {
    within(field, "characters", text.chars().count(), 1, max)?;
    if text.chars().all(char::is_whitespace) {
        return Err(Error::new(
            ErrorCode::Invalid,
            format!("`{field}` must not be white space only"),
        ));
    }
    Ok(())
}

/// Not only of characters that Unicode counts as emoji: those are more every year, and `:+1:` is one to many.
fn emoji(emoji: &str) -> Result<(), Error> {
    within("emoji", "bytes", emoji.len(), 1, MAX_EMOJI_BYTES)?;
    if emoji.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::new(
            ErrorCode::Invalid,
            "`emoji` must not hold control characters or white space",
        ));
    }
    Ok(())
}

pub(crate) fn page(limit: Option<u32>, max: u32) -> Result<(), Error> {
    match limit {
        Some(limit) if !(1..=max).contains(&limit) => Err(Error::new(
            ErrorCode::Invalid,
            format!("`limit` must be 1 to {max}, not {limit}"),
        )),
        _ => Ok(()),
    }
}
