//! `run`: the daemon.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use karez_host::cli::Common;
use karez_host::control::{Access, Call, Handler, Server};
use karez_host::datadir::keep_others_out;
use karez_host::env::BoxFuture;
use karez_host::notify::Manager;
use karez_host::process::{block_on, keep_memory_private};
use karez_host::shutdown::Shutdown;
use karez_host::{Env, Failure, log};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::{Command, ask};
use crate::daemon::{Handle, Receiver};
use crate::limits::LOCK_WAIT;
use crate::page::HubPages;
use crate::settings::Settings;

pub(super) fn run(common: &Common) -> Result<(), Failure> {
    log::init(common.log_format)?;
    if let Err(error) = keep_memory_private() {
        warn!(%error, "core dumps could not be switched off");
    }
    let dir = ask::directory(common)?;
    let env = ask::world()?;
    keep_others_out(&dir)?;
    let settings = ask::settings(common, &*env, &dir)?;
    block_on(serve(common, env, &dir, settings))?
}

async fn serve(
    common: &Common,
    env: Arc<dyn Env>,
    dir: &Path,
    settings: Settings,
) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals();
    let (trigger, shutdown) =
        shutdown.map_err(|e| Failure::new(format!("signals cannot be heard: {e}")))?;
    let access = match settings.control.group {
        true => Access::Group,
        false => Access::Owner,
    };
    let (world, page) = (env.clone(), settings.clone());
    let mut receiver = start(env, dir, settings).await?;
    let control = Server::bind(dir, access)?;
    let handler = Arc::new(Control(receiver.handle()));
    let control = tokio::spawn(control.serve(handler, shutdown.clone()));
    let page = HubPages::serve(
        world.clone(),
        dir.to_owned(),
        page,
        receiver.handle(),
        shutdown.clone(),
    );
    let page = tokio::spawn(page);
    let manager = Manager::from_environment();
    manager.ready();
    info!(address = %receiver.address(), "the hub serves");
    let alive = receiver.handle();
    let reload = async || read_again(common, &*world, dir, &alive).await;
    let broken = tokio::select! {
        () = shutdown.wait() => false,
        () = receiver.engine_ended() => true,
        () = beat(&manager, &alive) => false,
        () = shutdown.on_hangup(reload) => false,
    };
    manager.stopping();
    trigger.fire();
    // Its end is that of the daemon.
    let _ = control.await;
    page.abort();
    receiver.stop().await;
    if broken {
        return Err(Failure::new("the engine ended by a bug: see the log").fix("Start it again"));
    }
    Ok(())
}

/// Tells the service manager that the daemon is alive while its engine answers.
async fn beat(manager: &Manager, handle: &Handle) {
    let answers = async || handle.command(Command::Targets {}).await.is_ok();
    manager.watchdog(answers).await;
    std::future::pending::<()>().await;
}

/// A configuration that is wrong changes nothing.
async fn read_again(common: &Common, env: &dyn Env, dir: &Path, handle: &Handle) {
    let settings = ask::settings(common, env, dir);
    let done = match settings.map(Box::new) {
        Ok(settings) => handle.command(Command::Reload { settings }).await,
        Err(failure) => Err(failure),
    };
    match done {
        Ok(restart) => info!(%restart, "the configuration was read again"),
        Err(error) => tracing::error!(%error, "the configuration was not taken; the old one holds"),
    }
}

/// A command that works on the directory just now is waited for.
async fn start(env: Arc<dyn Env>, dir: &Path, settings: Settings) -> Result<Receiver, Failure> {
    let began = Instant::now();
    loop {
        let started = Receiver::start(env.clone(), dir, settings.clone()).await;
        match started {
            Err(failure) if failure.cause.contains("in use") && began.elapsed() < LOCK_WAIT => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => return other,
        }
    }
}

/// Answers the control socket.
struct Control(Handle);

impl Handler for Control {
    fn handle<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(self.answer(call))
    }
}

impl Control {
    async fn answer(&self, mut call: Call<'_>) -> Result<Value, Failure> {
        let text = |key: &str| call.arguments[key].as_str().unwrap_or_default();
        let hub = self.0.by(&call.caller.name());
        match call.command {
            "target-test" => self.0.test_target(text("name")).await,
            "export" => {
                let to = Path::new(text("to"));
                let bytes = hub.export(text("item"), to).await?;
                Ok(json!({ "bytes": bytes }))
            }
            "verify" => {
                let (mut verifying, mut last) = (self.0.verify(), json!({}));
                while let Some(work) = verifying.step().await? {
                    last = json!({ "bytes": work.bytes, "bad": work.bad });
                    if call.events.send(&last).await.is_err() {
                        break;
                    }
                }
                Ok(last)
            }
            name => {
                let command = Command::read(name, call.arguments).map_err(|_| {
                    Failure::new("the daemon does not know this command")
                        .fix("Restart the daemon after an upgrade")
                })?;
                hub.command(command).await
            }
        }
    }
}
