//! The section on settings: the meaning, bounds, value and last change of each, and one form for each.
//!
//! Every change needs a step-up, because lifetimes decide for how long a stolen token is valid.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use minijinja::context;
use minijinja::value::Value;
use serde_json::Value as Json;

use super::dashboard::day;
use super::guard::{Checked, SteppedUp, Superuser};
use super::operator::operator;
use super::page_error::sentence;
use super::path::AdminPath;
use super::sign_in::text;
use super::{PageResult, frame};
use crate::domain::setting::{Definition, SettingError, SettingKind, SettingRow, Settings};
use crate::domain::time::Timestamp;
use crate::http::Http;
use crate::http::pages::Page;
use crate::issuer::settings::{ListedSetting, ResetSetting, SetSetting, SetSettingError, list, reload};
use crate::issuer::{Caller, Issuer};
use crate::store::{SettingChange, StoreError};

const PATH: &str = "/admin/settings";

/// The page, and the form that changes a setting.
pub fn routes() -> Router<Http> {
    Router::new().route(PATH, get(page).post(change))
}

async fn page(State(http): State<Http>, who: Superuser) -> PageResult {
    let page = SettingsPage::of(&http.issuer, None).await?;
    Ok(who.show(&http, StatusCode::OK, &page))
}

async fn change(State(http): State<Http>, from: Caller, Checked { who, mut form }: Checked<SteppedUp>) -> PageResult {
    let name = text(&mut form, "name");
    let value = text(&mut form, "value").trim().to_owned();
    let by = operator(who.superuser(), from);
    let store = &http.issuer.store;
    let now = http.issuer.clock.now();
    let resets = text(&mut form, "do") == "reset";
    let changed = if resets {
        ResetSetting { name: name.clone(), by }.run(store, now).await
    } else {
        SetSetting { name: name.clone(), value: value.clone(), by }.run(store, now).await
    };
    match changed {
        Ok(value) => {
            reload(&http.issuer).await?;
            let suffix = if resets { " (the default)" } else { "" };
            let value = input_value(&value);
            let flash = format!("{name} is now {value}{suffix}. The change applies from the next token.");
            Ok(frame::redirect_with_flash(&http, &AdminPath::parse_or_first(Some(&format!("{PATH}#{name}"))), &flash))
        }
        Err(SetSettingError::Refused(refusal)) => Err(refusal.into()),
        Err(SetSettingError::Wrong(error)) => {
            let problem = match &error {
                SettingError::Unfit { allowed, .. } => format!("This must be {allowed}."),
                SettingError::Unknown { .. } => sentence(&error.to_string()),
            };
            let page = SettingsPage::of(&http.issuer, Some(RejectedChange { name, value, problem })).await?;
            Ok(who.superuser().show(&http, StatusCode::BAD_REQUEST, &page))
        }
    }
}

/// A value as the operator enters it in the form.
fn input_value(value: &Json) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A number of seconds in larger units: `24 h`, `30 days`, `1 h 30 min`.
fn in_units(seconds: u64) -> String {
    if seconds < 60 {
        return format!("{seconds} s");
    }
    let days = if seconds > 86_400 { seconds / 86_400 } else { 0 };
    let rest = seconds - days * 86_400;
    let parts =
        [(days, if days == 1 { "day" } else { "days" }), (rest / 3600, "h"), (rest / 60 % 60, "min"), (rest % 60, "s")];
    let present: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    present.join(" ")
}

/// A change that was rejected, to show it in the form again.
pub struct RejectedChange {
    name: String,
    value: String,
    problem: String,
}

/// The page with all settings.
pub struct SettingsPage {
    settings: Vec<ListedSetting>,
    tried: Option<RejectedChange>,
}

impl SettingsPage {
    async fn of(issuer: &Issuer, tried: Option<RejectedChange>) -> Result<Self, StoreError> {
        Ok(Self { settings: list(&issuer.store).await?, tried })
    }

