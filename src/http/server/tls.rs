//! The TLS certificate of the server, and its reload without a restart.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::tls_file::{certificate_chain, private_key};
use crate::domain::secret::SecretBytes;

/// Why a TLS certificate cannot be used. The message names the setting, the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {setting} ({}): {source}", path.display())]
    File {
        /// The setting that names the file.
        setting: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is not what its setting needs.
    #[error("cannot use {setting} ({}): {problem}", path.display())]
    Unusable {
        /// The setting that names the file.
        setting: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// The TLS configuration. ALPN offers only HTTP/1.1, because the timeouts of the server are implemented for HTTP/1.1.
pub struct Tls {
    config: ArcSwap<ServerConfig>,
    files: Option<CertificateFiles>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// The versions of the files when they were last read, even if they were invalid.
    seen: Mutex<Option<[FileVersion; 2]>>,
}

/// Inode, size in bytes, and modification time in seconds and nanoseconds.
type FileVersion = (u64, u64, i64, i64);

impl Tls {
    /// Uses a certificate chain and its private key, both in PEM. They are never reloaded.
    pub fn fixed(chain: &[u8], key: &SecretBytes) -> Result<Self, TlsError> {
        let generated = |setting| PemFile { setting, path: Path::new("generated") };
        let config = config((generated(CERTIFICATE), chain), (generated(KEY), key.expose()))?;
        Ok(Self { config: ArcSwap::from_pointee(config), files: None })
    }

    /// Uses a certificate chain and its private key from files, which may be replaced while the server runs.
    pub fn from_files(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = CertificateFiles { certificate, key, seen: Mutex::default() };
        let seen = files.file_versions();
        let config = ArcSwap::from_pointee(files.config()?);
        *files.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(Self { config, files: Some(files) })
    }

    /// Returns the configuration for the next handshake.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Reloads the files if they were replaced. If the new files are invalid, for example because only one of them has
    /// been replaced so far, this is logged once and the previous certificate stays in force. Blocks on disk I/O.
    pub fn reload(&self) {
        let Some(files) = &self.files else { return };
        let mut seen = files.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = files.file_versions();
        if found.is_none() || *seen == found {
            return;
        }
        *seen = found;
        match files.config() {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!(certificate = %files.certificate.display(), "tls certificate reloaded");
            }
            Err(error) => tracing::warn!(%error, "tls certificate reload failed; keeping the previous certificate"),
        }
    }
}

impl CertificateFiles {
    fn config(&self) -> Result<ServerConfig, TlsError> {
        let certificate = PemFile { setting: CERTIFICATE, path: &self.certificate };
        let key = PemFile { setting: KEY, path: &self.key };
        let key_bytes = SecretBytes::new(key.read()?);
        config((certificate, &certificate.read()?), (key, key_bytes.expose()))
    }

    /// Returns the versions of both files. `None` if one is missing, for example while it is being replaced.
    fn file_versions(&self) -> Option<[FileVersion; 2]> {
        let version = |path: &Path| {
            let entry = fs::metadata(path).ok()?;
            Some((entry.ino(), entry.size(), entry.mtime(), entry.mtime_nsec()))
        };
        Some([version(&self.certificate)?, version(&self.key)?])
    }
}

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

/// A file of `[tls]`, for error messages.
#[derive(Clone, Copy)]
struct PemFile<'a> {
    setting: &'static str,
    path: &'a Path,
}

impl PemFile<'_> {
    fn read(self) -> Result<Vec<u8>, TlsError> {
        let Self { setting, path } = self;
        fs::read(path).map_err(|source| TlsError::File { setting, path: path.to_owned(), source })
    }

    fn unusable(self, problem: String) -> TlsError {
        TlsError::Unusable { setting: self.setting, path: self.path.to_owned(), problem }
    }
}

fn config(certificate: (PemFile<'_>, &[u8]), key: (PemFile<'_>, &[u8])) -> Result<ServerConfig, TlsError> {
    let chain = certificate_chain(certificate.1).map_err(|problem| certificate.0.unusable(problem))?;
    let private_key = private_key(key.1).map_err(|problem| key.0.unusable(problem))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private_key);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => key.0.unusable(format!(
            "the private key does not belong to the first certificate in {} ({}); the certificate of the server must come \
             first there, before those of authorities",
            certificate.0.setting,
            certificate.0.path.display()
        )),
        rustls::Error::InvalidCertificate(_) => {
            certificate.0.unusable("the first certificate is damaged, or not X.509 version 3".to_owned())
        }
        _ => key.0.unusable(
            "the private key is damaged or of an unsupported type; use RSA with 2048 to 8192 bits, ECDSA with P-256, \
             P-384 or P-521, or Ed25519"
                .to_owned(),
        ),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::crypto::certificate::for_tls;

    /// Replaces the certificate, its key or both by renaming, as a certificate renewal does.
    fn replace(folder: &Path, parts: &[(&str, &[u8])]) {
        for (name, text) in parts {
            fs::write(folder.join("new"), text).unwrap();
            fs::rename(folder.join("new"), folder.join(name)).unwrap();
        }
    }

    #[test]
    fn replaced_tls_files_are_reloaded_once_both_match() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = for_tls("one.example.com").unwrap();
        replace(folder.path(), &[("chain", chain.as_bytes()), ("key", key.expose())]);
        let tls = Tls::from_files(folder.path().join("chain"), folder.path().join("key")).unwrap();
        let mut in_force = tls.config();
        let mut changed = || {
            tls.reload();
            !Arc::ptr_eq(&std::mem::replace(&mut in_force, tls.config()), &tls.config())
        };
        assert!(!changed(), "nothing was replaced");

        let (chain, key) = for_tls("two.example.com").unwrap();
        replace(folder.path(), &[("chain", chain.as_bytes())]);
        assert!(!changed(), "only the certificate was replaced");
        replace(folder.path(), &[("key", key.expose())]);
        assert!(changed());
        assert!(!changed());

        replace(folder.path(), &[("chain", b"-----BEGIN CERTIFICATE-----\nhalf of")]);
        assert!(!changed(), "the file is incomplete");
        fs::remove_file(folder.path().join("chain")).unwrap();
        assert!(!changed(), "the file is missing");
        replace(folder.path(), &[("chain", chain.as_bytes())]);
        assert!(changed(), "the file was restored");
    }

    #[test]
    fn unusable_tls_files_are_reported_with_their_setting() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = for_tls("one.example.com").unwrap();
        let (_, other) = for_tls("two.example.com").unwrap();
        let error = |chain: &[u8], key: &[u8]| {
            replace(folder.path(), &[("chain", chain), ("key", key)]);
            Tls::from_files(folder.path().join("chain"), folder.path().join("key")).unwrap_err().to_string()
        };
        for (chain, key, setting, file, expected) in [
            (
                chain.as_bytes(),
                other.expose(),
                "tls.key",
                "key",
                "does not belong to the first certificate in tls.certificate",
            ),
            (b"", key.expose(), "tls.certificate", "chain", "empty"),
            (chain.as_bytes(), b"", "tls.key", "key", "empty"),
            (key.expose(), chain.as_bytes(), "tls.certificate", "chain", "exchanged"),
        ] {
            let error = error(chain, key);
            let file = folder.path().join(file).display().to_string();
            assert!(
                error.starts_with(&format!("cannot use {setting} ({file}): ")) && error.contains(expected),
                "{error}"
            );
        }
        let error = Tls::from_files("nowhere/chain".into(), "nowhere/key".into()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read tls.key (nowhere/key): No such file"), "{error}");
    }
}
