//! The command line: one module per command.

mod allow;
mod audit;
mod check;
mod copies;
mod estimate;
mod files;
mod generate;
mod init;
mod join;
mod owed;
mod pause;
mod reached;
mod reload;
mod run;
mod send;
mod status;
mod study;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};
use karez_host::cli::{Common, STYLES};
use karez_host::page::UserVerb;
use karez_host::{Env, Failure, RealEnv, config, datadir, log, process};
use karez_sender::Settings;

/// The program's name.
pub(crate) const PROGRAM: &str = "karez-sender";

/// Sends a clinic's images to its hub, however bad the line is
///
/// What is accepted is on this disk, encrypted, until the hub has signed for it.
#[derive(Parser, Debug)]
#[command(name = PROGRAM, version, styles = STYLES, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    what: What,
}

const EXAMPLES: &str = "\
Examples:
  karez-sender --data /srv/karez join karez1-...   belong to the hub that wrote the invitation
  karez-sender --data /srv/karez run               the daemon
  karez-sender --data /srv/karez send --wait CT/   hand a folder in and wait until it has arrived
  karez-sender --data /srv/karez status --watch    how things stand";

#[derive(Subcommand, Debug)]
enum What {
    /// Makes a data directory with keys and a commented configuration
    Init(init::Init),
    /// Makes this clinic one of the hub's that wrote the invitation
    Join(join::Join),
    /// Runs the daemon until it is told to stop (SIGTERM, SIGINT)
    Run,
    /// Hands files and folders in
    Send(send::Send),
    /// Shows how things stand
    Status(status::Show),
    /// Changes how urgent a study is
    #[command(alias = "prioritize")]
    Prioritise(study::Prioritise),
    /// Stops sending a study
    Withdraw(study::Withdraw),
    /// Sends nothing but STAT until `resume`
    Pause,
    /// Sends everything again
    Resume,
    /// Lets a scanner send
    Allow(allow::Allow),
    /// Shows and proves who did what
    Audit(audit::Audit),
    /// Says how small files become, without sending anything
    Estimate(estimate::Estimate),
    /// Gives the running daemon the configuration anew; no transfer is touched
    Reload,
    /// Who may log in to the page
    #[command(subcommand)]
    User(UserVerb),
    /// Checks configuration, disk, clock and the way to the hub
    Check(check::Check),
    /// Copies the data directory, keys and all, to a new folder, while the daemon runs
    Backup(copies::Backup),
    /// Makes a data directory (--data, new) of a backup, and proves every byte
    Restore(copies::Restore),
    /// Prints how many studies still need this store: not yet released by the hub
    Owed,
    /// Reads everything that is kept and compares it with its checksums
    Verify(verify::Verify),
    /// Prints the completions of a shell
    Completions(generate::Completions),
    /// Writes man pages and completions to a directory
    Man(generate::Man),
}

/// What a command works on.
struct Context {
    env: Arc<RealEnv>,
    dir: PathBuf,
    settings: Settings,
    /// `--set`, for when the configuration is read again.
    set: Vec<String>,
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> Result<(), Failure> {
    let cli = Cli::parse();
    log::init(cli.common.log_format)?;
    match cli.what {
        What::Completions(shell) => shell.run(Cli::command()),
        What::Man(man) => man.run(Cli::command()),
        What::Estimate(estimate) => estimate.run(),
        What::Restore(restore) => restore.run(&cli.common),
        what => {
            let context = Context::of(&cli.common)?;
            process::block_on(work(what, context))?
        }
    }
}

async fn work(what: What, context: Context) -> Result<(), Failure> {
    match what {
        What::Init(init) => init.run(&context),
        What::Join(join) => join.run(context).await,
        What::Run => run::run(context).await,
        What::Send(send) => send.run(context).await,
        What::Status(show) => show.run(context).await,
        What::Prioritise(prioritise) => prioritise.run(context).await,
        What::Withdraw(withdraw) => withdraw.run(context).await,
        What::Pause => pause::run(context, true).await,
        What::Resume => pause::run(context, false).await,
        What::Allow(allow) => allow.run(context).await,
        What::Reload => reload::run(context).await,
        What::User(verb) => verb.run(&*context.env, &context.dir),
        What::Verify(verify) => verify.run(context).await,
        What::Audit(audit) => audit.run(context).await,
        What::Check(check) => check.run(&context).await,
        What::Backup(backup) => backup.run(&context),
        What::Owed => owed::run(context).await,
        // These need no data directory and were done before.
        What::Estimate(_) | What::Restore(_) | What::Completions(_) | What::Man(_) => Ok(()),
    }
}

impl Context {
    fn of(common: &Common) -> Result<Self, Failure> {
        let env = Arc::new(
            RealEnv::new()
                .map_err(|error| Failure::new(format!("the program cannot start: {error}")))?,
        );
        let dir = datadir::resolve(PROGRAM, common.data.as_deref())?;
        let settings = config::read(&*env.disk(), &dir, &common.set)?;
        if let Err(error) = process::keep_memory_private() {
            tracing::warn!(%error, "this process's memory may end up in a core dump");
        }
        let set = common.set.clone();
        Ok(Self {
            env,
            dir,
            settings,
            set,
        })
    }

    fn world(&self) -> Arc<dyn Env> {
        self.env.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_knows_both_spellings() {
        Cli::command().debug_assert();
        let parsed = Cli::parse_from(["karez-sender", "prioritize", "ab12cd34", "stat"]);
        assert!(matches!(parsed.what, What::Prioritise(_)));
    }
}
