//! The requestor: opens an association to a peer, asks for C-ECHO, C-STORE, C-FIND and storage
//! commitment, one after the other, and releases it.

mod contexts;

pub use contexts::Contexts;

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::command::{Command, Comment, Field, Priority};
use crate::commitment::{self, Report, Transaction};
use crate::dimse::{Link, Received};
use crate::error::{ContextRefusal, Error, Violation};
use crate::identifier::Identifier;
use crate::uid::{
    APPLICATION_CONTEXT, IMPLICIT_LE, STORAGE_COMMITMENT, STUDY_ROOT_FIND, VERIFICATION,
};
use crate::ul::{self, AssociationRQ, Pdu, RequestorRoles};
use crate::wire::{Wait, Wire};
use crate::{AeTitle, Status, Timeouts, Uid, limits};
use contexts::Proposed;

/// What an association is opened with.
#[derive(Clone, Debug)]
pub struct Request {
    /// Our title.
    pub calling: AeTitle,
    /// The peer's title.
    pub called: AeTitle,
    /// At least one.
    pub contexts: Contexts,
    /// Whether we bring reports of storage commitment, as an archive does.
    pub reports: bool,
    /// The three timeouts.
    pub timeouts: Timeouts,
}

/// An instance to store: its data set's length is known before the first byte leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// SOP class.
    pub sop_class: Uid,
    /// SOP instance.
    pub sop_instance: Uid,
    /// The syntax of the data set's bytes.
    pub transfer_syntax: Uid,
    /// Advice to the peer.
    pub priority: Priority,
    /// Bytes of the data set.
    pub length: u64,
}

/// A peer's answer to a C-STORE or C-ECHO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: Status,
    /// Its own words; may hold patient data.
    pub comment: Comment,
}

/// A peer's answer to a C-FIND.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What matched.
    pub matches: Vec<Identifier>,
    /// The status at the end. Only after [`Status::SUCCESS`] does "no match" mean "not there".
    pub status: Status,
}

