//! The node's settings: read from all sources, checked whole before anything binds.

mod events;
mod keys;
mod mask;
mod parse;
mod print;
mod problems;
mod seeds;
mod sign_in;
mod sources;
#[cfg(test)]
mod tests;
mod token_key;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use starling_core::ports::{RECENT_AT_MOST, RateLimit};
use starling_protocol::ConversationId;
use starling_rest::CorsOrigin;
use url::Url;

pub(crate) use events::Events;
pub(crate) use mask::without_passwords;
pub(crate) use parse::LogFormat;
pub(crate) use print::print;
pub(crate) use problems::Problems;
pub(crate) use sign_in::{CodeSender, SignIn};
pub(crate) use sources::Inputs;
use sources::{Given, Layered, Source};
pub(crate) use token_key::TokenKey;

/// What the node runs with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) node_id: String,
    pub(crate) development: bool,
    pub(crate) backend: Backend,
    pub(crate) token_key: TokenKey,
    /// Where an outside issuer publishes its keys, and how often they are fetched.
    pub(crate) token_jwks: Option<Url>,
    pub(crate) token_jwks_refresh: Duration,
    /// The auth service that is asked about each token, and for how long its answers are remembered.
    pub(crate) token_verify: Option<Url>,
    pub(crate) token_verify_cache: Duration,
    pub(crate) sign_in: SignIn,
    pub(crate) events: Events,
    pub(crate) token_audience: Option<String>,
    pub(crate) token_issuer: Option<String>,
    pub(crate) sends: Option<RateLimit>,
    pub(crate) connections_per_user: Option<usize>,
    pub(crate) outbox_bytes: usize,
    pub(crate) heartbeat: Duration,
    pub(crate) auth_timeout: Duration,
    pub(crate) typing_expiry: Duration,
    pub(crate) presence_grace: Duration,
    /// Whether joining a room by Socket.IO makes it where there is none.
    pub(crate) open_rooms: bool,
    /// The one conversation of Community Chat's clients.
    pub(crate) community_channel: ConversationId,
    /// How often Chatter's clients are told to compare what they hold.
    pub(crate) sync_interval: Duration,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) cors_origin: CorsOrigin,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) otlp_endpoint: Option<String>,
    /// How long the node goes on taking connections after it has said that it is not ready.
    pub(crate) drain_delay: Duration,
    /// From the signal to the exit, the delay included.
    pub(crate) drain_grace: Duration,
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Backend {
    /// On this machine, in this directory.
    Standalone { data_dir: PathBuf },
    /// In services that other nodes share.
    Cluster(ClusterSettings),
}

/// Where a cluster's services are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterSettings {
    /// May hold a password.
    pub(crate) mongodb_uri: String,
    /// May hold a password.
    pub(crate) redis_url: String,
    pub(crate) redis_tls_ca_file: Option<PathBuf>,
    pub(crate) lease_ttl: Duration,
    /// How many of a conversation's last entries Redis keeps, and how long.
    pub(crate) recent_entries: usize,
    pub(crate) recent_ttl: Duration,
}

/// Settings with their sources, for printing.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    effective: Layered,
}

impl Settings {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn load(inputs: &Inputs) -> Result<Loaded, Problems> {
        let mut problems = Problems::default();
        let effective = effective(inputs, &mut problems);
        let settings = Reader {
            layered: &effective,
            problems: &mut problems,
        }
        .settings();
        match settings {
            Some(settings) if problems.is_empty() => Ok(Loaded { settings, effective }),
            _ => Err(problems),
        }
    }

    /// Only where the node listens: what else is wrong does not concern the caller.
    ///
    /// # Errors
    /// What is wrong with that one setting.
    pub(crate) fn load_listen(inputs: &Inputs) -> Result<SocketAddr, Problems> {
        let effective = effective(inputs, &mut Problems::default());
        let mut problems = Problems::default();
        let listen = Reader {
            layered: &effective,
            problems: &mut problems,
        }
        .parse("listen", parse::listen);
        listen.ok_or(problems)
    }
}

