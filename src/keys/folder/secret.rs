//! The file `secret`: reads it, and encrypts it if there is a passphrase. Its content is parsed and written by
//! `crypto::secret_file`.

use std::path::PathBuf;

use super::error::KeyFolderError;
use super::files;
use super::key_folder::{KeyFolder, NEXT_SECRET, SECRET};
use crate::crypto::derive::DerivedKeys;
use crate::crypto::secret_file::{self, SecretFile, SecretFileError};
use crate::domain::secret::{SecretBytes, SecretText};

impl KeyFolder {
    pub(super) fn secret_path(&self) -> PathBuf {
        self.path().join(SECRET)
    }

    /// Reads the secret with the configured passphrase.
    pub(super) fn secret_file(&self) -> Result<SecretFile, KeyFolderError> {
        SecretFile::read(&self.secret_content()?, self.options.passphrase.as_ref())
            .map_err(|problem| self.secret_error(problem))
    }

    pub(super) fn secret_content(&self) -> Result<SecretBytes, KeyFolderError> {
        let missing = || KeyFolderError::SecretMissing(self.secret_path());
        self.read_file(&self.secret_path()).map_err(|error| files::map_not_found(error, missing))
    }

    /// The content of a file for the secret, encrypted if there is a passphrase. Slow with a passphrase (scrypt).
    pub(super) fn secret_text(
        &self,
        secret: &SecretBytes,
        passphrase: Option<&SecretText>,
    ) -> Result<SecretBytes, KeyFolderError> {
        secret_file::write(secret, passphrase, &self.random).map_err(|problem| self.secret_error(problem))
    }

    pub(super) fn secret_error(&self, problem: SecretFileError) -> KeyFolderError {
        KeyFolderError::Secret { path: self.secret_path(), problem }
    }

    /// The content that a copy of the secret has: that of the file, but encrypted if there is a passphrase.
    pub(super) fn secret_for_copy(&self) -> Result<SecretBytes, KeyFolderError> {
        let passphrase = self.options.passphrase.as_ref();
        match self.secret_file() {
            Ok(file) if passphrase.is_some() && !file.encrypted => self.secret_text(&file.secret, passphrase),
            Ok(_) => self.secret_content(),
            Err(error) if error.needs_passphrase() => self.secret_content(),
            Err(error) => Err(error),
        }
    }

    /// Encrypts an unencrypted secret if there is a passphrase: a passphrase may be set later, and earlier versions did
    /// not encrypt the secret. Changes nothing if the passphrase does not open every private half.
    pub(super) fn encrypt_secret(&self) -> Result<(), KeyFolderError> {
        if self.options.passphrase.is_none() || self.secret_file()?.encrypted {
            return Ok(());
        }
        let locked = self.lock_for_change()?;
        for kid in locked.kids_with_private_half() {
            self.private_half(kid)?;
        }
        self.encrypt_secret_under_lock()
    }

    /// As [`KeyFolder::encrypt_secret`], without checking the passphrase. The caller holds the write lock.
    pub(super) fn encrypt_secret_under_lock(&self) -> Result<(), KeyFolderError> {
        let Some(passphrase) = &self.options.passphrase else { return Ok(()) };
        let file = self.secret_file()?;
        if !file.encrypted {
            let text = self.secret_text(&file.secret, Some(passphrase))?;
            files::replace(self.path(), SECRET, text.expose())?;
        }
        Ok(())
    }

    /// Rejects a folder in which a renewal of the secret is not complete: its database has data of both secrets.
    pub(super) fn check_no_renewal(&self) -> Result<(), KeyFolderError> {
        if self.path().join(NEXT_SECRET).exists() {
            return Err(KeyFolderError::Renewal(self.path().to_owned()));
        }
        Ok(())
    }

    /// Begins to renew the secret, or continues an interrupted renewal: returns the keys of the current and of the next
    /// secret, which is stored beside the current one. The passphrase must open every private half.
    pub fn begin_secret_renewal(&self) -> Result<(DerivedKeys, DerivedKeys), KeyFolderError> {
        let locked = self.lock_for_change()?;
        for kid in locked.kids_with_private_half() {
            self.private_half(kid)?;
        }
        let current = self.secret_file()?;
        let path = self.path().join(NEXT_SECRET);
        if !path.exists() {
            let mut next = vec![0; DerivedKeys::SECRET_LENGTH];
            self.random.fill(&mut next);
            let text = self.secret_text(&SecretBytes::new(next), self.options.passphrase.as_ref())?;
            files::replace(self.path(), NEXT_SECRET, text.expose())?;
        }
        let next = SecretFile::read(&self.read_file(&path)?, self.options.passphrase.as_ref());
        let keys = |file: &SecretFile| file.derived_keys().map_err(|problem| self.secret_error(problem));
        let next = next.map_err(|problem| KeyFolderError::Secret { path, problem })?;
        Ok((keys(&current)?, keys(&next)?))
    }

    /// Replaces the secret by the next one.
    pub fn finish_secret_renewal(&self) -> Result<(), KeyFolderError> {
        let _locked = self.lock_for_change()?;
        files::rename(self.path(), NEXT_SECRET, SECRET)
    }
}
