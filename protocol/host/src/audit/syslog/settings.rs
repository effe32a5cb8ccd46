//! The section `audit` of both daemons.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Key, Unfit};
use crate::tls;

/// Who else gets the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSettings {
    /// `HOST:PORT` of a syslog server; empty: none.
    pub syslog: String,
    /// The authorities from which its certificate must come; empty: the system's.
    pub tls_ca: PathBuf,
    /// The certificate that we show it; empty: none.
    pub tls_cert: PathBuf,
    /// Its key.
    pub tls_key: PathBuf,
}

/// See [`AuditSettings::syslog`].
pub const SYSLOG: Key = Key::new(
    "audit.syslog",
    "\"\"",
    "A syslog server, HOST:PORT (TLS, RFC 5425, usually port 6514), that gets each line of the audit \
     log as a DICOM audit message. Empty: none.",
);
/// See [`AuditSettings::tls_ca`].
pub const TLS_CA: Key = Key::new(
    "audit.tls_ca",
    "\"\"",
    "A PEM file with the authorities from which its certificate must come. Empty: the system's.",
);
/// See [`AuditSettings::tls_cert`].
pub const TLS_CERT: Key = Key::new(
    "audit.tls_cert",
    "\"\"",
    "A PEM file with the certificate, its chain behind it, that is shown to it. Empty: none.",
);
/// See [`AuditSettings::tls_key`].
pub const TLS_KEY: Key = Key::new("audit.tls_key", "\"\"", "A PEM file with its key.");

impl AuditSettings {
    /// What no type can say.
    ///
    /// # Errors
    /// The key and what is wrong with its value.
    pub fn check(&self) -> Result<(), Unfit> {
        let unfit = |key, message: &str| {
            let message = message.to_owned();
            Err(Unfit { key, message })
        };
        let port = |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
        if !self.syslog.is_empty() && !self.syslog.rsplit_once(':').is_some_and(port) {
            return unfit(
                "audit.syslog",
                "must be HOST:PORT, such as \"logs.example.org:6514\"",
            );
        }
        let is_set = |path: &Path| path != Path::new("");
        match is_set(&self.tls_cert) == is_set(&self.tls_key) {
            true => Ok(()),
            false => unfit("audit.tls_key", "a certificate and its key belong together"),
        }
    }

    /// The certificates of our end.
    #[must_use]
    pub fn files(&self) -> tls::Files {
        let set = |path: &Path| (path != Path::new("")).then(|| path.to_owned());
        tls::Files {
            authorities: set(&self.tls_ca),
            own: set(&self.tls_cert).zip(set(&self.tls_key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_port_and_a_certificate_its_key() {
        let with = |syslog: &str, cert: &str| AuditSettings {
            syslog: syslog.into(),
            tls_cert: cert.into(),
            ..AuditSettings::default()
        };
        assert!(with("", "").check().is_ok());
        assert!(with("[::1]:6514", "").check().is_ok());
        for (bad, key) in [
            (with("logs", ""), "audit.syslog"),
            (with(":6514", ""), "audit.syslog"),
            (with("logs:", ""), "audit.syslog"),
            (with("logs:6514", "a.pem"), "audit.tls_key"),
        ] {
            assert_eq!(bad.check().unwrap_err().key, key);
        }
    }
}
