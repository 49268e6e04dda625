//! The section on keys: the timelines, the JWKS clients, rotation and revocation. A confirmation page shows the
//! consequences of each change.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::key_pages::{
    self, ConfirmKeyChangePage, Consequences, JwksClientRow, KeyChange, KeyLine, KeyTableRow, KeysPage,
};
use super::timeline::Timeline;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, Kid};
use crate::http::admin::zone::{AdminPath, SteppedUp, Superuser};
use crate::http::context::Http;
use crate::http::extract::query::Query;
use crate::http::format::date_time;
use crate::http::web::checked::Checked;
use crate::http::web::page_error::{PageError, PageResult};
use crate::http::web::section::Section;
use crate::issuer::keys::{AlgorithmTimeline, KeyContext, Revoke, Rotate, TimelineKey, timeline};
use crate::issuer::{Caller, Denied, Issuer};
use crate::telemetry::jwks_clients::ListedJwksClient;

const PATH: &str = "/admin/keys";
const PAGE: AdminPath = AdminPath::fixed(PATH);
const ROTATE: &str = "/admin/keys/rotate";
const ROTATE_NOW: &str = "/admin/keys/rotate-now";
const REVOKE: &str = "/admin/keys/revoke";
/// The value of the parameter `alg` that selects every algorithm.
const ALL: &str = "all";

/// The section.
pub const SECTION: Section = Section { title: "Keys", path: PATH, routes, render_samples: key_pages::render_samples };

/// The page with all keys, and the confirmation page of each change.
fn routes() -> Router<Http> {
    Router::new()
        .route(PATH, get(page))
        .route(ROTATE, get(confirm_rotation).post(rotate))
        .route(ROTATE_NOW, get(confirm_rotation_now).post(rotate_now))
        .route(REVOKE, get(confirm_revocation).post(revoke))
}

async fn page(State(http): State<Http>, superuser: Superuser) -> PageResult {
    let keys = timeline(&http.issuer);
    let line = |line: &AlgorithmTimeline| {
        let all: Vec<&Key> = line.keys.iter().map(|listed| &listed.key).collect();
        let row = |listed: &TimelineKey| KeyTableRow {
            key: listed.key.clone(),
            state: listed.state,
            can_be_revoked: listed.revocation.is_some(),
        };
        KeyLine {
            alg: line.alg,
            timeline: Timeline::of(&all, keys.now),
            keys: line.keys.iter().rev().map(row).collect(),
            next: line.next.map(|next| (next.created_at, next.signs_from)),
        }
    };
    let page = KeysPage {
        now: keys.now,
        lines: keys.algorithms.iter().map(line).collect(),
        jwks_clients: jwks_clients(&http.issuer),
        is_rotated_automatically: http.issuer.policy.rotate_every.is_some(),
    };
    Ok(superuser.show(&http, StatusCode::OK, &page))
}

/// The listed clients that fetched the JWKS since the server started. Clients without the current JWKS come first, and
/// of these the client with the latest request.
fn jwks_clients(issuer: &Issuer) -> Vec<JwksClientRow> {
    let current = issuer.ring().jwks().version;
    let mut clients = issuer.jwks_clients.list();
    clients.sort_by_key(|client| (client.jwks_id == current, std::cmp::Reverse(client.last)));
    let row = |client: ListedJwksClient| JwksClientRow {
        address: client.address.to_string(),
        agent: client.agent,
        first: client.first,
        last: client.last,
        fetches: client.fetches,
        is_up_to_date: client.jwks_id == current,
    };
    clients.into_iter().map(row).collect()
}

async fn confirm_rotation(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    show_rotation(&http, &query, &superuser, false)
}

async fn confirm_rotation_now(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    show_rotation(&http, &query, &superuser, true)
}

