//! What came in, for its receiver to take and to answer.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Peer;
use crate::command::{Command, Comment, Priority};
use crate::dimse::Link;
use crate::error::Error;
use crate::identifier::Identifier;
use crate::negotiate::Context;
use crate::{Status, Uid};

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
    pub(super) link: &'a mut Link<S>,
    pub(super) unanswered: &'a mut bool,
    pub(super) peer: &'a Peer,
    pub(super) announced: Announced,
    pub(super) context: u8,
    pub(super) command: Command,
    pub(super) ended: bool,
    pub(super) received: u64,
    pub(super) odd_fragments: bool,
}

/// A request that was heard whole and waits for its answer.
pub struct Heard<'a, S, T> {
    pub(super) link: &'a mut Link<S>,
    pub(super) unanswered: &'a mut bool,
    pub(super) context: u8,
    pub(super) command: Command,
    /// What it says.
    pub said: T,
}

/// A query on its way in.
pub struct Find<'a, S> {
    pub(super) link: &'a mut Link<S>,
    pub(super) unanswered: &'a mut bool,
    pub(super) context: u8,
    pub(super) command: Command,
    /// The question.
    pub question: Identifier,
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

impl<S: AsyncRead + AsyncWrite + Unpin, T> Heard<'_, S, T> {
    /// Answers it.
    ///
    /// # Errors
    /// A lost connection, a write timeout: the peer may not have got the answer.
    pub async fn answer(self, status: Status) -> Result<(), Error> {
        let response = self.command.respond(status);
        self.link.send_command(self.context, &response).await?;
        *self.unanswered = false;
        Ok(())
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
