//! The workspace's own files, for the tests that hold it to its rules.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root.
///
/// # Panics
/// When the tests were moved out of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    match here.parent() {
        Some(root) => root.to_owned(),
        None => here.to_owned(),
    }
}

/// Every file that git tracks or would track, relative to the root, sorted.
#[must_use]
pub fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
        .unwrap_or_default();
    let mut files: Vec<PathBuf> = listed
        .lines()
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    files
}

/// The text of one of them; empty if it is not text.
#[must_use]
pub fn text(file: &Path) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_default()
}

/// A function: where it starts, its name, how many lines it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Line of the `fn`, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// From `fn` to the closing brace.
    pub length: usize,
    /// Whether it stands in a `#[cfg(test)]` module.
    pub test: bool,
}

/// The functions of a rustfmt-formatted file: a function ends at the brace that stands under
/// the start of its line.
#[must_use]
pub fn functions(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let tests_from = lines
        .iter()
        .position(|line| *line == "#[cfg(test)]")
        .unwrap_or(lines.len());
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else {
            continue;
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        let close = format!("{indent}}}");
        let ends = |l: &&str| l.trim_end().ends_with(';') && l.starts_with(indent);
        let rest = &lines[index..];
        let body = rest.iter().position(|l| **l == close);
        let declared = rest.iter().take_while(|l| !l.contains('{')).any(ends);
        if let (Some(last), false) = (body, declared) {
            let length = if line.trim_end().ends_with('}') {
                1
            } else {
                last + 1
            };
            let test = index > tests_from;
            found.push(Function {
                line: index + 1,
                name,
                length,
                test,
            });
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().peekable();
    while words
        .peek()
        .is_some_and(|w| ["pub", "const", "async", "extern"].contains(w) || w.starts_with("pub("))
    {
        words.next();
    }
    if words.next()? != "fn" {
        return None;
    }
    let name: String = words
        .next()?
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}
