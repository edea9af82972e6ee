//! What a frame is refused with: the code, and the id if the reply can carry it.

use serde_json::{Value, json};
use starling_protocol::{Codec, Command, ErrorCode, limits};

/// Checks the same shape in both codecs.
#[track_caller]
fn refused(frame: &Value, code: ErrorCode, id: Option<u64>) {
    let packed = rmp_serde::to_vec_named(frame).unwrap();
    for (codec, bytes) in [
        (Codec::Json, frame.to_string().into_bytes()),
        (Codec::MessagePack, packed),
    ] {
        refused_bytes(codec, &bytes, code, id);
    }
}

#[track_caller]
fn refused_bytes(codec: Codec, bytes: &[u8], code: ErrorCode, id: Option<u64>) {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    let error = codec.decode_client(bytes).expect_err(&start);
    assert_eq!(
        (error.error.code, error.id),
        (code, id),
        "{codec:?} {start}: {}",
        error.error.message
    );
    let chars = error.error.message.chars().count();
    assert!(
        (1..=300).contains(&chars),
        "{codec:?} {start}: a sentence of {chars} characters"
    );
}

#[test]
fn unknown_commands() {
    refused(&json!({"id": 7, "shout": {}}), ErrorCode::UnknownCommand, Some(7));
    refused(
        &json!({"id": 7, "shout": null}),
        ErrorCode::UnknownCommand,
        Some(7),
    );
    refused(
        &json!({"shout": [1, 2, {"deep": [[]]}], "id": 7}),
        ErrorCode::UnknownCommand,
        Some(7),
    );
    refused(&json!({"id": 7, "Send": {}}), ErrorCode::UnknownCommand, Some(7));
    refused(
        &json!({"id": 7, "x".repeat(10_000): {}}),
        ErrorCode::UnknownCommand,
        Some(7),
    );
}

#[test]
fn frames_that_are_not_one_command_with_an_id() {
    for (frame, id) in [
        (json!({"ping": {}}), None),
        (json!({"shout": {}}), None),
        (json!({}), None),
        (json!({"id": null, "ping": {}}), None),
        (json!({"id": "7", "ping": {}}), None),
        (json!({"id": -7, "ping": {}}), None),
        (json!({"id": 7.5, "ping": {}}), None),
        (json!({"id": 7}), Some(7)),
        (json!({"id": 7, "ping": {}, "list": {}}), Some(7)),
        (json!({"id": 7, "ping": {}, "shout": {}}), Some(7)),
        (json!([]), None),
        (json!([7]), None),
        (json!([7, {"ping": {}}]), None),
        (json!(7), None),
        (json!("ping"), None),
        (json!(null), None),
        (json!(true), None),
    ] {
        refused(&frame, ErrorCode::Malformed, id);
    }
}

#[test]
fn text_that_is_not_json() {
    for text in [
        "",
        " ",
        "{",
        "ping",
        r#"{"id":7,"ping":{}"#,
        r#"{"id":7,"ping":{}}}"#,
        r#"{"id":7,"ping":{}} {"id":8,"ping":{}}"#,
        r#"{"id":7,"id":8,"ping":{}}"#,
        r#"{"id":7,"id":8,"send":{}}"#,
        r#"{"id":7,,"ping":{}}"#,
        r#"{'id':7,'ping':{}}"#,
        r#"{"id":99999999999999999999,"ping":{}}"#,
        r#"{"id":7,"send":{"text":"\ud800"}}"#,
        // A bad field, and further on bytes that are no JSON: the id cannot be trusted.
        r#"{"id":7,"history":{"limit":"x"},"#,
    ] {
        refused_bytes(Codec::Json, text.as_bytes(), ErrorCode::Malformed, None);
    }
    refused_bytes(Codec::Json, b"{\"id\":7,\"\xff\":{}}", ErrorCode::Malformed, None);
}

