//! The template contexts of the key pages.

use minijinja::context;
use minijinja::value::Value;

use super::timeline::Timeline;
use crate::domain::algorithm::Algorithm;
use crate::domain::duration::rounded_down;
use crate::domain::key::{Key, KeyState, Kid};
use crate::domain::time::Timestamp;
use crate::http::extract::query::link;
use crate::http::format::date_time;
use crate::http::pages::{Page, Pages};
use crate::template::TemplateError;

/// Renders every page with its samples.
pub fn render_samples(pages: &Pages, frames: &[Value]) -> Result<(), TemplateError> {
    pages.render_framed_samples::<KeysPage>(frames)?;
    pages.render_framed_samples::<ConfirmKeyChangePage>(frames)
}

/// The page with all keys and the JWKS clients.
pub struct KeysPage {
    /// The current time.
    pub now: Timestamp,
    /// The keys by algorithm.
    pub lines: Vec<KeyLine>,
    /// The listed clients that fetched the JWKS since the server started. The list is bounded.
    pub jwks_clients: Vec<JwksClientRow>,
    /// Whether the server rotates the keys by itself.
    pub is_rotated_automatically: bool,
}

/// The keys of one algorithm.
pub struct KeyLine {
    /// The algorithm.
    pub alg: Algorithm,
    /// The timeline. `None` if the algorithm has no key.
    pub timeline: Option<Timeline>,
    /// The rows of the table, the newest key first.
    pub keys: Vec<KeyTableRow>,
    /// When the next key is created (in the past if it is already published), and when it begins to sign. `None` if no
    /// rotation is planned.
    pub next: Option<(Timestamp, Timestamp)>,
}

/// A row of the table of keys.
pub struct KeyTableRow {
    /// The key with its dates.
    pub key: Key,
    /// The state of the key.
    pub state: KeyState,
    /// Whether the key can be revoked. False if it is already revoked.
    pub can_be_revoked: bool,
}

/// A row of the table of JWKS clients.
pub struct JwksClientRow {
    /// The address of the client.
    pub address: String,
    /// The header `User-Agent`, which is untrusted text.
    pub agent: String,
    /// The time of the first request.
    pub first: Timestamp,
    /// The time of the last request.
    pub last: Timestamp,
    /// The number of requests for the JWKS.
    pub fetches: u64,
    /// Whether the client's last response contained the current JWKS.
    pub is_up_to_date: bool,
}

impl JwksClientRow {
    fn context(&self) -> Value {
        let Self { address, agent, fetches, is_up_to_date, .. } = self;
        context! { address, agent, fetches, is_up_to_date, first => date_time(self.first), last => date_time(self.last) }
    }

    /// The template context of all clients, and the number of those with the current JWKS.
    fn client_list(clients: &[Self]) -> Value {
        let up_to_date = clients.iter().filter(|client| client.is_up_to_date).count();
        let list = clients.iter().map(Self::context).collect::<Value>();
        context! { list, count => clients.len(), up_to_date }
    }

    fn samples() -> Vec<Self> {
        let at = Timestamp::from_unix(1_700_000_000);
        let client = |agent: &str, is_up_to_date| Self {
            address: "192.0.2.7".to_owned(),
            agent: agent.to_owned(),
            first: at,
            last: at,
            fetches: 3,
            is_up_to_date,
        };
        vec![client("", false), client("<b>PyJWT</b>", true)]
    }
}

impl KeyLine {
    fn context(&self, now: Timestamp) -> Value {
        let rows = self.keys.iter().map(|row| {
            let KeyTableRow { key, state, can_be_revoked } = row;
            let date = |at: Option<Timestamp>| at.map(date_time);
            context! {
                kid => key.kid.as_str(),
                state => state.name(),
                published_from => date_time(key.created_at),
                signs_from => date_time(key.signs_from),
                signs_until => date(key.signs_until),
                published_until => date(key.published_until),
                revoked_at => date(key.revoked_at),
                revoke => can_be_revoked.then(|| link("/admin/keys/revoke", &[("kid", key.kid.as_str())])),
            }
        });
        let next = self.next.map(|(created_at, signs_from)| {
            let creation = if created_at <= now {
                "The next key is published and".to_owned()
            } else {
                format!("The next key is created at {} UTC and", date_time(created_at))
            };
            format!("{creation} signs from {} UTC, in {}.", date_time(signs_from), rounded_down(signs_from.since(now)))
        });
        context! {
            alg => self.alg.name(),
            timeline => self.timeline.as_ref().map(Timeline::context),
            keys => rows.collect::<Value>(),
            next,
        }
    }
}

