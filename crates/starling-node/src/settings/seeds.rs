//! The environment names of the backends that Starling grew out of, so that their deployments go on working.

use std::collections::BTreeMap;

use config::{Map, Value};
use starling_core::ports::RECENT_AT_MOST;
use url::Url;

/// Seeds' names that mean the same as one setting.
const SAME: &[(&str, &str)] = &[
    ("MONGODB_URI", "mongodb_uri"),
    ("REDIS_URL", "redis_url"),
    ("SERVER_ID", "node_id"),
    ("MAX_CONNECTIONS_PER_USER", "connections_per_user"),
    ("CORS_ORIGIN", "cors_origin"),
    ("RABBITMQ_URL", "rabbitmq_url"),
    ("RABBITMQ_QUEUE_NEW_MESSAGE", "rabbitmq_queue_new_message"),
    ("SYNC_INTERVAL_MINUTES", "sync_interval_minutes"),
];

/// From a seed's number to ours.
type SaidHere = fn(u64) -> u64;

/// Seeds' names that mean nearly the same, and how what they say is said here. What is no number is told when the
/// setting is checked.
const NEARLY: &[(&str, &str, SaidHere)] = &[
    // What is kept is a cache here, so less than was asked for does no harm.
    ("MAX_MESSAGE_HISTORY", "recent_entries", |messages| {
        messages.min(RECENT_AT_MOST as u64)
    }),
    ("MESSAGE_HISTORY_TTL", "recent_days", |seconds| {
        seconds.div_ceil(24 * 3_600).clamp(1, 365)
    }),
];

/// What `PORT` sets: it depends on the mode where it listens.
pub(crate) fn listen(env: &BTreeMap<String, String>, development: bool) -> Map<String, Value> {
    let host = if development { "127.0.0.1" } else { "0.0.0.0" };
    let origin = "PORT".to_owned();
    let port = env.get(&origin);
    let listen = port.map(|port| {
        (
            "listen".to_owned(),
            Value::new(Some(&origin), format!("{host}:{port}")),
        )
    });
    listen.into_iter().collect()
}

/// What the other names set.
pub(crate) fn read(env: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut values = Map::new();
    let mut set = |key: &str, origin: &str, text: &str| {
        values.insert(key.to_owned(), Value::new(Some(&origin.to_owned()), text));
    };
    if let Some((origin, url)) = redis_url(env) {
        set("redis_url", &origin, &url);
    }
    for (variable, key) in SAME {
        if let Some(text) = env.get(*variable) {
            set(key, variable, text);
        }
    }
    for (variable, key, here) in NEARLY {
        if let Some(text) = env.get(*variable) {
            let said = text
                .parse()
                .map_or_else(|_| text.clone(), |number| here(number).to_string());
            set(key, variable, &said);
        }
    }
    values
}

/// Puts REDIS_HOST, REDIS_PORT and REDIS_PASSWORD together; REDIS_URL is stronger than all three.
fn redis_url(env: &BTreeMap<String, String>) -> Option<(String, String)> {
    let names = ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"];
    let given: Vec<_> = names.into_iter().filter(|name| env.contains_key(*name)).collect();
    if given.is_empty() {
        return None;
    }
    let part = |name: &str, default| env.get(name).map_or(default, String::as_str);
    let (host, port) = (part("REDIS_HOST", "127.0.0.1"), part("REDIS_PORT", "6379"));
    let mut url = format!("redis://{host}:{port}");
    if let Some(password) = env.get("REDIS_PASSWORD")
        && let Ok(mut parsed) = Url::parse(&url)
        && parsed.set_password(Some(password)).is_ok()
    {
        url = parsed.into();
    }
    // What does not parse is told when the setting is checked.
    Some((given.join(", "), url))
}
