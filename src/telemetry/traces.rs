//! Traces: the spans of each request and their durations, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! Traces need a build with the feature `traces`, and stay off until `[traces]` names a collector. A span is named
//! after an operation and contains no user name, address, token, path or query. A separate thread sends the spans: if
//! the collector is down, spans are lost and requests are unaffected.

pub use sending::Traces;

#[cfg(feature = "traces")]
mod sending {
    use std::thread;

    use opentelemetry::KeyValue;
    use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::resource::EnvResourceDetector;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::{Span, Subscriber};
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::registry::LookupSpan;

    use crate::telemetry::error::TelemetryError;

    /// The service name of the traces, and the prefix of the targets of our spans.
    const SERVICE_NAME: &str = env!("CARGO_CRATE_NAME");

    /// The traces of one process. Spans are sent until [`Traces::end`].
    #[derive(Debug)]
    pub struct Traces(Option<SdkTracerProvider>);

    impl Traces {
        /// Starts to send spans to the collector at this base URL. Does nothing without a URL.
        pub(in crate::telemetry) fn begin(collector: Option<&str>) -> Result<Self, TelemetryError> {
            let Some(collector) = collector else { return Ok(Self(None)) };
            let endpoint = format!("{}/v1/traces", collector.trim_end_matches('/'));
            // The exporter's client starts a runtime, which fails on a thread that already runs in one.
            let build = move || SpanExporter::builder().with_http().with_endpoint(endpoint).build();
            let exporter = thread::spawn(build)
                .join()
                .map_err(|_| exporter_error("its client panicked"))?
                .map_err(exporter_error)?;
            let attributes = [
                KeyValue::new("service.name", SERVICE_NAME),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ];
            let resource = Resource::builder_empty().with_attributes(attributes);
            let resource = resource.with_detector(Box::new(EnvResourceDetector::new())).build();
            let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
            Ok(Self(Some(provider)))
        }

        /// Returns the layer that passes our spans to the exporter; `None` if traces are off.
        pub(in crate::telemetry) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
        {
            let tracer = self.0.as_ref()?.tracer(SERVICE_NAME);
            let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
            let ours = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with(SERVICE_NAME));
            Some(layer.with_tracked_inactivity(false).with_filter(ours))
        }

        /// Sends the remaining spans. Waits at most 5 s for the collector.
        pub fn end(self) {
            if let Some(Err(error)) = self.0.map(|provider| provider.shutdown()) {
                tracing::warn!(%error, "last traces not sent; they are lost");
            }
        }

        /// Makes a span part of the caller's trace, which `traceparent` identifies.
        pub fn follow(span: &Span, traceparent: &str) {
            // This fails for a span that is not traced, which is harmless.
            let _ = span.set_parent(TraceContextPropagator::new().extract(&TraceparentHeader(traceparent)));
        }
    }

    fn exporter_error(why: impl std::fmt::Display) -> TelemetryError {
        TelemetryError::new("the exporter to traces.collector", why)
    }

    /// A `traceparent` value in the form in which the propagator reads headers.
    struct TraceparentHeader<'a>(&'a str);

    impl Extractor for TraceparentHeader<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == "traceparent").then_some(self.0)
        }

        fn keys(&self) -> Vec<&str> {
            vec!["traceparent"]
        }
    }
}

#[cfg(not(feature = "traces"))]
mod sending {
    use tracing::Span;
    use tracing_subscriber::layer::Identity;

    use crate::telemetry::error::TelemetryError;

    /// The traces of one process; this build sends none.
    #[derive(Debug)]
    pub struct Traces(());

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "same signatures as with the feature")]
    impl Traces {
        /// Does nothing. The configuration already rejects `[traces]` in this build.
        pub(in crate::telemetry) fn begin(_: Option<&str>) -> Result<Self, TelemetryError> {
            Ok(Self(()))
        }

        /// Returns no layer.
        pub(in crate::telemetry) fn layer(&self) -> Option<Identity> {
            None
        }

        /// Does nothing.
        pub fn end(self) {}

        /// Does nothing.
        pub fn follow(_: &Span, _: &str) {}
    }
}
