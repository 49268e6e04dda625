//! The subjects of commits: `area: imperative subject`, with 1–72 characters and without a full stop.

use std::process::Command;

use super::skip::skip;
use super::{assert_none, tree};

/// The last commit to which the rule does not apply.
const BASE: &str = "86ab4904128d4b5d24feba5fbd5f20e287cac9fd";
const SUBJECT_CHARACTERS: usize = 72;

const AREAS: &[&str] = &[
    "admin",
    "bench",
    "cli",
    "config",
    "crypto",
    "deps",
    "docs",
    "domain",
    "http",
    "issuer",
    "jobs",
    "keys",
    "mail",
    "oauth",
    "packaging",
    "scripts",
    "sessions",
    "social",
    "store",
    "telemetry",
    "tests",
    "tokens",
    "users",
];

const DIALECTS: &[&str] = &["drf_pyjwt", "jwt_issuer", "rest_jwt", "rest_social", "simplejwt"];

/// Imperatives that end in `-s`, `-ed` or `-ing`, like other forms of a verb. Those in `-ss` (pass, process, address)
/// need no entry.
const IMPERATIVES: &[&str] = &[
    "alias", "bias", "bring", "embed", "exceed", "feed", "focus", "need", "ping", "proceed", "seed", "shed", "shred",
    "speed", "string", "succeed",
];

/// What is wrong with the subject of a commit; None if nothing is.
fn violation(subject: &str) -> Option<String> {
    let length = subject.chars().count();
    if length > SUBJECT_CHARACTERS {
        return Some(format!("{length} characters: shorten it to {SUBJECT_CHARACTERS}"));
    }
    let Some((areas, text)) = subject.split_once(": ") else {
        return Some("expected `area: imperative subject`".to_owned());
    };
    let areas: Vec<&str> = areas.split(", ").collect();
    if let Some(unknown) = areas.iter().find(|area| !AREAS.contains(area) && !DIALECTS.contains(area)) {
        return Some(format!("unknown area `{unknown}`: use a dialect or one of {}", AREAS.join(", ")));
    }
    if areas.len() > 2 {
        return Some("more than two areas: split the commit, or name the area with the reason".to_owned());
    }
    if text.ends_with('.') {
        return Some("delete the full stop at the end".to_owned());
    }
    let first = text.split(' ').next().unwrap_or_default();
    let mut rest = first.chars().skip(1);
    let is_identifier = rest.any(|c| c.is_uppercase() || c.is_ascii_digit() || matches!(c, '_' | ':' | '.' | '`'));
    let is_other_form =
        ["ed", "ing"].iter().any(|end| first.ends_with(end)) || first.ends_with('s') && !first.ends_with("ss");
    if is_identifier || IMPERATIVES.contains(&first) {
        None
    } else if !first.starts_with(char::is_lowercase) {
        Some(format!("begin with a verb in lower case, not with `{first}`"))
    } else {
        is_other_form.then(|| format!("begin with an imperative, not with `{first}` (exceptions: IMPERATIVES)"))
    }
}

/// The commits after `BASE`, as `HASH SUBJECT`. Err: the reason why they are unknown.
fn commits() -> Result<Vec<String>, String> {
    let git = |arguments: &[&str]| {
        let run = Command::new("git").args(arguments).current_dir(tree::root()).output();
        let output = run.map_err(|error| format!("git does not run: {error}"))?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            Ok(out.into_owned())
        } else {
            Err(err.lines().next().unwrap_or_default().to_owned())
        }
    };
    git(&["rev-parse", "--git-dir"]).map_err(|error| format!("no git repository: {error}"))?;
    let is_ancestor = git(&["merge-base", "--is-ancestor", BASE, "HEAD"]);
    is_ancestor.map_err(|error| format!("commit {BASE} is not in the history (shallow clone?) {error}"))?;
    Ok(git(&["log", "--no-merges", "--format=%h %s", &format!("{BASE}..HEAD")])?.lines().map(str::to_owned).collect())
}

#[test]
fn every_commit_subject_names_an_area_and_an_action() {
    let commits = match commits() {
        Ok(commits) => commits,
        Err(why) => return skip(&why),
    };
    let violations = commits.iter().filter_map(|commit| {
        let (hash, subject) = commit.split_once(' ')?;
        violation(subject).map(|why| format!("{hash} {subject}: {why}"))
    });
    assert_none("commit subjects (git rebase -i, reword)", &violations.collect::<Vec<_>>());
}

mod proof {
    use super::violation;

    #[test]
    fn a_subject_with_area_and_imperative_is_accepted() {
        for subject in [
            "store: update one row per refresh",
            "http, admin: address the reader as operator",
            "simplejwt: embed the key",
            "tests: focus on what fails",
            "crypto: RS256 signatures use one thread pool",
            "tokens: TokenSpec replaces the dialect",
            "docs: need Rust 1.95",
        ] {
            assert_eq!(violation(subject), None, "{subject}");
        }
        assert_eq!(violation(&format!("keys: {}", "x".repeat(66))), None);
    }

    #[test]
    fn every_other_subject_is_reported_with_the_reason() {
        for (subject, reason) in [
            ("A signature that panics strands no user", "expected `area"),
            ("fixup! store: update one row", "unknown area `fixup! store`"),
            ("Revert \"store: update one row\"", "unknown area"),
            ("stores: update one row", "unknown area `stores`"),
            ("http,admin: sort", "unknown area `http,admin`"),
            ("http, admin, cli: sort", "more than two areas"),
            ("store: update one row.", "full stop"),
            ("store: Update one row", "lower case"),
            ("store: A row is updated", "lower case"),
            ("store: updates one row", "imperative"),
            ("store: updated one row", "imperative"),
            ("store: updating one row", "imperative"),
            ("store: ", "lower case"),
        ] {
            let found = violation(subject);
            assert!(found.as_ref().is_some_and(|found| found.contains(reason)), "{subject}: {found:?}");
        }
        assert!(violation(&format!("keys: {}", "x".repeat(67))).is_some());
    }
}
