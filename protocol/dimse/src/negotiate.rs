//! Which contexts and transfer syntaxes an acceptor takes (PS3.8 9.3.3).

use std::collections::BTreeMap;

use crate::error::{ContextRefusal, RejectReason, Rejection, Violation};
use crate::scp::{Peer, Policy};
use crate::uid::{
    APPLICATION_CONTEXT, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, STORAGE_COMMITMENT, Uid,
};
use crate::ul::{
    AssociationAC, AssociationRQ, PresentationContextProposed, PresentationContextResult,
    implementation, result_reason, role_item, roles, user_information,
};
use crate::{AeTitle, limits};

/// An accepted presentation context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The SOP class that was negotiated.
    pub abstract_syntax: Uid,
    /// The transfer syntax that was chosen.
    pub transfer_syntax: Uid,
}

/// The outcome of a request that was not rejected.
pub(crate) struct Negotiated {
    pub(crate) contexts: BTreeMap<u8, Context>,
    pub(crate) answer: AssociationAC,
}

/// Who asks.
pub(crate) fn peer_of(request: &AssociationRQ) -> Peer {
    let (implementation_class, implementation_version) = implementation(&request.user_variables);
    Peer {
        calling: AeTitle::received(&request.calling_ae_title),
        called: AeTitle::received(&request.called_ae_title),
        implementation_class,
        implementation_version,
    }
}

/// Why the request as a whole is refused, if it is.
pub(crate) fn rejection<P: Policy + ?Sized>(
    request: &AssociationRQ,
    peer: &Peer,
    policy: &P,
) -> Option<Rejection> {
    let permanent = |reason| {
        Some(Rejection {
            transient: false,
            reason,
        })
    };
    if request.protocol_version & 1 == 0 {
        return permanent(RejectReason::ProtocolVersion);
    }
    if Uid::new(&request.application_context_name).as_str() != APPLICATION_CONTEXT {
        return permanent(RejectReason::ApplicationContext);
    }
    policy.admit(peer).err()
}

/// Decides on every context.
pub(crate) fn negotiate<P: Policy + ?Sized>(
    request: AssociationRQ,
    peer: &Peer,
    policy: &P,
    max_pdu: u32,
) -> Result<Negotiated, Violation> {
    check_ids(&request.presentation_contexts)?;
    let mut contexts = BTreeMap::new();
    let mut results = Vec::with_capacity(request.presentation_contexts.len());
    for proposed in &request.presentation_contexts {
        let choice = choose(proposed, peer, policy);
        results.push(PresentationContextResult {
            id: proposed.id,
            reason: result_reason(choice.as_ref().err().copied()),
            transfer_syntax: offered(proposed, choice.as_ref().ok()),
        });
        if let Ok(context) = choice {
            contexts.insert(proposed.id, context);
        }
    }
    // An archive that brings a report is its provider, though it opens the association.
    let mut user_variables = user_information(max_pdu);
    let wanted = roles(&request.user_variables, STORAGE_COMMITMENT);
    user_variables.extend(wanted.map(|roles| role_item(STORAGE_COMMITMENT, roles)));
    let answer = AssociationAC {
        protocol_version: 1,
        calling_ae_title: request.calling_ae_title,
        called_ae_title: request.called_ae_title,
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: results,
        user_variables,
    };
    Ok(Negotiated { contexts, answer })
}

fn check_ids(contexts: &[PresentationContextProposed]) -> Result<(), Violation> {
    let mut seen = std::collections::BTreeSet::new();
    let sound = contexts
        .iter()
        .all(|context| context.id % 2 == 1 && seen.insert(context.id));
    if sound && contexts.len() <= limits::CONTEXTS {
        Ok(())
    } else {
        Err(Violation::BadContexts)
    }
}

