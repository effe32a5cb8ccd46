//! The pure core of Karez: what is sealed, what is said, what is owed, as values and state
//! machines without I/O, clocks or randomness of their own (ARCHITECTURE I2).
//!
//! `docs/SPEC.md` is the format; `docs/DESIGN.md` says why. A reader new to the code starts at
//! [`manifest`] (what a study is made of), goes on to [`session`] (how it travels), and looks up
//! the rest on the way.
//!
//! A hub is one secret. It gives the line by which a clinic finds it, and the sheet that brings it
//! back on a bare machine:
//!
//! ```
//! use karez_protocol::invitation::Invitation;
//! use karez_protocol::seal::HubSeed;
//!
//! let hub = HubSeed::new([7; 32]); // of 32 random bytes
//! let invitation = Invitation {
//!     hub: hub.identity().peer(),
//!     token: [1; 16],
//!     addresses: vec!["hub.example.org:4433".to_owned()],
//! };
//! let line = invitation.to_line()?;
//! assert!(line.starts_with("karez1-"));
//! assert!(Invitation::from_line(&line)? == invitation);
//! assert!(Invitation::from_line(&line[..40]).is_err());
//!
//! let recovered = HubSeed::from_sheet(&hub.sheet().join(" "))?;
//! assert_eq!(recovered.identity().peer(), hub.identity().peer());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What has arrived is a set of runs, and what is missing follows from it:
//!
//! ```
//! use karez_protocol::resume::RunSet;
//!
//! let mut have = RunSet::new();
//! have.insert(0..40);
//! have.insert(60..100);
//! let missing: Vec<_> = have.missing(&(0..120)).iter().collect();
//! assert_eq!(missing, [40..60, 100..120]);
//! ```

mod crockford;
pub mod error;
pub mod id;
pub mod invitation;
pub mod limits;
pub mod link;
pub mod manifest;
#[cfg(feature = "mutants")]
pub mod mutant;
pub mod priority;
pub mod resume;
pub mod schedule;
pub mod seal;
pub mod session;
pub mod units;
pub mod wire;

pub use error::Retry;
