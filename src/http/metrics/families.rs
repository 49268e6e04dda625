//! All metrics: name, help text and source of the value.

use std::time::Duration;

use super::exposition::{Exposition, MetricKind};
use crate::domain::count::Count;
use crate::domain::key::{Key, KeyState};
use crate::domain::time::Timestamp;
use crate::http::context::Http;
use crate::issuer::Issuer;
use crate::issuer::stats::{StoreMetrics, readiness, store_metrics};
use crate::telemetry::process::Process;
use crate::telemetry::requests::{BOUNDS, Requests};

/// The values of the label `status`: the classes of status codes, in ascending order.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Returns the text of all metrics.
pub async fn all(http: &Http) -> String {
    let issuer = &*http.issuer;
    let mut text = Exposition::default();
    process_life(&mut text, issuer).await;
    counts(&mut text, issuer);
    if let Some(requests) = &http.requests {
        durations(&mut text, requests);
    }
    keys(&mut text, issuer);
    verifiers(&mut text, issuer);
    write_stored(&mut text, issuer).await;
    process(&mut text, issuer);
    text.finish()
}

async fn process_life(text: &mut Exposition, issuer: &Issuer) {
    text.family(
        "countersign_build_info",
        MetricKind::Gauge,
        "Always 1. The label version is the version of the binary.",
    );
    text.sample("countersign_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let ready = u8::from(readiness(issuer).await.is_ok());
    let help = "1 if the database responds and every profile has an active key, else 0. The same check as /ready.";
    text.single("countersign_ready", MetricKind::Gauge, help, ready);
    let life = issuer.uptime.liveliness(&issuer.clock);
    let help = "Time since the process started, in seconds.";
    text.single("countersign_uptime_seconds", MetricKind::Gauge, help, life.uptime.as_secs());
    let name = "countersign_availability_ratio";
    text.family(name, MetricKind::Gauge, "Share of the window in which the process ran, across restarts, from 0 to 1.");
    for (window, share) in life.availability {
        text.sample(name, &[("window", window)], share);
    }
}

fn counts(text: &mut Exposition, issuer: &Issuer) {
    let mut current_family = "";
    for count in Count::all() {
        let name = format!("countersign_{}_total", count.family());
        if current_family != count.family() {
            text.family(&name, MetricKind::Counter, help_text(count));
            current_family = count.family();
        }
        let value = issuer.counters.get(count);
        match count {
            Count::Issued(dialect, algorithm) => {
                text.sample(&name, &[("dialect", dialect.name()), ("alg", algorithm.name())], value);
            }
            _ => text.sample(&name, &[], value),
        }
    }
}

const fn help_text(count: Count) -> &'static str {
    match count {
        Count::SignedIn => "Successful sign-ins, with a password or with a provider.",
        Count::SignInFailed => "Sign-ins rejected because of the user, the password or the response of a provider.",
        Count::Throttled => "Requests rejected by a rate limit (429).",
        Count::Refreshed => "Successful refreshes and renewals.",
        Count::RefreshRefused => {
            "Refresh, renewal, sign-out and verification requests rejected because of their token."
        }
        Count::RefreshReused => "Refresh tokens used again after they became invalid. Each reuse ends its session.",
        Count::Registered => "Accounts created.",
        Count::ResetRequested => "Password resets requested, for known and unknown addresses.",
        Count::ResetCompleted => "Passwords set with a reset code or link.",
        Count::SessionEnded => "Sessions ended before they expired.",
        Count::MailSent => "E-mails accepted by the mail server.",
        Count::MailFailed => "Failed attempts to send an e-mail.",
        Count::JwksSent => "JWKS responses with the full document.",
        Count::JwksUnchanged => "JWKS responses with 304, because the caller had the current document.",
        Count::Fault => "Requests that failed with an internal error (500). The log has the cause of each.",
        Count::HashingFull => "Passwords not hashed because the hashing queue was full (503).",
        Count::Issued(..) => "Access tokens signed, by dialect and algorithm.",
    }
}

fn durations(text: &mut Exposition, requests: &Requests) {
    #[expect(clippy::cast_precision_loss, reason = "microseconds, exact for 285 years")]
    let seconds = |micros: u64| micros as f64 / 1e6;
    let name = "countersign_http_request_duration_seconds";
    let bounds = BOUNDS.map(seconds);
    text.family(
        name,
        MetricKind::Histogram,
        "Duration of requests in seconds, by route and status class. Requests for the JWKS are not measured.",
    );
    for cell in requests.list() {
        let labels = [("route", cell.route.as_str()), ("status", CLASSES[cell.class - 1])];
        text.histogram(name, &labels, &bounds, &cell.buckets, seconds(cell.micros));
    }
}