#[test]
fn bytes_that_are_not_messagepack() {
    let whole = rmp_serde::to_vec_named(&json!({"id": 7, "ping": {}})).unwrap();
    assert!(Codec::MessagePack.decode_client(&whole).is_ok());
    for cut in 0..whole.len() {
        refused_bytes(Codec::MessagePack, &whole[..cut], ErrorCode::Malformed, None);
    }
    let mut longer = whole.clone();
    longer.push(0xc0);
    refused_bytes(Codec::MessagePack, &longer, ErrorCode::Malformed, None);
    // Reserved byte; integer keys; JSON text where MessagePack is spoken.
    refused_bytes(Codec::MessagePack, &[0xc1], ErrorCode::Malformed, None);
    refused_bytes(
        Codec::MessagePack,
        &[0x81, 0x01, 0x02],
        ErrorCode::Malformed,
        None,
    );
    refused_bytes(
        Codec::MessagePack,
        br#"{"id":7,"ping":{}}"#,
        ErrorCode::Malformed,
        None,
    );
    refused_bytes(Codec::Json, &whole, ErrorCode::Malformed, None);
}

#[test]
fn bad_fields_are_answered_with_the_frames_id() {
    let many_users = vec!["u"; limits::MAX_MEMBERS_PER_COMMAND + 1];
    let cursors: Value = (0..=limits::MAX_CURSORS)
        .map(|n| (format!("c{n}"), json!(1)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for command in [
        json!({"auth": {}}),
        json!({"auth": {"token": ""}}),
        json!({"auth": {"token": "x".repeat(limits::MAX_TOKEN_BYTES + 1)}}),
        json!({"auth": {"token": 5}}),
        json!({"sync": {"cursors": {"not valid": 1}}}),
        json!({"sync": {"cursors": {"c": -1}}}),
        json!({"sync": {"cursors": cursors}}),
        json!({"create": {}}),
        json!({"create": {"kind": "party"}}),
        json!({"create": {"kind": "group", "members": many_users}}),
        json!({"create": {"kind": "group", "name": ""}}),
        json!({"create": {"kind": "group", "name": "x".repeat(limits::MAX_NAME_CHARS + 1)}}),
        json!({"create": {"kind": "group", "description": ""}}),
        json!({"create": {"kind": "group", "description": "\u{7}"}}),
        json!({"create": {"kind": "group", "description": "x".repeat(limits::MAX_DESCRIPTION_CHARS + 1)}}),
        json!({"create": {"kind": "group", "avatar_url": ""}}),
        json!({"create": {"kind": "group", "avatar_url": "x".repeat(limits::MAX_AVATAR_URL_BYTES + 1)}}),
        json!({"create": {"kind": "group", "members": ["a\u{0}b"]}}),
        json!({"join": {}}),
        json!({"join": {"conversation": "x".repeat(limits::MAX_CONVERSATION_ID_BYTES + 1)}}),
        json!({"join": {"conversation": "a b"}}),
        json!({"leave": {"conversation": ""}}),
        json!({"leave": null}),
        json!({"add": {"conversation": "c", "users": []}}),
        json!({"add": {"conversation": "c", "users": many_users}}),
        json!({"remove": {"conversation": "c", "user": ""}}),
        json!({"create": {"kind": "club", "open": "yes"}}),
        json!({"accept": {}}),
        json!({"accept": {"token": ""}}),
        json!({"accept": {"token": "x".repeat(limits::MAX_INVITE_TOKEN_BYTES + 1)}}),
        json!({"role": {"conversation": "c", "user": "u"}}),
        json!({"role": {"conversation": "c", "user": "u", "role": "king"}}),
        json!({"ban": {"conversation": "c"}}),
        json!({"ban": {"conversation": "c", "user": "u", "until": 5}}),
        json!({"unban": {"user": "u"}}),
        json!({"mute": {"conversation": "c", "user": "u", "until": 0}}),
        json!({"mute": {"conversation": "c", "user": "u", "until": "tomorrow"}}),
        json!({"unmute": {"conversation": "c", "user": ""}}),
        json!({"sanctions": {"conversation": "c", "limit": limits::MAX_SANCTIONS_LIMIT + 1}}),
        json!({"update": {"conversation": "c"}}),
        json!({"update": {"conversation": "c", "name": "two\nlines"}}),
        json!({"update": {"conversation": "c", "name": "  "}}),
        json!({"update": {"conversation": "c", "name": "x".repeat(limits::MAX_NAME_CHARS + 1)}}),
        json!({"update": {"conversation": "c", "description": "\u{7}"}}),
        json!({"update": {"conversation": "c", "description": "x".repeat(limits::MAX_DESCRIPTION_CHARS + 1)}}),
        json!({"update": {"conversation": "c", "avatar_url": "x".repeat(limits::MAX_AVATAR_URL_BYTES + 1)}}),
        json!({"update": {"conversation": "c", "kind": "club"}}),
        json!({"invite": {"conversation": "c", "max_uses": 0}}),
        json!({"invite": {"conversation": "c", "max_uses": -1}}),
        json!({"invite": {"conversation": "c", "expires_at": 0}}),
        json!({"invites": {}}),
        json!({"revoke": {"conversation": "c", "invite": "short"}}),
        json!({"revoke": {"conversation": "c", "invite": "A".repeat(32)}}),
        json!({"send": {"conversation": "c", "client_id": "1"}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": ""}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": " \n\u{2003}"}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": "x".repeat(limits::MAX_TEXT_CHARS + 1)}}),
        json!({"send": {"conversation": "c", "client_id": "", "text": "x"}}),
        json!({"send": {"conversation": "c", "client_id": "x".repeat(129), "text": "x"}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": "x", "lamport": -1}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": "x", "retry": "yes"}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": "x", "txt": "x"}}),
        json!({"send": "hello"}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": "x", "kind": "smell"}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": "x", "reply_to": -1}}),
        json!({"edit": {"conversation": "c", "seq": 2}}),
        json!({"edit": {"conversation": "c", "seq": 0, "text": "x"}}),
        json!({"delete": {"conversation": "c", "seq": 0}}),
        json!({"react": {"conversation": "c", "seq": 0, "emoji": "x"}}),
        json!({"edit": {"conversation": "c", "seq": 2, "text": " \n"}}),
        json!({"edit": {"conversation": "c", "seq": 2, "text": "x".repeat(limits::MAX_TEXT_CHARS + 1)}}),
        json!({"edit": {"conversation": "c", "seq": 2, "text": "x", "client_id": ""}}),
        json!({"edit": {"conversation": "c", "seq": 2, "text": "x", "sender": "ann"}}),
        json!({"delete": {"conversation": "c"}}),
        json!({"delete": {"conversation": "c", "seq": "2"}}),
        json!({"delete": {"conversation": "c", "seq": 2, "text": "x"}}),
        json!({"react": {"conversation": "c", "seq": 2, "emoji": ""}}),
        json!({"react": {"conversation": "c", "seq": 2, "emoji": "a b"}}),
        json!({"react": {"conversation": "c", "seq": 2, "emoji": "a\u{7}"}}),
        json!({"react": {"conversation": "c", "seq": 2, "emoji": "x".repeat(limits::MAX_EMOJI_BYTES + 1)}}),
        json!({"react": {"conversation": "c", "seq": 2, "emoji": "x", "removed": "yes"}}),
        json!({"history": {"conversation": "c", "limit": 0}}),
        json!({"history": {"conversation": "c", "limit": limits::MAX_HISTORY_LIMIT + 1}}),
        json!({"history": {"conversation": "c", "after": 1.5}}),
        json!({"delivered": {"conversation": "c"}}),
        json!({"list": {"limit": 0}}),
        json!({"list": {"limit": limits::MAX_LIST_LIMIT + 1}}),
        json!({"list": {"offset": 3}}),
        json!({"my_stats": {"days": 0}}),
        json!({"my_stats": {"days": limits::MAX_STATS_DAYS + 1}}),
        json!({"my_stats": {"conversation": "c"}}),
        json!({"me": {"name": ""}}),
        json!({"me": {"name": " "}}),
        json!({"me": {"name": "two\nlines"}}),
        json!({"me": {"name": "x".repeat(limits::MAX_PROFILE_NAME_CHARS + 1)}}),
        json!({"me": {"about": "x".repeat(limits::MAX_ABOUT_CHARS + 1)}}),
        json!({"me": {"about": "\u{7}"}}),
        json!({"me": {"avatar_url": "x".repeat(limits::MAX_AVATAR_URL_BYTES + 1)}}),
        json!({"me": {"phone": "+4915123456789"}}),
        json!({"me": null}),
        json!({"user": {}}),
        json!({"user": {"user": ""}}),
        json!({"contacts": {"limit": 0}}),
        json!({"contacts": {"limit": limits::MAX_CONTACTS_LIMIT + 1}}),
        json!({"contacts": {"after": ""}}),
        json!({"add_contact": {}}),
        json!({"add_contact": {"phone": "+4915123456789", "user": "bob"}}),
        json!({"add_contact": {"phone": "+1"}}),
        json!({"add_contact": {"phone": "1".repeat(limits::MAX_PHONE_BYTES + 1)}}),
        json!({"add_contact": {"user": "x".repeat(limits::MAX_USER_ID_BYTES + 1)}}),
        json!({"remove_contact": {}}),
        json!({"blocked": {"limit": limits::MAX_CONTACTS_LIMIT + 1}}),
        json!({"block": {"user": "a\u{0}b"}}),
        json!({"unblock": {"users": ["bob"]}}),
        json!({"sessions": {"all": true}}),
        json!({"end_session": {}}),
        json!({"end_session": {"session": "short"}}),
        json!({"end_session": {"session": "x".repeat(32)}}),
        json!({"sign_out": {"everywhere": "yes"}}),
        json!({"sign_out": {"session": "0".repeat(32)}}),
        json!({"ping": {"at": 3}}),
        json!({"ping": 3}),
    ] {
        // The id is found wherever it stands: before the command and after it.
        let (tag, payload) = command.as_object().unwrap().iter().next().unwrap();
        assert!(Command::NAMES.contains(&tag.as_str()), "{tag} is a command");
        for json in [
            format!(r#"{{"id":7,"{tag}":{payload}}}"#),
            format!(r#"{{"{tag}":{payload},"id":7}}"#),
        ] {
            refused_bytes(Codec::Json, json.as_bytes(), ErrorCode::Invalid, Some(7));
        }
        refused(&json!({"id": 7, tag: payload}), ErrorCode::Invalid, Some(7));
        refused(&json!({tag: payload}), ErrorCode::Malformed, None);
    }
}

#[test]
fn the_bounds_themselves_are_allowed() {
    for command in [
        json!({"auth": {"token": "x".repeat(limits::MAX_TOKEN_BYTES)}}),
        json!({"send": {"conversation": "c", "client_id": "1", "text": "ü".repeat(limits::MAX_TEXT_CHARS)}}),
        json!({"add": {"conversation": "c", "users": vec!["u"; limits::MAX_MEMBERS_PER_COMMAND]}}),
        json!({"edit": {"conversation": "c", "seq": 2, "text": "ü".repeat(limits::MAX_TEXT_CHARS)}}),
        json!({"react": {"conversation": "c", "seq": 2, "emoji": "x".repeat(limits::MAX_EMOJI_BYTES)}}),
        json!({"history": {"conversation": "c", "limit": limits::MAX_HISTORY_LIMIT}}),
        json!({"create": {"kind": "group", "name": "x".repeat(limits::MAX_NAME_CHARS)}}),
        json!({"create": {"kind": "group", "description": "ü\n".repeat(limits::MAX_DESCRIPTION_CHARS / 2)}}),
        json!({"update": {"conversation": "c", "name": "", "description": "", "avatar_url": ""}}),
        json!({"update": {"conversation": "c", "description": "ü\n".repeat(limits::MAX_DESCRIPTION_CHARS / 2)}}),
        json!({"accept": {"token": "x".repeat(limits::MAX_INVITE_TOKEN_BYTES)}}),
        json!({"invite": {"conversation": "c", "max_uses": u32::MAX, "expires_at": i64::MAX}}),
        json!({"me": {}}),
        json!({"me": {"name": "ü".repeat(limits::MAX_PROFILE_NAME_CHARS), "about": "", "avatar_url": ""}}),
        json!({"contacts": {"limit": limits::MAX_CONTACTS_LIMIT}}),
        json!({"end_session": {"session": "0".repeat(32)}}),
        json!({"sign_out": {}}),
        json!({"sync": {}}),
        json!({"sync": {"cursors": {"c": u64::MAX}}}),
    ] {
        let (tag, payload) = command.as_object().unwrap().iter().next().unwrap();
        let frame = json!({"id": 0, tag: payload});
        let packed = rmp_serde::to_vec_named(&frame).unwrap();
        for (codec, bytes) in [
            (Codec::Json, frame.to_string().into_bytes()),
            (Codec::MessagePack, packed),
        ] {
            let decoded = codec.decode_client(&bytes);
            assert!(decoded.is_ok(), "{codec:?} {tag}: {decoded:?}");
        }
    }
}

#[test]
fn a_frame_over_the_limit_is_not_even_read() {
    let text = " ".repeat(limits::MAX_FRAME_BYTES + 1);
    for &codec in Codec::ALL {
        refused_bytes(codec, text.as_bytes(), ErrorCode::TooLarge, None);
    }
    let mut padded = br#"{"id":7,"ping":{}}"#.to_vec();
    padded.resize(limits::MAX_FRAME_BYTES, b' ');
    assert!(Codec::Json.decode_client(&padded).is_ok());
}

#[test]
fn what_is_said_about_oneself_has_its_bounds() {
    let presence = |fields: Value| json!({"id": 7, "presence": fields});
    for fields in [
        json!({}),
        json!({"state": "offline"}),
        json!({"text": "x".repeat(limits::MAX_PRESENCE_TEXT_CHARS + 1)}),
        json!({"text": "two\nlines"}),
        json!({"text": "  "}),
        json!({"text": 1}),
    ] {
        refused(&presence(fields), ErrorCode::Invalid, Some(7));
    }
    for fields in [
        json!({"state": "away"}),
        json!({"text": ""}),
        json!({"text": "ü".repeat(limits::MAX_PRESENCE_TEXT_CHARS), "state": "online"}),
    ] {
        let frame = presence(fields).to_string();
        assert!(Codec::Json.decode_client(frame.as_bytes()).is_ok(), "{frame}");
    }
    let many = vec!["bob"; limits::MAX_PRESENCES + 1];
    for users in [json!([]), json!(many), json!([""]), json!("bob")] {
        refused(
            &json!({"id": 7, "presences": {"users": users}}),
            ErrorCode::Invalid,
            Some(7),
        );
    }
    refused(
        &json!({"id": 7, "status": {"conversation": "c", "seq": 0}}),
        ErrorCode::Invalid,
        Some(7),
    );
    for limit in [0, limits::MAX_RECEIPTS_LIMIT + 1] {
        refused(
            &json!({"id": 7, "receipts": {"conversation": "c", "limit": limit}}),
            ErrorCode::Invalid,
            Some(7),
        );
    }
}
