//! The dashboard, the first page of the admin zone: health checks, charts, keys and statistics.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use minijinja::context;
use minijinja::value::Value;

use super::chart::Chart;
use super::charts::{chart_context, charts};
use super::health_checks::{HealthCheck, HealthFacts, HealthLevel, health_checks};
use crate::domain::algorithm::Algorithm;
use crate::domain::count::{Count, HourCount, Series, Window};
use crate::domain::duration::rounded_down;
use crate::domain::finding::Finding;
use crate::domain::key::{Key, KeyState};
use crate::domain::time::Timestamp;
use crate::http::admin::zone::{AdminPath, SteppedUp, Superuser};
use crate::http::context::Http;
use crate::http::extract::query::Query;
use crate::http::format::{byte_size, date_time};
use crate::http::pages::{Page, Pages};
use crate::http::web::checked::Checked;
use crate::http::web::page_error::PageResult;
use crate::http::web::section::Section;
use crate::issuer::admin::health::{StoreHealth, health};
use crate::issuer::admin::sign_in::{AdminSignedIn, SignOutOthers};
use crate::issuer::findings::database_findings;
use crate::issuer::keys::{KeyTimeline, timeline};
use crate::issuer::stats::{counts, readiness};
use crate::issuer::uptime::Liveliness;
use crate::issuer::{Caller, Issuer, Refusal};

/// The section.
pub const SECTION: Section = Section {
    title: "Dashboard",
    path: "/admin/",
    routes,
    render_samples: Pages::render_framed_samples::<DashboardPage>,
};

/// The dashboard, and the form that ends the superuser's other sessions.
fn routes() -> Router<Http> {
    Router::new().route("/admin/", get(page)).route("/admin/others", post(sign_out_others))
}

async fn page(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    let window = if query.text("over") == "month" { Window::Month } else { Window::Day };
    let mut page = DashboardPage::of(&http.issuer, superuser.session(), window).await?;
    page.add_findings(&http.options.findings);
    Ok(superuser.show(&http, StatusCode::OK, &page))
}

async fn sign_out_others(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, .. }: Checked<SteppedUp>,
) -> PageResult {
    let count = SignOutOthers { from }.run(sender.signed_in().session(), &http.issuer).await?;
    let flash = match count {
        0 => "You have no other sessions.".to_owned(),
        1 => "You ended 1 other session.".to_owned(),
        _ => format!("You ended {count} other sessions."),
    };
    Ok(sender.signed_in().redirect_with_flash(&http, &AdminPath::home(), &flash))
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
    /// What `countersign check --deploy` finds: in the boot settings, the runtime settings and the users.
    pub findings: Vec<Finding>,
    /// The period of the charts.
    pub window: Window,
    /// The charts.
    pub charts: Vec<Chart>,
    /// The number of users, counted at most 5 min ago.
    pub users: u64,
    /// The number of open sessions, counted at most 5 min ago.
    pub open_sessions: u64,
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
    /// Adds what is unsafe in the boot settings. While anything is unsafe, not all is well.
    fn add_findings(&mut self, boot: &[Finding]) {
        self.findings.splice(0..0, boot.iter().cloned());
        if !self.findings.is_empty() {
            self.worst = self.worst.max(HealthLevel::Warning);
        }
    }

    async fn of(issuer: &Issuer, superuser: &AdminSignedIn, window: Window) -> Result<Self, Refusal> {
        let life = issuer.uptime.liveliness(&issuer.clock);
        let health = health(issuer).await?;
        let ready = readiness(issuer).await;
        let day = counts(issuer, Window::Day).await?;
        let counted = counts(issuer, window).await?;
        let (worst, checks) =
            health_checks(&facts(ready, &life, &health, &timeline(issuer), &day, issuer.mailer.server().is_some()));
        let ring = issuer.ring();
        let mut keys: Vec<&Key> = ring.schedule().keys().iter().filter(|key| key.is_published(life.now)).collect();
        keys.sort_by_key(|key| {
            let state = key.state(life.now);
            (state != KeyState::Active, state, key.alg.name(), key.signs_from)
        });
        Ok(Self {
            worst,
            health_checks: checks,
            findings: database_findings(issuer).await?,
            window,
            charts: charts(window, life.now, &counted),
            users: health.counted.users,
            open_sessions: health.counted.open_sessions,
            uptime: rounded_down(life.uptime),
            started_at: life.started_at,
            starts: life.starts,
            availability: life.availability.map(|(window, share)| (window, percent(share))).to_vec(),
            keys: keys.into_iter().map(|key| row(key, life.now)).collect(),
            database: byte_size(health.size.bytes),
            free: byte_size(health.size.free),
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
    has_mail_server: bool,
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
        has_mail_server,
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
    let next = next.map(|(change, at)| format!("{change} {} (in {})", date_time(at), rounded_down(at.since(now))));
    let age = rounded_down(now.since(key.created_at));
    DashboardKey { kid: key.kid.to_string(), alg: key.alg, state, age, next: next.unwrap_or_default() }
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
        let findings = self.findings.iter().map(|finding| {
            let Finding { setting, condition, consequence, fix } = finding;
            context! { setting, condition, consequence, fix }
        });
        let Self { uptime, starts, database, free, mails_waiting, address, charts, users, open_sessions, .. } = self;
        context! {
            worst => self.worst.class(),
            health_checks => checks.collect::<Value>(),
            findings => findings.collect::<Value>(),
            is_month => self.window == Window::Month,
            charts => charts.iter().map(chart_context).collect::<Value>(),
            users,
            open_sessions,
            free,
            version => env!("CARGO_PKG_VERSION"),
            uptime,
            started_at => date_time(self.started_at),
            starts,
            availability => availability.collect::<Value>(),
            keys => keys.collect::<Value>(),
            database,
            mails_waiting,
            signed_in => date_time(self.signed_in),
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
            findings: vec![Finding::new("email.host", "<b>", "no codes", "set email.host")],
            window,
            charts: charts(window, now, &counted),
            users: 3,
            open_sessions: 5,
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
    fn a_share_is_rounded_down_to_percent() {
        assert_eq!((percent(1.0), percent(0.999_999)), ("100.00 %".to_owned(), "99.99 %".to_owned()));
    }
}
