//! The listener: takes connections while there is room for them, speaks HTTP/1.1 on each within its timers, and lets
//! what is in flight finish at the end. Knows nothing of routes.
//!
//! One task accepts; each connection is a task of its own. A failing accept (no descriptors, no memory) is told once and
//! tried again a little later: whoever is connected goes on. Where the last place is taken, those who are idle leave, and
//! those who are slow soon after.

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
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

mod connection_limit;
pub mod fd_limit;
mod head;
mod request_phase;
pub mod tls;
mod write_timeout;

use connection_limit::ConnectionLimit;
use request_phase::RequestPhase;
use tls::Tls;
use write_timeout::WriteTimeout;

/// How long a request's head may take to come, and how long a connection may be idle before the next one begins.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// The greatest size of a request's head, and of what is read of it at once, in bytes.
const HEAD_MAX: usize = 32 * 1024;
/// How long the two sides may take to agree on TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller may take nothing of its answer.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a caller may take for a step (a request's head, its body, taking the answer) where all places are taken.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long requests in flight may take to finish once the process is told to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How long nobody is accepted after the system could not give a connection.
const PAUSE: Duration = Duration::from_millis(200);
/// How many may wait to be accepted, as far as the system lets them: beyond it their systems try again a second later.
const QUEUE: i32 = 4096;
/// How soon a certificate that was replaced on the disk is shown to callers.
const TLS_WATCH: Duration = Duration::from_secs(10);

/// What is needed to listen.
#[derive(Debug)]
pub struct Server {
    /// Who answers.
    pub router: Router,
    /// How TLS is spoken; None: not at all.
    pub tls: Option<Tls>,
    /// How many may be connected at once (see [`fd_limit`]).
    pub max_connections: usize,
}

/// The server while it runs.
struct RunningServer {
    protocol: http1::Builder,
    router: Router,
    tls: Option<Arc<Tls>>,
    connection_limit: ConnectionLimit,
    connections: JoinSet<()>,
    /// Says to every connection there is that it ends as soon as nothing is in flight on it, and that it is to be quick;
    /// true: as everything ends.
    shutdown: watch::Sender<bool>,
}

impl Server {
    /// Serves until `stop` says so; then takes nobody in any more, and gives what is in flight 8 s to finish.
    ///
    /// # Errors
    /// If the listener can't be used at all; trouble with single connections, or for a while, is none.
    pub async fn run(self, listener: StdListener, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        // It listens already, with the short queue of the standard library; this makes it longer.
        rustix::net::listen(&listener, QUEUE)?;
        let listener = TcpListener::from_std(listener)?;
        let mut protocol = http1::Builder::new();
        // Without a timer hyper's header timeout does nothing, and a half-sent request would be waited for.
        protocol.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEAD_MAX);
        let mut running = RunningServer {
            protocol,
            router: self.router,
            tls: self.tls.map(Arc::new),
            connection_limit: ConnectionLimit::new(self.max_connections),
            connections: JoinSet::new(),
            shutdown: watch::Sender::new(false),
        };
        let mut tls_turns = ticks(TLS_WATCH);
        loop {
            let connected = running.connections.len();
            let has_room = running.connection_limit.has_capacity(connected);
            tokio::select! {
                biased;
                () = signalled(&mut stop) => break,
                Some(ended) = running.connections.join_next() => log_panic(ended),
                accepted = listener.accept(), if has_room => running.accept(accepted).await,
                // Those who have come since it was said last.
                () = sleep(BUSY_TIMEOUT), if !has_room => running.signal_shutdown(),
                _ = tls_turns.tick(), if running.tls.is_some() => running.watch_tls(),
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
                // Before it is one of them: whoever has just come is not sent away.
                if self.connection_limit.admit(self.connections.len()) {
                    self.signal_shutdown();
                }
                self.spawn(stream, peer);
            }
            // The caller has gone before we came.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                self.connection_limit.failed(self.connections.len(), &error);
                self.signal_shutdown();
                sleep(PAUSE).await;
            }
        }
    }

    fn signal_shutdown(&self) {
        self.shutdown.send_replace(false);
    }

    fn spawn(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Answers are written whole: waiting for more to send with them would only delay them. A socket that can't be
        // told so works all the same.
        let _ = stream.set_nodelay(true);
        let stream = WriteTimeout::new(stream, UNREAD_TIMEOUT);
        let protocol = self.protocol.clone();
        let router = self.router.clone();
        let mut shutdown = self.shutdown.subscribe();
        match &self.tls {
            None => self.connections.spawn(serve_connection(protocol, router, stream, peer, shutdown)),
            Some(tls) => {
                let tls = TlsAcceptor::from(tls.config());
                self.connections.spawn(async move {
                    if let Some(stream) = handshake(tls, stream, peer, &mut shutdown).await {
                        serve_connection(protocol, router, stream, peer, shutdown).await;
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
        self.shutdown.send_replace(true);
        let all = async {
            while let Some(ended) = self.connections.join_next().await {
                log_panic(ended);
            }
        };
        if timeout(GRACE, all).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "some requests did not finish in time and are cut off"
            );
            self.connections.shutdown().await;
        }
    }
}

/// Agrees on TLS with a caller; None if that fails, takes too long, or is still going on at the end.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    tls: TlsAcceptor,
    stream: S,
    peer: SocketAddr,
    shutdown: &mut watch::Receiver<bool>,
) -> Option<TlsStream<S>> {
    let mut agreeing = pin!(timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)));
    let agreed = tokio::select! {
        biased;
        agreed = agreeing.as_mut() => agreed,
        _ = shutdown.changed() => {
            if *shutdown.borrow_and_update() {
                return None;
            }
            timeout(BUSY_TIMEOUT, agreeing).await.flatten()
        }
    };
    match agreed {
        // What was said before it was one of them doesn't mean it, but for the last word.
        Ok(Ok(stream)) => (!*shutdown.borrow_and_update()).then_some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "TLS was not agreed on");
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "TLS was not agreed on in time");
            None
        }
    }
}

/// Answers the requests of one connection until it ends, or until it was told to leave and is idle or slow.
async fn serve_connection(
    protocol: http1::Builder,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    peer: SocketAddr,
    mut shutdown: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let phase = RequestPhase::default();
    let steps = &phase;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let refusal = head::refusal(&request);
        request.extensions_mut().insert(ConnectInfo(peer));
        // Where a body's length was told in two ways, whoever stands before us may have believed the other one, and what
        // seems to be the next request would be this one's body (RFC 9112 §6.1). One of the two is gone by now, so after
        // any body in chunks the connection ends.
        let is_last = request.headers().contains_key(TRANSFER_ENCODING);
        let response = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(router.call(request.map(|body| steps.begin(body)))),
        };
        async move {
            let mut response = match response {
                Ok(response) => response.await?,
                Err(refusal) => {
                    tracing::info!(%peer, status = refusal.status().as_u16(), "refused by its head");
                    return Ok(refusal);
                }
            };
            steps.response_ready();
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
        _ = shutdown.changed() => {
            connection.as_mut().graceful_shutdown();
            if *shutdown.borrow() {
                connection.await
            } else if let Some(ended) = phase.enforce_timeouts(connection, BUSY_TIMEOUT).await {
                ended
            } else {
                tracing::debug!(%peer, "a slow connection made room");
                Ok(())
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}

/// Waits for the word; when nobody is left to say it, that is one too.
async fn signalled(word: &mut watch::Receiver<bool>) {
    let _ = word.wait_for(|said| *said).await;
}

fn ticks(period: Duration) -> Interval {
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

/// What panics in a handler is caught there; what gets here is ours or the protocol's.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}
