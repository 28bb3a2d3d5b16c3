//! Keys at a URL: read when they are needed, again and again, and kept while they cannot be.

use std::time::Duration;

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sockjs_gateway::auth::{JwksConfig, Jwt, JwtConfig};
use sockjs_gateway::{Authentication, ServiceConfig};

use super::asked::Asked;
use super::support::{REFUSED, Running, claims, part, serve_service};

const UNAVAILABLE: &str = "c[4503,\"Authentication unavailable\"]\n";

/// A key with an id.
struct Key(Ed25519KeyPair, &'static str);

impl Key {
    fn new(id: &'static str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap(), id)
    }

    fn public(&self) -> Value {
        let point = part(self.0.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.1, "x": point })
    }

    fn token(&self) -> String {
        let header = part(format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, self.1));
        let signed = format!("{header}.{}", part(claims("a").to_string()));
        let signature = part(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn set(keys: &[&Key]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
    json!({ "keys": keys }).to_string()
}

fn authentication(url: &str, change: impl FnOnce(&mut JwksConfig)) -> Authentication {
    let mut keys = JwksConfig::new(url);
    change(&mut keys);
    let mut config = JwtConfig::default();
    config.audience = vec!["me".to_owned()];
    Authentication::new(Jwt::with_url(keys, config).unwrap())
}

fn serve(url: &str, change: impl FnOnce(&mut JwksConfig)) -> Running {
    let mut service = ServiceConfig::new("/s");
    service.auth = Some(authentication(url, change));
    serve_service(service)
}

/// A key that is new is found with the first token of it; who makes keys up does not make them be read for each token.
#[tokio::test]
async fn new_key_is_found_with_its_first_token() {
    let (old, new) = (Key::new("1"), Key::new("2"));
    let mut source = Asked::new("200 OK", "", &set(&[&old])).await;
    let running = serve(&source.url("/jwks.json"), |_| {});
    assert_eq!(running.poll("a", &old.token()).await.1, "o\n");
    assert!(
        source
            .head()
            .await
            .starts_with("GET /jwks.json HTTP/1.1\r\n")
    );

    source.answers("200 OK", "", &set(&[&old, &new]));
    assert_eq!(running.poll("b", &new.token()).await.1, "o\n");
    assert_eq!(source.times(), 1);
    for _ in 0..20 {
        assert_eq!(running.poll("c", &Key::new("3").token()).await.1, REFUSED);
        // Of a known kid, but another key.
        assert_eq!(running.poll("c", &Key::new("1").token()).await.1, REFUSED);
    }
    assert_eq!(source.times(), 0);
}

/// Who may open no session makes no keys be read.
#[tokio::test]
async fn keys_are_not_read_for_who_is_over_a_limit() {
    let (old, new) = (Key::new("1"), Key::new("2"));
    let mut source = Asked::new("200 OK", "", &set(&[&old])).await;
    let auth = authentication(&source.url("/"), |_| {});
    auth.prepare().await.unwrap();
    let serve = |change: fn(&mut ServiceConfig)| {
        let mut service = ServiceConfig::new("/s");
        change(&mut service);
        service.auth = Some(auth.clone());
        serve_service(service)
    };
    let full = serve(|service| service.clients.sessions = Some(0));
    let refused = full.poll("a", &new.token()).await.1;
    assert_eq!(refused, "c[1013,\"Too many sessions from this network\"]\n");
    assert_eq!(source.times(), 1);
    // They would not be read a second time so soon.
    source.answers("200 OK", "", &set(&[&old, &new]));
    let free = serve(|_| {});
    assert_eq!(free.poll("a", &new.token()).await.1, "o\n");
    assert_eq!(source.times(), 1);
}

/// What the source takes out of the set is refused after the next time it was read.
#[tokio::test]
async fn old_key_goes_with_the_next_refresh() {
    let (old, new) = (Key::new("1"), Key::new("2"));
    let mut source = Asked::new("200 OK", "", &set(&[&old])).await;
    let running = serve(&source.url("/"), |keys| {
        keys.refresh = Duration::from_millis(50)
    });
    assert_eq!(running.poll("a", &old.token()).await.1, "o\n");
    source.answers("200 OK", "", &set(&[&new]));
    source.times();
    // The one after next was answered with the new set.
    for _ in 0..3 {
        source.head().await;
    }
    assert_eq!(running.poll("b", &old.token()).await.1, REFUSED);
    assert_eq!(running.poll("b", &new.token()).await.1, "o\n");
}

/// While the source fails, or gives what is none, the keys that are known hold, for a time.
#[tokio::test]
async fn keys_are_kept_while_the_source_fails() {
    let key = Key::new("1");
    let mut source = Asked::new("200 OK", "", &set(&[&key])).await;
    let running = serve(&source.url("/"), |keys| {
        keys.refresh = Duration::from_millis(50)
    });
    assert_eq!(running.poll("a", &key.token()).await.1, "o\n");
    source.answers("500 Internal Server Error", "", "");
    source.times();
    for _ in 0..2 {
        source.head().await;
    }
    assert_eq!(running.poll("b", &key.token()).await.1, "o\n");

    let source = Asked::new("200 OK", "", &set(&[&key])).await;
    let brief = serve(&source.url("/"), |keys| {
        keys.refresh = Duration::from_millis(500);
        keys.keep = Duration::from_millis(500);
    });
    assert_eq!(brief.poll("a", &key.token()).await.1, "o\n");
    source.answers("500 Internal Server Error", "", "");
    let over = async {
        for number in 0.. {
            let answer = brief.poll(&format!("b{number}"), &key.token()).await.1;
            if answer == UNAVAILABLE {
                return;
            }
        }
    };
    let over = tokio::time::timeout(Duration::from_secs(10), over).await;
    over.expect("the keys cease to hold");
}

/// Who comes with a key that could not be read is told that it is not the token's fault; a token that is wrong stays wrong.
#[tokio::test]
async fn key_that_cannot_be_read_is_no_fault_of_the_token() {
    let (old, new) = (Key::new("1"), Key::new("2"));
    let source = Asked::new("200 OK", "", &set(&[&old])).await;
    let running = serve(&source.url("/"), |_| {});
    assert_eq!(running.poll("a", &old.token()).await.1, "o\n");
    source.answers("500 Internal Server Error", "", "");
    for _ in 0..2 {
        assert_eq!(running.poll("b", &new.token()).await.1, UNAVAILABLE);
        assert_eq!(running.poll("b", &Key::new("1").token()).await.1, REFUSED);
    }
}

/// Keys that are read more seldom than they hold would not be there in between.
#[test]
fn keys_hold_until_they_are_read_again() {
    let mut keys = JwksConfig::new("https://a/");
    keys.keep = keys.refresh / 2;
    assert!(Jwt::with_url(keys, JwtConfig::default()).is_err());
}

/// Without keys nobody is let in, and it is said that this is not the token's fault.
#[tokio::test]
async fn without_keys_nobody_is_let_in() {
    let key = Key::new("1");
    let source = Asked::new("503 Service Unavailable", "", "").await;
    let mut running = serve(&source.url("/"), |_| {});
    assert_eq!(running.poll("a", &key.token()).await.1, UNAVAILABLE);
    assert!(running.saw_nobody());
    source.answers("200 OK", "", &set(&[&key]));
    assert_eq!(running.poll("b", &key.token()).await.1, "o\n");
}

/// What is wrong is said before anybody comes: it cannot be reached, is no set, is too long, does not end.
#[tokio::test]
async fn what_is_wrong_with_the_source_is_said() {
    let source = Asked::new("200 OK", "", "<html>").await;
    let prepare = async |url: &str| {
        let auth = authentication(url, |keys| keys.timeout = Duration::from_millis(500));
        auth.prepare().await
    };
    let problem = prepare(&source.url("/")).await.unwrap_err();
    assert!(problem.contains("not a JSON Web Key Set"), "{problem}");
    source.answers("200 OK", "", &" ".repeat(300_000));
    let problem = prepare(&source.url("/")).await.unwrap_err();
    assert!(problem.contains("longer than"), "{problem}");
    source.answers("404 Not Found", "", "");
    let problem = prepare(&source.url("/")).await.unwrap_err();
    assert!(problem.contains("404"), "{problem}");
    source.answers("200 OK", "X: y\r\nContent-Length: 10\r\n", "");
    let problem = prepare(&source.url("/")).await.unwrap_err();
    assert!(problem.contains("not HTTP"), "{problem}");
    let problem = prepare("http://127.0.0.1:1/").await.unwrap_err();
    assert!(
        problem.contains("cannot connect to 127.0.0.1:1"),
        "{problem}"
    );
    assert!(Jwt::with_url(JwksConfig::new("ftp://a"), JwtConfig::default()).is_err());
    source.answers("200 OK", "", &set(&[&Key::new("1")]));
    assert_eq!(prepare(&source.url("/")).await, Ok(()));
}