fn show_rotation(http: &Http, query: &Query, superuser: &Superuser, at_once: bool) -> PageResult {
    let alg = algorithm(query.text("alg"))?;
    let keys = timeline(&http.issuer);
    let preview = |line: &AlgorithmTimeline| {
        let preview = if at_once { line.immediate.as_ref() } else { line.rotation.as_ref() };
        Some(Consequences { subject: line.alg.name().to_owned(), sentences: preview?.sentences() })
    };
    let lines = keys.algorithms.iter().filter(|line| alg.is_none_or(|alg| alg == line.alg));
    let consequences: Vec<Consequences> = lines.filter_map(preview).collect();
    if consequences.is_empty() {
        return Err(PageError::NOT_FOUND);
    }
    let change = if at_once { KeyChange::RotateNow } else { KeyChange::Rotate };
    let target = alg.map_or(ALL, Algorithm::name).to_owned();
    let page = ConfirmKeyChangePage { change, target, consequences, jwks_clients: jwks_clients(&http.issuer) };
    Ok(superuser.show(http, StatusCode::OK, &page))
}

/// Parses the name of an algorithm. `None` selects all of them.
fn algorithm(name: &str) -> Result<Option<Algorithm>, PageError> {
    match name {
        "" | ALL => Ok(None),
        name => name.parse().map(Some).map_err(|_| PageError::NOT_FOUND),
    }
}

async fn rotate(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, mut form }: Checked<Superuser>,
) -> PageResult {
    let alg = algorithm(&form.text_or_empty("alg"))?;
    perform_rotation(&http, from, &sender, alg, false).await
}

async fn rotate_now(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, mut form }: Checked<SteppedUp>,
) -> PageResult {
    let alg = algorithm(&form.text_or_empty("alg"))?;
    perform_rotation(&http, from, sender.signed_in(), alg, true).await
}

async fn perform_rotation(
    http: &Http,
    from: Caller,
    superuser: &Superuser,
    alg: Option<Algorithm>,
    at_once: bool,
) -> PageResult {
    let by = superuser.operator(from);
    let added = Rotate { alg, at_once, by }.run(&KeyContext::of_server(&http.issuer)).await.map_err(Denied::from)?;
    let descriptions = added
        .keys
        .iter()
        .map(|key| format!("{} key {} signs from {} UTC", key.alg, key.kid, date_time(key.signs_from)));
    let flash = format!("Published: {}.", descriptions.collect::<Vec<_>>().join("; "));
    Ok(superuser.redirect_with_flash(http, &PAGE, &flash))
}

async fn confirm_revocation(State(http): State<Http>, query: Query, superuser: Superuser) -> PageResult {
    let keys = timeline(&http.issuer);
    let mut all = keys.algorithms.iter().flat_map(|line| &line.keys);
    let listed = all.find(|listed| listed.key.kid.as_str() == query.text("kid")).ok_or(PageError::NOT_FOUND)?;
    let Some(preview) = &listed.revocation else {
        let message = "A revocation is permanent and cannot be repeated.";
        return Err(PageError::page(StatusCode::CONFLICT, "This key is already revoked", message));
    };
    let subject = format!("{} key, {}", listed.key.alg, listed.state);
    let page = ConfirmKeyChangePage {
        change: KeyChange::Revoke,
        target: listed.key.kid.to_string(),
        consequences: vec![Consequences { subject, sentences: preview.sentences() }],
        jwks_clients: jwks_clients(&http.issuer),
    };
    Ok(superuser.show(&http, StatusCode::OK, &page))
}

async fn revoke(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, mut form }: Checked<SteppedUp>,
) -> PageResult {
    let kid = Kid::parse(&form.text_or_empty("kid")).map_err(|_| PageError::NOT_FOUND)?;
    let by = sender.signed_in().operator(from);
    let revoke = Revoke { kid: kid.to_string(), by, on_default_settings: None };
    let revoked = revoke.run(&KeyContext::of_server(&http.issuer)).await.map_err(Denied::from)?.revoked;
    let successor = revoked.successor.map(|key| format!(" The key {} signs instead.", key.kid)).unwrap_or_default();
    let flash = format!("The key {} was revoked.{successor}", revoked.key.kid);
    Ok(sender.signed_in().redirect_with_flash(&http, &PAGE, &flash))
}
