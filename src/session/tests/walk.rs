//! A seeded random walk over all inputs, with every invariant checked after every step.

use std::collections::VecDeque;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// What a session must have done, kept beside it by the random walk.
#[derive(Default)]
struct Model {
    next_out: u64,
    next_in: u64,
    /// Accepted from the backend and not yet known to have left, oldest first.
    outbound: VecDeque<u64>,
    /// How many of `outbound` the present receiver took.
    taken: usize,
    /// How many of those were handed over.
    handed_over: usize,
    inbound: VecDeque<u64>,
    opened: bool,
    closes_taken: usize,
    receiver: Option<u32>,
    /// The receiver's browser comes back by itself after a cut.
    resumes: bool,
    first_end: Option<End>,
    closed: bool,
    /// The receiver looked in vain for a frame, or was not told of one behind the frame that it took.
    waits: bool,
}

impl Model {
    fn left(&mut self, count: usize) {
        self.outbound.drain(..count);
        self.taken -= count;
        self.handed_over = 0;
    }
}

fn number(message: &Message) -> u64 {
    message
        .as_text()
        .and_then(|text| text.trim_start_matches('x').parse().ok())
        .expect("a number the walk sent")
}

fn step(session: &mut Session, model: &mut Model, now: &mut Moment, random: &mut StdRng) {
    let padding = "x".repeat(random.random_range(0..40));
    match random.random_range(0..12) {
        0 | 1 => {
            let liveness = if random.random_bool(0.2) {
                Liveness::Pong
            } else {
                Liveness::Connection
            };
            let some = |random: &mut StdRng| {
                let milliseconds = random.random_range(1..20_000);
                random
                    .random_bool(0.3)
                    .then(|| Duration::from_millis(milliseconds))
            };
            let manner = Manner {
                one_frame: random.random_bool(0.2),
                max_age: some(random),
                resumes: random.random_bool(0.5),
                silence: some(random),
                ..Manner::new(liveness)
            };
            match session.handle_attach(*now, manner) {
                Attach::Granted(attachment) => {
                    model.resumes = manner.resumes;
                    assert!(model.receiver.is_none(), "two receivers");
                    assert!(!model.closed, "a closed session was attached");
                    model.left(model.taken);
                    model.receiver = Some(attachment);
                    model.closes_taken = 0;
                    model.waits = false;
                }
                Attach::Busy => assert!(model.receiver.is_some()),
                Attach::Ended(reason) => {
                    assert!(model.closed);
                    assert_eq!(
                        Some(&reason),
                        model.first_end.as_ref().map(|end| &end.reason)
                    );
                }
            }
        }
        2 => {
            let how = if random.random_bool(0.2) {
                Detach::Aborted
            } else {
                Detach::Done
            };
            let stale = random.random_bool(0.1);
            let attachment = model.receiver.unwrap_or(0).wrapping_sub(u32::from(stale));
            session.handle_detach(*now, attachment, how);
            if !stale && model.receiver.take().is_some() {
                if how == Detach::Aborted && !session.is_closed() {
                    assert!(
                        model.resumes && model.opened && model.taken == 0,
                        "a session outlived a cut that may have cost messages"
                    );
                    assert_eq!(model.closes_taken, 0, "its end was already told");
                } else {
                    model.closed |= how == Detach::Aborted;
                }
            }
        }
        3 => {
            if random.random_bool(0.7) {
                session.handle_handed_over(session.attachment());
                model.handed_over = model.taken;
            }
            if random.random_bool(0.7) {
                session.handle_left(*now, session.attachment());
                model.left(model.handed_over);
            } else if random.random_bool(0.3) && session.has_receiver() {
                session.handle_written(session.attachment());
                model.left(model.taken);
            }
        }
        4 => {
            let sent = model.next_in;
            let mut batch: Vec<Message> = (0..random.random_range(0..4))
                .map(|i| format!("{padding}{}", sent + i).into())
                .collect();
            let count = batch.len() as u64;
            match session.handle_browser_messages(*now, &mut batch) {
                Deliver::Accepted => {
                    assert!(batch.is_empty());
                    if model.first_end.is_none() {
                        model.inbound.extend(sent..sent + count);
                        model.next_in += count;
                    }
                }
                Deliver::Excessive => panic!("there is no rate"),
                Deliver::Full | Deliver::Ended | Deliver::Void => {
                    assert_eq!(batch.len() as u64, count, "part of a batch was taken")
                }
            }
        }
        5 | 6 => {
            match session.handle_backend_message(format!("{padding}{}", model.next_out).into()) {
                Ok(()) => {
                    assert!(
                        model.first_end.is_none(),
                        "a message was taken after the end"
                    );
                    model.outbound.push_back(model.next_out);
                    model.next_out += 1;
                }
                Err(Refused::Full(_)) => {
                    assert!(!model.outbound.is_empty(), "an empty queue is never full")
                }
                Err(Refused::Ended(_)) => assert!(model.first_end.is_some()),
            }
        }
        7 | 8 => {
            let expected = model
                .outbound
                .iter()
                .skip(model.taken)
                .copied()
                .collect::<Vec<_>>();
            model.waits = true;
            match session.poll_frame(*now) {
                None => {}
                Some(_) if model.receiver.is_none() => panic!("a frame without a receiver"),
                Some(_) if model.closes_taken > 0 => panic!("a frame after the close frame"),
                Some(Frame::Open) => {
                    assert!(!model.opened, "two open frames");
                    model.opened = true;
                }
                Some(Frame::Messages(messages)) => {
                    assert!(model.opened, "messages before the open frame");
                    assert_eq!(messages.iter().map(number).collect::<Vec<_>>(), expected);
                    model.taken = model.outbound.len();
                }
                Some(Frame::Close(reason)) => {
                    assert!(
                        model.opened || model.closed,
                        "a close frame before the open frame"
                    );
                    assert_eq!(
                        Some(reason),
                        model.first_end.as_ref().map(|end| &end.reason)
                    );
                    model.closes_taken += 1;
                    model.closed = true;
                }
                Some(Frame::Heartbeat) => assert!(model.opened && expected.is_empty()),
            }
        }
        9 => {
            if let Some(message) = session.poll_message() {
                assert_eq!(
                    Some(number(&message)),
                    model.inbound.pop_front(),
                    "inbound order"
                );
            }
        }
        10 => {
            *now += Duration::from_millis(random.random_range(0..3_000));
            if let Some(deadline) = session.poll_timeout()
                && deadline <= *now
            {
                session.handle_timeout(*now, false);
                assert!(
                    session.poll_timeout().is_none_or(|next| next > *now),
                    "a deadline that is never met"
                );
                model.closed |= session.is_closed();
            }
        }
        _ => match random.random_range(0..20) {
            0 => session.handle_end(EndCause::Backend, CloseReason::new(3000, "Go away!")),
            1 => session.handle_end(EndCause::Shutdown, CloseReason::SERVICE_RESTART),
            2 => {
                session.handle_browser_close(CloseReason::NORMAL);
                model.closed = true;
            }
            3 => {
                let attachment = session.attachment();
                session.handle_doubt(attachment);
                model.closed |= model.receiver.is_none();
            }
            4 => session.handle_silence(random.random_bool(0.5).then_some(Duration::from_secs(1))),
            5 => session.handle_recycle(random.random_bool(0.5).then_some(*now)),
            _ => session.handle_alive(*now),
        },
    }
}

