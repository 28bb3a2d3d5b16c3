//! Sessions that send and count what comes: each its own messages, or all those of one of them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::client::{Event, Receiver, Sender};
use crate::protocol::Message;

use super::control::Phase;
use super::payload::{Arrival, Order, Stamp};
use super::plan::Scenario;
use super::seat::Seat;

/// Messages that may go in one request, and about how many bytes. A service's limits are above that.
const MAX_BATCH: u64 = 128;
const MAX_BATCH_SIZE: usize = 32 * 1024;
/// Time for the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens a session, sends and receives until the run ends, and closes it.
pub(super) async fn serve(seat: Seat) {
    let Some(client) = seat.open().await else {
        if seat.index == 0 && seat.run.plan.scenario == Scenario::FanOut {
            seat.run.control.publish(0);
        }
        return;
    };
    let transport = client.transport();
    let (mut sender, receiver) = client.split();
    let mut line = Line::new(seat, receiver, !transport.is_websocket());
    while let Some(messages) = poll_fn(|context| line.poll_due(context)).await {
        if !line.send(&mut sender, messages).await {
            break;
        }
    }
    line.account();
    let Line { seat, receiver, .. } = line;
    close(&seat, sender, receiver).await;
}

async fn close(seat: &Seat, mut sender: Sender, mut receiver: Receiver) {
    let closing = async {
        if sender.close(1000, "").await.is_ok() {
            while receiver.recv().await.is_some() {}
        }
    };
    let _ = seat
        .until_over(tokio::time::timeout(CLOSE_TIMEOUT, closing))
        .await;
}

/// One session at work.
struct Line {
    seat: Seat,
    receiver: Receiver,
    /// Messages go together, in one request: as sockjs-client does it over HTTP. On a WebSocket each has a frame.
    together: bool,
    /// The session whose messages are waited for.
    source: usize,
    sends: bool,
    sent: u64,
    order: Order,
    /// Messages that may be sent before another comes back.
    credit: u64,
    /// When it was last looked at: a look for every message is enough.
    clock: u64,
    /// It ended by itself.
    ended: bool,
    published: bool,
}

impl Line {
    fn new(seat: Seat, receiver: Receiver, together: bool) -> Self {
        let plan = &seat.run.plan;
        let (source, sends) = match plan.scenario {
            Scenario::FanOut => (0, seat.index == 0),
            _ => (seat.index, true),
        };
        Self {
            credit: plan.in_flight as u64,
            seat,
            receiver,
            together,
            source,
            sends,
            sent: 0,
            order: Order::default(),
            clock: 0,
            ended: false,
            published: false,
        }
    }

