//! What is asked of the responses of a session on an HTTP transport, and what their fate teaches.

use std::time::Duration;

use crate::moment::Moment;

use super::path::{Place, ResponsePlan, SHORTEST};
use super::trial::{Outcome, Trial};

/// A first stream that is still there after this time has arrived: sockjs-client would have given it up.
const KEPT: Duration = Duration::from_secs(5);

/// How streams of a session are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    /// As streams.
    Flowing,
    /// The first one is ended after this time; how the browser takes it shows what the network does to them.
    Trial(Duration),
    /// As streams; whether the browser keeps the first one shows what the network does to them, more slowly.
    Patient,
    /// One frame per response.
    OneFrame,
}

/// The responses of a session.
#[derive(Debug)]
pub(super) struct Responses {
    streams: Streams,
    /// How many have begun, and when the last one did and ended.
    count: u32,
    begun: Moment,
    ended: Moment,
    under_way: bool,
    /// When something last went to the browser on this response.
    said: Moment,
    /// A silence before that, which may have been too long: what was written then may lead nowhere.
    unconfirmed: Option<Duration>,
    first_message: Option<Moment>,
    /// A trial that waits for the browser's first message.
    open_trial: Option<Trial>,
    /// The silence in which the last response was cut off.
    cut: Option<Duration>,
}

impl Responses {
    pub(super) fn new(streams: Streams, now: Moment) -> Self {
        Self {
            streams,
            count: 0,
            begun: now,
            ended: now,
            under_way: false,
            said: now,
            unconfirmed: None,
            first_message: None,
            open_trial: None,
            cut: None,
        }
    }

    pub(super) fn begun(
        &mut self,
        place: &mut Place,
        now: Moment,
        streams: bool,
        pause: Duration,
    ) -> ResponsePlan {
        if let Some(gap) = self.cut.take() {
            // It has come back for more: no page that went.
            place.cut_in_silence(now, gap, true);
        }
        if let Some(gap) = self.unconfirmed.take() {
            // What ended the silence has arrived.
            place.survived(gap);
        }
        let before = std::mem::replace(&mut self.begun, now);
        self.count = self.count.saturating_add(1);
        self.under_way = true;
        self.said = now;
        if self.count == 2 {
            place.network.stream_used(now, place.server);
        }
        if !streams {
            return ResponsePlan::default();
        }
        if matches!(self.streams, Streams::Trial(_)) && self.count > 1 {
            let returned = (now - pause).max(self.ended);
            let trial = Trial {
                begun: before,
                ended: self.ended,
                returned,
            };
            self.end_trial(place, now, trial);
        }
        ResponsePlan {
            one_frame: self.streams == Streams::OneFrame,
            max_age: match self.streams {
                Streams::Trial(time) => Some(time),
                Streams::OneFrame => None,
                Streams::Flowing | Streams::Patient => place.network.response_age(now),
            },
        }
    }

    /// The browser came back after a trial. Until it is known that streams flow, nothing may be held back.
    fn end_trial(&mut self, place: &mut Place, now: Moment, trial: Trial) {
        self.streams = Streams::OneFrame;
        place.network.streaming_undecided();
        match self.first_message {
            Some(first) => self.judge(place, now, trial, first),
            None => self.open_trial = Some(trial),
        }
    }

    fn judge(&mut self, place: &mut Place, now: Moment, trial: Trial, first: Moment) {
        match trial.judge(first) {
            Outcome::Flowing => self.flow(place, now),
            Outcome::Held => {
                let finding = place.network.streaming_failed(now);
                place.found(finding);
            }
            Outcome::Undecided => {}
        }
    }

    fn flow(&mut self, place: &mut Place, now: Moment) {
        self.streams = Streams::Flowing;
        place.network.streaming_worked(now, place.server);
    }

    pub(super) fn wrote(&mut self, place: &mut Place, now: Moment) -> Option<Option<Moment>> {
        if self.first_message.is_some() {
            return None;
        }
        self.first_message = Some(now);
        if matches!(self.streams, Streams::Trial(_) | Streams::Patient) && self.under_way {
            self.flow(place, now);
            let age = place.network.response_age(now);
            return Some(age.map(|age| self.begun + age));
        }
        if let Some(trial) = self.open_trial.take() {
            self.judge(place, now, trial, now);
        }
        None
    }

    pub(super) fn said(&mut self, place: &mut Place, now: Moment) {
        let age = now.saturating_duration_since(self.begun);
        if self.streams == Streams::Patient && self.count == 1 && age >= KEPT {
            self.flow(place, now);
        }
        let gap = now.saturating_duration_since(self.said);
        self.said = now;
        if gap < place.network.shortest_silence() {
            return;
        }
        if let Some(before) = self.unconfirmed.replace(gap) {
            // A connection that was gone then would have been reset since.
            place.survived(before);
        }
    }

    pub(super) fn finished(&mut self, now: Moment) {
        self.under_way = false;
        self.ended = now;
    }

    pub(super) fn aborted(&mut self, place: &mut Place, now: Moment) {
        self.under_way = false;
        let unconfirmed = self.unconfirmed.take();
        if self.first_message.is_none() && self.count == 1 {
            // Given up for the next transport.
            return;
        }
        let silent = now.saturating_duration_since(self.said);
        // What is written to a connection that is gone ends it.
        let gap = unconfirmed.filter(|_| silent < SHORTEST).unwrap_or(silent);
        if gap >= SHORTEST {
            // A page that goes ends its responses in the same way; one that comes back was cut off.
            place.cut_in_silence(now, gap, false);
            self.cut = Some(gap);
        }
    }
}
