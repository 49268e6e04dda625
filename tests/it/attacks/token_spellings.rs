//! A good token, spelled in every way but its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::forge::encode;
use super::forgeries::Forgeries;

/// One text has one spelling: anything added, taken away, moved or encoded in another way is another text.
pub fn of(good: &str) -> Forgeries {
    let mut all: Forgeries = [
        ("nothing", String::new()),
        ("a word", "null".to_owned()),
        ("twice", format!("{good}{good}")),
        ("two, by a comma", format!("{good},{good}")),
        ("a part too many", format!("{good}.{good}")),
        ("a dot too many", format!("{good}.")),
        ("a dot before", format!(".{good}")),
        ("dots", "..".to_owned()),
        ("padded", format!("{good}==")),
        ("in quotation marks", format!("\"{good}\"")),
        ("percent-encoded", good.replacen(['.', '-'], "%2e", 1)),
        ("another dot", good.replacen(['.', '-'], "\u{3002}", 1)),
        ("a NUL inside", format!("{}\0{}", &good[..9], &good[9..])),
        ("a NUL behind", format!("{good}\0")),
        ("an array", format!("[\"{good}\"]")),
        ("an object", format!("{{\"token\":\"{good}\"}}")),
        ("SQL", "' OR '1'='1' --".to_owned()),
        ("an opaque token with a prefix", format!("token_{}", "A".repeat(54))),
        ("no UUID we made", "6fa459ea-ee8a-4ca4-894e-db77e160355e".to_owned()),
        ("the nil UUID", "00000000-0000-0000-0000-000000000000".to_owned()),
        ("too long", format!("{good}{}", "A".repeat(8193))),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    for (number, space) in [" ", "\t", "\n", "\r\n", "\u{a0}", "\u{feff}"].into_iter().enumerate() {
        all.push((format!("white space {number}"), format!("{}{space}{}", &good[..5], &good[5..])));
    }
    let parts: Vec<&str> = good.split('.').collect();
    if let [header, claims, signature] = parts[..] {
        all.extend(of_parts(good, [header, claims, signature]));
    }
    all
}

fn of_parts(good: &str, parts: [&str; 3]) -> Forgeries {
    let mut all = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let instead = |new: String| {
            let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            parts[index] = new;
            parts.join(".")
        };
        all.push((format!("part {index} cut short"), instead(part[..part.len() - 1].to_owned())));
        all.push((format!("part {index} halved"), instead(part[..part.len() / 2].to_owned())));
        all.push((format!("part {index} left out"), instead(String::new())));
        all.push((format!("part {index} lengthened"), instead(format!("{part}A"))));
        all.push((format!("part {index} padded"), instead(format!("{part}="))));
        all.push((format!("part {index} backwards"), instead(part.chars().rev().collect())));
        all.push((format!("part {index} in the other alphabet"), instead(format!("{}+/", &part[..part.len() - 2]))));
        let stray = stray_bits(part);
        if stray != *part {
            all.push((format!("part {index} with stray bits"), instead(stray)));
        }
    }
    let [header, claims, signature] = parts;
    let flat = json!({"protected": header, "payload": claims, "signature": signature});
    let general = json!({"payload": claims, "signatures": [{"protected": header, "signature": signature}]});
    all.extend([
        ("flattened JSON".to_owned(), flat.to_string()),
        ("general JSON".to_owned(), general.to_string()),
        ("encoded once more".to_owned(), encode(good)),
        ("encoded as base64".to_owned(), STANDARD.encode(good)),
        ("of five parts, as if encrypted".to_owned(), format!("{header}..{claims}.{signature}.AAAA")),
        ("two parts".to_owned(), format!("{header}.{claims}")),
        ("parts exchanged".to_owned(), format!("{claims}.{header}.{signature}")),
    ]);
    all
}

/// Sets the lowest bit of the last character, where the encoding has bits there that mean nothing.
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
