//! The only door to `dicom-ul`: its PDU reader and writer, and our words for its types.

use dicom_ul::pdu::{
    AbortRQServiceProviderReason as ProviderReason, AbortRQSource, AssociationRJ,
    AssociationRJResult, AssociationRJServiceProviderASCEReason as AcseReason,
    AssociationRJServiceProviderPresentationReason as PresentationReason,
    AssociationRJServiceUserReason as UserReason, AssociationRJSource, MAXIMUM_PDU_SIZE,
    PresentationContextResultReason as ResultReason, UserVariableItem, read_pdu, write_pdu,
};
use std::borrow::Cow;

use crate::ae::visible;
use crate::error::{AbortSource, ContextRefusal, RejectReason, Rejection, Violation};
use crate::limits;
use crate::uid::Uid;

pub(crate) use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, PDataValue, PDataValueType, Pdu, PresentationContextProposed,
    PresentationContextResult, RequestorRoles,
};

/// Ours, in association PDUs and file meta groups: a UUID-derived UID (PS3.5 B.2).
pub(crate) const IMPLEMENTATION_CLASS: &str = "2.25.1840632309271743651757807156132930872";
/// Ours, in association PDUs and file meta groups.
pub(crate) const IMPLEMENTATION_VERSION: &str = "KAREZ_1";

const HEADER: usize = 6;
const ASSOCIATE_AC: u8 = 0x02;
const ASSOCIATE_FIXED: usize = HEADER + 68;
const CONTEXT_RESULT: u8 = 0x21;

/// The whole length of the PDU that begins with `bytes`, header included; `None` below 6 bytes.
pub(crate) fn pdu_length(bytes: &[u8]) -> Result<Option<usize>, Violation> {
    let Some([kind, _, a, b, c, d]) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
    if length > limits::PDU_READ || !(0x01..=0x07).contains(kind) {
        return Err(Violation::PduTooLong);
    }
    Ok(Some(HEADER + length))
}

/// Decodes one whole PDU.
pub(crate) fn decode(bytes: &[u8]) -> Result<Pdu, Violation> {
    let bytes = with_result_syntaxes(bytes);
    match read_pdu(bytes.as_ref(), MAXIMUM_PDU_SIZE, false) {
        Ok(Some(pdu)) => Ok(pdu),
        Ok(None) | Err(_) => Err(Violation::MalformedPdu),
    }
}

/// Encodes one PDU.
pub(crate) fn encode(pdu: &Pdu) -> Result<Vec<u8>, Violation> {
    let mut bytes = Vec::with_capacity(256);
    write_pdu(&mut bytes, pdu).map_err(|_| Violation::NotEncodable)?;
    Ok(bytes)
}

/// Some peers leave the transfer syntax out of the contexts that they refuse, where it means nothing
/// (PS3.8 9.3.3.2); `read_pdu` demands it. An empty one is put there.
fn with_result_syntaxes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut rest = match bytes.split_at_checked(ASSOCIATE_FIXED) {
        Some((fixed, items)) if fixed.first() == Some(&ASSOCIATE_AC) => items,
        _ => return Cow::Borrowed(bytes),
    };
    let mut items = Vec::with_capacity(bytes.len());
    while let Some(([kind, _, high, low], tail)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, tail)) = tail.split_at_checked(length) else {
            return Cow::Borrowed(bytes);
        };
        let bare = *kind == CONTEXT_RESULT && length == 4;
        items.extend([*kind, 0, *high, if bare { 8 } else { *low }]);
        items.extend(value);
        items.extend(if bare { &[0x40, 0, 0, 0][..] } else { &[] });
        rest = tail;
    }
    if !rest.is_empty() {
        return Cow::Borrowed(bytes);
    }
    let fixed = bytes.get(HEADER..ASSOCIATE_FIXED).unwrap_or_default();
    let length = u32::try_from(fixed.len() + items.len()).unwrap_or(u32::MAX);
    let mut whole = vec![ASSOCIATE_AC, 0];
    whole.extend(length.to_be_bytes());
    whole.extend(fixed);
    whole.extend(items);
    Cow::Owned(whole)
}

/// An A-ABORT of ours: by the user, or by the provider for a violation of the peer's.
pub(crate) fn abort(violation: Option<Violation>) -> Pdu {
    let source = match violation {
        None => AbortRQSource::ServiceUser,
        Some(Violation::UnexpectedPdu) => {
            AbortRQSource::ServiceProvider(ProviderReason::UnexpectedPdu)
        }
        Some(Violation::MalformedPdu | Violation::PduTooLong) => {
            AbortRQSource::ServiceProvider(ProviderReason::UnrecognizedPdu)
        }
        Some(_) => AbortRQSource::ServiceProvider(ProviderReason::InvalidPduParameter),
    };
    Pdu::AbortRQ { source }
}

