//! What a requestor proposes, and what became of it.

use crate::error::{ContextRefusal, Error};
use crate::uid::{IMPLICIT_LE, STORAGE_COMMITMENT, STUDY_ROOT_FIND, VERIFICATION};
use crate::ul::{self, AssociationAC, PresentationContextProposed};
use crate::{Uid, limits};

/// The presentation contexts to propose: pairs of SOP class and one transfer syntax, so that the peer
/// cannot choose another syntax than that of the bytes we have (FIELD T16).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contexts(Vec<(Uid, Uid)>);

/// A context and the peer's word on it.
pub(super) struct Proposed {
    pub(super) id: u8,
    pub(super) pair: (Uid, Uid),
    pub(super) refusal: Option<ContextRefusal>,
}

impl Contexts {
    /// None yet.
    pub fn new() -> Self {
        Contexts::default()
    }

    /// Adds a pair; one that is there already takes no second place.
    ///
    /// # Errors
    /// [`Error::TooManyContexts`] above [`limits::CONTEXTS`]: use another association.
    /// [`Error::UnknownUid`] for an empty UID: peers abort the whole association for it.
    pub fn add(&mut self, sop_class: &Uid, transfer_syntax: &Uid) -> Result<(), Error> {
        if sop_class.is_empty() || transfer_syntax.is_empty() {
            return Err(Error::UnknownUid);
        }
        let pair = (sop_class.clone(), transfer_syntax.clone());
        if self.0.contains(&pair) {
            return Ok(());
        }
        if self.0.len() >= limits::CONTEXTS {
            return Err(Error::TooManyContexts);
        }
        self.0.push(pair);
        Ok(())
    }

    /// Adds what [`super::Association::echo`] needs.
    ///
    /// # Errors
    /// As [`Contexts::add`].
    pub fn add_echo(&mut self) -> Result<(), Error> {
        self.add(&Uid::new(VERIFICATION), &Uid::new(IMPLICIT_LE))
    }

    /// Adds what [`super::Association::find`] needs.
    ///
    /// # Errors
    /// As [`Contexts::add`].
    pub fn add_find(&mut self) -> Result<(), Error> {
        self.add(&Uid::new(STUDY_ROOT_FIND), &Uid::new(IMPLICIT_LE))
    }

    /// Adds what [`super::Association::commit`] needs.
    ///
    /// # Errors
    /// As [`Contexts::add`].
    pub fn add_commitment(&mut self) -> Result<(), Error> {
        self.add(&Uid::new(STORAGE_COMMITMENT), &Uid::new(IMPLICIT_LE))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The items of an association request.
    pub(super) fn proposals(&self) -> Vec<PresentationContextProposed> {
        self.numbered().map(proposal).collect()
    }

    /// What the peer said to each.
    pub(super) fn judged(&self, answer: &AssociationAC) -> Vec<Proposed> {
        let judge = |(id, pair): (u8, &(Uid, Uid))| Proposed {
            id,
            pair: pair.clone(),
            refusal: refusal(answer, id, &pair.1),
        };
        self.numbered().map(judge).collect()
    }

    fn numbered(&self) -> impl Iterator<Item = (u8, &(Uid, Uid))> {
        (1..=u8::MAX).step_by(2).zip(&self.0)
    }
}

fn proposal((id, (sop_class, transfer_syntax)): (u8, &(Uid, Uid))) -> PresentationContextProposed {
    PresentationContextProposed {
        id,
        abstract_syntax: sop_class.as_str().to_owned(),
        transfer_syntaxes: vec![transfer_syntax.as_str().to_owned()],
    }
}

/// A context is usable only when the peer accepted it with the very syntax that was proposed.
fn refusal(answer: &AssociationAC, id: u8, transfer_syntax: &Uid) -> Option<ContextRefusal> {
    let Some(result) = answer
        .presentation_contexts
        .iter()
        .find(|result| result.id == id)
    else {
        return Some(ContextRefusal::NoReason);
    };
    let other = Uid::new(&result.transfer_syntax) != *transfer_syntax;
    ul::refusal(&result.reason).or(other.then_some(ContextRefusal::TransferSyntax))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uid::{CT_STORAGE, EXPLICIT_LE};

    #[test]
    fn t16_an_association_holds_128_contexts_and_ids_are_odd() {
        let mut contexts = Contexts::new();
        for index in 0..128 {
            contexts
                .add(&Uid::new(&format!("1.2.{index}")), &Uid::new(EXPLICIT_LE))
                .unwrap();
        }
        contexts
            .add(&Uid::new("1.2.7"), &Uid::new(EXPLICIT_LE))
            .unwrap();
        assert_eq!(contexts.len(), 128);
        assert_eq!(
            contexts.add(&Uid::new(CT_STORAGE), &Uid::new(EXPLICIT_LE)),
            Err(Error::TooManyContexts)
        );
        let empty = Uid::default();
        assert_eq!(
            contexts.add(&empty, &Uid::new(EXPLICIT_LE)),
            Err(Error::UnknownUid)
        );
        let ids: Vec<u8> = contexts.numbered().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), 128);
        assert!(ids.iter().all(|id| id % 2 == 1));
    }
}
