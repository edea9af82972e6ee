//! Frames: a command or a reply with its id, or an event without.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::command::for_each_command;
use crate::{Command, Error, ErrorCode, Event, Reply};

/// What a client sends: `{"id":7,"send":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFrame {
    /// Chosen by the client, given back in the reply.
    pub id: u64,
    /// What is asked for.
    pub command: Command,
}

/// A frame that cannot be carried out, with the id if it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameError {
    /// The frame's id, where it could be read.
    pub id: Option<u64>,
    /// What is wrong with it.
    pub error: Error,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFrame {
    /// The answer to the command with this id: `{"id":7,"ok":{…}}` or `{"id":7,"error":{…}}`.
    Reply {
        /// The command's id.
        id: u64,
        /// The outcome.
        result: Result<Reply, Error>,
    },
    /// Something that happened: `{"entry":{…}}`.
    Event(Event),
}

/// A client frame as it was found on the wire; says more precisely than serde could what is wrong with it.
pub(crate) struct RawClientFrame {
    pub(crate) id: Option<u64>,
    pub(crate) command: RawCommand,
}

pub(crate) enum RawCommand {
    Known(Command),
    Unknown(String),
    Missing,
    Several,
}

impl RawClientFrame {
    pub(crate) fn check(self) -> Result<ClientFrame, FrameError> {
        let Some(id) = self.id else {
            let error = Error::new(ErrorCode::Malformed, "the frame has no id");
            return Err(FrameError { id: None, error });
        };
        let error = match self.command {
            RawCommand::Known(command) => match command.check() {
                Ok(()) => return Ok(ClientFrame { id, command }),
                Err(error) => error,
            },
            RawCommand::Unknown(name) => {
                let name: String = name.chars().take(64).collect();
                Error::new(ErrorCode::UnknownCommand, format!("there is no command {name:?}"))
            }
            RawCommand::Missing => Error::new(ErrorCode::Malformed, "the frame names no command"),
            RawCommand::Several => Error::new(ErrorCode::Malformed, "the frame names more than one command"),
        };
        Err(FrameError { id: Some(id), error })
    }
}

macro_rules! raw_frame_impls {
    ($($tag:literal $variant:ident($payload:ty),)+) => {
        impl Command {
            /// The tags of all commands, in the order of the documentation.
            pub const NAMES: &[&str] = &[$($tag),+];

            /// The command's tag on the wire.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $tag),+ }
            }
        }

        impl<'de> Deserialize<'de> for RawClientFrame {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Frame;
                impl<'de> Visitor<'de> for Frame {
                    type Value = RawClientFrame;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a map with an id and a command")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut id = None;
                        let mut command = RawCommand::Missing;
                        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                            if key == "id" {
                                if id.replace(map.next_value()?).is_some() {
                                    return Err(serde::de::Error::duplicate_field("id"));
                                }
                                continue;
                            }
                            let next = match key.as_ref() {
                                $($tag => RawCommand::Known(Command::$variant(map.next_value::<$payload>()?)),)+
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                    RawCommand::Unknown(key.into_owned())
                                }
                            };
                            command = match command {
                                RawCommand::Missing => next,
                                _ => RawCommand::Several,
                            };
                        }
                        Ok(RawClientFrame { id, command })
                    }
                }
                deserializer.deserialize_map(Frame)
            }
        }

        impl Serialize for ClientFrame {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("id", &self.id)?;
                match &self.command {
                    $(Command::$variant(payload) => map.serialize_entry($tag, payload)?,)+
                }
                map.end()
            }
        }
    };
}
for_each_command!(raw_frame_impls);

/// Reads only the id of a frame whose command is not readable; fails where there is not exactly one.
pub(crate) struct FrameId(pub(crate) u64);

impl<'de> Deserialize<'de> for FrameId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Frame;
        impl<'de> Visitor<'de> for Frame {
            type Value = FrameId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map with an id")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut id = None;
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    if key != "id" {
                        map.next_value::<IgnoredAny>()?;
                    } else if id.replace(map.next_value()?).is_some() {
                        return Err(serde::de::Error::duplicate_field("id"));
                    }
                }
                id.map(FrameId)
                    .ok_or_else(|| serde::de::Error::missing_field("id"))
            }
        }
        deserializer.deserialize_map(Frame)
    }
}

impl Serialize for ServerFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Event(event) => event.serialize(serializer),
            Self::Reply { id, result } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("id", id)?;
                match result {
                    Ok(reply) => map.serialize_entry("ok", reply)?,
                    Err(error) => map.serialize_entry("error", error)?,
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ServerFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Flat: newer servers may add fields, which older clients ignore.
        #[derive(Deserialize)]
        struct Flat {
            id: Option<u64>,
            ok: Option<Reply>,
            error: Option<Error>,
            ready: Option<crate::Ready>,
            conversation: Option<crate::ConversationState>,
            entry: Option<std::sync::Arc<crate::Entry>>,
            receipts: Option<crate::ReceiptsChange>,
            typing: Option<crate::TypingChange>,
            presence: Option<crate::Presence>,
            hidden: Option<crate::Hidden>,
        }
        let flat = Flat::deserialize(deserializer)?;
        Ok(match flat {
            Flat {
                id: Some(id),
                ok: Some(reply),
                ..
            } => Self::Reply {
                id,
                result: Ok(reply),
            },
            Flat {
                id: Some(id),
                error: Some(error),
                ..
            } => Self::Reply {
                id,
                result: Err(error),
            },
            Flat {
                entry: Some(entry), ..
            } => Self::Event(Event::Entry(entry)),
            Flat {
                conversation: Some(state),
                ..
            } => Self::Event(Event::Conversation(state)),
            Flat {
                receipts: Some(receipts),
                ..
            } => Self::Event(Event::Receipts(receipts)),
            Flat {
                typing: Some(typing), ..
            } => Self::Event(Event::Typing(typing)),
            Flat {
                presence: Some(presence),
                ..
            } => Self::Event(Event::Presence(presence)),
            Flat {
                hidden: Some(hidden), ..
            } => Self::Event(Event::Hidden(hidden)),
            Flat {
                ready: Some(ready), ..
            } => Self::Event(Event::Ready(ready)),
            Flat {
                error: Some(error), ..
            } => Self::Event(Event::Error(error)),
            _ => return Err(serde::de::Error::custom("neither a reply nor a known event")),
        })
    }
}
