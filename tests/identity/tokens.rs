//! Tokens, over plain HTTP and WebSockets.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sockjs_gateway::SessionBinding;
use sockjs_gateway::auth::{Keys, Source};

use super::support::{
    EXPIRED, REFUSED, SECRET, claims, of, part, seconds, serve, signed_with, token, told,
    with_secret,
};

/// A refusal is a close frame with a code that keeps sockjs-client from trying the next transport; `/info` is for everybody.
#[tokio::test]
async fn refusals_are_close_frames_on_every_http_transport() {
    let mut running = with_secret();
    assert_eq!(running.poll("a", "").await, (200, REFUSED.to_owned()));
    let stream = running.ask("POST", "/000/a/xhr_streaming", "", "").await;
    assert!(stream.0 == 200 && stream.1.ends_with(REFUSED), "{stream:?}");
    let events = running.ask("GET", "/000/a/eventsource", "", "").await;
    assert!(events.1.contains("c[4401,\"Unauthorized\"]"), "{events:?}");
    assert_eq!(running.ask("GET", "/info", "", "").await.0, 200);
    assert!(running.saw_nobody());
}

/// The attack table: none of these opens a session, and the backend hears of none.
#[tokio::test]
async fn forged_tokens_open_nothing() {
    let mut running = with_secret();
    let good = of("a");
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims("a");
        claims[name] = value;
        token(&claims)
    };
    let without = |name: &str| {
        let mut claims = claims("a");
        claims.as_object_mut().expect("an object").remove(name);
        token(&claims)
    };
    let header = |header: &str| signed_with(SECRET, header, &claims("a").to_string());
    let unsigned = |alg: &str| {
        let header = part(format!(r#"{{"alg":"{alg}"}}"#));
        format!("{header}.{payload}.")
    };
    let mut flipped = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    flipped[9] ^= 1;
    let twice = format!(
        r#"{{"sub":"a","sub":"b","aud":"me","iss":"issuer","exp":{}}}"#,
        seconds() + 60
    );
    let cases = [
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("NONE", unsigned("NONE")),
        ("nOnE", unsigned("nOnE")),
        ("no algorithm", header("{}")),
        (
            "an algorithm of another kind of key",
            header(r#"{"alg":"RS256"}"#),
        ),
        (
            "HS512 with a key that is too short",
            header(r#"{"alg":"HS512"}"#),
        ),
        ("algorithm is not a text", header(r#"{"alg":["HS256"]}"#)),
        (
            "algorithm is there twice",
            header(r#"{"alg":"none","alg":"HS256"}"#),
        ),
        (
            "critical extension",
            header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#),
        ),
        ("kid is not a text", header(r#"{"alg":"HS256","kid":1}"#)),
        (
            "another secret",
            signed_with(&[1; 32], r#"{"alg":"HS256"}"#, &claims("a").to_string()),
        ),
        (
            "empty secret",
            signed_with(b"", r#"{"alg":"HS256"}"#, &claims("a").to_string()),
        ),
        (
            "a key in the header",
            signed_with(
                &[1; 32],
                r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AQEB"}}"#,
                &claims("a").to_string(),
            ),
        ),
        (
            "tampered payload",
            format!("{head}.{}.{signature}", part(flipped)),
        ),
        ("empty signature", format!("{head}.{payload}.")),
        ("no signature", format!("{head}.{payload}")),
        ("a fourth part", format!("{good}.x")),
        ("truncated", good[..good.len() - 4].to_owned()),
        ("signature with padding", format!("{good}=")),
        ("oversized", with("more", json!("x".repeat(20_000)))),
        (
            "claims are there twice",
            signed_with(SECRET, r#"{"alg":"HS256"}"#, &twice),
        ),
        (
            "claims are no object",
            signed_with(SECRET, r#"{"alg":"HS256"}"#, "[]"),
        ),
        ("no exp", without("exp")),
        ("exp is a text", with("exp", json!("9999999999"))),
        ("not valid yet", with("nbf", json!(seconds() + 600))),
        ("nbf is a text", with("nbf", json!("0"))),
        ("another audience", with("aud", json!("you"))),
        ("other audiences", with("aud", json!(["you", "them"]))),
        ("no audience", without("aud")),
        ("another issuer", with("iss", json!("issuer2"))),
        ("issuers", with("iss", json!(["issuer"]))),
        ("no issuer", without("iss")),
        ("no subject", without("sub")),
        ("empty subject", with("sub", json!(""))),
        ("garbage", "....".to_owned()),
    ];
    for (what, token) in cases {
        let answer = running.poll("forged", &token).await;
        // A head of 20 kB is refused before that.
        let refused =
            answer == (200, REFUSED.to_owned()) || (what == "oversized" && answer.0 == 431);
        assert!(refused, "{what}: {answer:?}");
    }
    let expired = with("exp", json!(seconds() - 60));
    assert_eq!(running.poll("b", &expired).await.1, EXPIRED);
    assert!(running.saw_nobody());
    assert_eq!(running.poll("good", &good).await.1, "o\n");
}

/// Public keys verify their own algorithm only, by their `kid`; what is public is no secret for HS256.
#[tokio::test]
async fn public_keys_are_not_taken_for_secrets() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
    let pair = pair.unwrap();
    let point = pair.public_key().as_ref();
    let set = json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "1", "x": part(&point[1..33]), "y": part(&point[33..]) },
    ] });
    let sign = |header: &str| {
        let signed = format!("{}.{}", part(header), part(claims("a").to_string()));
        let signature = pair.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", part(signature))
    };
    let confused = |key: &[u8]| {
        signed_with(
            key,
            r#"{"alg":"HS256","kid":"1"}"#,
            &claims("a").to_string(),
        )
    };
    let keys = Keys::set(set.to_string().as_bytes()).unwrap();
    let running = serve(keys, |_, _| {});
    for (what, token) in [
        ("the point as a secret", confused(point)),
        ("the set as a secret", confused(set.to_string().as_bytes())),
        ("wrong kid", sign(r#"{"alg":"ES256","kid":"2"}"#)),
        (
            "kid that is a path",
            sign(r#"{"alg":"ES256","kid":"../../dev/null"}"#),
        ),
        ("another curve", sign(r#"{"alg":"ES384","kid":"1"}"#)),
        ("HS256 in the header", sign(r#"{"alg":"HS256","kid":"1"}"#)),
        ("none", sign(r#"{"alg":"none","kid":"1"}"#)),
    ] {
        assert_eq!(running.poll("a", &token).await.1, REFUSED, "{what}");
    }
    let good = sign(r#"{"alg":"ES256","kid":"1"}"#);
    assert_eq!(running.poll("a", &good).await.1, "o\n");
}

/// A set with a secret among public keys would be an invitation; a short secret can be guessed.
#[test]
fn keys_that_invite_confusion_are_refused() {
    assert!(Keys::set(br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#).is_err());
    assert!(Keys::set(br#"{"keys":[]}"#).is_err());
    assert!(Keys::set(b"-----BEGIN PUBLIC KEY-----").is_err());
    assert!(Keys::secret(b"secret").is_err());
}

/// Another subject, or nobody, gets what an unknown session would: 404; the owner may renew the token.
#[tokio::test]
async fn sessions_are_bound_to_their_subject() {
    let running = with_secret();
    assert_eq!(running.poll("a", &of("alice")).await.1, "o\n");
    assert_eq!(running.poll("a", &of("bob")).await.0, 404);
    assert_eq!(running.poll("a", "").await.0, 404);
    assert_eq!(running.send("a", &of("bob")).await, 404);
    assert_eq!(running.send("a", "").await, 404);
    let renewed =
        token(&json!({ "sub": "alice", "exp": seconds() + 999, "aud": "me", "iss": "issuer" }));
    assert_eq!(running.send("a", &renewed).await, 204);
    assert_eq!(running.poll("a", &of("alice")).await.1, "a[\"a\"]\n");
}

/// A user has so many sessions and no more, wherever they are opened and whatever else the tokens say; others have their own.
#[tokio::test]
async fn sessions_of_a_user_are_bounded() {
    let keys = Keys::secret(SECRET).unwrap();
    let running = serve(keys, |_, service| {
        service.clients.sessions_of_user = Some(1);
    });
    let refused = "c[1013,\"Too many sessions of this user\"]\n";
    assert_eq!(running.poll("a", &of("alice")).await.1, "o\n");
    let renewed =
        token(&json!({ "sub": "alice", "exp": seconds() + 999, "aud": "me", "iss": "issuer" }));
    assert_eq!(running.poll("b", &renewed).await.1, refused);
    assert_eq!(running.poll("c", &of("bob")).await.1, "o\n");
}

/// Without binding, the session's id is enough for those who are let in or not; opening is not.
#[tokio::test]
async fn binding_can_be_off() {
    let keys = Keys::secret(SECRET).unwrap();
    let running = serve(keys, |_, service| {
        service.session_binding = Some(SessionBinding::None);
    });
    assert_eq!(running.poll("a", "").await.1, REFUSED);
    assert_eq!(running.poll("a", &of("alice")).await.1, "o\n");
    assert_eq!(running.send("a", "").await, 204);
}

/// When the token expires, a waiting poll and a stream are told so, and so is a poll that comes afterwards with the same token.
#[tokio::test]
async fn expiry_ends_living_sessions() {
    let keys = Keys::secret(SECRET).unwrap();
    let running = serve(keys, |config, _| config.leeway = Duration::ZERO);
    let brief = token(&json!({ "sub": "a", "exp": seconds() + 2, "aud": "me", "iss": "issuer" }));
    let fields = format!("Authorization: Bearer {brief}\r\n");
    let stream = running.ask("POST", "/000/s/xhr_streaming", &fields, "");
    let polls = async {
        assert_eq!(running.poll("p", &brief).await.1, "o\n");
        running.poll("p", &brief).await.1
    };
    let (streamed, polled) = tokio::join!(stream, polls);
    assert!(streamed.1.contains("o\n"), "{streamed:?}");
    assert_eq!(polled, EXPIRED);
    assert_eq!(running.poll("p", &brief).await.1, EXPIRED);
    assert_eq!(running.poll("p", &of("b")).await.0, 404);
    let fields = format!("Authorization: Bearer {brief}\r\n");
    let again = running
        .ask("POST", "/000/s/xhr_streaming", &fields, "")
        .await;
    assert!(again.1.ends_with(EXPIRED), "{again:?}");
}

/// Backends see who it is, and neither the token, wherever it was, nor fields of the identity that a browser made up.
#[tokio::test]
async fn backends_see_the_identity_and_not_the_token() {
    let keys = Keys::secret(SECRET).unwrap();
    let mut running = serve(keys, |config, _| {
        config.sources = ["query:token", "cookie:token", "header"]
            .map(|source| source.parse::<Source>().unwrap())
            .to_vec();
        config.terms.upstream_fields = vec![("x-user".parse().unwrap(), "sub".to_owned())];
    });
    let token = of("alice");
    let fields = format!(
        "Authorization: Bearer {token}\r\nCookie: a=1; token={token}; b=2\r\nX-User: root\r\nX_User: root\r\n"
    );
    let path = format!("/000/a/xhr?q=1&token={token}");
    assert_eq!(running.ask("POST", &path, &fields, "").await.1, "o\n");
    let seen = running.seen.recv().await.unwrap();
    assert!(
        seen.starts_with("Some(\"alice\") /s/000/a/xhr?q=1 "),
        "{seen}"
    );
    assert!(seen.contains("a=1; b=2"), "{seen}");
    assert!(!seen.contains(&token) && !seen.contains("root"), "{seen}");
}

/// WebSockets are upgraded and closed with the code, SockJS and raw; and closed when the token expires.
#[tokio::test]
async fn websockets_are_closed_with_the_codes() {
    let keys = Keys::secret(SECRET).unwrap();
    let mut running = serve(keys, |config, _| config.leeway = Duration::ZERO);
    let refused = (4401, "Unauthorized".to_owned());
    let (frames, code, reason) = told(running.address, "/000/a/websocket", "x").await;
    assert_eq!(frames, ["c[4401,\"Unauthorized\"]"]);
    assert_eq!((code, reason), refused);
    let (frames, code, reason) = told(running.address, "/websocket", "x").await;
    assert!(frames.is_empty());
    assert_eq!((code, reason), refused);
    assert!(running.saw_nobody());

    let brief = token(&json!({ "sub": "a", "exp": seconds() + 2, "aud": "me", "iss": "issuer" }));
    let (framed, raw) = tokio::join!(
        told(running.address, "/000/a/websocket", &brief),
        told(running.address, "/websocket", &brief),
    );
    assert_eq!(framed.0, ["o", "c[4402,\"Token expired\"]"]);
    assert_eq!((framed.1, raw.1), (4402, 4402));
}
