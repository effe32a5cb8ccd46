//! `init`: a new hub.

use std::path::Path;
use std::sync::Arc;

use karez_host::cli::Common;
use karez_host::config::{Settings as _, default_file};
use karez_host::datadir::{CONFIG, keep_others_out};
use karez_host::{Env, Failure, status};
use karez_protocol::seal::HubSeed;
use karez_store::write_atomically;
use toml::Value;

use super::args::{Identity, Init};
use super::{Command, ask};
use crate::daemon::offline;
use crate::handoff::Address;
use crate::keys;
use crate::settings::Settings;

const INTRO: &str = "Configuration of a Karez hub. Targets are kept by `karez-receiver target`.";

pub(super) fn init(common: &Common, args: Init) -> Result<(), Failure> {
    let targets: Vec<(String, Address)> = args
        .handoff
        .iter()
        .map(|text| Address::with_name(text).map_err(|e| Failure::usage(e.to_string())))
        .collect::<Result<_, _>>()?;
    let dir = ask::directory(common)?;
    let env = ask::world()?;
    let seed = keys::draw(&*env);
    let settings = establish(common, &env, &dir, &seed, args.identity)?;
    for (name, address) in targets {
        let url = address.to_string();
        let add = Command::TargetAdd { name, url };
        offline(env.clone(), &dir, settings.clone(), add)?;
    }
    status::print(&sheet(&settings.hub.name, &seed))
}

/// Makes data directory, keys and configuration.
pub(super) fn establish(
    common: &Common,
    env: &Arc<dyn Env>,
    dir: &Path,
    seed: &HubSeed,
    identity: Identity,
) -> Result<Settings, Failure> {
    let disk = env.disk();
    let made = disk.create_dir_all(dir);
    made.map_err(|e| {
        Failure::new(format!("the data directory cannot be made: {e}"))
            .at(dir.display())
            .fix("Give another one with --data, or let this user write there")
    })?;
    keep_others_out(dir)?;
    keys::store(&*disk, dir, seed)?;
    let mut chosen = Vec::new();
    chosen.extend(identity.name.map(|name| ("hub.name", Value::String(name))));
    let listen = identity.listen.map(|at| Value::String(at.to_string()));
    chosen.extend(listen.map(|at| ("hub.listen", at)));
    let path = dir.join(CONFIG);
    if disk.len(&path).ok().flatten().is_none() {
        let text = default_file(INTRO, Settings::KEYS, &chosen);
        write_atomically(&*disk, &path, text.as_bytes())?;
    }
    ask::settings(common, &**env, dir)
}

/// The recovery sheet, for paper.
fn sheet(name: &str, seed: &HubSeed) -> String {
    let words = seed.sheet();
    let lines: Vec<String> = words
        .chunks(2)
        .enumerate()
        .map(|(line, pair)| format!("  {}.  {}\n", line + 1, pair.join("   ")))
        .collect();
    format!(
        "Recovery sheet of the hub \"{name}\". It is shown this once.\n\n{}\n\
         Write it on paper and lock it away: with these words the hub can be rebuilt on a bare\n\
         machine, and whoever has them can read what clinics send. Then run\n\
         `karez-receiver confirm-backup`.\n",
        lines.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sheet_as_printed_brings_the_seed_back() {
        let seed = HubSeed::new([0x5a; 32]);
        let printed = sheet("Quetta", &seed);
        let is_word = |w: &&str| {
            let upper = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
            w.len() == 7 && w.chars().all(upper)
        };
        let words: Vec<&str> = printed.split_whitespace().filter(is_word).collect();
        let back = HubSeed::from_sheet(&words.join(" ")).unwrap();
        assert_eq!(back.bytes(), seed.bytes());
    }

    #[test]
    fn the_default_configuration_is_one() {
        let text = default_file(INTRO, Settings::KEYS, &[]);
        let sources = karez_host::config::Sources {
            file: Some(("config.toml", &text)),
            ..Default::default()
        };
        assert_eq!(
            karez_host::config::load::<Settings>(&sources).unwrap(),
            Settings::default()
        );
    }
}
