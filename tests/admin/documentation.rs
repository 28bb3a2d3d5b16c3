//! The examples of docs/admin.md have the shape of what a gateway answers.

use serde_json::Value;
use sockjs_gateway::client::Transport;

use crate::support::{ECHO, Gateway, LOOPBACK, echo, until};

/// The examples below a heading, in their order.
fn examples(page: &str, heading: &str) -> Vec<Value> {
    let (_, section) = page
        .split_once(&format!("### `{heading}`\n"))
        .unwrap_or_else(|| panic!("docs/admin.md has no {heading}"));
    let section = section.split("\n##").next().unwrap();
    let blocks = section.split("```json\n").skip(1);
    blocks
        .map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap())
        .collect()
}

/// Where they differ in shape: the names in objects, and what kind each value is of. Lists have the shape of their first.
fn differences(path: &str, example: &Value, answer: &Value, found: &mut Vec<String>) {
    match (example, answer) {
        (Value::Object(example), Value::Object(answer)) => {
            for name in example.keys().chain(answer.keys()) {
                let path = format!("{path}.{name}");
                match (example.get(name), answer.get(name)) {
                    (Some(example), Some(answer)) => differences(&path, example, answer, found),
                    (None, _) => found.push(format!("{path} is not documented")),
                    (_, None) => found.push(format!("{path} is documented, and not there")),
                }
            }
        }
        (Value::Array(example), Value::Array(answer)) => {
            if let (Some(example), Some(answer)) = (example.first(), answer.first()) {
                differences(&format!("{path}[0]"), example, answer, found);
            }
        }
        (example, answer) => {
            let same = std::mem::discriminant(example) == std::mem::discriminant(answer);
            if !same {
                found.push(format!("{path} is {answer}, and documented as {example}"));
            }
        }
    }
}

#[tokio::test]
async fn examples_are_as_they_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/admin.md");
    let page = std::fs::read_to_string(path).unwrap();
    let live = "[[service]]\nprefix = \"/chat\"\nbackend = \"ws://127.0.0.1:9/socket\"\n";
    // Sorted, the service with an upstream comes first, as in the example.
    let echo_service = ECHO.replace("/echo", "/zecho");
    let gateway = Gateway::start(&format!(
        "{LOOPBACK}tap_contents = true\n{live}{echo_service}"
    ))
    .await;
    let open = async |service: &str, transport| {
        let url = format!("http://{}{service}", gateway.public);
        let builder = sockjs_gateway::client::Builder::new(&url).unwrap();
        builder.transports([transport]).unwrap().connect().await
    };
    // It ends with 1014.
    let failed = open("/chat", Transport::Websocket).await;
    if let Ok(mut failed) = failed {
        while failed.recv().await.is_some() {}
    }
    let mut websocket = open("/zecho", Transport::Websocket).await.unwrap();
    let mut client = open("/zecho", Transport::XhrStreaming).await.unwrap();
    for client in [&mut websocket, &mut client] {
        echo(client, "hello").await;
    }
    until("the count of both", async || {
        let (_, status) = gateway.get("/api/v1/status").await;
        status["transports"]["websocket"] == 1 && status["totals"]["codes"]["1014"] == 1
    })
    .await;
    let mut found = Vec::new();
    let (_, list) = gateway
        .get("/api/v1/sessions?transport=xhr-streaming")
        .await;
    let id = list["sessions"][0]["id"].as_str().unwrap().to_owned();
    for (heading, path) in [
        ("GET /api/v1/status", "/api/v1/status".to_owned()),
        ("GET /api/v1/sessions", "/api/v1/sessions".to_owned()),
        ("GET /api/v1/sessions/ID", format!("/api/v1/sessions/{id}")),
        ("GET /api/v1/config", "/api/v1/config".to_owned()),
    ] {
        let (status, answer) = gateway.get(&path).await;
        assert_eq!(status, 200, "{path}");
        differences(heading, &examples(&page, heading)[0], &answer, &mut found);
    }
    for path in ["kick", "reload", "drain", "undrain"] {
        let heading = format!("POST /api/v1/{path}");
        let mut asked_and_answered = examples(&page, &heading);
        if path == "kick" {
            asked_and_answered[0]["id"] = id.as_str().into();
        }
        let body = asked_and_answered[0].to_string();
        let (status, answer) = gateway.post(&format!("/api/v1/{path}"), &body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        differences(&heading, &asked_and_answered[1], &answer, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
