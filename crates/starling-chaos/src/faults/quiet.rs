//! What happens to the last entry of a conversation: nobody writes to it again, so no later entry shows the gap.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bson::{Document, doc};
use futures::TryStreamExt;
use mongodb::Database;
use rand::RngExt;
use rand::seq::IndexedRandom;
use starling_client::protocol::{ClientId, ConversationId, Create, Kind};
use starling_cluster::Node;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::nodes::{DEAD, GRACE, check_crashed};
use crate::load::Participant;
use crate::network::Weather;
use crate::stage::{Strike, Strikes, eventually};
use crate::store;

const MEMBERS: usize = 6;
/// For a node to write the directory's mark, which it does every few seconds.
const MARKED: Duration = Duration::from_secs(30);
/// How long it may take until not all clients are connected to one node, and how long one attempt.
const SPREAD: Duration = Duration::from_secs(20);
const RECONNECT: Duration = Duration::from_secs(2);

/// A conversation of some of the load's users, and the client that made it.
struct Quiet {
    name: String,
    id: ConversationId,
    maker: Participant,
}

impl Quiet {
    /// Makes one at a node, with users who are connected to other nodes than `not_at`.
    async fn make(strike: &Strike<'_>, at: &Node, not_at: &Node) -> Result<Self> {
        let mut chance = strike.chance();
        let name = format!("quiet-{}", chance.random_range(0..1_000_000_000_u32));
        let elsewhere = connected_elsewhere(strike, not_at).await?;
        let others = elsewhere.sample(&mut chance, MEMBERS);
        let mut members: Vec<_> = others.map(|other| other.user().clone()).collect();
        members.sort();
        members.dedup();
        let maker =
            Participant::connect(strike.cluster(), at.ws_url(), &strike.stage.recorder, 0, &name).await?;
        let create = Create {
            name: Some(name.clone()),
            client_id: Some(ClientId::new(&name)?),
            ..Create::of(Kind::Group, members)
        };
        let id = maker.create(create).await?;
        Ok(Self { name, id, maker })
    }

    fn last_words(&self) -> Result<ClientId> {
        Ok(ClientId::new(format!("{}-last-words", self.name))?)
    }

    async fn last_words_in(&self, database: &Database) -> Result<Vec<Document>> {
        let filter = doc! { "conversation": self.id.as_str(), "client_id": self.last_words()?.as_str() };
        let found = database.collection("entries").find(filter).await?;
        Ok(found.try_collect().await?)
    }

    /// Whether the directory says that all of the conversation's effects are done, so that nobody recovers it.
    async fn is_marked_in(&self, database: &Database) -> Result<bool> {
        let stored = self.last_words_in(database).await?;
        let Some(seq) = stored.first().map(|entry| entry.get_i64("seq")).transpose()? else {
            return Ok(false);
        };
        let marked = doc! { "_id": self.id.as_str(), "applied": { "$gte": seq } };
        let conversations = database.collection::<Document>("conversations");
        Ok(conversations.find_one(marked).await?.is_some())
    }
}

/// The load's users who are connected to other nodes only than this one. What happened before may have left all of them there:
/// then they connect anew, which spreads them.
async fn connected_elsewhere<'a>(strike: &Strike<'a>, not_at: &Node) -> Result<Vec<&'a Arc<Participant>>> {
    let participants = &strike.stage.cast.participants;
    let is_elsewhere = |participant: &&Arc<Participant>| {
        let node = participant.client().node();
        node.is_some_and(|node| node != not_at.id())
    };
    eventually("clients are connected to another node", SPREAD, async || {
        if participants.iter().any(|participant| is_elsewhere(&participant)) {
            return true;
        }
        for participant in participants.iter() {
            participant.client().drop_connection();
        }
        sleep(RECONNECT).await;
        false
    })
    .await?;
    // Nor may they have a second device there: as that connects elsewhere, it would bring word along.
    let here: HashSet<_> = participants
        .iter()
        .filter(|participant| !is_elsewhere(participant))
        .map(|participant| participant.user())
        .collect();
    Ok(participants
        .iter()
        .filter(|participant| !here.contains(participant.user()))
        .collect())
}

