//! A node whose services are not there: it is alive, not ready, and goes when it is asked.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{SECRET, run, starling};

/// Nothing listens on port 1, so whatever is there is refused at once.
const AWAY: [(&str, &str); 4] = [
    ("STARLING_MONGODB_URI", "mongodb://127.0.0.1:1/starling"),
    ("STARLING_REDIS_URL", "redis://127.0.0.1:1"),
    ("STARLING_LOG_FORMAT", "json"),
    ("STARLING_TOKEN_SECRET", SECRET),
];

/// A node that waits for its services, on a port that the system chose. Ends with the test.
struct Node {
    child: Child,
    address: String,
    /// What it logged until it listened.
    log: String,
}

impl Node {
    fn start(env: &[(&str, &str)]) -> Self {
        let env = [
            &AWAY[..],
            &[("STARLING_LISTEN", "127.0.0.1:0"), ("STARLING_NODE_ID", "n1")],
            env,
        ]
        .concat();
        let mut child = starling(&["serve"], &env).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended: {log}");
            log += &line;
            let event: Value = serde_json::from_str(&line).expect("every line is JSON");
            if event["message"] == "listening" {
                assert_eq!(event["node"], "n1");
                break event["address"].as_str().unwrap().to_owned();
            }
        };
        child.stderr = Some(lines.into_inner());
        Self { child, address, log }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end, and says how it was and what was logged on the way.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut rest)
            .unwrap();
        (
            self.child.wait().unwrap().code(),
            std::mem::take(&mut self.log) + &rest,
        )
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_node_without_its_services_is_alive_and_not_ready() {
    let node = Node::start(&[]);
    let listen = [("STARLING_LISTEN", node.address.as_str())];
    let live = run(&["healthcheck", "--live"], &listen);
    assert_eq!(
        (live.code, live.out.as_str()),
        (Some(0), "200 {\"status\":\"alive\"}\n"),
        "{}",
        live.err
    );
    let ready = run(&["healthcheck"], &listen);
    assert_eq!(ready.code, Some(1));
    assert!(
        ready.out.starts_with("503 ") && ready.out.contains("the node is starting"),
        "{}",
        ready.out
    );
    assert!(ready.err.contains("is not ready"), "{}", ready.err);
}

#[test]
fn a_node_that_waits_goes_at_once_when_asked() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let node = Node::start(&[]);
        node.signal(signal);
        let (code, log) = node.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("asked to end before it served"), "{log}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(
        &[],
        &[&AWAY[..], &[("STARLING_LISTEN", address.as_str())]].concat(),
    );
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains(&format!("cannot listen on {address}")),
        "{}",
        ended.err
    );
}

#[test]
fn settings_that_only_the_services_can_refuse_end_the_node() {
    let env = [
        &AWAY[..],
        &[
            ("STARLING_LISTEN", "127.0.0.1:0"),
            ("STARLING_MONGODB_URI", "mongodb://h/?w=x&tls=maybe"),
        ],
    ];
    let ended = run(&[], &env.concat());
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("MongoDB cannot be used"), "{}", ended.err);
}

#[test]
fn nobody_there_is_not_healthy() {
    let ended = run(&["healthcheck"], &[("STARLING_LISTEN", "127.0.0.1:1")]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
}
