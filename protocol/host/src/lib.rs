//! [`Env`], the only door out of a daemon, and the shell around one: configuration,
//! control socket, logs, shutdown, exit codes.

pub mod alarm;
pub mod audit;
pub mod backup;
pub mod bridge;
pub mod calendar;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod datadir;
pub mod env;
pub mod exit;
pub mod limits;
pub mod log;
pub mod notify;
pub mod page;
pub mod process;
pub mod real;
pub mod shutdown;
pub mod status;
pub mod tls;
pub mod units;

pub use env::Env;
pub use exit::Failure;
pub use real::RealEnv;
