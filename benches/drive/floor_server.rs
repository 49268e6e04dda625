//! The least that a server can do who answers a renewal: the same HTTP stack, one row that is changed and on the disk
//! before the answer (all that wait share a transaction and its wait), one ES256 signature; if asked, one verification.
//! No request is understood, nothing is checked, there is no layer and no log. What ours costs beyond this is its own doing.

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

/// As many as the real one has.
const THREADS: usize = 2;
/// About what an access token's header and claims take.
const SIGNED: [u8; 400] = [b'x'; 400];
const BATCH: usize = 512;

/// A row to change, and who waits for it.
type Job = (u16, oneshot::Sender<()>);

struct Floor {
    key: EcdsaKeyPair,
    public: ParsedPublicKey,
    known: Vec<u8>,
    random: SystemRandom,
    writer: SyncSender<Job>,
}

/// Serves until it is killed. The database lies in `folder`, which must exist.
pub fn serve(address: SocketAddr, folder: &Path) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let (writer, jobs) = sync_channel(4096);
    let connection = open(&folder.join("floor.db")).map_err(|error| format!("the floor's database: {error}"))?;
    thread::spawn(move || write(&connection, &jobs).expect("the database can be written"));
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|error| error.to_string())?;
    let known = key.sign(&random, &SIGNED).map_err(|error| error.to_string())?.as_ref().to_vec();
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
    let public = public.map_err(|error| error.to_string())?;
    let floor = Arc::new(Floor { key, public, known, random, writer });
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
    floor.answer(row).await
}

async fn verified(State(floor): State<Arc<Floor>>, Part(row): Part<u16>, _body: Bytes) -> impl IntoResponse {
    floor.public.verify_sig(&SIGNED, &floor.known).expect("it is ours");
    floor.answer(row).await
}

impl Floor {
    async fn answer(&self, row: u16) -> impl IntoResponse + use<> {
        let (done, wait) = oneshot::channel();
        self.writer.try_send((row, done)).expect("fewer wait than there is room for");
        wait.await.expect("it is written");
        let signature = self.key.sign(&self.random, &SIGNED).expect("a key can sign");
        let mut body = String::with_capacity(1024);
        body.push_str(r#"{"token":""#);
        URL_SAFE_NO_PAD.encode_string(SIGNED, &mut body);
        URL_SAFE_NO_PAD.encode_string(signature, &mut body);
        body.push_str(r#""}"#);
        ([(CONTENT_TYPE, "application/json")], body)
    }
}

/// A table of rows about as large as a session's, read by their key alone, as the sessions are.
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

/// Group commit: all that wait in one transaction, answered when it is on the disk.
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
