//! The text by which users are searched, in a column of its own: user name, address, and given and family name.

use rusqlite::{Transaction, params};
use rusqlite_migration::HookResult;

use crate::domain::look_up_key::{look_up_key, search_form};

/// Joins the parts, so that no search matches across two of them. Given and family name are in both orders.
pub(super) fn search_text(username: &str, email: Option<&str>, first_name: &str, last_name: &str) -> String {
    let mut parts = vec![search_form(username)];
    if let Some(email) = email {
        let key = look_up_key(email);
        parts.push(search_form(email));
        // The address with A-labels.
        parts.extend(Some(key).filter(|key| *key != parts[1]));
    }
    parts.push(search_form(&format!("{first_name} {last_name}")));
    if !first_name.is_empty() && !last_name.is_empty() {
        parts.push(search_form(&format!("{last_name} {first_name}")));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Fills the column for the existing users, and creates its index.
pub(super) fn fill_search_text(tx: &Transaction<'_>) -> HookResult {
    let mut users = tx.prepare("SELECT id, username, email, first_name, last_name FROM users")?;
    let mut update = tx.prepare("UPDATE users SET search_text = ?2 WHERE id = ?1")?;
    let mut rows = users.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let [username, first_name, last_name]: [String; 3] = [row.get(1)?, row.get(3)?, row.get(4)?];
        let email: Option<String> = row.get(2)?;
        update.execute(params![id, search_text(&username, email.as_deref(), &first_name, &last_name)])?;
    }
    tx.execute_batch("CREATE INDEX users_search ON users (username_key, search_text, is_active, is_superuser)")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_user_is_searched() {
        let text = search_text("kenji.tanaka", Some("Kenji@MÜNCHEN.example"), "Kenji", "TANAKA");
        for part in ["tanaka", "nji.ta", "kenji@münchen", "xn--mnchen", "kenji tanaka", "tanaka kenji", "i t"] {
            assert!(text.contains(&search_form(part)), "{part} in {text}");
        }
        assert!(!text.contains(&search_form("tanaka kenji@")), "no match across two parts");
        assert_eq!(search_text("ΝΊΚΟΣ", None, "", ""), "νίκοσ");
        assert_eq!(search_text("ann", None, "Ann", ""), "ann\nann");
    }
}
