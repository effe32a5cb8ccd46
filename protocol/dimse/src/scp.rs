//! The acceptor: takes associations, streams the instances of C-STORE to its caller, answers C-ECHO.
//!
//! ```text
//! Association::accept -> loop next():
//!   Echo | Refused     answered already
//!   Store              data() until None, then answer(status)
//!   Find               matched(..) as often as wanted, then finish(status)
//!   Released           the end
//! ```
//! A request that is dropped without its answer ends the association at the next call.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::command::{Command, Comment, Field, Priority};
use crate::dimse::{Link, Received};
use crate::error::{ContextRefusal, Error, Rejection, Violation};
use crate::identifier::Identifier;
use crate::negotiate::{self, Context};
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
    /// Something that is not done here; it was answered with this status.
    Refused(Field, Status),
    /// The peer released the association; it is over.
    Released,
}

/// A C-STORE request: what is announced about the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Affected SOP class, as the command says. May be empty.
    pub sop_class: Uid,
    /// Affected SOP instance, as the command says. May be empty.
    pub sop_instance: Uid,
    /// What was negotiated: abstract syntax and the transfer syntax of the bytes to come.
    pub context: Context,
    /// The priority, which is advice.
    pub priority: Priority,
}

/// An instance on its way in.
pub struct Store<'a, S> {
    link: &'a mut Link<S>,
    unanswered: &'a mut bool,
    peer: &'a Peer,
    announced: Announced,
    context: u8,
    command: Command,
    ended: bool,
    received: u64,
    odd_fragments: bool,
}

/// A query on its way in.
pub struct Find<'a, S> {
    link: &'a mut Link<S>,
    unanswered: &'a mut bool,
    context: u8,
    command: Command,
    /// The question.
    pub question: Identifier,
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

impl<S: AsyncRead + AsyncWrite + Unpin> Store<'_, S> {
    /// What the command says about the instance.
    pub fn announced(&self) -> &Announced {
        &self.announced
    }

    /// Who sends it.
    pub fn peer(&self) -> &Peer {
        self.peer
    }

    /// The next bytes of the data set, as they came; `None` at its end. May be dropped while it waits
    /// and called again.
    ///
    /// # Errors
    /// Aborts, timeouts, violations, a lost connection: the association is over, the instance is not whole.
    pub async fn data(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended {
            let fragment = self.link.data(self.context).await?;
            let size = u64::try_from(fragment.bytes.len()).unwrap_or(u64::MAX);
            self.received = self.received.saturating_add(size);
            self.odd_fragments |= size % 2 == 1;
            self.ended = fragment.last;
            if size > 0 {
                return Ok(Some(fragment.bytes));
            }
        }
        Ok(None)
    }

    /// Bytes of the data set so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// True when a fragment had an odd length, which the standard forbids (FIELD T7). The bytes are
    /// good; a peer that we send the data set to as a whole will refuse it if its length is odd.
    pub fn odd_fragments(&self) -> bool {
        self.odd_fragments
    }

    /// Answers the request. What the caller did not read of the data set is read and dropped first, for
    /// peers send all of it before they listen.
    ///
    /// # Errors
    /// As [`Store::data`]; the peer may not have got the answer.
    pub async fn answer(self, status: Status) -> Result<(), Error> {
        self.answer_with(status, Comment::default()).await
    }

    /// [`Store::answer`] with a few words for the peer's administrator.
    ///
    /// # Errors
    /// As [`Store::answer`].
    pub async fn answer_with(mut self, status: Status, comment: Comment) -> Result<(), Error> {
        while self.data().await?.is_some() {}
        let mut response = self.command.respond(status);
        response.comment = comment;
        self.link.send_command(self.context, &response).await?;
        *self.unanswered = false;
        Ok(())
    }

    /// Ends the association at once, without an answer.
    pub async fn abort(self) {
        self.link.wire().abort(None).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Find<'_, S> {
    /// Sends one match.
    ///
    /// # Errors
    /// A lost connection, a write timeout.
    pub async fn matched(&mut self, answer: &Identifier) -> Result<(), Error> {
        let mut response = self.command.respond(Status::PENDING);
        response.data_set = true;
        self.link
            .send_with_identifier(self.context, &response, &answer.encode())
            .await
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// A lost connection, a write timeout.
    pub async fn finish(self, status: Status) -> Result<(), Error> {
        self.link
            .send_command(self.context, &self.command.respond(status))
            .await?;
        *self.unanswered = false;
        Ok(())
    }
}
