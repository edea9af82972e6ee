//! What a test plays on: a cluster, its users' clients, and a look at what MongoDB holds.

use std::ops::Deref;
use std::time::Duration;

use bson::{Document, doc};
use futures::TryStreamExt;
use starling_client::Client;
use starling_cluster::{Cluster, ClusterConfig, node_with_fail_points};
use starling_protocol::{Codec, ConversationId, UserId};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{sleep, timeout};

/// A running cluster; nobody else has one meanwhile.
pub(crate) struct Stage {
    cluster: Cluster,
    _alone: MutexGuard<'static, ()>,
}

impl Deref for Stage {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Stage {
    /// Three nodes without a limit on sends, one mongod, Redis and HAProxy.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, |config| config.with_env("STARLING_SENDS_PER_SECOND", 0)).await
    }

    pub(crate) async fn start_with(name: &str, change: impl FnOnce(ClusterConfig) -> ClusterConfig) -> Self {
        let alone = alone().await;
        let binary = node_with_fail_points().await.unwrap();
        let cluster = Cluster::start(change(ClusterConfig::temporary(name, binary)))
            .await
            .unwrap();
        Self {
            cluster,
            _alone: alone,
        }
    }

    /// A client at one node.
    pub(crate) async fn client_at(&self, node: usize, user: &str) -> Client {
        self.client_of([self.node(node).ws_url()], user, Codec::Json)
            .await
    }

    /// A client at the front, with the codec that its name's length draws.
    pub(crate) async fn client(&self, user: &str) -> Client {
        let codec = Codec::ALL[user.len() % Codec::ALL.len()];
        self.client_of([self.front_ws_url()], user, codec).await
    }

    async fn client_of<const N: usize>(&self, urls: [String; N], user: &str, codec: Codec) -> Client {
        let client = Client::builder(urls)
            .token(self.token(user).unwrap())
            .codec(codec)
            .connect()
            .await
            .unwrap();
        client.live().await.unwrap();
        client
    }

    /// The entries of a conversation as they stand in MongoDB, by seq.
    pub(crate) async fn stored(&self, id: &ConversationId) -> Vec<Document> {
        let client = mongodb::Client::with_uri_str(self.mongo().url()).await.unwrap();
        let entries = client.database("starling").collection::<Document>("entries");
        let filter = doc! { "conversation": id.as_str() };
        entries
            .find(filter)
            .sort(doc! { "seq": 1 })
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap()
    }

    /// What a node counts under a name with its labels; 0 where it has counted nothing.
    pub(crate) async fn metric(&self, node: usize, name: &str) -> u64 {
        let url = format!("{}/metrics", self.node(node).url());
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let values = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        values.sum()
    }

    /// Takes the end of a log out of MongoDB, as if it had never got there.
    pub(crate) async fn forget_entries_after(&self, id: &ConversationId, seq: u32) {
        let client = mongodb::Client::with_uri_str(self.mongo().url()).await.unwrap();
        let entries = client.database("starling").collection::<Document>("entries");
        let filter = doc! { "conversation": id.as_str(), "seq": { "$gt": seq } };
        entries.delete_many(filter).await.unwrap();
    }

    /// How many entries MongoDB holds of all conversations.
    pub(crate) async fn count_stored(&self) -> u64 {
        let client = mongodb::Client::with_uri_str(self.mongo().url()).await.unwrap();
        let entries = client.database("starling").collection::<Document>("entries");
        entries.count_documents(doc! {}).await.unwrap()
    }
}

/// Waits until no other cluster runs, and keeps others from starting.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Waits for something to become so.
pub(crate) async fn eventually<T>(
    what: &str,
    within: Duration,
    mut check: impl AsyncFnMut() -> Option<T>,
) -> T {
    let looking = async {
        loop {
            if let Some(value) = check().await {
                return value;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    match timeout(within, looking).await {
        Ok(value) => value,
        Err(_) => panic!("did not come about within {within:?}: {what}"),
    }
}
