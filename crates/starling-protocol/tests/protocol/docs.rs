//! docs/protocol.md says what the types say.

use std::collections::BTreeSet;

use starling_protocol::{
    Body, CloseCode, Codec, Command, ErrorCode, Event, Reconnect, Reply, ServerFrame, limits,
};

const PAGE: &str = include_str!("../../../../docs/protocol.md");

#[track_caller]
fn has_row(row: &str) {
    assert!(
        PAGE.lines().any(|line| line == row),
        "docs/protocol.md lacks the row\n{row}"
    );
}

/// The text between a heading and the next one of its level or above.
fn section(heading: &str) -> &'static str {
    let start = PAGE
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("{heading} is missing"));
    let body = &PAGE[start + heading.len() + 2..];
    let level = heading.chars().take_while(|c| *c == '#').count();
    let mut fenced = false;
    let mut end = 0;
    for line in body.split_inclusive('\n') {
        fenced ^= line.starts_with("```");
        let depth = line.chars().take_while(|c| *c == '#').count();
        if !fenced && (1..=level).contains(&depth) {
            break;
        }
        end += line.len();
    }
    &body[..end]
}

/// The frames in the blocks that are marked so.
fn examples<'a>(text: &'a str, side: &str) -> Vec<&'a str> {
    let mut frames = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(kind) => inside = !inside && kind == format!("json {side}"),
            None if inside => frames.push(line),
            None => {}
        }
    }
    frames
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

#[test]
fn every_error_code_has_its_row() {
    for code in ErrorCode::ALL {
        has_row(&format!(
            "| `{code}` | {} | {} |",
            code.http_status(),
            code.meaning().trim()
        ));
    }
    assert_eq!(
        section("## Errors").matches("\n| `").count(),
        ErrorCode::ALL.len(),
        "no rows of other codes"
    );
}

#[test]
fn every_close_code_has_its_row_and_its_range() {
    for code in CloseCode::ALL {
        let reconnect = match code.reconnect() {
            Reconnect::Now => "now",
            Reconnect::Later => "later",
            Reconnect::Never => "never",
        };
        let (number, reason, meaning) = (code.code(), code.reason(), code.meaning().trim());
        has_row(&format!("| {number} | `{reason}` | {reconnect} | {meaning} |"));
        assert_eq!(CloseCode::from_code(number), Some(*code));
    }
    assert_eq!(
        section("## Close codes").matches("\n| 4").count(),
        CloseCode::ALL.len(),
        "no rows of other codes"
    );
}

