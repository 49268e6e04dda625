//! The certificate that callers are shown, and how it is replaced without a restart.

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

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("can't read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in them is no chain with its key.
    #[error("the certificate and its key (PEM, the certificate's chain in order) can't be used: {0}")]
    Unusable(String),
}

/// How TLS is spoken: HTTP/1.1 alone is offered, as its timers hold for every connection.
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
    /// What was there when they were last read, whether or not it could be used.
    seen: Mutex<Option<[FileVersion; 2]>>,
}

type FileVersion = (u64, u64, i64, i64);

impl Tls {
    /// A chain and its private key that stay as they are, both in PEM.
    pub fn fixed(chain: &[u8], key: &SecretBytes) -> Result<Self, TlsError> {
        Ok(Self { config: ArcSwap::from_pointee(config(chain, key)?), files: None })
    }

    /// A chain and its private key in files that may be replaced while the server runs.
    pub fn from_files(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = CertificateFiles { certificate, key, seen: Mutex::default() };
        let seen = files.file_versions();
        let config = ArcSwap::from_pointee(files.config()?);
        *files.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(Self { config, files: Some(files) })
    }

    /// What the next connection is to be agreed on by.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Takes up files that were replaced. Files that can't be used (a certificate whose key is still to come) are told
    /// once, and what was in force stays. Reads the disk.
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
                tracing::info!(certificate = %files.certificate.display(), "the TLS certificate was taken up anew");
            }
            Err(error) => tracing::warn!(%error, "the TLS certificate was replaced, and the one before stays in force"),
        }
    }
}

impl CertificateFiles {
    fn config(&self) -> Result<ServerConfig, TlsError> {
        let read = |path: &Path| fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source });
        let key = SecretBytes::new(read(&self.key)?);
        config(&read(&self.certificate)?, &key)
    }

    /// None while one of them is missing: it is being replaced.
    fn file_versions(&self) -> Option<[FileVersion; 2]> {
        let stamp = |path: &Path| {
            let entry = fs::metadata(path).ok()?;
            Some((entry.ino(), entry.size(), entry.mtime(), entry.mtime_nsec()))
        };
        Some([stamp(&self.certificate)?, stamp(&self.key)?])
    }
}

fn config(chain: &[u8], key: &SecretBytes) -> Result<ServerConfig, TlsError> {
    let unusable = |problem: &dyn fmt::Display| TlsError::Unusable(problem.to_string());
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(|error| unusable(&error))?;
    let made = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = made.map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::crypto::certificate::for_tls;

    /// Puts a new pair's certificate, its key, or both in place, as a renewal does: by renaming.
    fn put(folder: &Path, parts: &[(&str, &[u8])]) {
        for (name, text) in parts {
            fs::write(folder.join("new"), text).unwrap();
            fs::rename(folder.join("new"), folder.join(name)).unwrap();
        }
    }

    #[test]
    fn replaced_tls_files_are_reloaded_once_both_match() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = for_tls("one.example.com").unwrap();
        put(folder.path(), &[("chain", chain.as_bytes()), ("key", key.expose())]);
        let tls = Tls::from_files(folder.path().join("chain"), folder.path().join("key")).unwrap();
        let mut in_force = tls.config();
        let mut changed = || {
            tls.reload();
            !Arc::ptr_eq(&std::mem::replace(&mut in_force, tls.config()), &tls.config())
        };
        assert!(!changed(), "nothing was replaced");

        let (chain, key) = for_tls("two.example.com").unwrap();
        put(folder.path(), &[("chain", chain.as_bytes())]);
        assert!(!changed(), "its key is still to come");
        put(folder.path(), &[("key", key.expose())]);
        assert!(changed());
        assert!(!changed());

        put(folder.path(), &[("chain", b"-----BEGIN CERTIFICATE-----\nhalf of")]);
        assert!(!changed(), "half a file");
        fs::remove_file(folder.path().join("chain")).unwrap();
        assert!(!changed(), "none");
        put(folder.path(), &[("chain", chain.as_bytes())]);
        assert!(changed(), "it is back");
    }

    #[test]
    fn unusable_tls_files_are_reported() {
        let (chain, key) = for_tls("one.example.com").unwrap();
        let (_, other) = for_tls("two.example.com").unwrap();
        for (chain, key) in [(chain.as_bytes(), &other), (b"", &key), (chain.as_bytes(), &SecretBytes::new(vec![]))] {
            let said = Tls::fixed(chain, key).unwrap_err().to_string();
            assert!(said.starts_with("the certificate and its key"), "{said}");
        }
        let said = Tls::from_files("nowhere/chain".into(), "nowhere/key".into()).unwrap_err().to_string();
        assert!(said.starts_with("can't read nowhere/"), "{said}");
    }
}
