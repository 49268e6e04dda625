//! The forgeries: every way to bend a token that anybody has published, and some that nobody has. Each is a name and a
//! text that must be refused wherever a token is taken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::forge::{ForgedKind, ForgeryTarget, encode};
use super::token_spellings;
use crate::support::token;

pub type Forgeries = Vec<(String, String)>;

/// Every forgery of a good token.
pub async fn all(world: &ForgeryTarget, good: &str) -> Forgeries {
    let mut all = Vec::new();
    all.extend(token_spellings::of(good));
    if good.matches('.').count() == 2 {
        all.extend(unsigned(good));
        all.extend(wrong_signatures(world, good));
        all.extend(confused(world, good).await);
        all.extend(of_other_keys(world, good));
        all.extend(headers(world, good));
        all.extend(claims(world, good));
        all.extend(written_twice(world, good));
    }
    all
}

fn with(value: &Value, name: &str, new: Value) -> Value {
    let mut value = value.clone();
    value[name] = new;
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name);
    value
}

fn unsigned(good: &str) -> Forgeries {
    let header = token::header(good);
    let claims = token::claims(good);
    let signature = good.rsplit('.').next().unwrap();
    let mut all = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "", " none", "null"] {
        let input = token::signing_input(&with(&header, "alg", alg.into()), &claims);
        all.push((format!("alg {alg:?}"), format!("{input}.")));
        all.push((format!("alg {alg:?} and a signature"), format!("{input}.{signature}")));
        let bare = token::signing_input(&json!({"alg": alg, "typ": header["typ"]}), &claims);
        all.push((format!("alg {alg:?} without a kid"), format!("{bare}.")));
    }
    all
}

