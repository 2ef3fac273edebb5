//! Logs, traces and the registry of metrics.
//!
//! Log lines go to standard error. Traces leave only if an endpoint is configured; an exporter that fails never holds up mail.

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogFormat, Telemetry};

/// Flushes what is left when the process ends.
pub(crate) struct Exporter(Option<SdkTracerProvider>);

impl Exporter {
    /// Sends what is left, for a bounded time.
    pub(crate) fn shutdown(self) {
        if let Some(provider) = self.0 {
            // A collector that is gone must not keep the process.
            drop(provider.shutdown());
        }
    }
}

/// Starts logs and, if configured, the export of traces. Must run inside the runtime.
pub(crate) fn start(settings: &Telemetry) -> anyhow::Result<Exporter> {
    let filter = EnvFilter::try_new(&settings.log_filter).context("telemetry.log_filter")?;
    let writer = std::io::stderr;
    let colours = std::io::IsTerminal::is_terminal(&writer());
    let lines = match settings.log_format {
        LogFormat::Text => {
            tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours).with_target(false).boxed()
        }
        LogFormat::Json => tracing_subscriber::fmt::layer().with_writer(writer).json().flatten_event(true).boxed(),
    };
    let provider = settings.otlp_endpoint.as_deref().map(exporter).transpose()?;
    let spans = provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("yubin")));
    tracing_subscriber::registry().with(filter).with(lines).with(spans).init();
    Ok(Exporter(provider))
}

fn exporter(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .context("telemetry.otlp_endpoint")?;
    let resource = opentelemetry_sdk::Resource::builder().with_service_name("yubin").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
