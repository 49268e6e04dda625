//! The phase of the request on a connection: waiting for the caller, or for the server. At the connection limit and
//! after a failed accept, the server closes a connection whose caller is slow, but never a connection that waits for
//! the server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::timeout;

/// Waiting for the caller: the head of the first request is not complete. Later, the phase stays [`SENDING_RESPONSE`]
/// until the head of the next request is complete.
const RECEIVING_HEAD: u8 = 0;
/// Waiting for the caller: the request body is not complete.
const RECEIVING_BODY: u8 = 1;
/// Waiting for the server: the request was received or its body was discarded.
const HANDLING: u8 = 2;
/// Waiting for the caller: it reads the response.
const SENDING_RESPONSE: u8 = 3;

/// The current phase of a connection, shared between its task and its request body.
#[derive(Clone, Debug)]
pub(super) struct RequestPhase(Arc<AtomicU8>);

impl RequestPhase {
    /// Enters the body phase after the head was received. The returned body ends this phase when it is dropped. A
    /// request without a body skips the phase.
    pub(super) fn begin<B: Body>(&self, body: B) -> PhasedBody<B> {
        self.0.store(if body.is_end_stream() { HANDLING } else { RECEIVING_BODY }, Ordering::Relaxed);
        PhasedBody { body, phase: self.clone() }
    }

    /// Enters the response phase: the response is complete and is being sent.
    pub(super) fn response_ready(&self) {
        self.0.store(SENDING_RESPONSE, Ordering::Relaxed);
    }

    /// Drives the connection until it ends. Returns `None` if the caller needs longer than `limit` for a phase, or up
    /// to twice as long if the phase changed in the meantime. The phase of the server has no limit.
    pub(super) async fn enforce_timeouts<T>(
        &self,
        mut connection: Pin<&mut impl Future<Output = T>>,
        limit: Duration,
    ) -> Option<T> {
        loop {
            let before = self.0.load(Ordering::Relaxed);
            if let Ok(ended) = timeout(limit, connection.as_mut()).await {
                return Some(ended);
            }
            if before != HANDLING && before == self.0.load(Ordering::Relaxed) {
                return None;
            }
        }
    }
}

impl Default for RequestPhase {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(RECEIVING_HEAD)))
    }
}

/// A request body that ends the body phase when it is dropped. Handlers drop it after reading it or without reading it.
#[derive(Debug)]
pub(super) struct PhasedBody<B> {
    body: B,
    phase: RequestPhase,
}

impl<B> Drop for PhasedBody<B> {
    fn drop(&mut self) {
        // A body that is dropped after the response is complete must not leave the response phase.
        let _ = self.phase.0.compare_exchange(RECEIVING_BODY, HANDLING, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for PhasedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;

    use http_body_util::{Empty, Full};

    use super::*;

    const LONG: Duration = Duration::from_mins(10);
    const SHORT: Duration = Duration::from_millis(10);

    /// Whether a connection without progress is closed.
    async fn is_closed(phase: &RequestPhase) -> bool {
        let never = pin!(pending::<()>());
        timeout(SHORT * 10, phase.enforce_timeouts(never, SHORT)).await == Ok(None)
    }

    #[tokio::test]
    async fn each_request_phase_has_its_own_timeout() {
        let phase = RequestPhase::default();
        assert!(is_closed(&phase).await, "incomplete head");
        let body = phase.begin(Full::new(Bytes::from_static(b"{}")));
        assert!(is_closed(&phase).await, "incomplete body");
        drop(body);
        assert!(!is_closed(&phase).await, "the server is working");
        phase.response_ready();
        assert!(is_closed(&phase).await, "incompletely read response");
        let none = phase.begin(Empty::<Bytes>::new());
        assert!(!is_closed(&phase).await, "a request without a body");
        phase.response_ready();
        drop(none);
        assert!(is_closed(&phase).await, "a body that is dropped late changes nothing");
    }

    #[tokio::test]
    async fn a_progressing_connection_is_kept_open() {
        let phase = RequestPhase::default();
        let steps = async {
            let body = phase.begin(Full::new(Bytes::from_static(b"{}")));
            tokio::task::yield_now().await;
            drop(body);
            phase.response_ready();
            "done"
        };
        assert_eq!(phase.enforce_timeouts(pin!(steps), LONG).await, Some("done"));
    }
}
