//! `run`: the daemon.

use std::sync::Arc;

use karez_host::Failure;
use karez_host::control::{Access, Server};
use karez_host::notify::Manager;
use karez_host::shutdown::Shutdown;
use karez_sender::{Commands, Sender, Work};

use super::{Context, init};

pub(super) async fn run(context: Context) -> Result<(), Failure> {
    init::make(&context, "")?;
    let (trigger, shutdown) = Shutdown::on_signals()
        .map_err(|error| Failure::new(format!("signals cannot be heard: {error}")))?;
    let world = context.world();
    let sender = Sender::start(world, &context.dir, context.settings, Work::All)?;
    let handle = sender.handle();
    let server = Server::bind(&context.dir, Access::of(&context.dir))?;
    let serving = server.serve(Arc::new(Commands(handle.clone())), shutdown.clone());
    let serving = tokio::spawn(serving);
    let manager = Manager::from_environment();
    manager.ready();
    tracing::info!("running");
    tokio::select! {
        () = shutdown.wait() => {}
        () = handle.ended() => tracing::error!("the engine has ended"),
        () = keep_alive(&manager) => {}
    }
    manager.stopping();
    trigger.fire();
    let stopped = sender.stop().await;
    // The socket goes last, so that a command given now is told that the daemon is stopping.
    let _ = serving.await;
    stopped
}

async fn keep_alive(manager: &Manager) {
    manager.watchdog(|| true).await;
    std::future::pending::<()>().await;
}
