//! Putting it together: state, routes, layers.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::middleware::from_fn;
use starling_core::{Authenticator, Engine};
use starling_protocol::limits::MAX_FRAME_BYTES;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::readiness::Readiness;
use crate::{
    auth, blocks, contacts, conversations, entries, me, members, messages, moderation, observe, openapi,
    presence, probes, receipts, statistics,
};

/// Renders the node's metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Who sent a request: the peer, or, where that is a trusted proxy, whom its headers name.
pub type ClientAddress = Arc<dyn Fn(IpAddr, &HeaderMap) -> IpAddr + Send + Sync>;

/// What differs from node to node.
#[derive(Clone)]
pub struct RestSettings {
    /// What the service is called in `/health`.
    pub service: String,
    /// Its version.
    pub version: String,
    /// Which web pages may call it.
    pub cors_origin: CorsOrigin,
    /// What `/metrics` answers with.
    pub metrics: RenderMetrics,
    /// How proxies in front are seen through.
    pub client_address: ClientAddress,
}

/// Web pages of which origins may call the API from a browser.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CorsOrigin {
    /// Only those that this very host serves.
    #[default]
    Same,
    /// Those of these origins, such as `https://chat.example.org`.
    List(Vec<String>),
    /// All.
    Any,
}

/// What the routes share.
pub struct Rest {
    pub(crate) engine: Arc<Engine>,
    pub(crate) auth: Arc<dyn Authenticator>,
    pub(crate) settings: RestSettings,
    pub(crate) readiness: Readiness,
    pub(crate) departure: Departure,
}

/// Tells balancers that the node is about to go, while it still serves whoever comes.
#[derive(Debug, Clone, Default)]
pub struct Departure(Arc<AtomicBool>);

impl Departure {
    /// From here on `/readyz` says so.
    pub fn announce(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Rest {
    /// The entrance to `engine`, for those whom `auth` believes.
    pub fn new(engine: Arc<Engine>, auth: Arc<dyn Authenticator>, settings: RestSettings) -> Self {
        let readiness = Readiness::new(Arc::clone(&engine));
        Self {
            engine,
            auth,
            settings,
            readiness,
            departure: Departure::default(),
        }
    }

    /// For whoever ends the node.
    pub fn departure(&self) -> Departure {
        self.departure.clone()
    }
}

/// All routes, with a fallback for paths that are none; merge other routers into it.
pub fn router(rest: Rest) -> Router {
    let cors = cors(&rest.settings.cors_origin);
    let (router, document) = routes().split_for_parts();
    let document = openapi::Served::new(&openapi::complete(document));
    let router = router
        .with_state(Arc::new(rest))
        .route(
            "/openapi.json",
            axum::routing::get(openapi::serve).with_state(document),
        )
        .fallback(async |method: Method, uri: Uri| ApiError::no_route(&method, &uri))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            ApiError::method_not_allowed(&method, &uri)
        })
        .layer(DefaultBodyLimit::max(MAX_FRAME_BYTES))
        .layer(from_fn(observe::observe));
    match cors {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// The documented routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Rest>> {
    OpenApiRouter::with_openapi(openapi::introduction())
        .routes(routes!(conversations::create, conversations::list))
        .routes(routes!(
            conversations::read,
            conversations::delete,
            moderation::update
        ))
        .routes(routes!(conversations::stats))
        .routes(routes!(conversations::join))
        .routes(routes!(conversations::leave))
        .routes(routes!(conversations::delivered))
        .routes(routes!(conversations::mark_read))
        .routes(routes!(members::add))
        .routes(routes!(members::remove))
        .routes(routes!(moderation::set_role))
        .routes(routes!(moderation::ban, moderation::unban))
        .routes(routes!(moderation::mute, moderation::unmute))
        .routes(routes!(moderation::sanctions))
        .routes(routes!(moderation::invite, moderation::invites))
        .routes(routes!(moderation::revoke))
        .routes(routes!(moderation::accept))
        .routes(routes!(entries::send, entries::messages))
        .routes(routes!(entries::history))
        .routes(routes!(messages::edit, messages::delete))
        .routes(routes!(messages::react, messages::unreact))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::status))
        .routes(routes!(presence::set))
        .routes(routes!(presence::ask))
        .routes(routes!(auth::send_code))
        .routes(routes!(auth::sign_in))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::sign_out))
        .routes(routes!(auth::sessions))
        .routes(routes!(auth::end_session))
        .routes(routes!(me::read, me::change))
        .routes(routes!(me::user))
        .routes(routes!(statistics::mine))
        .routes(routes!(statistics::of_all))
        .routes(routes!(statistics::of_any_conversation))
        .routes(routes!(contacts::list, contacts::add))
        .routes(routes!(contacts::remove))
        .routes(routes!(blocks::list))
        .routes(routes!(blocks::block, blocks::unblock))
        .routes(routes!(probes::health))
        .routes(routes!(probes::alive))
        .routes(routes!(probes::ready))
        .routes(routes!(probes::redis))
        .routes(routes!(probes::metrics))
}

fn cors(origin: &CorsOrigin) -> Option<CorsLayer> {
    let allowed = match origin {
        CorsOrigin::Same => return None,
        CorsOrigin::Any => AllowOrigin::any(),
        CorsOrigin::List(origins) => AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    let cors = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([RETRY_AFTER])
        .max_age(Duration::from_secs(3_600));
    Some(cors)
}
