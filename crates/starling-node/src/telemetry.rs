//! Logs to standard error, metrics for `/metrics`, traces to a collector if one is named.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::settings::{LogFormat, Settings};

/// From half a millisecond, below which nobody notices, to beyond the longest time-out.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const BYTES: &[f64] = &[
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];
/// Batch sizes and the like.
const COUNTS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0,
];

const UPKEEP: Duration = Duration::from_secs(5);

/// Renders all metrics.
pub(crate) type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What must live as long as the process.
pub(crate) struct Telemetry {
    metrics: PrometheusHandle,
    process: Collector,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts all three. Once in a process, and before the runtime: the exporter of traces blocks its own thread.
    pub(crate) fn start(settings: &Settings) -> Result<Self> {
        let traces = settings
            .otlp_endpoint
            .as_deref()
            .map(|endpoint| traces(endpoint, settings))
            .transpose()?;
        let exported = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("starling"))
                .with_filter(filter(settings))
        });
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = match settings.log_format {
            LogFormat::Text => lines
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
                .boxed(),
            LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        };
        tracing_subscriber::registry()
            .with(lines.with_filter(filter(settings)))
            .with(exported)
            .try_init()?;

        let metrics = PrometheusBuilder::new()
            .set_buckets(COUNTS)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), BYTES)?
            .install_recorder()
            .context("cannot record metrics")?;
        let process = Collector::default();
        process.describe();
        metrics::describe_gauge!(
            "starling_build_info",
            "1; the node and its version are in the labels"
        );
        metrics::gauge!(
            "starling_build_info",
            "version" => env!("CARGO_PKG_VERSION"),
            "node" => settings.node_id.clone()
        )
        .set(1.0);
        Ok(Self {
            metrics,
            process,
            traces,
        })
    }

    /// What `/metrics` answers with.
    pub(crate) fn render(&self) -> RenderMetrics {
        let (metrics, process) = (self.metrics.clone(), self.process.clone());
        Arc::new(move || {
            process.collect();
            metrics.render()
        })
    }

    /// Folds what was recorded into the histograms, for ever: otherwise memory would grow until someone asks.
    pub(crate) fn upkeep(&self) -> impl Future<Output = ()> + Send + use<> {
        let metrics = self.metrics.clone();
        async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                metrics.run_upkeep();
            }
        }
    }

    /// Sends the traces that are still here.
    pub(crate) fn stop(self) {
        if let Some(traces) = self.traces
            && let Err(error) = traces.shutdown()
        {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// What the settings, where it is checked, ask for; but at no level whole frames, which the WebSocket library tells of at
/// `trace`: tokens and what people say are in them.
fn filter<S: 'static>(settings: &Settings) -> impl Filter<S> + Send + Sync + use<S> {
    let asked = EnvFilter::new(&settings.log);
    // Passed on, so that what nobody asks for costs as little as before.
    let most = Filter::<S>::max_level_hint(&asked).unwrap_or(LevelFilter::TRACE);
    let harmless = filter_fn(move |metadata| {
        let level = *metadata.level();
        level <= most && !(level == Level::TRACE && metadata.target().starts_with("tungstenite"))
    });
    FilterExt::<S>::and(asked, harmless.with_max_level_hint(most))
}

fn traces(endpoint: &str, settings: &Settings) -> Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .build()
        .context("cannot export traces")?;
    let resource = Resource::builder()
        .with_service_name("starling")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", settings.node_id.clone()))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    fn sources(dir: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                sources(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(entry).unwrap());
            }
        }
    }

    /// Names in `counter!("…"`, `gauge!("…"`, `histogram!("…"`, wherever the line breaks.
    fn recorded(source: &str) -> impl Iterator<Item = String> + '_ {
        ["counter!(", "gauge!(", "histogram!("]
            .into_iter()
            .flat_map(|call| source.split(call).skip(1))
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
            .filter(|name| name.starts_with("starling_"))
            .map(str::to_owned)
    }

    #[test]
    fn the_operations_guide_names_every_metric_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = Vec::new();
        for member in fs::read_dir(root.join("crates")).unwrap() {
            let source = member.unwrap().path().join("src");
            if source.is_dir() {
                sources(&source, &mut files);
            }
        }
        let recorded: BTreeSet<_> = files.iter().flat_map(|source| recorded(source)).collect();
        let guide = fs::read_to_string(root.join("docs/operations.md")).unwrap();
        let documented: BTreeSet<_> = guide
            .lines()
            .filter_map(|line| line.strip_prefix("| `starling_")?.split('`').next())
            .map(|name| format!("starling_{name}"))
            .collect();
        assert!(recorded.len() > 20);
        assert_eq!(recorded, documented);
    }
}
