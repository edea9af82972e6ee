//! A short name for an entry's whole content, so that two versions of one slot can be told apart.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use starling_protocol::{Body, Content, Entry, Kind, MessageKind, Role};

/// 64 bits of FNV-1a over every field of an [`Entry`]; 16 hexadecimal digits in a history. The last eight are of the
/// text alone, which a deletion takes out of the log later.
///
/// It is written out here, and not taken from the standard library, since the program that checks a history
/// may be built by another compiler than the one that recorded it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl Digest {
    /// The digest of an entry.
    pub fn of(entry: &Entry) -> Self {
        let mut hash = Fnv::new();
        hash.text(entry.conversation.as_str());
        hash.number(entry.seq);
        hash.optional(entry.sender.as_ref().map(|sender| sender.as_str()));
        hash.optional(entry.client_id.as_ref().map(|id| id.as_str()));
        hash.number(entry.lamport);
        hash.bytes(&entry.at.to_le_bytes());
        hash.number(entry.messages);
        hash.number(entry.membership);
        hash.body(&entry.body);
        let mut text = Fnv::new();
        text.text(text_of(&entry.body));
        Self((u64::from(hash.folded()) << 32) | u64::from(text.folded()))
    }

    /// Whether they are of the same entry, be its text another.
    pub(crate) fn is_same_but_for_text(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
}

