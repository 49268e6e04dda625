//! The fuzz targets and the properties that must hold for all input. No target may panic, and most compare two
//! independent results. `tests/it/attacks/corpus.rs` includes this file and runs every input of the corpus as a plain
//! test.

use std::sync::OnceLock;
use std::time::Duration;

use countersign::config::Config;
use countersign::crypto::derive::DerivedKeys;
use countersign::crypto::refresh_token::RefreshTokens;
use countersign::crypto::ring_contents::RingContents;
use countersign::crypto::token::{FOREIGN_TOKEN_MAX, TOKEN_MAX, UnverifiedToken};
use countersign::crypto::verify;
use countersign::domain::id::SessionId;
use countersign::domain::mail_name::MailRecipient;
use countersign::domain::refresh_key::RefreshKey;
use countersign::domain::reset_code::{LinkToken, RESTORE_PARAMETER, ResetCode};
use countersign::domain::secret::SecretText;
use countersign::domain::strict_json;
use countersign::domain::user::{Email, Username};
use countersign::http::extract::body::JsonBody;
use countersign::http::extract::multipart;
use countersign::mail::{Mail, Templates};
use serde_json::{Map, Value};
use url::form_urlencoded;
use uuid::{Builder, Uuid};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by name, which is also the name of the corpus folder.
pub const TARGETS: [(&str, Target); 7] = [
    ("token", token),
    ("refresh", refresh),
    ("config", config),
    ("ring", ring),
    ("mail", mail),
    ("json", json),
    ("form", form),
];

/// The token parser. An accepted token is short, has three parts and an asymmetric algorithm, and contains no header
/// member that a verifier would have to process. A second decoder and a common JSON parser must read the same parts.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(token) = UnverifiedToken::parse(text) {
        assert!(text.len() <= TOKEN_MAX);
        let header = assert_parts_match(text, &token);
        for name in ["jku", "x5u", "jwk", "x5c", "x5t", "x5t#S256", "crit", "b64"] {
            assert!(!header.contains_key(name), "the header has {name}");
        }
        assert!(header.contains_key("kid"));
        assert!(UnverifiedToken::parse_foreign(text).is_ok(), "the parser for foreign tokens is stricter");
    }
    if let Ok(token) = UnverifiedToken::parse_foreign(text) {
        assert!(text.len() <= FOREIGN_TOKEN_MAX);
        let header = assert_parts_match(text, &token);
        assert!(!header.contains_key("crit"), "the header has crit");
    }
}

/// Asserts that the parsed parts match the text. Returns the header.
fn assert_parts_match(text: &str, token: &UnverifiedToken<'_>) -> Map<String, Value> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("not three parts") };
    assert_eq!(token.signing_input, &text.as_bytes()[..text.len() - signature.len() - 1]);
    assert_eq!(token.signature, decoded(signature));
    let object = |part: &str| match serde_json::from_slice(&decoded(part)) {
        Ok(Value::Object(object)) => object,
        other => panic!("not an object: {other:?}"),
    };
    let header = object(header);
    assert_eq!(token.claims, object(payload));
    let member =
        |name: &str| header.get(name).map(|value| value.as_str().unwrap_or_else(|| panic!("{name} is not a string")));
    assert!(["ES256", "RS256"].contains(&token.alg.name()));
    assert_eq!(member("alg"), Some(token.alg.name()));
    assert_eq!(member("kid").unwrap_or_default(), token.kid);
    let typ = member("typ").unwrap_or_default().to_ascii_lowercase();
    let mut typ = typ.as_str();
    while let Some(rest) = typ.strip_prefix("application/") {
        typ = rest;
    }
    assert_eq!(token.typ, typ);
    for name in ["exp", "nbf", "iat"] {
        let _ = verify::date(&token.claims, name);
    }
    header
}

/// A minimal decoder of canonical base64url without padding (RFC 4648 §5).
fn decoded(part: &str) -> Vec<u8> {
    let alphabet = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']);
    let digits: Vec<char> = alphabet.collect();
    let (mut bits, mut bit_count, mut bytes) = (0_usize, 0, Vec::new());
    for c in part.chars() {
        let Some(value) = digits.iter().position(|digit| *digit == c) else { panic!("{c:?} is not base64url") };
        (bits, bit_count) = (bits << 6 | value, bit_count + 6);
        if bit_count >= 8 {
            bit_count -= 8;
            bytes.extend(u8::try_from(bits >> bit_count));
            bits &= (1 << bit_count) - 1;
        }
    }
    assert!(bit_count < 6 && bits == 0, "not the canonical encoding");
    bytes
}

