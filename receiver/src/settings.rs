//! What an administrator can set, in `config.toml`.

mod clinic;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use karez_host::alarm::{self, AlarmSettings};
use karez_host::audit::{AuditSettings, syslog};
use karez_host::config::{self, Key, Unfit};
use karez_host::page::{self, HubPage};
use karez_host::tls;
use karez_host::units::{Period, Size};
use karez_protocol::invitation::ADDRESSES_MAX;
use karez_quic::{Congestion, IP_MTU_MIN, LinkConfig};
use serde::{Deserialize, Serialize};

pub use clinic::ClinicRule;

/// The settings of a hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Who and where it is.
    pub hub: Hub,
    /// Its disk.
    pub store: Store,
    /// Its links.
    pub link: Link,
    /// Its own DICOM port.
    pub dicom: Dicom,
    /// Its control socket.
    pub control: Control,
    /// Its page.
    pub page: HubPage,
    /// Who is told of what is wrong.
    pub alarm: AlarmSettings,
    /// Who else gets the audit log.
    pub audit: AuditSettings,
    /// What is done otherwise for single clinics.
    pub clinic: Vec<ClinicRule>,
}

/// Who and where a hub is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hub {
    /// What people call it.
    pub name: String,
    /// The UDP address on which clinics reach it.
    pub listen: SocketAddr,
    /// `HOST:PORT` under which clinics find it, the best first; for invitations.
    pub addresses: Vec<String>,
}

/// A hub's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Room that is kept free for journals and for other programs.
    pub reserve: Size,
    /// Free bytes below which stored studies go early, the oldest first.
    pub evict_below: Size,
    /// How long the bytes of a stored study stay.
    pub keep_stored: Period,
    /// What one clinic may have here.
    pub quota: Size,
    /// Bytes a second that the store reads of itself.
    pub scrub: Size,
    /// How long it rests after it has read everything.
    pub scrub_pause: Period,
}

/// A hub's links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Link {
    /// Bytes of the largest IP packet.
    pub ip_mtu: u16,
    /// Which controller decides how much may be in flight.
    pub congestion: CongestionChoice,
}

/// A congestion controller by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CongestionChoice {
    /// Our own, for thin and lossy links.
    #[default]
    Thin,
    /// RFC 9438.
    Cubic,
    /// Blind to random loss.
    Bbr,
}

/// A hub's own DICOM port, for reports of storage commitment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dicom {
    /// Where archives bring their reports, as ADDRESS:PORT; empty: nowhere.
    pub listen: String,
    /// The certificate with which the port speaks TLS, and only that; empty: it does not.
    pub tls_cert: PathBuf,
    /// Its key.
    pub tls_key: PathBuf,
    /// The authorities from which an archive's certificate must come; empty: it shows none.
    pub tls_ca: PathBuf,
}

impl Dicom {
    /// Where to listen, if anywhere.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// The certificates, if it speaks TLS.
    pub(crate) fn tls(&self) -> Option<tls::Files> {
        tls::Files::of_server(&self.tls_cert, &self.tls_key, &self.tls_ca)
    }
}

/// A hub's control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Whether the data directory's group may give commands too.
    pub group: bool,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            name: "hub".into(),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 4433)),
            addresses: Vec::new(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            reserve: Size(1 << 30),
            evict_below: Size(4 << 30),
            keep_stored: Period(30 * 86_400_000),
            quota: Size(0),
            scrub: Size(2 << 20),
            scrub_pause: Period(7 * 86_400_000),
        }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            ip_mtu: 1400,
            congestion: CongestionChoice::default(),
        }
    }
}

