//! The section on keys: the time line, the JWKS clients, rotation and revocation. A confirmation page shows the
//! consequences of each change.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::dashboard::day;
use super::guard::{Checked, SteppedUp, Superuser};
use super::key_pages::{ConfirmKeyChangePage, Consequences, JwksClientRow, KeyChange, KeyLine, KeyTableRow, KeysPage};
use super::operator::{denied, operator};
use super::page_error::PageError;
use super::path::AdminPath;
use super::query::Query;
use super::sign_in::text;
use super::timeline::Timeline as Drawn;
use super::{PageResult, frame};
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, Kid};
use crate::http::Http;
use crate::issuer::admin::keys::{AlgorithmTimeline, RevokeKey, RotateKeys, timeline};
use crate::issuer::{Caller, Issuer};

const PATH: &str = "/admin/keys";
const ROTATE: &str = "/admin/keys/rotate";
const ROTATE_NOW: &str = "/admin/keys/rotate-now";
const REVOKE: &str = "/admin/keys/revoke";
/// The name that selects every algorithm.
const ALL: &str = "all";

/// The page with all keys, and the confirmation page of each change.
pub fn routes() -> Router<Http> {
    Router::new()
        .route(PATH, get(page))
        .route(ROTATE, get(before_rotation).post(rotate))
        .route(ROTATE_NOW, get(before_rotation_now).post(rotate_now))
        .route(REVOKE, get(before_revocation).post(revoke))
}

async fn page(State(http): State<Http>, who: Superuser) -> PageResult {
    let keys = timeline(&http.issuer);
    let line = |line: &AlgorithmTimeline| {
        let all: Vec<&Key> = line.keys.iter().map(|shown| &shown.key).collect();
        let row = |shown: &crate::issuer::admin::keys::TimelineKey| KeyTableRow {
            key: shown.key.clone(),
            state: shown.state,
            can_be_revoked: shown.revocation.is_some(),
        };
        KeyLine {
            alg: line.alg,
            drawn: Drawn::of(&all, keys.now),
            keys: line.keys.iter().rev().map(row).collect(),
            next: line.next.map(|next| (next.made_at, next.signs_from)),
        }
    };
    let page = KeysPage {
        now: keys.now,
        lines: keys.algorithms.iter().map(line).collect(),
        jwks_clients: jwks_clients(&http.issuer),
        is_rotated_automatically: http.issuer.policy.rotate_every.is_some(),
    };
    Ok(who.show(&http, StatusCode::OK, &page))
}

/// The clients that fetched the JWKS since the server started. Clients without the current JWKS come first.
fn jwks_clients(issuer: &Issuer) -> Vec<JwksClientRow> {
    let current = issuer.ring().jwks().version;
    let mut seen = issuer.jwks_clients.list();
    seen.sort_by_key(|seen| (seen.jwks_id == current, std::cmp::Reverse(seen.last)));
    let row = |seen: crate::telemetry::jwks_clients::ListedJwksClient| JwksClientRow {
        address: seen.address.to_string(),
        agent: seen.agent,
        first: seen.first,
        last: seen.last,
        fetches: seen.fetches,
        is_up_to_date: seen.jwks_id == current,
    };
    seen.into_iter().map(row).collect()
}

async fn before_rotation(State(http): State<Http>, query: Query, who: Superuser) -> PageResult {
    show_rotation(&http, &query, &who, false)
}

async fn before_rotation_now(State(http): State<Http>, query: Query, who: Superuser) -> PageResult {
    show_rotation(&http, &query, &who, true)
}

