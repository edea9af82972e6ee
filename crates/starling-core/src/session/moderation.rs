//! Commands that govern a conversation: what they ask of its log, and what is answered from the directory.

use std::sync::Arc;

use starling_protocol::limits::DEFAULT_SANCTIONS_LIMIT;
use starling_protocol::{
    Command, ConversationId, Error, ErrorCode, Invite, InviteId, InviteState, Invited, Invites, ListInvites,
    ListSanctions, Reply, Role, Sanctioned, Sanctions, UserId,
};
use tokio::sync::oneshot;

use super::commands::{invalid, no_answer, operation, reply_of};
use crate::Outbox;
use crate::chance;
use crate::people;
use crate::ports::{Digest, FOR_EVER};
use crate::sequencer::{Answer, Change, Outcome, ProfileChange};
use crate::shared::Shared;
use crate::standing::{self, Standing};
use crate::time::unix_millis;

/// Bytes of its hash that make the invite's id.
const ID_BYTES: usize = 20;

/// What a command asks of which conversation's log, if it governs one.
pub(super) fn asked(command: Command) -> Result<(ConversationId, Change), Error> {
    Ok(match command {
        Command::Accept(accept) => {
            let (conversation, invite) = read_token(&accept.token)?;
            (conversation, Change::Join { invite: Some(invite) })
        }
        Command::Role(set) => {
            let (user, role) = (set.user, set.role);
            (set.conversation, Change::Role { user, role })
        }
        Command::Ban(ban) => (ban.conversation, Change::Ban { user: ban.user }),
        Command::Unban(unban) => (unban.conversation, Change::Unban { user: unban.user }),
        Command::Mute(mute) => {
            let (user, until) = (mute.user, mute.until);
            (mute.conversation, Change::Mute { user, until })
        }
        Command::Unmute(unmute) => (unmute.conversation, Change::Unmute { user: unmute.user }),
        Command::Update(update) => {
            if let Some(url) = update.avatar_url.as_deref().filter(|url| !url.is_empty()) {
                people::check_avatar(url)?;
            }
            let change = Change::Update(ProfileChange {
                name: update.name.map(|name| name.trim().to_owned()),
                description: update.description,
                avatar_url: update.avatar_url,
                open: update.open,
            });
            (update.conversation, change)
        }
        Command::Revoke(revoke) => {
            let invite = revoke.invite;
            (revoke.conversation, Change::Revoke { invite })
        }
        other => return Err(invalid(format!("{} is not a change", other.name()))),
    })
}

/// Makes an invite. Its token is made here and stored nowhere: only its hash is. A request with a key makes the same
/// token whenever it is asked for, so that one whose answer was lost is answered like the first. `origin`: the
/// connection on which it is asked for, if there is one, whose order it keeps (I5).
pub(super) async fn invite(
    shared: &Arc<Shared>,
    user: &UserId,
    origin: Option<Arc<Outbox>>,
    asked: Invite,
) -> Result<Reply, Error> {
    shared.allowance.take(shared, user).await?;
    let key = asked.client_id.as_ref();
    let secret = key.and_then(|key| shared.people.invite_secret(&asked.conversation, user, key));
    let (token, made) = token_of(&asked.conversation, &secret.unwrap_or_else(random));
    let change = Change::Invite {
        invite: made.clone(),
        expires_at: asked.expires_at,
        max_uses: asked.max_uses,
    };
    let (sender, outcome) = oneshot::channel();
    let answer: Answer = Box::new(move |outcome| drop(sender.send(outcome)));
    let mut operation = operation(shared, user, asked.conversation, change, answer);
    (operation.again, operation.look_up) = (asked.retry, asked.retry);
    operation.origin = origin;
    if let Some(client_id) = asked.client_id {
        operation.client_id = client_id;
    }
    shared.sequencer.submit(shared, operation).await;
    let outcome = outcome.await.map_err(|_| no_answer())??;
    // An earlier try that made its token of something else is there with that one, and this token is nobody's.
    let stored = match &outcome {
        Outcome::Stored(entry) => match &entry.body {
            starling_protocol::Body::Invited { invite, .. } => Some(invite.clone()),
            _ => None,
        },
        Outcome::Unchanged(..) => None,
    };
    let Some(invite) = stored else {
        return Err(invalid("the client id is that of something else"));
    };
    match reply_of(outcome) {
        Reply::Sent(sent) => Ok(Reply::Invited(Invited {
            token: Some(token).filter(|_| invite == made),
            invite,
            sent,
        })),
        _ => Err(no_answer()),
    }
}

