//! `user add|list|remove`: who may log in to the page.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::Path;

use clap::Subcommand;
use rustix::termios::{self, LocalModes, OptionalActions};
use zeroize::Zeroizing;

use super::users::{Role, Users};
use crate::status::{Table, print};
use crate::{Env, Failure};

/// What can be done about users.
#[derive(Subcommand, Debug)]
pub enum UserVerb {
    /// Adds somebody, or gives them another password; the password is asked for
    Add {
        /// The name to log in with
        name: String,
        /// What they may do
        #[arg(long, value_enum, default_value_t)]
        role: Role,
        /// Who lets them see patients' names: a user who can; that password is asked for too
        ///
        /// The first user of all needs nobody.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Who may log in
    List,
    /// Removes somebody
    Remove {
        /// The name
        name: String,
    },
}

impl UserVerb {
    /// Does it in the data directory `dir`. A running daemon sees it at once.
    ///
    /// # Errors
    /// The name or a password will not do; the disk's.
    pub fn run(self, env: &dyn Env, dir: &Path) -> Result<(), Failure> {
        let users = Users::of(env.disk(), dir);
        match self {
            Self::Add { name, role, by } => add(env, &users, (&name, role), by),
            Self::Remove { name } => {
                users.remove(&name)?;
                print(&format!(
                    "{name} can no longer log in; who is logged in stays so for 12 h at most\n"
                ))
            }
            Self::List => {
                let mut table = Table::new(&["user", "role", "sees names"]);
                for user in users.list()? {
                    let role = format!("{:?}", user.role).to_lowercase();
                    let sees = if user.sees_names() { "yes" } else { "no" };
                    table.row([user.name.clone(), role, sees.to_owned()]);
                }
                print(&table.to_string())
            }
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is made for this one call"
)]
fn add(env: &dyn Env, users: &Users, who: (&str, Role), by: Option<String>) -> Result<(), Failure> {
    let password = ask(&format!("Password for {}: ", who.0))?;
    let giver = match &by {
        None => None,
        Some(by) => {
            let theirs = ask(&format!("Password of {by}: "))?;
            let wrong = || Failure::new(format!("that is not the password of {by}"));
            let known = users.verify(by, &theirs)?.ok_or_else(wrong)?;
            let cannot = || Failure::new(format!("{by} cannot see names either"));
            Some(known.desk.ok_or_else(cannot)?)
        }
    };
    let mut random = Zeroizing::new([0; 48]);
    env.entropy(&mut *random);
    users.add(who, &password, giver.as_ref(), *random)?;
    let sees = users
        .list()?
        .iter()
        .any(|u| u.name == who.0 && u.sees_names());
    let names = match sees {
        true => "and can see names",
        false => "but cannot see names: for that add them again with --by NAME",
    };
    print(&format!("{} can log in to the page {names}\n", who.0))
}

/// A line of standard input; on a terminal it is asked for and not shown.
fn ask(question: &str) -> Result<Zeroizing<String>, Failure> {
    let input = stdin();
    let hidden = input
        .is_terminal()
        .then(|| termios::tcgetattr(&input).ok())
        .flatten();
    if let Some(shown) = &hidden {
        print(question)?;
        let mut silent = shown.clone();
        silent.local_modes -= LocalModes::ECHO;
        // A terminal that cannot be silenced is still a terminal.
        let _ = termios::tcsetattr(&input, OptionalActions::Now, &silent);
    }
    let mut line = Zeroizing::new(String::new());
    let read = input.lock().read_line(&mut line);
    if let Some(shown) = &hidden {
        let _ = termios::tcsetattr(&input, OptionalActions::Now, shown);
        print("\n")?;
    }
    read.map_err(|e| Failure::new(format!("the password cannot be read: {e}")))?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}
