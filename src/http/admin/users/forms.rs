//! What was written into the forms of a user's page, and what is wrong with it, field by field.

use minijinja::context;
use minijinja::value::Value;

use super::email;
use crate::domain::claims::{Claims, ClaimsError};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::role::{Role, Roles};
use crate::domain::strict_json;
use crate::domain::user::{Email, RealName, User, Username};
use crate::http::admin::page_error::{PageError, field_problem, problem, sentence};
use crate::http::admin::sign_in::text;
use crate::http::body::JsonBody;
use crate::issuer::Refusal;
use crate::issuer::users::UserNames;

/// A field as it was filled in.
#[derive(Clone, Debug, Default)]
pub struct FormField {
    /// What it holds.
    pub value: String,
    /// What is wrong with that, as a sentence; empty where nothing is.
    pub error: String,
}

impl FormField {
    fn of(text: impl Into<String>) -> Self {
        Self { value: text.into(), error: String::new() }
    }

    fn read(form: &mut JsonBody, name: &str) -> Self {
        Self::of(text(form, name))
    }

    /// Takes what was read, or keeps what is wrong.
    fn check<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|wrong| self.error = wrong).ok()
    }

    fn context(&self) -> Value {
        context! { value => &self.value, error => &self.error }
    }
}

/// Name and address: what the forms of a new user and of an old one share.
#[derive(Clone, Debug, Default)]
pub struct NameForm {
    /// The name to sign in with.
    pub username: FormField,
    /// The address; may be empty.
    pub email: FormField,
}

impl NameForm {
    /// As it was sent.
    pub fn read(form: &mut JsonBody) -> Self {
        Self { username: FormField::read(form, "username"), email: FormField::read(form, "email") }
    }

    /// Name and address; None where one of them can't be.
    pub fn parse(&mut self) -> Option<(Username, Option<Email>)> {
        let username = Username::parse(&self.username.value).map_err(|wrong| field_problem(Field::Username, wrong));
        let username = self.username.check(username);
        let email = match self.email.value.trim() {
            "" => Ok(None),
            text => Email::parse(text).map(Some).map_err(|wrong| field_problem(Field::Email, wrong)),
        };
        let email = self.email.check(email);
        username.zip(email)
    }

    /// Puts a refusal beside the field it is about; the others are pages of their own.
    pub fn assign_refusal(&mut self, refusal: Refusal) -> Result<(), PageError> {
        let about_email = match &refusal {
            Refusal::Taken(field) => *field == Field::Email,
            Refusal::Invalid(problems) => problems.iter().any(|(field, _)| *field == Field::Email),
            _ => return Err(refusal.into()),
        };
        let said = problem(&refusal).unwrap_or_default();
        if about_email {
            self.email.error = said;
        } else {
            self.username.error = said;
        }
        Ok(())
    }

    /// What its template is told.
    pub fn context(&self) -> Value {
        context! { username => self.username.context(), email => self.email.context() }
    }
}

/// Name, address and real names.
#[derive(Clone, Debug, Default)]
pub struct EditForm {
    /// What is unique.
    pub names: NameForm,
    /// Given name.
    pub first_name: FormField,
    /// Family name.
    pub last_name: FormField,
}

impl EditForm {
    /// As the user is.
    pub fn of(user: &User) -> Self {
        Self {
            names: NameForm { username: FormField::of(user.username.as_str()), email: FormField::of(email(user)) },
            first_name: FormField::of(&user.first_name),
            last_name: FormField::of(&user.last_name),
        }
    }

    /// As it was sent.
    pub fn read(form: &mut JsonBody) -> Self {
        let names = NameForm::read(form);
        Self { names, first_name: FormField::read(form, "first_name"), last_name: FormField::read(form, "last_name") }
    }

    /// The change; None where a field can't be.
    pub fn parse(&mut self) -> Option<UserNames> {
        let names = self.names.parse();
        let real = |what: &str, filled: &mut FormField| {
            let read = RealName::parse(&filled.value).map_err(|wrong| format!("The {what} name {wrong}."));
            filled.check(read)
        };
        let first = real("first", &mut self.first_name);
        let last = real("last", &mut self.last_name);
        let ((username, email), (first_name, last_name)) = names.zip(first.zip(last))?;
        Some(UserNames { username, email, first_name, last_name })
    }

    /// What its template is told.
    pub fn context(&self) -> Value {
        context! { names => self.names.context(), first_name => self.first_name.context(), last_name => self.last_name.context() }
    }
}

/// Roles, and the claims besides.
#[derive(Clone, Debug, Default)]
pub struct ClaimsForm {
    /// The claim `role`.
    pub role: FormField,
    /// The claim `roles`, parted by commas.
    pub roles: FormField,
    /// All others, as JSON.
    pub rest: FormField,
}

