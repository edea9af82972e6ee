//! Bounds of a command's fields, the same for every way in (WebSocket, REST).

use crate::limits::{
    MAX_CURSORS, MAX_EMOJI_BYTES, MAX_HISTORY_LIMIT, MAX_LIST_LIMIT, MAX_MEMBERS_PER_COMMAND, MAX_NAME_CHARS,
    MAX_PRESENCE_TEXT_CHARS, MAX_PRESENCES, MAX_RECEIPTS_LIMIT, MAX_TEXT_CHARS, MAX_TOKEN_BYTES,
};
use crate::{Command, Error, ErrorCode};

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
                match &create.name {
                    Some(name) if name.chars().any(char::is_control) => Err(Error::new(
                        ErrorCode::Invalid,
                        "`name` must not hold control characters",
                    )),
                    Some(name) => visible("name", name, MAX_NAME_CHARS),
                    None => Ok(()),
                }
            }
            Self::Add(add) => within("users", "users", add.users.len(), 1, MAX_MEMBERS_PER_COMMAND),
            Self::Send(send) => visible("text", &send.text, MAX_TEXT_CHARS),
            Self::Edit(edit) => visible("text", &edit.text, MAX_TEXT_CHARS),
            Self::React(react) => emoji(&react.emoji),
            Self::History(history) => page(history.limit, MAX_HISTORY_LIMIT),
            Self::List(list) => page(list.limit, MAX_LIST_LIMIT),
            Self::Receipts(receipts) => page(receipts.limit, MAX_RECEIPTS_LIMIT),
            Self::Status(status) if status.seq == 0 => {
                Err(Error::new(ErrorCode::Invalid, "`seq` must be 1 at least"))
            }
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
            Self::Presences(ask) => within("users", "users", ask.users.len(), 1, MAX_PRESENCES),
            Self::Join(_)
            | Self::Leave(_)
            | Self::Remove(_)
            | Self::Delivered(_)
            | Self::Read(_)
            | Self::Status(_)
            | Self::Typing(_)
            | Self::Delete(_)
            | Self::Ping(_) => Ok(()),
        }
    }
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
