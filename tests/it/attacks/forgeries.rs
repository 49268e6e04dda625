//! The forgeries: known manipulations of a token. Each is a name and a text that every endpoint must reject.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::forge::{ForgedKind, ForgeryTarget, encode};
use super::token_spellings;
use crate::support::token;

pub type Forgeries = Vec<(String, String)>;

/// All forgeries of a valid token.
pub async fn all(target: &ForgeryTarget, valid: &str) -> Forgeries {
    let mut all = Vec::new();
    all.extend(token_spellings::of(valid));
    if valid.matches('.').count() == 2 {
        all.extend(unsigned(valid));
        all.extend(wrong_signatures(target, valid));
        all.extend(algorithm_confusion(target, valid).await);
        all.extend(of_other_keys(target, valid));
        all.extend(headers(target, valid));
        all.extend(claims(target, valid));
        all.extend(duplicate_members(target, valid));
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

fn unsigned(valid: &str) -> Forgeries {
    let header = token::header(valid);
    let claims = token::claims(valid);
    let signature = valid.rsplit('.').next().unwrap();
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

fn wrong_signatures(target: &ForgeryTarget, valid: &str) -> Forgeries {
    let (input, signature) = valid.rsplit_once('.').unwrap();
    let raw = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = raw.split_at(raw.len() / 2);
    // The order n of P-256: r and s are below it (FIPS 186-5 §6.4.2).
    let order: Vec<u8> = (0..32)
        .map(|i| {
            u8::from_str_radix(
                &"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"[2 * i..2 * i + 2],
                16,
            )
        })
        .collect::<Result<_, _>>()
        .unwrap();
    let r_and_s_one = [[0; 31].as_slice(), &[1]].concat();
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
        ("r = s = 1", [r_and_s_one.clone(), r_and_s_one].concat()),
        ("all bits set", vec![255; raw.len()]),
        ("r and s exchanged", [s, r].concat()),
        ("as DER", der(r, s)),
        ("zeros as DER", vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
        ("without the first byte", raw[1..].to_vec()),
        ("with a trailing zero byte", [raw.as_slice(), &[0]].concat()),
        ("with a leading zero byte", [&[0], raw.as_slice()].concat()),
        ("one bit changed", flipped),
        ("as long as an RSA signature", vec![1; 256]),
    ]
    .map(|(name, signature)| (format!("signature {name}"), format!("{input}.{}", encode(signature))))
    .into();
    // The signature of the token, with other claims.
    let claims = with(&token::claims(valid), "user_id", 2.into());
    all.push((
        "other claims".to_owned(),
        format!("{}.{signature}", token::signing_input(&token::header(valid), &claims)),
    ));
    // A correct signature with the name of another algorithm, for both keys.
    let header = token::header(valid);
    for alg in ["RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "HS256", "es256", "ES256 "] {
        let text = target.active.sign(&with(&header, "alg", alg.into()), &token::claims(valid));
        all.push((format!("signed with ES256, alg {alg:?}"), text));
    }
    for (alg, kid) in [
        ("RS256", &target.active.kid),
        ("ES256", &target.rsa.kid),
        ("PS256", &target.rsa.kid),
        ("HS256", &target.rsa.kid),
    ] {
        let header = with(&with(&header, "alg", alg.into()), "kid", kid.as_str().into());
        all.push((
            format!("signed with RS256, alg {alg}, kid {kid}"),
            target.rsa.sign_rsa(&header, &token::claims(valid)),
        ));
    }
    all
}

/// Tokens signed with a symmetric algorithm whose secret is a public value of the server (algorithm confusion).
async fn algorithm_confusion(target: &ForgeryTarget, valid: &str) -> Forgeries {
    let header = token::header(valid);
    let claims = token::claims(valid);
    let jwks = target.server.get("/.well-known/jwks.json").await;
    let mut secrets: Vec<(String, Vec<u8>)> =
        vec![("nothing".into(), Vec::new()), ("the JWKS".into(), jwks.text.clone().into_bytes())];
    for alg in ["ES256", "RS256"] {
        let public = target.server.get(&format!("/get_public_cert?alg={alg}")).await.is(200).json();
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
            secrets.push((format!("a key parameter of {alg}"), part.into()));
        }
    }
    let mut all = Vec::new();
    for (name, secret) in secrets {
        for (alg, algorithm) in [
            ("HS256", Algorithm::HS256),
            ("HS384", Algorithm::HS384),
            ("HS512", Algorithm::HS512),
            ("ES256", Algorithm::HS256),
        ] {
            let input = token::signing_input(&with(&header, "alg", alg.into()), &claims);
            let signature = sign(input.as_bytes(), &EncodingKey::from_secret(&secret), algorithm).unwrap();
            all.push((format!("{alg} with {name}"), format!("{input}.{signature}")));
        }
    }
    all
}

fn of_other_keys(target: &ForgeryTarget, valid: &str) -> Forgeries {
    let header = token::header(valid);
    let claims = token::claims(valid);
    let of = |kid: &str| with(&header, "kid", kid.into());
    let attacker = &target.attacker;
    let mut all: Forgeries = vec![
        ("the attacker's signature under the server's kid".into(), attacker.sign(&header, &claims)),
        ("the attacker's kid".into(), attacker.sign(&of("evil"), &claims)),
        ("a revoked key".into(), target.revoked.sign(&of(&target.revoked.kid), &claims)),
        ("a revoked key under a valid kid".into(), target.revoked.sign(&header, &claims)),
        ("a retired key under a valid kid".into(), target.retired.sign(&header, &claims)),
    ];
    // Only this server accepts refresh tokens, and they stay valid after the publication of their key has ended.
    if claims["token_type"] != "refresh" {
        all.push(("a retired key".into(), target.retired.sign(&of(&target.retired.kid), &claims)));
    }
    for (name, member) in [
        ("jwk", json!(attacker.jwk)),
        ("jku", json!(attacker.url)),
        ("x5u", json!(attacker.url)),
        ("x5c", json!(["MIIB"])),
        ("kid", json!(attacker.url)),
    ] {
        for kid in ["evil", &target.active.kid] {
            let header = with(&of(kid), name, member.clone());
            all.push((format!("the attacker's key in {name}, kid {kid}"), attacker.sign(&header, &claims)));
        }
    }
    all
}

/// Returns header members that are forbidden or have an invalid value.
fn members(target: &ForgeryTarget) -> Vec<(&'static str, Value)> {
    let upper = target.active.kid.to_uppercase();
    vec![
        ("kid", json!("unknown")),
        ("kid", json!("")),
        ("kid", json!(7)),
        ("kid", json!(null)),
        ("kid", json!(true)),
        ("kid", json!([target.active.kid])),
        ("kid", json!({"kid": target.active.kid})),
        ("kid", json!(upper)),
        ("kid", json!(format!("{}\0", target.active.kid))),
        ("kid", json!(format!(" {}", target.active.kid))),
        ("kid", json!(format!("../keys/{}", target.active.kid))),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("/proc/self/environ")),
        ("kid", json!("keys/secret")),
        ("kid", json!("x' UNION SELECT 'secret")),
        ("kid", json!("x | id")),
        ("kid", json!(target.attacker.url)),
        ("kid", json!(target.rsa.kid)),
        ("kid", json!(target.revoked.kid)),
        ("kid", json!("k".repeat(5000))),
        ("alg", json!(null)),
        ("alg", json!(["ES256"])),
        ("alg", json!({"ES256": 1})),
        ("alg", json!(256)),
        ("jwk", target.attacker.jwk.clone()),
        ("jwk", json!({})),
        ("jku", json!(target.attacker.url)),
        ("x5u", json!(target.attacker.url)),
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

/// Tokens signed with the server's own key. Only the header, the encoding or the nesting of the JSON is invalid.
fn headers(target: &ForgeryTarget, valid: &str) -> Forgeries {
    let header = token::header(valid);
    let claims = token::claims(valid);
    let mut all: Forgeries = vec![
        ("no kid".into(), target.active.sign(&without(&header, "kid"), &claims)),
        ("no alg".into(), target.active.sign(&without(&header, "alg"), &claims)),
    ];
    for (name, value) in members(target) {
        all.push((format!("{name} {value}"), target.active.sign(&with(&header, name, value), &claims)));
    }
    // Headers that are not valid JSON objects.
    for text in ["", "{}", "[]", "null", "\"JWT\"", "{\"alg\":\"ES256\"", "\u{feff}{}", "{\"alg\":\"ES256\",}"] {
        let input = format!("{}.{}", encode(text), encode(claims.to_string()));
        all.push((format!("a header {text:?}"), target.active.sign_text(&input)));
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    let deep = format!("{}.{}", encode(with(&header, "x", Value::Null).to_string()), encode(deep));
    all.push(("deep claims".into(), target.active.sign_text(&deep)));
    let nested = format!("{}.{}", encode(with(&header, "cty", "JWT".into()).to_string()), encode(valid));
    all.push(("a token in a token".into(), target.active.sign_text(&nested)));
    let utf16: Vec<u8> = header.to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = format!("{}.{}", encode(utf16), encode(claims.to_string()));
    all.push(("UTF-16".into(), target.active.sign_text(&utf16)));
    all
}

/// Tokens signed with the server's own key. Only a claim or the length of the token is invalid.
fn claims(target: &ForgeryTarget, valid: &str) -> Forgeries {
    let header = token::header(valid);
    let claims = token::claims(valid);
    let now = target.server.clock.now().unix();
    let issuer = claims["iss"].as_str().unwrap();
    let mut all = Vec::new();
    for name in ["iss", "aud", "exp", "token_type", "sid"] {
        all.push((format!("no {name}"), target.active.sign(&header, &without(&claims, name))));
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
        all.push((format!("{name} {value}"), target.active.sign(&header, &with(&claims, name, value))));
    }
    let huge = claims.to_string().replacen(&format!("\"exp\":{}", claims["exp"]), "\"exp\":1e400", 1);
    let huge = format!("{}.{}", encode(header.to_string()), encode(huge));
    all.push(("exp 1e400".into(), target.active.sign_text(&huge)));
    let long = target.active.sign(&header, &with(&claims, "x", "y".repeat(6200).into()));
    assert!(long.len() > 8192);
    all.push(("over 8 KiB with a valid signature".into(), long));
    all
}

/// Tokens signed with the server's own key with a duplicate member. Two parsers might read different values of it.
fn duplicate_members(target: &ForgeryTarget, valid: &str) -> Forgeries {
    let header = token::header(valid);
    let claims = token::claims(valid);
    let twice = |text: &Value, extra: &str| format!("{},{extra}}}", text.to_string().trim_end_matches('}'));
    let mut all = Vec::new();
    for extra in ["\"alg\":\"ES256\"", "\"alg\":\"none\"", "\"\\u0061lg\":\"none\"", "\"kid\":\"x\"", "\"typ\":\"JWT\""]
    {
        let input = format!("{}.{}", encode(twice(&header, extra)), encode(claims.to_string()));
        all.push((format!("a header with a second {extra}"), target.active.sign_text(&input)));
    }
    for extra in ["\"sub\":\"x\"", "\"exp\":99999999999", "\"\\u0065xp\":99999999999", "\"user_id\":1", "\"aud\":[]"] {
        let input = format!("{}.{}", encode(header.to_string()), encode(twice(&claims, extra)));
        all.push((format!("claims with a second {extra}"), target.active.sign_text(&input)));
    }
    all
}

/// A valid token of each kind.
pub async fn valid_tokens(target: &ForgeryTarget) -> Vec<(ForgedKind, String)> {
    let mut all = Vec::new();
    for kind in ForgedKind::ALL {
        all.push((kind, target.valid_token(kind).await));
    }
    all
}
