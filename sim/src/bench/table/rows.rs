//! The rows. What a figure must be is what issue K5 asks of it.

use super::Bound::{self, Least, Most};
use super::Figure::{
    self, DeadAir, DownPerUp, Queue, Resume, Rival, Share, Stat, UpPerPayload, Waste, WorstShare,
};

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The link, in words.
    pub what: &'static str,
    /// The options of `karez-sim bench` that run it.
    pub options: &'static str,
    /// What its figures must be.
    pub bounds: &'static [(Figure, Bound)],
}

const fn row(what: &'static str, options: &'static str, bounds: &'static [(Figure, Bound)]) -> Row {
    Row {
        what,
        options,
        bounds,
    }
}

/// The table.
pub const ROWS: &[Row] = &[
    row(
        "64 kbit/s, 700 ms, 2 %",
        "--link rate_kbit=64,rtt_ms=700,loss=0.02,queue_ms=2000 --seeds 1-5",
        &[
            (Share, Least(0.945)),
            (Queue, Most(0.35)),
            (UpPerPayload, Most(1.0765)),
            (DownPerUp, Most(0.04)),
        ],
    ),
    row(
        "128 kbit/s, 700 ms, 2 %",
        "--link rate_kbit=128,rtt_ms=700,loss=0.02,queue_ms=2000 --seeds 1-5",
        &[
            (Share, Least(0.95)),
            (Queue, Most(0.32)),
            (UpPerPayload, Most(1.0765)),
            (DownPerUp, Most(0.02)),
        ],
    ),
    row(
        "512 kbit/s, 650 ms, 1 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.01,queue_ms=2000 --seeds 1-5",
        &[
            (Share, Least(0.95)),
            (Queue, Most(0.28)),
            (UpPerPayload, Most(1.0657)),
            (DownPerUp, Most(0.012)),
        ],
    ),
    row(
        "512 kbit/s, 650 ms, 10 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.10,queue_ms=2000 --seeds 1-5",
        &[
            (Share, Least(0.95)),
            (Queue, Most(0.28)),
            (UpPerPayload, Most(1.1722)),
            (DownPerUp, Most(0.012)),
        ],
    ),
    row(
        "512 kbit/s, 650 ms, 20 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.20,queue_ms=2000 --seeds 1-5",
        &[
            (Share, Least(0.95)),
            (Queue, Most(0.28)),
            (UpPerPayload, Most(1.3188)),
        ],
    ),
    row(
        "512 kbit/s, 650 ms, 30 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.30,queue_ms=2000 --seeds 1-5",
        &[
            (Share, Least(0.945)),
            (Queue, Most(0.28)),
            (UpPerPayload, Most(1.5071)),
        ],
    ),
    row(
        "1 Mbit/s, 150 ms, 5 %",
        "--link rate_kbit=1000,rtt_ms=150,loss=0.05,queue_ms=2000 --seeds 1-5",
        &[
            (Share, Least(0.95)),
            (Queue, Most(0.28)),
            (UpPerPayload, Most(1.1105)),
            (DownPerUp, Most(0.012)),
        ],
    ),
    row(
        "512 kbit/s, 650 ms, 1 %, queue 100 ms",
        "--link rate_kbit=512,rtt_ms=650,loss=0.01,queue_ms=100 --seeds 1-5",
        &[(Share, Least(0.92))],
    ),
    row(
        "512 kbit/s, 650 ms, 5 %, queue 100 ms",
        "--link rate_kbit=512,rtt_ms=650,loss=0.05,queue_ms=100 --seeds 1-5",
        &[(Share, Least(0.92))],
    ),
    row(
        "512 kbit/s, 650 ms, 20 %, queue 100 ms",
        "--link rate_kbit=512,rtt_ms=650,loss=0.20,queue_ms=100 --seeds 1-5",
        &[(Share, Least(0.92))],
    ),
    row(
        "128 kbit/s, 700 ms, 2 %, fade of 1 s every 20 s",
        "--link rate_kbit=128,rtt_ms=700,loss=0.02,queue_ms=2000,fade_s=1,fade_every_s=20 --seeds 1-5",
        &[(Share, Least(0.94))],
    ),
    row(
        "512 kbit/s, 300 ms, 1 %, up 25 / down 20 s, link-up seen",
        "--link rate_kbit=512,rtt_ms=300,loss=0.01,queue_ms=2000,up_s=25,down_s=20 --seeds 1-5",
        &[
            (Share, Least(0.94)),
            (UpPerPayload, Most(1.1313)),
            (Resume, Most(0.30)),
            (Waste, Most(40_400.0)),
        ],
    ),
    row(
        "the same, link-up not seen",
        "--link rate_kbit=512,rtt_ms=300,loss=0.01,queue_ms=2000,up_s=25,down_s=20,signal=0 --seeds 1-5",
        &[
            (Share, Least(0.90)),
            (UpPerPayload, Most(1.1313)),
            (Resume, Most(1.45)),
        ],
    ),
    row(
        "512 kbit/s, 300 ms, 1 %, up 8 / down 15 s, link-up seen",
        "--link rate_kbit=512,rtt_ms=300,loss=0.01,queue_ms=2000,up_s=8,down_s=15 --seeds 1-5",
        &[(Share, Least(0.92)), (UpPerPayload, Most(1.1313))],
    ),
    row(
        "the same, link-up not seen",
        "--link rate_kbit=512,rtt_ms=300,loss=0.01,queue_ms=2000,up_s=8,down_s=15,signal=0 --seeds 1-5",
        &[(Share, Least(0.82)), (UpPerPayload, Most(1.1313))],
    ),
    row(
        "rural-3g without flap and outages",
        "--profile rural-3g --steady --seeds 1-5",
        &[(Share, Least(0.86)), (Queue, Most(1.3))],
    ),
    row(
        "rural-edge without flap and outages",
        "--profile rural-edge --steady --seeds 1-5",
        &[(Share, Least(0.80)), (Queue, Most(2.8))],
    ),
    row(
        "60 kbit/s, 840 ms, 1 %, jitter 120 ms",
        "--link rate_kbit=60,rtt_ms=840,loss=0.01,queue_ms=2000,jitter_ms=120 --seeds 1-5",
        &[(Share, Least(0.90)), (Queue, Most(1.0))],
    ),
    row(
        "first 60 s, 512 kbit/s, 650 ms, 20 %, cold",
        "--link rate_kbit=512,rtt_ms=650,loss=0.20,queue_ms=2000 --warm 0 --for 60 --seeds 1-20",
        &[(Share, Least(0.85))],
    ),
    row(
        "the same, rate and round trip remembered",
        "--link rate_kbit=512,rtt_ms=650,loss=0.20,queue_ms=2000 --warm 0 --for 60 --seeds 1-20 --remembered",
        &[(Share, Least(0.89))],
    ),
    row(
        "300 handshakes at 30 %: none is followed by silence (minute 1 and 2)",
        "--link rate_kbit=512,rtt_ms=650,loss=0.30,queue_ms=2000 --warm 0 --for 120 --seeds 1-300",
        &[(WorstShare, Least(0.5))],
    ),
    row(
        "64 kbit/s, 700 ms, 2 %, MTU 1228",
        "--link rate_kbit=64,rtt_ms=700,loss=0.02,queue_ms=2000,mtu=1228 --seeds 1-5",
        &[(Share, Least(0.93))],
    ),
    row(
        "128 kbit/s, 700 ms, 2 %, MTU 1228",
        "--link rate_kbit=128,rtt_ms=700,loss=0.02,queue_ms=2000,mtu=1228 --seeds 1-5",
        &[(Share, Least(0.93))],
    ),
    row(
        "512 kbit/s, 650 ms, 1 %, MTU 1228",
        "--link rate_kbit=512,rtt_ms=650,loss=0.01,queue_ms=2000,mtu=1228 --seeds 1-5",
        &[(Share, Least(0.93))],
    ),
    row(
        "512 kbit/s, 650 ms, 20 %, MTU 1228",
        "--link rate_kbit=512,rtt_ms=650,loss=0.20,queue_ms=2000,mtu=1228 --seeds 1-5",
        &[(Share, Least(0.93))],
    ),
    row(
        "512 kbit/s, 650 ms, 30 %, MTU 1228",
        "--link rate_kbit=512,rtt_ms=650,loss=0.30,queue_ms=2000,mtu=1228 --seeds 1-5",
        &[(Share, Least(0.93))],
    ),
    row(
        "1 Mbit/s, 150 ms, 5 %, MTU 1228",
        "--link rate_kbit=1000,rtt_ms=150,loss=0.05,queue_ms=2000,mtu=1228 --seeds 1-5",
        &[(Share, Least(0.93))],
    ),
    row(
        "down 20 s, link-up seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=20 --for 1600 --seeds 1-5",
        &[(Resume, Most(0.475)), (Waste, Most(65_400.0))],
    ),
    row(
        "down 20 s, link-up seen, 10 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.10,queue_ms=2000,up_s=60,down_s=20 --for 1600 --seeds 1-5",
        &[(Resume, Most(1.075))],
    ),
    row(
        "down 10 min, link-up seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=600 --for 13200 --seeds 1-5",
        &[(Resume, Most(0.475))],
    ),
    row(
        "down 8 h, link-up seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=28800 --for 10d --seeds 1-2",
        &[(Resume, Most(0.475)), (DeadAir, Most(250.0))],
    ),
    row(
        "down 8 h, link-up seen, 10 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.10,queue_ms=2000,up_s=60,down_s=28800 --for 10d --seeds 1-2",
        &[(Resume, Most(1.075))],
    ),
    row(
        "down 25 days, link-up seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=2160000 --for 26d --seeds 1-5",
        &[(Resume, Most(0.475)), (DeadAir, Most(250.0))],
    ),
    row(
        "down 20 s, link-up not seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=20,signal=0 --for 1600 --seeds 1-5",
        &[(Resume, Most(1.975))],
    ),
    row(
        "down 10 min, link-up not seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=600,signal=0 --for 13200 --seeds 1-5",
        &[(Resume, Most(20.975))],
    ),
    row(
        "down 8 h, link-up not seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=28800,signal=0 --for 10d --seeds 1-2",
        &[(Resume, Most(20.975)), (DeadAir, Most(250.0))],
    ),
    row(
        "down 25 days, link-up not seen",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000,up_s=60,down_s=2160000,signal=0 --for 26d --seeds 1-5",
        &[(Resume, Most(20.975)), (DeadAir, Most(250.0))],
    ),
    row(
        "the hub is killed and starts anew at once",
        "--link rate_kbit=512,rtt_ms=650,queue_ms=2000 --hub-cut-every 60s --hub-cut 0.1 --seeds 1-5",
        &[(Resume, Most(1.725))],
    ),
    row(
        "STAT of 1 kB beside a backlog, 512 kbit/s, 650 ms, 10 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.10,queue_ms=2000 --stat-every 5s --seeds 1-5",
        &[(Stat, Most(0.645))],
    ),
    row(
        "the same at 128 kbit/s, 700 ms, 2 %",
        "--link rate_kbit=128,rtt_ms=700,loss=0.02,queue_ms=2000 --stat-every 5s --seeds 1-5",
        &[(Stat, Most(0.881))],
    ),
    row(
        "the same at 64 kbit/s, 700 ms, 2 %",
        "--link rate_kbit=64,rtt_ms=700,loss=0.02,queue_ms=2000 --stat-every 5s --seeds 1-5",
        &[(Stat, Most(1.1625))],
    ),
    row(
        "beside one Cubic flow, polite: 512 kbit/s, 300 ms, queue 300 ms",
        "--link rate_kbit=512,rtt_ms=300,queue_ms=300 --beside cubic --share polite --seeds 1-5",
        &[(Rival, Least(0.60)), (Share, Least(0.05))],
    ),
    row(
        "beside one Cubic flow, polite: the same, 1 %",
        "--link rate_kbit=512,rtt_ms=300,loss=0.01,queue_ms=300 --beside cubic --share polite --seeds 1-5",
        &[(Rival, Least(0.60)), (Share, Least(0.05))],
    ),
    row(
        "beside one Cubic flow, polite: 1 Mbit/s, 150 ms, queue 300 ms",
        "--link rate_kbit=1000,rtt_ms=150,queue_ms=300 --beside cubic --share polite --seeds 1-5",
        &[(Rival, Least(0.60)), (Share, Least(0.05))],
    ),
    row(
        "beside one Cubic flow, competitive: 512 kbit/s, 300 ms, queue 300 ms",
        "--link rate_kbit=512,rtt_ms=300,queue_ms=300 --beside cubic --share competitive --seeds 1-5",
        &[
            (Share, Least(0.35)),
            (Share, Most(0.65)),
            (Rival, Least(0.35)),
            (Rival, Most(0.65)),
        ],
    ),
    row(
        "beside one Cubic flow, competitive: the same, 1 %",
        "--link rate_kbit=512,rtt_ms=300,loss=0.01,queue_ms=300 --beside cubic --share competitive --seeds 1-5",
        &[
            (Share, Least(0.35)),
            (Share, Most(0.65)),
            (Rival, Least(0.35)),
            (Rival, Most(0.65)),
        ],
    ),
    row(
        "beside one Cubic flow, competitive: 1 Mbit/s, 150 ms, queue 300 ms",
        "--link rate_kbit=1000,rtt_ms=150,queue_ms=300 --beside cubic --share competitive --seeds 1-5",
        &[
            (Share, Least(0.35)),
            (Share, Most(0.65)),
            (Rival, Least(0.35)),
            (Rival, Most(0.65)),
        ],
    ),
    row(
        "alone, polite: 512 kbit/s, 650 ms, 10 %",
        "--link rate_kbit=512,rtt_ms=650,loss=0.10,queue_ms=2000 --share polite --seeds 1-5",
        &[(Share, Least(0.90))],
    ),
    row(
        "10 Mbit/s, 100 ms, 1 %, queue 50 ms",
        "--link rate_kbit=10000,rtt_ms=100,loss=0.01,queue_ms=50 --for 60 --seeds 1-5",
        &[(Share, Least(0.80)), (UpPerPayload, Most(1.25))],
    ),
];