/// A node stores an entry and dies, and its sender with it: the others must learn of it all the same.
pub(super) async fn crash(strike: &Strike<'_>) -> Result<Strikes> {
    let (stage, node, cluster) = (strike.stage, strike.node(), strike.cluster());
    let elsewhere = cluster.node((strike.step.node + 1) % cluster.nodes().len());
    let quiet = Quiet::make(strike, elsewhere, node).await?;
    quiet.maker.client().close().await;

    node.terminate(GRACE).await?;
    let armed = stage.topology.armed("after_insert=1*return(crash)");
    node.start_with_env(&armed).await?;
    // At once: HAProxy sends others here only when it has seen the node ready twice.
    let device = format!("{}/sender", quiet.name);
    let sender = Participant::connect(cluster, node.ws_url(), &stage.recorder, 1, &device).await?;
    sender
        .send(&quiet.id, quiet.last_words()?, "last words".to_owned(), |_| {})
        .await;
    eventually("the node dies", Duration::from_secs(10), async || {
        !node.is_alive()
    })
    .await?;
    strike.begins();
    sender.client().close().await;
    check_crashed(strike)?;
    let stored = quiet.last_words_in(&store::open(cluster).await?).await?.len();
    stage.cast.progress.recovered(strike.since(), DEAD).await;
    node.start().await?;
    Ok(Strikes::new(
        stored as u64,
        format!("{} died with the last entry of {}", node.id(), quiet.id),
    ))
}

/// A node announces an entry while the others are cut off from Redis, and dies before they are back: it cannot tell
/// them again, and it has left nothing behind that would be recovered. They must ask.
pub(super) async fn missed(strike: &Strike<'_>) -> Result<Strikes> {
    let (topology, node) = (&strike.stage.topology, strike.node());
    let database = store::open(strike.cluster()).await?;
    let quiet = Quiet::make(strike, node, node).await?;
    // For the other nodes to put the conversation's stream in place.
    sleep(Duration::from_millis(500)).await;
    let deaf: Vec<_> = (0..topology.nodes().len())
        .filter(|other| *other != strike.step.node)
        .map(|other| topology.redis_link(other))
        .collect();
    let struck = || deaf.iter().map(|link| link.struck()).sum::<u64>();
    let before = struck();
    strike.begins();
    deaf.iter().for_each(|link| link.set(Weather::Cut));
    let (acknowledge, acknowledged) = oneshot::channel();
    let last = |answer: Result<_, _>| {
        // Nobody waits any more where it took too long.
        let _ = acknowledge.send(answer.is_ok());
    };
    quiet
        .maker
        .send(&quiet.id, quiet.last_words()?, "last words".to_owned(), last)
        .await;
    let acknowledged = timeout(Duration::from_secs(20), acknowledged).await;
    let mut marked = Ok(false);
    eventually("the directory's mark covers the last entry", MARKED, async || {
        marked = quiet.is_marked_in(&database).await;
        !matches!(marked, Ok(false))
    })
    .await?;
    marked?;
    node.kill9().await?;
    deaf.iter().for_each(|link| link.set(Weather::Clear));
    quiet.maker.client().close().await;
    ensure!(
        acknowledged.context("the last entry was not acknowledged")??,
        "the last entry was refused"
    );
    strike.stage.cast.progress.recovered(strike.since(), DEAD).await;
    node.start().await?;
    let cut = struck() - before;
    let stored = quiet.last_words_in(&database).await?.len() as u64;
    Ok(Strikes::new(
        cut.min(stored),
        format!(
            "{cut} connections to Redis were cut as {} announced the last entry of {}, and it died",
            node.id(),
            quiet.id
        ),
    ))
}
