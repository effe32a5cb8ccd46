//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use karez_host::cli::{Common, STYLES};
use karez_host::page::UserVerb;
use karez_host::units::{Size, UnitError};

/// The hub of Karez: takes studies in from clinics and hands them to the archive, byte for byte.
#[derive(Parser, Debug)]
#[command(
    name = "karez-receiver",
    version,
    styles = STYLES,
    subcommand_required = true,
    after_help = "Examples:\n  \
        karez-receiver --data /srv/karez init --name Quetta --listen 0.0.0.0:4433 \
        --handoff folder:/srv/pacs-inbox\n  \
        karez-receiver --data /srv/karez run\n  \
        karez-receiver --data /srv/karez invite chagai --address hub.example.org:4433\n  \
        karez-receiver --data /srv/karez status"
)]
pub struct Program {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Subcommand, Debug)]
pub(super) enum Verb {
    /// Makes a hub and prints its recovery sheet, once
    Init(Init),
    /// Says that the recovery sheet is in a safe place
    ConfirmBackup,
    /// Rebuilds a hub's keys on a bare machine; reads the recovery sheet from standard input
    Recover(Identity),
    /// Where instances are handed off
    #[command(subcommand)]
    Target(TargetVerb),
    /// Prints an invitation for a clinic: one line, to be given to `karez-sender join`
    Invite(Invite),
    /// Runs the hub
    Run,
    /// What is here, what is missing, what needs a person
    Status(Status),
    /// Looks at configuration, disk and targets
    Check,
    /// Gives the running hub the configuration anew; no transfer is touched
    Reload,
    /// Who may log in to the dashboard
    #[command(subcommand)]
    User(UserVerb),
    /// The clinics
    Clinics(Json),
    /// Cuts a clinic off: its key is no longer welcome
    Revoke {
        /// The clinic's name
        name: String,
    },
    /// Says what one clinic may have here, with what it has announced; at once
    Quota {
        /// The clinic's name
        name: String,
        /// Bytes, such as `50GB`; `0 B` for no limit, `default` for what store.quota says
        size: Quota,
    },
    /// Makes a new encryption key; what was sealed to older ones still opens
    RotateKey,
    /// Reads everything that is stored and compares it with its checksums
    Verify(Json),
    /// Who did what: a log in which nothing can be altered without a trace
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Hand-offs
    #[command(subcommand)]
    Handoff(HandoffVerb),
    /// Instances that need a person
    #[command(subcommand)]
    Parked(ParkedVerb),
    /// What a span of days has brought, by clinic and target
    Report(Report),
    /// Copies the data directory, keys and all, to a new folder, while the hub runs
    Backup {
        /// The folder; only the hub's user may read what is put there
        directory: PathBuf,
    },
    /// Makes a data directory (--data, new) of a backup, and proves every byte
    Restore {
        /// The folder that `backup` made
        directory: PathBuf,
    },
    /// Prints how many studies still need this store: not yet in every archive
    Owed,
    /// Prints completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Writes man pages and completions into a folder
    Man {
        /// The folder
        directory: PathBuf,
    },
}

/// Bytes; none for `default`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota(pub(super) Option<u64>);