/// An open association.
pub struct Association<S> {
    link: Link<S>,
    contexts: Vec<Proposed>,
    implementation: Uid,
    message: u16,
    /// True from a request's first byte to its answer's last: set when an exchange was cancelled.
    in_exchange: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Association<S> {
    /// Connects by `connecting` and negotiates, each within the associate timeout.
    ///
    /// # Errors
    /// [`Error::Connect`] when no connection came up; else as [`Association::open`].
    pub async fn connect(
        connecting: impl Future<Output = io::Result<S>>,
        request: &Request,
    ) -> Result<Self, Error> {
        match timeout(request.timeouts.associate, connecting).await {
            Err(_) => Err(Error::Connect(io::ErrorKind::TimedOut)),
            Ok(Err(error)) => Err(Error::Connect(error.kind())),
            Ok(Ok(stream)) => Association::open(stream, request).await,
        }
    }

    /// Negotiates on a connection. Contexts that the peer refuses do not fail the association.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::Aborted`], [`Error::Timeout`], [`Error::Lost`], [`Error::Protocol`].
    pub async fn open(stream: S, request: &Request) -> Result<Self, Error> {
        let mut wire = Wire::new(stream, request.timeouts);
        let wait = wire.associate_deadline();
        wire.write(&request.to_pdu()).await?;
        let answer = match wire.read(wait).await? {
            Pdu::AssociationAC(answer) => answer,
            Pdu::AssociationRJ(rejection) => {
                wire.finish().await;
                return Err(Error::Rejected(ul::rejection(&rejection)));
            }
            _ => return Err(wire.fail(Error::Protocol(Violation::UnexpectedPdu)).await),
        };
        let writable = match ul::writable_pdu(&answer.user_variables) {
            Ok(writable) => writable,
            Err(violation) => return Err(wire.fail(Error::Protocol(violation)).await),
        };
        Ok(Association {
            link: Link::new(wire, writable),
            contexts: request.contexts.judged(&answer),
            implementation: ul::implementation(&answer.user_variables).0,
            message: 0,
            in_exchange: false,
        })
    }

    /// Which program the peer is: its implementation class UID (PS3.7 D.3.3.2), may be empty.
    pub fn implementation(&self) -> &Uid {
        &self.implementation
    }

    /// Whether the peer takes this SOP class in this transfer syntax.
    ///
    /// # Errors
    /// Why not.
    pub fn accepts(&self, sop_class: &Uid, transfer_syntax: &Uid) -> Result<(), ContextRefusal> {
        self.context(sop_class, transfer_syntax).map(|_| ())
    }

    /// Asks whether the peer is there.
    ///
    /// # Errors
    /// [`Error::ContextNotAccepted`]; all that ends an association.
    pub async fn echo(&mut self) -> Result<Answer, Error> {
        let class = Uid::new(VERIFICATION);
        let context = self.usable(&class, &Uid::new(IMPLICIT_LE))?;
        let command = Command::request(Field::ECHO, self.next_message(), &class);
        self.begin().await?;
        self.link.send_command(context, &command).await?;
        let response = self.response(context, &command).await?;
        self.end(response)
    }

    /// Hands over one instance: `outgoing.length` bytes of `data`, untouched. What the peer answers is in
    /// the status; an error says that its answer is not known.
    ///
    /// # Errors
    /// [`Error::ContextNotAccepted`], [`Error::UnknownUid`] and [`Error::OddLength`] before anything was
    /// sent;
    /// [`Error::Source`] when `data` ended early or failed (the association is aborted); all that ends an
    /// association.
    pub async fn store<R>(&mut self, outgoing: &Outgoing, data: &mut R) -> Result<Answer, Error>
    where
        R: AsyncRead + Unpin,
    {
        let context = self.usable(&outgoing.sop_class, &outgoing.transfer_syntax)?;
        if outgoing.sop_instance.is_empty() {
            return Err(Error::UnknownUid);
        }
        if outgoing.length % 2 == 1 {
            return Err(Error::OddLength);
        }
        let command = Command {
            sop_instance: outgoing.sop_instance.clone(),
            priority: outgoing.priority,
            data_set: true,
            ..Command::request(Field::STORE, self.next_message(), &outgoing.sop_class)
        };
        self.begin().await?;
        self.link
            .send_with_data_set(context, &command, data, outgoing.length)
            .await?;
        let response = self.response(context, &command).await?;
        self.end(response)
    }

    /// Asks a question of the Study Root model.
    ///
    /// # Errors
    /// [`Error::ContextNotAccepted`]; [`Violation::AnswerTooLong`] above [`limits::MATCHES`]; all that ends
    /// an association.
    pub async fn find(&mut self, question: &Identifier) -> Result<Found, Error> {
        let class = Uid::new(STUDY_ROOT_FIND);
        let context = self.usable(&class, &Uid::new(IMPLICIT_LE))?;
        let mut command = Command::request(Field::FIND, self.next_message(), &class);
        command.data_set = true;
        self.begin().await?;
        self.link
            .send_with_identifier(context, &command, &question.encode())
            .await?;
        let found = self.matches(context, &command).await?;
        self.in_exchange = false;
        Ok(found)
    }

    /// Asks for storage commitment. What becomes of it comes later, as a report to our own port.
    ///
    /// # Errors
    /// [`Error::ContextNotAccepted`]; all that ends an association.
    pub async fn commit(&mut self, transaction: &Transaction) -> Result<Answer, Error> {
        let data_set = transaction.encode();
        let kind = (Field::ACTION, commitment::REQUEST);
        self.normalised(kind, &data_set).await
    }

    /// Brings a report of storage commitment.
    ///
    /// # Errors
    /// As [`Association::commit`].
    pub async fn report(&mut self, report: &Report) -> Result<Answer, Error> {
        let kind = (Field::EVENT_REPORT, report.event());
        self.normalised(kind, &report.encode()).await
    }

    async fn normalised(
        &mut self,
        (field, kind): (Field, u16),
        data_set: &[u8],
    ) -> Result<Answer, Error> {
        let class = Uid::new(STORAGE_COMMITMENT);
        let context = self.usable(&class, &Uid::new(IMPLICIT_LE))?;
        let command = Command {
            sop_instance: commitment::INSTANCE.into(),
            kind: Some(kind),
            data_set: true,
            ..Command::request(field, self.next_message(), &class)
        };
        self.begin().await?;
        self.link
            .send_with_identifier(context, &command, data_set)
            .await?;
        let response = self.response(context, &command).await?;
        self.end(response)
    }

    /// Ends the association in good order, within the associate timeout.
    ///
    /// # Errors
    /// Whatever happened instead. All answers were received before, so it matters to logs only.
    pub async fn release(mut self) -> Result<(), Error> {
        self.begin().await?;
        let wait = self.link.wire().associate_deadline();
        self.link.wire().write(&Pdu::ReleaseRQ).await?;
        loop {
            match self.link.receive(wait).await? {
                Received::ReleaseResponse => break,
                Received::ReleaseRequest => self.link.wire().write(&Pdu::ReleaseRP).await?,
                Received::Command(..) => {
                    return Err(self.link.violated(Violation::UnexpectedMessage).await);
                }
            }
        }
        self.link.wire().finish().await;
        Ok(())
    }

    /// Ends the association at once.
    pub async fn abort(mut self) {
        self.link.wire().abort(None).await;
    }

    fn context(&self, sop_class: &Uid, transfer_syntax: &Uid) -> Result<u8, ContextRefusal> {
        let proposed = self
            .contexts
            .iter()
            .find(|proposed| proposed.pair.0 == *sop_class && proposed.pair.1 == *transfer_syntax)
            .ok_or(ContextRefusal::NotProposed)?;
        proposed.refusal.map_or(Ok(proposed.id), Err)
    }

    fn usable(&self, sop_class: &Uid, transfer_syntax: &Uid) -> Result<u8, Error> {
        self.context(sop_class, transfer_syntax)
            .map_err(Error::ContextNotAccepted)
    }

    fn next_message(&mut self) -> u16 {
        self.message = self.message.checked_add(1).unwrap_or(1);
        self.message
    }

    /// An exchange that was cancelled half-way leaves the peer in the middle of a message: that
    /// association is dead (FIELD complaint 11).
    async fn begin(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.in_exchange, true) {
            self.link.wire().abort(None).await;
            return Err(Error::Over);
        }
        Ok(())
    }

