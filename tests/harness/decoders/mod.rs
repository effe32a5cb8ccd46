//! Every decoder that sees outside bytes, as plain functions: any bytes may be given, and none may
//! panic, hang, or break what the body says. `tests/decoders.rs` replays the committed corpora and
//! damages them; `tests/fuzz` gives the same functions to libFuzzer.

mod files;
mod network;
mod wire;

/// A body: returns for any bytes, or panics, which is a finding.
pub type Body = fn(&[u8]);

/// Pieces of valid input to start from.
pub type Seeds = fn() -> Vec<Vec<u8>>;

/// All bodies by the name of their corpus.
pub const BODIES: [(&str, Body, Seeds); 14] = [
    ("frame", wire::frame, wire::frames),
    ("record", wire::record, wire::records),
    ("have", wire::have, wire::haves),
    ("signed", wire::signed, wire::signed_bodies),
    ("invitation", wire::invitation, wire::invitations),
    ("probe", wire::probe, wire::probes),
    ("pack", files::pack, files::packs),
    ("walker", files::walker, files::instances),
    ("unpack", files::unpack, files::parts),
    ("part10", network::part10, files::instances),
    ("command", network::command, network::commands),
    ("association", network::association, network::associations),
    ("answers", network::answers, network::answer_streams),
    ("profile", files::profile, files::profiles),
];

/// The body of that name.
#[must_use]
pub fn body(name: &str) -> Option<Body> {
    let found = BODIES.iter().find(|(known, ..)| *known == name);
    found.map(|(_, body, _)| *body)
}
