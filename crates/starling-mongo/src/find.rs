//! What a query finds, all of it at once.

use bson::Document;
use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::options::{FindOptions, Hint};
use serde::de::DeserializeOwned;

use crate::call::CallError;

/// Large enough that an ordinary result comes in the first reply.
const BATCH: u32 = 10_000;

/// A query that says which index it goes by: left to itself, a server may choose another one for some data.
pub(crate) struct Find {
    filter: Document,
    options: FindOptions,
}

impl Find {
    /// By the index of this name.
    pub(crate) fn by(index: &str, filter: Document) -> Self {
        let options = FindOptions::builder()
            .hint(Hint::Name(index.to_owned()))
            .batch_size(BATCH)
            .build();
        Self { filter, options }
    }

    /// In this order.
    pub(crate) fn sorted(mut self, order: Document) -> Self {
        self.options.sort = Some(order);
        self
    }

    /// No more than so many. None is none, where a server would take it for no limit.
    pub(crate) fn at_most(mut self, limit: usize) -> Self {
        self.options.limit = Some(i64::try_from(limit).unwrap_or(i64::MAX));
        self
    }

    /// These fields of each.
    pub(crate) fn only(mut self, fields: Document) -> Self {
        self.options.projection = Some(fields);
        self
    }

    /// All that is found there.
    pub(crate) async fn in_<D, R>(self, collection: &Collection<D>) -> Result<Vec<R>, CallError>
    where
        D: DeserializeOwned + Unpin + Send + Sync,
        R: From<D>,
    {
        if self.options.limit == Some(0) {
            return Ok(Vec::new());
        }
        let cursor = collection.find(self.filter).with_options(self.options).await?;
        Ok(cursor.map_ok(R::from).try_collect().await?)
    }
}
