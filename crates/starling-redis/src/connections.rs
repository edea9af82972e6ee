//! How fred's clients are configured: time limits everywhere, no replays, no delays of small packets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, ClusterInterface};
use fred::rustls::pki_types::CertificateDer;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::{ClientConfig, RootCertStore, crypto::ring};
use fred::socket2::TcpKeepalive;
use fred::types::config::{
    ClusterDiscoveryPolicy, Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server,
    ServerConfig, TcpConfig, TlsConfig, TlsHostMapping, UnresponsiveConfig,
};

use crate::{RedisError, RedisSettings};

/// Between attempts to connect again, in milliseconds: shortest, longest, and the jitter on top.
const RECONNECT: (u32, u32, u32) = (50, 1000, 200);

/// Makes clients, none of which is connected yet.
#[derive(Clone)]
pub(crate) struct Connections {
    config: Config,
    connection: ConnectionConfig,
    command_timeout: Duration,
    bus_capacity: usize,
}

impl Connections {
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self, RedisError> {
        settings.check()?;
        Ok(Self {
            config: config(settings)?,
            connection: connection(settings),
            command_timeout: settings.command_timeout,
            bus_capacity: settings.bus_capacity,
        })
    }

    /// A client for commands: connects again by itself, for ever.
    pub(crate) fn commands(&self) -> Client {
        self.commands_with(self.config.clone())
    }

    /// As [`Connections::commands`], in the place of one that has ended. In a cluster it also looks where that one knew
    /// servers: those that the URL names may be gone.
    pub(crate) fn commands_after(&self, ended: &Client) -> Client {
        let mut config = self.config.clone();
        if let ServerConfig::Clustered { hosts, .. } = &mut config.server {
            let known = ended
                .cached_cluster_state()
                .map(|state| state.unique_primary_nodes());
            let known = known.filter(|known| !known.is_empty());
            hosts.extend(known.unwrap_or_else(|| ended.client_config().server.hosts()));
            hosts.sort();
            hosts.dedup();
        }
        self.commands_with(config)
    }

    fn commands_with(&self, config: Config) -> Client {
        let (min, max, jitter) = RECONNECT;
        let mut policy = ReconnectPolicy::new_exponential(0, min, max, 2);
        policy.set_jitter(jitter);
        // Not as an option of each command: fred does not apply those to scripts.
        let performance = PerformanceConfig {
            default_command_timeout: self.command_timeout,
            ..PerformanceConfig::default()
        };
        Client::new(
            config,
            Some(performance),
            Some(self.connection.clone()),
            Some(policy),
        )
    }

    /// A client for pub/sub on one server: when its connection ends it ends, so that no break goes unnoticed.
    pub(crate) fn subscriber(&self, server: Server) -> Client {
        let config = Config {
            server: ServerConfig::Centralized { server },
            ..self.config.clone()
        };
        let performance = PerformanceConfig {
            default_command_timeout: self.command_timeout,
            broadcast_channel_capacity: self.bus_capacity,
            ..PerformanceConfig::default()
        };
        Client::new(config, Some(performance), Some(self.connection.clone()), None)
    }

    /// The servers that the URL names.
    pub(crate) fn servers(&self) -> Vec<Server> {
        self.config.server.hosts()
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.config.server.is_clustered()
    }
}

fn config(settings: &RedisSettings) -> Result<Config, RedisError> {
    let (scheme, rest) = settings.url.split_once("://").unwrap_or_default();
    // fred would make the TLS configuration here too, from the system's certificates alone and with whatever
    // cryptography the process has chosen, panicking if it has chosen none.
    let (plain, tls) = match scheme {
        "redis" => ("redis", false),
        "rediss" => ("redis", true),
        "redis-cluster" => ("redis-cluster", false),
        "rediss-cluster" => ("redis-cluster", true),
        _ => {
            return Err(RedisError::Settings(
                "the URL must begin with redis://, rediss://, redis-cluster:// or rediss-cluster://"
                    .to_owned(),
            ));
        }
    };
    // fred's message may hold the URL, and so the password.
    let mut config = Config::from_url(&format!("{plain}://{rest}"))
        .map_err(|_| RedisError::Settings("the URL cannot be parsed".to_owned()))?;
    // Otherwise a cluster is lost once the servers that the URL names are gone.
    if config.server.is_clustered() {
        config
            .server
            .set_cluster_discovery_policy(ClusterDiscoveryPolicy::UseCache)
            .map_err(|e| RedisError::Settings(e.to_string()))?;
    }
    if tls {
        config.tls = Some(tls_config(&config.server, settings.tls_ca_file.as_deref())?);
    }
    Ok(config)
}

fn tls_config(server: &ServerConfig, ca_file: Option<&Path>) -> Result<TlsConfig, RedisError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let failed = |e: &dyn std::fmt::Display| RedisError::Tls(format!("{}: {e}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))? {
                roots
                    .add(certificate.map_err(|e| failed(&e))?)
                    .map_err(|e| failed(&e))?;
            }
        }
        None => {
            roots.add_parsable_certificates(fred::rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(RedisError::Tls(
            "there are no certificates of authorities to trust".to_owned(),
        ));
    }
    let connector = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| RedisError::Tls(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A cluster describes its servers by address. Where the URL has a name, the certificates do too.
    let by_name = server
        .hosts()
        .iter()
        .any(|server| server.host.parse::<std::net::IpAddr>().is_err());
    let hostnames = if by_name {
        TlsHostMapping::DefaultHost
    } else {
        TlsHostMapping::None
    };
    Ok(TlsConfig {
        connector: connector.into(),
        hostnames,
    })
}

fn connection(settings: &RedisSettings) -> ConnectionConfig {
    let silence = silence(settings);
    ConnectionConfig {
        connection_timeout: settings.connect_timeout,
        internal_command_timeout: settings.connect_timeout,
        // One: whether a command of a broken connection was carried out is for the caller to find out.
        max_command_attempts: 1,
        // fred follows `ASK` to the wrong server, and ends the whole connection over it. See `Redis::run`.
        max_redirections: 0,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(silence),
            interval: silence / 4,
        },
        tcp: TcpConfig {
            nodelay: Some(true),
            keepalive: Some(
                TcpKeepalive::new()
                    .with_time(Duration::from_secs(5))
                    .with_interval(Duration::from_secs(1)),
            ),
            ..TcpConfig::default()
        },
        ..ConnectionConfig::default()
    }
}

/// How long a connection may be silent while a command waits for its answer, before it is given up.
pub(crate) fn silence(settings: &RedisSettings) -> Duration {
    settings.command_timeout * 2
}
