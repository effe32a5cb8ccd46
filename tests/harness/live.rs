//! Real programs over `karez-sim link`: a profile in real time between two network namespaces.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{binary, texts};

/// Why nothing can be shown live on this machine, or none: root, the TUN device, these programs.
#[must_use]
pub fn missing(programs: &[&str]) -> Option<String> {
    let root = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = root
        .lines()
        .find(|line| line.starts_with("Uid:"))
        .is_some_and(|line| line.split_whitespace().nth(2) == Some("0"));
    if !is_root {
        return Some("it needs root for network namespaces; run it with sudo".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun; load the `tun` module".into());
    }
    let all = ["ip"].iter().chain(programs);
    let absent: Vec<&str> = all.copied().filter(|name| !is_there(name)).collect();
    (!absent.is_empty()).then(|| format!("not installed: {}", absent.join(", ")))
}

/// True when a test must be skipped; says so, and why.
#[must_use]
pub fn skips(what: &str, programs: &[&str]) -> bool {
    let reason = missing(programs);
    if let Some(reason) = &reason {
        println!("skipped: {what}: {reason}");
    }
    reason.is_some()
}

fn is_there(program: &str) -> bool {
    let folders = std::env::var("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(str::to_owned);
    folders
        .split(':')
        .map(str::to_owned)
        .chain(more)
        .any(|folder| Path::new(&folder).join(program).is_file())
}

/// Two shell scripts over one link.
pub struct Live {
    /// `--link` or `--profile` and its value.
    pub over: [String; 2],
    /// The seed.
    pub seed: u64,
    /// When it is ended at the latest, s.
    pub limit_s: u32,
    /// The clinic's script; all ends when it ends.
    pub clinic: String,
    /// The hub's script; its last command is to be `exec`ed.
    pub hub: String,
}

/// What came of it.
pub struct Ended {
    /// The clinic's script ended well, in time.
    pub ok: bool,
    /// The counters of `karez-sim link --json`.
    pub counters: Value,
    /// What both scripts wrote on standard output.
    pub said: String,
    /// What was written on standard error.
    pub complained: String,
}

impl Live {
    /// A plain link of the keys of `--link`.
    #[must_use]
    pub fn link(spec: &str) -> Self {
        Self {
            over: ["--link".into(), spec.into()],
            seed: 1,
            limit_s: 120,
            clinic: String::new(),
            hub: "exec sleep 3600".into(),
        }
    }

    /// A profile by name or path.
    #[must_use]
    pub fn profile(name: &str) -> Self {
        Self {
            over: ["--profile".into(), name.into()],
            ..Self::link("")
        }
    }

    /// Runs both scripts to the end of the clinic's. The calendar starts at its beginning.
    #[must_use]
    pub fn run(&self) -> Ended {
        let (seed, limit) = (self.seed.to_string(), format!("{}s", self.limit_s));
        let output = Command::new(binary("karez-sim"))
            .arg("link")
            .args(&self.over)
            .args(["--seed", &seed, "--for", &limit, "--start", "0s"])
            .args(["--json", "--", "bash", "-c", &self.clinic])
            .args([":::", "bash", "-c", &self.hub])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (said, complained) = texts(&output);
        let last = said.lines().rfind(|line| line.starts_with("{\"down\""));
        let counters = last.map(|line| serde_json::from_str(line).unwrap());
        Ended {
            ok: output.status.success(),
            counters: counters.unwrap_or_default(),
            said,
            complained,
        }
    }
}

impl Ended {
    /// The number behind `word=` in what the scripts said.
    #[must_use]
    pub fn figure(&self, word: &str) -> f64 {
        let after = self.said.split(&format!("{word}=")).nth(1);
        let number = after.and_then(|text| text.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no {word}= in {}\n{}", self.said, self.complained))
    }

    /// The JSON object that a program wrote, by a key that only it has.
    #[must_use]
    pub fn object(&self, key: &str) -> Value {
        let starts = self.said.match_indices('{').map(|(at, _)| at);
        let read = |at: usize| {
            let mut objects = serde_json::Deserializer::from_str(&self.said[at..]).into_iter();
            objects
                .next()?
                .ok()
                .filter(|value: &Value| !value[key].is_null())
        };
        let found = starts.into_iter().find_map(read);
        found.unwrap_or_else(|| panic!("no {key} in {}\n{}", self.said, self.complained))
    }

    /// IP bytes handed to the link towards the hub and towards the clinic.
    #[must_use]
    pub fn wire_bytes(&self) -> (u64, u64) {
        let of = |way: &str| self.counters[way]["offered"]["bytes"].as_u64().unwrap_or(0);
        (of("up"), of("down"))
    }
}

/// The two daemons as scripts: enrolled first, then timed from the start of the clinic's daemon
/// until the hub has stored everything below `study`. Says `took_s=`.
#[must_use]
pub fn karez(over: Live, root: &Path, study: &Path) -> Live {
    let path = |name: &str| root.join(name).display().to_string();
    let program = |name: &str| binary(name).display().to_string();
    let (sender, receiver) = (program("karez-sender"), program("karez-receiver"));
    let (clinic, hub) = (path("clinic"), path("hub"));
    let target = format!("folder:{}", path("stored"));
    let init = [
        "--data",
        &hub,
        "init",
        "--name",
        "Quetta",
        "--handoff",
        &target,
    ];
    let made = Command::new(binary("karez-receiver")).args(init).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{:?}", texts(&made));
    let log = path("clinic.log");
    Live {
        clinic: format!(
            "until [ -S {hub}/control.sock ]; do sleep 0.05; done\n\
             word=$({receiver} --data {hub} invite clinic --address 10.77.0.2:4433)\n\
             until {sender} --data {clinic} join \"$word\" 2>&1 | grep -q Joined; do sleep 0.2; done\n\
             from=$(date +%s.%N)\n\
             {sender} --data {clinic} run --set dicom.listen=127.0.0.1:0 >{log} 2>&1 &\n\
             daemon=$!\n\
             until [ -S {clinic}/control.sock ]; do sleep 0.01; done\n\
             {sender} --data {clinic} send --wait {study}; verdict=$?\n\
             echo took_s=$(awk \"BEGIN{{print $(date +%s.%N)-$from}}\")\n\
             kill $daemon; wait $daemon\n\
             exit $verdict\n",
            study = study.display(),
        ),
        hub: format!("exec {receiver} --data {hub} run >{} 2>&1", path("hub.log")),
        ..over
    }
}

/// Where a run of a peer keeps its things.
#[must_use]
pub fn fresh(root: &Path, name: &str) -> PathBuf {
    let folder = root.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
