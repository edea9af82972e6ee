//! Small histories, written by hand, for rules that generated ones hardly touch.

use starling_check::store::StoreRecord;
use starling_check::{Digest, Invariant, Record, check};
use starling_protocol::Entry;

/// A log of `ann` and `bob` in `c`: `created`, then these messages, each `sender client_id`.
fn store(messages: &[&str]) -> Vec<StoreRecord> {
    let mut lines = vec![
        r#"{"conversation":"c","seq":1,"sender":"ann","lamport":1,"at":1,"messages":0,"membership":1,"body":{"created":{"kind":"group","members":[{"user":"ann","role":"admin"},{"user":"bob","role":"moderator"}]}}}"#.to_owned(),
    ];
    for (index, message) in messages.iter().enumerate() {
        let (seq, (sender, id)) = (index + 2, message.split_once(' ').unwrap());
        lines.push(format!(
            r#"{{"conversation":"c","seq":{seq},"sender":"{sender}","client_id":"{id}","lamport":{seq},"at":1,"messages":{},"membership":1,"body":{{"message":{{"text":"hi"}}}}}}"#,
            index + 1
        ));
    }
    let entry = |line: &String| StoreRecord::Entry(serde_json::from_str(line).unwrap());
    lines.iter().map(entry).collect()
}

