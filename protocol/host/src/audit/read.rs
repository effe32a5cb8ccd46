//! Reading the log, and proving that nothing in it was altered, left out or put elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use karez_protocol::wire::decode;
use karez_store::{Error, Store};
use serde::Serialize;

use super::line::{Head, Line};
use super::log::{ANCHOR, name, numbers};
use super::note::Event;

/// A head that somebody else has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Who.
    pub who: String,
    /// What was seen.
    pub head: Head,
}

/// A log without a break.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The number of the oldest line that is kept.
    pub first: u64,
    /// That of the newest.
    pub last: u64,
    /// The head, as [`Head::text`] writes it.
    pub head: String,
    /// Journals.
    pub files: usize,
    /// Heads of witnesses that stand in it.
    pub witnessed: u64,
    /// Heads of witnesses that are older than the oldest line kept.
    pub older: u64,
}

/// The first place at which a log is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The journal.
    pub file: String,
    /// The line.
    pub line: u64,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} in {}: {}", self.line, self.file, self.what)
    }
}

/// Follows the chain from the oldest line kept to the newest, and compares it with its anchor and
/// with what witnesses have seen. Gives the first break.
///
/// # Errors
/// The store's.
pub fn check(store: &mut Store, witnesses: &[Witness]) -> Result<Result<Checked, Break>, Error> {
    let mut anchor = Head::default();
    store.journal_read_all(ANCHOR, &mut |_, bytes| {
        anchor = decode(bytes).map_or(anchor, |head| Head::from_bytes(&head));
    })?;
    let mut proof = Proof::new(witnesses, anchor);
    let files = numbers(store);
    for number in &files {
        if let Err(broken) = proof.file(store, &name(*number))? {
            return Ok(Err(broken));
        }
    }
    Ok(proof.finish(files.len()))
}

/// Shows lines after `after`, the oldest first, at most `most` of them. Damaged ones are left
/// out.
///
/// # Errors
/// The store's.
pub fn lines(store: &mut Store, after: u64, most: usize) -> Result<Vec<Line>, Error> {
    let mut found = Vec::new();
    for number in numbers(store) {
        store.journal_read_all(&name(number), &mut |_, bytes| {
            let line = Line::read(bytes).filter(|line| line.number > after);
            found.extend(line.filter(|_| found.len() < most));
        })?;
        if found.len() >= most {
            break;
        }
    }
    Ok(found)
}

struct Proof {
    anchor: Head,
    first: Option<u64>,
    head: Head,
    file: String,
    /// The highest line that the log says was dropped.
    dropped: u64,
    /// Heads of witnesses, by line.
    heads: BTreeMap<u64, Vec<Witness>>,
    witnessed: u64,
}

impl Proof {
    fn new(witnesses: &[Witness], anchor: Head) -> Self {
        let mut heads: BTreeMap<u64, Vec<Witness>> = BTreeMap::new();
        for witness in witnesses.iter().filter(|w| w.head != Head::default()) {
            let of_line = heads.entry(witness.head.number).or_default();
            of_line.push(witness.clone());
        }
        Self {
            anchor,
            first: None,
            head: Head::default(),
            file: "the log".to_owned(),
            dropped: 0,
            heads,
            witnessed: 0,
        }
    }

    fn file(&mut self, store: &mut Store, file: &str) -> Result<Result<(), Break>, Error> {
        file.clone_into(&mut self.file);
        let mut result = Ok(());
        let bad = store.journal_read_all(file, &mut |_, bytes| {
            if result.is_ok() {
                result = self.line(bytes);
            }
        })?;
        if result.is_ok() && bad > 0 {
            result = self.broken(self.head.number + 1, "it is damaged");
        }
        Ok(result)
    }

    fn line(&mut self, bytes: &[u8]) -> Result<(), Break> {
        let expected = self.head.number + 1;
        let Some(line) = Line::read(bytes) else {
            return self.broken(expected, "it is no line of an audit log");
        };
        let follows = line.before == self.head;
        #[cfg(feature = "mutants")]
        let follows =
            follows || karez_store::mutant::is_on(karez_store::mutant::Mutant::ChainUnlinked);
        match self.first {
            None => {
                self.first = Some(line.number);
                self.head = line.before;
                let after = line.before.number.saturating_add(1);
                if after != line.number || (after == 1 && line.before != Head::default()) {
                    let place = line.number.min(after).max(1);
                    return self.broken(place, "what it follows on is not what it says");
                }
            }
            Some(first) if line.number < first => {
                let what = format!("it stands behind line {}", self.head.number);
                return self.broken(line.number, &what);
            }
            Some(_) if line.number != expected => {
                let what = format!("it is damaged or removed: line {} follows", line.number);
                return self.broken(expected, &what);
            }
            Some(_) if !follows => {
                let what = "it does not follow on the line before it: one of the two was altered";
                return self.broken(line.number, what);
            }
            Some(_) => {}
        }
        self.head = line.head;
        if let Some(note) = line.note.filter(|note| note.event == Event::Dropped) {
            self.dropped = self.dropped.max(note.count);
        }
        self.compare(line.head)
    }

    fn compare(&mut self, head: Head) -> Result<(), Break> {
        if self.anchor.number == head.number && self.anchor != head {
            return self.broken(head.number, "it is not the line that was written");
        }
        for witness in self.heads.remove(&head.number).unwrap_or_default() {
            if witness.head != head {
                let what = format!("{} has seen another line of this number", witness.who);
                return self.broken(head.number, &what);
            }
            self.witnessed += 1;
        }
        Ok(())
    }

    fn finish(mut self, files: usize) -> Result<Checked, Break> {
        let first = self.first.unwrap_or(self.head.number + 1);
        if first > 1 && self.dropped + 1 < first {
            return Err(self.at(
                first - 1,
                "it and all before it were removed, and no line says so",
            ));
        }
        let anchor = self.anchor;
        if anchor.number > self.head.number {
            let what = format!(
                "the end of the log is cut off: it went to line {}",
                anchor.number
            );
            return Err(self.at(self.head.number + 1, &what));
        }
        let later = self.heads.split_off(&(self.head.number + 1));
        if let Some((line, witness)) = later.first_key_value() {
            let who = witness.first().map_or("", |w| w.who.as_str());
            let what = format!("the end of the log is cut off: {who} has seen line {line}");
            return Err(self.at(self.head.number + 1, &what));
        }
        Ok(Checked {
            first,
            last: self.head.number,
            head: self.head.text(),
            files,
            witnessed: self.witnessed,
            older: self.heads.values().map(|heads| heads.len() as u64).sum(),
        })
    }

    fn at(&self, line: u64, what: &str) -> Break {
        Break {
            file: self.file.clone(),
            line,
            what: what.to_owned(),
        }
    }

    fn broken(&self, line: u64, what: &str) -> Result<(), Break> {
        Err(self.at(line, what))
    }
}
