//! The HTTP client of the tests.

/// Starts a client that uses no proxy and trusts no certificate, because all test servers speak plain HTTP. Reading the
/// certificates of the system would take most of the time of a test.
pub fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}
