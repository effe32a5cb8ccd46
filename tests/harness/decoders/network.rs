//! Bytes from a scanner or a PACS.

use std::time::Duration;

use karez_dimse::command::{Command, Field};
use karez_dimse::part10;
use karez_dimse::scu::{Association, Contexts, Outgoing, Request};
use karez_dimse::stub::Pacs;
use karez_dimse::uid::{CT_STORAGE, EXPLICIT_LE};
use karez_dimse::{AeTitle, Identifier, Status, Timeouts, Uid};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const PIPE: usize = 1 << 20;
const DATA: [u8; 300] = [7; 300];

/// The head of a file: it ends inside the file.
pub(super) fn part10(bytes: &[u8]) {
    if let Ok(head) = part10::Head::read(bytes) {
        assert!(head.data_set <= bytes.len());
    }
}

/// A command set or an identifier: what reads reads the same after it is written again.
pub(super) fn command(bytes: &[u8]) {
    if let Ok(read) = Command::decode(bytes)
        && let Ok(again) = Command::decode(&read.encode())
    {
        assert_eq!(read.encode(), again.encode());
    }
    let _ = Identifier::decode(bytes);
}

pub(super) fn commands() -> Vec<Vec<u8>> {
    let mut store = Command::request(Field::STORE, 1, &Uid::new(CT_STORAGE));
    store.sop_instance = Uid::new("1.2.3");
    store.data_set = true;
    vec![store.encode()]
}

/// A scanner says this to us. The server ends by itself, and stores nothing half.
pub(super) fn association(bytes: &[u8]) {
    run(async {
        let (mut scanner, ours) = duplex(PIPE);
        let pacs = Pacs::new(true);
        let served = pacs.clone();
        let server = tokio::spawn(async move { served.serve(ours).await });
        let _ = scanner.write_all(bytes).await;
        let _ = scanner.shutdown().await;
        let _ = scanner.read_to_end(&mut Vec::new()).await;
        let _ = server.await.unwrap();
        let whole = pacs.held().values().all(|held| held.length > 0);
        assert!(whole, "half an instance was kept");
    });
}

pub(super) fn associations() -> Vec<Vec<u8>> {
    vec![conversation().0]
}

/// A PACS answers this to us.
pub(super) fn answers(bytes: &[u8]) {
    run(async {
        let (ours, mut pacs) = duplex(PIPE);
        let peer = async {
            let _ = pacs.write_all(bytes).await;
            let _ = pacs.shutdown().await;
            let _ = pacs.read_to_end(&mut Vec::new()).await;
        };
        tokio::join!(peer, ask(ours));
    });
}

pub(super) fn answer_streams() -> Vec<Vec<u8>> {
    vec![conversation().1]
}

/// Asks a PACS everything that a hub asks; whether it took the instance.
async fn ask(stream: DuplexStream) -> bool {
    let Ok(mut association) = Association::open(stream, &request()).await else {
        return false;
    };
    if association.echo().await.is_err() {
        return false;
    }
    let outgoing = Outgoing {
        sop_class: Uid::new(CT_STORAGE),
        sop_instance: Uid::new("1.2.3"),
        transfer_syntax: Uid::new(EXPLICIT_LE),
        priority: Default::default(),
        length: DATA.len() as u64,
    };
    let stored = association.store(&outgoing, &mut &DATA[..]).await;
    let stored = stored.is_ok_and(|answer| answer.status == Status::SUCCESS);
    let _ = association.release().await;
    stored
}

fn request() -> Request {
    let mut contexts = Contexts::new();
    contexts.add_echo().unwrap();
    contexts
        .add(&Uid::new(CT_STORAGE), &Uid::new(EXPLICIT_LE))
        .unwrap();
    Request {
        calling: AeTitle::new("HUB").unwrap(),
        called: AeTitle::new("PACS").unwrap(),
        contexts,
        reports: false,
        timeouts: Timeouts::default(),
    }
}

/// What both sides of an honest association say, ours first.
fn conversation() -> (Vec<u8>, Vec<u8>) {
    run(async {
        let (ours, near) = duplex(PIPE);
        let (far, theirs) = duplex(PIPE);
        let pacs = Pacs::new(true);
        tokio::spawn(async move { pacs.serve(theirs).await });
        let (near_in, near_out) = tokio::io::split(near);
        let (far_in, far_out) = tokio::io::split(far);
        let up = tokio::spawn(listen(near_in, far_out));
        let down = tokio::spawn(listen(far_in, near_out));
        assert!(ask(ours).await);
        (up.await.unwrap(), down.await.unwrap())
    })
}

/// Passes bytes on until the end, and keeps them.
async fn listen(
    mut from: tokio::io::ReadHalf<DuplexStream>,
    mut to: tokio::io::WriteHalf<DuplexStream>,
) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        all.extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    all
}

/// In virtual time: a body that waits for more than any timeout hangs.
fn run<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let bounded = async { tokio::time::timeout(Duration::from_secs(3600), body).await };
    runtime.block_on(bounded).unwrap()
}
