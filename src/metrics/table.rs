//! Every metric there is: one row each, with its documentation, of which `docs/metrics.md` is made.
//!
//! To add one: a field in [`Reading`] where there is none, a row here, and `UPDATE_DOCS=1 cargo test --test metrics`. A label of a new
//! name also needs its row in `labels.rs`. Its values must come from a closed list: what browsers or backends choose would make
//! series without end.

use crate::registry::DialOutcome;
use crate::session::{EndCause, Standing};

use super::connections::{ConnectionRefusal, ConnectionTimeout, HeadRefusal, TlsOutcome};
use super::exposition::Samples;
use super::labels::code;
use super::process::ProcessReading;
use super::reading::{ConnectionReading, Reading, ServiceReading};

/// A metric.
pub(super) struct Family {
    /// Its name, without what its type puts behind it.
    pub(super) name: &'static str,
    pub(super) kind: Type,
    /// What its name must then end with; empty for numbers of things.
    pub(super) unit: &'static str,
    /// What it is, in one line.
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
    /// Writes its samples.
    pub(super) read: Read,
}

/// Where the samples of a metric come from.
pub(super) enum Read {
    /// The gateway, once.
    Gateway(fn(&Reading, &mut Samples<'_>)),
    /// Each of its services.
    Service(fn(&ServiceReading, &mut Samples<'_>)),
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A number that only grows, while the process lives.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Times, counted by bounds.
    Histogram,
    /// Always 1: what it says is in its labels.
    Info,
}

pub(super) static TABLE: &[Family] = &[
    Family {
        name: "sockjs_sessions",
        kind: Type::Gauge,
        unit: "",
        help: "Living sessions, by the transport that opened them.",
        labels: &["service", "transport", "state"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                for of in &census.transports {
                    for ((_, state, _), count) in Standing::LIVING.iter().zip(of.living) {
                        samples.put(&[service, of.transport, state], count);
                    }
                }
            },
        ),
    },
    Family {
        name: "sockjs_sessions_opened",
        kind: Type::Counter,
        unit: "",
        help: "Sessions that were opened.",
        labels: &["service", "transport"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                for of in &census.transports {
                    samples.put(&[service, of.transport], of.opened);
                }
            },
        ),
    },
    Family {
        name: "sockjs_sessions_closed",
        kind: Type::Counter,
        unit: "",
        help: "Sessions that have ended, by what ended them.",
        labels: &["service", "transport", "cause"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                for of in &census.transports {
                    for (cause, count) in EndCause::ALL.iter().zip(of.closed) {
                        samples.put(&[service, of.transport, cause.name()], count);
                    }
                }
            },
        ),
    },
    Family {
        name: "sockjs_session_close_codes",
        kind: Type::Counter,
        unit: "",
        help: "Sessions that have ended, by their close code.",
        labels: &["service", "code"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                for (number, count) in &census.codes {
                    samples.put(&[service, &code(*number)], *count);
                }
            },
        ),
    },
    Family {
        name: "sockjs_messages",
        kind: Type::Counter,
        unit: "",
        help: "Messages accepted from browsers (in), and put into frames for browsers (out).",
        labels: &["service", "transport", "direction"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                for of in &census.transports {
                    samples.put(&[service, of.transport, "in"], of.traffic.messages_in);
                    samples.put(&[service, of.transport, "out"], of.traffic.messages_out);
                }
            },
        ),
    },
    Family {
        name: "sockjs_message_bytes",
        kind: Type::Counter,
        unit: "bytes",
        help: "Bytes of those messages, without framing and escapes.",
        labels: &["service", "transport", "direction"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                for of in &census.transports {
                    samples.put(&[service, of.transport, "in"], of.traffic.bytes_in);
                    samples.put(&[service, of.transport, "out"], of.traffic.bytes_out);
                }
            },
        ),
    },
    Family {
        name: "sockjs_queued_messages",
        kind: Type::Gauge,
        unit: "",
        help: "Messages that wait for backends (in), and for browsers (out).",
        labels: &["service", "direction"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                samples.put(&[service, "in"], census.queued.messages_in);
                samples.put(&[service, "out"], census.queued.messages_out);
            },
        ),
    },
    Family {
        name: "sockjs_queue_bytes",
        kind: Type::Gauge,
        unit: "bytes",
        help: "Bytes of those messages.",
        labels: &["service", "direction"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                samples.put(&[service, "in"], census.queued.bytes_in);
                samples.put(&[service, "out"], census.queued.bytes_out);
            },
        ),
    },
    Family {
        name: "sockjs_receiver_wait_seconds",
        kind: Type::Histogram,
        unit: "seconds",
        help: "Time that sessions waited for their next response to write to, between polls or streams. After `disconnect_delay` a session ends instead.",
        labels: &["service"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                samples.put(&[service], census.receiver_waits.clone());
            },
        ),
    },
    Family {
        name: "sockjs_limit_hits",
        kind: Type::Counter,
        unit: "",
        help: "How often limits were reached.",
        labels: &["service", "limit"],
        read: Read::Service(
            |ServiceReading {
                 service, limits, ..
             },
             samples| {
                for hits in limits {
                    samples.put(&[service, hits.limit], hits.hits);
                }
            },
        ),
    },
    Family {
        name: "sockjs_requests_refused",
        kind: Type::Counter,
        unit: "",
        help: "Requests that were refused because of who asked.",
        labels: &["service", "reason"],
        read: Read::Service(
            |ServiceReading {
                 service, refusals, ..
             },
             samples| {
                for (reason, count) in refusals {
                    samples.put(&[service, reason], *count);
                }
            },
        ),
    },
    Family {
        name: "sockjs_network_findings",
        kind: Type::Counter,
        unit: "",
        help: "What was found out about networks of browsers: suspected buffering, and cuts.",
        labels: &["service", "finding"],
        read: Read::Service(
            |ServiceReading {
                 service, findings, ..
             },
             samples| {
                for (finding, count) in findings {
                    samples.put(&[service, finding], *count);
                }
            },
        ),
    },
    Family {
        name: "sockjs_upstream_dials",
        kind: Type::Counter,
        unit: "",
        help: "Dials of upstreams, by what came of them. Services without an upstream have none.",
        labels: &["service", "outcome"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                if let Some(dials) = &census.dials {
                    for ((_, outcome, _), count) in DialOutcome::ALL.iter().zip(dials.outcomes) {
                        samples.put(&[service, outcome], count);
                    }
                }
            },
        ),
    },
    Family {
        name: "sockjs_upstream_dial_seconds",
        kind: Type::Histogram,
        unit: "seconds",
        help: "Time that dials of upstreams took which opened: name, TCP, TLS and handshake.",
        labels: &["service"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                if let Some(dials) = &census.dials {
                    samples.put(&[service], dials.latency.clone());
                }
            },
        ),
    },
    Family {
        name: "sockjs_session_places",
        kind: Type::Gauge,
        unit: "",
        help: "Sessions that count against the service's `max_sessions`, those included whose backend has not finished.",
        labels: &["service"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                samples.put(&[service], census.places.used);
            },
        ),
    },
    Family {
        name: "sockjs_session_places_limit",
        kind: Type::Gauge,
        unit: "",
        help: "The service's `max_sessions`.",
        labels: &["service"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                samples.put(&[service], census.places.limit);
            },
        ),
    },
    Family {
        name: "sockjs_queue_memory_bytes",
        kind: Type::Gauge,
        unit: "bytes",
        help: "Bytes that count against the service's `queue_memory`: of bodies being read, of queues larger than 16 KiB, and of heads larger than 4 KiB that wait for somebody.",
        labels: &["service"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                samples.put(&[service], census.queue_memory.used);
            },
        ),
    },
    Family {
        name: "sockjs_queue_memory_limit_bytes",
        kind: Type::Gauge,
        unit: "bytes",
        help: "The service's `queue_memory`.",
        labels: &["service"],
        read: Read::Service(
            |ServiceReading {
                 service, census, ..
             },
             samples| {
                samples.put(&[service], census.queue_memory.limit);
            },
        ),
    },
    Family {
        name: "sockjs_all_session_places",
        kind: Type::Gauge,
        unit: "",
        help: "Sessions of all services that count against the top level's `max_sessions`.",
        labels: &[],
        read: Read::Gateway(|reading, samples| samples.put(&[], reading.sessions.used)),
    },
    Family {
        name: "sockjs_all_session_places_limit",
        kind: Type::Gauge,
        unit: "",
        help: "The top level's `max_sessions`.",
        labels: &[],
        read: Read::Gateway(|reading, samples| samples.put(&[], reading.sessions.limit)),
    },
    Family {
        name: "sockjs_all_queue_memory_bytes",
        kind: Type::Gauge,
        unit: "bytes",
        help: "Bytes of all services that count against the top level's `queue_memory`.",
        labels: &[],
        read: Read::Gateway(|reading, samples| samples.put(&[], reading.queue_memory.used)),
    },
    Family {
        name: "sockjs_all_queue_memory_limit_bytes",
        kind: Type::Gauge,
        unit: "bytes",
        help: "The top level's `queue_memory`.",
        labels: &[],
        read: Read::Gateway(|reading, samples| samples.put(&[], reading.queue_memory.limit)),
    },
    Family {
        name: "sockjs_draining",
        kind: Type::Gauge,
        unit: "",
        help: "1 while new sessions are refused because the gateway drains or stops.",
        labels: &[],
        read: Read::Gateway(|reading, samples| samples.put(&[], u64::from(reading.draining))),
    },
    Family {
        name: "sockjs_connections",
        kind: Type::Gauge,
        unit: "",
        help: "Open connections of browsers and proxies on all listeners, and each further request that is open in HTTP/2: what counts against `server.max_connections`.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(
                &[],
                connections(reading, |connections| connections.open.used),
            );
        }),
    },
    Family {
        name: "sockjs_connections_limit",
        kind: Type::Gauge,
        unit: "",
        help: "`server.max_connections`.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(
                &[],
                connections(reading, |connections| connections.open.limit),
            );
        }),
    },
    Family {
        name: "sockjs_connections_accepted",
        kind: Type::Counter,
        unit: "",
        help: "Connections that were accepted.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(
                &[],
                connections(reading, |connections| connections.accepted),
            );
        }),
    },
    Family {
        name: "sockjs_connections_refused",
        kind: Type::Counter,
        unit: "",
        help: "Connections that were not served.",
        labels: &["reason"],
        read: Read::Gateway(|reading, samples| {
            if let Some(connections) = &reading.connections {
                let refused = connections.refused;
                for ((_, reason, _), count) in ConnectionRefusal::ALL.iter().zip(refused) {
                    samples.put(&[reason], count);
                }
            }
        }),
    },
    Family {
        name: "sockjs_connections_timed_out",
        kind: Type::Counter,
        unit: "",
        help: "Connections that were ended because something did not come in its time. A browser that is there opens another.",
        labels: &["reason"],
        read: Read::Gateway(|reading, samples| {
            if let Some(connections) = &reading.connections {
                let timed_out = connections.timed_out;
                for ((_, reason, _), count) in ConnectionTimeout::ALL.iter().zip(timed_out) {
                    samples.put(&[reason], count);
                }
            }
        }),
    },
    Family {
        name: "sockjs_heads_refused",
        kind: Type::Counter,
        unit: "",
        help: "Requests that were refused because of their head, before it was looked whom they are for.",
        labels: &["reason"],
        read: Read::Gateway(|reading, samples| {
            if let Some(connections) = &reading.connections {
                let refused = connections.heads_refused;
                for ((_, reason, _), count) in HeadRefusal::ALL.iter().zip(refused) {
                    samples.put(&[reason], count);
                }
            }
        }),
    },
    Family {
        name: "sockjs_tls_handshakes",
        kind: Type::Counter,
        unit: "",
        help: "TLS handshakes on listeners, by what came of them.",
        labels: &["outcome"],
        read: Read::Gateway(|reading, samples| {
            if let Some(connections) = &reading.connections {
                for ((_, outcome, _), count) in TlsOutcome::ALL.iter().zip(connections.tls) {
                    samples.put(&[outcome], count);
                }
            }
        }),
    },
    Family {
        name: "sockjs_log_lines_dropped",
        kind: Type::Counter,
        unit: "",
        help: "Lines of the log that were lost, because standard error was not read fast enough.",
        labels: &[],
        read: Read::Gateway(|reading, samples| samples.put_some(&[], reading.log_lines_dropped)),
    },
    Family {
        name: "sockjs_build",
        kind: Type::Info,
        unit: "",
        help: "The version of the gateway.",
        labels: &["version"],
        read: Read::Gateway(|_, samples| samples.put(&[env!("CARGO_PKG_VERSION")], 1u64)),
    },
    Family {
        name: "process_cpu_seconds",
        kind: Type::Counter,
        unit: "seconds",
        help: "Processor time, of the program and of the system for it.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(&[], process(reading, |process| process.processor));
        }),
    },
    Family {
        name: "process_resident_memory_bytes",
        kind: Type::Gauge,
        unit: "bytes",
        help: "Memory in use.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(&[], process(reading, |process| process.resident));
        }),
    },
    Family {
        name: "process_virtual_memory_bytes",
        kind: Type::Gauge,
        unit: "bytes",
        help: "Address space in use.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(&[], process(reading, |process| process.virtual_memory));
        }),
    },
    Family {
        name: "process_open_fds",
        kind: Type::Gauge,
        unit: "",
        help: "Open files, connections among them.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(&[], process(reading, |process| process.open_files));
        }),
    },
    Family {
        name: "process_max_fds",
        kind: Type::Gauge,
        unit: "",
        help: "The most open files that the system allows.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(&[], process(reading, |process| process.max_open_files));
        }),
    },
    Family {
        name: "process_threads",
        kind: Type::Gauge,
        unit: "",
        help: "Threads.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(&[], process(reading, |process| process.threads));
        }),
    },
    Family {
        name: "process_start_time_seconds",
        kind: Type::Gauge,
        unit: "seconds",
        help: "When the process began, in seconds since 1970.",
        labels: &[],
        read: Read::Gateway(|reading, samples| {
            samples.put_some(&[], process(reading, |process| process.started));
        }),
    },
];

fn connections<T>(reading: &Reading, of: fn(&ConnectionReading) -> T) -> Option<T> {
    reading.connections.as_ref().map(of)
}

fn process<T>(reading: &Reading, of: fn(&ProcessReading) -> Option<T>) -> Option<T> {
    reading.process.as_ref().and_then(of)
}
