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
use starling_check::store::{Governance, StoreRecord, StoredConversation, StoredMember, write_store};
use starling_cluster::Cluster;
use starling_protocol::{
    Body, ClientId, ConversationId, Entry, InviteId, MessageState, Profile, Role, Seq, UserId,
};

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
    #[serde(flatten)]
    profile: Profile,
}

#[derive(Deserialize)]
struct SanctionDocument {
    conversation: ConversationId,
    user: UserId,
    banned: bool,
    /// 0: he is not muted.
    muted_until: i64,
}

#[derive(Deserialize)]
struct InviteDocument {
    #[serde(rename = "_id")]
    id: InviteId,
    conversation: ConversationId,
    uses: u32,
    /// Neither revoked nor used up.
    usable: bool,
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
                governance: Some(Governance {
                    profile: document.profile,
                    ..Governance::default()
                }),
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
        let sanctions: Vec<SanctionDocument> =
            all(&database, "sanctions", doc! { "conversation": 1, "user": 1 }).await?;
        for sanction in sanctions {
            if let Some(governance) = governance_of(&mut conversations, &sanction.conversation) {
                if sanction.banned {
                    governance.banned.insert(sanction.user.clone());
                }
                if sanction.muted_until != 0 {
                    governance.muted.insert(sanction.user, sanction.muted_until);
                }
            }
        }
        let invites: Vec<InviteDocument> = all(&database, "invites", doc! { "_id": 1 }).await?;
        for invite in invites.into_iter().filter(|invite| invite.usable) {
            if let Some(governance) = governance_of(&mut conversations, &invite.conversation) {
                governance.invites.insert(invite.id, invite.uses);
            }
        }
        Ok(Self {
            entries,
            conversations: conversations.into_values().collect(),
        })
    }

    /// How many entries there are of each kind, by its name on the wire. Who joins by an invite is counted besides, as
    /// `accepted`.
    pub(crate) fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for entry in &self.entries {
            let name = serde_json::to_value(&entry.body).ok();
            let name = name.and_then(|body| body.as_object()?.keys().next().cloned());
            *kinds.entry(name.unwrap_or_default()).or_default() += 1;
            if let Body::Joined { invite: Some(_), .. } = entry.body {
                *kinds.entry("accepted".to_owned()).or_default() += 1;
            }
        }
        kinds
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

fn governance_of<'a>(
    conversations: &'a mut BTreeMap<ConversationId, StoredConversation>,
    id: &ConversationId,
) -> Option<&'a mut Governance> {
    conversations.get_mut(id)?.governance.as_mut()
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