/// Refresh UUIDs, reset codes and link tokens, as callers present them.
///
/// Also, the first 20 bytes are used as a session and a generation. The refresh UUID made from them, with and without a
/// key of the session, must be parsed back to a prefix of the session and to the same generation.
pub fn refresh(data: &[u8]) {
    static TOKENS: OnceLock<RefreshTokens> = OnceLock::new();
    let tokens = TOKENS.get_or_init(|| RefreshTokens::new(&DerivedKeys::new(&[7; 32])));
    if let Some((head, rest)) = data.split_first_chunk::<20>() {
        let (id, generation) = head.split_at(16);
        let session = SessionId(Builder::from_random_bytes(id.try_into().unwrap_or_default()).into_uuid());
        let generation = u32::from_be_bytes(generation.try_into().unwrap_or_default());
        let own = RefreshKey::new([9; RefreshKey::LENGTH], 0);
        for key in [None, Some(&own)] {
            let uuid = tokens.refresh_uuid(session, key, generation);
            let parsed = tokens.parse_refresh_uuid(uuid).unwrap_or_else(|| panic!("{uuid} is rejected"));
            assert!(session.0.into_bytes().starts_with(&parsed.session().0), "{uuid} is parsed wrongly");
            assert_eq!(tokens.generation(parsed, session, key), Some(generation), "{uuid} is parsed wrongly");
            // A changed UUID never identifies the same session and generation.
            if let [at, bits, ..] = rest {
                let mut changed = uuid.into_bytes();
                changed[usize::from(*at) % 16] ^= bits;
                let same = tokens.parse_refresh_uuid(Uuid::from_bytes(changed)) == Some(parsed);
                assert_eq!(same, *bits == 0, "{uuid}, byte {at} changed by {bits}");
            }
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(uuid) = Uuid::try_parse(text)
        && let Some(parsed) = tokens.parse_refresh_uuid(uuid)
    {
        let session = SessionId(Uuid::from_bytes(parsed.session().range()[0]));
        if let Some(generation) = tokens.generation(parsed, session, None) {
            let same = tokens.refresh_uuid(session, None, generation);
            assert_eq!(same, uuid, "two UUIDs for one session and generation");
        }
    }
    if let Some(code) = ResetCode::parse(text) {
        let again = ResetCode::parse(&code.grouped());
        assert_eq!(again.map(|code| code.expose().to_vec()), Some(code.expose().to_vec()));
    }
    if let Some(token) = LinkToken::parse(text) {
        let link = token.link("", RESTORE_PARAMETER);
        let parameter = link.expose().strip_prefix("?restoring=");
        assert_eq!(parameter, Some(text.trim()), "two spellings of one token");
    }
}

/// A settings file. If it is valid, its configuration can be printed; otherwise, an error is reported.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::from_toml(text) {
        Ok(config) => {
            let _ = (config.in_force(), countersign::config::deploy::unsafe_for_production(&config));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The key ring file. If it is invalid, an error is reported.
pub fn ring(data: &[u8]) {
    if let Err(problem) = RingContents::parse(data) {
        assert!(!problem.to_string().is_empty());
    }
}

/// User names and addresses in every e-mail: the subject stays one line. In the e-mail with the link, no name becomes
/// markup.
pub fn mail(data: &[u8]) {
    static TEMPLATES: OnceLock<Option<Templates>> = OnceLock::new();
    let templates = TEMPLATES.get_or_init(|| Templates::built_in("https://id.example.com").ok());
    let Some(templates) = templates else { unreachable!("the built-in templates load") };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, address) = text.split_once('\n').unwrap_or((text, "anna@example.com"));
    let to = Email::parse(address).or_else(|_| Email::parse("anna@example.com"));
    let (Ok(username), Ok(recipient)) = (Username::parse(name), to) else { return };
    let to = MailRecipient { address: recipient, is_verified: data.len().is_multiple_of(2) };
    let link = SecretText::new(format!("https://id.example.com/restore?restoring={}", address.len()));
    let mut code = [0; 12];
    for (into, from) in code.iter_mut().zip(data) {
        *into = *from;
    }
    let mails = [
        Mail::ResetCode {
            username: username.clone(),
            code: ResetCode::from_random(code),
            valid_for: Duration::from_secs(data.len() as u64),
        },
        Mail::RestoreLink { username, link, valid_for: Duration::from_mins(15) },
    ];
    let plain = Username::parse("anna").into_iter().flat_map(|username| {
        [Mail::RestoreLink { username, link: SecretText::new(String::new()), valid_for: Duration::from_mins(15) }]
    });
    let tags = |html: &str| html.matches('<').count();
    let expected: Vec<usize> =
        plain.filter_map(|mail| templates.render(&mail, &to).ok()).map(|mail| tags(&mail.html)).collect();
    for (number, mail) in mails.iter().enumerate() {
        let Ok(mail) = templates.render(mail, &to) else { unreachable!("every e-mail renders") };
        assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
        if number == 1 {
            assert_eq!([tags(&mail.html)], expected.as_slice(), "a name became markup: {name:?}");
        }
    }
}

/// JSON bodies: a common parser accepts every accepted body and reads the same values.
pub fn json(data: &[u8]) {
    let strict = strict_json::parse(data);
    if let Ok(value) = &strict {
        let common: Result<Value, _> = serde_json::from_slice(data);
        assert_eq!(common.ok().as_ref(), Some(value));
    }
    match JsonBody::from_json(data) {
        Ok(mut body) => {
            assert!(strict.is_ok());
            let _ = body.flag_named("email_as_name");
            let _ = body.text_named("password");
        }
        Err(_) => assert!(!strict.is_ok_and(|value| value.is_object())),
    }
}

/// Forms, `application/x-www-form-urlencoded` and `multipart/form-data`: encoded fields are parsed back unchanged.
pub fn form(data: &[u8]) {
    if let Ok(mut body) = JsonBody::from_form(data) {
        for (name, value) in form_urlencoded::parse(data) {
            assert_eq!(body.text_named(&name).ok().flatten().as_deref(), Some(&*value));
        }
    }
    let _ = multipart::fields("multipart/form-data; boundary=X", data);
    if let Some(split) = data.iter().position(|byte| *byte == b'\n') {
        let (kind, body) = data.split_at(split);
        let _ = multipart::fields(&String::from_utf8_lossy(kind), &body[1..]);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if !text.contains("--X") && !name.contains(['"', '\r', '\n']) {
        let body = format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--X--\r\n");
        let read = multipart::fields("multipart/form-data; boundary=X", body.as_bytes());
        assert_eq!(read, Ok(vec![(name.to_owned(), value.to_owned())]));
    }
}
