//! Dialects: the events of the systems that Starling replaces, translated to the core's commands and back. Each
//! namespace speaks one; what is in them, field by field, stands in `docs/socketio.md`.
//!
//! [`root`] is `/`: CampZone and Chat Service, whose payloads are served as one superset, so that the clients of either
//! read it. What only one of them has is in [`campzone`] and [`chat_service`].

mod campzone;
mod chat_rest;
mod chat_service;
mod error;
mod heard;
mod history;
mod message;
mod online;
mod payload;
mod root;
mod sending;
mod timestamp;
mod translation;

use starling_core::{Identity, SharedFrame};
use starling_protocol::{CloseCode, Error, Reply};

pub(crate) use chat_rest::router as chat_rest;
pub(crate) use heard::Heard;
pub(crate) use translation::Telling;

use crate::decoder::Event;
use crate::live::Live;
use crate::parser::{Frame, Parser};
use crate::pending::{Asked, Pending};
use crate::socket::Arrival;

/// What is spoken in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// CampZone's and Chat Service's, on `/`.
    Root,
}

impl Dialect {
    /// That of a namespace.
    pub(crate) fn of(namespace: &str) -> Option<Self> {
        match namespace {
            "/" | "" => Some(Self::Root),
            _ => None,
        }
    }

    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Root => "/",
        }
    }

    /// Says the first words to a client.
    pub(crate) fn greet(self, live: &Live) {
        match self {
            Self::Root => campzone::greet(live),
        }
    }

    /// Waits until a client that has shown nothing says who it is. `None`: it has left.
    pub(crate) async fn name_himself(self, arrival: &Arrival) -> Option<Identity> {
        match self {
            Self::Root => chat_service::name_himself(arrival).await,
        }
    }

    /// Carries out an event. What the core answers later goes through [`Dialect::answer`].
    pub(crate) async fn carry_out(self, live: &Live, event: Event) {
        match self {
            Self::Root => root::carry_out(live, event).await,
        }
    }

    /// The core has answered.
    pub(crate) async fn answer(self, live: &Live, pending: Pending, result: &Result<Reply, Error>) {
        match self {
            Self::Root => root::answer(live, pending, result).await,
        }
    }

    /// What clients are told of a frame of the core: made once for all of them.
    pub(crate) async fn translate<'f>(self, live: &Live, frame: &'f SharedFrame) -> &'f [Telling] {
        match self {
            Self::Root => translation::translate(live, frame).await,
        }
    }

    /// Tells a client that something could not be done.
    pub(crate) fn complain(self, live: &Live, event: &str, error: &Error) {
        let asked = Asked {
            event: event.to_owned(),
            ack: None,
        };
        match self {
            Self::Root => error::complain(live, &asked, error),
        }
    }

    /// The last words to a client that is not to come back as it is.
    pub(crate) fn farewell(self, parser: Parser, code: CloseCode) -> Frame {
        match self {
            Self::Root => error::farewell(parser, self.namespace(), code),
        }
    }
}
