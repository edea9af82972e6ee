//! `starling serve`: from settings to a node that serves, until it is asked to go.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::serve::Listener;
use data_encoding::HEXLOWER;
use starling_core::people::SignInGuard;
use starling_core::{Authenticator, Engine};
use starling_gateway::{Gateway, GatewaySettings};
use starling_rest::{CorsOrigin, Departure, Rest, RestSettings};
use starling_socketio::{ClientAddress, Identification, Origins, Rooms, SocketIo, SocketIoSettings};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::commands;
use crate::drain::{Drained, Node, Signals, drain};
use crate::gate::Gate;
use crate::here::only_from_here;
use crate::limits::raise_open_files;
use crate::services::Services;
use crate::settings::{Backend, Inputs, Settings, TokenKey};
use crate::telemetry::{RenderMetrics, Telemetry};
use crate::tokens::{COOLDOWN, Jwks, PublicKey, TokenAuthority, VerifyUser};

/// How long what is left of the runtime's work may take at the end.
const LAST_WORK: Duration = Duration::from_millis(500);

/// Runs a node until it is told to end.
pub(crate) fn run(inputs: &Inputs) -> Result<()> {
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();
    let settings = Settings::load(inputs)?.settings;
    let telemetry = Telemetry::start(&settings)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(Box::pin(serve(&settings, &telemetry)));
    runtime.shutdown_timeout(LAST_WORK);
    telemetry.stop();
    outcome
}

async fn serve(settings: &Settings, telemetry: &Telemetry) -> Result<()> {
    let secret = secret(settings)?;
    let authority = authenticator(settings, secret.as_deref())?;
    let mut signals = Signals::take()?;
    let gate = Arc::new(Gate::default());
    let mut server = Server::start(settings, &gate)?;
    tokio::spawn(telemetry.upkeep());

    let services = tokio::select! {
        services = Services::start(settings, secret.as_deref(), &gate) => services?,
        () = signals.next() => {
            info!("asked to end before it served");
            return Ok(());
        }
    };
    let believed = Arc::new(SignInGuard::new(authority, services.engine.people()));
    let (application, departure) = application(settings, &services.engine, believed, telemetry.render());
    gate.open(application);
    info!(node = services.engine.node_id(), "serving");
    if let (Backend::Standalone { data_dir }, true) = (&settings.backend, settings.development) {
        crate::welcome::say(server.address, data_dir)?;
    }

    tokio::select! {
        () = signals.next() => {}
        ended = &mut server.task => bail!("the server has ended by itself: {ended:?}"),
    }
    let node = Node {
        services,
        departure,
        server,
    };
    match drain(node, settings, &mut signals).await {
        Drained::InOrder => info!("drained"),
        Drained::CutShort => bail!(
            "draining took longer than the grace time of {:?}, the rest is cut",
            settings.drain_grace
        ),
        Drained::AtOnce => bail!("asked to end a second time, the rest is cut"),
    }
    Ok(())
}

