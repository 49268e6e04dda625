//! Other spellings of a valid token, and texts that are no token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::forge::encode;
use super::forgeries::Forgeries;

/// Returns variants of the token (with an addition, a removal, an exchange or another encoding), and texts that are no
/// token at all. Each of them must be rejected, because a token has only one valid spelling.
pub fn of(valid: &str) -> Forgeries {
    let mut all: Forgeries = [
        ("an empty text", String::new()),
        ("a word", "null".to_owned()),
        ("the token twice", format!("{valid}{valid}")),
        ("two tokens separated by a comma", format!("{valid},{valid}")),
        ("a fourth part", format!("{valid}.{valid}")),
        ("a trailing dot", format!("{valid}.")),
        ("a leading dot", format!(".{valid}")),
        ("only dots", "..".to_owned()),
        ("padded", format!("{valid}==")),
        ("in quotation marks", format!("\"{valid}\"")),
        ("percent-encoded", valid.replacen(['.', '-'], "%2e", 1)),
        ("another full stop character", valid.replacen(['.', '-'], "\u{3002}", 1)),
        ("a NUL inside", format!("{}\0{}", &valid[..9], &valid[9..])),
        ("a trailing NUL", format!("{valid}\0")),
        ("an array", format!("[\"{valid}\"]")),
        ("an object", format!("{{\"token\":\"{valid}\"}}")),
        ("SQL", "' OR '1'='1' --".to_owned()),
        ("an opaque token with a prefix", format!("token_{}", "A".repeat(54))),
        ("a UUID that the server never issued", "6fa459ea-ee8a-4ca4-894e-db77e160355e".to_owned()),
        ("the nil UUID", "00000000-0000-0000-0000-000000000000".to_owned()),
        ("too long", format!("{valid}{}", "A".repeat(8193))),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    for (number, space) in [" ", "\t", "\n", "\r\n", "\u{a0}", "\u{feff}"].into_iter().enumerate() {
        all.push((format!("white space {number}"), format!("{}{space}{}", &valid[..5], &valid[5..])));
    }
    let parts: Vec<&str> = valid.split('.').collect();
    if let [header, claims, signature] = parts[..] {
        all.extend(of_parts(valid, [header, claims, signature]));
    }
    all
}

fn of_parts(valid: &str, parts: [&str; 3]) -> Forgeries {
    let mut all = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let with_part = |new: String| {
            let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            parts[index] = new;
            parts.join(".")
        };
        all.push((format!("part {index} cut short"), with_part(part[..part.len() - 1].to_owned())));
        all.push((format!("part {index} halved"), with_part(part[..part.len() / 2].to_owned())));
        all.push((format!("part {index} removed"), with_part(String::new())));
        all.push((format!("part {index} lengthened"), with_part(format!("{part}A"))));
        all.push((format!("part {index} padded"), with_part(format!("{part}="))));
        all.push((format!("part {index} reversed"), with_part(part.chars().rev().collect())));
        all.push((
            format!("part {index} in the standard base64 alphabet"),
            with_part(format!("{}+/", &part[..part.len() - 2])),
        ));
        let changed = stray_bits(part);
        if changed != *part {
            all.push((format!("part {index} with stray bits"), with_part(changed)));
        }
    }
    let [header, claims, signature] = parts;
    let flat = json!({"protected": header, "payload": claims, "signature": signature});
    let general = json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]});
    all.extend([
        ("flattened JSON".to_owned(), flat.to_string()),
        ("general JSON".to_owned(), general.to_string()),
        ("encoded again".to_owned(), encode(valid)),
        ("encoded as base64".to_owned(), STANDARD.encode(valid)),
        ("five parts, as in an encrypted token".to_owned(), format!("{header}..{claims}.{signature}.AAAA")),
        ("two parts".to_owned(), format!("{header}.{claims}")),
        ("header and claims exchanged".to_owned(), format!("{claims}.{header}.{signature}")),
    ]);
    all
}

/// Sets the lowest bit of the last character if the encoding does not use that bit.
fn stray_bits(part: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = part.chars().last().and_then(|last| ALPHABET.find(last));
    match last {
        Some(at) if !part.len().is_multiple_of(4) => {
            format!("{}{}", &part[..part.len() - 1], &ALPHABET[at ^ 1..=at ^ 1])
        }
        _ => part.to_owned(),
    }
}
