//! What the pages on keys are told.

use minijinja::context;
use minijinja::value::Value;

use super::dashboard::{day, rounded_span};
use super::query::link;
use super::timeline::Timeline;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyState, Kid};
use crate::domain::time::Timestamp;
use crate::http::pages::{Page, Pages};
use crate::template::TemplateError;

/// Renders each once with samples.
pub fn render_samples(pages: &Pages) -> Result<(), TemplateError> {
    pages.render_framed_samples::<KeysPage>()?;
    pages.render_framed_samples::<ConfirmKeyChangePage>()
}

/// All keys, and who knows them.
pub struct KeysPage {
    /// The moment they are shown at.
    pub now: Timestamp,
    /// Each algorithm's.
    pub lines: Vec<KeyLine>,
    /// Who fetched the key set since the server started.
    pub jwks_clients: Vec<JwksClientRow>,
    /// Whether keys are rotated without being asked.
    pub is_rotated_automatically: bool,
}

/// An algorithm's keys.
pub struct KeyLine {
    /// The algorithm.
    pub alg: Algorithm,
    /// Their drawing.
    pub drawn: Option<Timeline>,
    /// The same as a table, the newest first.
    pub keys: Vec<KeyTableRow>,
    /// When the next key is made, and when it signs, where that comes by itself.
    pub next: Option<(Timestamp, Timestamp)>,
}

/// A key.
pub struct KeyTableRow {
    /// Its dates.
    pub key: Key,
    /// Its state.
    pub state: KeyState,
    /// Whether it is not revoked yet.
    pub can_be_revoked: bool,
}

/// Somebody who fetched the key set.
pub struct JwksClientRow {
    /// From where.
    pub address: String,
    /// What it called itself: anything.
    pub agent: String,
    /// When it came first.
    pub first: Timestamp,
    /// When it came last.
    pub last: Timestamp,
    /// How often.
    pub fetches: u64,
    /// Whether it got the key set that is published now.
    pub is_up_to_date: bool,
}

impl JwksClientRow {
    fn context(&self) -> Value {
        let Self { address, agent, fetches, is_up_to_date, .. } = self;
        context! { address, agent, fetches, is_up_to_date, first => day(self.first), last => day(self.last) }
    }

    /// All of them, and how many have the key set that is published now.
    fn client_list(verifiers: &[Self]) -> Value {
        let up_to_date = verifiers.iter().filter(|verifier| verifier.is_up_to_date).count();
        let list = verifiers.iter().map(Self::context).collect::<Value>();
        context! { list, count => verifiers.len(), up_to_date }
    }

    fn samples() -> Vec<Self> {
        let at = Timestamp::from_unix(1_700_000_000);
        let verifier = |agent: &str, is_up_to_date| Self {
            address: "192.0.2.7".to_owned(),
            agent: agent.to_owned(),
            first: at,
            last: at,
            fetches: 3,
            is_up_to_date,
        };
        vec![verifier("", false), verifier("<b>PyJWT</b>", true)]
    }
}

impl KeyLine {
    fn context(&self, now: Timestamp) -> Value {
        let rows = self.keys.iter().map(|row| {
            let KeyTableRow { key, state, can_be_revoked } = row;
            let date = |at: Option<Timestamp>| at.map(day);
            context! {
                kid => key.kid.as_str(),
                state => state.name(),
                published_from => day(key.created_at),
                signs_from => day(key.signs_from),
                signs_until => date(key.signs_until),
                published_until => date(key.published_until),
                revoked_at => date(key.revoked_at),
                revoke => can_be_revoked.then(|| link("/admin/keys/revoke", &[("kid", key.kid.as_str())])),
            }
        });
        let next = self.next.map(|(made_at, signs_from)| {
            let made = if made_at <= now { "The next key is published and" } else { "The next key" };
            let made_at = if made_at <= now { String::new() } else { format!(" is made at {} UTC and", day(made_at)) };
            format!("{made}{made_at} signs from {} UTC, in {}.", day(signs_from), rounded_span(signs_from.since(now)))
        });
        context! {
            alg => self.alg.name(),
            drawn => self.drawn.as_ref().map(Timeline::context),
            keys => rows.collect::<Value>(),
            next,
        }
    }
}

impl Page for KeysPage {
    const TEMPLATE: &'static str = "admin/keys.html";

    fn context(&self) -> Value {
        context! {
            now => day(self.now),
            lines => self.lines.iter().map(|line| line.context(self.now)).collect::<Value>(),
            jwks_clients => JwksClientRow::client_list(&self.jwks_clients),
            is_rotated_automatically => self.is_rotated_automatically,
        }
    }