fn show_rotation(http: &Http, query: &Query, who: &Superuser, at_once: bool) -> PageResult {
    let alg = algorithm(query.text("alg"))?;
    let keys = timeline(&http.issuer);
    let preview = |line: &AlgorithmTimeline| {
        let preview = if at_once { line.immediate.as_ref() } else { line.rotation.as_ref() };
        Some(Consequences { of: line.alg.name().to_owned(), words: preview?.sentences() })
    };
    let lines = keys.algorithms.iter().filter(|line| alg.is_none_or(|alg| alg == line.alg));
    let following: Vec<Consequences> = lines.filter_map(preview).collect();
    if following.is_empty() {
        return Err(PageError::NOT_FOUND);
    }
    let change = if at_once { KeyChange::RotateNow } else { KeyChange::Rotate };
    let of = alg.map_or(ALL, Algorithm::name).to_owned();
    let page = ConfirmKeyChangePage { change, of, following, jwks_clients: jwks_clients(&http.issuer) };
    Ok(who.show(http, StatusCode::OK, &page))
}

/// Parses the name of an algorithm. `None` selects all of them.
fn algorithm(name: &str) -> Result<Option<Algorithm>, PageError> {
    match name {
        "" | ALL => Ok(None),
        name => name.parse().map(Some).map_err(|_| PageError::NOT_FOUND),
    }
}

async fn rotate(State(http): State<Http>, from: Caller, Checked { who, mut form }: Checked<Superuser>) -> PageResult {
    let alg = algorithm(&text(&mut form, "alg"))?;
    do_rotate(&http, from, &who, alg, false).await
}

async fn rotate_now(
    State(http): State<Http>,
    from: Caller,
    Checked { who, mut form }: Checked<SteppedUp>,
) -> PageResult {
    let alg = algorithm(&text(&mut form, "alg"))?;
    do_rotate(&http, from, who.superuser(), alg, true).await
}

async fn do_rotate(http: &Http, from: Caller, who: &Superuser, alg: Option<Algorithm>, at_once: bool) -> PageResult {
    let by = operator(who, from);
    let made = RotateKeys { alg, at_once, by }.run(&http.issuer).await.map_err(denied)?;
    let descriptions =
        made.iter().map(|key| format!("{} key {} signs from {} UTC", key.alg, key.kid, day(key.signs_from)));
    let flash = format!("Published: {}.", descriptions.collect::<Vec<_>>().join("; "));
    Ok(frame::redirect_with_flash(http, &AdminPath::parse_or_first(Some(PATH)), &flash))
}

async fn before_revocation(State(http): State<Http>, query: Query, who: Superuser) -> PageResult {
    let keys = timeline(&http.issuer);
    let mut all = keys.algorithms.iter().flat_map(|line| &line.keys);
    let shown = all.find(|shown| shown.key.kid.as_str() == query.text("kid")).ok_or(PageError::NOT_FOUND)?;
    let Some(preview) = &shown.revocation else {
        let message = "A revoked key stays revoked and cannot be revoked again.";
        return Err(PageError::page(StatusCode::CONFLICT, "This key is already revoked", message));
    };
    let of = shown.key.kid.to_string();
    let following =
        vec![Consequences { of: format!("{} key, {}", shown.key.alg, shown.state), words: preview.sentences() }];
    let page =
        ConfirmKeyChangePage { change: KeyChange::Revoke, of, following, jwks_clients: jwks_clients(&http.issuer) };
    Ok(who.show(&http, StatusCode::OK, &page))
}

async fn revoke(State(http): State<Http>, from: Caller, Checked { who, mut form }: Checked<SteppedUp>) -> PageResult {
    let kid = Kid::parse(&text(&mut form, "kid")).map_err(|_| PageError::NOT_FOUND)?;
    let by = operator(who.superuser(), from);
    let done = RevokeKey { kid, by }.run(&http.issuer).await.map_err(denied)?;
    let instead = done.successor.map(|key| format!(" The key {} signs instead.", key.kid)).unwrap_or_default();
    let flash = format!("The key {} was revoked.{instead}", done.key.kid);
    Ok(frame::redirect_with_flash(&http, &AdminPath::parse_or_first(Some(PATH)), &flash))
}