    fn setting(&self, listed: &ListedSetting) -> Value {
        let ListedSetting { row: SettingRow { name, value, default, min, max, .. }, about, allowed, changed } = listed;
        let tried = self.tried.as_ref().filter(|tried| tried.name == *name);
        context! {
            name => *name,
            label => label(name),
            about => *about,
            allowed,
            value => tried.map_or_else(|| input_value(value), |tried| tried.value.clone()),
            in_force => input_value(value),
            in_units => value.as_u64().filter(|seconds| *seconds >= 60).map(in_units),
            bounds => min.zip(*max).map(|(min, max)| format!("{} to {}", in_units(min), in_units(max))),
            default => input_value(default),
            default_in_units => default.as_u64().filter(|seconds| *seconds >= 60).map(in_units),
            choices => choices(name),
            changed => changed.as_ref().map(|change| format!("{}, {} UTC", change.by, day(change.at))),
            problem => tried.map(|tried| tried.problem.as_str()),
        }
    }
}

/// The last level of a setting's name as a label.
fn label(name: &str) -> String {
    let words = name.rsplit('.').next().unwrap_or(name).replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default() + letters.as_str()
}

/// The possible values of a setting with a closed set of values. Empty for other settings.
fn choices(name: &str) -> Vec<&'static str> {
    match Definition::find(name).map(|definition| definition.kind) {
        Ok(SettingKind::Flag) => vec!["true", "false"],
        Ok(SettingKind::Choice { of, optional }) => of.iter().copied().chain(optional.then_some("none")).collect(),
        _ => vec![],
    }
}

/// Groups the settings by their names without the last level, as in `profiles.simplejwt`.
fn groups(settings: &[ListedSetting]) -> Vec<(String, Vec<&ListedSetting>)> {
    let mut groups: Vec<(String, Vec<&ListedSetting>)> = Vec::new();
    for listed in settings {
        let of = listed.row.name.rsplit_once('.').map_or(listed.row.name, |(of, _)| of);
        match groups.iter_mut().find(|(known, _)| known == of) {
            Some((_, group)) => group.push(listed),
            None => groups.push((of.to_owned(), vec![listed])),
        }
    }
    groups
}

impl Page for SettingsPage {
    const TEMPLATE: &'static str = "admin/settings.html";

    fn context(&self) -> Value {
        let groups = groups(&self.settings).into_iter().map(|(of, settings)| {
            let profile = of.strip_prefix("profiles.").map(str::to_owned);
            let settings = settings.into_iter().map(|listed| self.setting(listed)).collect::<Value>();
            context! { title => label(&of), profile, id => of, settings }
        });
        let unknown = self.tried.as_ref().filter(|tried| self.settings.iter().all(|each| each.row.name != tried.name));
        let problem = unknown.map(|tried| tried.problem.as_str());
        context! { groups => groups.collect::<Value>(), problem, has_problem => self.tried.is_some() }
    }

    fn samples() -> Vec<Self> {
        let changed = |name: &str| {
            let at = Timestamp::from_unix(1_700_000_000);
            (name == "sessions.max_age").then(|| SettingChange { name: name.to_owned(), at, by: "<b>anna".to_owned() })
        };
        let listed = |row: SettingRow| ListedSetting {
            changed: changed(row.name),
            about: "what it does",
            allowed: "1 to 300 seconds, or none".to_owned(),
            row,
        };
        let page = |tried| Self { settings: Settings::default().rows().into_iter().map(listed).collect(), tried };
        let tried = |name: &str| {
            let problem = "This must be 1 to 7776000 seconds (write 5m for 300).".to_owned();
            Some(RejectedChange { name: name.to_owned(), value: "<b>".to_owned(), problem })
        };
        vec![page(None), page(tried("profiles.jwt_issuer.access_lifetime")), page(tried("none.such"))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_displayed_in_larger_units() {
        let texts = [0, 59, 90, 300, 5400, 86_400, 129_600, 2_592_000].map(in_units);
        assert_eq!(texts, ["0 s", "59 s", "1 min 30 s", "5 min", "1 h 30 min", "24 h", "1 day 12 h", "30 days"]);
    }

    #[test]
    fn every_setting_is_in_one_group() {
        let page = SettingsPage::samples().remove(0);
        let groups = groups(&page.settings);
        assert_eq!(groups.iter().map(|(_, of)| of.len()).sum::<usize>(), page.settings.len());
        assert_eq!(groups[0].0, "profiles.jwt_issuer");
        assert_eq!(groups.iter().find(|(of, _)| of == "profiles.simplejwt").map(|(_, of)| of.len()), Some(8));
    }
}
