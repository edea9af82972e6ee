//! Histories as files: what is written is read, what makes no sense is said, and what the command exits with.

use std::fs;
use std::path::Path;
use std::process::Command;

use starling_check::history::Call;
use starling_check::store::write_store;
use starling_check::{Recorder, read_history, read_store};
use starling_protocol::{ConversationId, ErrorCode, UserId};

use crate::model::{self, Run};

fn write(run: &Run, directory: &Path) {
    let lines: String = run
        .history
        .iter()
        .map(|record| serde_json::to_string(record).unwrap() + "\n")
        .collect();
    fs::write(directory.join("history.jsonl"), lines).unwrap();
    write_store(&directory.join("store.jsonl"), &run.store).unwrap();
}

#[test]
fn files_hold_what_was_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let run = model::run(1);
    write(&run, directory.path());
    let history = read_history(&directory.path().join("history.jsonl")).unwrap();
    assert!(!history.truncated);
    assert_eq!(history.records, run.history);
    assert_eq!(
        read_store(&directory.path().join("store.jsonl")).unwrap(),
        run.store
    );
}

#[test]
fn a_recorder_writes_to_its_file_what_it_would_keep_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.jsonl");
    let clock = || std::time::Duration::from_nanos(12);
    let in_file = Recorder::create_with_clock(&path, clock).unwrap();
    let in_memory = Recorder::in_memory_with_clock(clock);
    for recorder in [&in_file, &in_memory] {
        let client = recorder.client("u1", &UserId::new("u1").unwrap());
        let op = client.invoke(Call::Leave {
            conversation: ConversationId::new("c").unwrap(),
        });
        recorder.fault_start("kill", Some("node \"1\""));
        client.fail(op, ErrorCode::NotAMember);
        recorder.fault_stop("kill", 3, None);
        recorder.healed();
        recorder.flush().unwrap();
    }
    let history = read_history(&path).unwrap();
    assert_eq!(history.records.len(), 5);
    assert_eq!(history.records, in_memory.records());
    assert!(in_file.records().is_empty());
    assert!(Recorder::create(&directory.path().join("none/history.jsonl")).is_err());
}

#[test]
fn lines_that_make_no_sense_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.jsonl");
    let call = r#"{"at":1,"invoke":{"client":"u1","op":1,"call":{"join":{"conversation":"c"}}}}"#;
    let ok = r#"{"at":2,"ok":{"client":"u1","op":1,"seq":3}}"#;
    for (lines, expected) in [
        (vec![call, "nonsense", ok], "line 2: expected"),
        (vec![call, "", ok], "line 2: "),
        (
            vec![call, r#"{"at":2,"unheard_of":{}}"#],
            "line 2: unknown variant",
        ),
        (
            vec![call, r#"{"at":2,"ok":{"client":"u1"}}"#],
            "line 2: missing field `op`",
        ),
        (vec![ok], "line 1: an outcome of call 1 of u1, which was not made"),
        (vec![call, ok, ok], "line 3: call 1 of u1 has an outcome already"),
        (vec![call, call], "line 2: call 1 of u1 was made before"),
    ] {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let error = read_history(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{lines:?}: {error}");
        assert!(error.contains("history.jsonl"), "{error}");
    }
    let none = read_history(&directory.path().join("none")).unwrap_err();
    assert!(none.to_string().starts_with("cannot read /"), "{none}");
}

#[test]
fn a_history_may_be_cut_off_and_a_store_may_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "{\"at\":1,\"healed\":{}}\n{\"at\":2,\"heal").unwrap();
    let history = read_history(&path).unwrap();
    assert!(history.truncated);
    assert_eq!(history.records.len(), 1);
    fs::write(&path, "{\"at\":1,\"healed\":{}}").unwrap();
    let history = read_history(&path).unwrap();
    assert!(!history.truncated, "only the end of the line is missing");
    assert_eq!(history.records.len(), 1);
    fs::write(&path, "{\"entry\":{\"conv").unwrap();
    let error = read_store(&path).unwrap_err().to_string();
    assert!(error.contains("line 1: cut off"), "{error}");
}

/// What the command prints to its output and its error output, and what it exits with.
fn command(arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_starling-check"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code().unwrap(),
    )
}

#[test]
fn the_command_exits_with_its_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_str().unwrap();
    let mut run = model::run(2);
    write(&run, directory.path());
    let (output, _, code) = command(&[at]);
    assert_eq!(code, 0, "{output}");
    let table: Vec<&str> = output.lines().rev().take(12).collect();
    assert_eq!(table[0], "verdict           nothing violated");
    assert!(table[11].starts_with("sends  "), "{output}");
    assert!(table[3].ends_with("2 of 2 struck"), "{output}");
    assert!(
        output.lines().any(|line| line.starts_with("kill   p50 ")),
        "{output}"
    );

    let (history, store) = (format!("{at}/history.jsonl"), format!("{at}/store.jsonl"));
    let cut = fs::read_to_string(&history).unwrap();
    fs::write(&history, &cut[..cut.len() - 5]).unwrap();
    let (output, _, _) = command(&["--history", &history, "--store", &store]);
    assert!(output.contains("last line was cut off"), "{output}");

    run.store.remove(3);
    write(&run, directory.path());
    let (output, _, code) = command(&[at]);
    assert_eq!(code, 1, "{output}");
    assert!(output.ends_with("verdict           VIOLATED\n"), "{output}");
    assert!(output.contains("I6 violated 1 times"), "{output}");

    fs::write(&store, "nonsense\n").unwrap();
    let (output, error, code) = command(&[at]);
    assert_eq!((output.as_str(), code), ("", 2));
    assert!(error.contains("store.jsonl, line 1"), "{error}");
    let (_, error, code) = command(&["/nowhere"]);
    assert_eq!(code, 2);
    assert!(
        error.starts_with("starling-check: cannot read /nowhere/history.jsonl: No such file"),
        "{error}"
    );
    assert_eq!(error.matches("No such file").count(), 1, "{error}");
    assert_eq!(command(&[]).2, 2);
    assert_eq!(command(&["--history", &history]).2, 2);
}
