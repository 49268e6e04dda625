//! What was written into the forms of a user's page, and what is wrong with it, field by field.

use minijinja::context;
use minijinja::value::Value;

use super::super::super::body::JsonBody;
use super::super::door::text;
use super::super::trouble::{Trouble, field_problem, problem, sentence};
use super::email;
use crate::domain::claims::{Claims, ClaimsError};
use crate::domain::field::{Field, Problem};
use crate::domain::role::{Role, Roles};
use crate::domain::strict_json;
use crate::domain::user::{Email, RealName, User, Username};
use crate::issuer::Refusal;
use crate::issuer::users::Edit;

/// A field as it was filled in.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// What it holds.
    pub text: String,
    /// What is wrong with that, as a sentence; empty where nothing is.
    pub wrong: String,
}

impl Filled {
    fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), wrong: String::new() }
    }

    fn read(form: &mut JsonBody, name: &str) -> Self {
        Self::of(text(form, name))
    }

    /// Takes what was read, or keeps what is wrong.
    fn check<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|wrong| self.wrong = wrong).ok()
    }

    fn told(&self) -> Value {
        context! { text => &self.text, wrong => &self.wrong }
    }
}

/// Name and address: what the forms of a new user and of an old one share.
#[derive(Clone, Debug, Default)]
pub struct NameForm {
    /// The name to sign in with.
    pub username: Filled,
    /// The address; may be empty.
    pub email: Filled,
}

impl NameForm {
    /// As it was sent.
    pub fn read(form: &mut JsonBody) -> Self {
        Self { username: Filled::read(form, "username"), email: Filled::read(form, "email") }
    }

    /// Name and address; None where one of them can't be.
    pub fn parse(&mut self) -> Option<(Username, Option<Email>)> {
        let username = Username::parse(&self.username.text).map_err(|wrong| field_problem(Field::Username, wrong));
        let username = self.username.check(username);
        let email = match self.email.text.trim() {
            "" => Ok(None),
            text => Email::parse(text).map(Some).map_err(|wrong| field_problem(Field::Email, wrong)),
        };
        let email = self.email.check(email);
        username.zip(email)
    }

    /// Puts a refusal beside the field it is about; the others are pages of their own.
    pub fn blame(&mut self, refusal: Refusal) -> Result<(), Trouble> {
        let about_email = match &refusal {
            Refusal::Taken(field) => *field == Field::Email,
            Refusal::Invalid(problems) => problems.iter().any(|(field, _)| *field == Field::Email),
            _ => return Err(refusal.into()),
        };
        let said = problem(&refusal).unwrap_or_default();
        if about_email {
            self.email.wrong = said;
        } else {
            self.username.wrong = said;
        }
        Ok(())
    }

    /// What its template is told.
    pub fn told(&self) -> Value {
        context! { username => self.username.told(), email => self.email.told() }
    }
}

/// Name, address and real names.
#[derive(Clone, Debug, Default)]
pub struct EditForm {
    /// What is unique.
    pub names: NameForm,
    /// Given name.
    pub first_name: Filled,
    /// Family name.
    pub last_name: Filled,
}

impl EditForm {
    /// As the user is.
    pub fn of(user: &User) -> Self {
        Self {
            names: NameForm { username: Filled::of(user.username.as_str()), email: Filled::of(email(user)) },
            first_name: Filled::of(&user.first_name),
            last_name: Filled::of(&user.last_name),
        }
    }

    /// As it was sent.
    pub fn read(form: &mut JsonBody) -> Self {
        let names = NameForm::read(form);
        Self { names, first_name: Filled::read(form, "first_name"), last_name: Filled::read(form, "last_name") }
    }

    /// The change; None where a field can't be.
    pub fn parse(&mut self) -> Option<Edit> {
        let names = self.names.parse();
        let real = |what: &str, filled: &mut Filled| {
            let read = RealName::parse(&filled.text).map_err(|wrong| format!("The {what} name {wrong}."));
            filled.check(read)
        };
        let (first, last) = (real("first", &mut self.first_name), real("last", &mut self.last_name));
        let ((username, email), (first_name, last_name)) = names.zip(first.zip(last))?;
        Some(Edit { username, email, first_name, last_name })
    }