/// The invites that are in force, for those who may make some.
pub(super) async fn invites(shared: &Arc<Shared>, user: &UserId, asked: ListInvites) -> Result<Reply, Error> {
    check_moderates(shared, user, &asked.conversation).await?;
    let now = unix_millis();
    let records = shared.ports.directory.invites(&asked.conversation).await?;
    let mut invites: Vec<_> = records
        .into_iter()
        .filter(|record| record.expires_at.is_none_or(|at| now < at))
        .map(|record| InviteState {
            invite: record.id,
            by: record.created_by,
            at: record.created_at,
            expires_at: record.expires_at,
            max_uses: record.max_uses,
            uses: record.uses,
        })
        .collect();
    invites.sort_by_key(|invite| invite.at);
    Ok(Reply::Invites(Invites { invites }))
}

/// A page of those who are banned or muted, for those who may ban and mute.
pub(super) async fn sanctions(
    shared: &Arc<Shared>,
    user: &UserId,
    asked: ListSanctions,
) -> Result<Reply, Error> {
    check_moderates(shared, user, &asked.conversation).await?;
    let limit = asked.limit.unwrap_or(DEFAULT_SANCTIONS_LIMIT) as usize;
    let now = unix_millis();
    let records = shared.ports.directory.sanctions(&asked.conversation).await?;
    let mut users: Vec<_> = records
        .into_iter()
        .filter(|record| asked.after.as_ref().is_none_or(|after| record.user > *after))
        .filter_map(|record| {
            let muted = record.muted_until.filter(|until| now < *until);
            (record.banned || muted.is_some()).then(|| Sanctioned {
                user: record.user,
                banned: record.banned,
                muted: muted.is_some(),
                muted_until: muted.filter(|until| *until != FOR_EVER),
            })
        })
        .collect();
    users.sort_by(|a, b| a.user.cmp(&b.user));
    let more = users.len() > limit;
    users.truncate(limit);
    let next = users.last().filter(|_| more).map(|last| last.user.clone());
    Ok(Reply::Sanctions(Sanctions { users, next }))
}

async fn check_moderates(shared: &Arc<Shared>, user: &UserId, id: &ConversationId) -> Result<(), Error> {
    match standing::look(&shared.ports, id, user).await?.standing {
        Standing::Member { role, .. } if role >= Role::Moderator => Ok(()),
        Standing::Member { .. } => Err(Error::new(
            ErrorCode::Forbidden,
            "only moderators and admins see that",
        )),
        _ => Err(standing::not_a_member()),
    }
}

fn random() -> Digest {
    let mut secret = Digest::default();
    chance::draw(|rng| rng.fill_bytes(&mut secret));
    secret
}

/// A token that names its conversation, so that its log can be asked, and the invite's id. Nobody guesses 256 bits.
fn token_of(conversation: &ConversationId, secret: &Digest) -> (String, InviteId) {
    let secret = base32(secret);
    let id = id_of(conversation, &secret);
    (format!("{conversation}.{secret}"), id)
}

fn read_token(token: &str) -> Result<(ConversationId, InviteId), Error> {
    let unknown = || Error::new(ErrorCode::UnknownInvite, "that is not the token of an invite");
    let (conversation, secret) = token.rsplit_once('.').ok_or_else(unknown)?;
    let conversation = ConversationId::new(conversation).map_err(|_| unknown())?;
    let id = id_of(&conversation, secret);
    Ok((conversation, id))
}

fn id_of(conversation: &ConversationId, secret: &str) -> InviteId {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for part in [conversation.as_str(), "\0", secret] {
        hash.update(part.as_bytes());
    }
    match InviteId::new(base32(&hash.finalize()[..ID_BYTES])) {
        Ok(id) => id,
        Err(_) => unreachable!("20 bytes are 32 characters of base 32"),
    }
}

fn base32(bytes: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_its_invite_and_no_other_does() {
        let conversation = ConversationId::new("g.with.dots").unwrap();
        let (token, id) = token_of(&conversation, &random());
        assert_eq!(read_token(&token), Ok((conversation.clone(), id.clone())));
        assert!(token.len() <= starling_protocol::limits::MAX_INVITE_TOKEN_BYTES);
        assert_ne!(token_of(&conversation, &random()).1, id);
        let elsewhere = token.replace("g.with", "h.with");
        assert_ne!(read_token(&elsewhere).unwrap().1, id);
        for nothing in ["", "x", "{}.x", ".x"] {
            assert_eq!(
                read_token(nothing).unwrap_err().code,
                ErrorCode::UnknownInvite,
                "{nothing}"
            );
        }
    }
}
