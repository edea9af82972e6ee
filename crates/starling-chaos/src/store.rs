//! What MongoDB holds in the end, read by the plain driver: the nodes' own code is not asked about itself.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Client, Database};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use starling_check::store::{StoreRecord, StoredConversation, StoredMember, write_store};
use starling_cluster::Cluster;
use starling_protocol::{Body, ClientId, ConversationId, Entry, MessageState, Role, Seq, UserId};

/// The nodes' database, as a majority holds it.
pub(crate) async fn open(cluster: &Cluster) -> Result<Database> {
    let mut options = ClientOptions::parse(cluster.mongo().url()).await?;
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    Ok(Client::with_options(options)?.database("starling"))
}

/// All that is stored.
pub(crate) struct Stored {
    entries: Vec<Entry>,
    conversations: Vec<StoredConversation>,
}

#[derive(Deserialize)]
struct ConversationDocument {
    #[serde(rename = "_id")]
    id: ConversationId,
    applied: Seq,
}

#[derive(Deserialize)]
struct MemberDocument {
    conversation: ConversationId,
    user: UserId,
    role: Role,
    left: Seq,
    delivered: Seq,
    #[serde(default)]
    read: Seq,
}

/// An entry as it is stored. What became of it is kept in another shape than clients are told it in.
#[derive(Deserialize)]
struct EntryDocument {
    conversation: ConversationId,
    seq: Seq,
    sender: Option<UserId>,
    client_id: Option<ClientId>,
    lamport: u64,
    at: i64,
    messages: u64,
    membership: Seq,
    body: Body,
    state: Option<StateDocument>,
}

#[derive(Deserialize)]
struct StateDocument {
    changed: Seq,
    edit: Option<EditDocument>,
    deleted: Option<DeletedDocument>,
    #[serde(default)]
    reactions: Vec<ReactionDocument>,
}

#[derive(Deserialize)]
struct EditDocument {
    at: i64,
    text: String,
}

#[derive(Deserialize)]
struct DeletedDocument {
    at: i64,
    by: UserId,
}

#[derive(Deserialize)]
struct ReactionDocument {
    emoji: String,
    user: UserId,
    removed: bool,
}

impl EntryDocument {
    fn entry(self) -> Entry {
        Entry {
            conversation: self.conversation,
            seq: self.seq,
            sender: self.sender,
            client_id: self.client_id,
            lamport: self.lamport,
            at: self.at,
            messages: self.messages,
            membership: self.membership,
            body: self.body,
            state: self.state.map(StateDocument::state),
        }
    }
}

impl StateDocument {
    fn state(self) -> MessageState {
        let mut reactions: BTreeMap<String, Vec<UserId>> = BTreeMap::new();
        for reaction in self.reactions.into_iter().filter(|reaction| !reaction.removed) {
            reactions.entry(reaction.emoji).or_default().push(reaction.user);
        }
        reactions.values_mut().for_each(|users| users.sort());
        MessageState {
            changed: self.changed,
            text: self.edit.as_ref().map(|edit| edit.text.clone()),
            edited_at: self.edit.map(|edit| edit.at),
            deleted_at: self.deleted.as_ref().map(|deleted| deleted.at),
            deleted_by: self.deleted.map(|deleted| deleted.by),
            reactions,
            alterations: 0,
        }
    }
}

impl Stored {
    /// Reads it.
    pub(crate) async fn read(cluster: &Cluster) -> Result<Self> {
        let database = open(cluster).await?;
        let entries: Vec<EntryDocument> =
            all(&database, "entries", doc! { "conversation": 1, "seq": 1 }).await?;
        let entries: Vec<Entry> = entries.into_iter().map(EntryDocument::entry).collect();
        let documents: Vec<ConversationDocument> = all(&database, "conversations", doc! { "_id": 1 }).await?;
        let members: Vec<MemberDocument> =
            all(&database, "members", doc! { "conversation": 1, "user": 1 }).await?;
        let mut conversations: BTreeMap<ConversationId, StoredConversation> = BTreeMap::new();
        for document in documents {
            let conversation = StoredConversation {
                id: document.id.clone(),
                head: None,
                applied: Some(document.applied),
                members: Vec::new(),
            };
            conversations.insert(document.id, conversation);
        }
        for entry in &entries {
            if let Some(conversation) = conversations.get_mut(&entry.conversation) {
                conversation.head = conversation.head.max(Some(entry.seq));
            }
        }
        for member in members {
            if let Some(conversation) = conversations.get_mut(&member.conversation) {
                conversation.members.push(StoredMember {
                    user: member.user,
                    role: member.role,
                    delivered: member.delivered,
                    read: member.read,
                    left: (member.left != 0).then_some(member.left),
                });
            }
        }
        Ok(Self {
            entries,
            conversations: conversations.into_values().collect(),
        })
    }

    /// The heads of a user's conversations.
    pub(crate) fn heads_of(&self, user: &UserId) -> impl Iterator<Item = (&ConversationId, Seq)> {
        let present = move |conversation: &&StoredConversation| {
            let members = &conversation.members;
            members
                .iter()
                .any(|member| member.user == *user && member.left.is_none())
        };
        let conversations = self.conversations.iter().filter(present);
        conversations.map(|conversation| (&conversation.id, conversation.head.unwrap_or_default()))
    }

    /// Conversations whose directory is behind their log, as far as it says.
    pub(crate) fn unapplied(&self) -> impl Iterator<Item = &StoredConversation> {
        self.conversations
            .iter()
            .filter(|conversation| conversation.applied != conversation.head)
    }

    /// Writes it for the checker.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        let entries = self.entries.into_iter().map(StoreRecord::Entry);
        let conversations = self.conversations.into_iter().map(StoreRecord::Conversation);
        let records: Vec<StoreRecord> = entries.chain(conversations).collect();
        Ok(write_store(path, &records)?)
    }
}

async fn all<T: DeserializeOwned>(database: &Database, collection: &str, order: Document) -> Result<Vec<T>> {
    let documents: Vec<Document> = database
        .collection::<Document>(collection)
        .find(doc! {})
        .sort(order)
        .allow_disk_use(true)
        .await?
        .try_collect()
        .await?;
    let decode = |document| Ok(bson::deserialize_from_document(document)?);
    documents.into_iter().map(decode).collect()
}
