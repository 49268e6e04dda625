//! The dashboard, the first page of the admin zone: health checks, charts, keys and statistics.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;

use super::chart::Chart;
use super::charts::{chart_context, charts};
use super::guard::{Checked, SteppedUp, Superuser};
use super::health_checks::{HealthCheck, HealthFacts, HealthLevel, health_checks};
use super::path::AdminPath;
use super::query::Query;
use super::{PageResult, frame};
use crate::domain::algorithm::Algorithm;
use crate::domain::count::{Count, HourCount, Series, Window};
use crate::domain::key::{Key, KeyState};
use crate::domain::time::Timestamp;
use crate::http::context::Http;
use crate::http::pages::Page;
use crate::issuer::admin::health::{StoreHealth, health};
use crate::issuer::admin::keys::{KeyTimeline, timeline};
use crate::issuer::admin::sign_in::{AdminSignedIn, SignOutOthers};
use crate::issuer::stats::{counts, readiness};
use crate::issuer::uptime::Liveliness;
use crate::issuer::{Caller, Issuer, Refusal};

/// The dashboard, and the form that ends the superuser's other sessions.
pub fn routes() -> Router<Http> {
    Router::new().route("/admin/", get(page)).route("/admin/others", post(sign_out_others))
}

async fn page(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    let window = if query.text("over") == "month" { Window::Month } else { Window::Day };
    let page = DashboardPage::of(&http.issuer, superuser.signed_in(), window).await?;
    Ok(superuser.show(&http, StatusCode::OK, &page))
}

async fn sign_out_others(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, .. }: Checked<SteppedUp>,
) -> PageResult {
    let count = SignOutOthers { from }.run(sender.superuser().signed_in(), &http.issuer).await?;
    let flash = match count {
        0 => "You have no other sessions.".to_owned(),
        1 => "You ended 1 other session.".to_owned(),
        _ => format!("You ended {count} other sessions."),
    };
    Ok(frame::redirect_with_flash(&http, &AdminPath::first(), &flash))
}

/// A published key.
pub struct DashboardKey {
    /// The `kid`.
    pub kid: String,
    /// The algorithm.
    pub alg: Algorithm,
    /// The state.
    pub state: KeyState,
    /// The time since its creation, rounded down.
    pub age: String,
    /// The next state change and its date. Empty if none is planned.
    pub next: String,
}

