//! Logs, traces and the registry of metrics.
//!
//! Log lines go to standard error. Traces leave only if an endpoint is configured; an exporter that fails never holds up mail.
//!
//! A span is exported if it names its trace in a field `trace.id`, and under that id: the one of the log lines, of the stored
//! entry and of the `Received` field, in whichever process the span was. Other spans are of no use to whoever follows a message.
//! What is logged and what is exported are decided apart: spans within a session are at DEBUG, so that log lines stay short and,
//! where nothing is exported, they cost nothing.

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::{SpanContext, TraceId, TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{LogFormat, Telemetry};

/// The field in which a span names its trace, 32 hex digits.
const TRACE_ID: &str = "trace.id";

/// Flushes what is left when the process ends.
pub(crate) struct Exporter(Option<SdkTracerProvider>);

impl Exporter {
    /// Sends what is left, for as long as this at most.
    pub(crate) fn shutdown(self, within: Duration) {
        if let Some(provider) = self.0 {
            // A collector that is gone must not keep the process.
            drop(provider.shutdown_with_timeout(within));
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
    let names_its_trace = filter_fn(|metadata| metadata.is_span() && metadata.fields().field(TRACE_ID).is_some());
    let spans = provider.as_ref().map(|provider| {
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("yubin"));
        layer.with_location(false).with_threads(false).with_filter(names_its_trace)
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
    Ok(Exporter(provider))
}

fn exporter(endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .context("telemetry.otlp_endpoint")?;
    let resource = Resource::builder().with_service_name("yubin").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(UnderOwnTrace(exporter)).with_resource(resource).build())
}

/// Exports each span under the trace that it names: the library would make up an id for every root.
#[derive(Debug)]
struct UnderOwnTrace<E>(E);

impl<E: SpanExporter> SpanExporter for UnderOwnTrace<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.export(batch.into_iter().map(under_own_trace).collect()).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn under_own_trace(mut span: SpanData) -> SpanData {
    let named = span.attributes.iter().find(|attribute| attribute.key.as_str() == TRACE_ID);
    if let Some(trace) = named.and_then(|attribute| TraceId::from_hex(&attribute.value.as_str()).ok()) {
        let context = &span.span_context;
        let (id, flags) = (context.span_id(), context.trace_flags());
        span.span_context = SpanContext::new(trace, id, flags, context.is_remote(), context.trace_state().clone());
    }
    span
}
