//! `run`: the daemon.

use std::sync::Arc;
use std::time::Duration;

use karez_host::Failure;
use karez_host::control::{Access, Server};
use karez_host::notify::Manager;
use karez_host::shutdown::Shutdown;
use karez_sender::{ClinicPages, Commands, Handle, Sender, Work};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Context, init, reload};

/// How long a starting daemon, or a command, waits for another process to let the directory go.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(5);
pub(super) const LOCK_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(context: Context) -> Result<(), Failure> {
    let (trigger, shutdown) = Shutdown::on_signals()
        .map_err(|error| Failure::new(format!("signals cannot be heard: {error}")))?;
    let sender = start(&context).await?;
    let handle = sender.handle();
    let server = Server::bind(&context.dir, Access::of(&context.dir))?;
    let serving = server.serve(Arc::new(Commands(handle.clone())), shutdown.clone());
    let serving = tokio::spawn(serving);
    let page = show_page(&context, handle.clone(), shutdown.clone());
    let manager = Manager::from_environment();
    manager.ready();
    tracing::info!("running");
    let reload = async || reload::on_signal(&context, &context.set, &handle).await;
    tokio::select! {
        () = shutdown.on_hangup(reload) => {}
        () = shutdown.wait() => {}
        () = handle.ended() => tracing::error!("the engine has ended"),
        () = keep_alive(&manager, &handle) => {}
    }
    manager.stopping();
    trigger.fire();
    page.abort();
    let stopped = sender.stop().await;
    // The socket goes last, so that a command given now is told that the daemon is stopping.
    let _ = serving.await;
    stopped
}

/// A command that works on the directory just now is waited for.
async fn start(context: &Context) -> Result<Sender, Failure> {
    let began = Instant::now();
    loop {
        let opened = init::make(context, "").and_then(|_| {
            let settings = context.settings.clone();
            Sender::start(context.world(), &context.dir, settings, Work::All)
        });
        match opened {
            Err(_) if began.elapsed() < LOCK_WAIT => tokio::time::sleep(LOCK_PAUSE).await,
            other => return other,
        }
    }
}

fn show_page(context: &Context, handle: Handle, shutdown: Shutdown) -> JoinHandle<()> {
    let (env, dir) = (context.world(), context.dir.clone());
    let settings = context.settings.clone();
    tokio::spawn(ClinicPages::serve(env, dir, settings, handle, shutdown))
}

/// The service manager is told that the daemon is alive while its engine answers.
async fn keep_alive(manager: &Manager, handle: &Handle) {
    let answers = async || handle.status().await.is_ok();
    manager.watchdog(answers).await;
    std::future::pending::<()>().await;
}