fn check_invariants(session: &mut Session, model: &mut Model) {
    let wakes = session.poll_wakes();
    if let (Some(first), Some(end)) = (&model.first_end, session.end()) {
        assert_eq!(first, end, "a second end replaced the first");
    }
    if model.first_end.is_none()
        && let Some(end) = session.end()
    {
        model.first_end = Some(end.clone());
        if end.cause == EndCause::Backend {
            model.inbound.clear();
        }
        assert!(wakes.backend, "the backend was not told of the end");
    }
    model.waits &= !wakes.receiver;
    assert!(
        !model.waits || !session.has_frame(),
        "the receiver was not told of a frame"
    );
    assert_eq!(session.is_closed(), model.closed, "closed");
    assert!(
        !session.is_closed() || session.end().is_some(),
        "closed without an end"
    );
    assert_eq!(
        session.outbound.len(),
        model.outbound.len(),
        "a message for the browser was lost or doubled"
    );
    assert_eq!(
        session.inbound.len(),
        model.inbound.len(),
        "a message for the backend was lost or doubled"
    );
    assert!(session.taken <= session.outbound.len());
    for queue in [&session.outbound, &session.inbound] {
        assert_eq!(
            queue.bytes(),
            queue.messages().iter().map(Message::len).sum::<usize>(),
            "byte count"
        );
    }
    let deadline = session.deadline();
    assert_eq!(
        deadline.is_none(),
        session.is_closed(),
        "a living session has a deadline, a closed one none"
    );
    let told = session
        .armed
        .is_some_and(|armed| deadline.is_some_and(|deadline| armed <= deadline));
    assert!(
        told || wakes.driver || session.is_closed(),
        "the driver would wake too late"
    );
    session.poll_timeout();
}

fn walk(seed: u64, steps: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let config = SessionConfig {
        outbound: QueueLimits {
            bytes: random.random_range(1..400),
            messages: random.random_range(1..20),
        },
        inbound: QueueLimits {
            bytes: random.random_range(1..400),
            messages: random.random_range(1..20),
        },
        ..SessionConfig::default()
    };
    let mut now = epoch();
    let mut session = Session::new(Arc::new(config), now);
    session.poll_timeout();
    let mut model = Model::default();
    for _ in 0..steps {
        step(&mut session, &mut model, &mut now, &mut random);
        check_invariants(&mut session, &mut model);
    }
    if session.is_closed() {
        let undelivered: Vec<_> = session.take_undelivered().iter().map(number).collect();
        assert_eq!(
            undelivered,
            Vec::from(model.outbound),
            "what did not leave is undelivered"
        );
    }
}

/// Every invariant holds in every order of inputs. A failing run prints its seed; `SESSION_SEED=n` repeats it,
/// `SESSION_WALKS=n` walks more often than the 2 000 times (200 000 steps and more) of an ordinary run.
#[test]
fn random_walks_keep_the_invariants() {
    let number_from = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    if let Some(seed) = number_from("SESSION_SEED") {
        return walk(seed, 150);
    }
    let first = rand::rng().random::<u64>() >> 1;
    for seed in first..first + number_from("SESSION_WALKS").unwrap_or(2_000) {
        let outcome = std::panic::catch_unwind(|| walk(seed, 150));
        assert!(
            outcome.is_ok(),
            "a random walk failed: repeat it with SESSION_SEED={seed}"
        );
    }
}
