//! Where traces of requests are sent: `[traces]`.

use url::Url;

use super::reader::Reader;

/// Whether this build can send traces.
const AVAILABLE: bool = cfg!(feature = "traces");

/// `[traces]`: how each request's spans can be had.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    /// The base URL of a collector that speaks OTLP over HTTP.
    pub collector: Url,
}

impl TracesConfig {
    /// None where no collector is set: then there are no traces.
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let collector = r.optional("traces.collector", |text| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let plain =
                url.filter(|url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty());
            plain.ok_or("use the collector's base URL, as in \"http://127.0.0.1:4318\"")
        });
        r.require(
            &["traces.collector"],
            AVAILABLE || collector.is_none(),
            "this build sends no traces: build it with `cargo build --release --features traces`, or leave it out",
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
        for wrong in ["127.0.0.1:4318", "ftp://a", "http://a/?b", "http://a/#b", "http://u:p@a", "unix:/run/a"] {
            assert!(error(wrong).contains("traces.collector") && error(wrong).contains("base URL"), "{}", error(wrong));
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
