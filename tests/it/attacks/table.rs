//! The table: every forgery at every door.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use reqwest::Method;
use serde_json::{Value, json};

use super::doors::{Carry, DOORS};
use super::forge::{Kind, World};
use super::forgeries;
use crate::support::{Answer, TestServer};

#[tokio::test]
async fn no_forgery_opens_any_door() {
    let world = World::new().await;
    let (mut forged, mut tried, mut wrong) = (HashMap::new(), 0, Vec::new());
    for door in DOORS {
        let kind = door.takes[0];
        let good = world.good(kind).await;
        let forged = match forged.entry(kind) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(forgeries::all(&world, &good).await),
        };
        let others = forgeries::of_other_kinds(&world, door.takes).await;
        for (name, text) in forged.iter().chain(&others) {
            let Some(answer) = door.shown(&world.server, text).await else { continue };
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
        let answer = door.shown(&world.server, &good).await.unwrap();
        assert_eq!(answer.status, door.good, "the good token at {door:?}: {answer:#?}");
    }
    assert!(wrong.is_empty(), "{} of {tried} were let in or broke something:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 5000, "{tried} is too few: has a door or a forgery gone?");
    assert_eq!(world.evil.visits(), 0, "somebody followed a URL out of a token");
}

#[tokio::test]
async fn a_blind_door_ends_no_session_for_a_forgery() {
    let world = World::new().await;
    let good = world.good(Kind::Long).await;
    let door = DOORS.iter().find(|door| door.is_blind()).unwrap();
    for (name, text) in forgeries::all(&world, &good).await {
        let _ = door.shown(&world.server, &text).await;
        assert!(world.server.opens(&good).await, "{name} ended the session");
    }
}

#[tokio::test]
async fn two_tokens_are_none() {
    let world = World::new().await;
    for door in DOORS.iter().filter(|door| matches!(door.carry, Carry::Bearer | Carry::Bare) && !door.is_blind()) {
        let good = world.good(door.takes[0]).await;
        let scheme = if door.carry == Carry::Bearer { "Bearer " } else { "" };
        let good = format!("{scheme}{good}");
        for pair in [[&good, "Bearer x"], ["Bearer x", &good], [&good, &good], ["Basic eDp4", &good]] {
            let mut request = world.server.request(door.method.parse::<Method>().unwrap(), door.path);
            for value in pair {
                request = request.header("authorization", value);
            }
            let answer = Answer::to(request.json(&json!({"email": "anna@example.com", "provider": "google"}))).await;
            assert_eq!(answer.status, 401, "{door:?}: {answer:#?}");
        }
    }
}

/// What a member of a body is called that holds a token.
const HOLDING: [&str; 4] = ["token", "refresh", "refresh_token", "restoring_token"];

/// Whether a body that the operation takes has a member with a token.
fn takes_one_in_its_body(operation: &Value) -> bool {
    let Some(content) = operation["requestBody"]["content"].as_object() else { return false };
    content.values().any(|media| {
        let schema = &media["schema"];
        let mut schemas = schema["anyOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice).iter();
        schemas.any(|schema| HOLDING.iter().any(|name| schema["properties"].get(name).is_some()))
    })
}

/// Doors this page does not know would never be tried: every described route that takes a token is a row.
#[tokio::test]
async fn every_described_door_has_its_row() {
    let server = TestServer::start().await;
    let document = server.get("/openapi.json").await.is(200).json();
    let bare = |path: &str| path.trim_end_matches('/').to_owned();
    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let guarded = operation["security"].as_array().is_some_and(|ways| !ways.is_empty())
                || takes_one_in_its_body(operation);
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
