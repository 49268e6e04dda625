//! A stream with a write timeout. Without it, a client that sends requests and never reads the responses would occupy a
//! connection without limit. The timer is only created when a write has to wait.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream whose writes fail if the peer accepts no data for a given time. It must wrap the socket itself, below TLS:
/// above TLS, data in the TLS buffer would count as written.
pub(super) struct WriteTimeout<S> {
    stream: S,
    bound: Duration,
    /// The timer. `None` while no write is waiting.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    /// Wraps `stream`. A write fails with [`ErrorKind::TimedOut`] after waiting for `bound`.
    pub(super) fn new(stream: S, bound: Duration) -> Self {
        Self { stream, bound, waiting: None }
    }

    fn apply_timeout(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(self.bound)));
        waiting
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(ErrorKind::TimedOut, "the peer did not read the response in time")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.apply_timeout(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.apply_timeout(cx, written)
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

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::net::SocketAddr;

    use axum::Router;
    use hyper::server::conn::http1;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::*;
    use crate::http::server::serve_connection;

    const LONG: Duration = Duration::from_mins(10);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn an_unread_write_times_out() {
        let (ours, _theirs) = duplex(8);
        let mut ours = WriteTimeout::new(ours, SHORT);
        let error = timeout(LONG, ours.write_all(&[0; 100])).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_never_reads_is_disconnected() {
        let (ours, mut theirs) = duplex(64);
        let router = Router::new().fallback(async || "x".repeat(1000));
        let (_sender, shutdown) = watch::channel(false);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        theirs.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let connection = serve_connection(
            http1::Builder::new(),
            router,
            false,
            WriteTimeout::new(ours, SHORT),
            (peer, LONG),
            shutdown,
        );
        timeout(LONG, connection).await.unwrap();
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).await.unwrap();
        assert!(received.starts_with(b"HTTP/1.1 200") && received.len() <= 64, "{received:?}");
    }

    #[tokio::test]
    async fn progress_restarts_the_write_timeout() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = WriteTimeout::new(ours, LONG);
        assert_eq!(ours.write(&[1; 100]).await.unwrap(), 8);
        assert!(ours.waiting.is_none(), "a write that does not wait starts no timer");
        for _ in 0..3 {
            timeout(SHORT, ours.write(&[1; 100])).await.unwrap_err();
            assert!(ours.waiting.is_some());
            theirs.read_exact(&mut [0]).await.unwrap();
            assert_eq!(ours.write(&[1; 100]).await.unwrap(), 1);
            assert!(ours.waiting.is_none());
        }
    }

    #[tokio::test]
    async fn reads_have_no_write_timeout() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = WriteTimeout::new(ours, SHORT);
        timeout(SHORT * 3, ours.read_u8()).await.unwrap_err();
        theirs.write_u8(7).await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap(), 7);
    }
}
