//! The bundled page: a web client that every node serves at `/`, embedded in the binary.
//!
//! Its sources are in `clients/web`; what they make is checked in under `assets`, and `cargo xtask test` holds the two
//! together.
//!
//! Architecture invariant: this crate serves files and knows nothing of conversations. All that the page does it does by
//! `/ws` and `/v1`, as any other client.

mod asset;
mod headers;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;

use asset::ASSETS;

/// The routes of the page's files: `/`, `/worker.js` and the like, and what is under `/assets/`. No other path is taken.
pub fn router() -> Router {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(
            asset.path,
            get(async move |headers: HeaderMap| asset.answer(&headers)),
        )
    })
}
