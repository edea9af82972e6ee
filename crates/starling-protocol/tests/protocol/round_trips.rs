use proptest::prelude::*;
use starling_protocol::{Codec, Command, Encoded};

use crate::strategies;

proptest! {
    #[test]
    fn client_frames_survive_both_codecs(frame in strategies::client_frame()) {
        for &codec in Codec::ALL {
            let bytes = codec.encode(&frame);
            let decoded = codec.decode_client(bytes.as_bytes());
            prop_assert_eq!(decoded.as_ref(), Ok(&frame), "{:?}", codec);
        }
    }

    #[test]
    fn server_frames_survive_both_codecs(frame in strategies::server_frame()) {
        for &codec in Codec::ALL {
            let bytes = codec.encode(&frame);
            let decoded = codec.decode_server(bytes.as_bytes());
            prop_assert_eq!(decoded.as_ref(), Ok(&frame), "{:?}", codec);
        }
    }

    /// What the codecs write differs only in the encoding: the shapes are the same.
    #[test]
    fn both_codecs_write_the_same_shape(frame in strategies::server_frame()) {
        let Encoded::Text(json) = Codec::Json.encode(&frame) else { panic!("JSON is text") };
        let Encoded::Binary(packed) = Codec::MessagePack.encode(&frame) else { panic!("MessagePack is binary") };
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let packed: serde_json::Value = rmp_serde::from_slice(&packed).unwrap();
        prop_assert_eq!(json, packed);
    }
}

/// The strategies above draw among all commands; this makes sure that each is tried.
#[test]
fn every_command_survives_both_codecs() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for tag in Command::NAMES {
        for _ in 0..16 {
            let command = strategies::command(tag).new_tree(&mut runner).unwrap().current();
            assert_eq!(command.name(), *tag);
            let frame = starling_protocol::ClientFrame {
                id: u64::MAX,
                command,
            };
            for &codec in Codec::ALL {
                let bytes = codec.encode(&frame);
                assert_eq!(
                    codec.decode_client(bytes.as_bytes()).as_ref(),
                    Ok(&frame),
                    "{tag} in {codec:?}"
                );
            }
        }
    }
}

/// Fields that newer servers add must not break older clients.
#[test]
fn clients_ignore_what_they_do_not_know() {
    let json = r#"{"id":1,"ok":{"pong":{"at":5,"mood":"fine"}},"trace":[1,{"a":null}]}"#;
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let packed = rmp_serde::to_vec_named(&value).unwrap();
    for (codec, bytes) in [
        (Codec::Json, json.as_bytes()),
        (Codec::MessagePack, packed.as_slice()),
    ] {
        let frame = codec.decode_server(bytes).unwrap();
        let pong = starling_protocol::Reply::Pong { at: 5 };
        assert_eq!(
            frame,
            starling_protocol::ServerFrame::Reply {
                id: 1,
                result: Ok(pong)
            },
            "{codec:?}"
        );
    }
}

#[test]
fn tokens_are_not_written_to_logs() {
    let frame = Codec::Json
        .decode_client(br#"{"id":1,"auth":{"token":"s3cret"}}"#)
        .unwrap();
    assert!(!format!("{frame:?}").contains("s3cret"));
    let frame = Codec::Json
        .decode_client(br#"{"id":1,"accept":{"token":"s3cret"}}"#)
        .unwrap();
    assert!(!format!("{frame:?}").contains("s3cret"));
    let sent = r#"{"conversation":"c","seq":1,"lamport":1,"at":1}"#;
    let made = format!(
        r#"{{"id":1,"ok":{{"invited":{{"invite":"mfrggzdfmztwq2lknnwg23tpobyxe43u","token":"s3cret","sent":{sent}}}}}}}"#
    );
    let frame = Codec::Json.decode_server(made.as_bytes()).unwrap();
    assert!(!format!("{frame:?}").contains("s3cret"));
}
