//! What all invariants are decided from: the history in the order of time, the store by conversation.

use std::collections::HashMap;

use crate::history::{Call, Record, What};
use crate::logs::Logs;
use crate::sends::Sends;
use crate::store::{StoreRecord, StoredConversation};

/// See the module.
pub(crate) struct Facts<'a> {
    pub(crate) records: &'a [Record],
    pub(crate) logs: Logs<'a>,
    /// The directory's conversations, with their places in the store's state.
    pub(crate) directory: Vec<(usize, &'a StoredConversation)>,
    pub(crate) calls: Calls<'a>,
    pub(crate) sends: Sends<'a>,
    /// Indices of `records` by time.
    order: Vec<usize>,
    users: HashMap<&'a str, &'a str>,
}

/// What was asked for, by client and number.
pub(crate) struct Calls<'a>(HashMap<(&'a str, u64), &'a Call>);

impl<'a> Calls<'a> {
    fn new(records: &'a [Record]) -> Self {
        let call = |record: &'a Record| match &record.what {
            What::Invoke { client, op, call } => Some(((client.as_ref(), *op), call)),
            _ => None,
        };
        Self(records.iter().filter_map(call).collect())
    }

    pub(crate) fn get(&self, client: &'a str, op: u64) -> Option<&'a Call> {
        self.0.get(&(client, op)).copied()
    }
}

impl<'a> Facts<'a> {
    pub(crate) fn new(records: &'a [Record], store: &'a [StoreRecord]) -> Self {
        let users = records.iter().filter_map(|record| match &record.what {
            What::Connected { client, user, .. } => Some((client.as_ref(), user.as_str())),
            _ => None,
        });
        let directory = store
            .iter()
            .enumerate()
            .filter_map(|(place, record)| match record {
                StoreRecord::Conversation(conversation) => Some((place, conversation)),
                StoreRecord::Entry(_) => None,
            });
        let mut order: Vec<usize> = (0..records.len()).collect();
        // Stable, and next to nothing where the records are in order already, as recorders write them.
        order.sort_by_key(|n| records[*n].at);
        let mut facts = Self {
            records,
            logs: Logs::new(store),
            directory: directory.collect(),
            calls: Calls::new(records),
            sends: Sends::default(),
            order,
            users: users.collect(),
        };
        facts.sends = Sends::new(facts.in_time(), &facts.calls, |client| facts.user(client));
        facts
    }

    /// The records with their indices, in the order of time.
    pub(crate) fn in_time(&self) -> impl Iterator<Item = (usize, &'a Record)> {
        let records = self.records;
        self.order.iter().map(move |n| (*n, &records[*n]))
    }

    /// A place in time that tells any two records apart.
    pub(crate) fn time(&self, n: usize) -> (u64, usize) {
        (self.records[n].at, n)
    }

    /// Whose a client is. One that never connected is known by its name only.
    pub(crate) fn user(&self, client: &'a str) -> &'a str {
        let by_name = || client.split('/').next().unwrap_or(client);
        self.users.get(client).copied().unwrap_or_else(by_name)
    }
}
