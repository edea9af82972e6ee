//! Reading packets.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value as Json;
use socketioxide_core::packet::{Packet, PacketData};
use socketioxide_core::parser::{Parse, ParseConfig, ParseError, ParserState};
use socketioxide_core::{Str, Value};
use socketioxide_parser_common::CommonParser;
use socketioxide_parser_msgpack::MsgPackParser;

use crate::parser::Parser;
use crate::value::Argument;

/// Nesting of arguments that is followed.
const MAX_DEPTH: usize = 64;
/// Binary parts of one packet. No dialect takes any; they are read past.
const MAX_ATTACHMENTS: usize = 16;
const MAX_ATTACHED_BYTES: usize = 1 << 20;
const ATTACHED_WITHIN: Duration = Duration::from_secs(10);

/// One message of the engine.
pub(crate) enum Message {
    Text(Str),
    Binary(Bytes),
}

impl Message {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// What a client says in one packet.
#[derive(Debug)]
pub(crate) enum Said {
    /// It asks to be let in, with this.
    Connect(Json),
    Disconnect,
    Event(Event),
    /// An acknowledgement. The server asks for none, so it answers nothing.
    Ack,
}

/// An event of a client.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    /// The first argument, which is all that the dialects look at.
    pub(crate) payload: Json,
    /// Asks for an acknowledgement.
    pub(crate) ack: Option<i64>,
}

/// Bytes that are no packet.
#[derive(Debug)]
pub(crate) struct Malformed(pub(crate) String);

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rmp_serde::decode::Error> for Malformed {
    fn from(error: rmp_serde::decode::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the messages of one connection.
pub(crate) struct Decoder {
    parser: Option<Parser>,
    state: ParserState,
    config: ParseConfig,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            parser: None,
            state: ParserState::default(),
            config: ParseConfig {
                max_incoming_binary_buf_size: MAX_ATTACHED_BYTES,
                max_incoming_binaries: MAX_ATTACHMENTS,
                packet_completion_timeout: ATTACHED_WITHIN,
            },
        }
    }
}

impl Decoder {
    /// Reads a message: of which namespace and by which parser it speaks, and what it says. `None` where more of the
    /// packet is to come.
    pub(crate) fn read(&mut self, message: Message) -> Result<Option<(Str, Parser, Said)>, Malformed> {
        let parser = *self.parser.get_or_insert(match &message {
            Message::Text(_) => Parser::Json,
            Message::Binary(_) => Parser::MessagePack,
        });
        let (config, state) = (&self.config, &self.state);
        let packet = match (parser, message) {
            (Parser::Json, Message::Text(text)) => CommonParser.decode_str(config, state, text),
            (Parser::Json, Message::Binary(bytes)) => CommonParser.decode_bin(config, state, bytes),
            (Parser::MessagePack, Message::Text(text)) => MsgPackParser.decode_str(config, state, text),
            (Parser::MessagePack, Message::Binary(bytes)) => MsgPackParser.decode_bin(config, state, bytes),
        };
        let Packet { inner, ns } = match packet {
            Ok(packet) => packet,
            Err(ParseError::NeedsMoreBinaryData) => return Ok(None),
            Err(error) => return Err(Malformed(error.to_string())),
        };
        let said = match inner {
            PacketData::Connect(data) => Said::Connect(match data {
                Some(data) => whole(&data)?,
                None => Json::Null,
            }),
            PacketData::Disconnect => Said::Disconnect,
            PacketData::Event(data, ack) | PacketData::BinaryEvent(data, ack) => {
                Said::Event(event(&data, ack)?)
            }
            PacketData::EventAck(..) | PacketData::BinaryAck(..) => Said::Ack,
            PacketData::ConnectError(_) => return Err(Malformed("clients refuse no connection".into())),
        };
        Ok(Some((ns, parser, said)))
    }
}

fn whole(data: &Value) -> Result<Json, Malformed> {
    match data {
        Value::Str(text, _) => Ok(serde_json::from_str(text.as_str())?),
        Value::Bytes(bytes) => {
            let mut reader = rmp_serde::Deserializer::new(bytes.as_ref());
            reader.set_max_depth(MAX_DEPTH);
            Ok(Argument::deserialize(&mut reader)?.0)
        }
    }
}

fn event(data: &Value, ack: Option<i64>) -> Result<Event, Malformed> {
    let Json::Array(arguments) = whole(data)? else {
        return Err(Malformed("an event is an array".into()));
    };
    let mut arguments = arguments.into_iter();
    let Some(Json::String(name)) = arguments.next() else {
        return Err(Malformed("an event begins with its name".into()));
    };
    let payload = arguments.next().unwrap_or_default();
    Ok(Event { name, payload, ack })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(decoder: &mut Decoder, text: &'static str) -> Result<Option<(Str, Parser, Said)>, Malformed> {
        decoder.read(Message::Text(text.into()))
    }

    #[test]
    fn what_clients_say_is_read() {
        let mut decoder = Decoder::default();
        let Some((namespace, Parser::Json, Said::Connect(auth))) =
            read(&mut decoder, r#"0/x,{"token":"t"}"#).unwrap()
        else {
            panic!("no connect")
        };
        assert_eq!((namespace.as_str(), auth), ("/x", json!({"token": "t"})));
        let Some((_, _, Said::Event(event))) =
            read(&mut decoder, r#"212["join_room",{"roomId":"r"},"more"]"#).unwrap()
        else {
            panic!("no event")
        };
        assert_eq!((event.name.as_str(), event.ack), ("join_room", Some(12)));
        assert_eq!(event.payload, json!({"roomId": "r"}));
        assert!(matches!(
            read(&mut decoder, "1").unwrap(),
            Some((_, _, Said::Disconnect))
        ));
        assert!(matches!(
            read(&mut decoder, "37[]").unwrap(),
            Some((_, _, Said::Ack))
        ));
        for malformed in ["", "9", "2{}", "2[1]", "2", "4{}", "0{"] {
            assert!(read(&mut decoder, malformed).is_err(), "{malformed:?}");
        }
    }

    #[test]
    fn binary_parts_are_waited_for() {
        let mut decoder = Decoder::default();
        let head = r#"51-["send_message",{"content":{"_placeholder":true,"num":0}}]"#;
        assert!(read(&mut decoder, head).unwrap().is_none());
        let whole = decoder
            .read(Message::Binary(Bytes::from_static(&[1, 2])))
            .unwrap();
        assert!(matches!(whole, Some((_, _, Said::Event(event))) if event.payload["content"].is_object()));
    }
}
