//! `init`: a data directory with keys and a commented configuration.

use clap::Args;
use karez_host::config::{Settings as _, default_file};
use karez_host::datadir::{CONFIG, DataDir, keep_others_out};
use karez_host::{Env, Failure, status};
use karez_sender::{Keys, Settings};
use karez_store::write_atomically;

use super::Context;

/// Makes a data directory.
#[derive(Args, Debug)]
pub(super) struct Init {
    /// How this clinic calls itself, for people
    #[arg(long, value_name = "NAME", default_value = "")]
    name: String,
}

const INTRO: &str = "The clinic's sender. Lines that begin with # say what a key does, or what it \
                     is when nothing is set.";

impl Init {
    pub(super) fn run(&self, context: &Context) -> Result<(), Failure> {
        let made = make(context, &self.name)?;
        let what = if made { "made" } else { "was there already" };
        status::print(&format!(
            "The data directory {what}: {}\nNext: `karez-sender join INVITATION` with the line that \
             the hub's `invite` printed.\n",
            context.dir.display()
        ))
    }
}

/// Makes what is missing; whether the configuration was.
pub(super) fn make(context: &Context, name: &str) -> Result<bool, Failure> {
    let disk = context.env.disk();
    let held = DataDir::open(&disk, &context.dir)?;
    keep_others_out(held.path())?;
    Keys::open(&*context.env, &context.dir)?;
    let path = context.dir.join(CONFIG);
    let there = disk.len(&path).is_ok_and(|length| length.is_some());
    if !there {
        let chosen = (!name.is_empty()).then(|| ("name", name.into()));
        let text = default_file(
            INTRO,
            Settings::KEYS,
            &chosen.into_iter().collect::<Vec<_>>(),
        );
        write_atomically(disk.as_ref(), &path, text.as_bytes())?;
    }
    Ok(!there)
}
