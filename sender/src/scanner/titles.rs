//! The AE titles that are ours, and the class that each gives: the one control of urgency that
//! every technician has.

use karez_dimse::AeTitle;
use karez_protocol::priority::Class;

const URGENT: &str = "_URGENT";
const STAT: &str = "_STAT";

/// A base title to which both endings fit within the 16 characters of PS3.5 6.2.
pub(super) const LONGEST_BASE: usize = 16 - URGENT.len();

/// Our titles.
pub(super) struct Titles {
    base: String,
}

impl Titles {
    pub(super) fn new(base: &str) -> Self {
        Self {
            base: base.trim().to_owned(),
        }
    }

    /// The class asked for by calling us so; `None` when that is no title of ours.
    /// Case is forgiven: nothing else could be meant.
    pub(super) fn class(&self, called: &AeTitle) -> Option<Option<Class>> {
        let called = called.as_str();
        let (base, ending) = called.split_at_checked(self.base.len())?;
        if !base.eq_ignore_ascii_case(&self.base) {
            return None;
        }
        match ending {
            "" => Some(None),
            _ if ending.eq_ignore_ascii_case(URGENT) => Some(Some(Class::Urgent)),
            _ if ending.eq_ignore_ascii_case(STAT) => Some(Some(Class::Stat)),
            _ => None,
        }
    }

    /// For people who called us otherwise.
    pub(super) fn listed(&self) -> String {
        let base = &self.base;
        format!("{base}, {base}{URGENT}, {base}{STAT}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t25_called_titles_give_the_class_whatever_their_case_and_strangers_give_none() {
        let titles = Titles::new("KAREZ");
        let class = |called: &str| titles.class(&AeTitle::new(called).unwrap());
        assert_eq!(class("KAREZ"), Some(None));
        assert_eq!(class("KAREZ   "), Some(None));
        assert_eq!(class("Karez_Urgent"), Some(Some(Class::Urgent)));
        assert_eq!(class("KAREZ_STAT"), Some(Some(Class::Stat)));
        for other in ["KARE", "KAREZ_", "KAREZ_STATS", "PACS", "XKAREZ_STAT"] {
            assert_eq!(class(other), None, "{other}");
        }
        assert_eq!("KAREZ_URGENT".len(), 5 + URGENT.len());
        assert!(AeTitle::new(&format!("{}{URGENT}", "A".repeat(LONGEST_BASE))).is_ok());
    }
}
