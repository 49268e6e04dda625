//! Measures the CPU time of random look-ups and renewals over the whole database, and how long writes wait for the
//! cleanup.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::domain::id::SessionId;
use countersign::domain::user::Login;
use countersign::issuer::refresh::{Refresh, Refreshed};
use countersign::issuer::refresh_token::{VerifiedRefreshToken, refresh_uuid as refresh_token};
use countersign::issuer::{Caller, Issuer, issue};
use countersign::random::Random;
use countersign::store::StoreError;
use countersign::{app, jobs};
use rusqlite::OptionalExtension as _;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::generate::{LIVE, name, scattered, uuid};

/// The number of concurrent tasks: enough that commits are shared, as in a busy server.
const TASKS: u32 = 64;
/// The interval of probe writes during the cleanup. The timer may be late by up to 1 ms.
const PROBE: Duration = Duration::from_millis(2);
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The unit of CPU time in Linux: 10 ms.
const TICK: Duration = Duration::from_millis(10);

/// Opens an issuer on the folder.
pub async fn open(folder: &Path) -> anyhow::Result<Arc<Issuer>> {
    let path = folder.canonicalize()?;
    let path = path.display();
    let settings = format!("data_dir = '{path}/data'\nkeys_dir = '{path}/keys'\nthrottle.enabled = false");
    let config = Config::from_toml(&settings).map_err(|error| anyhow!("{error:?}"))?;
    app::build(&config, Clock::system(), Random::System).await
}

/// Measures all figures of a database.
pub async fn all(folder: &Path, file: &Path, seconds: u64, rounds: usize) -> anyhow::Result<Map<String, Value>> {
    let issuer = open(folder).await?;
    let users = count(file)?;
    let generations = generations(file)?;
    let sessions = u32::try_from(generations.len())?;
    let span = Duration::from_secs(seconds);
    let (mut look_ups, mut renewals) = (Vec::new(), Vec::new());
    // The first two rounds only warm up, because reading several gigabytes into the page cache takes a long time.
    for round in 0..=rounds + 1 {
        let look_up = per_request(&issuer, span, users, look_up).await?;
        // Tracks the current generation of each session. With an old token, a renewal within the grace period would
        // only return the same new token again.
        let tracked = Arc::clone(&generations);
        let renew = move |issuer, number| renew(issuer, number, Arc::clone(&tracked));
        let renewal = per_request(&issuer, span, sessions, renew).await?;
        if round > 1 {
            look_ups.push(look_up);
            renewals.push(renewal);
        }
    }
    let (look_up, renewal) = (median(look_ups), median(renewals));
    let cleanup = cleanup(&issuer, span).await?;
    issuer.store.close().await;
    let size = std::fs::metadata(file)?.len() >> 20;
    eprintln!(
        "{users} users, {sessions} sessions, {size} MiB: look-up {look_up:.1} µs CPU, renewal {renewal:.1} µs CPU; {cleanup}"
    );
    let report = json!({
        "users": users, "sessions": sessions, "database_mib": size,
        "look_up_cpu_us": rounded(look_up), "renewal_cpu_us": rounded(renewal), "sweep": cleanup,
    });
    report.as_object().cloned().context("the report is not an object")
}

fn count(file: &Path) -> anyhow::Result<u32> {
    Ok(rusqlite::Connection::open(file)?.query_row("SELECT count(*) FROM users", [], |row| row.get(0))?)
}

/// Returns the generation of each live session, by number.
fn generations(file: &Path) -> anyhow::Result<Arc<[AtomicU32]>> {
    let connection = rusqlite::Connection::open(file)?;
    let mut generation = connection.prepare("SELECT generation FROM sessions WHERE id = ?1")?;
    let mut found = Vec::new();
    while let Some(current) = {
        let number = u32::try_from(found.len())?;
        generation.query_row([uuid(LIVE, number).as_bytes()], |row| row.get(0)).optional()?
    } {
        found.push(AtomicU32::new(current));
    }
    Ok(found.into())
}

/// Runs the queries that a sign-in makes before hashing.
async fn look_up(issuer: Arc<Issuer>, number: u32) -> anyhow::Result<()> {
    let login = Login::new(&name(number));
    let found = issuer.store.read(move |tx| {
        let Some(user) = tx.user_by_login(&login)? else { return Ok(false) };
        tx.knows_address(user.id, LOCALHOST).map(|_| true)
    });
    let found: Result<bool, StoreError> = found.await;
    found?.then_some(()).with_context(|| format!("user {number} does not exist"))
}

