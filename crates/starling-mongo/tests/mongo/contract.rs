//! The ports' contract.

use starling_mongo::Mongo;

use crate::server::empty_database;

async fn empty() -> (Mongo, ()) {
    (empty_database().await, ())
}

starling_contract::store_tests!(empty());
