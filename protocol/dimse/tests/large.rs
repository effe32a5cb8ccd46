//! A large instance passes in little memory. Alone in its process, because it measures the process.
#![allow(clippy::unwrap_used)]

mod common;

use common::{CT, ct, request};
use karez_dimse::Status;
use karez_dimse::scu::Association;
use karez_dimse::stub::Pacs;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const LENGTH: usize = 256 << 20;
const ALLOWED: u64 = 8 << 10;

/// Bytes that depend on their place.
struct Counting(u64);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while to.remaining() >= 8 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            to.put_slice(&self.0.to_le_bytes());
        }
        if to.remaining() > 0 {
            let rest = vec![7; to.remaining()];
            to.put_slice(&rest);
        }
        Poll::Ready(Ok(()))
    }
}

/// Most memory that the process ever had, KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The fingerprint of what [`Counting`] gives when it is read in the fragments of a 128 KiB PDU.
async fn expected() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut source = Counting(1);
    let mut fragment = vec![0; 131_072 - 6];
    let mut left = LENGTH;
    while left > 0 {
        let size = left.min(fragment.len());
        source.read_exact(&mut fragment[..size]).await.unwrap();
        hasher.update(&fragment[..size]);
        left -= size;
    }
    *hasher.finalize().as_bytes()
}

#[tokio::test]
async fn t21_a_quarter_of_a_gigabyte_needs_eight_megabytes_at_most_and_arrives_unchanged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pacs = Pacs::new(false);
    let serving = pacs.clone();
    let server = tokio::spawn(async move { serving.listen(listener).await });
    let mut association = Association::connect(TcpStream::connect(address), &request(CT))
        .await
        .unwrap();
    let before = peak();
    let started = Instant::now();
    let answer = association
        .store(&ct("1.2.3", LENGTH), &mut Counting(1))
        .await
        .unwrap();
    let rate = (LENGTH >> 20) as f64 / started.elapsed().as_secs_f64();
    assert_eq!(answer.status, Status::SUCCESS);
    association.release().await.unwrap();
    let grown = peak() - before;
    println!(
        "{} MiB at {rate:.0} MiB/s, memory grew by {grown} KiB",
        LENGTH >> 20
    );
    assert!(grown <= ALLOWED, "memory grew by {grown} KiB");
    let held = pacs.held().into_values().next().unwrap();
    assert_eq!(held.fingerprint, expected().await);
    server.abort();
}