/// One record a millisecond.
fn history(lines: &[&str]) -> Vec<Record> {
    let record = |(n, line): (usize, &&str)| {
        let line = format!(r#"{{"at":{},{}}}"#, n * 1_000_000, line);
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    lines.iter().enumerate().map(record).collect()
}

fn violated(lines: &[&str], messages: &[&str]) -> Vec<Invariant> {
    check(&history(lines), &store(messages)).violated().collect()
}

const X_ASKED: &str =
    r#""invoke":{"client":"ann","op":1,"call":{"send":{"conversation":"c","client_id":"x"}}}"#;
const Y_ASKED: &str =
    r#""invoke":{"client":"ann","op":2,"call":{"send":{"conversation":"c","client_id":"y"}}}"#;
const X_SENT: &str = r#""sent":{"client":"ann","epoch":1,"frame":1,"conversation":"c","client_id":"x"}"#;
const Y_SENT: &str = r#""sent":{"client":"ann","epoch":1,"frame":2,"conversation":"c","client_id":"y"}"#;
const X_AGAIN: &str =
    r#""sent":{"client":"ann","epoch":2,"frame":3,"conversation":"c","client_id":"x","retry":true}"#;
const Y_AGAIN: &str =
    r#""sent":{"client":"ann","epoch":2,"frame":4,"conversation":"c","client_id":"y","retry":true}"#;
const X_OK: &str = r#""answered":{"client":"ann","epoch":2,"frame":3,"seq":3}"#;
const Y_OK: &str = r#""answered":{"client":"ann","epoch":2,"frame":4,"seq":2}"#;

#[test]
fn sends_keep_their_order_across_connections_unless_a_refusal_may_have_been_lost() {
    let mut lines = vec![X_ASKED, Y_ASKED, X_SENT, Y_SENT, X_AGAIN, Y_AGAIN, X_OK, Y_OK];
    assert_eq!(violated(&lines, &["ann y", "ann x"]), [Invariant::I5]);
    assert_eq!(
        violated(&lines[..7], &["ann y", "ann x"]),
        [Invariant::I5],
        "whether or not Y was answered"
    );

    let bob = r#""sent":{"client":"bob","epoch":1,"frame":1,"conversation":"c","client_id":"z"}"#;
    let limited = r#""answered":{"client":"bob","epoch":1,"frame":1,"code":"rate_limited"}"#;
    lines.extend([bob, limited]);
    assert_eq!(
        violated(&lines, &["ann y", "ann x"]),
        [],
        "where limits were hit, X may have been refused first"
    );
}

#[test]
fn a_send_that_was_given_up_or_refused_once_may_be_overtaken() {
    let given_up = r#""info":{"client":"ann","op":1,"reason":"deadline"}"#;
    let lines = [X_ASKED, Y_ASKED, X_SENT, Y_SENT, given_up, Y_AGAIN, Y_OK];
    assert_eq!(violated(&lines, &["ann y", "ann x"]), []);
    let put_off = r#""answered":{"client":"ann","epoch":1,"frame":1,"code":"unavailable"}"#;
    let lines = [
        X_ASKED, Y_ASKED, X_SENT, Y_SENT, put_off, X_AGAIN, Y_AGAIN, X_OK, Y_OK,
    ];
    assert_eq!(violated(&lines, &["ann y", "ann x"]), []);
    // The other way round: what was given up must still not be overtaken by what was sent before it.
    let given_up = r#""info":{"client":"ann","op":2,"reason":"deadline"}"#;
    let lines = [X_ASKED, Y_ASKED, X_SENT, Y_SENT, given_up, X_AGAIN, X_OK];
    assert_eq!(violated(&lines, &["bob z", "ann x", "ann y"]), []);
    let x_ok = r#""answered":{"client":"ann","epoch":1,"frame":1,"seq":3}"#;
    let lines = [X_ASKED, Y_ASKED, X_SENT, Y_SENT, given_up, x_ok];
    assert_eq!(violated(&lines, &["ann y", "ann x"]), [Invariant::I5]);
}

#[test]
fn a_former_member_is_sent_the_rest_without_a_start_once() {
    let log = store(&["ann x", "ann y"]);
    let entries: Vec<&Entry> = log
        .iter()
        .filter_map(|record| match record {
            StoreRecord::Entry(entry) => Some(entry),
            StoreRecord::Conversation(_) => None,
        })
        .collect();
    let sync = r#""sync":{"client":"bob","epoch":1,"cursors":{"c":1}}"#.to_owned();
    let synced = r#""synced":{"client":"bob","epoch":1}"#.to_owned();
    let entry = |seq: usize| {
        let digest = Digest::of(entries[seq - 1]);
        format!(
            r#""entry":{{"client":"bob","epoch":1,"conversation":"c","seq":{seq},"kind":"message","via":"sync","digest":"{digest}"}}"#
        )
    };
    for (lines, expected) in [
        (vec![&sync, &entry(2), &entry(3), &synced], vec![]),
        (vec![&sync, &entry(2), &entry(2), &synced], vec![Invariant::I4]),
        (vec![&sync, &entry(3), &synced], vec![Invariant::I4]),
        (vec![&sync, &synced, &entry(2)], vec![Invariant::I4]),
        (vec![&entry(2)], vec![Invariant::I4]),
    ] {
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
        assert_eq!(violated(&lines, &["ann x", "ann y"]), expected, "{lines:?}");
    }
}

#[test]
fn recovery_is_counted_from_the_fault_to_the_first_send_that_was_made_after_it() {
    let ok = |op: u64, seq: u64| format!(r#""ok":{{"client":"ann","op":{op},"seq":{seq}}}"#);
    let start = r#""fault":{"name":"kill","phase":"start"}"#;
    let stop = r#""fault":{"name":"kill","phase":"stop","strikes":0}"#;
    // X is made before the fault and answered after it, which says nothing; Y is made after it.
    let (x, y) = (ok(1, 2), ok(2, 3));
    let lines = [X_ASKED, start, &x, Y_ASKED, stop, &y, start];
    let report = check(&history(&lines), &store(&["ann x", "ann y"]));
    assert!(!report.is_violated(), "{}", report.excerpts());
    let all = &report.recovery.all;
    assert_eq!(
        (all.count(), all.max()),
        (1, Some(std::time::Duration::from_millis(4)))
    );
    assert_eq!(report.unstruck().count(), 2);
    assert!(
        report.table().contains("0 of 2 struck; in vain: kill\n"),
        "{}",
        report.table()
    );

    let report = check(&history(&lines[..5]), &store(&["ann x"]));
    assert_eq!((report.recovery.all.count(), report.recovery.all.never), (0, 1));
    assert_eq!((report.figures.sends_ok, report.figures.sends_info), (1, 1));
}

/// A log of ann and bob: a message of each, and what became of ann's, which the store tells so.
fn altered(alterations: &[(&str, &str)], text: &str, state: &str) -> Vec<Invariant> {
    let mut log = store(&["ann x", "bob y"]);
    if let StoreRecord::Entry(entry) = &mut log[1] {
        entry.state = serde_json::from_str(state).unwrap();
        entry.body = serde_json::from_str(&format!(r#"{{"message":{{"text":"{text}"}}}}"#)).unwrap();
    }
    for (index, (sender, body)) in alterations.iter().enumerate() {
        let seq = index + 4;
        let line = format!(
            r#"{{"conversation":"c","seq":{seq},"sender":"{sender}","client_id":"a{seq}","lamport":{seq},"at":{seq},"messages":2,"membership":1,"body":{body}}}"#
        );
        log.push(StoreRecord::Entry(serde_json::from_str(&line).unwrap()));
    }
    check(&[], &log).violated().collect()
}

#[test]
fn what_the_store_tells_of_a_message_is_what_became_of_it() {
    let edited = ("ann", r#"{"edited":{"target":2,"text":"ho"}}"#);
    let late = ("ann", r#"{"edited":{"target":2,"text":""}}"#);
    let liked = ("bob", r#"{"reacted":{"target":2,"emoji":"+1"}}"#);
    let disliked = ("bob", r#"{"reacted":{"target":2,"emoji":"+1","removed":true}}"#);
    let deleted = ("bob", r#"{"deleted":{"target":2}}"#);
    let has_ho = r#"{"changed":4,"text":"ho","edited_at":4}"#;
    for (alterations, text, state, expected) in [
        (&[][..], "hi", "null", vec![]),
        (&[edited], "hi", has_ho, vec![]),
        (&[edited], "hi", "null", vec![Invariant::I7]),
        (&[], "hi", has_ho, vec![Invariant::I7]),
        (
            &[edited],
            "hi",
            r#"{"changed":4,"text":"hi","edited_at":4}"#,
            vec![Invariant::I7],
        ),
        (
            &[liked],
            "hi",
            r#"{"changed":4,"reactions":{"+1":["bob"]}}"#,
            vec![],
        ),
        (&[liked, disliked], "hi", r#"{"changed":5}"#, vec![]),
        (
            &[liked, disliked],
            "hi",
            r#"{"changed":5,"reactions":{"+1":["bob"]}}"#,
            vec![Invariant::I7],
        ),
        (
            &[deleted],
            "",
            r#"{"changed":4,"deleted_at":4,"deleted_by":"bob"}"#,
            vec![],
        ),
        (
            &[deleted],
            "hi",
            r#"{"changed":4,"deleted_at":4,"deleted_by":"bob"}"#,
            vec![Invariant::I7],
        ),
        (
            &[deleted, late],
            "",
            r#"{"changed":5,"deleted_at":4,"deleted_by":"bob"}"#,
            vec![],
        ),
        (
            &[edited, deleted],
            "",
            r#"{"changed":5,"deleted_at":5,"deleted_by":"bob"}"#,
            vec![Invariant::I7],
        ),
        (
            &[("bob", r#"{"edited":{"target":2,"text":"ho"}}"#)],
            "hi",
            has_ho,
            vec![Invariant::I10],
        ),
    ] {
        assert_eq!(
            altered(alterations, text, state),
            expected,
            "{alterations:?} {text} {state}"
        );
    }
}

#[test]
fn the_text_of_what_was_deleted_may_differ_and_nothing_else() {
    let mut log = store(&["ann x"]);
    let StoreRecord::Entry(first) = log[1].clone() else {
        panic!("an entry");
    };
    if let StoreRecord::Entry(entry) = &mut log[1] {
        entry.state = serde_json::from_str(r#"{"changed":3,"deleted_at":1,"deleted_by":"ann"}"#).unwrap();
        entry.body = serde_json::from_str(r#"{"message":{"text":""}}"#).unwrap();
    }
    let deleted = r#"{"conversation":"c","seq":3,"sender":"ann","client_id":"d","lamport":3,"at":1,"messages":1,"membership":1,"body":{"deleted":{"target":2}}}"#;
    log.push(StoreRecord::Entry(serde_json::from_str(deleted).unwrap()));
    let heard = |entry: &Entry| {
        let digest = Digest::of(entry);
        let line = format!(
            r#""entry":{{"client":"bob","epoch":1,"conversation":"c","seq":2,"kind":"message","via":"history","digest":"{digest}"}}"#
        );
        check(&history(&[&line]), &log).violated().collect::<Vec<_>>()
    };
    assert_eq!(heard(&first), []);
    let another = Entry {
        lamport: 9,
        ..first.clone()
    };
    assert_eq!(heard(&another), [Invariant::I2]);
}

#[test]
fn an_invite_whose_end_was_acknowledged_is_over() {
    const INVITE: &str = "abcdefghijklmnopqrstuvwxyz234567";
    let asked = format!(
        r#""invoke":{{"client":"ann","op":1,"call":{{"revoke":{{"conversation":"c","invite":"{INVITE}"}}}}}}"#
    );
    let ok = r#""ok":{"client":"ann","op":1,"seq":2}"#;
    let lines = history(&[&asked, ok]);
    let mut log = store(&["ann x"]);
    assert_eq!(
        check(&lines, &log).violated().collect::<Vec<_>>(),
        [Invariant::I1]
    );
    let entry = |seq: u64, body: &str| {
        let line = format!(
            r#"{{"conversation":"c","seq":{seq},"sender":"ann","client_id":"y{seq}","lamport":{seq},"at":1,"messages":0,"membership":{seq},"body":{{{body}}}}}"#
        );
        StoreRecord::Entry(serde_json::from_str(&line).unwrap())
    };
    log.truncate(1);
    log.push(entry(2, &format!(r#""invited":{{"invite":"{INVITE}"}}"#)));
    log.push(entry(3, &format!(r#""revoked":{{"invite":"{INVITE}"}}"#)));
    assert_eq!(
        check(&lines, &log).violated().collect::<Vec<_>>(),
        [Invariant::I1],
        "it is over later"
    );
    let ok = r#""ok":{"client":"ann","op":1,"seq":3}"#;
    assert_eq!(check(&history(&[&asked, ok]), &log).violated().count(), 0);
}
