//! The values of the forms for users, and the error of each field.

use minijinja::context;
use minijinja::value::Value;

use super::display::email;
use crate::domain::claims::{Claims, ClaimsError};
use crate::domain::field::{Field, FieldProblem};
use crate::domain::role::{Role, Roles};
use crate::domain::strict_json;
use crate::domain::user::{Email, RealName, User, Username};
use crate::http::extract::body::JsonBody;
use crate::http::format::sentence;
use crate::http::web::form_problem::{field_problem, form_problem};
use crate::http::web::page_error::PageError;
use crate::issuer::Refusal;
use crate::issuer::users::UserNames;

/// A field of a form.
#[derive(Clone, Debug, Default)]
pub struct FormField {
    /// The value.
    pub value: String,
    /// The error as a sentence. Empty if the value is valid.
    pub error: String,
}

impl FormField {
    fn of(text: impl Into<String>) -> Self {
        Self { value: text.into(), error: String::new() }
    }

    fn read(form: &mut JsonBody, name: &str) -> Self {
        Self::of(form.text_or_empty(name))
    }

    /// Returns the parsed value, or stores the error in the field.
    fn check<T>(&mut self, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|error| self.error = error).ok()
    }

    fn context(&self) -> Value {
        context! { value => &self.value, error => &self.error }
    }
}

/// User name and e-mail address, in the forms for a new and for an existing user.
#[derive(Clone, Debug, Default)]
pub struct NameForm {
    /// The user name.
    pub username: FormField,
    /// The e-mail address. May be empty.
    pub email: FormField,
}

impl NameForm {
    /// Reads the submitted form.
    pub fn read(form: &mut JsonBody) -> Self {
        Self { username: FormField::read(form, "username"), email: FormField::read(form, "email") }
    }

    /// Parses user name and e-mail address. `None` if a field is not valid; the field then contains the error.
    pub fn parse(&mut self) -> Option<(Username, Option<Email>)> {
        let username = Username::parse(&self.username.value).map_err(|problem| field_problem(Field::Username, problem));
        let username = self.username.check(username);
        let email = match self.email.value.trim() {
            "" => Ok(None),
            text => Email::parse(text).map(Some).map_err(|problem| field_problem(Field::Email, problem)),
        };
        let email = self.email.check(email);
        username.zip(email)
    }

    /// Assigns a refusal to the field that caused it. Refusals without a field become an error page.
    pub fn assign_refusal(&mut self, refusal: Refusal) -> Result<(), PageError> {
        let concerns_email = match &refusal {
            Refusal::Taken(field) => *field == Field::Email,
            Refusal::Invalid(problems) => problems.iter().any(|(field, _)| *field == Field::Email),
            _ => return Err(refusal.into()),
        };
        let message = form_problem(&refusal).unwrap_or_default();
        if concerns_email {
            self.email.error = message;
        } else {
            self.username.error = message;
        }
        Ok(())
    }

    /// The template context.
    pub fn context(&self) -> Value {
        context! { username => self.username.context(), email => self.email.context() }
    }
}

/// The form for user name, e-mail address and real name.
#[derive(Clone, Debug, Default)]
pub struct EditForm {
    /// User name and e-mail address.
    pub names: NameForm,
    /// Whether a changed address is verified.
    pub email_verified: bool,
    /// Given name.
    pub first_name: FormField,
    /// Family name.
    pub last_name: FormField,
}

impl EditForm {
    /// The current values of a user.
    pub fn of(user: &User) -> Self {
        Self {
            names: NameForm { username: FormField::of(user.username.as_str()), email: FormField::of(email(user)) },
            email_verified: false,
            first_name: FormField::of(&user.first_name),
            last_name: FormField::of(&user.last_name),
        }
    }

    /// Reads the submitted form.
    pub fn read(form: &mut JsonBody) -> Self {
        let names = NameForm::read(form);
        let email_verified = form.text_or_empty("email_verified") == "on";
        Self {
            names,
            email_verified,
            first_name: FormField::read(form, "first_name"),
            last_name: FormField::read(form, "last_name"),
        }
    }

    /// Parses the change. `None` if a field is not valid; the field then contains the error.
    pub fn parse(&mut self) -> Option<UserNames> {
        let names = self.names.parse();
        let real_name = |label: &str, field: &mut FormField| {
            let parsed = RealName::parse(&field.value).map_err(|problem| format!("{label} {problem}."));
            field.check(parsed)
        };
        let first_name = real_name("The first name", &mut self.first_name);
        let last_name = real_name("The last name", &mut self.last_name);
        let ((username, email), (first_name, last_name)) = names.zip(first_name.zip(last_name))?;
        Some(UserNames { username, email, email_verified: self.email_verified, first_name, last_name })
    }

