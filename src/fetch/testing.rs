//! A simulated HTTP server on a free loopback port. It returns the responses that a test sets and records the requests.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The response of the simulated server at one path.
#[derive(Clone)]
pub(crate) enum TestReply {
    /// A status and a JSON document.
    Json(u16, Value),
    /// These bytes, after which the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, after which the connection stays open without further data.
    Stall(Vec<u8>),
}

/// One received request.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

type Replies = Arc<Mutex<HashMap<String, TestReply>>>;
type RecordedRequests = Arc<Mutex<Vec<RecordedRequest>>>;

/// A simulated HTTP server.
pub(crate) struct TestServer {
    pub(crate) url: String,
    replies: Replies,
    requests: RecordedRequests,
    task: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let replies = Replies::default();
        let requests = RecordedRequests::default();
        let shared_replies = Arc::clone(&replies);
        let recorded = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared_replies), Arc::clone(&recorded)));
            }
        });
        Self { url, replies, requests, task }
    }

    /// Sets the response at a path from now on.
    pub(crate) fn reply_with(&self, path: &str, reply: TestReply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Sets a JSON response with status 200 at a path.
    pub(crate) fn reply_with_json(&self, path: &str, value: Value) {
        self.reply_with(path, TestReply::Json(200, value));
    }

    /// The recorded requests to a path.
    pub(crate) fn requests(&self, path: &str) -> Vec<RecordedRequest> {
        let at = |requests: &&RecordedRequest| path_of(&requests.head) == path;
        self.requests.lock().unwrap().iter().filter(at).cloned().collect()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn path_of(head: &str) -> &str {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default()
}

async fn serve(mut stream: TcpStream, replies: Replies, recorded: RecordedRequests) {
    let mut read = Vec::new();
    let request = loop {
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(0) | Err(_) => return,
            Ok(length) => read.extend_from_slice(&more[..length]),
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break RecordedRequest { head: head.to_owned(), body: body.to_owned() };
        }
    };
    let reply = replies.lock().unwrap().get(path_of(&request.head)).cloned();
    recorded.lock().unwrap().push(request);
    let (bytes, stay) = match reply.unwrap_or(TestReply::Json(404, json!({}))) {
        TestReply::Json(status, value) => (http_response(status, "", value.to_string().as_bytes()), false),
        TestReply::Raw(bytes) => (bytes, false),
        TestReply::Stall(bytes) => (bytes, true),
    };
    // The client may have closed the connection.
    let _ = stream.write_all(&bytes).await;
    if stay {
        std::future::pending::<()>().await;
    }
}

/// A response in wire format. Each of the `headers` must end with a line break.
pub(crate) fn http_response(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Reason\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
