//! `countersign token`: mint, inspect, verify.

use serde_json::json;

use crate::support::binary::TestFolder;
use crate::support::token::{claims, header, signing_input};

/// A folder with a user `anna`. The issuer does not depend on a port.
fn folder() -> TestFolder {
    let folder = TestFolder::new();
    folder.create("anna");
    folder
}

#[test]
fn a_token_is_minted_with_the_requested_profile() {
    let folder = folder();
    for (profile, lifetime, member) in [
        ("jwt_issuer", 86_400, "username"),
        ("rest_jwt", 86_400, "userid"),
        ("rest_social", 86_400, "userid"),
        ("drf_pyjwt", 30, "user_id"),
        ("simplejwt", 300, "user_id"),
    ] {
        let output = folder.run(&["token", "mint", "--user", "anna", "--profile", profile]);
        let token = output.is(0).strip_suffix('\n').unwrap();
        assert!(!token.contains('\n') && output.stderr.starts_with("Valid until "), "{output:?}");
        let minted = claims(token);
        assert_eq!(minted["exp"].as_i64().unwrap() - minted["iat"].as_i64().unwrap(), lifetime, "{profile}");
        assert!(minted.get(member).is_some(), "{profile}: {minted}");
        let verified = folder.run(&["token", "verify", token]);
        assert_eq!(verified.json(), minted, "{profile}");
        let inspected = folder.run(&["token", "inspect", token]).json();
        assert_eq!(inspected["claims"], minted, "{profile}");
        let header = header(token);
        assert_eq!((&inspected["header"]["alg"], &inspected["header"]["kid"]), (&header["alg"], &header["kid"]));
    }
    assert_eq!(folder.run(&["users", "show", "anna", "--json"]).json()["live_sessions"], 5);
}

#[test]
fn tokens_are_read_from_standard_input() {
    let folder = folder();
    let token = folder.run(&["token", "mint", "--user", "anna@example.com"]).is(0).to_owned();
    for command in ["inspect", "verify"] {
        folder.run_with(&token, &["token", command, "-"]).json();
    }
}

#[test]
fn no_token_is_minted_for_an_unknown_or_disabled_user() {
    let folder = folder();
    folder.run(&["token", "mint", "--user", "nobody"]).fails(1, &["there is no user `nobody`"]);
    folder.run(&["users", "disable", "anna"]).is(0);
    folder.run(&["token", "mint", "--user", "anna"]).fails(1, &["the user is disabled", "users enable"]);
}

#[test]
fn a_minted_session_has_a_refresh_token_if_its_dialect_has_one() {
    let folder = folder();
    for (profile, typ) in [("simplejwt", Some("refresh+jwt")), ("drf_pyjwt", None)] {
        let mint = ["token", "mint", "--user", "anna", "--profile", profile];
        assert!(folder.run(&mint).stderr.contains("--json"), "{profile}");
        let tokens = folder.run(&[&mint[..], &["--json"]].concat()).json();
        let access = tokens["access"].as_str().unwrap();
        let refresh = tokens["refresh"].as_str().unwrap();
        folder.run(&["token", "verify", access]).json();
        match typ {
            Some(typ) => assert_eq!(header(refresh)["typ"], typ),
            None => assert_eq!(refresh.len(), 36, "a UUID"),
        }
    }
    let tokens = folder.run(&["token", "mint", "--user", "anna", "--json"]).json();
    assert!(tokens["access"].is_string() && tokens["expires_at"].is_string() && tokens.get("refresh").is_none());
}

#[test]
fn inspect_prints_tokens_of_other_issuers() {
    let folder = folder();
    let old = format!("{}.c2ln", signing_input(&json!({"alg": "HS256", "typ": "JWT"}), &json!({"user_id": 7})));
    let shown = folder.run(&["token", "inspect", &old]);
    assert_eq!(shown.json(), json!({"header": {"alg": "HS256", "typ": "JWT"}, "claims": {"user_id": 7}}));
    assert!(shown.stderr.contains("unsupported algorithm (alg)"), "{shown:?}");
}

#[test]
fn verify_reports_why_a_token_is_invalid() {
    let folder = folder();
    let token = folder.run(&["token", "mint", "--user", "anna"]).is(0).trim_end().to_owned();
    let mut admin = claims(&token);
    admin["user_id"] = 2.into();
    let signature = token.rsplit('.').next().unwrap();
    let unsigned = json!({"alg": "none", "kid": header(&token)["kid"]});
    let unknown_key = json!({"alg": "ES256", "kid": "x".repeat(43)});
    for (token, verify, inspect) in [
        (format!("{}.{signature}", signing_input(&header(&token), &admin)), "invalid signature", None),
        (format!("{}.{signature}", signing_input(&unknown_key, &admin)), "unknown key (kid)", None),
        (format!("{}.", signing_input(&unsigned, &admin)), "unsupported algorithm", None),
        ("nonsense".to_owned(), "not a compact JWS", Some("not a JWT")),
        ("a".repeat(9000), "longer than 8192 bytes", Some("not a JWT")),
    ] {
        folder.run(&["token", "verify", &token]).fails(1, &["invalid token: ", verify]);
        match inspect {
            Some(message) => folder.run(&["token", "inspect", &token]).fails(1, &[message]),
            None => drop(folder.run(&["token", "inspect", &token]).json()),
        }
    }
    folder.configure("tokens = { issuer = 'https://elsewhere.example' }");
    folder.run(&["token", "verify", &token]).fails(1, &["another issuer (iss)"]);
}