    /// Receives, until there is something to send. `None` when the session has nothing more to do.
    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<Message>>> {
        let run = &self.seat.run;
        run.control.register(self.seat.index, context.waker());
        let phase = run.control.phase();
        self.clock = run.control.now();
        let may_send = self.sends && phase == Phase::Running && self.clock < run.control.end();
        // A message that goes alone goes at once; those that go together wait for what has come already.
        let stops = may_send && !self.together && run.schedule.is_none();
        if !(stops && self.credit > 0) {
            self.receive(context, stops);
        }
        if self.ended || phase == Phase::Over {
            return Poll::Ready(None);
        }
        if may_send {
            let messages = self.due();
            if !messages.is_empty() {
                return Poll::Ready(Some(messages));
            }
        }
        if phase == Phase::Draining {
            self.publish();
            if self
                .expected()
                .is_some_and(|all| self.order.received() >= all)
            {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    }

    /// Tells those who wait for this session's messages how many there are.
    fn publish(&mut self) {
        let to_all = self.seat.run.plan.scenario == Scenario::FanOut;
        if to_all && self.sends && !self.published {
            self.published = true;
            self.seat.run.control.publish(self.sent);
        }
    }

    /// How many messages are to come; `None` while that is not known.
    fn expected(&self) -> Option<u64> {
        if self.sends {
            Some(self.sent)
        } else {
            self.seat.run.control.published()
        }
    }

    /// Takes everything that has come; with `stops`, only until one of our messages has.
    fn receive(&mut self, context: &mut Context<'_>, stops: bool) {
        while !self.ended {
            let Poll::Ready(event) = self.receiver.poll_recv(context) else {
                return;
            };
            match event {
                Some(Event::Message(message)) => {
                    if self.take(&message) && stops {
                        return;
                    }
                }
                Some(_) => {}
                None => {
                    self.ended = true;
                    let reason = self.receiver.closed();
                    self.seat.ended(reason.as_ref());
                }
            }
        }
    }

    /// Counts one message. Gives whether another may be sent for it.
    fn take(&mut self, message: &Message) -> bool {
        let control = &self.seat.run.control;
        let stamp = message
            .as_text()
            .and_then(|text| self.seat.run.template.read(text));
        let now = control.now();
        self.clock = now;
        let mut tally = self.seat.tally.lock();
        let Some(stamp) = stamp.filter(|stamp| stamp.session == self.source) else {
            tally.foreign += 1;
            return false;
        };
        match self.order.take(stamp.sequence) {
            Arrival::InOrder => {}
            Arrival::Reordered => tally.reordered += 1,
            Arrival::Duplicate => {
                tally.duplicated += 1;
                return false;
            }
        }
        self.credit += 1;
        tally.received += 1;
        if control.measures(now) {
            tally.counted += 1;
        }
        if control.measures(stamp.time) {
            tally.latency.record(now.saturating_sub(stamp.time));
        }
        true
    }

    /// The messages that are to be sent now.
    fn due(&mut self) -> Vec<Message> {
        let now = self.clock;
        let run = &self.seat.run;
        let (control, plan) = (&run.control, &run.plan);
        let due = match &run.schedule {
            None => self.credit,
            Some(schedule) => {
                let since = (now + 1).saturating_sub(control.start());
                schedule
                    .before(self.seat.index, since)
                    .saturating_sub(self.sent)
            }
        };
        let most = if self.together {
            MAX_BATCH.min((MAX_BATCH_SIZE / plan.size).max(1) as u64)
        } else {
            1
        };
        let count = due.min(most);
        let mut messages = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        for sequence in self.sent..self.sent + count {
            let time = match &run.schedule {
                None => now,
                // When it was to be sent: a session that is held up does not hide it.
                Some(schedule) => {
                    let time = control.start() + schedule.time(self.seat.index, sequence);
                    if control.measures(time) {
                        let mut tally = self.seat.tally.lock();
                        tally.lateness.record(now.saturating_sub(time));
                    }
                    time
                }
            };
            let stamp = Stamp {
                session: self.seat.index,
                sequence,
                time,
            };
            messages.push(Message::from(run.template.write(stamp)));
        }
        self.sent += count;
        self.credit = self.credit.saturating_sub(count);
        messages
    }

    /// Sends, and receives meanwhile. Gives whether the session lives.
    async fn send(&mut self, sender: &mut Sender, mut messages: Vec<Message>) -> bool {
        let one = if messages.len() == 1 {
            messages.pop()
        } else {
            None
        };
        let sending = async {
            match one {
                Some(message) => sender.send(message).await,
                None => sender.send_all(messages).await,
            }
        };
        let mut sending = pin!(sending);
        let outcome = poll_fn(|context| {
            if let Poll::Ready(outcome) = sending.as_mut().poll(context) {
                return Poll::Ready(Some(outcome));
            }
            let control = &self.seat.run.control;
            control.register(self.seat.index, context.waker());
            let phase = control.phase();
            self.receive(context, false);
            if self.ended || phase == Phase::Over {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await;
        match outcome {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                if !self.ended {
                    self.ended = true;
                    let reason = error.close_reason();
                    self.seat.ended(reason.as_ref());
                }
                false
            }
            None => false,
        }
    }

    /// Adds up what was sent and has not come.
    fn account(&mut self) {
        self.publish();
        let run = &self.seat.run;
        let mut tally = self.seat.tally.lock();
        if self.sends {
            tally.sent += self.sent;
            if let Some(schedule) = &run.schedule {
                let all = run.control.end().saturating_sub(run.control.start());
                let all = schedule.before(self.seat.index, all);
                tally.unsent += all.saturating_sub(self.sent);
            }
        }
        let expected = self.expected().unwrap_or_default();
        tally.lost += expected.saturating_sub(self.order.received());
        tally.heartbeats += self.receiver.heartbeats();
    }
}