    /// The template context.
    pub fn context(&self) -> Value {
        let Self { names, email_verified, first_name, last_name } = self;
        context! { names => names.context(), email_verified, first_name => first_name.context(), last_name => last_name.context() }
    }
}

/// The form for the roles and the other claims of a user.
#[derive(Clone, Debug, Default)]
pub struct ClaimsForm {
    /// The claim `role`.
    pub role: FormField,
    /// The claim `roles`, separated by commas.
    pub roles: FormField,
    /// All other claims, as JSON.
    pub rest: FormField,
}

impl ClaimsForm {
    /// The current claims of a user.
    pub fn of(user: &User) -> Self {
        let (roles, rest) = Roles::split(&user.claims);
        let list: Vec<&str> = roles.roles.iter().map(Role::as_str).collect();
        let rest = if rest.is_empty() { String::new() } else { pretty_json(&rest) };
        Self {
            role: FormField::of(roles.role.as_ref().map_or("", Role::as_str)),
            roles: FormField::of(list.join(", ")),
            rest: FormField::of(rest),
        }
    }

    /// Reads the submitted form.
    pub fn read(form: &mut JsonBody) -> Self {
        let mut read = |name| FormField::read(form, name);
        Self { role: read("role"), roles: read("roles"), rest: read("rest") }
    }

    /// Parses the claims. `None` if a field is not valid; the field then contains the error.
    pub fn parse(&mut self) -> Option<Claims> {
        let role = match self.role.value.trim() {
            "" => Ok(None),
            text => Role::parse(text).map(Some).map_err(|problem| role_problem("The role", problem)),
        };
        let role = self.role.check(role);
        let roles = Roles::parse_list(&self.roles.value).map_err(|problem| role_problem("Each role", problem));
        let roles = self.roles.check(roles);
        let rest = parse_other_claims(self.rest.value.trim());
        let ((role, roles), rest) = role.zip(roles).zip(self.rest.check(rest))?;
        let duplicate = rest.iter().map(|(name, _)| name.as_str()).find(|name| match *name {
            "role" => role.is_some(),
            "roles" => !roles.is_empty(),
            _ => false,
        });
        if let Some(name) = duplicate {
            self.rest.error =
                format!("The claim {name} has its own field above. Enter it in only one of the two fields.");
            return None;
        }
        let merged = Roles { role, roles }.merge(&rest).map_err(|error| claims_problem(&error));
        self.rest.check(merged)
    }

    /// The template context.
    pub fn context(&self) -> Value {
        context! { role => self.role.context(), roles => self.roles.context(), rest => self.rest.context() }
    }
}

/// Parses the other claims. White space outside strings does not count towards their maximum size.
fn parse_other_claims(text: &str) -> Result<Claims, String> {
    if text.is_empty() {
        return Ok(Claims::default());
    }
    let parsed = strict_json::parse(text.as_bytes()).map_err(|error| format!("This is not valid JSON: {error}."))?;
    Claims::parse(&parsed.to_string()).map_err(|error| claims_problem(&error))
}

fn role_problem(label: &str, problem: FieldProblem) -> String {
    format!("{label} {problem}.")
}

fn claims_problem(error: &ClaimsError) -> String {
    sentence(&error.to_string())
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
        claims.ok_or_else(|| [form.role, form.roles, form.rest].map(|field| field.error))
    }

    #[test]
    fn each_invalid_claim_is_reported_at_its_field() {
        for (role, roles, rest, index, message) in [
            ("a b", "", "", 0, "The role must not contain spaces"),
            ("", "x\u{7}", "", 1, "Each role must not contain spaces"),
            ("", "", "[1]", 2, "Claims must be a JSON object"),
            ("", "", "{\"a\":1,\"a\":2}", 2, "This is not valid JSON"),
            ("", "", "{\"sub\":\"root\"}", 2, "The claim `sub` is reserved for the issuer"),
            ("x", "", "{\"role\":\"y\"}", 2, "The claim role has its own field"),
            ("", "x", "{\"roles\":[]}", 2, "The claim roles has its own field"),
        ] {
            let errors = parse(role, roles, rest).expect_err(rest);
            assert!(errors[index].starts_with(message), "{errors:?}");
            assert_eq!(errors.iter().filter(|error| error.is_empty()).count(), 2, "{errors:?}");
        }
    }

    #[test]
    fn claims_are_merged_from_three_fields() {
        let claims = parse(" editor ", "x, y", " {\n  \"team\": 7 }");
        assert_eq!(claims.as_deref(), Ok(r#"{"team":7,"role":"editor","roles":["x","y"]}"#));
        assert_eq!(parse("", "", "").as_deref(), Ok("{}"));
    }
}