fn wrong_signatures(world: &ForgeryTarget, good: &str) -> Forgeries {
    let (input, signature) = good.rsplit_once('.').unwrap();
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = raw.split_at(raw.len() / 2);
    // The order of P-256: no r or s reaches it (FIPS 186-5 §6.4.2).
    let order: Vec<u8> = (0..32)
        .map(|i| {
            u8::from_str_radix(
                &"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"[2 * i..2 * i + 2],
                16,
            )
        })
        .collect::<Result<_, _>>()
        .unwrap();
    let one = [[0; 31].as_slice(), &[1]].concat();
    let der = |r: &[u8], s: &[u8]| {
        let number = |n: &[u8]| [&[2, 33, 0], n].concat();
        let both = [number(r), number(s)].concat();
        [&[0x30, 70], both.as_slice()].concat()
    };
    let mut flipped = raw.clone();
    flipped[7] ^= 1;
    let mut all: Forgeries = [
        ("r = s = 0", vec![0; raw.len()]),
        ("r = 0", [&[0; 32], s].concat()),
        ("s = 0", [r, &[0; 32]].concat()),
        ("r = n", [&order, s].concat()),
        ("s = n", [r, &order].concat()),
        ("r = s = n", [order.clone(), order.clone()].concat()),
        ("r = s = 1", [one.clone(), one].concat()),
        ("all bits set", vec![255; raw.len()]),
        ("r and s exchanged", [s, r].concat()),
        ("as DER", der(r, s)),
        ("zeros as DER", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("a byte too few", raw[1..].to_vec()),
        ("a byte too many", [raw.as_slice(), &[0]].concat()),
        ("a zero before", [&[0], raw.as_slice()].concat()),
        ("one bit changed", flipped),
        ("as long as RSA's", vec![1; 256]),
    ]
    .map(|(name, signature)| (format!("signature {name}"), format!("{input}.{}", encode(signature))))
    .into();
    // A signature of one token under another's claims.
    let claims = with(&token::claims(good), "user_id", 2.into());
    all.push((
        "other claims".to_owned(),
        format!("{}.{signature}", token::signing_input(&token::header(good), &claims)),
    ));
    // The right key's signature under the wrong algorithm's name, and the other way round.
    let header = token::header(good);
    for alg in ["RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "HS256", "es256", "ES256 "] {
        let text = world.active.sign(&with(&header, "alg", alg.into()), &token::claims(good));
        all.push((format!("signed as ES256, called {alg:?}"), text));
    }
    for (alg, kid) in
        [("RS256", &world.active.kid), ("ES256", &world.rsa.kid), ("PS256", &world.rsa.kid), ("HS256", &world.rsa.kid)]
    {
        let header = with(&with(&header, "alg", alg.into()), "kid", kid.as_str().into());
        all.push((
            format!("signed as RS256, called {alg} of {kid}"),
            world.rsa.sign_rsa(&header, &token::claims(good)),
        ));
    }
    all
}

/// A symmetric algorithm with everything that is public as its secret.
async fn confused(world: &ForgeryTarget, good: &str) -> Forgeries {
    let header = token::header(good);
    let claims = token::claims(good);
    let jwks = world.server.get("/.well-known/jwks.json").await;
    let mut secrets: Vec<(String, Vec<u8>)> =
        vec![("nothing".into(), Vec::new()), ("the key set".into(), jwks.text.clone().into_bytes())];
    for alg in ["ES256", "RS256"] {
        let public = world.server.get(&format!("/get_public_cert?alg={alg}")).await.is(200).json();
        for name in ["public_key", "certificate", "kid"] {
            let text = public[name].as_str().unwrap();
            secrets.push((format!("{alg}'s {name}"), text.into()));
            secrets.push((format!("{alg}'s {name}, trimmed"), text.trim().into()));
            let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
            secrets.push((format!("{alg}'s {name} as DER"), STANDARD.decode(&body).unwrap_or_default()));
            secrets.push((format!("{alg}'s {name} on one line"), body.into()));
        }
        let key = jwks.json()["keys"].as_array().unwrap().iter().find(|key| key["alg"] == alg).unwrap().clone();
        secrets.push((format!("{alg}'s JWK"), key.to_string().into()));
        for part in ["n", "x", "y"].into_iter().filter_map(|name| key[name].as_str()) {
            secrets.push((format!("a number of {alg}'s"), part.into()));
        }
    }
    let mut all = Vec::new();
    for (name, secret) in secrets {
        for (alg, how) in [
            ("HS256", Algorithm::HS256),
            ("HS384", Algorithm::HS384),
            ("HS512", Algorithm::HS512),
            ("ES256", Algorithm::HS256),
        ] {
            let input = token::signing_input(&with(&header, "alg", alg.into()), &claims);
            let signature = sign(input.as_bytes(), &EncodingKey::from_secret(&secret), how).unwrap();
            all.push((format!("{alg} with {name}"), format!("{input}.{signature}")));
        }
    }
    all
}

fn of_other_keys(world: &ForgeryTarget, good: &str) -> Forgeries {
    let header = token::header(good);
    let claims = token::claims(good);
    let of = |kid: &str| with(&header, "kid", kid.into());
    let evil = &world.evil;
    let mut all: Forgeries = vec![
        ("a stranger's signature under our kid".into(), evil.sign(&header, &claims)),
        ("a stranger's kid".into(), evil.sign(&of("evil"), &claims)),
        ("a revoked key's".into(), world.revoked.sign(&of(&world.revoked.kid), &claims)),
        ("a revoked key's under a good kid".into(), world.revoked.sign(&header, &claims)),
        ("a retired key's under a good kid".into(), world.retired.sign(&header, &claims)),
    ];
    // Refresh tokens are ours alone and outlive their key's publication.
    if claims["token_type"] != "refresh" {
        all.push(("a retired key's".into(), world.retired.sign(&of(&world.retired.kid), &claims)));
    }
    for (name, member) in [
        ("jwk", json!(evil.jwk)),
        ("jku", json!(evil.url)),
        ("x5u", json!(evil.url)),
        ("x5c", json!(["MIIB"])),
        ("kid", json!(evil.url)),
    ] {
        for kid in ["evil", &world.active.kid] {
            let header = with(&of(kid), name, member.clone());
            all.push((format!("a stranger's key by {name}, kid {kid}"), evil.sign(&header, &claims)));
        }
    }
    all
}

/// Members of a header that must not be there, or not so.
fn members(world: &ForgeryTarget) -> Vec<(&'static str, Value)> {
    let upper = world.active.kid.to_uppercase();
    vec![
        ("kid", json!("unknown")),
        ("kid", json!("")),
        ("kid", json!(7)),
        ("kid", json!(null)),
        ("kid", json!(true)),
        ("kid", json!([world.active.kid])),
        ("kid", json!({"kid": world.active.kid})),
        ("kid", json!(upper)),
        ("kid", json!(format!("{}\0", world.active.kid))),
        ("kid", json!(format!(" {}", world.active.kid))),
        ("kid", json!(format!("../keys/{}", world.active.kid))),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("/proc/self/environ")),
        ("kid", json!("keys/secret")),
        ("kid", json!("x' UNION SELECT 'secret")),
        ("kid", json!("x | id")),
        ("kid", json!(world.evil.url)),
        ("kid", json!(world.rsa.kid)),
        ("kid", json!(world.revoked.kid)),
        ("kid", json!("k".repeat(5000))),
        ("alg", json!(null)),
        ("alg", json!(["ES256"])),
        ("alg", json!({"ES256": 1})),
        ("alg", json!(256)),
        ("jwk", world.evil.jwk.clone()),
        ("jwk", json!({})),
        ("jku", json!(world.evil.url)),
        ("x5u", json!(world.evil.url)),
        ("x5c", json!([])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!("b64")),
        ("b64", json!(false)),
        ("typ", json!("JWE")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!("id+jwt")),
        ("typ", json!(7)),
        ("typ", json!(null)),
        ("typ", json!(["JWT"])),
    ]
}

