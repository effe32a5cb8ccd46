use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::*;
use crate::env::BoxFuture;
use crate::exit::Failure;
use crate::limits::{CONTROL_CONNECTIONS, CONTROL_REPLY};
use crate::shutdown::{Shutdown, Trigger};

/// Answers what the tests below ask.
#[derive(Default)]
struct Example {
    cut_bodies: AtomicUsize,
    dropped_waits: AtomicUsize,
}

impl Handler for Example {
    fn handle<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(self.answer(call))
    }
}

impl Example {
    async fn answer(&self, mut call: Call<'_>) -> Result<Value, Failure> {
        match call.command {
            "echo" => Ok(call.arguments.clone()),
            "who" => Ok(json!({ "uid": call.caller.uid })),
            "fail" => Err(Failure::usage("no").at("here").fix("Ask otherwise")),
            "large" => Ok(Value::String("x".repeat(CONTROL_REPLY))),
            "full" => {
                call.body.next().await.map_err(|_| Failure::new("cut"))?;
                Err(Failure::new("the disk is full"))
            }
            "count" => self.count(call).await,
            "wait" => {
                let _dropped = CountDrop(&self.dropped_waits);
                std::future::pending().await
            }
            _ => Err(Failure::new("unknown command")),
        }
    }

    async fn count(&self, call: Call<'_>) -> Result<Value, Failure> {
        let counted = count(call).await;
        if counted.is_err() {
            self.cut_bodies.fetch_add(1, Ordering::SeqCst);
        }
        counted
    }
}

async fn count(mut call: Call<'_>) -> Result<Value, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
    let mut bytes = 0;
    while let Some(piece) = call.body.next().await.map_err(|e| failed(&e))? {
        bytes += piece.len();
        let event = json!({ "bytes": bytes, "filler": "x".repeat(1000) });
        call.events.send(&event).await.map_err(|e| failed(&e))?;
    }
    Ok(json!({ "bytes": bytes }))
}

struct CountDrop<'a>(&'a AtomicUsize);

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Daemon {
    directory: PathBuf,
    handler: Arc<Example>,
    trigger: Trigger,
    task: tokio::task::JoinHandle<()>,
    _temporary: tempfile::TempDir,
}

fn start_in(name: &str, access: Access) -> Daemon {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let handler = Arc::new(Example::default());
    let (trigger, shutdown) = Shutdown::new();
    let server = Server::bind(&directory, access).unwrap();
    let task = tokio::spawn(server.serve(handler.clone(), shutdown));
    Daemon {
        directory,
        handler,
        trigger,
        task,
        _temporary: temporary,
    }
}

fn start() -> Daemon {
    start_in("data", Access::Owner)
}

async fn connect(directory: &Path) -> Client {
    Client::connect(directory).await.unwrap()
}

async fn until(count: &AtomicUsize, expected: usize) {
    let reached = async {
        while count.load(Ordering::SeqCst) < expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached)
        .await
        .unwrap();
}

#[tokio::test]
async fn requests_follow_one_another_on_a_connection() {
    let daemon = start();
    let mut client = connect(&daemon.directory).await;
    for n in 0..3 {
        assert_eq!(
            client.call("echo", json!({ "n": n })).await,
            Ok(json!({ "n": n }))
        );
    }
    let failure = client.call("fail", Value::Null).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::usage("no").at("here").fix("Ask otherwise")
    );
    let own = rustix::process::getuid().as_raw();
    assert_eq!(
        client.call("who", Value::Null).await,
        Ok(json!({ "uid": own }))
    );
}

#[tokio::test]
async fn a_body_streams_in_while_events_stream_out() {
    let daemon = start();
    let mut client = connect(&daemon.directory).await;
    let mut events = Vec::new();
    let mut body = std::io::repeat(7).take(20_000_000);
    let mut note = |event: Value| events.push(event["bytes"].as_u64().unwrap());
    let answer = client
        .call_with("count", Value::Null, Some(&mut body), &mut note)
        .await;
    assert_eq!(answer, Ok(json!({ "bytes": 20_000_000 })));
    assert_eq!(events.last(), Some(&20_000_000));
    assert!(events.is_sorted() && events.len() > 300);
    assert_eq!(client.call("echo", json!(1)).await, Ok(json!(1)));
}

