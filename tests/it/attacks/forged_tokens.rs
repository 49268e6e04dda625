//! The table: every forgery at every door.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use reqwest::Method;
use serde_json::{Value, json};

use super::forge::{ForgedKind, ForgeryTarget};
use super::forgeries;
use super::token_endpoints::{DOORS, TokenTransport};
use crate::support::{ServerResponse, TestServer};

#[tokio::test]
async fn forged_tokens_are_rejected_by_every_endpoint_slow() {
    let world = ForgeryTarget::new().await;
    let mut forged = HashMap::new();
    let mut tried = 0;
    let mut wrong = Vec::new();
    for door in DOORS {
        let kind = door.takes[0];
        let good = world.good(kind).await;
        let forged = match forged.entry(kind) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(forgeries::all(&world, &good).await),
        };
        let others = forgeries::of_other_kinds(&world, door.takes).await;
        for (name, text) in forged.iter().chain(&others) {
            let Some(answer) = door.present(&world.server, text).await else { continue };
            tried += 1;
            let refused = if door.is_blind() { answer.status == 302 } else { matches!(answer.status, 400 | 401) };
            let quiet = answer.header("set-cookie").is_empty() || answer.header("set-cookie").contains("Max-Age=0");
            if !refused || !quiet {
                wrong.push(format!(
                    "{} {} {:?}, {name}: {} {}",
                    door.method, door.path, door.carry, answer.status, answer.text
                ));
            }
        }
        // The row means something only if the door opens, and nothing of all this has closed it.
        let answer = door.present(&world.server, &good).await.unwrap();
        assert_eq!(answer.status, door.good, "the good token at {door:?}: {answer:#?}");
    }
    assert!(wrong.is_empty(), "{} of {tried} were let in or broke something:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 5000, "{tried} is too few: has a door or a forgery gone?");
    assert_eq!(world.evil.visits(), 0, "somebody followed a URL out of a token");
}

#[tokio::test]
async fn endpoints_without_error_responses_end_no_session_for_a_forgery() {
    let world = ForgeryTarget::new().await;
    let good = world.good(ForgedKind::Long).await;
    let door = DOORS.iter().find(|door| door.is_blind()).unwrap();
    for (name, text) in forgeries::all(&world, &good).await {
        let _ = door.present(&world.server, &text).await;
        assert!(world.server.opens(&good).await, "{name} ended the session");
    }
}

#[tokio::test]
async fn two_authorization_headers_are_rejected() {
    let world = ForgeryTarget::new().await;
    for door in DOORS
        .iter()
        .filter(|door| matches!(door.carry, TokenTransport::Bearer | TokenTransport::Bare) && !door.is_blind())
    {
        let good = world.good(door.takes[0]).await;
        let scheme = if door.carry == TokenTransport::Bearer { "Bearer " } else { "" };
        let good = format!("{scheme}{good}");
        for pair in [[&good, "Bearer x"], ["Bearer x", &good], [&good, &good], ["Basic eDp4", &good]] {
            let mut request = world.server.request(door.method.parse::<Method>().unwrap(), door.path);
            for value in pair {
                request = request.header("authorization", value);
            }
            let answer =
                ServerResponse::send(request.json(&json!({"email": "anna@example.com", "provider": "google"}))).await;
            assert_eq!(answer.status, 401, "{door:?}: {answer:#?}");
        }
    }
}

/// What a member of a body is called that holds a token.
const HOLDING: [&str; 4] = ["token", "refresh", "refresh_token", "restoring_token"];

/// Whether a body that the operation takes has a member with a token.
fn has_token_in_body(operation: &Value) -> bool {
    let Some(content) = operation["requestBody"]["content"].as_object() else { return false };
    content.values().any(|media| {
        let schema = &media["schema"];
        let mut schemas = schema["anyOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice).iter();
        schemas.any(|schema| HOLDING.iter().any(|name| schema["properties"].get(name).is_some()))
    })
}

/// Doors this page does not know would never be tried: every described route that takes a token is a row.
#[tokio::test]
async fn every_documented_token_endpoint_is_tested() {
    let server = TestServer::start().await;
    let document = server.get("/openapi.json").await.is(200).json();
    let bare = |path: &str| path.trim_end_matches('/').to_owned();
    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let guarded =
                operation["security"].as_array().is_some_and(|ways| !ways.is_empty()) || has_token_in_body(operation);
            let known =
                DOORS.iter().any(|door| bare(door.path) == bare(path) && door.method.eq_ignore_ascii_case(method));
            // One of each kind of provider's stands for all.
            let stands_for = ["google", "github", "facebook", "{provider}"].iter().any(|name| path.contains(name))
                || path.contains("social_logout")
                // What a link in a mail carries is no JWT: tests/it/rest_jwt/restore.rs has its forgeries.
                || bare(path) == "/restore";
            if guarded && !known && !stands_for {
                missing.push(format!("{method} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "no row in DOORS: {missing:#?}");
}