/// The dashboard: the state of the issuer at the time of the request.
pub struct DashboardPage {
    /// The worst level of all health checks.
    pub worst: HealthLevel,
    /// The health checks.
    pub health_checks: Vec<HealthCheck>,
    /// The period of the charts.
    pub window: Window,
    /// The charts.
    pub charts: Vec<Chart>,
    /// The numbers of users and open sessions, counted at most 5 min ago.
    pub people: (u64, u64),
    /// The time since the process started, rounded down.
    pub uptime: String,
    /// The start of the process.
    pub started_at: Timestamp,
    /// The number of starts, including this one.
    pub starts: usize,
    /// The share of each window in which the process ran, in percent.
    pub availability: Vec<(&'static str, String)>,
    /// The published keys: active, then next, then retiring. Within a state, they are sorted by algorithm and then by
    /// the date from which they sign.
    pub keys: Vec<DashboardKey>,
    /// The size of the database.
    pub database: String,
    /// The unused space inside the database.
    pub free: String,
    /// The number of e-mails that are waiting to be sent.
    pub mails_waiting: u64,
    /// When the superuser who views the page signed in.
    pub signed_in: Timestamp,
    /// The address of that sign-in. Empty if it is unknown.
    pub address: String,
}

impl DashboardPage {
    async fn of(issuer: &Issuer, superuser: &AdminSignedIn, window: Window) -> Result<Self, Refusal> {
        let life = issuer.uptime.liveliness(&issuer.clock);
        let health = health(issuer).await?;
        let ready = readiness(issuer).await;
        let day = counts(issuer, Window::Day).await?;
        let counted = counts(issuer, window).await?;
        let (worst, checks) = health_checks(&facts(ready, &life, &health, &timeline(issuer), &day));
        let ring = issuer.ring();
        let mut keys: Vec<&Key> = ring.schedule().keys().iter().filter(|key| key.is_published(life.now)).collect();
        keys.sort_by_key(|key| {
            let state = key.state(life.now);
            (state != KeyState::Active, state, key.alg.name(), key.signs_from)
        });
        Ok(Self {
            worst,
            health_checks: checks,
            window,
            charts: charts(window, life.now, &counted),
            people: (health.counted.users, health.counted.open_sessions),
            uptime: rounded_span(life.uptime),
            started_at: life.started_at,
            starts: life.starts,
            availability: life.availability.map(|(window, share)| (window, percent(share))).to_vec(),
            keys: keys.into_iter().map(|key| row(key, life.now)).collect(),
            database: bytes(health.size.bytes),
            free: bytes(health.size.free),
            mails_waiting: health.mails_waiting,
            signed_in: superuser.session().opened_at,
            address: superuser.session().address.map(|address| address.to_string()).unwrap_or_default(),
        })
    }
}

fn facts(
    ready: Result<(), &'static str>,
    life: &Liveliness,
    health: &StoreHealth,
    keys: &KeyTimeline,
    hours: &[HourCount],
) -> HealthFacts {
    let now = life.now;
    let all = keys.algorithms.iter().flat_map(|line| &line.keys);
    let signers = all.filter(|row| row.state == KeyState::Active).map(|row| now.since(row.key.signs_from));
    let next = keys.algorithms.iter().filter_map(|line| line.next).map(|next| next.signs_from.since(now));
    let total = |wanted| Series::new(Window::Day, now, hours, |count| count == wanted).total();
    HealthFacts {
        ready,
        oldest_signer: signers.max(),
        next_key: next.min(),
        mails_waiting: health.mails_waiting,
        oldest_mail: health.oldest_waiting_mail.map(|at| now.since(at)),
        since_cleanup: health.last_cleanup.map_or(life.uptime, |at| now.since(at)),
        faults: total(Count::Fault),
        sign_ins: total(Count::SignedIn),
        failed: total(Count::SignInFailed),
    }
}

fn row(key: &Key, now: Timestamp) -> DashboardKey {
    let state = key.state(now);
    let next = match state {
        KeyState::Next => Some(("signs", key.signs_from)),
        KeyState::Active => key.signs_until.map(|at| ("signs until", at)),
        KeyState::Retiring => key.published_until.map(|at| ("published until", at)),
        KeyState::Retired | KeyState::Revoked => None,
    };
    let next = next.map(|(change, at)| format!("{change} {} (in {})", day(at), rounded_span(at.since(now))));
    let age = rounded_span(now.since(key.created_at));
    DashboardKey { kid: key.kid.to_string(), alg: key.alg, state, age, next: next.unwrap_or_default() }
}

/// A date and time without seconds, as in `2026-01-31 09:30`. All pages show times in UTC.
pub fn day(at: Timestamp) -> String {
    at.to_string().replacen('T', " ", 1).get(..16).unwrap_or_default().to_owned()
}

/// A duration in its largest unit, rounded down, as in `3 days`.
pub fn rounded_span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(365 * 86_400, "year"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1, "second"));
    let count = seconds / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// A number of bytes in its largest unit, as in `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    let (unit, name) = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| count >= *unit)
        .unwrap_or((1, "bytes"));
    if unit == 1 {
        return format!("{count} {name}");
    }
    let tenths = u128::from(count) * 10 / u128::from(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// A share in percent. It is rounded down, so that a share below 1 is never displayed as 100 %.
fn percent(share: f64) -> String {
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

impl Page for DashboardPage {
    const TEMPLATE: &'static str = "admin/dashboard.html";

    fn context(&self) -> Value {
        let keys = self.keys.iter().map(|key| {
            let DashboardKey { kid, alg, state, age, next } = key;
            context! { kid, alg => alg.name(), state => state.name(), age, next }
        });
        let availability = self.availability.iter().map(|(window, share)| context! { window => *window, share });
        let checks = self.health_checks.iter().map(|check| {
            let HealthCheck { subject, level, message } = check;
            context! { subject => *subject, level => level.class(), label => level.label(), message }
        });
        let Self { uptime, starts, database, free, mails_waiting, address, charts, people, .. } = self;
        context! {
            worst => self.worst.class(),
            health_checks => checks.collect::<Value>(),
            is_month => self.window == Window::Month,
            charts => charts.iter().map(chart_context).collect::<Value>(),
            users => people.0,
            open_sessions => people.1,
            free,
            version => env!("CARGO_PKG_VERSION"),
            uptime,
            started_at => day(self.started_at),
            starts,
            availability => availability.collect::<Value>(),
            keys => keys.collect::<Value>(),
            database,
            mails_waiting,
            signed_in => day(self.signed_in),
            address,
        }
    }

    fn samples() -> Vec<Self> {
        let key = |state, next: &str| DashboardKey {
            kid: "a8ENwGGj0DU_NL_YMfVIF7Jp-Ttk_2ekExcYf9MBeaY".to_owned(),
            alg: Algorithm::Es256,
            state,
            age: "90 days".to_owned(),
            next: next.to_owned(),
        };
        let now = Timestamp::from_unix(1_700_000_000);
        let hour = |count| HourCount { hour: now, count, n: 7 };
        let counted = [hour(Count::SignedIn), hour(Count::Throttled)];
        let check = |level| HealthCheck { subject: "E-mail", level, message: "<b>".to_owned() };
        let page = |keys, mails_waiting, window| Self {
            worst: HealthLevel::Warning,
            health_checks: vec![check(HealthLevel::Ok), check(HealthLevel::Warning), check(HealthLevel::Failing)],
            window,
            charts: charts(window, now, &counted),
            people: (3, 5),
            uptime: "3 days".to_owned(),
            started_at: Timestamp::from_unix(1_700_000_000),
            starts: 4,
            availability: vec![("1d", "100.00 %".to_owned()), ("all", "99.98 %".to_owned())],
            keys,
            database: "1.5 MiB".to_owned(),
            free: "0 bytes".to_owned(),
            mails_waiting,
            signed_in: Timestamp::from_unix(1_700_000_000),
            address: "192.0.2.1".to_owned(),
        };
        vec![
            page(vec![], 0, Window::Day),
            page(
                vec![key(KeyState::Active, ""), key(KeyState::Next, "signs 2026-01-31 09:30 (in 1 day)")],
                3,
                Window::Month,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_formatted_for_reading() {
        let spans = [(0, "0 seconds"), (1, "1 second"), (119, "1 minute"), (7200, "2 hours"), (86_400 * 400, "1 year")];
        for (seconds, expected) in spans {
            assert_eq!(rounded_span(Duration::from_secs(seconds)), expected);
        }
        for (count, expected) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB")] {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!((percent(1.0), percent(0.999_999)), ("100.00 %".to_owned(), "99.99 %".to_owned()));
        assert_eq!(day(Timestamp::from_unix(1_700_000_000)), "2023-11-14 22:13");
    }
}
