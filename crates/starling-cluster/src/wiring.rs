//! How the nodes learn where everything is.

use crate::config::Env;
use crate::mongo::Mongo;
use crate::ports::PortPlan;
use crate::record::Record;

/// The environment of one node, counted from 0.
pub(crate) fn node_env(record: &Record, mongo: &Mongo, index: usize, id: &str, port: u16) -> Env {
    let own = [
        ("STARLING_LISTEN", format!("127.0.0.1:{port}")),
        ("STARLING_NODE_ID", id.to_owned()),
        ("STARLING_MONGODB_URI", mongo.url()),
        ("STARLING_REDIS_URL", redis_url(&record.ports)),
        ("STARLING_TOKEN_SECRET", record.token_secret.clone()),
        // No limit: here one user is often a load generator.
        ("STARLING_SENDS_PER_SECOND", "0".to_owned()),
        // As in development mode: clients of the seeds make their rooms by joining them.
        ("STARLING_OPEN_ROOMS", "true".to_owned()),
        ("STARLING_TRUSTED_PROXIES", "127.0.0.1/32".to_owned()),
        ("STARLING_LOG_FORMAT", "text".to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    let mut env: Env = own.map(|(name, value)| (name.to_owned(), value)).into();
    env.extend(record.config.env.clone());
    env.extend(record.config.node_env.get(&index).cloned().unwrap_or_default());
    env
}

/// The address of Redis; of a Redis Cluster with all masters in it, since any of them may be the one that is away.
pub(crate) fn redis_url(ports: &PortPlan) -> String {
    match ports.redis.as_slice() {
        [first, others @ ..] if !others.is_empty() => {
            let others: Vec<String> = others
                .iter()
                .map(|port| format!("node=127.0.0.1:{port}"))
                .collect();
            format!("redis-cluster://127.0.0.1:{first}?{}", others.join("&"))
        }
        plain => format!("redis://127.0.0.1:{}", plain.first().copied().unwrap_or_default()),
    }
}
