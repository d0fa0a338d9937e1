//! The files about TLS, read and checked for their form.

use super::ConfigError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::{Path, PathBuf};

/// The flags about TLS. Used only with https endpoints.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// `--store-ca-file`: replaces the roots of the system.
    pub ca_file: Option<PathBuf>,
    /// `--store-cert-file`: used only together with the key.
    pub cert_file: Option<PathBuf>,
    /// `--store-key`: used only together with the certificate.
    pub key_file: Option<PathBuf>,
    /// `--store-skip-tls-verify`.
    pub skip_verify: bool,
}

/// The contents of the files.
#[derive(Clone)]
pub struct Tls {
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) skip_verify: bool,
}

/// A client certificate with its private key, both PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl fmt::Debug for Tls {
    /// Shows which parts there are, never their contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .field("skip_verify", &self.skip_verify)
            .finish()
    }
}

impl Tls {
    pub(super) fn load(files: &TlsFiles) -> Result<Self, ConfigError> {
        let ca = match &files.ca_file {
            Some(path) => Some(read_certificates(path)?),
            None => None,
        };
        let identity = match (&files.cert_file, &files.key_file) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: read_certificates(certificate)?, key: read_key(key)? })
            }
            // The reference ignores one without the other.
            _ => None,
        };
        Ok(Self { ca, identity, skip_verify: files.skip_verify })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path)
        .map_err(|error| ConfigError::Tls(format!("cannot read {}: {error}", path.display())))
}

fn read_certificates(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let pem = read(path)?;
    let is_bundle = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .is_ok_and(|certificates| !certificates.is_empty());
    if is_bundle { Ok(pem) } else { Err(malformed(path, "certificate")) }
}

fn read_key(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let pem = read(path)?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(_) => Ok(pem),
        Err(_) => Err(malformed(path, "private key")),
    }
}

fn malformed(path: &Path, what: &str) -> ConfigError {
    ConfigError::Tls(format!("{} holds no {what} in PEM form", path.display()))
}
