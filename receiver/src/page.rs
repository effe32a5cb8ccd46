//! What the hub's dashboard shows and does.

mod metrics;
mod shown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use karez_host::alarm;
use karez_host::audit::Note;
use karez_host::env::BoxFuture;
use karez_host::page::{self, Act, Pages, Place, Verb, View};
use karez_host::shutdown::Shutdown;
use karez_host::{Env, Failure};
use karez_protocol::seal::DeskKey;

use crate::command::{Command, Decision};
use crate::daemon::Handle;
use crate::settings::Settings;

/// The hub's dashboard.
pub(crate) struct HubPages {
    handle: Handle,
    name: String,
    place: String,
}

impl HubPages {
    /// Shows the dashboard (when `page.listen` is not empty) and tells alarms, until the shutdown.
    pub(crate) async fn serve(
        env: Arc<dyn Env>,
        dir: PathBuf,
        settings: Settings,
        handle: Handle,
        shutdown: Shutdown,
    ) {
        let (address, language) = (settings.page.address(), settings.page.language);
        let pages = Arc::new(Self {
            handle,
            name: settings.hub.name,
            place: settings.page.place,
        });
        let told = alarm::watch(env.clone(), settings.alarm, pages.clone(), shutdown.clone());
        let shown = async {
            if let Ok(Some(address)) = address {
                let place = Place { address, language };
                page::serve(env, &dir, place, pages.clone(), shutdown.clone()).await;
            }
        };
        tokio::join!(told, shown);
    }

    async fn look(&self) -> Result<View, Failure> {
        let status = self.handle.command(Command::Status {}).await?;
        Ok(shown::view(&status, &self.name, &self.place))
    }

    async fn carry_out(&self, act: Act) -> Result<(), Failure> {
        let decision = match act.verb {
            Verb::Retry => Decision::Retry,
            Verb::Release => Decision::Release,
            Verb::Discard => Decision::Discard(act.reason),
            _ => {
                return Err(Failure::new("that is the clinic's to do")
                    .fix("Do it on the page of the clinic"));
            }
        };
        let item = act.item;
        let decided = self.handle.command(Command::Decide { item, decision });
        decided.await.map(drop)
    }
}

impl Pages for HubPages {
    fn view(&self) -> BoxFuture<'_, Result<View, Failure>> {
        Box::pin(self.look())
    }

    fn act(&self, act: Act) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.carry_out(act))
    }

    /// The hub keeps no names: an instance is opened only to be rebuilt and handed off.
    fn names<'a>(
        &'a self,
        _: &'a DeskKey,
        _: &'a str,
        _: bool,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, Failure>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, Failure>> {
        Box::pin(async {
            Ok(metrics::text(
                &self.handle.command(Command::Status {}).await?,
            ))
        })
    }

    fn audit(&self, user: &str, what: &str, item: &str) {
        tracing::info!(target: "karez::audit", user, what, item, "on the dashboard");
        let note = Note::on_page(self.handle.wall(), user, what, item);
        let handle = self.handle.by(&note.who);
        // A daemon that is stopping takes no more notes.
        tokio::spawn(async move { handle.audit(note).await });
    }
}
