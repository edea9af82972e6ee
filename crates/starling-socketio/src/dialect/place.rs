//! The ids of messages.

use starling_protocol::{ConversationId, Error, Seq};

use super::payload::invalid;

/// A message's id names its place in the log.
pub(super) fn id_of(conversation: &ConversationId, seq: Seq) -> String {
    format!("{conversation}:{seq}")
}

/// The place that an id names.
///
/// # Errors
/// `invalid` for what is no id of a message.
pub(super) fn place_of(id: &str) -> Result<(ConversationId, Seq), Error> {
    let place = id.rsplit_once(':').and_then(|(conversation, seq)| {
        let seq = seq.parse().ok().filter(|seq| *seq > 0)?;
        Some((ConversationId::new(conversation).ok()?, seq))
    });
    place.ok_or_else(|| invalid("messageId is not the id of a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_place() {
        let room = ConversationId::new("a:b").unwrap();
        assert_eq!(place_of(&id_of(&room, 7)).unwrap(), (room, 7));
        for id in ["", "a", "a:", "a:0", "a:x", ":1", "a b:1"] {
            assert!(place_of(id).is_err(), "{id:?}");
        }
    }
}