/// Signed by our own key: what is wrong is the header.
fn headers(world: &ForgeryTarget, good: &str) -> Forgeries {
    let header = token::header(good);
    let claims = token::claims(good);
    let mut all: Forgeries = vec![
        ("no kid".into(), world.active.sign(&without(&header, "kid"), &claims)),
        ("no alg".into(), world.active.sign(&without(&header, "alg"), &claims)),
    ];
    for (name, value) in members(world) {
        all.push((format!("{name} {value}"), world.active.sign(&with(&header, name, value), &claims)));
    }
    // As a text of its own, so that not even the JSON is what it should be.
    for text in ["", "{}", "[]", "null", "\"JWT\"", "{\"alg\":\"ES256\"", "\u{feff}{}", "{\"alg\":\"ES256\",}"] {
        let input = format!("{}.{}", encode(text), encode(claims.to_string()));
        all.push((format!("a header {text:?}"), world.active.sign_text(&input)));
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    let deep = format!("{}.{}", encode(with(&header, "x", Value::Null).to_string()), encode(deep));
    all.push(("deep claims".into(), world.active.sign_text(&deep)));
    let nested = format!("{}.{}", encode(with(&header, "cty", "JWT".into()).to_string()), encode(good));
    all.push(("a token in a token".into(), world.active.sign_text(&nested)));
    let utf16: Vec<u8> = header.to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = format!("{}.{}", encode(utf16), encode(claims.to_string()));
    all.push(("UTF-16".into(), world.active.sign_text(&utf16)));
    all
}

/// Signed by our own key: what is wrong is a claim.
fn claims(world: &ForgeryTarget, good: &str) -> Forgeries {
    let header = token::header(good);
    let claims = token::claims(good);
    let now = world.server.clock.now().unix();
    let issuer = claims["iss"].as_str().unwrap();
    let mut all = Vec::new();
    for name in ["iss", "aud", "exp", "token_type", "sid"] {
        all.push((format!("no {name}"), world.active.sign(&header, &without(&claims, name))));
    }
    let rows: Vec<(&str, Value)> = vec![
        ("iss", json!("https://elsewhere.example")),
        ("iss", json!(format!("{issuer}/"))),
        ("iss", json!(format!("{issuer}.evil.example"))),
        ("iss", json!(issuer.to_uppercase())),
        ("iss", json!([issuer])),
        ("iss", json!(null)),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!("")),
        ("aud", json!([])),
        ("aud", json!([[issuer]])),
        ("aud", json!({issuer: true})),
        ("aud", json!(null)),
        ("aud", json!(7)),
        ("aud", json!(format!("{issuer} https://elsewhere.example"))),
        ("exp", json!((now + 600).to_string())),
        ("exp", json!(null)),
        ("exp", json!(true)),
        ("exp", json!([now + 600])),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(now - 3600)),
        ("exp", json!(1.5)),
        ("exp", json!(1e300)),
        ("exp", json!(-1e300)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(now + 3600)),
        ("nbf", json!("0")),
        ("nbf", json!(null)),
        ("nbf", json!(1e300)),
        ("iat", json!(now + 3600)),
        ("iat", json!("now")),
        ("token_type", json!("id")),
        ("token_type", json!("Access")),
        ("token_type", json!(null)),
        ("token_type", json!(["access", "refresh", "sliding"])),
    ];
    for (name, value) in rows {
        all.push((format!("{name} {value}"), world.active.sign(&header, &with(&claims, name, value))));
    }
    let huge = claims.to_string().replacen(&format!("\"exp\":{}", claims["exp"]), "\"exp\":1e400", 1);
    let huge = format!("{}.{}", encode(header.to_string()), encode(huge));
    all.push(("exp 1e400".into(), world.active.sign_text(&huge)));
    let long = world.active.sign(&header, &with(&claims, "x", "y".repeat(6200).into()));
    assert!(long.len() > 8192);
    all.push(("over 8 KiB and well signed".into(), long));
    all
}

/// Signed by our own key: two readers might read two things.
fn written_twice(world: &ForgeryTarget, good: &str) -> Forgeries {
    let header = token::header(good);
    let claims = token::claims(good);
    let twice = |text: &Value, more: &str| format!("{},{more}}}", text.to_string().trim_end_matches('}'));
    let mut all = Vec::new();
    for more in ["\"alg\":\"ES256\"", "\"alg\":\"none\"", "\"\\u0061lg\":\"none\"", "\"kid\":\"x\"", "\"typ\":\"JWT\""]
    {
        let input = format!("{}.{}", encode(twice(&header, more)), encode(claims.to_string()));
        all.push((format!("a header with {more} once more"), world.active.sign_text(&input)));
    }
    for more in ["\"sub\":\"x\"", "\"exp\":99999999999", "\"\\u0065xp\":99999999999", "\"user_id\":1", "\"aud\":[]"] {
        let input = format!("{}.{}", encode(header.to_string()), encode(twice(&claims, more)));
        all.push((format!("claims with {more} once more"), world.active.sign_text(&input)));
    }
    all
}

/// Good tokens of the kinds a door does not take.
pub async fn of_other_kinds(world: &ForgeryTarget, takes: &[ForgedKind]) -> Forgeries {
    let mut all = Vec::new();
    for kind in ForgedKind::ALL.into_iter().filter(|kind| !takes.contains(kind)) {
        all.push((format!("a good token of kind {kind:?}"), world.good(kind).await));
    }
    all
}
