//! The files that ship inside the program.

macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name, ".toml")))),+]
    };
}

const PROFILES: &[(&str, &str)] = files!("profiles":
    "quetta-4g", "dhq-4g-microwave", "rural-3g", "rural-edge", "remote-gprs", "makran-dsl", "vsat-geo", "leo",
    "dual-sim", "curfew-window", "udp-hostile", "hub-cable-cut", "makran-dsl-bad", "flood", "driving-3g", "whitelisted-4g",
    "S1-one-hour-in-26-days", "S2-sawtooth-power", "S3-poison-path", "S3-mtu-1200",
);

const SCENARIOS: &[(&str, &str)] = files!("scenarios":
    "province-shutdown-30d", "province-shutdown-30d-dsl", "province-shutdown-30d-tail", "kech-2024", "panjgur", "nov-2025",
);

const WORKLOADS: &[(&str, &str)] = files!("workloads": "modalities", "T1", "T2", "T3", "T4", "T5");

/// A built-in profile by name, in any case; `S1` finds `S1-one-hour-in-26-days`.
pub(super) fn profile(name: &str) -> Option<(&'static str, &'static str)> {
    find(PROFILES, name).or_else(|| {
        let stress = |full: &&(&str, &str)| {
            full.0.starts_with('S')
                && full
                    .0
                    .split('-')
                    .next()
                    .is_some_and(|short| short.eq_ignore_ascii_case(name))
        };
        PROFILES.iter().find(stress).copied()
    })
}

/// A built-in scenario by name.
pub(super) fn scenario(name: &str) -> Option<(&'static str, &'static str)> {
    find(SCENARIOS, name)
}

/// A built-in workload file by name.
pub(crate) fn workload(name: &str) -> Option<(&'static str, &'static str)> {
    find(WORKLOADS, name)
}

pub(super) fn profile_names() -> Vec<&'static str> {
    PROFILES.iter().map(|(name, _)| *name).collect()
}

pub(super) fn scenario_names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|(name, _)| *name).collect()
}

fn find(
    files: &'static [(&'static str, &'static str)],
    name: &str,
) -> Option<(&'static str, &'static str)> {
    files
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .copied()
}
