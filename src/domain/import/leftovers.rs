//! Counts what an import leaves behind: names and numbers, never values.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// What was found about users that is not imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// The fields of users, each with the number of users for whom it is set, in order of appearance.
    pub fields: Vec<(String, u64)>,
    /// The other tables or models that refer to users, each with its number of rows.
    pub tables: Vec<(String, u64)>,
}

impl Leftovers {
    /// Counts the fields of a user that are set and not in `imported`.
    pub fn add_user(&mut self, fields: &Map<String, Value>, imported: &[&str]) {
        for (name, value) in fields {
            if !imported.contains(&name.as_str()) && is_set(value) {
                count(&mut self.fields, name);
            }
        }
    }

    /// Counts a row of another table or model that refers to a user.
    pub fn add_row(&mut self, table: &str) {
        count(&mut self.tables, table);
    }
}

fn count(counts: &mut Vec<(String, u64)>, name: &str) {
    match counts.iter_mut().find(|(known, _)| known == name) {
        Some((_, count)) => *count += 1,
        None => counts.push((name.to_owned(), 1)),
    }
}

fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// `groups (3 users), phone (1 user); tables auth_user_groups (7 rows)`. Empty if nothing is left behind.
impl fmt::Display for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &[(String, u64)], noun: &str| {
            let all = counts.iter().filter(|(_, count)| *count > 0);
            let all = all.map(|(name, count)| format!("{name} ({count} {noun}{})", if *count == 1 { "" } else { "s" }));
            all.collect::<Vec<_>>().join(", ")
        };
        let fields = list(&self.fields, "user");
        let tables = list(&self.tables, "row");
        match (fields.is_empty(), tables.is_empty()) {
            (_, true) => f.write_str(&fields),
            (true, false) => write!(f, "tables {tables}"),
            (false, false) => write!(f, "{fields}; tables {tables}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn set_fields_are_counted_and_named_without_values() {
        let mut leftovers = Leftovers::default();
        for user in [
            json!({"username": "ann", "groups": [1], "phone": "", "age": 0, "note": null}),
            json!({"username": "bob", "groups": [], "phone": "5551234", "age": 7}),
        ] {
            leftovers.add_user(user.as_object().expect("an object"), &["username"]);
        }
        leftovers.add_row("token");
        leftovers.add_row("token");
        assert_eq!(leftovers.to_string(), "groups (1 user), age (2 users), phone (1 user); tables token (2 rows)");
        assert_eq!(Leftovers::default().to_string(), "");
    }
}
