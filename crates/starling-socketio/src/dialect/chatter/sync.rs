//! Comparing what a client holds with what is stored: what it has said while it was away is sent, what it has missed is
//! told.

use serde::{Deserialize, Serialize};
use starling_protocol::{ClientId, ConversationId, Error, ErrorCode, MessagesWanted, UserId};

use super::message::Message;
use super::messages::{NewMessage, send_now};
use super::sync_interval_minutes;
use crate::asker::Asker;
use crate::dialect::payload::invalid;
use crate::dialect::stored::worded;

/// Conversations of one request.
const MAX_CONVERSATIONS: usize = 50;
/// Messages of one request that are to be sent.
const MAX_UNSENT: usize = 100;
/// Messages of one conversation in one answer.
const PAGE: u32 = 50;
/// What the messages of one answer may hold together, in bytes: it is made whole in memory. The rest comes when it is asked
/// for again.
const ANSWER_BYTES: usize = 256 << 10;

/// What a client holds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sync {
    pub(super) user_id: Option<UserId>,
    #[serde(default)]
    conversations: Vec<Held>,
    /// What it could not send, oldest first.
    #[serde(default)]
    messages: Vec<Unsent>,
}

/// How far it has a conversation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    conversation_id: ConversationId,
    #[serde(default)]
    last_sequence_number: u64,
}

/// Each has a key of the client's, since it may have been sent before.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unsent {
    client_id: ClientId,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rest {
    conversation_id: Option<ConversationId>,
    receiver_id: Option<UserId>,
    message: String,
}

/// What there is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Synced {
    /// What has become of the messages, in their order. Where one cannot be sent now, those behind it were not tried.
    sent: Vec<Outcome>,
    conversations: Vec<Missed>,
    sync_interval_minutes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    success: bool,
    client_id: ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

/// What a client has missed of a conversation, oldest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Missed {
    success: bool,
    conversation_id: ConversationId,
    messages: Vec<Message>,
    /// Whether there are newer ones still: ask again from the last of these.
    has_more: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
}

impl Sync {
    /// Sends what is unsent, then finds what is missed.
    ///
    /// # Errors
    /// `invalid` for too much at once; `unavailable`. What concerns one message or conversation alone is told with it.
    pub(super) async fn carry_out(self, asker: Asker<'_>) -> Result<Synced, Error> {
        if self.conversations.len() > MAX_CONVERSATIONS || self.messages.len() > MAX_UNSENT {
            return Err(invalid(format!(
                "at most {MAX_CONVERSATIONS} conversations and {MAX_UNSENT} messages at once"
            )));
        }
        let mut sent = Vec::with_capacity(self.messages.len());
        for unsent in self.messages {
            let outcome = unsent.send(asker).await;
            let goes_on = outcome.code.is_none_or(is_final);
            sent.push(outcome);
            if !goes_on {
                break;
            }
        }
        let mut conversations = Vec::with_capacity(self.conversations.len());
        let mut room = ANSWER_BYTES;
        for held in self.conversations {
            conversations.push(held.missed(asker, &mut room).await?);
        }
        Ok(Synced {
            sent,
            conversations,
            sync_interval_minutes: sync_interval_minutes(asker.server),
        })
    }
}

/// Whether it would be refused again, so that what was said after it need not wait.
fn is_final(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::Unavailable | ErrorCode::Unknown | ErrorCode::Internal | ErrorCode::RateLimited
    )
}

impl Unsent {
    async fn send(self, asker: Asker<'_>) -> Outcome {
        let Rest {
            conversation_id,
            receiver_id,
            message,
        } = self.rest;
        let new = NewMessage {
            conversation_id,
            receiver_id,
            sender_id: None,
            message,
            client_id: Some(self.client_id.clone()),
        };
        let (data, error) = match send_now(asker, new).await {
            Ok(message) => (Some(message), None),
            Err(error) => (None, Some(error)),
        };
        Outcome {
            success: data.is_some(),
            client_id: self.client_id,
            data,
            code: error.as_ref().map(|error| error.code),
            message: error.map(|error| error.message),
        }
    }
}

/// How many of these there is room for: one at least while there is any, so that whoever asks again gets on.
fn fitting(weights: impl Iterator<Item = usize>, room: &mut usize) -> usize {
    let fits = weights.take_while(|weight| {
        let fits = *room > 0;
        *room = room.saturating_sub(*weight);
        fits
    });
    fits.count()
}

impl Held {
    /// As much as there is room for.
    async fn missed(self, asker: Asker<'_>, room: &mut usize) -> Result<Missed, Error> {
        let last = self.last_sequence_number;
        // The page ends one further than it may hold: that one shows whether there is more.
        let wanted = MessagesWanted {
            limit: Some(PAGE + 1),
            as_of: Some(last.saturating_add(u64::from(PAGE) + 1)),
            ..MessagesWanted::default()
        };
        let found = asker
            .engine()
            .messages(asker.user, &self.conversation_id, &wanted)
            .await;
        let missed = |messages, has_more, error: Option<Error>| Missed {
            success: error.is_none(),
            conversation_id: self.conversation_id.clone(),
            messages,
            has_more,
            code: error.as_ref().map(|error| error.code),
            message: error.map(|error| error.message),
        };
        match found {
            Ok(found) => {
                let mut messages = worded(asker.server, &found.messages, Message::new).await;
                messages.retain(|message| message.sequence_number() > last);
                let fitting = fitting(messages.iter().map(Message::weight), room).min(PAGE as usize);
                let has_more = messages.len() > fitting;
                messages.truncate(fitting);
                Ok(missed(messages, has_more, None))
            }
            Err(error) if is_final(error.code) => Ok(missed(Vec::new(), false, Some(error))),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_bounded_and_holds_something() {
        let mut room = 100;
        let mut check = |weights: &[usize], expected| {
            assert_eq!(
                fitting(weights.iter().copied(), &mut room),
                expected,
                "{weights:?}"
            );
        };
        check(&[], 0);
        check(&[30, 30], 2);
        check(&[50, 1], 1);
        check(&[1], 0);
        let mut room = 1;
        assert_eq!(fitting(std::iter::once(1_000), &mut room), 1);
    }
}
