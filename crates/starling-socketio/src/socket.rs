//! A client in a namespace, from its request to be let in to its end.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use starling_core::{Identity, Outbox, Session, SessionGuard, until_expired};
use starling_protocol::{CloseCode, Error, ErrorCode, Reconnect};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::SocketIo;
use crate::connection::{Wire, hang_up};
use crate::decoder::Event;
use crate::dialect::Dialect;
use crate::end::End;
use crate::handler::{end_if_idle, say};
use crate::inbox::Inbox;
use crate::live::Live;
use crate::parser::Parser;
use crate::recovery::{self, Claim, MAX_MISSED};
use crate::telemetry::Refusal;
use crate::token::{self, Shown};
use crate::writer::Writer;

/// How long a client that was told to go has for it.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);

/// A client that asks to be let into a namespace.
pub(crate) struct Arrival {
    pub(crate) server: SocketIo,
    pub(crate) wire: Wire,
    pub(crate) dialect: Dialect,
    pub(crate) parser: Parser,
    pub(crate) inbox: Arc<Inbox>,
}

/// The answer to whoever is let in.
#[derive(Serialize)]
struct Welcome {
    /// The public id of the socket; not the engine's, which is a key.
    sid: String,
    pid: String,
}

/// Serves a client in a namespace that has shown `auth`. All of it runs in this one future.
pub(crate) async fn serve(arrival: Arrival, auth: Value) {
    // On the heap, since it is large, runs once, and would be part of every idle client's future; so would what was
    // shown.
    match Box::pin(admit(&arrival, auth)).await {
        Ok(Some(admitted)) => {
            arrival.wire.data.admitted();
            let end = live(&arrival, admitted).await;
            end.record();
            arrival.wire.data.leave(&arrival.inbox);
            Box::pin(part(&arrival, end)).await;
        }
        // Gone before it was let in.
        Ok(None) => arrival.wire.data.leave(&arrival.inbox),
        Err(error) => refuse(&arrival, &error),
    }
}

/// A client whose session is open.
struct Admitted {
    session: Arc<Session>,
    guard: SessionGuard,
    outbox: Arc<Outbox>,
    expires_at: Option<i64>,
    /// Where it goes on, if it can.
    claim: Option<Claim>,
    /// By which it has said who it is; to be carried out first.
    naming: Option<Event>,
}

async fn admit(arrival: &Arrival, auth: Value) -> Result<Option<Admitted>, Error> {
    let Arrival { server, wire, .. } = arrival;
    match token::identify(server, &wire.req_parts, &auth).await? {
        Shown::Identity(identity) => {
            let admitted = open(arrival, identity).await?;
            let claim = match recovery::read(&auth) {
                Some(claim) => followed(arrival, &admitted.session, claim).await,
                None => None,
            };
            let pid = claim.as_ref().map_or_else(fresh_id, |claim| claim.pid.clone());
            let sid = admitted.session.connection().as_str().to_owned();
            welcome(arrival, sid, pid);
            Ok(Some(Admitted { claim, ..admitted }))
        }
        Shown::Nothing => {
            welcome(arrival, fresh_id(), fresh_id());
            let limit = server.settings().connect_timeout;
            let named = timeout(limit, arrival.dialect.name_himself(arrival)).await;
            let Some((identity, naming)) = named.unwrap_or_default() else {
                return Ok(None);
            };
            let admitted = open(arrival, identity).await?;
            Ok(Some(Admitted {
                naming: Some(naming),
                ..admitted
            }))
        }
    }
}

fn fresh_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn welcome(arrival: &Arrival, sid: String, pid: String) {
    let namespace = arrival.dialect.namespace();
    say(
        &arrival.wire,
        arrival.parser.connected(namespace, &Welcome { sid, pid }),
    );
}

async fn open(arrival: &Arrival, identity: Identity) -> Result<Admitted, Error> {
    let server = &arrival.server;
    let outbox = Outbox::new(server.settings().outbox_bytes);
    // His token may bring a new name; whether it counts, the directory says, which has it once the session is open.
    server.names().forget(&identity.user);
    let expires_at = identity.expires_at;
    let session = server.engine().open_session(identity, outbox.clone()).await?;
    Ok(Admitted {
        guard: SessionGuard::new(session.clone()),
        session,
        outbox,
        expires_at,
        claim: None,
        naming: None,
    })
}