impl config::Settings for Settings {
    const KEYS: &'static [Key] = &[
        Key::new("hub.name", "\"hub\"", "What people call this hub."),
        Key::new(
            "hub.listen",
            "\"0.0.0.0:4433\"",
            "The UDP address on which clinics reach it, ADDRESS:PORT.",
        ),
        Key::new(
            "hub.addresses",
            "[]",
            "Where clinics find it, HOST:PORT, the best first, at most 4: what an invitation says.",
        ),
        Key::new(
            "store.reserve",
            "\"1 GiB\"",
            "Room to keep free on the disk, bytes; on a small disk at most a twentieth of it. \
             Below it the hub takes nothing in and says so.",
        ),
        Key::new(
            "store.evict_below",
            "\"4 GiB\"",
            "Free bytes of the disk below which the bytes of studies that all targets have are \
             removed here before their time, the oldest first; on a small disk at most a tenth of it.",
        ),
        Key::new(
            "store.keep_stored",
            "\"30 d\"",
            "How long the bytes of a study that all targets have stay here, for a hand-off again \
             and for images that repeat; then they are removed.",
        ),
        Key::new(
            "store.quota",
            "\"0 B\"",
            "What one clinic may have here, bytes, with what it has announced; \"0 B\" for no \
             limit. A clinic that reaches it is told to wait and keeps the rest. `quota NAME SIZE` gives one \
             clinic another.",
        ),
        Key::new(
            "store.scrub",
            "\"2 MiB\"",
            "Bytes a second, at most, that the hub reads of its own store to find rot; \"0 B\" \
             for never.",
        ),
        Key::new(
            "store.scrub_pause",
            "\"7 d\"",
            "How long it rests after it has read everything.",
        ),
        Key::new(
            "link.ip_mtu",
            "1400",
            "The largest IP packet, bytes, 1228 to 1500.",
        ),
        Key::new(
            "link.congestion",
            "\"thin\"",
            "Who decides how much is in flight: thin (ours, for thin and lossy links), cubic or bbr.",
        ),
        Key::new(
            "dicom.listen",
            "\"\"",
            "Where archives bring their reports of storage commitment, ADDRESS:PORT, such as \
             0.0.0.0:11113; empty: nowhere, and whether they keep an instance is asked by C-FIND.",
        ),
        Key::new(
            "dicom.tls_cert",
            "\"\"",
            "A PEM file with the certificate, its chain behind it, by which that port speaks TLS, and \
             then nothing else. Empty: it does not.",
        ),
        Key::new("dicom.tls_key", "\"\"", "A PEM file with its key."),
        Key::new(
            "dicom.tls_ca",
            "\"\"",
            "A PEM file with the authorities from which an archive's certificate must come. Empty: \
             archives show none.",
        ),
        Key::new(
            "control.group",
            "false",
            "Whether the data directory's group may give commands too.",
        ),
        page::HUB_LISTEN,
        page::LANGUAGE,
        page::PLACE,
        page::PRICE,
        page::CURRENCY,
        alarm::WEBHOOK,
        alarm::SMTP,
        alarm::FROM,
        alarm::TO,
        alarm::AGE,
        alarm::DISK,
        syslog::SYSLOG,
        syslog::TLS_CA,
        syslog::TLS_CERT,
        syslog::TLS_KEY,
        Key::new(
            "clinic[].name",
            "\"\"",
            "What the hub calls the clinic that the lines below are about.",
        ),
        Key::new(
            "clinic[].targets",
            "[]",
            "The targets that its images go to, by name; empty: all.",
        ),
        Key::new(
            "clinic[].calling",
            "\"\"",
            "The AE title under which its images go to archives, which may have rules by it; empty: \
             that of the target. An archive that knows titles must know this one.",
        ),
        Key::new(
            "clinic[].class",
            "\"routine\"",
            "How soon those of its studies are handed off that it calls routine: \"stat\", \"urgent\", \
             \"routine\" or \"bulk\".",
        ),
    ];

    fn check(&self) -> Result<(), Unfit> {
        let unfit = |key, message: String| Err(Unfit { key, message });
        if self.hub.addresses.len() > ADDRESSES_MAX {
            return unfit("hub.addresses", format!("at most {ADDRESSES_MAX} are told"));
        }
        if !self.dicom.listen.is_empty() && self.dicom.address().is_none() {
            let message = "must be an IP address and a port, such as \"0.0.0.0:11113\"";
            return unfit("dicom.listen", message.to_owned());
        }
        if !(IP_MTU_MIN..=1500).contains(&self.link.ip_mtu) {
            return unfit("link.ip_mtu", format!("{IP_MTU_MIN} to 1500"));
        }
        clinic::check(&self.clinic)?;
        self.alarm.check()?;
        self.audit.check()?;
        self.page.address().map(drop)
    }
}

impl Settings {
    /// Takes over what can change in a running hub; the other keys that differ wait for a restart.
    pub(crate) fn take_live_of(&mut self, new: Self) -> Vec<String> {
        const LIVE: [&str; 4] = ["hub.name", "hub.addresses", "store.", "clinic"];
        let changed = config::changed(self, &new).into_iter();
        let waits = changed.filter(|key| !LIVE.iter().any(|live| key.starts_with(live)));
        let waits = waits.collect();
        self.hub.name = new.hub.name;
        self.hub.addresses = new.hub.addresses;
        self.store = new.store;
        self.clinic = new.clinic;
        waits
    }

    /// How QUIC uses the links.
    #[must_use]
    pub fn link_config(&self) -> LinkConfig {
        LinkConfig {
            ip_mtu: self.link.ip_mtu,
            congestion: match self.link.congestion {
                CongestionChoice::Thin => Congestion::Thin,
                CongestionChoice::Cubic => Congestion::Cubic,
                CongestionChoice::Bbr => Congestion::Bbr,
            },
            ..LinkConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_keys_is_that_of_the_structs() {
        config::check_table::<Settings>().unwrap();
    }

    #[test]
    fn a_reload_changes_what_can_change_and_names_the_rest() {
        let (mut now, mut new) = (Settings::default(), Settings::default());
        new.hub.addresses = vec!["hub.example.org:4433".into()];
        new.link.ip_mtu = 1300;
        assert_eq!(now.take_live_of(new), ["link.ip_mtu"]);
        assert_eq!((now.hub.addresses.len(), now.link.ip_mtu), (1, 1400));
    }

    #[test]
    fn a_packet_too_small_for_quic_is_refused_with_its_key() {
        let set = ["link.ip_mtu=1000".to_owned()];
        let sources = config::Sources {
            set: &set,
            ..Default::default()
        };
        let error = config::load::<Settings>(&sources).unwrap_err().to_string();
        assert!(error.contains("link.ip_mtu"), "{error}");
    }
}
