//! Checks facts in the documentation that are cheap to check: commands parse, settings exist, links have a target.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};
use countersign::cli::Cli;
use countersign::config::Config;
use countersign::domain::setting::listing::{as_typed, rows};

#[path = "readme/shell_blocks.rs"]
mod shell_blocks;

const PAGES: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/backup.md",
    "docs/migrating.md",
    "docs/operating.md",
    "docs/performance.md",
    "docs/rotation.md",
    "docs/security.md",
    "examples/README.md",
    "keys/README.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("reading {name}: {error}"))
}

/// The lines in the shell blocks of a page.
fn shell_lines(page: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_shell = false;
    for line in page.replace("\\\n", " ").lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            in_shell = language == "sh";
        } else if in_shell {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// Splits a line into words, roughly as a shell does. Each separator between two commands becomes the word `;`.
fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    let mut end_word = |word: &mut Option<String>| found.extend(word.take());
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => end_word(&mut word),
            (None, '|' | '>' | '<' | '&' | ';' | '(' | ')') => {
                end_word(&mut word);
                word = Some(";".to_owned());
                end_word(&mut word);
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    end_word(&mut word);
    found
}

/// The arguments of every `countersign` call in a line, such as `sudo -u countersign countersign keys list | head`,
/// also in the script of `sh -c`.
fn calls(line: &str) -> Vec<Vec<String>> {
    let words = words(line);
    let commands = words.split(|word| word == ";");
    let calls = commands.filter_map(|command| {
        // `WorkingDirectory=/var/lib/countersign` only names a folder.
        let is_program =
            |word: &String| word == "countersign" || (word.ends_with("/countersign") && !word.contains('='));
        let mut words = command.iter().enumerate();
        let at = words.position(|(at, word)| is_program(word) && (at == 0 || command[at - 1] != "-u"))?;
        let call = command[at..].to_vec();
        // `install … /usr/local/bin/countersign` only names the program.
        (call.len() > 1 && !command.iter().any(|word| word == "install")).then_some(call)
    });
    let scripts = words.windows(2).filter(|pair| pair[0] == "-c").flat_map(|pair| self::calls(&pair[1]));
    calls.chain(scripts).collect()
}

/// The cells of each row of the table whose head starts with `head`, without backquotes.
fn table(page: &str, head: &str) -> Vec<Vec<String>> {
    let rows = page.lines().skip_while(|line| !line.starts_with(head)).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
        inner.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// Setting name and default of each row; `–` means no default.
fn settings(page: &str, head: &str) -> BTreeMap<String, String> {
    let rows = table(page, head).into_iter().map(|row| (row[0].clone(), row[1].clone()));
    let found: BTreeMap<String, String> = rows.collect();
    assert!(found.len() > 5, "README has no table whose head starts with {head}");
    found
}

fn compare(documented: &BTreeMap<String, String>, real: &BTreeMap<String, String>) {
    for (name, default) in real {
        assert_eq!(documented.get(name), Some(default), "README, `{name}`");
    }
    for name in documented.keys() {
        assert!(real.contains_key(name), "README documents the unknown setting `{name}`");
    }
}

#[test]
fn commands_parse() {
    let mut seen = 0;
    for name in PAGES {
        for line in shell_lines(&page(name)) {
            for call in calls(&line) {
                seen += 1;
                let parsed = Cli::try_parse_from(&call);
                assert!(parsed.is_ok(), "{name}: {line}\n{}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn commands_are_found_in_pipes_substitutions_and_sudo() {
    let found = |line: &str| calls(line).iter().map(|call| call[1..].join(" ")).collect::<Vec<_>>();
    assert_eq!(found("countersign keys list | head # countersign nonsense"), ["keys list"]);
    assert_eq!(found("printf '%s' 'a; b' | countersign users create \"a b\""), ["users create a b"]);
    assert_eq!(found("TOKEN=$(countersign token mint --user x)"), ["token mint --user x"]);
    assert_eq!(found("sudo -u countersign /usr/local/bin/countersign keys prune"), ["keys prune"]);
    assert_eq!(found("systemd-run -p A=/var/lib/countersign sh -c 'B=$C exec countersign keys list'"), ["keys list"]);
    assert_eq!(found("install target/release/countersign /usr/local/bin/"), [""; 0]);
}

#[test]
fn documented_boot_settings_match_the_real_ones() {
    let config = Config::from_toml("").expect("the defaults are valid");
    let mut real = BTreeMap::new();
    let mut section = String::new();
    for line in config.in_force().lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some(key) = line.strip_prefix("# ").and_then(|line| line.strip_suffix(" is not set")) {
            real.insert(format!("{section}{key}"), "–".to_owned());
        } else if let Some((key, value)) = line.split_once(" = ") {
            real.insert(format!("{section}{key}"), value.trim_end_matches("  # default").to_owned());
        }
    }
    // The rows of one provider describe all three.
    real.retain(|name, _| !name.starts_with("social.github.") && !name.starts_with("social.facebook."));
    let mut documented = settings(&page("README.md"), "| boot setting |");
    let oidc = documented.keys().filter(|name| name.starts_with("social.oidc.")).cloned().collect::<Vec<_>>();
    assert_eq!(oidc.len(), 4, "the rows of a generic OpenID provider");
    documented.retain(|name, _| !oidc.contains(name));
    compare(&documented, &real);
}

#[test]
fn documented_runtime_settings_match_the_real_ones() {
    let rows = rows(&[]);
    let real: BTreeMap<String, String> =
        rows.iter().map(|row| (row.definition.name.to_owned(), as_typed(&row.value))).collect();
    // A row for all dialects (`profiles.*.access_lifetime`) has one default, or one for each dialect in order.
    let mut documented = BTreeMap::new();
    for (name, default) in settings(&page("README.md"), "| runtime setting |") {
        let Some(key) = name.strip_prefix("profiles.*.") else {
            documented.insert(name, default);
            continue;
        };
        let defaults: Vec<&str> = default.split(", ").collect();
        let dialects = ["jwt_issuer", "rest_jwt", "rest_social", "drf_pyjwt", "simplejwt"];
        for (dialect, at) in dialects.iter().zip(0..) {
            let default = defaults.get(at).unwrap_or(&defaults[0]);
            documented.insert(format!("profiles.{dialect}.{key}"), (*default).to_owned());
        }
    }
    compare(&documented, &real);
}

#[test]
fn every_relative_link_has_a_target() {
    let mut broken = Vec::new();
    for name in PAGES {
        let folder = Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
        for link in page(name).split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link)) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !link.contains("://") && !root().join(&folder).join(path).exists() {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "broken links: {broken:#?}");
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = page("README.md");
    let command = Cli::command();
    let names = command.get_subcommands().map(clap::Command::get_name);
    let missing: Vec<&str> = names.filter(|name| !readme.contains(&format!("countersign {name}"))).collect();
    assert!(missing.is_empty(), "README has no example of {missing:?}");
}

#[test]
fn every_row_of_the_threat_model_names_an_existing_test() {
    let model = page("docs/security.md");
    let named: Vec<&str> = model.split('`').filter(|word| word.contains(".rs::")).collect();
    assert!(named.len() > 50, "{named:?}");
    for name in named {
        let (path, test) = name.split_once("::").unwrap_or_default();
        let source = page(path);
        let place = source.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("{name} does not exist"));
        let mut before = source[..place].lines().rev().take(3);
        assert!(before.any(|line| line.contains("#[test]") || line.contains("#[tokio::test")), "{name} is not a test");
    }
    for line in model.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 4) {
        let test = line.rsplit('|').nth(1).unwrap_or_default().trim();
        let is_covered = test.contains(".rs::") || ["verified by", "manually"].contains(&test) || is_asset_row(line);
        assert!(is_covered, "no test in: {line}");
    }
}

/// A row of the table of assets, which needs no test.
fn is_asset_row(line: &str) -> bool {
    let text = page("docs/security.md");
    let (assets, _) = text.split_once("## Attackers").unwrap_or_default();
    assets.contains(line)
}
