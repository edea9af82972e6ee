//! The store that the settings name.

use anyhow::{Context, Result};
use starling_core::ports::Archive;
use starling_embedded::Store;
use starling_mongo::{Mongo, MongoSettings};

use crate::settings::{Backend, Inputs, Settings, without_passwords};

/// Opens it, and says what it is called for people.
pub(super) async fn open(inputs: &Inputs) -> Result<(Box<dyn Archive>, String)> {
    match Settings::load(inputs)?.settings.backend {
        Backend::Standalone { data_dir } => {
            let name = data_dir.display().to_string();
            let store = tokio::task::spawn_blocking(move || Store::open(&data_dir)).await??;
            Ok((Box::new(store), name))
        }
        Backend::Cluster(cluster) => {
            let name = without_passwords(&cluster.mongodb_uri);
            let settings = MongoSettings::new(&cluster.mongodb_uri);
            let mongo = Box::pin(Mongo::connect(settings)).await;
            Ok((
                Box::new(mongo.with_context(|| format!("cannot use {name}"))?),
                name,
            ))
        }
    }
}
