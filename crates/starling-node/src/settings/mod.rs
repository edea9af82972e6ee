//! The node's settings: read from all sources, checked whole before anything binds.

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
use starling_core::ports::RateLimit;
use starling_rest::CorsOrigin;
use url::Url;

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
    /// May hold a password.
    pub(crate) mongodb_uri: String,
    /// May hold a password.
    pub(crate) redis_url: String,
    pub(crate) redis_tls_ca_file: Option<PathBuf>,
    pub(crate) lease_ttl: Duration,
    pub(crate) token_key: TokenKey,
    /// Where an outside issuer publishes its keys, and how often they are fetched.
    pub(crate) token_jwks: Option<Url>,
    pub(crate) token_jwks_refresh: Duration,
    pub(crate) sign_in: SignIn,
    pub(crate) token_audience: Option<String>,
    pub(crate) token_issuer: Option<String>,
    pub(crate) sends: Option<RateLimit>,
    pub(crate) connections_per_user: Option<usize>,
    pub(crate) outbox_bytes: usize,
    pub(crate) heartbeat: Duration,
    pub(crate) auth_timeout: Duration,
    /// Whether joining a room by Socket.IO makes it where there is none.
    pub(crate) open_rooms: bool,
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
    let development = layered
        .get("development")
        .is_some_and(|given| parse::flag(&given.text) == Ok(true));
    let mut by_default = |name, text: &str| {
        layered.entry(name).or_insert_with(|| Given {
            text: text.to_owned(),
            source: Source::Default,
        });
    };
    by_default("drain_delay_seconds", if development { "0" } else { "2" });
    by_default("open_rooms", if development { "true" } else { "false" });
    by_default("node_id", &host_name());
    by_default("code_sender", if development { "log" } else { "none" });
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
                 set it to a loopback address such as 127.0.0.1:8080, or turn development off",
                self.source("listen")
            ));
        }
        let node_id = self.parse("node_id", parse::node_id);
        let mongodb_uri = self.parse("mongodb_uri", parse::mongodb_uri);
        let redis_url = self.parse("redis_url", parse::redis_url);
        let redis_tls_ca_file = self.optional("redis_tls_ca_file", parse::readable_file);
        let lease_ttl = self.parse("lease_ttl_ms", parse::within(500, 60_000));
        let token_jwks = self.optional("token_jwks_url", |text| {
            sign_in::outside_url(text, development == Some(true))
        });
        let token_jwks_refresh = self.parse("token_jwks_refresh_seconds", parse::seconds(1.0, 86_400.0));
        let outside = self.optional("token_jwks_url", parse::text).is_some();
        let token_key = development.and_then(|development| token_key::read(self, development, outside));
        let sign_in =
            development.and_then(|development| sign_in::read(self, development, token_key.as_ref()));
        let token_audience = self.optional("token_audience", parse::text);
        let token_issuer = self.optional("token_issuer", parse::text);
        let sends_per_second = self.parse("sends_per_second", parse::within(0, 1_000_000));
        let send_burst = self.parse("send_burst", parse::within(1, 1_000_000));
        let connections_per_user = self.parse("connections_per_user", parse::within(0, 1_000_000));
        let outbox_bytes = self.parse("outbox_bytes", parse::within(64 << 10, 1 << 30));
        let heartbeat = self.parse("heartbeat_seconds", parse::seconds(0.1, 3_600.0));
        let auth_timeout = self.parse("auth_timeout_seconds", parse::seconds(0.1, 3_600.0));
        let open_rooms = self.parse("open_rooms", parse::flag);
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
            mongodb_uri: mongodb_uri?,
            redis_url: redis_url?,
            redis_tls_ca_file,
            lease_ttl: Duration::from_millis(lease_ttl?),
            token_key: token_key?,
            token_jwks,
            token_jwks_refresh: token_jwks_refresh?,
            sign_in: sign_in?,
            token_audience,
            token_issuer,
            sends: rate(sends_per_second?, send_burst?),
            connections_per_user: usize::try_from(connections_per_user?)
                .ok()
                .filter(|limit| *limit > 0),
            outbox_bytes: usize::try_from(outbox_bytes?).ok()?,
            heartbeat: heartbeat?,
            auth_timeout: auth_timeout?,
            open_rooms: open_rooms?,
            trusted_proxies: trusted_proxies.unwrap_or_default(),
            cors_origin: cors_origin.unwrap_or_default(),
            log: log?,
            log_format: log_format?,
            otlp_endpoint,
            drain_delay: drain_delay?,
            drain_grace: drain_grace?,
        })
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