/// The open port, and who answers there.
pub(crate) struct Server {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// `true` stops accepting.
    pub(crate) stop: watch::Sender<bool>,
    /// Ends when all requests are answered.
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Opens the port and serves the gate on it.
    fn start(settings: &Settings, gate: &Arc<Gate>) -> Result<Self> {
        let address = settings.listen;
        let listener =
            starling_gateway::listen(address).with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr().unwrap_or(address);
        info!(node = settings.node_id, %address, version = env!("CARGO_PKG_VERSION"), "listening");

        gate.wait_for("what it keeps everything in is not there yet");
        let (stop, mut stopped) = watch::channel(false);
        let service = gate.router().into_make_service_with_connect_info::<SocketAddr>();
        let server = axum::serve(listener, service).with_graceful_shutdown(async move {
            // An error is the sender gone: nobody is there to let the node go on.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        });
        Ok(Self {
            address,
            stop,
            task: tokio::spawn(async move { server.await }),
        })
    }
}

/// All routes of the node.
fn application(
    settings: &Settings,
    engine: &Arc<Engine>,
    authority: Arc<dyn Authenticator>,
    metrics: RenderMetrics,
) -> (Router, Departure) {
    let trusted = settings.trusted_proxies.clone();
    let rest = RestSettings {
        service: "starling".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        cors_origin: settings.cors_origin.clone(),
        metrics,
        client_address: Arc::new(move |peer, headers| {
            starling_gateway::client_address(peer, headers, &trusted)
        }),
    };
    let rest = Rest::new(Arc::clone(engine), Arc::clone(&authority), rest);
    let departure = rest.departure();
    let gateway = GatewaySettings {
        auth_timeout: settings.auth_timeout,
        heartbeat: settings.heartbeat,
        outbox_bytes: settings.outbox_bytes,
        trusted_proxies: settings.trusted_proxies.clone(),
        ..GatewaySettings::default()
    };
    let gateway = Gateway::new(Arc::clone(engine), Arc::clone(&authority), gateway);
    let socketio = SocketIo::new(Arc::clone(engine), authority, socketio(settings));
    let routes = starling_rest::router(rest)
        .merge(starling_gateway::router(gateway))
        .merge(starling_socketio::router(socketio))
        .merge(starling_web::router());
    let routes = if settings.development {
        only_from_here(routes, &settings.cors_origin)
    } else {
        routes
    };
    (routes, departure)
}

fn socketio(settings: &Settings) -> SocketIoSettings {
    let trusted = settings.trusted_proxies.clone();
    SocketIoSettings {
        connect_timeout: settings.auth_timeout,
        heartbeat: settings.heartbeat,
        outbox_bytes: settings.outbox_bytes,
        origins: match &settings.cors_origin {
            CorsOrigin::Same => Origins::Same,
            CorsOrigin::List(origins) => Origins::List(origins.clone()),
            CorsOrigin::Any => Origins::Any,
        },
        identification: if settings.development {
            Identification::BareUserId
        } else {
            Identification::Token
        },
        rooms: if settings.open_rooms {
            Rooms::MadeOnJoin
        } else {
            Rooms::MustExist
        },
        community: settings.community_channel.clone(),
        sync_interval: settings.sync_interval,
        client_address: ClientAddress::new(move |peer, headers| {
            starling_gateway::client_address(peer, headers, &trusted)
        }),
        ..SocketIoSettings::default()
    }
}

/// The cluster's own secret: what tokens of sessions are signed with, and other keys are derived from.
fn secret(settings: &Settings) -> Result<Option<String>> {
    Ok(match &settings.token_key {
        TokenKey::Secret(secret) => Some(secret.clone()),
        TokenKey::PublicKey(_) | TokenKey::Outside => None,
        TokenKey::Kept(path) => {
            let making = || format!("cannot keep the secret of this machine in {}", path.display());
            if let Some(directory) = path.parent() {
                make_private(directory).with_context(making)?;
            }
            commands::secret::create(path).with_context(making)?;
            settings.token_key.secret().with_context(making)?
        }
        TokenKey::MadeUp => {
            warn!(
                "development mode without a token_secret: one was made up and ends with this process, so no token \
                 that there is will be believed; set STARLING_TOKEN_SECRET to use `starling token`"
            );
            Some(HEXLOWER.encode(&rand::random::<[u8; 32]>()))
        }
    })
}

/// Makes a directory that nobody but its owner reads, where there is none.
fn make_private(directory: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Who is believed: tokens that are checked here, or by an auth service.
fn authenticator(settings: &Settings, secret: Option<&str>) -> Result<Arc<dyn Authenticator>> {
    if settings.development {
        warn!("development mode: weak secrets are accepted; never on a machine that others reach");
    }
    let own = own_authority(settings, secret)?;
    let Some(url) = &settings.token_verify else {
        let authority = own.context("there is no key to check tokens with")?;
        return Ok(Arc::new(authority));
    };
    let service = VerifyUser::new(url.clone(), settings.token_verify_cache)?;
    Ok(match own {
        Some(own) => Arc::new(service.besides(own)),
        None => Arc::new(service),
    })
}

/// By the keys that are configured or published, if there are any.
fn own_authority(settings: &Settings, secret: Option<&str>) -> Result<Option<TokenAuthority>> {
    let outside = match &settings.token_jwks {
        Some(url) => Some(Jwks::start(url.clone(), settings.token_jwks_refresh, COOLDOWN)?),
        None => None,
    };
    let own = match (&settings.token_key, secret) {
        (TokenKey::PublicKey(pem), _) => Some(TokenAuthority::with_public_key(PublicKey::from_pem(pem)?)),
        (_, secret) => secret.map(TokenAuthority::with_secret),
    };
    let authority = match (own, outside) {
        (Some(own), Some(outside)) => Some(own.or_outside_keys(outside)),
        (own, None) => own,
        (None, Some(outside)) => Some(TokenAuthority::with_outside_keys(outside)),
    };
    Ok(authority.map(|authority| {
        authority
            .issued_by(settings.token_issuer.as_deref())
            .meant_for(settings.token_audience.as_deref())
    }))
}
