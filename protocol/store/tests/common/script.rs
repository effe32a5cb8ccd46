//! Workloads, step by step.

use karez_store::Kind;

/// One step of a workload.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create(u8),
    Append(u8, Kind, u64, usize),
    Commit,
    Rewrite(u8, u64),
    Remove(u8),
    Note(usize, usize),
    Checkpoint(usize, usize),
    SaveIndex,
    Read(u8, Kind, u64),
    Reopen,
}

/// The bytes of an entry: its name decides them.
pub(crate) fn payload(of: u8, kind: Kind, number: u64, length: usize) -> Vec<u8> {
    let seed = format!("{of} {kind} {number} {length}");
    let mut out = vec![0; length];
    blake3::Hasher::new()
        .update(seed.as_bytes())
        .finalize_xof()
        .fill(&mut out);
    out
}

/// A workload that meets every kind of step, twice over, on three segments and two journals.
pub(crate) fn script() -> Vec<Step> {
    use Kind::{Chunk, Note, Record};
    let mut steps = vec![Step::Create(1), Step::Note(0, 30)];
    for round in 0..2 {
        let base = round * 20;
        steps.extend((base..base + 6).map(|n| Step::Append(1, Chunk, n, 3000)));
        steps.extend([
            Step::Append(1, Record, base, 500),
            Step::Commit,
            Step::Create(2),
        ]);
        steps.extend((base..base + 3).map(|n| Step::Append(2, Chunk, n, 700 + n as usize)));
        steps.extend([
            Step::Append(2, Note(3), base, 0),
            Step::Note(0, 100),
            Step::Note(1, 5),
            Step::Commit,
        ]);
        steps.extend([
            Step::Append(1, Chunk, base + 9, 9000),
            Step::SaveIndex,
            Step::Note(1, 700),
        ]);
        steps.extend([
            Step::Read(1, Chunk, base),
            Step::Commit,
            Step::Checkpoint(0, 3),
        ]);
        steps.extend([
            Step::Append(1, Chunk, base + 10, 64),
            Step::Rewrite(1, 2),
            Step::Commit,
            Step::Reopen,
        ]);
        steps.extend([
            Step::Create(3),
            Step::Append(3, Chunk, 1, 1),
            Step::Commit,
            Step::Remove(3),
        ]);
        steps.extend([Step::Append(2, Record, base, 4000), Step::Commit]);
    }
    steps
}
