//! The TLS certificate of the server, and its reload without a restart.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::domain::secret::SecretBytes;

/// Why a TLS certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The PEM data is not a certificate chain with its private key.
    #[error("cannot use the TLS certificate chain and its private key, both in PEM: {0}")]
    Unusable(String),
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
        Ok(Self { config: ArcSwap::from_pointee(config(chain, key)?), files: None })
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
        let read = |path: &Path| fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source });
        let key = SecretBytes::new(read(&self.key)?);
        config(&read(&self.certificate)?, &key)
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

fn config(chain: &[u8], key: &SecretBytes) -> Result<ServerConfig, TlsError> {
    let unusable = |problem: &dyn fmt::Display| TlsError::Unusable(problem.to_string());
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| unusable(&error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| unusable(&error))?;
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
    fn unusable_tls_files_are_reported() {
        let (chain, key) = for_tls("one.example.com").unwrap();
        let (_, other) = for_tls("two.example.com").unwrap();
        for (chain, key) in [(chain.as_bytes(), &other), (b"", &key), (chain.as_bytes(), &SecretBytes::new(vec![]))] {
            let error = Tls::fixed(chain, key).unwrap_err().to_string();
            assert!(error.starts_with("cannot use the TLS certificate chain"), "{error}");
        }
        let error = Tls::from_files("nowhere/chain".into(), "nowhere/key".into()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read nowhere/"), "{error}");
    }
}
