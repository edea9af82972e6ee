//! Bytes that are made to hurt: none may panic, overflow the stack, or take memory out of proportion.

use proptest::prelude::*;
use starling_protocol::limits::MAX_FRAME_BYTES;
use starling_protocol::{Codec, ErrorCode};

use crate::corpus::check;
use crate::strategies;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decoders_stand_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn decoders_stand_frames_with_a_changed_byte(
        frame in strategies::client_frame(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for &codec in Codec::ALL {
            let mut bytes = codec.encode(&frame).as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            check(&bytes);
            check(&bytes[..at]);
        }
    }
}

/// Runs on a stack as small as that of a runtime's thread.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(test)
        .unwrap();
    thread.join().unwrap();
}

/// Frames as deep as the size limit allows, in known and in unknown places.
#[test]
fn nesting_does_not_exhaust_the_stack() {
    on_a_small_stack(|| {
        let room = MAX_FRAME_BYTES - 100;
        for prefix in [
            "",
            r#"{"id":7,"shout":"#,
            r#"{"id":7,"ping":"#,
            r#"{"id":"#,
            r#"{"id":7,"send":{"text":"#,
        ] {
            for unit in ["[", r#"{"":"#, r#"{"id":"#, r#"[{"a":["#] {
                let bomb = format!("{prefix}{}", unit.repeat(room / unit.len()));
                let error = Codec::Json.decode_client(bomb.as_bytes()).unwrap_err();
                assert_ne!(error.error.code, ErrorCode::UnknownCommand);
                assert!(Codec::Json.decode_server(bomb.as_bytes()).is_err());
            }
            // Closed again, so that it is valid JSON.
            let bomb = format!("{prefix}{}{}", "[".repeat(room / 2), "]".repeat(room / 2));
            check(bomb.as_bytes());
            let bomb = format!(
                r#"{{"id":7,"shout":{}{}}}"#,
                "[".repeat(room / 2),
                "]".repeat(room / 2)
            );
            check(bomb.as_bytes());
        }
        let ext = [0xc7, 0xff, 0x01];
        let prefixes: [&[u8]; 4] = [
            b"",
            b"\x82\xa2id\x07\xa5shout",
            b"\x82\xa2id\x07\xa4ping",
            b"\x82\xa2id",
        ];
        let units: [&[u8]; 6] = [
            b"\x91",
            b"\x81\xa0",
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff\xa1a",
            b"\x81\xa2id",
            &ext,
        ];
        for prefix in prefixes {
            for unit in units {
                let bomb = [prefix, &unit.repeat(room / unit.len())].concat();
                let error = Codec::MessagePack.decode_client(&bomb).unwrap_err();
                assert_eq!(error.error.code, ErrorCode::Malformed);
                assert!(Codec::MessagePack.decode_server(&bomb).is_err());
            }
            // Closed, so that it is valid MessagePack.
            check(&[prefix, &b"\x91".repeat(room), b"\xc0"].concat());
        }
    });
}

/// A few bytes that announce gigabytes: the announcement is not believed.
#[test]
fn announced_lengths_are_not_allocated() {
    let huge: [&[u8]; 6] = [
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdf\xff\xff\xff\xff\xa2id",
    ];
    let places: [&[u8]; 6] = [
        b"",
        b"\x82\xa2id\x07\xa5shout",
        b"\x82\xa2id",
        b"\x82\xa2id\x07\xa4sync\x81\xa7cursors",
        b"\x82\xa2id\x07\xa6create\x82\xa4kind\xa5group\xa7members",
        b"\x82\xa2id\x07\xa4send\x81\xa4text",
    ];
    for place in places {
        for length in huge {
            let bytes = [place, length].concat();
            // A hundred at once would be felt if each took what it announces.
            for _ in 0..100 {
                let error = Codec::MessagePack.decode_client(&bytes).unwrap_err();
                assert_eq!(
                    error.error.code,
                    ErrorCode::Malformed,
                    "{bytes:x?}: {}",
                    error.error.message
                );
            }
        }
    }
}
