//! What the log says of what operators do.

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