fn keys(text: &mut Exposition, issuer: &Issuer) {
    let help = "1 if the stored key ring cannot be read, so that its changes are not in use, else 0.";
    let unreadable = u8::from(issuer.ring.is_unreadable());
    text.single("countersign_key_ring_unreadable", MetricKind::Gauge, help, unreadable);
    let ring = issuer.ring();
    let now = issuer.clock.now();
    let published: Vec<&Key> = ring.schedule().published(now, ring.default_algorithm());
    let mut each = |name: &str, help: &str, value: fn(&Key) -> Option<i64>| {
        text.family(name, MetricKind::Gauge, help);
        for key in &published {
            let labels = [("alg", key.alg.name()), ("kid", key.kid.as_str()), ("state", key.state(now).name())];
            if let Some(value) = value(key) {
                text.sample(name, &labels, value);
            }
        }
    };
    let created = |key: &Key| Some(key.created_at.unix());
    each(
        "countersign_key_created_timestamp_seconds",
        "Time when a published key was created, as a Unix timestamp in seconds.",
        created,
    );
    let help = "Time when a published key starts to sign, as a Unix timestamp in seconds.";
    each("countersign_key_signs_from_timestamp_seconds", help, |key| Some(key.signs_from.unix()));
    let help = "Time when a published key stops signing, as a Unix timestamp in seconds, if it is known.";
    each("countersign_key_signs_until_timestamp_seconds", help, |key| key.signs_until.map(Timestamp::unix));
    let name = "countersign_signing_key_age_seconds";
    text.family(name, MetricKind::Gauge, "Time since the active key of the algorithm started to sign, in seconds.");
    for key in published.iter().filter(|key| key.state(now) == KeyState::Active) {
        text.sample(name, &[("alg", key.alg.name())], now.since(key.signs_from).as_secs());
    }
}

fn verifiers(text: &mut Exposition, issuer: &Issuer) {
    /// A client that has not fetched the JWKS for this long is no longer counted.
    const INACTIVE_AFTER: Duration = Duration::from_hours(24);
    let current_version = issuer.ring().jwks().version;
    let now = issuer.clock.now();
    let clients = issuer.jwks_clients.list();
    let recent = || clients.iter().filter(|client| now.since(client.last) < INACTIVE_AFTER);
    let name = "countersign_jwks_verifiers";
    text.family(
        name,
        MetricKind::Gauge,
        "Clients that fetched the JWKS in the last 24 h, by whether they have the current JWKS.",
    );
    let current = recent().filter(|client| client.jwks_id == current_version).count();
    text.sample(name, &[("set", "current")], current);
    text.sample(name, &[("set", "outdated")], recent().count() - current);
    let help = "Fetches of the JWKS whose client was not recorded, because the list of clients was full or busy.";
    text.single("countersign_jwks_unnoted_total", MetricKind::Counter, help, issuer.jwks_clients.rejected());
}

async fn write_stored(text: &mut Exposition, issuer: &Issuer) {
    let StoreMetrics { sizes, unavailable } = store_metrics(issuer).await;
    let help = "1 if the database responds, else 0.";
    text.single("countersign_database_up", MetricKind::Gauge, help, u8::from(sizes.is_some()));
    let help = "Reads and writes that failed because the database was locked, full, read-only or failing, or its queue was full.";
    text.single("countersign_store_unavailable_total", MetricKind::Counter, help, unavailable);
    let help = "Size of the database file in bytes, without the WAL.";
    text.optional("countersign_database_size_bytes", MetricKind::Gauge, help, sizes.map(|(size, _)| size));
    let help = "E-mails waiting to be sent.";
    text.optional("countersign_outbox_waiting", MetricKind::Gauge, help, sizes.map(|(_, waiting)| waiting));
    let help = "Passwords waiting to be hashed.";
    text.single("countersign_hashing_waiting", MetricKind::Gauge, help, issuer.hasher.waiting());
}

/// Adds the process metrics, under the standard names of the Prometheus client libraries.
fn process(text: &mut Exposition, issuer: &Issuer) {
    let process = Process::read();
    let started = issuer.uptime.liveliness(&issuer.clock).started_at;
    let help = "Start time of the process, as a Unix timestamp in seconds.";
    text.single("process_start_time_seconds", MetricKind::Gauge, help, started.unix());
    text.optional(
        "process_cpu_seconds_total",
        MetricKind::Counter,
        "CPU time used, user and system, in seconds.",
        process.cpu_seconds,
    );
    text.optional("process_resident_memory_bytes", MetricKind::Gauge, "Resident memory in bytes.", process.resident);
    text.optional("process_open_fds", MetricKind::Gauge, "Open file descriptors.", process.open_files);
    text.optional("process_max_fds", MetricKind::Gauge, "Maximum number of open file descriptors.", process.max_files);
}
