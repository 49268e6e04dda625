//! Traces: what a request waited for, span by span, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! An option of the build (feature `traces`), and off there, too, until `[traces]` names a collector. A span is named
//! after what is done and holds no name, token, path or query. Sending is a thread's own business: a collector that is
//! down costs spans, never a request.

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

    use crate::telemetry::TelemetryError;

    /// Whose spans are sent.
    const OURS: &str = env!("CARGO_CRATE_NAME");

    /// The traces of one process, which are sent until [`Traces::end`].
    #[derive(Debug)]
    pub struct Traces(Option<SdkTracerProvider>);

    impl Traces {
        /// Begins to send to the collector at this base URL; without one, nothing is done.
        pub(in crate::telemetry) fn begin(collector: Option<&str>) -> Result<Self, TelemetryError> {
            let Some(collector) = collector else { return Ok(Self(None)) };
            let endpoint = format!("{}/v1/traces", collector.trim_end_matches('/'));
            // The exporter's client starts a runtime, which it may not do on a thread of ours that has one.
            let build = move || SpanExporter::builder().with_http().with_endpoint(endpoint).build();
            let exporter = thread::spawn(build).join().map_err(|_| failed("its client panicked"))?.map_err(failed)?;
            let named =
                [KeyValue::new("service.name", OURS), KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
            let resource = Resource::builder_empty().with_attributes(named);
            let resource = resource.with_detector(Box::new(EnvResourceDetector::new())).build();
            let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
            Ok(Self(Some(provider)))
        }

        /// What hands our spans on.
        pub(in crate::telemetry) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
        where
            S: Subscriber + for<'a> LookupSpan<'a>,
        {
            let tracer = self.0.as_ref()?.tracer(OURS);
            let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
            let ours = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with(OURS));
            Some(layer.with_tracked_inactivity(false).with_filter(ours))
        }

        /// Sends what is left; waits some seconds for a collector, no longer.
        pub fn end(self) {
            if let Some(Err(error)) = self.0.map(|provider| provider.shutdown()) {
                tracing::warn!(%error, "the last traces could not be sent");
            }
        }

        /// Makes a span part of the caller's trace, which its `traceparent` names.
        pub fn follow(span: &Span, traceparent: &str) {
            // Fails for a span that is not traced.
            let _ = span.set_parent(TraceContextPropagator::new().extract(&TraceparentHeader(traceparent)));
        }
    }

    fn failed(why: impl std::fmt::Display) -> TelemetryError {
        TelemetryError::new("the way to traces.collector", why)
    }

    /// A `traceparent`, as a header is found.
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

    use crate::telemetry::TelemetryError;

    /// The traces of one process: none, in this build.
    #[derive(Debug)]
    pub struct Traces(());

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "so is what a build with the feature does")]
    impl Traces {
        /// Does nothing: that this build has no traces is told when the settings are read.
        pub(in crate::telemetry) fn begin(_: Option<&str>) -> Result<Self, TelemetryError> {
            Ok(Self(()))
        }

        /// Nothing.
        pub(in crate::telemetry) fn layer(&self) -> Option<Identity> {
            None
        }

        /// Does nothing.
        pub fn end(self) {}

        /// Does nothing.
        pub fn follow(_: &Span, _: &str) {}
    }
}
