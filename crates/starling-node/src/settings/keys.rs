//! The table of all settings: what exists, under which name, with which default.

/// One setting. In a file it has this name; in the environment `STARLING_` and the name in capitals.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// `None`: not set, or worked out at the start, as the operations guide says.
    pub(crate) default: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) shown: Shown,
}

/// How it is written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A number or a truth value.
    Bare,
}

/// How much of it may be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Whole,
    /// All but the passwords within the URL.
    WithoutPassword,
    /// The URL up to its path: in a webhook's the path often is the secret.
    Origin,
    Not,
}

const fn text(name: &'static str, default: Option<&'static str>) -> Key {
    Key {
        name,
        default,
        kind: Kind::Text,
        shown: Shown::Whole,
    }
}

const fn bare(name: &'static str, default: &'static str) -> Key {
    Key {
        name,
        default: Some(default),
        kind: Kind::Bare,
        shown: Shown::Whole,
    }
}

const fn url(name: &'static str, default: Option<&'static str>) -> Key {
    Key {
        name,
        default,
        kind: Kind::Text,
        shown: Shown::WithoutPassword,
    }
}

const fn webhook_url(name: &'static str) -> Key {
    Key {
        name,
        default: None,
        kind: Kind::Text,
        shown: Shown::Origin,
    }
}

/// In the order in which `starling config` prints them. docs/operations.md has the same table for people; a
/// test holds the two together.
pub(crate) const KEYS: &[Key] = &[
    text("listen", Some("127.0.0.1:8080")),
    text("node_id", None),
    Key {
        name: "development",
        default: None,
        kind: Kind::Bare,
        shown: Shown::Whole,
    },
    text("data_dir", Some("./data")),
    url("mongodb_uri", None),
    url("redis_url", None),
    text("redis_tls_ca_file", None),
    bare("lease_ttl_ms", "3000"),
    Key {
        name: "token_secret",
        default: None,
        kind: Kind::Text,
        shown: Shown::Not,
    },
    text("token_secret_file", None),
    text("token_public_key_file", None),
    url("token_jwks_url", None),
    bare("token_jwks_refresh_seconds", "300"),
    url("token_verify_url", None),
    bare("token_verify_cache_seconds", "30"),
    text("token_audience", None),
    text("token_issuer", None),
    text("code_sender", None),
    webhook_url("code_webhook_url"),
    Key {
        name: "code_webhook_secret",
        default: None,
        kind: Kind::Text,
        shown: Shown::Not,
    },
    text("code_webhook_secret_file", None),
    Key {
        name: "code_in_answer",
        default: None,
        kind: Kind::Bare,
        shown: Shown::Whole,
    },
    bare("codes_per_phone_hour", "5"),
    bare("codes_per_address_hour", "30"),
    bare("access_token_minutes", "15"),
    bare("refresh_token_days", "30"),
    url("rabbitmq_url", None),
    text("rabbitmq_exchange", Some("starling.events")),
    text("rabbitmq_queue_new_message", None),
    webhook_url("event_webhook_url"),
    Key {
        name: "event_webhook_secret",
        default: None,
        kind: Kind::Text,
        shown: Shown::Not,
    },
    text("event_webhook_secret_file", None),
    text("events_from", Some("now")),
    bare("sends_per_second", "20"),
    bare("send_burst", "100"),
    bare("connections_per_user", "5"),
    bare("outbox_bytes", "1048576"),
    bare("heartbeat_seconds", "25"),
    bare("auth_timeout_seconds", "10"),
    bare("typing_expiry_seconds", "30"),
    bare("presence_grace_seconds", "2"),
    bare("recent_entries", "1000"),
    bare("recent_days", "7"),
    Key {
        name: "open_rooms",
        default: None,
        kind: Kind::Bare,
        shown: Shown::Whole,
    },
    text("community_channel", Some("community")),
    bare("sync_interval_minutes", "5"),
    text("trusted_proxies", None),
    text("cors_origin", None),
    text("log", Some("info")),
    text("log_format", Some("text")),
    url("otlp_endpoint", None),
    Key {
        name: "drain_delay_seconds",
        default: None,
        kind: Kind::Bare,
        shown: Shown::Whole,
    },
    bare("drain_grace_seconds", "20"),
];

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The setting that a misspelt name probably means.
pub(crate) fn closest(name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .map(|key| (strsim::damerau_levenshtein(name, key.name), key))
        .filter(|(distance, key)| *distance <= 1 + key.name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}
