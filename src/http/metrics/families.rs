//! Every metric there is: its name, what it means, and where its value comes from.

use std::time::Duration;

use super::exposition::{Exposition, MetricKind};
use crate::domain::count::Count;
use crate::domain::key::{Key, KeyState};
use crate::domain::time::Timestamp;
use crate::http::Http;
use crate::issuer::{Issuer, Refusal, stats};
use crate::telemetry::process::Process;
use crate::telemetry::requests::{BOUNDS, Requests};

/// The names of classes of status codes, in their order.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The whole text.
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
    stored(&mut text, issuer).await;
    process(&mut text, issuer);
    text.finish()
}

async fn process_life(text: &mut Exposition, issuer: &Issuer) {
    text.family("countersign_build_info", MetricKind::Gauge, "Always 1; the label tells the version.");
    text.sample("countersign_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let ready = u8::from(stats::readiness(issuer).await.is_ok());
    let help = "Whether it can serve: the database answers, and every profile has a key that signs. As /ready says.";
    text.single("countersign_ready", MetricKind::Gauge, help, ready);
    let life = issuer.uptime.liveliness(&issuer.clock);
    let help = "How long the process has run.";
    text.single("countersign_uptime_seconds", MetricKind::Gauge, help, life.uptime.as_secs());
    let name = "countersign_availability_ratio";
    text.family(name, MetricKind::Gauge, "The share of a window in which the process ran, its restarts included.");
    for (window, share) in life.availability {
        text.sample(name, &[("window", window)], share);
    }
}

fn counts(text: &mut Exposition, issuer: &Issuer) {
    let mut begun = "";
    for count in Count::all() {
        let name = format!("countersign_{}_total", count.family());
        if begun != count.family() {
            text.family(&name, MetricKind::Counter, meaning(count));
            begun = count.family();
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

const fn meaning(count: Count) -> &'static str {
    match count {
        Count::SignedIn => "Sign-ins with a right password.",
        Count::SignInFailed => "Sign-ins with a wrong name or password, or of a disabled user.",
        Count::Throttled => "Requests refused because there were too many (429).",
        Count::Refreshed => "Sessions refreshed or tokens renewed.",
        Count::RefreshRefused => "Tokens to refresh or renew by that were refused.",
        Count::RefreshReused => "Spent refresh tokens that came back; each ended its session.",
        Count::Registered => "Accounts made.",
        Count::ResetAsked => "Password resets asked for, for known addresses and others.",
        Count::ResetDone => "Passwords set by a reset code or link.",
        Count::SessionEnded => "Sessions ended before they expired.",
        Count::MailSent => "Mails taken by the mail server.",
        Count::MailFailed => "Tries to send a mail that failed.",
        Count::JwksSent => "Key sets sent.",
        Count::JwksUnchanged => "Key sets that the caller had already (304).",
        Count::Fault => "Requests answered with 500; the log tells each.",
        Count::HashingFull => "Passwords not hashed because too many were waiting (503).",
        Count::Issued(..) => "Access tokens signed.",
    }
}

fn durations(text: &mut Exposition, requests: &Requests) {
    #[expect(clippy::cast_precision_loss, reason = "microseconds, exact for 285 years")]
    let seconds = |micros: u64| micros as f64 / 1e6;
    let name = "countersign_http_request_duration_seconds";
    let bounds = BOUNDS.map(seconds);
    text.family(name, MetricKind::Histogram, "How long requests took, by route and status; the key set is not timed.");
    for cell in requests.list() {
        let labels = [("route", cell.route.as_str()), ("status", CLASSES[cell.class - 1])];
        text.histogram(name, &labels, &bounds, &cell.buckets, seconds(cell.micros));
    }
}

fn keys(text: &mut Exposition, issuer: &Issuer) {
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
    each("countersign_key_created_timestamp_seconds", "When a published key was made.", created);
    let help = "When a published key begins to sign.";
    each("countersign_key_signs_from_timestamp_seconds", help, |key| Some(key.signs_from.unix()));
    let help = "When a published key signs no more, where that is known.";
    each("countersign_key_signs_until_timestamp_seconds", help, |key| key.signs_until.map(Timestamp::unix));
    let name = "countersign_signing_key_age_seconds";
    text.family(name, MetricKind::Gauge, "For how long the key that signs has signed.");
    for key in published.iter().filter(|key| key.state(now) == KeyState::Active) {
        text.sample(name, &[("alg", key.alg.name())], now.since(key.signs_from).as_secs());
    }
}

fn verifiers(text: &mut Exposition, issuer: &Issuer) {
    /// Who has not come for so long fetches no key sets any more.
    const GONE: Duration = Duration::from_hours(24);
    let set = issuer.ring().jwks().version;
    let now = issuer.clock.now();
    let seen = issuer.jwks_clients.list();
    let recent = || seen.iter().filter(|who| now.since(who.last) < GONE);
    let name = "countersign_jwks_verifiers";
    text.family(name, MetricKind::Gauge, "Who fetched the key set within a day, by whether they have the present one.");
    let current = recent().filter(|who| who.jwks_id == set).count();
    text.sample(name, &[("set", "current")], current);
    text.sample(name, &[("set", "outdated")], recent().count() - current);
    let help = "Fetches of the key set by whom no note was made, for there were too many.";
    text.single("countersign_jwks_unnoted_total", MetricKind::Counter, help, issuer.jwks_clients.rejected());
}

async fn stored(text: &mut Exposition, issuer: &Issuer) {
    let asked = issuer.store.read(|tx| Ok::<_, Refusal>((tx.file_size()?.bytes, tx.mails_waiting()?))).await.ok();
    let help = "Whether the database answers.";
    text.single("countersign_database_up", MetricKind::Gauge, help, u8::from(asked.is_some()));
    let help = "Reads and writes that the database could not do: locked, full, failing, or too many waited (503).";
    text.single("countersign_store_unavailable_total", MetricKind::Counter, help, issuer.store.unavailable_count());
    let help = "How much room the database takes, without its log.";
    text.optional("countersign_database_size_bytes", MetricKind::Gauge, help, asked.map(|(size, _)| size));
    let help = "Mails that are not sent yet.";
    text.optional("countersign_outbox_waiting", MetricKind::Gauge, help, asked.map(|(_, waiting)| waiting));
    let help = "Passwords that wait to be hashed.";
    text.single("countersign_hashing_waiting", MetricKind::Gauge, help, issuer.hasher.waiting());
}

/// By the names that Prometheus' own libraries give them.
fn process(text: &mut Exposition, issuer: &Issuer) {
    let process = Process::read();
    let started = issuer.uptime.liveliness(&issuer.clock).started_at;
    let help = "When the process started, in Unix time.";
    text.single("process_start_time_seconds", MetricKind::Gauge, help, started.unix());
    text.optional("process_cpu_seconds_total", MetricKind::Counter, "Processor time used.", process.cpu_seconds);
    text.optional("process_resident_memory_bytes", MetricKind::Gauge, "Memory in use.", process.resident);
    text.optional("process_open_fds", MetricKind::Gauge, "Open file descriptors.", process.open_files);
    text.optional("process_max_fds", MetricKind::Gauge, "How many there may be.", process.max_files);
}
