//! The floor server: the minimum work of a renewal. It uses the same HTTP stack, updates one row and waits until it is
//! on disk (waiting requests share a transaction and its sync), and makes one ES256 signature. The route
//! `/floor-verified` also verifies one signature. The server does not parse or check requests and has no layers and no
//! log. Everything that Countersign costs above this floor is its own overhead.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Part, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

/// The same number of worker threads as the real server.
const THREADS: usize = 2;
/// A signing input of about the length of an access token's header and claims.
const SIGNED: [u8; 400] = [b'x'; 400];
const BATCH: usize = 512;

/// A row to update, and the sender that reports the commit.
type Job = (u16, oneshot::Sender<()>);

struct Floor {
    key: EcdsaKeyPair,
    public: ParsedPublicKey,
    known_signature: Vec<u8>,
    random: SystemRandom,
    writer: SyncSender<Job>,
}

/// Serves until the process is killed. The database is in `folder`, which must exist.
pub fn serve(address: SocketAddr, folder: &Path) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let (writer, jobs) = sync_channel(4096);
    let connection = open(&folder.join("floor.db"))
        .map_err(|error| format!("creating the database of the floor server: {error}"))?;
    thread::spawn(move || write(&connection, &jobs).expect("the database can be written"));
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|error| error.to_string())?;
    let known_signature = key.sign(&random, &SIGNED).map_err(|error| error.to_string())?.as_ref().to_vec();
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
    let public = public.map_err(|error| error.to_string())?;
    let floor = Arc::new(Floor { key, public, known_signature, random, writer });
    let routes = Router::new()
        .route("/floor/{row}", post(signed))
        .route("/floor-verified/{row}", post(verified))
        .with_state(floor);
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, routes).await.map_err(|error| error.to_string())
    })
}

async fn signed(State(floor): State<Arc<Floor>>, Part(row): Part<u16>, _body: Bytes) -> impl IntoResponse {
    floor.respond(row).await
}

async fn verified(State(floor): State<Arc<Floor>>, Part(row): Part<u16>, _body: Bytes) -> impl IntoResponse {
    floor.public.verify_sig(&SIGNED, &floor.known_signature).expect("the signature is valid");
    floor.respond(row).await
}

impl Floor {
    async fn respond(&self, row: u16) -> impl IntoResponse + use<> {
        let (done, wait) = oneshot::channel();
        self.writer.try_send((row, done)).expect("the queue has space for all clients");
        wait.await.expect("the row is written");
        let signature = self.key.sign(&self.random, &SIGNED).expect("signing succeeds");
        let mut body = String::with_capacity(1024);
        body.push_str(r#"{"token":""#);
        URL_SAFE_NO_PAD.encode_string(SIGNED, &mut body);
        URL_SAFE_NO_PAD.encode_string(signature, &mut body);
        body.push_str(r#""}"#);
        ([(CONTENT_TYPE, "application/json")], body)
    }
}

/// Creates a table with rows about as large as sessions, read only by primary key like the sessions.
fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2048;
         CREATE TABLE rows (id BLOB PRIMARY KEY, at INTEGER NOT NULL, generation INTEGER NOT NULL, rest BLOB NOT NULL)
           STRICT, WITHOUT ROWID;
         BEGIN;",
    )?;
    for row in 0..=u16::MAX / 16 {
        connection.execute("INSERT INTO rows VALUES (?1, 0, 0, zeroblob(64))", [id(row)])?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(connection)
}

fn id(row: u16) -> [u8; 16] {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&row.to_be_bytes());
    id
}

/// Commits all waiting jobs in one transaction, and reports them when it is on disk.
fn write(connection: &Connection, jobs: &Receiver<Job>) -> Result<(), rusqlite::Error> {
    let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
    let mut commit = connection.prepare("COMMIT")?;
    let mut update = connection.prepare("UPDATE rows SET generation = generation + 1, at = ?2 WHERE id = ?1")?;
    let mut at = 0;
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter().take(BATCH - 1)).collect();
        begin.execute([])?;
        for (row, _) in &batch {
            at += 1;
            update.execute(params![id(*row), at])?;
        }
        commit.execute([])?;
        for (_, caller) in batch {
            let _ = caller.send(());
        }
    }
    Ok(())
}