impl ClaimsForm {
    /// As the user's are.
    pub fn of(user: &User) -> Self {
        let (roles, rest) = Roles::take(&user.claims);
        let list: Vec<&str> = roles.roles.iter().map(Role::as_str).collect();
        let rest = if rest.is_empty() { String::new() } else { pretty_json(&rest) };
        Self {
            role: FormField::of(roles.role.as_ref().map_or("", Role::as_str)),
            roles: FormField::of(list.join(", ")),
            rest: FormField::of(rest),
        }
    }

    /// As it was sent.
    pub fn read(form: &mut JsonBody) -> Self {
        let mut read = |name| FormField::read(form, name);
        Self { role: read("role"), roles: read("roles"), rest: read("rest") }
    }

    /// The claims; None where they can't be.
    pub fn parse(&mut self) -> Option<Claims> {
        let role = match self.role.value.trim() {
            "" => Ok(None),
            text => Role::parse(text).map(Some).map_err(|wrong| role_problem("The role", wrong)),
        };
        let role = self.role.check(role);
        let roles = Roles::parse_list(&self.roles.value).map_err(|wrong| role_problem("Each role", wrong));
        let roles = self.roles.check(roles);
        let rest = parse_other_claims(self.rest.value.trim());
        let ((role, roles), rest) = role.zip(roles).zip(self.rest.check(rest))?;
        let twice = rest.iter().map(|(name, _)| name.as_str()).find(|name| match *name {
            "role" => role.is_some(),
            "roles" => !roles.is_empty(),
            _ => false,
        });
        if let Some(name) = twice {
            self.rest.error = format!("The claim {name} has a field of its own above: empty one of the two.");
            return None;
        }
        let whole = Roles { role, roles }.put(&rest).map_err(|wrong| claims_problem(&wrong));
        self.rest.check(whole)
    }

    /// What its template is told.
    pub fn context(&self) -> Value {
        context! { role => self.role.context(), roles => self.roles.context(), rest => self.rest.context() }
    }
}

/// Reads the other claims. White space between them doesn't count towards their size.
fn parse_other_claims(text: &str) -> Result<Claims, String> {
    if text.is_empty() {
        return Ok(Claims::default());
    }
    let parsed = strict_json::parse(text.as_bytes()).map_err(|error| format!("This is no JSON: {error}."))?;
    Claims::parse(&parsed.to_string()).map_err(|wrong| claims_problem(&wrong))
}

fn role_problem(what: &str, wrong: FieldProblem) -> String {
    match wrong {
        FieldProblem::Unprintable => format!("{what} must have no spaces, commas or control characters."),
        _ => format!("{what} {wrong}."),
    }
}

fn claims_problem(wrong: &ClaimsError) -> String {
    sentence(&wrong.to_string())
}

fn pretty_json(claims: &Claims) -> String {
    serde_json::to_string_pretty(claims).unwrap_or_else(|_| claims.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(role: &str, roles: &str, rest: &str) -> Result<String, [String; 3]> {
        let mut form = ClaimsForm { role: FormField::of(role), roles: FormField::of(roles), rest: FormField::of(rest) };
        let claims = form.parse().map(|claims| claims.to_json());
        claims.ok_or_else(|| [form.role, form.roles, form.rest].map(|filled| filled.error))
    }

    #[test]
    fn each_invalid_claim_is_reported_at_its_field() {
        for (role, roles, rest, place, said) in [
            ("a b", "", "", 0, "The role must have no spaces"),
            ("", "x\u{7}", "", 1, "Each role must have no spaces"),
            ("", "", "[1]", 2, "Claims must be one JSON object"),
            ("", "", "{\"a\":1,\"a\":2}", 2, "This is no JSON"),
            ("", "", "{\"sub\":\"root\"}", 2, "The claim `sub` is the issuer's own"),
            ("x", "", "{\"role\":\"y\"}", 2, "The claim role has a field of its own"),
            ("", "x", "{\"roles\":[]}", 2, "The claim roles has a field of its own"),
        ] {
            let wrong = parse(role, roles, rest).expect_err(rest);
            assert!(wrong[place].starts_with(said), "{wrong:?}");
            assert_eq!(wrong.iter().filter(|wrong| wrong.is_empty()).count(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn claims_are_merged_from_three_fields() {
        let made = parse(" editor ", "x, y", " {\n  \"team\": 7 }");
        assert_eq!(made.as_deref(), Ok(r#"{"team":7,"role":"editor","roles":["x","y"]}"#));
        assert_eq!(parse("", "", "").as_deref(), Ok("{}"));
    }
}
