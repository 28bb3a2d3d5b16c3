//! Black-box tests of everything the protocol's suite leaves open: races, limits, broken peers, hostile input, on bytes.
//!
//! Each test starts the shipped binary with a configuration of its own. Each file has one subject; what every SockJS
//! server must do is in `sockjs-protocol-tests`.

#[path = "../../sockjs-protocol-tests/support/mod.rs"]
mod support;

mod carriers;
mod fixture;
mod raw_socket;

mod aborts;
mod bench_command;
mod command_line;
mod connect_command;
mod cookies;
mod descriptors;
mod doctor;
mod doctor_command;
mod doctor_refusals;
mod doctor_strangers;
mod error_bodies;
mod escaping;
mod expiry;
mod heartbeats;
mod hixie;
mod http;
mod limits;
mod limits_http;
mod log;
mod lost_messages;
mod memory;
mod networks;
mod origins;
mod payloads;
mod pipelining;
mod proxies;
mod rates;
mod receivers;
mod recycling;
mod scripts;
mod segments;
mod session_ids;
mod shutdown;
mod slow_consumers;
mod smuggling;
mod storms;
mod websocket_frames;
mod websocket_handshake;
