//! Detects passwords that attackers guess first: a listed word, a word of the user's own data, or a keyboard pattern.
//! Words are also detected with digits and signs added at the start or end, or with letters replaced by them.
//!
//! This is not an estimate of strength: a password that is not detected may still be weak.

/// The list: sorted, one word per line. Lines that begin with `#` name its source and licence.
const COMMON_WORDS: &str = include_str!("common_passwords.txt");
/// The minimum length, in characters, of a word of the user's data that makes a password common.
const OWN_WORD_MIN: usize = 4;
/// The maximum length, in characters, of a piece whose repetition is a pattern.
const PIECE_MAX: usize = 4;
/// Sequences of neighbouring keys, and the digits and the letters in order.
const KEYBOARD_SEQUENCES: [&str; 6] =
    ["01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm"];

/// Whether attackers would guess the password early. `user_data` is the known data of the user, such as name and
/// address.
pub fn is_common(password: &str, user_data: &[&str]) -> bool {
    let lower = password.to_lowercase();
    let plain = plain_letters(&lower);
    let spellings = [&*lower, trimmed_word(&lower), &*plain, trimmed_word(&plain)];
    is_pattern(&lower) || is_user_data(&spellings, user_data) || is_listed(&spellings)
}

fn is_listed(spellings: &[&str]) -> bool {
    COMMON_WORDS.lines().filter(|line| !line.starts_with('#')).any(|word| spellings.contains(&word))
}

/// Whether the password is a text of `user_data` or a word of such a text. An address is split into words, too.
fn is_user_data(spellings: &[&str], user_data: &[&str]) -> bool {
    user_data.iter().map(|text| text.to_lowercase()).any(|text| {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= OWN_WORD_MIN);
        words.chain([&*text]).any(|word| spellings.contains(&word))
    })
}

/// The text without leading and trailing digits and signs, which users add to a word to satisfy password rules.
fn trimmed_word(text: &str) -> &str {
    text.trim_matches(|c: char| !c.is_alphabetic())
}

/// The text with digits and signs replaced by the letters that they resemble.
fn plain_letters(text: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

/// Whether the text is a repeated short piece, or part of a row of [`KEYBOARD_SEQUENCES`] in either direction.
fn is_pattern(lower: &str) -> bool {
    let text: Vec<char> = lower.chars().collect();
    let repeats = |piece: usize| text.iter().skip(piece).eq(text.iter().take(text.len().saturating_sub(piece)));
    let reversed: String = text.iter().rev().collect();
    let is_in_row = KEYBOARD_SEQUENCES.iter().any(|row| row.contains(lower) || row.contains(&reversed));
    (1..=PIECE_MAX.min(text.len() / 2)).any(repeats) || is_in_row
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER_DATA: [&str; 2] = ["annabella", "anna.bell-tower@example.org"];

    #[test]
    fn listed_common_passwords_are_found() {
        for common in
            ["password", "12345678", "iloveyou", "Password1", "P@ssw0rd!", "1qaz2wsx", "dragon2024", "!!monkey!!"]
        {
            assert!(is_common(common, &USER_DATA), "{common}");
        }
    }

    #[test]
    fn passwords_made_of_the_users_data_are_found() {
        for own in ["annabella", "Annabella1999", "anna.bell-tower@example.org", "tower123", "@nnab3lla", "example!!"] {
            assert!(is_common(own, &USER_DATA), "{own}");
        }
        assert!(!is_common("annabella", &[]) && !is_common("org-bell-of-anyone", &USER_DATA));
    }

    #[test]
    fn keyboard_patterns_are_found() {
        for pattern in ["aaaaaaaa", "abababab", "xyz1xyz1xyz1", "cdefghij", "98765432", "POIUYTREWQ", "4rfv5tgb"] {
            assert!(is_common(pattern, &[]), "{pattern}");
        }
    }

    #[test]
    fn uncommon_passwords_are_not_found() {
        for other in
            ["correct horse battery staple", "battery staple", "vK3-q9Lw", "zvmrqpou", "sesquipedal", "длинный пароль"]
        {
            assert!(!is_common(other, &USER_DATA), "{other}");
        }
    }

    #[test]
    fn the_password_list_is_sorted_lower_case_and_names_its_source() {
        let words: Vec<&str> = COMMON_WORDS.lines().skip_while(|line| line.starts_with('#')).collect();
        assert!(words.len() > 16_000 && words.is_sorted(), "{}", words.len());
        assert!(words.iter().all(|word| word.len() >= 5 && *word == word.to_lowercase()));
        assert!(COMMON_WORDS.starts_with('#') && COMMON_WORDS.contains("MIT License"));
    }
}