impl Page for KeysPage {
    const TEMPLATE: &'static str = "admin/keys.html";

    fn context(&self) -> Value {
        context! {
            now => date_time(self.now),
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
            timeline: Timeline::of(&keys.iter().collect::<Vec<_>>(), now),
            keys: keys.iter().map(row).collect(),
            next: Some((at(20), at(44))),
        };
        let bare = KeyLine { alg: Algorithm::Rs256, timeline: None, keys: vec![], next: None };
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

/// A change to the keys.
#[derive(Clone, Copy)]
pub enum KeyChange {
    /// Publish a new key, which signs later.
    Rotate,
    /// Publish a new key, which signs immediately.
    RotateNow,
    /// Revoke a key.
    Revoke,
}

/// The consequences of a change for one key or one algorithm.
pub struct Consequences {
    /// The key or the algorithm.
    pub subject: String,
    /// The consequences, one sentence each.
    pub sentences: Vec<String>,
}

/// The confirmation page of a change: its consequences, and the form that carries it out.
pub struct ConfirmKeyChangePage {
    /// The change.
    pub change: KeyChange,
    /// The `kid` of the key to revoke, the name of the algorithm to rotate, or `all`.
    pub target: String,
    /// The consequences.
    pub consequences: Vec<Consequences>,
    /// The listed clients that fetched the JWKS since the server started. The list is bounded.
    pub jwks_clients: Vec<JwksClientRow>,
}

impl Page for ConfirmKeyChangePage {
    const TEMPLATE: &'static str = "admin/keys_confirm.html";

    fn context(&self) -> Value {
        let is_all = self.target == "all";
        let keys = if is_all { "all keys".to_owned() } else { format!("the {} key", self.target) };
        let (title, path, field, button) = match self.change {
            KeyChange::Rotate => (format!("Rotate {keys}"), "/admin/keys/rotate", "alg", "Publish the new key"),
            KeyChange::RotateNow => {
                (format!("Rotate {keys} now"), "/admin/keys/rotate-now", "alg", "Sign with a new key now")
            }
            KeyChange::Revoke => ("Revoke a key".to_owned(), "/admin/keys/revoke", "kid", "Revoke the key permanently"),
        };
        let consequences = self.consequences.iter().map(|each| {
            let Consequences { subject, sentences } = each;
            context! { subject, sentences }
        });
        context! {
            title,
            path,
            field,
            button,
            target => self.target.as_str(),
            kid => matches!(self.change, KeyChange::Revoke).then_some(self.target.as_str()),
            is_dangerous => !matches!(self.change, KeyChange::Rotate),
            consequences => consequences.collect::<Value>(),
            jwks_clients => JwksClientRow::client_list(&self.jwks_clients),
        }
    }

    fn samples() -> Vec<Self> {
        let page = |change, target: &str, jwks_clients| Self {
            change,
            target: target.to_owned(),
            consequences: vec![Consequences {
                subject: "ES256".to_owned(),
                sentences: vec!["A new key is published now.".to_owned()],
            }],
            jwks_clients,
        };
        vec![
            page(KeyChange::Rotate, "all", vec![]),
            page(KeyChange::RotateNow, "ES256", JwksClientRow::samples()),
            page(KeyChange::Revoke, "a8ENwGGj0DU_NL_YMfVIF7Jp-Ttk_2ekExcYf9MBeaY", JwksClientRow::samples()),
        ]
    }
}
