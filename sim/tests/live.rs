//! Live mode against what was asked for: RTT, loss, rate. Needs root and /dev/net/tun; says so
//! and passes where they are missing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Set in the helpers that this test starts inside the namespaces.
const ROLE: &str = "KAREZ_LIVE_TEST_ROLE";
const PROGRAM: &str = env!("CARGO_BIN_EXE_karez-sim");

/// Runs this very test again inside, as the two ends of a link.
fn over(spec: &str, clinic: &str, hub: &str) -> Option<Output> {
    if let Err(reason) = karez_sim::live::available() {
        let _ = writeln!(std::io::stderr(), "skipped: {reason}");
        return None;
    }
    let own = std::env::current_exe().unwrap().display().to_string();
    let helper = |role: &str| {
        let words = [
            "env",
            &format!("{ROLE}={role}"),
            &own,
            "--exact",
            "helper",
            "--nocapture",
        ];
        words.map(str::to_owned).to_vec()
    };
    let commands = [helper(clinic), vec![":::".to_owned()], helper(hub)].concat();
    let arguments = ["link", "--link", spec, "--for", "60s", "--json", "--"];
    let output = Command::new(PROGRAM)
        .args(arguments)
        .args(commands)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(output)
}

/// The number behind `word` in what the helpers printed.
fn figure(output: &Output, word: &str) -> f64 {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = text
        .split(&format!("{word}="))
        .nth(1)
        .unwrap_or_else(|| panic!("no {word} in {text}"));
    after.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_live_link_has_the_asked_rtt_and_loss() {
    let Some(output) = over("rate_kbit=10000,rtt_ms=200,loss=0.1", "ping", "echo") else {
        return;
    };
    let (rtt, lost) = (figure(&output, "rtt_ms"), figure(&output, "lost"));
    assert!((rtt / 200.0 - 1.0).abs() < 0.03, "RTT {rtt} ms");
    // 19 % there and back, 600 packets: three standard errors are 4.8 %.
    assert!((lost - 0.19).abs() < 0.048, "loss {lost}");
}

#[test]
fn a_live_link_has_the_asked_rate() {
    let Some(output) = over("rate_kbit=2000,rtt_ms=50,queue_ms=200", "flood", "count") else {
        return;
    };
    let json: serde_json::Value = serde_json::from_slice(
        output
            .stdout
            .split(|b| *b == b'\n')
            .rfind(|line| line.starts_with(b"{"))
            .unwrap(),
    )
    .unwrap();
    let delivered = json["up"]["delivered"]["bytes"].as_f64().unwrap();
    let rate = delivered * 8.0 / (figure(&output, "flooded_s") + 0.2);
    assert!((rate / 2e6 - 1.0).abs() < 0.03, "{rate} bit/s");
}

#[test]
fn what_a_command_leaves_running_ends_with_the_link() {
    if karez_sim::live::available().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("pid");
    let left = format!("sleep 300 & echo $! > {}", mark.display());
    let arguments = [
        "link",
        "--link",
        "rate_kbit=10000",
        "--",
        "bash",
        "-c",
        &left,
    ];
    let started = Instant::now();
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(started.elapsed() < Duration::from_secs(60));
    let pid = std::fs::read_to_string(mark).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    let state = stat.unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z"), "{state}");
}

#[test]
fn nothing_is_left_behind() {
    let Some(_) = over("rate_kbit=10000,rtt_ms=2", "flood", "count") else {
        return;
    };
    let list = Command::new("ip").args(["netns", "list"]).output().unwrap();
    let own: Vec<String> = String::from_utf8_lossy(&list.stdout)
        .lines()
        .filter(|line| line.starts_with("karez-"))
        .map(str::to_owned)
        .collect();
    let dead = |line: &String| {
        let pid = line.split('-').nth(1).unwrap_or_default().to_owned();
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    };
    assert!(!own.iter().any(dead), "{own:?}");
}

/// What the ends do; nothing when run as a test.
#[test]
fn helper() {
    match std::env::var(ROLE).unwrap_or_default().as_str() {
        "echo" => echo(),
        "ping" => ping(),
        "flood" => flood(),
        "count" => std::thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
}

fn hub() -> (String, u16) {
    (std::env::var("LINK_HUB").unwrap(), 7000)
}

fn echo() {
    let socket = UdpSocket::bind(hub()).unwrap();
    let mut buffer = [0; 2000];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let _ = socket.send_to(&buffer[..length], from);
    }
}

fn ping() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(2)))
        .unwrap();
    let (start, mut sent, mut rtts) = (Instant::now(), 0_u32, Vec::new());
    while sent < 600 || start.elapsed() < Duration::from_millis(6500) {
        if sent < 600 && start.elapsed() >= Duration::from_millis(u64::from(sent) * 10) {
            socket
                .send_to(&start.elapsed().as_nanos().to_le_bytes(), hub())
                .unwrap();
            sent += 1;
        }
        let mut buffer = [0; 16];
        if socket.recv(&mut buffer).is_ok() {
            let then = Duration::from_nanos(u64::try_from(u128::from_le_bytes(buffer)).unwrap());
            rtts.push((start.elapsed() - then).as_secs_f64() * 1e3);
        }
    }
    rtts.sort_by(f64::total_cmp);
    println!(
        "\nrtt_ms={:.2} lost={:.4} ",
        rtts[rtts.len() / 2],
        1.0 - rtts.len() as f64 / f64::from(sent)
    );
}

/// Twice two megabits for five seconds.
fn flood() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let start = Instant::now();
    let mut sent = 0_u32;
    while start.elapsed() < Duration::from_secs(5) {
        if start.elapsed() >= Duration::from_millis(u64::from(sent) * 2) {
            // Nobody listens there: an ICMP answer may surface as an error.
            let _ = socket.send_to(&[0; 972], hub());
            sent += 1;
        } else {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    println!("\nflooded_s={:.3} ", start.elapsed().as_secs_f64());
}
