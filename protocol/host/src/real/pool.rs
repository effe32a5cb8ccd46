//! The work threads: as many as cores, with a bounded queue before them.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::env::Job;
use crate::limits::WORK_QUEUED_PER_THREAD;

/// Threads that end when the pool is dropped and the queue is empty.
#[derive(Debug)]
pub(super) struct Pool {
    queue: Sender<Queued>,
    room: Arc<Semaphore>,
}

struct Queued {
    job: Job,
    /// Room in the queue, given back when the job has ended.
    room: OwnedSemaphorePermit,
    done: oneshot::Sender<()>,
}

impl Pool {
    pub(super) fn new(threads: usize) -> io::Result<Self> {
        let (queue, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = jobs.clone();
            thread::Builder::new()
                .name(format!("work-{number}"))
                .spawn(move || serve(&jobs))?;
        }
        let room = threads * (1 + WORK_QUEUED_PER_THREAD);
        Ok(Self {
            queue,
            room: Arc::new(Semaphore::new(room)),
        })
    }

    pub(super) fn run(&self, job: Job) -> impl Future<Output = ()> + Send + use<> {
        let (queue, room) = (self.queue.clone(), self.room.clone());
        async move {
            // The semaphore is never closed, and the threads live as long as a sender does.
            let Ok(room) = room.acquire_owned().await else {
                return;
            };
            let (done, ended) = oneshot::channel();
            if queue.send(Queued { job, room, done }).is_ok() {
                let _ = ended.await;
            }
        }
    }
}

fn serve(jobs: &Mutex<Receiver<Queued>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Queued { job, room, done }) = next else {
            return;
        };
        // The panic hook has logged it; whoever waits sees that no result came.
        let _ = catch_unwind(AssertUnwindSafe(job));
        drop(room);
        let _ = done.send(());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn jobs_run_side_by_side_on_all_threads() {
        let pool = Pool::new(2).unwrap();
        let both = Arc::new(Barrier::new(2));
        let meet = |both: Arc<Barrier>| {
            Box::new(move || {
                both.wait();
            })
        };
        // Neither returns unless the other runs at the same time.
        tokio::join!(pool.run(meet(both.clone())), pool.run(meet(both)));
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_nothing_in_it_is_lost() {
        let pool = Pool::new(1).unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Barrier::new(2));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            let (ran, gate) = (ran.clone(), gate.clone());
            tasks.spawn(pool.run(Box::new(move || {
                if number == 0 {
                    gate.wait();
                }
                ran.fetch_add(1, Ordering::SeqCst);
            })));
        }
        while pool.room.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        gate.wait();
        while tasks.join_next().await.is_some() {}
        assert_eq!(ran.load(Ordering::SeqCst), 50);
        assert_eq!(pool.room.available_permits(), 1 + WORK_QUEUED_PER_THREAD);
    }
}
