//! The collector for traces of requests: `[traces]`.

use url::Url;

use super::reader::Reader;

/// Whether this build can send traces.
const AVAILABLE: bool = cfg!(feature = "traces");

/// `[traces]`: the export of each request's spans.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    /// The base URL of a collector that accepts OTLP over HTTP.
    pub collector: Url,
}

impl TracesConfig {
    /// Reads `[traces]`. Returns `None` if no collector is set; traces are then disabled.
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let collector = r.optional("traces.collector", |text| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let base_url =
                url.filter(|url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty());
            base_url.ok_or(
                "not the base URL of a collector (http or https, without user, query or fragment); use for example \
                 \"http://127.0.0.1:4318\"",
            )
        });
        r.require(
            &["traces.collector"],
            AVAILABLE || collector.is_none(),
            "this build cannot send traces; build it with `cargo build --release --features traces`, or remove the \
             setting",
        );
        collector.map(|collector| Self { collector })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_collector_url_needs_a_build_with_traces() {
        let read = |url: &str| Config::from_toml(&format!("traces.collector = '{url}'"));
        let error = |url: &str| read(url).unwrap_err().to_string();
        for invalid in ["127.0.0.1:4318", "ftp://a", "http://a/?b", "http://a/#b", "http://u:p@a", "unix:/run/a"] {
            assert!(
                error(invalid).contains("traces.collector") && error(invalid).contains("base URL"),
                "{}",
                error(invalid)
            );
        }
        if AVAILABLE {
            let read = read("http://127.0.0.1:4318").unwrap().traces.unwrap();
            assert_eq!(read.collector.as_str(), "http://127.0.0.1:4318/");
        } else {
            assert!(error("http://127.0.0.1:4318").contains("--features traces"), "{}", error("http://127.0.0.1:4318"));
        }
        assert!(read("").unwrap().traces.is_none());
    }
}
