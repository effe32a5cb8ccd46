//! What users would pick instead, as pairs of scripts for `karez-sim link`: real tools, retried in a
//! loop with a pause of a second, as a careful administrator would. The clinic's script says
//! `took_s=` when everything has gone.

use std::path::{Path, PathBuf};

use crate::process::run_shell;

/// A tool over a link.
pub struct Peer {
    /// What it is called in tables.
    pub name: &'static str,
    /// The programs it needs.
    pub needs: &'static [&'static str],
    /// The clinic's script.
    pub clinic: String,
    /// The hub's script.
    pub hub: String,
    /// Where files arrive at the hub.
    pub arrives: PathBuf,
}

/// Around a clinic's loop: waits for the hub's `ready` (a shell test), takes the time. Inside
/// `work`, `all` is the status that ends the loop.
fn timed(work: &str) -> String {
    format!(
        "sleep 0.7; from=$(date +%s.%N)\n\
         until {work}; do sleep 1; done\n\
         echo took_s=$(awk \"BEGIN{{print $(date +%s.%N)-$from}}\")\n"
    )
}

/// One association for all, finished ones renamed and not sent again; `stall` in seconds.
#[must_use]
pub fn storescu(root: &Path, study: &Path, stall: u32) -> Peer {
    let arrives = root.join("stored");
    std::fs::create_dir_all(&arrives).unwrap();
    let (study, stored) = (study.display(), arrives.display());
    let log = root.join("storescp.log");
    Peer {
        name: "storescu (DCMTK)",
        needs: &["storescu", "storescp"],
        clinic: timed(&format!(
            "storescu -q +sd +rn -pdu 131072 -to 20 -ta 30 -td {stall} -ts {stall} 10.77.0.2 11112 {study} 2>/dev/null; \
             [ -z \"$(find {study} -name '*.dcm')\" ]"
        )),
        hub: format!(
            "exec storescp -q --fork +B -pdu 131072 -td {stall} -ts {stall} -od {stored} 11112 >{} 2>&1",
            log.display()
        ),
        arrives,
    }
}

/// `rsync -r --partial --append-verify` over OpenSSH with keys made for it.
#[must_use]
pub fn rsync_over_ssh(root: &Path, study: &Path, stall: u32) -> Peer {
    let arrives = root.join("stored");
    std::fs::create_dir_all(&arrives).unwrap();
    let at = |name: &str| root.join(name).display().to_string();
    let (host, user) = (at("host_key"), at("user_key"));
    for key in [&host, &user] {
        run_shell(&format!("ssh-keygen -q -t ed25519 -N '' -f {key}"));
    }
    run_shell(&format!(
        "cp {user}.pub {}; mkdir -p /run/sshd",
        at("authorized")
    ));
    let alive = (stall / 3).max(1);
    let ssh = format!(
        "ssh -q -F none -i {user} -p 2222 -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
         -o ConnectTimeout=20 -o ServerAliveInterval={alive} -o ServerAliveCountMax=3 -o Compression=no"
    );
    Peer {
        name: "rsync over ssh",
        needs: &["rsync", "ssh", "sshd", "ssh-keygen"],
        clinic: timed(&format!(
            "rsync -r --partial --append-verify --timeout={stall} -e '{ssh}' {}/ root@10.77.0.2:{}/ 2>/dev/null",
            study.display(),
            arrives.display()
        )),
        hub: format!(
            "exec /usr/sbin/sshd -D -e -f /dev/null -p 2222 -h {host} -o AuthorizedKeysFile={} -o StrictModes=no \
             -o PermitRootLogin=yes -o UsePAM=no -o PidFile=none -o ClientAliveInterval={alive} \
             -o ClientAliveCountMax=3 2>{}",
            at("authorized"),
            at("sshd.log")
        ),
        arrives,
    }
}