#[test]
fn every_limit_has_its_row() {
    for (limit, value) in [
        ("bytes of a frame from the client", limits::MAX_FRAME_BYTES as u64),
        ("characters of a text", limits::MAX_TEXT_CHARS as u64),
        ("bytes of a reaction's emoji", limits::MAX_EMOJI_BYTES as u64),
        (
            "edits of a message and reactions to it, those taken back included",
            limits::MAX_ALTERATIONS as u64,
        ),
        (
            "bytes of a user id (without control characters)",
            limits::MAX_USER_ID_BYTES as u64,
        ),
        (
            "bytes of a client id (without control characters)",
            limits::MAX_CLIENT_ID_BYTES as u64,
        ),
        (
            "bytes of a conversation id",
            limits::MAX_CONVERSATION_ID_BYTES as u64,
        ),
        (
            "characters of a conversation's name",
            limits::MAX_NAME_CHARS as u64,
        ),
        (
            "characters of what a conversation is about",
            limits::MAX_DESCRIPTION_CHARS as u64,
        ),
        (
            "bytes of an invite's token",
            limits::MAX_INVITE_TOKEN_BYTES as u64,
        ),
        (
            "invites of a conversation that are in force",
            limits::MAX_INVITES as u64,
        ),
        (
            "users in a page of sanctions",
            u64::from(limits::MAX_SANCTIONS_LIMIT),
        ),
        (
            "users in a page of sanctions, by default",
            u64::from(limits::DEFAULT_SANCTIONS_LIMIT),
        ),
        (
            "users in one `create` or `add`",
            limits::MAX_MEMBERS_PER_COMMAND as u64,
        ),
        ("cursors in one `sync`", limits::MAX_CURSORS as u64),
        (
            "entries in a page of history",
            u64::from(limits::MAX_HISTORY_LIMIT),
        ),
        (
            "entries in a page of history, by default",
            u64::from(limits::DEFAULT_HISTORY_LIMIT),
        ),
        (
            "conversations in a page of the list",
            u64::from(limits::MAX_LIST_LIMIT),
        ),
        (
            "conversations in a page of the list, by default",
            u64::from(limits::DEFAULT_LIST_LIMIT),
        ),
        (
            "members in a page of receipts",
            u64::from(limits::MAX_RECEIPTS_LIMIT),
        ),
        (
            "members in a page of receipts, by default",
            u64::from(limits::DEFAULT_RECEIPTS_LIMIT),
        ),
        (
            "members of a conversation that tells of receipts",
            limits::MAX_RECEIPTS_MEMBERS as u64,
        ),
        (
            "characters of what a user says about himself",
            limits::MAX_PRESENCE_TEXT_CHARS as u64,
        ),
        ("users in one `presences`", limits::MAX_PRESENCES as u64),
        (
            "lead of a Lamport stamp over its conversation's clock",
            limits::MAX_LAMPORT_LEAD,
        ),
        ("bytes of a token", limits::MAX_TOKEN_BYTES as u64),
        (
            "characters of a person's name",
            limits::MAX_PROFILE_NAME_CHARS as u64,
        ),
        (
            "characters of what a person says about himself",
            limits::MAX_ABOUT_CHARS as u64,
        ),
        ("bytes of an avatar's URL", limits::MAX_AVATAR_URL_BYTES as u64),
        (
            "bytes of a phone number as it is typed",
            limits::MAX_PHONE_BYTES as u64,
        ),
        ("characters of a device's name", limits::MAX_DEVICE_CHARS as u64),
        (
            "messages in a counted page",
            u64::from(limits::MAX_MESSAGES_LIMIT),
        ),
        (
            "messages in a counted page, by default",
            u64::from(limits::DEFAULT_MESSAGES_LIMIT),
        ),
        ("days in statistics", u64::from(limits::MAX_STATS_DAYS)),
        (
            "days in statistics, by default",
            u64::from(limits::DEFAULT_STATS_DAYS),
        ),
        (
            "newest messages from which statistics are counted",
            limits::MAX_STATS_MESSAGES,
        ),
        ("contacts in a page", u64::from(limits::MAX_CONTACTS_LIMIT)),
        (
            "contacts in a page, by default",
            u64::from(limits::DEFAULT_CONTACTS_LIMIT),
        ),
    ] {
        has_row(&format!("| {limit} | {} |", with_commas(value)));
    }
    assert_eq!(
        limits::MAX_FRAME_BYTES,
        64 * 1024,
        "the tables of codes say 64 KiB"
    );
}

#[test]
fn every_subprotocol_has_its_row() {
    for codec in Codec::ALL {
        let row = format!("| `{}` |", codec.subprotocol());
        assert!(section("### Subprotocols").contains(&row), "{row}");
    }
}

#[test]
fn every_command_has_its_section_with_all_fields_and_examples() {
    for name in Command::NAMES {
        let text = section(&format!("### `{name}`"));
        for field in fields(name) {
            assert!(
                text.contains(&format!("| `{field}` |")),
                "{name}: the field {field} has no row"
            );
        }
        let frames = examples(text, "client");
        assert!(!frames.is_empty(), "{name} has no example");
        for frame in frames {
            let decoded = Codec::Json
                .decode_client(frame.as_bytes())
                .unwrap_or_else(|e| panic!("{frame}: {e:?}"));
            assert_eq!(decoded.command.name(), *name, "{frame}");
        }
        assert!(
            PAGE.contains(&format!("[{name}](#{name})")),
            "{name} is not in the contents"
        );
    }
    assert_eq!(
        section("## Commands").matches("\n### ").count(),
        Command::NAMES.len(),
        "no sections of others"
    );
}

