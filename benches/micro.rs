//! How long the paths take that every message goes through: `cargo bench --bench micro`.

mod paths;

use divan::Bencher;
use divan::counter::BytesCount;
use paths::{Echo, SocketEcho, Text, decode, framings, wrap};
use sockjs_gateway::Message;

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [64, 4096, 65536];

#[divan::bench(args = SIZES)]
fn decode_ascii(bencher: Bencher<'_, '_>, size: usize) {
    bench_decode(bencher, Text::Ascii, size);
}

#[divan::bench(args = SIZES)]
fn decode_letters(bencher: Bencher<'_, '_>, size: usize) {
    bench_decode(bencher, Text::Letters, size);
}

#[divan::bench(args = SIZES)]
fn decode_quotes(bencher: Bencher<'_, '_>, size: usize) {
    bench_decode(bencher, Text::Quotes, size);
}

fn bench_decode(bencher: Bencher<'_, '_>, text: Text, size: usize) {
    let body = text.body(size);
    bencher
        .counter(BytesCount::from(body.len()))
        .bench_local(|| decode(&body));
}

#[divan::bench(args = SIZES)]
fn wrap_ascii(bencher: Bencher<'_, '_>, size: usize) {
    bench_wrap(bencher, "xhr-streaming", Text::Ascii, size);
}

#[divan::bench(args = SIZES)]
fn wrap_letters(bencher: Bencher<'_, '_>, size: usize) {
    bench_wrap(bencher, "xhr-streaming", Text::Letters, size);
}

#[divan::bench(args = SIZES)]
fn wrap_quotes(bencher: Bencher<'_, '_>, size: usize) {
    bench_wrap(bencher, "xhr-streaming", Text::Quotes, size);
}

#[divan::bench(args = ["websocket", "xhr-streaming", "eventsource", "jsonp-polling"])]
fn wrap_ascii_4096(bencher: Bencher<'_, '_>, carrier: &str) {
    bench_wrap(bencher, carrier, Text::Ascii, 4096);
}

fn bench_wrap(bencher: Bencher<'_, '_>, carrier: &str, text: Text, size: usize) {
    let (_, framing) = framings()
        .into_iter()
        .find(|(name, _)| *name == carrier)
        .expect("a known carrier");
    let messages = [Message::from(text.of(size))];
    bencher
        .counter(BytesCount::from(size))
        .bench_local(|| wrap(&*framing, &messages));
}

#[divan::bench]
fn session_echo(bencher: Bencher<'_, '_>) {
    let message = Message::from(Text::Ascii.of(64));
    let mut echo = Echo::new();
    bencher.bench_local(|| echo.round(&message));
}

#[divan::bench]
fn raw_echo(bencher: Bencher<'_, '_>) {
    let mut socket = SocketEcho::raw();
    bencher.bench_local(|| socket.round());
}

#[divan::bench]
fn websocket_echo(bencher: Bencher<'_, '_>) {
    let mut socket = SocketEcho::sockjs();
    bencher.bench_local(|| socket.round());
}