/// What a deletion takes out of a body.
fn text_of(body: &Body) -> &str {
    match body {
        Body::Message(Content { text, .. }) | Body::Edited { text, .. } => text,
        _ => "",
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits
            .then(|| u64::from_str_radix(&text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a digest is 16 hexadecimal digits"))
    }
}

/// What is fed in is prefixed with its length or kind, so that no two entries feed in the same bytes.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Half as long.
    fn folded(&self) -> u32 {
        let [high, low] = [self.0 >> 32, self.0 & u64::from(u32::MAX)];
        u32::try_from(high ^ low).unwrap_or_default()
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.bytes(&[u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }

    fn role(&mut self, role: Role) {
        self.bytes(&[match role {
            Role::Member => 0,
            Role::Moderator => 1,
            Role::Admin => 2,
        }]);
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Created {
                kind,
                name,
                description,
                avatar_url,
                open,
                members,
            } => {
                let kind = match kind {
                    Kind::Direct => 0,
                    Kind::Group => 1,
                    Kind::Class => 2,
                    Kind::Department => 3,
                    Kind::Club => 4,
                    Kind::Channel => 5,
                };
                self.bytes(&[0, kind, u8::from(*open)]);
                for text in [name, description, avatar_url] {
                    self.optional(text.as_deref());
                }
                self.number(members.len() as u64);
                for member in members {
                    self.text(member.user.as_str());
                    self.role(member.role);
                }
            }
            Body::Message(Content { kind, reply_to, .. }) => {
                let kind = match kind {
                    MessageKind::Text => 0,
                    MessageKind::Image => 1,
                    MessageKind::File => 2,
                    MessageKind::System => 3,
                };
                self.bytes(&[1, kind]);
                self.number(reply_to.unwrap_or(0));
            }
            Body::Edited { target, .. } => {
                self.bytes(&[5]);
                self.number(*target);
            }
            Body::Deleted { target } => {
                self.bytes(&[6]);
                self.number(*target);
            }
            Body::Reacted {
                target,
                emoji,
                removed,
            } => {
                self.bytes(&[7, u8::from(*removed)]);
                self.number(*target);
                self.text(emoji);
            }
            Body::Joined { users, role, invite } => {
                self.bytes(&[2]);
                self.role(*role);
                self.number(users.len() as u64);
                for user in users {
                    self.text(user.as_str());
                }
                if let Some(used) = invite {
                    self.text(used.id.as_str());
                    self.number(u64::from(used.uses));
                }
            }
            Body::RoleChanged { user, role } => {
                self.bytes(&[8]);
                self.role(*role);
                self.text(user.as_str());
            }
            Body::Banned { user, removed } => {
                self.bytes(&[9, u8::from(*removed)]);
                self.text(user.as_str());
            }
            Body::Unbanned { user } => {
                self.bytes(&[10]);
                self.text(user.as_str());
            }
            Body::Muted { user, until } => {
                self.bytes(&[11]);
                self.text(user.as_str());
                self.bytes(&until.unwrap_or(0).to_le_bytes());
            }
            Body::Unmuted { user } => {
                self.bytes(&[12]);
                self.text(user.as_str());
            }
            Body::Updated(profile) => {
                self.bytes(&[13, u8::from(profile.open)]);
                self.optional(profile.name.as_deref());
                self.optional(profile.description.as_deref());
                self.optional(profile.avatar_url.as_deref());
            }
            Body::Invited {
                invite,
                expires_at,
                max_uses,
            } => {
                self.bytes(&[14]);
                self.text(invite.as_str());
                self.bytes(&expires_at.unwrap_or(0).to_le_bytes());
                self.number(u64::from(max_uses.unwrap_or(0)));
            }
            Body::Revoked { invite } => {
                self.bytes(&[15]);
                self.text(invite.as_str());
            }
            Body::Left { user } => {
                self.bytes(&[3]);
                self.text(user.as_str());
            }
            Body::Dissolved {} => self.bytes(&[8]),
            Body::Void {} => self.bytes(&[4]),
        }
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::{ClientId, ConversationId, UserId};

    use super::*;

    #[test]
    fn every_field_counts() {
        let entry = Entry {
            conversation: ConversationId::new("c").unwrap(),
            seq: 3,
            sender: Some(UserId::new("ann").unwrap()),
            client_id: Some(ClientId::new("x").unwrap()),
            lamport: 4,
            at: 5,
            messages: 2,
            membership: 1,
            body: Body::Message(Content::text("hi")),
            state: None,
        };
        let change = |change: fn(&mut Entry)| {
            let mut other = entry.clone();
            change(&mut other);
            Digest::of(&other)
        };
        let redacted = change(|entry| entry.body = Body::Message(Content::text("")));
        assert!(redacted != Digest::of(&entry) && redacted.is_same_but_for_text(Digest::of(&entry)));
        let mut all = vec![
            redacted,
            Digest::of(&entry),
            change(|entry| entry.conversation = ConversationId::new("d").unwrap()),
            change(|entry| entry.seq = 4),
            change(|entry| entry.sender = None),
            change(|entry| entry.client_id = ClientId::new("y").ok()),
            change(|entry| entry.lamport = 9),
            change(|entry| entry.at = 9),
            change(|entry| entry.messages = 9),
            change(|entry| entry.membership = 9),
            change(|entry| entry.body = Body::Message(Content::text("ho"))),
            change(|entry| entry.body = Body::Void {}),
            change(|entry| {
                let text = "hi".into();
                entry.body = Body::Edited { target: 1, text };
            }),
            change(|entry| {
                let text = "hi".into();
                entry.body = Body::Edited { target: 2, text };
            }),
            change(|entry| entry.body = Body::Deleted { target: 1 }),
            change(|entry| {
                let content = Content::text("hi");
                let reply_to = Some(1);
                entry.body = Body::Message(Content { reply_to, ..content });
            }),
            change(|entry| {
                let content = Content::text("hi");
                let kind = MessageKind::Image;
                entry.body = Body::Message(Content { kind, ..content });
            }),
        ];
        let count = all.len();
        all.sort_by_key(|digest| digest.0);
        all.dedup();
        assert_eq!(all.len(), count);

        let json = serde_json::to_string(&all[0]).unwrap();
        assert_eq!(json.len(), 18);
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), all[0]);
        assert!(serde_json::from_str::<Digest>("\"12\"").is_err());
    }
}
