//! Asks a server of this machine whether it is ready, for `countersign healthcheck`.
//!
//! The address comes from the settings and not from a URL, so this module checks no destination and no certificate. It
//! sends no secret.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::crypto::server_certificate::unverified_client_config;

/// The maximum size of a response in bytes.
const RESPONSE_MAX: u64 = 64 * 1024;
/// The request. The server answers any host.
const REQUEST: &[u8] = b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Requests `/ready` from the server at the address.
///
/// # Errors
/// The server is not ready or did not answer within `limit`: the reason.
pub async fn check_ready(address: SocketAddr, is_tls: bool, limit: Duration) -> Result<(), String> {
    let response = timeout(limit, exchange(address, is_tls)).await;
    let response = response.map_err(|_| format!("no response within {} s", limit.as_secs()))??;
    let response = String::from_utf8_lossy(&response);
    let mut head = response.lines().next().unwrap_or_default().split(' ');
    let is_http = head.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let status = head.next().filter(|_| is_http).ok_or("the response is not HTTP; check [tls] and server.listen")?;
    if status == "200" {
        return Ok(());
    }
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let reason = body.get("message").and_then(serde_json::Value::as_str);
    Err(format!("the server responded with {status}{}", reason.map(|reason| format!(": {reason}")).unwrap_or_default()))
}

async fn exchange(address: SocketAddr, is_tls: bool) -> Result<Vec<u8>, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connecting failed: {error}"))?;
    if !is_tls {
        return request(stream).await;
    }
    let config = unverified_client_config().map_err(|error| format!("cannot set up TLS: {error}"))?;
    let name = ServerName::IpAddress(address.ip().into());
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    request(stream.map_err(|error| format!("the TLS handshake failed: {error}"))?).await
}

async fn request(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("the server did not respond: {error}");
    stream.write_all(REQUEST).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut response = Vec::new();
    let read = (&mut stream).take(RESPONSE_MAX).read_to_end(&mut response).await;
    // What was read decides: some servers end a connection without the TLS closure alert.
    if response.is_empty() {
        read.map_err(failed)?;
    }
    Ok(response)
}
