//! The process itself: its runtime, and its memory that nobody else shall see.

use std::future::Future;
use std::io;
use std::time::Duration;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::time::{ClockId, clock_gettime};

use crate::exit::Failure;

/// Runs a program's main future on a reactor of one thread: what blocks goes to an engine, what
/// computes to the work threads.
///
/// # Errors
/// The system gives no reactor.
pub fn block_on<F: Future>(main: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        Failure::new(format!("the program cannot start: {error}"))
            .fix("Allow it more open files (ulimit -n)")
    })?;
    Ok(runtime.block_on(main))
}

/// The time that this thread has spent on a core: what a measurement needs on a busy machine.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// Whose process this is, as the audit log names him.
#[must_use]
pub fn user() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// Keys and images pass through this process's memory: no core dump may hold them, and no other
/// process of the same user may read them.
///
/// # Errors
/// The system refuses.
pub fn keep_memory_private() -> io::Result<()> {
    let limit = Rlimit {
        current: Some(0),
        maximum: getrlimit(Resource::Core).maximum,
    };
    setrlimit(Resource::Core, limit)?;
    // A dump that is piped to a program goes on regardless of the limit.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
