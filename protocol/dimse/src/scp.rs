//! The acceptor: takes associations, streams the instances of C-STORE to its caller, hears storage
//! commitment, answers C-ECHO.
//!
//! ```text
//! Association::accept -> loop next():
//!   Echo | Refused     answered already
//!   Store              data() until None, then answer(status)
//!   Find               matched(..) as often as wanted, then finish(status)
//!   Commit | Report    answer(status)
//!   Released           the end
//! ```
//! A request that is dropped without its answer ends the association at the next call.

mod incoming;

pub use incoming::{Announced, Find, Heard, Store};

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::command::{Command, Field};
use crate::commitment::{Report, Transaction};
use crate::dimse::{Link, Received};
use crate::error::{ContextRefusal, Error, Rejection, Violation};
use crate::identifier::Identifier;
use crate::negotiate::{self, Context};
use crate::uid::STORAGE_COMMITMENT;
use crate::ul::{self, Pdu};
use crate::wire::{Wait, Wire};
use crate::{AeTitle, Status, Timeouts, Uid, limits};

/// How associations are taken.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The three timeouts.
    pub timeouts: Timeouts,
    /// The longest PDU that we ask for, bytes; at most [`limits::PDU_READ`].
    pub max_pdu: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            timeouts: Timeouts::default(),
            max_pdu: limits::PDU_ANNOUNCED,
        }
    }
}

/// Who asks for an association, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it calls itself.
    pub calling: AeTitle,
    /// What it calls us.
    pub called: AeTitle,
    /// Its implementation class UID, may be empty.
    pub implementation_class: Uid,
    /// Its implementation version name, may be empty.
    pub implementation_version: String,
}

/// Decides who may do what. A closure over peer and abstract syntax is a policy that rejects nobody.
pub trait Policy: Sync {
    /// Whether an association is taken at all.
    ///
    /// # Errors
    /// The rejection to send.
    fn admit(&self, _peer: &Peer) -> Result<(), Rejection> {
        Ok(())
    }

    /// Whether `peer` may use this abstract syntax (a SOP class).
    ///
    /// # Errors
    /// The refusal to send for this presentation context.
    fn allow(&self, peer: &Peer, abstract_syntax: &Uid) -> Result<(), ContextRefusal>;

    /// Whether this transfer syntax is taken.
    fn takes(&self, _transfer_syntax: &Uid) -> bool {
        true
    }
}

impl<F: Fn(&Peer, &Uid) -> Result<(), ContextRefusal> + Sync> Policy for F {
    fn allow(&self, peer: &Peer, abstract_syntax: &Uid) -> Result<(), ContextRefusal> {
        self(peer, abstract_syntax)
    }
}

/// An accepted association.
pub struct Association<S> {
    link: Link<S>,
    contexts: BTreeMap<u8, Context>,
    peer: Peer,
    unanswered: bool,
}

