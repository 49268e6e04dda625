//! The section on settings: the meaning, bounds, value and last change of each setting, and a form to change it.
//!
//! Every change needs a step-up, because otherwise an attacker with a stolen admin session could extend the sessions of
//! stolen refresh tokens.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use minijinja::context;
use minijinja::value::Value;

use crate::domain::duration::in_short_units;
use crate::domain::setting::definition::{Definition, SettingError, SettingKind};
use crate::domain::setting::listing::{SettingRow, as_typed, rows};
use crate::domain::time::Timestamp;
use crate::http::admin::zone::{AdminPath, SteppedUp, Superuser};
use crate::http::context::Http;
use crate::http::format::{date_time, sentence};
use crate::http::pages::{Page, Pages};
use crate::http::web::checked::Checked;
use crate::http::web::page_error::PageResult;
use crate::http::web::section::Section;
use crate::issuer::settings::{ListedSetting, ResetSetting, SetSetting, SetSettingError, list};
use crate::issuer::{Caller, Issuer, Refusal};
use crate::store::SettingChange;

const PATH: &str = "/admin/settings";

/// The section.
pub const SECTION: Section =
    Section { title: "Settings", path: PATH, routes, render_samples: Pages::render_framed_samples::<SettingsPage> };

/// The page, and the form that changes a setting.
fn routes() -> Router<Http> {
    Router::new().route(PATH, get(page).post(change))
}

async fn page(State(http): State<Http>, superuser: Superuser) -> PageResult {
    let page = SettingsPage::of(&http.issuer, None).await?;
    Ok(superuser.show(&http, StatusCode::OK, &page))
}

async fn change(
    State(http): State<Http>,
    from: Caller,
    Checked { sender, mut form }: Checked<SteppedUp>,
) -> PageResult {
    let name = form.text_or_empty("name");
    let value = form.text_or_empty("value").trim().to_owned();
    let by = sender.signed_in().operator(from);
    let is_reset = form.text_or_empty("do") == "reset";
    let changed = if is_reset {
        ResetSetting { name: name.clone(), by }.run(&http.issuer).await
    } else {
        SetSetting { name: name.clone(), value: value.clone(), by }.run(&http.issuer).await
    };
    match changed {
        Ok(value) => {
            let suffix = if is_reset { " (the default)" } else { "" };
            let value = as_typed(&value);
            let flash = format!("{name} is now {value}{suffix}. The change applies immediately.");
            let next = AdminPath::parse_or_home(Some(&format!("{PATH}#{name}")));
            Ok(sender.signed_in().redirect_with_flash(&http, &next, &flash))
        }
        Err(SetSettingError::Refused(refusal)) => Err(refusal.into()),
        Err(SetSettingError::Invalid(error)) => {
            let problem = match &error {
                SettingError::InvalidValue { allowed, .. } => format!("This must be {allowed}."),
                SettingError::Unknown { .. } => sentence(&error.to_string()),
            };
            let page = SettingsPage::of(&http.issuer, Some(RejectedChange { name, value, problem })).await?;
            Ok(sender.signed_in().show(&http, StatusCode::BAD_REQUEST, &page))
        }
    }
}

/// A rejected change, which the page shows in its form again, with the error.
pub struct RejectedChange {
    name: String,
    value: String,
    problem: String,
}

/// The page with all settings.
pub struct SettingsPage {
    settings: Vec<ListedSetting>,
    rejected: Option<RejectedChange>,
}

impl SettingsPage {
    async fn of(issuer: &Issuer, rejected: Option<RejectedChange>) -> Result<Self, Refusal> {
        Ok(Self { settings: list(issuer).await?, rejected })
    }

