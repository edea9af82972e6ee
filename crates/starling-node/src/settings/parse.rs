//! From text to values. An error is the rest of a sentence that begins with the setting's name.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use starling_protocol::ConversationId;
use starling_rest::CorsOrigin;
use tracing_subscriber::EnvFilter;
use url::Url;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

type Parsed<T> = Result<T, String>;

pub(super) fn text(text: &str) -> Parsed<String> {
    Ok(text.to_owned())
}

pub(super) fn flag(text: &str) -> Parsed<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("must be true or false, and is {text:?}")),
    }
}

/// A whole number from `low` to `high`.
pub(super) fn within(low: u64, high: u64) -> impl FnOnce(&str) -> Parsed<u64> {
    move |text| {
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        number.ok_or_else(|| format!("must be a whole number from {low} to {high}, and is {text:?}"))
    }
}

/// A number of seconds, decimals allowed.
pub(super) fn seconds(low: f64, high: f64) -> impl FnOnce(&str) -> Parsed<Duration> {
    move |text| {
        let number = text.parse().ok().filter(|number| (low..=high).contains(number));
        let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
        duration.ok_or_else(|| format!("must be a number of seconds from {low} to {high}, and is {text:?}"))
    }
}

pub(super) fn listen(text: &str) -> Parsed<SocketAddr> {
    let rule = || format!("must be an IP address and a port such as 0.0.0.0:8080, and is {text:?}");
    text.parse().map_err(|_| rule())
}

pub(super) fn node_id(text: &str) -> Parsed<String> {
    let valid = (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    if valid {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be 1 to 64 visible ASCII characters, and is {text:?}"
        ))
    }
}

/// The id of a conversation that people agree upon: none of those that Starling makes up.
pub(super) fn room(text: &str) -> Parsed<ConversationId> {
    let made_up = matches!(text.as_bytes(), [kind, b'-', ..] if kind.is_ascii_lowercase());
    let id = ConversationId::new(text).ok().filter(|_| !made_up);
    id.ok_or_else(|| {
        format!(
            "must be an id of 1 to 128 of the characters A-Z a-z 0-9 . _ : - that does not begin with a lower-case \
             letter and a dash, and is {text:?}"
        )
    })
}

pub(super) fn mongodb_uri(text: &str) -> Parsed<String> {
    let rest = text
        .strip_prefix("mongodb://")
        .or_else(|| text.strip_prefix("mongodb+srv://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with(['/', '?']) => Ok(text.to_owned()),
        _ => Err("must be a URI such as mongodb://host:27017/starling or mongodb+srv://host/starling".into()),
    }
}

pub(super) fn redis_url(text: &str) -> Parsed<String> {
    const SCHEMES: [&str; 4] = ["redis", "rediss", "redis-cluster", "rediss-cluster"];
    match Url::parse(text) {
        Ok(url) if SCHEMES.contains(&url.scheme()) && url.has_host() => Ok(text.to_owned()),
        _ => Err(
            "must be a URL such as redis://host:6379, rediss://host:6379 (TLS) or \
                  redis-cluster://host:7000?node=host:7001"
                .into(),
        ),
    }
}

pub(super) fn readable_file(text: &str) -> Parsed<PathBuf> {
    let path = PathBuf::from(text);
    match std::fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(format!("names a file that cannot be read: {text}: {error}")),
    }
}

/// It need not be there yet.
pub(super) fn directory(text: &str) -> Parsed<PathBuf> {
    let path = PathBuf::from(text);
    if text.is_empty() || (path.exists() && !path.is_dir()) {
        Err(format!("must name a directory, and is {text:?}"))
    } else {
        Ok(path)
    }
}

/// Addresses and networks, separated by commas.
pub(super) fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let network = |item: &str| {
        let parsed = item
            .parse::<IpNet>()
            .or_else(|_| item.parse::<IpAddr>().map(IpNet::from));
        parsed.map_err(|_| {
            format!(
                "must be IP addresses or networks such as 10.0.0.0/8, separated by commas, and has {item:?}"
            )
        })
    };
    items(text).map(network).collect()
}

/// `*`, or origins separated by commas.
pub(super) fn cors_origin(text: &str) -> Parsed<CorsOrigin> {
    if text.trim() == "*" {
        return Ok(CorsOrigin::Any);
    }
    let origin = |item: &str| {
        let url = Url::parse(item).ok().filter(|url| url.origin().is_tuple());
        match url {
            // A browser sends exactly this, so a path or a stray slash would never match.
            Some(url) if url.origin().ascii_serialization() == item => Ok(item.to_owned()),
            Some(url) => {
                let meant = url.origin().ascii_serialization();
                Err(format!(
                    "must be * or origins without path, separated by commas: write {meant:?} for {item:?}"
                ))
            }
            None => Err(format!(
                "must be * or origins such as https://chat.example.org, separated by commas, and has {item:?}"
            )),
        }
    };
    items(text)
        .map(origin)
        .collect::<Result<_, _>>()
        .map(CorsOrigin::List)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

pub(super) fn log_filter(text: &str) -> Parsed<String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "must be a filter such as info or starling_core=debug,info: {error}"
        )),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, and is {text:?}")),
    }
}

/// A collector nearby; TLS is for a proxy in between.
pub(super) fn otlp_endpoint(text: &str) -> Parsed<String> {
    match Url::parse(text) {
        Ok(mut url) if url.scheme() == "http" && url.has_host() => {
            if url.path() == "/" {
                url.set_path("/v1/traces");
            }
            Ok(url.into())
        }
        _ => {
            Err("must be an http:// URL of an OpenTelemetry collector, such as http://127.0.0.1:4318".into())
        }
    }
}
