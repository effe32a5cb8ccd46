//! The only door out of a daemon ([`Env`](env)), and the shell around one: configuration, control
//! socket, logs, shutdown, exit codes.

pub mod config;
pub mod exit;
pub mod limits;
pub mod units;