#[tokio::test]
async fn an_answer_before_the_end_of_a_body_is_heard_and_the_client_goes_on() {
    let daemon = start();
    let mut client = connect(&daemon.directory).await;
    let mut body = std::io::repeat(7);
    let answer = client
        .call_with("full", Value::Null, Some(&mut body), &mut |_| {})
        .await;
    assert_eq!(answer, Err(Failure::new("the disk is full")));
    assert_eq!(client.call("echo", json!(2)).await, Ok(json!(2)));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    let daemon = start();
    let mut client = connect(&daemon.directory).await;
    let mut body = std::io::repeat(7).take(100_000).chain(Broken);
    let answer = client
        .call_with("count", Value::Null, Some(&mut body), &mut |_| {})
        .await;
    assert!(answer.unwrap_err().cause.contains("could not be read"));
    until(&daemon.handler.cut_bodies, 1).await;
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("a name that must not be shown"))
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_request() {
    let daemon = start();
    let mut client = connect(&daemon.directory).await;
    let waiting = tokio::time::timeout(Duration::from_millis(50), client.call("wait", Value::Null));
    assert!(waiting.await.is_err());
    drop(client);
    until(&daemon.handler.dropped_waits, 1).await;
}

#[tokio::test]
async fn without_a_daemon_the_error_says_so_before_and_after_it_ran() {
    let daemon = start();
    let elsewhere = tempfile::tempdir().unwrap();
    let error = Client::connect(elsewhere.path()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoDaemon(_)));
    let failure = Failure::from(error);
    assert_eq!(failure.cause, "no daemon runs on this data directory");
    assert!(failure.place.ends_with("control.sock") && failure.fix.starts_with("Start it"));

    let mut client = connect(&daemon.directory).await;
    daemon.trigger.fire();
    daemon.task.await.unwrap();
    assert!(
        client
            .call("echo", json!(1))
            .await
            .unwrap_err()
            .cause
            .contains("went away")
    );
    assert!(!daemon.directory.join(SOCKET).exists());
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced() {
    let daemon = start();
    daemon.task.abort();
    let server = Server::bind(&daemon.directory, Access::Owner).unwrap();
    let (_trigger, shutdown) = Shutdown::new();
    tokio::spawn(server.serve(daemon.handler.clone(), shutdown));
    assert_eq!(
        connect(&daemon.directory)
            .await
            .call("echo", json!(3))
            .await,
        Ok(json!(3))
    );
}

#[tokio::test]
async fn the_socket_is_the_owners_or_the_groups_and_nobody_elses() {
    let mode = |daemon: &Daemon| {
        let metadata = std::fs::metadata(daemon.directory.join(SOCKET)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&start()), 0o600);
    let daemon = start_in("data", Access::Group);
    assert_eq!(mode(&daemon), 0o660);
    let enter = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&daemon.directory, mode).unwrap();
        Access::of(&daemon.directory)
    };
    assert_eq!(enter(0o700), Access::Owner);
    assert_eq!(enter(0o750), Access::Group);
}

#[tokio::test]
async fn a_data_directory_with_a_long_path_works() {
    let daemon = start_in(&"long/".repeat(40), Access::Owner);
    assert_eq!(
        connect(&daemon.directory)
            .await
            .call("echo", json!(4))
            .await,
        Ok(json!(4))
    );
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let daemon = start();
    let mut clients = Vec::new();
    for _ in 0..CONTROL_CONNECTIONS {
        let mut client = connect(&daemon.directory).await;
        client.call("echo", json!(5)).await.unwrap();
        clients.push(client);
    }
    let failure = connect(&daemon.directory)
        .await
        .call("echo", json!(5))
        .await
        .unwrap_err();
    assert!(failure.cause.contains("already connected"), "{failure}");
    clients.pop();
    let mut freed = Err(failure);
    while freed.is_err() {
        freed = connect(&daemon.directory)
            .await
            .call("echo", json!(6))
            .await;
    }
    assert_eq!(freed, Ok(json!(6)));
}

#[tokio::test]
async fn another_version_garbage_and_too_much_are_answered_in_words() {
    let daemon = start();
    for bytes in [
        &b"\x02\0\0\0\x01{}"[..],
        b"\x05\0\0\0\x01hello",
        b"\xff\xff\xff\xff\x01",
        b"\0\0\0\0\x03",
    ] {
        let mut stream = socket::connect(&daemon.directory).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let (kind, payload) = frame::read(&mut stream).await.unwrap().unwrap();
        assert_eq!(kind, frame::Kind::Failure, "{bytes:?}");
        assert!(
            !serde_json::from_slice::<Failure>(&payload)
                .unwrap()
                .cause
                .is_empty()
        );
    }
    let mut client = connect(&daemon.directory).await;
    let failure = client.call("large", Value::Null).await.unwrap_err();
    assert!(failure.cause.contains("too large"));
    let long = json!("x".repeat(crate::limits::CONTROL_JSON));
    assert!(
        client
            .call("echo", long)
            .await
            .unwrap_err()
            .cause
            .contains("too long")
    );
}
