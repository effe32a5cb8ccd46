//! `[dicom]`.

use std::net::{IpAddr, SocketAddr};
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
    /// Where an image must be before a scanner that asks for storage commitment is told that it is
    /// kept.
    pub commitment: CommitOn,
    /// The port at which scanners hear that, at the address from which they called.
    pub report_port: u16,
    /// Scanners that hear it elsewhere, as `TITLE=HOST:PORT`.
    pub report_to: Vec<String>,
    /// Without a byte from the scanner.
    pub timeout_idle: Period,
    /// Without the scanner taking a byte.
    pub timeout_write: Period,
}

/// How safe an image is before its scanner is told that it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitOn {
    /// On the clinic's disk, which is one copy.
    Here,
    /// At the archive, by the hub's receipt.
    #[default]
    Stored,
    /// Confirmed by the archive.
    Committed,
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
            commitment: CommitOn::default(),
            report_port: 104,
            report_to: Vec::new(),
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
        if let Some(wrong) = self.report_to.iter().find(|one| reported_at(one).is_none()) {
            let message = format!("must be as \"CT01=192.0.2.20:104\", not \"{wrong}\"");
            return unfit("dicom.report_to", message);
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

    /// Where a scanner hears what became of its images.
    pub(super) fn reports_at(&self, title: &str, called_from: IpAddr) -> String {
        let named = self.report_to.iter().filter_map(|one| reported_at(one));
        let mut named = named.filter(|(of, _)| of.eq_ignore_ascii_case(title));
        let usual = || SocketAddr::new(called_from, self.report_port).to_string();
        named.next().map_or_else(usual, |(_, at)| at.to_owned())
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

/// Title and place of one of `report_to`.
fn reported_at(one: &str) -> Option<(&str, &str)> {
    let (title, at) = one.split_once('=')?;
    let (host, port) = at.rsplit_once(':')?;
    let good = AeTitle::new(title.trim()).is_ok() && !host.is_empty();
    (good && port.parse::<u16>().is_ok()).then_some((title.trim(), at.trim()))
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
        for wrong in ["CT01", "CT01=192.0.2.20", "=192.0.2.20:104", "CT01=:104"] {
            let named = refused(|d| d.report_to = vec![wrong.into()]);
            assert_eq!(named, Some("dicom.report_to"), "{wrong}");
        }
        assert_eq!(refused(|d| d.associations = 0), Some("dicom.associations"));
        assert_eq!(
            refused(|d| d.timeout_write = Period(0)),
            Some("dicom.timeout_write")
        );
    }

    #[test]
    fn a_scanner_hears_at_its_own_address_or_where_it_is_configured() {
        let dicom = Dicom {
            report_to: vec!["CT01=ct.example:4104".into()],
            ..Dicom::default()
        };
        let from = "192.0.2.20".parse().unwrap();
        assert_eq!(dicom.reports_at("ct01", from), "ct.example:4104");
        assert_eq!(dicom.reports_at("CR01", from), "192.0.2.20:104");
        let sixth = dicom.reports_at("CR01", "2001:db8::1".parse().unwrap());
        assert_eq!(sixth, "[2001:db8::1]:104");
    }
}
