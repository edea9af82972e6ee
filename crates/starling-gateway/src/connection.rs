//! One connection, from the upgrade to its end.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use axum::extract::ws::WebSocket;
use futures::StreamExt;
use starling_core::{Identity, Outbox, Session, SessionGuard, SharedFrame, until_expired};
use starling_protocol::{CloseCode, Codec, ErrorCode, Ready, Reply};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::Gateway;
use crate::closing::{End, Fault};
use crate::first_frame::{self, Refused};
use crate::reader::Reader;
use crate::telemetry::Outcome;
use crate::writer::Writer;

/// How a connection came through its handshake.
pub(crate) enum Arrival {
    /// With a valid token.
    Authenticated(Identity),
    /// Without one: it holds a place among those that may wait for it.
    Pending(OwnedSemaphorePermit),
}

/// Serves a connection. All of it runs in this one future: a second task would cost a third more memory.
pub(crate) async fn serve(gateway: Gateway, codec: Codec, arrival: Arrival, socket: WebSocket) {
    let settings = gateway.settings();
    let outbox = Outbox::new(settings.outbox_bytes);
    let (sink, stream) = socket.split();
    let mut reader = Reader::new(stream, codec);
    let mut writer = Writer::new(
        sink,
        codec,
        settings.write_timeout,
        gateway.counters().frames_out.clone(),
    );

    // On the heap, since it is large, runs once, and would be part of every idle connection's future.
    let admitted = Box::pin(admit(&gateway, arrival, &mut reader, &outbox)).await;
    let end = match admitted {
        Ok(admitted) => live(&gateway, admitted, &mut reader, &mut writer, &outbox).await,
        Err(Refused::Left(end)) => {
            Outcome::Left.record();
            end
        }
        Err(Refused::Because(fault)) => {
            let error = fault.error();
            tracing::debug!(code = %error.code, "connection refused: {}", error.message);
            outcome_of(error.code).record();
            fault.tell(&outbox);
            writer.run(&outbox, &Notify::new()).await
        }
    };
    end.record();
    match end {
        End::Lost => return,
        End::Client => {}
        End::Server(code) => writer.close(code).await,
    }
    let _ = tokio::time::timeout(settings.close_timeout, reader.discard()).await;
}

/// A connection whose session is open.
struct Admitted {
    session: Arc<Session>,
    guard: SessionGuard,
    expires_at: Option<i64>,
    /// The `auth` frame that is to be answered.
    asked: Option<u64>,
}

async fn admit(
    gateway: &Gateway,
    arrival: Arrival,
    reader: &mut Reader,
    outbox: &Arc<Outbox>,
) -> Result<Admitted, Refused> {
    let (identity, asked) = match arrival {
        Arrival::Authenticated(identity) => (identity, None),
        Arrival::Pending(_place) => {
            let (identity, id) = first_frame::authenticate(gateway, reader).await?;
            (identity, Some(id))
        }
    };
    let expires_at = identity.expires_at;
    match gateway.engine().open_session(identity, outbox.clone()).await {
        Ok(session) => {
            let guard = SessionGuard::new(session.clone());
            Ok(Admitted {
                session,
                guard,
                expires_at,
                asked,
            })
        }
        Err(error) => Err(Refused::Because(Fault::refused(asked, error))),
    }
}

async fn live(
    gateway: &Gateway,
    admitted: Admitted,
    reader: &mut Reader,
    writer: &mut Writer,
    outbox: &Outbox,
) -> End {
    let Admitted {
        session,
        guard,
        expires_at,
        asked,
    } = admitted;
    Outcome::Accepted.record();
    let open = gateway.counters().open();
    tracing::debug!(user = %session.user(), connection = %session.connection(), "connected");
    outbox.push(SharedFrame::ready(Ready {
        user: session.user().clone(),
        node: gateway.engine().node_id().to_owned(),
        connection: session.connection().as_str().to_owned(),
        heartbeat_ms: u64::try_from(gateway.settings().heartbeat.as_millis()).unwrap_or(u64::MAX),
    }));
    if let Some(id) = asked {
        outbox.push(SharedFrame::reply(id, Ok(Reply::Done {})));
    }
    let ping = Notify::new();
    // Whichever ends first ends the others. A command that is being carried out then is cut short, which leaves
    // its client where every lost connection does: it does not know the outcome, and asks again.
    let end = tokio::select! {
        end = reader.run(gateway, &session, outbox, &ping) => end,
        end = writer.run(outbox, &ping) => end,
        never = expire(expires_at, outbox) => match never {},
    };
    // Before the client learns of the end: it may come back at once, and this connection must not count then.
    guard.close().await;
    drop(open);
    tracing::debug!(user = %session.user(), connection = %session.connection(), ?end, "disconnected");
    end
}

/// Closes the outbox when the token expires.
async fn expire(expires_at: Option<i64>, outbox: &Outbox) -> Infallible {
    until_expired(expires_at).await;
    outbox.close(CloseCode::TokenExpired);
    pending().await
}

fn outcome_of(code: ErrorCode) -> Outcome {
    match code {
        ErrorCode::TooManyConnections => Outcome::TooMany,
        ErrorCode::Unavailable | ErrorCode::Internal => Outcome::Unavailable,
        _ => Outcome::Unauthenticated,
    }
}
