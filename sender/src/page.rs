//! What the clinic's page shows and does.

mod metrics;
mod shown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use karez_host::alarm;
use karez_host::audit::Note;
use karez_host::env::BoxFuture;
use karez_host::page::{self, Act, History, Pages, Place, Sample, Verb, View};
use karez_host::shutdown::Shutdown;
use karez_host::{Env, Failure};
use karez_protocol::priority::Class;
use karez_protocol::seal::DeskKey;

use crate::daemon::Handle;
use crate::settings::Settings;

/// How often the line is looked at for the ribbon.
const LOOK: Duration = Duration::from_secs(30);

/// The clinic's page.
pub struct ClinicPages {
    env: Arc<dyn Env>,
    handle: Handle,
    settings: Settings,
    history: History,
}

impl ClinicPages {
    /// Shows the page (when `page.listen` is not empty) and tells alarms, until the shutdown.
    pub async fn serve(
        env: Arc<dyn Env>,
        dir: PathBuf,
        settings: Settings,
        handle: Handle,
        shutdown: Shutdown,
    ) {
        let (address, language) = (settings.page.address(), settings.page.language);
        let alarms = settings.alarm.clone();
        let pages = Arc::new(Self {
            history: History::open(env.disk(), &dir),
            env: env.clone(),
            handle,
            settings,
        });
        let told = alarm::watch(env.clone(), alarms, pages.clone(), shutdown.clone());
        let shown = async {
            if let Ok(Some(address)) = address {
                let place = Place { address, language };
                page::serve(env, &dir, place, pages.clone(), shutdown.clone()).await;
            }
        };
        tokio::select! {
            () = async { tokio::join!(told, shown); } => {}
            () = pages.watch() => {}
        }
    }

    /// Remembers how the line is.
    async fn watch(&self) {
        let mut last = self.env.now();
        loop {
            self.env.sleep_until(last + LOOK).await;
            let Ok(status) = self.handle.status().await else {
                return;
            };
            let now = self.env.now();
            self.history.add(Sample {
                wall: self.env.wall(),
                seconds: now.saturating_duration_since(last).as_secs(),
                up: status.hub.connected,
            });
            last = now;
        }
    }

    async fn look(&self) -> Result<View, Failure> {
        let status = self.handle.status().await?;
        let wall = self.env.wall();
        Ok(shown::view(&status, &self.settings, &self.history, wall))
    }

    async fn carry_out(&self, act: Act) -> Result<(), Failure> {
        let handle = &self.handle;
        match act.verb {
            Verb::Urgent => handle.prioritise(&act.item, Class::Urgent).await.map(drop),
            Verb::Stat => handle.prioritise(&act.item, Class::Stat).await.map(drop),
            Verb::Withdraw => handle.withdraw(&act.item, &act.reason).await.map(drop),
            Verb::Allow => handle.allow(&act.item, true).await,
            Verb::Pause => handle.pause(true).await,
            Verb::Resume => handle.pause(false).await,
            Verb::Retry | Verb::Release | Verb::Discard => {
                Err(Failure::new("that is the hub's to do").fix("Ask the hub's administrator"))
            }
        }
    }
}

impl Pages for ClinicPages {
    fn view(&self) -> BoxFuture<'_, Result<View, Failure>> {
        Box::pin(self.look())
    }

    fn act(&self, act: Act) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.carry_out(act))
    }

    fn names<'a>(
        &'a self,
        desk: &'a DeskKey,
        user: &'a str,
        first: bool,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, Failure>> {
        Box::pin(async move {
            if first {
                // Before the first name is out.
                let note = Note::on_page(self.env.wall(), user, "names", "");
                self.handle.by(&note.who).audit(note).await?;
            }
            self.handle.names(desk.clone()).await
        })
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async { Ok(metrics::text(&self.handle.status().await?)) })
    }

    fn audit(&self, user: &str, what: &str, item: &str) {
        tracing::info!(target: "karez::audit", user, what, item, "on the page");
        let note = Note::on_page(self.env.wall(), user, what, item);
        let handle = self.handle.by(&note.who);
        // A daemon that is stopping takes no more notes.
        tokio::spawn(async move { handle.audit(note).await });
    }
}
