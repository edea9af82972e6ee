//! The ports' contract. That of coordination is held in `starling-core`, whose it is.

use starling_embedded::Store;
use tempfile::TempDir;

async fn empty() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Store::open(directory.path()).unwrap(), directory)
}

starling_contract::store_tests!(empty());
