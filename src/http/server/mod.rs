//! The listener: accepts connections up to a limit, serves HTTP/1.1 on them with timeouts, and lets requests in flight
//! finish at shutdown. It is independent of the routes.
//!
//! One task accepts connections, and each connection has its own task. If accepting fails (no descriptors, no memory),
//! the listener logs this once and tries again after 200 ms. At the connection limit and after such a failure, the
//! listener closes idle connections immediately, slow connections after 2 s to 4 s, and all others after the response
//! to their current request.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub mod caller_limit;
mod connection_limit;
pub mod fd_limit;
mod head;
pub mod keep_alive;
mod request_phase;
pub mod tls;
mod tls_file;
mod write_timeout;

use crate::http::security_headers::set_security_headers;
use caller_limit::{AdmittedConnection, CallerLimit};
use connection_limit::ConnectionLimit;
use keep_alive::{HEADER_TIMEOUT, KeepAlive};
use request_phase::RequestPhase;
use tls::Tls;
use write_timeout::WriteTimeout;

/// The maximum size of a request head and of the read buffer, in bytes.
const HEAD_MAX: usize = 32 * 1024;
/// The maximum time of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum time for which a caller may read nothing of a response that is being sent.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum time that a caller may spend in one phase (TLS handshake, request head, request body, reading the
/// response) when the connection limit is reached or accepting a connection has failed. The phase is checked at this
/// interval, so a phase of a request can last up to twice as long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum time for requests in flight to finish at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// The delay before the next attempt after accepting a connection failed.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);
/// The number of connections that may wait to be accepted, up to the limit of the operating system. The operating
/// system of a client beyond this number retries after one second.
const ACCEPT_QUEUE: i32 = 4096;
/// The interval of the checks whether the certificate files were replaced.
const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// The options of the listener.
#[derive(Debug)]
pub struct Server {
    /// The router that handles the requests.
    pub router: Router,
    /// The TLS configuration. `None` serves plain HTTP.
    pub tls: Option<Tls>,
    /// The maximum number of open connections. See [`fd_limit`].
    pub max_connections: usize,
    /// The maximum number of open connections of one caller.
    pub caller_limit: CallerLimit,
    /// When idle connections close.
    pub keep_alive: KeepAlive,
    /// Whether the public URL is an https URL, so that responses contain `Strict-Transport-Security`.
    pub is_https: bool,
}

/// The state of a running server.
struct RunningServer {
    protocol: http1::Builder,
    router: Router,
    is_https: bool,
    tls: Option<Arc<Tls>>,
    keep_alive: KeepAlive,
    connection_limit: ConnectionLimit,
    caller_limit: CallerLimit,
    connections: JoinSet<()>,
    /// Signals all open connections: those without a request close immediately, the others after the response to the
    /// current request. `false`: the connection limit is reached or accepting failed, so a connection whose caller
    /// exceeds [`BUSY_TIMEOUT`] closes early. `true`: the server shuts down, so the remaining connections close after
    /// [`SHUTDOWN_GRACE`].
    close_signal: watch::Sender<bool>,
}

impl Server {
    /// Serves until `stop` is true or its sender is dropped. Then it accepts no further connection, and gives requests
    /// in flight 8 s to finish.
    ///
    /// # Errors
    /// If the listener cannot be used at all. Errors of single connections and temporary errors are logged instead.
    pub async fn run(self, listener: StdListener, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        // The standard library opened the listener with a short accept queue. This call enlarges the queue.
        rustix::net::listen(&listener, ACCEPT_QUEUE)?;
        let listener = TcpListener::from_std(listener)?;
        let mut protocol = http1::Builder::new();
        protocol.max_buf_size(HEAD_MAX);
        let mut running = RunningServer {
            protocol,
            router: self.router,
            is_https: self.is_https,
            tls: self.tls.map(Arc::new),
            keep_alive: self.keep_alive,
            connection_limit: ConnectionLimit::new(self.max_connections),
            caller_limit: self.caller_limit,
            connections: JoinSet::new(),
            close_signal: watch::Sender::new(false),
        };
        let mut tls_checks = ticks(TLS_RELOAD_INTERVAL);
        loop {
            let connected = running.connections.len();
            let has_capacity = running.connection_limit.has_capacity(connected);
            tokio::select! {
                biased;
                () = signalled(&mut stop) => break,
                Some(ended) = running.connections.join_next() => log_panic(ended),
                accepted = listener.accept(), if has_capacity => running.accept(accepted).await,
                // Repeats the signal, because connections accepted after the last signal have not received it.
                () = sleep(BUSY_TIMEOUT), if !has_capacity => running.signal_close_idle(),
                _ = tls_checks.tick(), if running.tls.is_some() => running.watch_tls(),
            }
        }
        drop(listener);
        running.end().await;
        Ok(())
    }
}

impl RunningServer {
    async fn accept(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => {
                let Some(admitted) = self.caller_limit.admit(peer.ip()) else { return };
                // The signal is sent before the new connection subscribes, so that it does not close the new
                // connection.
                if self.connection_limit.admit(self.connections.len()) {
                    self.signal_close_idle();
                }
                self.spawn(stream, peer, admitted);
            }
            // The caller disconnected before the connection was accepted.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                self.connection_limit.log_accept_failure(self.connections.len(), &error);
                self.signal_close_idle();
                sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }

    fn signal_close_idle(&self) {
        self.close_signal.send_replace(false);
    }

    /// Serves a connection in a task of its own. `admitted` counts it until the task ends.
    fn spawn(&mut self, stream: TcpStream, peer: SocketAddr, admitted: AdmittedConnection) {
        // Responses are written as a whole, so Nagle's algorithm would only delay them. An error is ignored, because
        // the connection also works without this option.
        let _ = stream.set_nodelay(true);
        let stream = WriteTimeout::new(stream, UNREAD_TIMEOUT);
        let protocol = self.protocol.clone();
        let router = self.router.clone();
        let is_https = self.is_https;
        let client = (peer, self.keep_alive.timeout(peer.ip()));
        let mut close_signal = self.close_signal.subscribe();
        match &self.tls {
            None => self.connections.spawn(async move {
                let _admitted = admitted;
                serve_connection(protocol, router, is_https, stream, client, close_signal).await;
            }),
            Some(tls) => {
                let tls = TlsAcceptor::from(tls.config());
                self.connections.spawn(async move {
                    let _admitted = admitted;
                    if let Some(stream) = handshake(tls, stream, peer, &mut close_signal).await {
                        serve_connection(protocol, router, is_https, stream, client, close_signal).await;
                    }
                })
            }
        };
    }

    fn watch_tls(&self) {
        if let Some(tls) = self.tls.clone() {
            tokio::task::spawn_blocking(move || tls.reload());
        }
    }

    async fn end(mut self) {
        self.close_signal.send_replace(true);
        let all = async {
            while let Some(ended) = self.connections.join_next().await {
                log_panic(ended);
            }
        };
        if timeout(SHUTDOWN_GRACE, all).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "shutdown grace period expired; closing unfinished connections"
            );
            self.connections.shutdown().await;
        }
    }
}

/// Performs the TLS handshake. Returns `None` if it fails or times out, or if the server shuts down in the meantime.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    tls: TlsAcceptor,
    stream: S,
    peer: SocketAddr,
    close_signal: &mut watch::Receiver<bool>,
) -> Option<TlsStream<S>> {
    let mut accepting = pin!(timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)));
    let accepted = tokio::select! {
        biased;
        accepted = accepting.as_mut() => accepted,
        _ = close_signal.changed() => {
            if *close_signal.borrow_and_update() {
                return None;
            }
            timeout(BUSY_TIMEOUT, accepting).await.flatten()
        }
    };
    match accepted {
        // A signal during the handshake is consumed here, so that it does not close the new connection, unless the
        // server shuts down.
        Ok(Ok(stream)) => (!*close_signal.borrow_and_update()).then_some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "tls handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "tls handshake timed out");
            None
        }
    }
}

/// Serves the requests of one connection until it closes. `client` is the address of the client and the idle timeout of
/// the connection. After a signal the connection closes as described at
/// [`RunningServer::close_signal`].
async fn serve_connection(
    mut protocol: http1::Builder,
    router: Router,
    is_https: bool,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    (peer, idle_timeout): (SocketAddr, Duration),
    mut close_signal: watch::Receiver<bool>,
) {
    let (stream, timer) = keep_alive::with_timer(stream, idle_timeout);
    // Without a timer, hyper waits for a request without limit. The timer determines the timeout itself.
    protocol.timer(timer).header_read_timeout(HEADER_TIMEOUT);
    let router = TowerToHyperService::new(router);
    let phase = RequestPhase::default();
    let request_phase = &phase;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let refusal = head::refusal(&request);
        request.extensions_mut().insert(ConnectInfo(peer));
        // A request may contain both `Transfer-Encoding` and `Content-Length`. hyper then uses `Transfer-Encoding` and
        // removes `Content-Length`. A proxy in front may have used `Content-Length`, so bytes that it forwarded as part
        // of this body would be handled as the next request (RFC 9112 §6.1). The removed header cannot be detected
        // here, so the connection closes after every request with `Transfer-Encoding`.
        let is_last = request.headers().contains_key(TRANSFER_ENCODING);
        let response = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(router.call(request.map(|body| request_phase.begin(body)))),
        };
        async move {
            let mut response = match response {
                Ok(response) => response.await?,
                Err(mut refusal) => {
                    set_security_headers(refusal.headers_mut(), is_https);
                    tracing::info!(%peer, status = refusal.status().as_u16(), "request head rejected");
                    return Ok(refusal);
                }
            };
            request_phase.response_ready();
            if is_last {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = pin!(protocol.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        _ = close_signal.changed() => {
            connection.as_mut().graceful_shutdown();
            if *close_signal.borrow() {
                connection.await
            } else if let Some(ended) = phase.enforce_timeouts(connection, BUSY_TIMEOUT).await {
                ended
            } else {
                tracing::debug!(%peer, "slow connection closed");
                Ok(())
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection failed");
    }
}

/// Waits until the value is true or the sender is dropped.
async fn signalled(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Logs a panic in a connection task. `layers` catches the panics of all handlers except the JWKS handler, so this panic
/// is in that handler, in the outermost layer, in the server or in hyper.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "connection task panicked");
    }
}
