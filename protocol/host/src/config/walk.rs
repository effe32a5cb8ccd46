//! Where in a file a key stands, and whether it may stand there.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, one_line};
use super::table::Key;

/// The place of every key of a file.
///
/// # Errors
/// The first key in the file that is not in the table, or what the parser says.
pub(super) fn places(
    name: &str,
    text: &str,
    keys: &[Key],
) -> Result<BTreeMap<String, String>, ConfigError> {
    let leaves = leaves(text, keys).map_err(|e| explain(name, text, &e))?;
    let unknown = leaves
        .iter()
        .filter(|leaf| !leaf.known)
        .min_by_key(|leaf| leaf.at);
    if let Some(leaf) = unknown {
        let place = place(name, text, leaf.at);
        return Err(ConfigError::unknown(&leaf.path, &place, keys));
    }
    let placed = |leaf: Leaf| (leaf.path, place(name, text, leaf.at));
    Ok(leaves.into_iter().map(placed).collect())
}

/// An error of the parser or of a type, with the line and the key that it is about.
pub(super) fn explain(name: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let place = place(name, text, span.start);
    match leaves(text, &[]) {
        Err(_) => ConfigError::Syntax {
            place,
            message: one_line(error.message()),
        },
        Ok(leaves) => {
            let holds = |leaf: &&Leaf| leaf.value.start <= span.start && span.end <= leaf.value.end;
            let key = leaves.iter().find(holds).map_or("", |leaf| &leaf.path);
            ConfigError::bad(key, &place, error)
        }
    }
}

struct Leaf {
    path: String,
    known: bool,
    at: usize,
    value: Range<usize>,
}

fn leaves(text: &str, keys: &[Key]) -> Result<Vec<Leaf>, toml::de::Error> {
    let table = DeTable::parse(text)?;
    let mut leaves = Vec::new();
    visit_table(table.get_ref(), "", keys, &mut leaves);
    Ok(leaves)
}

fn visit_table(table: &DeTable<'_>, prefix: &str, keys: &[Key], into: &mut Vec<Leaf>) {
    for (key, value) in table {
        let path = join(prefix, key.get_ref());
        visit(&path, key.span().start, value, keys, into);
    }
}

fn visit(path: &str, at: usize, value: &Spanned<DeValue<'_>>, keys: &[Key], into: &mut Vec<Leaf>) {
    let list = format!("{path}[]");
    match value.get_ref() {
        DeValue::Table(table) if !is_key(path, keys) && !table.is_empty() => {
            visit_table(table, path, keys, into);
        }
        DeValue::Array(items) if is_section(&list, keys) => {
            for item in items {
                visit(&list, item.span().start, item, keys, into);
            }
        }
        _ => into.push(Leaf {
            path: path.to_owned(),
            known: is_key(path, keys) || is_section(path, keys),
            at,
            value: value.span(),
        }),
    }
}

fn is_key(path: &str, keys: &[Key]) -> bool {
    keys.iter().any(|key| key.path == path)
}

fn is_section(path: &str, keys: &[Key]) -> bool {
    let inside = |key: &Key| {
        key.path
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    keys.iter().any(inside)
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

fn place(name: &str, text: &str, offset: usize) -> String {
    let before = text.as_bytes().iter().take(offset);
    let line = 1 + before.filter(|byte| **byte == b'\n').count();
    format!("{name} line {line}")
}