/// The claim, if the log can be replayed from there: he is a member of all of its rooms, and has not missed too much.
async fn followed(arrival: &Arrival, session: &Session, claim: Claim) -> Option<Claim> {
    let engine = arrival.server.engine();
    for (room, cursor) in &claim.cursors {
        let summary = engine.summary(session.user(), room).await.ok()?;
        if *cursor > summary.head || summary.head - cursor > MAX_MISSED {
            return None;
        }
    }
    arrival.server.counters().recovered.increment(1);
    Some(claim)
}

async fn live(arrival: &Arrival, admitted: Admitted) -> End {
    let Admitted {
        session,
        guard,
        outbox,
        expires_at,
        claim,
        naming,
    } = admitted;
    let open = arrival.server.counters().open();
    tracing::debug!(user = %session.user(), connection = %session.connection(), "connected by Socket.IO");
    let live = Arc::new(Live::new(arrival, session, outbox.clone()));
    let listed = arrival.server.sockets().enter(&live);
    live.greet(claim);
    let mut writer = Writer::new(&live);
    let end = tokio::select! {
        end = read(arrival, &live, naming) => end,
        end = writer.run() => end,
        never = expire(expires_at, &outbox) => match never {},
    };
    tracing::debug!(user = %live.user(), connection = %live.session().connection(), ?end, "Socket.IO connection ends");
    // Before the client learns of the end: it may come back at once, and this connection must not count then.
    guard.close().await;
    drop(open);
    drop(listed);
    end
}

/// Carries out what the client says, in the order in which it says it.
async fn read(arrival: &Arrival, live: &Live, naming: Option<Event>) -> End {
    // Where the client goes on in rooms that it has joined before.
    Box::pin(live.follow()).await;
    if let Some(event) = naming {
        Box::pin(arrival.dialect.carry_out(live, event)).await;
    }
    while let Some(event) = arrival.inbox.next().await {
        // Answers queue up for a client that does not read them: it is not read from either.
        if !live.outbox().until_roomy().await {
            return pending().await;
        }
        Box::pin(arrival.dialect.carry_out(live, event)).await;
    }
    End::Gone
}

/// Closes the outbox when the token expires.
async fn expire(expires_at: Option<i64>, outbox: &Outbox) -> Infallible {
    until_expired(expires_at).await;
    outbox.close(CloseCode::TokenExpired);
    pending().await
}

/// Tells a client that is not let in. One that may come back later is not refused, since it would not try again: its
/// connection breaks, and then it does.
fn refuse(arrival: &Arrival, error: &Error) {
    let Arrival {
        server,
        wire,
        dialect,
        parser,
        inbox,
        ..
    } = arrival;
    tracing::debug!(code = %error.code, "Socket.IO client refused: {}", error.message);
    wire.data.leave(inbox);
    match error.code {
        ErrorCode::Unavailable | ErrorCode::Internal | ErrorCode::Unknown => {
            Refusal::Unavailable.record();
            return hang_up(wire);
        }
        ErrorCode::TooManyConnections => Refusal::TooMany.record(),
        _ => Refusal::Unauthenticated.record(),
    }
    let message = format!("{}: {}", error.code, error.message);
    say(wire, parser.connect_error(dialect.namespace().into(), message));
    end_if_idle(server, wire);
}

/// Lets a client go in the way that makes it do what it should: one that should come back loses its connection, and
/// one that should not is told so.
async fn part(arrival: &Arrival, end: End) {
    let wire = &arrival.wire;
    let code = match end {
        End::Gone => return,
        End::Lost => return hang_up(wire),
        End::Server(code) => code,
    };
    if code.reconnect() == Reconnect::Never {
        let (parser, dialect) = (arrival.parser, arrival.dialect);
        say(wire, dialect.farewell(parser, code));
        say(wire, parser.disconnect(dialect.namespace()));
        let _ = timeout(FAREWELL, wire.closed()).await;
    } else {
        // What was said last is still on its way into the transport.
        sleep(std::time::Duration::ZERO).await;
    }
    hang_up(wire);
}