/// Runs a renewal without HTTP: rotates the session durably and creates both tokens.
async fn renew(issuer: Arc<Issuer>, number: u32, generations: Arc<[AtomicU32]>) -> anyhow::Result<()> {
    let generation = generations.get(number as usize).with_context(|| format!("session {number} does not exist"))?;
    let session = SessionId(uuid(LIVE, number));
    let token = VerifiedRefreshToken { session, generation: generation.load(Ordering::Relaxed) };
    let renewed = Refresh { token: token.into(), from: Caller { address: LOCALHOST } }.run(&issuer).await;
    let Refreshed { signed_in, .. } =
        renewed.map_err(|refusal| anyhow!("the refresh of session {number} failed: {refusal:?}"))?;
    generation.store(signed_in.session().generation, Ordering::Relaxed);
    std::hint::black_box(refresh_token(&issuer, &signed_in));
    let signed = issue::access_token(&issuer, &signed_in).await;
    signed.map(drop).map_err(|refusal| anyhow!("no token was signed: {refusal:?}"))
}

/// Returns the CPU time of this process per call of `work`, in µs. Each call gets a random number below `count`.
async fn per_request<F>(
    issuer: &Arc<Issuer>,
    span: Duration,
    count: u32,
    work: impl Fn(Arc<Issuer>, u32) -> F + Clone + Send + 'static,
) -> anyhow::Result<f64>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (start, before) = (Instant::now(), cpu()?);
    let tasks = (0..TASKS).map(|_| {
        let (issuer, work) = (Arc::clone(issuer), work.clone());
        tokio::spawn(async move {
            let mut done = 0_u32;
            while start.elapsed() < span {
                let number = scattered(NEXT.fetch_add(1, Ordering::Relaxed)) % count.max(1);
                work(Arc::clone(&issuer), number).await?;
                done += 1;
            }
            anyhow::Ok(done)
        })
    });
    let mut done = 0;
    for task in tasks.collect::<Vec<_>>() {
        done += task.await??;
    }
    Ok(cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / f64::from(done.max(1)))
}

/// Runs the cleanup once and measures how long other writes wait. Each wait includes the commit of the write itself, so
/// the waits without a cleanup are measured first, for comparison.
async fn cleanup(issuer: &Arc<Issuer>, span: Duration) -> anyhow::Result<Value> {
    let baseline = waits_during(issuer, tokio::time::sleep(span)).await?;
    let start = Instant::now();
    let mut outcome = Ok(());
    let (_stop_sender, stop) = watch::channel(false);
    let during_cleanup =
        waits_during(issuer, async { outcome = jobs::cleanup::tick(Arc::clone(issuer), stop).await }).await?;
    outcome?;
    Ok(json!({
        "turn_ms": ms(start.elapsed()),
        "wait_p50_ms": ms(at(&during_cleanup, 50)), "wait_p99_ms": ms(at(&during_cleanup, 99)), "wait_max_ms": ms(at(&during_cleanup, 100)),
        "calm_p50_ms": ms(at(&baseline, 50)), "calm_p99_ms": ms(at(&baseline, 99)),
    }))
}

/// Sends writes that change nothing while `work` runs. Returns their waits from the due time, sorted.
async fn waits_during(issuer: &Arc<Issuer>, work: impl Future<Output = ()>) -> anyhow::Result<Vec<Duration>> {
    let done = Arc::new(AtomicBool::new(false));
    let (probed, until) = (Arc::clone(issuer), Arc::clone(&done));
    let probe = tokio::spawn(async move {
        let (mut waits, mut due) = (Vec::new(), tokio::time::Instant::now());
        while !until.load(Ordering::Relaxed) {
            due += PROBE;
            tokio::time::sleep_until(due).await;
            probed.store.write(|_| Ok::<(), StoreError>(())).await?;
            waits.push(due.elapsed());
        }
        Ok::<_, StoreError>(waits)
    });
    work.await;
    done.store(true, Ordering::Relaxed);
    let mut waits = probe.await??;
    waits.sort_unstable();
    Ok(waits)
}

/// Returns the percentile of sorted waits.
fn at(sorted: &[Duration], share: usize) -> Duration {
    sorted.get((sorted.len() * share).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

fn ms(wait: Duration) -> f64 {
    rounded(wait.as_secs_f64() * 1e3)
}

/// Returns the CPU time of this process: fields 14 and 15 of `/proc/self/stat` (`man 5 proc`). The first field
/// after the process name is field 3.
fn cpu() -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').context("/proc/self/stat has no process name")?.1;
    let ticks = |at| {
        fields
            .split_whitespace()
            .nth(at)
            .and_then(|field| field.parse::<u32>().ok())
            .context("/proc/self/stat is invalid")
    };
    Ok(TICK * (ticks(11)? + ticks(12)?))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