/// The layers over one another, with the defaults that are worked out.
fn effective(inputs: &Inputs, problems: &mut Problems) -> Layered {
    let mut layered = sources::read(inputs, problems);
    layered.entry("node_id").or_insert_with(|| Given {
        text: host_name(),
        source: Source::Default,
    });
    layered
}

fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "starling".into())
}

/// Takes settings out of the layers and notes what is wrong with them.
struct Reader<'a> {
    layered: &'a Layered,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn settings(&mut self) -> Option<Settings> {
        let listen = self.parse("listen", parse::listen);
        let development = self.parse("development", parse::flag);
        if let (Some(listen), Some(true)) = (listen, development)
            && !listen.ip().is_loopback()
        {
            self.problems.add(format!(
                "development mode accepts weak secrets and so listens on loopback only, but listen is {listen}{}: \
                 set it to a loopback address such as 127.0.0.1:8080, or development to false",
                self.source("listen")
            ));
        }
        let node_id = self.parse("node_id", parse::node_id);
        let backend = self.backend();
        let token_jwks = self.optional("token_jwks_url", |text| {
            sign_in::outside_url(text, development == Some(true))
        });
        let token_jwks_refresh = self.parse("token_jwks_refresh_seconds", parse::seconds(1.0, 86_400.0));
        let token_verify = self.optional("token_verify_url", |text| {
            sign_in::outside_url(text, development == Some(true))
        });
        let token_verify_cache = self.parse("token_verify_cache_seconds", parse::seconds(0.0, 600.0));
        let outside = self.outside_issuer();
        let token_key =
            development.and_then(|development| token_key::read(self, backend.as_ref(), development, outside));
        let sign_in =
            development.and_then(|development| sign_in::read(self, development, token_key.as_ref()));
        let events = development.and_then(|development| events::read(self, development));
        let token_audience = self.optional("token_audience", parse::text);
        let token_issuer = self.optional("token_issuer", parse::text);
        let sends_per_second = self.parse("sends_per_second", parse::within(0, 1_000_000));
        let send_burst = self.parse("send_burst", parse::within(1, 1_000_000));
        let connections_per_user = self.parse("connections_per_user", parse::within(0, 1_000_000));
        let outbox_bytes = self.parse("outbox_bytes", parse::within(64 << 10, 1 << 30));
        let heartbeat = self.parse("heartbeat_seconds", parse::seconds(0.1, 3_600.0));
        let auth_timeout = self.parse("auth_timeout_seconds", parse::seconds(0.1, 3_600.0));
        let typing_expiry = self.parse("typing_expiry_seconds", parse::seconds(1.0, 300.0));
        let presence_grace = self.parse("presence_grace_seconds", parse::seconds(0.0, 60.0));
        let open_rooms = self.parse("open_rooms", parse::flag);
        let community_channel = self.parse("community_channel", parse::room);
        let sync_interval = self.parse("sync_interval_minutes", parse::within(1, 10_080));
        let trusted_proxies = self.optional("trusted_proxies", parse::networks);
        let cors_origin = self.optional("cors_origin", parse::cors_origin);
        let log = self.parse("log", parse::log_filter);
        let log_format = self.parse("log_format", parse::log_format);
        let otlp_endpoint = self.optional("otlp_endpoint", parse::otlp_endpoint);
        let drain_delay = self.parse("drain_delay_seconds", parse::seconds(0.0, 600.0));
        let drain_grace = self.parse("drain_grace_seconds", parse::seconds(0.1, 3_600.0));
        if let (Some(delay), Some(grace)) = (drain_delay, drain_grace)
            && delay >= grace
        {
            self.problems
                .add("drain_delay_seconds must be less than drain_grace_seconds, of which it is a part");
        }
        Some(Settings {
            listen: listen?,
            node_id: node_id?,
            development: development?,
            backend: backend?,
            token_key: token_key?,
            token_jwks,
            token_jwks_refresh: token_jwks_refresh?,
            token_verify,
            token_verify_cache: token_verify_cache?,
            sign_in: sign_in?,
            events: events?,
            token_audience,
            token_issuer,
            sends: rate(sends_per_second?, send_burst?),
            connections_per_user: usize::try_from(connections_per_user?)
                .ok()
                .filter(|limit| *limit > 0),
            outbox_bytes: usize::try_from(outbox_bytes?).ok()?,
            heartbeat: heartbeat?,
            auth_timeout: auth_timeout?,
            typing_expiry: typing_expiry?,
            presence_grace: presence_grace?,
            open_rooms: open_rooms?,
            community_channel: community_channel?,
            sync_interval: Duration::from_secs(sync_interval? * 60),
            trusted_proxies: trusted_proxies.unwrap_or_default(),
            cors_origin: cors_origin.unwrap_or_default(),
            log: log?,
            log_format: log_format?,
            otlp_endpoint,
            drain_delay: drain_delay?,
            drain_grace: drain_grace?,
        })
    }

    /// By which setting an outside issuer's tokens are believed, if any are.
    fn outside_issuer(&mut self) -> Option<&'static str> {
        let given: Vec<_> = ["token_jwks_url", "token_verify_url"]
            .into_iter()
            .filter(|name| self.optional(name, parse::text).is_some())
            .collect();
        if let [one, other] = given.as_slice() {
            self.problems.add(format!(
                "{one} and {other} are both set: only one outside issuer can be believed"
            ));
        }
        given.first().copied()
    }

    fn backend(&mut self) -> Option<Backend> {
        let data_dir = self.parse("data_dir", parse::directory);
        let redis_tls_ca_file = self.optional("redis_tls_ca_file", parse::readable_file);
        let lease_ttl = self.parse("lease_ttl_ms", parse::within(500, 60_000));
        let recent_entries = self.parse("recent_entries", parse::within(0, RECENT_AT_MOST as u64));
        let recent_days = self.parse("recent_days", parse::within(1, 365));
        if !self.layered.contains_key("mongodb_uri") {
            return data_dir.map(|data_dir| Backend::Standalone { data_dir });
        }
        let mongodb_uri = self.parse("mongodb_uri", parse::mongodb_uri);
        let redis_url = self.parse("redis_url", parse::redis_url);
        Some(Backend::Cluster(ClusterSettings {
            mongodb_uri: mongodb_uri?,
            redis_url: redis_url?,
            redis_tls_ca_file,
            lease_ttl: Duration::from_millis(lease_ttl?),
            recent_entries: usize::try_from(recent_entries?).ok()?,
            recent_ttl: Duration::from_secs(recent_days? * 24 * 3_600),
        }))
    }

    /// A setting that has a default. `None`: it is wrong, and that is noted.
    fn parse<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let given = self.layered.get(name)?;
        match parse(&given.text) {
            Ok(value) => Some(value),
            Err(rule) => {
                self.problems.add(format!("{name}{} {rule}", self.source(name)));
                None
            }
        }
    }

    /// A setting that may be absent. `None` also: it is wrong, and that is noted.
    fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.layered.get(name)?;
        if given.text.is_empty() {
            None
        } else {
            self.parse(name, parse)
        }
    }

    /// Where a setting stands, in brackets, for sentences.
    fn source(&self, name: &str) -> String {
        match self.layered.get(name).map(|given| &given.source) {
            Some(source @ Source::Named(_)) => format!(" (from {source})"),
            _ => String::new(),
        }
    }
}

fn rate(per_second: u64, burst: u64) -> Option<RateLimit> {
    let limit = RateLimit {
        per_second: u32::try_from(per_second).ok()?,
        burst: u32::try_from(burst).ok()?,
    };
    (per_second > 0).then_some(limit)
}
