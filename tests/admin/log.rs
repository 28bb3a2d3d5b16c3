//! What the log says of what operators do.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{ECHO, Folder, Gateway, LOOPBACK};

/// It says so in words, and nothing as a programmer writes it.
#[tokio::test]
async fn operators_are_logged_in_words() {
    let folder = Folder::new();
    folder.write("token", "0123456789abcdef");
    let tables = format!("{LOOPBACK}token_file = \"token\"\n{ECHO}");
    let gateway = Gateway::start_in(folder, &tables).await;
    assert_eq!(gateway.get("/api/v1/status").await.0, 401);
    let refused = gateway.logged("admin request refused").await;
    let why = refused["why"].as_str().unwrap();
    assert!(why.contains("a token is required"), "{refused}");
    assert!(
        refused["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{refused}"
    );
    let fields = "Content-Type: application/json\r\nAuthorization: Bearer 0123456789abcdef\r\n";
    let body = r#"{"service":"/echo","code":4001,"reason":"bye"}"#;
    assert_eq!(
        gateway.ask("POST", "/api/v1/kick", fields, body).await.0,
        200
    );
    let kicked = gateway.logged("sessions ended by an operator").await;
    assert_eq!(
        (&kicked["service"], &kicked["code"], &kicked["reason"]),
        (&"/echo".into(), &4001.into(), &"bye".into()),
        "{kicked}"
    );
    let body = r#"{"window_seconds":90}"#;
    assert_eq!(
        gateway.ask("POST", "/api/v1/drain", fields, body).await.0,
        200
    );
    let drained = gateway.logged("drained by an operator").await;
    assert_eq!(drained["window"], "1m 30s", "{drained}");
}

/// Polls a new session, with this query; what is answered.
async fn poll(gateway: &Gateway, service: &str, session: &str, query: &str) -> String {
    let mut stream = TcpStream::connect(&gateway.public).await.unwrap();
    let request = format!(
        "POST {service}/0/{session}/xhr{query} HTTP/1.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Who is refused is told with service and address, and one reason does not hide another.
#[tokio::test]
async fn refusals_say_of_what_service_and_whom_for_each_reason() {
    let folder = Folder::new();
    folder.write("secret", "0123456789abcdef0123456789abcdef");
    let auth = "[[auth]]\nname = \"users\"\nsecret_file = \"secret\"\nfrom = [\"query:token\"]\n";
    let service = "[[service]]\nprefix = \"/s\"\nbackend = \"echo:\"\nauth = \"users\"\n";
    let gateway = Gateway::start_in(folder, &format!("{LOOPBACK}{auth}{service}")).await;
    for query in ["", "?token=x", "", "?token=x"] {
        assert!(poll(&gateway, "/s", "a", query).await.contains("c[4401,"));
    }
    let told = gateway.logged_times("authentication refused", 2).await;
    assert_ne!(told[0]["why"], told[1]["why"], "{told:?}");
    for line in &told {
        assert_eq!(
            (&line["service"], &line["peer"]),
            (&"/s".into(), &"127.0.0.1".into())
        );
    }
}

/// Whoever cannot be asked, or reached, is told with the name or the service that it is for, and without what may be a secret.
#[tokio::test]
async fn who_cannot_be_reached_is_told_with_whom_it_is_for() {
    let auth =
        "[[auth]]\nname = \"remote\"\njwks_url = \"http://127.0.0.1:9/keys.json?key=hidden\"\n";
    let service = "[[service]]\nprefix = \"/down\"\nbackend = \"ws://127.0.0.1:9/\"\n";
    let gateway = Gateway::start(&format!("{LOOPBACK}{auth}{service}")).await;
    let told = gateway
        .logged("keys cannot be read; nobody is let in until they can be")
        .await;
    let (name, url) = (&told["auth"], &told["url"]);
    assert_eq!(
        (name, url),
        (&"remote".into(), &"http://127.0.0.1:9/keys.json".into())
    );
    assert!(poll(&gateway, "/down", "a", "").await.ends_with("o\n"));
    assert!(poll(&gateway, "/down", "a", "").await.contains("c[1014,"));
    let told = gateway.logged("upstream failed").await;
    assert_eq!(told["service"], "/down");
    let ended = gateway.logged("session ended").await;
    assert_eq!(told["session"], ended["session"]);
}
