//! Writing packets in the two encodings that clients use.

use bytes::Bytes;
use serde::Serialize;
use socketioxide_core::packet::Packet;
use socketioxide_core::parser::Parse;
use socketioxide_core::{Str, Value};
use socketioxide_parser_common::CommonParser;
use socketioxide_parser_msgpack::MsgPackParser;

/// How a client's packets are written. Its first frame tells: text is JSON, binary is MessagePack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parser {
    /// The default one.
    Json,
    /// `socket.io-msgpack-parser`.
    MessagePack,
}

/// A packet as it goes out. Cheap to share.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    Text(Str),
    Binary(Bytes),
}

impl Frame {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl Parser {
    pub(crate) fn event<T: Serialize>(self, namespace: &'static str, name: &str, payload: &T) -> Frame {
        let data = match self {
            Self::Json => CommonParser.encode_value(payload, Some(name)),
            Self::MessagePack => MsgPackParser.encode_value(payload, Some(name)),
        };
        self.encode(Packet::event(namespace, data.unwrap_or_else(|_| self.nothing())))
    }

    pub(crate) fn ack<T: Serialize>(self, namespace: &'static str, id: i64, payload: &T) -> Frame {
        let data = match self {
            Self::Json => CommonParser.encode_value(payload, None),
            Self::MessagePack => MsgPackParser.encode_value(payload, None),
        };
        self.encode(Packet::ack(
            namespace,
            data.unwrap_or_else(|_| self.nothing()),
            id,
        ))
    }

    pub(crate) fn connected<T: Serialize>(self, namespace: &'static str, payload: &T) -> Frame {
        let data = match self {
            Self::Json => CommonParser.encode_default(payload),
            Self::MessagePack => MsgPackParser.encode_default(payload),
        };
        self.encode(Packet::connect(namespace, data.ok()))
    }

    pub(crate) fn connect_error(self, namespace: Str, message: String) -> Frame {
        self.encode(Packet::connect_error(namespace, message))
    }

    pub(crate) fn disconnect(self, namespace: &'static str) -> Frame {
        self.encode(Packet::disconnect(namespace))
    }

    fn encode(self, packet: Packet) -> Frame {
        let value = match self {
            Self::Json => CommonParser.encode(packet),
            Self::MessagePack => MsgPackParser.encode(packet),
        };
        match value {
            // There are no attachments: nothing that we say holds bytes.
            Value::Str(text, _) => Frame::Text(text),
            Value::Bytes(bytes) => Frame::Binary(bytes),
        }
    }

    /// An empty array: what stands for a payload that cannot be written. Ours all can.
    fn nothing(self) -> Value {
        match self {
            Self::Json => Value::Str(Str::from("[]"), None),
            Self::MessagePack => Value::Bytes(Bytes::from_static(&[0x90])),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(frame: Frame) -> String {
        match frame {
            Frame::Text(text) => text.as_str().to_owned(),
            Frame::Binary(_) => panic!("binary"),
        }
    }

    #[test]
    fn packets_are_written_as_the_protocol_says() {
        let json = Parser::Json;
        assert_eq!(
            text(json.event("/", "hello", &json!({"a": 1}))),
            r#"2["hello",{"a":1}]"#
        );
        assert_eq!(text(json.event("/x", "hello", &"b")), r#"2/x,["hello","b"]"#);
        assert_eq!(text(json.event("/", "list", &vec![1, 2])), r#"2["list",[1,2]]"#);
        assert_eq!(
            text(json.ack("/", 7, &json!({"success": true}))),
            r#"37[{"success":true}]"#
        );
        assert_eq!(text(json.connected("/", &json!({"sid": "s"}))), r#"0{"sid":"s"}"#);
        assert_eq!(
            text(json.connect_error("/x".into(), "no".into())),
            r#"4/x,{"message":"no"}"#
        );
        assert_eq!(text(json.disconnect("/")), "1");
    }
}
