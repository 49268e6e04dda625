//! Re-encrypts the private halves and the secret.

use super::error::KeyFolderError;
use super::files;
use super::key_folder::{KeyFolder, SECRET};
use crate::crypto::pem;
use crate::crypto::secret_file::SecretFile;
use crate::domain::secret::{SecretBytes, SecretText};
use crate::keys::error::KeySourceError;

impl KeyFolder {
    /// Re-encrypts the secret and every private half with another passphrase, or decrypts them if `new` is `None`.
    /// Returns the number of rewritten private halves. This value keeps the previous passphrase.
    ///
    /// The change may be interrupted and repeated: files that have the new passphrase already are not changed. The
    /// caller must not call [`KeyFolder::load`] before, because after an interrupted change no single passphrase opens
    /// all files.
    pub fn set_passphrase(&self, new: Option<&SecretText>) -> Result<usize, KeySourceError> {
        let locked = self.lock_for_change()?;
        self.check_no_renewal()?;
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
        let secret = self.secret_with_passphrase(new)?;
        for (kid, text) in &rewritten {
            files::replace(self.path(), &files::key_file(kid), text.as_bytes())?;
        }
        if let Some(text) = secret {
            files::replace(self.path(), SECRET, text.expose())?;
        }
        Ok(rewritten.len())
    }

    /// The secret as it is stored with the passphrase `new`. `None` if it is stored like this already.
    fn secret_with_passphrase(&self, new: Option<&SecretText>) -> Result<Option<SecretBytes>, KeyFolderError> {
        let content = self.secret_content()?;
        if SecretFile::read(&content, new).is_ok_and(|file| file.is_stored_for(new)) {
            return Ok(None);
        }
        self.secret_text(&self.secret_file()?.secret, new).map(Some)
    }
}
