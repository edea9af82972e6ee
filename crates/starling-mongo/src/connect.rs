//! Connecting: the driver's options, the check of the deployment, the collections.

use std::fmt;
use std::time::Duration;

use bson::raw::RawDocumentBuf;
use bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Collection, Database};
use starling_core::{defect, planted};
use tokio::time::{Instant, sleep, timeout_at};

use crate::accounts::PhoneDocument;
use crate::contacts::PairDocument;
use crate::directory::{ConversationDocument, MemberDocument, UserDocument};
use crate::entry_document::StoredEntry;
use crate::error::describe;
use crate::governance::{InviteDocument, SanctionDocument};
use crate::indexes::create_indexes;
use crate::sign_ins::SignInDocument;
use crate::{MongoError, MongoSettings};

const DEFAULT_DATABASE: &str = "starling";

/// How often the monitors ask each server how it is, unless the URI says. Together with the connect timeout this
/// bounds how long a server that hangs (rather than being gone) is believed in.
const HEARTBEAT: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Between attempts to find a primary at start.
const PAUSE: Duration = Duration::from_millis(500);

const UNAUTHORIZED: i32 = 13;
/// IndexOptionsConflict, IndexKeySpecsConflict; DuplicateKey, where stored data breaks a unique index.
const INDEX_CONFLICTS: [i32; 3] = [85, 86, 11000];

/// The log and the directory of a cluster. Cheap to clone; the clones share their connections.
#[derive(Clone)]
pub struct Mongo {
    pub(crate) settings: MongoSettings,
    pub(crate) database: Database,
    /// For reading.
    pub(crate) entries: Collection<StoredEntry>,
    /// For writing: encoded before, so that what cannot be encoded is found before anything is sent.
    pub(crate) raw_entries: Collection<RawDocumentBuf>,
    pub(crate) conversations: Collection<ConversationDocument>,
    pub(crate) members: Collection<MemberDocument>,
    pub(crate) sanctions: Collection<SanctionDocument>,
    pub(crate) invites: Collection<InviteDocument>,
    pub(crate) users: Collection<UserDocument>,
    pub(crate) phones: Collection<PhoneDocument>,
    pub(crate) sign_ins: Collection<SignInDocument>,
    pub(crate) pairs: Collection<PairDocument>,
}

impl Mongo {
    /// Connects, checks that the deployment can do what is asked of it, and creates the indexes that are missing.
    /// A deployment that is not up yet is waited for, up to [`MongoSettings::startup_timeout`].
    ///
    /// # Errors
    /// [`MongoError`], whose variants tell whether trying again may help.
    pub async fn connect(settings: MongoSettings) -> Result<Self, MongoError> {
        settings.check()?;
        let deadline = Instant::now() + settings.startup_timeout;
        // A `mongodb+srv` URI is looked up in DNS.
        let options = timeout_at(deadline, Box::pin(client_options(&settings)))
            .await
            .map_err(|_| MongoError::Unavailable("the URI was not resolved in time".to_owned()))??;
        let database_name = options
            .default_database
            .clone()
            .unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        let client = Client::with_options(options).map_err(settings_error)?;
        let database = client.database(&database_name);
        prepare(&database, deadline).await?;
        Ok(Self {
            settings,
            entries: database.collection("entries"),
            raw_entries: database.collection("entries"),
            conversations: database.collection("conversations"),
            members: database.collection("members"),
            sanctions: database.collection("sanctions"),
            invites: database.collection("invites"),
            users: database.collection("users"),
            phones: database.collection("phones"),
            sign_ins: database.collection("sign_ins"),
            pairs: database.collection("pairs"),
            database,
        })
    }

    /// The name of the database in use.
    pub fn database_name(&self) -> &str {
        self.database.name()
    }

    /// The write concern of all writes, as commands spell it.
    pub(crate) fn majority(&self) -> Document {
        let limit = i64::try_from(self.settings.majority_timeout.as_millis()).unwrap_or(i64::MAX);
        doc! { "w": "majority", "j": true, "wtimeout": limit }
    }
}

impl fmt::Debug for Mongo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mongo")
            .field("database", &self.database.name())
            .finish_non_exhaustive()
    }
}

async fn client_options(settings: &MongoSettings) -> Result<ClientOptions, MongoError> {
    let mut options = ClientOptions::parse(&settings.uri)
        .await
        .map_err(settings_error)?;
    options.app_name.get_or_insert_with(|| "starling".to_owned());
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    options.heartbeat_freq.get_or_insert(HEARTBEAT);
    // Before the limit of a write is reached, so that the reason can still be reported.
    options.server_selection_timeout = Some(settings.write_timeout.mul_f32(0.9));
    options.min_pool_size = Some(settings.min_pool_size);
    options.max_pool_size = Some(settings.max_pool_size);
    // After an outage everyone wants a connection at once; the driver's 2 at a time take long then.
    options.max_connecting.get_or_insert(4);
    options.retry_reads = Some(true);
    options.retry_writes = Some(true);
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.read_concern = Some(ReadConcern::majority());
    let mut write_concern = WriteConcern::majority();
    if planted(defect::MINORITY_WRITES) {
        write_concern = WriteConcern::nodes(1);
    }
    write_concern.journal = Some(true);
    write_concern.w_timeout = Some(settings.majority_timeout);
    options.write_concern = Some(write_concern);
    Ok(options)
}

/// Checks the deployment and creates the indexes, as often as it takes to find a primary.
async fn prepare(database: &Database, deadline: Instant) -> Result<(), MongoError> {
    let mut reason = "it has not answered".to_owned();
    loop {
        let attempt = Box::pin(async {
            check_deployment(database).await?;
            create_indexes(database).await.map_err(connect_error)
        });
        match timeout_at(deadline, attempt).await {
            Ok(Err(MongoError::Unavailable(why))) => {
                tracing::warn!(reason = why, "mongodb is unavailable, trying again");
                reason = why;
            }
            Ok(done) => return done,
            Err(_) => return Err(MongoError::Unavailable(reason)),
        }
        if timeout_at(deadline, sleep(PAUSE)).await.is_err() {
            return Err(MongoError::Unavailable(reason));
        }
    }
}

/// Only replica sets and sharded clusters have majorities and retryable writes.
async fn check_deployment(database: &Database) -> Result<(), MongoError> {
    let hello = database
        .run_command(doc! { "hello": 1 })
        .await
        .map_err(connect_error)?;
    if hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        return Ok(());
    }
    let reason =
        "it must be a replica set (of one at least) or a sharded cluster, and this is a single server";
    Err(MongoError::Deployment(reason.to_owned()))
}

fn settings_error(error: Error) -> MongoError {
    match &*error.kind {
        ErrorKind::DnsResolve { .. } | ErrorKind::Io(_) => MongoError::Unavailable(describe(&error)),
        _ => MongoError::Settings(describe(&error)),
    }
}

fn connect_error(error: Error) -> MongoError {
    match &*error.kind {
        ErrorKind::Authentication { .. } => MongoError::Settings(describe(&error)),
        ErrorKind::Command(command) if command.code == UNAUTHORIZED => MongoError::Settings(describe(&error)),
        ErrorKind::Command(command) if INDEX_CONFLICTS.contains(&command.code) => {
            MongoError::Deployment(describe(&error))
        }
        _ => MongoError::Unavailable(describe(&error)),
    }
}
