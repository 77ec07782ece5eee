//! The options of a server that say which certificates it has.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use http::Uri;

use crate::{
    acme::{self, Acme, LETS_ENCRYPT, parse_directory, parse_name},
    net::{Certificates, Identity, PemFiles},
};

/// Without any of them, a development certificate is made.
#[derive(Debug, Args)]
pub(super) struct CertificateArguments {
    /// Certificate chain in PEM, once for each certificate; without one a development certificate is made and kept in the data folder
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Vec<PathBuf>,
    /// Private key in PEM, once for each certificate and in the same order
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Vec<PathBuf>,
    /// Folder of certificates: NAME.crt and NAME.key, or NAME/fullchain.pem and NAME/privkey.pem
    #[arg(long, value_name = "DIR", conflicts_with = "tls_cert")]
    tls_dir: Option<PathBuf>,
    /// A name of this server to obtain a certificate for, and to renew it, by ACME; once for each name. You agree to the terms of the
    /// authority, which must reach --listen at port 443 of the name or --http at its port 80
    #[arg(long, value_name = "NAME", value_parser = parse_name, conflicts_with_all = ["tls_cert", "tls_dir"])]
    acme: Vec<String>,
    /// Directory of the authority
    #[arg(long, value_name = "URL", requires = "acme", default_value = LETS_ENCRYPT, value_parser = parse_directory)]
    acme_directory: Uri,
    /// Address for mail from the authority
    #[arg(long, value_name = "EMAIL", requires = "acme")]
    acme_email: Option<String>,
    /// Certificates in PEM that vouch for an authority of your own, where the system does not know them
    #[arg(long, value_name = "FILE", requires = "acme")]
    acme_trust: Option<PathBuf>,
}

impl CertificateArguments {
    /// What the grammar of the command line does not say.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.tls_cert.len() != self.tls_key.len() {
            bail!(
                "there are {} --tls-cert and {} --tls-key: give one of each for every certificate",
                self.tls_cert.len(),
                self.tls_key.len()
            );
        }
        Ok(())
    }

    /// No certificate is given or obtained, so one is made for development.
    pub fn makes_certificate(&self) -> bool {
        self.tls_cert.is_empty() && self.tls_dir.is_none() && self.acme.is_empty()
    }

    /// The names that certificates are obtained for.
    pub fn names(&self) -> &[String] {
        &self.acme
    }

    /// Who gives them.
    pub fn authority(&self) -> Option<&str> {
        self.acme_directory.host().filter(|_| !self.acme.is_empty())
    }

    /// The certificates, and what obtains them if they come from an authority.
    pub fn open(&self, data: &Path) -> anyhow::Result<(Certificates, Option<Acme>)> {
        if !self.acme.is_empty() {
            let acme = Acme::open(
                data,
                acme::Options {
                    names: self.acme.clone(),
                    directory: self.acme_directory.clone(),
                    email: self.acme_email.clone(),
                    trusted: self.acme_trust.clone(),
                },
            )?;
            return Ok((acme.certificates(Identity::development(data)?)?, Some(acme)));
        }
        let certificates = match &self.tls_dir {
            Some(folder) => Certificates::from_folder(folder)?,
            None if self.makes_certificate() => Identity::development(data)?.into(),
            None => {
                let pairs = self.tls_cert.iter().zip(&self.tls_key);
                let files = pairs.map(|(certificate, key)| PemFiles { certificate: certificate.clone(), key: key.clone() });
                Certificates::from_files(files.collect())?
            }
        };
        Ok((certificates, None))
    }
}
