//! What an instance says of itself.

use karez_dimse::Uid;
use karez_imaging::InstanceInfo;
use zeroize::Zeroizing;

use crate::keys::Keys;

/// What an instance says of itself that people are shown.
#[derive(Clone, Default)]
pub(crate) struct Said {
    pub(crate) modality: String,
    pub(crate) scanner: String,
    /// The patient's name: in memory only.
    pub(crate) name: Zeroizing<String>,
}

impl Said {
    pub(super) fn by(info: &InstanceInfo, scanner: String) -> Self {
        let short = |text: &Option<String>, most: usize| {
            let text = text.as_deref().unwrap_or_default().trim();
            let fits = text.chars().count() <= most && !text.contains(|c: char| c.is_control());
            if fits { text.to_owned() } else { String::new() }
        };
        // Text in another encoding than these is not shown rather than shown wrong (FIELD T23).
        let encoding = info.character_set.as_deref().unwrap_or_default().trim();
        let name = short(&info.patient_name, NAME_SHOWN);
        let sure = name.is_ascii() || encoding == "ISO_IR 192";
        let name = if sure && !name.contains('\u{fffd}') {
            name
        } else {
            String::new()
        };
        Self {
            modality: short(&info.modality, 16),
            scanner,
            name: Zeroizing::new(name),
        }
    }
}

/// Characters of the longest name that is shown.
const NAME_SHOWN: usize = 194;

/// How its scanner will name it when it asks for storage commitment, as a keyed hash.
pub(super) fn sop_name(keys: &Keys, info: &InstanceInfo) -> [u8; 16] {
    let uid = |text: &Option<String>| Uid::new(text.as_deref().unwrap_or_default());
    let (class, instance) = (uid(&info.sop_class_uid), uid(&info.sop_instance_uid));
    match instance.is_empty() {
        true => [0; 16],
        false => keys.clinic.sop_name(class.as_str(), instance.as_str()),
    }
}
