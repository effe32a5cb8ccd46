//! Configuration: one TOML file, overridden by the environment, overridden by `--set`.
//!
//! A daemon describes its settings twice: as serde structs with defaults, and as a table of
//! [`Key`]s with a sentence each. The table writes the commented default file and names the
//! nearest key when one is unknown; [`check_table`] holds the two equal in a test.
//!
//! Sections nest; a list of sections (`[[rule]]`) is written as `rule[].key` in the table.

mod changed;
mod error;
mod nearest;
mod probe;
mod table;
mod walk;

use std::collections::BTreeMap;
use std::path::Path;

use karez_store::{Disk, read_whole};
use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

pub use self::changed::changed;
pub use self::error::ConfigError;
pub use self::table::{Key, Unfit, check_table, default_file};
use crate::datadir::CONFIG;
use crate::exit::Failure;
use crate::limits::CONFIG_FILE;

/// The settings of one program: serde structs, each with
/// `#[serde(default, deny_unknown_fields)]`.
pub trait Settings: Serialize + DeserializeOwned + Default {
    /// Every key, in the order of the default file.
    const KEYS: &'static [Key];

    /// What no type can say, such as a lower bound or two keys that exclude each other.
    ///
    /// # Errors
    /// The key and what is wrong with its value.
    fn check(&self) -> Result<(), Unfit> {
        Ok(())
    }
}

/// Where settings come from, the weakest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// The file's name, as errors show it, and its text.
    pub file: Option<(&'a str, &'a str)>,
    /// The environment: of it, `KAREZ_SECTION_KEY` counts when the section is known.
    pub env: &'a [(String, String)],
    /// `--set key=value`, the later the stronger.
    pub set: &'a [String],
}

/// Reads settings from their sources.
///
/// # Errors
/// The first thing that is wrong, with its place and, for an unknown key, the nearest known one.
pub fn load<T: Settings>(sources: &Sources<'_>) -> Result<T, ConfigError> {
    let mut layers = Layers::<T>::from_file(sources.file)?;
    for (name, value) in sources.env {
        if let Some(key) = key_of_variable::<T>(name)? {
            layers.set(&key, value, &format!("environment variable {name}"))?;
        }
    }
    for assignment in sources.set {
        let (key, value) = split(assignment)?;
        layers.set(key, value, &format!("--set {key}"))?;
    }
    layers.finish()
}

/// Reads the settings of a data directory: its `config.toml`, if there is one, under the process's
/// environment, under `set`.
///
/// # Errors
/// The file cannot be read, or as [`load`] says.
pub fn read<T: Settings>(disk: &dyn Disk, directory: &Path, set: &[String]) -> Result<T, Failure> {
    let path = directory.join(CONFIG);
    let name = path.display().to_string();
    let unreadable = |cause: String| Failure::new(cause).at(&name);
    let bytes = read_whole(disk, &path, CONFIG_FILE)
        .map_err(|error| unreadable(format!("the configuration cannot be read: {error}")))?;
    let text = bytes.map(String::from_utf8).transpose();
    let text = text.map_err(|_| unreadable("the configuration is not UTF-8 text".into()))?;
    let sources = Sources {
        file: text.as_deref().map(|text| (name.as_str(), text)),
        env: &environment(),
        set,
    };
    Ok(load(&sources)?)
}

/// The process's environment, as [`Sources`] takes it; what is not Unicode cannot be a setting.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(unicode).collect()
}

/// The settings so far, and who set what.
struct Layers<T> {
    table: Table,
    places: BTreeMap<String, String>,
    settings: T,
}

impl<T: Settings> Layers<T> {
    fn from_file(file: Option<(&str, &str)>) -> Result<Self, ConfigError> {
        let Some((name, text)) = file else {
            return Ok(Self {
                table: Table::new(),
                places: BTreeMap::new(),
                settings: T::default(),
            });
        };
        let text = text.trim_start_matches('\u{feff}');
        let places = walk::places(name, text, T::KEYS)?;
        let settings = toml::from_str(text).map_err(|e| walk::explain(name, text, &e))?;
        let table = toml::from_str(text).map_err(|e| walk::explain(name, text, &e))?;
        Ok(Self {
            table,
            places,
            settings,
        })
    }

    /// Sets one key from text: a TOML value if it fits as one, else a string.
    fn set(&mut self, key: &str, text: &str, place: &str) -> Result<(), ConfigError> {
        if !T::KEYS.iter().any(|known| known.path == key) {
            return Err(ConfigError::unknown(key, place, T::KEYS));
        }
        let string = Value::String(text.to_owned());
        let value = literal(text).unwrap_or_else(|| string.clone());
        let settled = self.with(key, value).or_else(|first| {
            let retried = self.with(key, string);
            retried.map_err(|_| ConfigError::bad(key, place, &first))
        });
        (self.table, self.settings) = settled?;
        self.places.insert(key.to_owned(), place.to_owned());
        Ok(())
    }

    fn with(&self, key: &str, value: Value) -> Result<(Table, T), toml::de::Error> {
        let mut table = self.table.clone();
        insert(&mut table, key, value);
        let settings = table.clone().try_into()?;
        Ok((table, settings))
    }

    fn finish(self) -> Result<T, ConfigError> {
        match self.settings.check() {
            Ok(()) => Ok(self.settings),
            Err(unfit) => {
                let place = self.places.get(unfit.key).map_or("default", |p| p.as_str());
                Err(ConfigError::unfit(&unfit, place))
            }
        }
    }
}

/// Puts a value at a dotted path, making the sections on its way.
fn insert(table: &mut Table, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let entry = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = entry {
        insert(inner, rest, value);
    }
}

fn literal(text: &str) -> Option<Value> {
    let table: Table = toml::from_str(&format!("value = {text}")).ok()?;
    (table.len() == 1).then(|| table.get("value").cloned())?
}

fn split(assignment: &str) -> Result<(&str, &str), ConfigError> {
    match assignment.split_once('=') {
        Some((key, value)) => Ok((key.trim(), value.trim())),
        None => Err(ConfigError::NotAnAssignment {
            text: assignment.to_owned(),
        }),
    }
}

/// The key that a variable sets; `None` when it is not ours or of no known section (the tests and
/// the programs have variables of their own, such as `KAREZ_DATA`).
fn key_of_variable<T: Settings>(name: &str) -> Result<Option<String>, ConfigError> {
    let Some(rest) = name.strip_prefix("KAREZ_") else {
        return Ok(None);
    };
    if let Some(key) = T::KEYS.iter().find(|key| key.variable() == name) {
        return Ok(Some(key.path.to_owned()));
    }
    let section = rest.split('_').next().unwrap_or(rest).to_lowercase();
    let ours = |key: &Key| key.path.split_once('.').is_some_and(|(s, _)| s == section);
    if !T::KEYS.iter().any(ours) {
        return Ok(None);
    }
    let meant = rest.to_lowercase().replacen('_', ".", 1);
    let place = format!("environment variable {name}");
    Err(ConfigError::unknown(&meant, &place, T::KEYS))
}

#[cfg(test)]
mod tests;
