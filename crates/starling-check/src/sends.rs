//! Each send with all that a history says about it. Edits, deletions, reactions, and what governs a conversation, are sends
//! here as messages are.

use std::collections::HashMap;

use starling_protocol::Seq;

use crate::facts::Calls;
use crate::history::{Call, Record, What};

/// All sends, in the order in which they first appear.
#[derive(Default)]
pub(crate) struct Sends<'a> {
    all: Vec<Send<'a>>,
    by_key: HashMap<Key<'a>, usize>,
}

/// What names an entry: conversation, sender, client id.
pub(crate) type Key<'a> = (&'a str, &'a str, &'a str);

/// One send. Numbers of records are indices into the history.
#[derive(Debug)]
pub(crate) struct Send<'a> {
    pub(crate) client: &'a str,
    pub(crate) conversation: &'a str,
    pub(crate) sender: &'a str,
    pub(crate) client_id: &'a str,
    /// The record of the call.
    pub(crate) invoked: Option<usize>,
    /// The record of its first transmission.
    pub(crate) first_sent: Option<usize>,
    /// Whether it was transmitted more than once.
    pub(crate) resent: bool,
    /// Acknowledgements, on the wire and to the application: the record, and the seq that it says.
    pub(crate) acks: Vec<(usize, Seq)>,
    /// The first error on the wire.
    pub(crate) error: Option<usize>,
    /// The record of a definite refusal to the application.
    pub(crate) failed: Option<usize>,
    /// Whether the application was told that it is done: stored, or an alteration that was made already.
    pub(crate) ok: bool,
}

impl Send<'_> {
    /// The record before which it did not exist.
    pub(crate) fn made(&self) -> Option<usize> {
        self.first_sent.or(self.invoked)
    }
}

impl<'a> Sends<'a> {
    /// `records` in the order of time; `user` tells whose a client is.
    pub(crate) fn new(
        records: impl Iterator<Item = (usize, &'a Record)>,
        calls: &Calls<'a>,
        user: impl Fn(&'a str) -> &'a str,
    ) -> Self {
        let mut sends = Self::default();
        let mut frames: HashMap<(&str, u64, u64), usize> = HashMap::new();
        for (n, record) in records {
            match &record.what {
                What::Invoke {
                    client,
                    call:
                        Call::Send {
                            conversation,
                            client_id,
                        },
                    ..
                } => {
                    let key = (conversation.as_str(), user(client), client_id.as_str());
                    let index = sends.index(client, key);
                    sends.all[index].invoked.get_or_insert(n);
                }
                What::Sent {
                    client,
                    epoch,
                    frame,
                    conversation,
                    client_id,
                    ..
                } => {
                    let key = (conversation.as_str(), user(client), client_id.as_str());
                    let index = sends.index(client, key);
                    let send = &mut sends.all[index];
                    send.resent = send.first_sent.is_some();
                    send.first_sent.get_or_insert(n);
                    frames.insert((client, *epoch, *frame), index);
                }
                What::Answered {
                    client,
                    epoch,
                    frame,
                    seq,
                    code,
                } => {
                    if let Some(index) = frames.get(&(client.as_ref(), *epoch, *frame)) {
                        let send = &mut sends.all[*index];
                        send.acks.extend(seq.map(|seq| (n, seq)));
                        if code.is_some() {
                            send.error.get_or_insert(n);
                        }
                    }
                }
                What::Ok { client, op, seq } => {
                    if let Some(send) = sends.of_call(calls, &user, client, *op) {
                        send.ok = true;
                        send.acks.extend(seq.map(|seq| (n, seq)));
                    }
                }
                What::Fail { client, op, .. } => {
                    if let Some(send) = sends.of_call(calls, &user, client, *op) {
                        send.failed.get_or_insert(n);
                    }
                }
                _ => {}
            }
        }
        sends
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Send<'a>> {
        self.all.iter()
    }

    pub(crate) fn get(&self, key: Key<'_>) -> Option<&Send<'a>> {
        self.by_key.get(&key).and_then(|index| self.all.get(*index))
    }

    fn of_call(
        &mut self,
        calls: &Calls<'a>,
        user: impl Fn(&'a str) -> &'a str,
        client: &'a str,
        op: u64,
    ) -> Option<&mut Send<'a>> {
        let Some(Call::Send {
            conversation,
            client_id,
        }) = calls.get(client, op)
        else {
            return None;
        };
        let key = (conversation.as_str(), user(client), client_id.as_str());
        self.by_key.get(&key).and_then(|index| self.all.get_mut(*index))
    }

    fn index(&mut self, client: &'a str, key: Key<'a>) -> usize {
        let (conversation, sender, client_id) = key;
        *self.by_key.entry(key).or_insert_with(|| {
            self.all.push(Send {
                client,
                conversation,
                sender,
                client_id,
                invoked: None,
                first_sent: None,
                resent: false,
                acks: Vec::new(),
                error: None,
                failed: None,
                ok: false,
            });
            self.all.len() - 1
        })
    }
}
