//! Whose turn it is on a connection: the caller's, who sends a request and takes the answer to it, or ours, who make that
//! answer. Where all places are taken, nobody keeps one by being slow; but nobody loses it for our slowness.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::timeout;

/// The caller's: the head of a request is to come.
const HEAD: u8 = 0;
/// The caller's: the rest of the body is to come.
const BODY: u8 = 1;
/// Ours: nothing more of the request is waited for.
const WORK: u8 = 2;
/// The caller's: the answer is to be taken.
const ANSWER: u8 = 3;

/// The step at which a connection is.
#[derive(Clone, Debug)]
pub(super) struct RequestPhase(Arc<AtomicU8>);

impl RequestPhase {
    /// A head has come, and a body may: hands the body on, and it becomes our turn when that is over.
    pub(super) fn begin<B: Body>(&self, body: B) -> PhasedBody<B> {
        self.0.store(if body.is_end_stream() { WORK } else { BODY }, Ordering::Relaxed);
        PhasedBody { body, phase: self.clone() }
    }

    /// The answer is there, and goes out.
    pub(super) fn response_ready(&self) {
        self.0.store(ANSWER, Ordering::Relaxed);
    }

    /// Goes on with what happens on the connection, for as long as the caller takes no more than `patience` for a step.
    /// None: it took longer.
    pub(super) async fn enforce_timeouts<T>(
        &self,
        mut talk: Pin<&mut impl Future<Output = T>>,
        limit: Duration,
    ) -> Option<T> {
        loop {
            let before = self.0.load(Ordering::Relaxed);
            if let Ok(ended) = timeout(limit, talk.as_mut()).await {
                return Some(ended);
            }
            if before != WORK && before == self.0.load(Ordering::Relaxed) {
                return None;
            }
        }
    }
}

impl Default for RequestPhase {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(HEAD)))
    }
}

/// A request's body. Whoever has read it, or won't, drops it.
#[derive(Debug)]
pub(super) struct PhasedBody<B> {
    body: B,
    phase: RequestPhase,
}

impl<B> Drop for PhasedBody<B> {
    fn drop(&mut self) {
        // What is dropped after the answer was made changes nothing.
        let _ = self.phase.0.compare_exchange(BODY, WORK, Ordering::Relaxed, Ordering::Relaxed);
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

    /// Whether a connection on which nothing happens is given up.
    async fn is_given_up(phase: &RequestPhase) -> bool {
        let never = pin!(pending::<()>());
        timeout(SHORT * 10, phase.enforce_timeouts(never, SHORT)).await == Ok(None)
    }

    #[tokio::test]
    async fn each_request_phase_has_its_own_timeout() {
        let phase = RequestPhase::default();
        assert!(is_given_up(&phase).await, "half a head");
        let body = phase.begin(Full::new(Bytes::from_static(b"{}")));
        assert!(is_given_up(&phase).await, "half a body");
        drop(body);
        assert!(!is_given_up(&phase).await, "it is ours");
        phase.response_ready();
        assert!(is_given_up(&phase).await, "half an answer is taken");
        let none = phase.begin(Empty::<Bytes>::new());
        assert!(!is_given_up(&phase).await, "there is no body to come");
        phase.response_ready();
        drop(none);
        assert!(is_given_up(&phase).await, "a body that is dropped late changes nothing");
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
