//! How long a connection waits for a request head: the timeout of idle connections, and the timeout of a head of which
//! the first bytes have arrived. hyper has one timeout for both.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

use crate::domain::network::Network;

/// The maximum time to receive a request head, from its first byte. The first head of a connection must also arrive
/// within this time after the connection was opened.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// When an idle connection closes: one whose previous response was sent, and on which no byte of the next request has
/// arrived.
#[derive(Clone, Debug)]
pub struct KeepAlive {
    /// The timeout of connections from other addresses than trusted proxies.
    pub clients: Duration,
    /// The timeout of connections from trusted proxies. It must be longer than the proxies keep their connections: a
    /// proxy that sends a request at the moment in which this server closes the connection returns an error (502).
    pub proxies: Duration,
    /// The trusted proxies.
    pub trusted_proxies: Vec<Network>,
}

impl KeepAlive {
    /// Returns the idle timeout of a connection from `peer`.
    pub(super) fn timeout(&self, peer: IpAddr) -> Duration {
        let is_proxy = self.trusted_proxies.iter().any(|network| network.contains(peer));
        if is_proxy { self.proxies } else { self.clients }
    }
}

/// Whether bytes have arrived since a connection began to wait for a request head.
///
/// A client may send the start of the next request together with the current one. These bytes arrive before the wait
/// begins and are not counted, so such a head has the timeout of an idle connection.
#[derive(Clone, Debug, Default)]
struct HeadStarted(Arc<AtomicBool>);

/// A stream that notes when bytes arrive. It must be above TLS, because TLS also receives bytes that are no request.
pub(super) struct NotedReads<S> {
    stream: S,
    head: HeadStarted,
}

/// Wraps the stream of a connection. Returns it with the timer for hyper's header timeout.
pub(super) fn with_timer<S>(stream: S, idle_timeout: Duration) -> (NotedReads<S>, HeadTimer) {
    let head = HeadStarted::default();
    let timer = HeadTimer { head: head.clone(), idle_timeout, has_waited: AtomicBool::new(false) };
    (NotedReads { stream, head }, timer)
}

impl<S: AsyncRead + Unpin> AsyncRead for NotedReads<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.head.0.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for NotedReads<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The timer of one connection. hyper starts it whenever the connection begins to wait for a request head. The deadline
/// that hyper passes is ignored.
#[derive(Debug)]
pub(super) struct HeadTimer {
    head: HeadStarted,
    idle_timeout: Duration,
    /// Whether the connection has waited for a head before.
    has_waited: AtomicBool,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeadSleep { idle: None, sleep: Box::pin(sleep(duration)) })
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        if !self.has_waited.swap(true, Ordering::Relaxed) {
            return self.sleep(HEADER_TIMEOUT);
        }
        self.head.0.store(false, Ordering::Relaxed);
        Box::pin(HeadSleep { idle: Some(self.head.clone()), sleep: Box::pin(sleep(self.idle_timeout)) })
    }
}

/// The wait for one request head. hyper polls it after every read that did not complete the head.
struct HeadSleep {
    /// Whether the head has started. `None` once it has, and for the first head of a connection.
    idle: Option<HeadStarted>,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.idle.take_if(|head| head.0.load(Ordering::Relaxed)).is_some() {
            self.sleep = Box::pin(sleep(HEADER_TIMEOUT));
        }
        self.sleep.as_mut().poll(cx)
    }
}

impl Sleep for HeadSleep {}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::SocketAddr;

    use axum::Router;
    use axum::routing::get;
    use hyper::server::conn::http1;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::watch;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::http::server::serve_connection;

    const HEAD: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";

    /// A step of a client: a pause in seconds, then bytes to send.
    type Step<'a> = (u64, &'a str);

    /// Returns a connection that is served with an idle timeout of 75 s.
    fn connect() -> (DuplexStream, watch::Sender<bool>) {
        let (ours, theirs) = duplex(4096);
        let router = Router::new().route("/", get(async || "get").post(async || "post"));
        let (close_signal, closing) = watch::channel(false);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let timeout = Duration::from_secs(75);
        tokio::spawn(serve_connection(http1::Builder::new(), router, false, ours, (peer, timeout), closing));
        (theirs, close_signal)
    }

    /// Carries out the steps. Returns the number of responses that a client gets.
    async fn responses(steps: &[Step<'_>]) -> usize {
        let (mut client, _close_signal) = connect();
        for (pause, bytes) in steps {
            sleep(Duration::from_secs(*pause)).await;
            // The write fails if the server has closed the connection.
            let _ = client.write_all(bytes.as_bytes()).await;
        }
        // The server drops the response to a request if the client closes its side meanwhile.
        sleep(Duration::from_secs(1)).await;
        let _ = client.shutdown().await;
        let mut received = String::new();
        let _ = client.read_to_string(&mut received).await;
        received.matches("HTTP/1.1 200").count()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_and_a_started_head_have_their_own_timeouts() {
        let half = HEAD.len() / 2;
        let (start, rest) = HEAD.split_at(half);
        for (steps, expected) in [
            (&[(0, HEAD), (16, HEAD)][..], 2),
            (&[(0, HEAD), (74, HEAD), (74, POST), (74, HEAD)], 4),
            (&[(0, POST), (74, POST), (74, POST)], 3),
            (&[(0, HEAD), (76, HEAD)], 1),
            (&[(0, HEAD), (74, HEAD), (76, HEAD)], 2),
            // A started head has 15 s, however long the connection was idle before it.
            (&[(0, HEAD), (60, start), (14, rest)], 2),
            (&[(0, HEAD), (74, start), (14, rest)], 2),
            (&[(0, HEAD), (60, start), (16, rest)], 1),
            (&[(0, HEAD), (1, start), (16, rest)], 1),
            // A client that sends single bytes does not extend the time.
            (&[(0, HEAD), (1, "G"), (8, "E"), (8, "T / HTTP/1.1\r\nhost: x\r\n\r\n")], 1),
            // The first head has 15 s from the start of the connection.
            (&[(14, HEAD)], 1),
            (&[(16, HEAD)], 0),
            (&[(1, start), (13, rest)], 1),
            (&[(1, start), (15, rest)], 0),
        ] {
            assert_eq!(responses(steps).await, expected, "{steps:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_closes_at_once_when_connections_are_needed() {
        let (mut client, close_signal) = connect();
        client.write_all(HEAD.as_bytes()).await.unwrap();
        sleep(Duration::from_secs(30)).await;
        close_signal.send_replace(false);
        let mut received = String::new();
        timeout(Duration::from_secs(1), client.read_to_string(&mut received)).await.unwrap().unwrap();
        assert!(received.contains("200 OK"));
    }

    #[test]
    fn trusted_proxies_have_their_own_timeout() {
        let keep_alive = KeepAlive {
            clients: Duration::from_secs(75),
            proxies: Duration::from_secs(620),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        };
        for (peer, seconds) in [("10.1.2.3", 620), ("::ffff:10.1.2.3", 620), ("192.0.2.1", 75), ("::1", 75)] {
            assert_eq!(keep_alive.timeout(peer.parse().unwrap()), Duration::from_secs(seconds), "{peer}");
        }
    }
}
