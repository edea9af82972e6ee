//! Chat Service's `/api/socket-info`: who is connected to this node by Socket.IO, for whoever runs it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use starling_protocol::{ConversationId, Error, ErrorCode, UserId};

use super::routes::{Caller, Failure, Route, get};
use crate::SocketIo;

/// Sockets that are described; all are counted.
const MOST: usize = 1_000;

/// The route.
pub(super) fn routes() -> Vec<Route> {
    vec![get("/api/socket-info", socket_info)]
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SocketInfo {
    success: bool,
    /// Each node knows its own.
    node: String,
    total_connections: usize,
    sockets: Vec<Socket>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Socket {
    id: String,
    user_id: UserId,
    username: String,
    rooms: Vec<ConversationId>,
    connected: bool,
    namespace: &'static str,
}

async fn socket_info(State(server): State<SocketIo>, caller: Caller) -> Result<Json<SocketInfo>, Failure> {
    if !caller.0.admin {
        let message = "only tokens with the scope `admin` may ask this";
        return Err(Error::new(ErrorCode::Forbidden, message).into());
    }
    let (total_connections, live) = server.sockets().first(MOST);
    let users: Vec<_> = live.iter().map(|live| live.user()).collect();
    let called = server.names().of(server.engine(), &users).await;
    let sockets = live.iter().zip(called).map(|(live, username)| Socket {
        id: live.session().connection().as_str().to_owned(),
        user_id: live.user().clone(),
        username,
        rooms: live.rooms.lock().ids(),
        connected: !live.wire().is_closed(),
        namespace: live.dialect().namespace(),
    });
    Ok(Json(SocketInfo {
        success: true,
        node: server.engine().node_id().to_owned(),
        total_connections,
        sockets: sockets.collect(),
    }))
}
