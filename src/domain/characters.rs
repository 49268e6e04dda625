//! Characters that names must not contain.

/// Whether the character is a control character, or an invisible character (from Unicode categories `Cf`, `Zl` and
/// `Zp`) that can make two different names look equal.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether the character has the property `Default_Ignorable_Code_Point` (Unicode 17): it is usually not displayed, so
/// two different names can look equal. Includes the variation selectors of emoji.
pub fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ignorable_code_points_are_recognised() {
        for c in "\u{34f}\u{61c}\u{115f}\u{1160}\u{17b5}\u{180b}\u{180e}\u{200d}\u{3164}\u{fe00}\u{fe0f}\u{ffa0}\u{fff0}\u{1bca0}\u{1d173}\u{e0001}\u{e0100}\u{e0fff}".chars() {
            assert!(is_ignorable(c), "{c:?}");
        }
        for c in "\u{2764}\u{1f600}\u{fffc}\u{1161}\u{3165}\u{e01}a".chars() {
            assert!(!is_ignorable(c), "{c:?}");
        }
    }
}
