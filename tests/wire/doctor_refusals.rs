//! `sockjs-gateway doctor URL` where the gateway itself refuses: its reason is told, and no proxy is blamed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::doctor_command::doctor;
use crate::fixture::{opened, service};
use crate::support::Server;

/// A free address that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("is bound").to_string()
}

/// An upstream that answers every handshake with this status.
fn upstream_that_answers(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("is bound").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1)
            {
                head.push(byte[0]);
            }
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// The report for a person, of a run that must end with code 1.
#[track_caller]
fn refused(server: &Server, path: &str, more: &[&str]) -> String {
    let url = format!("http://{}{path}", server.address.authority);
    let output = doctor(&[&[&*url, "--no-idle"], more].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    // Lines are wrapped.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for guess in [
        "nginx",
        "HAProxy",
        "does not get through",
        "is cut",
        "Everything works",
    ] {
        assert!(!text.contains(guess), "{guess:?}: {text}");
    }
    text
}

/// Sessions that end because of the upstream are no success, and the network has nothing to do with it.
#[test]
fn upstream_that_is_away_is_found() {
    let config = [
        service("/away", &format!("ws://{}/", nobody()), ""),
        service(
            "/refuses",
            &format!("ws://{}/", upstream_that_answers("403 Forbidden")),
            "",
        ),
    ];
    let server = Server::with_config(&config.concat());
    let away = refused(&server, "/away", &[]);
    assert!(
        away.contains("1014: the upstream cannot be reached")
            && away.contains("check --config FILE --deep"),
        "{away}"
    );
    let refuses = refused(&server, "/refuses", &[]);
    assert!(
        refuses.contains("1014: the upstream refuses (status 403)")
            && refuses.contains("upstream.headers"),
        "{refuses}"
    );
}

/// A limit is named with the key that sets it.
#[test]
fn limit_that_is_reached_is_named() {
    let server = Server::with_config(&service("/echo", "echo:", "max_sessions = 1"));
    let _session = opened(&server, "/echo");
    let text = refused(&server, "/echo", &[]);
    assert!(
        text.contains("1013: the service has as many sessions as it may")
            && text.contains("`max_sessions`"),
        "{text}"
    );
}

/// Without a token it says so, and with `--header` messages get through.
#[cfg(feature = "auth")]
#[test]
fn missing_token_is_found_and_header_brings_it() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let file = std::env::temp_dir().join(format!("sockjs-doctor-secret-{}", std::process::id()));
    std::fs::write(&file, SECRET).expect("the temporary folder can be written");
    let auth = format!(
        "[[auth]]\nname = \"users\"\nsecret_file = \"{}\"\nrequire_expiry = false\nfrom = [\"header\"]\n",
        file.display()
    );
    let server = Server::with_config(&(auth + &service("/echo", "echo:", "auth = \"users\"")));
    let text = refused(&server, "/echo", &[]);
    assert!(
        text.contains("4401: the service does not know who asks") && text.contains("--header"),
        "{text}"
    );
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(r#"{"alg":"HS256"}"#), part(r#"{"sub":"a"}"#));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    let field = format!("Authorization: Bearer {signed}.{signature}");
    let url = format!("http://{}/echo", server.address.authority);
    let output = doctor(&[&url, "--no-idle", "--header", &field]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("Everything works from your network."),
        "{text}"
    );
    assert!(!text.contains(&signature), "{text}");
    let _ = std::fs::remove_file(file);
}

/// A page of another site that `origins` does not list is refused by the gateway, which says so.
#[test]
fn refused_origin_is_found() {
    let server = Server::with_config(
        "[[service]]\nprefix = \"/echo\"\nbackend = \"echo:\"\norigins = [\"https://app.example\"]\n",
    );
    let text = refused(&server, "/echo", &["--origin", "https://evil.example"]);
    assert!(
        text.contains("The gateway refuses the page as one of another site")
            && text.contains("`origins = [\"https://evil.example\"]`"),
        "{text}"
    );
    assert!(
        !text.contains("firewall") && !text.contains("blocked"),
        "{text}"
    );
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;

    /// The address of the wrong scheme is named with the right one; `--ca` trusts a certificate of one's own.
    #[test]
    fn port_for_tls_is_told_from_a_block_and_ca_is_trusted() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate can be made");
        let folder = std::env::temp_dir();
        let file =
            |kind: &str| folder.join(format!("sockjs-doctor-{kind}-{}.pem", std::process::id()));
        let (certificate, key) = (file("certificate"), file("key"));
        std::fs::write(&certificate, made.cert.pem()).expect("is written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("is written");
        let address = nobody();
        let listener = format!(
            "[[listener]]\naddress = \"{address}\"\n[[listener.tls]]\ncertificate = \"{}\"\nkey = \"{}\"\n",
            certificate.display(),
            key.display()
        );
        let server = Server::with_config(&(service("/echo", "echo:", "") + &listener));
        let port = address.rsplit(':').next().expect("a port");
        let asked = |arguments: &[&str]| {
            let output = doctor(arguments);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            (output.status.code(), text)
        };

        let plain = format!("http://localhost:{port}/echo");
        let (code, text) = asked(&[&plain, "--no-idle"]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("There is https at this port"), "{text}");
        assert!(
            text.contains(&format!("`https://localhost:{port}/echo`")),
            "{text}"
        );
        assert!(!text.contains("blocked"), "{text}");

        let secure = format!("https://localhost:{port}/echo");
        let (code, text) = asked(&[&secure, "--no-idle"]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("--ca FILE"), "{text}");
        let ca = certificate.display().to_string();
        let (code, text) = asked(&[&secure, "--no-idle", "--ca", &ca]);
        assert_eq!(code, Some(0), "{text}");
        drop(server);
        for file in [certificate, key] {
            let _ = std::fs::remove_file(file);
        }
    }
}
