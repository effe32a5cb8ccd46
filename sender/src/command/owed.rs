//! `owed`: how many studies still need this store.

use karez_host::{Failure, status};
use karez_sender::{ReleaseOn, Status, StudyStatus, Work};
use serde_json::json;

use super::Context;
use super::reached::Reached;

/// Prints the number alone, for scripts: the package asks before it removes anything.
pub(super) async fn run(context: Context) -> Result<(), Failure> {
    let release_on = context.settings.spool.release_on;
    let mut from = Reached::open(context, Work::Accept).await?;
    let now: Result<Status, Failure> = from.call("status", json!({})).await;
    from.close().await?;
    let studies = now?.studies;
    let owed = studies.iter().filter(|study| is_owed(study, release_on));
    status::print(&format!("{}\n", owed.count()))
}

fn is_owed(study: &StudyStatus, release_on: ReleaseOn) -> bool {
    let released = match release_on {
        ReleaseOn::Stored => ["stored", "committed"].contains(&study.receipt.as_str()),
        ReleaseOn::Committed => study.receipt == "committed",
    };
    !study.withdrawn && (study.parked > 0 || !released)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_is_owed_until_the_receipt_that_releases_it() {
        let study = |receipt: &str, parked| StudyStatus {
            receipt: receipt.to_owned(),
            parked,
            instances: 9,
            ..StudyStatus::default()
        };
        let owed = |receipt, parked, on| is_owed(&study(receipt, parked), on);
        assert!(owed("none", 0, ReleaseOn::Stored) && owed("verified", 0, ReleaseOn::Stored));
        assert!(!owed("stored", 0, ReleaseOn::Stored) && owed("stored", 1, ReleaseOn::Stored));
        assert!(owed("stored", 0, ReleaseOn::Committed));
        assert!(!owed("committed", 0, ReleaseOn::Committed));
    }
}
