//! What must hold.

use karez_receiver::Command;
use karez_sender::Handle;

use super::play::World;

/// What may be sent again after a cut.
const IN_FLIGHT: u64 = 128 * 1024;

impl World {
    /// What must hold at every moment.
    pub(super) async fn check(&mut self) {
        let counts = self.model.state().instances();
        if counts.doubled + counts.altered > 0 {
            self.break_with(format!(
                "the archive got {} instances twice and {} with other bytes",
                counts.doubled, counts.altered
            ));
        }
        for index in 0..self.nodes.len() {
            let Some(handle) = self.nodes[index].handle() else {
                continue;
            };
            self.check_clinic(index, &handle).await;
        }
        for error in self.ear.take_errors() {
            self.break_with(format!("an error was logged: {error}"));
        }
    }

    /// What the archive does not have, its clinic still has and owes.
    async fn check_clinic(&mut self, index: usize, handle: &Handle) {
        let owed = self.model.state().owed(index);
        for order in owed {
            let Ok(progress) = handle.progress(vec![(order, order + 1)]).await else {
                return;
            };
            // The archive may have got it while we asked.
            if !self.model.state().owed(index).contains(&order) {
                continue;
            }
            if progress.instances == 0 {
                self.break_with(format!(
                    "clinic {index} forgot image {order}, which it had accepted"
                ));
            } else if progress.stored > 0 {
                self.break_with(format!(
                    "image {order} of clinic {index} is called stored and is not at the archive"
                ));
            }
        }
    }

    /// What is sent again is bounded by what was in flight at each cut and each kill; rot and the
    /// time of a full disk aside.
    pub(super) async fn check_resent(&mut self) {
        let Ok(clinics) = self.hub.ask(Command::Clinics {}).await else {
            return;
        };
        let clinics = clinics.as_array().map_or(&[][..], Vec::as_slice);
        let resent: u64 = clinics
            .iter()
            .filter_map(|c| c["resent_bytes"].as_u64())
            .sum();
        let connections = self.connections();
        let most = (connections + self.kills + 1) * IN_FLIGHT;
        self.ear.say(&format!("== resent {resent}, at most {most}"));
        if resent > most {
            self.break_with(format!(
                "{resent} bytes were sent again over {connections} connections and {} kills",
                self.kills
            ));
        }
    }

    /// Whether everything that was accepted is at the archive, and its clinic knows.
    pub(super) async fn is_complete(&self) -> bool {
        if !self.model.state().is_done() {
            return false;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let mut orders = self.model.state().orders(index);
            orders.extend(self.model.state().changed_orders(index));
            let Some(handle) = node.handle() else {
                return false;
            };
            let ranges = orders.iter().map(|order| (*order, *order + 1));
            let Ok(progress) = handle.progress(ranges.collect()).await else {
                return false;
            };
            // Of an image with two versions one is parked; what a restored hub gave the archive
            // and no longer knows of, a person must decide.
            let parked = match self.restored {
                true => progress.parked,
                false => progress.parked.min(self.model.state().contested()),
            };
            if progress.stored + parked < orders.len() as u64 {
                return false;
            }
        }
        true
    }

    /// Says what is missing after all was healed.
    pub(super) async fn explain(&mut self) {
        let counts = self.model.state().instances();
        let mut what = format!(
            "{} of {} accepted instances are at the archive in the end",
            counts.stored, counts.accepted
        );
        for (index, node) in self.nodes.iter().enumerate() {
            let orders = self.model.state().orders(index);
            if let Some(handle) = node.handle() {
                let ranges = orders.iter().map(|order| (*order, *order + 1));
                let progress = handle.progress(ranges.collect()).await;
                what += &format!("; clinic {index}: {progress:?}");
                if let Ok(status) = handle.status().await {
                    what += &format!(" hub {:?} parked {:?}", status.hub, status.parked);
                }
            }
        }
        if let Ok(parked) = self.hub.ask(Command::Parked {}).await {
            what += &format!("; parked at the hub: {parked}");
        }
        if let Ok(targets) = self.hub.ask(Command::Targets {}).await {
            what += &format!("; targets: {targets}");
        }
        self.break_with(what);
    }
}
