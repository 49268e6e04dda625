//! Facebook's `appsecret_proof`: an HMAC which proves that a request with an access token comes from the app to which
//! the token was issued.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

use crate::domain::secret::SecretText;

/// HMAC-SHA256 of the access token with the app's secret, in hexadecimal digits.
pub fn app_secret_proof(app_secret: &SecretText, access_token: &SecretText) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, app_secret.expose().as_bytes());
    let tag = hmac::sign(&key, access_token.expose().as_bytes());
    tag.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_secret_proof_matches_rfc_4231() {
        let secret = |text: &str| SecretText::new(text.to_owned());
        // RFC 4231 §4.3.
        assert_eq!(
            app_secret_proof(&secret("Jefe"), &secret("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
