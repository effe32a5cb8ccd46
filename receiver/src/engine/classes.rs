//! How urgent clinics say their studies are: bounded, whatever a hostile one says.

use karez_protocol::limits::STRANGE_CLASSES_MAX;
use karez_protocol::wire::encode;

use super::Engine;
use crate::limits::{CLASS_ENTRY, CLASSES_SLACK};

const JOURNAL: &str = "classes";

impl Engine {
    /// Forgets classes of studies that no sink remembers when there are too many, and writes their
    /// journal anew when it has grown for no use.
    pub(super) fn bound_classes(&mut self) {
        let bytes = self.store.journal_extent(JOURNAL).map_or(0, |e| e.bytes);
        let known = self.registry.classes.len();
        let many = known > self.owners.len() + STRANGE_CLASSES_MAX * self.clinics.len();
        if !many && bytes < CLASSES_SLACK + CLASS_ENTRY * known as u64 {
            return;
        }
        let clinics = &self.clinics;
        self.registry.classes.retain(|(peer, study), _| {
            let clinic = clinics.get(peer);
            clinic.is_some_and(|clinic| clinic.sink.class(*study).is_some())
        });
        let live: Vec<Vec<u8>> = self.registry.class_entries().map(|e| encode(&e)).collect();
        if let Err(error) = self.store.journal_rewrite(JOURNAL, live) {
            self.disk_failed(&error);
        }
    }
}
