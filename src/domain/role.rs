//! The roles of a user: the claims `role` and `roles`, which many resource servers read, as separate fields.

use serde_json::Value;

use super::claims::{Claims, ClaimsError};
use super::field::FieldProblem;

/// The maximum length of a role name in characters.
pub const ROLE_MAX: usize = 64;
const ROLE: &str = "role";
const ROLES: &str = "roles";

/// A role name: 1 to [`ROLE_MAX`] characters without control characters, white space and commas. White space and commas
/// separate names in forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role(String);

impl Role {
    /// Parses and checks a role name.
    pub fn parse(text: &str) -> Result<Self, FieldProblem> {
        if text.is_empty() {
            return Err(FieldProblem::Blank);
        }
        if text.chars().count() > ROLE_MAX {
            return Err(FieldProblem::TooLong { max: ROLE_MAX });
        }
        let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || c == ',';
        if text.contains(is_forbidden) { Err(FieldProblem::NotARoleName) } else { Ok(Self(text.to_owned())) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The claims `role` and `roles`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// The claim `role`, a string.
    pub role: Option<Role>,
    /// The claim `roles`, a list of strings. An empty list means that the claim is absent.
    pub roles: Vec<Role>,
}

impl Roles {
    /// Parses a list of role names from a form, separated by commas or white space. Repeated names are kept once.
    pub fn parse_list(text: &str) -> Result<Vec<Role>, FieldProblem> {
        let mut all: Vec<Role> = Vec::new();
        for name in text.split(|c: char| c.is_whitespace() || c == ',').filter(|name| !name.is_empty()) {
            let role = Role::parse(name)?;
            if !all.contains(&role) {
                all.push(role);
            }
        }
        Ok(all)
    }

    /// Splits claims into the roles and the remaining claims. A claim `role` or `roles` that has another form stays in
    /// the remaining claims.
    pub fn split(claims: &Claims) -> (Self, Claims) {
        let mut roles = Self::default();
        let mut rest = serde_json::Map::new();
        for (name, value) in claims.iter() {
            match (name.as_str(), value) {
                (ROLE, Value::String(text)) if Role::parse(text).is_ok() => roles.role = Role::parse(text).ok(),
                (ROLES, Value::Array(list))
                    if !list.is_empty() && list.iter().all(|item| parse_item(item).is_some()) =>
                {
                    roles.roles = list.iter().filter_map(parse_item).collect();
                }
                _ => {
                    rest.insert(name.clone(), value.clone());
                }
            }
        }
        (roles, Claims::from_object(rest))
    }

    /// Adds the roles to claims, replacing claims of the same names, and checks the result.
    pub fn merge(&self, claims: &Claims) -> Result<Claims, ClaimsError> {
        let mut all: serde_json::Map<String, Value> =
            claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(role) = &self.role {
            all.insert(ROLE.to_owned(), role.as_str().into());
        }
        if !self.roles.is_empty() {
            let list = self.roles.iter().map(|role| Value::from(role.as_str())).collect();
            all.insert(ROLES.to_owned(), Value::Array(list));
        }
        Claims::parse(&Value::Object(all).to_string())
    }
}

fn parse_item(item: &Value) -> Option<Role> {
    item.as_str().and_then(|text| Role::parse(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::parse(json).expect("valid claims")
    }

    #[test]
    fn roles_are_split_from_claims_and_merged_back() {
        for json in [
            "{}",
            r#"{"a":1,"role":"editor","roles":["x","y"]}"#,
            r#"{"roles":["admin"]}"#,
            r#"{"role":7,"roles":"admin","b":null}"#,
            r#"{"roles":[]}"#,
            r#"{"roles":["a b"],"role":""}"#,
        ] {
            let (roles, rest) = Roles::split(&claims(json));
            assert_eq!(roles.merge(&rest).map(|all| sorted(&all)), Ok(sorted(&claims(json))), "{json}");
        }
        let (roles, rest) = Roles::split(&claims(r#"{"a":1,"role":"editor","roles":["x","y"]}"#));
        assert_eq!(roles.role.as_ref().map(Role::as_str), Some("editor"));
        assert_eq!((roles.roles.len(), rest.to_json().as_str()), (2, r#"{"a":1}"#));
    }

    fn sorted(claims: &Claims) -> Vec<(String, Value)> {
        let mut all: Vec<_> = claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    #[test]
    fn invalid_names_are_rejected() {
        let names =
            |text: &str| Roles::parse_list(text).map(|all| all.iter().map(|role| role.0.clone()).collect::<Vec<_>>());
        assert_eq!(names(" editor, admin\neditor "), Ok(vec!["editor".to_owned(), "admin".to_owned()]));
        assert_eq!(names(""), Ok(vec![]));
        assert_eq!(names(&"x".repeat(65)), Err(FieldProblem::TooLong { max: 64 }));
        assert_eq!((Role::parse(""), Role::parse("a,b")), (Err(FieldProblem::Blank), Err(FieldProblem::NotARoleName)));
        let many = Roles { role: None, roles: vec![Role("x".repeat(64)); 40] };
        assert_eq!(many.merge(&Claims::default()), Err(ClaimsError::TooLarge));
    }
}