pub(crate) fn abort_source(source: &AbortRQSource) -> AbortSource {
    match source {
        AbortRQSource::ServiceUser => AbortSource::User,
        AbortRQSource::ServiceProvider(_) => AbortSource::Provider,
        AbortRQSource::Reserved => AbortSource::Reserved,
    }
}

pub(crate) fn rejection(rejection: &AssociationRJ) -> Rejection {
    let reason = match &rejection.source {
        AssociationRJSource::ServiceUser(UserReason::NoReasonGiven) => RejectReason::NoReason,
        AssociationRJSource::ServiceUser(UserReason::ApplicationContextNameNotSupported) => {
            RejectReason::ApplicationContext
        }
        AssociationRJSource::ServiceUser(UserReason::CallingAETitleNotRecognized) => {
            RejectReason::CallingAe
        }
        AssociationRJSource::ServiceUser(UserReason::CalledAETitleNotRecognized) => {
            RejectReason::CalledAe
        }
        AssociationRJSource::ServiceProviderASCE(AcseReason::NoReasonGiven) => {
            RejectReason::ProviderNoReason
        }
        AssociationRJSource::ServiceProviderASCE(AcseReason::ProtocolVersionNotSupported) => {
            RejectReason::ProtocolVersion
        }
        AssociationRJSource::ServiceProviderPresentation(
            PresentationReason::TemporaryCongestion,
        ) => RejectReason::Congestion,
        AssociationRJSource::ServiceProviderPresentation(
            PresentationReason::LocalLimitExceeded,
        ) => RejectReason::LocalLimit,
        AssociationRJSource::ServiceUser(UserReason::Reserved(_))
        | AssociationRJSource::ServiceProviderPresentation(PresentationReason::Reserved(_)) => {
            RejectReason::Reserved
        }
    };
    Rejection {
        transient: rejection.result == AssociationRJResult::Transient,
        reason,
    }
}

pub(crate) fn reject(rejection: Rejection) -> Pdu {
    let result = match rejection.transient {
        true => AssociationRJResult::Transient,
        false => AssociationRJResult::Permanent,
    };
    let source = match rejection.reason {
        RejectReason::NoReason | RejectReason::Reserved => {
            AssociationRJSource::ServiceUser(UserReason::NoReasonGiven)
        }
        RejectReason::ApplicationContext => {
            AssociationRJSource::ServiceUser(UserReason::ApplicationContextNameNotSupported)
        }
        RejectReason::CallingAe => {
            AssociationRJSource::ServiceUser(UserReason::CallingAETitleNotRecognized)
        }
        RejectReason::CalledAe => {
            AssociationRJSource::ServiceUser(UserReason::CalledAETitleNotRecognized)
        }
        RejectReason::ProtocolVersion => {
            AssociationRJSource::ServiceProviderASCE(AcseReason::ProtocolVersionNotSupported)
        }
        RejectReason::ProviderNoReason => {
            AssociationRJSource::ServiceProviderASCE(AcseReason::NoReasonGiven)
        }
        RejectReason::Congestion => AssociationRJSource::ServiceProviderPresentation(
            PresentationReason::TemporaryCongestion,
        ),
        RejectReason::LocalLimit => {
            AssociationRJSource::ServiceProviderPresentation(PresentationReason::LocalLimitExceeded)
        }
    };
    Pdu::AssociationRJ(AssociationRJ { result, source })
}

/// `None` for an accepted context.
pub(crate) fn refusal(reason: &ResultReason) -> Option<ContextRefusal> {
    match reason {
        ResultReason::Acceptance => None,
        ResultReason::UserRejection => Some(ContextRefusal::User),
        ResultReason::NoReason => Some(ContextRefusal::NoReason),
        ResultReason::AbstractSyntaxNotSupported => Some(ContextRefusal::SopClass),
        ResultReason::TransferSyntaxesNotSupported => Some(ContextRefusal::TransferSyntax),
    }
}

pub(crate) fn result_reason(refusal: Option<ContextRefusal>) -> ResultReason {
    match refusal {
        None => ResultReason::Acceptance,
        Some(ContextRefusal::User) => ResultReason::UserRejection,
        Some(ContextRefusal::NoReason | ContextRefusal::NotProposed) => ResultReason::NoReason,
        Some(ContextRefusal::SopClass) => ResultReason::AbstractSyntaxNotSupported,
        Some(ContextRefusal::TransferSyntax) => ResultReason::TransferSyntaxesNotSupported,
    }
}

/// What we say about ourselves in an association PDU.
pub(crate) fn user_information(max_pdu: u32) -> Vec<UserVariableItem> {
    vec![
        UserVariableItem::MaxLength(max_pdu),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION.to_owned()),
    ]
}