    fn samples() -> Vec<Self> {
        let at = |hours: i64| Timestamp::from_unix(1_700_000_000 + hours * 3600);
        let now = at(0);
        let dated = |letter: &str, hours: [i64; 2], end: Option<[i64; 2]>| {
            Some(Key {
                kid: Kid::parse(&letter.repeat(43)).ok()?,
                alg: Algorithm::Es256,
                created_at: at(hours[0]),
                signs_from: at(hours[1]),
                signs_until: end.map(|end| at(end[0])),
                published_until: end.map(|end| at(end[1])),
                revoked_at: None,
            })
        };
        let ended = dated("a", [-300, -276], Some([-20, 4]));
        let revoked = dated("b", [-50, -26], Some([-20, 4])).map(|key| Key { revoked_at: Some(at(-2)), ..key });
        let signs = dated("c", [-44, -20], Some([20, 44]));
        let keys: Vec<Key> = [ended, revoked, signs, dated("d", [-4, 20], None)].into_iter().flatten().collect();
        let row = |key: &Key| KeyTableRow {
            key: key.clone(),
            state: key.state(now),
            can_be_revoked: key.revoked_at.is_none(),
        };
        let line = KeyLine {
            alg: Algorithm::Es256,
            drawn: Timeline::of(&keys.iter().collect::<Vec<_>>(), now),
            keys: keys.iter().map(row).collect(),
            next: Some((at(20), at(44))),
        };
        let bare = KeyLine { alg: Algorithm::Rs256, drawn: None, keys: vec![], next: None };
        vec![
            Self {
                now,
                lines: vec![line, bare],
                jwks_clients: JwksClientRow::samples(),
                is_rotated_automatically: true,
            },
            Self { now, lines: vec![], jwks_clients: vec![], is_rotated_automatically: false },
        ]
    }
}

/// A change of keys.
#[derive(Clone, Copy)]
pub enum KeyChange {
    /// A new key, published ahead.
    Rotate,
    /// A new key that signs at once.
    RotateNow,
    /// The end of a key.
    Revoke,
}

/// What follows for a key or an algorithm, sentence by sentence.
pub struct Consequences {
    /// For what.
    pub of: String,
    /// The sentences.
    pub words: Vec<String>,
}

/// What follows from a change, before it is made.
pub struct ConfirmKeyChangePage {
    /// The change.
    pub change: KeyChange,
    /// Of which key, or of which algorithm's keys.
    pub of: String,
    /// What follows.
    pub following: Vec<Consequences>,
    /// Who fetched the key set since the server started.
    pub jwks_clients: Vec<JwksClientRow>,
}

impl Page for ConfirmKeyChangePage {
    const TEMPLATE: &'static str = "admin/keys_confirm.html";

    fn context(&self) -> Value {
        let all = self.of == "all";
        let whose = if all { "all keys".to_owned() } else { format!("the {} key", self.of) };
        let (title, path, field, act) = match self.change {
            KeyChange::Rotate => (format!("Rotate {whose}"), "/admin/keys/rotate", "alg", "Publish the new key"),
            KeyChange::RotateNow => {
                (format!("Rotate {whose} at once"), "/admin/keys/rotate-now", "alg", "Sign with a new key now")
            }
            KeyChange::Revoke => ("Revoke a key".to_owned(), "/admin/keys/revoke", "kid", "Revoke the key for good"),
        };
        let following = self.following.iter().map(|each| {
            let Consequences { of, words } = each;
            context! { of, words }
        });
        context! {
            title,
            path,
            field,
            act,
            of => self.of.as_str(),
            kid => matches!(self.change, KeyChange::Revoke).then_some(self.of.as_str()),
            is_dangerous => !matches!(self.change, KeyChange::Rotate),
            following => following.collect::<Value>(),
            jwks_clients => JwksClientRow::client_list(&self.jwks_clients),
        }
    }

    fn samples() -> Vec<Self> {
        let page = |change, of: &str, verifiers| Self {
            change,
            of: of.to_owned(),
            following: vec![Consequences {
                of: "ES256".to_owned(),
                words: vec!["A new key is published now.".to_owned()],
            }],
            jwks_clients: verifiers,
        };
        vec![
            page(KeyChange::Rotate, "all", vec![]),
            page(KeyChange::RotateNow, "ES256", JwksClientRow::samples()),
            page(KeyChange::Revoke, "a8ENwGGj0DU_NL_YMfVIF7Jp-Ttk_2ekExcYf9MBeaY", JwksClientRow::samples()),
        ]
    }
}