/// What the peer asks.
pub enum Request<'a, S> {
    /// A C-ECHO; it was answered.
    Echo,
    /// An instance comes.
    Store(Store<'a, S>),
    /// A query.
    Find(Find<'a, S>),
    /// A request for storage commitment.
    Commit(Heard<'a, S, Transaction>),
    /// A report of storage commitment.
    Report(Heard<'a, S, Report>),
    /// Something that is not done here; it was answered with this status.
    Refused(Field, Status),
    /// The peer released the association; it is over.
    Released,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Association<S> {
    /// Negotiates with a peer that has connected.
    ///
    /// # Errors
    /// [`Error::RejectedByUs`] when the policy said so; timeouts, aborts and violations.
    pub async fn accept<P: Policy + ?Sized>(
        stream: S,
        config: &Config,
        policy: &P,
    ) -> Result<Self, Error> {
        let mut wire = Wire::new(stream, config.timeouts);
        let wait = wire.associate_deadline();
        let Pdu::AssociationRQ(request) = wire.read(wait).await? else {
            return Err(wire.fail(Error::Protocol(Violation::UnexpectedPdu)).await);
        };
        let peer = negotiate::peer_of(&request);
        if let Some(rejection) = negotiate::rejection(&request, &peer, policy) {
            wire.write(&ul::reject(rejection)).await?;
            wire.finish().await;
            return Err(Error::RejectedByUs(rejection));
        }
        let max_pdu = config
            .max_pdu
            .clamp(limits::PDU_FLOOR, limits::PDU_ANNOUNCED);
        let terms = ul::writable_pdu(&request.user_variables).and_then(|writable| {
            Ok((
                writable,
                negotiate::negotiate(request, &peer, policy, max_pdu)?,
            ))
        });
        let (writable, negotiated) = match terms {
            Ok(terms) => terms,
            Err(violation) => return Err(wire.fail(Error::Protocol(violation)).await),
        };
        wire.write(&Pdu::AssociationAC(negotiated.answer)).await?;
        Ok(Association {
            link: Link::new(wire, writable),
            contexts: negotiated.contexts,
            peer,
            unanswered: false,
        })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The accepted presentation contexts by their id.
    pub fn contexts(&self) -> &BTreeMap<u8, Context> {
        &self.contexts
    }

    /// The peer's next request. Dropped while the peer is silent and called again, it loses nothing;
    /// dropped in the middle of an answer, it ends the association.
    ///
    /// # Errors
    /// Aborts, timeouts, violations, a lost connection: the association is over.
    pub async fn next(&mut self) -> Result<Request<'_, S>, Error> {
        if self.unanswered {
            return Err(self.link.violated(Violation::Unanswered).await);
        }
        let Some((id, command)) = self.request().await? else {
            return Ok(Request::Released);
        };
        let Some(context) = self.contexts.get(&id).cloned() else {
            return Err(self.link.violated(Violation::UnknownContext).await);
        };
        self.unanswered = true;
        let commits = context.abstract_syntax.as_str() == STORAGE_COMMITMENT && command.data_set;
        match command.field {
            Field::ECHO => {
                self.reply(id, &command, Status::SUCCESS).await?;
                Ok(Request::Echo)
            }
            Field::STORE if command.data_set => {
                Ok(Request::Store(self.store(id, context, command)))
            }
            Field::STORE => self.refuse(id, &command, Status::CANNOT_UNDERSTAND).await,
            Field::FIND if command.data_set => self.find(id, command).await,
            Field::ACTION if commits => {
                let heard = self.heard(id, command, Transaction::decode);
                Ok(Request::Commit(heard.await?))
            }
            Field::EVENT_REPORT if commits => {
                let heard = self.heard(id, command, Report::decode);
                Ok(Request::Report(heard.await?))
            }
            _ => {
                self.refuse(id, &command, Status::UNRECOGNIZED_OPERATION)
                    .await
            }
        }
    }

    /// Ends the association at once.
    pub async fn abort(mut self) {
        self.link.wire().abort(None).await;
    }

    async fn request(&mut self) -> Result<Option<(u8, Command)>, Error> {
        loop {
            match self.link.receive(Wait::Idle).await? {
                Received::Command(_, command) if command.field == Field::CANCEL => {}
                Received::Command(_, command) if command.field.is_response() => {
                    return Err(self.link.violated(Violation::UnexpectedMessage).await);
                }
                Received::Command(context, command) => return Ok(Some((context, command))),
                Received::ReleaseRequest => {
                    self.link.wire().write(&Pdu::ReleaseRP).await?;
                    self.link.wire().finish().await;
                    return Ok(None);
                }
                Received::ReleaseResponse => {
                    return Err(self.link.violated(Violation::UnexpectedPdu).await);
                }
            }
        }
    }

    async fn reply(&mut self, context: u8, command: &Command, status: Status) -> Result<(), Error> {
        if command.data_set {
            self.link.discard(context).await?;
        }
        self.link
            .send_command(context, &command.respond(status))
            .await?;
        self.unanswered = false;
        Ok(())
    }

    async fn refuse(
        &mut self,
        context: u8,
        command: &Command,
        status: Status,
    ) -> Result<Request<'_, S>, Error> {
        self.reply(context, command, status).await?;
        Ok(Request::Refused(command.field, status))
    }

    fn store(&mut self, id: u8, context: Context, command: Command) -> Store<'_, S> {
        let announced = Announced {
            sop_class: command.sop_class.clone(),
            sop_instance: command.sop_instance.clone(),
            context,
            priority: command.priority,
        };
        Store {
            link: &mut self.link,
            unanswered: &mut self.unanswered,
            peer: &self.peer,
            announced,
            context: id,
            command,
            ended: false,
            received: 0,
            odd_fragments: false,
        }
    }

    async fn heard<T>(
        &mut self,
        context: u8,
        command: Command,
        decode: impl FnOnce(&[u8]) -> Result<T, Violation>,
    ) -> Result<Heard<'_, S, T>, Error> {
        let bytes = self.link.small(context, limits::COMMITMENT).await?;
        match decode(&bytes) {
            Ok(said) => Ok(Heard {
                link: &mut self.link,
                unanswered: &mut self.unanswered,
                context,
                command,
                said,
            }),
            Err(violation) => Err(self.link.violated(violation).await),
        }
    }

    async fn find(&mut self, context: u8, command: Command) -> Result<Request<'_, S>, Error> {
        let bytes = self.link.identifier(context).await?;
        match Identifier::decode(&bytes) {
            Ok(question) => Ok(Request::Find(Find {
                link: &mut self.link,
                unanswered: &mut self.unanswered,
                context,
                command,
                question,
            })),
            Err(violation) => Err(self.link.violated(violation).await),
        }
    }
}