    /// What its template is told.
    pub fn told(&self) -> Value {
        context! { names => self.names.told(), first_name => self.first_name.told(), last_name => self.last_name.told() }
    }
}

/// Roles, and the claims besides.
#[derive(Clone, Debug, Default)]
pub struct ClaimsForm {
    /// The claim `role`.
    pub role: Filled,
    /// The claim `roles`, parted by commas.
    pub roles: Filled,
    /// All others, as JSON.
    pub rest: Filled,
}

impl ClaimsForm {
    /// As the user's are.
    pub fn of(user: &User) -> Self {
        let (roles, rest) = Roles::take(&user.claims);
        let list: Vec<&str> = roles.roles.iter().map(Role::as_str).collect();
        let rest = if rest.is_empty() { String::new() } else { pretty(&rest) };
        Self {
            role: Filled::of(roles.role.as_ref().map_or("", Role::as_str)),
            roles: Filled::of(list.join(", ")),
            rest: Filled::of(rest),
        }
    }

    /// As it was sent.
    pub fn read(form: &mut JsonBody) -> Self {
        let mut read = |name| Filled::read(form, name);
        Self { role: read("role"), roles: read("roles"), rest: read("rest") }
    }

    /// The claims; None where they can't be.
    pub fn parse(&mut self) -> Option<Claims> {
        let role = match self.role.text.trim() {
            "" => Ok(None),
            text => Role::parse(text).map(Some).map_err(|wrong| role_problem("The role", wrong)),
        };
        let role = self.role.check(role);
        let roles = Roles::parse_list(&self.roles.text).map_err(|wrong| role_problem("Each role", wrong));
        let roles = self.roles.check(roles);
        let rest = rest(self.rest.text.trim());
        let ((role, roles), rest) = role.zip(roles).zip(self.rest.check(rest))?;
        let twice = rest.iter().map(|(name, _)| name.as_str()).find(|name| match *name {
            "role" => role.is_some(),
            "roles" => !roles.is_empty(),
            _ => false,
        });
        if let Some(name) = twice {
            self.rest.wrong = format!("The claim {name} has a field of its own above: empty one of the two.");
            return None;
        }
        let whole = Roles { role, roles }.put(&rest).map_err(|wrong| claims_problem(&wrong));
        self.rest.check(whole)
    }

    /// What its template is told.
    pub fn told(&self) -> Value {
        context! { role => self.role.told(), roles => self.roles.told(), rest => self.rest.told() }
    }
}

/// Reads the other claims. White space between them doesn't count towards their size.
fn rest(text: &str) -> Result<Claims, String> {
    if text.is_empty() {
        return Ok(Claims::default());
    }
    let parsed = strict_json::parse(text.as_bytes()).map_err(|error| format!("This is no JSON: {error}."))?;
    Claims::parse(&parsed.to_string()).map_err(|wrong| claims_problem(&wrong))
}

fn role_problem(what: &str, wrong: Problem) -> String {
    match wrong {
        Problem::Unprintable => format!("{what} must have no spaces, commas or control characters."),
        _ => format!("{what} {wrong}."),
    }
}

fn claims_problem(wrong: &ClaimsError) -> String {
    sentence(&wrong.to_string())
}

fn pretty(claims: &Claims) -> String {
    serde_json::to_string_pretty(claims).unwrap_or_else(|_| claims.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(role: &str, roles: &str, rest: &str) -> Result<String, [String; 3]> {
        let mut form = ClaimsForm { role: Filled::of(role), roles: Filled::of(roles), rest: Filled::of(rest) };
        let claims = form.parse().map(|claims| claims.to_json());
        claims.ok_or_else(|| [form.role, form.roles, form.rest].map(|filled| filled.wrong))
    }

    #[test]
    fn each_wrong_claim_is_told_at_its_field() {
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
    fn claims_come_from_three_fields() {
        let made = parse(" editor ", "x, y", " {\n  \"team\": 7 }");
        assert_eq!(made.as_deref(), Ok(r#"{"team":7,"role":"editor","roles":["x","y"]}"#));
        assert_eq!(parse("", "", "").as_deref(), Ok("{}"));
    }
}
