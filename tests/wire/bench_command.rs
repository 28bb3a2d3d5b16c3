//! `sockjs-gateway bench`: counts that add up, against the shipped binary. How fast it was is nobody's business here.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::fixture::{TRANSPORTS, assert_readable, echo_server, service};
use crate::support::{Server, wait_for_exit};

const LIMIT: Duration = Duration::from_secs(60);

fn start(arguments: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
        .arg("bench")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shipped binary starts")
}

#[track_caller]
fn finish(mut child: std::process::Child) -> Output {
    wait_for_exit(&mut child, LIMIT);
    child.wait_with_output().expect("the output can be read")
}

/// Runs the command to its end, which must be good. Gives what it measured.
#[track_caller]
fn bench(arguments: &[&str]) -> Value {
    let short = ["--json", "--duration", "400ms", "--warmup", "50ms"];
    let output = finish(start(&[arguments, &short].concat()));
    let report = report(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    report
}

#[track_caller]
fn report(output: &Output) -> Value {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    serde_json::from_slice(&output.stdout).expect("the output is JSON")
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address.authority)
}

#[track_caller]
fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// Everything that was sent has come `times` times, once and in order.
#[track_caller]
fn assert_complete(report: &Value, times: u64) {
    let messages = &report["messages"];
    let count = |name: &str| {
        messages[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {messages}"))
    };
    assert!(count("sent") > 0, "{report:#}");
    assert_eq!(count("received"), count("sent") * times, "{report:#}");
    for name in ["lost", "reordered", "duplicated", "foreign"] {
        assert_eq!(count(name), 0, "{name}: {report:#}");
    }
    assert!(count("counted") <= count("received"), "{report:#}");
    assert_ordered(&report["latency_us"]);
}

#[track_caller]
fn assert_ordered(times: &Value) {
    let names = ["min", "p50", "p90", "p99", "p999", "max"];
    let values = names.map(|name| number(&times[name]));
    assert!(values.is_sorted(), "{times}");
    let mean = number(&times["mean"]);
    assert!(values[0] <= mean && mean <= values[5], "{times}");
}

/// Closed loop, on every transport, with more than one message in flight and more than one thread.
#[test]
fn echoes_are_counted_on_every_transport() {
    let server = echo_server("");
    let pid = server.pid().to_string();
    for transport in TRANSPORTS {
        let report = bench(&[
            &url(&server, "/echo"),
            "--transport",
            transport,
            "--sessions",
            "6",
            "--in-flight",
            "3",
            "--threads",
            "2",
            "--pid",
            &pid,
        ]);
        assert_complete(&report, 1);
        assert_eq!(report["transport"], transport);
        assert_eq!(report["sessions"]["opened"], 6);
        assert_eq!(report["messages"]["loop_kind"], "closed");
        assert_eq!(report["messages"]["late_us"], Value::Null);
        assert!(number(&report["server"]["resident_bytes"]) > 0.0);
        assert!(number(&report["bench"]["resident_bytes"]) > 0.0);
    }
}

/// Open loop: messages are sent when it is time, and said to be late when they were.
#[test]
fn rate_is_an_open_loop() {
    let server = echo_server("");
    for transport in ["websocket", "xhr-polling"] {
        let report = bench(&[
            &url(&server, "/echo"),
            "--transport",
            transport,
            "--sessions",
            "4",
            "--rate",
            "25",
            "--size",
            "1000",
        ]);
        assert_complete(&report, 1);
        assert_eq!(report["messages"]["loop_kind"], "open");
        assert_ordered(&report["messages"]["late_us"]);
        // 4 × 25 per second for the time of sending, or fewer when this machine is slow, and then it is said.
        let messages = &report["messages"];
        let all = number(&messages["sent"]) + number(&messages["unsent"]);
        assert!(all >= 40.0, "{report:#}");
    }
}

/// Every listener gets every message of the one who speaks, who hears itself too.
#[test]
fn fan_out_is_counted_at_every_listener() {
    let server = Server::with_config(&service("/room", "broadcast:", ""));
    for (transport, load) in [("websocket", "--in-flight"), ("xhr-streaming", "--rate")] {
        let report = bench(&[
            &url(&server, "/room"),
            "--scenario",
            "fan-out",
            "--transport",
            transport,
            "--sessions",
            "5",
            load,
            "20",
        ]);
        assert_complete(&report, 6);
        assert_eq!(report["sessions"]["opened"], 6);
    }
}

#[test]
fn openings_are_counted() {
    let server = echo_server("");
    for transport in ["websocket", "xhr-polling"] {
        let report = bench(&[
            &url(&server, "/echo"),
            "--scenario",
            "connect",
            "--transport",
            transport,
            "--sessions",
            "4",
        ]);
        assert!(number(&report["sessions"]["opened"]) > 0.0);
        assert_eq!(report["sessions"]["failed"], 0);
        assert_eq!(report["messages"], Value::Null);
        assert_ordered(&report["latency_us"]);
    }
}

/// `/info` is asked in a closed loop, and at a rate.
#[test]
fn answers_of_info_are_counted() {
    let server = echo_server("");
    for rate in [None, Some(["--rate", "25"])] {
        let address = url(&server, "/echo");
        let more = rate.as_ref().map_or(&[][..], |rate| &rate[..]);
        let fixed = [&address, "--scenario", "info", "--sessions", "4"];
        let report = bench(&[&fixed, more].concat());
        let answers = &report["answers"];
        assert!(number(&answers["counted"]) > 0.0, "{report:#}");
        assert_eq!(answers["asked"], answers["received"], "{report:#}");
        assert_eq!(answers["late_us"].is_null(), rate.is_none(), "{report:#}");
        assert_eq!(report["messages"], Value::Null);
        assert_ordered(&report["latency_us"]);
    }
}

/// Sessions that were opened and left stay open at the server.
#[test]
fn unpolled_sessions_are_left_to_the_server() {
    let server = echo_server("disconnect_delay = \"1m\"");
    let address = url(&server, "/echo");
    let idle = ["--scenario", "idle", "--unpolled", "--sessions", "8"];
    let report = bench(&[&[&address, "--transport", "xhr-polling"], &idle[..]].concat());
    assert_eq!(report["sessions"]["opened"], 8);
    assert_eq!(report["sessions"]["ended"], 0);
}

/// Silent sessions live, hear heartbeats, and their memory is measured.
#[test]
fn idle_sessions_are_held() {
    let server = echo_server("heartbeat_delay = \"100ms\"");
    for transport in ["websocket", "eventsource"] {
        let report = bench(&[
            &url(&server, "/echo"),
            "--scenario",
            "idle",
            "--transport",
            transport,
            "--sessions",
            "8",
            "--pid",
            &server.pid().to_string(),
        ]);
        assert_eq!(report["sessions"]["opened"], 8);
        assert_eq!(report["sessions"]["ended"], 0);
        assert!(report["server"]["bytes_per_session"].is_number());
        let by_second = report["sessions"]["heartbeats_by_second"].as_array();
        let [beats] = by_second.expect("seconds").as_slice() else {
            panic!("less than a second was measured: {report:#}");
        };
        assert!(number(beats) > 0.0, "{report:#}");
        assert!(number(beats) <= number(&report["sessions"]["heartbeats"]));
    }
}

/// What a service loses is found: one that closes, and one that sends nothing back.
#[test]
fn losses_and_failures_are_exit_code_1() {
    let services = [
        service("/close", "close:", ""),
        service("/amplify", "amplify:", ""),
    ];
    let server = Server::with_config(&services.concat());
    let short = [
        "--json",
        "--duration",
        "50ms",
        "--warmup",
        "0",
        "--sessions",
        "2",
    ];

    let address = url(&server, "/close");
    let output = finish(start(&[&[&*address], &short[..]].concat()));
    assert_eq!(output.status.code(), Some(1));
    let closed = report(&output);
    assert_eq!(closed["sessions"]["ended"], 2, "{closed:#}");
    assert_eq!(closed["problems"]["a session ended with 3000 Go away!"], 2);

    let address = url(&server, "/amplify");
    let output = finish(start(&[&[&*address], &short[..]].concat()));
    assert_eq!(output.status.code(), Some(1));
    let silent = report(&output);
    assert_eq!(silent["messages"]["lost"], 2, "{silent:#}");
    assert_eq!(silent["messages"]["foreign"], 2, "{silent:#}");

    let address = url(&server, "/nowhere");
    let output = finish(start(&[&[&*address], &short[..]].concat()));
    assert_eq!(output.status.code(), Some(1));
    let nowhere = report(&output);
    assert_eq!(nowhere["sessions"]["failed"], 2, "{nowhere:#}");
}

/// Ctrl-C prints what was measured so far, as a table.
#[test]
fn interrupt_prints_what_there_is() {
    let server = echo_server("");
    let mut child = start(&[
        &url(&server, "/echo"),
        "--sessions",
        "2",
        "--duration",
        "1h",
    ]);
    // The only sign of life is at the server.
    while server.processor_time() < Duration::from_millis(100) {
        assert_eq!(
            child.try_wait().expect("can be asked"),
            None,
            "it ended early"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "INT", &id]).status();
    assert!(sent.expect("kill(1) is there").success());
    let output = finish(child);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_readable(
        &text,
        &[
            "interrupted",
            "2 of 2 opened",
            " 0 lost, ",
            "so a pause counts once",
        ],
    );
}

/// Wrong or absurd arguments, and services of others, are refused before anything is sent.
#[test]
fn wrong_arguments_are_usage_errors() {
    let address = "http://127.0.0.1:1/echo";
    for (arguments, expected) in [
        (&[][..], "<URL>"),
        (&["nonsense"], "http://"),
        (&["http://192.0.2.1/echo"], "--yes-really"),
        (&[address, "--sessions", "1000000"], "between 1 and 20000"),
        (&[address, "--size", "1"], "between 32 and"),
        (&[address, "--duration", "2h"], "--duration"),
        (&[address, "--rate", "0"], "--rate"),
        (&[address, "--rate", "5", "--in-flight", "5"], "--in-flight"),
        (
            &[address, "--scenario", "idle", "--rate", "5"],
            "idle sends no messages",
        ),
        (&[address, "--transport", "jsonp"], "xhr-streaming"),
        (&[address, "--pid", "4294967295"], "--pid"),
    ] {
        let output = finish(start(arguments));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }
}
