use super::*;

#[test]
fn every_row_is_a_line_that_the_command_takes() {
    for row in ROWS {
        let plan = Plan::parse(row.options).unwrap();
        plan.bench().unwrap();
        assert!(!row.bounds.is_empty(), "{}", row.what);
    }
}

/// The whole table takes minutes; these few seconds of it show a regression on every commit.
#[test]
fn a_quick_look_at_the_table_keeps_its_bounds() {
    let share = |line: &str| {
        let bench = Plan::parse(line).unwrap().bench().unwrap();
        let report = bench.run().unwrap();
        (report.goodput_share, report.queue_s.p95)
    };
    let lossy = share("--link rate_kbit=512,rtt_ms=650,loss=0.20,queue_ms=2000 --for 120s");
    assert!(lossy.0 >= 0.93 && lossy.1 <= 0.30, "{lossy:?}");
    let thin = share("--link rate_kbit=64,rtt_ms=700,loss=0.02,queue_ms=2000 --for 300s");
    assert!(thin.0 >= 0.92 && thin.1 <= 0.40, "{thin:?}");
    let flapping = share(
        "--link rate_kbit=512,rtt_ms=300,loss=0.01,queue_ms=2000,up_s=25,down_s=20 --for 180s",
    );
    assert!(flapping.0 >= 0.90, "{flapping:?}");
}
