//! Reaching the hub: over its control socket, or, when none runs, in its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karez_host::cli::Common;
use karez_host::config::{self, Sources};
use karez_host::control::{Client, ConnectError};
use karez_host::datadir::{self, CONFIG};
use karez_host::limits::CONFIG_FILE;
use karez_host::process::block_on;
use karez_host::{Env, Failure, RealEnv, status};
use karez_store::read_whole;
use serde_json::Value;

use super::Command;
use crate::daemon;
use crate::settings::Settings;

/// The program's name, for its default data directory.
pub(super) const PROGRAM: &str = "karez-receiver";

/// The data directory.
pub(super) fn directory(common: &Common) -> Result<PathBuf, Failure> {
    datadir::resolve(PROGRAM, common.data.as_deref())
}

/// The real world.
pub(super) fn world() -> Result<Arc<dyn Env>, Failure> {
    let env = RealEnv::new();
    let env = env.map_err(|e| Failure::new(format!("the program cannot start: {e}")))?;
    Ok(Arc::new(env))
}

/// The settings of a data directory.
pub(super) fn settings(common: &Common, env: &dyn Env, dir: &Path) -> Result<Settings, Failure> {
    let path = dir.join(CONFIG);
    let bytes = read_whole(&*env.disk(), &path, CONFIG_FILE)?;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let name = path.display().to_string();
    let environment = config::environment();
    let sources = Sources {
        file: text.as_deref().map(|text| (name.as_str(), text)),
        env: &environment,
        set: &common.set,
    };
    Ok(config::load(&sources)?)
}

/// Asks a running daemon.
pub(super) fn ask_daemon(common: &Common, name: &str, arguments: Value) -> Result<Value, Failure> {
    let dir = directory(common)?;
    block_on(async {
        let mut client = Client::connect(&dir).await?;
        client.call(name, arguments).await
    })?
}

/// Asks a running daemon, or, when there is none, does it here.
pub(super) fn ask(common: &Common, command: Command) -> Result<Value, Failure> {
    let dir = directory(common)?;
    let (name, arguments) = command.write().map_err(|e| Failure::new(e.to_string()))?;
    let asked = block_on(async {
        match Client::connect(&dir).await {
            Ok(mut client) => client.call(&name, arguments).await.map(Some),
            Err(ConnectError::NoDaemon(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })??;
    match asked {
        Some(answer) => Ok(answer),
        None => {
            let env = world()?;
            let settings = settings(common, &*env, &dir)?;
            daemon::offline(env, &dir, settings, command)
        }
    }
}

/// Asks, and prints a plain answer.
pub(super) fn print_plain(common: &Common, command: Command) -> Result<(), Failure> {
    print_answer(&ask(common, command)?)
}

/// Prints an answer: a sentence as it is, anything else as JSON.
pub(super) fn print_answer(answer: &Value) -> Result<(), Failure> {
    match answer.as_str() {
        Some(text) => status::print(&format!("{text}\n")),
        None => status::print_json(answer),
    }
}
