//! Sessions whose first message says who they are: their backend is not reached before that, and nothing of it reaches the backend.

use std::sync::Arc;
use std::time::Duration;

use tracing::field::display;
use tracing::warn;

use crate::identity::{Authentication, Decision, Identity, Refusal};
use crate::protocol::CloseReason;
use crate::registry::{
    Backend, ClientPlace, Connection, Counts, Dials, Handshake, Health, Negotiated, Negotiation,
    Reaching, Served, Throttles,
};
use crate::session::EndCause;

use super::ServiceConfig;

/// In front of a backend.
pub(super) struct Gate {
    keeper: Arc<Keeper>,
    backend: Arc<dyn Backend>,
}

/// Who reads the first messages.
struct Keeper {
    auth: Authentication,
    timeout: Duration,
    /// The most sessions of a user.
    per_user: Option<usize>,
    refusals: Throttles,
}

impl Gate {
    /// In front of `backend`, where the service's authenticator takes first messages.
    pub(super) fn around(backend: Arc<dyn Backend>, config: &ServiceConfig) -> Arc<dyn Backend> {
        let auth = config.auth.as_ref();
        let Some((auth, timeout)) = auth.and_then(|auth| Some((auth, auth.message_timeout()?)))
        else {
            return backend;
        };
        let keeper = Arc::new(Keeper {
            auth: auth.clone(),
            timeout,
            per_user: config.clients.sessions_of_user,
            refusals: Throttles::default(),
        });
        Arc::new(Self { keeper, backend })
    }
}

impl Keeper {
    /// Waits for the first message and what is said of it. `None` when the session has ended before.
    async fn identify(
        &self,
        connection: &mut Connection,
    ) -> Option<Result<Arc<Identity>, Refusal>> {
        let first = tokio::time::timeout(self.timeout, connection.recv()).await;
        let message = match first {
            Ok(message) => Some(message?),
            Err(_) => {
                Counts::add(&connection.counts().first_message_timeouts, 1);
                None
            }
        };
        let text = message.as_ref().and_then(|message| message.as_text());
        match self.auth.authenticate_message(text) {
            Decision::Now(answer) => Some(answer),
            Decision::Later(answer) => tokio::select! {
                answer = answer => Some(answer),
                () = connection.abandoned() => None,
            },
            Decision::ByMessage => None,
        }
    }
}

impl Keeper {
    /// A place among the sessions of the user, where those are limited.
    fn place(
        &self,
        connection: &Connection,
        user: &Arc<Identity>,
    ) -> Option<Result<ClientPlace, CloseReason>> {
        let most = self.per_user?;
        Some(connection.place_of_user(user, most))
    }

    /// Tells the operator why a session ends.
    fn tell(&self, connection: &Connection, why: &'static str) {
        if let Some(held_back) = self.refusals.admit(why) {
            let (session, peer) = (connection.id(), connection.address().map(display));
            warn!(service = connection.service(), %session, peer, why, held_back, "authentication refused");
        }
    }
}

impl Backend for Gate {
    fn serve(&self, mut connection: Connection) -> Served {
        if connection.identity().is_some() {
            return self.backend.serve(connection);
        }
        let (keeper, backend) = (Arc::clone(&self.keeper), Arc::clone(&self.backend));
        Box::pin(async move {
            // Boxed: what it needs is not kept for the life of the session.
            match Box::pin(keeper.identify(&mut connection)).await {
                Some(Ok(identity)) => {
                    // Taken for as long as the backend serves.
                    let place = keeper.place(&connection, &identity);
                    let _place = match place.transpose() {
                        Ok(place) => place,
                        Err(reason) => return connection.refuse(EndCause::Overload, reason),
                    };
                    drop(keeper);
                    connection.identify(identity);
                    backend.serve(connection).await;
                }
                Some(Err(refusal)) => {
                    Counts::add(&connection.counts().unauthenticated, 1);
                    keeper.tell(&connection, refusal.why);
                    connection.refuse(EndCause::Identity, refusal.reason);
                }
                None => {}
            }
        })
    }

    /// Sub-protocols are the backend's, which is not to be reached yet: none is chosen for who has yet to say who it is.
    fn negotiate<'a>(&'a self, handshake: &'a Handshake, offered: &'a [String]) -> Negotiation<'a> {
        match handshake.identity {
            Some(_) => self.backend.negotiate(handshake, offered),
            None => Box::pin(std::future::ready(Ok(Negotiated::default()))),
        }
    }

    fn reach(&self) -> Reaching<'_> {
        self.backend.reach()
    }

    fn health(&self) -> Option<&Health> {
        self.backend.health()
    }

    fn counts_dials(&self, dials: &Arc<Dials>) -> bool {
        self.backend.counts_dials(dials)
    }

    fn wants_handshake(&self) -> bool {
        self.backend.wants_handshake()
    }
}
