//! Enrolment: one question, one answer (`karez-join/1`).

use bytes::Bytes;
use karez_protocol::wire::{Frame, Refusal};
use karez_quic::{Connection, Lane};
use tokio::time::timeout;
use tracing::{debug, info};

use crate::engine::{Mailbox, Message};
use crate::limits::{JOIN_WAIT, LAST_WORDS};

/// Answers a key that wants to enrol.
pub(crate) async fn answer(conn: &Connection, mailbox: &Mailbox) {
    let peer = conn.peer();
    let Ok(Ok((_, bytes))) = timeout(JOIN_WAIT, conn.recv()).await else {
        return debug!(peer = peer.short(), "an enrolment without a question");
    };
    let frame = match Frame::from_bytes(&bytes) {
        Ok(Frame::Join(join)) => {
            let asked = mailbox.ask(|answer| Message::Join(peer, join.token, answer));
            match asked.await {
                Ok(Ok(joined)) => Frame::Joined(joined),
                Ok(Err(refusal)) => Frame::Refused(refusal),
                Err(_) => return,
            }
        }
        Ok(_) => refused("an invitation was expected: update this program".into()),
        Err(error) => refused(error.to_string()),
    };
    if let Frame::Refused(refusal) = &frame {
        info!(peer = peer.short(), refusal.text, "an enrolment is refused");
    }
    if conn
        .send(Lane::Control, Bytes::from(frame.to_bytes()))
        .await
        .is_ok()
    {
        conn.finish(LAST_WORDS).await;
    }
}

fn refused(text: String) -> Frame {
    Frame::Refused(Refusal {
        code: Refusal::MALFORMED,
        text,
    })
}
