//! Re-encrypts the private halves.

use super::files;
use super::key_folder::KeyFolder;
use crate::crypto::pem;
use crate::domain::secret::SecretText;
use crate::keys::error::KeySourceError;

impl KeyFolder {
    /// Re-encrypts every private half with another passphrase, or decrypts it if `new` is `None`. Returns the number of
    /// rewritten files. This value keeps the previous passphrase.
    ///
    /// The change may be interrupted and repeated: files that have the new passphrase already are not changed. The
    /// caller must not call [`KeyFolder::load`] before, because after an interrupted change no single passphrase opens
    /// all files.
    pub fn set_passphrase(&self, new: Option<&SecretText>) -> Result<usize, KeySourceError> {
        let locked = self.lock_for_change()?;
        let mut rewritten = Vec::new();
        // All files are opened before the first is written, so that a wrong passphrase changes nothing.
        for kid in locked.kids_with_private_half() {
            let text = self.private_text(kid)?;
            let is_done = pem::read(text.expose(), new).is_ok_and(|opened| opened.encrypted == new.is_some());
            if !is_done {
                let (pair, _) = self.private_half(kid)?;
                let text = pem::write(&pair.to_pkcs8_der()?, new, &self.random).map_err(KeySourceError::Encode)?;
                rewritten.push((kid, text));
            }
        }
        for (kid, text) in &rewritten {
            files::replace(self.path(), &files::key_file(kid), text.as_bytes())?;
        }
        Ok(rewritten.len())
    }
}
