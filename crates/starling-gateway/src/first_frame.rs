//! Authentication of a connection that brought no token in its handshake.

use starling_core::Identity;
use starling_protocol::{Command, Error, ErrorCode};

use crate::Gateway;
use crate::closing::{End, Fault};
use crate::reader::{Incoming, Reader};

/// Why there is no identity.
pub(crate) enum Refused {
    /// The client left.
    Left(End),
    /// The client is to be told.
    Because(Fault),
}

/// Waits for `{"id":…,"auth":{…}}`, which must be the first frame. Returns who it is and the frame's id.
pub(crate) async fn authenticate(gateway: &Gateway, reader: &mut Reader) -> Result<(Identity, u64), Refused> {
    let limit = gateway.settings().auth_timeout;
    let Ok(first) = tokio::time::timeout(limit, first(reader)).await else {
        let error = Error::new(
            ErrorCode::Unauthenticated,
            format!("no token came within {limit:?}"),
        );
        return Err(Refused::Because(Fault::refused(None, error)));
    };
    let (id, token) = first?;
    gateway.counters().frames_in.increment(1);
    match gateway.authenticate(&token).await {
        Ok(identity) => Ok((identity, id)),
        Err(error) => Err(Refused::Because(Fault::refused(Some(id), error))),
    }
}

async fn first(reader: &mut Reader) -> Result<(u64, String), Refused> {
    loop {
        let fault = match reader.next().await {
            Incoming::Alive => continue,
            Incoming::End(end) => return Err(Refused::Left(end)),
            Incoming::Fault(fault) => fault,
            Incoming::Frame(Err(refusal)) => Fault::refused(refusal.id, refusal.error),
            Incoming::Frame(Ok(frame)) => match frame.command {
                Command::Auth(auth) => return Ok((frame.id, auth.token)),
                _ => {
                    let message = "the first frame must be `auth`, or the handshake must bring a token";
                    Fault::refused(Some(frame.id), Error::new(ErrorCode::Unauthenticated, message))
                }
            },
        };
        return Err(Refused::Because(fault));
    }
}
