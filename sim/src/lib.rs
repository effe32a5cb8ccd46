//! The link and world simulator: outages and thin lines as reported from Balochistan, seeded.
//!
//! * [`profile`]: link profiles and scenarios, TOML files with every figure's source.
//! * [`calendar`]: what is up, and when: electricity, towers, orders, the sender box.
//! * [`link`]: one site's link, a state machine without I/O.
//! * [`mod@bench`]: what the link engine gets out of a link.
//! * [`workload`]: the studies that a site makes.
//! * [`mod@run`]: clinics and a hub on such links, the shipped code in virtual time.
//! * [`mod@swarm`]: worlds drawn from seeds, with every fault; invariants, healing, completion.
//! * [`live`]: the same link in real time, between two network namespaces.
//! * [`report`]: a run as people read it.
//! * [`command`]: the commands of `karez-sim`.
//!
//! ```
//! use karez_sim::profile::Profile;
//!
//! let village = Profile::load("rural-3g")?;
//! println!("{}: {}", village.name, village.about);
//! let thin = Profile::from_spec("rate_kbit=64,rtt_ms=700,loss=0.02")?;
//! assert!(village.mtu < thin.mtu);
//! assert!(Profile::load("rural-4g").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a figure rests on is named by a fact id (`C1`, `G10`), explained in `FACTS.md` beside
//! this crate; `A` marks an assumption. Packet behaviour is borrowed from other networks: no
//! measurement taken in Balochistan was found.

pub mod bench;
pub mod calendar;
pub mod command;
pub mod demo;
pub mod link;
pub mod live;
pub mod made;
pub mod profile;
pub mod report;
pub mod run;
pub mod seed;
pub mod swarm;
pub mod time;
pub mod workload;
pub mod world;