/// The roles in which a requestor wants to use a class (PS3.7 D.3.3.4), where it says so.
pub(crate) fn roles(items: &[UserVariableItem], class: &str) -> Option<RequestorRoles> {
    items.iter().find_map(|item| match item {
        UserVariableItem::ScuScpRoleSelectionSubItem(uid, roles)
            if Uid::new(uid).as_str() == class =>
        {
            Some(*roles)
        }
        _ => None,
    })
}

/// The item that names them.
pub(crate) fn role_item(class: &str, roles: RequestorRoles) -> UserVariableItem {
    UserVariableItem::ScuScpRoleSelectionSubItem(class.to_owned(), roles)
}

/// The longest PDU that we write to a peer with this user information (0 means no limit).
pub(crate) fn writable_pdu(items: &[UserVariableItem]) -> Result<u32, Violation> {
    let announced = items.iter().find_map(|item| match item {
        UserVariableItem::MaxLength(length) => Some(*length),
        _ => None,
    });
    match announced.unwrap_or(0) {
        0 => Ok(limits::PDU_WRITTEN),
        1..limits::PDU_FLOOR => Err(Violation::PduLimitTooSmall),
        length => Ok(length.min(limits::PDU_WRITTEN)),
    }
}

/// Implementation class and version name of the peer, empty when not given.
pub(crate) fn implementation(items: &[UserVariableItem]) -> (Uid, String) {
    let mut class = Uid::default();
    let mut version = String::new();
    for item in items {
        match item {
            UserVariableItem::ImplementationClassUID(uid) => class = Uid::new(uid),
            UserVariableItem::ImplementationVersionName(name) => version = visible(name),
            _ => {}
        }
    }
    (class, version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uid;
    use proptest::prelude::*;

    fn acceptance() -> Vec<u8> {
        encode(&Pdu::AssociationAC(AssociationAC {
            protocol_version: 1,
            calling_ae_title: "A".to_owned(),
            called_ae_title: "B".to_owned(),
            application_context_name: uid::APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: vec![PresentationContextResult {
                id: 1,
                reason: ResultReason::UserRejection,
                transfer_syntax: String::new(),
            }],
            user_variables: user_information(4096),
        }))
        .unwrap()
    }

    #[test]
    fn a_refused_context_without_a_transfer_syntax_is_understood() {
        let whole = acceptance();
        let result = whole
            .windows(4)
            .position(|item| item == [CONTEXT_RESULT, 0, 0, 8])
            .unwrap();
        let mut bare = whole.clone();
        bare.drain(result + 8..result + 12);
        bare[result + 3] = 4;
        let length = u32::try_from(bare.len() - HEADER).unwrap();
        bare[2..6].copy_from_slice(&length.to_be_bytes());
        assert_eq!(decode(&bare), decode(&whole));
        assert!(decode(&whole).is_ok());
    }

    #[test]
    fn rejections_come_back() {
        for reason in [
            RejectReason::NoReason,
            RejectReason::ApplicationContext,
            RejectReason::CallingAe,
            RejectReason::CalledAe,
            RejectReason::ProtocolVersion,
            RejectReason::ProviderNoReason,
            RejectReason::Congestion,
            RejectReason::LocalLimit,
        ] {
            for transient in [false, true] {
                let ours = Rejection { transient, reason };
                let Ok(Pdu::AssociationRJ(read)) = decode(&encode(&reject(ours)).unwrap()) else {
                    panic!("not a rejection");
                };
                assert_eq!(rejection(&read), ours);
            }
        }
    }

    #[test]
    fn a_web_browser_is_not_taken_for_a_peer() {
        assert_eq!(pdu_length(b"GET / HTTP/1.1"), Err(Violation::PduTooLong));
        assert_eq!(
            pdu_length(&[4, 0, 0xFF, 0, 0, 0]),
            Err(Violation::PduTooLong)
        );
        assert_eq!(pdu_length(&[4, 0, 0, 0, 1]), Ok(None));
        assert_eq!(pdu_length(&[4, 0, 0, 0, 1, 0]), Ok(Some(262)));
    }

    proptest! {
        #[test]
        fn no_pdu_body_makes_the_reader_panic(
            kind in 1u8..8,
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = vec![kind, 0];
            bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
            bytes.extend(&body);
            if let Ok(pdu) = decode(&bytes) {
                let unknown = matches!(pdu, Pdu::Unknown { .. });
                prop_assert!(!unknown);
            }
        }

        #[test]
        fn a_changed_acceptance_is_read_or_refused_but_never_panics(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = acceptance();
            for (index, value) in changes {
                let at = index.index(bytes.len() - HEADER) + HEADER;
                bytes[at] = value;
            }
            if let Ok(pdu) = decode(&bytes) {
                prop_assert!(matches!(pdu, Pdu::AssociationAC(_)));
            }
        }
    }
}
