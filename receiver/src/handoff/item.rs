//! What a target is told of an instance.

use super::{Identity, Item, NoIdentity};
use crate::engine::{Job, JobTarget};

/// An instance for one target.
pub(super) fn item(job: &Job, to: &JobTarget, identity: &Result<Identity, NoIdentity>) -> Item {
    Item {
        clinic: job.clinic_name.clone(),
        study: job.study,
        fingerprint: job.fingerprint,
        content: None,
        length: job.length,
        identity: identity.clone(),
        other_given: false,
        released: to.replace,
        alone: to.alone,
        calling: job.calling.clone(),
        in_doubt: to.in_doubt,
    }
}