impl FromStr for Quota {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text {
            "default" => Ok(Self(None)),
            text => Ok(Self(Some(text.parse::<Size>()?.0))),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Init {
    #[command(flatten)]
    pub(super) identity: Identity,
    /// Where to hand off: `[NAME=]folder:PATH`, `[NAME=]dicom://CALLED_AET@HOST:PORT` or
    /// `[NAME=]stow+https://HOST:PORT/PATH`; several times for several targets
    #[arg(long, value_name = "TARGET")]
    pub(super) handoff: Vec<String>,
}

#[derive(Args, Debug, Default)]
pub(super) struct Identity {
    /// What people call this hub
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The UDP address on which clinics reach it [default: 0.0.0.0:4433]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) listen: Option<SocketAddr>,
}

#[derive(Subcommand, Debug)]
pub(super) enum TargetVerb {
    /// Adds a target, or gives it another address
    Add {
        /// Its name
        name: String,
        /// Its address: `folder:PATH`, `dicom://CALLED_AET@HOST:PORT[?find=no]`,
        /// `stow+http://HOST:PORT/PATH` or `stow+https://HOST:PORT/PATH[?auth=FILE]`
        url: String,
        /// The same PACS's DICOMweb service, for what it refuses by DICOM and for reading back
        #[arg(long, value_name = "URL")]
        also: Option<String>,
        /// What we call ourselves to a PACS [default: KAREZ]
        #[arg(long, value_name = "AET")]
        calling_aet: Option<String>,
    },
    /// The targets
    List(Json),
    /// Tries what a target can do: one line per ability, with the fix
    Test {
        /// Its name
        name: String,
    },
    /// Lets a target rest
    Pause {
        /// Its name
        name: String,
    },
    /// Lets it work again
    Resume {
        /// Its name
        name: String,
    },
    /// Removes a target: nothing is owed to it any more
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct Invite {
    /// The clinic's name
    pub(super) name: String,
    /// Where the clinic finds this hub; up to four, the best first
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) address: Vec<String>,
    /// Revokes the key that the clinic has now, as after a theft
    #[arg(long)]
    pub(super) replace: bool,
}

#[derive(Args, Debug)]
pub(super) struct Status {
    /// As JSON, for scripts
    #[arg(long)]
    pub(super) json: bool,
    /// Again every two seconds
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(Args, Debug)]
pub(super) struct Report {
    /// The first day, as YYYY-MM-DD (UTC)
    #[arg(long, value_name = "DATE")]
    pub(super) from: String,
    /// The last day
    #[arg(long, value_name = "DATE")]
    pub(super) to: String,
    /// As CSV, for spreadsheets
    #[arg(long)]
    pub(super) csv: bool,
}

#[derive(Args, Debug)]
pub(super) struct Json {
    /// As JSON, for scripts
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Subcommand, Debug)]
pub(super) enum AuditVerb {
    /// The lines, the oldest first
    List(Since),
    /// Follows the chain from end to end; exit status 1 and the place of the first break
    Verify {
        /// What clinics have seen: what `karez-sender audit witnesses` printed; several times
        #[arg(long, value_name = "FILE")]
        witnesses: Vec<PathBuf>,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Writes the lines to a new file as DICOM audit messages (PS3.15 A.5), one a line
    Export {
        /// The file
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The first day, as YYYY-MM-DD (UTC)
        #[arg(long, value_name = "DATE")]
        since: Option<String>,
    },
}

#[derive(Args, Debug)]
pub(super) struct Since {
    /// As JSON, for scripts
    #[arg(long)]
    pub(super) json: bool,
    /// The first day, as YYYY-MM-DD (UTC)
    #[arg(long, value_name = "DATE")]
    pub(super) since: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(super) enum HandoffVerb {
    /// Hands off again what a target was given since a day, as after it was restored
    ///
    /// The target is asked first: what it has is not given twice.
    Resend {
        /// The target
        #[arg(long, value_name = "NAME")]
        target: String,
        /// The first day, as YYYY-MM-DD (UTC)
        #[arg(long, value_name = "DATE")]
        since: String,
        /// One study only, by its short id
        #[arg(long, value_name = "ID")]
        study: Option<String>,
    },
}

#[derive(Subcommand, Debug)]
pub(super) enum ParkedVerb {
    /// What needs a person, and what can be done
    List(Json),
    /// Tries an instance again
    Retry {
        /// The instance, as the list names it
        item: String,
    },
    /// Hands an instance off in place of what the target has
    Release {
        /// The instance, as the list names it
        item: String,
    },
    /// Writes an instance to a new file, as far as it can be rebuilt
    Export {
        /// The instance, as the list names it
        item: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Gives an instance up here; the clinic keeps the original
    Discard {
        /// The instance, as the list names it
        item: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}