fn choose<P: Policy + ?Sized>(
    proposed: &PresentationContextProposed,
    peer: &Peer,
    policy: &P,
) -> Result<Context, ContextRefusal> {
    let abstract_syntax = Uid::new(&proposed.abstract_syntax);
    policy.allow(peer, &abstract_syntax)?;
    let syntaxes: Vec<Uid> = proposed
        .transfer_syntaxes
        .iter()
        .map(|text| Uid::new(text))
        .filter(|uid| policy.takes(uid))
        .collect();
    let transfer_syntax =
        preferred(&abstract_syntax, &syntaxes).ok_or(ContextRefusal::TransferSyntax)?;
    Ok(Context {
        abstract_syntax,
        transfer_syntax,
    })
}

/// Explicit little endian, else implicit, else the first that is not big endian, else big endian.
/// A query and a storage commitment are taken in implicit only.
fn preferred(abstract_syntax: &Uid, offered: &[Uid]) -> Option<Uid> {
    let find = |wanted: &str| offered.iter().find(|uid| uid.as_str() == wanted);
    if abstract_syntax.is_find() || abstract_syntax.as_str() == STORAGE_COMMITMENT {
        return find(IMPLICIT_LE).cloned();
    }
    let little = || {
        offered
            .iter()
            .find(|uid| uid.as_str() != EXPLICIT_BE && !uid.is_empty())
    };
    find(EXPLICIT_LE)
        .or_else(|| find(IMPLICIT_LE))
        .or_else(little)
        .or_else(|| find(EXPLICIT_BE))
        .cloned()
}

/// The syntax to name in a result: the chosen one; for a refusal, where it means nothing, the first
/// that was offered.
fn offered(proposed: &PresentationContextProposed, chosen: Option<&Context>) -> String {
    match chosen {
        Some(context) => context.transfer_syntax.as_str().to_owned(),
        None => proposed
            .transfer_syntaxes
            .first()
            .cloned()
            .unwrap_or_else(|| IMPLICIT_LE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uid::{CT_STORAGE, JPEG_LOSSLESS, STUDY_ROOT_FIND};

    fn pick(class: &str, offered: &[&str]) -> Option<String> {
        let offered: Vec<Uid> = offered.iter().map(|text| Uid::new(text)).collect();
        preferred(&Uid::new(class), &offered).map(|uid| uid.as_str().to_owned())
    }

    #[test]
    fn t18_big_endian_is_taken_only_when_nothing_else_is_offered() {
        let private = "1.3.46.670589.1";
        let table: [(&[&str], Option<&str>); 7] = [
            (&[IMPLICIT_LE, EXPLICIT_LE], Some(EXPLICIT_LE)),
            (&[EXPLICIT_BE, IMPLICIT_LE], Some(IMPLICIT_LE)),
            (&[EXPLICIT_BE, private, JPEG_LOSSLESS], Some(private)),
            (&[JPEG_LOSSLESS, private], Some(JPEG_LOSSLESS)),
            (&[EXPLICIT_BE], Some(EXPLICIT_BE)),
            (&[JPEG_LOSSLESS, EXPLICIT_LE], Some(EXPLICIT_LE)),
            (&[], None),
        ];
        for (offered, expected) in table {
            assert_eq!(pick(CT_STORAGE, offered).as_deref(), expected);
        }
    }

    #[test]
    fn a_query_is_taken_in_implicit_little_endian_only() {
        assert_eq!(
            pick(STUDY_ROOT_FIND, &[EXPLICIT_LE, IMPLICIT_LE]).as_deref(),
            Some(IMPLICIT_LE)
        );
        assert_eq!(pick(STUDY_ROOT_FIND, &[EXPLICIT_LE]), None);
    }

    #[test]
    fn t16_even_repeated_and_too_many_context_ids_are_a_violation() {
        let context = |id| PresentationContextProposed {
            id,
            abstract_syntax: CT_STORAGE.to_owned(),
            transfer_syntaxes: vec![EXPLICIT_LE.to_owned()],
        };
        let all: Vec<_> = (0..=127u8).map(|index| context(2 * index + 1)).collect();
        assert_eq!(check_ids(&all), Ok(()));
        for wrong in [
            vec![context(2)],
            vec![context(1), context(1)],
            [all, vec![context(1)]].concat(),
        ] {
            assert_eq!(check_ids(&wrong), Err(Violation::BadContexts));
        }
    }
}
