//! The commands that ask a gateway which runs.

use sockjs_gateway::client::Transport;

use crate::support::{ECHO, Gateway, LOOPBACK, drive, end, err, out, run};

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
        !fine(&["sessions", "list", "--service", "/other"])
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
            [&["sessions", "show", "0000"], &of_gateway[..]].concat(),
            1,
            "no session",
        ),
        (
            [&["sessions", "list", "--state", "asleep"], &of_gateway[..]].concat(),
            1,
            "waiting",
        ),
        ([&["sessions", "kick"], &of_gateway[..]].concat(), 64, "ID"),
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
