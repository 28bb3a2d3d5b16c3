//! Tokens that come as the first message of a session.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use sockjs_gateway::auth::{Jwt, JwtConfig, Keys, Source};
use sockjs_gateway::{
    Authentication, ConfigError, EndCause, Gateway, ServiceConfig, SessionBinding,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::support::{EXPIRED, REFUSED, Running, SECRET, of, seconds, serve, token};

fn by_message(change: impl FnOnce(&mut JwtConfig, &mut ServiceConfig)) -> Running {
    serve(Keys::secret(SECRET).unwrap(), |config, service| {
        config.sources = vec![Source::Header(http::header::AUTHORIZATION), Source::Message];
        config.leeway = Duration::ZERO;
        change(config, service);
    })
}

impl Running {
    async fn say(&self, session: &str, messages: &[&str]) -> u16 {
        let path = format!("/000/{session}/xhr_send");
        self.ask("POST", &path, "", &json!(messages).to_string())
            .await
            .0
    }
}

/// The session opens for everybody; the backend hears of it with the token, and of the messages behind that.
#[tokio::test]
async fn first_message_says_who_it_is() {
    let mut running = by_message(|_, _| {});
    assert_eq!(running.poll("a", "").await.1, "o\n");
    assert!(running.saw_nobody());
    assert_eq!(running.say("a", &[&of("alice"), "hello"]).await, 204);
    assert_eq!(running.poll("a", "").await.1, "a[\"hello\"]\n");
    let seen = running.seen.recv().await.unwrap();
    assert!(seen.starts_with("Some(\"alice\")"), "{seen}");
}

/// Who has a token in the request needs no message.
#[tokio::test]
async fn request_may_say_it_before() {
    let mut running = by_message(|_, _| {});
    assert_eq!(running.poll("a", &of("bob")).await.1, "o\n");
    assert!(
        running
            .seen
            .recv()
            .await
            .unwrap()
            .starts_with("Some(\"bob\")")
    );
    assert_eq!(running.say("a", &["hello"]).await, 204);
    assert_eq!(running.poll("a", "").await.1, "a[\"hello\"]\n");
}

/// A message that is no token ends the session, and so does none in time; the backend has never heard of it,
/// and it is not told to have ended it.
#[tokio::test]
async fn what_is_no_token_ends_the_session() {
    let mut running = by_message(|config, _| config.message_timeout = Duration::from_millis(300));
    assert_eq!(running.poll("wrong", "").await.1, "o\n");
    assert_eq!(running.say("wrong", &["hello", &of("alice")]).await, 204);
    assert_eq!(running.poll("wrong", "").await.1, REFUSED);
    assert_eq!(running.poll("late", "").await.1, "o\n");
    assert_eq!(running.poll("late", "").await.1, REFUSED);
    assert!(running.saw_nobody());
    running.ended(&[(EndCause::Identity, 2)]).await;
}

/// Who says it in a message is counted like everybody: with `max_sessions_per_user`, one session more than that ends with 1013, and a
/// place is free again when a session is over.
#[tokio::test]
async fn users_of_messages_are_counted() {
    let running = by_message(|_, service| service.clients.sessions_of_user = Some(1));
    let open = async || {
        let stream = TcpStream::connect(running.address).await.unwrap();
        let url = format!("ws://{}/s/websocket", running.address);
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let alice = of("alice");
        let token = alice
            .strip_prefix("Authorization: Bearer ")
            .unwrap_or(&alice);
        for message in [token, "hello"] {
            socket.send(Message::text(message)).await.unwrap();
        }
        let answer = socket.next().await.unwrap().unwrap();
        (socket, answer)
    };
    let (mut first, answer) = open().await;
    assert_eq!(answer, Message::text("hello"));
    let (_second, answer) = open().await;
    let Message::Close(Some(close)) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(u16::from(close.code), 1013);
    running.ended(&[(EndCause::Overload, 1)]).await;
    first.close(None).await.unwrap();
    while first.next().await.is_some() {}
    let again = async {
        while open().await.1 != Message::text("hello") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again)
        .await
        .unwrap();
}

/// A token that came as a message ends its session like any other when it expires, on a WebSocket too.
#[tokio::test]
async fn expiry_ends_sessions_of_messages() {
    let running = by_message(|_, _| {});
    let brief = token(&json!({ "sub": "a", "exp": seconds() + 2, "aud": "me", "iss": "issuer" }));
    let stream = TcpStream::connect(running.address).await.unwrap();
    let url = format!("ws://{}/s/websocket", running.address);
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket.send(Message::text(brief.as_str())).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let mut told = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        told.push(message);
    }
    assert_eq!(told[0], Message::text("hello"));
    let closed = told.last().unwrap();
    assert!(
        matches!(closed, Message::Close(Some(frame)) if u16::from(frame.code) == 4402),
        "{told:?}"
    );

    assert_eq!(running.poll("p", "").await.1, "o\n");
    let brief = token(&json!({ "sub": "a", "exp": seconds() + 1, "aud": "me", "iss": "issuer" }));
    assert_eq!(running.say("p", &[&brief]).await, 204);
    assert_eq!(running.poll("p", "").await.1, EXPIRED);
}

/// Further requests have no token that could tell whose they are.
#[test]
fn binding_to_the_identity_is_refused() {
    let mut config = JwtConfig::default();
    config.sources = vec![Source::Message];
    let jwt = Jwt::new(Keys::secret(SECRET).unwrap(), config);
    let mut service = ServiceConfig::new("/s");
    service.auth = Some(Authentication::new(jwt));
    service.session_binding = Some(SessionBinding::Identity);
    let built = Gateway::builder().service(service, |_| async {});
    assert_eq!(built.build().err(), Some(ConfigError::IdentityByMessage));
}
