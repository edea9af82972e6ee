//! Where settings come from: defaults < file < the seeds' environment names < `STARLING_*`.
//!
//! An empty environment variable counts as one that is not set, since Compose files pass such on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat, Map, Source as _, Value, ValueKind};

use super::Problems;
use super::keys::{self, KEYS, Key};
use super::seeds;

const PREFIX: &str = "STARLING_";

/// All that the settings depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// The settings file, if one was named.
    pub(crate) file: Option<PathBuf>,
    /// The environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The node is of a cluster, whatever else is said.
    pub(crate) cluster: bool,
}

impl Inputs {
    /// Those of this process.
    pub(crate) fn of_process(file: Option<PathBuf>, cluster: bool) -> Self {
        let env = std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self { file, env, cluster }
    }
}

/// A setting's text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) source: Source,
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    /// Of the environment, or a file.
    Named(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// All settings that are given, by name; the strongest source of each.
pub(crate) type Layered = BTreeMap<&'static str, Given>;

/// Puts the layers over one another. Names that mean nothing are problems: a misspelt setting must not be
/// ignored in silence.
pub(crate) fn read(inputs: &Inputs, problems: &mut Problems) -> Layered {
    let mut from_file = Map::new();
    if let Some(path) = &inputs.file {
        match read_file(path) {
            Ok(values) => from_file = known(values, path, problems),
            Err(error) => problems.add(format!(
                "the settings file {} cannot be read: {error}",
                path.display()
            )),
        }
    }
    let from_starling = starling_variables(&inputs.env, problems);
    let mut from_seeds = seeds::read(&inputs.env);
    let is_set = |name: &str| {
        let layers = [&from_file, &from_seeds, &from_starling];
        layers.iter().any(|layer| layer.contains_key(name))
    };
    let cluster = inputs.cluster || is_set("mongodb_uri") || is_set("redis_url");
    let development = from_starling.get("development").or(from_file.get("development"));
    // What is no truth value is told when the setting is checked.
    let development = development.map(|value| value.clone().into_bool().unwrap_or(false));
    let mode = Mode {
        cluster,
        development: development.unwrap_or(!cluster),
    };
    from_seeds.extend(seeds::listen(&inputs.env, mode.development));

    let defaults = KEYS
        .iter()
        .filter_map(|key| Some((key.name.to_owned(), Value::new(None, mode.default(key)?))));
    let merged = Config::builder()
        .add_source(Layer(defaults.collect()))
        .add_source(Layer(from_file))
        .add_source(Layer(from_seeds))
        .add_source(Layer(from_starling))
        .build()
        .and_then(|config| config.collect());
    let merged = match merged {
        Ok(merged) => merged,
        Err(error) => {
            problems.add(error.to_string());
            return Layered::new();
        }
    };
    merged
        .into_iter()
        .filter_map(|(name, value)| given(&name, value))
        .collect()
}

/// What some defaults depend on.
#[derive(Debug, Clone, Copy)]
struct Mode {
    cluster: bool,
    development: bool,
}

impl Mode {
    fn default(self, key: &Key) -> Option<&'static str> {
        let flag = |value: bool| Some(if value { "true" } else { "false" });
        match key.name {
            "development" => flag(self.development),
            "mongodb_uri" if self.cluster => Some("mongodb://127.0.0.1:27017/starling"),
            "redis_url" if self.cluster => Some("redis://127.0.0.1:6379"),
            "drain_delay_seconds" => Some(if self.development { "0" } else { "2" }),
            "open_rooms" => flag(self.development),
            "code_sender" => Some(if self.development { "log" } else { "none" }),
            "code_in_answer" => flag(self.development),
            _ => key.default,
        }
    }
}

fn given(name: &str, value: Value) -> Option<(&'static str, Given)> {
    let source = value
        .origin()
        .map_or(Source::Default, |origin| Source::Named(origin.to_owned()));
    Some((
        keys::find(name)?.name,
        Given {
            text: value.into_string().ok()?,
            source,
        },
    ))
}

fn read_file(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    // Read here: the library would try other extensions too.
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Foreign(Box::new(error)))?;
    File::from_str(&text, FileFormat::Toml).collect()
}

/// What a file sets, as text that says where it comes from.
fn known(values: Map<String, Value>, path: &Path, problems: &mut Problems) -> Map<String, Value> {
    let origin = path.display().to_string();
    let mut known = Map::new();
    for (name, value) in values {
        if keys::find(&name).is_none() {
            let meant = did_you_mean(&name, str::to_owned);
            problems.add(format!("{origin} sets {name:?}, which is no setting{meant}"));
            continue;
        }
        let text = match value.kind {
            ValueKind::Array(items) => {
                let items: Result<Vec<_>, _> = items.into_iter().map(Value::into_string).collect();
                items.map(|items| items.join(","))
            }
            _ => value.into_string(),
        };
        match text {
            Ok(text) => drop(known.insert(name, Value::new(Some(&origin), text))),
            Err(_) => problems.add(format!(
                "{origin} gives {name} a value that is neither text nor a number"
            )),
        }
    }
    known
}

fn starling_variables(env: &BTreeMap<String, String>, problems: &mut Problems) -> Map<String, Value> {
    let mut values = Map::new();
    for (variable, text) in env {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if name == "CONFIG" || is_service_link(name) {
            continue;
        }
        let lower = name.to_lowercase();
        if lower.to_uppercase() == name && keys::find(&lower).is_some() {
            values.insert(lower, Value::new(Some(variable), text.as_str()));
        } else {
            let meant = did_you_mean(&lower, |key| format!("{PREFIX}{}", key.to_uppercase()));
            problems.add(format!(
                "the environment sets {variable}, which is no setting{meant}"
            ));
        }
    }
    values
}

/// Kubernetes gives every container the addresses of all services; one named `starling` makes these.
fn is_service_link(name: &str) -> bool {
    name == "PORT" || name.starts_with("PORT_") || name == "SERVICE_HOST" || name.starts_with("SERVICE_PORT")
}

fn did_you_mean(name: &str, write: impl Fn(&'static str) -> String) -> String {
    keys::closest(name).map_or_else(String::new, |key| format!(" (did you mean {}?)", write(key.name)))
}

/// Values with their origins, for the library to merge.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}