/// A command's fields, as its refusal of an unknown one lists them.
fn fields(command: &str) -> Vec<String> {
    let frame = format!(r#"{{"id":1,"{command}":{{"?":1}}}}"#);
    let refusal = Codec::Json
        .decode_client(frame.as_bytes())
        .unwrap_err()
        .error
        .message;
    let (_, expected) = refusal
        .split_once("unknown field `?`, ")
        .unwrap_or_else(|| panic!("{refusal}"));
    let fields: Vec<_> = expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert_eq!(
        fields.is_empty(),
        expected.starts_with("there are no fields"),
        "{refusal}"
    );
    fields
}

/// Named here so that a new kind does not compile before it is in the list below.
fn kinds(frame: &ServerFrame) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    let (kind, entries) = match frame {
        ServerFrame::Reply { result: Err(_), .. } => ("reply error", vec![]),
        ServerFrame::Reply {
            result: Ok(reply), ..
        } => match reply {
            Reply::Sent(_) => ("reply sent", vec![]),
            Reply::Conversation(_) => ("reply conversation", vec![]),
            Reply::Invited(_) => ("reply invited", vec![]),
            Reply::Invites(_) => ("reply invites", vec![]),
            Reply::Sanctions(_) => ("reply sanctions", vec![]),
            Reply::Synced(_) => ("reply synced", vec![]),
            Reply::History(page) => ("reply history", page.entries.clone()),
            Reply::Conversations(_) => ("reply conversations", vec![]),
            Reply::Receipts(_) => ("reply receipts", vec![]),
            Reply::Status(_) => ("reply status", vec![]),
            Reply::Presences(_) => ("reply presences", vec![]),
            Reply::Stats(_) => ("reply stats", vec![]),
            Reply::MyStats(_) => ("reply my_stats", vec![]),
            Reply::Me(_) => ("reply me", vec![]),
            Reply::User(_) => ("reply user", vec![]),
            Reply::Contacts(_) => ("reply contacts", vec![]),
            Reply::Contact(_) => ("reply contact", vec![]),
            Reply::Blocked(_) => ("reply blocked", vec![]),
            Reply::Sessions(_) => ("reply sessions", vec![]),
            Reply::Done {} => ("reply done", vec![]),
            Reply::Pong { .. } => ("reply pong", vec![]),
        },
        ServerFrame::Event(event) => match event {
            Event::Ready(_) => ("event ready", vec![]),
            Event::Conversation(_) => ("event conversation", vec![]),
            Event::Entry(entry) => ("event entry", vec![entry.clone()]),
            Event::Receipts(_) => ("event receipts", vec![]),
            Event::Typing(_) => ("event typing", vec![]),
            Event::Presence(_) => ("event presence", vec![]),
            Event::Hidden(_) => ("event hidden", vec![]),
            Event::Error(_) => ("event error", vec![]),
        },
    };
    kinds.insert(kind);
    for entry in entries {
        kinds.insert(match &entry.body {
            Body::Created { .. } => "body created",
            Body::Message(_) => "body message",
            Body::Edited { .. } => "body edited",
            Body::Deleted { .. } => "body deleted",
            Body::Reacted { .. } => "body reacted",
            Body::Joined { .. } => "body joined",
            Body::Left { .. } => "body left",
            Body::Dissolved {} => "body dissolved",
            Body::RoleChanged { .. } => "body role_changed",
            Body::Banned { .. } => "body banned",
            Body::Unbanned { .. } => "body unbanned",
            Body::Muted { .. } => "body muted",
            Body::Unmuted { .. } => "body unmuted",
            Body::Updated(_) => "body updated",
            Body::Invited { .. } => "body invited",
            Body::Revoked { .. } => "body revoked",
            Body::Void {} => "body void",
        });
    }
    kinds
}

#[test]
fn every_reply_event_and_body_has_its_row_and_an_example() {
    let mut seen = BTreeSet::new();
    for frame in examples(PAGE, "server") {
        let decoded = Codec::Json
            .decode_server(frame.as_bytes())
            .unwrap_or_else(|e| panic!("{frame}: {e}"));
        // Nothing in it that is not read.
        let again = Codec::Json.encode(&decoded);
        let read: serde_json::Value = serde_json::from_slice(again.as_bytes()).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(frame).unwrap(),
            read,
            "{frame}"
        );
        seen.extend(kinds(&decoded));
    }
    let expected = [
        (
            "## Replies",
            "reply",
            &[
                "sent",
                "conversation",
                "invited",
                "invites",
                "sanctions",
                "synced",
                "history",
                "conversations",
                "receipts",
                "status",
                "presences",
                "stats",
                "my_stats",
                "me",
                "user",
                "contacts",
                "contact",
                "blocked",
                "sessions",
                "done",
                "pong",
            ][..],
        ),
        (
            "## Events",
            "event",
            &[
                "ready",
                "conversation",
                "entry",
                "receipts",
                "typing",
                "presence",
                "hidden",
                "error",
            ],
        ),
        (
            "## Entries",
            "body",
            &[
                "created",
                "message",
                "edited",
                "deleted",
                "reacted",
                "joined",
                "left",
                "dissolved",
                "role_changed",
                "banned",
                "unbanned",
                "muted",
                "unmuted",
                "updated",
                "invited",
                "revoked",
                "void",
            ],
        ),
    ];
    let mut all = BTreeSet::from(["reply error".to_owned()]);
    for (heading, what, names) in expected {
        for name in names {
            let row = format!("\n| `{name}` |");
            assert!(
                section(heading).contains(&row),
                "{heading} lacks a row for {name}"
            );
            all.insert(format!("{what} {name}"));
        }
    }
    assert_eq!(seen.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), all);
}

#[test]
fn links_within_the_page_lead_somewhere() {
    let anchors: BTreeSet<String> = PAGE
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        })
        .map(|anchor| {
            anchor
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(*c, '-' | '_'))
                .collect()
        })
        .collect();
    for link in PAGE.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "#{anchor} is nowhere");
    }
}