    fn setting(&self, listed: &ListedSetting) -> Value {
        let ListedSetting { row: SettingRow { definition, value }, changed } = listed;
        let default = definition.default_value();
        let bounds = match definition.kind {
            SettingKind::Seconds { min, max } => Some(format!("{} to {}", in_short_units(min), in_short_units(max))),
            _ => None,
        };
        let rejected = self.rejected.as_ref().filter(|rejected| rejected.name == definition.name);
        context! {
            name => definition.name,
            label => label(definition.name),
            description => definition.description,
            allowed => definition.allowed(),
            value => rejected.map_or_else(|| as_typed(value), |rejected| rejected.value.clone()),
            in_force => as_typed(value),
            in_units => value.as_u64().filter(|seconds| *seconds >= 60).map(in_short_units),
            bounds,
            default => as_typed(&default),
            default_in_units => default.as_u64().filter(|seconds| *seconds >= 60).map(in_short_units),
            choices => choices(definition),
            changed => changed.as_ref().map(|change| format!("{}, {} UTC", change.by, date_time(change.at))),
            problem => rejected.map(|rejected| rejected.problem.as_str()),
        }
    }
}

/// The part of a setting's name after the last dot, as a label.
fn label(name: &str) -> String {
    let words = name.rsplit('.').next().unwrap_or(name).replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default() + letters.as_str()
}

/// The possible values of a setting that has a fixed list of values. Empty for other settings.
fn choices(definition: &Definition) -> Vec<&'static str> {
    match definition.kind {
        SettingKind::Flag => vec!["true", "false"],
        SettingKind::Choice(of) => of.iter().copied().chain(definition.is_optional().then_some("none")).collect(),
        SettingKind::Seconds { .. } | SettingKind::Text | SettingKind::Claim => vec![],
    }
}

/// Groups the settings by the part of their names before the last dot, such as `profiles.simplejwt`.
fn groups(settings: &[ListedSetting]) -> Vec<(String, Vec<&ListedSetting>)> {
    let mut groups: Vec<(String, Vec<&ListedSetting>)> = Vec::new();
    for listed in settings {
        let name = listed.row.definition.name;
        let prefix = name.rsplit_once('.').map_or(name, |(prefix, _)| prefix);
        match groups.iter_mut().find(|(group, _)| group == prefix) {
            Some((_, settings)) => settings.push(listed),
            None => groups.push((prefix.to_owned(), vec![listed])),
        }
    }
    groups
}

impl Page for SettingsPage {
    const TEMPLATE: &'static str = "admin/settings.html";

    fn context(&self) -> Value {
        let groups = groups(&self.settings).into_iter().map(|(prefix, settings)| {
            let profile = prefix.strip_prefix("profiles.").map(str::to_owned);
            let settings = settings.into_iter().map(|listed| self.setting(listed)).collect::<Value>();
            context! { title => label(&prefix), profile, id => prefix, settings }
        });
        let unknown = self
            .rejected
            .as_ref()
            .filter(|rejected| self.settings.iter().all(|each| each.row.definition.name != rejected.name));
        let problem = unknown.map(|rejected| rejected.problem.as_str());
        context! { groups => groups.collect::<Value>(), problem, has_problem => self.rejected.is_some() }
    }

    fn samples() -> Vec<Self> {
        let changed = |name: &str| {
            let at = Timestamp::from_unix(1_700_000_000);
            (name == "sessions.max_age").then(|| SettingChange { name: name.to_owned(), at, by: "<b>anna".to_owned() })
        };
        let listed = |row: SettingRow| ListedSetting { changed: changed(row.definition.name), row };
        let page = |rejected| Self { settings: rows(&[]).into_iter().map(listed).collect(), rejected };
        let rejected = |name: &str| {
            let problem = "This must be 1 to 7776000 seconds (300 and 5m are the same).".to_owned();
            Some(RejectedChange { name: name.to_owned(), value: "<b>".to_owned(), problem })
        };
        vec![page(None), page(rejected("profiles.jwt_issuer.access_lifetime")), page(rejected("none.such"))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_in_one_group() {
        let page = SettingsPage::samples().remove(0);
        let groups = groups(&page.settings);
        assert_eq!(groups.iter().map(|(_, settings)| settings.len()).sum::<usize>(), page.settings.len());
        assert_eq!(groups[0].0, "profiles.jwt_issuer");
        let simplejwt = groups.iter().find(|(prefix, _)| prefix == "profiles.simplejwt");
        assert_eq!(simplejwt.map(|(_, settings)| settings.len()), Some(8));
    }
}
