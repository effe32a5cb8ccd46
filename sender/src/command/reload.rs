//! `reload` and SIGHUP: other settings for a running daemon.

use karez_host::control::Client;
use karez_host::{Env, Failure, config, status};
use karez_sender::Handle;
use serde_json::{Value, json};

use super::Context;

/// Reads the configuration and gives it to the running daemon.
pub(super) async fn run(context: Context) -> Result<(), Failure> {
    let mut daemon = Client::connect(&context.dir).await?;
    let settings = serde_json::to_value(&context.settings);
    let settings = settings.map_err(|e| Failure::new(e.to_string()))?;
    let answer: Value = daemon.call("reload", settings).await?;
    let keys = answer["restart"].as_array().into_iter().flatten();
    let keys: Vec<&str> = keys.filter_map(Value::as_str).collect();
    status::print(&match keys.is_empty() {
        true => "The new settings hold; no transfer was touched\n".to_owned(),
        false => format!(
            "The new settings hold; these wait for a restart: {}\n",
            keys.join(", ")
        ),
    })
}

/// The same at a signal: a configuration that is wrong changes nothing.
pub(super) async fn on_signal(context: &Context, set: &[String], handle: &Handle) {
    let read = config::read(&*context.env.disk(), &context.dir, set);
    let done = match read {
        Ok(settings) => handle.reload(settings).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(restart) => tracing::info!(
            restart = json!(restart).to_string(),
            "the configuration was read again"
        ),
        Err(error) => tracing::error!(%error, "the configuration was not taken; the old one holds"),
    }
}
