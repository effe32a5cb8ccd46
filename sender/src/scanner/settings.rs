//! `[dicom]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use karez_dimse::scp::Config;
use karez_dimse::{AeTitle, Timeouts, limits};
use karez_host::config::Unfit;
use karez_host::tls;
use karez_host::units::Period;
use serde::{Deserialize, Serialize};

use super::titles::LONGEST_BASE;
use crate::limits::ASSOCIATIONS_MAX;

/// The scanners' way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dicom {
    /// Where scanners connect to, as ADDRESS:PORT; empty: nowhere.
    pub listen: String,
    /// What we are called by them; with `_URGENT` and `_STAT` behind it, the class is set.
    pub ae_title: String,
    /// The scanners that may send, by their calling AE titles.
    pub allow: Vec<String>,
    /// Whether everybody may send.
    pub allow_any: bool,
    /// The certificate with which the port speaks TLS, and only that; empty: it does not.
    pub tls_cert: PathBuf,
    /// Its key.
    pub tls_key: PathBuf,
    /// The authorities from which a scanner's certificate must come; empty: scanners show none.
    pub tls_ca: PathBuf,
    /// Associations at once.
    pub associations: u32,
    /// For the whole of connecting and negotiating, and for a release.
    pub timeout_associate: Period,
    /// Without a byte from the scanner.
    pub timeout_idle: Period,
    /// Without the scanner taking a byte.
    pub timeout_write: Period,
}

impl Default for Dicom {
    fn default() -> Self {
        let timeouts = Timeouts::default();
        let period = |of: std::time::Duration| Period(of.as_millis() as u64);
        Self {
            listen: "0.0.0.0:11112".to_owned(),
            ae_title: "KAREZ".to_owned(),
            allow: Vec::new(),
            allow_any: false,
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            tls_ca: PathBuf::new(),
            associations: 16,
            timeout_associate: period(timeouts.associate),
            timeout_idle: period(timeouts.idle),
            timeout_write: period(timeouts.write),
        }
    }
}

impl Dicom {
    pub(crate) fn check(&self) -> Result<(), Unfit> {
        let unfit = |key, message: String| Err(Unfit { key, message });
        if !self.listen.is_empty() && self.listen.parse::<SocketAddr>().is_err() {
            let message = "must be an IP address and a port, such as \"0.0.0.0:11112\"";
            return unfit("dicom.listen", message.to_owned());
        }
        let title = AeTitle::new(&self.ae_title);
        if title.is_err() || self.ae_title.len() > LONGEST_BASE {
            let message = "must have 1 to 9 printable ASCII characters and no backslash";
            return unfit("dicom.ae_title", message.to_owned());
        }
        if let Some(Err(error)) = self
            .allow
            .iter()
            .map(|t| AeTitle::new(t))
            .find(Result::is_err)
        {
            return unfit("dicom.allow", format!("names something else: {error}"));
        }
        if !(1..=ASSOCIATIONS_MAX).contains(&self.associations) {
            return unfit(
                "dicom.associations",
                format!("must be 1 to {ASSOCIATIONS_MAX}"),
            );
        }
        let timeouts = [
            ("dicom.timeout_associate", self.timeout_associate),
            ("dicom.timeout_idle", self.timeout_idle),
            ("dicom.timeout_write", self.timeout_write),
        ];
        match timeouts.into_iter().find(|(_, period)| period.0 == 0) {
            Some((key, _)) => unfit(key, "must be longer than nothing".to_owned()),
            None => Ok(()),
        }
    }

    /// Where to listen, if anywhere.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// The certificates, if the port speaks TLS.
    pub(crate) fn tls(&self) -> Option<tls::Files> {
        tls::Files::of_server(&self.tls_cert, &self.tls_key, &self.tls_ca)
    }

    pub(super) fn config(&self) -> Config {
        Config {
            timeouts: Timeouts {
                associate: self.timeout_associate.duration(),
                idle: self.timeout_idle.duration(),
                write: self.timeout_write.duration(),
            },
            max_pdu: limits::PDU_ANNOUNCED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Dicom)) -> Option<&'static str> {
        let mut dicom = Dicom::default();
        change(&mut dicom);
        dicom.check().err().map(|unfit| unfit.key)
    }

    #[test]
    fn what_cannot_be_meant_is_named_by_its_key() {
        assert_eq!(refused(|_| {}), None);
        assert_eq!(refused(|d| d.listen.clear()), None);
        assert_eq!(refused(|d| d.listen = "11112".into()), Some("dicom.listen"));
        assert_eq!(
            refused(|d| d.ae_title = "TENLETTERS".into()),
            Some("dicom.ae_title")
        );
        assert_eq!(
            refused(|d| d.allow = vec!["CT\\1".into()]),
            Some("dicom.allow")
        );
        assert_eq!(refused(|d| d.associations = 0), Some("dicom.associations"));
        assert_eq!(
            refused(|d| d.timeout_write = Period(0)),
            Some("dicom.timeout_write")
        );
    }
}
