//! What must hold for any bytes; shared by the fuzz target and the tests.

use starling_protocol::{Codec, ErrorCode};

/// Reads the bytes as frames of both sides in both codecs. What is read survives being written; what is not
/// is refused with a code that fits and a sentence that is not too long.
pub(crate) fn check(bytes: &[u8]) {
    for &codec in Codec::ALL {
        match codec.decode_client(bytes) {
            Ok(frame) => {
                assert_eq!(frame.command.check(), Ok(()), "what is decoded is within bounds");
                let again = codec.encode(&frame);
                assert_eq!(codec.decode_client(again.as_bytes()), Ok(frame), "{codec:?}");
            }
            Err(refusal) => {
                let code = refusal.error.code;
                match refusal.id {
                    Some(_) => assert!(
                        matches!(
                            code,
                            ErrorCode::Malformed | ErrorCode::UnknownCommand | ErrorCode::Invalid
                        ),
                        "{codec:?}: {refusal:?}"
                    ),
                    None => assert!(
                        matches!(code, ErrorCode::Malformed | ErrorCode::TooLarge),
                        "{codec:?}: {refusal:?}"
                    ),
                }
                assert!(
                    (1..=300).contains(&refusal.error.message.chars().count()),
                    "{codec:?}: {refusal:?}"
                );
            }
        }
        if let Ok(frame) = codec.decode_server(bytes) {
            let again = codec.encode(&frame);
            assert_eq!(codec.decode_server(again.as_bytes()), Ok(frame), "{codec:?}");
        }
    }
}
