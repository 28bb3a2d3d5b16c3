//! `/live` and `/ready`: on the admin listener, and where services listen by choice.

use sockjs_gateway::client::Transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{ECHO, Gateway, LOOPBACK, end, err, run};

/// While it drains, a gateway lives and is not ready; undrained, it is ready again.
#[tokio::test]
async fn ready_knows_of_a_drain() {
    let gateway = Gateway::start(&format!("{LOOPBACK}[health]\npublic = true\n{ECHO}")).await;
    assert_eq!(gateway.public("/live").await, (200, "live\n".to_owned()));
    assert_eq!(gateway.public("/ready").await, (200, "ready\n".to_owned()));
    let mut session = gateway.open(Transport::Websocket).await;
    let (status, outcome) = gateway.post("/api/v1/drain", "{}").await;
    assert_eq!((status, &outcome["sessions"]), (200, &1.into()));
    let draining = (503, "draining\n".to_owned());
    assert_eq!(gateway.public("/ready").await, draining);
    assert_eq!(gateway.public("/live").await.0, 200);
    assert_eq!(gateway.get("/ready").await.0, 503);
    assert_eq!(
        end(&mut session).await,
        (1012, "Service restart".to_owned())
    );
    gateway.post("/api/v1/undrain", "{}").await;
    assert_eq!(gateway.public("/ready").await.0, 200);
    gateway.open(Transport::XhrPolling).await;
}

/// Services have all other paths, and without `public` these too.
#[tokio::test]
async fn health_is_public_by_choice_only() {
    let gateway = Gateway::start(&format!("{LOOPBACK}{ECHO}")).await;
    assert_eq!(gateway.public("/ready").await.0, 404);
    assert_eq!(gateway.get("/live").await.0, 200);
    // Orchestrators ask under whatever name.
    let host = "Host: 10.1.2.3:8082\r\n";
    assert_eq!(gateway.ask("GET", "/ready", host, "").await.0, 200);
    assert_eq!(gateway.ask("HEAD", "/ready", host, "").await.0, 200);
    assert_eq!(gateway.ask("POST", "/ready", host, "").await.0, 405);
}

/// With `upstreams`, an upstream that is down takes the gateway out, and one that comes back brings it in.
#[tokio::test]
async fn ready_knows_of_upstreams_by_choice() {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let service = format!("[[service]]\nprefix = \"/up\"\nbackend = \"ws://127.0.0.1:{port}/\"\n");
    let health = "[health]\nupstreams = \"any\"\nupstream_interval = \"1ms\"\n";
    let gateway = Gateway::start(&format!("{LOOPBACK}{health}{service}")).await;
    let answer = gateway.text("GET", "/ready", "", "").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with("upstream down: /up\n"), "{answer}");
    let upstream = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = upstream.accept().await.unwrap();
            tokio::spawn(async {
                let mut socket = tokio_tungstenite::accept_async(stream).await?;
                while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
                Ok::<_, tungstenite::Error>(())
            });
        }
    });
    crate::support::until("readiness", async || gateway.get("/ready").await.0 == 200).await;
    let (_, status) = gateway.get("/api/v1/status").await;
    assert_eq!(status["services"][0]["upstream"]["up"], true);
    serving.abort();
}

/// An upstream that answers handshakes with a refusal is reached, which is what `/ready` asks; that nobody gets in is told all the same.
#[tokio::test]
async fn an_upstream_that_refuses_is_told_to_refuse() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = upstream.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = upstream.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(refusal).await;
        }
    });
    let service = format!("[[service]]\nprefix = \"/up\"\nbackend = \"ws://127.0.0.1:{port}/\"\n");
    let health = "[health]\nupstreams = \"all\"\nupstream_interval = \"1h\"\n";
    let gateway = Gateway::start(&format!("{LOOPBACK}{health}{service}")).await;
    crate::support::until("a dial", async || {
        gateway.get("/ready").await;
        let (_, status) = gateway.get("/api/v1/status").await;
        status["services"][0]["upstream"]["failed"] == 1
    })
    .await;
    assert_eq!(gateway.get("/ready").await.0, 200);
    let (_, status) = gateway.get("/api/v1/status").await;
    let upstream = &status["services"][0]["upstream"];
    assert_eq!(
        (&upstream["up"], &upstream["refuses"]),
        (&false.into(), &403.into())
    );
    assert_eq!(upstream["succeeded"], 0);
    let output = run(&["status", "--admin", &gateway.admin]).await;
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        told.contains("reached, refuses: 403, 1 dial in a row"),
        "{told}"
    );
}

/// Health where a service or the admin listener has something else would hide it: each such path is refused, with the key and what to
/// write.
#[tokio::test]
async fn paths_of_others_are_refused() {
    for (path, public, says) in [
        ("/e", "true", "service"),
        ("/e/info", "true", "service"),
        ("/", "false", "admin listener"),
        ("/metrics", "false", "admin listener"),
        ("/api/health", "false", "admin listener"),
    ] {
        let path_set = format!("health.live_path={path}");
        let public = format!("health.public={public}");
        let arguments = [
            "check",
            "--set",
            "service.a.prefix=/e",
            "--set",
            "service.a.backend=echo:",
            "--set",
            &path_set,
            "--set",
            &public,
        ];
        let output = run(&arguments).await;
        let told = err(&output);
        assert_eq!(output.status.code(), Some(64), "{path}: {told}");
        for part in ["health.live_path", path, says, "write"] {
            assert!(told.contains(part), "{path}: {told}");
        }
    }
}
