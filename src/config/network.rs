//! The shape of `[service.network]`: what is learnt of client networks, and what is known beforehand.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;

use crate::network::{NetworkConfig, Pin, WebsocketProof};

use super::file::set;
use super::units::Span;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkTable {
    learn: Option<bool>,
    capacity: Option<NonZeroUsize>,
    adaptive_heartbeat: Option<bool>,
    first_heartbeat: Option<Span>,
    heartbeat_floor: Option<Span>,
    remember: Option<Span>,
    prove_websocket: Option<ProofName>,
    #[serde(default)]
    pin: Vec<PinTable>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ProofName {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PinTable {
    clients: Vec<String>,
    heartbeat_delay: Option<Span>,
    websocket: Option<bool>,
    one_frame: Option<bool>,
}

impl NetworkTable {
    /// Replaces the defaults where the file has a value.
    ///
    /// # Errors
    /// What is wrong with a pin or a heartbeat.
    pub(super) fn apply(self, config: &mut NetworkConfig) -> Result<(), String> {
        set(&mut config.learn, self.learn);
        set(&mut config.capacity, self.capacity.map(NonZeroUsize::get));
        set(&mut config.adaptive_heartbeat, self.adaptive_heartbeat);
        let first = beat("first_heartbeat", self.first_heartbeat)?;
        set(&mut config.first_heartbeat, first);
        let floor = beat("heartbeat_floor", self.heartbeat_floor)?;
        set(&mut config.heartbeat_floor, floor);
        set(&mut config.remember, self.remember.map(|span| span.0));
        let proof = self.prove_websocket.map(|name| match name {
            ProofName::Auto => WebsocketProof::Auto,
            ProofName::Always => WebsocketProof::Always,
            ProofName::Never => WebsocketProof::Never,
        });
        set(&mut config.prove_websocket, proof);
        let pins = self.pin.into_iter().map(PinTable::into_pin);
        config.pins = pins.collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// A silence after which a heartbeat is sent.
fn beat(key: &str, span: Option<Span>) -> Result<Option<Duration>, String> {
    const SHORTEST: Duration = Duration::from_millis(100);
    match span {
        Some(Span(span)) if span < SHORTEST => Err(format!(
            "network: {key} = {span:?} would send heartbeats without end; write \"100ms\" or more"
        )),
        span => Ok(span.map(|span| span.0)),
    }
}

impl PinTable {
    fn into_pin(self) -> Result<Pin, String> {
        let clients = crate::service::parse_networks(&self.clients)
            .map_err(|what| format!("network.pin: clients: {what}"))?;
        if clients.is_empty() {
            return Err(
                "network.pin: clients is empty; write the networks it is for, like [\"10.1.0.0/16\"]"
                    .to_owned(),
            );
        }
        let pin = Pin {
            clients,
            heartbeat_delay: beat("pin: heartbeat_delay", self.heartbeat_delay)?,
            websocket: self.websocket,
            one_frame: self.one_frame,
        };
        if pin
            == (Pin {
                clients: pin.clients.clone(),
                ..Pin::default()
            })
        {
            return Err(
                "network.pin: says nothing; write heartbeat_delay, websocket or one_frame"
                    .to_owned(),
            );
        }
        Ok(pin)
    }
}