    fn end(&mut self, response: Command) -> Result<Answer, Error> {
        self.in_exchange = false;
        let status = response
            .status
            .ok_or(Error::Protocol(Violation::MalformedCommand))?;
        Ok(Answer {
            status,
            comment: response.comment,
        })
    }

    async fn response(&mut self, context: u8, request: &Command) -> Result<Command, Error> {
        let (at, response) = match self.link.receive(Wait::Idle).await? {
            Received::Command(at, response) => (at, response),
            Received::ReleaseRequest | Received::ReleaseResponse => {
                return Err(self.link.violated(Violation::UnexpectedPdu).await);
            }
        };
        let fits =
            response.field == request.field.response() && response.message == request.message;
        if !fits || at != context || response.status.is_none() {
            return Err(self.link.violated(Violation::UnexpectedMessage).await);
        }
        if response.data_set && request.field != Field::FIND {
            self.link.discard(context).await?;
        }
        Ok(response)
    }

    async fn matches(&mut self, context: u8, request: &Command) -> Result<Found, Error> {
        let mut matches = Vec::new();
        let mut bytes = 0;
        loop {
            let response = self.response(context, request).await?;
            let identifier = match response.data_set {
                true => self.link.identifier(context).await?,
                false => Vec::new(),
            };
            let status = response.status.unwrap_or(Status::PROCESSING_FAILURE);
            if !status.is_pending() {
                return Ok(Found { matches, status });
            }
            bytes += identifier.len();
            if bytes > limits::MATCHES || matches.len() >= limits::MATCH_COUNT {
                return Err(self.link.violated(Violation::AnswerTooLong).await);
            }
            match Identifier::decode(&identifier) {
                Ok(identifier) => matches.push(identifier),
                Err(violation) => return Err(self.link.violated(violation).await),
            }
        }
    }
}

impl Request {
    fn to_pdu(&self) -> Pdu {
        let mut user_variables = ul::user_information(limits::PDU_ANNOUNCED);
        if self.reports {
            let roles = RequestorRoles {
                scu: false,
                scp: true,
            };
            user_variables.push(ul::role_item(STORAGE_COMMITMENT, roles));
        }
        Pdu::AssociationRQ(AssociationRQ {
            protocol_version: 1,
            calling_ae_title: self.calling.as_str().to_owned(),
            called_ae_title: self.called.as_str().to_owned(),
            application_context_name: APPLICATION_CONTEXT.to_owned(),
            presentation_contexts: self.contexts.proposals(),
            user_variables,
        })
    }
}
