//! The table of keys: what the default file says, and the proof that it says it rightly.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use toml::{Table, Value};

use super::probe::paths_of;
use super::{Settings, insert};

/// One key of a configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its dotted path, such as `dicom.listen`.
    pub path: &'static str,
    /// Its default, or an example when it is not set by default, as TOML.
    pub value: &'static str,
    /// Whether `value` is the default.
    pub is_default: bool,
    /// What it does, in a sentence with its unit.
    pub doc: &'static str,
}

impl Key {
    /// A key with a default.
    #[must_use]
    pub const fn new(path: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self {
            path,
            value: default,
            is_default: true,
            doc,
        }
    }

    /// A key that is not set by default, with an example.
    #[must_use]
    pub const fn unset(path: &'static str, example: &'static str, doc: &'static str) -> Self {
        Self {
            path,
            value: example,
            is_default: false,
            doc,
        }
    }

    /// The environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("KAREZ_{}", self.path.to_uppercase().replace('.', "_"))
    }

    fn section(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or("", |(section, _)| section)
    }

    fn name(&self) -> &'static str {
        self.path
            .rsplit_once('.')
            .map_or(self.path, |(_, name)| name)
    }
}

/// A value of the right type that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Whose value.
    pub key: &'static str,
    /// What it should be.
    pub message: String,
}

/// The default file: every key with its sentence, commented out at its default, except those that
/// `chosen` sets (path and TOML value).
#[must_use]
pub fn default_file(intro: &str, keys: &[Key], chosen: &[(&str, Value)]) -> String {
    let mut text = String::new();
    comment(&mut text, intro);
    comment(
        &mut text,
        "A key that is commented out has the value shown. \
         `--set key=value` and KAREZ_SECTION_KEY override this file.",
    );
    let mut section = "";
    for key in keys {
        if key.section() != section {
            section = key.section();
            heading(&mut text, section);
        }
        text.push('\n');
        entry(&mut text, key, chosen);
    }
    text
}

fn heading(text: &mut String, section: &str) {
    // Writing to a String cannot fail.
    let _ = match section.strip_suffix("[]") {
        Some(list) => writeln!(text, "\n# [[{list}]]"),
        None => writeln!(text, "\n[{section}]"),
    };
}

fn entry(text: &mut String, key: &Key, chosen: &[(&str, Value)]) {
    comment(text, key.doc);
    let set = chosen.iter().find(|(path, _)| *path == key.path);
    let _ = match set {
        Some((_, value)) => writeln!(text, "{} = {value}", key.name()),
        None if key.is_default => writeln!(text, "# {} = {}", key.name(), key.value),
        None => writeln!(text, "# {} = {}  # not set", key.name(), key.value),
    };
}

fn comment(text: &mut String, sentence: &str) {
    let mut line = String::from("#");
    for word in sentence.split_whitespace() {
        if line.len() + word.len() > 98 {
            text.push_str(&line);
            line = String::from("\n#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// Holds the table equal to the structs: the same keys, the same defaults, examples that fit, no
/// two keys with one variable. For a test of each program.
///
/// # Errors
/// Every difference, one a line.
pub fn check_table<T: Settings>() -> Result<(), String> {
    let mut wrong = Vec::new();
    let table: BTreeSet<String> = T::KEYS.iter().map(|key| key.path.to_owned()).collect();
    let structs = paths_of::<T>();
    let missing = structs.difference(&table);
    wrong.extend(missing.map(|path| format!("{path}: in the structs, not in the table")));
    let extra = table.difference(&structs);
    wrong.extend(extra.map(|path| format!("{path}: in the table, not in the structs")));
    let mut variables = BTreeMap::new();
    for key in T::KEYS {
        wrong.extend(check_key::<T>(key).err());
        if let Some(other) = variables.insert(key.variable(), key.path) {
            wrong.push(format!("{} and {other} have one variable", key.path));
        }
    }
    let file = opened(&default_file("", T::KEYS, &[]));
    wrong.extend(toml::from_str::<T>(&file).err().map(|e| e.to_string()));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// A default file with every key and list in force.
pub(super) fn opened(file: &str) -> String {
    let open = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.contains(" = ") || rest.starts_with("[[") => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    file.lines().map(open).collect()
}

fn check_key<T: Settings>(key: &Key) -> Result<(), String> {
    let fault = |what: &dyn std::fmt::Display| format!("{}: {what}", key.path);
    if key.path.contains("[]") {
        return Ok(());
    }
    let document = format!("value = {}", key.value);
    let mut parsed: Table = toml::from_str(&document).map_err(|e| fault(&e.message()))?;
    let value = parsed.remove("value").ok_or_else(|| fault(&"no value"))?;
    let mut only = Table::new();
    insert(&mut only, key.path, value.clone());
    let settings: Result<T, _> = only.try_into();
    let settings = settings.map_err(|e| fault(&e.message()))?;
    let as_default = find(&T::default(), key.path).map_err(|e| fault(&e))?;
    let as_read = find(&settings, key.path).map_err(|e| fault(&e))?;
    match as_default {
        None if key.is_default => Err(fault(&"has no default in the structs")),
        Some(default) if !key.is_default => Err(fault(&format!("has the default {default}"))),
        Some(default) if as_read.as_ref() != Some(&default) => {
            Err(fault(&format!("the default is {default}, not {value}")))
        }
        _ => Ok(()),
    }
}

fn find<T: Settings>(settings: &T, path: &str) -> Result<Option<Value>, String> {
    let table = Table::try_from(settings).map_err(|e| e.to_string())?;
    let mut value = Value::Table(table);
    for name in path.split('.') {
        match value.as_table_mut().and_then(|table| table.remove(name)) {
            Some(inner) => value = inner,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}
