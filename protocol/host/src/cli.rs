//! What the command lines of both daemons have in common.

use std::path::{Path, PathBuf};

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::{Args, Command};
use clap_complete::Shell;
use karez_store::{Disk, write_atomically};

use crate::exit::Failure;
use crate::log::LogFormat;

/// The colours of help and errors.
pub const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default().effects(Effects::BOLD))
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::Red.on_default().effects(Effects::BOLD))
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Yellow.on_default());

/// Options that every command has; flatten them into the parser.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Data directory: configuration, keys, store
    ///
    /// Without it, the program's directory in /var/lib is used where that exists.
    #[arg(long, global = true, value_name = "DIR", env = "KAREZ_DATA")]
    pub data: Option<PathBuf>,

    /// Override a key of the configuration, as in `--set link.rate='64 kbit/s'`
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// How log lines look; what is logged is chosen by RUST_LOG
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

/// Writes shell completions and man pages, one for each subcommand, to `directory` and returns
/// their names.
///
/// # Errors
/// The directory cannot be written.
pub fn generate(
    disk: &dyn Disk,
    mut command: Command,
    directory: &Path,
) -> Result<Vec<String>, Failure> {
    command.build();
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!(
            "completions and man pages cannot be written: {error}"
        ))
        .at(directory.display())
        .fix("Give a directory that can be written")
    };
    disk.create_dir_all(directory).map_err(|e| failed(&e))?;
    let mut files = completions(&mut command);
    man_pages(&command, &mut files).map_err(|e| failed(&e))?;
    for (name, bytes) in &files {
        write_atomically(disk, &directory.join(name), bytes).map_err(|e| failed(&e))?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

fn completions(command: &mut Command) -> Vec<(String, Vec<u8>)> {
    let program = command.get_name().to_owned();
    let shells = [
        (Shell::Bash, format!("{program}.bash")),
        (Shell::Zsh, format!("_{program}")),
        (Shell::Fish, format!("{program}.fish")),
    ];
    shells
        .into_iter()
        .map(|(shell, file)| {
            let mut text = Vec::new();
            clap_complete::generate(shell, command, &program, &mut text);
            (file, text)
        })
        .collect()
}

/// `karez-sender.1`, `karez-sender-send.1`, and so on.
fn man_pages(command: &Command, into: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    into.push((page.get_filename(), text));
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" && !inner.is_hide_set() {
            man_pages(inner, into)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use karez_store::RealDisk;

    use super::*;

    /// An example.
    #[derive(Parser, Debug)]
    #[command(name = "karez-example", version, styles = STYLES)]
    struct Example {
        #[command(flatten)]
        common: Common,
        #[command(subcommand)]
        what: What,
    }

    #[derive(clap::Subcommand, Debug)]
    enum What {
        /// Sends files
        Send {
            /// What to send
            path: PathBuf,
        },
    }

    #[test]
    fn common_options_stand_before_or_after_the_subcommand() {
        Example::command().debug_assert();
        let line = "karez-example send x --data d --set a=1 --set b=2 --log-format json";
        let parsed = Example::parse_from(line.split(' '));
        let What::Send { path } = parsed.what;
        assert_eq!(path, Path::new("x"));
        assert_eq!(parsed.common.data.as_deref(), Some(Path::new("d")));
        assert_eq!(parsed.common.set, ["a=1", "b=2"]);
        assert_eq!(parsed.common.log_format, LogFormat::Json);
        let wrong = Example::try_parse_from(["karez-example", "sned"]).unwrap_err();
        assert_eq!(wrong.exit_code(), 2);
    }

    #[test]
    fn completions_and_man_pages_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let to = directory.path().join("out");
        let files = generate(&RealDisk, Example::command(), &to).unwrap();
        let expected = [
            "karez-example.bash",
            "_karez-example",
            "karez-example.fish",
            "karez-example.1",
            "karez-example-send.1",
        ];
        assert_eq!(files, expected);
        for file in expected {
            let text = std::fs::read_to_string(to.join(file)).unwrap();
            assert!(text.contains("send") && text.contains("data"), "{file}");
        }
    }
}
