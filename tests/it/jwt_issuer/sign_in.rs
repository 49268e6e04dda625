//! `POST /auth`: who gets a token, what the token contains, and identical responses to all failures.

use countersign::issuer::users::UserChange;
use serde_json::json;

use crate::support::{PASSWORD, TestServer, token};

#[tokio::test]
async fn a_sign_in_gives_a_token_and_a_cookie() {
    let server = TestServer::with_anna().await;
    let response = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
    let body = response.is(200).json();
    let jwt = body["jwt"].as_str().unwrap();
    assert_eq!(body, json!({"status": "OK", "jwt": jwt}));
    assert_eq!(response.header("cache-control"), "no-store");
    let cookie = format!("jwt_token={jwt}; HttpOnly; SameSite=Lax; Path=/; Max-Age=86400");
    let mut parts: Vec<&str> = cookie.split("; ").collect();
    let mut sent: Vec<&str> = response.header("set-cookie").split("; ").collect();
    parts.sort_unstable();
    sent.sort_unstable();
    assert_eq!(sent, parts, "plain HTTP: no Secure");

    let header = token::header(jwt);
    let kid = server.issuer.ring().active("ES256".parse().unwrap(), server.clock.now()).unwrap().key().kid.clone();
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": kid}));
    let claims = token::claims(jwt);
    insta::assert_json_snapshot!(claims, {
        ".iss" => "[url]", ".aud" => "[url]", ".sub" => "[uuid]", ".jti" => "[uuid]", ".sid" => "[uuid]",
        ".iat" => "[now]", ".nbf" => "[now]", ".exp" => "[exp]",
    }, @r#"
    {
      "iss": "[url]",
      "sub": "[uuid]",
      "aud": "[url]",
      "iat": "[now]",
      "nbf": "[now]",
      "exp": "[exp]",
      "jti": "[uuid]",
      "sid": "[uuid]",
      "token_type": "access",
      "user_id": 1,
      "username": "anna"
    }
    "#);
    let now = server.clock.now().unix();
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.url), &json!(server.url)));
    assert_eq!((&claims["iat"], &claims["nbf"], &claims["exp"]), (&json!(now), &json!(now), &json!(now + 86_400)));
}

#[tokio::test]
async fn the_cookie_is_secure_over_https() {
    let server = TestServer::with("server.public_url = 'https://id.example.com'").await;
    server.register("anna").await;
    let response = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
    assert!(response.is(200).header("set-cookie").contains("; Secure"), "{response:#?}");
    assert_eq!(response.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(token::claims(response.json()["jwt"].as_str().unwrap())["iss"], "https://id.example.com");
}

#[tokio::test]
async fn a_user_signs_in_with_any_spelling_of_the_name() {
    let server = TestServer::with_anna().await;
    let body = json!({"username": "ﬁne Ärger", "password": PASSWORD, "email": "fine@example.com"});
    server.post("/register", &body).await.is(200);
    for (name, user) in [
        ("anna", 1),
        ("ANNA", 1),
        ("anna@example.com", 1),
        ("Anna@Example.COM", 1),
        ("FINE äRGER", 2),
        ("fine A\u{308}rger", 2),
    ] {
        let claims = token::claims(&server.token(name).await);
        assert_eq!(claims["user_id"], user, "{name}");
    }
    // Some clients send the address in the field `email`.
    server.post("/auth", &json!({"email": "anna@example.com", "password": PASSWORD})).await.is(200);
    server.post("/auth", &json!({"username": "fine Arger", "password": PASSWORD})).await.is(401);
}

#[tokio::test]
async fn failed_sign_ins_get_the_same_response() {
    let server = TestServer::with_anna().await;
    server.register("disabled").await;
    server.change("disabled", UserChange::Disable).await;
    let sign_in = async |name: &str, password: &str| {
        server.post("/auth", &json!({"username": name, "password": password})).await.bytes()
    };
    let wrong = sign_in("anna", "wrong password").await;
    assert_eq!(wrong.0, 401);
    let overlong = format!("{PASSWORD}{}", "x".repeat(1024));
    for (name, password) in [
        ("nobody", PASSWORD),
        ("disabled", PASSWORD),
        ("disabled", "wrong password"),
        ("anna", ""),
        ("anna", overlong.as_str()),
        ("anna", &PASSWORD.to_uppercase()),
        ("anna", &format!("{PASSWORD} ")),
        ("", ""),
        (&"x".repeat(10_000), PASSWORD),
    ] {
        assert_eq!(sign_in(name, password).await, wrong, "{name:.20} {password:.30}");
    }
    server.change("disabled", UserChange::Enable).await;
    server.token("disabled").await;
}

#[tokio::test]
async fn user_claims_are_added_and_override_nothing() {
    let server = TestServer::with_anna().await;
    let claims = countersign::domain::claims::Claims::parse(r#"{"roles":["editor"],"iss2":1}"#).unwrap();
    server.change("anna", UserChange::SetClaims(claims)).await;
    let claims = token::claims(&server.token("anna").await);
    assert_eq!(
        (&claims["roles"], &claims["iss2"], &claims["iss"]),
        (&json!(["editor"]), &json!(1), &json!(server.url))
    );
}

#[tokio::test]
async fn settings_apply_from_the_next_token() {
    let server = TestServer::with_anna().await;
    for (name, value) in [
        ("profiles.jwt_issuer.access_lifetime", "60"),
        ("profiles.jwt_issuer.audience", "https://api.example.com"),
        ("profiles.jwt_issuer.typ", "at+jwt"),
        ("profiles.jwt_issuer.algorithm", "RS256"),
    ] {
        server.set(name, value).await;
    }
    let response = server.post("/auth", &json!({"username": "anna", "password": PASSWORD})).await;
    assert!(response.is(200).header("set-cookie").contains("Max-Age=60"), "{response:#?}");
    let jwt = response.json()["jwt"].as_str().unwrap().to_owned();
    let header = token::header(&jwt);
    let claims = token::claims(&jwt);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("at+jwt")));
    assert_eq!(claims["aud"], "https://api.example.com");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert!(server.accepts(&jwt).await, "the server rejects a token with the profile's audience and type");
}

#[tokio::test]
async fn a_closed_registration_creates_no_user() {
    let server = TestServer::start().await;
    server.set("registration.open", "false").await;
    let body = json!({"username": "anna", "password": PASSWORD, "email": "anna@example.com"});
    server.post("/register", &body).await.refuses(403, "registration_closed");
    server.set("registration.open", "true").await;
    server.post("/register", &body).await.is(200);
}

#[tokio::test]
async fn a_changed_audience_ends_no_session() {
    const NAME: &str = "profiles.jwt_issuer.audience";
    let server = TestServer::with_anna().await;
    server.set(NAME, "https://one.example").await;
    let first = server.token("anna").await;
    server.set(NAME, "https://two.example").await;
    let second = server.token("anna").await;
    server.set(NAME, "none").await;
    for (token, audience) in [(first, "https://one.example"), (second, "https://two.example")] {
        assert_eq!(token::claims(&token)["aud"], audience);
        assert!(server.accepts(&token).await, "{audience}");
    }
}
