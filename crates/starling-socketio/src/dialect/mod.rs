//! Dialects: the events of the systems that Starling replaces, translated to the core's commands and back. Each
//! namespace speaks one; what is in them, field by field, stands in `docs/socketio.md`. Their routes, for programs
//! without a socket, are here too.
//!
//! [`root`] is CampZone's and Chat Service's, [`community`] Community Chat's, [`chatter`] Chatter's. The other modules
//! are what they share.

mod chatter;
mod community;
mod error;
mod events;
mod heard;
mod membership;
mod naming;
#[cfg(test)]
mod pages;
mod payload;
mod place;
mod root;
mod routes;
mod socket_info;
mod stored;
mod timestamp;
mod translation;

use axum::Router;
use starling_core::Identity;
use starling_protocol::{CloseCode, ConversationId, Error, Reply};

pub(crate) use community::CommunityStats;
pub(crate) use heard::{Heard, HeardMessage, Watcher};
pub(crate) use translation::{Telling, translate};

use crate::SocketIo;
use crate::decoder::Event;
use crate::live::Live;
use crate::parser::{Frame, Parser};
use crate::pending::{Asked, Pending};
use crate::rooms::Follows;
use crate::socket::Arrival;

/// The routes of all dialects.
pub(crate) fn router(server: SocketIo) -> Router {
    let routes = [
        root::routes(),
        community::routes(),
        chatter::routes(),
        socket_info::routes(),
    ];
    routes::router(routes.into_iter().flatten(), server)
}

/// What is spoken in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// CampZone's and Chat Service's.
    Root,
    /// Community Chat's.
    Community,
    /// Chatter's.
    Chatter,
}

impl Dialect {
    const ALL: [Self; 3] = [Self::Root, Self::Community, Self::Chatter];

    /// That of a namespace.
    pub(crate) fn of(namespace: &str) -> Option<Self> {
        let namespace = if namespace.is_empty() { "/" } else { namespace };
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.namespace() == namespace)
    }

    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Root => root::NAMESPACE,
            Self::Community => community::NAMESPACE,
            Self::Chatter => chatter::NAMESPACE,
        }
    }

    /// Of which conversations its clients are told.
    pub(crate) fn follows(self) -> Follows {
        match self {
            Self::Root | Self::Community => Follows::Joined,
            Self::Chatter => Follows::All,
        }
    }

    /// The room whose members' coming and going a client is told of, if its dialect has words for that.
    pub(crate) fn presence_in(self, live: &Live) -> Option<&ConversationId> {
        match self {
            Self::Root | Self::Chatter => None,
            Self::Community => Some(&live.server().settings().community),
        }
    }

    /// Says the first words to a client.
    pub(crate) fn greet(self, live: &Live) {
        match self {
            Self::Root => root::greet(live),
            Self::Community => {}
            Self::Chatter => chatter::greet(live),
        }
    }

    /// Waits until a client that has shown nothing says who it is, by an event that is to be carried out then. `None`:
    /// it has left.
    pub(crate) async fn name_himself(self, arrival: &Arrival) -> Option<(Identity, Event)> {
        let naming = match self {
            Self::Root => root::NAMING,
            Self::Community => community::NAMING,
            Self::Chatter => chatter::NAMING,
        };
        naming::name_himself(arrival, naming).await
    }

    /// Carries out an event. What the core answers later goes through [`Dialect::answer`].
    pub(crate) async fn carry_out(self, live: &Live, event: Event) {
        match self {
            Self::Root => root::carry_out(live, event).await,
            Self::Community => community::carry_out(live, event).await,
            Self::Chatter => chatter::carry_out(live, event).await,
        }
    }

    /// The core has answered.
    pub(crate) async fn answer(self, live: &Live, pending: Pending, result: &Result<Reply, Error>) {
        match self {
            Self::Root => root::answer(live, pending, result).await,
            Self::Community => community::answer(live, pending, result).await,
            Self::Chatter => chatter::answer(live, pending, result).await,
        }
    }

    /// Tells a client that something could not be done.
    pub(crate) fn complain(self, live: &Live, event: &str, error: &Error) {
        let asked = Asked {
            event: event.to_owned(),
            ack: None,
        };
        error::complain(live, &asked, error);
    }

    /// The last words to a client that is not to come back as it is.
    pub(crate) fn farewell(self, parser: Parser, code: CloseCode) -> Frame {
        error::farewell(parser, self.namespace(), code)
    }
}
