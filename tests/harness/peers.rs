//! What users would pick instead, as pairs of scripts for `karez-sim link`: real tools, retried in a
//! loop with a pause of a second, as a careful administrator would. The clinic's script says
//! `took_s=` when everything has gone.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::process::run_shell;

/// A tool over a link.
pub struct Peer {
    /// What it is called in tables.
    pub name: &'static str,
    /// The clinic's script.
    pub clinic: String,
    /// The hub's script.
    pub hub: String,
    /// Where files arrive at the hub.
    pub arrives: PathBuf,
}

/// Makes a peer: its folder, the study to send, the seconds after which a silent connection is
/// given up.
pub type Make = fn(&Path, &Path, u32) -> Peer;

/// All of them, with the programs they need.
pub const ALL: [(Make, &[&str]); 4] = [
    (rsync_over_ssh, RSYNC),
    (storescu, STORESCU),
    (tus, TUS),
    (nncp, NNCP),
];

const RSYNC: &[&str] = &["rsync", "ssh", "sshd", "ssh-keygen"];
const STORESCU: &[&str] = &["storescu", "storescp"];
const TUS: &[&str] = &["node"];
const NNCP: &[&str] = &["nncp-call", "nncp-daemon", "nncp-file", "nncp-cfgnew"];

/// Gives the hub's program time to listen, then the clock starts.
const WAIT_FOR_HUB: &str = "sleep 0.7; from=$(date +%s.%N)";
/// What it took since then.
const SAY_TIME: &str = "echo took_s=$(awk \"BEGIN{print $(date +%s.%N)-$from}\")";

/// The clinic's loop: until `work` succeeds, with a pause of a second; then the time it took.
fn timed(work: &str) -> String {
    format!("{WAIT_FOR_HUB}\nuntil {{ {work}; }}; do sleep 1; done\n{SAY_TIME}\n")
}

/// Where files arrive below `root`.
fn arrival(root: &Path) -> PathBuf {
    let arrives = root.join("stored");
    std::fs::create_dir_all(&arrives).unwrap();
    arrives
}

/// One association for all, finished ones renamed and not sent again.
#[must_use]
pub fn storescu(root: &Path, study: &Path, stall: u32) -> Peer {
    let arrives = arrival(root);
    let (study, stored) = (study.display(), arrives.display());
    let log = root.join("storescp.log");
    Peer {
        name: "storescu (DCMTK)",
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
    let arrives = arrival(root);
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

/// tus with the reference server and client of npm; `NODE_PATH` says where they are.
#[must_use]
pub fn tus(root: &Path, study: &Path, stall: u32) -> Peer {
    let arrives = arrival(root);
    let script = root.join("tus.js");
    std::fs::write(&script, include_str!("tus.js")).unwrap();
    let node = format!(
        "NODE_PATH={} exec node {}",
        node_modules().display(),
        script.display()
    );
    Peer {
        name: "tus (node)",
        clinic: timed(&format!("( {node} send {} {stall} )", study.display())),
        hub: format!(
            "{node} serve {} >{} 2>&1",
            arrives.display(),
            root.join("tus.log").display()
        ),
        arrives,
    }
}

/// Where `tests/long.sh` puts the packages of npm.
#[must_use]
pub fn node_modules() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().find(|folder| folder.ends_with("target"));
    let modules = target.map(|target| target.join("tools/tus/node_modules"));
    let given = std::env::var_os("KAREZ_NODE_MODULES").map(PathBuf::from);
    given.or(modules).unwrap_or_default()
}

/// nncp-file, then nncp-call in a loop against nncp-daemon; done when the clinic's spool is empty.
#[must_use]
pub fn nncp(root: &Path, study: &Path, stall: u32) -> Peer {
    let arrives = arrival(root);
    let (clinic, hub) = (Keys::new(), Keys::new());
    let at = |name: &str| root.join(name);
    let config = |name: &str, own: &Keys, other: &Keys, more: &str| {
        let spool = at(&format!("{name}-spool"));
        std::fs::create_dir_all(&spool).unwrap();
        let text = format!(
            "{{ spool: {0}\n log: {0}/log\n self: {{ {1} }}\n neigh: {{ self: {{ {2} }}\n peer: {{ {3}\n onlinedeadline: {stall}\n {more}\n }} }} }}\n",
            spool.display(),
            own.all,
            own.public,
            other.public
        );
        std::fs::write(at(&format!("{name}.hjson")), text).unwrap();
    };
    config(
        "clinic",
        &clinic,
        &hub,
        "addrs: { main: \"10.77.0.2:5400\" }",
    );
    let incoming = format!("incoming: \"{}\"", arrives.display());
    config("hub", &hub, &clinic, &incoming);
    let own = format!("-quiet -cfg {}", at("clinic.hjson").display());
    let spool = at("clinic-spool");
    let (study, spool) = (study.display(), spool.display());
    run_shell(&format!(
        "for file in {study}/*; do nncp-file {own} $file peer:; done"
    ));
    Peer {
        name: "NNCP",
        clinic: format!(
            "{WAIT_FOR_HUB}\n\
             ( while :; do nncp-call {own} peer; sleep 1; done ) >/dev/null 2>&1 & calls=$!\n\
             until [ -z \"$(find {spool}/*/tx -type f -not -path '*/hdr/*' 2>/dev/null)\" ]; do sleep 0.1; done\n\
             {SAY_TIME}\nkill $calls\n"
        ),
        hub: format!(
            "exec nncp-daemon -quiet -cfg {} -autotoss -bind 10.77.0.2:5400 >{} 2>&1",
            at("hub.hjson").display(),
            at("daemon.log").display()
        ),
        arrives,
    }
}

/// The keys of one NNCP node, as lines of its configuration.
struct Keys {
    all: String,
    public: String,
}

impl Keys {
    fn new() -> Self {
        let made = run_shell("nncp-cfgnew");
        let value = |key: &str| {
            let mut words = made.split_whitespace().skip_while(|word| *word != key);
            words.nth(1).map(str::to_owned).unwrap_or_default()
        };
        let lines = |keys: &[&str]| {
            keys.iter().fold(String::new(), |mut text, key| {
                let _ = write!(text, "{key}: {}\n ", value(&format!("{key}:")));
                text
            })
        };
        let public = ["id", "exchpub", "signpub", "noisepub"];
        Self {
            all: lines(&[&public[..], &["exchprv", "signprv", "noiseprv"]].concat()),
            public: lines(&public),
        }
    }
}
