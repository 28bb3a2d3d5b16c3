//! The commands that ask a gateway which runs.

use sockjs_gateway::client::Transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{ECHO, Gateway, LOOPBACK, drive, end, err, out, run, until};

/// What they print, and that they leave with 0.
#[tokio::test]
async fn commands_show_and_change() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let mut client = gateway.open(Transport::XhrStreaming).await;
    let id = gateway.only_session().await;
    let fine = async |arguments: &[&str]| {
        let output = gateway.command(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        out(&output)
    };
    let status = fine(&["status"]).await;
    assert!(
        status.contains("ready") && status.contains("xhr-streaming 1"),
        "{status}"
    );
    let list = fine(&["sessions", "list", "--transport", "xhr-streaming"]).await;
    assert!(list.contains(&id[..8]) && !list.contains(&id), "{list}");
    assert!(
        !fine(&["sessions", "list", "--user", "ada"])
            .await
            .contains(&id[..8])
    );
    assert!(fine(&["sessions", "show", &id[..8]]).await.contains(&id));
    let json: serde_json::Value =
        serde_json::from_str(&fine(&["sessions", "list", "--json"]).await).unwrap();
    assert_eq!(json["sessions"][0]["id"], id);
    let kicked = fine(&["sessions", "kick", &id, "--reason", "bye"]).await;
    assert_eq!(kicked, "sessions ended: 1\n");
    assert_eq!(end(&mut client).await, (4000, "bye".to_owned()));
    let _client = drive(gateway.open(Transport::Websocket).await);
    assert_eq!(
        fine(&["drain", "--wait", "--timeout", "20s"]).await,
        "draining, sessions: 1\n"
    );
    assert!(fine(&["status"]).await.contains("draining"));
    fine(&["undrain"]).await;
    assert!(fine(&["reload"]).await.contains("reloaded"));
}

/// Each way to fail has its code, and says what to do.
#[tokio::test]
async fn failures_are_told_apart() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let admin = gateway.admin.clone();
    let of_gateway = ["--admin", &admin];
    let nobody = ["--admin", "127.0.0.1:9"];
    let public = gateway.public.clone();
    let services = ["--admin", &public];
    for (arguments, code, says) in [
        (
            [
                &["sessions", "list", "--transport", "pigeon"],
                &of_gateway[..],
            ]
            .concat(),
            1,
            "write one of websocket, xhr-polling",
        ),
        (
            [
                &["sessions", "list", "--service", "/other"],
                &of_gateway[..],
            ]
            .concat(),
            1,
            "there is no service \"/other\"; there are \"/echo\"",
        ),
        (
            [&["sessions", "show", "0000"], &of_gateway[..]].concat(),
            1,
            "no session",
        ),
        (
            [&["sessions", "list", "--state", "asleep"], &of_gateway[..]].concat(),
            64,
            "waiting",
        ),
        (
            [&["sessions", "kick"], &of_gateway[..]].concat(),
            64,
            "<ID|--user <USER>|--service <PREFIX>>",
        ),
        (
            [&["drain", "--window", "1500ms"], &of_gateway[..]].concat(),
            64,
            "whole seconds",
        ),
        ([&["status"], &nobody[..]].concat(), 69, "does it run"),
        (
            [&["status"], &services[..]].concat(),
            69,
            "not the admin listener",
        ),
        (vec!["status"], 64, "--admin"),
    ] {
        let output = run(&arguments).await;
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            err(&output)
        );
        assert!(
            err(&output).contains(says),
            "{arguments:?}: {}",
            err(&output)
        );
    }
    // A free port is not known from the file alone.
    let file = gateway.file();
    let output = run(&["status", "--config", file.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(err(&output).contains("--admin"), "{}", err(&output));
}

/// Whoever waits for a drain's end is told when somebody else takes it back.
#[tokio::test]
async fn waiting_for_a_drain_ends_when_it_is_taken_back() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let _clients = [
        drive(gateway.open(Transport::Websocket).await),
        drive(gateway.open(Transport::Websocket).await),
    ];
    let waiting = gateway.command(&["drain", "--window", "1h", "--wait"]);
    let undraining = async {
        until("the drain", async || {
            gateway.get("/api/v1/status").await.1["draining"] == true
        })
        .await;
        gateway.post("/api/v1/undrain", "{}").await;
    };
    let (output, ()) = tokio::join!(waiting, undraining);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(err(&output).contains("taken back"), "{}", err(&output));
}

/// Whoever waits no longer is told how many sessions are left, and that the drain goes on.
#[tokio::test]
async fn waiting_for_too_long_says_what_is_left() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let _clients = [
        drive(gateway.open(Transport::Websocket).await),
        drive(gateway.open(Transport::Websocket).await),
    ];
    let arguments = ["drain", "--window", "1h", "--wait", "--timeout", "10ms"];
    let output = gateway.command(&arguments).await;
    assert_eq!(output.status.code(), Some(1));
    let told = err(&output);
    // One may be ended at once.
    let counted =
        ["1", "2"].map(|left| format!("sessions left after 10ms: {left}; the drain goes on"));
    assert!(
        counted.iter().any(|counted| told.contains(counted)),
        "{told}"
    );
}

/// A gateway that stops meanwhile has ended its sessions: the drain is over.
#[tokio::test]
async fn waiting_for_a_drain_ends_with_the_gateway() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let _clients = [
        drive(gateway.open(Transport::Websocket).await),
        drive(gateway.open(Transport::Websocket).await),
    ];
    let admin = gateway.admin.clone();
    let waiting = tokio::spawn(async move {
        run(&["drain", "--admin", &admin, "--window", "1h", "--wait"]).await
    });
    until("the drain", async || {
        gateway.get("/api/v1/status").await.1["draining"] == true
    })
    .await;
    gateway.stop().await;
    let output = waiting.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

/// Where no session is there is nothing to wait for.
#[tokio::test]
async fn draining_nothing_takes_no_time() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let output = gateway
        .command(&["drain", "--wait", "--timeout", "0s"])
        .await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

/// JSON that no gateway would send is not taken for its answer.
#[tokio::test]
async fn other_servers_are_not_taken_for_a_gateway() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            stream.write_all(answer).await.unwrap();
        }
    });
    for verb in [
        &["drain"][..],
        &["undrain"],
        &["reload"],
        &["status"],
        &["sessions", "list"],
        &["sessions", "tap", "0000"],
    ] {
        let output = run(&[verb, &["--admin", &address]].concat()).await;
        assert_eq!(output.status.code(), Some(69), "{verb:?}: {}", out(&output));
        assert!(
            err(&output).contains("not the admin listener"),
            "{}",
            err(&output)
        );
    }
    serving.abort();
}

/// With `--json` a refusal is JSON too, as the gateway answers it.
#[tokio::test]
async fn refusals_are_json_where_that_is_asked_for() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    let (admin, file) = (gateway.admin.clone(), gateway.file());
    std::fs::write(file, "colour = \"red\"\n").unwrap();
    let output = run(&["reload", "--json", "--admin", &admin]).await;
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert!(answer["mistakes"][0].as_str().unwrap().contains("colour"));
    // What was wrong is named as it was written.
    let output = run(&["sessions", "show", "a b/c", "--admin", &admin]).await;
    assert!(err(&output).contains("\"a b/c\""), "{}", err(&output));
}

/// A command in a command is written as it is called, or with a dash.
#[tokio::test]
async fn manual_pages_are_found_by_both_names() {
    let page = out(&run(&["man", "sessions-kick"]).await);
    assert!(page.contains("kick"), "{page}");
    assert_eq!(out(&run(&["man", "sessions", "kick"]).await), page);
}
