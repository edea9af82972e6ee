//! The two encodings of the same shapes, chosen by WebSocket subprotocol.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::{FrameId, RawClientFrame};
use crate::limits::MAX_FRAME_BYTES;
use crate::{ClientFrame, Error, ErrorCode, FrameError, ServerFrame};

/// Nesting that is followed in MessagePack; far more than any frame has, far less than a stack holds.
/// (JSON's reader skips unknown values without recursion, and has a limit of its own for the rest.)
const MAX_DEPTH: usize = 64;
/// Characters of a reader's complaint that are repeated to the client: it may quote what was sent.
const MAX_REASON_CHARS: usize = 200;

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Text frames.
    Json,
    /// Binary frames; structs are maps with string keys, as in JSON.
    MessagePack,
}

/// Encoded bytes with the kind of frame that they belong in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    /// JSON.
    Text(String),
    /// MessagePack.
    Binary(Vec<u8>),
}

impl Encoded {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Bytes that are not a server frame; only clients see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a server frame: {0}")]
pub struct DecodeError(String);

impl Codec {
    /// Both, the preferred one first.
    pub const ALL: &[Self] = &[Self::Json, Self::MessagePack];

    /// The WebSocket subprotocol that selects it.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => "starling.v1.json",
            Self::MessagePack => "starling.v1.msgpack",
        }
    }

    /// The codec of a subprotocol.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|codec| codec.subprotocol() == name)
    }

    /// Writes a frame.
    pub fn encode<T: Serialize>(self, frame: &T) -> Encoded {
        // Neither writer can fail: the sink is memory and every key is a string.
        match self {
            Self::Json => Encoded::Text(serde_json::to_string(frame).unwrap_or_default()),
            Self::MessagePack => Encoded::Binary(rmp_serde::to_vec_named(frame).unwrap_or_default()),
        }
    }

    /// Reads a client's frame.
    ///
    /// # Errors
    /// [`FrameError`] with the reason, and the frame's id where that much could be read.
    pub fn decode_client(self, bytes: &[u8]) -> Result<ClientFrame, FrameError> {
        if bytes.len() > MAX_FRAME_BYTES {
            let message = format!("a frame holds at most {MAX_FRAME_BYTES} bytes");
            return Err(FrameError {
                id: None,
                error: Error::new(ErrorCode::TooLarge, message),
            });
        }
        match self.decode::<RawClientFrame>(bytes) {
            Ok(frame) => frame.check(),
            Err(reason) => Err(self.explain(bytes, reason)),
        }
    }

    /// Reads a server's frame.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no frame, or of a kind that this version does not know.
    pub fn decode_server(self, bytes: &[u8]) -> Result<ServerFrame, DecodeError> {
        self.decode(bytes).map_err(|(_, reason)| DecodeError(reason))
    }

    fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, (Fault, String)> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|error| {
                let fault = if error.is_data() {
                    Fault::Data
                } else {
                    Fault::Syntax
                };
                (fault, error.to_string())
            }),
            Self::MessagePack => {
                use rmp_serde::decode::Error as E;
                let mut rest = bytes;
                let mut reader = rmp_serde::Deserializer::new(&mut rest);
                reader.set_max_depth(MAX_DEPTH);
                let value = T::deserialize(&mut reader).map_err(|error| {
                    let fault = match error {
                        E::Syntax(_) | E::OutOfRange | E::LengthMismatch(_) | E::TypeMismatch(_) => {
                            Fault::Data
                        }
                        _ => Fault::Syntax,
                    };
                    (fault, error.to_string())
                })?;
                if rest.is_empty() {
                    Ok(value)
                } else {
                    Err((Fault::Syntax, "bytes after the frame".into()))
                }
            }
        }
    }

    /// Tells a frame with a bad field (`invalid`, with its id) from bytes that are no frame (`malformed`).
    fn explain(self, bytes: &[u8], (fault, reason): (Fault, String)) -> FrameError {
        let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
        match self.decode::<FrameId>(bytes) {
            Ok(FrameId(id)) if fault == Fault::Data => FrameError {
                id: Some(id),
                error: Error::new(ErrorCode::Invalid, reason),
            },
            _ => FrameError {
                id: None,
                error: Error::new(ErrorCode::Malformed, reason),
            },
        }
    }
}

#[derive(PartialEq, Eq)]
enum Fault {
    /// Not of the encoding at all.
    Syntax,
    /// Well-formed, but not what was expected.
    Data,
}
