//! Initiating a replica set, which MongoDB's images leave to a shell that they do not all have.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use tokio::time::{Instant, sleep, timeout};

use crate::MongoError;
use crate::error::describe;

const PAUSE: Duration = Duration::from_millis(200);
const ALREADY_INITIALIZED: i32 = 23;
const INVALID_CONFIG: i32 = 93;

/// The replica set to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSet {
    /// Its name, as every member was started with (`--replSet`).
    pub name: String,
    /// `host:port` of every member, as the members and all clients reach it.
    pub members: Vec<String>,
    /// How long a primary may be silent before another is elected; the server's default (10 s) if absent.
    pub election_timeout: Option<Duration>,
    /// How long to wait for the members to answer, and then for a primary.
    pub patience: Duration,
}

impl ReplicaSet {
    /// A set with the server's election timeout and a minute of patience.
    pub fn new(name: impl Into<String>, members: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            name: name.into(),
            members: members.into_iter().map(Into::into).collect(),
            election_timeout: None,
            patience: Duration::from_secs(60),
        }
    }

    fn config(&self) -> Document {
        let members = (0_i32..)
            .zip(&self.members)
            .map(|(id, host)| doc! { "_id": id, "host": host });
        let mut config = doc! { "_id": &self.name, "members": members.collect::<Vec<_>>() };
        if let Some(limit) = self.election_timeout {
            let millis = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            config.insert("settings", doc! { "electionTimeoutMillis": millis });
        }
        config
    }
}

/// What [`init_replica_set`] found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaSetOutcome {
    /// It was initiated.
    Initiated,
    /// It had been initiated before; its members were left as they are.
    AlreadyInitiated,
}

/// Initiates a replica set by way of one of its members, unless that is done, and waits for a primary. Doing it
/// again, or twice at once, does no harm. The member need not be up yet.
///
/// # Errors
/// [`MongoError::Unavailable`] if there is no primary after [`ReplicaSet::patience`];
/// [`MongoError::Deployment`] if the member was not started as one of a set of this name.
pub async fn init_replica_set(uri: &str, set: &ReplicaSet) -> Result<ReplicaSetOutcome, MongoError> {
    let admin = connect_directly(uri).await?;
    let deadline = Instant::now() + set.patience;
    let mut outcome = ReplicaSetOutcome::AlreadyInitiated;
    let mut reason = "it has not answered".to_owned();
    while Instant::now() < deadline {
        let attempt = timeout(deadline - Instant::now(), step(&admin, set)).await;
        match attempt.unwrap_or_else(|_| Ok(Step::Wait("it has stopped answering".to_owned())))? {
            Step::Done => return Ok(outcome),
            Step::Initiated => outcome = ReplicaSetOutcome::Initiated,
            Step::Wait(why) => reason = why,
        }
        sleep(PAUSE).await;
    }
    Err(MongoError::Unavailable(format!(
        "no primary of {} after {:?}: {reason}",
        set.name, set.patience
    )))
}

enum Step {
    /// There is a primary.
    Done,
    /// The set was initiated just now.
    Initiated,
    /// Not yet.
    Wait(String),
}

async fn step(admin: &Database, set: &ReplicaSet) -> Result<Step, MongoError> {
    let hello = match admin.run_command(doc! { "hello": 1 }).await {
        Ok(hello) => hello,
        Err(error) => return Ok(Step::Wait(describe(&error))),
    };
    if let Ok(name) = hello.get_str("setName") {
        if name != set.name {
            return Err(MongoError::Deployment(format!(
                "the server belongs to the replica set {name}"
            )));
        }
        let has_primary = hello.contains_key("primary");
        return Ok(if has_primary {
            Step::Done
        } else {
            Step::Wait("no primary is elected".to_owned())
        });
    }
    if !hello.get_bool("isreplicaset").unwrap_or(false) && !hello.contains_key("info") {
        return Err(MongoError::Deployment(
            "the server was started without --replSet".to_owned(),
        ));
    }
    match admin.run_command(doc! { "replSetInitiate": set.config() }).await {
        Ok(_) => Ok(Step::Initiated),
        Err(error) => match code(&error) {
            Some(ALREADY_INITIALIZED) => Ok(Step::Wait("another is initiating it".to_owned())),
            Some(INVALID_CONFIG) => Err(MongoError::Deployment(describe(&error))),
            _ => Ok(Step::Wait(describe(&error))),
        },
    }
}

async fn connect_directly(uri: &str) -> Result<Database, MongoError> {
    let wrong = |error: Error| MongoError::Settings(describe(&error));
    let mut options = ClientOptions::parse(uri).await.map_err(wrong)?;
    if options.hosts.len() != 1 {
        return Err(MongoError::Settings(
            "the URI must name exactly one member".to_owned(),
        ));
    }
    options.direct_connection = Some(true);
    // A member that is not initiated belongs to no set, and would be passed over if one were asked for.
    options.repl_set_name = None;
    options.server_selection_timeout = Some(Duration::from_secs(2));
    options.connect_timeout = Some(Duration::from_secs(2));
    Ok(Client::with_options(options).map_err(wrong)?.database("admin"))
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}
