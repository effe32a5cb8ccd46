//! What is wrong with a profile or scenario: the file, the line, the key and the fix.

use std::fmt;
use std::path::Path;

/// A profile, scenario or workload that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The file or built-in name.
    pub file: String,
    /// The line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// The key to blame.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl ProfileError {
    pub(crate) fn new(file: &str, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            key: None,
            problem: problem.into(),
            fix: None,
        }
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Puts the line of `key` in `text` to the error.
    pub(crate) fn located(self, text: &str) -> Self {
        let Some(key) = self.key.clone() else {
            return self;
        };
        let last = key.rsplit('.').next().unwrap_or_default().to_owned();
        let holds = |line: &str| {
            line.split('#').next().is_some_and(|code| {
                code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .any(|word| word == last)
            })
        };
        match text.lines().position(holds) {
            Some(index) => self.line(index + 1),
            None => self,
        }
    }

    /// The same for a `key=value` setting of the command line.
    pub(crate) fn of_setting(setting: &str, error: &toml::de::Error) -> Self {
        Self::from_toml("--set", setting, error)
    }

    /// Turns a reader's error into ours: line, key, nearest known key.
    pub(crate) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let message = error.message().lines().next().unwrap_or_default();
        let out = Self::new(file, message);
        let Some(span) = error.span() else { return out };
        let before = text.get(..span.start).unwrap_or_default();
        let out = out.line(before.matches('\n').count() + 1);
        if let Some((word, known)) = unknown(message) {
            let kind = if message.starts_with("unknown field") {
                "unknown key"
            } else {
                "unknown value"
            };
            let out = Self {
                problem: kind.into(),
                ..out
            }
            .key(word);
            return out.fix(suggestion(word, &known));
        }
        let own = text
            .get(span.clone())
            .filter(|_| message.starts_with("duplicate key"));
        let out = match own.or_else(|| key_before(before)) {
            Some(key) => out.key(key),
            None => out,
        };
        match quoted(message)
            .first()
            .filter(|_| message.starts_with("missing field"))
        {
            Some(missing) => out.fix(format!("add `{missing} = ...` there")),
            None => out,
        }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        f.write_str(": ")?;
        if let Some(key) = &self.key {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(&self.problem)?;
        self.fix.as_ref().map_or(Ok(()), |fix| write!(f, "; {fix}"))
    }
}

impl std::error::Error for ProfileError {}

/// The sentence that offers the nearest known word.
#[must_use]
pub fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(best) => format!("did you mean `{best}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known word nearest to `word` by edit distance, when it is near at all.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let steps = |candidate: &str| {
        if candidate.starts_with(word) {
            1
        } else {
            distance(word, candidate)
        }
    };
    let scored = known.iter().map(|candidate| (steps(candidate), *candidate));
    scored
        .min()
        .filter(|(steps, best)| *steps <= best.len().max(word.len()) / 2)
        .map(|(_, best)| best)
}

/// Levenshtein distance over characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let best = (diagonal + usize::from(x != *y))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The unknown word and the known ones of a reader's "unknown field" or "unknown variant".
fn unknown(message: &str) -> Option<(&str, Vec<&str>)> {
    let ours = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let mut words = quoted(message).into_iter();
    let first = words.next().filter(|_| ours)?;
    Some((first, words.collect()))
}

fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

/// The key whose value starts where `before` ends, else the first word of that line.
fn key_before(before: &str) -> Option<&str> {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let keys = line.split('=').collect::<Vec<_>>();
    let holder = keys
        .len()
        .checked_sub(2)
        .and_then(|i| keys.get(i))
        .copied()
        .unwrap_or(line);
    holder
        .rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.' || c == '-'))
        .find(|word| !word.is_empty())
}

/// A file's name without its folder, for messages.
pub(crate) fn shown(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_nonsense_is_not() {
        let known = ["median_kbit", "cap_kbit", "sigma_slow"];
        assert_eq!(nearest("medain_kbit", &known), Some("median_kbit"));
        assert_eq!(nearest("qqqqqqqqqqqq", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
