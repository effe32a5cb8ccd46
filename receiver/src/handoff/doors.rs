//! A PACS with two doors: DIMSE for what it takes there, DICOMweb for what it refuses by class or
//! syntax (FIELD: Orthanc refuses private and new classes by C-STORE and takes them by STOW-RS), and
//! for reading back what it has.

use karez_dimse::Uid;
use karez_host::env::BoxFuture;

use super::pacs::Pacs;
use super::web::Web;
use super::{Ability, Delivery, Item, Look, Target, TargetError, Verdict};

/// One PACS, reached in two ways.
pub(crate) struct Doors {
    dimse: Pacs,
    web: Web,
}

impl Doors {
    /// The two ways to one PACS.
    #[must_use]
    pub(crate) const fn new(dimse: Pacs, web: Web) -> Self {
        Self { dimse, web }
    }
}

impl Target for Doors {
    fn look<'a>(&'a self, item: &'a Item) -> BoxFuture<'a, Result<Look, TargetError>> {
        Box::pin(async move {
            match self.dimse.look(item).await {
                // By the other door it can be read back.
                Ok(Look::There(what)) => match self.web.look(item).await? {
                    Look::Absent => Ok(Look::There(what)),
                    look => Ok(look),
                },
                Err(TargetError::Refused(_)) => self.web.look(item).await,
                look => look,
            }
        })
    }

    fn begin<'a>(
        &'a self,
        item: &'a Item,
    ) -> BoxFuture<'a, Result<Box<dyn Delivery>, TargetError>> {
        Box::pin(async move {
            match self.dimse.begin(item).await {
                Err(TargetError::Refused(_)) => self.web.begin(item).await,
                begun => begun,
            }
        })
    }

    fn test(&self) -> BoxFuture<'_, Vec<Ability>> {
        Box::pin(async {
            let mut abilities = self.dimse.test().await;
            abilities.extend(self.web.test().await);
            abilities
        })
    }

    fn confirms(&self) -> bool {
        self.web.confirms() || self.dimse.confirms()
    }

    fn reads_back(&self) -> bool {
        self.web.reads_back()
    }

    fn confirm<'a>(
        &'a self,
        items: &'a [Item],
        transaction: &'a Uid,
    ) -> BoxFuture<'a, Vec<Verdict>> {
        Box::pin(async move {
            let mut verdicts = self.web.confirm(items, transaction).await;
            // What a PACS has written anew is not read back the same: its word must do.
            let kept = |verdict: &Verdict| matches!(verdict, Verdict::Kept(_));
            let others = items
                .iter()
                .zip(&verdicts)
                .filter(|(_, verdict)| !kept(verdict));
            let others: Vec<Item> = others.map(|(item, _)| item.clone()).collect();
            if others.is_empty() {
                return verdicts;
            }
            let mut second = self.dimse.confirm(&others, transaction).await.into_iter();
            for verdict in verdicts.iter_mut().filter(|verdict| !kept(verdict)) {
                if let Some(word) = second.next() {
                    *verdict = word;
                }
            }
            verdicts
        })
    }

    fn keeps_by_uid(&self) -> bool {
        true
    }

    fn stores_after_a_cut(&self) -> bool {
        self.dimse.stores_after_a_cut() || self.web.stores_after_a_cut()
    }
}
