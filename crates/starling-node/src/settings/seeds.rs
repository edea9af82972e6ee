//! The environment names of the backends that Starling grew out of, so that their deployments go on working.

use std::collections::BTreeMap;

use config::{Map, Value};
use url::Url;

/// Seeds' names that mean the same as one setting.
const SAME: &[(&str, &str)] = &[
    ("MONGODB_URI", "mongodb_uri"),
    ("REDIS_URL", "redis_url"),
    ("SERVER_ID", "node_id"),
    ("MAX_CONNECTIONS_PER_USER", "connections_per_user"),
    ("CORS_ORIGIN", "cors_origin"),
];

/// Where `PORT` listens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Host {
    Any,
    Loopback,
}

impl Host {
    pub(crate) fn in_mode(development: bool) -> Self {
        if development { Self::Loopback } else { Self::Any }
    }

    fn address(self) -> &'static str {
        match self {
            Self::Any => "0.0.0.0",
            Self::Loopback => "127.0.0.1",
        }
    }
}

/// What the seeds' names set.
pub(crate) fn read(env: &BTreeMap<String, String>, host: Host) -> Map<String, Value> {
    let mut values = Map::new();
    let mut set = |key: &str, origin: &str, text: &str| {
        values.insert(key.to_owned(), Value::new(Some(&origin.to_owned()), text));
    };
    if let Some((origin, url)) = redis_url(env) {
        set("redis_url", &origin, &url);
    }
    if let Some(port) = env.get("PORT") {
        set("listen", "PORT", &format!("{}:{port}", host.address()));
    }
    for (variable, key) in SAME {
        if let Some(text) = env.get(*variable) {
            set(key, variable, text);
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
