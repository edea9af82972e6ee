//! Going on after a lost connection, on whichever node.
//!
//! Nothing is kept for it: the client holds what it takes. `pid` tells it that recovery is offered; the *offset* says
//! how far it has the log of each room that it has joined. It sends both back, and what it missed is read from the log.
//!
//! The JavaScript client takes for the offset whatever string an event ends with. Ours comes in an event of its own,
//! after the events that it covers, and not at the end of each of them: other clients (Python's) hand every argument
//! to a handler that takes exactly those that are documented.

use std::collections::BTreeMap;

use serde_json::Value;
use starling_protocol::{ConversationId, Seq};

/// The event that carries offsets. With `null` it carries none, and clients do not look at it.
pub(crate) const OFFSET: &str = "starling:offset";
/// A client in more rooms than fit is told to load anew.
const MAX_OFFSET_BYTES: usize = 16 << 10;
/// What was missed in one room is replayed up to here; beyond it loading anew is better.
pub(crate) const MAX_MISSED: u64 = 1_000;
/// Rooms of one client; each of them is looked at when it comes back.
const MAX_ROOMS: usize = 200;
const MAX_PID_BYTES: usize = 64;

/// How far the client has each of its rooms.
pub(crate) type Cursors = BTreeMap<ConversationId, Seq>;

/// What a client that comes back says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) pid: String,
    pub(crate) cursors: Cursors,
}

/// As the client will give it back.
pub(crate) fn write(cursors: &Cursors) -> String {
    let text = serde_json::to_string(cursors).unwrap_or_default();
    if text.len() > MAX_OFFSET_BYTES || cursors.len() > MAX_ROOMS {
        return String::new();
    }
    text
}

/// Reads the claim out of what a client connects with. `None` if it makes none that could be followed: it was never
/// told an offset, say, so nothing is known of what it has.
pub(crate) fn read(auth: &Value) -> Option<Claim> {
    let text = |name: &str| auth.get(name).and_then(Value::as_str);
    let (pid, offset) = (text("pid")?, text("offset")?);
    if pid.is_empty() || pid.len() > MAX_PID_BYTES || offset.len() > MAX_OFFSET_BYTES {
        return None;
    }
    let cursors: Cursors = serde_json::from_str(offset).ok()?;
    (cursors.len() <= MAX_ROOMS).then(|| Claim {
        pid: pid.to_owned(),
        cursors,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_offset_is_read_as_it_was_written() {
        let cursors: Cursors = [("room-1", 7), ("g-x", 0)]
            .map(|(id, seq)| (ConversationId::new(id).unwrap(), seq))
            .into();
        let claim = read(&json!({"pid": "p", "offset": write(&cursors), "token": "t"})).unwrap();
        assert_eq!(
            claim,
            Claim {
                pid: "p".into(),
                cursors
            }
        );
    }

    #[test]
    fn what_is_no_claim_is_none() {
        for auth in [
            json!(null),
            json!({"pid": "p"}),
            json!({"offset": "{}"}),
            json!({"pid": "p", "offset": ""}),
            json!({"pid": "p", "offset": "{\"a b\":1}"}),
            json!({"pid": "p", "offset": "{\"a\":-1}"}),
            json!({"pid": "p".repeat(65), "offset": "{}"}),
            json!({"pid": 1, "offset": "{}"}),
        ] {
            assert_eq!(read(&auth), None, "{auth}");
        }
    }
}
